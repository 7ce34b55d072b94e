/* lookup, dht get, dht trace, registry refresh, op watch: an operation is begun or taken up, waited for, and its outcome shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/grid.h"
#include "api/cli/http.h"
#include "api/cli/output.h"
#include "api/cli/problem.h"
#include "api/cli/progress.h"
#include "api/cli/request.h"
#include "api/cli/show.h"
#include "api/cli/text.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/util.h"
#include "identity/node_id.h"

enum { WAIT_MS = 1000, GRACE_MS = 10000 };

static const char *string_at(const struct vx6_value *v, const char *path)
{
	const char *s = vx6_value_string(vx6_cli_at(v, path));

	return s ? s : "";
}

static double number_at(const struct vx6_value *v, const char *path)
{
	return vx6_value_number(vx6_cli_at(v, path));
}

/* ---- the question ---- */

/* Which field of the request a word is for: a key, a node's id, a service of a node, a node's name. */
static const char *subject_of(const char *word, bool refresh)
{
	struct vx6_node_id id;

	if (strlen(word) == 64 && strspn(word, "0123456789abcdef") == 64)
		return "key";
	if (vx6_is_ok(vx6_node_id_parse(word, &id)))
		return "node_id";
	return strpbrk(word, ".@") && !refresh ? "service" : "name";
}

static char *make_body(const struct vx6_cli_parsed *p)
{
	const char *noun = p->command->noun, *verb = p->command->verb ? p->command->verb : "";
	bool refresh = strcmp(noun, "registry") == 0, trace = strcmp(verb, "trace") == 0;
	const char *word = vx6_cli_text(p, "NAME");
	struct vx6_json j = {0};

	if (!word)
		word = vx6_cli_text(p, "KEY");
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, strcmp(verb, "get") == 0 ? "key" : subject_of(word, refresh), word);
	if (trace || vx6_cli_has(p, "trace"))
		vx6_json_bool(&j, "trace", true);
	if (trace || vx6_cli_has(p, "fresh"))
		vx6_json_bool(&j, "fresh", true);
	if (vx6_cli_has(p, "anonymous"))
		vx6_json_bool(&j, "anonymous", true);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static int begin(struct vx6_cli *cli, const struct vx6_cli_parsed *p, struct vx6_value **out)
{
	bool refresh = strcmp(p->command->noun, "registry") == 0;
	char *body = make_body(p);
	const struct vx6_http_request req = {
		.method = "POST",
		.path = vx6_cli_route(refresh ? "registry_refresh" : "lookup_create")->path,
		.body = body,
		.prefer = "wait=1",
		.timeout_ms = WAIT_MS + GRACE_MS,
	};
	int exit = vx6_cli_fetch(cli, &req, out);

	free(body);
	return exit;
}

/* ---- the wait ---- */

static bool is_running(const struct vx6_value *op)
{
	return strcmp(string_at(op, "state"), "running") == 0;
}

static int look(struct vx6_cli *cli, const char *id, struct vx6_value **out)
{
	char path[128];

	snprintf(path, sizeof path, "/v1/operations/%.64s?wait=%dms", id, WAIT_MS);
	return vx6_cli_fetch(cli,
			     &(struct vx6_http_request){.method = "GET",
							.path = path,
							.timeout_ms = WAIT_MS + GRACE_MS},
			     out);
}

static void cancel(struct vx6_cli *cli, const char *id)
{
	struct vx6_http_response r = {0};
	char path[128];

	snprintf(path, sizeof path, "/v1/operations/%.64s:cancel", id);
	if (vx6_cli_send(cli, &(struct vx6_http_request){.method = "POST", .path = path}, &r) !=
	    VX6_EXIT_OK)
		vx6_cli_say(cli, "It could not be cancelled; vx6 op cancel %s", id);
	vx6_http_response_fini(&r);
}

/* Until the operation has ended. @param op replaced as it moves on @return exit status; reported */
static int wait_for_end(struct vx6_cli *cli, struct vx6_value **op, uint64_t until_ms)
{
	struct vx6_progress progress = {0};
	int exit = VX6_EXIT_OK;

	while (exit == VX6_EXIT_OK && is_running(*op)) {
		struct vx6_value *next = NULL;
		char id[64], text[192];

		vx6_strlcpy(id, string_at(*op, "id"), sizeof id);
		if (vx6_now_ms() >= until_ms) {
			vx6_progress_end(cli, &progress);
			cancel(cli, id);
			return vx6_cli_fail(cli, VX6_EXIT_TIMEOUT, "timeout",
					    "--timeout gives it longer", "%s is not finished yet",
					    string_at(*op, "target"));
		}
		snprintf(text, sizeof text, "%s: %s, %.0f asked", string_at(*op, "target"),
			 string_at(*op, "progress.message"), number_at(*op, "progress.done"));
		vx6_progress_step(cli, &progress, text);
		exit = look(cli, id, &next);
		if (next) {
			vx6_value_free(*op);
			*op = next;
		}
	}
	vx6_progress_end(cli, &progress);
	return exit;
}

/* ---- the outcome ---- */

static void cell(struct vx6_grid *g, const char *text)
{
	vx6_grid_add(g, vx6_strdup(text), VX6_TINT_NONE, false);
}

static void number_cell(struct vx6_grid *g, const struct vx6_value *v, const char *path,
			const char *unit)
{
	const struct vx6_value *n = vx6_cli_at(v, path);
	char text[48] = "-";

	if (vx6_value_is(n, VX6_JT_NUMBER))
		snprintf(text, sizeof text, "%.0f%s", vx6_value_number(n), unit);
	vx6_grid_add(g, vx6_strdup(text), VX6_TINT_NONE, true);
}

static void heads(const struct vx6_cli *cli, struct vx6_grid *g, const char *const *titles)
{
	for (size_t i = 0; cli->headers && i < g->columns; i++)
		vx6_grid_add(g, vx6_strdup(titles[i]), VX6_TINT_HEAD, false);
}

static void shown_cell(struct vx6_grid *g, const struct vx6_value *v, const char *path,
		       enum vx6_cli_show show)
{
	struct vx6_cli_cell c =
		vx6_cli_cell(&(struct vx6_cli_column){.path = path, .show = show}, v);

	vx6_grid_add(g, c.text, c.tint, c.right);
}

static void print_trace(const struct vx6_cli *cli, const struct vx6_value *result)
{
	static const char *const titles[] = {"AT",   "FOR",   "PATH",   "STEP",   "ADDRESS", "RTT",
					     "BITS", "NODES", "CLOSER", "VALUES", "NODE ID"};
	const struct vx6_value *s = vx6_value_first(vx6_value_get(result, "steps"));
	struct vx6_grid g = {.columns = VX6_ARRAY_N(titles), .colour = cli->colour};

	if (!s)
		return;
	heads(cli, &g, titles);
	for (; s; s = vx6_value_next(s)) {
		bool failed = *string_at(s, "error");
		char text[96];

		number_cell(&g, s, "at_ms", " ms");
		cell(&g, string_at(s, "about"));
		number_cell(&g, s, "path", "");
		snprintf(text, sizeof text, "%s%s%s", string_at(s, "event"), failed ? ": " : "",
			 string_at(s, "error"));
		vx6_grid_add(&g, vx6_strdup(text), failed ? VX6_TINT_BAD : VX6_TINT_NONE, false);
		cell(&g, *string_at(s, "address.address") ? string_at(s, "address.address") : "-");
		number_cell(&g, s, "rtt_ms", " ms");
		number_cell(&g, s, "bits", "");
		number_cell(&g, s, "nodes", "");
		number_cell(&g, s, "closer", "");
		number_cell(&g, s, "values", "");
		cell(&g, *string_at(s, "node_id") ? string_at(s, "node_id") : "-");
	}
	vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
	putchar('\n');
}

static void print_cost(const struct vx6_value *r)
{
	char tx[VX6_CLI_HUMAN], rx[VX6_CLI_HUMAN], ms[VX6_CLI_HUMAN];

	if (number_at(r, "queries") == 0)
		return;
	printf("%.0f asked, %.0f answered, %.0f timed out; ", number_at(r, "queries"),
	       number_at(r, "answers"), number_at(r, "timeouts"));
	if (number_at(r, "bytes.tx") > 0)
		printf("%s sent, %s received; ", vx6_cli_bytes(number_at(r, "bytes.tx"), tx),
		       vx6_cli_bytes(number_at(r, "bytes.rx"), rx));
	printf("%s\n", vx6_cli_ms(number_at(r, "took_ms"), ms));
}

/* Who claims the name, and what speaks for each. */
static void print_conflict(const struct vx6_cli *cli, const struct vx6_value *conflict)
{
	static const char *const titles[] = {"NODE ID", "AGE",      "HOLDERS", "PREFIXES",
					     "WORK",    "IN TOUCH", "PEER",    "EVIDENCE"};
	const struct vx6_value *c = vx6_value_first(vx6_value_get(conflict, "claims"));
	struct vx6_grid g = {.columns = VX6_ARRAY_N(titles), .colour = cli->colour};

	heads(cli, &g, titles);
	for (; c; c = vx6_value_next(c)) {
		char age[VX6_CLI_HUMAN];

		cell(&g, string_at(c, "node_id"));
		cell(&g, vx6_cli_span(number_at(c, "median_age_s") * 1000, age));
		number_cell(&g, c, "holders", "");
		number_cell(&g, c, "prefixes", "");
		number_cell(&g, c, "work_bits", "");
		cell(&g, vx6_value_bool(vx6_cli_at(c, "direct"), false) ? "yes" : "no");
		cell(&g, vx6_value_bool(vx6_cli_at(c, "configured"), false) ? "yes" : "no");
		cell(&g, *string_at(c, "record_hash") ? string_at(c, "record_hash") : "-");
	}
	vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
}

static void print_values(const struct vx6_cli *cli, const struct vx6_value *result)
{
	static const char *const titles[] = {"TYPE",    "NODE ID",  "SEQUENCE", "BYTES",
					     "HOLDERS", "PREFIXES", "PATHS",    "AGE"};
	static const char *const near[] = {"CLOSEST", "ADDRESS"};
	const struct vx6_value *v = vx6_value_first(vx6_value_get(result, "values"));
	struct vx6_grid g = {.columns = VX6_ARRAY_N(titles), .colour = cli->colour};
	struct vx6_grid h = {.columns = VX6_ARRAY_N(near), .colour = cli->colour};

	heads(cli, &g, titles);
	for (; v; v = vx6_value_next(v)) {
		char age[VX6_CLI_HUMAN];

		cell(&g, string_at(v, "type"));
		cell(&g, *string_at(v, "node_id") ? string_at(v, "node_id") : "-");
		number_cell(&g, v, "sequence", "");
		number_cell(&g, v, "bytes", "");
		number_cell(&g, v, "holders", "");
		number_cell(&g, v, "prefixes", "");
		number_cell(&g, v, "paths", "");
		cell(&g, vx6_cli_span(number_at(v, "median_age_s") * 1000, age));
	}
	if (g.n > g.columns * cli->headers)
		vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
	heads(cli, &h, near);
	v = vx6_value_first(vx6_value_get(result, "closest"));
	for (; v; v = vx6_value_next(v)) {
		cell(&h, string_at(v, "node_id"));
		cell(&h, string_at(v, "address.address"));
	}
	if (h.n > h.columns * cli->headers)
		vx6_grid_print(&h, stdout);
	vx6_grid_fini(&h);
}

static void line(struct vx6_grid *g, const char *title, const char *text)
{
	vx6_grid_add(g, vx6_strdup(title), VX6_TINT_HEAD, false);
	cell(g, text);
}

static const char *how(const char *by)
{
	static const char *const words[][2] = {
		{"id", "by its id"},
		{"petname", "by your petname"},
		{"peer", "a peer that you configured"},
		{"pin", "pinned when the name was first used"},
		{"catalog", "an entry of a catalog"},
		{"claim", "the only node that claims the name; the first connection will pin it"},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(words); i++)
		if (strcmp(words[i][0], by) == 0)
			return words[i][1];
	return by;
}

static void print_found(const struct vx6_cli *cli, const struct vx6_value *r)
{
	struct vx6_grid g = {.columns = 2, .colour = cli->colour};
	bool known = vx6_value_bool(vx6_cli_at(r, "from_registry"), false);
	char text[96], age[VX6_CLI_HUMAN];

	line(&g, "Node id", string_at(r, "node_id"));
	if (*string_at(r, "node_name"))
		line(&g, "Calls itself", string_at(r, "node_name"));
	if (*string_at(r, "service"))
		line(&g, "Service", string_at(r, "service"));
	line(&g, "Resolved", how(string_at(r, "resolved_by")));
	vx6_grid_add(&g, vx6_strdup("Addresses"), VX6_TINT_HEAD, false);
	shown_cell(&g, r, "addresses", VX6_SHOW_ADDRESS);
	if (vx6_value_is(vx6_cli_at(r, "age_s"), VX6_JT_NUMBER)) {
		snprintf(text, sizeof text, "%s", vx6_cli_span(number_at(r, "age_s") * 1000, age));
		line(&g, "Record is", text);
		vx6_grid_add(&g, vx6_strdup("Expires in"), VX6_TINT_HEAD, false);
		shown_cell(&g, r, "expires_at", VX6_SHOW_LEFT);
	}
	line(&g, "Answered by", known ? "the registry" : "the network");
	vx6_grid_print(&g, stdout);
	vx6_grid_fini(&g);
}

static void print_outcome(const struct vx6_cli *cli, const struct vx6_value *op)
{
	const struct vx6_value *r = vx6_cli_at(op, "result");

	if (!r)
		return;
	print_trace(cli, r);
	if (*string_at(r, "key"))
		print_values(cli, r);
	else if (vx6_value_bool(vx6_cli_at(r, "found"), false))
		print_found(cli, r);
	else if (vx6_cli_at(r, "conflict"))
		print_conflict(cli, vx6_cli_at(r, "conflict"));
	print_cost(r);
}

/* An error of an operation means what the problem of that code means. */
static enum vx6_cli_exit exit_of(const char *code)
{
	for (size_t i = 0; i < VX6_PROBLEM_N; i++)
		if (strcmp(vx6_problems[i].code, code) == 0)
			return vx6_cli_exit_of(vx6_problems[i].status, code);
	return VX6_EXIT_OPERATION;
}

static const char *hint_of(const char *code)
{
	for (size_t i = 0; i < VX6_PROBLEM_N; i++)
		if (strcmp(vx6_problems[i].code, code) == 0)
			return vx6_problems[i].detail;
	return NULL;
}

static int report(const struct vx6_cli *cli, const struct vx6_cli_command *c,
		  const struct vx6_value *op)
{
	const char *state = string_at(op, "state"), *code = string_at(op, "error.code");

	if (cli->format == VX6_FORMAT_NAME && *string_at(op, "result.node_id"))
		printf("%s\n", string_at(op, "result.node_id"));
	else if (cli->format == VX6_FORMAT_TABLE && !cli->fields)
		print_outcome(cli, op);
	else if (cli->format != VX6_FORMAT_NAME)
		vx6_cli_show_one(cli, c, op);
	if (strcmp(state, "failed") == 0)
		return vx6_cli_fail(cli, exit_of(code), code, hint_of(code), "%s: %s",
				    string_at(op, "target"), string_at(op, "error.detail"));
	if (strcmp(state, "canceled") == 0)
		return vx6_cli_fail(cli, VX6_EXIT_OPERATION, "canceled", NULL, "%s was cancelled",
				    string_at(op, "target"));
	return VX6_EXIT_OK;
}

int vx6_cli_run_lookup(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	uint64_t until_ms = vx6_now_ms() + cli->timeout_ms;
	struct vx6_value *op = NULL;
	int exit = begin(cli, p, &op);

	if (exit == VX6_EXIT_OK && op)
		exit = wait_for_end(cli, &op, until_ms);
	if (exit == VX6_EXIT_OK && op)
		exit = report(cli, p->command, op);
	vx6_value_free(op);
	return exit;
}

int vx6_cli_run_op_watch(struct vx6_cli *cli, const struct vx6_cli_parsed *p)
{
	struct vx6_value *op = NULL;
	struct vx6_cli_request r;
	int exit = vx6_cli_request_make(cli, p, p->command->ops, &r);

	if (exit != VX6_EXIT_OK)
		return exit;
	exit = vx6_cli_fetch(cli, &(struct vx6_http_request){.method = "GET", .path = r.path}, &op);
	vx6_cli_request_fini(&r);
	if (exit == VX6_EXIT_OK && op)
		exit = wait_for_end(cli, &op, UINT64_MAX);
	if (exit == VX6_EXIT_OK && op)
		exit = report(cli, p->command, op);
	vx6_value_free(op);
	return exit;
}
