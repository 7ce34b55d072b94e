/* Those who wait to be met: most effort first, then first come, never for longer than the client does itself. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

void host_guest_free(struct host_guest *g)
{
	vx6_wipe_free(g, sizeof *g);
}

/* @return how many go before one of that effort who comes now */
static size_t place_of(const struct host_service *s, uint32_t effort)
{
	size_t low = 0, high = s->queue_n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->queue[mid]->effort >= effort)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void leave_out(struct host_service *s, struct host_guest *g, enum vx6_host_refusal why)
{
	s->pow.trimmed = true;
	s->pow.max_trimmed = VX6_MAX(s->pow.max_trimmed, g->effort);
	host_refuse(s, why);
	host_guest_free(g);
}

void host_queue_add(struct host_service *s, struct host_guest *g)
{
	size_t at = place_of(s, g->effort);

	s->pow.total_effort += g->effort;
	if (at == VX6_HOST_QUEUE_MAX) {
		leave_out(s, g, VX6_HOST_REFUSED_QUEUE);
		return;
	}
	if (s->queue_n == VX6_HOST_QUEUE_MAX)
		leave_out(s, s->queue[--s->queue_n], VX6_HOST_REFUSED_QUEUE);
	memmove(&s->queue[at + 1], &s->queue[at], (s->queue_n - at) * sizeof s->queue[0]);
	s->queue[at] = g;
	s->queue_n++;
	host_wake(s);
}

struct host_guest *host_queue_take(struct host_service *s)
{
	struct host_guest *g;

	if (s->queue_n == 0)
		return NULL;
	g = s->queue[0];
	s->queue_n--;
	memmove(&s->queue[0], &s->queue[1], s->queue_n * sizeof s->queue[0]);
	return g;
}

void host_queue_clear(struct host_service *s)
{
	while (s->queue_n > 0)
		host_guest_free(s->queue[--s->queue_n]);
}

void host_queue_leave(struct host_service *s, uint64_t client, enum vx6_host_refusal why)
{
	size_t kept = 0;

	for (size_t n = 0; n < s->queue_n; n++) {
		struct host_guest *g = s->queue[n];

		if (g->client != client) {
			s->queue[kept++] = g;
			continue;
		}
		host_refuse(s, why);
		host_guest_free(g);
	}
	s->queue_n = kept;
}

/* Their clients do not wait for them any more. */
static void expire(struct host_service *s, uint64_t now)
{
	size_t kept = 0;

	for (size_t n = 0; n < s->queue_n; n++) {
		struct host_guest *g = s->queue[n];

		if (now >= g->came_ms + WAIT_MAX_MS)
			leave_out(s, g, VX6_HOST_REFUSED_TOO_OLD);
		else
			s->queue[kept++] = g;
	}
	s->queue_n = kept;
}

void host_queue_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	expire(s, now);
	while (s->queue_n > 0 && s->building_n < VX6_HOST_BUILDS_MAX) {
		s->pow.handled++;
		host_meet_begin(s, host_queue_take(s));
	}
	if (s->queue_n == 0)
		return;
	s->pow.had_queue = true;
	for (size_t n = 0; n < s->queue_n; n++)
		host_sooner(due, s->queue[n]->came_ms + WAIT_MAX_MS);
}
