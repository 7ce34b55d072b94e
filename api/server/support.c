/*
 * A support bundle: what other routes answer, as the files of one archive. Each part is a request of its own inside the request for the
 * bundle: its route is put in the place of the bundle's, and what it replies is taken away before it is sent.
 *
 *   begin -> part under way -> its reply is taken -> the next part ... -> the archive is the reply
 *
 * A part that fails is there as the problem that it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/redact.h"
#include "api/server/server_internal.h"
#include "base/clock.h"
#include "base/util.h"

enum { BUNDLE_MAX = 32 << 20, EVENTS_KEPT = 500, BLOCK = 512, SINCE_TEXT = 24 };

static const struct part {
	enum vx6_op op;
	const char *file;
	bool list;
} parts[] = {
	{VX6_OP_VERSION_GET, "version.json", false},
	{VX6_OP_CONFIG_GET, "settings.json", false},
	{VX6_OP_HEALTH_READY, "health.json", false},
	{VX6_OP_NODE_GET, "node.json", false},
	{VX6_OP_METRICS_GET, "metrics.txt", false},
	{VX6_OP_PEER_LIST, "peers.json", true},
	{VX6_OP_SERVICE_LIST, "services.json", true},
	{VX6_OP_FORWARD_LIST, "forwards.json", true},
	{VX6_OP_DHT_GET, "dht.json", false},
	{VX6_OP_RELAY_LIST, "relays.json", true},
	{VX6_OP_CIRCUIT_LIST, "circuits.json", true},
	{VX6_OP_CIRCUIT_DECISION_LIST, "decisions.json", true},
	{VX6_OP_OPERATION_LIST, "operations.json", true},
	{VX6_OP_EVENT_LIST, "events.json", false},
};

struct api_support {
	FILE *out;
	char *text; /* owned */
	size_t text_n;
	struct api_redact *redact; /* NULL: everything is shown */
	const struct vx6_route *route;
	size_t at; /* the part under way */
	bool stepping;
	uint64_t index; /* of the newest event */
	char since[SINCE_TEXT];
	uint64_t now_s;
};

void api_support_free(struct api_support *s)
{
	if (!s)
		return;
	if (s->out)
		fclose(s->out);
	free(s->text);
	api_redact_free(s->redact);
	free(s);
}

/* ---- tar ---- */

/* ustar: numbers are octal texts, and the checksum is made with spaces in its place. */
static void put_header(FILE *out, const char *name, size_t n, uint64_t now_s)
{
	char h[BLOCK] = "";
	unsigned sum = 0;

	snprintf(h, 100, "vx6-support/%s", name);
	snprintf(h + 100, 8, "%07o", 0600u);
	snprintf(h + 108, 8, "%07o", 0u);
	snprintf(h + 116, 8, "%07o", 0u);
	snprintf(h + 124, 12, "%011llo", (unsigned long long)n);
	snprintf(h + 136, 12, "%011llo", (unsigned long long)now_s);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	fwrite(h, 1, BLOCK, out);
}

static void put_file(struct api_support *s, const char *name, const char *text, size_t n)
{
	static const char zeroes[BLOCK];

	if (ftell(s->out) + (long)n > BUNDLE_MAX)
		n = 0; /* it is there, and empty */
	put_header(s->out, name, n, s->now_s);
	fwrite(text, 1, n, s->out);
	fwrite(zeroes, 1, (BLOCK - n % BLOCK) % BLOCK, s->out);
}

/* ---- a part ---- */

static void set_query(struct vx6_query *q, const char *name, const char *value)
{
	q->items[q->n].name = name;
	q->items[q->n++].value = value;
}

static void begin_part(struct api_request *r)
{
	struct api_support *s = r->support;
	const struct part *part = &parts[s->at];

	r->match.route = &vx6_routes[part->op];
	r->query.n = 0;
	if (part->list)
		set_query(&r->query, "limit", "500");
	if (part->op == VX6_OP_EVENT_LIST) {
		snprintf(s->since, sizeof s->since, "%llu",
			 (unsigned long long)(s->index > EVENTS_KEPT ? s->index - EVENTS_KEPT : 0));
		set_query(&r->query, "since", s->since);
		set_query(&r->query, "limit", "500");
	}
	api_handle(r);
}

/* Every list says which event it is up to date with. */
static void note_index(struct api_support *s, const char *text, size_t n)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v;

	if (s->index || !vx6_is_ok(vx6_value_parse(text, n, &v, &fault)))
		return;
	s->index = (uint64_t)vx6_value_number(vx6_value_get(v, "index"));
	vx6_value_free(v);
}

static void take_reply(struct api_request *r)
{
	struct api_support *s = r->support;
	const char *text = r->reply.body ? r->reply.body : "";
	size_t n = r->reply.body_n;

	if (parts[s->at].list)
		note_index(s, text, n);
	if (s->redact) {
		char *shown = api_redact(s->redact, text, n, &n);

		put_file(s, parts[s->at].file, shown, n);
		free(shown);
	} else {
		put_file(s, parts[s->at].file, text, n);
	}
	if (!r->reply.borrowed)
		free(r->reply.body);
	r->reply = (struct api_reply){0};
	free(r->faults);
	r->faults = NULL;
	api_stream_free(r);
	s->at++;
}

/* ---- the bundle ---- */

static void finish(struct api_request *r)
{
	static const char end[2 * BLOCK];
	struct api_support *s = r->support;
	bool whole;

	r->match.route = s->route;
	r->support = NULL;
	fwrite(end, 1, sizeof end, s->out);
	whole = fclose(s->out) == 0;
	s->out = NULL;
	if (whole) {
		api_reply_text(r, "application/x-tar", s->text, s->text_n);
		s->text = NULL;
	} else {
		api_reply_problem(r, VX6_PROBLEM_INTERNAL, "no memory for the answer");
	}
	api_support_free(s);
}

/* The server is stopping: nothing may be under way any more. */
static void give_up(struct api_request *r)
{
	r->match.route = r->support->route;
	api_support_free(r->support);
	r->support = NULL;
	if (!r->reply.borrowed)
		free(r->reply.body);
	r->reply = (struct api_reply){0};
	api_stream_free(r);
	api_reply_problem(r, VX6_PROBLEM_UNAVAILABLE, "the agent is stopping");
}

bool api_support_step(struct api_request *r)
{
	struct api_support *s = r->support;

	if (s->stepping) /* the loop below sees the reply when it comes back */
		return false;
	if (__atomic_load_n(&r->server->stopping, __ATOMIC_ACQUIRE)) {
		give_up(r);
		return true;
	}
	s->stepping = true;
	while (r->reply.status && s->at < VX6_ARRAY_N(parts)) {
		take_reply(r);
		if (s->at < VX6_ARRAY_N(parts))
			begin_part(r);
	}
	s->stepping = false;
	if (s->at < VX6_ARRAY_N(parts))
		return false;
	finish(r);
	return true;
}

void api_support_create(struct api_request *r)
{
	struct api_support *s = vx6_zalloc(sizeof *s);

	s->out = open_memstream(&s->text, &s->text_n);
	if (!s->out) {
		free(s);
		api_reply_problem(r, VX6_PROBLEM_INTERNAL, "no memory for the answer");
		return;
	}
	if (!vx6_value_bool(vx6_value_get(r->json, "full"), false))
		s->redact = api_redact_new();
	s->route = r->match.route;
	s->now_s = vx6_wall_s();
	r->support = s;
	s->stepping = true;
	begin_part(r);
	s->stepping = false;
	if (r->reply.status)
		(void)api_support_step(r);
}
