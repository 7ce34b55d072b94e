/*
 * Guards over months: how many a client gets to use, and how likely one of them is hostile. Relays come and go; every client has guards of its
 * own out of one pool, and makes circuits every day.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "tests/sim/engine/stats.h"
#include "tests/sim/paths/scenario.h"

enum { CIRCUITS_A_DAY = 20, LIFE_DAYS = 300 };

struct client {
	struct vx6_guards *guards;
	uint8_t *used; /* by relay */
	uint32_t used_n;
	uint32_t hit_day; /* on which a hostile guard was used first, from 1; 0: none yet */
	uint32_t refused;
};

/* Each relay lives about LIFE_DAYS, is then gone, and another one of the same kind is there instead. */
static void churn(struct world *w, bool *gone)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (sim_rng_below(&w->rng, LIFE_DAYS) == 0)
			gone[i] = !gone[i];
}

static void list(struct world *w, const bool *gone)
{
	world_list(w);
	for (uint32_t i = 0; i < w->n; i++)
		if (gone[i])
			vx6_relays_drop(w->relays, &w->v[i].node);
}

static void used(struct world *w, struct client *c, const struct vx6_node_id *node, uint32_t day)
{
	const struct truth *t = world_truth(w, node);
	size_t i = (size_t)(t - w->v);

	c->used_n += !c->used[i];
	c->used[i] = 1;
	if (t->hostile && !c->hit_day)
		c->hit_day = day;
}

/* @return false: nothing could be drawn */
static bool circuit(struct world *w, struct client *c, const bool *down, double sabotage,
		    uint32_t day)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	struct vx6_path_lack lack;
	struct vx6_path path;
	const struct vx6_node_id *guard = &path.hop[0].node;

	for (int tries = 0; tries < 30; tries++) {
		if (!vx6_is_ok(vx6_path_draw(w->relays, c->guards, &w->view, &req, &w->rand, &path,
					     &lack)))
			return false;
		if (down[world_truth(w, guard) - w->v]) {
			vx6_guards_down(c->guards, guard, w->view.now_s, &w->rand);
			continue;
		}
		vx6_guards_up(c->guards, guard, w->view.now_s, &w->rand);
		used(w, c, guard, day);
		(void)vx6_guards_beyond(c->guards, guard, sim_rng_unit(&w->rng) >= sabotage,
					w->view.now_s, &w->rand);
		return true;
	}
	return false;
}

static void a_day(struct world *w, struct client *c, const bool *down, const struct scenario *s,
		  uint32_t day)
{
	uint64_t from_s = w->view.now_s;

	for (uint32_t i = 0; i < CIRCUITS_A_DAY; i++) {
		w->view.now_s = from_s + (uint64_t)i * WORLD_DAY / CIRCUITS_A_DAY;
		vx6_guards_update(c->guards, w->relays, &w->view, &w->rand);
		c->refused += !circuit(w, c, down, s->sabotage, day);
	}
	w->view.now_s = from_s;
}

static void tell(const struct run *r, struct world *w, struct client *c, struct sim_report *out,
		 uint32_t hostile)
{
	static const uint32_t at[] = {1, 30, 90, 180, 365};
	double f = (double)hostile / w->n, used_mean = 0, refused = 0, hit = 0;
	struct sim_sample sample = {0};
	char name[48];

	for (uint32_t i = 0; i < r->clients; i++) {
		used_mean += (double)c[i].used_n / r->clients;
		refused += c[i].refused;
		sim_sample_add(&sample, c[i].used_n);
	}
	sim_report_add(out, "hostile relays", 100 * f, "%");
	sim_report_add(out, "guards used, mean", used_mean, "");
	sim_report_add(out, "guards used, 95 of 100 at most", sim_sample_percentile(&sample, 95),
		       "");
	for (size_t k = 0; k < VX6_ARRAY_N(at) && at[k] <= r->days; k++) {
		hit = 0;
		for (uint32_t i = 0; i < r->clients; i++)
			hit += c[i].hit_day && c[i].hit_day <= at[k];
		snprintf(name, sizeof name, "clients with a hostile guard by day %u", at[k]);
		sim_report_add(out, name, 100 * hit / r->clients, "%");
	}
	/* of so many guards drawn without favour */
	sim_report_goal(out, "the same, against draws without favour", 100 * hit / r->clients, "%",
			SIM_AT_MOST,
			100 * (1 - pow(1 - f, used_mean)) + 300 * sqrt(0.25 / r->clients));
	sim_report_goal(out, "circuits without a path", refused, "", SIM_AT_MOST,
			0.001 * r->clients * r->days * CIRCUITS_A_DAY);
	sim_sample_fini(&sample);
}

void scenario_guards(const struct run *r, const struct scenario *s, struct sim_report *out)
{
	struct world *w = world_new(r->relays, s->hostile, LIE_NOTHING, r->seed);
	struct client *c = vx6_zalloc(r->clients * sizeof *c);
	bool *gone = vx6_zalloc(w->n * sizeof *gone), *down = vx6_zalloc(w->n * sizeof *down);
	uint32_t hostile = 0;

	for (uint32_t i = 0; i < w->n; i++)
		hostile += w->v[i].hostile;
	for (uint32_t i = 0; i < r->clients; i++) {
		c[i].guards = vx6_guards_new();
		c[i].used = vx6_zalloc(w->n);
	}
	world_list(w);
	w->view.now_s += 3 * WORLD_DAY;
	for (uint32_t day = 1; day <= r->days; day++, w->view.now_s += WORLD_DAY) {
		churn(w, gone);
		list(w, gone);
		for (uint32_t i = 0; i < w->n; i++)
			down[i] = sim_rng_unit(&w->rng) < s->unreachable;
		for (uint32_t i = 0; i < r->clients; i++)
			a_day(w, &c[i], down, s, day);
	}
	tell(r, w, c, out, hostile);
	for (uint32_t i = 0; i < r->clients; i++) {
		vx6_guards_free(c[i].guards);
		free(c[i].used);
	}
	free(c);
	free(gone);
	free(down);
	world_free(w);
}
