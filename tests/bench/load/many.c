#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256 };

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void load_ttfb(const struct load_target *to, int count, unsigned gap_us)
{
	uint64_t *ns = calloc((size_t)count, sizeof *ns);
	int got = 0;

	if (!ns)
		load_die("out of memory");
	for (int i = 0; i < count; i++) {
		uint64_t start = load_now_ns();
		int fd = load_connect(to);
		char c = 'P';

		if (send(fd, &c, 1, 0) == 1 && recv(fd, &c, 1, 0) == 1)
			ns[got++] = load_now_ns() - start;
		close(fd);
		if (gap_us)
			usleep(gap_us);
	}
	qsort(ns, (size_t)got, sizeof *ns, compare_u64);
	if (got)
		printf("{\"count\": %d, \"failed\": %d, \"p50_ms\": %.4f, \"p90_ms\": %.4f, "
		       "\"p99_ms\": %.4f, \"max_ms\": %.4f}\n",
		       got, count - got, (double)ns[got / 2] / 1e6,
		       (double)ns[(size_t)got * 9 / 10] / 1e6,
		       (double)ns[(size_t)got * 99 / 100] / 1e6, (double)ns[got - 1] / 1e6);
	else
		printf("{\"count\": 0, \"failed\": %d}\n", count);
	free(ns);
}

struct crowd {
	const struct load_target *to;
	int epoll;
	int opened, ok, failed, in_flight;
	bool keep; /* proved connections stay open */
};

static void crowd_open_one(struct crowd *c)
{
	int fd = socket(c->to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event e = {.events = EPOLLOUT, .data.fd = fd};

	c->opened++;
	if (fd < 0 ||
	    (connect(fd, (const struct sockaddr *)&c->to->addr, c->to->addr_len) < 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		c->failed++;
		if (fd >= 0)
			close(fd);
		return;
	}
	c->in_flight++;
}

/* EPOLLOUT: connected, ask; EPOLLIN: answered. */
static void crowd_event(struct crowd *c, int fd, uint32_t events)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	char byte = 'P';

	if (events & EPOLLOUT && !(events & EPOLLERR) && send(fd, &byte, 1, 0) == 1 &&
	    epoll_ctl(c->epoll, EPOLL_CTL_MOD, fd, &e) == 0)
		return;
	bool proved = events & EPOLLIN && !(events & EPOLLOUT) && recv(fd, &byte, 1, 0) == 1 &&
		      byte == 'p';

	c->in_flight--;
	c->ok += proved;
	c->failed += !proved;
	if (proved && c->keep)
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, &e);
	else
		close(fd);
}

static void crowd_run(struct crowd *c, int count, int parallel)
{
	struct epoll_event events[EVENTS];
	uint64_t start = load_now_ns();

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	while (c->ok + c->failed < count) {
		while (c->opened < count && c->in_flight < parallel)
			crowd_open_one(c);
		int n = c->in_flight ? epoll_wait(c->epoll, events, EVENTS, 20000) : 0;

		if (n == 0 && c->in_flight) {
			c->failed += c->in_flight; /* 20 s of silence: these will not come */
			c->in_flight = 0;
			c->failed += count - c->opened;
			break;
		}
		for (int i = 0; i < n; i++)
			crowd_event(c, events[i].data.fd, events[i].events);
	}
	printf("{\"ok\": %d, \"failed\": %d, \"seconds\": %.3f}\n", c->ok, c->failed,
	       (double)(load_now_ns() - start) / 1e9);
	fflush(stdout);
}

void load_hold(const struct load_target *to, int count, int parallel)
{
	struct crowd c = {.to = to, .keep = true};
	char byte;

	if (count > LOAD_MAX_CONNS)
		load_die("at most %d connections", LOAD_MAX_CONNS);
	crowd_run(&c, count, parallel);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

void load_churn(const struct load_target *to, int count, int parallel)
{
	struct crowd c = {.to = to};

	crowd_run(&c, count, parallel);
}
