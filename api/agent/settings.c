/*
 * Where settings come from. YAML is read by libyaml's events: one mapping of scalars and lists of scalars, nothing deeper, no anchors.
 */
#include "api/agent/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/util.h"

const struct vx6_setting_info vx6_setting_infos[VX6_SETTINGS_N] = {
#define X(symbol, flag, list, live, secret, builtin) {flag, list, live, secret, builtin},
	VX6_SETTINGS_MAP(X)
#undef X
};

void vx6_settings_clear(struct vx6_settings *s, enum vx6_setting which)
{
	struct vx6_setting_values *v = &s->of[which];

	for (size_t i = 0; i < v->n; i++)
		free(v->text[i]);
	v->n = 0;
}

void vx6_settings_fini(struct vx6_settings *s)
{
	for (int i = 0; i < VX6_SETTINGS_N; i++)
		vx6_settings_clear(s, (enum vx6_setting)i);
}

vx6_err vx6_settings_add(struct vx6_settings *s, enum vx6_setting which, const char *value)
{
	struct vx6_setting_values *v = &s->of[which];

	if (!vx6_setting_infos[which].list)
		vx6_settings_clear(s, which);
	if (v->n == VX6_SETTINGS_LIST_MAX)
		return VX6_ERR(LIMIT);
	v->text[v->n++] = vx6_strdup(value);
	v->from = s->from;
	return VX6_OK;
}

enum vx6_setting vx6_setting_by_flag(const char *flag)
{
	for (int i = 0; i < VX6_SETTINGS_N; i++)
		if (strcmp(vx6_setting_infos[i].flag, flag) == 0)
			return (enum vx6_setting)i;
	return VX6_SETTINGS_N;
}

/* "state-dir" -> "state_dir" or "VX6_STATE_DIR" */
static char *spell(const char *flag, bool variable, char out[static VX6_SETTINGS_KEY])
{
	size_t n = variable ? 4 : 0;

	memcpy(out, "VX6_", n);
	for (; *flag && n < VX6_SETTINGS_KEY - 1; flag++, n++) {
		out[n] = *flag == '-' ? '_' : *flag;
		if (variable && out[n] >= 'a' && out[n] <= 'z')
			out[n] = (char)(out[n] - 'a' + 'A');
	}
	out[n] = 0;
	return out;
}

char *vx6_setting_name(enum vx6_setting which, char out[static VX6_SETTINGS_KEY])
{
	return spell(vx6_setting_infos[which].flag, false, out);
}

static enum vx6_setting by_key(const char *key)
{
	char name[VX6_SETTINGS_KEY];

	for (int i = 0; i < VX6_SETTINGS_N; i++)
		if (strcmp(vx6_setting_name((enum vx6_setting)i, name), key) == 0)
			return (enum vx6_setting)i;
	return VX6_SETTINGS_N;
}

vx6_err vx6_settings_read_env(struct vx6_settings *s, char *detail)
{
	char name[VX6_SETTINGS_KEY];

	s->from = VX6_FROM_ENVIRONMENT;
	for (int i = 0; i < VX6_SETTINGS_N; i++) {
		const char *value;

		spell(vx6_setting_infos[i].flag, true, name);
		value = getenv(name);
		if (!value || !value[0])
			continue;
		vx6_settings_clear(s, (enum vx6_setting)i);
		/* a list in a variable is parted by spaces: no address contains one */
		char *copy = vx6_strdup(value), *save = NULL;
		vx6_err err = VX6_OK;

		if (vx6_setting_infos[i].list)
			for (char *w = strtok_r(copy, " ", &save); w && vx6_is_ok(err);
			     w = strtok_r(NULL, " ", &save))
				err = vx6_settings_add(s, (enum vx6_setting)i, w);
		else
			err = vx6_settings_add(s, (enum vx6_setting)i, value);
		free(copy);
		if (!vx6_is_ok(err)) {
			snprintf(detail, VX6_SETTINGS_DETAIL, "%s: %s", name, vx6_err_text(err));
			return err;
		}
	}
	return VX6_OK;
}

/* ---- YAML ---- */

struct reading {
	struct vx6_settings *s;
	yaml_parser_t parser;
	char *detail;
	bool seen[VX6_SETTINGS_N];
};

static vx6_err complain(struct reading *r, const yaml_event_t *ev, const char *what,
			const char *about)
{
	snprintf(r->detail, VX6_SETTINGS_DETAIL, "line %zu: %s%s%.60s", ev->start_mark.line + 1,
		 what, about ? ": " : "", about ? about : "");
	return VX6_ERR(FORMAT);
}

static vx6_err next_event(struct reading *r, yaml_event_t *ev)
{
	if (yaml_parser_parse(&r->parser, ev))
		return VX6_OK;
	snprintf(r->detail, VX6_SETTINGS_DETAIL, "line %zu: %s", r->parser.problem_mark.line + 1,
		 r->parser.problem ? r->parser.problem : "not YAML");
	return VX6_ERR(FORMAT);
}

static vx6_err take_scalar(struct reading *r, const yaml_event_t *ev, enum vx6_setting which)
{
	const char *text = (const char *)ev->data.scalar.value;
	vx6_err err;

	if (strlen(text) != ev->data.scalar.length)
		return complain(r, ev, "a value contains a NUL byte", NULL);
	err = vx6_settings_add(r->s, which, text);
	return vx6_is_ok(err) ? err
			      : complain(r, ev, "too many values", vx6_setting_infos[which].flag);
}

static vx6_err take_list(struct reading *r, enum vx6_setting which)
{
	yaml_event_t ev;
	vx6_err err = VX6_OK;
	bool end = false;

	while (vx6_is_ok(err) && !end) {
		VX6_TRY(next_event(r, &ev));
		if (ev.type == YAML_SEQUENCE_END_EVENT)
			end = true;
		else if (ev.type == YAML_SCALAR_EVENT)
			err = take_scalar(r, &ev, which);
		else
			err = complain(r, &ev, "a list may hold plain values only",
				       vx6_setting_infos[which].flag);
		yaml_event_delete(&ev);
	}
	return err;
}

static vx6_err take_value(struct reading *r, enum vx6_setting which)
{
	yaml_event_t ev;
	vx6_err err;

	VX6_TRY(next_event(r, &ev));
	vx6_settings_clear(r->s, which);
	if (ev.type == YAML_SCALAR_EVENT)
		err = take_scalar(r, &ev, which);
	else if (ev.type == YAML_SEQUENCE_START_EVENT && vx6_setting_infos[which].list)
		err = take_list(r, which);
	else
		err = complain(r, &ev, "this takes a plain value", vx6_setting_infos[which].flag);
	yaml_event_delete(&ev);
	return err;
}

static vx6_err take_key(struct reading *r, const yaml_event_t *ev)
{
	const char *key = (const char *)ev->data.scalar.value;
	enum vx6_setting which = by_key(key);

	if (strlen(key) != ev->data.scalar.length)
		return complain(r, ev, "the name of a setting contains a NUL byte", NULL);
	if (which == VX6_SETTINGS_N)
		return complain(r, ev, "unknown setting", key);
	if (r->seen[which])
		return complain(r, ev, "given twice", key);
	r->seen[which] = true;
	return take_value(r, which);
}

static vx6_err take_document(struct reading *r)
{
	bool in_mapping = false;
	bool end = false;
	vx6_err err = VX6_OK;

	while (vx6_is_ok(err) && !end) {
		yaml_event_t ev;

		VX6_TRY(next_event(r, &ev));
		switch (ev.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_STREAM_END_EVENT:
			end = true;
			break;
		case YAML_MAPPING_START_EVENT:
			if (in_mapping)
				err = complain(r, &ev, "unexpected mapping", NULL);
			in_mapping = true;
			break;
		case YAML_MAPPING_END_EVENT:
			in_mapping = false;
			break;
		case YAML_SCALAR_EVENT:
			if (in_mapping)
				err = take_key(r, &ev);
			else if (ev.data.scalar.length > 0)
				err = complain(r, &ev, "settings are written `name: value`", NULL);
			break;
		default:
			err = complain(r, &ev, "settings are written `name: value`", NULL);
		}
		yaml_event_delete(&ev);
	}
	return err;
}

vx6_err vx6_settings_read_text(struct vx6_settings *s, const char *text, size_t n, char *detail)
{
	struct reading r = {.s = s, .detail = detail};
	vx6_err err;

	if (n > VX6_SETTINGS_FILE_MAX) {
		snprintf(detail, VX6_SETTINGS_DETAIL, "larger than %d bytes",
			 VX6_SETTINGS_FILE_MAX);
		return VX6_ERR(LIMIT);
	}
	s->from = VX6_FROM_FILE;
	if (!yaml_parser_initialize(&r.parser))
		return VX6_ERR(MEMORY);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
	err = take_document(&r);
	yaml_parser_delete(&r.parser);
	return err;
}

vx6_err vx6_settings_read_file(struct vx6_settings *s, const char *path, char *detail)
{
	char problem[VX6_SETTINGS_DETAIL] = "", *text = vx6_zalloc(VX6_SETTINGS_FILE_MAX + 2);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got = fd < 0 ? -1 : 1;
	vx6_err err;

	while (got > 0 && n <= VX6_SETTINGS_FILE_MAX) {
		got = read(fd, text + n, VX6_SETTINGS_FILE_MAX + 1 - n);
		if (got > 0)
			n += (size_t)got;
	}
	if (got < 0) {
		err = vx6_err_from_errno(errno);
		vx6_strlcpy(problem, strerror(errno), sizeof problem);
	} else {
		err = vx6_settings_read_text(s, text, n, problem);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	if (!vx6_is_ok(err))
		snprintf(detail, VX6_SETTINGS_DETAIL, "%.120s: %.180s", path, problem);
	return err;
}
