/*
 * Who has to leave when there is no room. Strangers are cheap to make, so what they bring may only push out what counts no more than they
 * do; and one introducer's strangers only each other, once they fill his share.
 */
#include <string.h>

#include "discovery/registry_internal.h"

enum { LEAVE_AT_ONCE = 64 }; /* so that a look at the whole table is paid for by many newcomers */

enum rank {
	RANK_FADED,      /* never met, and no record of it is valid any more */
	RANK_HEARD,      /* never met */
	RANK_CAME,       /* it came to us */
	RANK_REACHED,    /* we have reached it: an address that works */
	RANK_CONFIGURED, /* the operator named it, or a pin does */
};

bool is_configured(const struct vx6_registry *r, const struct vx6_node_id *node)
{
	return r->ev && r->ev->is_configured && r->ev->is_configured(r->user, node);
}

/* ---- introducers ---- */

/* Those who come when all numbers are taken share the last one, and one share. */
static struct introducer *introducer_find(const struct vx6_registry *r,
					  const struct vx6_node_id *id)
{
	struct introducer *in;

	HASH_FIND(hh, r->introducers, id->b, sizeof id->b, in);
	return in || r->introducers_n < INTRODUCERS_MAX ? in : r->introducer[INTRODUCERS_MAX];
}

static struct introducer *introducer_make(struct vx6_registry *r, const struct vx6_node_id *id)
{
	struct introducer *in = introducer_find(r, id);
	uint16_t number = 1;

	if (in)
		return in;
	while (r->introducer[number])
		number++;
	in = vx6_zalloc(sizeof *in);
	in->id = *id;
	in->number = number;
	r->introducer[number] = in;
	r->introducers_n++;
	HASH_ADD(hh, r->introducers, id.b, sizeof in->id.b, in);
	return in;
}

/* Answers of the DHT and beacons count as introductions by one of that kind. */
static bool introducer_id(const struct vx6_source *from, struct vx6_node_id *out)
{
	if (!from || from->kind == VX6_SOURCE_SUBJECT || from->kind == VX6_SOURCE_DISK)
		return false;
	*out = from->by;
	if (from->kind != VX6_SOURCE_PEER)
		memset(out->b, (int)from->kind, sizeof out->b);
	return true;
}

void introduced(struct vx6_registry *r, uint32_t node, const struct vx6_source *from)
{
	struct vx6_node_id id;
	struct introducer *in;

	if (!introducer_id(from, &id))
		return;
	in = introducer_make(r, &id);
	in->n++;
	known_at(r, node)->introducer = in->number;
}

void introduced_no_more(struct vx6_registry *r, uint32_t node)
{
	struct known *k = known_at(r, node);
	struct introducer *in = r->introducer[k->introducer];

	if (!k->introducer)
		return;
	k->introducer = 0;
	if (--in->n > 0)
		return;
	HASH_DEL(r->introducers, in);
	r->introducer[in->number] = NULL;
	r->introducers_n--;
	free(in);
}

/* @return number of the introducer; 0: there is room in his share, or there is none */
static uint16_t share_used_up(const struct vx6_registry *r, const struct vx6_source *from)
{
	const struct introducer *in;
	struct vx6_node_id id;

	if (!introducer_id(from, &id))
		return 0;
	in = introducer_find(r, &id);
	return in && in->n >= VX6_KNOWN_INTRODUCED_MAX ? in->number : 0;
}

/* ---- ranks ---- */

static enum rank rank_met(const struct vx6_registry *r, const struct known *k)
{
	const struct contact *c = k->contact ? contact_at(r, k->contact) : NULL;

	if (!c || !c->met_s)
		return RANK_HEARD;
	return c->successes ? RANK_REACHED : RANK_CAME;
}

static enum rank rank_of(const struct vx6_registry *r, const struct known *k, bool any_valid)
{
	enum rank rank = rank_met(r, k);
	struct vx6_node_id id;

	known_id(r, k, &id);
	if (is_configured(r, &id))
		return RANK_CONFIGURED;
	return rank == RANK_HEARD && !any_valid ? RANK_FADED : rank;
}

/* Smaller leaves first: by rank, then who takes up most, then whose record ends first. A revocation of a stranger counts as one of today. */
static uint64_t worth(const struct vx6_registry *r, const struct known *k)
{
	uint64_t until = 0, share = VX6_MIN(k->entries, 255U);
	bool any_valid = false;

	for (uint32_t i = k->first; i; i = entry_at(r, i)->sibling) {
		const struct entry *e = entry_at(r, i);
		uint64_t expires = entry_expires_s(e);

		any_valid |= e->n && expires > r->now_s;
		if (expires < (UINT64_C(1) << 40))
			until = VX6_MAX(until, expires);
		else
			until = VX6_MAX(until, r->now_s);
	}
	return (uint64_t)rank_of(r, k, any_valid) << 56 | (255 - share) << 48 | until;
}

static enum rank rank_of_newcomer(const struct vx6_registry *r, uint32_t node,
				  const struct vx6_node_id *subject, const struct vx6_source *from)
{
	if (is_configured(r, subject))
		return RANK_CONFIGURED;
	if (node)
		return VX6_MAX(rank_met(r, known_at(r, node)), RANK_HEARD);
	return from && from->kind == VX6_SOURCE_SUBJECT ? RANK_CAME : RANK_HEARD;
}

/* ---- leaving ---- */

struct leaving {
	uint64_t worth;
	uint32_t node;
};

/* Keeps the LEAVE_AT_ONCE least worthy in @p l, sorted. */
static size_t insert_least(struct leaving *l, size_t n, struct leaving one)
{
	size_t at = n;

	if (n == LEAVE_AT_ONCE && l[n - 1].worth <= one.worth)
		return n;
	if (n == LEAVE_AT_ONCE)
		at--;
	for (; at > 0 && l[at - 1].worth > one.worth; at--)
		l[at] = l[at - 1];
	l[at] = one;
	return VX6_MIN(n + 1, (size_t)LEAVE_AT_ONCE);
}

/* @param introducer 0: of anybody @param spare not this one @return whether any left */
static bool make_leave(struct vx6_registry *r, enum rank up_to, uint16_t introducer, uint32_t spare)
{
	struct leaving l[LEAVE_AT_ONCE];
	size_t n = 0;
	bool any = false;

	for (uint32_t i = 1; i <= r->nodes.top; i++) {
		const struct known *k = known_at(r, i);

		if (i == spare || k->entries == 0 || (introducer && k->introducer != introducer))
			continue;
		n = insert_least(l, n, (struct leaving){worth(r, k), i});
	}
	for (size_t i = 0; i < n && l[i].worth >> 56 <= (uint64_t)up_to; i++) {
		known_drop(r, l[i].node);
		r->evicted++;
		any = true;
		/* equals make way one by one: what is left of them is as good as the newcomer */
		if (l[i].worth >> 56 == (uint64_t)up_to && up_to > RANK_HEARD)
			break;
	}
	return any;
}

bool room_for(struct vx6_registry *r, uint32_t node, const struct vx6_node_id *subject,
	      const struct vx6_source *from)
{
	enum rank rank = rank_of_newcomer(r, node, subject, from);
	uint16_t full = node ? 0 : share_used_up(r, from);
	bool ok = true;

	if (full)
		ok = make_leave(r, rank, full, node);
	if (ok && ((!node && r->nodes.live >= VX6_KNOWN_NODES_MAX) ||
		   r->entries.live >= VX6_KNOWN_RECORDS_MAX))
		ok = make_leave(r, rank, 0, node);
	r->refused += !ok;
	return ok;
}
