/* hidden status, invite, revoke, accept; service add --wait: commands that are not one request by the table. */
#include "api/cli/hidden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/progress.h"
#include "api/cli/qr.h"
#include "api/cli/request.h"
#include "api/cli/text.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/hidden_key.h"

enum { WAIT_EVERY_US = 200 * 1000, INVITE_WAIT_MS = 15000 };

static int ask(struct vx6_cli *cli, const char *method, const char *path, const char *body,
	       struct vx6_value **out)
{
	*out = NULL;
	return vx6_cli_fetch(
		cli, &(struct vx6_http_request){.method = method, .path = path, .body = body}, out);
}

static int call(struct vx6_cli *cli, const struct vx6_cli_parsed *p, const char *op,
		struct vx6_value **out)
{
	struct vx6_cli_request r;
	int exit = vx6_cli_request_make(cli, p, op, &r);

	*out = NULL;
	if (exit != VX6_EXIT_OK)
		return exit;
	exit = ask(cli, r.route->method, r.path, r.body, out);
	vx6_cli_request_fini(&r);
	return exit;
}

static const char *text_at(const struct vx6_value *v, const char *path)
{
	const char *s = vx6_value_string(vx6_cli_at(v, path));

	return s ? s : "";
}

/* ---- status ---- */

static void print_points(const struct vx6_cli *cli, const struct vx6_value *service)
{
	static const struct vx6_cli_column columns[] = {
		{"INTRODUCTION POINT", "name"},
		{"STATE", "state", VX6_SHOW_STATE},
		{"SINCE", "since", VX6_SHOW_AGO},
		{"INTRODUCED", "introductions"},
		{"LAST", "last_introduction_at", VX6_SHOW_AGO},
		{"NODE ID", "node_id"},
	};

	putchar('\n');
	vx6_cli_print_rows(cli, columns, VX6_ARRAY_N(columns),
			   vx6_value_get(service, "introduction_points"), stdout);
}

/* Services that are hidden, of a page of all: its other members stay. @return NULL: no memory */
static struct vx6_value *only_hidden(const struct vx6_value *page)
{
	struct vx6_scan_fault fault;
	struct vx6_value *out = NULL;
	struct vx6_json j = {0};
	char *text;

	vx6_json_object(&j, NULL);
	vx6_json_array(&j, "items");
	for (const struct vx6_value *s = vx6_value_first(vx6_value_get(page, "items")); s;
	     s = vx6_value_next(s)) {
		if (strcmp(text_at(s, "visibility"), "hidden") != 0)
			continue;
		text = vx6_value_text(s);
		vx6_json_raw(&j, NULL, text ? text : "null");
		free(text);
	}
	vx6_json_end_array(&j);
	vx6_json_str(&j, "next_cursor", NULL);
	vx6_json_u64(&j, "index", (uint64_t)vx6_value_number(vx6_value_get(page, "index")));
	vx6_json_end_object(&j);
	text = vx6_json_take(&j);
	if (!vx6_is_ok(vx6_value_parse(text, strlen(text), &out, &fault)))
		out = NULL;
	free(text);
	return out;
}

static int status_of_all(struct vx6_cli *cli)
{
	static const struct vx6_cli_column columns[] = {
		{"ALIAS", "hidden.alias"},
		{"NAME", "name"},
		{"STATE", "status.hidden.state", VX6_SHOW_STATE},
		{"READY", "status.hidden.ready_at", VX6_SHOW_AGO, true},
		{"PROFILE", "hidden.profile"},
		{"OPEN", "hidden.open", VX6_SHOW_FLAG},
		{"TARGET", "target"},
		{"KEY", "status.hidden.key"},
	};
	const struct vx6_cli_command shape = {.columns = columns,
					      .columns_n = VX6_ARRAY_N(columns)};
	struct vx6_value *page, *hidden;
	int exit = ask(cli, "GET", "/v1/services?limit=500", NULL, &page);

	if (exit != VX6_EXIT_OK)
		return exit;
	hidden = only_hidden(page);
	if (hidden)
		vx6_cli_show_list(cli, &shape, &hidden, 1);
	vx6_value_free(hidden);
	vx6_value_free(page);
	return VX6_EXIT_OK;
}

int vx6_cli_run_hidden_status(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_value *v;
	int exit;

	if (!vx6_cli_text(p, "SERVICE"))
		return status_of_all(cli);
	exit = call(cli, p, "hidden_service_get", &v);
	if (exit == VX6_EXIT_OK && v) {
		vx6_cli_show_one(cli, p->command, v);
		if (cli->format == VX6_FORMAT_TABLE && !cli->fields)
			print_points(cli, v);
	}
	vx6_value_free(v);
	return exit;
}

/* ---- invite ---- */

/* Draws the link with a program that does nothing else; it goes by its input, where nobody sees it. */
static int draw(const struct vx6_cli *cli, const char *uri)
{
	fflush(stdout);
	if (vx6_qr_draw(uri))
		return VX6_EXIT_OK;
	return vx6_cli_fail(cli, VX6_EXIT_FAILURE, "qrencode", "apt install qrencode",
			    "the program qrencode, which draws the code, is not there or failed");
}

/*
 * An invite lets somebody in once a descriptor that has it is out: whoever used it before would be told that it is void. It is shown in any case.
 */
static void wait_published(struct vx6_cli *cli, const char *service)
{
	uint64_t until = vx6_now_ms() + VX6_MIN(cli->timeout_ms, (unsigned)INVITE_WAIT_MS);
	struct vx6_progress progress = {0};
	struct vx6_value *v;
	char path[128];
	bool out = false;

	snprintf(path, sizeof path, "/v1/services/%.64s/hidden", service);
	while (!out && vx6_now_ms() < until && ask(cli, "GET", path, NULL, &v) == VX6_EXIT_OK) {
		double wanted = vx6_value_number(vx6_cli_at(v, "descriptor.replicas.wanted"));

		out = vx6_value_bool(vx6_cli_at(v, "descriptor.current"), false) && wanted > 0 &&
		      2 * vx6_value_number(vx6_cli_at(v, "descriptor.replicas.proved")) >= wanted;
		/* one that is switched off has time */
		out = out || strcmp(text_at(v, "state"), "off") == 0;
		vx6_value_free(v);
		if (out)
			break;
		vx6_progress_step(cli, &progress, "waiting for the descriptor to be out with it");
		usleep(WAIT_EVERY_US);
	}
	vx6_progress_end(cli, &progress);
	if (!out)
		vx6_cli_say(cli, "The descriptor is not out with it yet: it will be of use in a "
				 "while.");
}

static void say_who(struct vx6_cli *cli, const struct vx6_value *invite)
{
	double most = vx6_value_number(vx6_value_get(invite, "max_uses"));
	char who[96] = "Whoever has this is in, however many they are (--uses limits that).";

	if (most == 1)
		snprintf(who, sizeof who, "Whoever uses this first is in, and nobody after.");
	else if (most > 1)
		snprintf(who, sizeof who, "The first %.0f who use this are in.", most);
	vx6_cli_say(cli, "%s It is not shown again; `vx6 hidden revoke %s` withdraws it.", who,
		    text_at(invite, "id"));
}

int vx6_cli_run_hidden_invite(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	bool to_program =
		cli->format == VX6_FORMAT_JSON || cli->format == VX6_FORMAT_JSONL || cli->fields;
	struct vx6_value *v;
	int exit;

	if (to_program && vx6_cli_has(p, "qr"))
		return vx6_cli_fail(
			cli, VX6_EXIT_USAGE, "usage", NULL,
			"--qr is for people: it cannot be in the midst of JSON or fields");
	exit = call(cli, p, p->command->ops, &v);
	if (exit != VX6_EXIT_OK)
		return exit;
	if (!vx6_cli_has(p, "no-wait"))
		wait_published(cli, text_at(v, "service"));
	if (to_program)
		vx6_cli_show_one(cli, p->command, v);
	else
		printf("%s\n", text_at(v, "uri"));
	if (vx6_cli_has(p, "qr"))
		exit = draw(cli, text_at(v, "uri"));
	say_who(cli, v);
	vx6_value_free(v);
	return exit;
}

int vx6_cli_run_hidden_revoke(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *id = vx6_cli_text(p, "ID");
	struct vx6_value *v;
	int exit;

	if (strncmp(id, "inv_", 4) != 0 && strncmp(id, "hcl_", 4) != 0)
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", "vx6 hidden clients",
				    "'%s' is neither a client, hcl_…, nor an invite, inv_…", id);
	exit = call(cli, p, id[0] == 'i' ? "hidden_invite_delete" : "hidden_client_delete", &v);
	if (exit == VX6_EXIT_OK)
		vx6_cli_say(cli, "%s %s", p->command->done, id);
	vx6_value_free(v);
	return exit;
}

/* ---- accept ---- */

/* One line of standard input: an invite may hold a space. */
static bool read_line(char out[static VX6_HIDDEN_INVITE_TEXT])
{
	size_t n;

	if (isatty(STDIN_FILENO))
		fputs("Invite: ", stderr);
	if (!fgets(out, VX6_HIDDEN_INVITE_TEXT, stdin))
		return false;
	n = strcspn(out, "\r\n");
	while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
		n--;
	out[n] = 0;
	return n > 0;
}

/* The body that the options make, and what must not be in their table: alias and invite. @return owned, secret */
static char *accept_body(const struct vx6_cli_parsed *p, const char *invite)
{
	struct vx6_json j = {0};
	const char *alias = vx6_cli_text(p, "ALIAS"), *profile = vx6_cli_text(p, "profile");

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "invite", invite);
	if (alias)
		vx6_json_str(&j, "alias", alias);
	if (profile)
		vx6_json_str(&j, "profile", profile);
	if (vx6_cli_has(p, "strict"))
		vx6_json_bool(&j, "strict", true);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static bool is_invite(const char *text)
{
	struct vx6_hidden_invite in;
	bool is = vx6_is_ok(vx6_hidden_invite_parse(text, &in));

	vx6_hidden_invite_wipe(&in);
	return is;
}

static int get_invite(struct vx6_cli *cli, const struct vx6_cli_parsed *p,
		      char out[static VX6_HIDDEN_INVITE_TEXT])
{
	const char *given = vx6_cli_text(p, "invite"), *alias = vx6_cli_text(p, "ALIAS");

	if (vx6_cli_has(p, "find") && (given || !alias))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", NULL,
				    "--find is for an alias, and in the place of an invite");
	if (vx6_cli_has(p, "find"))
		return vx6_cli_find_service(cli, alias, out, VX6_HIDDEN_INVITE_TEXT);
	if (given && strcmp(given, "-") != 0)
		vx6_strlcpy(out, given, VX6_HIDDEN_INVITE_TEXT);
	else if (!read_line(out))
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "invite",
				    "vx6 hidden accept ALIAS < invite.txt", "there is no invite");
	if (!is_invite(out)) {
		vx6_wipe(out, VX6_HIDDEN_INVITE_TEXT);
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "invite",
				    "it begins with vx6://hidden/ or vxh1, and is one line",
				    "that is no invite, or was not copied whole");
	}
	return VX6_EXIT_OK;
}

int vx6_cli_run_hidden_accept(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	char invite[VX6_HIDDEN_INVITE_TEXT] = "", *body;
	struct vx6_value *v;
	int exit = get_invite(cli, p, invite);

	if (exit != VX6_EXIT_OK)
		return exit;
	body = accept_body(p, invite);
	vx6_wipe(invite, sizeof invite);
	exit = ask(cli, "POST", vx6_cli_route(p->command->ops)->path, body, &v);
	vx6_wipe_free(body, strlen(body));
	if (exit == VX6_EXIT_OK) {
		vx6_cli_say(cli, "%s %s", p->command->done, text_at(v, "alias"));
		vx6_cli_show_row(cli, p->command, v);
	}
	vx6_value_free(v);
	return exit;
}

/* ---- service add --wait ---- */

/* How far it is, for people. */
static void say_state(struct vx6_cli *cli, struct vx6_progress *progress, const struct vx6_value *v)
{
	const struct vx6_value *point = vx6_value_first(vx6_value_get(v, "introduction_points"));
	unsigned up = 0, all = 0;
	char text[200];

	for (; point; point = vx6_value_next(point)) {
		const char *state = text_at(point, "state");

		all++;
		up += strcmp(state, "active") == 0 || strcmp(state, "standby") == 0;
	}
	snprintf(text, sizeof text,
		 "%s: %.0f relays known, %u of %u introduction points, descriptor read back from "
		 "%.0f of %.0f",
		 text_at(v, "state"), vx6_value_number(vx6_value_get(v, "relays_known")), up, all,
		 vx6_value_number(vx6_cli_at(v, "descriptor.replicas.proved")),
		 vx6_value_number(vx6_cli_at(v, "descriptor.replicas.wanted")));
	vx6_progress_step(cli, progress, text);
}

/* @param out owned: the service as it was last seen */
static int wait_ready(struct vx6_cli *cli, const char *id, struct vx6_value **out)
{
	uint64_t until = vx6_now_ms() + cli->timeout_ms;
	struct vx6_progress progress = {0};
	char path[128];
	int exit;

	snprintf(path, sizeof path, "/v1/services/%.64s/hidden", id);
	for (;;) {
		exit = ask(cli, "GET", path, NULL, out);
		if (exit != VX6_EXIT_OK || strcmp(text_at(*out, "state"), "ready") == 0 ||
		    vx6_now_ms() >= until)
			break;
		say_state(cli, &progress, *out);
		vx6_value_free(*out);
		usleep(WAIT_EVERY_US);
	}
	vx6_progress_end(cli, &progress);
	if (exit == VX6_EXIT_OK && strcmp(text_at(*out, "state"), "ready") != 0)
		exit = vx6_cli_fail(cli, VX6_EXIT_TIMEOUT, "timeout",
				    "vx6 hidden status shows how far it is; --timeout gives it "
				    "longer",
				    "the service is there, and not ready yet (%s)",
				    text_at(*out, "state"));
	return exit;
}

static void say_warnings(struct vx6_cli *cli, const struct vx6_value *hidden)
{
	for (const struct vx6_value *w = vx6_value_first(vx6_value_get(hidden, "warnings")); w;
	     w = vx6_value_next(w))
		vx6_cli_say(cli, "Warning: %s", vx6_value_string(w));
}

/* What people do next. */
static void say_next(struct vx6_cli *cli, const struct vx6_value *v)
{
	vx6_cli_say(cli, "Reached through the network as %s", text_at(v, "key"));
	say_warnings(cli, v);
	vx6_cli_say(cli, "An invite: vx6 hidden invite %s", text_at(v, "alias"));
}

int vx6_cli_run_service_add(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	const char *visibility = vx6_cli_text(p, "visibility");
	bool wait = vx6_cli_has(p, "wait");
	struct vx6_value *made, *seen = NULL;
	int exit;

	if (wait && (!visibility || strcmp(visibility, "hidden") != 0))
		return vx6_cli_fail(cli, VX6_EXIT_USAGE, "usage", NULL,
				    "--wait is for --visibility hidden");
	exit = call(cli, p, p->command->ops, &made);
	if (exit != VX6_EXIT_OK)
		return exit;
	vx6_cli_say(cli, "%s %s", p->command->done, text_at(made, "name"));
	if (wait)
		exit = wait_ready(cli, text_at(made, "id"), &seen);
	if (exit == VX6_EXIT_OK && seen) {
		char path[128];

		/* as it is now */
		snprintf(path, sizeof path, "/v1/services/%.64s", text_at(made, "id"));
		vx6_value_free(made);
		exit = ask(cli, "GET", path, NULL, &made);
	}
	if (made)
		vx6_cli_show_row(cli, p->command, made);
	if (exit == VX6_EXIT_OK && seen)
		say_next(cli, seen);
	else if (exit == VX6_EXIT_OK)
		say_warnings(cli, vx6_cli_at(made, "status.hidden"));
	vx6_value_free(seen);
	vx6_value_free(made);
	return exit;
}

/* ---- an invite in the place of a name ---- */

/* The alias of a service that is known here already. @return owned; NULL: it is not */
static char *known_alias(struct vx6_cli *cli, const struct vx6_node_id *service)
{
	char key[VX6_NODE_ID_TEXT], *out = NULL;
	struct vx6_value *page;
	const struct vx6_value *a;

	vx6_hidden_key_format(service, key);
	if (ask(cli, "GET", "/v1/hidden-aliases?limit=500", NULL, &page) != VX6_EXIT_OK)
		return NULL;
	for (a = vx6_value_first(vx6_value_get(page, "items")); a && !out; a = vx6_value_next(a))
		if (strcmp(text_at(a, "key"), key) == 0)
			out = vx6_strdup(text_at(a, "alias"));
	vx6_value_free(page);
	return out;
}

/* Accepts it, as `hidden accept` does. @param alias returns it, owned */
static int accept_now(struct vx6_cli *cli, const struct vx6_hidden_invite *in, const char *text,
		      char **alias)
{
	char key[VX6_NODE_ID_TEXT], name[VX6_LABEL_TEXT], *body;
	struct vx6_json j = {0};
	struct vx6_value *v;
	int exit;

	/* one that suggests no name goes by the beginning of its key, behind what all of them have */
	vx6_hidden_key_format(&in->service, key);
	snprintf(name, sizeof name, "%.8s", key + 5);
	if (in->alias[0])
		vx6_strlcpy(name, in->alias, sizeof name);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "invite", text);
	vx6_json_str(&j, "alias", name);
	vx6_json_end_object(&j);
	body = vx6_json_take(&j);
	exit = ask(cli, "POST", vx6_cli_route("hidden_alias_create")->path, body, &v);
	vx6_wipe_free(body, strlen(body));
	if (exit == VX6_EXIT_OK) {
		*alias = vx6_strdup(text_at(v, "alias"));
		vx6_cli_say(cli, "Accepted %s", *alias);
	}
	vx6_value_free(v);
	return exit;
}

int vx6_cli_take_invite(struct vx6_cli *cli, const char *text, char **alias)
{
	struct vx6_hidden_invite in;
	int exit = VX6_EXIT_OK;

	*alias = NULL;
	if (!text || !vx6_hidden_looks_like(text))
		return VX6_EXIT_OK;
	if (!vx6_is_ok(vx6_hidden_invite_parse(text, &in)))
		return vx6_cli_fail(cli, VX6_EXIT_INVALID, "invite", NULL,
				    "that is no invite and no key of a hidden service, or was not "
				    "copied whole");
	if (in.alias[0] || in.has_secret) {
		*alias = known_alias(cli, &in.service);
		if (!*alias)
			exit = accept_now(cli, &in, text, alias);
	}
	vx6_hidden_invite_wipe(&in);
	return exit;
}

int vx6_cli_run_forward_add(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	char *alias;
	int exit = vx6_cli_take_invite(cli, vx6_cli_text(p, "to"), &alias);

	for (size_t i = 0; alias && i < p->values_n; i++)
		if (strcmp(p->values[i].arg->name, "to") == 0)
			p->values[i].text = alias;
	if (exit == VX6_EXIT_OK)
		exit = vx6_cli_run_call(cli, p);
	free(alias);
	return exit;
}
