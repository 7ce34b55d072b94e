/*
 * Requests of ours.
 *
 *   send -> a session leads there: OPEN, request and FIN in one go -> answer and FIN
 *        -> none: a way (one dial for all who want the same contact) -> the same
 *        -> VX6_DHT_DIALS_MAX dials are under way: queued until one ends
 *
 * A session that turns out to be dead under a request costs one dial; the second failure is the query's.
 */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "discovery/dht_link_internal.h"
#include "wire/code.h"

enum { RESPONSE_FIRST = 2048 };

/* ---- a stream that nobody listens to any more ---- */

static void ignore_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	vx6_stream_reset(s, VX6_CODE_RESET);
}

static void ignore_writable(struct vx6_stream *s, void *user)
{
}

static void ignore_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
}

const struct vx6_stream_events link_stream_ignored = {.data = ignore_data,
						      .writable = ignore_writable,
						      .closed = ignore_closed};

/* ---- the end of a query ---- */

/* @param is_over both sides have said all they had to say */
static void leave_stream(struct link_query *q, bool is_over)
{
	vx6_timer_stop(&q->stuck);
	if (q->opening)
		vx6_opening_cancel(q->opening);
	q->opening = NULL;
	if (!q->stream)
		return;
	vx6_stream_set_events(q->stream, &link_stream_ignored, NULL);
	if (!is_over)
		vx6_stream_reset(q->stream, VX6_CODE_RESET);
	q->stream = NULL;
}

void link_query_leave_line(struct link_query *q)
{
	vx6_list_remove(&q->node);
	q->qs->queued_n -= q->is_queued;
	q->is_queued = false;
	q->way = NULL;
}

static void query_free(struct link_query *q)
{
	link_query_leave_line(q);
	vx6_task_cancel(&q->fail);
	HASH_DEL(q->qs->by_id, q);
	free(q->req);
	free(q->resp);
	free(q);
}

void link_query_fail(struct link_query *q, vx6_err err)
{
	struct link_queries *qs = q->qs;
	uint64_t id = q->id;

	leave_stream(q, false);
	query_free(q);
	qs->cfg.failed(qs->cfg.user, id, err);
}

static void on_fail(struct vx6_task *task)
{
	struct link_query *q = task->user;

	link_query_fail(q, q->err);
}

void link_query_fail_later(struct link_query *q, vx6_err err)
{
	q->err = err;
	link_query_leave_line(q);
	vx6_list_push(&q->qs->running, &q->node);
	vx6_loop_defer(q->qs->cfg.loop, &q->fail);
}

static void answered(struct link_query *q)
{
	struct link_queries *qs = q->qs;
	static const uint8_t nothing[1];
	uint8_t *resp = q->resp;
	size_t n = q->resp_n;
	uint64_t id = q->id;

	leave_stream(q, q->fin_sent);
	q->resp = NULL;
	query_free(q);
	qs->cfg.answered(qs->cfg.user, id, resp ? resp : nothing, n);
	free(resp);
}

static void on_stuck(struct vx6_timer *timer)
{
	link_query_fail(timer->user, VX6_ERR(TIMEOUT));
}

/* ---- the stream ---- */

static void write_request(struct link_query *q, struct vx6_stream *stream)
{
	while (!q->fin_sent) {
		size_t cap = 0, n;
		uint8_t *room = vx6_stream_reserve(stream, &cap);

		if (!room)
			return;
		n = VX6_MIN(cap, q->req_n - q->req_sent);
		memcpy(room, q->req + q->req_sent, n);
		q->req_sent += n;
		q->fin_sent = q->req_sent == q->req_n;
		vx6_stream_commit(stream, n, q->fin_sent);
	}
}

/* @return false: the answer is too long */
static bool keep(struct link_query *q, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;

		if (len > VX6_DHT_RESPONSE_MAX - q->resp_n)
			return false;
		if (len > q->resp_cap - q->resp_n) {
			q->resp_cap = VX6_MAX(VX6_MAX(q->resp_cap * 2, q->resp_n + len),
					      (size_t)RESPONSE_FIRST);
			q->resp = vx6_realloc_array(q->resp, q->resp_cap, 1);
		}
		memcpy(q->resp + q->resp_n, iov[i].iov_base, len);
		q->resp_n += len;
	}
	return true;
}

static void take(struct link_query *q, const struct iovec *iov, int n, bool fin)
{
	size_t before = q->resp_n;

	if (!keep(q, iov, n)) {
		link_query_fail(q, VX6_ERR(LIMIT));
		return;
	}
	vx6_stream_consume(q->stream, q->resp_n - before);
	if (fin)
		answered(q);
}

static void on_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin, void *user)
{
	take(user, iov, n, fin);
}

static void on_stream_writable(struct vx6_stream *stream, void *user)
{
	write_request(user, stream);
}

/* Whether it says more of the session than of the peer. */
static bool is_session_failure(vx6_err err)
{
	return err.code == VX6_E_CLOSED || err.code == VX6_E_IDLE || err.code == VX6_E_DUPLICATE ||
	       err.code == VX6_E_DRAINING || err.code == VX6_E_TIMEOUT;
}

static void lost(struct link_query *q, vx6_err err)
{
	q->opening = NULL;
	q->stream = NULL;
	vx6_timer_stop(&q->stuck);
	if (!is_session_failure(err) || !q->may_dial || q->opened > 1) {
		link_query_fail(q, err);
		return;
	}
	q->req_sent = q->resp_n = 0;
	q->fin_sent = false;
	link_query_leave_line(q);
	link_query_begin(q);
}

static void on_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	if (why.code == VX6_E_RESET)
		why = vx6_code_to_err(code);
	lost(user, vx6_is_ok(why) ? VX6_ERR(PROTOCOL) : why);
}

static const struct vx6_stream_events stream_events = {.data = on_data,
						       .writable = on_stream_writable,
						       .closed = on_closed};

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct link_query *q = user;

	q->opening = NULL;
	if (!vx6_is_ok(err)) {
		lost(q, err);
		return;
	}
	q->stream = stream;
	vx6_stream_set_events(stream, &stream_events, q);
	take(q, rest, rest_n, fin);
}

static void on_early_writable(void *user, struct vx6_stream *stream)
{
	write_request(user, stream);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome,
							 .writable = on_early_writable};

static vx6_err start(struct link_query *q, struct vx6_session *s, const struct vx6_open *what)
{
	struct vx6_stream *early;

	VX6_TRY(vx6_session_open(s, what, &opening_events, q, &q->opening));
	q->opened++;
	link_query_leave_line(q);
	vx6_list_push(&q->qs->running, &q->node);
	vx6_timer_in_ms(&q->stuck, DHT_STUCK_MS);
	early = vx6_opening_stream(q->opening);
	if (early)
		write_request(q, early);
	return VX6_OK;
}

vx6_err link_query_start(struct link_query *q, struct link_session *ds)
{
	const struct vx6_open what = {.kind = VX6_OPEN_DHT};

	VX6_TRY(start(q, ds->s, &what));
	link_pool_touch(q->qs->cfg.pool, ds);
	return VX6_OK;
}

/* q is in no list */
void link_query_begin(struct link_query *q)
{
	struct link_session *ds = link_pool_find(q->qs->cfg.pool, &q->to);

	if (!ds || !vx6_is_ok(link_query_start(q, ds)))
		link_way_join(q);
}

/* ---- for the others ---- */

void link_queries_init(struct link_queries *qs, const struct link_queries_config *cfg)
{
	*qs = (struct link_queries){.cfg = *cfg};
	vx6_list_init(&qs->running);
	vx6_list_init(&qs->queued);
	vx6_list_init(&qs->ways);
}

void link_queries_fini(struct link_queries *qs)
{
	struct link_query *q, *next;

	HASH_ITER(hh, qs->by_id, q, next)
	link_query_cancel(qs, q->id);
}

static struct link_query *query_new(struct link_queries *qs, uint64_t id, const uint8_t *req,
				    size_t n)
{
	struct link_query *q = vx6_zalloc(sizeof *q);

	VX6_ASSERT(n <= VX6_DHT_REQ_MAX);
	q->qs = qs;
	q->id = id;
	q->req = vx6_zalloc(n);
	memcpy(q->req, req, n);
	q->req_n = n;
	vx6_timer_init(qs->cfg.loop, &q->stuck, on_stuck, q);
	vx6_task_init(&q->fail, on_fail, q);
	HASH_ADD(hh, qs->by_id, id, sizeof q->id, q);
	return q;
}

void link_query_send(struct link_queries *qs, uint64_t id, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct link_query *q = query_new(qs, id, req, n);

	q->to = *to;
	q->may_dial = true;
	link_query_begin(q);
}

void link_query_send_over(struct link_queries *qs, uint64_t id, struct link_session *ds,
			  const uint8_t *req, size_t n)
{
	struct link_query *q = query_new(qs, id, req, n);
	vx6_err err = link_query_start(q, ds);

	if (!vx6_is_ok(err))
		link_query_fail_later(q, err);
}

void link_query_send_via(struct link_queries *qs, uint64_t id, struct vx6_session *proxy,
			 const struct vx6_dht_contact *to, const uint8_t *req, size_t n)
{
	struct link_query *q = query_new(qs, id, req, n);
	struct vx6_open what = {.kind = VX6_OPEN_DHT_VIA};
	vx6_err err;

	q->to = *to;
	memcpy(what.ask.node, to->node.b, sizeof what.ask.node);
	memcpy(what.ask.ip, to->ip, sizeof what.ask.ip);
	what.ask.port = to->port;
	what.ask.via = to->via;
	err = proxy ? start(q, proxy, &what) : VX6_ERR(CLOSED);
	if (!vx6_is_ok(err))
		link_query_fail_later(q, err);
}

void link_query_cancel(struct link_queries *qs, uint64_t id)
{
	struct link_query *q;
	struct link_way *w;

	HASH_FIND(hh, qs->by_id, &id, sizeof id, q);
	if (!q)
		return;
	w = q->way;
	leave_stream(q, false);
	query_free(q);
	if (w)
		link_way_left(w);
}
