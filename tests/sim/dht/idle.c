/* Nobody asks for anything: what the DHT does on its own, and what nodes think of the size of the network. */
#include <math.h>

#include "base/util.h"
#include "tests/sim/dht/scenario.h"

static void sizes(const struct run *r, struct sim_report *out)
{
	struct sim_sample error = {0}, signed_error = {0};
	struct sim_share alarm = {0}, known = {0};
	struct vx6_dht_info info;

	for (uint32_t i = 0; i < r->w->n; i++) {
		if (r->w->nodes[i]->dht == NULL)
			continue;
		vx6_dht_info(r->w->nodes[i]->dht, &info);
		sim_share_add(&alarm, info.alarm);
		sim_share_add(&known, info.network_size > 0);
		if (info.network_size > 0) {
			sim_sample_add(&error, 100 * fabs(info.network_size / r->nodes - 1));
			sim_sample_add(&signed_error, 100 * (info.network_size / r->nodes - 1));
		}
	}
	sim_report_add(out, "size known", sim_share_percent(&known), "%");
	sim_report_add(out, "size: bias (median)", sim_sample_percentile(&signed_error, 50), "%");
	sim_report_add(out, "size: error p50", sim_sample_percentile(&error, 50), "%");
	sim_report_add(out, "size: error p90", sim_sample_percentile(&error, 90), "%");
	sim_report_goal(out, "false alarms", sim_share_percent(&alarm), "%", SIM_AT_MOST, 1);
	sim_sample_fini(&error);
	sim_sample_fini(&signed_error);
}

void scenario_idle(struct run *r, const struct scenario *s, struct sim_report *out)
{
	/* dead entries are found and replaced first */
	uint64_t settle_s = 1200, window_s = 1800;
	struct sim_net_totals before, now;
	struct target *t = vx6_zalloc(r->w->n * sizeof *t);
	struct tally then = {0};
	size_t targets = 0;
	double hours = (double)window_s / 3600.0 * r->nodes;

	scenario_begin(r, ROLE_HONEST, 0);
	for (uint32_t i = 0; i < r->w->n; i++) {
		if (r->w->nodes[i]->dht == NULL)
			continue;
		target_init(&t[targets], r->w->nodes[i]);
		target_publish(&t[targets++], 1);
		world_run(r->w, 600 * SIM_S / r->w->n);
	}
	world_run(r->w, settle_s * SIM_S);
	sim_net_totals(r->w->net, &before);
	world_run(r->w, window_s * SIM_S);
	sim_net_totals(r->w->net, &now);
	sim_report_add(out, "requests per node and hour",
		       (double)(now.requests - before.requests) / hours, "");
	sim_report_add(out, "handshakes per node and hour",
		       (double)(now.handshakes - before.handshakes) / hours, "");
	sim_report_add(out, "bytes per node and hour",
		       (double)(now.request_bytes - before.request_bytes + now.answer_bytes -
				before.answer_bytes) /
			       hours,
		       "B");
	sizes(r, out);
	/* with the sessions and measurements that such a time leaves */
	scenario_lookups(r, t, targets, r->quick ? 200 : 1000, 10 * SIM_MS, false, &then);
	scenario_report(r, &then, "then: ", scenario_goal(r, s), out);
	tally_fini(&then);
	free(t);
}
