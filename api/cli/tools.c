/* health, version: commands that are a request with an odd answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/json.h"
#include "base/util.h"

static const char *text_at(const struct vx6_value *v, const char *path)
{
	const char *s = vx6_value_string(vx6_cli_at(v, path));

	return s ? s : "?";
}

/* ---- health ---- */

/* A probe knows two answers: the statuses of other commands would say something else to a supervisor. */
int vx6_cli_run_health(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	static const struct vx6_cli_column checks[] = {{"CHECK", "name"},
						       {"STATUS", "status", VX6_SHOW_STATE}};
	const struct vx6_cli_command shape = {.columns = checks, .columns_n = VX6_ARRAY_N(checks)};
	const char *check = vx6_cli_text(p, "check");
	struct vx6_http_response r = {0};
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;
	char op[32];
	int exit;

	snprintf(op, sizeof op, "health_%s", check ? check : "ready");
	exit = vx6_cli_send(cli,
			    &(struct vx6_http_request){.method = "GET",
						       .path = vx6_cli_route(op)->path},
			    &r);
	if (exit != VX6_EXIT_OK)
		goto out;
	if (!vx6_is_ok(vx6_value_parse(r.body ? r.body : "", r.n, &v, &fault)) ||
	    !vx6_value_get(v, "status")) {
		exit = vx6_cli_problem(cli, r.status, r.body ? r.body : "", r.n);
		goto out;
	}
	exit = r.status == 200 ? VX6_EXIT_OK : VX6_EXIT_FAILURE;
	if (cli->quiet)
		goto out;
	if (cli->format != VX6_FORMAT_TABLE || cli->fields) {
		vx6_cli_show_one(cli, &shape, v);
		goto out;
	}
	printf("%s\n", text_at(v, "status"));
	for (const struct vx6_value *c = vx6_value_first(vx6_value_get(v, "checks")); c;
	     c = vx6_value_next(c))
		printf("  %s %s\n", text_at(c, "name"), text_at(c, "status"));
out:
	vx6_value_free(v);
	vx6_http_response_fini(&r);
	return exit == VX6_EXIT_OK || exit == VX6_EXIT_USAGE ? exit : VX6_EXIT_FAILURE;
}

/* ---- version ---- */

static void print_versions(const struct vx6_value *agent)
{
	printf("vx6 %s, contract %s\n", VX6_VERSION, VX6_CONTRACT_VERSION);
	if (!agent)
		return;
	fputs("agent ", stdout);
	vx6_cli_clean(stdout, text_at(agent, "version"));
	fputs(", contract ", stdout);
	vx6_cli_clean(stdout, text_at(agent, "contract"));
	fputs(", protocol ", stdout);
	vx6_cli_clean(stdout, text_at(agent, "protocol"));
	putchar('\n');
}

static void show_versions(const struct vx6_cli *cli, const struct vx6_cli_command *c,
			  const struct vx6_value *agent)
{
	char *answer = agent ? vx6_value_text(agent) : NULL;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_object(&j, "client");
	vx6_json_str(&j, "version", VX6_VERSION);
	vx6_json_str(&j, "contract", VX6_CONTRACT_VERSION);
	vx6_json_end_object(&j);
	if (answer)
		vx6_json_raw(&j, "agent", answer);
	vx6_json_end_object(&j);
	vx6_cli_show_json(cli, c, &j);
	free(answer);
}

int vx6_cli_run_version(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const struct vx6_http_request req = {.method = "GET",
					     .path = vx6_cli_route(p->command->ops)->path};
	struct vx6_value *agent = NULL;
	int exit = VX6_EXIT_OK;

	if (!vx6_cli_has(p, "client"))
		exit = vx6_cli_fetch(cli, &req, &agent);
	if (cli->format == VX6_FORMAT_NAME)
		puts(VX6_VERSION);
	else if (cli->format == VX6_FORMAT_TABLE && !cli->fields)
		print_versions(agent);
	else
		show_versions(cli, p->command, agent);
	vx6_value_free(agent);
	return exit;
}
