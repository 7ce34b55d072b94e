#include <string.h>

#include "base/list.h"
#include "crypto/table.h"
#include "dht/dht_internal.h"
#include "wire/code.h"

/*
 * A query ends by its answer, by the sender's failure or by the hard timeout, and the table learns from each. All have the same hard
 * timeout, so they expire in the order in which they were sent.
 */
enum {
	FIRST_SOFT_WARM_MS = 250, /* before anything was measured */
	FIRST_SOFT_COLD_MS = 500,
	SOFT_MIN_MS = 20,
	QUICK_SAMPLES = 32, /* the estimate moves faster at first */
};
static const double FAILURES_WEIGHT = 1.0 / 32;

struct query {
	UT_hash_handle hh;
	struct vx6_list node;
	uint64_t id, sent_ms;
	struct vx6_dht_contact to;
	uint8_t op, path;
	bool warm;
	uint32_t bytes_out;
	dht_outcome_cb *cb; /* NULL: nobody waits for it any more */
	void *user;
};

/* A 90th percentile that needs no samples kept: nine small steps down outweigh one step up nine times as long. */
struct percentile {
	double ms;
	unsigned samples;
};

struct dht_queries {
	struct query *by_id;
	struct vx6_list sent; /* oldest first */
	uint64_t last_id;
	uint64_t last_answer_ms;
	struct percentile warm, cold;
	struct percentile led[VX6_DHT_PATHS_MAX]; /* one who is slow slows nobody else */
	double failures;
};

struct dht_queries *vx6_dht_queries_new(void)
{
	struct dht_queries *qs = vx6_zalloc(sizeof *qs);

	vx6_list_init(&qs->sent);
	qs->warm.ms = FIRST_SOFT_WARM_MS;
	qs->cold.ms = FIRST_SOFT_COLD_MS;
	for (size_t i = 0; i < VX6_ARRAY_N(qs->led); i++)
		qs->led[i].ms = FIRST_SOFT_COLD_MS;
	return qs;
}

static void detach(struct dht_queries *qs, struct query *q)
{
	HASH_DEL(qs->by_id, q);
	vx6_list_remove(&q->node);
}

void vx6_dht_queries_free(struct vx6_dht *d)
{
	struct dht_queries *qs = d->queries;

	if (!qs)
		return;
	VX6_LIST_EACH(at, &qs->sent)
	{
		struct query *q = VX6_CONTAINER_OF(at, struct query, node);

		detach(qs, q);
		d->io->cancel(d->user, q->id);
		free(q);
	}
	VX6_FREE(d->queries);
}

/* ---- what answers teach ---- */

static void percentile_add(struct percentile *p, double ms)
{
	double step = p->samples < QUICK_SAMPLES ? 0.05 : 0.01;

	p->samples += p->samples < QUICK_SAMPLES;
	p->ms *= ms > p->ms ? 1 + 9 * step : 1 - step;
	p->ms = VX6_MIN(VX6_MAX(p->ms, SOFT_MIN_MS), HARD_TIMEOUT_MS);
}

static struct percentile *percentile_of(const struct vx6_dht *d, uint8_t path, bool warm)
{
	struct dht_queries *qs = d->queries;

	if (vx6_dht_is_led(d) && path < VX6_DHT_PATHS_MAX)
		return &qs->led[path];
	return warm ? &qs->warm : &qs->cold;
}

uint32_t vx6_dht_soft_ms(const struct vx6_dht *d, uint8_t path, bool warm)
{
	const struct percentile *p = percentile_of(d, path, warm);

	/* links of equal length answer just at the percentile: some room keeps them from being taken for slow */
	return (uint32_t)VX6_MIN(p->ms * 1.25 + 10, HARD_TIMEOUT_MS);
}

double vx6_dht_query_failures(const struct vx6_dht *d)
{
	return d->queries->failures;
}

static void count(struct vx6_dht *d, bool failed)
{
	double *f = &d->queries->failures;

	*f += ((failed ? 1.0 : 0.0) - *f) * FAILURES_WEIGHT;
}

/* An error of our own (3xx: no room, no memory) says nothing of the peer. */
static bool is_ours(vx6_err err)
{
	return err.code >= VX6_E_MEMORY && err.code < VX6_E_NOT_FOUND;
}

static void learn(struct vx6_dht *d, const struct query *q, const struct dht_outcome *o,
		  bool garbage)
{
	struct dht_queries *qs = d->queries;

	if (vx6_is_ok(o->err)) {
		qs->last_answer_ms = d->now.ms;
		d->answered++;
		percentile_add(percentile_of(d, q->path, q->warm), o->rtt_ms);
		if (vx6_dht_is_led(d))
			return; /* the word of whoever leads there */
		count(d, false);
		if (o->resp->status == VX6_CODE_UNSUPPORTED && q->op != VX6_DHT_PUT)
			vx6_dht_table_remove(d, &q->to.node); /* it serves no longer */
		else
			vx6_dht_table_alive(d, &q->to, q->warm ? o->rtt_ms : 0);
		return;
	}
	d->failed++;
	if (is_ours(o->err) || vx6_dht_is_led(d))
		return;
	if (garbage) {
		vx6_dht_table_failed(d, &q->to, BLAME_LIED);
		return;
	}
	if (qs->last_answer_ms >= q->sent_ms) {
		count(d, true);
		vx6_dht_table_failed(d, &q->to, BLAME_SILENT);
	} else {
		vx6_dht_table_failed(d, &q->to, BLAME_DOUBT);
	}
}

void vx6_dht_blame(struct vx6_dht *d, const struct vx6_dht_contact *c)
{
	if (!vx6_dht_is_led(d))
		vx6_dht_table_failed(d, c, BLAME_LIED);
}

/* ---- asking ---- */

uint64_t vx6_dht_ask_one(struct vx6_dht *d, uint8_t path, const struct vx6_dht_contact *to,
			 const struct vx6_dht_req *req, dht_outcome_cb *cb, void *user)
{
	struct dht_queries *qs = d->queries;
	uint8_t bytes[VX6_DHT_REQ_MAX];
	struct query *q;
	struct vx6_wr w;

	if (HASH_COUNT(qs->by_id) >= QUERIES_MAX)
		return 0;
	vx6_wr_init(&w, bytes, sizeof bytes);
	vx6_dht_req_encode(&w, req);
	VX6_ASSERT(vx6_is_ok(w.err));
	q = vx6_zalloc(sizeof *q);
	q->id = ++qs->last_id;
	q->sent_ms = d->now.ms;
	q->to = *to;
	q->op = req->op;
	q->path = path;
	q->warm = d->io->is_warm(d->user, to);
	q->bytes_out = (uint32_t)w.len;
	q->cb = cb;
	q->user = user;
	HASH_ADD(hh, qs->by_id, id, sizeof q->id, q);
	vx6_list_push(&qs->sent, &q->node);
	d->asked++;
	d->io->query(d->user, q->id, path, to, bytes, w.len);
	return q->id;
}

static struct query *find(const struct vx6_dht *d, uint64_t id)
{
	struct query *q;

	HASH_FIND(hh, d->queries->by_id, &id, sizeof id, q);
	return q;
}

void vx6_dht_ask_forget(struct vx6_dht *d, uint64_t query)
{
	struct query *q = find(d, query);

	if (q)
		q->cb = NULL;
}

/* @param resp NULL: none came @param garbage it answered, but not what was asked */
static void finish(struct vx6_dht *d, struct query *q, vx6_err err, struct vx6_dht_resp *resp,
		   size_t bytes_in, bool garbage)
{
	struct dht_outcome o = {
		.query = q->id,
		.peer = &q->to,
		.err = err,
		.resp = resp,
		.rtt_ms = (uint32_t)VX6_MIN(d->now.ms - q->sent_ms, UINT32_MAX),
		.bytes_out = q->bytes_out,
		.bytes_in = (uint32_t)bytes_in,
		.warm = q->warm,
	};

	detach(d->queries, q);
	learn(d, q, &o, garbage);
	if (q->cb)
		q->cb(q->user, &o);
	free(q);
}

void vx6_dht_answered(struct vx6_dht *d, uint64_t query, const uint8_t *resp, size_t n,
		      const struct vx6_dht_now *now)
{
	struct query *q = find(d, query);
	struct vx6_dht_resp r;
	vx6_err err;

	if (!q)
		return;
	vx6_dht_enter(d, now);
	err = n <= VX6_DHT_RESPONSE_MAX ? vx6_dht_resp_decode(resp, n, &r) : VX6_ERR(LIMIT);
	if (vx6_is_ok(err) && (r.op & 0x7f) != q->op)
		err = VX6_ERR(PROTOCOL);
	finish(d, q, err, vx6_is_ok(err) ? &r : NULL, n, !vx6_is_ok(err));
	vx6_dht_leave(d);
}

void vx6_dht_failed(struct vx6_dht *d, uint64_t query, vx6_err why, const struct vx6_dht_now *now)
{
	struct query *q = find(d, query);

	if (!q)
		return;
	vx6_dht_enter(d, now);
	finish(d, q, vx6_is_ok(why) ? VX6_ERR(UNREACHABLE) : why, NULL, 0, false);
	vx6_dht_leave(d);
}

uint64_t vx6_dht_queries_due(const struct vx6_dht *d)
{
	const struct vx6_list *first = d->queries->sent.next;

	if (vx6_list_is_empty(&d->queries->sent))
		return UINT64_MAX;
	return VX6_CONTAINER_OF(first, struct query, node)->sent_ms + HARD_TIMEOUT_MS;
}

void vx6_dht_queries_step(struct vx6_dht *d)
{
	while (vx6_dht_queries_due(d) <= d->now.ms) {
		struct query *q = VX6_CONTAINER_OF(d->queries->sent.next, struct query, node);

		d->io->cancel(d->user, q->id);
		finish(d, q, VX6_ERR(TIMEOUT), NULL, 0, false);
	}
}
