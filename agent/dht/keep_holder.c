#include <string.h>

#include "base/util.h"
#include "dht/keep_internal.h"
#include "wire/code.h"

struct keep_holder *vx6_dht_keep_holder_new(struct vx6_dht_kept *k, const struct vx6_dht_contact *c)
{
	struct keep_holder *h = vx6_zalloc(sizeof *h);

	h->k = k;
	h->contact = *c;
	h->path = VX6_DHT_NO_PATH;
	vx6_list_push(&k->holders, &h->node);
	return h;
}

void vx6_dht_keep_holder_free(struct keep_holder *h)
{
	vx6_dht_ask_forget(h->k->d, h->query);
	vx6_list_remove(&h->node);
	free(h);
}

struct keep_holder *vx6_dht_keep_holder_find(const struct vx6_dht_kept *k,
					     const struct vx6_node_id *node)
{
	VX6_LIST_EACH(at, &k->holders)
	{
		struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		if (vx6_node_id_eq(&h->contact.node, node))
			return h;
	}
	return NULL;
}

/* ---- what others have under our key ---- */

static bool is_new(struct vx6_dht_kept *k, const struct vx6_hash *hash)
{
	if (!k->seen)
		k->seen = vx6_zalloc(KEEP_SEEN * sizeof *k->seen);
	for (size_t i = 0; i < VX6_MIN(k->seen_n, (uint32_t)KEEP_SEEN); i++)
		if (memcmp(&k->seen[i], hash, sizeof *hash) == 0)
			return false;
	return true;
}

/* A claim of somebody else, or a record of our own that we did not make. Told of once. */
static void note_stranger(struct vx6_dht_kept *k, const uint8_t *record, size_t n)
{
	struct keep_stranger *s;
	struct vx6_record rec;

	if (!k->clash || k->strangers_n >= KEEP_STRANGERS_MAX ||
	    !vx6_is_ok(vx6_record_parse(record, n, &rec)) || !is_new(k, &rec.hash) ||
	    !vx6_is_ok(vx6_dht_check_record(k->d, &k->key, record, n, &rec)))
		return;
	k->seen[k->seen_n++ % KEEP_SEEN] = rec.hash;
	s = vx6_zalloc(sizeof *s + n);
	s->n = n;
	memcpy(s->record, record, n);
	vx6_list_push(&k->strangers, &s->node);
	k->strangers_n++;
	k->dirty = true;
}

/* @return whether our present record is among the values */
static bool look_through(struct vx6_dht_kept *k, struct vx6_dht_resp *resp)
{
	struct vx6_record_view v;
	const uint8_t *record;
	bool ours = false;
	uint32_t age_s;
	size_t n;

	while (vx6_dht_resp_value(resp, &age_s, &record, &n)) {
		if (n == k->n && memcmp(record, k->record, n) == 0) {
			ours = true;
			continue;
		}
		/* of another type: another record of the same node lies under the key too, and is looked after for itself */
		if (!vx6_is_ok(vx6_record_decode(record, n, &v)) || v.type != k->type)
			continue;
		/* an older one of ours is what we are about to replace */
		if (memcmp(v.subject, k->subject, sizeof v.subject) != 0 || v.seq >= k->seq)
			note_stranger(k, record, n);
	}
	return ours;
}

/* ---- putting, reading back, auditing ---- */

static void answered(void *user, const struct dht_outcome *o);

static void end(struct keep_holder *h, enum keep_state state)
{
	h->phase = KEEP_IDLE;
	h->done = true;
	h->again = false;
	if (h->state != state)
		h->k->dirty = true;
	h->state = (uint8_t)state;
}

static void fail(struct keep_holder *h, vx6_err why)
{
	h->k->last_err = why;
	end(h, KEEP_FAILED);
	if (h->chosen && h->k->in_round && vx6_dht_keep_choose_next(h->k))
		h->chosen = false;
}

/* Who leads a path could say that a record is there which never came: it is read back by way of another. */
static uint8_t path_of(const struct keep_holder *h, enum keep_phase phase)
{
	struct vx6_dht *d = h->k->d;
	uint8_t n;

	if (!vx6_dht_is_led(d) || phase == KEEP_PUTS)
		return h->path;
	n = vx6_dht_led_paths(d);
	for (uint8_t i = 1; i < n; i++) {
		uint8_t other = (uint8_t)((h->path + i) % n);

		if (d->io->guides->guide(d->user, other) >= VX6_DHT_GUIDE_FIRST &&
		    d->io->guides->may_ask(d->user, other, &h->contact))
			return other;
	}
	return h->path;
}

static void ask(struct keep_holder *h, enum keep_phase phase)
{
	struct vx6_dht_kept *k = h->k;
	struct vx6_dht_req req = {.op = phase == KEEP_PUTS ? VX6_DHT_PUT : VX6_DHT_GET, .limit = 1};

	memcpy(req.key, k->key.b, sizeof req.key);
	if (phase == KEEP_PUTS) {
		memcpy(req.token, h->token, sizeof req.token);
		req.record = k->record;
		req.record_n = k->n;
	}
	h->phase = (uint8_t)phase;
	h->asked = path_of(h, phase);
	h->query = vx6_dht_ask_one(k->d, h->asked, &h->contact, &req, answered, h);
	if (h->query == 0)
		fail(h, VX6_ERR(FULL));
}

static bool has_token(const struct keep_holder *h)
{
	return h->token_ms != 0 && h->k->d->now.ms - h->token_ms < KEEP_TOKEN_MS;
}

void vx6_dht_keep_holder_go(struct keep_holder *h)
{
	bool put = has_token(h) && h->state != KEEP_PROVED;

	vx6_dht_ask_forget(h->k->d, h->query);
	h->query = 0;
	h->done = false;
	h->again = false;
	/* a question first costs no more round trips than a token that is refused, and finds what is already there */
	ask(h, put ? KEEP_PUTS : KEEP_LOOKS);
}

void vx6_dht_keep_holder_audit(struct keep_holder *h)
{
	if (h->phase == KEEP_IDLE)
		ask(h, KEEP_AUDITS);
}

static void put_answered(struct keep_holder *h, uint16_t status)
{
	if (status == VX6_CODE_OK) {
		h->state = KEEP_STORED;
		h->k->dirty = true;
		ask(h, KEEP_READS);
	} else if (status == VX6_CODE_BAD_TOKEN && !h->again) {
		h->again = true;
		ask(h, KEEP_PUTS);
	} else {
		fail(h, vx6_code_to_err(status));
	}
}

static void got(struct keep_holder *h, uint16_t status, bool ours)
{
	if (status == VX6_CODE_OK && ours) {
		end(h, KEEP_PROVED);
	} else if (status != VX6_CODE_OK) {
		fail(h, vx6_code_to_err(status));
	} else if (h->phase == KEEP_READS) {
		/* it said that it keeps the record */
		vx6_dht_blame(h->k->d, &h->contact);
		fail(h, VX6_ERR(NOT_FOUND));
	} else {
		h->state = KEEP_ASKED;
		ask(h, KEEP_PUTS);
	}
}

static void answered(void *user, const struct dht_outcome *o)
{
	struct keep_holder *h = user;
	struct vx6_dht_kept *k = h->k;
	uint16_t status;
	bool ours;

	h->query = 0;
	if (!vx6_is_ok(o->err)) {
		fail(h, o->err);
	} else {
		if (h->asked == h->path) {
			memcpy(h->token, o->resp->token, sizeof h->token);
			h->token_ms = VX6_MAX(k->d->now.ms, 1);
		}
		status = o->resp->status;
		ours = look_through(k, o->resp);
		if (h->phase == KEEP_PUTS)
			put_answered(h, status);
		else
			got(h, status, ours);
	}
	vx6_dht_keep_settle(k);
}
