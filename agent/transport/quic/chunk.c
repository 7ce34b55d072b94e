/* A last-in first-out list of free chunks: the one used last is the one still in the cache. */
#include "transport/quic/quic_internal.h"

struct quic_chunk *quic_chunk_get(struct quic_pool *p)
{
	struct quic_chunk *c = p->free;

	if (c) {
		p->free = c->next;
		p->free_n--;
	} else {
		c = malloc(sizeof *c); /* not zeroed: 32 KiB that are about to be written */
		VX6_ASSERT(c);
	}
	c->next = NULL;
	c->offset = 0;
	c->len = 0;
	return c;
}

void quic_chunk_put(struct quic_pool *p, struct quic_chunk *c)
{
	if (p->free_n >= QUIC_CHUNKS_FREE_MAX) {
		free(c);
		return;
	}
	c->next = p->free;
	p->free = c;
	p->free_n++;
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
