#include "tests/sim/dht/scenario.h"

#include <stdio.h>

#include "base/util.h"
#include "tests/sim/dht/liars.h"

void scenario_begin(struct run *r, enum role role, double percent)
{
	struct world *w = r->w;
	uint32_t *order = vx6_zalloc(w->n * sizeof *order);
	uint32_t liars = (uint32_t)(percent / 100.0 * r->nodes + 0.5);

	world_reseed(w, r->name);
	for (uint32_t i = 0; i < w->n; i++)
		order[i] = i;
	sim_rng_shuffle(&w->rng, order, w->n);
	for (uint32_t i = 0; i < w->n; i++) {
		if (i < liars)
			node_set_role(w->nodes[order[i]], role);
		else if (i >= r->nodes)
			node_stop(w->nodes[order[i]]);
	}
	free(order);
	liars_ready(w);
	world_warm(w);
}

void scenario_lookups(struct run *r, const struct target *t, size_t targets, size_t n,
		      uint64_t gap_us, bool restart, struct tally *out)
{
	struct world *w = r->w;

	for (size_t i = 0; i < n; i++) {
		struct lookup_ask ask = {.want = VX6_DHT_WANT_ONE, .trace = r->trace && i < 5};

		do {
			ask.reader = world_pick(w, &w->rng);
			ask.target = &t[sim_rng_below(&w->rng, targets)];
		} while (ask.reader == ask.target->owner);
		if (restart) {
			sim_net_cool(w->net, ask.reader->number);
			lookups_drop(ask.reader);
			node_restart(ask.reader);
		}
		lookup_start(&ask, out);
		world_run(w, gap_us);
	}
	for (unsigned s = 0; s < 60 && out->under_way > 0; s++)
		world_run(w, SIM_S);
}

double scenario_goal(const struct run *r, const struct scenario *s)
{
	return r->quick ? s->found_quick : s->found;
}

static void row(struct sim_report *out, const char *prefix, const char *what, double value,
		const char *unit)
{
	char name[64];

	snprintf(name, sizeof name, "%s%s", prefix, what);
	sim_report_add(out, name, value, unit);
}

void scenario_report(const struct run *r, struct tally *t, const char *prefix, double goal,
		     struct sim_report *out)
{
	char name[64];

	snprintf(name, sizeof name, "%sfound", prefix);
	sim_report_goal(out, name, sim_share_percent(&t->found), "%",
			goal > 0 ? SIM_AT_LEAST : SIM_NO_GOAL, goal);
	row(out, prefix, "lookups", (double)t->found.all, "");
	if (t->found.yes < t->found.all) {
		row(out, prefix, "failed: not found", (double)t->not_found, "");
		row(out, prefix, "failed: timeout", (double)t->timeout, "");
		row(out, prefix, "failed: unreachable", (double)t->unreachable, "");
		if (t->wrong > 0)
			row(out, prefix, "failed: another record", (double)t->wrong, "");
	}
	row(out, prefix, "time p50", sim_sample_percentile(&t->ms, 50) / r->rtt_ms, "RTT");
	row(out, prefix, "time p99", sim_sample_percentile(&t->ms, 99) / r->rtt_ms, "RTT");
	row(out, prefix, "queries mean", sim_sample_mean(&t->queries), "");
	row(out, prefix, "timeouts mean", sim_sample_mean(&t->timeouts), "");
	row(out, prefix, "bytes mean", sim_sample_mean(&t->bytes), "B");
}
