/* How dealings with nodes went, and who could be dialled. */
#include <string.h>

#include "discovery/registry_internal.h"

struct contact *contact_make(struct vx6_registry *r, uint32_t node)
{
	struct known *k = known_at(r, node);

	if (!k->contact)
		k->contact = pool_take(&r->contacts);
	return contact_at(r, k->contact);
}

void contact_drop(struct vx6_registry *r, uint32_t node)
{
	struct known *k = known_at(r, node);
	struct vx6_node_id id;

	if (!k->contact)
		return;
	if (contact_at(r, k->contact)->stored) {
		known_id(r, k, &id);
		dirty_removed(r, KEY_TYPE_CONTACT, id.b, 0);
	}
	r->met -= contact_at(r, k->contact)->met_s != 0;
	pool_give(&r->contacts, k->contact);
	k->contact = 0;
}

static void set_address(struct contact *c, const struct vx6_endpoint_addr *a)
{
	memcpy(c->ip, a->addr.ip, sizeof c->ip);
	c->scope = a->addr.scope;
	c->port = a->addr.port;
	c->via = a->via;
}

void contact_show(const struct contact *c, struct vx6_contact *out)
{
	*out = (struct vx6_contact){0};
	if (!c)
		return;
	out->met_s = c->met_s;
	out->tried_s = c->tried_s;
	out->successes = c->successes;
	out->failures = c->failures;
	if (!c->via)
		return;
	out->good.addr.family = VX6_ADDR_IP;
	memcpy(out->good.addr.ip, c->ip, sizeof c->ip);
	out->good.addr.scope = c->scope;
	out->good.addr.port = c->port;
	out->good.via = c->via;
}

void contact_from_record(struct vx6_registry *r, uint32_t node, const struct entry *e)
{
	struct vx6_endpoint ep;
	struct vx6_record rec;
	struct contact *c;

	if (known_at(r, node)->contact || r->contacts.live >= HEARD_CONTACTS_MAX ||
	    !entry_parse(e, &rec) || !vx6_is_ok(vx6_endpoint_read(&rec, &ep)) || !ep.n_addrs)
		return;
	c = contact_make(r, node);
	set_address(c, &ep.addrs[0]);
	dirty_contact(r, c);
}

/* A node that a session proved but nothing else is known of gets an empty certificate mark to hang on to. */
static uint32_t node_for(struct vx6_registry *r, const struct vx6_node_id *id)
{
	static const struct vx6_source from = {.kind = VX6_SOURCE_SUBJECT};
	struct vx6_hwm_key key = {.type = VX6_HWM_CERT};
	uint32_t node = known_find(r, id);

	if (node || !room_for(r, 0, id, &from))
		return node;
	memcpy(key.subject, id->b, sizeof key.subject);
	dirty_entry(r, entry_make(r, 0, &key), true);
	return known_find(r, id);
}

void vx6_registry_met(struct vx6_registry *r, const struct vx6_node_id *id,
		      const struct vx6_endpoint_addr *addr, uint64_t now_s)
{
	uint32_t node = node_for(r, id);
	struct contact *c;

	if (!node)
		return;
	introduced_no_more(r, node);
	c = contact_make(r, node);
	r->met += c->met_s == 0;
	c->met_s = (uint32_t)now_s;
	c->failures = 0;
	if (addr && addr->addr.family == VX6_ADDR_IP && addr->via) {
		c->tried_s = (uint32_t)now_s;
		c->successes += c->successes < UINT32_MAX;
		set_address(c, addr);
	}
	dirty_contact(r, c);
}

void vx6_registry_missed(struct vx6_registry *r, const struct vx6_node_id *id, uint64_t now_s)
{
	uint32_t node = known_find(r, id);
	struct contact *c;

	if (!node)
		return;
	c = contact_make(r, node);
	c->tried_s = (uint32_t)now_s;
	c->failures += c->failures < UINT32_MAX;
	dirty_contact(r, c);
}

/* ---- candidates ---- */

/* Those that are given up for now come last, so that a list of many dead ones has an end. */
static int rank(const struct vx6_candidate *c)
{
	if (c->contact.failures >= VX6_CANDIDATE_FAILURES)
		return 2;
	return c->contact.met_s ? 0 : 1;
}

static int cmp_candidate(const struct vx6_candidate *a, const struct vx6_candidate *b)
{
	int rank_a = rank(a), rank_b = rank(b);

	if (rank_a != rank_b)
		return rank_a - rank_b;
	return (a->fresh_s < b->fresh_s) - (a->fresh_s > b->fresh_s);
}

static bool candidate_of(const struct vx6_registry *r, const struct known *k, uint64_t now_s,
			 struct vx6_candidate *out)
{
	const struct entry *e;
	struct entry_facts f;

	*out = (struct vx6_candidate){0};
	if (known_is_void(r, k))
		return false;
	contact_show(k->contact ? contact_at(r, k->contact) : NULL, &out->contact);
	out->fresh_s = out->contact.met_s;
	for (uint32_t i = k->first; i; i = e->sibling) {
		e = entry_at(r, i);
		if (e->type != VX6_RTYPE_ENDPOINT || !entry_is_valid(e, now_s))
			continue;
		/* whom we looked for, perhaps to go there through relays, is not to hear of us by itself */
		if (vx6_source_is_confidential(e->source) && !out->contact.met_s)
			continue;
		entry_facts(e, &f);
		out->has_endpoint = true;
		out->fresh_s = VX6_MAX(out->fresh_s, f.issued_s);
	}
	known_id(r, k, &out->node);
	return out->has_endpoint || out->contact.good.via;
}

size_t vx6_registry_candidates(const struct vx6_registry *r, uint64_t now_s,
			       struct vx6_candidate *out, size_t max)
{
	struct vx6_candidate one;
	size_t n = 0, at;

	for (uint32_t i = 1; i <= r->nodes.top && max > 0; i++) {
		if (!known_at(r, i)->entries || !candidate_of(r, known_at(r, i), now_s, &one))
			continue;
		if (n == max && cmp_candidate(&one, &out[n - 1]) >= 0)
			continue;
		for (at = n < max ? n++ : n - 1; at > 0 && cmp_candidate(&one, &out[at - 1]) < 0;
		     at--)
			out[at] = out[at - 1];
		out[at] = one;
	}
	return n;
}
