/*
 * The hops that are not drawn anew for each path: the guard, and behind it a vanguard. Where the last hop is somebody else's word, neither is chosen
 * by who that is: whoever could make us leave a guard by naming a relay would find out which one it was.
 */
#include "base/util.h"
#include "circuit/path_internal.h"

bool path_has_guard(const struct path_draw *d)
{
	return d->guards && d->req->purpose == VX6_PATH_ANONYMOUS;
}

bool path_has_vanguard(const struct path_draw *d)
{
	return d->req->vanguards && d->req->purpose == VX6_PATH_ANONYMOUS && d->req->n >= 2;
}

/* With the other hops; but not with a last one that somebody else has named. */
static bool stands_beside(const struct path_draw *d, const struct vx6_relay_entry *e, size_t place)
{
	size_t n = d->req->foreign_last ? d->req->n - 1U : d->req->n;

	for (size_t i = 0; i < n; i++)
		if (d->hop[i] && i != place &&
		    path_clash_relay(d->hop[i], e, d->diverse) != VX6_PATH_RULE_NONE)
			return false;
	return true;
}

static bool fits(const struct path_draw *d, const struct vx6_node_id *node, size_t place,
		 const struct vx6_relay_entry **out)
{
	const struct vx6_relay_entry *e = vx6_relays_find(d->relays, node);

	*out = e;
	return e && path_relay_fits(e, path_needed(d, place), d->view->now_s) &&
	       !path_is_in(d->req->exclude, d->req->exclude_n, &e->node) &&
	       path_outer_clash(d, e, d->diverse) == VX6_PATH_RULE_NONE &&
	       stands_beside(d, e, place);
}

/* ---- the guard ---- */

/*
 * Primary ones that are usable and not to be avoided; others that have been our guards already, so that they learn nothing new by it; usable
 * primary ones; other usable ones. When none is usable we may have been cut off: the primary ones, and then all.
 */
static bool is_of_pass(const struct path_draw *d, const struct vx6_guard *g, unsigned pass)
{
	bool usable = vx6_guard_is_usable(g, d->view->now_s);
	bool apart = usable && !path_is_in(d->req->avoid, d->req->avoid_n, &g->node);

	switch (pass) {
	case 0:
		return apart && g->primary;
	case 1:
		return apart && g->confirmed_s != 0 && d->req->avoid_n > 0;
	case 2:
		return usable && g->primary;
	case 3:
		return usable;
	case 4:
		return g->primary;
	default:
		return true;
	}
}

struct choice {
	size_t place; /* in the sample */
	const struct vx6_relay_entry *e;
};

static bool is_chosen(const struct choice *v, size_t n, size_t place)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].place == place)
			return true;
	return false;
}

/* Those that fit and were not tried, the best first; @return how many, at most @p max. */
static size_t guards_in_order(const struct path_draw *d, const struct vx6_relay_entry *const *tried,
			      size_t tried_n, struct choice *out, size_t max)
{
	size_t n = 0;

	for (unsigned pass = 0; pass < 6; pass++) {
		for (size_t i = 0; i < vx6_guards_count(d->guards) && n < max; i++) {
			const struct vx6_guard *g = vx6_guards_at(d->guards, i);
			const struct vx6_relay_entry *e;

			if (!is_of_pass(d, g, pass) || is_chosen(out, n, i) ||
			    !fits(d, &g->node, 0, &e) || path_was_tried(tried, tried_n, e))
				continue;
			out[n++] = (struct choice){.place = i, .e = e};
		}
	}
	return n;
}

const struct vx6_relay_entry *path_pick_guard(struct path_draw *d,
					      const struct vx6_relay_entry *const *tried,
					      size_t tried_n)
{
	struct choice in_order[VX6_PATH_GUARDS_APART];
	size_t wanted = d->req->guard > 0 && tried_n == 0 ? d->req->guard : 1;
	size_t n = guards_in_order(d, tried, tried_n, in_order,
				   VX6_MIN(wanted, VX6_ARRAY_N(in_order)));
	const struct vx6_guard *g;
	const struct choice *c;

	if (n == 0) {
		d->no_guard = d->no_guard || tried_n == 0;
		return NULL;
	}
	c = &in_order[n - 1];
	g = vx6_guards_at(d->guards, c->place);
	d->why[0] = (struct vx6_path_reason){
		.pick = VX6_PATH_GUARD,
		.place = (uint8_t)(c->place + 1),
		.primary = g->primary,
		.confirmed = g->confirmed_s != 0,
		.since_s = g->since_s,
		.rtt_us = c->e->rtt_us,
		.has_history = vx6_relay_has_history(c->e),
		.relaxed = path_relaxed_for(d, c->e) & VX6_PATH_RELAXED_AVOID,
	};
	return c->e;
}

/* ---- the vanguard ---- */

/* Usable ones that are not to be avoided; usable ones; any that is listed. */
static bool is_second_of_pass(const struct path_draw *d, const struct vx6_vanguard *v,
			      unsigned pass)
{
	bool usable = vx6_vanguard_is_usable(v, d->view->now_s);

	if (pass == 0)
		return usable && !path_is_in(d->req->avoid, d->req->avoid_n, &v->node);
	return pass == 1 ? usable : !v->unlisted_s;
}

/* It does not lead on to itself; nor does the relay between lead to the one two hops on, which would come back to where it came from. */
static bool comes_back(const struct path_draw *d, const struct vx6_relay_entry *e)
{
	for (size_t i = 2; i < d->req->n && i <= 3; i++)
		if (d->hop[i] && vx6_node_id_eq(&d->hop[i]->node, &e->node))
			return true;
	return false;
}

const struct vx6_relay_entry *path_pick_vanguard(struct path_draw *d,
						 const struct vx6_relay_entry *const *tried,
						 size_t tried_n)
{
	const struct vx6_vanguards *all = d->req->vanguards;
	const struct vx6_relay_entry *e, *choice[VX6_VANGUARDS_MAX];
	size_t place[VX6_VANGUARDS_MAX], n = 0, i;

	for (unsigned pass = 0; pass < 3 && n == 0; pass++) {
		for (i = 0; i < vx6_vanguards_count(all); i++) {
			const struct vx6_vanguard *v = vx6_vanguards_at(all, i);

			if (!is_second_of_pass(d, v, pass) || !fits(d, &v->node, 1, &e) ||
			    comes_back(d, e) || path_was_tried(tried, tried_n, e))
				continue;
			choice[n] = e;
			place[n++] = i;
		}
	}
	if (n == 0)
		return NULL;
	i = vx6_rand_below(d->rand, n);
	d->why[1] = (struct vx6_path_reason){
		.pick = VX6_PATH_VANGUARD,
		.place = (uint8_t)(place[i] + 1),
		.since_s = vx6_vanguards_at(all, place[i])->since_s,
		.candidates = (uint32_t)vx6_vanguards_count(all),
		.rtt_us = choice[i]->rtt_us,
		.has_history = vx6_relay_has_history(choice[i]),
		.relaxed = path_relaxed_for(d, choice[i]) & VX6_PATH_RELAXED_AVOID,
	};
	return choice[i];
}
