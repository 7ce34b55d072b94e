/*
 * Drawing a path: hops one after the other, by weight out of those that may stand beside what is there already. Where that ends in a corner,
 * other choices are tried, and then the next rule is relaxed.
 */
#include "circuit/path.h"

#include <string.h>

#include "base/util.h"
#include "circuit/path_internal.h"

enum {
	TRIES = 12,     /* choices for one hop */
	STEPS_MIN = 48, /* choices for all hops, under one set of rules */
	STEPS_MAX = 1024,
	STEPS_WORK = 65536, /* candidates looked at */
};

/* ---- who fits ---- */

uint32_t path_needed(const struct path_draw *d, size_t place)
{
	return VX6_RELAY_MIDDLE | d->req->every_may | (place == 0 ? VX6_RELAY_GUARD : 0) |
	       (place + 1U == d->req->n ? d->req->last_may : 0);
}

/* The first and the last relay would both be without a history. */
static bool blind_ends(const struct path_draw *d, const struct vx6_relay_entry *e, size_t place)
{
	size_t last = d->req->n - 1U;
	const struct vx6_relay_entry *other;

	if (d->req->purpose != VX6_PATH_ANONYMOUS || last == 0 || (place != 0 && place != last) ||
	    vx6_relay_has_history(e))
		return false;
	other = d->hop[place == 0 ? last : 0];
	return other && !vx6_relay_has_history(other);
}

uint8_t path_relaxed_for(const struct path_draw *d, const struct vx6_relay_entry *e)
{
	uint8_t bits = path_age_missing(e, d->view->now_s);

	if (path_is_in(d->req->avoid, d->req->avoid_n, &e->node))
		bits |= VX6_PATH_RELAXED_AVOID;
	if (vx6_relay_is_failing(e, d->view->now_s))
		bits |= VX6_PATH_RELAXED_FAILING;
	return bits;
}

/* All that could be a hop at all under the present rules. */
static void gather(struct path_draw *d)
{
	uint32_t may = VX6_RELAY_MIDDLE | d->req->every_may;
	double median = vx6_relays_median(d->relays, d->view->now_s);

	d->n = 0;
	for (size_t i = 0; i < vx6_relays_count(d->relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(d->relays, i);
		struct path_candidate *c = &d->c[d->n];

		if (!path_relay_fits(e, may, d->view->now_s) ||
		    path_is_in(d->req->exclude, d->req->exclude_n, &e->node) ||
		    path_is_in(d->req->undrawn, d->req->undrawn_n, &e->node))
			continue;
		*c = (struct path_candidate){.e = e, .relaxed = path_relaxed_for(d, e)};
		if (c->relaxed & ~d->relaxed ||
		    path_outer_clash(d, e, d->diverse) != VX6_PATH_RULE_NONE)
			continue;
		c->weight = vx6_relay_weight(e, median, d->view->now_s);
		d->n++;
	}
}

/* ---- one hop ---- */

bool path_was_tried(const struct vx6_relay_entry *const *tried, size_t n,
		    const struct vx6_relay_entry *e)
{
	for (size_t i = 0; i < n; i++)
		if (tried[i] == e)
			return true;
	return false;
}

/* @param sum set to the weight of those that fit @return how many */
static uint32_t weigh(struct path_draw *d, size_t place, const struct vx6_relay_entry *const *tried,
		      size_t tried_n, double *sum)
{
	uint32_t may = path_needed(d, place), n = 0;
	size_t barred_n = place + 1U == d->req->n ? d->req->last_not_n : 0;

	*sum = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct vx6_relay_entry *e = d->c[i].e;

		d->w[i] = 0;
		if ((e->policy & may) != may || path_was_tried(tried, tried_n, e) ||
		    path_is_in(d->req->last_not, barred_n, &e->node) ||
		    (!(d->relaxed & VX6_PATH_RELAXED_ENDS) && blind_ends(d, e, place)) ||
		    path_inner_clash(d, e, place, d->diverse) != VX6_PATH_RULE_NONE)
			continue;
		d->w[i] = d->c[i].weight;
		*sum += d->w[i];
		n++;
	}
	return n;
}

static size_t draw_index(const struct path_draw *d, double sum)
{
	double at = vx6_rand_unit(d->rand) * sum;
	size_t last = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (d->w[i] <= 0)
			continue;
		last = i;
		at -= d->w[i];
		if (at < 0)
			break;
	}
	return last;
}

static unsigned draws_for(const struct vx6_path_request *req, size_t place)
{
	if (req->purpose == VX6_PATH_PERFORMANCE)
		return req->n == 1 ? 4 : 2;
	return place == 0 || place + 1U == req->n ? 1 : 2;
}

/* @return NULL: nobody fits */
static const struct vx6_relay_entry *draw_relay(struct path_draw *d, size_t place,
						const struct vx6_relay_entry *const *tried,
						size_t tried_n)
{
	struct vx6_path_reason *why = &d->why[place];
	const struct vx6_relay_entry *best;
	size_t best_i;
	double sum;
	uint32_t n = weigh(d, place, tried, tried_n, &sum);

	if (n == 0)
		return NULL;
	best_i = draw_index(d, sum);
	best = d->c[best_i].e;
	*why = (struct vx6_path_reason){.pick = VX6_PATH_DRAWN, .draws = 1, .candidates = n};
	for (unsigned i = draws_for(d->req, place); i > 1 && best->rtt_us; i--) {
		size_t other_i = draw_index(d, sum);
		const struct vx6_relay_entry *other = d->c[other_i].e;

		why->draws++;
		if (other == best || !other->rtt_us)
			continue;
		if (other->rtt_us < best->rtt_us) {
			why->other_rtt_us = best->rtt_us;
			best = other;
			best_i = other_i;
		} else if (!why->other_rtt_us || other->rtt_us < why->other_rtt_us) {
			why->other_rtt_us = other->rtt_us;
		}
	}
	why->rtt_us = best->rtt_us;
	why->share = d->w[best_i] / sum;
	why->has_history = vx6_relay_has_history(best);
	why->relaxed = d->c[best_i].relaxed;
	return best;
}

/* ---- all hops ---- */

static const struct vx6_relay_entry *pick(struct path_draw *d, size_t place,
					  const struct vx6_relay_entry *const *tried,
					  size_t tried_n)
{
	const struct vx6_relay_entry *e = NULL;

	if (place == 0 && path_has_guard(d))
		return path_pick_guard(d, tried, tried_n);
	/* where none of them fits another relay is taken, rather than another guard */
	if (place == 1 && path_has_vanguard(d))
		e = path_pick_vanguard(d, tried, tried_n);
	return e ? e : draw_relay(d, place, tried, tried_n);
}

static bool place_from(struct path_draw *d, size_t k)
{
	const struct vx6_relay_entry *tried[TRIES];
	size_t place;

	if (k == d->order_n)
		return true;
	place = d->order[k];
	for (size_t n = 0; n < TRIES && d->steps > 0; n++) {
		const struct vx6_relay_entry *e = pick(d, place, tried, n);

		if (!e)
			return false;
		d->steps--;
		if (blind_ends(d, e, place))
			d->why[place].relaxed |= VX6_PATH_RELAXED_ENDS;
		d->hop[place] = tried[n] = e;
		if (place_from(d, k + 1))
			return true;
		d->hop[place] = NULL;
	}
	return false;
}

static void set_order(struct path_draw *d)
{
	size_t n = d->req->n;
	bool vanguard = path_has_vanguard(d) && !d->hop[1];

	d->order_n = 0;
	if (!d->hop[0])
		d->order[d->order_n++] = 0;
	if (vanguard)
		d->order[d->order_n++] = 1;
	if (n > (vanguard ? 2 : 1) && !d->hop[n - 1])
		d->order[d->order_n++] = (uint8_t)(n - 1);
	for (size_t i = vanguard ? 2 : 1; i + 1 < n; i++)
		if (!d->hop[i])
			d->order[d->order_n++] = (uint8_t)i;
}

static bool draw_under(struct path_draw *d, uint8_t relaxed, bool diverse)
{
	d->relaxed = relaxed;
	d->diverse = diverse && !(relaxed & VX6_PATH_RELAXED_DIVERSITY);
	gather(d);
	d->steps = (unsigned)VX6_MIN(VX6_MAX(STEPS_WORK / (d->n + 1), (size_t)STEPS_MIN),
				     (size_t)STEPS_MAX);
	return place_from(d, 0);
}

/* What the age of the network and ours in it make impossible from the outset. */
static uint8_t relaxed_at_first(const struct path_draw *d)
{
	uint32_t may = VX6_RELAY_MIDDLE | d->req->every_may;
	uint8_t relaxed = path_age_stage(d->relays, may, d->view->now_s);

	for (size_t i = 0; i < vx6_relays_count(d->relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(d->relays, i);

		if (path_relay_fits(e, may, d->view->now_s) && vx6_relay_has_history(e))
			return relaxed;
	}
	return relaxed | VX6_PATH_RELAXED_ENDS;
}

static bool draw_relaxing(struct path_draw *d, bool diverse)
{
	static const uint8_t steps[] = {
		VX6_PATH_RELAXED_AVOID, VX6_PATH_RELAXED_ENDS,    VX6_PATH_RELAXED_YOUNG,
		VX6_PATH_RELAXED_NEW,   VX6_PATH_RELAXED_FAILING, VX6_PATH_RELAXED_DIVERSITY,
	};
	uint8_t relaxed = relaxed_at_first(d);
	bool may_share = diverse && d->req->purpose == VX6_PATH_PERFORMANCE &&
			 d->view->diversity == VX6_PATH_DIVERSITY_AUTO;

	if (draw_under(d, relaxed, diverse))
		return true;
	for (size_t i = 0; i < VX6_ARRAY_N(steps); i++) {
		if (relaxed & steps[i] || (steps[i] == VX6_PATH_RELAXED_DIVERSITY && !may_share))
			continue;
		relaxed |= steps[i];
		if (draw_under(d, relaxed, diverse))
			return true;
	}
	return false;
}

/* ---- hops that were asked for ---- */

static vx6_err refuse(struct vx6_path_lack *lack, size_t place, const struct vx6_node_id *node,
		      enum vx6_path_rule rule, vx6_err err)
{
	lack->place = (uint8_t)(place + 1);
	lack->node = *node;
	lack->rule = rule;
	return err;
}

static vx6_err take_fixed(struct path_draw *d, bool diverse, struct vx6_path_lack *lack)
{
	/* whoever names relays for speed knows where they stand */
	bool strict = diverse && d->req->purpose == VX6_PATH_ANONYMOUS;

	for (size_t i = 0; i < d->req->n; i++) {
		const struct vx6_node_id *node = d->req->fixed[i];
		const struct vx6_relay_entry *e = d->req->named[i];
		uint32_t may = e ? 0 : path_needed(d, i) & ~(uint32_t)VX6_RELAY_GUARD;
		bool foreign = d->req->foreign_last && i + 1U == d->req->n;
		enum vx6_path_rule rule;

		if (!node)
			continue;
		if (!e)
			e = vx6_relays_find(d->relays, node);
		if (!foreign && vx6_node_id_eq(node, &d->view->self))
			return refuse(lack, i, node, VX6_PATH_RULE_SELF, VX6_ERR(CONFLICT));
		if (!foreign && path_is_in(d->req->exclude, d->req->exclude_n, node))
			return refuse(lack, i, node, VX6_PATH_RULE_EXCLUDED, VX6_ERR(CONFLICT));
		if (!e)
			return refuse(lack, i, node, VX6_PATH_RULE_NONE, VX6_ERR(NOT_FOUND));
		if (!path_relay_fits(e, may, d->view->now_s))
			return refuse(lack, i, node, VX6_PATH_RULE_POLICY, VX6_ERR(UNSUPPORTED));
		rule = foreign ? VX6_PATH_RULE_NONE : path_outer_clash(d, e, strict);
		if (rule == VX6_PATH_RULE_NONE && !foreign)
			rule = path_inner_clash(d, e, i, strict);
		if (rule != VX6_PATH_RULE_NONE)
			return refuse(lack, i, node, rule, VX6_ERR(CONFLICT));
		d->hop[i] = e;
		d->why[i] = (struct vx6_path_reason){
			.pick = VX6_PATH_FIXED,
			.rtt_us = e->rtt_us,
			.has_history = vx6_relay_has_history(e),
		};
	}
	return VX6_OK;
}

/* ---- the outcome ---- */

static void tell(struct path_draw *d, bool diverse, struct vx6_path *out)
{
	memset(out, 0, sizeof *out);
	out->n = d->req->n;
	out->diversity_off = !diverse;
	for (size_t i = 0; i < d->req->n; i++) {
		if (diverse && (path_outer_clash(d, d->hop[i], true) != VX6_PATH_RULE_NONE ||
				path_inner_clash(d, d->hop[i], i, true) != VX6_PATH_RULE_NONE))
			d->why[i].relaxed |= VX6_PATH_RELAXED_DIVERSITY;
		out->hop[i].node = d->hop[i]->node;
		out->hop[i].why = d->why[i];
		out->relaxed |= d->why[i].relaxed;
	}
}

/* How many of those allowed may stand in one path together, taken as they come. */
static uint32_t differing(const struct path_draw *d, bool diverse)
{
	const struct vx6_relay_entry *set[VX6_PATH_MAX * 2];
	uint32_t n = 0;

	for (size_t i = 0; i < d->n && n < VX6_ARRAY_N(set); i++) {
		bool clash = false;

		for (size_t k = 0; k < n && !clash; k++)
			clash = path_clash_relay(set[k], d->c[i].e, diverse) != VX6_PATH_RULE_NONE;
		if (!clash)
			set[n++] = d->c[i].e;
	}
	return n;
}

static void count_lack(struct path_draw *d, bool diverse, struct vx6_path_lack *lack)
{
	uint32_t may = VX6_RELAY_MIDDLE | d->req->every_may;

	lack->no_guard = d->no_guard;
	lack->listed = (uint32_t)vx6_relays_listed(d->relays, d->view->now_s);
	for (size_t i = 0; i < vx6_relays_count(d->relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(d->relays, i);

		lack->with_key += path_relay_fits(e, 0, d->view->now_s);
		lack->willing += path_relay_fits(e, may, d->view->now_s);
	}
	d->relaxed = UINT8_MAX;
	d->diverse = diverse;
	gather(d);
	lack->allowed = (uint32_t)d->n;
	for (size_t i = 0; i < d->n; i++)
		lack->settled += path_age_missing(d->c[i].e, d->view->now_s) == 0;
	lack->differing = differing(d, diverse);
}

vx6_err vx6_path_draw(const struct vx6_relays *relays, const struct vx6_guards *guards,
		      const struct vx6_path_view *view, const struct vx6_path_request *req,
		      const struct vx6_rand *rand, struct vx6_path *out, struct vx6_path_lack *lack)
{
	struct path_draw d = {
		.relays = relays, .guards = guards, .view = view, .req = req, .rand = rand};
	size_t n = VX6_MAX(vx6_relays_count(relays), (size_t)1);
	bool diverse = vx6_path_is_diverse(view, relays);
	vx6_err err;

	*lack = (struct vx6_path_lack){.wanted = req->n};
	if (req->n < 1 || req->n > VX6_PATH_MAX)
		return VX6_ERR(INVALID);
	VX6_TRY(take_fixed(&d, diverse, lack));
	set_order(&d);
	d.c = vx6_zalloc(n * sizeof *d.c);
	d.w = vx6_zalloc(n * sizeof *d.w);
	err = draw_relaxing(&d, diverse) ? VX6_OK : VX6_ERR(NO_RELAYS);
	if (vx6_is_ok(err))
		tell(&d, diverse, out);
	else
		count_lack(&d, diverse, lack);
	free(d.c);
	free(d.w);
	return err;
}
