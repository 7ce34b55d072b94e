/* What a circuit of ours is to lead through: a path that is drawn, or a circuit of the pool that is there already. */
#include "circuit/circuits_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/path_internal.h"

/* ---- building ---- */

static bool key_of(const struct vx6_relay_info *info, uint64_t now_s, uint8_t out[static 32])
{
	for (size_t i = 0; i < info->keys_n; i++) {
		if (info->keys[i].not_after_s <= now_s)
			continue;
		memcpy(out, info->keys[i].pk, VX6_ONION_KEY_BYTES);
		return true;
	}
	return false;
}

bool circuits_knows(const struct vx6_circuits *c, const struct vx6_node_id *node)
{
	uint8_t key[VX6_ONION_KEY_BYTES];
	struct vx6_circuits_node known;

	return c->cfg.node(c->cfg.user, node, &known) && key_of(&known.info, vx6_wall_s(), key);
}

vx6_err circuits_hop(struct vx6_circuits *c, const struct vx6_node_id *node, bool anonymous,
		     struct vx6_node_id *asked_for, struct vx6_circuit_hop *out, uint32_t *policy)
{
	struct vx6_circuits_node known;

	if (!c->cfg.node(c->cfg.user, node, &known) ||
	    !key_of(&known.info, vx6_wall_s(), out->onion_key)) {
		if (asked_for)
			*asked_for = *node;
		return circuits_ask(c, node, anonymous) ? VX6_ERR(AGAIN) : VX6_ERR(PEER_UNKNOWN);
	}
	out->node = *node;
	out->record = known.endpoint;
	out->record_n = known.endpoint_n;
	out->word = (struct vx6_payload){0};
	*policy &= known.info.policy;
	return VX6_OK;
}

static vx6_err plan(struct leg *l, const struct vx6_routing *how, struct vx6_circuit_plan *out)
{
	struct vx6_circuits *c = l->c;
	struct vx6_node_id *asked_for = l->route  ? &l->route->asked_for
					: l->bare ? &l->bare->asked_for
						  : NULL;
	uint32_t policy = UINT32_MAX;

	*out = (struct vx6_circuit_plan){.anonymous = how->anonymous, .may_return = l->hidden};
	for (size_t i = 0; i < l->path.n; i++)
		VX6_TRY(circuits_hop(c, &l->path.hop[i].node, how->anonymous, asked_for,
				     &out->hop[out->hops_n++], &policy));
	if (l->has_target && !l->to_last)
		VX6_TRY(circuits_hop(c, &l->target, how->anonymous, asked_for,
				     &out->hop[out->hops_n++], &policy));
	if (l->bare)
		out->hop[out->hops_n - 1].word = bare_word(l->bare);
	out->timeout_ms = vx6_build_times_timeout(c->cfg.times, out->hops_n);
	out->nest = out->hops_n > 1 && (policy & VX6_RELAY_NEST) && !how->hop_by_hop &&
		    !(l->route && circuits_now_ms(c) < l->route->nest_off_ms);
	l->nest = out->nest;
	return VX6_OK;
}

/*
 * A spare that dies with the one it stands by for is none: other relays, if there are any. Of a hidden route so are the first ones, which stay: those
 * of two legs are two of the few that there are, as they are of the owner's two circuits to an introduction point.
 */
static size_t may_share(const struct leg *l)
{
	return l->to_last ? 0 : leg_kept(l);
}

size_t leg_shared(const struct leg *l, struct vx6_node_id *out, size_t max)
{
	size_t n = 0;

	if (!l->route)
		return 0;
	VX6_LIST_EACH(node, &l->route->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, of_route);

		for (size_t i = may_share(o); o != l && i < o->path.n && n < max; i++)
			out[n++] = o->path.hop[i].node;
	}
	return n;
}

bool path_with_fewer_suspects(const struct vx6_path *path, size_t *avoid_n, size_t *suspects)
{
	size_t less = VX6_MAX(*suspects / 8, (size_t)1);

	if (!(path->relaxed & VX6_PATH_RELAXED_AVOID) || *suspects == 0)
		return false;
	*suspects -= less;
	*avoid_n -= less;
	return true;
}

static vx6_err draw(struct leg *l, const struct vx6_routing *how,
		    char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_circuits *c = l->c;
	struct vx6_node_id avoid[4 * VX6_ROUTE_HOPS_MAX + SUSPECTS_MAX];
	struct vx6_path_request ask = {
		.purpose = how->anonymous ? VX6_PATH_ANONYMOUS : VX6_PATH_PERFORMANCE,
		.n = vx6_routing_relays(how),
		.avoid = avoid,
	};
	struct vx6_relay_entry named[VX6_ROUTE_HOPS_MAX];
	struct vx6_path_view view;
	struct vx6_path_end end;
	struct vx6_path_lack lack;
	size_t suspects;
	vx6_err err;

	VX6_TRY(circuits_named(c, l->route, how, named, &ask));
	ask.avoid_n = leg_shared(l, avoid, 4 * VX6_ROUTE_HOPS_MAX);
	suspects = circuits_suspects(c, avoid + ask.avoid_n);
	ask.avoid_n += suspects;
	c->cfg.view(c->cfg.user, &view);
	if (l->has_target) {
		c->cfg.end(c->cfg.user, &l->target, &end);
		ask.target = &end;
	}
	if (how->anonymous)
		vx6_guards_update(c->cfg.guards, c->cfg.relays, &view, &vx6_rand_system);
	do {
		err = vx6_path_draw(c->cfg.relays, c->cfg.guards, &view, &ask, &vx6_rand_system,
				    &l->path, &lack);
	} while (vx6_is_ok(err) && path_with_fewer_suspects(&l->path, &ask.avoid_n, &suspects));
	if (!vx6_is_ok(err))
		vx6_path_lack_format(err, &lack, detail);
	return err;
}

static struct leg *leg_new(struct vx6_circuits *c, const struct leg_want *w)
{
	struct leg *l = vx6_zalloc(sizeof *l);

	l->c = c;
	l->route = w->r;
	l->bare = w->bare;
	l->purpose = w->purpose;
	l->anonymous = w->how->anonymous;
	l->hidden = routing_is_guarded(w->how);
	l->to_last = w->how->hidden && (w->r || w->bare);
	l->has_target = w->r != NULL;
	if (w->r)
		l->target = w->r->target;
	l->began_ms = l->idle_ms = circuits_now_ms(c);
	l->opened_wall_ms = vx6_wall_ms();
	vx6_strlcpy(l->reason, w->why, sizeof l->reason);
	circuits_new_id(c, l->id);
	return l;
}

/* It is one of them now. */
static void leg_begun(struct leg *l, const struct leg_want *w)
{
	struct vx6_circuits *c = l->c;

	vx6_list_push(&c->legs, &l->all);
	c->legs_n++;
	if (w->r)
		vx6_list_push(&w->r->legs, &l->of_route);
	if (w->bare)
		w->bare->leg = l;
	circuits_decide(c, w->r ? &w->r->target : NULL, l->id, "build", "%u relays: %s",
			(unsigned)l->path.n, w->why);
	circuits_wake(c, TICK_MS);
	if (w->r && l->to_last)
		hidden_begun(l);
}

vx6_err leg_begin(struct vx6_circuits *c, const struct leg_want *w, struct leg **out,
		  char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_circuit_plan p;
	struct leg *l;
	vx6_err err;

	if (c->draining) {
		vx6_strlcpy(detail, "draining", VX6_CIRCUIT_WHY);
		return VX6_ERR(DRAINING);
	}
	if (c->legs_n >= VX6_CIRCUITS_MAX) {
		vx6_strlcpy(detail, "too many circuits", VX6_CIRCUIT_WHY);
		return VX6_ERR(FULL);
	}
	l = leg_new(c, w);
	detail[0] = '\0';
	err = l->hidden ? hidden_draw(l, w->how, detail) : draw(l, w->how, detail);
	if (vx6_is_ok(err))
		err = plan(l, w->how, &p);
	if (vx6_is_ok(err))
		err = vx6_circuit_build(c->cfg.origin, &p, &leg_circuit_events, l, &l->circuit);
	if (!vx6_is_ok(err)) {
		if (!detail[0])
			vx6_strlcpy(detail, vx6_err_text(err), VX6_CIRCUIT_WHY);
		free(l);
		return err;
	}
	leg_begun(l, w);
	if (out)
		*out = l;
	return VX6_OK;
}

/* ---- from the pool ---- */

/* The path was drawn before the target was known: it keeps to the rules with that, too. */
static bool suits(const struct leg *l, const struct route *r)
{
	struct vx6_circuits *c = r->c;
	struct vx6_path_view view;
	struct vx6_path_end end;
	bool diverse;

	c->cfg.view(c->cfg.user, &view);
	c->cfg.end(c->cfg.user, &r->target, &end);
	diverse = vx6_path_is_diverse(&view, c->cfg.relays);
	for (size_t i = 0; i < l->path.n; i++) {
		const struct vx6_relay_entry *e =
			vx6_relays_find(c->cfg.relays, &l->path.hop[i].node);

		if (!e || path_clash_end(&end, e, diverse) != VX6_PATH_RULE_NONE)
			return false;
	}
	return true;
}

bool leg_is_of_pool(const struct leg *l)
{
	return !l->route && !l->bare && l->open && !l->leaving && !l->is_drain && !l->has_target;
}

static bool fits(const struct leg *l, const struct route *r)
{
	if (l->refused_n > 0 && vx6_node_id_eq(&l->refused, &r->target))
		return false;
	return leg_is_of_pool(l) && l->hidden == r->how.vanguard && r->how.nodes_n == 0 &&
	       l->path.n == r->how.hops && l->anonymous == r->how.anonymous && suits(l, r);
}

bool leg_overlaps(const struct leg *l, const struct route *r)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, of_route);

		for (size_t i = 0; i < o->path.n; i++)
			for (size_t k = r->how.hidden ? 0 : leg_kept(l); k < l->path.n; k++)
				if (vx6_node_id_eq(&o->path.hop[i].node, &l->path.hop[k].node))
					return true;
	}
	return false;
}

void leg_take_from_pool(struct leg *l, const struct leg_want *w)
{
	struct vx6_circuits *c = l->c;

	l->open = l->built = false;
	l->route = w->r;
	l->bare = w->bare;
	l->purpose = w->purpose;
	l->to_last = w->how->hidden;
	l->has_target = w->r != NULL;
	if (w->r) {
		l->target = w->r->target;
		vx6_list_push(&w->r->legs, &l->of_route);
	}
	if (w->bare)
		w->bare->leg = l;
	pool_calm(c);
	l->keep = false;
	l->extended = true;
	l->best_us = 0; /* was that of another hop */
	l->began_ms = circuits_now_ms(c);
	vx6_strlcpy(l->reason, w->why, sizeof l->reason);
	circuits_decide(c, w->r ? &w->r->target : NULL, l->id, "build", "from the pool: %s",
			w->why);
	if (w->r && l->to_last)
		hidden_begun(l);
}

bool leg_from_pool(struct vx6_circuits *c, const struct leg_want *w)
{
	struct vx6_circuit_hop hop;
	uint32_t policy = 0;

	if (w->how->hidden)
		return hidden_from_pool(c, w);
	VX6_LIST_EACH(node, &c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);
		struct route *r = w->r;

		if (!fits(l, r) || leg_overlaps(l, r) || leg_is_suspect(l) ||
		    !vx6_is_ok(circuits_hop(c, &r->target, r->how.anonymous, &r->asked_for, &hop,
					    &policy)) ||
		    !vx6_is_ok(vx6_circuit_extend(l->circuit, &hop,
						  vx6_build_times_timeout(c->cfg.times, 1))))
			continue;
		leg_take_from_pool(l, w);
		return true;
	}
	return false;
}
