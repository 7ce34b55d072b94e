/* A link: its socket, its timer, and its end. Created by dial or accept, freed by link_finish() and by nothing else. */
#include "transport/tcp/tcp_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "crypto/secret.h"

enum { FLUSH_ROUNDS = 4 };

static const char domain[] = "transport";

/* ---- end ---- */

void link_wake(struct vx6_link *link)
{
	if (link->state != LINK_DYING)
		vx6_loop_defer(link->t->loop, &link->task);
}

void link_fail(struct vx6_link *link, vx6_err why)
{
	if (link->state == LINK_DYING)
		return;
	link->told_up = link->state == LINK_UP;
	link->state = LINK_DYING;
	link->mux.dead = true;
	link->why = why;
	vx6_loop_defer(link->t->loop, &link->task);
}

static void link_log_end(struct vx6_link *link)
{
	struct vx6_log_addr_buf buf;

	/* one that another attempt was quicker than, or that nobody waits for any more, is no failure */
	if (!link->told_up && !link->for_others && link->why.code != VX6_E_DUPLICATE &&
	    vx6_log_allow(&link->t->log_failed, domain, 10, 10000))
		VX6_INFO(domain, "tcp: %s %s: handshake failed: %s",
			 link->initiator ? "to" : "from", vx6_log_addr(&link->remote, &buf),
			 vx6_err_text(link->why));
}

void link_lost(struct vx6_link *link, vx6_err why)
{
	vx6_err said = link->state == LINK_UP ? mux_end_reason(&link->mux) : VX6_ERR(CLOSED);

	link_fail(link, said.code == VX6_E_CLOSED ? why : said);
}

static void socket_close(struct vx6_link *link)
{
	if (link->told_up && link->polite && !link->out.broken)
		tcp_leave(link->t, link->fd, &link->out);
	else
		close(link->fd);
}

void link_finish(struct vx6_link *link)
{
	struct vx6_transport *t = link->t;

	vx6_task_cancel(&link->task);
	vx6_timer_stop(&link->timer);
	vx6_io_stop(&link->io);
	if (link->told_up && link->polite && link->ssl)
		record_goodbye(link);
	else
		out_flush(link); /* an alert of the handshake */
	socket_close(link);
	link_log_end(link);
	if (link->told_up)
		mux_end(&link->mux, link->why);
	if (link->ev && link->ev->down)
		link->ev->down(link, link->why, link->user);
	vx6_list_remove(&link->node);
	t->links_n--;
	if (vx6_list_is_linked(&link->shaking)) {
		vx6_list_remove(&link->shaking);
		t->shaking_n--;
	}
	out_release(link);
	vx6_tls_session_free(link->ssl);
	vx6_wipe_free(link, sizeof *link);
}

/* ---- work ---- */

static void link_work(struct vx6_link *link)
{
	link->mux.now_ns = vx6_loop_now_ns(link->t->loop);
	for (int round = 0; round < FLUSH_ROUNDS && link->state == LINK_UP; round++) {
		if (!link->out.blocked || round == 0)
			mux_work(&link->mux);
		out_flush(link);
		if (link->out.blocked || !mux_wants_room(&link->mux))
			break;
	}
	if (link->state == LINK_UP)
		mux_reap(&link->mux);
}

static void on_task(struct vx6_task *task)
{
	struct vx6_link *link = task->user;
	bool want_room;

	if (link->state == LINK_UP)
		link_work(link);
	else if (link->state == LINK_TLS)
		out_flush(link);
	if (link->state == LINK_DYING) {
		link_finish(link);
		return;
	}
	want_room = link->out.blocked || link->state == LINK_CONNECT ||
		    (link->state == LINK_UP && mux_wants_room(&link->mux));
	vx6_io_want(&link->io, VX6_IO_READ | (want_room ? VX6_IO_WRITE : 0));
}

static void link_read(struct vx6_link *link)
{
	struct vx6_transport *t = link->t;
	uint8_t *in = tcp_in_buffer(t);
	ssize_t n = recv(link->fd, in, link->state == LINK_UP ? TCP_IN_BYTES : TCP_IN_TLS_BYTES, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_lost(link, n < 0 ? vx6_err_from_errno(errno) : VX6_ERR(CLOSED));
		return;
	}
	link->rx_bytes += (uint64_t)n;
	link->rx_ns = vx6_loop_now_ns(t->loop);
	t->feed = in;
	t->feed_n = (size_t)n;
	if (link->state == LINK_TLS)
		handshake_step(link);
	if (link->state == LINK_UP)
		record_read(link);
	link_wake(link);
}

static void on_io(struct vx6_io *io, int events)
{
	struct vx6_link *link = io->user;

	if (link->state == LINK_CONNECT) {
		if (events & VX6_IO_WRITE)
			handshake_connected(link);
		return;
	}
	if (events & VX6_IO_WRITE) {
		link->out.blocked = false;
		link_wake(link);
	}
	if ((events & VX6_IO_READ) && link->state != LINK_DYING)
		link_read(link);
}

/* Before `up` the timer ends the handshake; after it, it watches for silence. */
static void on_timer(struct vx6_timer *timer)
{
	struct vx6_link *link = timer->user;
	uint64_t next_ms = 0;
	vx6_err err = VX6_ERR(TIMEOUT);

	if (link->state == LINK_UP) {
		link->mux.now_ns = vx6_loop_now_ns(link->t->loop);
		err = mux_watch(&link->mux, &link->t->limits, link->rx_ns, &next_ms);
	}
	if (!vx6_is_ok(err)) {
		link->polite = true;
		link_fail(link, err);
	} else if (next_ms) {
		vx6_timer_in_ms(timer, next_ms);
	}
}

/* ---- beginning ---- */

static void socket_tune(int fd)
{
	int on = 1, notsent = TCP_NOTSENT;

	/* refused settings cost speed, nothing else */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent) < 0)
		VX6_DEBUG(domain, "tcp: socket options refused");
}

vx6_err link_start(struct vx6_transport *t, int fd, enum link_state state, struct vx6_link **out)
{
	struct vx6_link *link = vx6_zalloc(sizeof *link);
	vx6_err err = vx6_io_start(t->loop, &link->io, fd,
				   state == LINK_CONNECT ? VX6_IO_WRITE : VX6_IO_READ, on_io, link);

	if (!vx6_is_ok(err)) {
		free(link);
		close(fd);
		return err;
	}
	socket_tune(fd);
	link->base.ops = &vx6_transport_tcp;
	link->t = t;
	link->fd = fd;
	link->state = state;
	link->out.data_limit = TCP_OUT_DATA;
	link->rx_ns = vx6_loop_now_ns(t->loop);
	vx6_task_init(&link->task, on_task, link);
	vx6_timer_init(t->loop, &link->timer, on_timer, link);
	vx6_timer_in_ms(&link->timer, t->limits.handshake_ms);
	vx6_list_push(&t->links, &link->node);
	t->links_n++;
	*out = link;
	return VX6_OK;
}

void link_up(struct vx6_link *link)
{
	struct vx6_transport *t = link->t;
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	const struct mux_config cfg = {
		.io = &record_mux_io,
		.link = link,
		.ops = &vx6_transport_tcp,
		.batch = &t->batch,
		.initiator = link->initiator,
		.limits = &t->limits,
		.own_streams_max =
			link->anonymous ? t->limits.streams_max_anon : t->limits.streams_max,
		.peer_streams_max =
			link->peer.has_key ? t->limits.streams_max : t->limits.streams_max_anon,
	};

	if (getsockname(link->fd, (struct sockaddr *)&ss, &n) < 0 ||
	    !vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &link->local)))
		link->local = (struct vx6_addr){0};
	link->state = LINK_UP;
	if (vx6_list_is_linked(&link->shaking)) {
		vx6_list_remove(&link->shaking);
		t->shaking_n--;
	}
	mux_init(&link->mux, &cfg, vx6_loop_now_ns(t->loop));
	mux_ping(&link->mux); /* the first look at the round trip */
	vx6_timer_in_ms(&link->timer, 1);
	if (link->ev && link->ev->up)
		link->ev->up(link, link->user);
}
