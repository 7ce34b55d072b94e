/*
 * What the API itself does, by operation: requests by the class of their status, and how long they took. Labels come from the contract, so that
 * there are as many series as it has routes, whatever is asked for; those that were never called are left out.
 */
#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"
#include "node/stats.h"

#define NAME "vx6_api_request_duration_seconds"

static const struct {
	uint64_t us;
	const char *le; /* the same in seconds */
} limits[API_TALLY_LIMITS] = {
	{1000, "0.001"}, {10000, "0.01"}, {100000, "0.1"}, {1000000, "1.0"}, {10000000, "10.0"}};

static unsigned class_of(const struct api_request *r)
{
	if (r->reply.status)
		return r->reply.status / 100;
	if (r->reply.hang_up)
		return 1; /* switched to another protocol */
	return r->stage == API_STAGE_DONE
		       ? 2
		       : 0; /* a stream of events; or the client went before there was an answer */
}

void api_tally(const struct api_request *r)
{
	struct api_tally *t = &r->server->tallies[r->match.route ? r->match.route->op : VX6_OP_N];
	uint64_t us = (vx6_now_ns() - r->begun_ns) / 1000;
	unsigned class = class_of(r);

	if (class == 0 || class > API_TALLY_CLASSES)
		return;
	t->requests[class - 1]++;
	vx6_stats_request(r->server->node);
	/* how long a client likes to listen is no property of the agent */
	if (!r->reply.status || vx6_query_get(&r->query, "wait"))
		return;
	t->timed++;
	t->us += us;
	for (size_t i = 0; i < API_TALLY_LIMITS; i++)
		t->within[i] += us <= limits[i].us;
}

static const char *operation(size_t op)
{
	return op < VX6_OP_N ? vx6_routes[op].id : "unknown";
}

static void put_requests(FILE *f, const struct vx6_api_server *s)
{
	api_metric_head(f, "vx6_api_requests_total", API_COUNTER,
			"Requests that were answered, by the class of the status.");
	for (size_t op = 0; op <= VX6_OP_N; op++)
		for (size_t c = 0; c < API_TALLY_CLASSES; c++)
			if (s->tallies[op].requests[c])
				fprintf(f,
					"vx6_api_requests_total{operation=\"%s\",status=\"%zuxx\"} "
					"%llu\n",
					operation(op), c + 1,
					(unsigned long long)s->tallies[op].requests[c]);
}

static void put_durations(FILE *f, const struct vx6_api_server *s)
{
	api_metric_head(
		f, NAME, API_HISTOGRAM,
		"From the first line of a request to the end of its answer; not of streams, "
		"nor of requests that wait for something.");
	for (size_t op = 0; op <= VX6_OP_N; op++) {
		const struct api_tally *t = &s->tallies[op];

		if (!t->timed)
			continue;
		for (size_t i = 0; i < API_TALLY_LIMITS; i++)
			fprintf(f, NAME "_bucket{operation=\"%s\",le=\"%s\"} %llu\n", operation(op),
				limits[i].le, (unsigned long long)t->within[i]);
		fprintf(f, NAME "_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n", operation(op),
			(unsigned long long)t->timed);
		fprintf(f, NAME "_sum{operation=\"%s\"} %.6f\n", operation(op),
			(double)t->us / 1e6);
		fprintf(f, NAME "_count{operation=\"%s\"} %llu\n", operation(op),
			(unsigned long long)t->timed);
	}
}

void api_metrics_requests(FILE *f, const struct vx6_api_server *s)
{
	put_requests(f, s);
	put_durations(f, s);
}
