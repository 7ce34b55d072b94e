/*
 * Connections of a service: each is freed when its pump has ended, or when the service is deleted, which aborts the pumps first.
 * So a connection never outlives its service, and nothing else refers to a connection.
 *
 *   begin -> (no socket: refused) | CONNECTING -> ANSWERED -> ended
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "service/pump.h"
#include "service/services_internal.h"
#include "session/session.h"
#include "wire/code.h"

enum { RETRY_MS = 20 };

struct conn {
	struct vx6_list node;
	struct service *service;
	struct vx6_pump pump;
	struct vx6_timer timer; /* until the target answers, or is asked again */
	uint64_t deadline_ns;
	struct vx6_node_id peer;
	bool has_peer;
	bool answered;
};

static void conn_free(struct conn *c)
{
	vx6_timer_stop(&c->timer);
	vx6_list_remove(&c->node);
	c->service->stats.active--;
	free(c);
}

static const struct vx6_node_id *conn_peer(const struct conn *c)
{
	return c->has_peer ? &c->peer : NULL;
}

static void recovered(struct service *svc)
{
	struct vx6_services *s = svc->table;

	svc->stats.failing = false;
	VX6_INFO("service", "%s: the target answers again", svc->spec.name);
	if (s->cfg.recovered)
		s->cfg.recovered(s->cfg.user, svc->id);
}

static vx6_err on_connected(struct vx6_pump *p, struct vx6_stream *stream, void *user)
{
	struct conn *c = user;

	VX6_TRY(vx6_session_answer(stream, VX6_OK));
	vx6_timer_stop(&c->timer);
	c->answered = true;
	c->service->stats.total++;
	if (c->service->stats.failing)
		recovered(c->service);
	return VX6_OK;
}

static void target_failed(struct service *svc, const struct vx6_node_id *peer, vx6_err err,
			  int errnum)
{
	char detail[sizeof svc->stats.last_failure.detail], at[VX6_ADDR_TEXT];

	snprintf(detail, sizeof detail, "%.*s: %s", 100, vx6_addr_format(&svc->spec.target, at),
		 strerror(errnum));
	service_failed(svc->table, svc, svc->spec.name, peer, err, detail);
}

static void on_ended(struct vx6_pump *p, vx6_err why, void *user)
{
	struct conn *c = user;

	/* a peer that gave up while the target was slow is nobody's failure */
	if (!c->answered && why.code == VX6_E_TARGET_UNREACHABLE)
		target_failed(c->service, conn_peer(c), why, p->connect_errno);
	conn_free(c);
}

static void give_up(struct conn *c, int errnum)
{
	target_failed(c->service, conn_peer(c), VX6_ERR(TARGET_UNREACHABLE), errnum);
	vx6_pump_abort(&c->pump, VX6_CODE_TARGET_UNREACHABLE);
	conn_free(c);
}

static int ask_target(int fd, const struct vx6_addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(to, false, &ss);

	return connect(fd, (struct sockaddr *)&ss, n);
}

/* The target of a held connection is asked again. */
static void retry(struct conn *c)
{
	struct vx6_loop *loop = c->service->table->cfg.loop;
	uint64_t next_ns = vx6_loop_now_ns(loop) + RETRY_MS * VX6_NS_PER_MS;

	if (ask_target(c->pump.fd, &c->service->spec.target) == 0) {
		vx6_timer_at(&c->timer, c->deadline_ns);
		vx6_pump_connected(&c->pump);
	} else if (errno == EAGAIN) {
		vx6_timer_at(&c->timer, VX6_MIN(next_ns, c->deadline_ns));
	} else {
		give_up(c, errno);
	}
}

static void on_timer(struct vx6_timer *timer)
{
	struct conn *c = timer->user;

	if (vx6_loop_now_ns(c->service->table->cfg.loop) >= c->deadline_ns)
		give_up(c, ETIMEDOUT);
	else
		retry(c);
}

/* @return -1 with errno set */
static int dial_target(const struct vx6_services *s, const struct vx6_addr *to,
		       enum vx6_pump_dial *how)
{
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(to, false, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -1;
	/* the kernel gives the lowest number that is free, so a high one says how many there are */
	if ((rlim_t)fd >= s->fd_end) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	rc = connect(fd, (struct sockaddr *)&ss, n);
	/* over loopback the handshake is over by now, and asking again spares a round through the poller */
	if (rc < 0 && errno == EINPROGRESS)
		rc = connect(fd, (struct sockaddr *)&ss, n);
	*how = rc == 0 || errno == EISCONN ? VX6_PUMP_CONNECTED : VX6_PUMP_CONNECTING;
	/* a unix socket whose backlog is full: the kernel does not wait for us */
	if (rc < 0 && errno == EAGAIN && to->family == VX6_ADDR_UNIX)
		*how = VX6_PUMP_HELD;
	else if (rc < 0 && errno != EISCONN && errno != EALREADY && errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void join(struct service *svc, int fd, enum vx6_pump_dial how, struct vx6_stream *stream,
		 const struct vx6_node_id *peer, const struct iovec *rest, int rest_n, bool fin)
{
	static const struct vx6_pump_events events = {.ended = on_ended, .greet = on_connected};
	struct conn *c = vx6_zalloc(sizeof *c);
	struct vx6_loop *loop = svc->table->cfg.loop;
	vx6_err err;

	c->service = svc;
	c->has_peer = peer != NULL;
	if (peer)
		c->peer = *peer;
	vx6_timer_init(loop, &c->timer, on_timer, c);
	vx6_list_push(&svc->conns, &c->node);
	svc->stats.active++;
	err = vx6_pump_connect(&c->pump, loop, fd, how, stream, rest, rest_n, fin, &svc->stats,
			       &events, c);
	if (!vx6_is_ok(err)) {
		conn_free(c);
		service_failed(svc->table, svc, svc->spec.name, peer, VX6_ERR(TARGET_UNREACHABLE),
			       vx6_err_text(err));
		service_refuse(stream, VX6_ERR(TARGET_UNREACHABLE));
	} else if (!c->answered) {
		c->deadline_ns = vx6_loop_now_ns(loop) + VX6_SERVICE_CONNECT_MS * VX6_NS_PER_MS;
		vx6_timer_at(&c->timer, how == VX6_PUMP_HELD
						? vx6_loop_now_ns(loop) + RETRY_MS * VX6_NS_PER_MS
						: c->deadline_ns);
	}
}

void service_conn_begin(struct service *svc, struct vx6_stream *stream,
			const struct vx6_node_id *peer, const struct iovec *rest, int rest_n,
			bool fin)
{
	enum vx6_pump_dial how;
	int fd = dial_target(svc->table, &svc->spec.target, &how);

	if (fd < 0) {
		/* our own want of descriptors is not the target's fault */
		vx6_err err = errno == EMFILE || errno == ENFILE ? VX6_ERR(FULL)
								 : VX6_ERR(TARGET_UNREACHABLE);

		target_failed(svc, peer, err, errno);
		service_refuse(stream, err);
		return;
	}
	join(svc, fd, how, stream, peer, rest, rest_n, fin);
}

void service_conns_abort(struct service *svc)
{
	VX6_LIST_EACH(node, &svc->conns)
	{
		struct conn *c = VX6_CONTAINER_OF(node, struct conn, node);

		vx6_pump_abort(&c->pump, VX6_CODE_RESET);
		conn_free(c);
	}
}
