/* How nodes come to know each other before a scenario begins. */
#include "base/util.h"
#include "dht/dht_internal.h" /* capacities of buckets */
#include "tests/sim/dht/world.h"

enum { PING_S = 15 * 60, SETTLE_S = 60 };

/* A random choice of those whose first `bits` bits are those of @p at, and the next one is not. */
static size_t choose(struct node *n, const struct ring *r, unsigned bits, uint32_t *out, size_t max)
{
	uint64_t other = ring_at(&n->pos) ^ UINT64_C(1) << (63 - bits);
	size_t first, all = ring_range(r, other, bits + 1, &first), got = 0;

	/* one pass: each of those left is taken with the chance that it needs */
	for (size_t i = 0; i < all && got < max; i++)
		if (sim_rng_below(&n->w->rng, all - i) < max - got)
			out[got++] = r->point[first + i].number;
	return got;
}

static void fill_one(struct node *n, const struct ring *r)
{
	uint32_t others[512];
	struct vx6_dht_now now;
	size_t got = 0, first;

	for (unsigned bits = 0; bits < 63 && ring_range(r, ring_at(&n->pos), bits, &first) > 1;
	     bits++) {
		size_t want = vx6_dht_bucket_capacity(bits) + REPLACEMENTS_MAX;

		got += choose(n, r, bits, others + got, VX6_MIN(want, VX6_ARRAY_N(others) - got));
	}
	sim_rng_shuffle(&n->w->rng, others, got);
	for (size_t i = 0; i < got; i++) {
		n->w->time_ago_us = (got - i) * PING_S * SIM_S / (got + 1);
		world_now(n->w, &now);
		vx6_dht_met(n->dht, &n->w->nodes[others[i]]->contact, VX6_DHT_PROVED, &now);
	}
	n->w->time_ago_us = 0;
}

void world_fill(struct world *w)
{
	struct ring r = {0};

	world_run(w, 2 * PING_S * (uint64_t)SIM_S); /* so that there is a past */
	world_ring(w, &r);
	for (uint32_t i = 0; i < w->n; i++) {
		w->time_ago_us = PING_S * (uint64_t)SIM_S;
		node_start(w->nodes[i]);
		fill_one(w->nodes[i], &r);
	}
	ring_fini(&r);
	world_run(w,
		  SETTLE_S *
			  (uint64_t)SIM_S); /* each looks for its own place, as after any start */
}

void world_join(struct world *w, unsigned knows, uint64_t settle_us)
{
	struct vx6_dht_now now;

	for (uint32_t i = 0; i < w->n; i++) {
		node_start(w->nodes[i]);
		world_now(w, &now);
		for (unsigned k = 0; k < knows && i > 0; k++)
			vx6_dht_met(w->nodes[i]->dht, &w->nodes[sim_rng_below(&w->rng, i)]->contact,
				    VX6_DHT_HEARD, &now);
		world_run(w, i < 100 ? SIM_S : 20 * SIM_MS);
	}
	world_run(w, settle_us);
}

struct list {
	struct node *of;
	uint32_t number[1024];
	size_t n;
};

static void warm_row(void *user, const struct vx6_dht_row *row)
{
	struct list *l = user;
	struct world *w = l->of->w;

	const struct node *there = world_at(w, &row->contact);

	if (there != NULL && sim_net_is_up(w->net, there->number) && l->n < VX6_ARRAY_N(l->number))
		l->number[l->n++] = there->number;
}

void world_warm(struct world *w)
{
	uint32_t *order = vx6_zalloc(w->n * sizeof *order);
	struct list l;

	for (uint32_t i = 0; i < w->n; i++)
		order[i] = i;
	sim_rng_shuffle(&w->rng, order, w->n);
	for (uint32_t i = 0; i < w->n; i++) {
		l.of = w->nodes[order[i]];
		l.n = 0;
		if (l.of->dht == NULL)
			continue;
		vx6_dht_each(l.of->dht, warm_row, &l);
		sim_rng_shuffle(&w->rng, l.number, l.n);
		for (size_t k = 0; k < l.n; k++)
			sim_net_warm(w->net, l.of->number, l.number[k]);
	}
	free(order);
}
