/*
 * Sybils around one key. They go as near as the binding of positions allows: an attacker's prefix has eight places, and he takes the one
 * nearest to the key. Prefixes come as they were given to him, or he picks the best of the 65536 /48s of a /32 of his own.
 */
#include "base/util.h"
#include "tests/sim/dht/liars.h"
#include "tests/sim/dht/scenario.h"

enum { PLACES = 8, BLOCK = 1 << 16, NEAR = 200, FAR = 500, LOOKUPS_OF_OLD = 8 };

struct spot {
	uint64_t distance;
	uint8_t ip[16];
	unsigned place;
};

static int nearer(const void *a, const void *b)
{
	uint64_t x = ((const struct spot *)a)->distance, y = ((const struct spot *)b)->distance;

	return (x > y) - (x < y);
}

static void best_place(const struct world *w, uint64_t key, struct spot *s)
{
	s->distance = UINT64_MAX;
	for (unsigned p = 0; p < PLACES; p++) {
		uint64_t d = world_place_at(w, s->ip, p) ^ key;

		if (d < s->distance) {
			s->distance = d;
			s->place = p;
		}
	}
}

/* The attacker's prefixes, each with the place in it that serves him best. */
static void find_spots(struct world *w, const struct scenario *s, uint64_t key, struct spot *out)
{
	struct spot *all;
	uint8_t block[16];

	if (!s->chosen) {
		for (unsigned i = 0; i < s->prefixes; i++) {
			sim_addrs_fresh(&w->addrs, out[i].ip);
			best_place(w, key, &out[i]);
		}
		return;
	}
	do
		sim_addrs_fresh(&w->addrs, block);
	while (block[10] == 0xff); /* of IPv6 */
	all = vx6_zalloc(BLOCK * sizeof *all);
	for (unsigned i = 0; i < BLOCK; i++) {
		sim_addrs_of_block(block, (uint16_t)i, w->n, all[i].ip);
		best_place(w, key, &all[i]);
	}
	qsort(all, BLOCK, sizeof *all, nearer);
	for (unsigned i = 0; i < s->prefixes; i++)
		out[i] = all[i];
	free(all);
}

/* A liar makes itself known to all who have room for it. */
static void introduce(struct world *w, const struct ring *r, const struct node *liar)
{
	uint32_t near[NEAR];
	struct vx6_dht_now now;
	size_t n = ring_near(r, ring_at(&liar->pos), near, NEAR);

	world_now(w, &now);
	for (size_t i = 0; i < n + FAR; i++) {
		uint32_t to = i < n ? near[i] : (uint32_t)sim_rng_below(&w->rng, r->n);

		if (w->nodes[to]->dht != NULL && w->nodes[to]->role == ROLE_HONEST)
			vx6_dht_met(w->nodes[to]->dht, &liar->contact, VX6_DHT_PROVED, &now);
	}
}

static void surround(struct run *r, const struct scenario *s, const struct ring *ring,
		     const struct target *t, uint32_t *liars)
{
	struct spot *spots = vx6_zalloc(s->prefixes * sizeof *spots);
	struct world *w = r->w;

	find_spots(w, s, ring_at(&t->key), spots);
	for (unsigned i = 0; i < s->sybils; i++) {
		const struct spot *at = &spots[i % s->prefixes];
		struct node *n;
		uint8_t ip[16];

		for (unsigned b = 0; b < sizeof ip; b++)
			ip[b] = at->ip[b];
		ip[15] = (uint8_t)(1 + i / s->prefixes); /* hosts of the attacker's prefix */
		ip[14] = ip[10] == 0xff ? ip[14] : (uint8_t)0xa7;
		n = world_add_ground(w, ip, at->place);
		node_start_bare(n);
		node_set_role(n, ROLE_COLLUDER);
		liars[i] = n->number;
	}
	liars_ready(w);
	for (unsigned i = 0; i < s->sybils; i++)
		introduce(w, ring, w->nodes[liars[i]]);
	free(spots);
}

/* A few keys at a time, so that the attackers of all of them are no share of the network that counts. */
static void one_round(struct run *r, const struct scenario *s, size_t keys, size_t readers,
		      struct tally *found, struct sim_sample *proved, struct sim_share *alarmed)
{
	struct target *t = vx6_zalloc(keys * sizeof *t);
	uint32_t *liars = vx6_zalloc(keys * s->sybils * sizeof *liars);
	struct ring ring = {0};
	struct world *w = r->w;
	struct sim_share done = {0};
	struct sim_sample took = {0};

	world_ring(w, &ring);
	for (size_t i = 0; i < keys; i++) {
		target_init(&t[i], world_pick(w, &w->rng));
		lookups_of_old(t[i].owner, LOOKUPS_OF_OLD);
	}
	world_run(w, 10 * SIM_S);
	for (size_t i = 0; i < keys; i++) {
		surround(r, s, &ring, &t[i], liars + i * s->sybils);
		target_publish(&t[i], 1);
	}
	publish_wait(w, t, keys, 20 * SIM_S);
	publish_weigh(t, keys, &done, &took, proved);
	scenario_lookups(r, t, keys, keys * readers, 10 * SIM_MS, false, found);
	for (size_t i = 0; i < keys; i++) {
		struct vx6_dht_info info;

		vx6_dht_info(t[i].owner->dht, &info);
		sim_share_add(alarmed, info.alarm);
		target_forget(&t[i]);
	}
	for (size_t i = 0; i < keys * s->sybils; i++)
		node_stop(w->nodes[liars[i]]);
	liars_ready(w);
	ring_fini(&ring);
	sim_sample_fini(&took);
	free(liars);
	free(t);
}

void scenario_eclipse(struct run *r, const struct scenario *s, struct sim_report *out)
{
	size_t rounds = r->quick ? 2 : 5, keys = r->quick ? 4 : 10, readers = r->quick ? 30 : 40;
	struct sim_sample proved = {0};
	struct sim_share alarm = {0};
	struct tally found = {0};

	scenario_begin(r, ROLE_HONEST, 0);
	for (size_t i = 0; i < rounds; i++)
		one_round(r, s, keys, readers, &found, &proved, &alarm);
	scenario_report(r, &found, "", scenario_goal(r, s), out);
	sim_report_add(out, "published: holders that proved it", sim_sample_mean(&proved), "");
	sim_report_add(out, "published: owner has an alarm", sim_share_percent(&alarm), "%");
	sim_sample_fini(&proved);
	tally_fini(&found);
}
