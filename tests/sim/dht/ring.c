#include "tests/sim/dht/ring.h"

#include "base/util.h"

uint64_t ring_at(const struct vx6_dht_key *pos)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | pos->b[i];
	return v;
}

void ring_add(struct ring *r, uint64_t at, uint32_t number)
{
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 256 : r->cap * 2;
		r->point = vx6_realloc_array(r->point, r->cap, sizeof *r->point);
	}
	r->point[r->n++] = (struct ring_point){at, number};
}

static int compare(const void *a, const void *b)
{
	const struct ring_point *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

void ring_sort(struct ring *r)
{
	if (r->n > 0)
		qsort(r->point, r->n, sizeof *r->point, compare);
}

void ring_fini(struct ring *r)
{
	free(r->point);
	*r = (struct ring){0};
}

/* Index of the first point that is not below @p at. */
static size_t lower(const struct ring *r, uint64_t at)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->point[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t ring_range(const struct ring *r, uint64_t at, unsigned bits, size_t *first)
{
	uint64_t rest = bits == 0 ? UINT64_MAX : bits >= 64 ? 0 : UINT64_MAX >> bits;
	uint64_t last = at | rest;

	*first = lower(r, at & ~rest);
	return (last == UINT64_MAX ? r->n : lower(r, last + 1)) - *first;
}

size_t ring_near(const struct ring *r, uint64_t at, uint32_t *out, size_t max)
{
	unsigned bits = 64;
	size_t first = 0, n = 0;
	struct ring near = {0};

	/* the smallest subtree around the point that holds enough of them */
	for (unsigned step = 32; step > 0; step /= 2)
		if (bits >= step && ring_range(r, at, bits - step, &first) < max)
			bits -= step;
	while (bits > 0 && (n = ring_range(r, at, bits, &first)) < max)
		bits--;
	n = ring_range(r, at, bits, &first);
	for (size_t i = 0; i < n; i++)
		ring_add(&near, r->point[first + i].at ^ at, r->point[first + i].number);
	ring_sort(&near);
	n = VX6_MIN(n, max);
	for (size_t i = 0; i < n; i++)
		out[i] = near.point[i].number;
	ring_fini(&near);
	return n;
}
