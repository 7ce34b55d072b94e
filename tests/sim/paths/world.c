#include "tests/sim/paths/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "tests/sim/engine/addrs.h"

enum { ASNS = 80, FAMILIES = 15, CIRCUIT_BYTES = 4 * 1024 * 1024 };

static void fill(void *user, void *out, size_t n)
{
	sim_rng_fill(user, out, n);
}

void world_set_seed(struct world *w, uint64_t seed)
{
	sim_rng_derive(&w->rng, seed, "life", 0);
	sim_rng_derive(&w->draws, seed, "draws", 0);
}

/* Few systems hold most relays. */
static uint32_t asn_of(struct sim_rng *r)
{
	double u = sim_rng_unit(r);

	return 1 + (uint32_t)(u * u * ASNS);
}

static void make(struct world *w, uint32_t i, struct sim_addrs *addrs, struct sim_rng *r,
		 double hostile)
{
	struct truth *t = &w->v[i];

	memcpy(t->node.b, &i, sizeof i);
	t->node.b[31] = 1;
	t->addr = (struct vx6_addr){.family = VX6_ADDR_IP, .port = 4242};
	sim_addrs_next(addrs, t->addr.ip);
	t->asn = asn_of(r);
	t->family = sim_rng_below(r, 10) == 0 ? (uint8_t)(1 + sim_rng_below(r, FAMILIES)) : 0;
	t->bytes_s = sim_rng_lognormal(r, 2e6, 1);
	t->rtt_ms = sim_rng_lognormal(r, 30, 0.6);
	t->works = 1 - 0.06 * sim_rng_unit(r);
	t->hostile = sim_rng_unit(r) < hostile;
	if (t->hostile)
		t->family = 0; /* they would not say */
}

struct world *world_new(uint32_t relays, double hostile, enum lie lie, uint64_t seed)
{
	struct world *w = vx6_zalloc(sizeof *w);
	struct sim_addrs addrs;
	struct sim_rng r;

	w->n = relays;
	w->lie = lie;
	w->v = vx6_zalloc(relays * sizeof *w->v);
	w->relays = vx6_relays_new();
	w->rand = (struct vx6_rand){fill, &w->draws};
	w->view.now_s = WORLD_T0;
	w->view.self.b[31] = 2;
	world_set_seed(w, seed);
	sim_rng_derive(&r, seed, "world", 0);
	sim_addrs_init(&addrs, seed);
	for (uint32_t i = 0; i < relays; i++)
		make(w, i, &addrs, &r, hostile);
	return w;
}

void world_free(struct world *w)
{
	vx6_relays_free(w->relays);
	free(w->v);
	free(w);
}

struct truth *world_truth(struct world *w, const struct vx6_node_id *node)
{
	uint32_t i;

	memcpy(&i, node->b, sizeof i);
	return i < w->n ? &w->v[i] : NULL;
}

void world_list(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct truth *t = &w->v[i];
		struct vx6_relay_facts f = {
			.node = t->node,
			.until_s = w->view.now_s + 2 * WORLD_DAY,
			.onion_key = {9},
			.onion_until_s = w->view.now_s + 2 * WORLD_DAY,
			.policy = VX6_RELAY_GUARD | VX6_RELAY_MIDDLE | VX6_RELAY_END,
			.family = {t->family},
			.addrs_n = 1,
			.addrs = {t->addr},
			.asns = {t->asn},
		};

		if (t->hostile && w->lie == LIE_CLAIM) {
			f.policy = UINT32_MAX & ~(uint32_t)VX6_RELAY_DRAINING;
			f.until_s = f.onion_until_s = UINT64_MAX;
		}
		VX6_ASSERT(vx6_is_ok(vx6_relays_put(w->relays, &f, w->view.now_s)));
	}
}

/* A circuit is as fast as its slowest hop, of which others use a part. */
static void transfer(struct world *w, const struct vx6_path *p)
{
	double slowest = 1e12, burst = 1;

	for (size_t i = 0; i < p->n; i++) {
		const struct truth *t = world_truth(w, &p->hop[i].node);
		double mine = t->bytes_s * (0.2 + 0.8 * sim_rng_unit(&w->rng));

		slowest = VX6_MIN(slowest, mine);
		if (t->hostile && w->lie == LIE_BURST)
			burst = 20;
	}
	for (size_t i = 0; i < p->n; i++)
		vx6_relays_seen_bytes(w->relays, &p->hop[i].node, CIRCUIT_BYTES,
				      (uint32_t)(CIRCUIT_BYTES * 1000.0 / (slowest * burst)),
				      w->view.now_s);
}

static void use(struct world *w, const struct vx6_path *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct truth *t = world_truth(w, &p->hop[i].node);
		double rtt_us = t->rtt_ms * 1000 * (0.8 + 0.4 * sim_rng_unit(&w->rng));

		if (sim_rng_unit(&w->rng) >= t->works) {
			vx6_relays_seen_failure(w->relays, &t->node, VX6_RELAY_UNREACHABLE,
						w->view.now_s);
			w->failed++;
			return;
		}
		vx6_relays_seen_success(w->relays, &t->node, (uint32_t)rtt_us, w->view.now_s);
	}
	w->built++;
	transfer(w, p);
}

void world_live(struct world *w, uint32_t circuits, uint32_t days)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	uint64_t from_s = w->view.now_s;
	struct vx6_path_lack lack;
	struct vx6_path path;

	for (uint32_t i = 0; i < circuits; i++) {
		w->view.now_s = from_s + (uint64_t)days * WORLD_DAY * i / circuits;
		if (i == 0 || i * (uint64_t)days / circuits != (i - 1) * (uint64_t)days / circuits)
			world_list(w);
		if (vx6_is_ok(
			    vx6_path_draw(w->relays, NULL, &w->view, &req, &w->rand, &path, &lack)))
			use(w, &path);
		else
			w->refused++;
	}
	w->view.now_s = from_s + (uint64_t)days * WORLD_DAY;
	world_list(w);
}
