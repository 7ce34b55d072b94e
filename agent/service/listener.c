#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "service/forwards_internal.h"

enum { BACKLOG = 4096 };

/* A socket file that nobody listens on is left over from a process that was killed. @return whether @p at is free now */
static bool clear_stale(const struct vx6_addr *at, const struct sockaddr *sa, socklen_t n)
{
	struct stat st;
	int fd, rc, error;

	if (lstat(at->path, &st) < 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	rc = connect(fd, sa, n);
	error = errno;
	close(fd);
	if (rc == 0 || error != ECONNREFUSED)
		return false;
	return unlink(at->path) == 0;
}

static vx6_err bind_unix(struct vx6_forward_socket *s, const struct sockaddr *sa, socklen_t n)
{
	struct stat st;

	if (!clear_stale(&s->asked, sa, n))
		return VX6_ERR(ADDRESS_IN_USE);
	if (bind(s->fd, sa, n) < 0)
		return vx6_err_from_errno(errno);
	/* nobody can connect before listen(), so the mode is right in time */
	if (chmod(s->asked.path, S_IRUSR | S_IWUSR) < 0 || lstat(s->asked.path, &st) < 0)
		return vx6_err_from_errno(errno);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->bound = s->asked;
	return VX6_OK;
}

static vx6_err bind_ip(struct vx6_forward_socket *s, const struct sockaddr *sa, socklen_t n)
{
	struct sockaddr_storage real;
	socklen_t real_n = sizeof real;
	const int on = 1;

	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (sa->sa_family == AF_INET6)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(s->fd, sa, n) < 0)
		return vx6_err_from_errno(errno);
	if (getsockname(s->fd, (struct sockaddr *)&real, &real_n) < 0)
		return vx6_err_from_errno(errno);
	return vx6_addr_from_sockaddr((struct sockaddr *)&real, real_n, &s->bound);
}

vx6_err vx6_forward_socket_open(const struct vx6_addr *at, struct vx6_forward_socket **out)
{
	struct vx6_forward_socket *s = vx6_zalloc(sizeof *s);
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(at, false, &ss);
	vx6_err err;

	s->asked = *at;
	s->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		err = vx6_err_from_errno(errno);
	else if (at->family == VX6_ADDR_UNIX)
		err = bind_unix(s, (struct sockaddr *)&ss, n);
	else
		err = bind_ip(s, (struct sockaddr *)&ss, n);
	if (vx6_is_ok(err) && listen(s->fd, BACKLOG) < 0)
		err = vx6_err_from_errno(errno);
	if (!vx6_is_ok(err)) {
		vx6_forward_socket_free(s);
		return err;
	}
	*out = s;
	return VX6_OK;
}

void vx6_forward_socket_free(struct vx6_forward_socket *s)
{
	struct stat st;

	if (!s)
		return;
	if (s->ino && lstat(s->asked.path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->asked.path);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
