/* Lists that the agent reads row by row, and single rows of them: registry, names, DHT, operations, catalogs. */
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static const struct api_rows *const all[] = {&api_known_nodes, &api_known_services, &api_conflicts,
					     &api_bindings,    &api_contacts,       &api_replicas,
					     &api_lookups,     &api_operations,     &api_catalogs};

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

static int filter_of(const char *name)
{
	static const struct {
		const char *name;
		int filter;
	} known[] = {
		{"petname", VX6_BINDING_PETNAME},
		{"pin", VX6_BINDING_PIN},
		{"running", VX6_OP_RUNNING},
		{"done", VX6_OP_DONE},
		{"failed", VX6_OP_FAILED},
		{"canceled", VX6_OP_CANCELED},
		{"endpoint", VX6_RTYPE_ENDPOINT},
		{"service", VX6_RTYPE_SERVICE},
		{"catalog", VX6_RTYPE_CATALOG},
		{"name", VX6_RTYPE_NAME},
		{"revocation", VX6_RTYPE_REVOCATION},
		{"relay", VX6_RTYPE_RELAY},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].filter;
	return -1;
}

/* The query's conditions. @return false: the reply is a problem */
static bool read_conditions(struct api_request *r, struct vx6_page_ask *ask)
{
	static const char *const filters[] = {"kind", "state", "type"};
	const char *q = vx6_query_get(&r->query, "q"), *node = vx6_query_get(&r->query, "node");

	vx6_strlcpy(ask->q, q ? q : "", sizeof ask->q);
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
		ask->filter = filter_of(value);
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
