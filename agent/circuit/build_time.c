#include "circuit/build_time.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { GIVEN_UP = UINT32_MAX, PERCENTILE = 80, STAGGER_MIN_MS = 50, STAGGER_MAX_MS = 1000 };

struct ring {
	uint32_t ms[VX6_BUILD_TIMES_RING]; /* GIVEN_UP: longer than all others */
	unsigned n, next;
	unsigned run;      /* given up, one after the other */
	uint32_t start_ms; /* until enough is known; 0: the usual */
};

struct vx6_build_times {
	struct ring ring[VX6_BUILD_TIMES_HOPS];
};

struct vx6_build_times *vx6_build_times_new(void)
{
	return vx6_zalloc(sizeof(struct vx6_build_times));
}

void vx6_build_times_free(struct vx6_build_times *t)
{
	free(t);
}

static unsigned ring_of(unsigned hops)
{
	return VX6_MIN(VX6_MAX(hops, 1U), (unsigned)VX6_BUILD_TIMES_HOPS) - 1;
}

static void add(struct ring *r, uint32_t ms)
{
	r->ms[r->next] = ms;
	r->next = (r->next + 1) % VX6_BUILD_TIMES_RING;
	r->n = VX6_MIN(r->n + 1, (unsigned)VX6_BUILD_TIMES_RING);
}

static int by_ms(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/*
 * Nearest rank. When it falls among those given up nobody knows how long they would have taken: a quarter more than the longest that was
 * built, so that the next ones show it.
 */
static uint32_t percentile(const struct ring *r, unsigned percent)
{
	uint32_t v[VX6_BUILD_TIMES_RING];
	unsigned i = (r->n * percent + 99) / 100 - 1;

	memcpy(v, r->ms, r->n * sizeof *v);
	qsort(v, r->n, sizeof *v, by_ms);
	if (v[i] != GIVEN_UP)
		return v[i];
	while (i > 0 && v[i] == GIVEN_UP)
		i--;
	return v[i] == GIVEN_UP ? (uint32_t)VX6_BUILD_TIMEOUT_MAX_MS : v[i] + v[i] / 4;
}

static uint32_t clamp(uint32_t ms)
{
	return VX6_MIN(VX6_MAX(ms, (uint32_t)VX6_BUILD_TIMEOUT_MIN_MS),
		       (uint32_t)VX6_BUILD_TIMEOUT_MAX_MS);
}

void vx6_build_times_built(struct vx6_build_times *t, unsigned hops, uint32_t ms)
{
	struct ring *r = &t->ring[ring_of(hops)];

	add(r, VX6_MIN(ms, (uint32_t)VX6_BUILD_TIMEOUT_MAX_MS));
	r->run = 0;
}

void vx6_build_times_timed_out(struct vx6_build_times *t, unsigned hops)
{
	struct ring *r = &t->ring[ring_of(hops)];
	uint32_t ms = vx6_build_times_timeout(t, hops);

	add(r, GIVEN_UP);
	if (++r->run < VX6_BUILD_TIMES_RUN)
		return;
	*r = (struct ring){.start_ms = clamp(ms * 2)};
}

void vx6_build_times_reset(struct vx6_build_times *t)
{
	memset(t, 0, sizeof *t);
}

uint32_t vx6_build_times_timeout(const struct vx6_build_times *t, unsigned hops)
{
	unsigned i = ring_of(hops);
	const struct ring *r = &t->ring[i];

	if (r->n < VX6_BUILD_TIMES_ENOUGH)
		return r->start_ms ? r->start_ms : clamp(1000 + 1000 * (i + 1));
	return clamp(percentile(r, PERCENTILE));
}

/* Of those that were built: where many fail a second one is wanted the sooner, not the later. */
uint32_t vx6_build_times_stagger(const struct vx6_build_times *t, unsigned hops)
{
	const struct ring *r = &t->ring[ring_of(hops)];
	uint32_t most = VX6_MIN(vx6_build_times_timeout(t, hops) / 2, (uint32_t)STAGGER_MAX_MS);
	struct ring built = {0};

	for (unsigned i = 0; i < r->n; i++)
		if (r->ms[i] != GIVEN_UP)
			add(&built, r->ms[i]);
	if (built.n < VX6_BUILD_TIMES_ENOUGH)
		return most;
	return VX6_MIN(VX6_MAX(percentile(&built, PERCENTILE), (uint32_t)STAGGER_MIN_MS), most);
}

uint32_t vx6_build_times_median(const struct vx6_build_times *t, unsigned hops)
{
	const struct ring *r = &t->ring[ring_of(hops)];
	uint32_t ms;

	if (r->n < VX6_BUILD_TIMES_ENOUGH)
		return 0;
	ms = percentile(r, 50);
	return VX6_MIN(ms, (uint32_t)VX6_BUILD_TIMEOUT_MAX_MS);
}
