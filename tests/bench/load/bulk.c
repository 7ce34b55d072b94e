#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { MAX_STREAMS = 256, FILE_BYTES = 4 << 20 };

struct stream {
	pthread_t thread;
	const struct load_target *to;
	uint64_t deadline_ns;
	uint64_t bytes; /* that reached the far end */
	int memory_fd;
	bool ok;
};

static bool read_full(int fd, uint8_t *p, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = recv(fd, p + got, n - got, 0);

		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

/* Sends until the deadline, says FIN, and believes only what the server counted. */
static void *stream_send(void *arg)
{
	struct stream *s = arg;
	int fd = load_connect(s->to);
	uint64_t sent = 0;
	uint8_t answer[8];

	if (send(fd, "S", 1, 0) != 1)
		return NULL;
	while (load_now_ns() < s->deadline_ns) {
		off_t at = 0;
		ssize_t n = sendfile(fd, s->memory_fd, &at, LOAD_CHUNK);

		if (n <= 0)
			goto out;
		sent += (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	if (read_full(fd, answer, sizeof answer)) {
		s->bytes = load_get_u64(answer);
		s->ok = s->bytes == sent;
	}
out:
	close(fd);
	return NULL;
}

/* Asks for more than a run can bring and leaves when time is up. */
static void *stream_recv(void *arg)
{
	struct stream *s = arg;
	int fd = load_connect(s->to);
	uint8_t head[9] = {'R'};

	load_put_u64(head + 1, UINT64_C(1) << 50);
	if (send(fd, head, sizeof head, 0) != sizeof head)
		return NULL;
	while (load_now_ns() < s->deadline_ns) {
		ssize_t n = recv(fd, NULL, 16 << 20, MSG_TRUNC);

		if (n <= 0)
			goto out;
		s->bytes += (uint64_t)n;
	}
	s->ok = true;
out:
	close(fd);
	return NULL;
}

void load_bulk(const struct load_target *to, int streams, double seconds, char kind)
{
	static struct stream s[MAX_STREAMS];
	uint64_t start = load_now_ns(), bytes = 0;
	int failed = 0, memory_fd = load_memory_file(FILE_BYTES);

	if (streams > MAX_STREAMS || seconds <= 0)
		load_die("at most %d streams, more than 0 seconds", MAX_STREAMS);
	for (int i = 0; i < streams; i++) {
		s[i] = (struct stream){.to = to,
				       .memory_fd = memory_fd,
				       .deadline_ns = start + (uint64_t)(seconds * 1e9)};
		if (pthread_create(&s[i].thread, NULL, kind == 'S' ? stream_send : stream_recv,
				   &s[i]))
			load_die("no thread");
	}
	for (int i = 0; i < streams; i++) {
		pthread_join(s[i].thread, NULL);
		bytes += s[i].bytes;
		failed += !s[i].ok;
	}
	double took = (double)(load_now_ns() - start) / 1e9;

	printf("{\"bytes\": %llu, \"seconds\": %.6f, \"gbit_s\": %.4f, \"failed\": %d}\n",
	       (unsigned long long)bytes, took, (double)bytes * 8 / took / 1e9, failed);
}
