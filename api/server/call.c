/*
 * A call is the request's side of one command. The agent's thread hands its answer over by mail; a call whose request is
 * gone by then (timed out, or the server stopped) is only cleaned up. A joined stream needs two letters: the answer and
 * the end of the stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

struct api_call {
	struct api_letter answered, ended;
	struct api_mail *mail;
	struct api_request *request; /* NULL: gone; server's thread only */
	api_then *then;
	struct vx6_answer answer;
	int socket; /* attach: a duplicate of the client's socket, to greet it with; -1 */
	unsigned
		letters; /* still to come; atomic: after the server's stop the agent's thread delivers too */
	char request_id[65];
};

static void answer_fini(struct vx6_answer *a)
{
	if (a->snapshot)
		vx6_snapshot_unref(a->snapshot);
	if (a->events)
		vx6_events_free(a->events, a->events_n);
	vx6_page_free(a->page);
	vx6_audit_page_free(a->audit);
	vx6_wipe_free(a->secret, a->secret_n);
	a->snapshot = NULL;
	a->events = NULL;
	a->page = NULL;
	a->audit = NULL;
	a->secret = NULL;
}

static void call_release(struct api_call *call)
{
	struct api_mail *mail = call->mail;

	if (__atomic_sub_fetch(&call->letters, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	answer_fini(&call->answer);
	if (call->socket >= 0)
		close(call->socket);
	free(call);
	api_mail_unref(mail);
}

void api_call_abandon(struct api_call *call)
{
	if (call->socket >= 0)
		shutdown(
			call->socket,
			SHUT_RDWR); /* whatever the agent still writes must not follow another reply */
	call->request = NULL;
}

static void answer_deliver(struct vx6_api_server *server, struct api_letter *letter)
{
	struct api_call *call = VX6_CONTAINER_OF(letter, struct api_call, answered);
	struct api_request *r = server ? call->request : NULL;

	if (server)
		api_access_see(server, call->answer.snapshot);
	if (r) {
		r->audited |= call->answer.audited;
		if (__atomic_load_n(&call->letters, __ATOMIC_ACQUIRE) == 1) {
			call->request = NULL;
			r->call = NULL;
			r->deadline_ms = 0;
		}
		call->then(r, &call->answer);
		if (r->reply.status)
			api_request_resume(r);
	}
	call_release(call);
}

/* On the agent's thread. */
static void answer_take(struct vx6_answer *answer, void *user)
{
	struct api_call *call = user;

	call->answer = *answer;
	answer->events = NULL;
	answer->events_n = 0;
	answer->page = NULL;
	answer->audit = NULL;
	answer->secret = NULL;
	api_mail_send(call->mail, &call->answered);
}

struct vx6_cmd *api_cmd_new(const struct api_request *r, enum vx6_cmd_kind kind)
{
	struct vx6_cmd *cmd = vx6_zalloc(sizeof *cmd);
	const char *agent = api_request_header(r, "User-Agent");

	cmd->kind = kind;
	vx6_strlcpy(cmd->request_id, r->id, sizeof cmd->request_id);
	vx6_strlcpy(cmd->managed_by, agent && strncmp(agent, "vx6-cli/", 8) == 0 ? "cli" : "api",
		    sizeof cmd->managed_by);
	if (kind >= VX6_CMD_NODE_UPDATE && kind <= VX6_CMD_TOKEN_DELETE)
		api_audit_with(r, cmd);
	return cmd;
}

struct vx6_cmd *api_cmd_look(const struct api_request *r, enum vx6_select_what what)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_SNAPSHOT);

	cmd->select.what = what;
	return cmd;
}

static struct api_call *call_new(struct api_request *r, api_then *then)
{
	struct api_call *call = vx6_zalloc(sizeof *call);

	call->answered.deliver = answer_deliver;
	call->mail = api_mail_ref(r->server->mail);
	call->request = r;
	call->then = then;
	call->socket = -1;
	call->letters = 1;
	r->call = call;
	return call;
}

/* The call comes to nothing. */
static void call_drop(struct api_request *r, struct api_call *call, struct vx6_cmd *cmd,
		      const char *why)
{
	vx6_cmd_free(cmd);
	r->call = NULL;
	r->deadline_ms = 0;
	call->letters = 1;
	call_release(call);
	api_reply_problem(r, VX6_PROBLEM_UNAVAILABLE, "%s", why);
}

static void call_submit(struct api_request *r, struct api_call *call, struct vx6_cmd *cmd,
			void (*done)(struct vx6_answer *, void *))
{
	if (!vx6_node_submit(r->server->node, cmd, done, call))
		call_drop(r, call, cmd, "the agent is stopping");
}

void api_call_beside(struct api_request *r, struct vx6_cmd *cmd, uint32_t timeout_ms,
		     api_then *then)
{
	struct api_call *call = call_new(r, then);

	r->deadline_ms = r->server->now_ms + timeout_ms;
	if (vx6_node_submit(r->server->node, cmd, answer_take, call))
		return;
	vx6_cmd_free(cmd);
	r->call = NULL;
	r->deadline_ms = 0;
	call_release(call);
}

void api_call(struct api_request *r, struct vx6_cmd *cmd, uint32_t timeout_ms, api_then *then)
{
	struct api_call *call = call_new(r, then);

	r->deadline_ms = timeout_ms ? r->server->now_ms + timeout_ms : 0;
	call_submit(r, call, cmd, answer_take);
}

/* ---- attach ---- */

static void ended_deliver(struct vx6_api_server *server, struct api_letter *letter)
{
	struct api_call *call = VX6_CONTAINER_OF(letter, struct api_call, ended);
	struct api_request *r = server ? call->request : NULL;

	if (r) {
		call->request = NULL;
		r->call = NULL;
		r->reply.hang_up = true;
		api_request_resume(r);
	}
	call_release(call);
}

/* On the agent's thread: the last word of this call. */
static void attach_ended(void *user)
{
	struct api_call *call = user;

	api_mail_send(call->mail, &call->ended);
}

/*
 * On the agent's thread, before it writes the first byte of the service: the client learns that the stream is open. The
 * socket has just carried a request, so its send buffer takes these bytes at once; if not, the client is cut off.
 */
static void greet(const struct api_call *call)
{
	char text[256];
	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
			 "vx6-stream\r\nX-Request-Id: %s\r\n\r\n",
			 call->request_id);

	if (send(call->socket, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		shutdown(call->socket, SHUT_RDWR);
}

static void attach_take(struct vx6_answer *answer, void *user)
{
	struct api_call *call = user;

	if (vx6_is_ok(answer->err))
		greet(call);
	else
		__atomic_store_n(&call->letters, 1, __ATOMIC_RELEASE); /* no end follows */
	answer_take(answer, call);
}

/* The agent gives its end up by a reset; the refusal must still reach the client. */
static void linger_off(const struct api_request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CONNECTION_FD);
	const struct linger off = {0};

	setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

static void attached(struct api_request *r, struct vx6_answer *answer)
{
	if (vx6_is_ok(answer->err))
		return;
	linger_off(r);
	api_reply_failure(r, answer);
}

void api_call_attach(struct api_request *r, struct vx6_cmd *cmd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->http, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct api_call *call = call_new(r, attached);

	vx6_strlcpy(call->request_id, r->id, sizeof call->request_id);
	call->letters = 2;
	call->ended.deliver = ended_deliver;
	call->socket = fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0);
	cmd->u.attach.fd = call->socket < 0 ? -1 : fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0);
	cmd->u.attach.ended = attach_ended;
	cmd->u.attach.user = call;
	r->deadline_ms = 0;
	if (cmd->u.attach.fd >= 0)
		call_submit(r, call, cmd, attach_take);
	else
		call_drop(r, call, cmd, "no descriptor left");
}
