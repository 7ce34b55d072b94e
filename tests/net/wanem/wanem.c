/*
 * wanem - a small user-space WAN emulator for Linux network namespaces.
 *
 * It creates one TUN device in each of two network namespaces and carries IP packets between
 * them through two independent one-way links (link.h). It needs no netem, no qdisc and no kernel
 * module other than TUN, so it runs where `tc qdisc add ... netem` does not.
 *
 * The kernel segments GSO packets and completes checksums before a TUN reader sees them, so every
 * packet is delayed, lost and counted on its own.
 *
 *   wanem -a ns1,wan0,fd00:77::1/64 -b ns2,wan0,fd00:77::2/64 -d 25 -j 1 -l 1 -r 500 -q 50
 *
 * Commands on standard input, one a line: [ab|ba] delay|jitter|loss|burst|rate|queue|corrupt|size
 * VALUE, block-udp, block-tcp, unblock, down, up, stats, quit. Without ab/ba both ways change.
 * Each line is answered by "ok", by statistics, or by a complaint on standard error.
 */
#include "link.h"
#include "tun.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, CMD_LINE = 256, LINKS = 2 };

struct path {
	struct wanem_link link[LINKS]; /* ab, ba */
	int fd[LINKS];                 /* device at a, at b: link i reads fd[i], writes fd[!i] */
};

static volatile sig_atomic_t stopping;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Reads a batch from the device; true when there may be more. */
static bool path_read(struct path *p, int i)
{
	static uint8_t pkt[WANEM_MAX_PACKET];
	int n = 0;

	for (; n < BATCH; n++) {
		ssize_t len = read(p->fd[i], pkt, sizeof pkt);

		if (len <= 0)
			break;
		wanem_link_accept(&p->link[i], pkt, (size_t)len, now_ns());
	}
	return n == BATCH;
}

/* Delivers what is due; returns the next due time, or UINT64_MAX. */
static uint64_t path_deliver(struct path *p, int i)
{
	struct wanem_link *l = &p->link[i];
	const uint8_t *pkt;
	size_t len;
	uint64_t due;

	for (int n = 0; (pkt = wanem_link_peek(l, &len, &due)) != NULL; n++) {
		if (n == BATCH || due > now_ns())
			return due;
		if (write(p->fd[!i], pkt, len) != (ssize_t)len)
			l->overflow++; /* the device is down or its queue is full: a lost packet */
		wanem_link_pop(l);
	}
	return UINT64_MAX;
}

static void print_stats(const struct wanem_link *l)
{
	printf("%s delay=%gms jitter=%gms loss=%g%% rate=%gMbit in=%" PRIu64 " out=%" PRIu64
	       " lost=%" PRIu64 " overflow=%" PRIu64 " blocked=%" PRIu64 " corrupted=%" PRIu64
	       " bytes=%" PRIu64 "%s\n",
	       l->name, l->delay_ms, l->jitter_ms, l->loss_pct, l->rate_mbit, l->in, l->out,
	       l->lost, l->overflow, l->blocked, l->corrupted, l->out_bytes,
	       l->down ? " DOWN" : "");
}

static bool link_command(struct wanem_link *l, const char *verb, const char *value)
{
	char *end;

	if (!strcmp(verb, "stats"))
		print_stats(l);
	else if (!strcmp(verb, "quit"))
		stopping = 1;
	else if (!value)
		return wanem_link_switch(l, verb);
	else
		return wanem_link_set(l, verb, strtod(value, &end)) && *end == 0;
	return true;
}

static void run_command(struct path *p, char *line)
{
	char *word[3] = {NULL, NULL, NULL}, **arg = word, *save = NULL;
	int first = 0, last = LINKS - 1, n = 0;

	for (char *w = strtok_r(line, " \t\r\n", &save); w && n < 3;
	     w = strtok_r(NULL, " \t\r\n", &save))
		word[n++] = w;
	if (n && (!strcmp(word[0], "ab") || !strcmp(word[0], "ba"))) {
		first = last = word[0][0] == 'b';
		arg++;
		n--;
	}
	if (n == 0)
		return;
	for (int i = first; i <= last; i++) {
		if (!link_command(&p->link[i], arg[0], n > 1 ? arg[1] : NULL)) {
			fprintf(stderr, "wanem: not a command: %s\n", arg[0]);
			return;
		}
	}
	puts("ok");
	fflush(stdout);
}

/* Reads whole command lines from standard input; false at its end. */
static bool read_commands(struct path *p)
{
	static char buf[CMD_LINE];
	static size_t have;
	ssize_t n = read(STDIN_FILENO, buf + have, sizeof buf - 1 - have);

	if (n <= 0)
		return false;
	have += (size_t)n;
	buf[have] = 0;
	for (char *nl; (nl = memchr(buf, '\n', have)) != NULL;) {
		*nl = 0;
		run_command(p, buf);
		have -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, have);
	}
	if (have == sizeof buf - 1)
		have = 0;
	return true;
}

static void path_run(struct path *p, uint64_t end)
{
	struct pollfd fds[3] = {{p->fd[0], POLLIN, 0},
				{p->fd[1], POLLIN, 0},
				{STDIN_FILENO, POLLIN, 0}};

	while (!stopping) {
		bool more_a = path_read(p, 0), more_b = path_read(p, 1), more = more_a || more_b;
		uint64_t t0 = path_deliver(p, 0), t1 = path_deliver(p, 1);
		uint64_t next = t0 < t1 ? t0 : t1, now = now_ns();

		if (now >= end)
			break;
		if (next > end)
			next = end;
		uint64_t wait = more || next <= now ? 0 : next - now;

		if (wait > 1000000000u)
			wait = 1000000000u;
		struct timespec ts = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};

		if (ppoll(fds, 3, &ts, NULL) > 0 && fds[2].revents && !read_commands(p))
			fds[2].fd = -1;
	}
}

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static _Noreturn void usage(void)
{
	wanem_die(
		"usage: wanem -a NETNS,DEV[,ADDR]... -b NETNS,DEV[,ADDR]... [-d one-way-delay-ms]\n"
		"  [-j jitter-ms] [-l loss-percent] [-L mean-loss-burst] [-r rate-Mbit/s]\n"
		"  [-q queue-ms] [-c corrupt-percent] [-m mtu] [-s seed] [-t seconds]");
}

static void path_option(struct path *p, int opt, const char *value)
{
	static const char option_of[] = "djlLrqc";
	static const char *const key_of[] = {"delay", "jitter", "loss",   "burst",
					     "rate",  "queue",  "corrupt"};
	const char *k = strchr(option_of, opt);

	for (int i = 0; i < LINKS; i++) {
		if (!k || !wanem_link_set(&p->link[i], key_of[k - option_of], strtod(value, NULL)))
			usage();
	}
}

int main(int argc, char **argv)
{
	static struct path p;
	struct wanem_endpoint end[LINKS] = {{.addrs = 0}, {.addrs = 0}};
	double seconds = 0;
	int opt, mtu = 1500;

	if (!wanem_link_init(&p.link[0], "ab") || !wanem_link_init(&p.link[1], "ba"))
		wanem_die("out of memory");
	while ((opt = getopt(argc, argv, "a:b:d:j:l:L:r:q:c:m:s:t:")) != -1) {
		if (opt == '?' ||
		    ((opt == 'a' || opt == 'b') && !wanem_endpoint_parse(&end[opt == 'b'], optarg)))
			usage();
		else if (opt == 'm')
			mtu = (int)strtol(optarg, NULL, 10);
		else if (opt == 's')
			wanem_seed(strtoull(optarg, NULL, 0));
		else if (opt == 't')
			seconds = strtod(optarg, NULL);
		else if (opt != 'a' && opt != 'b')
			path_option(&p, opt, optarg);
	}
	if (!end[0].dev[0] || !end[1].dev[0] || mtu < 68 || mtu > WANEM_MAX_PACKET - 1)
		usage();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	setpriority(PRIO_PROCESS, 0, -20); /* best effort: timing accuracy under load */
	for (int i = 0; i < LINKS; i++)
		p.fd[i] = wanem_endpoint_open(&end[i], mtu);
	puts("ready");
	fflush(stdout);
	path_run(&p, seconds > 0 ? now_ns() + (uint64_t)(seconds * 1e9) : UINT64_MAX);
	for (int i = 0; i < LINKS; i++) {
		print_stats(&p.link[i]);
		wanem_link_fini(&p.link[i]);
	}
	return 0;
}
