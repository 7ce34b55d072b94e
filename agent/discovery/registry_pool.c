/* Numbered items in chunks that never move, and tables of such numbers. */
#include <string.h>

#include "discovery/registry_internal.h"

/* ---- pools ---- */

void *pool_at(const struct pool *p, uint32_t i)
{
	return p->chunk[i / POOL_CHUNK] + (size_t)(i % POOL_CHUNK) * p->size;
}

uint32_t pool_take(struct pool *p)
{
	uint32_t i = p->free;

	if (i) {
		memcpy(&p->free, pool_at(p, i), sizeof p->free);
		memset(pool_at(p, i), 0, p->size);
	} else {
		i = ++p->top; /* 0 is nobody's number: the first item of the first chunk stays unused */
		if (!p->chunk || i % POOL_CHUNK == 0) {
			p->chunk =
				vx6_realloc_array(p->chunk, i / POOL_CHUNK + 1, sizeof *p->chunk);
			p->chunk[i / POOL_CHUNK] = vx6_zalloc(POOL_CHUNK * p->size);
		}
	}
	p->live++;
	return i;
}

void pool_give(struct pool *p, uint32_t i)
{
	memset(pool_at(p, i), 0, p->size);
	memcpy(pool_at(p, i), &p->free, sizeof p->free);
	p->free = i;
	p->live--;
}

void pool_fini(struct pool *p)
{
	for (uint32_t c = 0; p->chunk && c <= p->top / POOL_CHUNK; c++)
		free(p->chunk[c]);
	VX6_FREE(p->chunk);
}

/* ---- tables ---- */

enum { INDEX_FIRST = 64 };

uint32_t index_first(const struct index *x, uint32_t hash, uint32_t *at)
{
	*at = hash & x->mask;
	return x->slot ? x->slot[*at] : 0;
}

uint32_t index_next(const struct index *x, uint32_t *at)
{
	*at = (*at + 1) & x->mask;
	return x->slot[*at];
}

static void place(struct index *x, uint32_t hash, uint32_t i)
{
	uint32_t at;

	for (uint32_t taken = index_first(x, hash, &at); taken; taken = index_next(x, &at))
		;
	x->slot[at] = i;
}

static void grow(const struct vx6_registry *r, struct index *x)
{
	struct index bigger = *x;

	bigger.mask = x->slot ? x->mask * 2 + 1 : INDEX_FIRST - 1;
	bigger.slot = vx6_zalloc(((size_t)bigger.mask + 1) * sizeof *bigger.slot);
	for (uint32_t at = 0; x->slot && at <= x->mask; at++)
		if (x->slot[at])
			place(&bigger, x->hash(r, x->slot[at]), x->slot[at]);
	free(x->slot);
	*x = bigger;
}

void index_add(struct vx6_registry *r, struct index *x, uint32_t i)
{
	/* at most three quarters full, so that every search ends soon */
	if (!x->slot || (x->n + 1) / 3 >= (x->mask + 1) / 4)
		grow(r, x);
	place(x, x->hash(r, i), i);
	x->n++;
}

void index_remove(struct vx6_registry *r, struct index *x, uint32_t i)
{
	uint32_t at, hole;

	for (uint32_t found = index_first(x, x->hash(r, i), &at); found != i;
	     found = index_next(x, &at))
		VX6_ASSERT(found);
	/* what follows and would not be found across the hole moves up */
	for (hole = at; x->slot[at = (at + 1) & x->mask];) {
		uint32_t home = x->hash(r, x->slot[at]) & x->mask;

		if (((at - home) & x->mask) < ((at - hole) & x->mask))
			continue;
		x->slot[hole] = x->slot[at];
		hole = at;
	}
	x->slot[hole] = 0;
	x->n--;
}
