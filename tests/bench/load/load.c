#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void load_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("vx6-load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

uint64_t load_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void load_put_u64(uint8_t out[static 8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint64_t load_get_u64(const uint8_t in[static 8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | in[i];
	return v;
}

int load_memory_file(size_t bytes)
{
	int fd = memfd_create("load", MFD_CLOEXEC);
	static uint8_t block[4096];

	if (fd < 0)
		load_die("memfd: %s", strerror(errno));
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i * 131 + i / 256);
	for (size_t at = 0; at < bytes; at += sizeof block)
		if (pwrite(fd, block, sizeof block, (off_t)at) != (ssize_t)sizeof block)
			load_die("memfd: %s", strerror(errno));
	return fd;
}

int load_connect(const struct load_target *to)
{
	int fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to->addr, to->addr_len) < 0)
		load_die("connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static struct load_target target_parse(const char *host, const char *port)
{
	struct load_target t = {.addr_len = 0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&t.addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&t.addr;
	uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = number;
		t.addr_len = sizeof *in;
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = number;
		t.addr_len = sizeof *in6;
	} else {
		load_die("not an address: %s", host);
	}
	return t;
}

static _Noreturn void usage(void)
{
	load_die("usage: vx6-load serve ADDR PORT\n"
		 "  send|recv ADDR PORT STREAMS SECONDS | ttfb ADDR PORT COUNT [GAP_US]\n"
		 "  hold|churn ADDR PORT COUNT [PARALLEL]");
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (argc < 4)
		usage();
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	const char *what = argv[1];
	struct load_target at = target_parse(argv[2], argv[3]);
	int count = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0;
	double extra = argc > 5 ? strtod(argv[5], NULL) : 0;

	if (!strcmp(what, "serve"))
		load_serve(&at);
	if (count < 1 || count > 10000000)
		usage();
	if (!strcmp(what, "send") || !strcmp(what, "recv"))
		load_bulk(&at, count, extra, what[0] == 's' ? 'S' : 'R');
	else if (!strcmp(what, "ttfb"))
		load_ttfb(&at, count, (unsigned)extra);
	else if (!strcmp(what, "hold"))
		load_hold(&at, count, extra > 0 ? (int)extra : 64);
	else if (!strcmp(what, "churn"))
		load_churn(&at, count, extra > 0 ? (int)extra : 32);
	else
		usage();
	return 0;
}
