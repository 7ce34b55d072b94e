/* A network that stands still: how fast lookups are, and how well they go when a share of the nodes lies. */
#include "base/util.h"
#include "tests/sim/dht/scenario.h"

enum { GAP_US = 10 * SIM_MS };

static void weigh_publishing(const struct run *r, const struct target *t, size_t n,
			     struct sim_report *out)
{
	struct sim_sample took = {0}, holders = {0};
	struct sim_share done = {0};

	publish_weigh(t, n, &done, &took, &holders);
	sim_report_add(out, "published: proved at all wanted", sim_share_percent(&done), "%");
	sim_report_add(out, "published: holders that proved it", sim_sample_mean(&holders), "");
	sim_report_add(out, "published: time p50", sim_sample_percentile(&took, 50) / r->rtt_ms,
		       "RTT");
	sim_report_add(out, "published: time p99", sim_sample_percentile(&took, 99) / r->rtt_ms,
		       "RTT");
	sim_sample_fini(&took);
	sim_sample_fini(&holders);
}

static void weigh_senses(const struct run *r, struct sim_report *out)
{
	struct sim_share wide = {0};
	struct sim_sample contacts = {0};
	struct vx6_dht_info info;

	for (uint32_t i = 0; i < r->w->n; i++) {
		const struct node *n = r->w->nodes[i];

		if (n->dht == NULL || n->role != ROLE_HONEST)
			continue;
		vx6_dht_info(n->dht, &info);
		sim_share_add(&wide, info.paths > VX6_DHT_PATHS);
		sim_sample_add(&contacts, info.contacts + info.candidates);
	}
	sim_report_add(out, "nodes that look on more paths", sim_share_percent(&wide), "%");
	sim_report_add(out, "contacts and candidates p50", sim_sample_percentile(&contacts, 50),
		       "");
	sim_report_add(out, "contacts and candidates max", sim_sample_percentile(&contacts, 100),
		       "");
	sim_sample_fini(&contacts);
}

static void weigh_speed(const struct run *r, struct tally *warm, struct tally *cold,
			struct sim_report *out)
{
	sim_report_goal(out, "warm: GET p50", sim_sample_percentile(&warm->ms, 50) / r->rtt_ms,
			"RTT", SIM_AT_MOST, 3);
	sim_report_add(out, "warm: GET p90", sim_sample_percentile(&warm->ms, 90) / r->rtt_ms,
		       "RTT");
	sim_report_goal(out, "warm: GET p99", sim_sample_percentile(&warm->ms, 99) / r->rtt_ms,
			"RTT", SIM_AT_MOST, 8);
	sim_report_goal(out, "cold: GET p50", sim_sample_percentile(&cold->ms, 50) / r->rtt_ms,
			"RTT", SIM_AT_MOST, 5);
	sim_report_add(out, "cold: GET p90", sim_sample_percentile(&cold->ms, 90) / r->rtt_ms,
		       "RTT");
	sim_report_goal(out, "cold: GET p99", sim_sample_percentile(&cold->ms, 99) / r->rtt_ms,
			"RTT", SIM_AT_MOST, 8);
}

void scenario_static(struct run *r, const struct scenario *s, struct sim_report *out)
{
	size_t targets = r->quick ? 60 : 300, lookups = r->quick ? 300 : 2000;
	struct target *t = vx6_zalloc(targets * sizeof *t);
	struct tally warm = {0}, cold = {0};

	scenario_begin(r, s->role, s->share);
	publish_many(r->w, t, targets);
	weigh_publishing(r, t, targets, out);
	scenario_lookups(r, t, targets, lookups, GAP_US, false, &warm);
	if (s->role == ROLE_HONEST) {
		weigh_senses(r, out);
		scenario_lookups(r, t, targets, lookups / 2, GAP_US, true, &cold);
		weigh_speed(r, &warm, &cold, out);
		scenario_report(r, &warm, "warm: ", scenario_goal(r, s), out);
		scenario_report(r, &cold, "cold: ", scenario_goal(r, s), out);
	} else {
		scenario_report(r, &warm, "", scenario_goal(r, s), out);
		weigh_senses(r, out);
	}
	tally_fini(&warm);
	tally_fini(&cold);
	free(t);
}
