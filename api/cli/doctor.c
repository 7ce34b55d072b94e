/* doctor: asks the agent and looks at the machine, and says what is wrong and what to do about it. */
#include "api/cli/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/grid.h"
#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/request.h"
#include "api/cli/state_dir.h"
#include "api/cli/where.h"
#include "base/json.h"
#include "base/util.h"

static const char *const verdicts[] = {
	[VX6_VERDICT_OK] = "ok",
	[VX6_VERDICT_UNKNOWN] = "unknown",
	[VX6_VERDICT_WARN] = "warn",
	[VX6_VERDICT_FAIL] = "fail",
};

/* Where the socket is, unless that is no state directory: a service has its socket in /run. */
static void find_state_dir(struct vx6_cli *cli, const struct vx6_cli_parsed *p, char *out,
			   size_t cap)
{
	const char *given = vx6_cli_text(p, "state-dir");
	char identity[VX6_DOCTOR_PATH + 16];
	struct vx6_cli_where where;
	char *slash;

	*out = 0;
	/* without a client it is not known where the agent is, which has been said */
	if (!given && cli->http && vx6_cli_where(cli, &where) == VX6_EXIT_OK) {
		vx6_strlcpy(out, where.socket, cap);
		vx6_cli_where_wipe(&where);
		slash = strrchr(out, '/');
		*(slash ? slash : out) = 0;
		snprintf(identity, sizeof identity, "%s/identity", out);
		if (*out && access(identity, F_OK) == 0)
			return;
	}
	if (given)
		vx6_strlcpy(out, given, cap);
	else if (!vx6_state_dir_default(out, cap))
		*out = 0;
}

/* After the first failure nothing else is asked: each would wait as long, and say the same. */
static int ask(struct vx6_cli *cli, struct vx6_facts *f)
{
	const struct {
		const char *op;
		struct vx6_value **out;
		bool pages;
	} questions[] = {
		{"version_get", &f->version, false},     {"node_get", &f->node, false},
		{"peer_list", &f->peers, true},          {"relay_list", &f->relays, true},
		{"registry_node_list", &f->nodes, true},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(questions); i++) {
		char *path = vx6_strdup(vx6_cli_route(questions[i].op)->path);
		int exit;

		if (questions[i].pages)
			path = vx6_cli_path_add(path, "limit", "500");
		exit = vx6_cli_fetch(cli, &(struct vx6_http_request){.method = "GET", .path = path},
				     questions[i].out);
		free(path);
		if (exit != VX6_EXIT_OK)
			return exit;
	}
	return VX6_EXIT_OK;
}

static void print_table(const struct vx6_cli *cli, const struct vx6_finding *found)
{
	static const enum vx6_tint tints[] = {
		[VX6_VERDICT_OK] = VX6_TINT_GOOD,
		[VX6_VERDICT_UNKNOWN] = VX6_TINT_DIM,
		[VX6_VERDICT_WARN] = VX6_TINT_BUSY,
		[VX6_VERDICT_FAIL] = VX6_TINT_BAD,
	};
	static const char *const titles[] = {"STATUS", "CHECK", "WHAT WAS FOUND"};
	struct vx6_grid g = {.columns = VX6_ARRAY_N(titles), .colour = cli->colour};

	for (size_t i = 0; cli->headers && i < g.columns; i++)
		vx6_grid_add(&g, vx6_strdup(titles[i]), VX6_TINT_HEAD, false);
	for (size_t i = 0; i < vx6_checks_n; i++) {
		const struct vx6_finding *is = &found[i];
		char advice[VX6_DOCTOR_TEXT + 8];

		if (cli->quiet && is->verdict < VX6_VERDICT_WARN)
			continue;
		vx6_grid_add(&g, vx6_strdup(verdicts[is->verdict]), tints[is->verdict], false);
		vx6_grid_add(&g, vx6_strdup(vx6_checks[i].name), VX6_TINT_NONE, false);
		vx6_grid_add(&g, vx6_strdup(is->detail), VX6_TINT_NONE, false);
		if (!*is->advice)
			continue;
		snprintf(advice, sizeof advice, "→ %s", is->advice);
		vx6_grid_add(&g, vx6_strdup(""), VX6_TINT_NONE, false);
		vx6_grid_add(&g, vx6_strdup(""), VX6_TINT_NONE, false);
		vx6_grid_add(&g, vx6_strdup(advice), VX6_TINT_DIM, false);
	}
	if (g.n > g.columns * cli->headers)
		vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
}

static void show_json(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		      const struct vx6_finding *found, enum vx6_verdict worst)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "status", verdicts[worst]);
	vx6_json_array(&j, "checks");
	for (size_t i = 0; i < vx6_checks_n; i++) {
		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "name", vx6_checks[i].name);
		vx6_json_str(&j, "status", verdicts[found[i].verdict]);
		vx6_json_str(&j, "detail", found[i].detail);
		vx6_json_str(&j, "advice", *found[i].advice ? found[i].advice : NULL);
		vx6_json_end_object(&j);
	}
	vx6_json_end_array(&j);
	vx6_json_end_object(&j);
	vx6_cli_show_json(cli, c, &j);
}

int vx6_cli_run_doctor(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	enum vx6_verdict worst = VX6_VERDICT_OK;
	struct vx6_finding *found;
	struct vx6_facts f = {0};

	if (ask(cli, &f) == VX6_EXIT_USAGE)
		return VX6_EXIT_USAGE;
	found = vx6_zalloc(vx6_checks_n * sizeof *found);
	find_state_dir(cli, p, f.state_dir, sizeof f.state_dir);
	vx6_doctor_look(&f);
	for (size_t i = 0; i < vx6_checks_n; i++) {
		vx6_checks[i].run(&f, &found[i]);
		if (found[i].verdict >= VX6_VERDICT_WARN)
			worst = VX6_MAX(worst, found[i].verdict);
	}
	if (cli->format == VX6_FORMAT_NAME) {
		for (size_t i = 0; i < vx6_checks_n; i++)
			if (found[i].verdict >= VX6_VERDICT_WARN)
				printf("%s\n", vx6_checks[i].name);
	} else if (cli->format == VX6_FORMAT_TABLE && !cli->fields) {
		print_table(cli, found);
	} else {
		show_json(cli, p->command, found, worst);
	}
	vx6_doctor_fini(&f);
	free(found);
	return worst == VX6_VERDICT_FAIL ? VX6_EXIT_FAILURE : VX6_EXIT_OK;
}
