/*
 * Application to overlay: recv() straight into the memory that the stream reserves.
 */
#include <errno.h>
#include <sys/socket.h>

#include "service/pump_internal.h"

enum { READ_QUANTUM = 256 * 1024 }; /* bytes from one application in one wake-up */

/* All that a deaf application sent before it broke off has been read. */
static void broke_off(struct vx6_pump *p)
{
	p->broken = p->app_fin = true;
	vx6_timer_in_ms(&p->grace, VX6_PUMP_BROKEN_MS);
}

vx6_err pump_read(struct vx6_pump *p)
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

vx6_err pump_app_readable(struct vx6_pump *p)
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
	return pump_read(p);
}
