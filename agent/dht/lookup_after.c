#include <string.h>

#include "dht/lookup_internal.h"

/*
 * An owner that has moved knows nothing of who held its record before, so these keep the old one until it expires. Whoever meets both tells
 * them. And a reader now and then leaves a copy with the nearest one on its way that had none, so that a record which many ask for is found
 * a step earlier. Endpoint records are not copied: they are what changes when a node moves, and copies would live on.
 */
enum { REPAIRS_MAX = 4, COPY_ONE_IN = 4 };

static void put(struct vx6_dht_lookup *l, const struct dht_cand *c, const struct dht_found *f,
		uint8_t flags)
{
	struct vx6_dht_req req = {.op = VX6_DHT_PUT,
				  .flags = flags,
				  .record = f->bytes,
				  .record_n = f->n};

	memcpy(req.key, l->ask.key.b, sizeof req.key);
	memcpy(req.token, c->token, sizeof req.token);
	vx6_dht_ask_one(l->d, VX6_DHT_NO_PATH, &c->contact, &req, NULL, NULL);
}

static void repair(struct vx6_dht_lookup *l)
{
	unsigned left = REPAIRS_MAX;

	for (size_t i = 0; i < l->found_n; i++)
		for (size_t j = 0; j < l->found[i].voices_n && left > 0; j++) {
			const struct dht_voice *v = &l->found[i].voice[j];

			if (v->exact || v->cand == FROM_TABLE)
				continue;
			put(l, &l->cand[v->cand], &l->found[i], 0);
			left--;
		}
}

static bool has_it(const struct dht_found *f, uint16_t cand)
{
	for (size_t i = 0; i < f->voices_n; i++)
		if (f->voice[i].cand == cand)
			return true;
	return false;
}

static void copy(struct vx6_dht_lookup *l)
{
	const struct dht_found *f = &l->found[0];

	if (l->found_n != 1 || l->ask.want != VX6_DHT_WANT_ONE ||
	    (f->type != VX6_RTYPE_SERVICE && f->type != VX6_RTYPE_CATALOG) ||
	    vx6_dht_random64(l->d) % COPY_ONE_IN != 0)
		return;
	for (size_t i = 0; i < l->cands_n; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (c->state != CAND_ANSWERED || c->refused || has_it(f, l->order[i]))
			continue;
		put(l, c, f, VX6_DHT_CACHE);
		return;
	}
}

void vx6_dht_lookup_leave_better(struct vx6_dht_lookup *l)
{
	if (l->found_n == 0 || vx6_dht_is_led(l->d))
		return;
	repair(l);
	copy(l);
}
