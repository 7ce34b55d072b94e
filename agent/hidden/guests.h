/**
 * @file guests.h
 * The hidden services that this node visits: what is known of each, and how a circuit of ours and one of the owner's come to meet.
 *
 * Spec:    docs/concepts.md (hidden services)
 * Layer:   hidden
 * Shape:   the circuit manager builds a leg of a hidden route up to its rendezvous X. Beside each other: the circuit is handed over once it is there
 *          and X is given a cookie; an introduction point of the service is asked to pass on where we wait. X's answer, the owner's half of the
 *          handshake, makes the end-to-end layer, and the leg goes on as one that is built. Introductions go over circuits of their own, kept for
 *          a while for the next leg. What a service published is fetched when it is wanted, kept until it expires, renewed at half its life
 * Trust:   X and introduction points are hostile: an answer counts once it proves the service's key; what says more than it may ends the leg.
 *          Whoever handed out a descriptor is, too: it is opened and compared with what was seen before here
 * Limits:  VX6_GUESTS_SERVICES_MAX services, VX6_GUESTS_MEETINGS_MAX legs that wait, VX6_GUESTS_PROOFS_MAX proofs of work at a time
 * Threads: the loop's thread; proofs of work on workers, with copies
 * Upcalls: from the loop, never from inside a call down but `step`, which must not call back
 */
#ifndef VX6_HIDDEN_GUESTS_H
#define VX6_HIDDEN_GUESTS_H

#include "circuit/circuits.h"

struct vx6_bare;
struct vx6_bare_events;
struct vx6_bare_want;
struct vx6_circuit_join;

enum {
	VX6_GUESTS_SERVICES_MAX = 1024, /* the one that was unused longest goes */
	VX6_GUESTS_MEETINGS_MAX = 256,
	VX6_GUESTS_PROOFS_MAX = 2,
	VX6_GUESTS_ATTEMPTS = 32, /* kept to look at */
	VX6_GUESTS_STEPS = 32,    /* of an attempt */
	VX6_GUESTS_DETAIL = 128,
	VX6_GUESTS_INTRO_MS = 3000, /* that an introduction point has, then the next one is tried */
	VX6_GUESTS_ANSWER_MS = 6000, /* that the owner has, once an introduction point took it */
	VX6_GUESTS_TOTAL_MS = 20000, /* for a leg in all */
	VX6_GUESTS_EFFORT_MAX = 10000,
};

struct vx6_guests;

/** The highest number of a descriptor that was taken in a period. */
struct vx6_guest_seen {
	uint64_t period, seq;
};

/** What a fetch brought. Borrowed for the call. */
struct vx6_guest_fetched {
	bool early;  /* two sources agree already, and the fetch goes on; OK, and not confirmed */
	vx6_err err; /* OK | NOT_FOUND | STALE | NO_QUORUM | NO_RELAYS | UNREACHABLE | TIMEOUT */
	const uint8_t *record;
	size_t record_n;
	unsigned sources, asked; /* that agree on it, of how many */
	bool confirmed;          /* enough of them do */
	const char *detail;      /* for people; NULL: none */
};
typedef void vx6_guest_fetched_cb(void *user, const struct vx6_guest_fetched *f);

/** What we may show a service. Secret. */
struct vx6_guest_access {
	bool strict;               /* a descriptor that too few sources agree on is not taken */
	bool has_key;              /* a key of our own that the owner knows, or is to know */
	bool enrolled;             /* it does */
	bool has_invite;           /* whose key opens the door until ours does */
	uint8_t key[32];           /* X25519 */
	uint8_t invite[32];        /* X25519 */
	uint64_t invite_expires_s; /* 0: never */
};

/** How circuits are spoken with; tests put theirs in its place. As the functions of the same names of circuit/. */
struct vx6_guests_ways {
	VX6_RES (*say)(void *user, struct vx6_circuit *circuit, uint8_t type, const void *data,
		       size_t n);
	void (*joined)(void *user, uint64_t leg, const struct vx6_circuit_join *j);
	void (*not_joined)(void *user, uint64_t leg, vx6_err err, const char *detail,
			   bool x_is_fine);
	VX6_RES (*bare_begin)(void *user, const struct vx6_bare_want *want,
			      const struct vx6_bare_events *ev, void *ev_user,
			      struct vx6_bare **out, char detail[static VX6_CIRCUIT_WHY]);
	VX6_RES (*bare_say)(void *user, struct vx6_bare *b, uint8_t type, const void *data,
			    size_t n);
	void (*bare_close)(void *user, struct vx6_bare *b, const char *why);
	void *user;
};

enum vx6_guest_step_kind {
	VX6_GUEST_FETCH,      /* the descriptor is looked up */
	VX6_GUEST_DESCRIPTOR, /* it came, or is known */
	VX6_GUEST_RENDEZVOUS, /* X was given a cookie */
	VX6_GUEST_WAITS,      /* X has taken it */
	VX6_GUEST_CIRCUIT,    /* the way to an introduction point is begun, or taken from before */
	VX6_GUEST_OPEN,       /* it is open */
	VX6_GUEST_PROOF,      /* a proof of work is begun, or found */
	VX6_GUEST_INTRODUCE,  /* sent */
	VX6_GUEST_ACK,        /* the introduction point has answered */
	VX6_GUEST_NEXT,       /* the next introduction point is tried */
	VX6_GUEST_MET,        /* the owner has come to X */
	VX6_GUEST_FAILED,
};
/** "fetch", "descriptor", …; static. */
const char *vx6_guest_step_text(enum vx6_guest_step_kind kind);

struct vx6_guest_step {
	enum vx6_guest_step_kind kind;
	uint32_t ms; /* since the attempt began */
	char detail[VX6_GUESTS_DETAIL];
};

struct vx6_guests_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_circuits *circuits;
	const struct vx6_guests_ways *ways; /* NULL: of `circuits` */
	const struct vx6_net *net;
	/**
	 * Looks up what @p service has published.
	 * @param strict what too few sources agree on is not taken @param seen older ones are not, either; borrowed for the call, like `service`
	 * @param cb once, and before that perhaps with something early; never inside this call, unless cancelled @return for `fetch_cancel`; NULL: it cannot be, and cb is not called
	 */
	void *(*fetch)(void *user, const struct vx6_node_id *service, bool strict,
		       const struct vx6_guest_seen *seen, size_t seen_n, vx6_guest_fetched_cb *cb,
		       void *cb_user);
	void (*fetch_cancel)(void *user, void *fetch);
	/** Optional: our key for a service was made, or its owner knows it now: for what outlives the process. */
	void (*access_changed)(void *user, const struct vx6_node_id *service,
			       const struct vx6_guest_access *access);
	/** Optional: for what outlives the process. */
	void (*seen)(void *user, const struct vx6_node_id *service,
		     const struct vx6_guest_seen *seen);
	/** Optional: @p attempt as in vx6_guests_attempts(). */
	void (*step)(void *user, const struct vx6_node_id *service, uint64_t attempt,
		     const struct vx6_guest_step *step);
	void *user;
};

/** @return owned; vx6_guests_free() */
struct vx6_guests *vx6_guests_new(const struct vx6_guests_config *cfg);
/** After the circuits have ended, or before with none of their hooks to follow. Waits for no worker. Accepts NULL. */
void vx6_guests_free(struct vx6_guests *g);

/* ---- what is known of services ---- */

/** What may be shown to @p service from now on; copied. NULL: nothing, and what it published is forgotten. */
void vx6_guests_access(struct vx6_guests *g, const struct vx6_node_id *service,
		       const struct vx6_guest_access *access);
/**
 * The service is hosted here, and lets this key in, whoever else is: it is shown where what vx6_guests_access() gave opens nothing, and leaves that as
 * it is. What it published is looked up anew. @param key X25519 secret, copied; NULL: it is not hosted here any more
 */
void vx6_guests_own(struct vx6_guests *g, const struct vx6_node_id *service, const uint8_t *key);
/** A number that was seen in an earlier life. */
void vx6_guests_remember(struct vx6_guests *g, const struct vx6_node_id *service,
			 const struct vx6_guest_seen *seen);

/* ---- hooks of the circuit manager: `rendezvous_begins`, `rendezvous`, `rendezvous_gone`, `rendezvous_said` ---- */

/** The owner is called to @p x; soon, not inside this call. */
void vx6_guests_begin(struct vx6_guests *g, uint64_t leg, const struct vx6_node_id *service,
		      const struct vx6_node_id *x);
/** The circuit is there. A leg that was not begun is begun with it. */
void vx6_guests_rendezvous(struct vx6_guests *g, uint64_t leg, const struct vx6_node_id *service,
			   struct vx6_circuit *circuit, const struct vx6_node_id *x);
void vx6_guests_gone(struct vx6_guests *g, uint64_t leg);
void vx6_guests_said(struct vx6_guests *g, uint64_t leg, uint8_t type, const uint8_t *data,
		     size_t n);

/* ---- to look at ---- */

struct vx6_guest_show {
	struct vx6_node_id service;
	bool has_descriptor, confirmed, closed, fast, enrolled, fetching;
	unsigned sources, asked;
	uint64_t period, seq, expires_s;
	uint64_t fetched_ms; /* wall clock */
	unsigned intros_n, standbys_n, circuits_n;
	uint32_t effort;              /* of the next introduction */
	unsigned waiting_n, joined_n; /* legs */
	vx6_err err;                  /* of the last attempt */
	char detail[VX6_GUESTS_DETAIL];
};
/** Calls @p fn for each; it returns false to stop. */
void vx6_guests_each(const struct vx6_guests *g,
		     bool (*fn)(void *user, const struct vx6_guest_show *row), void *user);

/** A leg's way to its meeting. */
struct vx6_guest_attempt {
	uint64_t id; /* ascends */
	uint64_t leg;
	struct vx6_node_id service;
	uint64_t began_ms; /* wall clock */
	bool is_over;
	vx6_err err;
	unsigned steps_n, steps_lost; /* kept, and too many to be */
	struct vx6_guest_step step[VX6_GUESTS_STEPS];
};
/** The last VX6_GUESTS_ATTEMPTS, the latest first. @param service NULL: of all */
void vx6_guests_attempts(const struct vx6_guests *g, const struct vx6_node_id *service,
			 bool (*fn)(void *user, const struct vx6_guest_attempt *a), void *user);

#endif
