/* The last day in numbers: all of them as they are now, and one of them over time. */
#include "node/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"

enum {
	DAY_S = 24 * 3600,
	FROM_DEFAULT_S = 3600,
	VALUES_DEFAULT = 240, /* about so many, when no step is given */
	RATE_S = 60,
};

static const char *kind_of(enum vx6_stat which)
{
	return vx6_stat_infos[which].counter ? "counter" : "gauge";
}

static void put_value(struct vx6_json *j, const char *key, double value)
{
	if (isnan(value))
		vx6_json_str(j, key, NULL);
	else
		vx6_json_real(j, key, value);
}

static void put_stat(struct vx6_json *j, struct vx6_node *node, enum vx6_stat which,
		     const struct vx6_stats_sample *now)
{
	double rate = (double)NAN;

	if (vx6_stat_infos[which].counter)
		vx6_stats_read(node, which, now->wall_s - RATE_S + 1, RATE_S, &rate, 1);
	vx6_json_object(j, NULL);
	vx6_json_str(j, "name", vx6_stat_infos[which].name);
	vx6_json_str(j, "kind", kind_of(which));
	vx6_json_str(j, "unit", vx6_stat_infos[which].unit);
	vx6_json_u64(j, "value", now->value[which]);
	put_value(j, "per_second", rate);
	vx6_json_str(j, "description", vx6_stat_infos[which].help);
	vx6_json_end_object(j);
}

void api_stats_get(struct api_request *r)
{
	struct vx6_stats_sample now = {0};
	struct vx6_json j = {0};
	size_t n;
	bool any = vx6_stats_now(r->server->node, &now, &n);

	vx6_json_object(&j, NULL);
	vx6_json_array(&j, "items");
	for (int i = 0; any && i < VX6_STATS_N; i++)
		put_stat(&j, r->server->node, (enum vx6_stat)i, &now);
	vx6_json_end_array(&j);
	api_put_time(&j, "at", now.wall_s * 1000);
	vx6_json_u64(&j, "step_ms", VX6_STATS_STEP_S * 1000);
	vx6_json_u64(&j, "samples", n);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

/* ---- series ---- */

/* @return VX6_STATS_N: there is no such number */
static enum vx6_stat find(const char *name)
{
	int i = 0;

	while (i < VX6_STATS_N && strcmp(vx6_stat_infos[i].name, name) != 0)
		i++;
	return (enum vx6_stat)i;
}

struct span {
	uint64_t from_s;
	uint32_t step_s;
	size_t n;
};

/* Steps begin at whole multiples of their length, so that who asks again gets the same ones. */
static struct span read_span(const struct api_request *r)
{
	const char *from = vx6_query_get(&r->query, "from"),
		   *step = vx6_query_get(&r->query, "step");
	uint64_t now_s = vx6_wall_s(), from_s = from ? api_get_time(from) : now_s - FROM_DEFAULT_S;
	struct span s = {.step_s = (uint32_t)(api_duration(step, DAY_S * 1000) / 1000)};

	from_s = VX6_MIN(VX6_MAX(from_s, now_s - DAY_S), now_s);
	if (!s.step_s)
		s.step_s = (uint32_t)((now_s - from_s) / VALUES_DEFAULT);
	s.step_s = VX6_MAX(s.step_s, (uint32_t)VX6_STATS_STEP_S);
	s.step_s -= s.step_s % VX6_STATS_STEP_S;
	s.from_s = from_s - from_s % s.step_s;
	s.n = (size_t)((now_s - s.from_s) / s.step_s) + 1;
	return s;
}

void api_stats_series_get(struct api_request *r)
{
	const char *metric = vx6_query_get(&r->query, "metric");
	enum vx6_stat which = find(metric ? metric : "");
	struct span s = read_span(r);
	struct vx6_json j = {0};
	double *values;

	if (which == VX6_STATS_N) {
		vx6_fault_add(api_request_faults(r), "?metric", metric ? "unknown" : "required",
			      "must be one of the names that /v1/stats lists");
		api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
		return;
	}
	values = vx6_zalloc(s.n * sizeof *values);
	vx6_stats_read(r->server->node, which, s.from_s, s.step_s, values, s.n);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "metric", metric);
	vx6_json_str(&j, "kind", kind_of(which));
	vx6_json_str(&j, "unit", vx6_stat_infos[which].unit);
	api_put_time(&j, "from", s.from_s * 1000);
	vx6_json_u64(&j, "step_ms", s.step_s * UINT64_C(1000));
	vx6_json_array(&j, "values");
	for (size_t i = 0; i < s.n; i++)
		put_value(&j, NULL, values[i]);
	vx6_json_end_array(&j);
	vx6_json_end_object(&j);
	free(values);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

/* ---- for Prometheus ---- */

void api_metrics_process(FILE *f, struct vx6_node *node, uint64_t started_ms)
{
	struct vx6_stats_sample s = {0};
	size_t n;

	if (!vx6_stats_now(node, &s, &n))
		return;
	api_metric_head(f, "vx6_link_bytes_total", API_COUNTER,
			"Bytes over direct links to other nodes.");
	fprintf(f, "vx6_link_bytes_total{direction=\"rx\"} %llu\n",
		(unsigned long long)s.value[VX6_STAT_RX]);
	fprintf(f, "vx6_link_bytes_total{direction=\"tx\"} %llu\n",
		(unsigned long long)s.value[VX6_STAT_TX]);
	api_metric_head(f, "vx6_sessions", API_GAUGE, "Direct sessions that are up.");
	fprintf(f, "vx6_sessions %llu\n", (unsigned long long)s.value[VX6_STAT_SESSIONS]);
	api_metric_head(f, "vx6_streams", API_GAUGE, "Open streams of all sessions.");
	fprintf(f, "vx6_streams %llu\n", (unsigned long long)s.value[VX6_STAT_STREAMS]);
	api_metric_head(f, "process_resident_memory_bytes", API_GAUGE, "Memory that is resident.");
	fprintf(f, "process_resident_memory_bytes %llu\n",
		(unsigned long long)s.value[VX6_STAT_RSS]);
	api_metric_head(f, "process_cpu_seconds_total", API_COUNTER,
			"Processor time, user and system.");
	fprintf(f, "process_cpu_seconds_total %.3f\n", (double)s.value[VX6_STAT_CPU] / 1e3);
	api_metric_head(f, "process_start_time_seconds", API_GAUGE,
			"When it was started, since 1970.");
	fprintf(f, "process_start_time_seconds %.3f\n", (double)started_ms / 1e3);
}
