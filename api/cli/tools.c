/* health, version, api: commands that are a request with an odd answer. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/json.h"
#include "base/util.h"

enum { DATA_MAX = 1 << 20 };

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
	if (cli->format != VX6_FORMAT_TABLE) {
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

static void print_version(const struct vx6_cli *cli, const struct vx6_value *agent)
{
	struct vx6_json j = {0};
	char *answer = agent ? vx6_value_text(agent) : NULL, *text;

	if (cli->format == VX6_FORMAT_TABLE || cli->format == VX6_FORMAT_NAME) {
		printf("vx6 %s, contract %s\n", VX6_VERSION, VX6_CONTRACT_VERSION);
		if (agent) {
			fputs("agent ", stdout);
			vx6_cli_clean(stdout, text_at(agent, "version"));
			fputs(", contract ", stdout);
			vx6_cli_clean(stdout, text_at(agent, "contract"));
			fputs(", protocol ", stdout);
			vx6_cli_clean(stdout, text_at(agent, "protocol"));
			putchar('\n');
		}
		free(answer);
		return;
	}
	vx6_json_object(&j, NULL);
	vx6_json_object(&j, "client");
	vx6_json_str(&j, "version", VX6_VERSION);
	vx6_json_str(&j, "contract", VX6_CONTRACT_VERSION);
	vx6_json_end_object(&j);
	if (answer)
		vx6_json_raw(&j, "agent", answer);
	vx6_json_end_object(&j);
	text = vx6_json_take(&j);
	if (cli->format == VX6_FORMAT_JSONL)
		printf("%s\n", text);
	else
		vx6_cli_indent(stdout, text);
	free(text);
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
	print_version(cli, agent);
	vx6_value_free(agent);
	return exit;
}

/* ---- api ---- */

/* JSON, @FILE or @-. @return owned; NULL: reported */
static char *read_data(const struct vx6_cli *cli, const char *text)
{
	char *data;
	size_t n = 0;
	ssize_t got = 1;
	int fd;

	if (text[0] != '@')
		return vx6_strdup(text);
	fd = strcmp(text, "@-") == 0 ? STDIN_FILENO : open(text + 1, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL, "cannot read %s: %m",
			     text + 1);
		return NULL;
	}
	data = vx6_zalloc(DATA_MAX + 1);
	while (n < DATA_MAX && (got = read(fd, data + n, DATA_MAX - n)) > 0)
		n += (size_t)got;
	if (fd != STDIN_FILENO)
		close(fd);
	if (got < 0 || n == DATA_MAX || memchr(data, 0, n)) {
		vx6_cli_fail(cli, VX6_EXIT_FAILURE, "unreadable", NULL,
			     "%s is no text of less than 1 MiB", text + 1);
		VX6_FREE(data);
	}
	return data;
}

static bool printable_path(const char *path)
{
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return path[0] == '/';
}

static void print_answer(const struct vx6_cli *cli, const struct vx6_cli_parsed *p,
			 const struct vx6_http_response *r)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (vx6_cli_has(p, "include"))
		printf("status: %d\n%s%s%s", r->status, *r->etag ? "etag: " : "", r->etag,
		       *r->etag ? "\n" : "");
	if (r->n == 0)
		return;
	/* laid out for people; a pipe gets the bytes as they came */
	if (isatty(STDOUT_FILENO) && cli->format == VX6_FORMAT_TABLE &&
	    vx6_is_ok(vx6_value_parse(r->body, r->n, &v, &fault)))
		vx6_cli_show_one(&(struct vx6_cli){.format = VX6_FORMAT_JSON}, p->command, v);
	else
		printf("%s\n", r->body);
	vx6_value_free(v);
}

int vx6_cli_run_api(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *method = vx6_cli_text(p, "METHOD"), *path = vx6_cli_text(p, "PATH"),
		   *data = vx6_cli_text(p, "data");
	struct vx6_http_response r = {0};
	char *body = NULL;
	int exit;

	if (!printable_path(path))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 api GET /v1/endpoints",
				    "'%s' is no path", path);
	if (data && !(body = read_data(cli, data)))
		return VX6_EXIT_FAILURE;
	exit = vx6_cli_send(cli,
			    &(struct vx6_http_request){
				    .method = method,
				    .path = path,
				    .body = body,
				    .media_type = strcmp(method, "PATCH") == 0
							  ? "application/merge-patch+json"
							  : NULL,
				    .if_match = vx6_cli_text(p, "if-match"),
			    },
			    &r);
	if (exit == VX6_EXIT_OK && r.status >= 400)
		exit = vx6_cli_problem(cli, r.status, r.body ? r.body : "", r.n);
	else if (exit == VX6_EXIT_OK)
		print_answer(cli, p, &r);
	free(body);
	vx6_http_response_fini(&r);
	return exit;
}
