/*
 * The audit: what is written of a request before its answer goes out, and how it is read.
 *
 *   a route that changes something -> done or refused -> written -> answered
 *
 * Changes of stored objects carry their line with them, into the same transaction; for all else it is written here. So whatever was
 * acknowledged is in the audit, whenever the agent dies.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"

enum { REFUSALS_PER_S = 5, REFUSALS_BURST = 100 };

static bool is_of_note(const struct api_request *r)
{
	const struct vx6_route *route = r->match.route;

	return route && route->role != VX6_API_ROLE_PUBLIC && strcmp(route->method, "GET") != 0;
}

static void fill(const struct api_request *r, struct vx6_audit_entry *e)
{
	char text[VX6_ADDR_TEXT];

	*e = (struct vx6_audit_entry){.wall_ms = vx6_wall_ms()};
	vx6_strlcpy(e->actor, r->actor[0] ? r->actor : "anonymous", sizeof e->actor);
	if (!r->connection->listener->tcp) {
		vx6_strlcpy(e->origin, "unix", sizeof e->origin);
	} else {
		vx6_addr_format(&r->connection->remote, text);
		vx6_strlcpy(e->origin, text, sizeof e->origin);
	}
	vx6_strlcpy(e->operation, r->match.route->id, sizeof e->operation);
	vx6_strlcpy(e->target, r->target,
		    sizeof e->target); /* without the query, which was cut off */
	vx6_strlcpy(e->request_id, r->id, sizeof e->request_id);
}

void api_audit_with(const struct api_request *r, struct vx6_cmd *cmd)
{
	if (!is_of_note(r))
		return;
	cmd->audit = vx6_zalloc(sizeof *cmd->audit);
	fill(r, cmd->audit);
	vx6_strlcpy(cmd->audit->outcome, "ok", sizeof cmd->audit->outcome);
}

static void written_then(struct api_request *r, struct vx6_answer *a)
{
	if (!vx6_is_ok(a->err) && vx6_log_allow(&r->server->audit_failures, "api", 10, 10000))
		VX6_ERROR("api", "the audit could not be written: %s", vx6_err_text(a->err));
}

bool api_audit_due(const struct api_request *r)
{
	return !r->audited && r->reply.status && is_of_note(r) && !r->reply.hang_up;
}

static bool is_unasked(const struct api_request *r)
{
	return r->reply.status == MHD_HTTP_UNAUTHORIZED || r->reply.status == MHD_HTTP_FORBIDDEN ||
	       r->reply.status == MHD_HTTP_TOO_MANY_REQUESTS;
}

/* Once a request. @return NULL: strangers have filled enough of it lately */
static struct vx6_cmd *line_of(struct api_request *r)
{
	struct vx6_api_server *s = r->server;
	struct vx6_cmd *cmd;

	r->audited = true;
	if (is_unasked(r) &&
	    !api_bucket_take(&s->refusal_bucket, s->now_ms, REFUSALS_BURST, REFUSALS_PER_S))
		return NULL;
	cmd = api_cmd_new(r, VX6_CMD_AUDIT_WRITE);
	cmd->audit = vx6_zalloc(sizeof *cmd->audit);
	fill(r, cmd->audit);
	vx6_strlcpy(cmd->audit->outcome, r->reply.code ? r->reply.code : "ok",
		    sizeof cmd->audit->outcome);
	return cmd;
}

void api_audit_write(struct api_request *r)
{
	struct vx6_cmd *cmd = line_of(r);

	if (cmd)
		api_call_beside(r, cmd, API_CALL_MS, written_then);
}

static void noted(struct vx6_answer *answer, void *user)
{
	(void)user;
	if (answer->snapshot)
		vx6_snapshot_unref(answer->snapshot);
}

void api_audit_note(struct api_request *r)
{
	struct vx6_cmd *cmd = line_of(r);

	if (cmd && !vx6_node_submit(r->server->node, cmd, noted, NULL))
		vx6_cmd_free(cmd);
}

/* ---- reading ---- */

static void put_hex(struct vx6_json *j, const char *key, const uint8_t bytes[static 32])
{
	char text[65];

	for (int i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	vx6_json_str(j, key, text);
}

static void put_head(struct vx6_json *j, const struct vx6_audit_page *p)
{
	vx6_json_u64(j, "oldest", p->oldest);
	if (p->head_seq == 0) {
		vx6_json_str(j, "head", NULL);
		return;
	}
	vx6_json_object(j, "head");
	vx6_json_u64(j, "seq", p->head_seq);
	put_hex(j, "hash", p->head);
	vx6_json_end_object(j);
}

static char *encode(const struct vx6_audit_row *row)
{
	const struct vx6_audit_entry *e = &row->entry;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_u64(&j, "seq", row->seq);
	api_put_time(&j, "time", e->wall_ms);
	vx6_json_str(&j, "actor", e->actor);
	vx6_json_str(&j, "origin", e->origin);
	vx6_json_str(&j, "operation", e->operation);
	vx6_json_str(&j, "target", e->target);
	vx6_json_str(&j, "outcome", e->outcome);
	vx6_json_str(&j, "request_id", e->request_id);
	put_hex(&j, "prev", row->prev);
	put_hex(&j, "hash", row->hash);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static void list_then(struct api_request *r, struct vx6_answer *a)
{
	size_t limit = api_page_limit(r), n;
	char next[API_CURSOR], last[VX6_PAGE_KEY];
	struct vx6_json j = {0};
	bool more;

	if (!vx6_is_ok(a->err) || !a->audit) {
		api_reply_failure(r, a);
		return;
	}
	more = a->audit->n > limit;
	n = VX6_MIN(a->audit->n, limit);
	vx6_json_object(&j, NULL);
	vx6_json_array(&j, "items");
	for (size_t i = 0; i < n; i++) {
		if (!api_put_item(r, &j, encode(&a->audit->rows[i]))) {
			vx6_json_fini(&j);
			api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
			return;
		}
	}
	vx6_json_end_array(&j);
	if (more) {
		snprintf(last, sizeof last, "%" PRIu64, a->audit->rows[n - 1].seq);
		api_cursor_make(r->server, "audit", last, next);
	}
	vx6_json_str(&j, "next_cursor", more ? next : NULL);
	vx6_json_u64(&j, "index", a->snapshot ? a->snapshot->index : 0);
	put_head(&j, a->audit);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_audit_list(struct api_request *r)
{
	const char *since = vx6_query_get(&r->query, "since"),
		   *actor = vx6_query_get(&r->query, "actor"),
		   *operation = vx6_query_get(&r->query, "operation"),
		   *cursor = vx6_query_get(&r->query, "cursor");
	char after[VX6_PAGE_KEY] = "0";
	struct vx6_cmd *cmd;

	if (cursor && !api_cursor_read(r->server, "audit", cursor, after)) {
		api_reply_problem(r, VX6_PROBLEM_INVALID_CURSOR, "start the list again");
		return;
	}
	cmd = api_cmd_new(r, VX6_CMD_AUDIT_READ);
	cmd->u.audit.since = strtoull(cursor ? after : since ? since : "0", NULL, 10);
	cmd->u.audit.limit =
		(uint32_t)api_page_limit(r) + 1; /* one more says that there are more */
	vx6_strlcpy(cmd->u.audit.actor, actor ? actor : "", sizeof cmd->u.audit.actor);
	vx6_strlcpy(cmd->u.audit.operation, operation ? operation : "",
		    sizeof cmd->u.audit.operation);
	api_call(r, cmd, API_CALL_MS, list_then);
}

static void check_then(struct api_request *r, struct vx6_answer *a)
{
	struct vx6_json j = {0};

	if (!vx6_is_ok(a->err) || !a->audit) {
		api_reply_failure(r, a);
		return;
	}
	vx6_json_object(&j, NULL);
	vx6_json_bool(&j, "intact", a->audit->broken_seq == 0);
	vx6_json_u64(&j, "checked", a->audit->checked);
	if (a->audit->broken_seq)
		vx6_json_u64(&j, "broken_at", a->audit->broken_seq);
	else
		vx6_json_str(&j, "broken_at", NULL);
	put_head(&j, a->audit);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_audit_check(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_AUDIT_READ);

	cmd->u.audit.verify = true;
	api_call(r, cmd, API_CALL_MS, check_then);
}
