/*
 * Requests to the DHT that somebody at the other end of a circuit has us send on: the node asked sees us, and we see no more than that somebody
 * asks. One a stream; what the node answers goes back as it is, for its reader verifies it.
 *
 * Whom to ask is the client's word, and whoever it is has to prove his id. Over a session that is there anything may be asked; dialled are for a
 * stranger only addresses that a relay would dial for him, too, and no more than so many. Nothing is stored for others this way but descriptors of
 * hidden services, whose owners have no other: a client that hides can not be held to a quota, and what it puts is charged to us.
 */
#include <string.h>

#include "base/util.h"
#include "discovery/dht_link_internal.h"
#include "wire/code.h"
#include "wire/record.h"

enum {
	FLIGHT_MAX = 16,
	MINUTE_MAX = 240,
	ALL_MAX = 256,
	MINUTE_MS = 60 * 1000,
};

struct request {
	struct vx6_list node; /* link_proxy.requests */
	struct link_proxy *p;
	struct vx6_stream *stream;
	struct vx6_dht_contact to;
	uint64_t id; /* of its query; 0: not sent yet */
	size_t slot;
	uint8_t *in, *out;
	size_t in_n, out_n, out_sent;
	struct vx6_timer stuck;
};

static void request_free(struct request *r)
{
	vx6_list_remove(&r->node);
	r->p->requests_n--;
	r->p->slot[r->slot].flight--;
	vx6_timer_stop(&r->stuck);
	if (r->id)
		link_query_cancel(&r->p->queries, r->id);
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

static void write_answer(struct request *r)
{
	while (r->out_sent < r->out_n) {
		size_t cap = 0, n;
		uint8_t *room = vx6_stream_reserve(r->stream, &cap);

		if (!room)
			return;
		n = VX6_MIN(cap, r->out_n - r->out_sent);
		memcpy(room, r->out + r->out_sent, n);
		r->out_sent += n;
		vx6_stream_commit(r->stream, n, r->out_sent == r->out_n);
	}
	vx6_stream_set_events(r->stream, &link_stream_ignored, NULL);
	request_free(r);
}

static void answer(struct request *r, const uint8_t *resp, size_t n)
{
	r->out_n = VX6_OPEN_REPLY + n;
	r->out = vx6_zalloc(r->out_n);
	vx6_open_reply_encode(VX6_CODE_OK, r->out);
	memcpy(r->out + VX6_OPEN_REPLY, resp, n);
	write_answer(r);
}

static struct request *find(struct link_proxy *p, uint64_t id)
{
	VX6_LIST_EACH(node, &p->requests)
	{
		struct request *r = VX6_CONTAINER_OF(node, struct request, node);

		if (r->id == id)
			return r;
	}
	return NULL;
}

static void on_answered(void *user, uint64_t id, const uint8_t *resp, size_t n)
{
	struct request *r = find(user, id);

	if (!r)
		return;
	r->id = 0;
	answer(r, resp, n);
}

static void on_failed(void *user, uint64_t id, vx6_err why)
{
	struct request *r = find(user, id);

	if (!r)
		return;
	r->id = 0;
	refuse(r, why.code == VX6_E_TIMEOUT ? VX6_CODE_TIMEOUT : VX6_CODE_NOT_FOUND);
}

/* ---- the request ---- */

static void ask_ourselves(struct request *r)
{
	const struct vx6_dht_requester nobody = {.has_node = false};
	uint8_t out[VX6_DHT_RESPONSE_MAX];
	size_t n = r->p->cfg.serve(r->p->cfg.user, &nobody, r->in, r->in_n, out);

	if (n == 0)
		refuse(r, VX6_CODE_UNSUPPORTED);
	else
		answer(r, out, n);
}

/* What listens beside us is no stranger's business. */
static bool may_dial(const struct link_proxy *p, const struct vx6_dht_contact *to)
{
	struct vx6_addr at;

	vx6_dht_contact_addr(to, &at);
	for (size_t i = 0; i < p->own_n; i++)
		if (vx6_addr_same_ip(&p->own[i], &at) &&
		    (p->own[i].port == at.port || !vx6_addr_is_loopback(&at)))
			return false;
	if (vx6_addr_kind(&at) == VX6_ADDR_LINK_LOCAL || !(vx6_addr_kind(&at) & p->kinds))
		return false;
	return vx6_addr_kind(&at) != VX6_ADDR_GLOBAL || !vx6_dht_contact_is_bogon(to);
}

static void count_minutes(struct link_proxy *p)
{
	uint64_t now_ms = vx6_loop_now_ms(p->cfg.loop);

	if (p->minute_ms != 0 && now_ms - p->minute_ms < MINUTE_MS)
		return;
	p->minute_ms = VX6_MAX(now_ms, 1u);
	p->dials_n = p->puts_n = 0;
}

/* @return false: he, or all of them, have had enough dialled of late */
static bool admit_dial(struct request *r)
{
	struct link_proxy *p = r->p;

	count_minutes(p);
	if (p->dials_n >= DHT_PROXY_DIALS_ALL || p->slot[r->slot].dials_n >= DHT_PROXY_DIALS)
		return false;
	p->dials_n++;
	p->slot[r->slot].dials_n++;
	return true;
}

static void ask_other(struct request *r)
{
	struct link_proxy *p = r->p;
	struct link_session *ds = link_pool_find(p->cfg.pool, &r->to);

	if (!ds && !may_dial(p, &r->to)) {
		refuse(r, VX6_CODE_CIRC_POLICY);
		return;
	}
	if (!ds && !admit_dial(r)) {
		refuse(r, VX6_CODE_QUOTA);
		return;
	}
	r->id = ++p->next;
	if (ds)
		link_query_send_over(&p->queries, r->id, ds, r->in, r->in_n);
	else
		link_query_send(&p->queries, r->id, &r->to, r->in, r->in_n);
}

static bool admit_put(struct request *r)
{
	struct link_proxy *p = r->p;

	count_minutes(p);
	if (p->puts_n >= DHT_PROXY_PUTS_ALL || p->slot[r->slot].puts_n >= DHT_PROXY_PUTS)
		return false;
	p->puts_n++;
	p->slot[r->slot].puts_n++;
	return true;
}

/* What is put in nobody's name but a hidden service's. */
static bool is_hidden(const struct vx6_dht_req *req)
{
	struct vx6_record_view v;

	return !(req->flags & VX6_DHT_CACHE) &&
	       vx6_is_ok(vx6_record_decode(req->record, req->record_n, &v)) &&
	       (v.type == VX6_RTYPE_DESCRIPTOR || v.type == VX6_RTYPE_ALIAS);
}

/* @return VX6_CODE_OK | UNSUPPORTED | QUOTA */
static uint16_t admit(struct request *r, const struct vx6_dht_req *req)
{
	switch (req->op) {
	case VX6_DHT_PING:
	case VX6_DHT_FIND:
	case VX6_DHT_GET:
		return VX6_CODE_OK;
	case VX6_DHT_PUT:
		if (!is_hidden(req))
			return VX6_CODE_UNSUPPORTED;
		return admit_put(r) ? VX6_CODE_OK : VX6_CODE_QUOTA;
	default:
		return VX6_CODE_UNSUPPORTED;
	}
}

static void send_on(struct request *r)
{
	struct vx6_dht_req req;
	uint16_t code;

	if (!r->in || !vx6_is_ok(vx6_dht_req_decode(r->in, r->in_n, &req))) {
		refuse(r, VX6_CODE_BAD_FORMAT);
		return;
	}
	code = admit(r, &req);
	if (code != VX6_CODE_OK) {
		refuse(r, code);
		return;
	}
	if (vx6_node_id_eq(&r->to.node, &r->p->cfg.self)) {
		ask_ourselves(r);
		return;
	}
	ask_other(r);
}

/* @return false: it is too long */
static bool keep(struct request *r, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;

		if (len > VX6_DHT_REQ_MAX - r->in_n)
			return false;
		r->in = vx6_realloc_array(r->in, r->in_n + len + 1, 1);
		memcpy(r->in + r->in_n, iov[i].iov_base, len);
		r->in_n += len;
	}
	return true;
}

static void take(struct request *r, const struct iovec *iov, int n, bool fin)
{
	size_t before = r->in_n;

	if (r->id || r->out || !keep(r, iov, n)) {
		refuse(r, r->id || r->out ? VX6_CODE_PROTOCOL : VX6_CODE_TOO_BIG);
		return;
	}
	vx6_stream_consume(r->stream, r->in_n - before);
	if (fin)
		send_on(r);
}

static void on_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin, void *user)
{
	take(user, iov, n, fin);
}

static void on_writable(struct vx6_stream *stream, void *user)
{
	struct request *r = user;

	if (r->out)
		write_answer(r);
}

static void on_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	request_free(user);
}

static const struct vx6_stream_events request_events = {.data = on_data,
							.writable = on_writable,
							.closed = on_closed};

/* ---- who may ---- */

/* @return its place, or DHT_PROXY_SLOTS: it has had its share */
static size_t may_ask(struct link_proxy *p, const struct vx6_session *s)
{
	uint64_t now_ms = vx6_loop_now_ms(p->cfg.loop), id = vx6_session_id(s);
	size_t i = id % DHT_PROXY_SLOTS;

	if (p->slot[i].session != id && p->slot[i].flight == 0) {
		p->slot[i].session = id;
		p->slot[i].minute_ms = 0;
	}
	if (p->slot[i].minute_ms == 0 || now_ms - p->slot[i].minute_ms >= MINUTE_MS) {
		p->slot[i].minute_ms = VX6_MAX(now_ms, 1u);
		p->slot[i].minute_n = p->slot[i].dials_n = p->slot[i].puts_n = 0;
	}
	if (p->requests_n >= ALL_MAX || p->slot[i].flight >= FLIGHT_MAX ||
	    p->slot[i].minute_n >= MINUTE_MAX)
		return DHT_PROXY_SLOTS;
	p->slot[i].minute_n++;
	return i;
}

void link_proxy_incoming(struct link_proxy *p, struct vx6_session *s, struct vx6_stream *stream,
			 const struct vx6_open_via *whom, const struct iovec *rest, int rest_n,
			 bool fin)
{
	size_t slot = may_ask(p, s);
	struct request *r;

	if (slot == DHT_PROXY_SLOTS) {
		vx6_stream_reset(stream, VX6_CODE_QUOTA);
		return;
	}
	r = vx6_zalloc(sizeof *r);
	r->p = p;
	r->stream = stream;
	r->slot = slot;
	memcpy(r->to.node.b, whom->node, sizeof r->to.node.b);
	memcpy(r->to.ip, whom->ip, sizeof r->to.ip);
	r->to.port = whom->port;
	r->to.via = whom->via;
	p->slot[slot].flight++;
	p->requests_n++;
	vx6_list_push(&p->requests, &r->node);
	vx6_timer_init(p->cfg.loop, &r->stuck, on_stuck, r);
	vx6_timer_in_ms(&r->stuck, DHT_STUCK_MS);
	vx6_stream_set_events(stream, &request_events, r);
	if (vx6_dht_contact_is_sane(&r->to))
		take(r, rest, rest_n, fin);
	else
		refuse(r, VX6_CODE_BAD_FORMAT);
}

void link_proxy_own(struct link_proxy *p, const struct vx6_endpoint_addr *addrs, size_t n)
{
	p->own_n = VX6_MIN(n, (size_t)DHT_PROXY_OWN_MAX);
	for (size_t i = 0; i < p->own_n; i++)
		p->own[i] = addrs[i].addr;
	p->kinds = vx6_addr_kinds_for_others(p->own, p->own_n);
	p->queries.allow_loopback = (p->kinds & VX6_ADDR_LOOPBACK) != 0;
}

void link_proxy_init(struct link_proxy *p, const struct link_proxy_config *cfg)
{
	*p = (struct link_proxy){.cfg = *cfg};
	p->kinds = VX6_ADDR_GLOBAL;
	vx6_list_init(&p->requests);
	link_queries_init(&p->queries, &(struct link_queries_config){
					       .loop = cfg->loop,
					       .sessions = cfg->sessions,
					       .pool = cfg->pool,
					       .endpoint = cfg->endpoint,
					       .endpoint_user = cfg->endpoint_user,
					       .answered = on_answered,
					       .failed = on_failed,
					       .user = p,
				       });
}

void link_proxy_fini(struct link_proxy *p)
{
	VX6_LIST_EACH(node, &p->requests)
	refuse(VX6_CONTAINER_OF(node, struct request, node), VX6_CODE_DRAINING);
	link_queries_fini(&p->queries);
}
