#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { EVENTS = 256, FILE_BYTES = 4 << 20, TURNS = 8 };

struct conn {
	int fd;
	char kind;       /* 0 until the first byte is in */
	uint8_t head[8]; /* of 'R' */
	size_t head_n;
	uint64_t count; /* 'S': bytes so far; 'R': bytes to go */
};

static int memory_fd;

static void conn_close(struct conn *c)
{
	close(c->fd); /* leaves the epoll set by itself */
	free(c);
}

/* Each step returns false when the connection is over. */
static bool step_echo(struct conn *c)
{
	static uint8_t buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof buf, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	return send(c->fd, buf, (size_t)n, 0) ==
	       n; /* answers are as small as questions: they fit */
}

static bool step_sink(struct conn *c)
{
	uint8_t answer[8];

	for (int i = 0; i < TURNS; i++) {
		ssize_t n = recv(c->fd, NULL, 16 << 20, MSG_TRUNC);

		if (n < 0)
			return errno == EAGAIN;
		if (n == 0) {
			load_put_u64(answer, c->count);
			return send(c->fd, answer, sizeof answer, 0) <
			       0; /* false: answered, done */
		}
		c->count += (uint64_t)n;
	}
	return true;
}

static bool step_source(struct conn *c, int epoll)
{
	if (c->head_n < sizeof c->head) {
		ssize_t n = recv(c->fd, c->head + c->head_n, sizeof c->head - c->head_n, 0);

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		c->head_n += (size_t)n;
		if (c->head_n < sizeof c->head)
			return true;
		c->count = load_get_u64(c->head);
		struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};

		epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
	}
	for (int i = 0; i < TURNS && c->count; i++) {
		off_t at = 0;
		size_t most = c->count < FILE_BYTES ? (size_t)c->count : FILE_BYTES;
		ssize_t n = sendfile(c->fd, memory_fd, &at, most);

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		c->count -= (uint64_t)n;
	}
	return c->count > 0;
}

static bool conn_step(struct conn *c, int epoll)
{
	if (!c->kind) {
		ssize_t n = recv(c->fd, &c->kind, 1, 0);

		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		if (c->kind == 'P' && send(c->fd, "p", 1, 0) != 1)
			return false;
	}
	switch (c->kind) {
	case 'P':
		return step_echo(c);
	case 'S':
		return step_sink(c);
	case 'R':
		return step_source(c, epoll);
	default:
		return false;
	}
}

static void accept_all(int listener, int epoll)
{
	for (int fd, on = 1;
	     (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
		struct conn *c = calloc(1, sizeof *c);
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

		if (!c)
			load_die("out of memory");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
			conn_close(c);
	}
}

void load_serve(const struct load_target *at)
{
	int listener = socket(at->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
	    on = 1;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (const struct sockaddr *)&at->addr, at->addr_len) < 0 ||
	    listen(listener, 4096) < 0)
		load_die("listen: %s", strerror(errno));
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	memory_fd = load_memory_file(FILE_BYTES);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c)
				accept_all(listener, epoll);
			else if (!conn_step(c, epoll))
				conn_close(c);
		}
	}
}
