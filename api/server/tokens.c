#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/netmask.h"
#include "api/server/server_internal.h"
#include "api/server/token.h"
#include "base/clock.h"
#include "base/util.h"

static const char *const roles[] = {"public", "viewer", "operator", "admin"};

static const void *views(const struct vx6_snapshot *s, size_t *n)
{
	*n = s->tokens_n;
	return s->tokens;
}

static const char *name(const void *view)
{
	return ((const struct vx6_token_view *)view)->spec.name;
}

static void encode_input(struct vx6_json *j, const void *view)
{
	const struct vx6_token_spec *spec = &((const struct vx6_token_view *)view)->spec;

	vx6_json_str(j, "name", spec->name);
	vx6_json_str(j, "role", roles[spec->role]);
	vx6_json_raw(j, "scopes", spec->scopes);
	vx6_json_raw(j, "allow_from", spec->allow_from);
	api_put_time(j, "expires_at", spec->expires_ms);
}

static void encode_rest(struct vx6_json *j, const void *view, const struct vx6_snapshot *s,
			const struct vx6_api_server *server)
{
	const struct vx6_token_view *v = view;
	const struct api_token *t = api_access_by_id(server, v->meta.id);

	vx6_json_object(j, "status");
	vx6_json_str(j, "public_id", v->spec.public_id);
	vx6_json_bool(j, "expired", v->spec.expires_ms && v->spec.expires_ms <= s->taken_ms);
	api_put_time(j, "last_used_at", t ? t->used_ms : 0);
	vx6_json_end_object(j);
}

static void decode_list(const struct vx6_value *list, char out[static VX6_TOKEN_LIST_MAX],
			const char *pointer, struct vx6_faults *faults)
{
	char *text = list ? vx6_value_text(list) : NULL;

	if (text && vx6_strlcpy(out, text, VX6_TOKEN_LIST_MAX) >= VX6_TOKEN_LIST_MAX)
		vx6_fault_add(faults, pointer, "limit", "is too long");
	else if (!text)
		vx6_strlcpy(out, "[]", VX6_TOKEN_LIST_MAX);
	free(text);
}

static void check_scopes(const struct vx6_value *list, struct vx6_faults *faults)
{
	for (const struct vx6_value *v = list ? vx6_value_first(list) : NULL; v;
	     v = vx6_value_next(v))
		if (!api_scope_is_known(vx6_value_string(v)))
			vx6_fault_add(faults, "/scopes", "unknown",
				      "%s: no path begins with that; see vx6 api /v1/endpoints",
				      vx6_value_string(v));
}

static void check_networks(const struct vx6_value *list, struct vx6_faults *faults)
{
	struct vx6_netmask mask;

	for (const struct vx6_value *v = list ? vx6_value_first(list) : NULL; v;
	     v = vx6_value_next(v))
		if (!vx6_netmask_parse(vx6_value_string(v), &mask))
			vx6_fault_add(faults, "/allow_from", "format",
				      "%s is no network: give 192.0.2.0/24, fd00::/8, or unix",
				      vx6_value_string(v));
}

static void decode(const struct vx6_value *body, struct vx6_cmd *cmd, struct vx6_faults *faults)
{
	struct vx6_token_spec *spec = &cmd->u.token;
	const char *role = vx6_value_string(vx6_value_get(body, "role"));
	const char *expires = vx6_value_string(vx6_value_get(body, "expires_at"));
	const struct vx6_value *scopes = vx6_value_get(body, "scopes"),
			       *from = vx6_value_get(body, "allow_from");

	vx6_strlcpy(spec->name, vx6_value_string(vx6_value_get(body, "name")), sizeof spec->name);
	spec->role = VX6_API_ROLE_VIEWER;
	for (unsigned i = 1; role && i < VX6_ARRAY_N(roles); i++)
		if (strcmp(role, roles[i]) == 0)
			spec->role = (uint8_t)i;
	spec->expires_ms = api_get_time(expires) * 1000;
	if (expires && spec->expires_ms <= vx6_wall_ms())
		vx6_fault_add(faults, "/expires_at", "range", "must be in the future");
	decode_list(scopes, spec->scopes, "/scopes", faults);
	decode_list(from, spec->allow_from, "/allow_from", faults);
	check_scopes(scopes, faults);
	check_networks(from, faults);
}

const struct api_resource api_tokens = {
	.kind = "token",
	.path = "/v1/tokens",
	.rows = VX6_RESOURCE_TOKEN,
	.input_schema = "TokenInput",
	.create = VX6_CMD_TOKEN_CREATE,
	.update = VX6_CMD_TOKEN_UPDATE,
	.remove = VX6_CMD_TOKEN_DELETE,
	.size = sizeof(struct vx6_token_view),
	.views = views,
	.name = name,
	.encode_input = encode_input,
	.encode_served = encode_rest,
	.decode = decode,
};

/* ---- a new one: its text is in the answer, and nowhere else ---- */

static void made_then(struct api_request *r, struct vx6_answer *a)
{
	const struct vx6_token_view *v = NULL;
	struct vx6_json j = {0};
	char *whole;

	for (size_t i = 0; a->snapshot && i < a->snapshot->tokens_n && !v; i++) {
		const struct vx6_token_view *one = &a->snapshot->tokens[i];

		v = strcmp(one->meta.id, a->id) == 0 ? one : NULL;
	}
	if (!vx6_is_ok(a->err) || !v) {
		api_reply_failure(r, a);
		return;
	}
	whole = api_resource_encode(r->server, &api_tokens, v, a->snapshot);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", a->id);
	vx6_json_str(&j, "name", v->spec.name);
	vx6_json_str(&j, "role", roles[v->spec.role]);
	vx6_json_str(&j, "secret", r->secret);
	vx6_json_raw(&j, "token", whole);
	vx6_json_bool(&j, "shown_once", true);
	vx6_json_end_object(&j);
	free(whole);
	api_reply_json(r, MHD_HTTP_CREATED, &j);
	snprintf(r->reply.location, sizeof r->reply.location, "/v1/tokens/%s", a->id);
}

void api_token_create(struct api_request *r)
{
	struct vx6_cmd *cmd = api_resource_decode(r, &api_tokens, VX6_CMD_TOKEN_CREATE, r->json);
	struct vx6_hash hash;

	if (!cmd)
		return;
	r->secret = vx6_zalloc(VX6_TOKEN_TEXT);
	vx6_token_make(r->secret);
	vx6_token_stored_hash(r->secret, &hash);
	memcpy(cmd->u.token.hash, hash.b, sizeof cmd->u.token.hash);
	memcpy(cmd->u.token.public_id, r->secret + VX6_TOKEN_PUBLIC_AT, VX6_TOKEN_PUBLIC_MAX - 1);
	api_call(r, cmd, API_CALL_MS, made_then);
}
