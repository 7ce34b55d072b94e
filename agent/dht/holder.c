/*
 * Requests of others. Each answer carries the token that a PUT under its key needs, so a walk that ends in a PUT costs no extra round trip.
 * A PUT is weighed cheapest check first: token, rate, what is here already, and the signature only when all of these leave it standing.
 */
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "dht/dht_internal.h"
#include "dht/holder_internal.h"
#include "record/name_claim.h"
#include "wire/code.h"

struct dht_holder *vx6_dht_holder_new(struct vx6_dht *d)
{
	struct dht_holder *h = vx6_zalloc(sizeof *h);

	vx6_dht_store_init(&h->store, d->stored_max, d->stored_bytes_max);
	return h;
}

void vx6_dht_holder_free(struct dht_holder *h)
{
	if (!h)
		return;
	vx6_dht_store_fini(&h->store);
	vx6_wipe(&h->tokens, sizeof h->tokens);
	free(h);
}

void vx6_dht_holder_step(struct vx6_dht *d)
{
	vx6_dht_store_expire(&d->holder->store, d->now.wall_s);
}

/* Once in a while is enough: what has expired is not given to anybody meanwhile. */
uint64_t vx6_dht_holder_due(const struct vx6_dht *d)
{
	uint64_t expires_s = vx6_dht_store_expires_s(&d->holder->store);

	if (expires_s == UINT64_MAX)
		return UINT64_MAX;
	return d->now.ms +
	       (expires_s > d->now.wall_s + 60 ? 60 + expires_s - d->now.wall_s : 60) * 1000;
}

void vx6_dht_holder_info(const struct vx6_dht *d, uint32_t *records, uint64_t *bytes)
{
	*records = d->holder->store.n;
	*bytes = d->holder->store.bytes;
}

/* ---- answers ---- */

struct request {
	struct vx6_dht *d;
	const struct vx6_dht_requester *from;
	struct vx6_dht_req req;
	struct vx6_dht_key key;
	struct vx6_dht_resp_wr *b;
};

static void begin(struct request *q, struct vx6_dht_resp_wr *b, struct vx6_wr *w, uint16_t status)
{
	uint8_t token[VX6_DHT_TOKEN_BYTES];

	vx6_dht_token_make(&q->d->holder->tokens, q->d, q->from->ip, q->key.b, token);
	vx6_dht_resp_begin(b, w, q->req.op, status, token);
	q->b = b;
}

static void add_nodes(struct request *q)
{
	struct dht_entry near[VX6_DHT_NODES_MAX];
	size_t n = vx6_dht_closest(q->d, &q->key, CHOOSE_PROVED | CHOOSE_CAPPED,
				   q->from->has_node ? &q->from->node : NULL, near, q->req.limit);

	for (size_t i = 0; i < n; i++) {
		const struct vx6_dht_contact *c = &near[i].contact;
		struct vx6_dht_node node = {.port = c->port,
					    .via = c->via,
					    .age_days = c->age_days};

		memcpy(node.node_id, c->node.b, sizeof node.node_id);
		memcpy(node.ip, c->ip, sizeof node.ip);
		vx6_dht_resp_add_node(q->b, &node);
	}
}

static bool is_of(const struct dht_stored *e, const struct vx6_record_view *v)
{
	return e->type == v->type && memcmp(e->subject, v->subject, sizeof e->subject) == 0;
}

static uint32_t age_of(const struct vx6_dht *d, const struct dht_stored *e)
{
	uint64_t age_s = (d->now.ms - e->first_ms) / 1000;

	return (uint32_t)VX6_MIN(age_s, UINT32_MAX);
}

/* All records under the key, those of the longest known subjects first. @p but: without this one's. */
static void add_values(struct request *q, const struct vx6_record_view *but)
{
	const struct dht_shelf *shelf = vx6_dht_store_shelf(&q->d->holder->store, q->key.b);

	if (!shelf)
		return;
	VX6_LIST_EACH(node, &shelf->records)
	{
		const struct dht_stored *e = VX6_CONTAINER_OF(node, struct dht_stored, of_shelf);

		if (e->expires_s > q->d->now.wall_s && !(but && is_of(e, but)))
			(void)vx6_dht_resp_add_value(q->b, age_of(q->d, e), e->record, e->n);
	}
}

void vx6_dht_holder_get(struct vx6_dht *d, const struct vx6_dht_key *key,
			void (*fn)(void *user, uint32_t age_s, const uint8_t *record, size_t n),
			void *user)
{
	const struct dht_shelf *shelf = vx6_dht_store_shelf(&d->holder->store, key->b);

	if (!shelf)
		return;
	VX6_LIST_EACH(node, &shelf->records)
	{
		const struct dht_stored *e = VX6_CONTAINER_OF(node, struct dht_stored, of_shelf);

		if (e->expires_s > d->now.wall_s)
			fn(user, age_of(d, e), e->record, e->n);
	}
}

/* ---- PUT ---- */

static bool type_is_held(const struct vx6_record_view *v, bool cache)
{
	switch (v->type) {
	case VX6_RTYPE_ENDPOINT:
	case VX6_RTYPE_SERVICE:
	case VX6_RTYPE_CATALOG:
	case VX6_RTYPE_RELAY:
		return true;
	case VX6_RTYPE_DESCRIPTOR:
		return !cache; /* its owner renews it every hour or two: a copy would only be an older one */
	case VX6_RTYPE_NAME:
	case VX6_RTYPE_ALIAS:
	case VX6_RTYPE_REVOCATION:
		return !cache; /* who has these, and since when, is what they are asked for */
	default:
		return false;
	}
}

/* What an error of a record's checks is called on the wire, where one word stands for more than one of them. */
static uint16_t status_of(vx6_err err, bool claim)
{
	switch (err.code) {
	case VX6_E_REFUSED:
		return claim ? VX6_CODE_POW : VX6_CODE_BAD_FORMAT;
	case VX6_E_MISMATCH:
	case VX6_E_KEY:
	case VX6_E_RANGE:
		return VX6_CODE_BAD_FORMAT;
	case VX6_E_FULL:
		return VX6_CODE_QUOTA;
	default:
		return vx6_code_from_err(err);
	}
}

/* A claim's work is its price: a holder keeps no cheap ones. */
static vx6_err read_work(const struct vx6_dht *d, const struct vx6_record *rec, uint8_t *work)
{
	struct vx6_name_claim claim;

	*work = 0;
	if (!vx6_dht_is_claim(rec->view.type))
		return VX6_OK;
	VX6_TRY(rec->view.type == VX6_RTYPE_NAME ? vx6_name_claim_read(rec, &d->net, &claim)
						 : vx6_alias_claim_read(rec, &d->net, &claim));
	*work = (uint8_t)VX6_MIN(claim.work_bits, UINT8_MAX);
	return VX6_OK;
}

/* Whom the record is charged to: who put it first, until its own subject comes. A stranger's repetition changes nothing. */
static struct dht_source *payer(const struct request *q, const struct vx6_record_view *v,
				const struct dht_stored *old, struct dht_source *asks)
{
	bool own = q->from->has_node && memcmp(q->from->node.b, v->subject, sizeof v->subject) == 0;

	return old && !own && !old->cached ? old->source : asks;
}

static vx6_err store(struct request *q, const struct vx6_record_view *v, struct dht_stored *old,
		     struct dht_source *asks, const struct dht_quota *quota)
{
	struct vx6_dht *d = q->d;
	struct dht_put p = {.key = &q->key,
			    .pos = &d->pos,
			    .view = v,
			    .live_max = quota->live,
			    .cache = q->req.flags & VX6_DHT_CACHE,
			    .now = d->now};
	struct vx6_record rec;

	VX6_TRY(vx6_dht_check_record(d, &q->key, v->bytes, v->n, &rec));
	if (old && old->seq == v->seq &&
	    (old->n != v->n || memcmp(old->record, v->bytes, v->n) != 0)) {
		d->holder->store.equivocations++;
		return VX6_ERR(EQUIVOCATION);
	}
	VX6_TRY(read_work(d, &rec, &p.work));
	p.source = payer(q, v, old, asks);
	return vx6_dht_store_put(&d->holder->store, &p);
}

/* @return the status; *v is zero unless the record has sound framing */
static uint16_t put(struct request *q, struct vx6_record_view *v)
{
	struct dht_quota quota = vx6_dht_quota_of(q->from);
	struct dht_holder *h = q->d->holder;
	bool cache = q->req.flags & VX6_DHT_CACHE;
	const struct dht_shelf *shelf;
	struct dht_stored *old = NULL;
	struct dht_source *asks;
	vx6_err err;

	if (!vx6_dht_token_is_valid(&h->tokens, q->d, q->from->ip, q->key.b, q->req.token))
		return VX6_CODE_BAD_TOKEN;
	asks = vx6_dht_source_of(&h->store.sources, q->from->ip);
	if (!vx6_dht_source_may_put(asks, &quota, q->d->now.ms))
		return VX6_CODE_QUOTA;
	err = vx6_record_decode(q->req.record, q->req.record_n, v);
	if (!vx6_is_ok(err))
		return status_of(err, false);
	if (!type_is_held(v, cache) || (v->flags & VX6_RECORD_UNLISTED))
		return VX6_CODE_UNSUPPORTED;
	if (!cache && !vx6_dht_is_near(q->d, &q->key, DHT_NEAR))
		return VX6_CODE_NOT_CLOSE;
	shelf = vx6_dht_store_shelf(&h->store, q->key.b);
	old = shelf ? vx6_dht_shelf_find(shelf, v->type, v->subject) : NULL;
	if (old && old->expires_s > q->d->now.wall_s && old->seq > v->seq)
		return VX6_CODE_STALE;
	if (old && old->n == v->n && memcmp(old->record, v->bytes, v->n) == 0 &&
	    (cache || !old->cached))
		return VX6_CODE_OK;
	err = store(q, v, old, asks, &quota);
	return status_of(err, vx6_dht_is_claim(v->type));
}

/* Its publisher learns who else has a record there, and what is newer or contradicts his own. */
static void answer_put(struct request *q, struct vx6_dht_resp_wr *b, struct vx6_wr *w)
{
	struct vx6_record_view v = {0};
	uint16_t status = put(q, &v);
	bool all = status == VX6_CODE_STALE || status == VX6_CODE_EQUIVOCATION;

	if (status != VX6_CODE_OK)
		q->d->refused++;
	begin(q, b, w, status);
	if (status != VX6_CODE_BAD_TOKEN && v.n > 0)
		add_values(q, all ? NULL : &v);
}

static void answer(struct request *q, struct vx6_dht_resp_wr *b, struct vx6_wr *w)
{
	if (q->req.op == VX6_DHT_PUT) {
		answer_put(q, b, w);
		return;
	}
	begin(q, b, w, q->req.op == VX6_DHT_DIALBACK ? VX6_CODE_UNSUPPORTED : VX6_CODE_OK);
	if (q->req.op == VX6_DHT_FIND || q->req.op == VX6_DHT_GET)
		add_nodes(q);
	if (q->req.op == VX6_DHT_GET && !(q->req.flags & VX6_DHT_NO_VALUES))
		add_values(q, NULL);
}

/* An answer in the shape of the op that was asked for, as far as that can be told. */
static void refuse(struct request *q, struct vx6_dht_resp_wr *b, struct vx6_wr *w, uint8_t op,
		   uint16_t status)
{
	q->d->refused++;
	q->req.op = op >= VX6_DHT_PING && op <= VX6_DHT_DIALBACK ? op : VX6_DHT_PING;
	begin(q, b, w, status);
}

size_t vx6_dht_serve(struct vx6_dht *d, const struct vx6_dht_requester *from, const uint8_t *req,
		     size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX],
		     const struct vx6_dht_now *now)
{
	struct request q = {.d = d, .from = from};
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;
	vx6_err err;

	vx6_dht_enter(d, now);
	vx6_wr_init(&w, out, VX6_DHT_RESPONSE_MAX);
	d->served++;
	if (from->has_node)
		vx6_dht_table_heard(d, &from->node, from->ip);
	err = vx6_dht_req_decode(req, n, &q.req);
	memcpy(q.key.b, q.req.key, sizeof q.key.b);
	if (!vx6_is_ok(err))
		refuse(&q, &b, &w, n > 0 ? req[0] : 0, status_of(err, false));
	else if (!d->serving)
		refuse(&q, &b, &w, q.req.op, VX6_CODE_UNSUPPORTED);
	else
		answer(&q, &b, &w);
	vx6_dht_resp_end(&b);
	VX6_ASSERT(vx6_is_ok(w.err));
	vx6_dht_leave(d);
	return w.len;
}
