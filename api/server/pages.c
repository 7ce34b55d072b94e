/* Lists that the agent reads row by row, and single rows of them: registry, names, DHT, operations, catalogs, relays, circuits. */
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static const struct api_rows *const all[] = {
	&api_known_nodes,    &api_known_services, &api_conflicts,      &api_bindings,
	&api_contacts,       &api_replicas,       &api_lookups,        &api_operations,
	&api_catalogs,       &api_relays,         &api_circuits,       &api_decisions,
	&api_hidden,         &api_hidden_invites, &api_hidden_clients, &api_hidden_aliases,
	&api_hidden_attempts};

/* The list that the request's route is about: the longest path that it begins with. */
static const struct api_rows *rows_of(const struct api_request *r)
{
	const struct api_rows *best = NULL;

	for (size_t i = 0; i < VX6_ARRAY_N(all); i++)
		if (strncmp(r->match.route->path, all[i]->path, strlen(all[i]->path)) == 0 &&
		    (!best || strlen(all[i]->path) > strlen(best->path)))
			best = all[i];
	return best;
}

static int filter_of(enum vx6_page_kind kind, const char *name)
{
	static const struct {
		enum vx6_page_kind kind;
		const char *name;
		int filter;
	} known[] = {
		{VX6_PAGE_BINDINGS, "petname", VX6_BINDING_PETNAME},
		{VX6_PAGE_BINDINGS, "pin", VX6_BINDING_PIN},
		{VX6_PAGE_OPERATIONS, "running", VX6_OP_RUNNING},
		{VX6_PAGE_OPERATIONS, "done", VX6_OP_DONE},
		{VX6_PAGE_OPERATIONS, "failed", VX6_OP_FAILED},
		{VX6_PAGE_OPERATIONS, "canceled", VX6_OP_CANCELED},
		{VX6_PAGE_REPLICAS, "endpoint", VX6_RTYPE_ENDPOINT},
		{VX6_PAGE_REPLICAS, "service", VX6_RTYPE_SERVICE},
		{VX6_PAGE_REPLICAS, "catalog", VX6_RTYPE_CATALOG},
		{VX6_PAGE_REPLICAS, "name", VX6_RTYPE_NAME},
		{VX6_PAGE_REPLICAS, "revocation", VX6_RTYPE_REVOCATION},
		{VX6_PAGE_REPLICAS, "relay", VX6_RTYPE_RELAY},
		{VX6_PAGE_RELAYS, "candidate", VX6_STANDING_CANDIDATE},
		{VX6_PAGE_RELAYS, "young", VX6_STANDING_YOUNG},
		{VX6_PAGE_RELAYS, "failing", VX6_STANDING_FAILING},
		{VX6_PAGE_RELAYS, "draining", VX6_STANDING_DRAINING},
		{VX6_PAGE_RELAYS, "unusable", VX6_STANDING_UNUSABLE},
		{VX6_PAGE_CIRCUITS, "building", VX6_CIRC_BUILDING},
		{VX6_PAGE_CIRCUITS, "open", VX6_CIRC_OPEN},
		{VX6_PAGE_CIRCUITS, "draining", VX6_CIRC_DRAINING},
		{VX6_PAGE_CIRCUITS, "closed", VX6_CIRC_CLOSED},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(known); i++)
		if (known[i].kind == kind && strcmp(known[i].name, name) == 0)
			return known[i].filter;
	return -1;
}

/* The query's conditions. @return false: the reply is a problem */
static bool read_conditions(struct api_request *r, struct vx6_page_ask *ask)
{
	static const char *const filters[] = {"kind", "state", "type", "standing"};
	const char *q = vx6_query_get(&r->query, "q"), *node = vx6_query_get(&r->query, "node");
	static const char *const targets[] = {"target", "service", "alias"};
	const char *circuit = vx6_query_get(&r->query, "circuit");

	vx6_strlcpy(ask->q, q ? q : "", sizeof ask->q);
	for (size_t i = 0; i < VX6_ARRAY_N(targets); i++)
		if (vx6_query_get(&r->query, targets[i]))
			vx6_strlcpy(ask->target, vx6_query_get(&r->query, targets[i]),
				    sizeof ask->target);
	vx6_strlcpy(ask->circuit, circuit ? circuit : "", sizeof ask->circuit);
	ask->has_node = node != NULL;
	if (node && !api_get_node_id(node, "?node", &ask->node, api_request_faults(r))) {
		api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
		return false;
	}
	for (size_t i = 0; i < VX6_ARRAY_N(filters); i++) {
		const char *value = vx6_query_get(&r->query, filters[i]);

		if (!value)
			continue;
		ask->has_filter = true;
		ask->filter = filter_of(ask->kind, value);
	}
	return true;
}

static void list_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_rows *rows = rows_of(r);
	char key[VX6_PAGE_KEY] = "", next[API_CURSOR];
	struct vx6_json j = {0};
	size_t n = 0;
	bool more;

	if (!vx6_is_ok(a->err) || !a->page) {
		api_reply_failure(r, a);
		return;
	}
	vx6_json_object(&j, NULL);
	vx6_json_array(&j, "items");
	for (; n < a->page->n && j.n < API_PAGE_BYTES; n++) {
		if (!api_put_item(r, &j, rows->encode(a->page, n))) {
			vx6_json_fini(&j);
			api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
			return;
		}
	}
	vx6_json_end_array(&j);
	more = n > 0 && (a->page->more || n < a->page->n);
	if (more) {
		vx6_page_key(a->page, n - 1, key);
		api_cursor_make(r->server, rows->path, key, next);
	}
	vx6_json_str(&j, "next_cursor", more ? next : NULL);
	vx6_json_u64(&j, "index", a->snapshot ? a->snapshot->index : 0);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_rows_list(struct api_request *r, const struct api_rows *rows)
{
	const char *cursor = vx6_query_get(&r->query, "cursor");
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_READ);
	struct vx6_page_ask *ask = &cmd->u.page;

	ask->kind = rows->kind;
	ask->has_filter = rows->has_filter;
	ask->filter = rows->filter;
	ask->limit = (uint32_t)api_page_limit(r);
	if (cursor && !api_cursor_read(r->server, rows->path, cursor, ask->after))
		api_reply_problem(r, VX6_PROBLEM_INVALID_CURSOR, "start the list again");
	else if (read_conditions(r, ask))
		cmd->u.page.limit = VX6_MAX(ask->limit, 1u);
	if (r->reply.status)
		vx6_cmd_free(cmd);
	else
		api_call(r, cmd, API_CALL_MS, list_then);
}

void api_rows_reply(struct api_request *r, unsigned status, const struct api_rows *rows,
		    const struct vx6_answer *a)
{
	if (!vx6_is_ok(a->err))
		api_reply_failure(r, a);
	else if (!a->page || a->page->n == 0)
		api_reply_problem(r, VX6_PROBLEM_NOT_FOUND, "there is no such %s", rows->what);
	else
		api_reply_object(r, status, rows->encode(a->page, 0), 1);
	r->reply.etag[0] = 0; /* what is told here moves on by itself */
}

static void get_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_OK, rows_of(r), a);
}

void api_rows_get(struct api_request *r, const struct api_rows *rows)
{
	const char *wait = vx6_query_get(&r->query, "wait");
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_READ);

	cmd->u.page.kind = rows->kind;
	cmd->u.page.limit = 1;
	cmd->u.page.wait_ms = (uint32_t)api_duration(wait, API_WAIT_MAX_MS);
	vx6_strlcpy(cmd->u.page.exact, r->match.arg, sizeof cmd->u.page.exact);
	api_call(r, cmd, API_CALL_MS + cmd->u.page.wait_ms, get_then);
}
