/**
 * @file bare.h
 * Circuits for those who speak with the last relay themselves: to introduction points and to where clients of hidden services wait.
 *
 * Spec:    schemas/wire/circuit.md
 * Layer:   circuit
 * Shape:   one circuit, of the pool if one fits; another one is tried when it fails before it is open, and not for the last relay. It is
 *          anonymous, shown, timed and blamed as the legs of routes are (circuit/circuits.h), and asked for a sign of life every 15 s; one that owes
 *          an answer for 15 s is over, for 3 s if a relay of it has let another circuit down
 * Privacy: the first relay is a guard, the second a vanguard; two that stand beside each other have two of each. Neither is chosen by who the
 *          last one is, nor refused for it: whoever names the last relay must not learn our guards by what works and what does not. A
 *          last relay that is drawn is none of them. An owner's circuit to a rendezvous, which a stranger has named, is made if anybody would draw
 *          that relay; if not it is not asked for, and nothing happens until VX6_BARE_ASK_MS have passed, as with one that is silent: or he
 *          would see by his own relay who knows it. Nothing of one circuit is ever used for another
 * Limits:  those of circuit/circuits.h
 * Threads: the loop's thread
 * Upcalls: never from inside a call down, but `down` from vx6_circuits_free()
 */
#ifndef VX6_CIRCUIT_BARE_H
#define VX6_CIRCUIT_BARE_H

#include "circuit/circuits.h"

enum {
	VX6_BARE_RELAYS_MIN = 2,
	VX6_BARE_RELAYS_MAX = 6,
	VX6_BARE_ASK_MS = 10000, /* for what is not known of the last relay */
};

struct vx6_bare;

struct vx6_bare_want {
	enum vx6_circuit_purpose purpose; /* INTRO, INTRODUCE or RENDEZVOUS */
	uint8_t relays;                   /* before the last: 3, or 2 where it is to be fast */
	const struct vx6_node_id *last;   /* NULL: drawn among those that say `last_may` */
	uint32_t
		last_may; /* enum vx6_relay_policy; 0: as the purpose has it. Of one that is named, too: it is refused when it is known not to */
	/* 0: as guards have it; 1, 2: the first, the second one that is usable, as far as there is one, unless `beside` says which it is not to be */
	unsigned guard;
	const struct vx6_node_id *avoid; /* not drawn. No more than VX6_BARE_AVOID_MAX count */
	size_t avoid_n;
	/* drawn apart from the relays before the last of that one, guard and vanguard as well, as far as there are others: the two are not to die
	   together. NULL: from none. Borrowed for the call */
	const struct vx6_bare *beside;
	uint32_t apart;
	struct vx6_payload
		word; /* vx6_circuit_hop.word: said by the time `open` is told, perhaps more than once, over one circuit after the other. Copied */
	const char *why; /* for people */
};
enum { VX6_BARE_AVOID_MAX = 24 };

struct vx6_bare_events {
	/** All hops are there. */
	void (*open)(void *user, struct vx6_bare *b);
	/** A message of the last relay, while it is the last hop. */
	void (*said)(void *user, struct vx6_bare *b, uint8_t type, const uint8_t *data, size_t n);
	/** A relay of it asks to go elsewhere soon; once. Optional. */
	void (*leaving)(void *user, struct vx6_bare *b);
	/**
	 * Once; @p b is gone after the return.
	 * @param detail for people, borrowed
	 */
	void (*down)(void *user, struct vx6_bare *b, vx6_err why, const char *detail);
};

/**
 * Begins. Asks for what it does not know of `last`, over circuits, and waits for that; of a named one of RENDEZVOUS in a new network only.
 * @param w borrowed for the call @param ev borrowed for its life @param detail on failure, for people
 * @return VX6_OK | INVALID (purpose, relays, guard, word) | DRAINING | FULL | UNSUPPORTED (the last one is known not to do that; never of a named one of RENDEZVOUS)
 *         | errors of vx6_path_draw()
 */
VX6_RES vx6_bare_begin(struct vx6_circuits *c, const struct vx6_bare_want *w,
		       const struct vx6_bare_events *ev, void *user, struct vx6_bare **out,
		       char detail[static VX6_CIRCUIT_WHY]);
/** As vx6_circuit_say(). @return CLOSED: it is not open yet */
VX6_RES vx6_bare_say(struct vx6_bare *b, uint8_t type, const void *data, size_t n);
/** To join, link, look at; never to close. @return NULL: not open yet */
struct vx6_circuit *vx6_bare_circuit(struct vx6_bare *b);
/** The last relay: named, or drawn, and then it stays that. */
const struct vx6_node_id *vx6_bare_last(const struct vx6_bare *b);
/** Of the circuit, as rows have it; empty while it waits for what is not known. */
const char *vx6_bare_id(const struct vx6_bare *b);
/** Its guard. @return NULL: not drawn yet */
const struct vx6_node_id *vx6_bare_guard(const struct vx6_bare *b);
/** Inside `down`: whether it ended with its first relay, or the way there. That says nothing of the last one. */
bool vx6_bare_first_lost(const struct vx6_bare *b);
/** It is no longer wanted; no `down` follows. @p b is the callee's from here on. */
void vx6_bare_close(struct vx6_bare *b, const char *why);

#endif
