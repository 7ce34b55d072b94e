/*
 * The newest events stay in a ring, each as the JSON text that every follower gets. A follower is only a number: the last
 * event it has seen. While that number is in the ring it reads there; when it has fallen behind, it reads from the
 * database in batches until it has caught up; what the database has forgotten too is told as a `reset`.
 *
 *   stream:  begin → [sync: ask the agent where we are] → follow ⇄ {ring, database} → end (client gone, or the stop)
 *   long-poll: the same, but it ends with the first batch that is not empty, or when its time is over
 *
 * Nothing grows with a slow reader: what it has not taken is in the ring, in the database, or in one batch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

enum { BATCH = 200, PAGE_DEFAULT = 100, PAGE_MAX = 500, BLOCK_BYTES = 4096 };

static const char heartbeat[] = ":\n\n";

struct ring_event {
	uint64_t seq;
	char type[32];
	char *text; /* JSON, owned */
	size_t n;
};

struct api_events {
	struct ring_event
		ring[API_RING_EVENTS]; /* slot of the k-th event ever added: k % API_RING_EVENTS */
	uint64_t added, dropped;       /* the ring holds the numbers [dropped, added) */
	size_t bytes;
	unsigned streams;
};

struct api_stream {
	bool sse, finished, synced, reading, reset;
	uint64_t last;  /* seq of the last event that was looked at; UINT64_MAX: begins now */
	uint64_t index; /* the newest event there was when the agent was asked */
	uint64_t wait_until_ms, beat_ms;
	size_t limit;
	const char *types;   /* points into the request */
	struct vx6_json out; /* long-poll: the answer as far as it is made */
	size_t out_n;        /* events in it */
	char *pending;       /* stream: text on its way out, owned */
	size_t pending_n, pending_at, pending_cap;
};

struct api_events *api_events_new(void)
{
	return vx6_zalloc(sizeof(struct api_events));
}

static void ring_drop_oldest(struct api_events *ev)
{
	struct ring_event *e = &ev->ring[ev->dropped++ % API_RING_EVENTS];

	ev->bytes -= e->n;
	VX6_FREE(e->text);
}

void api_events_free(struct api_events *ev)
{
	if (!ev)
		return;
	while (ev->dropped < ev->added)
		ring_drop_oldest(ev);
	free(ev);
}

static char *event_text(const struct vx6_event *e)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_u64(&j, "seq", e->seq);
	api_put_time(&j, "time", e->wall_ms);
	vx6_json_str(&j, "type", e->type);
	if (e->subject_kind[0]) {
		vx6_json_object(&j, "subject");
		vx6_json_str(&j, "kind", e->subject_kind);
		vx6_json_str(&j, "id", e->subject_id[0] ? e->subject_id : e->subject_kind);
		vx6_json_end_object(&j);
	} else {
		vx6_json_str(&j, "subject", NULL);
	}
	vx6_json_raw(&j, "data", e->data && e->data[0] ? e->data : "{}");
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

/* ---- one follower ---- */

/* Whether the comma-separated list @p types holds the type, or its kind with a star. */
static bool type_wanted(const char *types, const char *type)
{
	while (types && *types) {
		size_t n = strcspn(types, ",");

		if (n >= 2 && types[n - 1] == '*'
			    ? strncmp(types, type, n - 1) == 0
			    : strlen(type) == n && strncmp(types, type, n) == 0)
			return true;
		types += n + (types[n] == ',');
	}
	return !types;
}

static void pending_put(struct api_stream *st, const char *text, size_t n)
{
	if (st->pending_at == st->pending_n)
		st->pending_at = st->pending_n = 0;
	if (n > st->pending_cap - st->pending_n) {
		st->pending_cap = st->pending_n + n + 256;
		st->pending = vx6_realloc_array(st->pending, st->pending_cap, 1);
	}
	memcpy(st->pending + st->pending_n, text, n);
	st->pending_n += n;
}

static void stream_put(struct api_stream *st, uint64_t seq, const char *type, const char *text,
		       size_t n)
{
	char head[80];

	st->last = seq;
	if (!type_wanted(st->types, type))
		return;
	if (!st->sse) {
		vx6_json_raw(&st->out, NULL, text);
		st->out_n++;
		return;
	}
	pending_put(st, head,
		    (size_t)snprintf(head, sizeof head,
				     "id: %llu\nevent: %s\ndata: ", (unsigned long long)seq, type));
	pending_put(st, text, n);
	pending_put(st, "\n\n", 2);
}

static void stream_reset(struct api_stream *st, uint64_t last)
{
	char text[96];

	st->last = last;
	st->reset = true;
	if (st->sse)
		pending_put(st, text,
			    (size_t)snprintf(text, sizeof text,
					     "id: %llu\nevent: reset\ndata: {\"seq\":%llu}\n\n",
					     (unsigned long long)last, (unsigned long long)last));
}

static bool stream_is_full(const struct api_stream *st)
{
	return st->sse ? st->pending_n - st->pending_at >= BLOCK_BYTES
		       : st->out_n >= st->limit || st->out.n > VX6_JSON_MAX / 2;
}

static uint64_t ring_first(const struct api_events *ev)
{
	return ev->dropped == ev->added ? UINT64_MAX : ev->ring[ev->dropped % API_RING_EVENTS].seq;
}

static uint64_t ring_last(const struct api_events *ev)
{
	return ev->dropped == ev->added ? 0 : ev->ring[(ev->added - 1) % API_RING_EVENTS].seq;
}

static void stream_from_ring(const struct api_events *ev, struct api_stream *st)
{
	for (uint64_t k = ev->dropped; k < ev->added && !stream_is_full(st); k++) {
		const struct ring_event *e = &ev->ring[k % API_RING_EVENTS];

		if (e->seq > st->last)
			stream_put(st, e->seq, e->type, e->text, e->n);
	}
}

static void stream_step(struct api_request *r);

/* Where the agent is: the follower begins there, or learns that its number never was. */
static void synced(struct api_stream *st, const struct vx6_answer *a)
{
	st->index = a->snapshot ? a->snapshot->index : 0;
	st->synced = true;
	if (st->last == UINT64_MAX)
		st->last = st->index;
	else if (st->last > st->index)
		stream_reset(st, st->index);
}

static void caught_up(const struct api_events *ev, struct api_stream *st,
		      const struct vx6_answer *a)
{
	if (a->events_oldest > 0 && st->last + 1 < a->events_oldest)
		stream_reset(st, a->events_oldest - 1);
	for (size_t i = 0; i < a->events_n && (st->sse || !stream_is_full(st)); i++) {
		char *text = event_text(&a->events[i]);

		if (a->events[i].seq > st->last)
			stream_put(st, a->events[i].seq, a->events[i].type, text, strlen(text));
		free(text);
	}
	if (a->events_n == 0) /* numbers that were never used */
		st->last = VX6_MAX(st->last,
				   VX6_MIN(ring_first(ev) - 1, VX6_MAX(st->index, ring_last(ev))));
}

static void read_then(struct api_request *r, struct vx6_answer *a)
{
	struct api_stream *st = r->stream;

	st->reading = false;
	if (vx6_is_ok(a->err) && st->synced) {
		caught_up(r->server->events, st, a);
	} else if (vx6_is_ok(a->err)) {
		synced(st, a);
	} else {
		st->finished = true;
		if (!st->sse)
			api_reply_failure(r, a);
	}
	stream_step(r);
}

static void stream_read(struct api_request *r, enum vx6_cmd_kind kind)
{
	struct vx6_cmd *cmd = api_cmd_new(r, kind);

	cmd->select.what = VX6_SELECT_NONE;
	if (kind == VX6_CMD_EVENTS_READ) {
		cmd->u.events.since = r->stream->last;
		cmd->u.events.limit = BATCH;
	}
	r->stream->reading = true;
	api_call(r, cmd, API_CALL_MS, read_then);
	if (!r->call) { /* the agent is stopping; the reply says so */
		r->stream->reading = false;
		r->stream->finished = true;
	}
}

static void poll_reply(struct api_request *r)
{
	struct api_stream *st = r->stream;

	st->finished = true;
	vx6_json_end_array(&st->out);
	vx6_json_u64(&st->out, "next_since", st->last);
	vx6_json_bool(&st->out, "reset", st->reset);
	vx6_json_end_object(&st->out);
	api_reply_json(r, MHD_HTTP_OK, &st->out);
}

/* Moves on as far as possible without waiting. */
static void stream_step(struct api_request *r)
{
	const struct api_events *ev = r->server->events;
	struct api_stream *st = r->stream;

	while (!st->finished && !st->reading) {
		bool behind = st->last < VX6_MAX(st->index, ring_last(ev));

		if (!st->synced)
			stream_read(r, VX6_CMD_SNAPSHOT);
		else if (stream_is_full(st) || !behind)
			break;
		else if (st->last + 1 >= ring_first(ev))
			stream_from_ring(ev, st);
		else
			stream_read(r, VX6_CMD_EVENTS_READ);
	}
	if (!st->sse && !st->finished && !st->reading &&
	    (st->out_n > 0 || st->reset || r->server->now_ms >= st->wait_until_ms))
		poll_reply(r);
	if (r->reply.status || (st->sse && (st->finished || st->pending_at < st->pending_n)))
		api_request_resume(r);
}

/* ---- the stream's response ---- */

static ssize_t stream_text(void *user, uint64_t pos, char *out, size_t cap)
{
	struct api_request *r = user;
	struct api_stream *st = r->stream;
	size_t n;

	if (st->pending_at == st->pending_n)
		stream_step(r);
	n = VX6_MIN(cap, st->pending_n - st->pending_at);
	if (n > 0) {
		memcpy(out, st->pending + st->pending_at, n);
		st->pending_at += n;
		return (ssize_t)n;
	}
	if (st->finished)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->suspended = true;
	MHD_suspend_connection(r->http);
	return 0;
}

static void stream_begin(struct api_request *r)
{
	static const char hello[] = "retry: 3000\n\n";
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_text, r,
						  NULL);

	if (!response) {
		api_reply_problem(r, VX6_PROBLEM_UNAVAILABLE, "out of memory");
		return;
	}
	pending_put(r->stream, hello, sizeof hello - 1);
	api_reply_headers(r, response);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
	r->stage = API_STAGE_DONE;
	MHD_queue_response(r->http, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
}

/* ---- the request ---- */

/* `since`, or for a stream that resumes the number it got last. @return false: that header is no number */
static bool first_seq(const struct api_request *r, bool sse, uint64_t *last)
{
	const char *since = vx6_query_get(&r->query, "since"),
		   *id = api_request_header(r, "Last-Event-ID");
	char *end;

	*last = since ? strtoull(since, NULL, 10) : UINT64_MAX;
	if (!sse || !id || !*id)
		return true;
	*last = strtoull(id, &end, 10);
	return *id >= '0' && *id <= '9' && *end == 0 && *last <= INT64_MAX;
}

void api_events_handle(struct api_request *r)
{
	const char *accept = api_request_header(r, "Accept"),
		   *limit = vx6_query_get(&r->query, "limit");
	bool sse = !r->support && accept && strstr(accept, "text/event-stream");
	struct api_stream *st;
	uint64_t last;

	if (!first_seq(r, sse, &last)) {
		vx6_fault_add(api_request_faults(r), "?Last-Event-ID", "type",
			      "must be a whole number");
		api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
		return;
	}
	if (r->server->events->streams >= API_STREAMS_MAX) {
		api_reply_problem(r, VX6_PROBLEM_RATE_LIMITED, "at most %d followers at once",
				  API_STREAMS_MAX);
		return;
	}
	st = r->stream = vx6_zalloc(sizeof *st);
	r->server->events->streams++;
	st->sse = sse;
	st->last = last;
	st->types = vx6_query_get(&r->query, "types");
	st->limit =
		VX6_MIN(limit ? strtoul(limit, NULL, 10) : PAGE_DEFAULT, (unsigned long)PAGE_MAX);
	st->wait_until_ms =
		r->server->now_ms + api_duration(vx6_query_get(&r->query, "wait"), API_WAIT_MAX_MS);
	st->beat_ms = r->server->now_ms + API_HEARTBEAT_MS;
	if (sse && !r->head) {
		stream_begin(r);
		return;
	}
	st->sse = false;
	vx6_json_object(&st->out, NULL);
	vx6_json_array(&st->out, "items");
	stream_step(r);
}

void api_stream_free(struct api_request *r)
{
	if (!r->stream)
		return;
	r->server->events->streams--;
	vx6_json_fini(&r->stream->out);
	free(r->stream->pending);
	VX6_FREE(r->stream);
}

void api_stream_finish(struct api_request *r)
{
	if (!r->stream->sse && !r->reply.status)
		poll_reply(r);
	r->stream->finished = true;
	r->stream->reading = false;
}

/* ---- all followers ---- */

void api_events_add(struct vx6_api_server *s, const struct vx6_event *e)
{
	struct api_events *ev = s->events;
	struct ring_event *slot;

	if (e->seq <= ring_last(ev))
		return;
	while (ev->added - ev->dropped >= API_RING_EVENTS ||
	       (ev->bytes > API_RING_BYTES && ev->dropped < ev->added))
		ring_drop_oldest(ev);
	slot = &ev->ring[ev->added++ % API_RING_EVENTS];
	slot->seq = e->seq;
	vx6_strlcpy(slot->type, e->type, sizeof slot->type);
	slot->text = event_text(e);
	slot->n = strlen(slot->text);
	ev->bytes += slot->n;
	VX6_LIST_EACH(node, &s->requests)
	{
		struct api_request *r = VX6_CONTAINER_OF(node, struct api_request, node);

		if (r->stream)
			stream_step(r);
	}
}

void api_events_lost(struct vx6_api_server *s)
{
	while (s->events->dropped < s->events->added)
		ring_drop_oldest(s->events);
	VX6_LIST_EACH(node, &s->requests)
	{
		struct api_request *r = VX6_CONTAINER_OF(node, struct api_request, node);

		if (!r->stream)
			continue;
		r->stream->synced = false; /* the database has what was lost here */
		stream_step(r);
	}
}

void api_events_tick(struct vx6_api_server *s)
{
	VX6_LIST_EACH(node, &s->requests)
	{
		struct api_request *r = VX6_CONTAINER_OF(node, struct api_request, node);
		struct api_stream *st = r->stream;

		if (!st)
			continue;
		if (st->sse && s->now_ms >= st->beat_ms) {
			st->beat_ms = s->now_ms + API_HEARTBEAT_MS;
			if (st->pending_at == st->pending_n)
				pending_put(st, heartbeat, sizeof heartbeat - 1);
		}
		stream_step(r);
	}
}
