/* The send buffer of a link: ciphertext is gathered here over one wake-up and leaves in as few system calls as the kernel allows.
 * How much data may wait in it follows what the network takes at a time, so that on a slow path little stands in front of a new
 * stream, and control frames have room of their own. */
#include "transport/tcp/tcp_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"

uint8_t *out_room(struct vx6_link *link, size_t n, size_t limit)
{
	struct out *o = &link->out;

	if (o->broken || limit > TCP_OUT_BYTES || n > limit || o->tail - o->head > limit - n)
		return NULL;
	if (!o->p)
		o->p = tcp_out_take(link->t);
	if (n > TCP_OUT_BYTES - o->tail) {
		memmove(o->p, o->p + o->head, o->tail - o->head);
		o->tail -= o->head;
		o->head = 0;
	}
	return o->p + o->tail;
}

void out_release(struct vx6_link *link)
{
	struct out *o = &link->out;

	if (o->p)
		tcp_out_give(link->t, o->p);
	o->p = NULL;
	o->head = o->tail = 0;
}

static void out_adapt(struct out *o, size_t sent)
{
	size_t limit = o->tail == o->head ? o->data_limit * 2 : sent;

	o->data_limit = VX6_MIN(VX6_MAX(limit, (size_t)TCP_OUT_DATA_MIN), (size_t)TCP_OUT_DATA);
}

/* The peer has hung up and may have said why before: its last words are read first, and their end ends the link. */
static void out_break(struct vx6_link *link)
{
	out_release(link);
	link->out.blocked = false;
	link->out.broken = true;
}

void out_flush(struct vx6_link *link)
{
	struct out *o = &link->out;
	ssize_t n;

	if (!o->p)
		return;
	do
		n = send(link->fd, o->p + o->head, o->tail - o->head, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET) && link->state == LINK_UP) {
		out_break(link);
		return;
	}
	if (n < 0 && errno != EAGAIN) {
		link_fail(link, vx6_err_from_errno(errno));
		return;
	}
	if (n > 0) {
		o->head += (size_t)n;
		link->tx_bytes += (uint64_t)n;
	}
	o->blocked = o->head < o->tail;
	out_adapt(o, n > 0 ? (size_t)n : 0);
	if (!o->blocked)
		out_release(link);
}
