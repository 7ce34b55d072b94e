/* What owners of kept records call. */
#include <string.h>

#include "base/util.h"
#include "dht/keep_internal.h"

/* @param at NULL: under its only key */
static vx6_err take_record(struct vx6_dht_kept *k, const struct vx6_dht_key *at,
			   const uint8_t *record, size_t n)
{
	struct vx6_dht_key key;
	struct vx6_record rec;

	VX6_TRY(vx6_record_parse(record, n, &rec));
	if (at)
		VX6_TRY(vx6_dht_key_check(&k->d->net, &rec, at));
	else
		VX6_TRY(vx6_dht_key_of(&k->d->net, &rec, &key));
	k->key = at ? *at : key;
	k->type = rec.view.type;
	memcpy(k->subject, rec.subject.b, sizeof k->subject);
	k->seq = rec.view.seq;
	k->expires_s = vx6_record_expires_s(&rec.view);
	free(k->record);
	k->record = vx6_zalloc(n);
	k->n = n;
	memcpy(k->record, record, n);
	k->given_ms = k->d->now.ms;
	k->took_ms = 0;
	k->complete = false;
	k->tries = 0;
	k->recheck = false;
	return VX6_OK;
}

struct vx6_dht_kept *vx6_dht_keep_at(struct vx6_dht *d, const struct vx6_dht_key *key,
				     const uint8_t *record, size_t n,
				     void (*changed)(void *user, const struct vx6_dht_kept *k),
				     void (*clash)(void *user, const uint8_t *record, size_t n),
				     void *user, const struct vx6_dht_now *now)
{
	struct vx6_dht_kept *k = vx6_zalloc(sizeof *k);

	vx6_dht_enter(d, now);
	k->d = d;
	k->changed = changed;
	k->clash = clash;
	k->user = user;
	k->audit_ms = UINT64_MAX;
	k->audit_every_ms = KEEP_AUDIT_MS;
	k->round_ms = d->now.ms;
	vx6_list_init(&k->holders);
	vx6_list_init(&k->strangers);
	if (vx6_is_ok(take_record(k, key, record, n))) {
		vx6_list_push(&d->keeper->all, &k->node);
		d->keeper->n++;
	} else {
		VX6_FREE(k);
	}
	vx6_dht_leave(d);
	return k;
}

struct vx6_dht_kept *vx6_dht_keep(struct vx6_dht *d, const uint8_t *record, size_t n,
				  void (*changed)(void *user, const struct vx6_dht_kept *k),
				  void (*clash)(void *user, const uint8_t *record, size_t n),
				  void *user, const struct vx6_dht_now *now)
{
	return vx6_dht_keep_at(d, NULL, record, n, changed, clash, user, now);
}

/* Whoever has the old one gets the new one now; who should have it instead turns out meanwhile. */
void vx6_dht_keep_update(struct vx6_dht_kept *k, const uint8_t *record, size_t n,
			 const struct vx6_dht_now *now)
{
	struct vx6_dht *d = k->d;

	vx6_dht_enter(d, now);
	if ((n == k->n && memcmp(record, k->record, n) == 0) ||
	    !vx6_is_ok(take_record(k, &k->key, record, n))) {
		vx6_dht_leave(d);
		return;
	}
	k->in_round = true;
	k->to_look = !k->lookup;
	k->lookup_err = VX6_OK;
	k->audit = KEEP_AUDIT_NONE;
	k->round_ms = k->audit_ms = UINT64_MAX;
	k->candidate_next = k->candidates_n; /* those of another round */
	k->dirty = true;
	VX6_LIST_EACH(at, &k->holders)
	{
		struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		h->state = KEEP_ASKED;
		vx6_dht_keep_holder_go(h);
	}
	vx6_dht_leave(d);
}

void vx6_dht_kept_info(const struct vx6_dht_kept *k, struct vx6_dht_kept_info *out)
{
	*out = (struct vx6_dht_kept_info){
		.key = k->key,
		.type = k->type,
		.busy = k->in_round || vx6_dht_keep_is_busy(k),
		.wanted = k->wanted,
		.proved_ms = k->proved_ms,
		.took_ms = k->took_ms,
		.last_err = k->last_err,
	};
	VX6_LIST_EACH(at, &k->holders)
	{
		const struct keep_holder *h = VX6_CONTAINER_OF(at, struct keep_holder, node);

		if (!h->chosen || out->holders_n == VX6_ARRAY_N(out->holder))
			continue;
		out->stored += h->state == KEEP_STORED || h->state == KEEP_PROVED;
		out->proved += h->state == KEEP_PROVED;
		out->holder[out->holders_n] = h->contact;
		out->holder_state[out->holders_n++] = h->state;
	}
}

void vx6_dht_forget(struct vx6_dht_kept *k)
{
	struct dht_keeper *keeper;
	struct vx6_list *at;

	if (!k)
		return;
	keeper = k->d->keeper;
	if (k->lookup) {
		vx6_dht_lookup_cancel(k->lookup);
		keeper->lookups--;
	}
	while (!vx6_list_is_empty(&k->holders))
		vx6_dht_keep_holder_free(
			VX6_CONTAINER_OF(k->holders.next, struct keep_holder, node));
	while ((at = vx6_list_pop(&k->strangers)) != NULL)
		free(VX6_CONTAINER_OF(at, struct keep_stranger, node));
	vx6_list_remove(&k->node);
	keeper->n--;
	free(k->seen);
	free(k->record);
	free(k);
}
