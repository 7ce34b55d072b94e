/* Who may come in to hidden services of this node: invites, and clients that came by them. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/hidden_key.h"

/* ---- rows ---- */

static void begin(struct vx6_json *j, const struct vx6_hidden_client_row *row, const char *kind,
		  const char *state)
{
	vx6_json_object(j, NULL);
	vx6_json_str(j, "id", row->id);
	vx6_json_str(j, "kind", kind);
	vx6_json_str(j, "service", row->service);
	vx6_json_str(j, "alias", row->alias);
	api_put_text(j, "name", row->client.name);
	vx6_json_str(j, "state", state);
	api_put_time(j, "created_at", row->client.created_s ? row->client.created_s * 1000 : 1);
	api_put_time(j, "expires_at", row->client.expires_s * 1000);
}

static bool is_over(const struct vx6_host_client *c)
{
	return c->expires_s && c->expires_s <= vx6_wall_s();
}

static const char *invite_state(const struct vx6_host_client *c)
{
	if (c->revoked)
		return "revoked";
	if (is_over(c))
		return "expired";
	return c->uses_max && c->uses >= c->uses_max ? "used_up" : "open";
}

static void put_invite(struct vx6_json *j, const struct vx6_hidden_client_row *row)
{
	const struct vx6_host_client *c = &row->client;

	begin(j, row, "hidden_invite", invite_state(c));
	api_put_count(j, "max_uses", c->uses_max != 0, c->uses_max);
	vx6_json_u64(j, "uses", c->uses);
}

static char *encode_invite(const struct vx6_page *p, size_t i)
{
	struct vx6_json j = {0};

	put_invite(&j, &p->u.hidden_clients[i]);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_hidden_invites = {.path = "/v1/hidden-invites",
					    .what = "invite; `vx6 hidden invites` lists them",
					    .kind = VX6_PAGE_HIDDEN_CLIENTS,
					    .encode = encode_invite,
					    .has_filter = true,
					    .filter = VX6_HOST_INVITE};

static void put_invited_by(struct vx6_json *j, const struct vx6_host_client *c)
{
	static const uint8_t none[VX6_HOST_ID];
	char text[4 + 2 * VX6_HOST_ID + 1] = "inv_";

	for (size_t i = 0; i < VX6_HOST_ID; i++)
		snprintf(text + 4 + 2 * i, 3, "%02x", c->invited_by[i]);
	vx6_json_str(j, "invite", memcmp(c->invited_by, none, sizeof none) != 0 ? text : NULL);
}

static char *encode_client(const struct vx6_page *p, size_t i)
{
	const struct vx6_hidden_client_row *row = &p->u.hidden_clients[i];
	const struct vx6_host_client *c = &row->client;
	struct vx6_json j = {0};

	begin(&j, row, "hidden_client",
	      c->revoked   ? "revoked"
	      : is_over(c) ? "expired"
			   : "admitted");
	api_put_time(&j, "seen_at", c->seen_s * 1000);
	vx6_json_u64(&j, "introductions", c->uses);
	put_invited_by(&j, c);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_hidden_clients = {.path = "/v1/hidden-clients",
					    .what = "client; `vx6 hidden clients` lists them",
					    .kind = VX6_PAGE_HIDDEN_CLIENTS,
					    .encode = encode_client,
					    .has_filter = true,
					    .filter = VX6_HOST_CLIENT};

/* ---- a new invite ---- */

/* Key and secret, unless there is more to say than that; and the link, as it came. */
static void put_secret(struct vx6_json *j, const char *uri)
{
	char text[VX6_HIDDEN_INVITE_TEXT];
	struct vx6_hidden_invite in;

	if (!vx6_is_ok(vx6_hidden_invite_parse(uri, &in)))
		return;
	api_put_hidden_key(j, "key", &in.service);
	if (!in.expires_s)
		in.alias[0] = 0;
	vx6_json_str(j, "invite", vx6_hidden_invite_format(&in, text));
	vx6_json_str(j, "uri", uri);
	vx6_json_bool(j, "shown_once", true);
	vx6_hidden_invite_wipe(&in);
	vx6_wipe(text, sizeof text);
}

static void invited_then(struct api_request *r, struct vx6_answer *a)
{
	struct vx6_json j = {0};

	if (!vx6_is_ok(a->err) || !a->secret || !a->page || a->page->n == 0) {
		api_reply_failure(r, a);
		return;
	}
	put_invite(&j, &a->page->u.hidden_clients[0]);
	put_secret(&j, (const char *)a->secret);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_CREATED, &j);
	snprintf(r->reply.location, sizeof r->reply.location, "/v1/hidden-invites/%s", a->id);
}

void api_hidden_invite_create(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_HIDDEN_INVITE);
	const char *name = vx6_value_string(vx6_value_get(r->json, "name"));
	const char *expires = vx6_value_string(vx6_value_get(r->json, "expires_at"));
	struct vx6_hidden_ask *ask = &cmd->u.hidden;

	vx6_strlcpy(cmd->id, vx6_value_string(vx6_value_get(r->json, "service")), sizeof cmd->id);
	vx6_strlcpy(ask->name, name ? name : "", sizeof ask->name);
	ask->uses = (uint32_t)vx6_value_number(vx6_value_get(r->json, "max_uses"));
	ask->expires_s = api_get_time(expires);
	if (!expires || ask->expires_s > vx6_wall_s()) {
		api_call(r, cmd, API_CALL_MS, invited_then);
		return;
	}
	vx6_cmd_free(cmd);
	vx6_fault_add(api_request_faults(r), "/expires_at", "range", "must be in the future");
	api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
}

/* ---- revoke ---- */

static void revoked_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

void api_hidden_revoke(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_HIDDEN_REVOKE);

	vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id);
	api_call(r, cmd, API_CALL_MS, revoked_then);
}
