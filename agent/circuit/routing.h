/**
 * @file routing.h
 * How a connection is to get to its target: over a session of our own, through relays, or whichever works.
 *
 * Spec:    docs/concepts.md (routes)
 * Layer:   circuit
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_ROUTING_H
#define VX6_CIRCUIT_ROUTING_H

#include <stdbool.h>
#include <stdint.h>

#include "identity/node_id.h"

enum {
	VX6_ROUTE_HOPS_MAX = 8,   /* relays between us and the target */
	VX6_ROUTE_HOPS_RELAY = 3, /* of RELAY, when not said */
	VX6_ROUTE_HOPS_AUTO = 1,  /* of AUTO, when not said */
	VX6_ROUTE_HOPS_HIDDEN_MIN =
		2, /* of a hidden route: before the relay where both ends meet */
	VX6_ROUTE_HOPS_HIDDEN_MAX = 6,
};

enum vx6_routing_via {
	VX6_ROUTE_AUTO,   /* begin on what works first, and move to what is better */
	VX6_ROUTE_DIRECT, /* never through relays */
	VX6_ROUTE_RELAY,  /* never without them */
};

struct vx6_routing {
	enum vx6_routing_via via;
	uint8_t hops; /* relays, 1 to 8; 0: as the mode has it, or as many as `nodes` */
	bool anonymous; /* RELAY only: the target does not learn who we are, nor does the first relay */
	/* RELAY and anonymous: the target is the key of a hidden service, which nobody can be asked for. `hops` are those before the relay where its
	   owner's circuit and ours meet: 3, or 2 where it is to be fast */
	bool hidden;
	/* RELAY and anonymous, three relays or more: the second one is a vanguard (circuit/vanguards.h), as on hidden routes, of which that is not
	   said. For what is done again and again for a hidden service. Not stored, and nothing that users ask for */
	bool vanguard;
	bool hop_by_hop; /* of a circuit that is asked for: not in one pass. No part of what a route is */
	uint8_t nodes_n; /* 0: chosen here; else exactly these, in this order, ours first */
	struct vx6_node_id nodes[VX6_ROUTE_HOPS_MAX];
	uint32_t
		apart; /* routes that differ in it share no circuit: 0 is what users ask for. Not stored */
};

/** "auto" | "direct" | "relay". @return false: none of them */
bool vx6_routing_via_parse(const char *text, enum vx6_routing_via *out);
const char *vx6_routing_via_text(enum vx6_routing_via via);
/** How many relays a circuit of this route has; of a hidden one those before the meeting place. */
uint8_t vx6_routing_relays(const struct vx6_routing *r);
/**
 * Whether it makes sense.
 * @param why static text on failure, for people
 * @return VX6_OK | INVALID
 */
bool vx6_routing_is_valid(const struct vx6_routing *r, const char **why);
bool vx6_routing_eq(const struct vx6_routing *a, const struct vx6_routing *b);

#endif
