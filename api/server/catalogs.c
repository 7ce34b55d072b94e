/* Catalogs: private lists of services. */
#include <stdio.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"
#include "crypto/secret.h"

static void put_status(struct vx6_json *j, const struct vx6_catalog_row *v)
{
	vx6_json_object(j, "status");
	if (v->published)
		api_put_replicas(j, "published", v->wanted, v->stored, v->proved);
	else
		vx6_json_str(j, "published", NULL);
	vx6_json_u64(j, "sequence", v->seq);
	api_put_time(j, "fetched_at", v->fetched_ms);
	api_put_time(j, "expires_at", v->expires_ms);
	api_put_failure(j, &(struct vx6_failure){.err = v->last_err, .wall_ms = v->last_err_ms});
	vx6_json_end_object(j);
}

static char *encode(const struct vx6_page *p, size_t i)
{
	const struct vx6_catalog_row *v = &p->u.catalogs[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", v->id);
	vx6_json_str(&j, "kind", "catalog");
	vx6_json_str(&j, "name", v->name);
	api_put_text(&j, "title", v->title);
	vx6_json_str(&j, "key", v->key);
	vx6_json_str(&j, "role", v->owner ? "owner" : "member");
	api_put_time(&j, "created_at", v->created_ms);
	api_put_time(&j, "updated_at", v->updated_ms);
	vx6_json_array(&j, "entries");
	for (size_t k = 0; k < v->items_n; k++) {
		vx6_json_object(&j, NULL);
		api_put_node_id(&j, "node_id", &v->items[k].node);
		vx6_json_str(&j, "service", v->items[k].service);
		vx6_json_str(&j, "name", v->items[k].alias);
		vx6_json_end_object(&j);
	}
	vx6_json_end_array(&j);
	put_status(&j, v);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_catalogs = {.path = "/v1/catalogs",
				      .what = "catalog",
				      .kind = VX6_PAGE_CATALOGS,
				      .encode = encode};

/* ---- changes ---- */

static const char *string_of(const struct api_request *r, const char *key)
{
	const char *s = vx6_value_string(vx6_value_get(r->json, key));

	return s ? s : "";
}

static void created_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_CREATED, &api_catalogs, a);
	if (r->reply.status == MHD_HTTP_CREATED)
		snprintf(r->reply.location, sizeof r->reply.location, "/v1/catalogs/%s",
			 a->page->u.catalogs[0].id);
}

void api_catalog_create(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_CATALOG_CREATE);

	vx6_strlcpy(cmd->u.catalog.name, string_of(r, "name"), sizeof cmd->u.catalog.name);
	api_call(r, cmd, API_CALL_MS, created_then);
}

void api_catalog_join(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_CATALOG_JOIN);

	vx6_strlcpy(cmd->u.catalog.name, string_of(r, "name"), sizeof cmd->u.catalog.name);
	vx6_strlcpy(cmd->u.catalog.invite, string_of(r, "invite"), sizeof cmd->u.catalog.invite);
	/* what is left of the secret goes at once */
	vx6_wipe(r->body, r->body_n);
	vx6_wipe((char *)(uintptr_t)string_of(r, "invite"), strlen(string_of(r, "invite")));
	api_call(r, cmd, API_CALL_MS, created_then);
}

/* Names the catalog of the path. @return false: nothing can be called so; the reply says it */
static bool aim(struct api_request *r, struct vx6_cmd *cmd)
{
	if (vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id) < sizeof cmd->id)
		return true;
	vx6_cmd_free(cmd);
	api_reply_problem(r, VX6_PROBLEM_NOT_FOUND, "there is no such catalog");
	return false;
}

static void changed_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_OK, &api_catalogs, a);
}

void api_catalog_entry(struct api_request *r)
{
	bool add = r->match.route->op == VX6_OP_CATALOG_ADD;
	struct vx6_cmd *cmd = api_cmd_new(r, add ? VX6_CMD_CATALOG_ADD : VX6_CMD_CATALOG_REMOVE);

	if (!aim(r, cmd))
		return;
	vx6_strlcpy(cmd->u.catalog.service, string_of(r, "service"), sizeof cmd->u.catalog.service);
	vx6_strlcpy(cmd->u.catalog.alias, string_of(r, "name"), sizeof cmd->u.catalog.alias);
	api_call(r, cmd, API_CALL_MS, changed_then);
}

static void deleted_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

void api_catalog_delete(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_CATALOG_DELETE);

	if (aim(r, cmd))
		api_call(r, cmd, API_CALL_MS, deleted_then);
}

static void invited_then(struct api_request *r, struct vx6_answer *a)
{
	struct vx6_json j = {0};

	if (!vx6_is_ok(a->err) || !a->secret) {
		api_reply_failure(r, a);
		return;
	}
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "catalog", a->id);
	vx6_json_str(&j, "invite", (const char *)a->secret);
	vx6_json_bool(&j, "shown_once", true);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_catalog_invite(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_CATALOG_INVITE);

	if (aim(r, cmd))
		api_call(r, cmd, API_CALL_MS, invited_then);
}
