/*
 * What names mean, from what is known: the table of schemas/wire/names.md.
 */
#include "discovery/resolve_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "discovery/catalogs.h"
#include "discovery/peers.h"

enum { SUCCESSORS_MAX = 8 };

bool resolver_has_network(const struct vx6_resolver *r, bool anonymous)
{
	const struct resolver_way *way = resolver_way(r, anonymous);
	struct vx6_dht_info info;

	if (!way->dht)
		return false;
	vx6_dht_info(way->dht, &info);
	return info.contacts + info.candidates > 0;
}

void resolver_view(const struct vx6_resolver *r, struct vx6_claims_view *out)
{
	*out = (struct vx6_claims_view){
		.net = &r->cfg.net,
		.registry = r->cfg.registry,
		.peers = r->cfg.peers,
		.now_s = vx6_wall_s(),
	};
}

/* ---- revocation ---- */

static bool is_void(const struct vx6_resolver *r, const struct vx6_node_id *node,
		    struct vx6_revocation *out)
{
	return vx6_registry_revocation(r->cfg.registry, node, out) &&
	       out->reason != VX6_REVOKE_SUBKEY;
}

/* The end of the chain of successors; each link is signed by both keys. It may end in a revoked node that names none. */
static void find_successor(const struct vx6_resolver *r, const struct vx6_node_id *from,
			   struct vx6_resolution *out)
{
	struct vx6_node_id at = *from;
	struct vx6_revocation rev;

	for (unsigned i = 0; i < SUCCESSORS_MAX && is_void(r, &at, &rev) && rev.has_successor; i++)
		at = rev.successor;
	if (vx6_node_id_eq(&at, from))
		return;
	out->has_successor = true;
	out->successor = at;
}

static bool fail_revoked(struct vx6_resolver *r, const struct vx6_node_id *node,
			 struct vx6_resolution *out)
{
	char was[VX6_NODE_ID_SHORT], next[VX6_NODE_ID_SHORT];
	struct vx6_revocation rev;

	if (!is_void(r, node, &rev))
		return false;
	out->err = VX6_ERR(REVOKED);
	out->has_endpoint = false;
	find_successor(r, node, out);
	if (out->has_successor)
		snprintf(out->detail, sizeof out->detail,
			 "%s is revoked; it names %s as its successor: pin that if you agree",
			 vx6_node_id_format_short(node, was),
			 vx6_node_id_format_short(&out->successor, next));
	else
		snprintf(out->detail, sizeof out->detail, "%s is revoked",
			 vx6_node_id_format_short(node, was));
	return true;
}

/* ---- who ---- */

static void found(struct vx6_resolution *out, enum vx6_resolved_by by,
		  const struct vx6_node_id *node)
{
	out->err = VX6_OK;
	out->has_node = true;
	out->by = by;
	out->node = *node;
}

/* A peer that is known by its address only is whoever answered there. The first that was used under the name is the one that is meant. */
static void by_peer(struct vx6_resolver *r, const char *name, const struct vx6_node_id *node,
		    struct vx6_resolution *out)
{
	char was[VX6_NODE_ID_SHORT], is[VX6_NODE_ID_SHORT];
	struct vx6_name_binding pin;

	found(out, VX6_BY_PEER, node);
	if (vx6_peers_gives_id(r->cfg.peers, name))
		return;
	out->to_pin = true;
	if (!vx6_names_find(r->cfg.names, VX6_BINDING_PIN, name, &pin) ||
	    vx6_node_id_eq(&pin.node, node))
		return;
	vx6_peers_doubt(r->cfg.peers, name);
	out->err = VX6_ERR(MISMATCH);
	snprintf(out->detail, sizeof out->detail,
		 "%s stands for %s here, but %s answers at its address now; give the peer that "
		 "node_id if it is right",
		 name, vx6_node_id_format_short(&pin.node, was),
		 vx6_node_id_format_short(node, is));
}

static void by_catalog(struct vx6_resolver *r, const struct vx6_target *to,
		       struct vx6_resolution *out)
{
	struct vx6_catalog_entry e;
	vx6_err err = VX6_ERR(PEER_UNKNOWN);

	if (r->cfg.catalogs)
		err = vx6_catalogs_find(r->cfg.catalogs, to->catalog, to->service, &e);
	if (vx6_is_ok(err)) {
		found(out, VX6_BY_CATALOG, &e.node);
		vx6_strlcpy(out->service, e.service, sizeof out->service);
		return;
	}
	out->err = err;
	snprintf(out->detail, sizeof out->detail,
		 err.code == VX6_E_SERVICE_UNKNOWN ? "catalog %s has no %s"
						   : "there is no list of catalog %s yet",
		 to->catalog, to->service);
}

bool resolve_users_word(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
			struct vx6_resolution *out)
{
	const struct vx6_target *to = &ask->target;
	struct vx6_name_binding petname;
	struct vx6_node_id node;

	vx6_strlcpy(out->service, to->service, sizeof out->service);
	if (to->catalog[0]) {
		by_catalog(r, to, out);
		return true;
	}
	if (to->has_node_id) {
		found(out, VX6_BY_ID, &to->node_id);
		return true;
	}
	if (vx6_names_find(r->cfg.names, VX6_BINDING_PETNAME, to->node, &petname)) {
		found(out, VX6_BY_PETNAME, &petname.node);
		return true;
	}
	if (!r->cfg.peers || !vx6_peers_has_name(r->cfg.peers, to->node))
		return false;
	if (vx6_peers_by_name(r->cfg.peers, to->node, &node)) {
		by_peer(r, to->node, &node, out);
		return true;
	}
	if (!ask->anonymous) /* a dial right now would say who wants to go there */
		vx6_peers_hurry(r->cfg.peers);
	out->err = VX6_ERR(PEER_UNREACHABLE);
	snprintf(out->detail, sizeof out->detail, "peer %s has not been reached yet", to->node);
	return true;
}

static void dispute(struct vx6_resolver *r, const char *name, const struct vx6_claims *c,
		    bool mismatch, struct vx6_resolution *out)
{
	vx6_names_disputed(r->cfg.names, name, c, mismatch, vx6_wall_ms(), &r->conflict);
	out->conflict = &r->conflict;
}

static void fail_mismatch(struct vx6_resolver *r, const char *name, const struct vx6_node_id *pin,
			  const struct vx6_node_id *other, const struct vx6_claims *c,
			  struct vx6_resolution *out)
{
	char a[VX6_NODE_ID_SHORT], b[VX6_NODE_ID_SHORT];

	out->err = VX6_ERR(MISMATCH);
	out->by = VX6_BY_PIN;
	snprintf(out->detail, sizeof out->detail,
		 "%s stands for %s here, but the node that calls itself %s now is %s", name,
		 vx6_node_id_format_short(pin, a), name, vx6_node_id_format_short(other, b));
	find_successor(r, pin, out);
	dispute(r, name, c, true, out);
}

static void fail_claims(struct vx6_resolver *r, const char *name, enum vx6_verdict verdict,
			const struct vx6_claims *c, struct vx6_resolution *out)
{
	if (verdict == VX6_VERDICT_SEVERAL) {
		out->err = VX6_ERR(AMBIGUOUS);
		snprintf(out->detail, sizeof out->detail,
			 "%zu nodes call themselves %s; say which by its id (`vx6 name conflicts`)",
			 c->n + c->more, name);
		dispute(r, name, c, false, out);
		return;
	}
	out->err = VX6_ERR(PEER_UNKNOWN);
	if (verdict == VX6_VERDICT_WEAK)
		snprintf(out->detail, sizeof out->detail,
			 "only one of the nodes asked knows a node called %s; try again soon, or "
			 "give its id",
			 name);
	else
		snprintf(out->detail, sizeof out->detail,
			 "no node called %s is known; add one with `vx6 peer add`", name);
}

bool resolve_who(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
		 const struct vx6_claims *c, const struct vx6_claims_asked *asked,
		 struct vx6_resolution *out)
{
	const struct vx6_target *to = &ask->target;
	const struct vx6_claims_asked nobody = {.network = false};
	const struct vx6_name_claim_seen *seen;
	struct vx6_name_binding pin;
	struct vx6_node_id node;
	enum vx6_verdict verdict;
	bool pinned, may_ask = !asked && resolver_has_network(r, ask->anonymous);

	pinned = vx6_names_find(r->cfg.names, VX6_BINDING_PIN, to->node, &pin);
	if (pinned && fail_revoked(r, &pin.node, out))
		return true;
	verdict = vx6_claims_judge(c, pinned ? &pin.node : NULL, asked ? asked : &nobody, &node);
	switch (verdict) {
	case VX6_VERDICT_PIN:
		found(out, VX6_BY_PIN, &node);
		return true;
	case VX6_VERDICT_ONE:
		seen = vx6_claims_find(c, &node);
		if (may_ask && !seen->configured)
			return false; /* others may claim it too: asked before it is used for the first time */
		found(out, VX6_BY_CLAIM, &node);
		out->to_pin = true;
		return true;
	case VX6_VERDICT_MISMATCH:
		if (may_ask)
			return false;
		fail_mismatch(r, to->node, &pin.node, &node, c, out);
		return true;
	default:
		if (may_ask)
			return false;
		fail_claims(r, to->node, verdict, c, out);
		return true;
	}
}

/* ---- where ---- */

void resolve_where(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
		   struct vx6_resolution *out)
{
	const struct vx6_registry *reg = r->cfg.registry;
	struct vx6_service_record service;
	uint64_t now_s = vx6_wall_s();

	if (!out->has_node || fail_revoked(r, &out->node, out))
		return;
	out->has_endpoint = vx6_registry_endpoint(reg, &out->node, now_s, &out->endpoint);
	out->service_known = !ask->want_service || !out->service[0] ||
			     vx6_registry_service(reg, &out->node, out->service, now_s, &service);
}

void resolve_missing(bool anybody_answered, struct vx6_resolution *out)
{
	char id[VX6_NODE_ID_SHORT];

	if (!vx6_is_ok(out->err))
		return;
	vx6_node_id_format_short(&out->node, id);
	if (!out->has_endpoint) {
		out->err = anybody_answered ? VX6_ERR(PEER_UNKNOWN) : VX6_ERR(UNREACHABLE);
		snprintf(out->detail, sizeof out->detail,
			 anybody_answered ? "no address of %s is known"
					  : "no address of %s is known, and nobody is there to ask",
			 id);
	} else if (!out->service_known) {
		out->err = VX6_ERR(SERVICE_UNKNOWN);
		snprintf(out->detail, sizeof out->detail, "%s does not publish %s", id,
			 out->service);
	}
}

void resolve_claims(const struct vx6_resolver *r, const char *name, struct vx6_claims *out)
{
	struct vx6_name_binding pin;
	struct vx6_claims_view view;

	memset(out, 0, sizeof *out);
	out->has_keep = vx6_names_find(r->cfg.names, VX6_BINDING_PIN, name, &pin);
	if (out->has_keep)
		out->keep = pin.node;
	resolver_view(r, &view);
	vx6_claims_of_registry(&view, name, out);
}

vx6_err vx6_resolve_known(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
			  struct vx6_resolution *out)
{
	const struct vx6_claims_asked nobody = {.network = false};
	struct vx6_claims claims;

	memset(out, 0, sizeof *out);
	out->from_registry = true;
	/* its key must be on no wire */
	if (ask->target.is_hidden) {
		out->err = VX6_ERR(INVALID);
		vx6_strlcpy(out->detail, "a hidden service is not looked up by its name or key",
			    sizeof out->detail);
		return out->err;
	}
	if (ask->anonymous && r->cfg.hide)
		r->cfg.hide(r->cfg.user);
	if (!resolve_users_word(r, ask, out)) {
		resolve_claims(r, ask->target.node, &claims);
		if (!resolve_who(r, ask, &claims, ask->local_only ? &nobody : NULL, out))
			return VX6_ERR(AGAIN);
	}
	if (vx6_is_ok(out->err))
		resolve_where(r, ask, out);
	return out->err;
}
