/*
 * Where clients come in: the listening sockets, and who is at the other end of a connection.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/server/server_internal.h"
#include "base/util.h"

enum { BACKLOG = 1024, ACCEPTS_PER_WAKE = 64 };

vx6_err api_fail(char detail[VX6_API_DETAIL], vx6_err err, const char *what, const char *why)
{
	snprintf(detail, VX6_API_DETAIL, "%s: %s", what, why);
	return err;
}

vx6_err api_fail_errno(char detail[VX6_API_DETAIL], const char *what)
{
	vx6_err err = vx6_err_from_errno(errno);

	return api_fail(detail, err, what, strerror(errno));
}

/* ---- listeners ---- */

static struct api_listener *listener_add(struct vx6_api_server *s, int fd, bool tcp, uint16_t port)
{
	struct api_listener *l = &s->listeners[s->listeners_n++];

	*l = (struct api_listener){.fd = fd, .tcp = tcp, .port = port};
	return l;
}

/* A socket file that nobody answers on is left over from a killed agent. */
static bool is_stale(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

/* The mode of the file is that of the socket at the time of bind: nobody else can connect in between. */
static int bind_private(int fd, const struct sockaddr_un *sa)
{
	return fchmod(fd, 0660) == 0 ? bind(fd, (const struct sockaddr *)sa, sizeof *sa) : -1;
}

static vx6_err listen_unix(struct vx6_api_server *s, const char *path, char detail[VX6_API_DETAIL])
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof sa.sun_path)
		return api_fail(detail, VX6_ERR(LIMIT), path,
				"a socket path has at most 107 bytes");
	vx6_strlcpy(sa.sun_path, path, sizeof sa.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return api_fail_errno(detail, path);
	rc = bind_private(fd, &sa);
	if (rc != 0 && errno == EADDRINUSE && is_stale(&sa) && unlink(path) == 0)
		rc = bind_private(fd, &sa);
	if (rc != 0 || listen(fd, BACKLOG) != 0) {
		vx6_err err = api_fail_errno(detail, path);

		close(fd);
		return err;
	}
	s->socket_path = vx6_strdup(path);
	listener_add(s, fd, false, 0);
	return VX6_OK;
}

static vx6_err listen_tcp(struct vx6_api_server *s, const struct vx6_addr *addr,
			  char detail[VX6_API_DETAIL])
{
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(addr, false, &ss), bound_n = sizeof ss;
	struct vx6_addr bound;
	char text[VX6_ADDR_TEXT];
	int fd, on = 1;

	vx6_addr_format(addr, text);
	if (addr->family != VX6_ADDR_IP || !vx6_addr_is_loopback(addr))
		return api_fail(detail, VX6_ERR(NOT_LOOPBACK), text,
				"the API listens on loopback addresses only: it has no TLS");
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return api_fail_errno(detail, text);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&ss, n) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &bound_n) != 0 ||
	    !vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, bound_n, &bound))) {
		vx6_err err = api_fail_errno(detail, text);

		close(fd);
		return err;
	}
	listener_add(s, fd, true, bound.port);
	return VX6_OK;
}

vx6_err api_listen(struct vx6_api_server *s, const struct vx6_api_config *cfg,
		   char detail[VX6_API_DETAIL])
{
	if (cfg->listen_n > VX6_API_LISTEN_MAX)
		return api_fail(detail, VX6_ERR(LIMIT), "API listeners", "at most four");
	if (cfg->socket_path)
		VX6_TRY(listen_unix(s, cfg->socket_path, detail));
	for (size_t i = 0; i < cfg->listen_n; i++)
		VX6_TRY(listen_tcp(s, &cfg->listen[i], detail));
	return VX6_OK;
}

void api_listeners_close(struct vx6_api_server *s)
{
	for (size_t i = 0; i < s->listeners_n; i++) {
		if (s->listeners[i].fd >= 0)
			close(s->listeners[i].fd);
		s->listeners[i].fd = -1;
	}
	if (s->socket_path)
		unlink(s->socket_path);
	VX6_FREE(s->socket_path);
}

/* ---- connections ---- */

/* Where the connection came in. libmicrohttpd takes new ones over later, so this is asked of the socket. */
static struct api_listener *listener_of(struct vx6_api_server *s, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	struct vx6_addr local;
	bool tcp;

	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		return &s->nowhere;
	tcp = ss.ss_family != AF_UNIX;
	if (tcp && !vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &local)))
		return &s->nowhere;
	for (size_t i = 0; i < s->listeners_n; i++)
		if (s->listeners[i].tcp == tcp && (!tcp || s->listeners[i].port == local.port))
			return &s->listeners[i];
	return &s->nowhere;
}

void api_on_connection(void *user, struct MHD_Connection *http, void **context,
		       enum MHD_ConnectionNotificationCode what)
{
	struct vx6_api_server *s = user;
	struct api_connection *c = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD)
				 ->connect_fd;

		c = vx6_zalloc(sizeof *c);
		c->listener = listener_of(s, fd);
		c->listener->connections++;
		api_access_peer(s, c, fd);
		*context = c;
	} else if (c) {
		c->listener->connections--;
		free(c);
		*context = NULL;
	}
}

void api_listener_watch(struct vx6_api_server *s, struct api_listener *l, bool on)
{
	struct epoll_event ev = {.events = on ? EPOLLIN : 0, .data.ptr = l};

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, l->fd, &ev) == 0)
		l->paused = !on;
}

void api_accept(struct vx6_api_server *s, struct api_listener *l)
{
	unsigned cap = l->tcp ? API_CONNECTIONS_TCP : API_CONNECTIONS_UNIX;

	for (unsigned i = 0; i < ACCEPTS_PER_WAKE; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		/* what waits in the backlog would wake this thread without end while there is no descriptor to take it with */
		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			api_listener_watch(s, l, false);
		if (fd < 0)
			return;
		if (l->connections + i >= cap)
			close(fd);
		else
			MHD_add_connection(s->http, fd, NULL, 0); /* closes it when it fails */
	}
}
