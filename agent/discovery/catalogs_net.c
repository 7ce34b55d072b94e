/*
 * Catalogs in the DHT. One of ours has a record for the present period, and within an hour of another period one for that too; each is kept
 * there, and made anew every few hours. Those of others are fetched twice an hour; a fetch that brings nothing is made again sooner.
 */
#include "discovery/catalogs_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"

enum {
	TICK_MS = 30 * 1000,
	LONELY_MS = 1000, /* while there is nobody to ask */
	RENEW_MS = 6 * 3600 * 1000,
	FETCH_MS = 30 * 60 * 1000,
	BACKOFF_MS = 5 * 1000, /* doubling up to FETCH_MS */
	MISSED_MS =
		10 * 1000, /* an alias that is not known has the list fetched, this often at most */
};

/* A tenth more or less, so that readers do not all come at once. */
static uint64_t jitter(uint64_t ms)
{
	return ms - ms / 10 + vx6_random_below((uint32_t)(ms / 5 + 1));
}

static uint64_t loop_ms(const struct vx6_catalogs *c)
{
	return vx6_loop_now_ms(c->cfg.loop);
}

void catalog_stop(struct catalog *k)
{
	for (size_t i = 0; i < VX6_ARRAY_N(k->slot); i++) {
		if (k->slot[i].kept)
			vx6_dht_forget(k->slot[i].kept);
		k->slot[i] = (struct catalog_slot){0};
	}
	if (k->lookup)
		vx6_dht_lookup_cancel(k->lookup);
	k->lookup = NULL;
	k->fetch_ms = 0;
}

/* The other period that is near, or the present one where none is. */
static uint64_t neighbour(uint64_t now_s)
{
	uint64_t before = vx6_catalog_period(now_s - VX6_CATALOG_EDGE_S);

	return before != vx6_catalog_period(now_s) ? before
						   : vx6_catalog_period(now_s + VX6_CATALOG_EDGE_S);
}

/* ---- ours ---- */

static vx6_err build(struct catalog *k, uint64_t period, uint8_t out[static VX6_CATALOG_MAX],
		     size_t *n)
{
	struct vx6_catalog *list = &k->data.list;
	struct vx6_sign_keypair kp;
	vx6_err err;

	list->seq = VX6_MAX(vx6_wall_ms(), list->seq + 1);
	list->issued_s = vx6_wall_s();
	list->period = period;
	list->lifetime_s = VX6_CATALOG_LIFETIME_S;
	vx6_sign_keypair_from_seed(&k->data.seed, &kp);
	err = vx6_catalog_build(list, &kp, k->data.key.secret, &k->c->cfg.net, out, n);
	vx6_sign_keypair_wipe(&kp);
	return err;
}

static void slot_publish(struct catalog *k, struct catalog_slot *slot, uint64_t period)
{
	struct vx6_catalogs *c = k->c;
	uint8_t record[VX6_CATALOG_MAX];
	struct vx6_dht_now now;
	vx6_err err;
	size_t n;

	if (slot->kept && slot->period != period) {
		vx6_dht_forget(slot->kept);
		slot->kept = NULL;
	}
	err = build(k, period, record, &n);
	if (!vx6_is_ok(err)) {
		VX6_ERROR("catalogs", "no record of %s can be made: %s", k->data.name,
			  vx6_err_text(err));
		return;
	}
	c->dht_now(c->dht_user, &now);
	slot->period = period;
	if (slot->kept)
		vx6_dht_keep_update(slot->kept, record, n, &now);
	else
		slot->kept = vx6_dht_keep(c->dht, record, n, NULL, NULL, NULL, &now);
}

static void slot_drop(struct catalog_slot *slot)
{
	if (slot->kept)
		vx6_dht_forget(slot->kept);
	*slot = (struct catalog_slot){0};
}

/* @param anew also records that are fresh enough */
static void publish(struct catalog *k, bool anew)
{
	uint64_t now_s = vx6_wall_s(), wanted[2] = {vx6_catalog_period(now_s), neighbour(now_s)};

	/* a neighbour that has become the present one stays where it is kept */
	if (k->slot[1].kept && k->slot[1].period == wanted[0]) {
		struct catalog_slot was = k->slot[0];

		k->slot[0] = k->slot[1];
		k->slot[1] = was;
	}
	for (size_t i = 0; i < VX6_ARRAY_N(k->slot); i++) {
		if (i > 0 && wanted[i] == wanted[0])
			slot_drop(&k->slot[i]);
		else if (anew || !k->slot[i].kept || k->slot[i].period != wanted[i])
			slot_publish(k, &k->slot[i], wanted[i]);
	}
	if (anew || !k->renew_ms)
		k->renew_ms = loop_ms(k->c) + jitter(RENEW_MS);
}

void catalog_renew(struct catalog *k)
{
	if (k->data.owner && k->c->dht)
		publish(k, true);
}

/* ---- others' ---- */

static bool take_record(struct catalog *k, const uint8_t *bytes, size_t n)
{
	struct vx6_catalog *list = vx6_zalloc(sizeof *list);
	struct vx6_record rec;
	bool changed = false;
	vx6_err err = vx6_record_parse(bytes, n, &rec);

	if (vx6_is_ok(err))
		err = vx6_catalog_open(&rec, &k->data.key, &k->c->cfg.net, list);
	/* the numbers are the owner's clock: they rise over the periods, too */
	if (vx6_is_ok(err) && list->seq >= k->data.list.seq) {
		changed = list->entries_n != k->data.list.entries_n ||
			  memcmp(list->entries, k->data.list.entries, sizeof list->entries) != 0 ||
			  strcmp(list->title, k->data.list.title) != 0;
		k->data.list = *list;
		k->fetched_ms = vx6_wall_ms();
		k->expires_s = vx6_record_expires_s(&rec.view);
	}
	vx6_wipe_free(list, sizeof *list);
	return changed;
}

static bool from_registry(struct catalog *k, uint64_t period)
{
	struct vx6_hwm_key key = {.type = VX6_RTYPE_CATALOG};
	struct vx6_known_record known;
	struct vx6_sign_pk subject;

	if (!vx6_is_ok(vx6_catalog_subject(&k->data.key, period, &subject)))
		return false;
	memcpy(key.subject, subject.b, sizeof key.subject);
	return vx6_registry_find(k->c->cfg.registry, &key, vx6_wall_s(), &known) && known.bytes &&
	       take_record(k, known.bytes, known.n);
}

bool catalog_from_registry(struct catalog *k)
{
	uint64_t now_s = vx6_wall_s();
	bool changed = from_registry(k, vx6_catalog_period(now_s));

	return from_registry(k, vx6_catalog_period(now_s) - 1) || changed;
}

static void fetch(struct catalog *k, uint64_t period);

static void fetched_nothing(struct catalog *k, vx6_err err)
{
	struct vx6_catalogs *c = k->c;
	uint64_t other = neighbour(vx6_wall_s());

	/* its owner's clock may be on the other side of the edge, or it has not come back since */
	if (k->asking != other) {
		fetch(k, other);
		return;
	}
	k->last_err = err;
	k->last_err_ms = vx6_wall_ms();
	k->backoff_ms = k->backoff_ms ? VX6_MIN(2 * k->backoff_ms, (uint32_t)FETCH_MS) : BACKOFF_MS;
	k->fetch_ms = loop_ms(c) + jitter(k->backoff_ms);
}

static void on_fetched(void *user, const struct vx6_dht_result *r)
{
	struct catalog *k = user;
	struct vx6_catalogs *c = k->c;
	char name[VX6_LABEL_TEXT];
	bool changed;

	k->lookup = NULL;
	if (r->values_n == 0) {
		fetched_nothing(k, r->err);
		catalogs_tick(c);
		return;
	}
	if (c->cfg.take)
		c->cfg.take(c->cfg.user, r->value[0].record, r->value[0].n);
	changed = from_registry(k, k->asking);
	k->last_err = VX6_OK;
	k->backoff_ms = 0;
	k->fetch_ms = loop_ms(c) + jitter(FETCH_MS);
	vx6_strlcpy(name, k->data.name, sizeof name);
	catalogs_tick(c);
	if (changed && c->cfg.changed)
		c->cfg.changed(c->cfg.user, name);
}

static void fetch(struct catalog *k, uint64_t period)
{
	struct vx6_catalogs *c = k->c;
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_BEST};
	struct vx6_sign_pk subject;
	struct vx6_dht_now now;

	k->asking = period;
	k->fetch_ms = loop_ms(c) + TICK_MS; /* where it cannot begin now */
	if (!vx6_is_ok(vx6_catalog_subject(&k->data.key, period, &subject)))
		return;
	vx6_dht_key_catalog(&c->cfg.net, subject.b, period, &ask.key);
	c->dht_now(c->dht_user, &now);
	k->lookup = vx6_dht_look(c->dht, &ask, on_fetched, k, &now);
}

/* ---- time ---- */

static bool has_network(const struct vx6_catalogs *c)
{
	struct vx6_dht_info info;

	if (!c->dht)
		return false;
	vx6_dht_info(c->dht, &info);
	return info.contacts + info.candidates > 0;
}

static void tick_one(struct catalog *k)
{
	uint64_t now_ms = loop_ms(k->c);

	if (k->data.owner)
		publish(k, k->renew_ms && now_ms >= k->renew_ms);
	else if (!k->lookup && now_ms >= k->fetch_ms)
		fetch(k, vx6_catalog_period(vx6_wall_s()));
}

void catalogs_tick(struct vx6_catalogs *c)
{
	uint64_t next_ms = loop_ms(c) + TICK_MS;

	if (!c->dht || c->n == 0)
		return;
	if (!has_network(c)) {
		vx6_timer_in_ms(&c->tick, LONELY_MS);
		return;
	}
	for (size_t i = 0; i < c->n; i++) {
		tick_one(c->row[i]);
		if (!c->row[i]->data.owner && !c->row[i]->lookup)
			next_ms = VX6_MIN(next_ms, c->row[i]->fetch_ms);
	}
	vx6_timer_in_ms(&c->tick, next_ms - VX6_MIN(next_ms, loop_ms(c)));
}

vx6_err vx6_catalogs_find(struct vx6_catalogs *c, const char *name, const char *alias,
			  struct vx6_catalog_entry *out)
{
	struct catalog *k = catalog_named(c, name);
	uint64_t now_ms = loop_ms(c);

	if (!k)
		return VX6_ERR(PEER_UNKNOWN);
	for (size_t i = 0; i < k->data.list.entries_n; i++) {
		if (strcmp(k->data.list.entries[i].alias, alias) != 0)
			continue;
		*out = k->data.list.entries[i];
		return VX6_OK;
	}
	if (!k->data.owner && has_network(c) && !k->lookup && k->fetch_ms > now_ms + MISSED_MS &&
	    vx6_wall_ms() - k->fetched_ms > MISSED_MS)
		fetch(k, vx6_catalog_period(vx6_wall_s()));
	return k->data.owner || k->fetched_ms ? VX6_ERR(SERVICE_UNKNOWN) : VX6_ERR(PEER_UNKNOWN);
}
