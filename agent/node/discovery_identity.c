/*
 * What the API changes of this node's identity: a new online key, its end, its export. The key derivation and the files are a worker's
 * business; what came out is put in force here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/archive.h"
#include "node/discovery_internal.h"

/* Secret, all of it. */
struct identity_job {
	struct vx6_job job;
	struct request *rq;
	char dir[300];
	struct vx6_subkey current, renewed;
	uint8_t bytes[VX6_ARCHIVE_MAX];
	size_t n;
	vx6_err err;
};

static const struct vx6_passphrase *passphrase_of(const char *text, struct vx6_passphrase *out)
{
	*out = (struct vx6_passphrase){.text = text, .n = text ? strlen(text) : 0};
	return text ? out : NULL;
}

static vx6_err revoke(struct identity_job *j, const struct vx6_passphrase *pass)
{
	const struct vx6_cmd *cmd = j->rq->cmd;
	struct vx6_passphrase successor;
	const struct vx6_revoke_ask ask = {
		.reason = cmd->u.identity.reason,
		.successor_dir =
			cmd->u.identity.successor_dir[0] ? cmd->u.identity.successor_dir : NULL,
		.successor_pass = passphrase_of(cmd->u.identity.file_passphrase, &successor),
	};

	return vx6_identity_revoke(j->dir, &vx6_net_default, &ask, pass, vx6_wall_s(), j->bytes,
				   &j->n);
}

static void work(struct vx6_job *job)
{
	struct identity_job *j = VX6_CONTAINER_OF(job, struct identity_job, job);
	const struct vx6_cmd *cmd = j->rq->cmd;
	struct vx6_passphrase pass, sealed_by;
	const struct vx6_passphrase *given = passphrase_of(cmd->u.identity.passphrase, &pass);

	if (cmd->kind == VX6_CMD_IDENTITY_ROTATE)
		j->err = vx6_identity_renew(j->dir, &vx6_net_default, &j->current, given,
					    vx6_wall_s(), &j->renewed);
	else if (cmd->kind == VX6_CMD_IDENTITY_REVOKE)
		j->err = revoke(j, given);
	else
		j->err = vx6_identity_export(j->dir, &vx6_net_default, given,
					     passphrase_of(cmd->u.identity.file_passphrase,
							   &sealed_by),
					     j->bytes, &j->n);
}

/* ---- into force ---- */

static void tell(struct vx6_node *node, const struct request *rq, const char *type)
{
	struct vx6_event ev;

	event_init(&ev, type, "node", "", NULL);
	vx6_strlcpy(ev.request_id, rq->cmd->request_id, sizeof ev.request_id);
	event_emit(node, &ev);
}

const char identity_revocation_key[] = "own_revocation";

void identity_revoked(struct vx6_node *node, const uint8_t *record, size_t n)
{
	node->revoked = true;
	node->snapshot_dirty = true;
	vx6_publisher_set_revocation(node->publisher, record, n);
}

static void revocation_answer(struct request *rq, vx6_err err)
{
	struct vx6_answer a = {.err = VX6_OK};

	vx6_list_remove(&rq->node);
	if (vx6_is_ok(err))
		request_answer(rq, &a);
	else
		request_fail(
			rq, err, NULL,
			"the identity has ended, but that could not be stored: revoke it again "
			"before the agent ends");
}

static void on_stored(void *user, const struct vx6_write_result *r)
{
	revocation_answer(user, r->err);
}

/* In force at once; the record is kept, so that the next start goes on publishing it, and who asked hears of it when it is. */
static void put_revocation(struct identity_job *j)
{
	struct request *rq = j->rq;
	struct vx6_write *w = vx6_write_new();
	vx6_err err;

	identity_revoked(rq->owner, j->bytes, j->n);
	tell(rq->owner, rq, "identity.revoked");
	vx6_write_put_value(w, identity_revocation_key, j->bytes, j->n);
	vx6_list_push(&rq->owner->reads, &rq->node);
	err = vx6_state_submit(rq->owner->state, w, on_stored, rq);
	if (!vx6_is_ok(err))
		revocation_answer(rq, err);
}

static void answer(struct identity_job *j)
{
	struct request *rq = j->rq;
	struct vx6_answer a = {.err = VX6_OK};

	switch (rq->cmd->kind) {
	case VX6_CMD_IDENTITY_ROTATE:
		tell(rq->owner, rq, "identity.rotated");
		break;
	case VX6_CMD_IDENTITY_REVOKE:
		put_revocation(j);
		return;
	default:
		tell(rq->owner, rq, "identity.exported");
		a.secret = vx6_zalloc(j->n + 1);
		memcpy(a.secret, j->bytes, j->n);
		a.secret_n = j->n;
	}
	request_answer(rq, &a);
}

static void done(struct vx6_job *job)
{
	struct identity_job *j = VX6_CONTAINER_OF(job, struct identity_job, job);
	struct vx6_node *node = j->rq->owner;
	bool export = j->rq->cmd->kind == VX6_CMD_IDENTITY_EXPORT;

	node->renewing = false;
	if (vx6_is_ok(j->err) && node->stopping)
		j->err = VX6_ERR(DRAINING);
	if (vx6_is_ok(j->err) && j->rq->cmd->kind == VX6_CMD_IDENTITY_ROTATE)
		j->err = identity_take_subkey(node, &j->renewed);
	if (vx6_is_ok(j->err))
		answer(j);
	else
		request_fail(j->rq, j->err,
			     j->err.code != VX6_E_PASSPHRASE ? NULL
			     : export                        ? "/master_passphrase"
							     : "/passphrase",
			     NULL);
	vx6_wipe_free(j, sizeof *j);
}

/* ---- the request ---- */

void identity_change(struct request *rq)
{
	struct vx6_node *node = rq->owner;
	struct identity_job *j;
	vx6_err err;

	if (rq->cmd->kind == VX6_CMD_IDENTITY_REVOKE &&
	    strcmp(rq->cmd->u.identity.confirm, node->name) != 0) {
		request_fail(rq, VX6_ERR(INVALID), "/confirm", "is not the name of this node");
		return;
	}
	if (node->renewing) {
		request_fail(rq, VX6_ERR(AGAIN), NULL, "the identity is being changed already");
		return;
	}
	j = vx6_zalloc(sizeof *j);
	j->job = (struct vx6_job){.work = work, .done = done};
	j->rq = rq;
	j->current = node->identity.subkey;
	snprintf(j->dir, sizeof j->dir, "%s/identity", node->state_dir);
	err = vx6_loop_work(node->loop, &j->job);
	node->renewing = vx6_is_ok(err);
	if (vx6_is_ok(err))
		return;
	vx6_wipe_free(j, sizeof *j);
	request_fail(rq, err, NULL, NULL);
}
