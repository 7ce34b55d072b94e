/*
 * Two sets of settings: those in force, and those that a restart would bring. They are the same until a reload brings one that cannot
 * change while the agent runs.
 */
#include "api/agent/live.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/state_dir.h"
#include "api/contract/validate.h"
#include "api/json/tree.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"

struct vx6_agent_live {
	struct vx6_api_settings api;
	const struct vx6_cli_parsed *command_line;
	char dir[PATH_MAX];
	pthread_mutex_t lock; /* guards what is below */
	char file[PATH_MAX];  /* last read; empty: none */
	struct vx6_settings *in_force, *wanted;
	char problem
		[VX6_SETTINGS_DETAIL]; /* why the last reload came to nothing; empty: it did not */
	uint64_t read_ms;
};

/* ---- from all places ---- */

static vx6_err take_flags(const struct vx6_cli_parsed *p, struct vx6_settings *s, char *detail)
{
	bool cleared[VX6_SETTINGS_N] = {false};

	s->from = VX6_FROM_FLAG;
	for (size_t i = 0; i < p->values_n; i++) {
		enum vx6_setting which = vx6_setting_by_flag(p->values[i].arg->name);
		const char *text = p->values[i].text ? p->values[i].text : "true";

		if (which == VX6_SETTINGS_N)
			continue;
		if (!cleared[which])
			vx6_settings_clear(s, which);
		cleared[which] = true;
		if (!vx6_is_ok(vx6_settings_add(s, which, text))) {
			snprintf(detail, VX6_SETTINGS_DETAIL, "--%s: too many",
				 p->values[i].arg->name);
			return VX6_ERR(LIMIT);
		}
	}
	return VX6_OK;
}

/* Without --config: agent.yaml of the state directory, when there is one (`vx6 init --name` writes it). */
static bool default_file(const struct vx6_cli_parsed *p, char *out)
{
	const char *dir = vx6_cli_text(p, "state-dir");
	char state[PATH_MAX - 16];

	if (!dir)
		dir = getenv("VX6_STATE_DIR");
	if (dir)
		vx6_strlcpy(state, dir, sizeof state);
	else if (!vx6_state_dir_default(state, sizeof state))
		return false;
	snprintf(out, PATH_MAX, "%s/agent.yaml", state);
	return access(out, F_OK) == 0;
}

vx6_err vx6_agent_collect(const struct vx6_cli_parsed *p, struct vx6_settings *s, char *file,
			  char *detail)
{
	const char *given = vx6_cli_text(p, "config");

	if (!given)
		given = getenv("VX6_CONFIG");
	if (given)
		vx6_strlcpy(file, given, PATH_MAX);
	else if (!default_file(p, file))
		file[0] = 0;
	if (file[0])
		VX6_TRY(vx6_settings_read_file(s, file, detail));
	VX6_TRY(vx6_settings_read_env(s, detail));
	return take_flags(p, s, detail);
}

/* ---- sets of settings ---- */

static void copy_one(struct vx6_settings *to, const struct vx6_settings *from,
		     enum vx6_setting which)
{
	vx6_settings_clear(to, which);
	to->from = from->of[which].from;
	for (size_t i = 0; i < from->of[which].n; i++)
		(void)!vx6_is_ok(vx6_settings_add(to, which, from->of[which].text[i]));
}

static bool same(const struct vx6_settings *a, const struct vx6_settings *b, enum vx6_setting which)
{
	bool equal = a->of[which].n == b->of[which].n;

	for (size_t i = 0; equal && i < a->of[which].n; i++)
		equal = strcmp(a->of[which].text[i], b->of[which].text[i]) == 0;
	return equal;
}

static struct vx6_settings *settings_new(void)
{
	return vx6_zalloc(sizeof(struct vx6_settings));
}

static void settings_free(struct vx6_settings *s)
{
	if (s)
		vx6_settings_fini(s);
	free(s);
}

/* ---- as JSON ---- */

/* A secret one shows only that there is one. */
static void put_values(struct vx6_json *j, const char *key, const struct vx6_settings *s,
		       enum vx6_setting which)
{
	const struct vx6_setting_info *info = &vx6_setting_infos[which];
	const struct vx6_setting_values *v = &s->of[which];

	vx6_json_array(j, key);
	for (size_t i = 0; i < v->n && !info->secret; i++)
		vx6_json_str(j, NULL, v->text[i]);
	if (v->n == 0 && info->builtin)
		vx6_json_str(j, NULL, info->builtin);
	vx6_json_end_array(j);
}

static const char *source_name(const struct vx6_setting_values *v)
{
	static const char *const names[] = {[VX6_FROM_FILE] = "file",
					    [VX6_FROM_ENVIRONMENT] = "environment",
					    [VX6_FROM_FLAG] = "flag"};

	return v->n > 0 ? names[v->from] : "default";
}

static void put_setting(struct vx6_json *j, const struct vx6_agent_live *live,
			enum vx6_setting which)
{
	const struct vx6_setting_info *info = &vx6_setting_infos[which];
	bool pending = !same(live->in_force, live->wanted, which);
	char name[VX6_SETTINGS_KEY];

	vx6_json_object(j, NULL);
	vx6_json_str(j, "name", vx6_setting_name(which, name));
	put_values(j, "values", live->in_force, which);
	vx6_json_str(j, "source", source_name(&live->in_force->of[which]));
	vx6_json_bool(j, "needs_restart", !info->live);
	vx6_json_bool(j, "secret", info->secret);
	vx6_json_bool(j, "pending", pending);
	vx6_json_end_object(j);
}

/* The lock is held. @return owned */
static char *as_json(const struct vx6_agent_live *live)
{
	char when[VX6_TIME_TEXT];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "file", live->file[0] ? live->file : NULL);
	vx6_json_str(&j, "read_at", vx6_time_format(live->read_ms, when));
	vx6_json_object(&j, "condition");
	vx6_json_str(&j, "type", "loaded");
	vx6_json_bool(&j, "status", !live->problem[0]);
	vx6_json_str(&j, "message", live->problem[0] ? live->problem : NULL);
	vx6_json_end_object(&j);
	vx6_json_array(&j, "items");
	for (int i = 0; i < VX6_SETTINGS_N; i++)
		put_setting(&j, live, (enum vx6_setting)i);
	vx6_json_end_array(&j);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static char *show(void *user)
{
	struct vx6_agent_live *live = user;
	char *text;

	pthread_mutex_lock(&live->lock);
	text = as_json(live);
	pthread_mutex_unlock(&live->lock);
	return text;
}

/* ---- reload ---- */

static vx6_err read_again(struct vx6_agent_live *live, struct vx6_settings *s, char *file,
			  enum vx6_log_level *level, char *detail)
{
	struct vx6_agent_config *cfg;
	vx6_err err;

	VX6_TRY(vx6_agent_collect(live->command_line, s, file, detail));
	cfg = vx6_zalloc(sizeof *cfg);
	err = vx6_agent_config_make(s, cfg, detail);
	*level = cfg->log_level;
	vx6_agent_config_fini(cfg);
	free(cfg);
	return err;
}

/* Takes @p s. */
static void take_on(struct vx6_agent_live *live, struct vx6_settings *s, const char *file)
{
	char name[VX6_SETTINGS_KEY];

	settings_free(live->wanted);
	live->wanted = s;
	live->problem[0] = 0;
	vx6_strlcpy(live->file, file, sizeof live->file);
	live->read_ms = vx6_wall_ms();
	for (int i = 0; i < VX6_SETTINGS_N; i++) {
		enum vx6_setting which = (enum vx6_setting)i;

		if (vx6_setting_infos[which].live)
			copy_one(live->in_force, s, which);
		else if (!same(live->in_force, s, which))
			VX6_WARN("agent", "%s is another now; that needs a restart",
				 vx6_setting_name(which, name));
	}
}

void vx6_agent_live_reload(void *user)
{
	struct vx6_agent_live *live = user;
	struct vx6_settings *s = settings_new();
	char detail[VX6_SETTINGS_DETAIL] = "", file[PATH_MAX] = "";
	enum vx6_log_level level;
	vx6_err err;

	pthread_mutex_lock(&live->lock);
	err = read_again(live, s, file, &level, detail);
	if (vx6_is_ok(err)) {
		VX6_INFO("agent", "the settings were read again%s%s", file[0] ? " from " : "",
			 file);
		take_on(live, s, file);
		vx6_log_set_level(level);
	} else {
		vx6_strlcpy(live->problem, detail[0] ? detail : vx6_err_text(err),
			    sizeof live->problem);
		VX6_ERROR("agent", "the settings were not read again, those in force stay: %s",
			  live->problem);
		settings_free(s);
	}
	pthread_mutex_unlock(&live->lock);
}

static char *reload(void *user)
{
	vx6_agent_live_reload(user);
	return show(user);
}

/* ---- checking one that is not in force ---- */

static void fault(struct vx6_faults *faults, const char *field, const char *setting,
		  const char *detail)
{
	char pointer[VX6_FAULT_POINTER];

	snprintf(pointer, sizeof pointer, "/%s%s%s", field, setting ? "/" : "",
		 setting ? setting : "");
	vx6_fault_add(faults, pointer, "invalid", "%s", detail);
}

/* Each member as a document of its own, so that each has its own faults. */
static void read_members(struct vx6_settings *s, const struct vx6_value *object,
			 struct vx6_faults *faults)
{
	for (const struct vx6_value *v = vx6_value_first(object); v; v = vx6_value_next(v)) {
		char detail[VX6_SETTINGS_DETAIL] = "", *value = vx6_value_text(v);
		struct vx6_json j = {0};
		char *text;

		vx6_json_object(&j, NULL);
		vx6_json_raw(&j, vx6_value_key(v), value ? value : "null");
		vx6_json_end_object(&j);
		text = vx6_json_take(&j);
		if (!vx6_is_ok(vx6_settings_read_text(s, text, strlen(text), detail)))
			fault(faults, "settings", vx6_value_key(v), detail);
		free(text);
		free(value);
	}
}

struct checking {
	struct vx6_faults *faults;
	bool yaml;
};

static void on_fault(void *user, enum vx6_setting which, const char *detail)
{
	const struct checking *c = user;
	char name[VX6_SETTINGS_KEY];

	if (c->yaml || which == VX6_SETTINGS_N)
		fault(c->faults, c->yaml ? "yaml" : "settings", NULL, detail);
	else
		fault(c->faults, "settings", vx6_setting_name(which, name), detail);
}

static void check(void *user, const struct vx6_value *body, struct vx6_faults *faults)
{
	const struct vx6_agent_live *live = user;
	const char *yaml = vx6_value_string(vx6_value_get(body, "yaml"));
	const struct vx6_value *object = vx6_value_get(body, "settings");
	struct checking c = {.faults = faults, .yaml = yaml};
	char detail[VX6_SETTINGS_DETAIL] = "";
	struct vx6_settings *s;

	if (!yaml == !object) {
		vx6_fault_add(faults, "", "one_of", "give yaml or settings");
		return;
	}
	s = settings_new();
	/* what it says nothing of is as it is here */
	(void)!vx6_is_ok(vx6_settings_add(s, VX6_SETTING_STATE_DIR, live->dir));
	if (object)
		read_members(s, object, faults);
	else if (!vx6_is_ok(vx6_settings_read_text(s, yaml, strlen(yaml), detail)))
		fault(faults, "yaml", NULL, detail);
	if (faults->n == 0)
		vx6_agent_config_check(s, on_fault, &c);
	settings_free(s);
}

/* ---- life ---- */

struct vx6_agent_live *vx6_agent_live_new(const struct vx6_cli_parsed *p,
					  const struct vx6_settings *started, const char *file,
					  const char *dir)
{
	struct vx6_agent_live *live = vx6_zalloc(sizeof *live);

	live->api = (struct vx6_api_settings){.user = live,
					      .show = show,
					      .reload = reload,
					      .check = check};
	live->command_line = p;
	vx6_strlcpy(live->dir, dir, sizeof live->dir);
	vx6_strlcpy(live->file, file, sizeof live->file);
	pthread_mutex_init(&live->lock, NULL);
	live->in_force = settings_new();
	live->wanted = settings_new();
	for (int i = 0; i < VX6_SETTINGS_N; i++) {
		copy_one(live->in_force, started, (enum vx6_setting)i);
		copy_one(live->wanted, started, (enum vx6_setting)i);
	}
	live->read_ms = vx6_wall_ms();
	return live;
}

void vx6_agent_live_free(struct vx6_agent_live *live)
{
	if (!live)
		return;
	settings_free(live->in_force);
	settings_free(live->wanted);
	pthread_mutex_destroy(&live->lock);
	free(live);
}

const struct vx6_api_settings *vx6_agent_live_api(const struct vx6_agent_live *live)
{
	return &live->api;
}
