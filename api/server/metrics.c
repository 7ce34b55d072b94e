/*
 * Numbers for Prometheus, and by Accept in the form of OpenMetrics: this node as a relay, each of its own circuits, its hidden services
 * (hidden_metrics.c), the API itself (tally.c), and the process (stats.c). Labels are bounded, and name no node: whoever draws curves of a circuit need not learn where
 * it leads.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/server/openmetrics.h"
#include "api/server/server_internal.h"
#include "base/util.h"

void api_metric_head(FILE *f, const char *name, enum api_metric kind, const char *help)
{
	static const char *const kinds[] = {
		[API_GAUGE] = "gauge", [API_COUNTER] = "counter", [API_HISTOGRAM] = "histogram"};

	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

static void one(FILE *f, const char *name, enum api_metric kind, const char *help, uint64_t value)
{
	api_metric_head(f, name, kind, help);
	fprintf(f, "%s %llu\n", name, (unsigned long long)value);
}

/* ---- as a relay ---- */

struct reason {
	const char *word;
	uint64_t n;
};

static void by_reason(FILE *f, const char *name, const char *help, const struct reason *row,
		      size_t n)
{
	api_metric_head(f, name, API_COUNTER, help);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s{reason=\"%s\"} %llu\n", name, row[i].word,
			(unsigned long long)row[i].n);
}

static void put_refused(FILE *f, const struct vx6_relaying_view *v)
{
	const struct reason row[] = {
		{"format", v->refused_format},
		{"replay", v->refused_replay},
		{"key", v->refused_key},
		{"limit", v->refused_limit},
		{"rate", v->refused_rate},
		{"policy", v->refused_policy},
		{"unreachable", v->refused_unreachable},
	};

	by_reason(f, "vx6_relay_refused_total", "Circuits that were not taken or not led on.", row,
		  VX6_ARRAY_N(row));
}

static void put_hidden(FILE *f, const struct vx6_relaying_hidden *v)
{
	const struct reason row[] = {
		{"policy", v->refused_policy},   {"proof", v->refused_proof},
		{"unknown", v->refused_unknown}, {"rate", v->refused_rate},
		{"limit", v->refused_limit},     {"timeout", v->refused_timeout},
		{"reuse", v->refused_reuse},
	};

	one(f, "vx6_relay_hidden_owners", API_GAUGE,
	    "Circuits of owners of hidden services that are introduced here.", v->owners);
	one(f, "vx6_relay_hidden_introductions_pending", API_GAUGE,
	    "Introductions that their owners have not confirmed yet.", v->introductions);
	one(f, "vx6_relay_hidden_waiting", API_GAUGE, "Clients that wait here for an owner.",
	    v->waiting);
	one(f, "vx6_relay_hidden_joined", API_GAUGE,
	    "Circuits that are joined with another one here.", v->joined);
	one(f, "vx6_relay_hidden_owners_total", API_COUNTER, "Circuits of owners there were.",
	    v->owners_total);
	one(f, "vx6_relay_hidden_introduced_total", API_COUNTER,
	    "Introductions that were handed to owners.", v->introduced);
	one(f, "vx6_relay_hidden_introduced_again_total", API_COUNTER,
	    "Those among them that went over a second circuit.", v->introduced_again);
	one(f, "vx6_relay_hidden_joined_total", API_COUNTER, "Pairs of circuits that were joined.",
	    v->joined_total);
	by_reason(f, "vx6_relay_hidden_refused_total",
		  "What was asked for hidden services and not done.", row, VX6_ARRAY_N(row));
}

static void put_relay(FILE *f, const struct vx6_relaying_view *v)
{
	one(f, "vx6_relay_circuits", API_GAUGE, "Circuits that lead through this node or end here.",
	    v->circuits);
	one(f, "vx6_relay_circuits_half_built", API_GAUGE, "Of these: not finished yet.",
	    v->half_built);
	one(f, "vx6_relay_circuits_ending", API_GAUGE, "Of these: end at this node.", v->ending);
	one(f, "vx6_relay_circuits_limit", API_GAUGE, "So many at once.", v->wanted.circuits);
	one(f, "vx6_relay_circuits_total", API_COUNTER, "All there were.", v->circuits_total);
	one(f, "vx6_relay_creates_total", API_COUNTER, "Circuits that were taken.", v->creates);
	one(f, "vx6_relay_extends_total", API_COUNTER, "Circuits that were led on to another node.",
	    v->extends);
	one(f, "vx6_relay_cells_total", API_COUNTER, "Cells that were relayed, both directions.",
	    v->cells);
	one(f, "vx6_relay_bytes_total", API_COUNTER, "The same in bytes.", v->bytes);
	one(f, "vx6_relay_memory_bytes", API_GAUGE,
	    "Of cells that wait, and of the circuits' state.", v->memory_bytes);
	one(f, "vx6_relay_memory_peak_bytes", API_GAUGE, "The most that it was.", v->memory_peak);
	one(f, "vx6_relay_memory_limit_bytes", API_GAUGE, "What relaying may use.",
	    (uint64_t)v->wanted.memory_mb << 20);
	put_refused(f, v);
	one(f, "vx6_relay_protocol_errors_total", API_COUNTER,
	    "Circuits that were ended because a node broke the protocol.", v->protocol_errors);
	one(f, "vx6_relay_closed_for_memory_total", API_COUNTER,
	    "Circuits that were ended because cells took too much memory.", v->closed_for_memory);
	one(f, "vx6_relay_cells_dropped_total", API_COUNTER,
	    "Cells that could not be read or were for nobody.", v->cells_dropped);
	put_hidden(f, &v->hidden);
}

/* ---- own circuits ---- */

static void put_id(FILE *f, const char *name, const struct vx6_circuit_row *v, const char *more)
{
	fprintf(f, "%s{circuit=\"%s\",purpose=\"%s\"%s} ", name, v->id,
		api_circuit_purpose(v->purpose), more);
}

static void put_both(FILE *f, const struct vx6_page *p, const char *name, const char *help,
		     bool is_cells)
{
	api_metric_head(f, name, API_COUNTER, help);
	for (size_t i = 0; i < p->n; i++) {
		const struct vx6_circuit_row *v = &p->u.circuits[i];

		put_id(f, name, v, ",direction=\"rx\"");
		fprintf(f, "%llu\n", (unsigned long long)(is_cells ? v->rx_cells : v->rx_bytes));
		put_id(f, name, v, ",direction=\"tx\"");
		fprintf(f, "%llu\n", (unsigned long long)(is_cells ? v->tx_cells : v->tx_bytes));
	}
}

static void put_hops(FILE *f, const struct vx6_page *p)
{
	static const char name[] = "vx6_circuit_hop_rtt_seconds";
	char hop[32];

	api_metric_head(f, name, API_GAUGE,
			"To each hop and back, the latest look; the last one is the far end.");
	for (size_t i = 0; i < p->n; i++) {
		const struct vx6_circuit_row *v = &p->u.circuits[i];

		for (uint32_t k = 0; k < v->hops_n; k++) {
			if (!v->hops[k].rtt_us)
				continue;
			snprintf(hop, sizeof hop, ",hop=\"%u\"", k + 1);
			put_id(f, name, v, hop);
			fprintf(f, "%.6f\n", v->hops[k].rtt_us / 1e6);
		}
	}
}

static void put_circuits(FILE *f, const struct vx6_page *p, uint64_t now_ms)
{
	one(f, "vx6_circuits", API_GAUGE,
	    "Circuits of this node's own that are open; 500 at the most.", p->n);
	put_both(f, p, "vx6_circuit_bytes_total", "Bytes of cells.", false);
	put_both(f, p, "vx6_circuit_cells_total", "Cells.", true);
	api_metric_head(f, "vx6_circuit_streams", API_GAUGE, "Streams that it carries.");
	for (size_t i = 0; i < p->n; i++) {
		put_id(f, "vx6_circuit_streams", &p->u.circuits[i], "");
		fprintf(f, "%u\n", p->u.circuits[i].streams);
	}
	api_metric_head(f, "vx6_circuit_age_seconds", API_GAUGE, "Since it was begun.");
	for (size_t i = 0; i < p->n; i++) {
		uint64_t since_ms = VX6_MIN(p->u.circuits[i].opened_ms, now_ms);

		put_id(f, "vx6_circuit_age_seconds", &p->u.circuits[i], "");
		fprintf(f, "%.3f\n", (double)(now_ms - since_ms) / 1e3);
	}
	put_hops(f, p);
}

/* ---- the request ---- */

static void metrics_then(struct api_request *r, struct vx6_answer *a)
{
	char *text = NULL, *open;
	size_t n = 0;
	FILE *f;

	if (!vx6_is_ok(a->err) || !a->page || !a->snapshot) {
		api_reply_failure(r, a);
		return;
	}
	f = open_memstream(&text, &n);
	if (f) {
		api_metric_head(f, "vx6_build_info", API_GAUGE, "What is running.");
		fprintf(f, "vx6_build_info{version=\"%s\"} 1\n", VX6_VERSION);
		put_relay(f, &a->snapshot->node.relaying);
		put_circuits(f, a->page, a->snapshot->taken_ms);
		api_metrics_hidden(f, a->snapshot);
		api_metrics_requests(f, r->server);
		api_metrics_process(f, r->server->node, a->snapshot->node.started_ms);
	}
	if (!f || fclose(f) != 0) {
		free(text);
		api_reply_problem(r, VX6_PROBLEM_INTERNAL, "no memory for the answer");
		return;
	}
	if (!vx6_openmetrics_wanted(api_request_header(r, MHD_HTTP_HEADER_ACCEPT))) {
		api_reply_text(r, VX6_PROMETHEUS_TYPE, text, n);
		return;
	}
	open = vx6_openmetrics_from(text, &n);
	free(text);
	if (open)
		api_reply_text(r, VX6_OPENMETRICS_TYPE, open, n);
	else
		api_reply_problem(r, VX6_PROBLEM_INTERNAL, "no memory for the answer");
}

void api_metrics(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_READ);

	cmd->select.what = VX6_SELECT_KIND;
	cmd->select.kind = VX6_RESOURCE_SERVICE;
	cmd->u.page.kind = VX6_PAGE_CIRCUITS;
	cmd->u.page.has_filter = true;
	cmd->u.page.filter = VX6_CIRC_OPEN;
	cmd->u.page.limit = VX6_PAGE_MAX;
	api_call(r, cmd, API_CALL_MS, metrics_then);
}
