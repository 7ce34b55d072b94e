/**
 * @file resolve.h
 * From a name to a node and its addresses: registry first, then the DHT.
 *
 *   vx1….web -> petname -> configured peer -> pin -> claims (registry, then DHT: all of them, never a pick among several)
 *
 * Spec:    schemas/wire/names.md
 * Layer:   discovery
 * Threads: the thread that drives it
 */
#ifndef VX6_DISCOVERY_RESOLVE_H
#define VX6_DISCOVERY_RESOLVE_H

#include "dht/dht.h"
#include "discovery/names.h"
#include "discovery/target.h"
#include "record/endpoint.h"

struct vx6_resolver;
struct vx6_resolving;

enum vx6_resolved_by {
	VX6_BY_ID, /* a literal node id */
	VX6_BY_PETNAME,
	VX6_BY_PEER, /* the petname of a configured peer */
	VX6_BY_PIN,
	VX6_BY_CLAIM, /* the only claim there is: pinned at first use */
};

struct vx6_resolve_ask {
	struct vx6_target target;
	bool local_only;   /* the registry's answer or none */
	bool fresh;        /* ask the DHT even when the registry knows */
	bool want_service; /* also make sure that the node publishes target.service */
	/** Optional: each step of the DHT lookups. @p what: "name", "endpoint", "service", "revocation" */
	void (*trace)(void *user, const char *what, const struct vx6_dht_trace *t);
};

struct vx6_resolution {
	/* OK | PEER_UNKNOWN (no claim, or no address) | SERVICE_UNKNOWN | AMBIGUOUS (claims below) | MISMATCH (pin against the only claim) |
	   REVOKED | UNREACHABLE (nobody to ask) */
	vx6_err err;
	char detail[256]; /* for people */
	bool has_node;
	struct vx6_node_id node;
	enum vx6_resolved_by by;
	bool has_endpoint;
	struct vx6_endpoint endpoint;
	bool service_known; /* its record is valid, or (want_service unset) not asked */
	bool from_registry; /* no network was needed */
	const struct vx6_name_conflict *conflict; /* AMBIGUOUS, MISMATCH; borrowed */
	bool has_successor; /* REVOKED, MISMATCH: a valid chain of successors leads to */
	struct vx6_node_id successor;
	uint32_t queries, ms;
};
typedef void vx6_resolved_cb(void *user, const struct vx6_resolution *r);

/** @param done once, never inside this call, unless cancelled @return owned until then; NULL: too many under way */
struct vx6_resolving *vx6_resolve(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
				  vx6_resolved_cb *done, void *user);
void vx6_resolve_cancel(struct vx6_resolving *g);

#endif
