/* This node's identity: its public half, a new online key, its end, its export. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json/base64.h"
#include "api/server/server_internal.h"
#include "base/util.h"
#include "crypto/secret.h"

/* What stands between the subkey and its next certificate. */
static const char *renewal_name(enum vx6_master_state master)
{
	if (master == VX6_MASTER_READY)
		return "automatic";
	return master == VX6_MASTER_LOCKED ? "needs_passphrase" : "needs_master_key";
}

/* Also the answer to what changes it. */
static void identity_then(struct api_request *r, struct vx6_answer *a)
{
	const struct vx6_node_view *n = a->snapshot ? &a->snapshot->node : NULL;
	struct vx6_json j = {0};

	if (!vx6_is_ok(a->err) || !n) {
		api_reply_failure(r, a);
		return;
	}
	vx6_json_object(&j, NULL);
	api_put_node_id(&j, "node_id", &n->node_id);
	api_put_hex(&j, "public_key", n->node_id.b);
	vx6_json_bool(&j, "passphrase", n->master == VX6_MASTER_LOCKED);
	vx6_json_object(&j, "subkey");
	api_put_hex(&j, "public_key", n->sign_pk);
	vx6_json_u64(&j, "sequence", n->cert_seq);
	api_put_time(&j, "not_before", n->cert_not_before * 1000);
	api_put_time(&j, "expires_at", n->cert_not_after * 1000);
	vx6_json_str(&j, "renewal", renewal_name(n->master));
	vx6_json_end_object(&j);
	vx6_json_bool(&j, "revoked", n->revoked);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_identity_get(struct api_request *r)
{
	api_call(r, api_cmd_look(r, VX6_SELECT_NONE), API_CALL_MS, identity_then);
}

/* Takes a secret out of the body, which keeps nothing of it. @return owned; NULL: not given */
static char *secret_of(const struct api_request *r, const char *key)
{
	char *text = (char *)(uintptr_t)vx6_value_string(vx6_value_get(r->json, key));
	char *out = text ? vx6_strdup(text) : NULL;

	if (text)
		vx6_wipe(text, strlen(text));
	return out;
}

/* Bodies of these routes hold passphrases: what is left of them goes with the request. */
static struct vx6_cmd *identity_cmd(struct api_request *r, enum vx6_cmd_kind kind,
				    const char *passphrase)
{
	struct vx6_cmd *cmd = api_cmd_new(r, kind);

	cmd->u.identity.passphrase = secret_of(r, passphrase);
	vx6_wipe(r->body, r->body_n);
	return cmd;
}

void api_identity_rotate(struct api_request *r)
{
	api_call(r, identity_cmd(r, VX6_CMD_IDENTITY_ROTATE, "passphrase"), API_CALL_MS,
		 identity_then);
}

void api_identity_revoke(struct api_request *r)
{
	struct vx6_cmd *cmd = identity_cmd(r, VX6_CMD_IDENTITY_REVOKE, "passphrase");
	const char *confirm = vx6_value_string(vx6_value_get(r->json, "confirm"));
	const char *reason = vx6_value_string(vx6_value_get(r->json, "reason"));
	const char *dir = vx6_value_string(vx6_value_get(r->json, "successor_dir"));

	cmd->u.identity.file_passphrase = secret_of(r, "successor_passphrase");
	cmd->u.identity.reason = !reason || strcmp(reason, "retired") == 0 ? VX6_REVOKE_RETIRED
				 : strcmp(reason, "superseded") == 0       ? VX6_REVOKE_SUPERSEDED
									   : VX6_REVOKE_MASTER;
	vx6_strlcpy(cmd->u.identity.successor_dir, dir ? dir : "",
		    sizeof cmd->u.identity.successor_dir);

	vx6_strlcpy(cmd->u.identity.confirm, confirm ? confirm : "",
		    sizeof cmd->u.identity.confirm);
	api_call(r, cmd, API_CALL_MS, identity_then);
}

static void export_then(struct api_request *r, struct vx6_answer *a)
{
	char filename[VX6_LABEL_MAX + 16], *text;
	struct vx6_json j = {0};

	if (!vx6_is_ok(a->err) || !a->snapshot || !a->secret) {
		api_reply_failure(r, a);
		return;
	}
	snprintf(filename, sizeof filename, "%s.vx6id",
		 a->snapshot->node.name[0] ? a->snapshot->node.name : "node");
	text = vx6_base64_encode(a->secret, a->secret_n);
	vx6_json_object(&j, NULL);
	api_put_node_id(&j, "node_id", &a->snapshot->node.node_id);
	vx6_json_str(&j, "filename", filename);
	vx6_json_str(&j, "file", text);
	vx6_json_end_object(&j);
	free(text);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_identity_export(struct api_request *r)
{
	struct vx6_cmd *cmd = identity_cmd(r, VX6_CMD_IDENTITY_EXPORT, "master_passphrase");

	cmd->u.identity.file_passphrase = secret_of(r, "passphrase");
	api_call(r, cmd, API_CALL_MS, export_then);
}
