#include "api/cli/upgrade.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/cli/http.h"
#include "api/cli/problem.h"
#include "base/util.h"

static void set_timeout(int fd, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static int dial_unix(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	vx6_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0) {
		int err = errno;

		close(fd);
		errno = err;
		fd = -1;
	}
	return fd;
}

static int dial_host(const char *host, const char *port, unsigned timeout_ms)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int fd = -1, one = 1;

	errno = 0;
	if (getaddrinfo(host, port, &hints, &list) != 0)
		return -1;
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		set_timeout(fd, timeout_ms);
		if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static bool send_request(int fd, const struct vx6_cli_where *w, const char *path)
{
	const char *host = *w->socket ? "localhost" : w->base + strlen("http://");
	char text[4096];
	int n = snprintf(
		text, sizeof text,
		"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: vx6-stream\r\n"
		"User-Agent: vx6-cli/" VX6_VERSION "\r\n%s%s%s\r\n",
		path, host, *w->token ? "Authorization: Bearer " : "", w->token,
		*w->token ? "\r\n" : "");
	bool ok = n > 0 && (size_t)n < sizeof text && send(fd, text, (size_t)n, MSG_NOSIGNAL) == n;

	explicit_bzero(text, sizeof text);
	return ok;
}

/* Reads up to the empty line. @return bytes of the head, 0: there is none; out->early holds what came, early_n how much */
static size_t read_head(struct vx6_cli_stream *s)
{
	while (s->early_n < sizeof s->early) {
		ssize_t n = recv(s->fd, s->early + s->early_n, sizeof s->early - s->early_n, 0);
		char *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		s->early_n += (size_t)n;
		end = memmem(s->early, s->early_n, "\r\n\r\n", 4);
		if (end)
			return (size_t)(end - s->early) + 4;
	}
	return 0;
}

static int status_of(const char *head, size_t n)
{
	int status = 0;

	if (n < 13 || strncmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (head[i] < '0' || head[i] > '9')
			return 0;
		status = status * 10 + head[i] - '0';
	}
	return status;
}

/* The rest of a refusal: the agent says its length, or ends the connection behind it. */
static int refused(const struct vx6_cli *cli, struct vx6_cli_stream *s, size_t head_n, int status)
{
	char *body = vx6_zalloc(VX6_UPGRADE_BODY + 1), *length;
	size_t n = s->early_n - head_n, all = VX6_UPGRADE_BODY;
	ssize_t got = 1;
	int exit;

	memcpy(body, s->early + head_n, n);
	s->early[head_n - 1] = 0;
	length = strcasestr(s->early, "\r\nContent-Length:");
	if (length)
		all = VX6_MIN(all, strtoul(length + strlen("\r\nContent-Length:"), NULL, 10));
	while (n < all && (got = recv(s->fd, body + n, all - n, 0)) > 0)
		n += (size_t)got;
	exit = vx6_cli_problem(cli, status, body, VX6_MIN(n, all));
	free(body);
	return exit == VX6_EXIT_OK ? VX6_EXIT_FAILURE : exit;
}

static int exchange(const struct vx6_cli *cli, const struct vx6_cli_where *w, const char *path,
		    struct vx6_cli_stream *s)
{
	const char *where = *w->socket ? w->socket : w->base;
	size_t head_n;
	int status;

	errno = 0;
	head_n = send_request(s->fd, w, path) ? read_head(s) : 0;
	status = status_of(s->early, head_n);
	if (head_n == 0 && errno == EAGAIN)
		return vx6_cli_fail(cli, VX6_EXIT_TIMEOUT, "timeout", "allow more with --timeout",
				    "the agent at %s did not answer in time", where);
	if (head_n == 0)
		return vx6_cli_fail(cli, VX6_EXIT_UNREACHABLE, "agent_gone",
				    "it may have stopped: see its log",
				    "the agent at %s ended the connection", where);
	if (status != 101)
		return refused(cli, s, head_n, status);
	s->early_n -= head_n;
	memmove(s->early, s->early + head_n, s->early_n);
	set_timeout(s->fd, 0);
	return VX6_EXIT_OK;
}

int vx6_cli_upgrade(const struct vx6_cli *cli, const struct vx6_cli_where *where, const char *path,
		    struct vx6_cli_stream *out)
{
	int exit;

	out->early_n = 0;
	out->fd = *where->socket ? dial_unix(where->socket)
				 : dial_host(where->host, where->port, cli->timeout_ms);
	if (out->fd < 0)
		return vx6_cli_no_agent(cli, *where->socket ? where->socket : where->base, errno);
	set_timeout(out->fd, cli->timeout_ms);
	exit = exchange(cli, where, path, out);
	if (exit != VX6_EXIT_OK) {
		close(out->fd);
		out->fd = -1;
	}
	return exit;
}
