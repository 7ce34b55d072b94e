/*
 * Claims to a name, what they amount to, and the conflicts that are remembered.
 *
 * Anybody can claim any name at the price of some work, or of nothing in an endpoint record. So everything here is bounded: claims of a
 * name, names in conflict, events. What weighs more (a peer of the operator's, a node met, a claim that many hold) pushes out what weighs
 * less, never the other way round.
 */
#include "discovery/names_internal.h"

#include <string.h>

#include "base/util.h"
#include "record/name_claim.h"

enum {
	TOLD_MAX = VX6_CLAIMS_MAX, /* events of one conflict before they become rare */
	TOLD_AGAIN_MS = 60 * 1000,
};

/* ---- claims ---- */

static bool is_strong(const struct vx6_name_claim_seen *s)
{
	return s->direct || s->work_bits >= VX6_NAME_WORK_BITS;
}

static uint64_t weight(const struct vx6_claims *c, const struct vx6_name_claim_seen *s)
{
	bool keep = c->has_keep && vx6_node_id_eq(&c->keep, &s->node);

	return (uint64_t)keep << 51 | (uint64_t)s->configured << 50 | (uint64_t)s->direct << 49 |
	       (uint64_t)is_strong(s) << 48 | (uint64_t)VX6_MIN(s->prefixes, 255u) << 40 |
	       (uint64_t)VX6_MIN(s->holders, 255u) << 32 | s->median_age_s;
}

static struct vx6_name_claim_seen *find(struct vx6_claims *c, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < c->n; i++)
		if (vx6_node_id_eq(&c->claim[i].node, node))
			return &c->claim[i];
	return NULL;
}

const struct vx6_name_claim_seen *vx6_claims_find(const struct vx6_claims *c,
						  const struct vx6_node_id *node)
{
	return find((struct vx6_claims *)c, node);
}

/* Two sources of one node's claim: the records say the same, the counts are those of whoever counted more. */
static void merge(struct vx6_name_claim_seen *to, const struct vx6_name_claim_seen *from)
{
	to->direct |= from->direct;
	to->configured |= from->configured;
	to->holders = VX6_MAX(to->holders, from->holders);
	to->prefixes = VX6_MAX(to->prefixes, from->prefixes);
	to->median_age_s = VX6_MAX(to->median_age_s, from->median_age_s);
	if (from->introduced && !to->introduced) {
		to->introduced = true;
		to->by = from->by;
	}
	if (from->record_hash[0] && (from->work_bits || !to->work_bits)) {
		to->work_bits = from->work_bits;
		to->claimed_at_s = from->claimed_at_s;
		memcpy(to->record_hash, from->record_hash, sizeof to->record_hash);
	}
}

bool vx6_claims_add(struct vx6_claims *c, const struct vx6_name_claim_seen *seen)
{
	struct vx6_name_claim_seen *known = find(c, &seen->node), *least = &c->claim[0];

	if (known) {
		merge(known, seen);
		return false;
	}
	if (c->n < VX6_CLAIMS_MAX) {
		c->claim[c->n++] = *seen;
		return true;
	}
	c->more++;
	for (size_t i = 1; i < c->n; i++)
		if (weight(c, &c->claim[i]) < weight(c, least))
			least = &c->claim[i];
	if (weight(c, seen) <= weight(c, least))
		return false;
	*least = *seen;
	return true;
}

/* ---- judging ---- */

/* Which claims count: those of configured peers if there are any, else strong ones if there are any, else all. */
static bool counts(const struct vx6_name_claim_seen *s, bool configured, bool strong)
{
	if (configured)
		return s->configured;
	return !strong || is_strong(s);
}

/* Two disjoint sources, or as many as there can be. */
static bool is_attested(const struct vx6_name_claim_seen *s, const struct vx6_claims_asked *asked)
{
	uint32_t passed_on = s->introduced;

	if (s->configured || s->direct || !asked->network)
		return true;
	return s->holders + passed_on >= VX6_MAX(VX6_MIN(asked->holders, 2u), 1u) &&
	       s->prefixes + passed_on >= VX6_MIN(asked->prefixes, 2u);
}

enum vx6_verdict vx6_claims_judge(const struct vx6_claims *c, const struct vx6_node_id *pin,
				  const struct vx6_claims_asked *asked, struct vx6_node_id *out)
{
	const struct vx6_name_claim_seen *only = NULL;
	bool configured = false, strong = false;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		configured |= c->claim[i].configured;
		strong |= is_strong(&c->claim[i]);
	}
	/* a pin is not lost to mere words of strangers: those cost nothing */
	if (pin && (vx6_claims_find(c, pin) || (!configured && !strong))) {
		*out = *pin;
		return VX6_VERDICT_PIN;
	}
	for (size_t i = 0; i < c->n; i++) {
		if (!counts(&c->claim[i], configured, strong))
			continue;
		only = &c->claim[i];
		n++;
	}
	if (n == 0)
		return VX6_VERDICT_NONE;
	*out = only->node;
	if (pin)
		return VX6_VERDICT_MISMATCH;
	if (n > 1)
		return VX6_VERDICT_SEVERAL;
	return is_attested(only, asked) ? VX6_VERDICT_ONE : VX6_VERDICT_WEAK;
}

/* ---- conflicts ---- */

static void conflict_free(struct conflict *c)
{
	free(c->claims);
	free(c);
}

void conflicts_fini(struct vx6_names *n)
{
	for (size_t i = 0; i < n->conflicts_n; i++)
		conflict_free(n->conflict[i]);
	VX6_FREE(n->conflict);
	n->conflicts_n = 0;
}

static size_t conflict_place(const struct vx6_names *n, const char *name)
{
	size_t lo = 0, hi = n->conflicts_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(n->conflict[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct conflict *conflict_find(const struct vx6_names *n, const char *name)
{
	size_t at = conflict_place(n, name);

	return at < n->conflicts_n && strcmp(n->conflict[at]->name, name) == 0 ? n->conflict[at]
									       : NULL;
}

static void conflict_remove(struct vx6_names *n, size_t at)
{
	conflict_free(n->conflict[at]);
	n->conflicts_n--;
	memmove(n->conflict + at, n->conflict + at + 1,
		(n->conflicts_n - at) * sizeof *n->conflict);
}

/* The one that was quiet for longest gives way; never the one about our own name. */
static void make_room(struct vx6_names *n)
{
	size_t oldest = n->conflicts_n;

	for (size_t i = 0; i < n->conflicts_n; i++)
		if (strcmp(n->conflict[i]->name, n->own) != 0 &&
		    (oldest == n->conflicts_n ||
		     n->conflict[i]->last_ms < n->conflict[oldest]->last_ms))
			oldest = i;
	if (oldest < n->conflicts_n)
		conflict_remove(n, oldest);
}

static struct conflict *conflict_make(struct vx6_names *n, const char *name, uint64_t now_ms)
{
	struct conflict *c = conflict_find(n, name);
	size_t at;

	if (c)
		return c;
	if (!n->conflict)
		n->conflict = vx6_realloc_array(NULL, VX6_CONFLICTS_MAX, sizeof *n->conflict);
	if (n->conflicts_n == VX6_CONFLICTS_MAX)
		make_room(n);
	c = vx6_zalloc(sizeof *c);
	c->claims = vx6_zalloc(sizeof *c->claims);
	vx6_strlcpy(c->name, name, sizeof c->name);
	c->first_ms = now_ms;
	at = conflict_place(n, name);
	memmove(n->conflict + at + 1, n->conflict + at,
		(n->conflicts_n - at) * sizeof *n->conflict);
	n->conflict[at] = c;
	n->conflicts_n++;
	return c;
}

static void show(const struct vx6_names *n, const struct conflict *c, struct vx6_name_conflict *out)
{
	struct vx6_name_binding pin;

	memset(out, 0, sizeof *out);
	vx6_strlcpy(out->name, c->name, sizeof out->name);
	out->ours = c->ours;
	out->pinned = vx6_names_find(n, VX6_BINDING_PIN, c->name, &pin);
	if (out->pinned)
		out->pin = pin.node;
	memcpy(out->claim, c->claims->claim, sizeof out->claim);
	out->claims_n = c->claims->n;
	out->more = c->claims->more;
	out->first_ms = c->first_ms;
	out->last_ms = c->last_ms;
}

/* Sixteen claimants are news each; a crowd is one piece of news a minute. */
static bool may_tell(struct conflict *c, uint64_t now_ms)
{
	if (c->told >= TOLD_MAX && now_ms - c->told_ms < TOLD_AGAIN_MS)
		return false;
	c->told++;
	c->told_ms = now_ms;
	return true;
}

static void tell(struct vx6_names *n, struct conflict *c, const struct vx6_name_claim_seen *who,
		 bool mismatch, uint64_t now_ms)
{
	const struct vx6_names_events *ev = n->ev;
	struct vx6_name_conflict shown;

	if (!ev || !may_tell(c, now_ms))
		return;
	show(n, c, &shown);
	if (c->ours && ev->clash && !vx6_node_id_eq(&who->node, &n->self))
		ev->clash(n->user, &shown, who);
	else if (mismatch && ev->mismatch)
		ev->mismatch(n->user, &shown);
	else if (!c->ours && ev->conflict)
		ev->conflict(n->user, &shown, who);
}

void vx6_names_claimed(struct vx6_names *n, const char *name,
		       const struct vx6_name_claim_seen *seen, uint64_t now_ms)
{
	bool ours = n->own[0] && strcmp(name, n->own) == 0;
	struct vx6_name_binding pin;
	struct conflict *c;

	if (!name[0] || (ours && vx6_node_id_eq(&seen->node, &n->self)))
		return;
	c = conflict_find(n, name);
	if (!c && !ours &&
	    (!vx6_names_find(n, VX6_BINDING_PIN, name, &pin) ||
	     vx6_node_id_eq(&pin.node, &seen->node)))
		return;
	c = conflict_make(n, name, now_ms);
	c->ours = ours;
	c->last_ms = now_ms;
	if (vx6_claims_add(c->claims, seen))
		tell(n, c, seen, false, now_ms);
}

void vx6_names_disputed(struct vx6_names *n, const char *name, const struct vx6_claims *claims,
			bool mismatch, uint64_t now_ms, struct vx6_name_conflict *out)
{
	struct conflict *c = conflict_make(n, name, now_ms);
	const struct vx6_name_claim_seen *newcomer = NULL;

	c->ours = n->own[0] && strcmp(name, n->own) == 0;
	c->last_ms = now_ms;
	for (size_t i = 0; i < claims->n; i++)
		if (vx6_claims_add(c->claims, &claims->claim[i]))
			newcomer = &claims->claim[i];
	c->claims->more = VX6_MAX(c->claims->more, claims->more);
	if (newcomer)
		tell(n, c, newcomer, mismatch, now_ms);
	/* the event's receiver may have changed the table */
	c = conflict_make(n, name, now_ms);
	show(n, c, out);
}

bool vx6_names_conflict(const struct vx6_names *n, const char *name, struct vx6_name_conflict *out)
{
	const struct conflict *c = conflict_find(n, name);

	if (c)
		show(n, c, out);
	return c != NULL;
}

vx6_err vx6_names_conflict_forget(struct vx6_names *n, const char *name)
{
	size_t at = conflict_place(n, name);

	if (at >= n->conflicts_n || strcmp(n->conflict[at]->name, name) != 0)
		return VX6_ERR(NOT_FOUND);
	conflict_remove(n, at);
	return VX6_OK;
}

static bool any_claim_matches(const struct conflict *c, const char *q)
{
	for (size_t i = 0; i < c->claims->n; i++)
		if (name_matches(q, c->name, &c->claims->claim[i].node))
			return true;
	return name_matches(q, c->name, NULL);
}

size_t vx6_names_page_conflicts(const struct vx6_names *n, const char *after, const char *q,
				struct vx6_name_conflict *out, size_t max)
{
	size_t at = after ? conflict_place(n, after) : 0, found = 0;

	if (after && at < n->conflicts_n && strcmp(n->conflict[at]->name, after) == 0)
		at++;
	for (; at < n->conflicts_n && found < max; at++)
		if (any_claim_matches(n->conflict[at], q))
			show(n, n->conflict[at], &out[found++]);
	return found;
}
