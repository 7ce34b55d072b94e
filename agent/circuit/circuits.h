/**
 * @file circuits.h
 * This node's own circuits: which there are, through whom, and why. Keeps sessions with nodes that are reached through relays.
 *
 * Spec:    docs/concepts.md (routes), schemas/wire/circuit.md
 * Layer:   circuit
 * Shape:   a *route* is a target together with how it is to be reached (circuit/routing.h). It has *legs*: circuits with a session to the target at
 *          their end. One leg carries the streams; while there are any, a second one stands by (a warm spare), through other relays as far as
 *          there are others. A *pool* holds circuits that lead nowhere yet, as many as were lately wanted, so that a new target costs one
 *          round trip. A *hidden* route leads to the key of a hidden service: each leg goes to a relay where the owner's circuit is joined to it,
 *          once `rendezvous` has called the owner. Circuits on which somebody speaks with the last relay himself: circuit/bare.h
 * Limits:  VX6_CIRCUITS_MAX circuits, VX6_CIRCUITS_ROUTES_MAX routes; of a route up to three builds beside each other, the next when the last is slow
 * Threads: the loop's thread
 * Upcalls: `cb` of a wait, `ask` and `rendezvous` never from inside a call down; the others of the config may come from there, and must not call back
 */
#ifndef VX6_CIRCUIT_CIRCUITS_H
#define VX6_CIRCUIT_CIRCUITS_H

#include "circuit/build_time.h"
#include "circuit/guards.h"
#include "circuit/origin.h"
#include "circuit/path.h"
#include "circuit/relays.h"
#include "circuit/routing.h"
#include "circuit/vanguards.h"
#include "record/relay_info.h"
#include "session/session.h"

enum {
	VX6_CIRCUITS_MAX = 1024,
	VX6_CIRCUITS_ROUTES_MAX = 4096,
	VX6_CIRCUITS_POOL_MAX = 8,
	VX6_CIRCUITS_DECISIONS = 256,
	VX6_CIRCUITS_CLOSED = 64, /* circuits that are over, kept to say why */
	VX6_CIRCUIT_ID_TEXT = 40,
	VX6_CIRCUIT_WHY = 192,
};

struct vx6_circuits;

enum vx6_circuit_purpose {
	VX6_PURPOSE_POOL,
	VX6_PURPOSE_ROUTE,
	VX6_PURPOSE_SPARE,
	VX6_PURPOSE_LOOKUP,
	/* hidden services (circuit/bare.h) */
	VX6_PURPOSE_INTRO,      /* the owner's, to a relay that introduces clients to it */
	VX6_PURPOSE_INTRODUCE,  /* a client's, to that relay */
	VX6_PURPOSE_RENDEZVOUS, /* the owner's, to the relay where a client waits */
};

/** What this node knows of another, as far as a hop needs it. */
struct vx6_circuits_node {
	struct vx6_relay_info info;
	const uint8_t *endpoint; /* its signed record, borrowed until the loop is returned to */
	size_t endpoint_n;
};

enum vx6_circuits_news {
	VX6_NEWS_BUILT,
	VX6_NEWS_FAILED, /* could not be built */
	VX6_NEWS_CLOSED,
	VX6_NEWS_MOVED, /* streams go another way now */
};

struct vx6_circuits_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_origin *origin;
	struct vx6_relays *relays;
	struct vx6_guards *guards;
	struct vx6_vanguards *vanguards; /* NULL: none are kept, second hops are drawn */
	struct vx6_build_times *times;
	struct vx6_node_id self;
	/** What is known of @p node. @return false: not enough for a hop */
	bool (*node)(void *user, const struct vx6_node_id *node, struct vx6_circuits_node *out);
	/**
	 * Asks around for a node's relay info and endpoint record; vx6_circuits_learned() when they came, vx6_circuits_unknown() when not.
	 * @return false: there is nobody to ask, and neither follows
	 */
	bool (*ask)(void *user, const struct vx6_node_id *node, bool anonymous);
	/** Streams of an AUTO route go over circuits for now: the node may be reached directly again. Once in a while. */
	void (*direct)(void *user, const struct vx6_node_id *node);
	/**
	 * Optional: what this node is as a public relay, in the eyes of others and for as long as they may have known it. Whoever names it to the owner of
	 * a hidden service must not see by what follows that both are one. @return false: it is none
	 */
	bool (*own)(void *user, struct vx6_relay_entry *out);
	/** Where we stand, and how different nodes must be. */
	void (*view)(void *user, struct vx6_path_view *out);
	/** What is known of the addresses and operator of @p node; its id at least. */
	void (*end)(void *user, const struct vx6_node_id *node, struct vx6_path_end *out);
	/** Optional. @param id of the circuit */
	void (*news)(void *user, enum vx6_circuits_news what, const char *id,
		     const struct vx6_node_id *target, const char *why);
	/**
	 * Optional: a leg of a hidden route is being built, to @p x. The other end can be called there meanwhile; not from inside. `rendezvous`
	 * or `rendezvous_gone` follows; vx6_circuits_not_joined() may be called from now on.
	 */
	void (*rendezvous_begins)(void *user, uint64_t leg, const struct vx6_node_id *service,
				  const struct vx6_node_id *x);
	/**
	 * The leg has its circuit to @p x: make the other end come there. vx6_circuits_joined() or vx6_circuits_not_joined()
	 * follows, never from inside. NULL, as the two below may be: hidden routes are refused.
	 * @param circuit to talk with @p x over (vx6_circuit_say()); borrowed until `rendezvous_gone`
	 */
	void (*rendezvous)(void *user, uint64_t leg, const struct vx6_node_id *service,
			   struct vx6_circuit *circuit, const struct vx6_node_id *x);
	/** That leg is gone, or given up, before or after it was joined: once for each leg, but not after vx6_circuits_not_joined(). */
	void (*rendezvous_gone)(void *user, uint64_t leg);
	/** What the last relay of the leg's circuit said, before it was joined. */
	void (*rendezvous_said)(void *user, uint64_t leg, uint8_t type, const uint8_t *data,
				size_t n);
	void *user;
};

/** @return owned; vx6_circuits_free() */
struct vx6_circuits *vx6_circuits_new(const struct vx6_circuits_config *cfg);
/** Closes every circuit; whoever waits is told before this returns. Before the sessions are freed. Accepts NULL. */
void vx6_circuits_free(struct vx6_circuits *c);
/** Builds nothing more: those who wait are told DRAINING, circuits end when they have no streams. Before the sessions drain. */
void vx6_circuits_drain(struct vx6_circuits *c);

/**
 * The number of a route: what sessions over its circuits carry (vx6_adopt.route), and streams that may use them.
 * @return 0: too many, or no circuits (DIRECT)
 */
uint64_t vx6_circuits_route(struct vx6_circuits *c, const struct vx6_node_id *target,
			    const struct vx6_routing *how);
/** Nobody begins anything on it any more: its circuits go as soon as nothing runs on them. Until vx6_circuits_route() gives it again. */
void vx6_circuits_leave(struct vx6_circuits *c, uint64_t route);
/** All routes to a hidden service: streams and circuits end at once, and those who wait are told @p err and @p why. */
void vx6_circuits_abandon(struct vx6_circuits *c, const struct vx6_node_id *service, vx6_err err,
			  const char *why);
/** The session that a new stream of the route begins on; NULL: none is up. */
struct vx6_session *vx6_circuits_session(struct vx6_circuits *c, uint64_t route);

struct vx6_circuits_wait;
/** @param s up; NULL on failure @param detail for people, borrowed */
typedef void vx6_circuits_cb(void *user, vx6_err err, struct vx6_session *s, const char *detail);
/**
 * Sees to it that the route has a session.
 * @param cb once, never inside this call, unless cancelled: OK | NOT_FOUND (it is not known that the target takes circuits) | UNREACHABLE |
 *           errors of vx6_path_draw() | TIMEOUT | DRAINING
 * @return owned until then; NULL: no such route, or draining
 */
struct vx6_circuits_wait *vx6_circuits_want(struct vx6_circuits *c, uint64_t route,
					    vx6_circuits_cb *cb, void *user);
void vx6_circuits_wait_cancel(struct vx6_circuits_wait *w);
/** Whether a route could be tried at all. @return VX6_OK | DRAINING | INVALID (DIRECT) | UNREACHABLE (the target takes no circuits) | NO_RELAYS (none is known) */
VX6_RES vx6_circuits_may(const struct vx6_circuits *c, const struct vx6_node_id *target,
			 const struct vx6_routing *how);

/** Whether streams of @p route may use sessions without a circuit, too. */
bool vx6_circuits_may_direct(const struct vx6_circuits *c, uint64_t route);
/** Streams of @p route have no session. */
void vx6_circuits_adrift(struct vx6_circuits *c, uint64_t route);
/** The leg that carries them is in doubt, or the session without a circuit that does, and there is no other. */
void vx6_circuits_doubt(struct vx6_circuits *c, uint64_t route);
/** Relay info and endpoint record of @p node are known now. */
void vx6_circuits_learned(struct vx6_circuits *c, const struct vx6_node_id *node);
/** They are not to be had. @param anonymous as in `ask`: what was asked in the open says nothing of what is asked over circuits, nor the other way round */
void vx6_circuits_unknown(struct vx6_circuits *c, const struct vx6_node_id *node, bool anonymous,
			  vx6_err err);
/** Own addresses changed: links to first relays may be dead. */
void vx6_circuits_moved(struct vx6_circuits *c);

/* ---- hidden routes: what comes of `rendezvous`; unknown legs are ignored ---- */

struct vx6_circuit_join; /* circuit/origin.h */
/** The other end is there: the leg goes on as one that is built, to a node that has proved to be the service. @param j borrowed for the call */
void vx6_circuits_joined(struct vx6_circuits *c, uint64_t leg, const struct vx6_circuit_join *j);
/**
 * It did not come: the leg is closed. After what may pass (a time that ran out, a relay that was unreachable, refused or misbehaved) another one is
 * tried, and those who wait are told @p err and @p detail when that has been so too often. Whatever else it is would come again: they are
 * told at once, unless another leg of the route is on its way. @param x_is_fine else the leg's last relay is left out for a while
 */
void vx6_circuits_not_joined(struct vx6_circuits *c, uint64_t leg, vx6_err err, const char *detail,
			     bool x_is_fine);

/* ---- by hand ---- */

/** @param target NULL: one for the pool @param how its hop_by_hop counts, too @param id written on success @param detail VX6_CIRCUIT_WHY bytes, on failure */
VX6_RES vx6_circuits_build(struct vx6_circuits *c, const struct vx6_node_id *target,
			   const struct vx6_routing *how, char id[static VX6_CIRCUIT_ID_TEXT],
			   char *detail);
/** Another one takes its place once it is open, and then its streams; if it cannot be built all stays as it is. @return VX6_OK | NOT_FOUND | those of vx6_circuits_build() */
VX6_RES vx6_circuits_rebuild(struct vx6_circuits *c, const char *id,
			     char new_id[static VX6_CIRCUIT_ID_TEXT], char *detail);
VX6_RES vx6_circuits_close(struct vx6_circuits *c, const char *id);

/* ---- to look at ---- */

struct vx6_circuit_hop_show {
	struct vx6_node_id node;
	bool is_target, is_guard, is_vanguard;
	bool is_rendezvous;        /* where the circuits of client and owner are joined */
	uint32_t rtt_us, built_us; /* 0: not measured */
	char why[VX6_CIRCUIT_WHY];
};
struct vx6_circuit_show {
	char id[VX6_CIRCUIT_ID_TEXT];
	enum vx6_circuit_purpose purpose;
	bool is_open, is_draining, is_closed;
	bool has_target, anonymous, single_pass;
	bool is_hidden;  /* of a hidden route, or made for a hidden service */
	bool to_service; /* of a hidden route: `target` is the key of its service, and no node's */
	struct vx6_node_id target;
	struct vx6_circuit_hop_show hop[VX6_ROUTE_HOPS_MAX + 1];
	uint32_t hops_n, built_n;
	uint32_t rtt_us, build_us, streams;
	uint64_t rx_bytes, tx_bytes, rx_cells, tx_cells;
	uint64_t opened_ms, closed_ms; /* wall clock */
	vx6_err err;
	char reason[VX6_CIRCUIT_WHY];
};
/** Calls @p fn for each circuit, those that are over too, oldest id first; it returns false to stop. */
void vx6_circuits_each(const struct vx6_circuits *c,
		       bool (*fn)(void *user, const struct vx6_circuit_show *row), void *user);

struct vx6_decision {
	uint64_t seq, wall_ms;
	bool has_target, to_service; /* as above */
	struct vx6_node_id target;
	char circuit[VX6_CIRCUIT_ID_TEXT];
	const char *what; /* static */
	char why[VX6_CIRCUIT_WHY];
};
/** Whether @p target is the key of a hidden service, as far as a route leads there. */
bool vx6_circuits_is_service(const struct vx6_circuits *c, const struct vx6_node_id *target);
/** Which circuit @p link is the end of. @param id empty: of none @param relays in it */
void vx6_circuits_of_link(const struct vx6_circuits *c, const struct vx6_link *link,
			  char id[static VX6_CIRCUIT_ID_TEXT], uint32_t *relays);
/** The latest first. */
void vx6_circuits_decisions(const struct vx6_circuits *c,
			    bool (*fn)(void *user, const struct vx6_decision *d), void *user);

#endif
