/*
 * Commands from the API's thread: through the mailbox to the loop, answered there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "node/circuits_internal.h"

static void passphrase_free(char *text)
{
	if (text)
		vx6_wipe_free(text, strlen(text));
}

void vx6_cmd_free(struct vx6_cmd *cmd)
{
	if (!cmd)
		return;
	if (cmd->kind == VX6_CMD_SERVICE_CREATE || cmd->kind == VX6_CMD_SERVICE_UPDATE)
		vx6_service_spec_fini(&cmd->u.service);
	if (cmd->kind == VX6_CMD_ATTACH && cmd->u.attach.fd >= 0)
		close(cmd->u.attach.fd);
	if (cmd->kind >= VX6_CMD_IDENTITY_ROTATE) {
		passphrase_free(cmd->u.identity.passphrase);
		passphrase_free(cmd->u.identity.file_passphrase);
	}
	if (cmd->kind == VX6_CMD_CATALOG_JOIN)
		vx6_wipe(cmd->u.catalog.invite, sizeof cmd->u.catalog.invite);
	if (cmd->kind == VX6_CMD_ALIAS_ADD)
		vx6_wipe(cmd->u.hidden.invite, sizeof cmd->u.hidden.invite);
	free(cmd->labels);
	free(cmd->audit);
	free(cmd);
}

static void request_free(struct request *rq)
{
	vx6_forward_socket_free(rq->socket);
	vx6_meta_fini(&rq->meta);
	event_fini(&rq->event);
	vx6_cmd_free(rq->cmd);
	free(rq);
}

static bool is_of_rows(enum vx6_cmd_kind kind)
{
	return kind > VX6_CMD_NODE_UPDATE && kind <= VX6_CMD_TOKEN_DELETE;
}

static const struct vx6_snapshot *snapshot_for(struct request *rq, const struct vx6_answer *answer)
{
	struct vx6_select select = rq->cmd->select;

	if (select.what == VX6_SELECT_DEFAULT && rq->cmd->kind == VX6_CMD_SNAPSHOT) {
		select.what = VX6_SELECT_ALL;
	} else if (select.what == VX6_SELECT_DEFAULT && is_of_rows(rq->cmd->kind)) {
		select.what = VX6_SELECT_ONE;
		select.kind = resource_of(rq->cmd->kind);
		vx6_strlcpy(select.key, answer->id, sizeof select.key);
	}
	return snapshot_get(rq->owner, &select);
}

void request_answer(struct request *rq, struct vx6_answer *answer)
{
	if (vx6_is_ok(answer->err) && !answer->snapshot)
		answer->snapshot = snapshot_for(rq, answer);
	rq->done(answer, rq->user);
	vx6_events_free(answer->events, answer->events_n);
	vx6_page_free(answer->page);
	vx6_audit_page_free(answer->audit);
	vx6_wipe_free(answer->secret, answer->secret_n);
	request_free(rq);
}

void request_fail(struct request *rq, vx6_err err, const char *pointer, const char *detail)
{
	struct vx6_answer answer = {.err = err};

	vx6_strlcpy(answer.pointer, pointer ? pointer : "", sizeof answer.pointer);
	vx6_strlcpy(answer.detail, detail && detail[0] ? detail : vx6_err_text(err),
		    sizeof answer.detail);
	request_answer(rq, &answer);
}

/* ---- events ---- */

static void on_events_read(void *user, vx6_err err, struct vx6_event *events, size_t n,
			   uint64_t oldest)
{
	struct request *rq = user;
	struct vx6_answer answer = {.err = err,
				    .events = events,
				    .events_n = n,
				    .events_oldest = oldest};

	vx6_list_remove(&rq->node);
	if (!vx6_is_ok(err))
		vx6_strlcpy(answer.detail, vx6_err_text(err), sizeof answer.detail);
	request_answer(rq, &answer);
}

static void read_events(struct request *rq)
{
	uint32_t limit = VX6_MIN(rq->cmd->u.events.limit, (uint32_t)VX6_STATE_READ_LIMIT);
	vx6_err err = vx6_state_read_events(rq->owner->state, rq->cmd->u.events.since, limit,
					    on_events_read, rq);

	if (vx6_is_ok(err))
		vx6_list_push(&rq->owner->reads, &rq->node);
	else
		request_fail(rq, err, NULL, NULL);
}

void reads_abort(struct vx6_node *node)
{
	struct vx6_list *first;

	while ((first = vx6_list_pop(&node->reads)) != NULL)
		request_fail(VX6_CONTAINER_OF(first, struct request, node), VX6_ERR(DRAINING), NULL,
			     NULL);
}

/* ---- attach ---- */

struct attachment {
	struct request *rq; /* until the outcome */
	void (*ended)(void *user);
	void *user;
};

static void on_attach_outcome(void *user, vx6_err err, const char *detail)
{
	struct attachment *a = user;
	struct request *rq = a->rq;
	struct vx6_answer answer = {.err = VX6_OK};

	a->rq = NULL;
	if (vx6_is_ok(err)) {
		request_answer(rq, &answer);
		return;
	}
	free(a);
	request_fail(rq, err, NULL, detail);
}

static void on_attach_ended(void *user)
{
	struct attachment *a = user;

	a->ended(a->user);
	free(a);
}

static const struct vx6_attach_events attach_events = {.outcome = on_attach_outcome,
						       .ended = on_attach_ended};

static void attach(struct request *rq)
{
	const struct vx6_target *to = &rq->cmd->u.attach.to;
	const char *why =
		circuits_route_fault(rq->owner, to->has_node_id ? &to->node_id : NULL, &to->route);
	int fd = rq->cmd->u.attach.fd;
	struct attachment *a;
	vx6_err err;

	if (why) {
		request_fail(rq, VX6_ERR(INVALID), "?through", why);
		return;
	}
	a = vx6_zalloc(sizeof *a);
	a->rq = rq;
	a->ended = rq->cmd->u.attach.ended;
	a->user = rq->cmd->u.attach.user;
	rq->cmd->u.attach.fd = -1;
	err = vx6_forwards_attach(rq->owner->forwards, fd, &rq->cmd->u.attach.to, &attach_events,
				  a);
	if (!vx6_is_ok(err)) {
		free(a);
		request_fail(rq, err, NULL, NULL);
	}
}

/* ---- the mailbox ---- */

static void deliver(struct vx6_mail *mail)
{
	struct request *rq = VX6_CONTAINER_OF(mail, struct request, mail);
	struct vx6_answer answer = {.err = VX6_OK};

	/* posted after the loop's last turn: most of what could answer is gone */
	if (rq->owner->stopping) {
		request_fail(rq, VX6_ERR(DRAINING), NULL, NULL);
		return;
	}
	switch (rq->cmd->kind) {
	case VX6_CMD_SNAPSHOT:
		request_answer(rq, &answer);
		break;
	case VX6_CMD_EVENTS_READ:
		read_events(rq);
		break;
	case VX6_CMD_ATTACH:
		if (rq->owner->draining)
			request_fail(rq, VX6_ERR(DRAINING), NULL, NULL);
		else
			attach(rq);
		break;
	case VX6_CMD_NODE_UPDATE:
	case VX6_CMD_SERVICE_CREATE:
	case VX6_CMD_SERVICE_UPDATE:
	case VX6_CMD_SERVICE_DELETE:
	case VX6_CMD_FORWARD_CREATE:
	case VX6_CMD_FORWARD_UPDATE:
	case VX6_CMD_FORWARD_DELETE:
	case VX6_CMD_PEER_CREATE:
	case VX6_CMD_PEER_UPDATE:
	case VX6_CMD_PEER_DELETE:
	case VX6_CMD_TOKEN_CREATE:
	case VX6_CMD_TOKEN_UPDATE:
	case VX6_CMD_TOKEN_DELETE:
		mutation_submit(rq);
		break;
	case VX6_CMD_AUDIT_READ:
	case VX6_CMD_AUDIT_WRITE:
		audit_command(rq);
		break;
	default:
		discovery_command(rq);
	}
}

bool vx6_node_submit(struct vx6_node *node, struct vx6_cmd *cmd,
		     void (*done)(struct vx6_answer *answer, void *user), void *user)
{
	struct request *rq = vx6_zalloc(sizeof *rq);

	rq->mail.deliver = deliver;
	rq->owner = node;
	rq->cmd = cmd;
	rq->done = done;
	rq->user = user;
	if (vx6_loop_post(node->loop, &rq->mail))
		return true;
	free(rq);
	return false;
}

void vx6_node_subscribe(struct vx6_node *node,
			void (*on_event)(const struct vx6_event *event, void *user), void *user)
{
	/* the user first: whoever sees the function sees its user too */
	atomic_store(&node->on_event_user, user);
	atomic_store(&node->on_event, on_event);
}
