/**
 * @file circuits_internal.h
 * Routes and their legs, as the files of the circuit manager share them.
 *
 * Layer:   circuit
 * Threads: the loop's thread
 *
 *   circuits.c       the table of routes, who waits, what others ask for
 *   circuits_leg.c   one circuit: open, given a session, asked, ended
 *   circuits_build.c its path drawn and begun, or one of the pool led on to a target
 *   circuits_last.c  for hidden services: paths to a last relay, which is drawn or somebody else's word
 *   circuits_hidden.c legs of hidden routes: at their rendezvous, joined there or not
 *   circuits_bare.c  circuits on which somebody else speaks with the last relay
 *   circuits_named.c nodes that a route names
 *   circuits_keep.c  what a route needs: a leg, a spare, a better one; what is idle goes
 *   circuits_watch.c a circuit in use that falls silent, one that stands by and would
 *   circuits_blame.c relays that failed, and those that are left out of paths for a while
 *   circuits_show.c  rows to look at, decisions
 */
#ifndef VX6_CIRCUIT_CIRCUITS_INTERNAL_H
#define VX6_CIRCUIT_CIRCUITS_INTERNAL_H

#include "base/list.h"
#include "base/log.h"
#include "circuit/bare.h"
#include "circuit/circuits.h"
#include "crypto/table.h"

enum {
	TICK_MS = 1000,
	WAIT_MS = 20000,       /* how long somebody waits for a session at the most */
	TRIES_MAX = 6,         /* builds that fail before those who wait are told */
	BUILDS_MAX = 3,        /* of a route beside each other, while one is wanted */
	BACKOFF_FIRST_MS = 50, /* after a build that failed */
	BACKOFF_MAX_MS = 10000,
	SPARE_AFTER_MS = 300, /* a connection that lasts so long gets a spare */
	SPARE_IDLE_MS = 30000,
	LEG_IDLE_MS = 600000,
	LEG_AGE_MS =
		3600000, /* of an anonymous route, random by a quarter: streams move to a newer one */
	POOL_IDLE_MS = 1800000,
	POOL_CALM_MS = 750,      /* after one was taken */
	POOL_WINDOW_MS = 600000, /* uses within this long say how many are kept */
	PING_MS = 30000,    /* between looks at how far away the hops of a circuit in use are */
	BETTER_MS = 60000,  /* between moves to a quicker leg */
	SUSPECT_MS = 30000, /* relays of a circuit that died are left out for so long */
	SUSPECTS_MAX = 64,
	NEST_OFF_MS = 600000,
	DIRECT_DOUBT_MS = 5000, /* the direct way has answered by then, or its streams are adrift */
	DIRECT_FIRST_MS = 5000, /* after streams went over to circuits, then ever more seldom */
	DIRECT_MAX_MS = 300000,
	FLAP_MS =
		2000, /* a leg that ends so soon has not proved that the next one will do better */
	AT_X_MS = 25000, /* a leg waits no longer for its other end, whoever is to tell of that */
	HIDDEN_SLOW_MIN_MS =
		1500, /* before a second leg of a hidden route, and not less than four times what another one waits: it takes three circuits */
	BARE_PING_MS =
		15000, /* between looks whether one is alive; and how long it may owe an answer */
	BARE_SUSPECT_MS =
		3000, /* the same for one with a relay that is a suspect; asked within as long, at random */
	BARE_TRIES_MAX = 3, /* builds of one that fail, unless it is for the last relay */
	LASTS_MAX = 64,     /* relays that are kept from being the last one */
	ASKS_MAX = 64,
	ASKS_FOREIGN_MAX = 3,   /* of them under way for strangers, who have named those */
	ASK_FOREIGN_MS = 60000, /* so long at most, if nothing is heard of it */
	REFUSED_MAX =
		4, /* targets that could not be reached from a circuit of the pool: below what its last relay puts up with (VX6_EXTEND_MAX) */
};

struct leg;

/* Everything that makes a route another one. Compared as bytes: zeroed first. */
struct route_key {
	uint8_t target[VX6_NODE_ID_BYTES];
	uint8_t via, relays, anonymous, hidden, vanguard, nodes_n;
	uint8_t nodes[VX6_ROUTE_HOPS_MAX][VX6_NODE_ID_BYTES];
	uint32_t apart;
};

struct route {
	struct vx6_circuits *c;
	struct route_key key;
	struct vx6_node_id target;
	struct vx6_routing how;
	uint64_t id;
	UT_hash_handle hh, hh_id;
	struct vx6_list lru; /* vx6_circuits.routes, least recently used first */
	struct vx6_list legs, waiting;
	bool left;     /* unused circuits go at once */
	bool adrift;   /* streams have no session */
	bool in_doubt; /* the only leg does not answer */
	uint64_t
		direct_doubt_ms; /* since when the direct way does not, and a leg is to be there if it is lost; 0: it does */
	bool asked; /* for what is not known of `asked_for`, and waits for that */
	struct vx6_node_id asked_for;
	unsigned failed_n, flaps_n;
	uint64_t retry_ms;      /* no build before */
	uint64_t flap_ms;       /* nor before this, whatever is lost meanwhile */
	uint64_t used_ms;       /* last time that a leg had streams, or somebody asked */
	uint64_t busy_since_ms; /* streams without a break since; 0: none */
	uint64_t direct_ms;     /* when the direct way was last tried again */
	uint32_t direct_wait_ms;
	uint64_t moved_ms; /* last move to a quicker leg */
	uint64_t spare_ms; /* no spare before: the last ones did not answer */
	uint32_t spare_wait_ms;
	uint64_t nest_off_ms; /* single-pass building failed: not before */
	vx6_err err;          /* of the last build that failed */
	char detail[VX6_CIRCUIT_WHY];
};

struct leg {
	struct vx6_list all;      /* vx6_circuits.legs or .closed */
	struct vx6_list of_route; /* route.legs */
	struct vx6_circuits *c;
	struct route *route;         /* NULL: of the pool */
	struct vx6_circuit *circuit; /* NULL: over */
	const struct vx6_link *link; /* its end, for comparing; NULL: not made */
	char id[VX6_CIRCUIT_ID_TEXT];
	enum vx6_circuit_purpose purpose;
	struct vx6_path path;
	bool has_target, anonymous, nest;
	bool hidden; /* for hidden services: the second relay is a vanguard */
	bool to_last; /* of a hidden route, or bare: the last of its path is spoken with, and no target is behind */
	struct vx6_node_id target;
	struct vx6_bare *bare; /* whose it is; NULL: nobody's */
	uint64_t
		number; /* that `rendezvous_begins` was called with; 0: it was not, or that is over */
	bool built;     /* every relay is there */
	bool at_x;      /* and the other end of a hidden route is not yet */
	uint64_t x_ms; /* since when */
	bool open;     /* built, to its target */
	bool up;       /* the target has said HELLO over it */
	bool leaving;  /* another one is to take its place */
	bool is_drain; /* a relay of it asked for that */
	bool keep;     /* made by hand: not closed for being idle */
	char replaces
		[VX6_CIRCUIT_ID_TEXT]; /* it takes the place of that one once it is open; empty: of none */
	uint64_t session;              /* 0: none */
	uint64_t began_ms, open_ms, idle_ms; /* of the loop; idle_ms: since when no stream */
	uint64_t age_ms;                     /* anonymous: left when it is that old */
	uint64_t seen_bytes, seen_ms; /* what had gone through it when that was last looked at */
	uint32_t bytes_s;             /* between the last two looks */
	uint32_t streams;
	uint64_t pinged_ms;
	uint64_t ping_ms; /* bare: when it is asked again */
	/* circuits_watch.c: cells that came, as last looked at; when that changed; since when an answer is due, 0: none is */
	uint64_t watch_cells, watch_ms, watch_ping_ms;
	uint64_t watch_sent; /* bytes of streams */
	uint64_t
		near_pongs; /* answers of hops before the last: cells that say nothing of the way behind them */
	uint32_t best_us; /* the quickest answer of the last hop; 0: none yet */
	bool flowing;     /* cells came one after the other until a moment ago */
	bool in_doubt;    /* it owes an answer for too long */
	uint32_t timed;   /* hops whose round trip was told to the pool of relays, a bit each */
	bool extended;    /* came from the pool */
	struct vx6_node_id refused; /* of the pool: a target that could not be reached from there */
	unsigned refused_n;
	struct vx6_circuit_show last; /* what it was, once it is over */
	uint64_t opened_wall_ms;
	char reason[VX6_CIRCUIT_WHY];
};

struct vx6_circuits_wait {
	struct vx6_list node; /* route.waiting or vx6_circuits.due */
	struct vx6_circuits *c;
	uint64_t route;
	vx6_circuits_cb *cb;
	void *user;
	uint64_t until_ms;
	vx6_err err; /* due: the outcome, when there is no session */
	char detail[VX6_CIRCUIT_WHY];
};

/* A circuit on which somebody else speaks with the last relay. */
struct vx6_bare {
	struct vx6_list all; /* vx6_circuits.bares or .bares_over */
	struct vx6_circuits *c;
	struct leg *leg; /* NULL: it waits for what is not known, or is over */
	enum vx6_circuit_purpose purpose;
	struct vx6_routing how;
	bool is_named; /* `last` is somebody's word */
	bool is_drawn; /* it was, and stays that */
	struct vx6_node_id last;
	uint32_t last_may;
	unsigned guard;
	bool first_lost; /* what ended it was its first relay */
	struct vx6_node_id avoid[VX6_BARE_AVOID_MAX];
	size_t avoid_n;
	uint8_t word[VX6_CIRCUIT_WORD_MAX]; /* secret */
	uint8_t word_type, word_n;
	struct vx6_node_id beside[VX6_PATH_MAX]; /* drawn only if there is no other way */
	size_t beside_n;
	const struct vx6_bare_events *ev;
	void *user;
	bool asked; /* waits for what is not known of `asked_for` */
	struct vx6_node_id asked_for;
	bool held;       /* nothing is done for it until `until_ms` */
	bool is_leaving; /* its owner knows that a relay drains */
	unsigned failed_n;
	uint64_t until_ms; /* asked, held: no longer */
	vx6_err err;       /* over */
	char why[VX6_CIRCUIT_WHY];
	char reason[VX6_CIRCUIT_WHY]; /* what it is for */
};

struct suspect {
	struct vx6_node_id node;
	uint64_t until_ms;
};

/* Somebody of whom too little is known, to be asked for. */
struct ask {
	struct vx6_list node;
	struct vx6_node_id who;
	bool anonymous;
};

/* How often circuits of a kind were wanted lately. */
struct demand {
	uint8_t relays;
	bool anonymous;
	bool hidden;                             /* with a vanguard */
	uint64_t used_ms[VX6_CIRCUITS_POOL_MAX]; /* a ring */
	unsigned next;
};

struct vx6_circuits {
	struct vx6_circuits_config cfg;
	struct route *by_key, *by_id;
	struct vx6_list routes;
	size_t routes_n;
	uint64_t next_route;
	struct vx6_list legs, closed;
	size_t legs_n, closed_n;
	struct vx6_list bares, bares_over; /* those that live; whose `down` is to be told */
	uint64_t next_number;
	struct vx6_list due;  /* waits whose outcome is to be told */
	struct vx6_list asks; /* not passed on yet */
	size_t asks_n;
	struct {
		struct vx6_node_id who;
		uint64_t until_ms; /* 0: none */
	} foreign[ASKS_FOREIGN_MAX];
	struct vx6_task tell, asking;
	struct vx6_timer tick, watch;
	uint64_t tick_due_ms;
	struct suspect suspect[SUSPECTS_MAX];
	unsigned suspect_next;
	struct demand demand[6];
	uint64_t pool_retry_ms;
	unsigned pool_failed_n;         /* in a row */
	struct vx6_decision *decisions; /* a ring of VX6_CIRCUITS_DECISIONS */
	uint64_t decisions_n;
	uint64_t id_ms, id_low; /* ids ascend */
	struct vx6_ratelimit complaints;
	bool draining, stopping;
};

static inline uint64_t circuits_now_ms(const struct vx6_circuits *c)
{
	return vx6_loop_now_ms(c->cfg.loop);
}

/** Circuits of it are of the kind for hidden services: of one pool, and with a vanguard as the second relay. */
static inline bool routing_is_guarded(const struct vx6_routing *how)
{
	return how->hidden || how->vanguard;
}

/* ---- circuits.c ---- */

/** Those who wait on @p r get the session of one of its legs, if one is open. */
void route_serve(struct route *r);
/** They get @p err instead. */
void route_refuse(struct route *r, vx6_err err, const char *detail);
/** Has @p who asked for, from a task. @return false: too many are being asked for */
bool circuits_ask(struct vx6_circuits *c, const struct vx6_node_id *who, bool anonymous);
/** Whether one more may be asked for that a stranger has named; it counts as asked for. */
bool circuits_may_ask_foreign(struct vx6_circuits *c, const struct vx6_node_id *who);
/** Whether no circuit of the route can do without @p node. */
bool route_needs(const struct route *r, const struct vx6_node_id *node);
/** The tick comes no later than in @p ms. */
void circuits_wake(struct vx6_circuits *c, uint64_t ms);

/* ---- circuits_build.c ---- */

/** What a leg is made for. */
struct leg_want {
	const struct vx6_routing *how;
	struct route *r;       /* NULL: for the pool, or bare */
	struct vx6_bare *bare; /* NULL: it is not */
	enum vx6_circuit_purpose purpose;
	const char *why;
};

/** Draws a path and begins to build. @param out optional @return errors of vx6_path_draw(), AGAIN (one is asked for), PEER_UNKNOWN, FULL */
VX6_RES leg_begin(struct vx6_circuits *c, const struct leg_want *w, struct leg **out,
		  char detail[static VX6_CIRCUIT_WHY]);
/** A circuit of the pool that fits is led on to where it is wanted. @return false: there is none */
bool leg_from_pool(struct vx6_circuits *c, const struct leg_want *w);
/** It is open, and leads nowhere yet. */
bool leg_is_of_pool(const struct leg *l);
/** Whether enough is known of it for a hop. */
bool circuits_knows(const struct vx6_circuits *c, const struct vx6_node_id *node);
/** What is known of @p node as a hop. @param asked_for set when it is asked for; may be NULL @return AGAIN: it is | PEER_UNKNOWN: it cannot even be asked for now */
VX6_RES circuits_hop(struct vx6_circuits *c, const struct vx6_node_id *node, bool anonymous,
		     struct vx6_node_id *asked_for, struct vx6_circuit_hop *out, uint32_t *policy);
/** What another circuit of the route leads through, but for what is kept, unless it is hidden. @return how many */
size_t leg_shared(const struct leg *l, struct vx6_node_id *out, size_t max);
/** Only with relays that were to be avoided: rather with the longest suspected ones. @return false: those are no way out */
bool path_with_fewer_suspects(const struct vx6_path *path, size_t *avoid_n, size_t *suspects);
/** Whether a relay of it is one of the route's other circuits', too: those of its first that are kept may be, unless the route is hidden. */
bool leg_overlaps(const struct leg *l, const struct route *r);
/** It is the pool's no more, and leads on. */
void leg_take_from_pool(struct leg *l, const struct leg_want *w);

/* ---- circuits_last.c ---- */

/** Draws the path of @p l, which is `hidden`. @return errors of vx6_path_draw(), AGAIN, PEER_UNKNOWN */
VX6_RES hidden_draw(struct leg *l, const struct vx6_routing *how,
		    char detail[static VX6_CIRCUIT_WHY]);
/** A circuit of the pool that fits gets a last relay, for a hidden route or a bare circuit. @return false: there is none */
bool hidden_from_pool(struct vx6_circuits *c, const struct leg_want *w);

/** A circuit of the pool could not be led on to its last relay. */
void hidden_refused(struct leg *l, vx6_err why);

/* ---- circuits_hidden.c ---- */

/** A leg of a hidden route is being built. */
void hidden_begun(struct leg *l);
/** The relays of a leg of a hidden route are there: the other end is called. */
void hidden_at_x(struct leg *l);
void hidden_said(struct leg *l, uint8_t type, const uint8_t *data, size_t n);
/** The leg ends. */
void hidden_gone(struct leg *l);
/** Its other end did not come in time. */
void hidden_keep(struct leg *l, uint64_t now_ms);

/* ---- circuits_bare.c ---- */

/** Its circuit is open. The leg may be over after the return, as after the next two. */
void bare_open(struct leg *l);
void bare_said(struct leg *l, uint8_t type, const uint8_t *data, size_t n);
/** A relay of it drains. */
void bare_leaving(struct leg *l);
/** An owner's, to where a stranger says that he waits. What we do with it must not follow from what we know of that relay. */
bool bare_is_of_stranger(const struct vx6_bare *b);
/** What its last relay is told in the handshake. Borrowed. */
static inline struct vx6_payload bare_word(const struct vx6_bare *b)
{
	return (struct vx6_payload){.type = b->word_type, .data = b->word, .n = b->word_n};
}
/** What is known of its last relay, which may be our own node. @param own room for that @return NULL: it is none that paths are drawn from */
const struct vx6_relay_entry *bare_last(const struct vx6_bare *b, struct vx6_relay_entry *own);
/** Its circuit has ended by itself: another one is tried if that may help, or `down` is told, now. @param last_failed it was for the last relay */
void bare_down(struct vx6_bare *b, bool was_open, vx6_err why, int hop, bool last_failed,
	       const char *detail);
/** Its circuit could not be led on to the last relay, and is closed: another one is tried. */
void bare_refused(struct vx6_bare *b, vx6_err why, const char *detail);
/** Its circuit was closed here: `down` is told from a task. */
void bare_over(struct vx6_bare *b, vx6_err why, const char *detail);
/** It is asked for a sign of life now and then, and closed if none comes. */
void bare_keep(struct leg *l, uint64_t now_ms);
void bares_learned(struct vx6_circuits *c, const struct vx6_node_id *node);
void bares_unknown(struct vx6_circuits *c, const struct vx6_node_id *node, vx6_err err);
/** Those that wait for too long are over; all that wait, when it drains. */
void bares_keep(struct vx6_circuits *c, uint64_t now_ms);
/** Tells of those that are over. */
void bares_tell(struct vx6_circuits *c);

/* ---- circuits_leg.c ---- */

extern const struct vx6_circuit_events leg_circuit_events;
void leg_close(struct leg *l, vx6_err err, const char *why);
/** Frees one that is over. */
void leg_free(struct leg *l);
/** Asks each hop for a sign of life, to know how far away it is. */
void leg_ping(struct leg *l);
struct vx6_session *leg_session(const struct leg *l);
/** Open, not being left, and its session is not in doubt. */
bool leg_is_good(const struct leg *l);
struct leg *leg_find(const struct vx6_circuits *c, const char *id);
void leg_refresh(struct leg *l, uint64_t now_ms);
/** It leads to its target, or stands in the pool: a session is made, those who wait are served. */
void leg_is_there(struct leg *l);
/** How many of its first relays are kept ones: guard, vanguard. */
size_t leg_kept(const struct leg *l);
/** Of how many of its relays anything is learned by it: not of a last one that somebody else has named, or he would say whom we think well of. */
size_t leg_learns_n(const struct leg *l);

/* ---- circuits_blame.c ---- */

/** @p node is left out of draws for a while. */
void circuits_suspect(struct vx6_circuits *c, const struct vx6_node_id *node);
/** Those who are, the latest first. */
size_t circuits_suspects(const struct vx6_circuits *c, struct vx6_node_id out[static SUSPECTS_MAX]);
/** Of a leg that does not answer: who may be to blame, by who does. */
void leg_suspect_silent(const struct leg *l, const struct vx6_circuit_info *info);
/** Whether a relay of it is one: a new circuit does better. */
bool leg_is_suspect(const struct leg *l);
bool leg_has_guard(const struct leg *l);
/** It has ended, by what @p hop did: -1 if that is not known, path.n if it was the target. */
void leg_learn_from(struct leg *l, vx6_err why, int hop);
/** The onion key that is known of @p node is a former one: it is asked for. @param r waits for that if it needs the node; NULL: none does */
void circuits_ask_anew(struct vx6_circuits *c, struct route *r, const struct vx6_node_id *node,
		       bool anonymous);

/* ---- circuits_named.c ---- */

/** Sets what @p how names in @p req, which borrows @p entry. @return VX6_OK | AGAIN (one is asked for: r->asked_for) | PEER_UNKNOWN */
VX6_RES circuits_named(struct vx6_circuits *c, struct route *r, const struct vx6_routing *how,
		       struct vx6_relay_entry entry[static VX6_ROUTE_HOPS_MAX],
		       struct vx6_path_request *req);

/** One of them. @param named set to @p entry if the pool does not know it, else to NULL @param asked_for optional @return VX6_OK | AGAIN | PEER_UNKNOWN */
VX6_RES circuits_named_one(struct vx6_circuits *c, const struct vx6_node_id *node, bool anonymous,
			   struct vx6_node_id *asked_for, struct vx6_relay_entry *entry,
			   const struct vx6_relay_entry **named);

/* ---- circuits_keep.c ---- */

/** A build has failed: the next one waits; after many those who wait are told. */
void route_failed(struct route *r, vx6_err err, const char *detail);
/** A leg has ended soon after it was open: if the one before it did, too, the next build waits. */
void route_flapped(struct route *r);
/** Begins what the route is missing, ends what it has too much. */
void route_keep(struct route *r);
void circuits_keep(struct vx6_circuits *c);
/** A circuit for the pool could not be built: the next one waits. */
void pool_failed(struct vx6_circuits *c);
/** One was taken: the next one is built a moment later. */
void pool_calm(struct vx6_circuits *c);
/** A circuit of this kind was wanted. */
void circuits_wanted(struct vx6_circuits *c, const struct vx6_routing *how);

/** The streams of @p l go to another leg, if there is one: it is left. @return false: there is none yet */
bool route_move_off(struct route *r, struct leg *l, const char *why);

/* ---- circuits_watch.c ---- */

/** While anything flows, silence is looked for. */
void circuits_watch(struct vx6_circuits *c);
void circuits_on_watch(struct vx6_timer *timer);
/** Streams are on their way to it: whether it answers is to be known at once. */
void leg_watch_anew(struct leg *l);
/** A leg that only stands by is asked now and then, and closed if it does not answer. */
void leg_keep_sound(struct leg *l, uint64_t now_ms);

/* ---- circuits_show.c ---- */

void circuits_new_id(struct vx6_circuits *c, char out[static VX6_CIRCUIT_ID_TEXT]);
void leg_show(const struct leg *l, struct vx6_circuit_show *out);
/** Remembers why something was done. */
void circuits_decide(struct vx6_circuits *c, const struct vx6_node_id *target, const char *circuit,
		     const char *what, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
