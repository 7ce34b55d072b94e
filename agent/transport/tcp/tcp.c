/* The TLS/TCP family: the instance with its shared buffers, dialling, and the table of operations. */
#include "transport/tcp/tcp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "transport/local.h"
#include "transport/tcp/tcp_ops.h"

/* ---- shared buffers: mapped, so that what is given back is really given back ---- */

static uint8_t *buffer_map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	VX6_ASSERT(p != MAP_FAILED);
	return p;
}

static void buffer_unmap(uint8_t **p, size_t n)
{
	if (*p)
		munmap(*p, n);
	*p = NULL;
}

static void buffers_touch(struct vx6_transport *t)
{
	t->buffers_used = true;
	if (!vx6_timer_is_armed(&t->buffers_timer) && !t->closing)
		vx6_timer_in_ms(&t->buffers_timer, TCP_BUFFERS_IDLE_MS);
}

uint8_t *tcp_in_buffer(struct vx6_transport *t)
{
	buffers_touch(t);
	if (!t->in)
		t->in = buffer_map(TCP_IN_BYTES);
	return t->in;
}

uint8_t *tcp_plain_buffer(struct vx6_transport *t)
{
	buffers_touch(t);
	if (!t->plain)
		t->plain = buffer_map(TCP_PLAIN_BYTES);
	return t->plain;
}

uint8_t *tcp_out_take(struct vx6_transport *t)
{
	buffers_touch(t);
	return t->out_spare_n ? t->out_spare[--t->out_spare_n] : buffer_map(TCP_OUT_BYTES);
}

void tcp_out_give(struct vx6_transport *t, uint8_t *p)
{
	if (t->out_spare_n < TCP_OUT_SPARE)
		t->out_spare[t->out_spare_n++] = p;
	else
		munmap(p, TCP_OUT_BYTES);
}

static void buffers_free(struct vx6_transport *t)
{
	buffer_unmap(&t->in, TCP_IN_BYTES);
	buffer_unmap(&t->plain, TCP_PLAIN_BYTES);
	while (t->out_spare_n)
		buffer_unmap(&t->out_spare[--t->out_spare_n], TCP_OUT_BYTES);
}

static void on_buffers_timer(struct vx6_timer *timer)
{
	struct vx6_transport *t = timer->user;

	if (t->buffers_used)
		vx6_timer_in_ms(timer, TCP_BUFFERS_IDLE_MS);
	else
		buffers_free(t);
	t->buffers_used = false;
}

/* ---- the instance ---- */

static vx6_err tcp_new(const struct vx6_transport_config *cfg, struct vx6_transport **out)
{
	struct vx6_tls *tls;
	struct vx6_transport *t;

	VX6_TRY(vx6_tls_new(cfg->key, &tls));
	t = vx6_zalloc(sizeof *t);
	t->loop = cfg->loop;
	t->limits = cfg->limits;
	t->tls = tls;
	t->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	vx6_guard_init(&t->guard, cfg->limits.handshakes_per_s);
	vx6_list_init(&t->links);
	vx6_list_init(&t->listeners);
	vx6_list_init(&t->shaking);
	vx6_list_init(&t->leaving);
	vx6_timer_init(t->loop, &t->buffers_timer, on_buffers_timer, t);
	*out = t;
	return VX6_OK;
}

static void tcp_free(struct vx6_transport *t)
{
	if (!t)
		return;
	t->closing = true;
	while (!vx6_list_is_empty(&t->listeners))
		tcp_listener_close(VX6_CONTAINER_OF(t->listeners.next, struct vx6_listener, node));
	while (!vx6_list_is_empty(&t->links)) {
		struct vx6_link *link = VX6_CONTAINER_OF(t->links.next, struct vx6_link, node);

		link->polite = true;
		link_fail(link, VX6_ERR(CLOSED));
		link_finish(link);
	}
	tcp_leave_all(t);
	vx6_timer_stop(&t->buffers_timer);
	buffers_free(t);
	if (t->spare_fd >= 0)
		close(t->spare_fd);
	vx6_tls_free(t->tls);
	free(t);
}

static vx6_err tcp_set_key(struct vx6_transport *t, const struct vx6_sign_keypair *key)
{
	struct vx6_tls *tls;

	VX6_TRY(vx6_tls_new(key, &tls));
	vx6_tls_free(t->tls);
	t->tls = tls;
	return VX6_OK;
}

/* ---- links ---- */

static vx6_err socket_connect(const struct vx6_addr *to, int *out)
{
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(to, false, &ss);
	int fd;

	if (to->family != VX6_ADDR_IP || n == 0)
		return VX6_ERR(INVALID);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		vx6_err err = vx6_err_from_errno(errno);

		close(fd);
		return err;
	}
	*out = fd;
	return VX6_OK;
}

static vx6_err tcp_dial(struct vx6_transport *t, const struct vx6_dial *how,
			const struct vx6_link_events *ev, void *user, struct vx6_link **out)
{
	struct vx6_link *link;
	int fd = -1;

	if (t->closing)
		return VX6_ERR(CLOSED);
	if (t->links_n >= t->limits.links_max)
		return VX6_ERR(FULL);
	VX6_TRY(socket_connect(&how->to, &fd));
	VX6_TRY(link_start(t, fd, LINK_CONNECT, &link));
	link->initiator = true;
	link->anonymous = how->anonymous;
	link->for_others = how->for_others;
	link->remote = how->to;
	link->peer.expect_key = how->expect_key;
	link->peer.expected = how->key;
	link->ev = ev;
	link->user = user;
	*out = link;
	return VX6_OK;
}

static void tcp_link_set_events(struct vx6_link *link, const struct vx6_link_events *ev, void *user)
{
	link->ev = ev;
	link->user = user;
}

static void info_from_socket(const struct vx6_link *link, struct vx6_link_info *out)
{
	struct tcp_info ti;
	socklen_t n = sizeof ti;

	if (link->state != LINK_UP || getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &ti, &n) < 0)
		return;
	out->srtt_us = ti.tcpi_rtt;
	out->rttvar_us = ti.tcpi_rttvar;
	out->path_mtu = ti.tcpi_snd_mss;
	out->lost_packets = ti.tcpi_total_retrans;
}

static void tcp_link_info(const struct vx6_link *link, struct vx6_link_info *out)
{
	bool was_up = link->state == LINK_UP || link->told_up;

	*out = (struct vx6_link_info){
		.transport = vx6_transport_tcp.name,
		.local = link->local,
		.remote = link->remote,
		.initiator = link->initiator,
		.is_up = link->state == LINK_UP,
		.has_peer_key = was_up && link->peer.has_key,
		.peer_key = link->peer.key,
		.own_key = link->peer.own,
		.rx_bytes = link->rx_bytes,
		.tx_bytes = link->tx_bytes,
		.streams = was_up ? link->mux.own_n + link->mux.peer_n : 0,
	};
	for (size_t i = 0; i < sizeof out->channel_binding; i++)
		out->channel_binding[i] = link->channel_binding[i];
	info_from_socket(link, out);
}

static void tcp_link_drain(struct vx6_link *link)
{
	if (link->state == LINK_UP)
		mux_goaway(&link->mux);
}

static void tcp_link_close(struct vx6_link *link, vx6_err why)
{
	link->polite = true;
	link_fail(link, why);
}

/* A connection cannot move: without its own address it is dead, long before the kernel gives it up. */
static void tcp_link_rebind(struct vx6_link *link)
{
	if (link->state == LINK_UP && !vx6_local_addr_is_there(&link->local))
		link_fail(link, VX6_ERR(CLOSED));
}

/* ---- streams ---- */

static vx6_err tcp_stream_open(struct vx6_link *link, const struct vx6_stream_events *ev,
			       void *user, struct vx6_stream **out)
{
	if (link->state != LINK_UP)
		return VX6_ERR(CLOSED);
	return mux_stream_open(&link->mux, ev, user, out);
}

const struct vx6_transport_ops vx6_transport_tcp = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "tcp",
	.new = tcp_new,
	.free = tcp_free,
	.set_key = tcp_set_key,
	.listen = tcp_listen,
	.listener_addr = tcp_listener_addr,
	.listener_close = tcp_listener_close,
	.dial = tcp_dial,
	.link_set_events = tcp_link_set_events,
	.link_info = tcp_link_info,
	.link_drain = tcp_link_drain,
	.link_close = tcp_link_close,
	.link_rebind = tcp_link_rebind,
	.stream_open = tcp_stream_open,
	.stream_set_events = mux_stream_set_events,
	.stream_reserve = mux_stream_reserve,
	.stream_commit = mux_stream_commit,
	.stream_consume = mux_stream_consume,
	.stream_reset = mux_stream_reset,
	.stream_limit = mux_stream_limit,
	.stream_pass = mux_stream_pass,
};
