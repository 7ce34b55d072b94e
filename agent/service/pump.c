/*
 * A pump belongs to one connection of a service or a forward, which embeds it and frees it in or after `ended`.
 *
 * Between calls: the descriptor is open exactly while `io` is started; `first` is not NULL exactly while bytes for the application
 * are kept; the socket is watched for reading unless the application has finished, the target has not answered or `asleep` is set.
 * A function that may end the pump says so by its result, and its caller touches the pump no more.
 */
#include "service/pump.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "wire/code.h"

enum {
	READ_QUANTUM = 256 * 1024, /* bytes from one application in one wake-up */
	CHUNK_MIN = 4096,
	CHUNK_MAX = 65536,
	SEND_IOV = 64,   /* chunks in one sendmsg() */
	DATA_IOV = 1024, /* what the kernel takes at most */
};

struct vx6_pump_chunk {
	struct vx6_pump_chunk *next;
	size_t n, cap;
	uint8_t bytes[];
};

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

static void drop_kept(struct vx6_pump *p)
{
	struct vx6_pump_chunk *c;

	while ((c = p->first) != NULL) {
		p->first = c->next;
		free(c);
	}
	p->last = NULL;
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
	drop_kept(p);
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

/* ---- overlay to application ---- */

static size_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* Copies @p n bytes to the end of what is kept; chunks are filled before a new one begins, so tiny pieces cost no more than large ones. */
static vx6_err keep(struct vx6_pump *p, const uint8_t *bytes, size_t n)
{
	while (n) {
		struct vx6_pump_chunk *c = p->last;
		size_t part;

		if (!c || c->n == c->cap) {
			size_t cap = VX6_MIN(VX6_MAX(n, (size_t)CHUNK_MIN), (size_t)CHUNK_MAX);

			c = malloc(sizeof *c + cap);
			if (!c)
				return VX6_ERR(MEMORY);
			c->next = NULL;
			c->n = 0;
			c->cap = cap;
			if (p->last)
				p->last->next = c;
			else
				p->first = c;
			p->last = c;
			if (p->first == c)
				p->first_off = 0;
		}
		part = VX6_MIN(n, c->cap - c->n);
		memcpy(c->bytes + c->n, bytes, part);
		c->n += part;
		bytes += part;
		n -= part;
	}
	return VX6_OK;
}

static void on_grace(struct vx6_timer *timer)
{
	end(timer->user, VX6_ERR(RESET));
}

static size_t kept_bytes(const struct vx6_pump *p)
{
	size_t n = 0;

	for (const struct vx6_pump_chunk *c = p->first; c; c = c->next)
		n += c->n;
	return p->first ? n - p->first_off : 0;
}

/*
 * The application takes no more. What it sent before lies in the socket still and goes to the peer first.
 * EPIPE says that it had finished sending; anything else, that it had not, or that nobody can tell.
 */
static vx6_err go_deaf(struct vx6_pump *p, int errnum)
{
	if (!p->stream || !p->joined)
		return VX6_ERR(RESET);
	p->deaf = p->app_shut = true;
	p->broken = errnum != EPIPE;
	vx6_stream_consume(p->stream, kept_bytes(p));
	drop_kept(p);
	vx6_timer_in_ms(&p->grace, VX6_PUMP_GRACE_MS);
	return VX6_OK;
}

/* @param put bytes that the socket took, 0 when it is full or the application deaf */
static vx6_err send_some(struct vx6_pump *p, const struct iovec *iov, int n, size_t *put)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
	ssize_t rc;

	do
		rc = sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (rc < 0 && errno == EINTR);
	*put = 0;
	if (rc < 0)
		return errno == EAGAIN ? VX6_OK : go_deaf(p, errno);
	*put = (size_t)rc;
	if (p->stream)
		vx6_stream_consume(p->stream, *put);
	p->stats->rx_bytes += *put;
	return VX6_OK;
}

/* The peer has finished: so do we towards the application, once it has everything. */
static void pass_fin(struct vx6_pump *p)
{
	if (p->peer_fin && !p->app_shut && !p->first && !p->connecting) {
		p->app_shut = true;
		shutdown(p->fd, SHUT_WR);
	}
}

static vx6_err flush_kept(struct vx6_pump *p)
{
	struct iovec iov[SEND_IOV];
	size_t put, off = p->first_off;
	int n = 0;

	for (struct vx6_pump_chunk *c = p->first; c && n < SEND_IOV; c = c->next) {
		iov[n++] = (struct iovec){c->bytes + off, c->n - off};
		off = 0;
	}
	VX6_TRY(send_some(p, iov, n, &put));
	while (p->first && put >= p->first->n - p->first_off) {
		struct vx6_pump_chunk *c = p->first;

		put -= c->n - p->first_off;
		p->first_off = 0;
		p->first = c->next;
		free(c);
	}
	if (p->first)
		p->first_off += put;
	else
		p->last = NULL;
	pass_fin(p);
	return VX6_OK;
}

/* Takes all of what the peer sent: to the application as far as it goes, the rest is kept. */
static vx6_err take(struct vx6_pump *p, const struct iovec *iov, int n, bool fin)
{
	size_t put = 0;

	if (fin)
		p->peer_fin = true;
	if (n && !p->first && !p->connecting && !p->deaf) {
		VX6_TRY(send_some(p, iov, VX6_MIN(n, (int)DATA_IOV), &put));
		if (put == iov_bytes(iov, n))
			n = 0;
	}
	if (p->deaf) {
		vx6_stream_consume(p->stream, iov_bytes(iov, n));
		return VX6_OK;
	}
	for (int i = 0; i < n; i++) {
		size_t skip = VX6_MIN(put, iov[i].iov_len);

		put -= skip;
		if (skip < iov[i].iov_len)
			VX6_TRY(keep(p, (const uint8_t *)iov[i].iov_base + skip,
				     iov[i].iov_len - skip));
	}
	pass_fin(p);
	return VX6_OK;
}

/* ---- application to overlay ---- */

/* All that a deaf application sent before it broke off has been read. */
static void broke_off(struct vx6_pump *p)
{
	p->broken = p->app_fin = true;
	vx6_timer_in_ms(&p->grace, VX6_PUMP_BROKEN_MS);
}

static vx6_err read_app(struct vx6_pump *p)
{
	size_t moved = 0;

	p->blocked = false;
	while (moved < READ_QUANTUM) {
		size_t cap;
		uint8_t *to = vx6_stream_reserve(p->stream, &cap);
		ssize_t got;

		if (!to) {
			p->blocked = true;
			return VX6_OK;
		}
		do
			got = recv(p->fd, to, cap, MSG_DONTWAIT);
		while (got < 0 && errno == EINTR);
		if (got < 0) {
			bool empty = errno == EAGAIN;

			vx6_stream_commit(p->stream, 0, false);
			if (empty)
				return VX6_OK;
			if (!p->deaf)
				return VX6_ERR(RESET);
			broke_off(p);
			return VX6_OK;
		}
		p->early_used = true;
		p->app_fin = got == 0;
		/* a socket that was reset reads as finished once the reset has been reported */
		vx6_stream_commit(p->stream, (size_t)got, p->app_fin && !p->broken);
		if (p->deaf && got > 0)
			vx6_timer_in_ms(&p->grace, VX6_PUMP_GRACE_MS);
		else if (p->broken)
			broke_off(p);
		p->stats->tx_bytes += (uint64_t)got;
		moved += (size_t)got;
		/* less than asked for: empty for now, which the poller will tell more cheaply than another call */
		if ((size_t)got < cap)
			return VX6_OK;
	}
	return VX6_OK;
}

/* Without a stream nothing is read: only whether the client is still there. */
static vx6_err look_at_app(struct vx6_pump *p)
{
	char first;
	ssize_t got = recv(p->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? VX6_OK : VX6_ERR(RESET);
	p->asleep = true;
	return VX6_OK;
}

static vx6_err app_readable(struct vx6_pump *p)
{
	if (p->app_fin)
		return VX6_OK;
	if (!p->stream)
		return look_at_app(p);
	if (p->blocked) {
		/* readable for the second time while there is no room: stop asking; `writable` reads on */
		p->asleep = true;
		return VX6_OK;
	}
	return read_app(p);
}

/* ---- steps ---- */

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
		VX6_TRY(flush_kept(p));
	pass_fin(p);
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
		err = flush_kept(p);
	if ((events & VX6_IO_READ) && vx6_is_ok(err))
		err = app_readable(p);
	settle(p, err);
}

static void on_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin, void *user)
{
	struct vx6_pump *p = user;

	settle(p, take(p, iov, n, fin));
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
		err = read_app(p);
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
		pass_fin(p);
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
	err = take(p, first, first_n, fin);
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
	settle(p, take(p, rest, rest_n, fin));
	return VX6_OK;
}
