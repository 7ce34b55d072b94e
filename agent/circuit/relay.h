/**
 * @file relay.h
 * A node's part in the circuits of others: takes them in, leads them on, joins two of them, or is where they end.
 *
 * Spec:    schemas/wire/relaying.md, schemas/wire/cell.md, schemas/wire/hidden_messages.md
 * Layer:   circuit
 * Shape:   a circuit has a side towards its client and, once extended, one away from it; each is a hop (circuit/hop.h). Nothing is known of it
 *          beyond these two neighbours, and nothing of what it carries.
 * Trust:   every cell is hostile, and so is whoever extends: what is dialled for others stands in a signed record, and is of a kind of address
 *          that this node has itself
 * Bounds:  circuits in all, of one neighbour, of one network; those that are half built; creates, dials a second; bytes of all that wait;
 *          owners, introductions that are not confirmed, cookies
 * Threads: the loop's thread
 * Upcalls: never from inside a call down
 */
#ifndef VX6_CIRCUIT_RELAY_H
#define VX6_CIRCUIT_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/addr.h"
#include "circuit/hop.h"
#include "circuit/onion_keys.h"
#include "circuit/relaying.h"
#include "identity/identity.h"
#include "record/endpoint.h"
#include "session/session.h"

enum {
	VX6_RELAY_CREATE_MS = 10000, /* from OPEN to CREATE */
	VX6_RELAY_EXTEND_MS = 10000, /* from EXTEND, or NEXT, to the next hop's CREATED */
	VX6_RELAY_IDLE_MS = 600000,  /* without a cell */
	VX6_RELAY_NETWORK_MAX =
		2048, /* open circuits of the anonymous ones of a network; of one node four times as many */
	VX6_RELAY_CREATES_S =
		64, /* a second of the anonymous ones of a network; four times as many of one node, and of all of a network */
	VX6_RELAY_HALF_MAX = 1024, /* half built, in all */
	VX6_RELAY_HALF_NETWORK =
		64, /* of those, of a network's anonymous ones; of one node four times as many */
	VX6_RELAY_DIALS_MAX = 128, /* under way */
	VX6_RELAY_DIALS_S =
		16, /* begun a second for a network's anonymous ones; four times as many for one node */

	/* of hidden services. Of tables a node has half at most, a network's anonymous ones an eighth */
	VX6_RELAY_PADS_MAX = 32, /* that a circuit may ask for, in all */
	VX6_RELAY_ASKS_MAX = 8,  /* ESTABLISH_INTRO, INTRODUCE1 and ESTABLISH_REND on one circuit */
	VX6_RELAY_INTROS_MAX = 2048, /* circuits of owners that are introduced here */
	VX6_RELAY_INTRO_RATE =
		25, /* introductions a second to one owner, unless it says otherwise */
	VX6_RELAY_INTRO_BURST = 200,
	VX6_RELAY_INTRO_RATE_MAX = 16384, /* that it may say */
	VX6_RELAY_INTRO_BURST_MAX = 65536,
	VX6_RELAY_INTRO_QUEUE = 64,     /* that wait for room on one of its circuits */
	VX6_RELAY_INTRO_PENDING = 1024, /* not confirmed, of one owner */
	VX6_RELAY_INTRO_PENDING_ALL = 8192,
	VX6_RELAY_INTRO_AGAIN_MS = 500, /* without confirmation: over the owner's other circuit */
	VX6_RELAY_INTRO_GIVE_UP_MS = 1500, /* the client is told that nobody answers */
	VX6_RELAY_REND_MS = 120000, /* a client waits for the owner; a spent cookie is remembered */
	VX6_RELAY_REND_EARLY_MS = 1000, /* an owner waits for the client */
	VX6_RELAY_RENDS_MAX = 8192, /* cookies under which somebody waits; as many that are spent */
};

struct vx6_relay;

/** A circuit that ends here has its first stream. */
struct vx6_relay_end {
	struct vx6_link *link; /* to be adopted as a session */
	uint64_t circuit;      /* its number at this node */
	bool prev_is_anonymous; /* the neighbour that it comes from did not say who it is: it may be the client itself */
};

struct vx6_relay_events {
	/** @return false: not wanted; the circuit ends (CIRC_POLICY) */
	bool (*end)(void *user, const struct vx6_relay_end *end);
	/**
	 * An endpoint record of @p node that a client gave us. It says that it is, no more, and it is not to be kept: it would tell where the
	 * circuit leads.
	 * @param out what is dialled by: what it says, or a newer one that is known
	 * @return VX6_OK | whatever verification says
	 */
	vx6_err (*check)(void *user, const struct vx6_node_id *node, const uint8_t *record,
			 size_t n, struct vx6_endpoint *out);
	/** The newest endpoint record known of @p node. @return false: none */
	bool (*endpoint)(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out);
	/** Addresses at which others reach this node. Optional: those it listens at. @return how many */
	size_t (*own_addrs)(void *user, struct vx6_addr *out, size_t cap);
	/** Whether the operator configured @p node as a peer. */
	bool (*is_peer)(void *user, const struct vx6_node_id *node);
};

struct vx6_relay_config {
	struct vx6_loop *loop; /* borrowed, like all below, for the relay's life */
	const struct vx6_identity *identity;
	struct vx6_sessions *sessions;
	struct vx6_hop_sched *sched;
	struct vx6_onion_keys *keys;
	const struct vx6_relay_events *events;
	void *user;
	struct vx6_relaying_budget
		budget; /* copied; mode, circuits, rate. Memory is the scheduler's */
	uint32_t create_ms, extend_ms, idle_ms; /* 0: as above */
	uint32_t rends;                         /* 0: VX6_RELAY_RENDS_MAX */
};

/** @return owned; vx6_relay_free() */
struct vx6_relay *vx6_relay_new(const struct vx6_relay_config *cfg);
/** Ends every circuit. Before the sessions are freed. Accepts NULL. */
void vx6_relay_free(struct vx6_relay *r);
/** Circuits that exist stay; when none may lead through here any more, those that do are asked to go elsewhere. */
void vx6_relay_set_budget(struct vx6_relay *r, const struct vx6_relaying_budget *budget);

/** A stream whose OPEN is of kind CIRCUIT, as struct vx6_sessions_events.incoming gives it. Taken; it is answered here. */
void vx6_relay_incoming(struct vx6_relay *r, struct vx6_session *s, struct vx6_stream *stream,
			const struct iovec *rest, int rest_n, bool fin);

/** Tells every client to go elsewhere, takes no new circuits; those that are left in @p ms end. */
void vx6_relay_drain(struct vx6_relay *r, uint32_t ms);

/* ---- to look at ---- */

enum vx6_relay_create_refused {
	VX6_RELAY_CREATE_FORMAT, /* malformed, or it proves nothing */
	VX6_RELAY_CREATE_REPLAY, /* came before */
	VX6_RELAY_CREATE_KEY,    /* for a key that is not ours, or not any more */
	VX6_RELAY_CREATE_LIMIT,  /* too many circuits */
	VX6_RELAY_CREATE_RATE,   /* too many of late */
	VX6_RELAY_CREATE_POLICY, /* circuits inside of circuits */
	VX6_RELAY_CREATE_DRAINING,
	VX6_RELAY_CREATE_TIMEOUT, /* none came */
	VX6_RELAY_CREATE_N,
};
enum vx6_relay_extend_refused {
	VX6_RELAY_EXTEND_POLICY, /* mode, own id, the neighbour it came from, addresses of a kind that is not dialled */
	VX6_RELAY_EXTEND_RECORD,      /* the endpoint record is none, or not that node's */
	VX6_RELAY_EXTEND_UNKNOWN,     /* nothing is known of the node */
	VX6_RELAY_EXTEND_UNREACHABLE, /* nobody there, or somebody else */
	VX6_RELAY_EXTEND_LIMIT,       /* dials, circuits */
	VX6_RELAY_EXTEND_PEER,        /* the next hop refused */
	VX6_RELAY_EXTEND_TIMEOUT,
	VX6_RELAY_EXTEND_DRAINING,
	VX6_RELAY_EXTEND_N,
};
enum vx6_relay_hs_refused {
	VX6_RELAY_HS_POLICY,  /* mode, draining */
	VX6_RELAY_HS_PROOF,   /* ESTABLISH_INTRO is not by that key, or not for that circuit */
	VX6_RELAY_HS_UNKNOWN, /* introduction key, cookie */
	VX6_RELAY_HS_RATE,    /* introductions of late */
	VX6_RELAY_HS_LIMIT,   /* owners, introductions that are not confirmed, cookies */
	VX6_RELAY_HS_TIMEOUT, /* the owner did not confirm; nobody came to a cookie */
	VX6_RELAY_HS_REUSE,   /* a cookie that is in use, or was */
	VX6_RELAY_HS_N,
};
/** Static snake_case names. */
const char *vx6_relay_hs_refused_name(enum vx6_relay_hs_refused why);
const char *vx6_relay_create_refused_name(enum vx6_relay_create_refused why);
const char *vx6_relay_extend_refused_name(enum vx6_relay_extend_refused why);

struct vx6_relay_stats {
	/* now */
	uint32_t circuits, half, resting, middle, end, dials;
	uint32_t intro, rend_waiting, joined; /* circuits */
	uint32_t introductions;               /* not confirmed yet */
	uint32_t cookies;                     /* under which somebody waits */
	uint32_t circuits_max;
	bool draining;
	/* since the start */
	uint64_t circuits_total, middle_total, end_total;
	uint64_t cells_forward,
		cells_back; /* relayed; cells of circuits that end here too. 1024 bytes each */
	uint64_t creates_ok, creates_refused[VX6_RELAY_CREATE_N];
	uint64_t extends_ok, extends_refused[VX6_RELAY_EXTEND_N];
	uint64_t violations;    /* circuits that ended for what their client or next hop did */
	uint64_t cells_dropped; /* that waited when their circuit ended */
	uint64_t oom, idle, gave_way;
	uint64_t intro_total, joined_total; /* owners' circuits; pairs */
	uint64_t introduced,
		introduced_again; /* handed to owners; those among them over a second circuit */
	uint64_t hs_refused[VX6_RELAY_HS_N];
};
void vx6_relay_stats(const struct vx6_relay *r, struct vx6_relay_stats *out);

enum vx6_relay_role {
	VX6_RELAY_ROLE_HALF,
	VX6_RELAY_ROLE_RESTING,
	VX6_RELAY_ROLE_MIDDLE,
	VX6_RELAY_ROLE_END,
	VX6_RELAY_ROLE_INTRO,
	VX6_RELAY_ROLE_RENDEZVOUS, /* joined, or to be */
};
const char *vx6_relay_role_name(enum vx6_relay_role role);

struct vx6_relay_circuit_show {
	uint64_t id;
	enum vx6_relay_role role;
	bool prev_is_anonymous, draining;
	uint64_t age_ms, idle_ms;
	uint64_t cells_forward, cells_back;
	size_t waiting_bytes;
};
/** Calls @p fn for each circuit, oldest first; it returns false to stop. */
void vx6_relay_each(const struct vx6_relay *r,
		    bool (*fn)(void *user, const struct vx6_relay_circuit_show *row), void *user);

#endif
