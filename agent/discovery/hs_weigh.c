/*
 * The newest counts, and those who brought just that. A holder with an older one is outvoted by any that has the newest, as long as one proxy
 * heard out those who should hold it.
 */
#include <string.h>

#include "discovery/hs_dht_internal.h"

static void take(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		 const struct vx6_dht_value *v)
{
	struct vx6_record rec;

	if (v->n > sizeof h->record || !vx6_is_ok(vx6_record_parse(v->record, v->n, &rec)) ||
	    rec.view.type != VX6_RTYPE_DESCRIPTOR ||
	    memcmp(rec.subject.b, blinded->b, sizeof rec.subject.b) != 0)
		return;
	memcpy(h->record, v->record, v->n);
	h->n = v->n;
	h->seq = rec.view.seq;
	h->hash = rec.hash;
	h->paths = v->paths;
	h->holders = v->holders;
	h->found = true;
}

void hs_heard_take(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		   const struct vx6_dht_result *r)
{
	for (size_t i = 0; i < r->values_n; i++)
		take(h, blinded, &r->value[i]);
	h->heard = r->heard;
	h->whole = r->whole;
	h->err = r->err;
	h->ended = true;
}

void hs_heard_so_far(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		     const struct vx6_dht_value *v)
{
	*h = (struct hs_heard){0};
	take(h, blinded, v);
	h->heard = h->paths;
}

static bool is_same(const struct hs_heard *a, const struct hs_heard *b)
{
	return a->n == b->n && memcmp(a->record, b->record, a->n) == 0;
}

/* Of two that say something else under one number, the lower hash: everybody takes the same one. */
static bool is_better(const struct hs_heard *a, const struct hs_heard *b)
{
	if (a->seq != b->seq)
		return a->seq > b->seq;
	return memcmp(a->hash.b, b->hash.b, sizeof a->hash.b) < 0;
}

/* @param stale out: there is one that is below */
static const struct hs_heard *best_of(const struct hs_heard *heard, uint64_t least, bool *stale)
{
	const struct hs_heard *best = NULL;

	*stale = false;
	for (size_t i = 0; i < VX6_HS_INDEXES; i++) {
		if (!heard[i].found)
			continue;
		if (heard[i].seq < least)
			*stale = true;
		else if (!best || is_better(&heard[i], best))
			best = &heard[i];
	}
	return best;
}

/* Why there is none. It is final only when nobody has it under either key. */
static vx6_err why_none(vx6_err a, vx6_err b, bool stale)
{
	if (stale)
		return VX6_ERR(STALE);
	if (a.code == VX6_E_KEY || (a.code == VX6_E_NOT_FOUND && b.code == VX6_E_NOT_FOUND))
		return a;
	if (a.code == VX6_E_TIMEOUT || b.code == VX6_E_TIMEOUT)
		return VX6_ERR(TIMEOUT);
	return VX6_ERR(UNREACHABLE);
}

void hs_weigh(const struct hs_heard heard[static VX6_HS_INDEXES], uint64_t least,
	      struct vx6_hs_fetched *out)
{
	unsigned whole = 0, ended = 0;
	const struct hs_heard *best;
	bool stale;

	best = best_of(heard, least, &stale);
	for (size_t i = 0; i < VX6_HS_INDEXES; i++) {
		out->asked += heard[i].heard;
		whole += heard[i].whole;
		ended += heard[i].ended;
		if (best && heard[i].found && is_same(&heard[i], best)) {
			out->sources += heard[i].paths;
			out->holders += heard[i].holders;
		}
	}
	if (!best) {
		out->err = why_none(heard[0].err, heard[1].err, stale);
		return;
	}
	out->seq = best->seq;
	out->record = best->record;
	out->n = best->n;
	out->confirmed = out->sources >= VX6_HS_AGREE && whole > 0 && ended == VX6_HS_INDEXES;
}
