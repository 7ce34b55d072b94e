/**
 * @file relay_internal.h
 * What the files of the relay share: relay.c (life of circuits), relay_cells.c (cells), relay_build.c (CREATE, EXTEND), relay_dial.c (ways to next
 * hops), relay_limits.c (who may have how much), relay_intro.c (introduction points), relay_rend.c (rendezvous).
 *
 * Layer:   circuit
 * Threads: the loop's thread
 *
 *   FRESH --CREATE--> HERE --EXTEND--> EXTENDING --CREATED of the next--> MIDDLE
 *     |                ^ |                 |
 *     |  REFUSED,      | +--STREAMS--> END |
 *     |  CREATED       +-------------------+ no next hop
 *     +--CREATE with NEXT--> NESTING --> MIDDLE, or HERE
 *
 *   HERE --ESTABLISH_INTRO--> INTRO
 *   HERE --ESTABLISH_REND--> REND_WAIT --RENDEZVOUS1 on another circuit--> JOINED with that one
 *   HERE --RENDEZVOUS1--> JOINED; or REND_EARLY, until the ESTABLISH_REND that it is for has come
 */
#ifndef VX6_CIRCUIT_RELAY_INTERNAL_H
#define VX6_CIRCUIT_RELAY_INTERNAL_H

#include "base/list.h"
#include "base/log.h"
#include "circuit/endlink.h"
#include "circuit/relay.h"
#include "circuit/relay_crypt.h"
#include "crypto/siphash.h"
#include "crypto/table.h"
#include "transport/mux/mux.h"
#include "wire/code.h"
#include "wire/hs.h"

enum circ_state {
	CIRC_FRESH,
	CIRC_NESTING,
	CIRC_HERE,
	CIRC_EXTENDING,
	CIRC_MIDDLE,
	CIRC_END,
	CIRC_INTRO,      /* of an owner that is introduced to clients here */
	CIRC_REND_WAIT,  /* of a client: waits for the owner's */
	CIRC_REND_EARLY, /* of an owner: waits for the client's */
	CIRC_JOINED,
};

/* What waits for room towards the client. */
enum { DUE_ANSWER = 1, DUE_PONG = 2, DUE_DRAIN = 4, DUE_PAD = 8 };

/* What one neighbour, or the anonymous ones of one network, has here. */
struct source {
	uint8_t key[33]; /* 'n' node id | 'p' prefix */
	bool identified;
	uint32_t circuits, half, dials, intros, rends;
	UT_hash_handle hh;
};

/* A row of token buckets under a keyed hash. */
enum { BUCKETS = 1024 };
struct buckets {
	uint32_t per_s;
	uint64_t full_us[BUCKETS]; /* when it is full again */
};

struct relay_dial {
	struct vx6_relay *r;
	struct vx6_node_id node;
	struct vx6_dialing *dialing;
	struct vx6_list waiters; /* building.wait */
	UT_hash_handle hh;
};

/* A next hop on its way. */
struct building {
	struct relay_circ *c;
	struct vx6_node_id node;
	uint8_t cell[VX6_CELL_BYTES]; /* CREATE for it */
	struct relay_hs *hs;          /* NESTING: what the client is to be answered with */
	struct relay_dial *dial;
	bool dials; /* counted with the source's */
	struct vx6_list wait;
	struct vx6_opening *opening;
	bool sent;
};

/* A message that waits for room. */
struct saying {
	struct vx6_list node;
	uint8_t type;
	size_t n;
	uint8_t data[];
};

enum { INTRO_WAYS = 2, INTRO_BODY = VX6_HS_POW + VX6_HS_SEALED };

/* An introduction key, and the owner's circuits: gone with the last of them. */
struct intro {
	uint8_t auth_key[VX6_INTRO_KEY];
	struct {
		struct relay_circ *c; /* NULL: none */
		uint8_t handle[VX6_INTRO_HANDLE];
	} way[INTRO_WAYS];
	uint32_t rate, burst;
	uint64_t full_us; /* when its bucket is full again */
	uint32_t serial;
	struct introduction *pending; /* by serial */
	UT_hash_handle hh;
};

/* One that the owner has not confirmed yet. */
struct introduction {
	struct intro *of;
	uint32_t serial;
	uint8_t sent;              /* ways that it went by, a bit each */
	struct relay_circ *client; /* NULL: gone */
	uint64_t born_ms;
	struct vx6_list all, of_client; /* relay.introductions, relay_circ.introductions */
	uint8_t body[INTRO_BODY];       /* what follows auth_key */
	UT_hash_handle hh;
};

/* A cookie: somebody waits under it, or it is spent. */
struct rend {
	uint8_t cookie[VX6_REND_COOKIE];
	struct relay_circ *client, *owner; /* one of them at most */
	uint64_t until_ms;
	struct vx6_list
		node; /* relay.rend_waiting, rend_early or rend_spent, the first to end first */
	uint8_t answer[VX6_REND_ANSWER]; /* with `owner` */
	UT_hash_handle hh;
};

struct relay_circ {
	struct vx6_relay *r;
	struct vx6_list all;       /* relay.all, oldest first */
	struct vx6_list half;      /* relay.half, oldest first, while FRESH, NESTING, EXTENDING */
	struct vx6_list throttled; /* relay.throttled */
	struct vx6_list ending;    /* relay.ending */
	uint64_t id, born_ms, last_ms, half_ms, ending_ms;
	uint16_t ending_code;
	enum circ_state state;
	struct source *source;
	struct vx6_hop *prev, *next;
	uint64_t prev_session, next_session;
	bool prev_known;
	struct vx6_node_id prev_node;
	struct relay_crypt *crypt;
	struct building *b;
	struct vx6_endlink *end;
	uint8_t due;
	uint8_t pads, pads_asked; /* due; all there were */
	uint64_t pong;
	uint8_t *answer;         /* payload */
	struct vx6_list sayings; /* struct saying, oldest first */
	uint32_t sayings_n;
	uint32_t extends;
	uint32_t asks;       /* messages of hidden services that it began something with */
	struct intro *intro; /* INTRO; NULL once another circuit has taken its place */
	struct vx6_list introductions; /* introduction.of_client: whose outcome it is to be told */
	struct rend *rend;             /* REND_WAIT, REND_EARLY */
	struct relay_circ *peer;       /* JOINED; NULL once that one is gone */
	struct vx6_list orphan;        /* relay.orphans */
	uint32_t took;                 /* cells since it was last throttled */
	uint64_t cells_forward, cells_back;
};

struct vx6_relay {
	struct mux_growth growth; /* of what streams that end here may hold */
	struct vx6_relay_config cfg;
	struct vx6_list all, half, throttled, ending;
	struct source *sources;
	struct relay_dial *dials;
	struct vx6_siphash_key hash;
	struct buckets creates, networks, node_creates, dial_rate;
	struct intro *intros;
	struct rend *rends;
	struct vx6_list introductions, rend_waiting, rend_early, rend_spent;
	uint32_t introductions_n, rend_early_n, rend_spent_n;
	struct vx6_list orphans; /* to be ended from a task: closing one closes no other */
	struct vx6_task orphans_task;
	struct vx6_timer sweep, refill, linger, deadline, tick;
	uint64_t next_id;
	bool draining;
	int64_t tokens; /* bytes that may be relayed now */
	uint64_t tokens_ns;
	struct vx6_relay_stats st;
	struct vx6_ratelimit complaints;
};

/* ---- relay.c ---- */

/** Ends it on all sides. @p c is gone after the call. */
void circ_close(struct relay_circ *c, uint16_t to_prev, uint16_t to_next);
/** Its client or its next hop broke the protocol. */
void circ_violation(struct relay_circ *c);
void circ_set_state(struct relay_circ *c, enum circ_state state);
/** Makes room for one more that rests. @return false: there is none */
bool relay_room_for_one(struct vx6_relay *r);
/** Ends it once what waits has left. */
void circ_end_soon(struct relay_circ *c, uint16_t code);
/** Ends it from a task. */
void circ_orphan(struct relay_circ *c);

/* ---- relay_cells.c ---- */

extern const struct vx6_hop_events relay_prev_events, relay_next_events;
/** Sends what is due towards the client, as far as there is room. */
void circ_flush_due(struct relay_circ *c);
/** Says something to the client, now or when there is room. How many may wait is the caller's to bound. */
void circ_say(struct relay_circ *c, enum vx6_payload_type type, const void *data, size_t n);
/** The same for a code. */
void circ_say_code(struct relay_circ *c, enum vx6_payload_type type, uint16_t code);
void relay_refill(struct vx6_relay *r);
/** What came inside the handshake, once that is answered. The circuit may be gone then. */
void cells_word(struct relay_circ *c, const struct vx6_payload *p);

/* ---- relay_build.c ---- */

void build_create(struct relay_circ *c, const uint8_t *cell);
/** @p cell: the CREATED of the next hop. */
void build_created(struct relay_circ *c, const uint8_t *cell);
void build_extend(struct relay_circ *c, const struct vx6_payload *p);
/** There is no next hop: the client is told so. */
void build_refuse(struct relay_circ *c, enum vx6_relay_extend_refused why, uint16_t code);
/** A session with the next hop is there; or none can be had. */
void build_session(struct building *b, vx6_err err, struct vx6_session *s);
void building_free(struct building *b);

/* ---- relay_dial.c ---- */

/** Gets a session with the node that @p b is to be extended to. @return VX6_OK: build_session() follows | why it cannot be; *code says it */
VX6_RES dial_begin(struct building *b, const struct vx6_endpoint *e, uint16_t *code);
void dial_leave(struct building *b);
/** Takes those addresses of @p e that may be dialled for others. */
void dial_addrs(struct vx6_relay *r, const struct vx6_endpoint *e, struct vx6_dial_request *req);

/* ---- relay_limits.c ---- */

void limits_init(struct vx6_relay *r);
/** The source of circuits that come over @p s, made if need be; limits_put() when it is not used. */
struct source *limits_source(struct vx6_relay *r, struct vx6_session *s);
void limits_put(struct vx6_relay *r, struct source *src);
/** Whether @p src may open one more circuit now; takes its token. */
bool limits_admit_create(struct vx6_relay *r, const struct source *src, struct vx6_session *s);
bool limits_admit_dial(struct vx6_relay *r, const struct source *src);
uint32_t limits_circuits(const struct vx6_relay *r, const struct source *src);
uint32_t limits_half(const struct source *src);
uint32_t limits_dials(const struct source *src);
/** Of a table of @p all, what one source may have. */
uint32_t limits_share(const struct source *src, uint32_t all);
/** Whether this relay does for that circuit what it does for others. */
bool limits_is_served(const struct relay_circ *c);

/* ---- relay_intro.c ---- */

void intro_establish(struct relay_circ *c, const struct vx6_payload *p);
void intro_introduce(struct relay_circ *c, const struct vx6_payload *p);
void intro_confirmed(struct relay_circ *c, const struct vx6_payload *p);
/** @p c ends: as a way to an owner, as a client that waits. */
void intro_leave(struct relay_circ *c);
/** Sends again what was not confirmed in time, gives up what is too old. @return there is more to come */
bool intro_tick(struct vx6_relay *r);

/* ---- relay_rend.c ---- */

void rend_establish(struct relay_circ *c, const struct vx6_payload *p);
void rend_join(struct relay_circ *c, const struct vx6_payload *p);
/** @p c ends. */
void rend_leave(struct relay_circ *c);
/** Ends those that came too early and were not followed. @return there is more to come */
bool rend_tick(struct vx6_relay *r);
/** Ends those that have waited too long, forgets cookies. */
void rend_sweep(struct vx6_relay *r);
void rend_free(struct vx6_relay *r);
/** vx6_relay.tick is to run. */
void relay_tick_soon(struct vx6_relay *r);

#endif
