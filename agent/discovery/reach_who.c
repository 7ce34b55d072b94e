/*
 * Who is meant, and where that is. What is known is answered at once, so that a live session's stream can open before the first bytes
 * are there; otherwise the resolver asks around.
 */
#include "discovery/reach_internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/util.h"
#include "discovery/known.h"

unsigned reach_via(const struct vx6_reaching *r)
{
	enum vx6_transport_choice c =
		r->to.transport != VX6_TRANSPORT_AUTO ? r->to.transport : r->reach->cfg.transport;

	return vx6_via_of(c);
}

/* To the one who connects, a name that changed hands is a peer that is not the expected one, and a node without address one that is not reached. */
static vx6_err take(struct vx6_reaching *r, const struct vx6_resolution *res)
{
	if (res->has_node) {
		r->has_node = true;
		r->id = res->node;
		r->to_pin = res->to_pin;
		vx6_strlcpy(r->service, res->service, sizeof r->service);
	}
	vx6_strlcpy(r->detail, res->detail, sizeof r->detail);
	switch (res->err.code) {
	case VX6_E_MISMATCH:
		return VX6_ERR(WRONG_PEER);
	case VX6_E_PEER_UNKNOWN:
	case VX6_E_UNREACHABLE:
		return res->has_node ? VX6_ERR(PEER_UNREACHABLE) : VX6_ERR(PEER_UNKNOWN);
	default:
		return res->err;
	}
}

static void on_who(void *user, const struct vx6_resolution *res)
{
	struct vx6_reaching *r = user;
	vx6_err err = take(r, res);

	r->resolving = NULL;
	/* its address may be configured, or a session to it may be up */
	if (err.code == VX6_E_PEER_UNREACHABLE && res->has_node) {
		r->asked = true;
		err = VX6_OK;
	}
	reach_resolved(r, err);
}

/* Nobody is asked who or where a hidden service is; it is reached over circuits that meet those of its owner, and in no other way. */
static vx6_err who_is_hidden(struct vx6_reaching *r)
{
	const struct vx6_reach_config *cfg = &r->reach->cfg;
	struct vx6_hidden_alias known = {.service = r->to.node_id};
	struct vx6_routing *how = &r->to.route;

	if (how->via == VX6_ROUTE_DIRECT) {
		vx6_strlcpy(r->detail, "a hidden service is reached through relays only",
			    sizeof r->detail);
		return VX6_ERR(INVALID);
	}
	if (!r->to.has_node_id &&
	    (!cfg->hidden_alias || !cfg->hidden_alias(cfg->user, r->to.node, &known))) {
		snprintf(r->detail, sizeof r->detail,
			 "no hidden service is called %s here: accept an invite to it, or name its "
			 "key",
			 r->to.node);
		return VX6_ERR(PEER_UNKNOWN);
	}
	r->has_node = true;
	r->id = known.service;
	vx6_strlcpy(r->service, VX6_OPEN_HIDDEN, sizeof r->service);
	how->via = VX6_ROUTE_RELAY;
	how->anonymous = how->hidden = true;
	if (!how->hops && !how->nodes_n)
		how->hops = known.fast ? VX6_ROUTE_HOPS_HIDDEN_MIN : VX6_ROUTE_HOPS_RELAY;
	return VX6_OK;
}

vx6_err reach_who(struct vx6_reaching *r)
{
	const struct vx6_resolve_ask ask = {.target = r->to, .anonymous = r->to.route.anonymous};
	struct vx6_resolver *resolver = r->reach->cfg.resolver;
	struct vx6_resolution res;
	vx6_err err;

	if (r->to.is_hidden)
		return who_is_hidden(r);
	if (r->to.address.family != VX6_ADDR_NONE) {
		r->has_node = r->to.has_node_id;
		r->id = r->to.node_id;
		vx6_strlcpy(r->service, r->to.service, sizeof r->service);
		return VX6_OK;
	}
	err = vx6_resolve_known(resolver, &ask, &res);
	if (err.code != VX6_E_AGAIN)
		return take(r, &res);
	r->resolving = vx6_resolve(resolver, &ask, on_who, r);
	return r->resolving ? VX6_ERR(AGAIN) : VX6_ERR(FULL);
}

static void on_where(void *user, const struct vx6_resolution *res)
{
	struct vx6_reaching *r = user;

	r->resolving = NULL;
	if (res->err.code == VX6_E_REVOKED) {
		vx6_strlcpy(r->detail, res->detail, sizeof r->detail);
		reach_resolved(r, res->err);
	} else if (res->has_endpoint && res->endpoint.seq > r->dialed_seq) {
		reach_resolved(r, VX6_OK);
	} else {
		reach_resolved(r, r->err);
	}
}

bool reach_ask_where(struct vx6_reaching *r)
{
	struct vx6_resolve_ask ask = {
		.target = r->to,
		.fresh = true,
		.anonymous = r->to.route.anonymous,
	};

	if (!r->has_node || r->asked || r->to.is_hidden || r->to.address.family != VX6_ADDR_NONE)
		return false;
	r->asked = true;
	ask.target.has_node_id = true;
	ask.target.node_id = r->id;
	ask.target.node[0] = ask.target.catalog[0] = '\0';
	r->resolving = vx6_resolve(r->reach->cfg.resolver, &ask, on_where, r);
	return r->resolving != NULL;
}

uint64_t reach_addresses(const struct vx6_reaching *r, struct vx6_dial_request *req)
{
	const struct vx6_reach_config *cfg = &r->reach->cfg;
	struct vx6_endpoint e;

	vx6_known_addrs(cfg->peers, cfg->registry, &r->id, reach_via(r), req);
	return vx6_registry_endpoint(cfg->registry, &r->id, vx6_wall_s(), &e) ? e.seq : 0;
}
