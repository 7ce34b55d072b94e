/*
 * Requests of others: one a stream. The request is kept until its FIN (most come in one piece), the answer until the stream has taken it.
 *
 * Budgets are per session; sessions of one network are limited below. When many requests hang about at once, each session is left a few.
 */
#include <string.h>

#include "base/util.h"
#include "discovery/dht_link_internal.h"
#include "wire/code.h"

enum {
	FLIGHT_MAX = 64,
	FLIGHT_MAX_ANON = 16,
	FLIGHT_MAX_CROWDED = 4,
	MINUTE_MAX = 600,
	MINUTE_MAX_ANON = 120,
	ALL_MAX = 1024,
	ALL_CROWDED = 512,
	ANSWER_MAX = VX6_OPEN_REPLY + VX6_DHT_RESPONSE_MAX,
};

struct request {
	struct vx6_list node; /* link_session.requests */
	struct link_server *srv;
	struct link_session *ds;
	struct vx6_stream *stream;
	uint8_t *in, *out;
	size_t in_n, in_cap, out_n, out_sent;
	bool is_read;
	struct link_dialback *dialback;
	struct vx6_timer stuck;
};

static void request_free(struct request *r)
{
	vx6_list_remove(&r->node);
	r->ds->requests_n--;
	r->srv->requests_n--;
	vx6_timer_stop(&r->stuck);
	if (r->dialback)
		link_dialback_cancel(r->dialback);
	free(r->in);
	free(r->out);
	free(r);
}

static void refuse(struct request *r, uint16_t code)
{
	vx6_stream_set_events(r->stream, &link_stream_ignored, NULL);
	vx6_stream_reset(r->stream, code);
	request_free(r);
}

static void on_stuck(struct vx6_timer *timer)
{
	refuse(timer->user, VX6_CODE_TIMEOUT);
}

/* ---- the answer ---- */

/* @return whether all of it has left */
static bool write_answer(struct request *r, const uint8_t *out)
{
	while (r->out_sent < r->out_n) {
		size_t cap = 0, n;
		uint8_t *room = vx6_stream_reserve(r->stream, &cap);

		if (!room)
			return false;
		n = VX6_MIN(cap, r->out_n - r->out_sent);
		memcpy(room, out + r->out_sent, n);
		r->out_sent += n;
		vx6_stream_commit(r->stream, n, r->out_sent == r->out_n);
	}
	vx6_stream_set_events(r->stream, &link_stream_ignored, NULL);
	request_free(r);
	return true;
}

/* @param out the status of OPEN, then @p n bytes of answer */
static void answer(struct request *r, uint8_t *out, size_t n)
{
	vx6_open_reply_encode(VX6_CODE_OK, out);
	r->out_n = VX6_OPEN_REPLY + n;
	if (write_answer(r, out))
		return;
	r->out = vx6_zalloc(r->out_n);
	memcpy(r->out, out, r->out_n);
}

static void answer_status(struct request *r, uint8_t op, uint16_t status)
{
	static const uint8_t no_token[VX6_DHT_TOKEN_BYTES];
	uint8_t out[VX6_OPEN_REPLY + 64];
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;

	vx6_wr_init(&w, out + VX6_OPEN_REPLY, sizeof out - VX6_OPEN_REPLY);
	vx6_dht_resp_begin(&b, &w, op, status, no_token);
	vx6_dht_resp_end(&b);
	answer(r, out, w.len);
}

static void on_dialed_back(void *user, vx6_err err)
{
	struct request *r = user;

	r->dialback = NULL;
	answer_status(r, VX6_DHT_DIALBACK, vx6_is_ok(err) ? VX6_CODE_OK : VX6_CODE_TIMEOUT);
}

static void dial_back(struct request *r)
{
	vx6_err err =
		link_dialback_begin(r->srv->cfg.dialbacks, r->ds, on_dialed_back, r, &r->dialback);

	if (!vx6_is_ok(err))
		answer_status(r, VX6_DHT_DIALBACK,
			      err.code == VX6_E_FULL ? VX6_CODE_QUOTA : VX6_CODE_AUTH);
}

static void process(struct request *r, const uint8_t *in, size_t n)
{
	struct link_server *srv = r->srv;
	struct vx6_dht_requester from = {.has_node = r->ds->peer != NULL};
	uint8_t out[ANSWER_MAX], prefix[16];
	struct vx6_dht_req req;
	struct vx6_addr remote;
	size_t out_n;

	r->is_read = true;
	/* what needs a session is not the core's; the core answers for whatever is malformed, too */
	if (vx6_is_ok(vx6_dht_req_decode(in, n, &req)) && req.op == VX6_DHT_DIALBACK) {
		dial_back(r);
		return;
	}
	if (from.has_node)
		from.node = r->ds->peer->node;
	link_session_remote(r->ds, &remote, prefix);
	memcpy(from.ip, remote.ip, sizeof from.ip);
	out_n = srv->cfg.serve(srv->cfg.user, &from, in, n, out + VX6_OPEN_REPLY);
	if (out_n == 0)
		refuse(r, VX6_CODE_UNSUPPORTED);
	else
		answer(r, out, out_n);
}

/* ---- the request ---- */

/* @return false: it is too long */
static bool keep(struct request *r, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;

		if (len > VX6_DHT_REQ_MAX - r->in_n)
			return false;
		if (len > r->in_cap - r->in_n) {
			r->in_cap = VX6_MAX(r->in_cap * 2, r->in_n + len);
			r->in = vx6_realloc_array(r->in, r->in_cap, 1);
		}
		memcpy(r->in + r->in_n, iov[i].iov_base, len);
		r->in_n += len;
	}
	return true;
}

static void take(struct request *r, const struct iovec *iov, int n, bool fin)
{
	static const uint8_t nothing[1];
	size_t before = r->in_n;

	if (r->is_read || !keep(r, iov, n)) {
		refuse(r, r->is_read ? VX6_CODE_PROTOCOL : VX6_CODE_TOO_BIG);
		return;
	}
	vx6_stream_consume(r->stream, r->in_n - before);
	if (fin)
		process(r, r->in ? r->in : nothing, r->in_n);
}

static void on_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin, void *user)
{
	take(user, iov, n, fin);
}

static void on_writable(struct vx6_stream *stream, void *user)
{
	struct request *r = user;

	if (r->out)
		write_answer(r, r->out);
}

static void on_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	request_free(user);
}

static const struct vx6_stream_events request_events = {.data = on_data,
							.writable = on_writable,
							.closed = on_closed};

/* ---- who may ask ---- */

static bool may_ask(struct link_server *srv, struct link_session *ds)
{
	uint64_t now = vx6_loop_now_ms(srv->cfg.loop);
	unsigned flight = ds->peer ? FLIGHT_MAX : FLIGHT_MAX_ANON;

	if (ds->minute_ms == 0 || now - ds->minute_ms >= 60000) {
		ds->minute_ms = VX6_MAX(now, 1u);
		ds->minute_n = 0;
	}
	if (srv->requests_n >= ALL_CROWDED)
		flight = FLIGHT_MAX_CROWDED;
	if (ds->requests_n >= flight || srv->requests_n >= ALL_MAX ||
	    ds->minute_n >= (ds->peer ? MINUTE_MAX : MINUTE_MAX_ANON))
		return false;
	ds->minute_n++;
	return true;
}

void link_server_incoming(struct link_server *srv, struct link_session *ds,
			  struct vx6_stream *stream, const struct iovec *rest, int rest_n, bool fin)
{
	struct request *r;

	if (!may_ask(srv, ds)) {
		srv->refused++;
		vx6_stream_reset(stream, VX6_CODE_QUOTA);
		return;
	}
	r = vx6_zalloc(sizeof *r);
	r->srv = srv;
	r->ds = ds;
	r->stream = stream;
	vx6_list_push(&ds->requests, &r->node);
	ds->requests_n++;
	srv->requests_n++;
	vx6_timer_init(srv->cfg.loop, &r->stuck, on_stuck, r);
	vx6_timer_in_ms(&r->stuck, DHT_STUCK_MS);
	vx6_stream_set_events(stream, &request_events, r);
	take(r, rest, rest_n, fin);
}

void link_server_drop(struct link_session *ds)
{
	while (!vx6_list_is_empty(&ds->requests))
		refuse(VX6_CONTAINER_OF(ds->requests.next, struct request, node),
		       VX6_CODE_DRAINING);
}

void link_server_init(struct link_server *srv, const struct link_server_config *cfg)
{
	*srv = (struct link_server){.cfg = *cfg};
}
