/* A last-in first-out list of free chunks: the one used last is the one still in the cache. */
#include <string.h>

#include "transport/quic/quic_internal.h"

enum { SMALL_MIN = 128, SMALL_MAX = 1024 };

static struct quic_chunk *chunk_new(size_t cap)
{
	struct quic_chunk *c = malloc(sizeof *c + cap); /* not zeroed: about to be written */

	VX6_ASSERT(c);
	c->next = NULL;
	c->offset = 0;
	c->len = 0;
	c->cap = (uint32_t)cap;
	return c;
}

struct quic_chunk *quic_chunk_get(struct quic_pool *p)
{
	struct quic_chunk *c = p->free;

	if (!c)
		return chunk_new(QUIC_CHUNK_BYTES);
	p->free = c->next;
	p->free_n--;
	c->next = NULL;
	c->offset = 0;
	c->len = 0;
	return c;
}

struct quic_chunk *quic_chunk_get_for(struct quic_pool *p, size_t n)
{
	return n > SMALL_MAX ? quic_chunk_get(p) : chunk_new(VX6_MAX(n, (size_t)SMALL_MIN));
}

void quic_chunk_put(struct quic_pool *p, struct quic_chunk *c)
{
	if (p->free_n >= QUIC_CHUNKS_FREE_MAX || c->cap < QUIC_CHUNK_BYTES) {
		free(c);
		return;
	}
	c->next = p->free;
	p->free = c;
	p->free_n++;
}

struct quic_chunk *quic_chunk_shrink(struct quic_pool *p, struct quic_chunk *c)
{
	struct quic_chunk *small;

	if (c->len > SMALL_MAX || c->cap < QUIC_CHUNK_BYTES)
		return c;
	small = quic_chunk_get_for(p, c->len);
	memcpy(small->data, c->data, c->len);
	small->offset = c->offset;
	small->len = c->len;
	quic_chunk_put(p, c);
	return small;
}

void quic_chunk_put_all(struct quic_pool *p, struct quic_chunk *c)
{
	while (c) {
		struct quic_chunk *next = c->next;

		quic_chunk_put(p, c);
		c = next;
	}
}

void quic_pool_fini(struct quic_pool *p)
{
	while (p->free) {
		struct quic_chunk *c = p->free;

		p->free = c->next;
		free(c);
	}
	p->free_n = 0;
}
