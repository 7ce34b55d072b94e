/**
 * @file resolve.h
 * From a name to a node and its addresses: registry first, then the DHT.
 *
 *   vx1….web -> petname -> configured peer -> pin -> claims (registry, then DHT: all of them, never a pick among several)
 *
 * Spec:    schemas/wire/names.md#resolution
 * Layer:   discovery
 * Limits:  VX6_RESOLVING_MAX under way; those that want the same share one
 * Threads: the thread that drives it
 */
#ifndef VX6_DISCOVERY_RESOLVE_H
#define VX6_DISCOVERY_RESOLVE_H

#include "dht/dht.h"
#include "discovery/names.h"
#include "discovery/target.h"
#include "record/endpoint.h"

struct vx6_catalogs;
struct vx6_loop;
struct vx6_peers;
struct vx6_registry;
struct vx6_resolver;
struct vx6_resolving;

enum { VX6_RESOLVING_MAX = 256 };

struct vx6_resolver_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_registry *registry;
	struct vx6_names *names;
	struct vx6_peers *peers;       /* NULL: there are none */
	struct vx6_catalogs *catalogs; /* NULL: there are none */
	struct vx6_net net;
	/** A record that a lookup has brought: to be admitted to the registry. NULL: the resolver does so itself. */
	void (*take)(void *user, const uint8_t *record, size_t n);
	/** Optional: somebody asks anonymously: vx6_resolver_set_anonymous_dht() now, if that can be. */
	void (*hide)(void *user);
	void *user;
};

/** @return owned; vx6_resolver_free() */
struct vx6_resolver *vx6_resolver_new(const struct vx6_resolver_config *cfg);
/** What is under way ends with DRAINING. */
void vx6_resolver_free(struct vx6_resolver *r);
/** The DHT to ask, borrowed, and the time as it wants it; NULL: none. Lookups of an older one are given up. */
void vx6_resolver_set_dht(struct vx6_resolver *r, struct vx6_dht *dht,
			  void (*now)(void *user, struct vx6_dht_now *out), void *user);

/** The same, for those who ask anonymously: a DHT whose queries go over circuits. */
void vx6_resolver_set_anonymous_dht(struct vx6_resolver *r, struct vx6_dht *dht,
				    void (*now)(void *user, struct vx6_dht_now *out), void *user);

enum vx6_resolved_by {
	VX6_BY_ID, /* a literal node id */
	VX6_BY_PETNAME,
	VX6_BY_PEER, /* the petname of a configured peer */
	VX6_BY_PIN,
	VX6_BY_CLAIM,   /* the only claim there is: pinned at first use */
	VX6_BY_CATALOG, /* an entry of a catalog */
};

struct vx6_resolve_ask {
	struct vx6_target target;
	bool local_only;   /* the registry's answer or none */
	bool fresh;        /* ask the DHT even when the registry knows */
	bool want_service; /* also make sure that the node publishes target.service */
	bool want_relay; /* also look for what the node says of itself as a relay: it goes into the registry */
	bool anonymous; /* nobody who is asked may learn who asks: over circuits, or not at all */
	/** Optional: each step of the DHT lookups. @p what: "name", "endpoint", "service", "revocation", "relay" */
	void (*trace)(void *user, const char *what, const struct vx6_dht_trace *t);
};

struct vx6_resolution {
	/* OK | PEER_UNKNOWN (no claim, or no address) | SERVICE_UNKNOWN | AMBIGUOUS (claims below) | MISMATCH (pin against the only claim) |
	   REVOKED | PEER_UNREACHABLE (a configured peer that was never met) | UNREACHABLE (nobody to ask) | TIMEOUT | DRAINING */
	vx6_err err;
	char detail[256]; /* for people */
	char service
		[VX6_LABEL_TEXT]; /* what to ask the node for: target.service, or what the catalog says */
	bool has_node;            /* also beside PEER_UNKNOWN: then only its address is not known */
	struct vx6_node_id node;
	enum vx6_resolved_by by;
	/* The name is what the node calls itself, or a peer was configured without its id: to be pinned (vx6_names_used()) once a connection
	   to it worked. */
	bool to_pin;
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

/**
 * What can be said at once, without the network.
 * @param out out->conflict is good until the next call of the resolver
 * @return out->err, or AGAIN: vx6_resolve() will know more. Where the node is clear and only its address is not, VX6_OK without has_endpoint
 */
vx6_err vx6_resolve_known(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
			  struct vx6_resolution *out);
/** @param done once, never inside this call, unless cancelled @return owned until then; NULL: too many under way */
struct vx6_resolving *vx6_resolve(struct vx6_resolver *r, const struct vx6_resolve_ask *ask,
				  vx6_resolved_cb *done, void *user);
void vx6_resolve_cancel(struct vx6_resolving *g);

#endif
