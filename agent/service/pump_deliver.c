/*
 * Overlay to application: one sendmsg() of what arrived, and chunks for what did not fit.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "service/pump_internal.h"

enum {
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

/* ---- what is kept ---- */

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

static size_t kept_bytes(const struct vx6_pump *p)
{
	size_t n = 0;

	for (const struct vx6_pump_chunk *c = p->first; c; c = c->next)
		n += c->n;
	return p->first ? n - p->first_off : 0;
}

void pump_drop_kept(struct vx6_pump *p)
{
	struct vx6_pump_chunk *c;

	while ((c = p->first) != NULL) {
		p->first = c->next;
		free(c);
	}
	p->last = NULL;
}

/* ---- to the socket ---- */

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
	pump_drop_kept(p);
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

void pump_pass_fin(struct vx6_pump *p)
{
	if (p->peer_fin && !p->app_shut && !p->first && !p->connecting) {
		p->app_shut = true;
		shutdown(p->fd, SHUT_WR);
	}
}

vx6_err pump_flush(struct vx6_pump *p)
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
	pump_pass_fin(p);
	return VX6_OK;
}

static size_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* A sender without an end would use the path for all of the grace. What the application said has left it by now. */
static void swallow(struct vx6_pump *p, size_t n)
{
	bool had_enough = p->swallowed > VX6_PUMP_SWALLOW;

	vx6_stream_consume(p->stream, n);
	p->swallowed += n;
	if (p->app_fin && !had_enough && p->swallowed > VX6_PUMP_SWALLOW)
		vx6_timer_in_ms(&p->grace, VX6_PUMP_BROKEN_MS);
}

vx6_err pump_take(struct vx6_pump *p, const struct iovec *iov, int n, bool fin)
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
		swallow(p, iov_bytes(iov, n));
		return VX6_OK;
	}
	for (int i = 0; i < n; i++) {
		size_t skip = VX6_MIN(put, iov[i].iov_len);

		put -= skip;
		if (skip < iov[i].iov_len)
			VX6_TRY(keep(p, (const uint8_t *)iov[i].iov_base + skip,
				     iov[i].iov_len - skip));
	}
	pump_pass_fin(p);
	return VX6_OK;
}
