/*
 * Texts lie one behind the other in a ring of bytes, where a position is the number of all bytes ever written before it. A slot says which are a
 * line's own: line number n has slot n % LINES.
 */
#include "base/log_ring.h"

#include <pthread.h>
#include <string.h>

#include "base/util.h"

struct slot {
	uint64_t wall_ms, at;
	const char *layer;
	uint16_t n; /* without a NUL */
	uint8_t level;
};

static struct {
	pthread_mutex_t lock;
	uint64_t first, last; /* numbers of lines; first is last + 1 when there are none */
	uint64_t end;         /* position behind the newest text */
	struct slot slots[VX6_LOG_RING_LINES];
	char bytes[VX6_LOG_RING_BYTES];
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .first = 1};

static struct slot *slot_of(uint64_t seq)
{
	return &ring.slots[seq % VX6_LOG_RING_LINES];
}

static void bytes_put(const char *text, size_t n)
{
	size_t at = ring.end % VX6_LOG_RING_BYTES, head = VX6_MIN(n, VX6_LOG_RING_BYTES - at);

	memcpy(ring.bytes + at, text, head);
	memcpy(ring.bytes, text + head, n - head);
	ring.end += n;
}

static void bytes_get(const struct slot *s, char *out)
{
	size_t at = s->at % VX6_LOG_RING_BYTES,
	       head = VX6_MIN((size_t)s->n, VX6_LOG_RING_BYTES - at);

	memcpy(out, ring.bytes + at, head);
	memcpy(out + head, ring.bytes, s->n - head);
	out[s->n] = 0;
}

static void keep(const struct vx6_log_record *r, void *user)
{
	size_t n = strnlen(r->text, VX6_LOG_TEXT - 1);

	(void)user;
	pthread_mutex_lock(&ring.lock);
	while (ring.first <= ring.last &&
	       (ring.last - ring.first + 1 == VX6_LOG_RING_LINES ||
		ring.end + n - slot_of(ring.first)->at > VX6_LOG_RING_BYTES))
		ring.first++;
	*slot_of(++ring.last) = (struct slot){.wall_ms = r->wall_ms,
					      .at = ring.end,
					      .layer = r->layer,
					      .n = (uint16_t)n,
					      .level = (uint8_t)r->level};
	bytes_put(r->text, n);
	pthread_mutex_unlock(&ring.lock);
}

void vx6_log_ring_begin(void)
{
	pthread_mutex_lock(&ring.lock);
	ring.first = 1;
	ring.last = ring.end = 0;
	pthread_mutex_unlock(&ring.lock);
	vx6_log_set_sink(keep, NULL);
}

void vx6_log_ring_span(uint64_t *first, uint64_t *last)
{
	pthread_mutex_lock(&ring.lock);
	*first = ring.first;
	*last = ring.last;
	pthread_mutex_unlock(&ring.lock);
}

bool vx6_log_ring_next(uint64_t since, struct vx6_log_kept *out)
{
	bool there;

	pthread_mutex_lock(&ring.lock);
	there = since < ring.last;
	if (there) {
		uint64_t seq = VX6_MAX(since + 1, ring.first);
		const struct slot *s = slot_of(seq);

		out->seq = seq;
		out->record = (struct vx6_log_record){.wall_ms = s->wall_ms,
						      .level = (enum vx6_log_level)s->level,
						      .layer = s->layer,
						      .text = out->text};
		bytes_get(s, out->text);
	}
	pthread_mutex_unlock(&ring.lock);
	return there;
}
