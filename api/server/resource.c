/*
 * Lists, reads and changes of stored objects, the same for every kind. Reads come from a snapshot of the agent that is
 * not older than any answer given before; changes are commands, answered when they are on disk and in force.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 500, RETRIES = 3 };

/* The kind that the request's route is about. */
static const struct api_resource *resource_of(const struct api_request *r)
{
	static const struct api_resource *const all[] = {&api_peers, &api_services, &api_forwards,
							 &api_tokens};

	for (size_t i = 0; i < VX6_ARRAY_N(all); i++)
		if (strncmp(r->match.route->path, all[i]->path, strlen(all[i]->path)) == 0)
			return all[i];
	return NULL;
}

static const struct vx6_meta *meta_of(const void *view)
{
	return view;
}

static const void *view_at(const struct api_resource *res, const void *views, size_t i)
{
	return (const char *)views + i * res->size;
}

/* By id, or by `name:` and the name. */
static const void *view_find(const struct api_resource *res, const struct vx6_snapshot *s,
			     const char *key)
{
	size_t n;
	const void *views = res->views(s, &n);
	bool by_name = strncmp(key, "name:", 5) == 0;

	for (size_t i = 0; i < n; i++) {
		const void *view = view_at(res, views, i);

		if (by_name ? strcmp(res->name(view), key + 5) == 0
			    : strcmp(meta_of(view)->id, key) == 0)
			return view;
	}
	return NULL;
}

char *api_resource_encode(const struct vx6_api_server *server, const struct api_resource *res,
			  const void *view, const struct vx6_snapshot *s)
{
	const struct vx6_meta *meta = view;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", meta->id);
	vx6_json_str(&j, "kind", res->kind);
	vx6_json_u64(&j, "generation", meta->generation);
	api_put_time(&j, "created_at", meta->created_ms);
	api_put_time(&j, "updated_at", meta->updated_ms);
	vx6_json_str(&j, "managed_by", meta->managed_by);
	res->encode_input(&j, view);
	vx6_json_raw(&j, "labels", meta->labels && meta->labels[0] ? meta->labels : "{}");
	if (res->encode_served)
		res->encode_served(&j, view, s, server);
	else
		res->encode_rest(&j, view, s);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

void api_reply_object(struct api_request *r, unsigned status, char *whole, uint64_t generation)
{
	char unknown[64],
		*text = api_fields_pick(whole, vx6_query_get(&r->query, "fields"), unknown);

	free(whole);
	if (!text) {
		vx6_fault_add(api_request_faults(r), "?fields", "unknown", "there is no field %s",
			      unknown);
		api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
		return;
	}
	r->reply.status = status;
	r->reply.type = "application/json";
	r->reply.body = text;
	r->reply.body_n = strlen(text);
	api_etag(r, generation, text, r->reply.body_n);
}

void api_reply_read(struct api_request *r, char *whole, uint64_t generation)
{
	api_reply_object(r, MHD_HTTP_OK, whole, generation);
	if (r->reply.status != MHD_HTTP_OK || !api_none_match(r))
		return;
	VX6_FREE(r->reply.body);
	r->reply.body_n = 0;
	r->reply.type = NULL;
	r->reply.status = MHD_HTTP_NOT_MODIFIED;
}

static void reply_view(struct api_request *r, unsigned status, const struct api_resource *res,
		       const void *view, const struct vx6_snapshot *s)
{
	api_reply_object(r, status, api_resource_encode(r->server, res, view, s),
			 meta_of(view)->generation);
}

static void missing(struct api_request *r, const struct api_resource *res)
{
	api_reply_problem(r, VX6_PROBLEM_NOT_FOUND, "there is no such %s", res->kind);
}

/* Asks for the one object that the path names. */
static struct vx6_cmd *look_at(const struct api_request *r, const struct api_resource *res)
{
	struct vx6_cmd *cmd = api_cmd_look(r, VX6_SELECT_ONE);

	cmd->select.kind = res->rows;
	vx6_strlcpy(cmd->select.key, r->match.arg, sizeof cmd->select.key);
	return cmd;
}

/* ---- read ---- */

static void get_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	const void *view = a->snapshot ? view_find(res, a->snapshot, r->match.arg) : NULL;

	if (!vx6_is_ok(a->err)) {
		api_reply_failure(r, a);
		return;
	}
	if (!view) {
		missing(r, res);
		return;
	}
	api_reply_read(r, api_resource_encode(r->server, res, view, a->snapshot),
		       meta_of(view)->generation);
}

void api_resource_get(struct api_request *r, const struct api_resource *res)
{
	api_call(r, look_at(r, res), API_CALL_MS, get_then);
}

/* ---- list ---- */

/* `key` or `key:value`; a key may hold no colon, a value may. */
static bool has_label(const struct vx6_meta *meta, const char *label)
{
	struct vx6_scan_fault fault;
	struct vx6_value *labels;
	char key[64];
	size_t n = strcspn(label, ":");
	const char *value;
	bool found;

	if (n >= sizeof key || !meta->labels ||
	    !vx6_is_ok(vx6_value_parse(meta->labels, strlen(meta->labels), &labels, &fault)))
		return false;
	memcpy(key, label, n);
	key[n] = 0;
	value = vx6_value_string(vx6_value_get(labels, key));
	found = value && (label[n] == 0 || strcmp(value, label + n + 1) == 0);
	vx6_value_free(labels);
	return found;
}

static bool selected(const struct api_request *r, const struct api_resource *res, const void *view)
{
	const char *q = vx6_query_get(&r->query, "q"), *label = vx6_query_get(&r->query, "label");

	return (!q || strstr(res->name(view), q)) && (!label || has_label(meta_of(view), label));
}

size_t api_page_limit(const struct api_request *r)
{
	const char *text = vx6_query_get(&r->query, "limit");
	unsigned long n = text ? strtoul(text, NULL, 10) : PAGE_DEFAULT;

	return VX6_MIN(n, (unsigned long)PAGE_MAX);
}

bool api_put_item(struct api_request *r, struct vx6_json *j, char *whole)
{
	char unknown[64];
	char *text = api_fields_pick(whole, vx6_query_get(&r->query, "fields"), unknown);

	if (text)
		vx6_json_raw(j, NULL, text);
	else
		vx6_fault_add(api_request_faults(r), "?fields", "unknown", "there is no field %s",
			      unknown);
	free(whole);
	free(text);
	return text != NULL;
}

static void list_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	const char *cursor = vx6_query_get(&r->query, "cursor");
	char after[VX6_PAGE_KEY] = "", next[API_CURSOR];
	size_t n, taken = 0, limit = api_page_limit(r);
	const void *views, *last = NULL;
	struct vx6_json j = {0};
	bool more = false;

	if (!vx6_is_ok(a->err) || !a->snapshot) {
		api_reply_failure(r, a);
		return;
	}
	if (cursor)
		(void)api_cursor_read(r->server, res->kind, cursor, after); /* it was read before */
	views = res->views(a->snapshot, &n);
	vx6_json_object(&j, NULL);
	vx6_json_array(&j, "items");
	for (size_t i = 0; i < n && !more; i++) {
		const void *view = view_at(res, views, i);

		if (strcmp(meta_of(view)->id, after) <= 0 || !selected(r, res, view))
			continue;
		more = taken == limit || j.n > API_PAGE_BYTES;
		if (more)
			break;
		if (!api_put_item(r, &j, api_resource_encode(r->server, res, view, a->snapshot))) {
			vx6_json_fini(&j);
			api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
			return;
		}
		last = view;
		taken++;
	}
	vx6_json_end_array(&j);
	if (!more && a->snapshot->more) { /* the agent has looked no further than here */
		last = view_at(res, views, n - 1);
		more = true;
	}
	if (more)
		api_cursor_make(r->server, res->kind, meta_of(last)->id, next);
	vx6_json_str(&j, "next_cursor", more ? next : NULL);
	vx6_json_u64(&j, "index", a->snapshot->index);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_resource_list(struct api_request *r, const struct api_resource *res)
{
	const char *cursor = vx6_query_get(&r->query, "cursor"), *q = vx6_query_get(&r->query, "q"),
		   *label = vx6_query_get(&r->query, "label");
	char after[VX6_PAGE_KEY] = "";
	struct vx6_cmd *cmd;
	size_t n;

	if (cursor && !api_cursor_read(r->server, res->kind, cursor, after)) {
		api_reply_problem(r, VX6_PROBLEM_INVALID_CURSOR, "start the list again");
		return;
	}
	cmd = api_cmd_look(r, VX6_SELECT_PAGE);
	cmd->select.kind = res->rows;
	cmd->select.limit = (uint32_t)api_page_limit(r);
	vx6_strlcpy(cmd->select.key, after, sizeof cmd->select.key);
	vx6_strlcpy(cmd->select.text, q ? q : "", sizeof cmd->select.text);
	n = label ? strcspn(label, ":") : 0;
	if (n < sizeof cmd->select.label)
		memcpy(cmd->select.label, label ? label : "", n);
	api_call(r, cmd, API_CALL_MS, list_then);
}

/* ---- change ---- */

static void changed_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	const void *view = a->snapshot ? view_find(res, a->snapshot, a->id) : NULL;
	bool created = strcmp(r->match.route->method, "POST") == 0;

	if (!vx6_is_ok(a->err)) {
		api_reply_failure(r, a);
	} else if (!view) { /* changed and removed again before it could be shown */
		missing(r, res);
	} else {
		reply_view(r, created ? MHD_HTTP_CREATED : MHD_HTTP_OK, res, view, a->snapshot);
		if (created)
			snprintf(r->reply.location, sizeof r->reply.location, "%s/%s", res->path,
				 a->id);
	}
}

struct vx6_cmd *api_resource_decode(struct api_request *r, const struct api_resource *res,
				    enum vx6_cmd_kind kind, const struct vx6_value *body)
{
	struct vx6_cmd *cmd = api_cmd_new(r, kind);
	const struct vx6_value *labels = vx6_value_get(body, "labels");

	cmd->labels = labels ? vx6_value_text(labels) : vx6_strdup("{}");
	if (cmd->labels && strlen(cmd->labels) >= VX6_LABELS_TEXT_MAX)
		vx6_fault_add(api_request_faults(r), "/labels", "limit",
			      "must have at most %d bytes", VX6_LABELS_TEXT_MAX - 1);
	res->decode(body, cmd, api_request_faults(r));
	if (r->faults->n == 0 && cmd->labels)
		return cmd;
	vx6_cmd_free(cmd);
	api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
	return NULL;
}

static void create_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	struct vx6_cmd *cmd;

	if (!vx6_is_ok(a->err) || !a->snapshot) {
		api_reply_failure(r, a);
		return;
	}
	cmd = api_resource_decode(r, res, res->create, r->json);
	if (!cmd)
		return;
	res->complete(cmd, a->snapshot);
	api_call(r, cmd, API_CALL_MS, changed_then);
}

void api_resource_create(struct api_request *r, const struct api_resource *res)
{
	struct vx6_cmd *cmd;

	if (res->complete) { /* with an eye on all that there are */
		cmd = api_cmd_look(r, VX6_SELECT_KIND);
		cmd->select.kind = res->rows;
		api_call(r, cmd, API_CALL_MS, create_then);
		return;
	}
	cmd = api_resource_decode(r, res, res->create, r->json);
	if (cmd)
		api_call(r, cmd, API_CALL_MS, changed_then);
}

/* Finds the object and looks at If-Match. @return NULL: the reply is a problem */
static const void *target_view(struct api_request *r, const struct api_resource *res,
			       const struct vx6_answer *a)
{
	const void *view = a->snapshot ? view_find(res, a->snapshot, r->match.arg) : NULL;

	if (!vx6_is_ok(a->err)) {
		api_reply_failure(r, a);
		return NULL;
	}
	if (!view) {
		missing(r, res);
		return NULL;
	}
	if (api_if_match(r, meta_of(view)->generation) == API_MATCH_NO) {
		api_reply_problem(r, VX6_PROBLEM_PRECONDITION_FAILED,
				  "the %s is at generation %llu", res->kind,
				  (unsigned long long)meta_of(view)->generation);
		return NULL;
	}
	return view;
}

/* Aims the command at the object. With If-Match, and after a merge, only at the generation that was looked at. */
static void aim(const struct api_request *r, struct vx6_cmd *cmd, const void *view, bool pinned)
{
	vx6_strlcpy(cmd->id, meta_of(view)->id, sizeof cmd->id);
	if (pinned || api_if_match(r, meta_of(view)->generation) == API_MATCH_YES)
		cmd->if_generation = meta_of(view)->generation;
}

static void replace_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	const void *view = target_view(r, res, a);
	struct vx6_cmd *cmd = view ? api_resource_decode(r, res, res->update, r->json) : NULL;

	if (!cmd)
		return;
	if (res->complete)
		res->complete(cmd, a->snapshot);
	aim(r, cmd, view, false);
	api_call(r, cmd, API_CALL_MS, changed_then);
}

void api_resource_replace(struct api_request *r, const struct api_resource *res)
{
	struct vx6_cmd *cmd = look_at(r, res);

	if (res->complete)
		cmd->select.what = VX6_SELECT_KIND;
	api_call(r, cmd, API_CALL_MS, replace_then);
}

static void update_then(struct api_request *r, struct vx6_answer *a);

/* Somebody else was faster: merge again, unless the client insists on one generation. */
static void updated_then(struct api_request *r, struct vx6_answer *a)
{
	if (a->err.code == VX6_E_CONFLICT && api_if_match(r, 0) == API_MATCH_ANY &&
	    r->retries++ < RETRIES)
		api_call(r, look_at(r, resource_of(r)), API_CALL_MS, update_then);
	else
		changed_then(r, a);
}

/* What the client would have had to PUT. @return owned; NULL: the reply is a problem */
static struct vx6_value *merged_body(struct api_request *r, const struct api_resource *res,
				     const void *view)
{
	const struct vx6_meta *meta = view;
	struct vx6_scan_fault fault;
	struct vx6_value *body = NULL;
	struct vx6_json j = {0};
	char *text;

	vx6_json_object(&j, NULL);
	res->encode_input(&j, view);
	vx6_json_raw(&j, "labels", meta->labels && meta->labels[0] ? meta->labels : "{}");
	vx6_json_end_object(&j);
	text = vx6_json_take(&j);
	if (vx6_is_ok(vx6_value_parse(text, strlen(text), &body, &fault)))
		body = vx6_value_merge(body, r->json);
	free(text);
	if (!body) {
		api_reply_problem(r, VX6_PROBLEM_INTERNAL, "the change could not be merged");
	} else if (!vx6_validate(vx6_schema_find(res->input_schema), body, api_request_faults(r))) {
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
		vx6_value_free(body);
		body = NULL;
	}
	return body;
}

static void update_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	const void *view = target_view(r, res, a);
	struct vx6_value *body = view ? merged_body(r, res, view) : NULL;
	struct vx6_cmd *cmd = body ? api_resource_decode(r, res, res->update, body) : NULL;

	vx6_value_free(body);
	if (!cmd)
		return;
	aim(r, cmd, view, true);
	api_call(r, cmd, API_CALL_MS, updated_then);
}

void api_resource_update(struct api_request *r, const struct api_resource *res)
{
	api_call(r, look_at(r, res), API_CALL_MS, update_then);
}

static void deleted_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

static void delete_then(struct api_request *r, struct vx6_answer *a)
{
	const struct api_resource *res = resource_of(r);
	const void *view = target_view(r, res, a);
	struct vx6_cmd *cmd;

	if (!view)
		return;
	cmd = api_cmd_new(r, res->remove);
	aim(r, cmd, view, false);
	api_call(r, cmd, API_CALL_MS, deleted_then);
}

void api_resource_delete(struct api_request *r, const struct api_resource *res)
{
	api_call(r, look_at(r, res), API_CALL_MS, delete_then);
}
