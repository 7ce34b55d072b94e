/* Taking connections: bounded per wake-up, and refused early when there are too many from one place or in all. */
#include "transport/tcp/tcp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "transport/tcp/tcp_ops.h"

enum { BACKLOG = 1024 };

static const char domain[] = "transport";

static void refuse(struct vx6_transport *t, int fd, const struct vx6_addr *from, const char *why)
{
	struct vx6_log_addr_buf buf;

	if (vx6_log_allow(&t->log_refused, domain, 10, 10000))
		VX6_INFO(domain, "tcp: connection from %s refused: %s", vx6_log_addr(from, &buf),
			 why);
	close(fd);
}

static void take(struct vx6_listener *l, int fd, const struct vx6_addr *from)
{
	struct vx6_transport *t = l->t;
	struct vx6_link *link;

	if (t->links_n >= t->limits.links_max) {
		refuse(t, fd, from, "too many links");
		return;
	}
	if (!vx6_guard_admit(&t->guard, from, vx6_loop_now_ms(t->loop))) {
		refuse(t, fd, from, "too many handshakes from that network");
		return;
	}
	if (t->shaking_n >= t->limits.handshakes_max && !vx6_list_is_empty(&t->shaking)) {
		struct vx6_link *oldest =
			VX6_CONTAINER_OF(vx6_list_pop(&t->shaking), struct vx6_link, shaking);

		t->shaking_n--;
		link_fail(oldest, VX6_ERR(FULL));
	}
	if (!vx6_is_ok(link_start(t, fd, LINK_TLS, &link)))
		return;
	link->remote = *from;
	vx6_list_push(&t->shaking, &link->shaking);
	t->shaking_n++;
	l->ev->accept(l, link, l->user);
	if (!link->ev)
		link_fail(link, VX6_ERR(REFUSED));
}

/* Without a free descriptor the connection would stay in the backlog and wake us for ever: the spare one makes room to take and close it. */
static void out_of_descriptors(struct vx6_listener *l)
{
	struct vx6_transport *t = l->t;
	int fd;

	if (vx6_log_allow(&t->log_refused, domain, 10, 10000))
		VX6_WARN(domain, "tcp: out of descriptors, connections are refused");
	if (t->spare_fd < 0)
		return;
	close(t->spare_fd);
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	t->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_listener(struct vx6_io *io, int events)
{
	struct vx6_listener *l = io->user;

	for (int i = 0; i < TCP_ACCEPT_BATCH && l->fd >= 0; i++) {
		struct sockaddr_storage ss;
		socklen_t n = sizeof ss;
		struct vx6_addr from;
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				out_of_descriptors(l);
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return;
		}
		if (vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &from)))
			take(l, fd, &from);
		else
			close(fd);
	}
}

static vx6_err listener_bind(const struct vx6_addr *at, int *out)
{
	bool v4 = vx6_addr_is_v4(at);
	int on = 1, only = !vx6_addr_is_any(at);
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(at, !v4, &ss);
	vx6_err err;
	int fd = -1;

	if (at->family != VX6_ADDR_IP || n == 0)
		return VX6_ERR(INVALID);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) ||
	    bind(fd, (struct sockaddr *)&ss, n) < 0 || listen(fd, BACKLOG) < 0) {
		err = vx6_err_from_errno(errno);
		close(fd);
		return err;
	}
	*out = fd;
	return VX6_OK;
}

vx6_err tcp_listen(struct vx6_transport *t, const struct vx6_addr *at,
		   const struct vx6_accept_events *ev, void *user, struct vx6_listener **out)
{
	struct vx6_listener *l;
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	vx6_err err;
	int fd = -1;

	VX6_TRY(listener_bind(at, &fd));
	l = vx6_zalloc(sizeof *l);
	*l = (struct vx6_listener){.t = t, .fd = fd, .ev = ev, .user = user};
	err = getsockname(fd, (struct sockaddr *)&ss, &n) < 0
		      ? vx6_err_from_errno(errno)
		      : vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &l->at);
	if (vx6_is_ok(err))
		err = vx6_io_start(t->loop, &l->io, fd, VX6_IO_READ, on_listener, l);
	if (!vx6_is_ok(err)) {
		close(fd);
		free(l);
		return err;
	}
	vx6_list_push(&t->listeners, &l->node);
	*out = l;
	return VX6_OK;
}

void tcp_listener_addr(const struct vx6_listener *l, struct vx6_addr *out)
{
	*out = l->at;
}

void tcp_listener_close(struct vx6_listener *l)
{
	vx6_io_stop(&l->io);
	close(l->fd);
	vx6_list_remove(&l->node);
	free(l);
}
