/*
 * The table, and what comes in from records. An entry is made by vx6_relays_put() or a stored row, and freed by whoever needs its place, by
 * vx6_relays_forget() or vx6_relays_expire(). Between calls: v[0..n) and by_node hold the same entries, slot.at is right.
 */
#include "circuit/relays.h"

#include <string.h>

#include "base/util.h"
#include "circuit/relays_internal.h"

enum {
	LOOK_AT = 16,  /* entries that might have to make room */
	STRIDE = 2531, /* from all over the table */
	KEEP_UNUSED_S = 86400,
	KEEP_USED_S = 60 * 86400,
};

struct vx6_relays *vx6_relays_new(void)
{
	struct vx6_relays *r = vx6_zalloc(sizeof *r);

	r->v = vx6_zalloc(VX6_RELAYS_MAX * sizeof(struct slot *));
	r->median = vx6_zalloc(sizeof *r->median);
	return r;
}

void vx6_relays_free(struct vx6_relays *r)
{
	if (!r)
		return;
	HASH_CLEAR(hh, r->by_node);
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i]);
	free(r->v);
	free(r->median);
	free(r);
}

struct slot *relays_slot(const struct vx6_relays *r, const struct vx6_node_id *node)
{
	struct slot *s;

	HASH_FIND(hh, r->by_node, node, sizeof *node, s);
	return s;
}

void relays_touch(struct vx6_relays *r, struct slot *s)
{
	r->version++;
	r->dirty_n += !s->dirty;
	s->dirty = true;
}

void relays_remove(struct vx6_relays *r, struct slot *s)
{
	r->version++;
	r->dirty_n -= s->dirty;
	r->measured_n -= s->e.capacity > 0;
	if (r->removed_n < RELAY_REMOVED_MAX)
		r->removed[r->removed_n++] = s->e.node;
	r->v[s->at] = r->v[--r->n];
	r->v[s->at]->at = s->at;
	HASH_DELETE(hh, r->by_node, s);
	free(s);
}

/* ---- room ---- */

static bool shares_prefix(const struct vx6_relay_entry *a, const struct vx6_relay_entry *b)
{
	for (size_t i = 0; i < a->nets.prefix_n; i++)
		for (size_t k = 0; k < b->nets.prefix_n; k++)
			if (a->nets.prefix[i] == b->nets.prefix[k] &&
			    a->nets.prefix[i] != VX6_RELAY_PREFIX_PRIVATE)
				return true;
	return false;
}

/* Entries without a history in a network of @p e. */
static size_t neighbours(const struct vx6_relays *r, const struct vx6_relay_entry *e)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += !vx6_relay_has_history(&r->v[i]->e) && shares_prefix(&r->v[i]->e, e);
	return n;
}

static struct slot *longest_gone(const struct vx6_relays *r, uint64_t now_s)
{
	struct slot *best = NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct slot *s = r->v[i];
		bool used = vx6_relay_has_history(&s->e);

		if (vx6_relay_is_listed(&s->e, now_s))
			continue;
		if (!best || used < vx6_relay_has_history(&best->e) ||
		    (used == vx6_relay_has_history(&best->e) &&
		     s->e.last_listed_s < best->e.last_listed_s))
			best = s;
	}
	return best;
}

static struct slot *most_crowded(struct vx6_relays *r, const struct vx6_relay_entry *newcomer)
{
	size_t most = neighbours(r, newcomer) + 1; /* as it would be */
	struct slot *best = NULL;
	unsigned looked = 0;

	for (size_t i = 0; i < r->n && looked < LOOK_AT; i++) {
		struct slot *s = r->v[(r->cursor += STRIDE) % r->n];
		size_t n;

		if (vx6_relay_has_history(&s->e))
			continue;
		looked++;
		n = neighbours(r, &s->e);
		if (n > most) {
			most = n;
			best = s;
		}
	}
	return best;
}

static bool room_for(struct vx6_relays *r, const struct vx6_relay_entry *newcomer, uint64_t now_s)
{
	struct slot *out;

	if (!vx6_relay_has_history(newcomer) && neighbours(r, newcomer) >= VX6_RELAYS_OF_PREFIX)
		return false;
	if (r->n < VX6_RELAYS_MAX)
		return true;
	out = longest_gone(r, now_s);
	if (!out)
		out = most_crowded(r, newcomer);
	if (!out)
		return false;
	relays_remove(r, out);
	return true;
}

struct slot *relays_make(struct vx6_relays *r, const struct vx6_relay_entry *like, uint64_t now_s)
{
	struct slot *s;

	if (!room_for(r, like, now_s))
		return NULL;
	s = vx6_zalloc(sizeof *s);
	s->e = *like;
	s->at = r->n;
	r->v[r->n++] = s;
	r->version++;
	HASH_ADD(hh, r->by_node, e.node, sizeof s->e.node, s);
	return s;
}

/* ---- records ---- */

void vx6_relay_facts_of(const struct vx6_relay_info *info, const struct vx6_endpoint *endpoint,
			uint64_t now_s, struct vx6_relay_facts *out)
{
	size_t key = 0;

	*out = (struct vx6_relay_facts){
		.node = info->node,
		.until_s = info->issued_s + info->lifetime_s,
		.policy = info->policy,
		.addrs_n = endpoint->n_addrs,
	};
	while (key + 1U < info->keys_n && info->keys[key].not_after_s <= now_s)
		key++;
	if (info->keys_n > 0) {
		memcpy(out->onion_key, info->keys[key].pk, sizeof out->onion_key);
		out->onion_until_s = info->keys[key].not_after_s;
	}
	if (info->has_family)
		memcpy(out->family, info->family, sizeof out->family);
	for (size_t i = 0; i < endpoint->n_addrs; i++)
		out->addrs[i] = endpoint->addrs[i].addr;
}

static void set_facts(struct vx6_relay_entry *e, const struct vx6_relay_facts *f)
{
	e->node = f->node;
	e->until_s = f->until_s;
	memcpy(e->onion_key, f->onion_key, sizeof e->onion_key);
	e->onion_until_s = f->onion_until_s;
	e->policy = f->policy;
	e->draining = (f->policy & VX6_RELAY_DRAINING) != 0;
	memcpy(e->family, f->family, sizeof e->family);
	memcpy(e->ip, f->addrs[0].ip, sizeof e->ip);
	e->port = f->addrs[0].port;
	e->nets = (struct vx6_networks){0};
	for (size_t i = 0; i < f->addrs_n; i++)
		vx6_networks_add(&e->nets, &f->addrs[i], f->asns[i]);
}

vx6_err vx6_relays_put(struct vx6_relays *r, const struct vx6_relay_facts *f, uint64_t now_s)
{
	static const uint8_t none[VX6_ONION_KEY_BYTES];
	struct vx6_relay_entry fresh = {0};
	struct slot *s;

	if (f->addrs_n == 0 || f->addrs[0].family != VX6_ADDR_IP || f->policy == 0 ||
	    memcmp(f->onion_key, none, sizeof none) == 0)
		return VX6_ERR(INVALID);
	if (f->until_s <= now_s)
		return VX6_ERR(EXPIRED);
	s = relays_slot(r, &f->node);
	if (!s) {
		set_facts(&fresh, f);
		fresh.first_seen_s = now_s;
		fresh.score_s = now_s;
		s = relays_make(r, &fresh, now_s);
	}
	if (!s)
		return VX6_ERR(FULL);
	set_facts(&s->e, f);
	if (now_s - VX6_MIN(s->e.last_listed_s, now_s) >= 3600 || !s->e.last_listed_s) {
		s->e.last_listed_s =
			now_s; /* once an hour is as fine as it has to be on the disk */
		relays_touch(r, s);
	}
	r->version++;
	return VX6_OK;
}

void vx6_relays_drop(struct vx6_relays *r, const struct vx6_node_id *node)
{
	struct slot *s = relays_slot(r, node);

	if (!s)
		return;
	s->e.until_s = 0;
	r->version++;
}

void vx6_relays_forget(struct vx6_relays *r, const struct vx6_node_id *node)
{
	struct slot *s = relays_slot(r, node);

	if (s)
		relays_remove(r, s);
}

void vx6_relays_seen_draining(struct vx6_relays *r, const struct vx6_node_id *node)
{
	struct slot *s = relays_slot(r, node);

	if (!s)
		return;
	s->e.draining = true;
	r->version++;
}

void vx6_relays_expire(struct vx6_relays *r, uint64_t now_s)
{
	for (size_t i = r->n; i-- > 0;) {
		const struct vx6_relay_entry *e = &r->v[i]->e;
		uint64_t gone_s = now_s - VX6_MIN(e->last_listed_s, now_s);

		if (!vx6_relay_is_listed(e, now_s) &&
		    gone_s > (vx6_relay_has_history(e) ? KEEP_USED_S : KEEP_UNUSED_S))
			relays_remove(r, r->v[i]);
	}
}

/* ---- to look at ---- */

const struct vx6_relay_entry *vx6_relays_find(const struct vx6_relays *r,
					      const struct vx6_node_id *node)
{
	const struct slot *s = relays_slot(r, node);

	return s ? &s->e : NULL;
}

size_t vx6_relays_count(const struct vx6_relays *r)
{
	return r->n;
}

const struct vx6_relay_entry *vx6_relays_at(const struct vx6_relays *r, size_t i)
{
	VX6_ASSERT(i < r->n);
	return &r->v[i]->e;
}

size_t vx6_relays_listed(const struct vx6_relays *r, uint64_t now_s)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += vx6_relay_is_listed(&r->v[i]->e, now_s);
	return n;
}

uint64_t vx6_relays_version(const struct vx6_relays *r)
{
	return r->version;
}

bool vx6_relay_is_listed(const struct vx6_relay_entry *e, uint64_t now_s)
{
	return now_s < e->until_s;
}

/* ---- networks ---- */

uint64_t vx6_relay_prefix(const struct vx6_addr *a)
{
	uint64_t p = 0;

	if (a->family != VX6_ADDR_IP)
		return 0;
	if (vx6_addr_is_private(a))
		return VX6_RELAY_PREFIX_PRIVATE;
	if (vx6_addr_is_v4(a))
		return UINT64_C(4) << 56 | (uint64_t)a->ip[12] << 8 | a->ip[13];
	for (size_t i = 0; i < 6; i++)
		p = p << 8 | a->ip[i];
	return UINT64_C(6) << 56 | p;
}

static void add_prefix(struct vx6_networks *n, uint64_t prefix)
{
	if (n->prefix_n && prefix == VX6_RELAY_PREFIX_PRIVATE)
		return;
	if (n->prefix_n && n->prefix[0] == VX6_RELAY_PREFIX_PRIVATE)
		n->prefix_n = 0;
	for (size_t i = 0; i < n->prefix_n; i++)
		if (n->prefix[i] == prefix)
			return;
	if (prefix && n->prefix_n < VX6_NETWORKS_MAX)
		n->prefix[n->prefix_n++] = prefix;
}

void vx6_networks_add(struct vx6_networks *n, const struct vx6_addr *a, uint32_t asn)
{
	add_prefix(n, vx6_relay_prefix(a));
	for (size_t i = 0; i < n->asn_n; i++)
		if (n->asn[i] == asn)
			return;
	if (asn && n->asn_n < VX6_NETWORKS_MAX)
		n->asn[n->asn_n++] = asn;
}
