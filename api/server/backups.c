/* A sealed copy of this node, as the bytes of a file. */
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"
#include "crypto/secret.h"

static void backup_then(struct api_request *r, struct vx6_answer *a)
{
	if (!vx6_is_ok(a->err) || !a->secret) {
		api_reply_failure(r, a);
		return;
	}
	api_reply_text(r, "application/octet-stream", (char *)a->secret, a->secret_n);
	a->secret = NULL;
}

void api_backup_create(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_BACKUP);
	char *passphrase =
		(char *)(uintptr_t)vx6_value_string(vx6_value_get(r->json, "passphrase"));

	cmd->u.identity.file_passphrase = vx6_strdup(passphrase);
	vx6_wipe(passphrase, strlen(passphrase));
	vx6_wipe(r->body, r->body_n);
	api_call(r, cmd, API_CALL_MS, backup_then);
}
