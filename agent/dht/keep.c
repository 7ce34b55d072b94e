/*
 * Records of our own, kept alive: rounds, renewals, audits, repair. keep_internal.h draws how a record and its holders go about.
 *
 * Between calls: a record in a round waits for its turn, or has its lookup or a holder under way; one in an audit has a holder under way.
 */
#include <string.h>

#include "base/util.h"
#include "dht/keep_internal.h"

enum {
	MINUTE_MS = 60 * 1000,
	ENOUGH_OF_8 = 5,   /* holders that prove it: the round went well */
	CALLBACKS_MAX = 64 /* of one step */
};

struct dht_keeper *vx6_dht_keeper_new(struct vx6_dht *d)
{
	struct dht_keeper *keeper = vx6_zalloc(sizeof *keeper);

	vx6_list_init(&keeper->all);
	return keeper;
}

void vx6_dht_keeper_free(struct dht_keeper *keeper)
{
	if (!keeper)
		return;
	while (!vx6_list_is_empty(&keeper->all))
		vx6_dht_forget(VX6_CONTAINER_OF(keeper->all.next, struct vx6_dht_kept, node));
	free(keeper);
}

uint32_t vx6_dht_keeper_n(const struct vx6_dht *d)
{
	return d->keeper->n;
}

void vx6_dht_keeper_get(struct vx6_dht *d, const struct vx6_dht_key *key,
			void (*fn)(void *user, uint32_t age_s, const uint8_t *record, size_t n),
			void *user)
{
	VX6_LIST_EACH(at, &d->keeper->all)
	{
		const struct vx6_dht_kept *k = VX6_CONTAINER_OF(at, struct vx6_dht_kept, node);

		if (memcmp(&k->key, key, sizeof *key) == 0)
			fn(user, 0, k->record, k->n);
	}
}

static uint64_t renew_every_ms(uint8_t type)
{
	switch (type) {
	case VX6_RTYPE_ENDPOINT:
		return 30 * MINUTE_MS;
	case VX6_RTYPE_RELAY:
		return 60 * MINUTE_MS;
	case VX6_RTYPE_SERVICE:
		return 90 * MINUTE_MS;
	case VX6_RTYPE_CATALOG:
		return 6 * 60 * MINUTE_MS;
	default:
		return 12 * 60 * MINUTE_MS;
	}
}

static bool is_expired(const struct vx6_dht_kept *k)
{
	return k->expires_s <= k->d->now.wall_s;
}

static unsigned count(const struct vx6_dht_kept *k, uint8_t state)
{
	unsigned n = 0;

	VX6_LIST_EACH(at, &k->holders)
	{
		const struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		n += h->chosen && h->state == state;
	}
	return n;
}

bool vx6_dht_keep_is_busy(const struct vx6_dht_kept *k)
{
	VX6_LIST_EACH(at, &k->holders)
	{
		const struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		if (h->chosen && h->phase != KEEP_IDLE)
			return true;
	}
	return k->to_look || k->lookup;
}

/* ---- audits ---- */

static void plan_audit(struct vx6_dht_kept *k)
{
	uint32_t every_ms;

	k->audit = KEEP_AUDIT_NONE;
	/* what other queries say of the network counts before its own audits have said it */
	every_ms = vx6_dht_by_churn(k->d, KEEP_AUDIT_MS, KEEP_AUDIT_MIN_MS);
	every_ms = VX6_MIN(every_ms, k->audit_every_ms);
	k->audit_ms = k->d->now.ms + vx6_dht_jitter(k->d, every_ms);
}

static void audit_all(struct vx6_dht_kept *k)
{
	k->audit = KEEP_AUDIT_ALL;
	VX6_LIST_EACH(at, &k->holders)
	{
		struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		if (h->chosen && h->state == KEEP_PROVED)
			vx6_dht_keep_holder_audit(h);
	}
}

static void audit_one(struct vx6_dht_kept *k)
{
	unsigned n = count(k, KEEP_PROVED), pick;

	if (n == 0) {
		plan_audit(k);
		return;
	}
	k->audit = KEEP_AUDIT_ONE;
	k->audit_ms = UINT64_MAX;
	pick = (unsigned)(vx6_dht_random64(k->d) % n);
	VX6_LIST_EACH(at, &k->holders)
	{
		struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		if (h->chosen && h->state == KEEP_PROVED && pick-- == 0) {
			vx6_dht_keep_holder_audit(h);
			break;
		}
	}
	vx6_dht_keep_settle(k);
}

/* One more that is gone makes us ask the others. A few losses are made up for at the next renewal, many at once. */
static void audit_over(struct vx6_dht_kept *k)
{
	unsigned lost = count(k, KEEP_FAILED);
	bool many;

	if (k->audit == KEEP_AUDIT_ONE && lost > k->lost) {
		audit_all(k);
		if (vx6_dht_keep_is_busy(k))
			return;
	}
	many = lost >= KEEP_LOST || lost * 3 > k->wanted;
	if (lost <= k->lost)
		k->audit_every_ms = VX6_MIN(k->audit_every_ms * 2, KEEP_AUDIT_MS);
	else if (many)
		k->audit_every_ms = VX6_MAX(k->audit_every_ms / 2, KEEP_AUDIT_MIN_MS);
	k->lost = lost;
	plan_audit(k);
	if (many) {
		k->recheck = false;
		k->round_ms = k->d->now.ms;
	}
}

void vx6_dht_keeper_lost(struct vx6_dht *d, const struct vx6_node_id *node)
{
	VX6_LIST_EACH(at, &d->keeper->all)
	{
		struct vx6_dht_kept *k = VX6_CONTAINER_OF(at, struct vx6_dht_kept, node);
		struct keep_holder *h = vx6_dht_keep_holder_find(k, node);

		if (!h || h->phase != KEEP_IDLE || !h->chosen || k->in_round)
			continue;
		h->state = KEEP_FAILED;
		k->dirty = true;
		if (k->audit != KEEP_AUDIT_ALL)
			audit_all(k);
		vx6_dht_keep_settle(k);
	}
}

/* ---- rounds ---- */

/*
 * In a network that is smaller than the number of holders, each node more is a holder more. In a larger one that has twice as many nodes as when
 * the holders were chosen, others are the nearest: who looks asks those, and meets the former ones by luck only.
 */
static void consider_growth(struct vx6_dht_kept *k, size_t eligible)
{
	uint64_t at = VX6_MAX(k->d->now.ms, k->growth_ms);
	bool more = k->wanted < VX6_MIN(eligible, (size_t)VX6_DHT_HOLDERS);
	bool others = k->d->table->contacts >= 2 * k->round_contacts;

	if (k->in_round || (!more && !others) || k->round_ms <= at)
		return;
	k->recheck = false;
	k->round_ms = at;
	k->growth_ms = at + KEEP_GROWTH_MS;
}

static void round_over(struct vx6_dht_kept *k)
{
	static const uint32_t retry_ms[] = {5 * 1000, 30 * 1000, 5 * MINUTE_MS};
	unsigned proved = count(k, KEEP_PROVED);
	uint64_t next_ms = renew_every_ms(k->type);

	k->in_round = false;
	k->dirty = true;
	k->recheck = false;
	if (vx6_is_ok(k->lookup_err) && k->wanted > 0 &&
	    proved * VX6_DHT_HOLDERS >= k->wanted * ENOUGH_OF_8) {
		k->last_err = VX6_OK;
		k->tries = 0;
		k->recheck = true;
	} else {
		next_ms = retry_ms[VX6_MIN(k->tries, VX6_ARRAY_N(retry_ms) - 1)];
		k->tries++;
		k->last_err = proved > 0 ? VX6_ERR(AGAIN) : VX6_ERR(UNREACHABLE);
	}
	k->round_ms = k->d->now.ms + vx6_dht_jitter(k->d, next_ms);
	k->lost = count(k, KEEP_FAILED);
	plan_audit(k);
	consider_growth(k, vx6_dht_eligible(k->d, VX6_DHT_HOLDERS));
}

static void round_begin(struct vx6_dht_kept *k)
{
	k->in_round = k->to_look = true;
	k->round_contacts = VX6_MAX(k->d->table->contacts, 1U);
	k->lookup_err = VX6_OK;
	k->audit = KEEP_AUDIT_NONE;
	k->round_ms = k->audit_ms = UINT64_MAX;
}

bool vx6_dht_keep_choose_next(struct vx6_dht_kept *k)
{
	while (k->candidate_next < k->candidates_n) {
		size_t i = k->candidate_next++;
		struct keep_holder *h = vx6_dht_keep_holder_find(k, &k->candidate[i].node);

		if (h && h->chosen)
			continue;
		if (!h)
			h = vx6_dht_keep_holder_new(k, &k->candidate[i]);
		h->contact = k->candidate[i];
		h->chosen = true;
		h->path = k->candidate_path[i];
		memcpy(h->token, k->candidate_token[i], sizeof h->token);
		h->token_ms = k->candidates_ms;
		if (h->state == KEEP_PROVED && !k->recheck)
			h->done = true;
		else if (h->phase == KEEP_IDLE)
			vx6_dht_keep_holder_go(h);
		return true;
	}
	return false;
}

static void choose(struct vx6_dht_kept *k, const struct vx6_dht_result *r)
{
	unsigned chosen = 0;

	k->candidates_n = VX6_MIN(r->closest_n, VX6_ARRAY_N(k->candidate));
	k->candidate_next = 0;
	k->candidates_ms = VX6_MAX(k->d->now.ms, 1);
	for (size_t i = 0; i < k->candidates_n; i++) {
		k->candidate[i] = r->closest[i];
		memcpy(k->candidate_token[i], vx6_dht_result_token(r, i), VX6_DHT_TOKEN_BYTES);
		k->candidate_path[i] = vx6_dht_result_path(r, i);
	}
	k->wanted = (uint32_t)VX6_MIN(vx6_dht_holders_wanted(k->d, &k->key), k->candidates_n);
	VX6_LIST_EACH(at, &k->holders)
	VX6_CONTAINER_OF(at, struct keep_holder, node)->chosen = false;
	while (chosen < k->wanted && vx6_dht_keep_choose_next(k))
		chosen++;
}

static void looked(void *user, const struct vx6_dht_result *r)
{
	struct vx6_dht_kept *k = user;

	k->lookup = NULL;
	k->d->keeper->lookups--;
	k->lookup_err = r->closest_n > 0 ? r->err : VX6_ERR(UNREACHABLE);
	if (r->closest_n > 0)
		choose(k, r);
	vx6_dht_keep_settle(k);
}

static void look(struct vx6_dht_kept *k)
{
	struct vx6_dht_ask ask = {.key = k->key, .want = VX6_DHT_WANT_NODES};

	k->lookup = vx6_dht_look(k->d, &ask, looked, k, &k->d->now);
	if (!k->lookup)
		return; /* too many are under way: with the next step */
	k->to_look = false;
	k->d->keeper->lookups++;
}

static void drop_unwanted(struct vx6_dht_kept *k)
{
	VX6_LIST_EACH(at, &k->holders)
	{
		struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		if (!h->chosen && h->phase == KEEP_IDLE)
			vx6_dht_keep_holder_free(h);
	}
}

void vx6_dht_keep_settle(struct vx6_dht_kept *k)
{
	bool complete = k->wanted > 0 && count(k, KEEP_PROVED) >= k->wanted;

	drop_unwanted(k);
	if (complete && !k->complete && !k->to_look && !k->lookup) {
		k->proved_ms = k->d->now.ms;
		if (k->took_ms == 0)
			k->took_ms = (uint32_t)VX6_MAX(k->d->now.ms - k->given_ms, 1);
		k->dirty = true;
	}
	k->complete = complete && !k->to_look && !k->lookup;
	if (vx6_dht_keep_is_busy(k))
		return;
	if (k->in_round)
		round_over(k);
	else if (k->audit != KEEP_AUDIT_NONE)
		audit_over(k);
}

/* ---- steps ---- */

static void growth_step(struct vx6_dht *d)
{
	struct dht_keeper *keeper = d->keeper;
	size_t eligible;

	if (d->table->contacts != keeper->contacts) {
		keeper->contacts = d->table->contacts;
		if (keeper->grown_ms == 0)
			keeper->grown_ms = d->now.ms + KEEP_SETTLE_MS;
	}
	if (keeper->grown_ms == 0 || keeper->grown_ms > d->now.ms)
		return;
	keeper->grown_ms = 0;
	eligible = vx6_dht_eligible(d, VX6_DHT_HOLDERS);
	VX6_LIST_EACH(at, &keeper->all)
	consider_growth(VX6_CONTAINER_OF(at, struct vx6_dht_kept, node), eligible);
}

static void kept_step(struct vx6_dht_kept *k)
{
	uint64_t now = k->d->now.ms;

	if (k->round_ms <= now && !is_expired(k))
		round_begin(k);
	if (k->to_look && k->d->keeper->lookups < KEEP_LOOKUPS_MAX)
		look(k);
	if (k->audit_ms <= now && !is_expired(k))
		audit_one(k);
}

/* One callback. It may forget any kept record, so the list is looked through afresh for the next. */
static bool tell_one(struct dht_keeper *keeper)
{
	VX6_LIST_EACH(at, &keeper->all)
	{
		struct vx6_dht_kept *k = VX6_CONTAINER_OF(at, struct vx6_dht_kept, node);
		struct vx6_list *first = vx6_list_pop(&k->strangers);

		if (first) {
			struct keep_stranger *s =
				VX6_CONTAINER_OF(first, struct keep_stranger, node);

			k->strangers_n--;
			k->clash(k->user, s->record, s->n);
			free(s);
			return true;
		}
		if (k->dirty) {
			k->dirty = false;
			if (k->changed)
				k->changed(k->user, k);
			return true;
		}
	}
	return false;
}

void vx6_dht_keeper_step(struct vx6_dht *d)
{
	growth_step(d);
	VX6_LIST_EACH(at, &d->keeper->all)
	kept_step(VX6_CONTAINER_OF(at, struct vx6_dht_kept, node));
	for (int i = 0; i < CALLBACKS_MAX && tell_one(d->keeper); i++)
		;
}

static uint64_t kept_due(const struct vx6_dht_kept *k)
{
	uint64_t now = k->d->now.ms;

	if (k->dirty || k->strangers_n > 0 ||
	    (k->to_look && k->d->keeper->lookups < KEEP_LOOKUPS_MAX))
		return now;
	return is_expired(k) ? UINT64_MAX : VX6_MIN(k->round_ms, k->audit_ms);
}

uint64_t vx6_dht_keeper_due(const struct vx6_dht *d)
{
	const struct dht_keeper *keeper = d->keeper;
	uint64_t due = keeper->grown_ms ? keeper->grown_ms : UINT64_MAX;

	if (d->table->contacts != keeper->contacts && keeper->n > 0)
		return d->now.ms;
	VX6_LIST_EACH(at, &keeper->all)
	{
		uint64_t at_ms = kept_due(VX6_CONTAINER_OF(at, struct vx6_dht_kept, node));

		due = VX6_MIN(due, at_ms);
	}
	return due;
}
