#include <string.h>

#include "base/util.h"
#include "dht/dht_internal.h"

/*
 * An idle node is quiet. Whom it has a session with it pings after a quarter of an hour of silence; whom it would have to dial, only within
 * a small budget and for a reason. Buckets that lookups touch need no refresh, and a network in which everybody is known needs none at all.
 * When many queries fail, the network changes fast, and everything is looked at more often.
 */
enum {
	TICK_MS = 60 * 1000,
	JOIN_AFTER_MS = 200, /* several contacts come at once at a start */
	JOIN_AGAIN_MS = 5 * 1000,
	JOIN_AGAIN_MAX_MS = 5 * 60 * 1000,
	FILL_AFTER_MS = 1000, /* between the lookups of a node that has just joined */
	REFRESH_S = 3600,
	REFRESH_CHURN_S = 600,
	SILENT_CHURN_MS = 3 * 60 * 1000,
	WARM_PINGS = 16, /* of a tick */
	COLD_PINGS = 1,  /* a minute */
	COLD_PINGS_CHURN = 40,
	COLD_PINGS_JOIN = 32, /* once */
	SMALL_NETWORK = 100,  /* below, nobody is dialled for upkeep's sake */
	DROP_AFTER_S = 3600,  /* a contact that does not answer, and has no replacement */
	FEW_CONTACTS = 4,
};
static const double CALM = 0.1, CHURN = 0.3;

struct dht_upkeep {
	struct vx6_dht *d;
	struct vx6_dht_lookup *lookup;
	uint64_t tick_ms;   /* next; 0: nobody is known yet */
	uint64_t lookup_ms; /* next look for something to refresh */
	uint64_t join_ms;   /* not joined: when to try; 0: as soon as somebody is known */
	uint32_t again_ms;  /* pause before the next try */
	uint32_t self_s;    /* last lookup of our own position */
	uint16_t fill;      /* next bucket to fill after joining */
	bool joined, self;  /* self: the lookup under way is of our own position */
	unsigned cold;      /* pings left */
};

struct dht_upkeep *vx6_dht_upkeep_new(void)
{
	struct dht_upkeep *u = vx6_zalloc(sizeof *u);

	u->again_ms = JOIN_AGAIN_MS;
	u->cold = COLD_PINGS_JOIN;
	return u;
}

void vx6_dht_upkeep_free(struct dht_upkeep *u)
{
	free(u);
}

void vx6_dht_upkeep_moved(struct vx6_dht *d)
{
	d->upkeep->joined = false;
	d->upkeep->join_ms = 0;
}

static bool knows_anybody(const struct vx6_dht *d)
{
	return d->table->contacts + d->table->candidates > 0;
}

/* Whose paths are led by others asks nothing but what somebody wants to know. */
static bool has_work(const struct vx6_dht *d)
{
	return knows_anybody(d) && !vx6_dht_is_led(d);
}

uint32_t vx6_dht_by_churn(const struct vx6_dht *d, uint32_t calm, uint32_t churn)
{
	double f = (vx6_dht_query_failures(d) - CALM) / (CHURN - CALM);

	f = VX6_MIN(VX6_MAX(f, 0.0), 1.0);
	return (uint32_t)(calm + (1.0 * churn - calm) * f);
}

/* ---- lookups ---- */

static void on_lookup(void *user, const struct vx6_dht_result *r)
{
	struct dht_upkeep *u = user;
	struct vx6_dht *d = u->d;

	u->lookup = NULL;
	u->lookup_ms = d->now.ms + FILL_AFTER_MS;
	if (!u->self)
		return;
	u->self_s = vx6_dht_table_s(d);
	if (r->answers > 0) {
		u->fill = u->joined ? u->fill : 0;
		u->joined = true;
		u->again_ms = JOIN_AGAIN_MS;
		return;
	}
	u->joined = false; /* nobody answers any more: as at a start */
	u->join_ms = d->now.ms + vx6_dht_jitter(d, u->again_ms);
	u->again_ms = VX6_MIN(u->again_ms * 2, (uint32_t)JOIN_AGAIN_MAX_MS);
}

static void look(struct vx6_dht *d, const struct vx6_dht_key *key, bool self)
{
	struct vx6_dht_ask ask = {.key = *key, .want = VX6_DHT_WANT_NODES};

	d->upkeep->d = d;
	d->upkeep->self = self;
	d->upkeep->lookup = vx6_dht_look(d, &ask, on_lookup, d->upkeep, &d->now);
	if (!d->upkeep->lookup)
		d->upkeep->lookup_ms = d->now.ms + FILL_AFTER_MS;
}

static void random_key(const struct vx6_dht *d, unsigned bucket, struct vx6_dht_key *out)
{
	unsigned at = bucket / 8, bit = 0x80U >> bucket % 8, below = bit - 1;

	d->io->random(d->user, out->b, sizeof out->b);
	memcpy(out->b, d->pos.b, at);
	out->b[at] = (uint8_t)(((d->pos.b[at] & ~below) ^ bit) | (out->b[at] & below));
}

/* How many nodes a bucket should have in a network of that size. */
static double expected(const struct vx6_dht *d, unsigned bucket)
{
	double n = vx6_dht_network_size(d) / 2;

	for (unsigned i = 0; i < bucket && n >= 1; i++)
		n /= 2;
	return n;
}

/* Everybody that there is, as far as can be known, is in the table. */
static bool is_tiny(const struct vx6_dht *d)
{
	return d->table->contacts < VX6_DHT_K && vx6_dht_network_size(d) <= VX6_DHT_K;
}

static bool is_thin(const struct vx6_dht *d, unsigned bucket)
{
	double want = VX6_MIN(expected(d, bucket), vx6_dht_bucket_capacity(bucket));
	unsigned have = bucket < d->table->buckets_n ? d->table->bucket[bucket].n : 0;

	return want >= 1 && have < want / 2;
}

static bool is_stale(const struct vx6_dht *d, unsigned bucket, uint32_t after_s)
{
	return bucket < d->table->buckets_n && expected(d, bucket) >= VX6_DHT_K &&
	       vx6_dht_table_s(d) - d->table->bucket[bucket].touched_s > after_s;
}

/* One lookup at a time: our own position first, then buckets that are nearly empty after joining, then those untouched for long. */
static void refresh(struct vx6_dht *d)
{
	struct dht_upkeep *u = d->upkeep;
	uint32_t after_s = vx6_dht_by_churn(d, REFRESH_S, REFRESH_CHURN_S);
	struct vx6_dht_key key;

	u->lookup_ms = d->now.ms + vx6_dht_jitter(d, TICK_MS);
	if (is_tiny(d))
		return;
	if (vx6_dht_table_s(d) - u->self_s > after_s) {
		look(d, &d->pos, true);
		return;
	}
	while (u->fill < d->table->buckets_n) {
		unsigned bucket = u->fill++;

		if (!is_thin(d, bucket))
			continue;
		random_key(d, bucket, &key);
		look(d, &key, false);
		return;
	}
	for (unsigned i = 0; i < d->table->buckets_n; i++) {
		if (!is_stale(d, i, after_s))
			continue;
		random_key(d, i, &key);
		look(d, &key, false);
		return;
	}
}

/* ---- pings ---- */

static void ping(struct vx6_dht *d, const struct dht_entry *e)
{
	struct vx6_dht_req req = {.op = VX6_DHT_PING};

	memcpy(req.key, d->pos.b, sizeof req.key);
	vx6_dht_ask_one(d, VX6_DHT_NO_PATH, &e->contact, &req, NULL, NULL);
}

static bool is_silent(const struct vx6_dht *d, const struct dht_entry *e)
{
	return (vx6_dht_table_s(d) - e->heard_s) * 1000ULL >=
	       vx6_dht_by_churn(d, SILENT_MS, SILENT_CHURN_MS);
}

/* The one that was silent for longest, of those a ping is due for. */
static struct dht_entry *longest_silent(const struct vx6_dht *d, const struct dht_bucket *b,
					bool warm)
{
	struct dht_entry *worst = NULL;

	for (size_t i = 0; i < b->n; i++) {
		struct dht_entry *e = &b->entry[i];

		if (e->failures < FAILURES_MAX && is_silent(d, e) &&
		    (!worst || e->heard_s < worst->heard_s) &&
		    d->io->is_warm(d->user, &e->contact) == warm)
			worst = e;
	}
	return worst;
}

/* Hearsay, where there is room for one more. Candidates that have answered wait for a place by their own right. */
static const struct dht_entry *promising(const struct dht_bucket *b, unsigned index)
{
	const struct dht_entry *best = NULL;

	if (b->n >= vx6_dht_bucket_capacity(index))
		return NULL;
	for (size_t i = 0; i < b->spare_n; i++)
		if (!b->spare[i].proved && (!best || b->spare[i].heard_s > best->heard_s))
			best = &b->spare[i];
	return best;
}

static void ping_warm(struct vx6_dht *d)
{
	unsigned left = WARM_PINGS;

	for (unsigned i = d->table->buckets_n; i > 0 && left > 0; i--) {
		struct dht_entry *e = longest_silent(d, &d->table->bucket[i - 1], true);

		if (!e)
			continue;
		ping(d, e);
		left--;
	}
}

/* Nearest buckets first: who is near to us keeps what we keep, and is asked for it. */
static void ping_cold(struct vx6_dht *d)
{
	struct dht_upkeep *u = d->upkeep;

	for (unsigned i = d->table->buckets_n; i > 0 && u->cold > 0; i--) {
		const struct dht_bucket *b = &d->table->bucket[i - 1];
		const struct dht_entry *e = longest_silent(d, b, false);

		if (!e)
			e = promising(b, i - 1);
		if (!e)
			continue;
		ping(d, e);
		u->cold--;
	}
}

static void drop_dead(struct vx6_dht *d)
{
	uint32_t now_s = vx6_dht_table_s(d);

	for (unsigned i = 0; i < d->table->buckets_n; i++)
		for (size_t j = 0; j < d->table->bucket[i].n; j++) {
			const struct dht_entry *e = &d->table->bucket[i].entry[j];
			struct vx6_node_id node = e->contact.node;

			if (e->failures < FAILURES_MAX || now_s - e->heard_s < DROP_AFTER_S ||
			    d->table->contacts <= FEW_CONTACTS)
				continue;
			vx6_dht_table_remove(d, &node);
			j--;
		}
}

static void tick(struct vx6_dht *d)
{
	struct dht_upkeep *u = d->upkeep;
	uint32_t budget = vx6_dht_by_churn(d, COLD_PINGS, COLD_PINGS_CHURN);

	drop_dead(d);
	ping_warm(d);
	if (vx6_dht_network_size(d) >= SMALL_NETWORK) {
		ping_cold(d);
		u->cold = VX6_MIN(u->cold + budget, budget);
	}
	u->tick_ms = d->now.ms + vx6_dht_jitter(d, TICK_MS);
}

/* ---- when ---- */

void vx6_dht_upkeep_step(struct vx6_dht *d)
{
	struct dht_upkeep *u = d->upkeep;

	if (!has_work(d))
		return;
	if (u->tick_ms == 0)
		u->tick_ms = d->now.ms + vx6_dht_jitter(d, TICK_MS);
	if (d->now.ms >= u->tick_ms)
		tick(d);
	if (u->lookup)
		return;
	if (u->joined) {
		if (d->now.ms >= u->lookup_ms)
			refresh(d);
		return;
	}
	if (u->join_ms == 0)
		u->join_ms = d->now.ms + JOIN_AFTER_MS;
	if (d->now.ms >= u->join_ms) {
		u->fill = 0;
		look(d, &d->pos, true);
		if (!u->lookup)
			u->join_ms = d->now.ms + FILL_AFTER_MS;
	}
}

uint64_t vx6_dht_upkeep_due(const struct vx6_dht *d)
{
	const struct dht_upkeep *u = d->upkeep;
	uint64_t at;

	if (!has_work(d))
		return UINT64_MAX;
	if (u->tick_ms == 0)
		return d->now.ms;
	if (u->lookup)
		return u->tick_ms;
	at = u->joined ? u->lookup_ms : u->join_ms ? u->join_ms : d->now.ms;
	return VX6_MIN(at, u->tick_ms);
}
