/* catalog show, invite, join, delete, leave; name petname: commands that are not one request by the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/json.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { INVITE_MAX = 256 };

static int send(struct vx6_cli *cli, const struct vx6_cli_request *r, const char *body,
		struct vx6_value **out)
{
	return vx6_cli_fetch(cli,
			     &(struct vx6_http_request){.method = r->route->method,
							.path = r->path,
							.body = body},
			     out);
}

static int call(struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *op,
		struct vx6_value **out)
{
	struct vx6_cli_request r;
	int exit = vx6_cli_request_make(cli, p, op, &r);

	*out = NULL;
	if (exit != VX6_EXIT_OK)
		return exit;
	exit = send(cli, &r, r.body, out);
	vx6_cli_request_fini(&r);
	return exit;
}

/* ---- show ---- */

int vx6_cli_run_catalog_show(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	static const struct vx6_cli_column head[] = {
		{"Name", "name"},
		{"Title", "title"},
		{"Role", "role"},
		{"Id", "id"},
		{"Key", "key"},
		{"Sequence", "status.sequence"},
		{"Proved", "status.published", VX6_SHOW_REPLICAS},
		{"Read", "status.fetched_at", VX6_SHOW_AGO},
		{"Error", "status.last_error.detail"},
	};
	static const struct vx6_cli_column rows[] = {{"NAME", "name"},
						     {"SERVICE", "service"},
						     {"NODE ID", "node_id"}};
	struct vx6_cli_command shape = {.columns = head, .columns_n = VX6_ARRAY_N(head)};
	struct vx6_value *v;
	int exit = call(cli, p, p->command->ops, &v);

	if (exit != VX6_EXIT_OK)
		return exit;
	if (cli->fields || cli->format != VX6_FORMAT_TABLE)
		shape.columns_n = 0;
	vx6_cli_show_one(cli, &shape, v);
	if (!cli->fields && cli->format == VX6_FORMAT_TABLE &&
	    vx6_value_count(vx6_value_get(v, "entries")) > 0) {
		putchar('\n');
		vx6_cli_print_rows(cli, rows, VX6_ARRAY_N(rows), vx6_value_get(v, "entries"),
				   stdout);
	}
	vx6_value_free(v);
	return VX6_EXIT_OK;
}

/* ---- invite, join ---- */

int vx6_cli_run_catalog_invite(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_value *v;
	int exit = call(cli, p, p->command->ops, &v);
	const char *invite = vx6_value_string(vx6_value_get(v, "invite"));

	if (exit != VX6_EXIT_OK)
		return exit;
	if (cli->format == VX6_FORMAT_JSON || cli->format == VX6_FORMAT_JSONL || cli->fields) {
		vx6_cli_show_one(cli, p->command, v);
	} else {
		printf("%s\n", invite ? invite : "");
		vx6_cli_say(cli, "Whoever has this reads the catalog. It is not shown again by "
				 "itself.");
	}
	vx6_value_free(v);
	return VX6_EXIT_OK;
}

/* The first word of standard input. */
static bool read_invite(char out[static INVITE_MAX])
{
	size_t n = 0;

	if (isatty(STDIN_FILENO))
		fputs("Invite: ", stderr);
	if (!fgets(out, INVITE_MAX, stdin))
		return false;
	n = strcspn(out, " \t\r\n");
	out[n] = 0;
	return n > 0;
}

int vx6_cli_run_catalog_join(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *given = vx6_cli_text(p, "INVITE");
	char invite[INVITE_MAX] = "", *body;
	struct vx6_cli_request r;
	struct vx6_value *v = NULL;
	struct vx6_json j = {0};
	int exit;

	if (given && strcmp(given, "-") != 0)
		vx6_strlcpy(invite, given, sizeof invite);
	else if (!read_invite(invite))
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "invite",
				    "vx6 catalog join NAME < invite.txt", "there is no invite");
	exit = vx6_cli_request_make(cli, p, p->command->ops, &r);
	if (exit != VX6_EXIT_OK)
		return exit;
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "name", vx6_cli_text(p, "NAME"));
	vx6_json_str(&j, "invite", invite);
	vx6_json_end_object(&j);
	body = vx6_json_take(&j);
	exit = send(cli, &r, body, &v);
	vx6_wipe_free(body, strlen(body));
	vx6_wipe(invite, sizeof invite);
	vx6_cli_request_fini(&r);
	if (exit == VX6_EXIT_OK) {
		vx6_cli_say(cli, "%s %s", p->command->done, vx6_cli_text(p, "NAME"));
		vx6_cli_show_row(cli, p->command, v);
	}
	vx6_value_free(v);
	return exit;
}

/* ---- delete, leave ---- */

/* Both are one request; the words differ, so that nobody deletes a catalog that he only meant to leave. */
int vx6_cli_run_catalog_delete(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	bool leave = strcmp(p->command->verb, "leave") == 0;
	struct vx6_value *v;
	int exit = call(cli, p, "catalog_get", &v);
	const char *role = vx6_value_string(vx6_value_get(v, "role"));

	if (exit != VX6_EXIT_OK)
		return exit;
	if (role && strcmp(role, leave ? "member" : "owner") != 0)
		exit = vx6_cli_fail(
			cli, VX6_EXIT_CONFLICT, leave ? "owner" : "not_owner",
			leave ? "vx6 catalog delete" : "vx6 catalog leave",
			leave ? "this node owns the catalog: it can be deleted, not left"
			      : "this node has joined the catalog: it can be left, not "
				"deleted");
	vx6_value_free(v);
	if (exit != VX6_EXIT_OK)
		return exit;
	exit = call(cli, p, "catalog_delete", &v);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "%s %s", p->command->done, vx6_cli_text(p, "CATALOG"));
	vx6_value_free(v);
	return exit;
}

/* ---- petname ---- */

int vx6_cli_run_petname(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	bool remove = vx6_cli_has(p, "remove");
	struct vx6_value *v;
	int exit;

	if (remove == (vx6_cli_text(p, "NODE-ID") != NULL))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 name petname laptop vx1…",
				    "give a node id or --remove");
	exit = call(cli, p, remove ? "name_delete" : "name_put", &v);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, remove ? "No longer a petname: %s" : "Petname %s",
			    vx6_cli_text(p, "NAME"));
	if (v)
		vx6_cli_show_row(cli, p->command, v);
	vx6_value_free(v);
	return exit;
}
