/*
 * A service belongs to the table, a connection to its service: it is freed when its pump has ended, or when the service is deleted,
 * which aborts the pumps first. So a connection never outlives its service, and nothing else refers to a connection.
 *
 *   incoming -> (refused: answered and forgotten) | CONNECTING -> ANSWERED -> ended
 */
#include "service/services.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "service/pump.h"
#include "session/session.h"
#include "wire/code.h"

enum {
	ID_MAX = 40,
	RETRY_MS = 20,
	FAILURES_BURST = 5,
	FAILURES_PER_MS = 5000,
	FD_RESERVE =
		64, /* descriptors that peers cannot take: for the API, the database, new links */
};

struct service {
	struct vx6_list node;
	struct vx6_services *table;
	char id[ID_MAX];
	struct vx6_service_spec spec;
	struct vx6_flow_stats stats;
	struct vx6_list conns;
	struct vx6_ratelimit loud;
};

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

struct vx6_services {
	struct vx6_services_config cfg;
	struct vx6_list list;
	size_t n;
	rlim_t fd_end;             /* descriptors from here on are not for connections of peers */
	struct vx6_ratelimit loud; /* for names that are not published */
};

/* ---- table ---- */

struct vx6_services *vx6_services_new(const struct vx6_services_config *cfg)
{
	struct vx6_services *s = vx6_zalloc(sizeof *s);
	struct rlimit files;

	s->fd_end = RLIM_INFINITY;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 2 * (rlim_t)FD_RESERVE)
		s->fd_end = files.rlim_cur - FD_RESERVE;
	s->cfg = *cfg;
	if (!s->cfg.connections_max)
		s->cfg.connections_max = VX6_SERVICE_CONNECTIONS_MAX;
	vx6_list_init(&s->list);
	return s;
}

static struct service *find_id(const struct vx6_services *s, const char *id)
{
	VX6_LIST_EACH(node, &s->list)
	{
		struct service *svc = VX6_CONTAINER_OF(node, struct service, node);

		if (!strcmp(svc->id, id))
			return svc;
	}
	return NULL;
}

static struct service *find_name(const struct vx6_services *s, const char *name)
{
	VX6_LIST_EACH(node, &s->list)
	{
		struct service *svc = VX6_CONTAINER_OF(node, struct service, node);

		if (!strcmp(svc->spec.name, name))
			return svc;
	}
	return NULL;
}

static void conn_free(struct conn *c)
{
	vx6_timer_stop(&c->timer);
	vx6_list_remove(&c->node);
	c->service->stats.active--;
	free(c);
}

static void service_free(struct service *svc)
{
	VX6_LIST_EACH(node, &svc->conns)
	{
		struct conn *c = VX6_CONTAINER_OF(node, struct conn, node);

		vx6_pump_abort(&c->pump, VX6_CODE_RESET);
		conn_free(c);
	}
	vx6_list_remove(&svc->node);
	svc->table->n--;
	vx6_service_spec_fini(&svc->spec);
	free(svc);
}

void vx6_services_free(struct vx6_services *s)
{
	if (!s)
		return;
	VX6_LIST_EACH(node, &s->list)
	service_free(VX6_CONTAINER_OF(node, struct service, node));
	free(s);
}

vx6_err vx6_services_check(const struct vx6_services *s, const struct vx6_service_spec *spec)
{
	const struct vx6_addr *to = &spec->target;

	if (!vx6_label_is_valid(spec->name, strnlen(spec->name, sizeof spec->name)) ||
	    spec->allow_n > VX6_ALLOW_MAX)
		return VX6_ERR(INVALID);
	if (to->family == VX6_ADDR_UNIX)
		return to->path[0] == '/' ? VX6_OK : VX6_ERR(INVALID);
	if (to->family != VX6_ADDR_IP || to->port == 0 || vx6_addr_is_multicast(to))
		return VX6_ERR(INVALID);
	if (!vx6_addr_is_loopback(to) && !s->cfg.allow_non_loopback)
		return VX6_ERR(NOT_LOOPBACK);
	return VX6_OK;
}

vx6_err vx6_services_put(struct vx6_services *s, const char *id,
			 const struct vx6_service_spec *spec)
{
	struct service *svc = find_id(s, id), *namesake = find_name(s, spec->name);
	struct vx6_service_spec copy;

	VX6_TRY(vx6_services_check(s, spec));
	if (namesake && namesake != svc)
		return VX6_ERR(EXISTS);
	if (!svc) {
		if (s->n == VX6_SERVICES_MAX)
			return VX6_ERR(FULL);
		svc = vx6_zalloc(sizeof *svc);
		svc->table = s;
		vx6_strlcpy(svc->id, id, sizeof svc->id);
		vx6_list_init(&svc->conns);
		vx6_list_push(&s->list, &svc->node);
		s->n++;
	}
	vx6_service_spec_copy(&copy, spec);
	vx6_service_spec_fini(&svc->spec);
	svc->spec = copy;
	return VX6_OK;
}

vx6_err vx6_services_delete(struct vx6_services *s, const char *id)
{
	struct service *svc = find_id(s, id);

	if (!svc)
		return VX6_ERR(NOT_FOUND);
	service_free(svc);
	return VX6_OK;
}

const struct vx6_flow_stats *vx6_services_stats(const struct vx6_services *s, const char *id)
{
	const struct service *svc = find_id(s, id);

	return svc ? &svc->stats : NULL;
}

/* ---- failures ---- */

static void peer_text(const struct vx6_node_id *peer, char out[VX6_NODE_ID_SHORT])
{
	if (peer)
		vx6_node_id_format_short(peer, out);
	else
		vx6_strlcpy(out, "anonymous", VX6_NODE_ID_SHORT);
}

/* @param svc NULL: no service of that name */
static void fail(struct vx6_services *s, struct service *svc, const char *name,
		 const struct vx6_node_id *peer, vx6_err err, const char *detail)
{
	struct vx6_failure f = {.err = err, .wall_ms = vx6_wall_ms()};
	char who[VX6_NODE_ID_SHORT];

	vx6_strlcpy(f.detail, detail, sizeof f.detail);
	if (svc) {
		svc->stats.refused++;
		svc->stats.last_failure = f;
		svc->stats.failing = svc->stats.failing || err.code == VX6_E_TARGET_UNREACHABLE;
	}
	if (!vx6_log_allow(svc ? &svc->loud : &s->loud, "service", FAILURES_BURST, FAILURES_PER_MS))
		return;
	peer_text(peer, who);
	VX6_WARN("service", "%s for %s: %s: %s", name, who, vx6_err_name(err), detail);
	if (s->cfg.failed)
		s->cfg.failed(s->cfg.user, svc ? svc->id : NULL, name, peer, &f);
}

static void refuse(struct vx6_stream *stream, vx6_err err)
{
	vx6_err answered;

	vx6_pump_discard(stream);
	answered = vx6_session_answer(stream, err);
	if (!vx6_is_ok(answered))
		vx6_stream_reset(stream, vx6_code_from_err(err));
}

/* ---- connections ---- */

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
	fail(svc->table, svc, svc->spec.name, peer, err, detail);
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
		fail(svc->table, svc, svc->spec.name, peer, VX6_ERR(TARGET_UNREACHABLE),
		     vx6_err_text(err));
		refuse(stream, VX6_ERR(TARGET_UNREACHABLE));
	} else if (!c->answered) {
		c->deadline_ns = vx6_loop_now_ns(loop) + VX6_SERVICE_CONNECT_MS * VX6_NS_PER_MS;
		vx6_timer_at(&c->timer, how == VX6_PUMP_HELD
						? vx6_loop_now_ns(loop) + RETRY_MS * VX6_NS_PER_MS
						: c->deadline_ns);
	}
}

static bool is_allowed(const struct vx6_service_spec *spec, const struct vx6_node_id *peer)
{
	if (spec->access == VX6_ACCESS_ANY)
		return true;
	for (size_t i = 0; peer && i < spec->allow_n; i++)
		if (vx6_node_id_eq(&spec->allow[i], peer))
			return true;
	return false;
}

void vx6_services_incoming(struct vx6_services *s, struct vx6_stream *stream,
			   const struct vx6_node_id *peer, const struct vx6_open *what,
			   const struct iovec *rest, int rest_n, bool fin)
{
	struct service *svc = find_name(s, what->name);
	const char *detail = NULL;
	vx6_err err = VX6_OK;
	enum vx6_pump_dial how;
	int fd;

	if (!svc || !svc->spec.enabled) {
		svc = NULL;
		err = VX6_ERR(SERVICE_UNKNOWN);
		detail = "no such service is published";
	} else if (!is_allowed(&svc->spec, peer)) {
		err = VX6_ERR(ACCESS_REFUSED);
		detail = "not on the list of allowed nodes";
	} else if (svc->stats.active >= s->cfg.connections_max) {
		err = VX6_ERR(FULL);
		detail = "too many connections";
	}
	if (!vx6_is_ok(err)) {
		fail(s, svc, what->name, peer, err, detail);
		refuse(stream, err);
		return;
	}
	fd = dial_target(s, &svc->spec.target, &how);
	if (fd < 0) {
		/* our own want of descriptors is not the target's fault */
		err = errno == EMFILE || errno == ENFILE ? VX6_ERR(FULL)
							 : VX6_ERR(TARGET_UNREACHABLE);
		target_failed(svc, peer, err, errno);
		refuse(stream, err);
		return;
	}
	join(svc, fd, how, stream, peer, rest, rest_n, fin);
}
