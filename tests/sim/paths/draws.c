/* Paths, many: whether a rule is ever broken, what share each relay gets, what lies are worth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "tests/sim/paths/scenario.h"

enum { WARM_DAYS = 30 };

static struct world *lived(const struct run *r, double hostile, enum lie lie, uint32_t circuits)
{
	struct world *w = world_new(r->relays, hostile, lie, r->seed);

	world_list(w);
	w->view.now_s += 3 * WORLD_DAY; /* old enough, all of them */
	world_live(w, circuits, WARM_DAYS);
	return w;
}

/* ---- rules, told by what relays really are ---- */

static uint64_t network(const struct vx6_addr *a)
{
	uint64_t p = 0;

	if (vx6_addr_is_v4(a))
		return UINT64_C(1) << 60 | (uint64_t)a->ip[12] << 8 | a->ip[13];
	for (size_t i = 0; i < 6; i++)
		p = p << 8 | a->ip[i];
	return p;
}

static bool clash(const struct truth *a, const struct truth *b)
{
	return a == b || network(&a->addr) == network(&b->addr) || a->asn == b->asn ||
	       (a->family && a->family == b->family);
}

static bool breaks_a_rule(struct world *w, const struct vx6_path *p, const struct truth *target)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct truth *a = world_truth(w, &p->hop[i].node);

		if (clash(a, target))
			return true;
		for (size_t k = 0; k < i; k++)
			if (clash(a, world_truth(w, &p->hop[k].node)))
				return true;
	}
	return false;
}

void scenario_rules(const struct run *r, const struct scenario *s, struct sim_report *out)
{
	struct world *w = lived(r, s->hostile, LIE_NOTHING, r->paths);
	uint32_t broken = 0, refused = 0, relaxed = 0;

	for (uint32_t i = 0; i < r->paths; i++) {
		const struct truth *t = &w->v[sim_rng_below(&w->rng, w->n)];
		struct vx6_path_end target = {.node = t->node, .family = {t->family}};
		struct vx6_path_request req = {.purpose = i % 2 ? VX6_PATH_ANONYMOUS
								: VX6_PATH_PERFORMANCE,
					       .n = (uint8_t)(1 + i % VX6_PATH_MAX),
					       .target = &target};
		struct vx6_path_lack lack;
		struct vx6_path path;

		vx6_networks_add(&target.nets, &t->addr, t->asn);
		if (!vx6_is_ok(vx6_path_draw(w->relays, NULL, &w->view, &req, &w->rand, &path,
					     &lack))) {
			refused++;
			continue;
		}
		broken += breaks_a_rule(w, &path, t);
		relaxed += path.relaxed != 0;
	}
	sim_report_goal(out, "paths that break a rule", broken, "", SIM_AT_MOST, 0);
	sim_report_goal(out, "paths that could not be drawn", refused, "", SIM_AT_MOST, 0);
	sim_report_add(out, "paths with a relaxed rule", relaxed, "");
	sim_report_add(out, "circuits before, built", (double)w->built, "");
	sim_report_add(out, "circuits before, failed", (double)w->failed, "");
	world_free(w);
}

/* ---- shares ---- */

struct counts {
	uint32_t *middle, *last;
	uint32_t paths;
};

static void count(struct world *w, uint32_t paths, struct counts *c)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	struct vx6_path_lack lack;
	struct vx6_path path;

	*c = (struct counts){vx6_zalloc(w->n * sizeof(uint32_t)),
			     vx6_zalloc(w->n * sizeof(uint32_t)), 0};
	for (; c->paths < paths; c->paths++) {
		VX6_ASSERT(vx6_is_ok(
			vx6_path_draw(w->relays, NULL, &w->view, &req, &w->rand, &path, &lack)));
		c->middle[world_truth(w, &path.hop[1].node) - w->v]++;
		c->last[world_truth(w, &path.hop[2].node) - w->v]++;
	}
}

static void count_fini(struct counts *c)
{
	free(c->middle);
	free(c->last);
}

static double weight(const struct world *w, uint32_t i)
{
	const struct vx6_relay_entry *e = vx6_relays_find(w->relays, &w->v[i].node);

	return vx6_relay_weight(e, vx6_relays_median(w->relays, w->view.now_s), w->view.now_s);
}

/*
 * What the rules allow a relay: four medians of all weight that can be left beside two other hops, whose systems and networks are out.
 */
static double cap_of(const struct world *w)
{
	double of_asn[256] = {0}, sum = 0, first = 0, second = 0;
	double median = vx6_relays_median(w->relays, w->view.now_s);

	for (uint32_t i = 0; i < w->n; i++) {
		of_asn[w->v[i].asn] += weight(w, i);
		sum += weight(w, i);
	}
	for (size_t i = 0; i < VX6_ARRAY_N(of_asn); i++) {
		if (of_asn[i] > first) {
			second = first;
			first = of_asn[i];
		} else if (of_asn[i] > second) {
			second = of_asn[i];
		}
	}
	return median * VX6_RELAY_CAP_MEDIANS / (sum - first - second);
}

static double percent(double part, double all)
{
	return 100 * part / all;
}

void scenario_shares(const struct run *r, const struct scenario *s, struct sim_report *out)
{
	struct world *w = lived(r, s->hostile, LIE_NOTHING, r->paths);
	double cap = cap_of(w), noise = 5 * sqrt(cap / r->paths), most_bytes = 0, all_bytes = 0;
	uint32_t middle = 0, last = 0, never = 0;
	struct counts c;

	count(w, r->paths, &c);
	for (uint32_t i = 0; i < w->n; i++) {
		middle = VX6_MAX(middle, c.middle[i]);
		last = VX6_MAX(last, c.last[i]);
		never += c.middle[i] + c.last[i] == 0;
		most_bytes = VX6_MAX(most_bytes, w->v[i].bytes_s);
		all_bytes += w->v[i].bytes_s;
	}
	sim_report_add(out, "fastest relay, share of all capacity", percent(most_bytes, all_bytes),
		       "%");
	sim_report_add(out, "cap of a draw", 100 * cap, "%");
	sim_report_goal(out, "largest share of last hops", percent(last, c.paths), "%", SIM_AT_MOST,
			100 * (cap + noise));
	sim_report_goal(out, "largest share of middle hops", percent(middle, c.paths), "%",
			SIM_AT_MOST, 100 * (2 * cap + noise));
	sim_report_add(out, "relays never drawn", never, "");
	count_fini(&c);
	world_free(w);
}

/* ---- lies ---- */

struct gain {
	double middle, last, weight; /* percent of hops, of weight */
};

static struct gain hostile_part(const struct run *r, double hostile, enum lie lie, double *cap)
{
	struct world *w = lived(r, hostile, lie, r->paths);
	double sum = 0, theirs = 0;
	struct gain g = {0};
	struct counts c;

	count(w, r->paths, &c);
	for (uint32_t i = 0; i < w->n; i++) {
		sum += weight(w, i);
		theirs += w->v[i].hostile ? weight(w, i) : 0;
		g.middle += w->v[i].hostile ? c.middle[i] : 0;
		g.last += w->v[i].hostile ? c.last[i] : 0;
	}
	g.middle = percent(g.middle, c.paths);
	g.last = percent(g.last, c.paths);
	g.weight = percent(theirs, sum);
	if (cap)
		*cap = cap_of(w);
	count_fini(&c);
	world_free(w);
	return g;
}

void scenario_liars(const struct run *r, const struct scenario *s, struct sim_report *out)
{
	struct gain honest = hostile_part(r, s->hostile, LIE_NOTHING, NULL);
	struct gain claim = hostile_part(r, s->hostile, LIE_CLAIM, NULL);
	struct gain burst = hostile_part(r, s->hostile, LIE_BURST, NULL);

	sim_report_add(out, "last hops, as they are", honest.last, "%");
	sim_report_add(out, "middle hops, as they are", honest.middle, "%");
	sim_report_goal(out, "last hops won by claims", claim.last - honest.last, "points",
			SIM_AT_MOST, 0);
	sim_report_goal(out, "middle hops won by claims", claim.middle - honest.middle, "points",
			SIM_AT_MOST, 0);
	sim_report_add(out, "weight, as they are", honest.weight, "%");
	sim_report_add(out, "weight, with bursts", burst.weight, "%");
	/* all bytes that go through a liar's circuit come in bursts, and all hops of it seem quick: what is won is bounded by the cap */
	sim_report_goal(out, "last hops with bursts, times", burst.last / honest.last, "",
			SIM_AT_MOST, VX6_RELAY_CAP_MEDIANS);
}

/* ---- a flood of new relays, each in a network of its own ---- */

static void flood(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct vx6_relay_facts f = {
			.until_s = w->view.now_s + 10 * WORLD_DAY,
			.onion_key = {9},
			.onion_until_s = w->view.now_s + 10 * WORLD_DAY,
			.policy = VX6_RELAY_GUARD | VX6_RELAY_MIDDLE,
			.addrs_n = 1,
			.addrs = {{.family = VX6_ADDR_IP, .port = 1}},
			.asns = {100000 + i},
		};

		f.node.b[0] = f.node.b[1] = f.node.b[2] = f.node.b[3] = 0xff;
		memcpy(f.node.b + 4, &i, sizeof i);
		f.addrs[0].ip[0] = 0x2b;
		memcpy(f.addrs[0].ip + 2, &i, sizeof i);
		(void)vx6_relays_put(w->relays, &f, w->view.now_s).code;
	}
}

static double flooders(struct world *w, uint32_t paths)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	struct vx6_path_lack lack;
	struct vx6_path path;
	uint32_t n = 0;

	for (uint32_t i = 0; i < paths; i++) {
		VX6_ASSERT(vx6_is_ok(
			vx6_path_draw(w->relays, NULL, &w->view, &req, &w->rand, &path, &lack)));
		for (size_t k = 0; k < 3; k++)
			n += world_truth(w, &path.hop[k].node) == NULL;
	}
	return percent(n, 3.0 * paths);
}

void scenario_flood(const struct run *r, const struct scenario *s, struct sim_report *out)
{
	struct world *w = lived(r, 0, LIE_NOTHING, r->paths);

	flood(w, r->relays * 2);
	sim_report_goal(out, "flooders among hops, at once", flooders(w, r->paths / 4), "%",
			SIM_AT_MOST, 0);
	w->view.now_s += VX6_PATH_AGE_S;
	world_list(w);
	/* two thirds of all, at an eighth of the weight and one end of two */
	sim_report_goal(out, "flooders among hops, after 48 h", flooders(w, r->paths / 4), "%",
			SIM_AT_MOST, 30);
	world_free(w);
}
