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

/* @return AGAIN: asked for | PEER_UNKNOWN: it cannot even be asked for now */
static vx6_err plan_hop(struct vx6_circuits *c, struct route *r, const struct vx6_node_id *node,
			bool anonymous, struct vx6_circuit_hop *out, uint32_t *policy)
{
	struct vx6_circuits_node known;

	if (!c->cfg.node(c->cfg.user, node, &known) ||
	    !key_of(&known.info, vx6_wall_s(), out->onion_key)) {
		if (r)
			r->asked_for = *node;
		return circuits_ask(c, node, anonymous) ? VX6_ERR(AGAIN) : VX6_ERR(PEER_UNKNOWN);
	}
	out->node = *node;
	out->record = known.endpoint;
	out->record_n = known.endpoint_n;
	*policy &= known.info.policy;
	return VX6_OK;
}

static vx6_err plan(struct leg *l, const struct vx6_routing *how, struct vx6_circuit_plan *out)
{
	struct vx6_circuits *c = l->c;
	uint32_t policy = UINT32_MAX;

	*out = (struct vx6_circuit_plan){.anonymous = how->anonymous};
	for (size_t i = 0; i < l->path.n; i++)
		VX6_TRY(plan_hop(c, l->route, &l->path.hop[i].node, how->anonymous,
				 &out->hop[out->hops_n++], &policy));
	if (l->has_target)
		VX6_TRY(plan_hop(c, l->route, &l->target, how->anonymous, &out->hop[out->hops_n++],
				 &policy));
	out->timeout_ms = vx6_build_times_timeout(c->cfg.times, out->hops_n);
	out->nest = out->hops_n > 1 && (policy & VX6_RELAY_NEST) && !how->hop_by_hop &&
		    !(l->route && circuits_now_ms(c) < l->route->nest_off_ms);
	l->nest = out->nest;
	return VX6_OK;
}

/* A spare that dies with the one it stands by for is none: other relays, if there are any. */
static size_t shared(const struct leg *l, struct vx6_node_id *out, size_t max)
{
	size_t n = 0;

	if (!l->route)
		return 0;
	VX6_LIST_EACH(node, &l->route->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, of_route);

		for (size_t i = leg_has_guard(o) ? 1 : 0; o != l && i < o->path.n && n < max; i++)
			out[n++] = o->path.hop[i].node;
	}
	return n;
}

/* Only with relays that were to be avoided: rather with the longest suspected ones. @return false: those are no way out */
static bool fewer(const struct vx6_path *path, size_t *avoid_n, size_t *suspects)
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
	ask.avoid_n = shared(l, avoid, 4 * VX6_ROUTE_HOPS_MAX);
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
	} while (vx6_is_ok(err) && fewer(&l->path, &ask.avoid_n, &suspects));
	if (!vx6_is_ok(err))
		vx6_path_lack_format(err, &lack, detail);
	return err;
}

static struct leg *leg_new(struct vx6_circuits *c, struct route *r, bool anonymous,
			   enum vx6_circuit_purpose purpose, const char *why)
{
	struct leg *l = vx6_zalloc(sizeof *l);

	l->c = c;
	l->route = r;
	l->purpose = purpose;
	l->anonymous = anonymous;
	l->has_target = r != NULL;
	if (r)
		l->target = r->target;
	l->began_ms = l->idle_ms = circuits_now_ms(c);
	l->opened_wall_ms = vx6_wall_ms();
	vx6_strlcpy(l->reason, why, sizeof l->reason);
	circuits_new_id(c, l->id);
	return l;
}

vx6_err leg_begin(struct vx6_circuits *c, struct route *r, const struct vx6_routing *how,
		  enum vx6_circuit_purpose purpose, const char *why, struct leg **out,
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
	l = leg_new(c, r, how->anonymous, purpose, why);
	detail[0] = '\0';
	err = draw(l, how, detail);
	if (vx6_is_ok(err))
		err = plan(l, how, &p);
	if (vx6_is_ok(err))
		err = vx6_circuit_build(c->cfg.origin, &p, &leg_circuit_events, l, &l->circuit);
	if (!vx6_is_ok(err)) {
		if (!detail[0])
			vx6_strlcpy(detail, vx6_err_text(err), VX6_CIRCUIT_WHY);
		free(l);
		return err;
	}
	vx6_list_push(&c->legs, &l->all);
	c->legs_n++;
	if (r)
		vx6_list_push(&r->legs, &l->of_route);
	circuits_decide(c, r ? &r->target : NULL, l->id, "build", "%u relays: %s",
			(unsigned)l->path.n, why);
	circuits_wake(c, TICK_MS);
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

static bool fits(const struct leg *l, const struct route *r)
{
	if (l->refused_n > 0 && vx6_node_id_eq(&l->refused, &r->target))
		return false;
	return !l->route && l->open && !l->leaving && !l->is_drain && !l->has_target &&
	       r->how.nodes_n == 0 && l->path.n == r->how.hops &&
	       l->anonymous == r->how.anonymous && suits(l, r);
}

/* Whether a relay of it is one of the route's other circuits', too: the first one of an anonymous one may be, for guards are few. */
static bool overlaps(const struct leg *l, const struct route *r)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *o = VX6_CONTAINER_OF(node, struct leg, of_route);

		for (size_t i = 0; i < o->path.n; i++)
			for (size_t k = leg_has_guard(l) ? 1 : 0; k < l->path.n; k++)
				if (vx6_node_id_eq(&o->path.hop[i].node, &l->path.hop[k].node))
					return true;
	}
	return false;
}

bool leg_from_pool(struct route *r, enum vx6_circuit_purpose purpose, const char *why)
{
	struct vx6_circuits *c = r->c;
	struct vx6_circuit_hop hop;
	uint32_t policy = 0;

	VX6_LIST_EACH(node, &c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (!fits(l, r) || overlaps(l, r) || leg_is_suspect(l) ||
		    !vx6_is_ok(plan_hop(c, r, &r->target, r->how.anonymous, &hop, &policy)) ||
		    !vx6_is_ok(vx6_circuit_extend(l->circuit, &hop,
						  vx6_build_times_timeout(c->cfg.times, 1))))
			continue;
		l->open = false;
		l->route = r;
		l->purpose = purpose;
		l->has_target = true;
		l->target = r->target;
		l->keep = false;
		l->extended = true;
		l->best_us = 0; /* was that of another hop */
		l->began_ms = circuits_now_ms(c);
		vx6_strlcpy(l->reason, why, sizeof l->reason);
		vx6_list_push(&r->legs, &l->of_route);
		circuits_decide(c, &r->target, l->id, "build", "from the pool: %s", why);
		return true;
	}
	return false;
}
