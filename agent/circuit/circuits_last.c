/*
 * Paths for hidden services: guard, vanguard, what is drawn, and a last relay that is spoken with, or a node behind all. The last relay is drawn here,
 * never among those that see the other side of what it is for; or it is the word of somebody whom nothing is told by what we do with it
 * (circuit/bare.h).
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/circuits_internal.h"
#include "circuit/path_internal.h"

enum { SHARED_MAX = 4 * VX6_ROUTE_HOPS_MAX, INTROS_MAX = 16 };

/* What a draw borrows. */
struct asking {
	struct vx6_path_request ask;
	struct vx6_path_view view;
	struct vx6_node_id avoid[SHARED_MAX + INTROS_MAX + SUSPECTS_MAX], last_not[LASTS_MAX];
	size_t suspects;
	struct vx6_relay_entry named;
	struct vx6_path_end end;
};

static const struct vx6_node_id *last_of(const struct leg *l)
{
	return &l->path.hop[l->path.n - 1].node;
}

/* ---- who is not drawn ---- */

static void keep_out(struct asking *a, const struct vx6_node_id *node)
{
	if (a->ask.last_not_n < LASTS_MAX && !path_is_in(a->last_not, a->ask.last_not_n, node))
		a->last_not[a->ask.last_not_n++] = *node;
}

/* What our circuits begin with, where others of this route end, and who knows of us as clients: none of them sees this end as well. */
static void keep_out_of_last(struct asking *a, const struct vx6_circuits *c, const struct route *r)
{
	a->ask.last_not = a->last_not;
	for (size_t i = 0; c->cfg.vanguards && i < vx6_vanguards_count(c->cfg.vanguards); i++)
		keep_out(a, &vx6_vanguards_at(c->cfg.vanguards, i)->node);
	VX6_LIST_EACH(node, (struct vx6_list *)&c->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (leg_has_guard(l))
			keep_out(a, &l->path.hop[0].node);
		if (l->to_last && r && l->route == r)
			keep_out(a, last_of(l));
	}
	VX6_LIST_EACH(node, (struct vx6_list *)&c->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (l->purpose == VX6_PURPOSE_INTRODUCE)
			keep_out(a, last_of(l));
	}
}

/* What shares a relay with another leg, or with the one that it is to stand beside, or knows us as an owner; the longest suspected ones come last. */
static void avoid(struct asking *a, const struct leg *l)
{
	size_t intros = 0;

	a->ask.avoid = a->avoid;
	a->ask.avoid_n = leg_shared(l, a->avoid, SHARED_MAX);
	for (size_t i = 0; l->bare && i < l->bare->beside_n; i++)
		a->avoid[a->ask.avoid_n++] = l->bare->beside[i];
	VX6_LIST_EACH(node, &l->c->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, all);

		if (!l->route || o->purpose != VX6_PURPOSE_INTRO || intros == INTROS_MAX)
			continue;
		intros++;
		a->avoid[a->ask.avoid_n++] = *last_of(o);
	}
	a->suspects = circuits_suspects(l->c, a->avoid + a->ask.avoid_n);
	a->ask.avoid_n += a->suspects;
}

/* ---- the draw ---- */

static void ask_of(struct asking *a, struct vx6_circuits *c, const struct vx6_routing *how)
{
	uint8_t relays = vx6_routing_relays(how);
	bool vanguard = c->cfg.vanguards && relays >= VX6_ROUTE_HOPS_HIDDEN_MIN;

	*a = (struct asking){.ask = {.purpose = VX6_PATH_ANONYMOUS, .n = relays}};
	c->cfg.view(c->cfg.user, &a->view);
	vx6_guards_update(c->cfg.guards, c->cfg.relays, &a->view, &vx6_rand_system);
	if (!vanguard)
		return;
	vx6_vanguards_update(c->cfg.vanguards, c->cfg.relays, c->cfg.guards, &a->view,
			     &vx6_rand_system);
	a->ask.vanguards = c->cfg.vanguards;
}

static vx6_err ask_of_bare(struct asking *a, struct vx6_bare *b)
{
	a->ask.last_may = b->last_may;
	a->ask.guard =
		b->beside_n > 0 ? 0 : (uint8_t)b->guard; /* that of the other one is avoided */
	a->ask.undrawn = b->avoid;
	a->ask.undrawn_n = b->avoid_n;
	if (!b->is_named && !b->is_drawn) {
		keep_out_of_last(a, b->c, NULL);
		return VX6_OK;
	}
	a->ask.foreign_last = true;
	a->ask.fixed[a->ask.n - 1] = &b->last;
	VX6_TRY(circuits_named_one(b->c, &b->last, true, &b->asked_for, &a->named,
				   &a->ask.named[a->ask.n - 1]));
	if (a->ask.named[a->ask.n - 1] && (a->named.policy & b->last_may) != b->last_may)
		return VX6_ERR(UNSUPPORTED);
	return VX6_OK;
}

/* The hop before the last would be asked to lead back to where the circuit came from, or to itself. */
static bool comes_back(const struct vx6_path *p)
{
	const struct vx6_node_id *last = &p->hop[p->n - 1].node;

	return (p->n >= 3 && vx6_node_id_eq(&p->hop[p->n - 3].node, last)) ||
	       (p->n >= 2 && vx6_node_id_eq(&p->hop[p->n - 2].node, last));
}

/* One more relay, rather than another guard. */
static bool make_longer(struct vx6_path_request *ask)
{
	if (ask->n >= VX6_PATH_MAX)
		return false;
	ask->fixed[ask->n] = ask->fixed[ask->n - 1];
	ask->named[ask->n] = ask->named[ask->n - 1];
	ask->fixed[ask->n - 1] = NULL;
	ask->named[ask->n - 1] = NULL;
	ask->n++;
	return true;
}

vx6_err hidden_draw(struct leg *l, const struct vx6_routing *how,
		    char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_circuits *c = l->c;
	struct vx6_path_lack lack;
	struct asking a;
	vx6_err err;

	ask_of(&a, c, how);
	a.ask.n += l->to_last;
	if (l->bare) {
		VX6_TRY(ask_of_bare(&a, l->bare));
	} else if (l->route && !l->to_last) {
		c->cfg.end(c->cfg.user, &l->target, &a.end);
		a.ask.target = &a.end;
	} else if (l->route) {
		a.ask.last_may = VX6_RELAY_REND;
		keep_out_of_last(&a, c, l->route);
	}
	avoid(&a, l);
	do {
		err = vx6_path_draw(c->cfg.relays, c->cfg.guards, &a.view, &a.ask, &vx6_rand_system,
				    &l->path, &lack);
	} while (vx6_is_ok(err) &&
		 (path_with_fewer_suspects(&l->path, &a.ask.avoid_n, &a.suspects) ||
		  (comes_back(&l->path) && make_longer(&a.ask))));
	if (!vx6_is_ok(err))
		vx6_path_lack_format(err, &lack, detail);
	return err;
}

/* ---- from the pool ---- */

static void add_last(struct vx6_path *p, const struct vx6_node_id *node,
		     const struct vx6_path_reason *why)
{
	p->hop[p->n].node = *node;
	p->hop[p->n].why = *why;
	p->relaxed |= why->relaxed;
	p->n++;
}

/* What was drawn without knowing of it keeps apart from it; what is kept need not, but is not two hops before it. */
static bool lead_to_named(const struct leg *l, const struct vx6_bare *b, struct vx6_path *out)
{
	const struct vx6_path_reason asked_for = {.pick = VX6_PATH_FIXED};
	const struct vx6_relays *relays = b->c->cfg.relays;
	struct vx6_relay_entry own;
	const struct vx6_relay_entry *e = bare_last(b, &own), *hop;
	struct vx6_path_view view;
	bool diverse;

	b->c->cfg.view(b->c->cfg.user, &view);
	if (!e || !path_relay_fits(e, VX6_RELAY_MIDDLE | b->last_may, view.now_s))
		return false;
	diverse = vx6_path_is_diverse(&view, relays);
	for (size_t i = leg_kept(l); i < l->path.n; i++) {
		const struct vx6_node_id *node = &l->path.hop[i].node;

		hop = vx6_relays_find(relays, node);
		if (!hop || path_clash_relay(hop, e, diverse) != VX6_PATH_RULE_NONE ||
		    path_is_in(b->avoid, b->avoid_n, node))
			return false;
	}
	*out = l->path;
	add_last(out, &b->last, &asked_for);
	return !comes_back(out);
}

static bool lead_to_drawn(const struct leg *l, struct route *r, struct vx6_path *out)
{
	struct vx6_circuits *c = r->c;
	struct vx6_path drawn;
	struct vx6_path_lack lack;
	struct asking a;

	ask_of(&a, c, &r->how);
	a.ask.n++;
	a.ask.last_may = VX6_RELAY_REND;
	for (size_t i = 0; i < l->path.n; i++)
		a.ask.fixed[i] = &l->path.hop[i].node;
	keep_out_of_last(&a, c, r);
	a.ask.avoid = a.avoid;
	a.ask.avoid_n = circuits_suspects(c, a.avoid);
	if (!vx6_is_ok(vx6_path_draw(c->cfg.relays, c->cfg.guards, &a.view, &a.ask,
				     &vx6_rand_system, &drawn, &lack)) ||
	    drawn.hop[l->path.n].why.relaxed & VX6_PATH_RELAXED_AVOID)
		return false;
	*out = l->path;
	add_last(out, &drawn.hop[l->path.n].node, &drawn.hop[l->path.n].why);
	return true;
}

static bool stands_beside(const struct leg *l, const struct vx6_bare *b)
{
	for (size_t i = 0; i < l->path.n; i++)
		if (path_is_in(b->beside, b->beside_n, &l->path.hop[i].node))
			return false;
	return true;
}

static bool fits(const struct leg *l, const struct leg_want *w)
{
	return leg_is_of_pool(l) && l->hidden && l->path.n == w->how->hops && !leg_is_suspect(l) &&
	       (w->r ? !leg_overlaps(l, w->r) : stands_beside(l, w->bare));
}

static bool lead_on(struct leg *l, const struct leg_want *w)
{
	struct vx6_circuits *c = l->c;
	struct vx6_circuit_hop hop;
	struct vx6_path path;
	uint32_t policy = 0;

	if (!(w->r ? lead_to_drawn(l, w->r, &path) : lead_to_named(l, w->bare, &path)) ||
	    !vx6_is_ok(circuits_hop(c, &path.hop[path.n - 1].node, true, NULL, &hop, &policy)))
		return false;
	if (w->bare)
		hop.word = bare_word(w->bare);
	if (!vx6_is_ok(
		    vx6_circuit_extend(l->circuit, &hop, vx6_build_times_timeout(c->cfg.times, 1))))
		return false;
	l->path = path;
	return true;
}

bool hidden_from_pool(struct vx6_circuits *c, const struct leg_want *w)
{
	VX6_LIST_EACH(node, &c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (!fits(l, w) || !lead_on(l, w))
			continue;
		leg_take_from_pool(l, w);
		return true;
	}
	return false;
}

void hidden_refused(struct leg *l, vx6_err why)
{
	struct vx6_bare *b = l->bare;
	struct route *r = l->route;
	char text[VX6_CIRCUIT_WHY];

	snprintf(text, sizeof text, "its last relay could not be reached: %s", vx6_err_text(why));
	circuits_decide(l->c, r ? &r->target : NULL, l->id, "build", "failed: %s", text);
	leg_learn_from(l, why, l->path.n - 1);
	if (r)
		route_failed(r, why, text);
	if (b)
		b->leg = NULL;
	l->bare = NULL;
	leg_close(l, why, text);
	if (b)
		bare_refused(b, why, text);
}
