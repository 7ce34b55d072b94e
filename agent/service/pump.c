/*
 * A pump belongs to one connection of a service or a forward, which embeds it and frees it in or after `ended`.
 *
 * Between calls: the descriptor is open exactly while `io` is started; `first` is not NULL exactly while bytes for the application
 * are kept; the socket is watched for reading unless the application has finished, the target has not answered or `asleep` is set.
 * A function that may end the pump says so by its result, and its caller touches the pump no more.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/pump_internal.h"
#include "wire/code.h"

void vx6_pump_close_hard(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

/* ---- the end ---- */

static void discard_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			 void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(stream, iov[i].iov_len);
}

static void discard_writable(struct vx6_stream *stream, void *user)
{
}

static void discard_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
}

void vx6_pump_discard(struct vx6_stream *stream)
{
	static const struct vx6_stream_events events = {
		.data = discard_data,
		.writable = discard_writable,
		.closed = discard_closed,
	};

	vx6_stream_set_events(stream, &events, NULL);
}

/* Lets go of the descriptor and of the stream, whose events are nobody's from then on. */
static void release(struct vx6_pump *p, bool hard)
{
	vx6_timer_stop(&p->grace);
	if (p->fd >= 0) {
		vx6_io_stop(&p->io);
		if (hard)
			vx6_pump_close_hard(p->fd);
		else
			close(p->fd);
		p->fd = -1;
	}
	if (p->stream && p->joined)
		vx6_pump_discard(p->stream);
	p->stream = NULL;
	p->joined = false;
	pump_drop_kept(p);
}

/* The pump may be gone afterwards. */
static void end(struct vx6_pump *p, vx6_err why)
{
	if (p->stream && p->joined)
		vx6_stream_reset(p->stream, vx6_code_from_err(why));
	release(p, !vx6_is_ok(why));
	p->ev->ended(p, why, p->user);
}

void vx6_pump_abort(struct vx6_pump *p, uint32_t code)
{
	if (p->stream && p->joined)
		vx6_stream_reset(p->stream, code);
	release(p, true);
}

/* ---- steps ---- */

static void on_grace(struct vx6_timer *timer)
{
	end(timer->user, VX6_ERR(RESET));
}

static void want(struct vx6_pump *p)
{
	int events = (p->connecting || p->first) && !p->held ? VX6_IO_WRITE : 0;

	if (!p->connecting && !p->greeting && !p->app_fin && !p->asleep)
		events |= VX6_IO_READ;
	vx6_io_want(&p->io, events);
}

/* After each step: ends the pump if the step failed or nothing is left to do. */
static void settle(struct vx6_pump *p, vx6_err err)
{
	if (!vx6_is_ok(err))
		end(p, err);
	else if (p->joined || !p->app_shut || !p->app_fin)
		want(p);
	else
		end(p, VX6_OK);
}

static vx6_err greet(struct vx6_pump *p)
{
	vx6_err err;

	if (!p->greeting)
		return VX6_OK;
	err = p->ev->greet(p, p->stream, p->user);
	if (err.code == VX6_E_AGAIN)
		return VX6_OK;
	p->greeting = false;
	return err;
}

static vx6_err connected(struct vx6_pump *p)
{
	p->connecting = false;
	if (p->first)
		VX6_TRY(pump_flush(p));
	pump_pass_fin(p);
	return greet(p);
}

static vx6_err connect_outcome(struct vx6_pump *p)
{
	int error = 0;
	socklen_t n = sizeof error;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	p->connect_errno = error;
	if (error)
		return VX6_ERR(TARGET_UNREACHABLE);
	return connected(p);
}

static void on_io(struct vx6_io *io, int events)
{
	struct vx6_pump *p = io->user;
	vx6_err err = VX6_OK;

	if (p->connecting) {
		settle(p, connect_outcome(p));
		return;
	}
	if ((events & VX6_IO_WRITE) && p->first)
		err = pump_flush(p);
	if ((events & VX6_IO_READ) && vx6_is_ok(err))
		err = pump_app_readable(p);
	settle(p, err);
}

static void on_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin, void *user)
{
	struct vx6_pump *p = user;

	settle(p, pump_take(p, iov, n, fin));
}

static void on_writable(struct vx6_stream *stream, void *user)
{
	struct vx6_pump *p = user;
	vx6_err err = VX6_OK;

	if (p->connecting)
		return;
	if (p->greeting)
		err = greet(p);
	else if (p->blocked && !p->app_fin) {
		err = pump_read(p);
		/* while the peer is the slower one the socket stays unwatched: each `writable` reads the next piece */
		p->asleep = p->asleep && p->blocked;
	}
	settle(p, err);
}

static void on_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	struct vx6_pump *p = user;

	p->stream = NULL;
	p->joined = false;
	/* an orderly end leaves what is kept to be written; anything else is passed on at once */
	p->app_fin = p->peer_fin = true;
	if (vx6_is_ok(why))
		pump_pass_fin(p);
	settle(p, why);
}

static const struct vx6_stream_events stream_events = {
	.data = on_data,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- beginnings ---- */

static vx6_err start(struct vx6_pump *p, struct vx6_loop *loop, int fd, enum vx6_pump_dial how,
		     struct vx6_flow_stats *stats, const struct vx6_pump_events *ev, void *user)
{
	const int on = 1;
	vx6_err err;

	*p = (struct vx6_pump){.loop = loop,
			       .ev = ev,
			       .user = user,
			       .stats = stats,
			       .fd = fd,
			       .connecting = how != VX6_PUMP_CONNECTED,
			       .held = how == VX6_PUMP_HELD};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
		   sizeof on); /* a unix socket refuses, and needs it not */
	vx6_timer_init(loop, &p->grace, on_grace, p);
	err = vx6_io_start(loop, &p->io, fd, 0, on_io, p);
	if (!vx6_is_ok(err)) {
		vx6_pump_close_hard(fd);
		p->fd = -1;
		return err;
	}
	want(p);
	return VX6_OK;
}

vx6_err vx6_pump_start(struct vx6_pump *p, struct vx6_loop *loop, int fd,
		       struct vx6_flow_stats *stats, const struct vx6_pump_events *ev, void *user)
{
	return start(p, loop, fd, VX6_PUMP_CONNECTED, stats, ev, user);
}

vx6_err vx6_pump_connect(struct vx6_pump *p, struct vx6_loop *loop, int fd, enum vx6_pump_dial how,
			 struct vx6_stream *stream, const struct iovec *first, int first_n,
			 bool fin, struct vx6_flow_stats *stats, const struct vx6_pump_events *ev,
			 void *user)
{
	vx6_err err = start(p, loop, fd, how, stats, ev, user);

	if (!vx6_is_ok(err)) {
		vx6_pump_discard(stream);
		return err;
	}
	p->stream = stream;
	p->joined = true;
	p->greeting = ev->greet != NULL;
	vx6_stream_set_events(stream, &stream_events, p);
	err = pump_take(p, first, first_n, fin);
	if (vx6_is_ok(err) && how == VX6_PUMP_CONNECTED)
		err = greet(p);
	if (vx6_is_ok(err))
		want(p);
	else
		release(p, true);
	return err;
}

void vx6_pump_connected(struct vx6_pump *p)
{
	p->held = false;
	settle(p, connected(p));
}

void vx6_pump_early(struct vx6_pump *p, struct vx6_stream *stream)
{
	p->stream = stream;
	p->asleep = p->blocked = false;
	want(p);
}

void vx6_pump_early_writable(struct vx6_pump *p)
{
	if (p->stream && !p->joined)
		on_writable(p->stream, p);
}

vx6_err vx6_pump_join(struct vx6_pump *p, struct vx6_stream *stream, const struct iovec *rest,
		      int rest_n, bool fin)
{
	if (p->early_used && p->stream != stream)
		return VX6_ERR(MISMATCH);
	p->stream = stream;
	p->joined = true;
	p->asleep = p->blocked = false;
	vx6_stream_set_events(stream, &stream_events, p);
	settle(p, pump_take(p, rest, rest_n, fin));
	return VX6_OK;
}
