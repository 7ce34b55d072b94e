/*
 * Lines of the log that memory still holds, and what each layer writes. A follower is only a number, as with events; what it waits for is looked
 * at twice a second, so that a line costs the thread that writes it nothing more.
 */
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/log_ring.h"
#include "base/util.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 500 };

/* The question, read from the query. */
struct ask {
	bool tail; /* no `since`: the newest lines */
	uint64_t since;
	enum vx6_log_level level;
	const char *layers, *q; /* NULL: any */
	bool addresses;
	size_t limit;
};

static struct ask read_ask(const struct api_request *r)
{
	const char *since = vx6_query_get(&r->query, "since"),
		   *limit = vx6_query_get(&r->query, "limit"),
		   *level = vx6_query_get(&r->query, "level"),
		   *addresses = vx6_query_get(&r->query, "addresses");
	struct ask a = {
		.tail = !since,
		.since = since ? strtoull(since, NULL, 10) : 0,
		.level = VX6_LOG_TRACE,
		.layers = vx6_query_get(&r->query, "layer"),
		.q = vx6_query_get(&r->query, "q"),
		.addresses = addresses && strcmp(addresses, "true") == 0,
		.limit = VX6_MIN(limit ? strtoul(limit, NULL, 10) : PAGE_DEFAULT,
				 (unsigned long)PAGE_MAX),
	};

	if (level)
		vx6_log_level_parse(level, &a.level);
	return a;
}

/* ---- lines ---- */

static bool layer_wanted(const char *layers, const char *layer)
{
	while (layers && *layers) {
		size_t n = strcspn(layers, ",");

		if (strlen(layer) == n && memcmp(layers, layer, n) == 0)
			return true;
		layers += n + (layers[n] == ',');
	}
	return !layers;
}

/* The next line after @p since that is asked for. What is looked for is what is shown: a hidden address cannot be guessed at. */
static bool next_line(const struct ask *a, uint64_t *since, struct vx6_log_kept *k,
		      char shown[static VX6_LOG_TEXT])
{
	while (vx6_log_ring_next(*since, k)) {
		*since = k->seq;
		if (k->record.level > a->level || !layer_wanted(a->layers, k->record.layer))
			continue;
		vx6_log_show(k->text, a->addresses, shown);
		if (!a->q || strstr(shown, a->q))
			return true;
	}
	return false;
}

/* Where the newest `limit` lines begin. */
static uint64_t tail_since(const struct ask *a)
{
	uint64_t at = 0, since = 0;
	char shown[VX6_LOG_TEXT];
	struct vx6_log_kept k;
	size_t n = 0;

	while (next_line(a, &at, &k, shown))
		n++;
	if (n <= a->limit)
		return 0;
	for (at = 0, n -= a->limit; n > 0 && next_line(a, &at, &k, shown); n--)
		since = k.seq;
	return since;
}

/* The lines there are. @param since moves on to the last that was looked at @return their number */
static size_t put_lines(struct vx6_json *j, const struct ask *a, uint64_t *since)
{
	char shown[VX6_LOG_TEXT];
	struct vx6_log_kept k;
	size_t n = 0;

	vx6_json_array(j, "items");
	for (; n < a->limit && j->n < API_PAGE_BYTES && next_line(a, since, &k, shown); n++) {
		vx6_json_object(j, NULL);
		vx6_json_u64(j, "seq", k.seq);
		api_put_time(j, "time", k.record.wall_ms);
		vx6_json_str(j, "level", vx6_log_level_name(k.record.level));
		vx6_json_str(j, "layer", k.record.layer);
		vx6_json_str(j, "text", shown);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
	return n;
}

/* @param always also when there is nothing to tell */
static void answer(struct api_request *r, bool always)
{
	struct ask a = read_ask(r);
	uint64_t first, last, since, missed = 0;
	struct vx6_json j = {0};
	bool reset;
	size_t n;

	vx6_log_ring_span(&first, &last);
	reset = a.since > last;
	since = a.tail ? tail_since(&a) : reset ? 0 : a.since;
	if (!a.tail && since + 1 < first)
		missed = first - 1 - since;
	vx6_json_object(&j, NULL);
	n = put_lines(&j, &a, &since);
	if (n == 0 && !reset && !missed && !always) {
		vx6_json_fini(&j);
		return;
	}
	vx6_json_u64(&j, "next_since", since);
	vx6_json_u64(&j, "missed", missed);
	vx6_json_bool(&j, "reset", reset);
	vx6_json_end_object(&j);
	r->log_until_ms = 0;
	api_reply_json(r, MHD_HTTP_OK, &j);
}

static size_t waiting(struct vx6_api_server *s)
{
	size_t n = 0;

	VX6_LIST_EACH(node, &s->requests)
	{
		n += VX6_CONTAINER_OF(node, struct api_request, node)->log_until_ms != 0;
	}
	return n;
}

void api_logs_tick(struct vx6_api_server *s)
{
	VX6_LIST_EACH(node, &s->requests)
	{
		struct api_request *r = VX6_CONTAINER_OF(node, struct api_request, node);

		if (!r->log_until_ms || r->reply.status)
			continue;
		answer(r, s->now_ms >= r->log_until_ms);
		if (r->reply.status)
			api_request_resume(r);
	}
}

/* Names in a list that are no layers are faults. */
static bool check_layers(struct api_request *r)
{
	const char *layers = vx6_query_get(&r->query, "layer");
	char *copy = vx6_strdup(layers ? layers : ""), *save;
	bool ok = true;

	for (char *one = strtok_r(copy, ",", &save); one && ok; one = strtok_r(NULL, ",", &save)) {
		ok = vx6_log_layer_find(one) < VX6_LOG_LAYERS_N;
		if (!ok)
			vx6_fault_add(api_request_faults(r), "?layer", "unknown",
				      "there is no layer %s", one);
	}
	free(copy);
	return ok;
}

void api_logs_list(struct api_request *r)
{
	uint64_t wait_ms = api_duration(vx6_query_get(&r->query, "wait"), API_WAIT_MAX_MS);

	if (read_ask(r).addresses && r->role < VX6_API_ROLE_OPERATOR) {
		api_reply_problem(r, VX6_PROBLEM_FORBIDDEN, "addresses are for operators");
		return;
	}
	if (!check_layers(r)) {
		api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
		return;
	}
	if (wait_ms && waiting(r->server) >= API_STREAMS_MAX) {
		api_reply_problem(r, VX6_PROBLEM_RATE_LIMITED, "at most %d followers at once",
				  API_STREAMS_MAX);
		return;
	}
	answer(r, wait_ms == 0);
	if (!r->reply.status)
		r->log_until_ms = r->server->now_ms + wait_ms;
}

/* ---- levels ---- */

void api_log_levels_get(struct api_request *r)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "default", vx6_log_level_name(vx6_log_get_level()));
	vx6_json_object(&j, "layers");
	for (size_t i = 0; i < VX6_LOG_LAYERS_N; i++)
		vx6_json_str(&j, vx6_log_layer_name(i), vx6_log_level_name(vx6_log_layer_level(i)));
	vx6_json_end_object(&j);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_log_levels_replace(struct api_request *r)
{
	const struct vx6_value *layers = vx6_value_get(r->json, "layers");
	enum vx6_log_level level = VX6_LOG_INFO;
	char pointer[VX6_FAULT_POINTER];

	for (const struct vx6_value *v = vx6_value_first(layers); v; v = vx6_value_next(v)) {
		if (vx6_log_layer_find(vx6_value_key(v)) < VX6_LOG_LAYERS_N)
			continue;
		snprintf(pointer, sizeof pointer, "/layers/%s", vx6_value_key(v));
		vx6_fault_add(api_request_faults(r), pointer, "unknown", "there is no such layer");
	}
	if (r->faults && r->faults->n) {
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
		return;
	}
	vx6_log_level_parse(vx6_value_string(vx6_value_get(r->json, "default")), &level);
	vx6_log_set_level(level);
	for (const struct vx6_value *v = vx6_value_first(layers); v; v = vx6_value_next(v)) {
		vx6_log_level_parse(vx6_value_string(v), &level);
		vx6_log_set_layer_level(vx6_log_layer_find(vx6_value_key(v)), level);
	}
	VX6_INFO("api", "the levels of the log were changed");
	api_log_levels_get(r);
}
