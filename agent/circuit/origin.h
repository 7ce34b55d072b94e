/**
 * @file origin.h
 * The client's end of circuits: building them hop by hop or in one go, the layers of encryption, what each hop may say, the link to the last.
 *
 * Spec:    schemas/wire/circuit.md, schemas/wire/cell.md
 * Layer:   circuit
 * Trust:   every hop is hostile. A hop exists once it proved its onion key; a cell that no hop's layer recognises, or a message that its hop
 *          may not send now, ends the circuit before a byte of it is handed up.
 * Bounds:  what waits to be sent is the queue of the first hop (circuit/hop.h) and what the end link holds (circuit/endlink.h)
 * Threads: the loop's thread
 * Upcalls: never from inside a call down
 *
 *   NEW --first link--> BUILDING(i) --all hops--> OPEN --a hop drains--> DRAINING
 *   OPEN --vx6_circuit_extend()--> BUILDING        any of them --the end--> CLOSED: `down`, once, last
 */
#ifndef VX6_CIRCUIT_ORIGIN_H
#define VX6_CIRCUIT_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit/hop.h"
#include "identity/node_id.h"
#include "record/relay_info.h"
#include "session/session.h"

enum {
	VX6_CIRCUIT_HOPS_MAX = 9, /* 8 relays and the target */
	VX6_CIRCUIT_NO_HOP = -1,  /* it cannot be known which */
	VX6_CIRCUIT_TIMEOUT_MS = 10000,
	VX6_CIRCUIT_SAYS_MAX = 8,
	VX6_CIRCUIT_JOIN_KEYS = 160,
};

struct vx6_origin; /* all circuits that begin here */
struct vx6_circuit;

struct vx6_origin_config {
	struct vx6_loop *loop; /* borrowed, like all below, for the instance's life */
	struct vx6_sessions *sessions;
	struct vx6_hop_sched *sched;
	const struct vx6_net *net;
};

/** @return owned; vx6_origin_free() */
struct vx6_origin *vx6_origin_new(const struct vx6_origin_config *cfg);
/** Ends every circuit at once: `down` fires for each before this returns. Before vx6_sessions_free(). Accepts NULL. */
void vx6_origin_free(struct vx6_origin *o);

/* ---- building ---- */

struct vx6_circuit_hop {
	struct vx6_node_id node;
	uint8_t onion_key[VX6_ONION_KEY_BYTES];
	const uint8_t *
		record; /* its signed endpoint record, for the hop before it; NULL: that one knows it. Copied */
	size_t record_n;
	/*
	 * Of the last hop: a message for it that travels in the handshake, so that it has it half a round trip sooner. type 0: none. There is room
	 * for it however the circuit is built, if that has no more than 8 hops. Copied, and wiped once it was said. Tell it nothing that
	 * it must not be able to read later by its onion key
	 */
	struct vx6_payload word;
};
enum { VX6_CIRCUIT_WORD_MAX = 128 };

struct vx6_circuit_plan {
	struct vx6_circuit_hop hop[VX6_CIRCUIT_HOPS_MAX];
	uint8_t hops_n;
	/* where the first hop is dialled if there is no session with it; none: at what its record says. Whom not to dial is the caller's to know */
	struct vx6_addr addr[VX6_DIAL_ADDRS_MAX];
	uint8_t via[VX6_DIAL_ADDRS_MAX];
	size_t addrs_n;
	bool anonymous; /* the first hop does not learn who we are: over a link of our own, shared by such circuits */
	bool may_return; /* a node may be in it twice, but not as a neighbour, nor as a neighbour's other neighbour: hops refuse that */
	bool nest; /* all hops in one go; where one does not go along, from there on one by one */
	uint32_t timeout_ms; /* for all hops together; 0: VX6_CIRCUIT_TIMEOUT_MS */
};

struct vx6_circuit_events {
	/** All hops are there: after vx6_circuit_build(), and again after each vx6_circuit_extend(). */
	void (*built)(void *user, struct vx6_circuit *c);
	/** The hop of vx6_circuit_extend() could not be reached; the circuit is what it was before. Optional: the circuit ends without it. */
	void (*refused)(void *user, struct vx6_circuit *c, vx6_err why);
	/** Hop @p hop asks to move elsewhere soon; once a hop. Optional. */
	void (*draining)(void *user, struct vx6_circuit *c, int hop, uint16_t code);
	/** Hop @p hop answered vx6_circuit_ping(). Optional. */
	void (*pong)(void *user, struct vx6_circuit *c, int hop, uint32_t rtt_us);
	/**
	 * The last hop said a message of hidden services (wire/hs.h, one that vx6_hs_is_answer()). Optional: without it such a message ends the
	 * circuit, and once vx6_circuit_join() was called it does, too. What comes behind RENDEZVOUS2 waits until vx6_circuit_link() is called.
	 * @param data borrowed for the call
	 */
	void (*said)(void *user, struct vx6_circuit *c, uint8_t type, const uint8_t *data,
		     size_t n);
	/**
	 * The end, unless vx6_circuit_close() came first. The link's own `down` fired before. @p c is gone after the return.
	 * @param hop whose fault it is, as far as that can be known, else VX6_CIRCUIT_NO_HOP
	 */
	void (*down)(void *user, struct vx6_circuit *c, vx6_err why, int hop);
};

/**
 * Begins to build. What goes wrong is told by `down`.
 * @param plan borrowed for the call @param ev borrowed for the circuit's life
 * @return VX6_OK | INVALID (no hops, too many, a node twice, a record that is none, a word that is too long or for another one than the last)
 */
VX6_RES vx6_circuit_build(struct vx6_origin *o, const struct vx6_circuit_plan *plan,
			  const struct vx6_circuit_events *ev, void *user,
			  struct vx6_circuit **out);
/**
 * Adds a hop to a circuit that is OPEN and whose link was not asked for yet.
 * What comes of it is told by `built`, `refused`, or, when time runs out, by `down`.
 * @return VX6_OK | INVALID | LIMIT (enough hops) | CONFLICT (state, or vx6_circuit_link() was called)
 */
VX6_RES vx6_circuit_extend(struct vx6_circuit *c, const struct vx6_circuit_hop *hop,
			   uint32_t timeout_ms);
/** Ends it; no event of it follows but the link's `down`. @p c is the callee's from here on. */
void vx6_circuit_close(struct vx6_circuit *c, vx6_err why);

/**
 * The link with the last hop, of an OPEN or DRAINING circuit: made by the first call, up at once; its end is the circuit's end. No hop can
 * be added from then on. @return NULL in other states
 */
struct vx6_link *vx6_circuit_link(struct vx6_circuit *c);
/** Asks hop @p hop for a sign of life; `pong` follows. One at a time for each hop. */
void vx6_circuit_ping(struct vx6_circuit *c, int hop);

/* ---- two circuits that are joined at their last hops ---- */

/**
 * Says a message of hidden services to the last hop of a circuit that is OPEN or DRAINING: in order, now or when there is room.
 * @param type of wire/hs.h, one that a hop may be told @param data borrowed for the call
 * @return VX6_OK | INVALID (type, n) | CONFLICT (state; joined; the link was asked for) | FULL (VX6_CIRCUIT_SAYS_MAX wait already)
 */
VX6_RES vx6_circuit_say(struct vx6_circuit *c, uint8_t type, const void *data, size_t n);

/** What two ends have agreed on by way of others. */
struct vx6_circuit_join {
	const uint8_t *
		keys; /* VX6_CIRCUIT_JOIN_KEYS: seeds of the layer to the acceptor, to the initiator; borrowed */
	const uint8_t *kh;             /* VX6_CB_BYTES: the binding; borrowed */
	const struct vx6_node_id *far; /* what the other end is shown as; borrowed */
	bool acceptor;
};
/**
 * The last hop has joined the circuit with another one, or is about to: adds the other end of that one as one more hop, with which
 * vx6_circuit_link() is from then on, as initiator or as acceptor. It says and hears streams, pings and padding; every cell that neither
 * a hop nor the other end wrote ends the circuit. No hop can be added after it. Cells that come wait until vx6_circuit_link() is called.
 * @return VX6_OK | CONFLICT (state; joined; the link was asked for) | LIMIT (enough hops)
 */
VX6_RES vx6_circuit_join(struct vx6_circuit *c, const struct vx6_circuit_join *j);

/* ---- what is known of one ---- */

enum vx6_circuit_state {
	VX6_CIRCUIT_NEW,
	VX6_CIRCUIT_BUILDING,
	VX6_CIRCUIT_OPEN,
	VX6_CIRCUIT_DRAINING,
	VX6_CIRCUIT_CLOSED,
};
/** "new" | "building" | "open" | "draining" | "closed" */
const char *vx6_circuit_state_text(enum vx6_circuit_state state);

struct vx6_circuit_info {
	uint64_t id; /* that no other circuit of this process has */
	enum vx6_circuit_state state;
	bool anonymous;
	bool joined; /* the last hop is the other end, behind two circuits */
	uint8_t hops_n, built_n;
	struct {
		struct vx6_node_id node;
		uint32_t
			rtt_us; /* to it and back: the latest PING, else how long its handshake took; 0: not known */
		uint32_t
			built_us; /* since the hop before was there; all hops of a nested build: since the beginning */
		uint32_t owes_ms; /* how long it has not answered a PING; 0: none is due */
		bool draining;
	} hop[VX6_CIRCUIT_HOPS_MAX];
	uint64_t age_ms;
	uint64_t built_ms; /* from the beginning to the latest `built`; 0: not yet */
	uint64_t tx_cells, rx_cells;
	uint64_t tx_bytes, rx_bytes; /* of streams, with their framing */
	uint32_t streams;
	uint32_t srtt_us;    /* of the link */
	uint64_t session_id; /* of the first link; 0: none yet */
};
void vx6_circuit_info(const struct vx6_circuit *c, struct vx6_circuit_info *out);
/** KH of the last hop: the binding of the link. @return false: not OPEN or DRAINING */
bool vx6_circuit_binding(const struct vx6_circuit *c, uint8_t out[static VX6_CB_BYTES]);
/** Calls @p fn for each circuit that has not ended; it may close the one it is given. */
void vx6_origin_each(struct vx6_origin *o, void (*fn)(struct vx6_circuit *c, void *user),
		     void *user);

#endif
