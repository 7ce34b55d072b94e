#include <string.h>

#include "base/util.h"
#include "dht/dht_internal.h"

/* The nearest of those seen so far. */
struct ranked {
	uint64_t distance;
	const struct dht_entry *e;
};
struct ranking {
	const struct vx6_dht *d;
	const struct vx6_dht_key *key;
	unsigned flags;
	const struct vx6_node_id *not_node;
	uint32_t now_s;
	bool diverse;
	size_t n, max;
	struct ranked best[CLOSEST_MAX];
};

static bool is_wanted(const struct ranking *r, const struct dht_entry *e)
{
	if (r->not_node && vx6_node_id_eq(&e->contact.node, r->not_node))
		return false;
	if (r->diverse && vx6_dht_contact_is_private(&e->contact))
		return false;
	if (r->flags & CHOOSE_PROVED)
		return e->proved && e->failures == 0;
	if ((r->flags & CHOOSE_SOUND) && e->failures > 0)
		return false;
	return e->demoted_s <= r->now_s;
}

static void rank(struct ranking *r, const struct dht_entry *e)
{
	uint64_t distance = vx6_dht_distance64(r->key, &e->pos);
	size_t at;

	if (r->n == r->max && distance >= r->best[r->n - 1].distance)
		return;
	if (!is_wanted(r, e))
		return;
	at = r->n < r->max ? r->n++ : r->n - 1;
	while (at > 0 && r->best[at - 1].distance > distance) {
		r->best[at] = r->best[at - 1];
		at--;
	}
	r->best[at] = (struct ranked){distance, e};
}

static void rank_bucket(struct ranking *r, unsigned index)
{
	const struct dht_bucket *b = &r->d->table->bucket[index];

	for (size_t i = 0; i < b->n; i++)
		rank(r, &b->entry[i]);
	for (size_t i = 0; i < b->spare_n; i++)
		rank(r, &b->spare[i]);
}

/*
 * With the key in bucket b of ours: all of bucket b is nearer to it than all nearer buckets of ours, these are nearer than bucket b - 1, that
 * is nearer than b - 2, and so on.
 */
static void rank_all(struct ranking *r)
{
	unsigned b = vx6_dht_bucket_of(r->d, r->key), n = r->d->table->buckets_n;

	if (b < n)
		rank_bucket(r, b);
	if (r->n < r->max)
		for (unsigned i = b + 1; i < n; i++)
			rank_bucket(r, i);
	for (unsigned i = VX6_MIN(b, n); i > 0 && r->n < r->max; i--)
		rank_bucket(r, i - 1);
}

size_t vx6_dht_closest(const struct vx6_dht *d, const struct vx6_dht_key *key, unsigned flags,
		       const struct vx6_node_id *not_node, struct dht_entry *out, size_t max)
{
	struct ranking r = {.d = d, .key = key, .flags = flags, .not_node = not_node};
	uint8_t taken[CLOSEST_MAX][VX6_DHT_PREFIX_BYTES];
	bool capped;
	size_t n = 0;

	r.diverse = vx6_dht_diversity(d) != VX6_DIVERSITY_OFF;
	r.now_s = vx6_dht_table_s(d);
	capped = r.diverse && (flags & CHOOSE_CAPPED);
	max = VX6_MIN(max, (size_t)CLOSEST_MAX);
	r.max = capped ? VX6_MIN(max * 3, (size_t)CLOSEST_MAX) : max;
	rank_all(&r);
	for (size_t i = 0; i < r.n && n < max; i++) {
		const struct dht_entry *e = r.best[i].e;

		if (capped && !vx6_dht_add_prefix(taken, n, &e->contact))
			continue;
		out[n] = *e;
		out[n].contact.age_days =
			(uint16_t)VX6_MIN((r.now_s - e->known_s) / 86400, UINT16_MAX);
		n++;
	}
	return n;
}

size_t vx6_dht_eligible(const struct vx6_dht *d, size_t max)
{
	struct dht_caps caps = {0};

	for (unsigned i = 0; i < d->table->buckets_n; i++) {
		const struct dht_bucket *b = &d->table->bucket[i];

		for (size_t j = 0; j < b->n && caps.n < max; j++)
			if (b->entry[j].failures == 0 && vx6_dht_is_usable(d, &b->entry[j].contact))
				vx6_dht_caps_take(&caps, d, &b->entry[j].contact);
	}
	return caps.n;
}

bool vx6_dht_is_near(const struct vx6_dht *d, const struct vx6_dht_key *key, size_t n)
{
	struct dht_entry nearest[CLOSEST_MAX];
	size_t got;

	n = VX6_MIN(n, (size_t)CLOSEST_MAX);
	/* within the caps: a crowd from a few prefixes must not make the others send records away */
	got = vx6_dht_closest(d, key, CHOOSE_PROVED | CHOOSE_CAPPED, NULL, nearest, n);
	return got < n || vx6_dht_closer(key, &d->pos, &nearest[n - 1].pos) <= 0;
}
