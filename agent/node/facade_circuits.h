/**
 * @file facade_circuits.h
 * What the API asks of circuits and relays: rows of lists, and what commands carry for them. Plain values.
 *
 * Layer:   node
 * Threads: pure, any thread
 */
#ifndef VX6_NODE_FACADE_CIRCUITS_H
#define VX6_NODE_FACADE_CIRCUITS_H

#include "base/addr.h"
#include "base/err.h"
#include "circuit/relaying.h"
#include "circuit/routing.h"
#include "identity/node_id.h"
#include "record/relay_info.h"
#include "state/resource.h"
#include "wire/label.h"

enum {
	VX6_CIRC_HOPS_MAX = VX6_ROUTE_HOPS_MAX + 1, /* relays and the target */
	VX6_CIRC_WHY = 192,
	VX6_DECISIONS_KEPT = 256,
};

/* ---- this node as a relay ---- */

/* For hidden services of others. */
struct vx6_relaying_hidden {
	uint32_t owners;        /* circuits of those who are introduced here */
	uint32_t introductions; /* that their owners have not confirmed yet */
	uint32_t waiting;       /* clients at a rendezvous */
	uint32_t joined;        /* circuits, two for each rendezvous */
	uint64_t owners_total, introduced, introduced_again, joined_total;
	uint64_t refused_policy, refused_proof, refused_unknown, refused_rate, refused_limit,
		refused_timeout, refused_reuse;
};

struct vx6_relaying_view {
	struct vx6_relaying_budget wanted; /* as set, the built-in values put in */
	bool announced;                    /* others may find it as a relay */
	bool draining;
	uint32_t circuits, half_built; /* that lead through this node, or end here */
	uint32_t ending;               /* of these: end here */
	uint64_t circuits_total, cells, bytes;
	uint64_t memory_bytes, memory_peak;
	uint64_t extends, creates; /* that were done */
	uint64_t refused_format, refused_replay, refused_key, refused_limit, refused_rate,
		refused_policy, refused_unreachable; /* creates and extends that were refused */
	uint64_t protocol_errors, closed_for_memory, cells_dropped;
	struct vx6_relaying_hidden hidden;
	uint64_t key_since_ms, key_until_ms; /* wall clock: of the present onion key */
};

/* ---- other nodes as relays ---- */

enum vx6_relay_standing {
	VX6_STANDING_CANDIDATE, /* may be drawn */
	VX6_STANDING_YOUNG, /* known for too short a time, drawn only while there are few others */
	VX6_STANDING_FAILING,
	VX6_STANDING_DRAINING,
	VX6_STANDING_UNUSABLE, /* not of use for any place in a path */
};

struct vx6_relay_row {
	struct vx6_node_id node;
	char name[VX6_LABEL_TEXT];
	struct vx6_addr address; /* the first of its endpoint record; family NONE: none known */
	uint32_t policy;         /* enum vx6_relay_policy, what it says it does */
	enum vx6_relay_standing standing;
	uint32_t asn;               /* 0: not known */
	uint32_t rtt_us;            /* measured through circuits; 0: not yet */
	uint64_t capacity_bytes_s;  /* seen through our own circuits; 0: not yet */
	double successes, failures; /* decaying */
	double weight;              /* share of draws for a middle hop, 0..1 */
	uint32_t guard;             /* 0: not a guard of ours; else its place */
	const char *guard_state;    /* static: "untried", "up", "down", "aside"; NULL: no guard */
	uint64_t first_seen_ms, last_used_ms; /* wall clock; 0: never */
};

/* ---- our own circuits ---- */

enum vx6_circ_state {
	VX6_CIRC_BUILDING,
	VX6_CIRC_OPEN,     /* built, in the pool or with a session at its end */
	VX6_CIRC_DRAINING, /* being left */
	VX6_CIRC_CLOSED,   /* kept for a while, to say why */
};
enum vx6_circ_purpose {
	VX6_CIRC_POOL,   /* built ahead, leads nowhere yet */
	VX6_CIRC_ROUTE,  /* carries streams to its target */
	VX6_CIRC_SPARE,  /* leads to the same target, for when the other one dies */
	VX6_CIRC_LOOKUP, /* private lookups */
	/* of hidden services */
	VX6_CIRC_INTRO,      /* this node's own: to an introduction point */
	VX6_CIRC_INTRODUCE,  /* of others: to their introduction point */
	VX6_CIRC_RENDEZVOUS, /* this node's own: to where a client waits */
};
/** What a hop is in its circuit. */
enum vx6_circ_role {
	VX6_HOP_RELAY,
	VX6_HOP_GUARD,
	VX6_HOP_VANGUARD,     /* one of the few that stand behind the guards */
	VX6_HOP_INTRODUCTION, /* introduces clients to a hidden service */
	VX6_HOP_RENDEZVOUS,   /* where the client's circuit and the owner's meet */
	VX6_HOP_TARGET,
	VX6_HOP_SERVICE, /* a hidden one, and `node` is its key */
	VX6_HOP_CLIENT, /* of a hidden service here, behind the rendezvous: nobody knows who, `node` says nothing */
	VX6_HOP_ROLES_N,
};

struct vx6_circuit_hop_row {
	struct vx6_node_id node;
	char name[VX6_LABEL_TEXT];
	enum vx6_circ_role role;
	uint32_t rtt_us;   /* from us to this hop and back; 0: not measured */
	uint32_t built_us; /* what adding it took; 0: not built */
	char why[VX6_CIRC_WHY];
};

struct vx6_circuit_row {
	char id[VX6_RESOURCE_ID_MAX]; /* cir_… */
	enum vx6_circ_state state;
	enum vx6_circ_purpose purpose;
	bool has_target;
	bool to_hidden; /* the target is a hidden service: its key, and what it is called here */
	struct vx6_node_id target;
	char target_name[VX6_LABEL_TEXT];
	bool anonymous, single_pass;
	bool is_hidden; /* made for a hidden service: to it, of it, or for its descriptor */
	struct vx6_circuit_hop_row hops[VX6_CIRC_HOPS_MAX];
	uint32_t hops_n, built_n;
	uint32_t rtt_us; /* end to end; 0: not measured */
	uint32_t build_us;
	uint32_t streams;
	uint64_t rx_bytes, tx_bytes, rx_cells, tx_cells;
	uint64_t opened_ms, closed_ms; /* wall clock; closed_ms 0: lives */
	vx6_err err;                   /* CLOSED: why */
	char reason[VX6_CIRC_WHY];     /* why it was built; of a closed one: what ended it */
};

/* ---- what was decided, and why ---- */

struct vx6_decision_row {
	uint64_t seq, wall_ms;
	bool has_target;
	bool to_hidden; /* as of a circuit */
	struct vx6_node_id target;
	char target_name[VX6_LABEL_TEXT];
	char circuit[VX6_RESOURCE_ID_MAX]; /* empty: none */
	const char *
		what; /* static: "route", "build", "move", "rebuild", "close", "guard", "pool"; a new one belongs into
			  schemas/api/CircuitDecision.json too */
	char why[VX6_CIRC_WHY];
};

/** A circuit made by hand. */
struct vx6_circuit_ask {
	bool has_target; /* else: a circuit for the pool */
	struct vx6_node_id target;
	struct vx6_routing route; /* via RELAY */
};

#endif
