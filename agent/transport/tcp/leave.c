/* After the end: the socket of a link that we ended stays for a moment without its link. What is still to be sent leaves, the peer sees
 * our end of stream, and its own input is discarded until it has hung up; a close with unread input would reset the connection, which
 * may overtake the frame that says why. Bounded in time, in bytes and in number; the oldest gives way. */
#include "transport/tcp/tcp_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

enum {
	LEAVE_MS = 2000,
	LEAVE_BYTES = 8 * 1024 * 1024, /* what a fast path may hold: discarding copies nothing */
	LEAVE_MAX = 32,
};

struct tcp_leaving {
	struct vx6_transport *t;
	struct vx6_list node;
	struct vx6_io io;
	struct vx6_timer timer;
	struct out out;
	size_t left; /* bytes that may still be discarded */
	int fd;
	bool shut; /* our end of stream has been sent */
};

static void leave_end(struct tcp_leaving *l)
{
	vx6_io_stop(&l->io);
	vx6_timer_stop(&l->timer);
	vx6_list_remove(&l->node);
	l->t->leaving_n--;
	if (l->out.p)
		tcp_out_give(l->t, l->out.p);
	close(l->fd);
	free(l);
}

/* @return false: it has ended */
static bool leave_send(struct tcp_leaving *l)
{
	struct out *o = &l->out;

	while (o->head < o->tail) {
		ssize_t n = send(l->fd, o->p + o->head, o->tail - o->head, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return false;
		o->head += (size_t)n;
	}
	if (o->p)
		tcp_out_give(l->t, o->p);
	o->p = NULL;
	l->shut = true;
	return shutdown(l->fd, SHUT_WR) == 0;
}

static bool leave_discard(struct tcp_leaving *l)
{
	/* with MSG_TRUNC the kernel throws the bytes away itself */
	ssize_t n = recv(l->fd, NULL, l->left, MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	l->left -= VX6_MIN((size_t)n, l->left);
	return n > 0 && l->left > 0;
}

static void on_io(struct vx6_io *io, int events)
{
	struct tcp_leaving *l = io->user;

	if (!l->shut && (events & VX6_IO_WRITE) && !leave_send(l)) {
		leave_end(l);
		return;
	}
	if ((events & VX6_IO_READ) && !leave_discard(l)) {
		leave_end(l);
		return;
	}
	vx6_io_want(io, VX6_IO_READ | (l->shut ? 0 : VX6_IO_WRITE));
}

static void on_timer(struct vx6_timer *timer)
{
	leave_end(timer->user);
}

void tcp_leave(struct vx6_transport *t, int fd, struct out *out)
{
	struct tcp_leaving *l = vx6_zalloc(sizeof *l);

	*l = (struct tcp_leaving){.t = t, .fd = fd, .out = *out, .left = LEAVE_BYTES};
	*out = (struct out){0};
	vx6_timer_init(t->loop, &l->timer, on_timer, l);
	vx6_list_push(&t->leaving, &l->node);
	t->leaving_n++;
	if (!leave_send(l) || !leave_discard(l) ||
	    !vx6_is_ok(vx6_io_start(t->loop, &l->io, fd, VX6_IO_READ | (l->shut ? 0 : VX6_IO_WRITE),
				    on_io, l))) {
		leave_end(l);
		return;
	}
	vx6_timer_in_ms(&l->timer, LEAVE_MS);
	if (t->leaving_n > LEAVE_MAX)
		leave_end(VX6_CONTAINER_OF(t->leaving.next, struct tcp_leaving, node));
}

void tcp_leave_all(struct vx6_transport *t)
{
	while (!vx6_list_is_empty(&t->leaving))
		leave_end(VX6_CONTAINER_OF(t->leaving.next, struct tcp_leaving, node));
}
