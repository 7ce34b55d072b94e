/*
 * Nodes that a route names. One that relays for those alone who know of it says so to nobody: it is not among the relays that paths are drawn from,
 * and whether it passes on is its own answer. What it says of where circuits to its services end is enough for a hop.
 */
#include <string.h>

#include "base/clock.h"
#include "circuit/circuits_internal.h"

static bool is_public(const struct vx6_circuits *c, const struct vx6_node_id *node)
{
	const struct vx6_relay_entry *e = vx6_relays_find(c->cfg.relays, node);

	return e && vx6_relay_is_listed(e, vx6_wall_s()) && (e->policy & VX6_RELAY_MIDDLE);
}

static void fill(struct vx6_circuits *c, const struct vx6_relay_info *info,
		 const struct vx6_node_id *node, struct vx6_relay_entry *out)
{
	struct vx6_path_end at;

	c->cfg.end(c->cfg.user, node, &at);
	*out = (struct vx6_relay_entry){
		.node = *node,
		.until_s = UINT64_MAX, /* known at all: its records hold */
		.policy = info->policy,
		.draining = info->policy & VX6_RELAY_DRAINING,
		.nets = at.nets,
	};
	memcpy(out->family, at.family, sizeof out->family);
	for (size_t i = 0; i < info->keys_n; i++)
		out->onion_until_s = VX6_MAX(out->onion_until_s, info->keys[i].not_after_s);
}

vx6_err circuits_named_one(struct vx6_circuits *c, const struct vx6_node_id *node, bool anonymous,
			   struct vx6_node_id *asked_for, struct vx6_relay_entry *entry,
			   const struct vx6_relay_entry **named)
{
	struct vx6_circuits_node known;

	*named = NULL;
	if (is_public(c, node))
		return VX6_OK;
	if (!c->cfg.node(c->cfg.user, node, &known)) {
		if (asked_for)
			*asked_for = *node;
		return circuits_ask(c, node, anonymous) ? VX6_ERR(AGAIN) : VX6_ERR(PEER_UNKNOWN);
	}
	fill(c, &known.info, node, entry);
	*named = entry;
	return VX6_OK;
}

vx6_err circuits_named(struct vx6_circuits *c, struct route *r, const struct vx6_routing *how,
		       struct vx6_relay_entry entry[static VX6_ROUTE_HOPS_MAX],
		       struct vx6_path_request *req)
{
	for (size_t i = 0; i < how->nodes_n; i++) {
		const struct vx6_node_id *node = &how->nodes[i];

		req->fixed[i] = node;
		if (vx6_node_id_eq(node, &c->cfg.self))
			continue;
		VX6_TRY(circuits_named_one(c, node, how->anonymous, r ? &r->asked_for : NULL,
					   &entry[i], &req->named[i]));
	}
	return VX6_OK;
}
