/**
 * @file guests_internal.h
 * Visits to hidden services, as their files share them.
 *
 * Layer:   hidden
 * Threads: the loop's thread
 *
 *   guests.c        the table of services, what is known of each, what is no longer used goes
 *   guests_desc.c   the descriptor: fetched, opened, renewed; who may come in
 *   guests_access.c which client we are
 *   guests_meet.c   a leg, from its rendezvous to the meeting
 *   guests_points.c introduction points: which one is asked
 *   guests_lines.c  circuits to them
 *   guests_intro.c  introductions: what is said, what is answered
 *   guests_proof.c  proof of work, on a worker
 *   guests_show.c   steps of attempts, rows to look at
 *   guests_ways.c   the circuits of circuit/, as vx6_guests_ways
 */
#ifndef VX6_HIDDEN_GUESTS_INTERNAL_H
#define VX6_HIDDEN_GUESTS_INTERNAL_H

#include "base/list.h"
#include "circuit/bare.h"
#include "crypto/hs_ntor.h"
#include "crypto/puzzle.h"
#include "crypto/table.h"
#include "hidden/client_auth.h"
#include "hidden/guests.h"
#include "record/hs_desc.h"
#include "wire/hs.h"

enum {
	REND_MS = 5000, /* that X has to take a cookie */
	OPEN_MS = 1500, /* that a circuit has to be open, then another point is tried beside it */
	TRIES_MAX = 5,  /* introduction points, from one descriptor */
	ROUNDS_MAX = 8, /* descriptors, one after the other */
	EARLIER_MAX = 2 * TRIES_MAX, /* introductions by way of older ones whose answers count */
	LINES_MAX = 4,               /* circuits to introduction points of a service */
	LINES_ALL_MAX = 64,          /* of all */
	LINE_IDLE_MS = 120000,
	TICK_MS = 5000,         /* between looks at what is idle, while there is anything */
	USED_MS = 600000,       /* a descriptor is renewed for so long after its last use */
	UNCONFIRMED_MS = 60000, /* then it is looked up again */
	RETRY_FIRST_MS = 500,   /* after a fetch that failed, and one that brought nothing new */
	RETRY_MAX_MS = 8000,
	PATIENCE_MS =
		4000, /* an invite that opens nothing yet is tried again until the next wait is longer */
	MARK_MS = 300000,     /* that an introduction point which failed is the last to be asked */
	MARK_RATE_MS = 10000, /* one that had too many to pass on */
	EFFORT_MS = 300000,   /* that more effort than is asked for is made after it was needed */
	EFFORT_RETRY_MIN = 8,
	EFFORT_DOUBLE_TO = 1000, /* above it grows by half */
	SEEN_PERIODS = 3,
};

struct service;
struct meeting;

/** Which of our keys has opened the descriptor. */
enum opened_by { OPENED_BY_NONE, OPENED_BY_KEY, OPENED_BY_INVITE, OPENED_BY_OWN };

/** A circuit to an introduction point, for one service. */
struct line {
	struct vx6_list of_service, all;
	struct service *s;
	struct vx6_bare *b;
	uint8_t auth_key[VX6_INTRO_KEY];
	struct vx6_node_id node;
	bool open, leaving;
	bool speaks;              /* it is being heard: it does not go now */
	bool asked;               /* an introduction is not answered */
	struct attempt_try *asks; /* whose; NULL: nobody waits for it any more */
	uint64_t idle_ms;         /* since when nothing was said there */
	unsigned
		said_n; /* introductions: a relay takes no more than VX6_RELAY_ASKS_MAX on a circuit */
};

enum try_state {
	TRY_OPENS, /* its line is not open yet */
	TRY_SENT,
	TRY_TAKEN, /* passed on to the owner */
	TRY_OVER,
};

/** One introduction of a meeting. */
struct attempt_try {
	struct meeting *m;
	enum try_state state;
	uint8_t auth_key[VX6_INTRO_KEY];
	struct line *line; /* NULL: gone */
	struct vx6_hs_ntor *ntor;
	bool enrols;
	uint64_t sent_ms;
};

/* What was said by way of an older descriptor, and may still be answered. */
struct earlier_try {
	struct vx6_hs_ntor *ntor; /* NULL: none */
	bool enrols;
};

enum meeting_state {
	MEETING_READS, /* there is no descriptor yet, or only one that led nowhere */
	MEETING_ASKS,  /* introduces itself */
	MEETING_WAITS, /* an introduction point has passed it on */
	MEETING_JOINED,
	MEETING_FAILS, /* to be told */
};

struct proof;

/** A leg. */
struct meeting {
	UT_hash_handle hh;
	struct vx6_list of_service;
	struct vx6_guests *g;
	struct service *s; /* NULL: there are too many; it fails */
	uint64_t leg;
	struct vx6_node_id service; /* for what is told of it */
	enum meeting_state state;
	struct vx6_circuit *circuit; /* borrowed until it is joined or gone; NULL: not there yet */
	struct vx6_task begin;
	struct vx6_node_id x;
	uint8_t cookie[VX6_HS_COOKIE];
	bool established, looks; /* X has the cookie; it waits for the first descriptor */
	struct attempt_try tries[TRIES_MAX];
	unsigned tries_n, rounds_n; /* rounds: descriptors that were tried */
	struct earlier_try earlier[EARLIER_MAX];
	unsigned earlier_next;
	uint64_t read_ms; /* when the last one had led nowhere */
	uint32_t effort;
	struct proof *proof; /* under way */
	bool has_pow;
	uint8_t pow[VX6_HS_POW];
	uint64_t began_ms;
	uint64_t total_ms, rend_ms, next_ms, answer_ms; /* deadlines; 0: none */
	struct vx6_timer timer;
	struct vx6_task fail;
	vx6_err err;
	bool x_is_fine;
	char detail[VX6_GUESTS_DETAIL];
	uint64_t attempt; /* 0: not begun yet */
};

/** An introduction point that was no good lately. */
struct mark {
	uint8_t auth_key[VX6_INTRO_KEY];
	uint64_t until_ms;
};

struct service {
	UT_hash_handle hh;
	struct vx6_guests *g;
	struct vx6_node_id id;
	struct vx6_list lru;
	struct vx6_guest_access access;
	bool has_own; /* it is hosted here */
	uint8_t own[32];
	/* what it published */
	bool has_desc, confirmed;
	bool early; /* two sources agree on it, others are still being heard */
	enum opened_by opened_by;
	bool forgotten; /* the owner knew our key, and does no more: it was not on its disk yet when it ended */
	struct vx6_hs_desc desc;
	struct vx6_hs_names names;
	unsigned sources, asked;
	uint64_t fetched_wall_ms, fetched_ms, refresh_ms, expires_ms;
	struct vx6_guest_seen seen[SEEN_PERIODS]; /* the latest period first */
	void *fetch;                              /* under way */
	uint64_t fetch_ms;                        /* since when */
	uint64_t retry_ms;                        /* none before */
	uint32_t retry_wait_ms;
	vx6_err fetch_err; /* of the last one */
	char fetch_detail[VX6_GUESTS_DETAIL];
	/* how to get there */
	struct mark mark[VX6_HS_INTROS_MAX];
	struct vx6_list lines;
	unsigned lines_n;
	uint32_t effort; /* at the least; 0: as the descriptor says */
	uint64_t effort_ms;
	struct vx6_list meetings;
	unsigned waiting_n, joined_n;
	uint64_t used_ms; /* 0: not since it is known */
	vx6_err err;
	char detail[VX6_GUESTS_DETAIL];
};

struct vx6_guests {
	struct vx6_guests_config cfg;
	struct vx6_guests_ways ways;
	struct service *services;
	struct vx6_list lru; /* the one that was unused longest first */
	size_t services_n;
	struct meeting *meetings;
	size_t waiting_n;
	struct vx6_list lines; /* the one that was unused longest first */
	size_t lines_n;
	struct vx6_list proofs; /* under way, and those that wait for a worker */
	unsigned proofs_n;      /* on workers */
	struct vx6_timer tick;
	struct vx6_guest_attempt *attempts; /* a ring of VX6_GUESTS_ATTEMPTS */
	uint64_t attempts_n;
};

static inline uint64_t guests_now_ms(const struct vx6_guests *g)
{
	return vx6_loop_now_ms(g->cfg.loop);
}

static inline struct vx6_guest_attempt *attempt_slot(const struct vx6_guests *g, uint64_t id)
{
	return &g->attempts[id % VX6_GUESTS_ATTEMPTS];
}

/* ---- guests.c ---- */

/** @return NULL: it is not known */
struct service *guests_find(const struct vx6_guests *g, const struct vx6_node_id *id);
/** @return NULL: there are too many that are used */
struct service *guests_service(struct vx6_guests *g, const struct vx6_node_id *id);
/** Looks are taken while there is anything to look at. */
void guests_wake(struct vx6_guests *g);

/* ---- guests_desc.c ---- */

/** There is one, and it has not expired. */
bool desc_is_good(const struct service *s);
/** Whether it is to be renewed before it expires. */
bool desc_is_used(const struct service *s);
/** Looks it up, unless that is under way. @return false: not before s->retry_ms */
bool desc_fetch(struct service *s);
void desc_forget(struct service *s);
/** Whether we may come, as far as that can be told here. @param detail VX6_GUESTS_DETAIL bytes, on failure @return VX6_OK | EXPIRED (the invite) */
VX6_RES desc_may(const struct service *s, char *detail);
/** It is time for another one. */
void desc_keep(struct service *s);
/** @return false: an older number than was seen */
bool desc_seen(struct service *s, const struct vx6_guest_seen *seen);

/* ---- guests_access.c ---- */

/** The owner knows our key. */
void access_enrolled(struct service *s);
/**
 * Which client we say we are, in the introduction @p i; none where nobody is asked.
 * @param key for the MAC of it; wiped by the caller @return VX6_OK | KEY (enc_key)
 */
VX6_RES access_show(struct service *s, const uint8_t enc_key[static 32], struct vx6_introduce *i,
		    struct vx6_hs_auth_key *key);

/* ---- guests_meet.c ---- */

/** It published something else than what was there when they began: those on their way to a point that it has no more begin again. */
void meetings_renew(struct service *s);
/** Those who wait for a descriptor go on. */
void meetings_read(struct service *s);
/** Those who wait for one are told that there is none. */
void meetings_refuse(struct service *s, vx6_err err, const char *detail);
/** Takes the next step: looks for a descriptor, tries the next introduction point. */
void meeting_next(struct meeting *m);
void meeting_fail(struct meeting *m, vx6_err err, bool x_is_fine, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** Its timer goes by its deadlines. */
void meeting_arm(struct meeting *m);
/** It is over: nothing of it is under way any more. */
void meeting_free(struct meeting *m);
/** An introduction point has taken it. */
void meeting_passed_on(struct meeting *m);

/* ---- guests_points.c ---- */

/** Which one is asked next. @param m NULL: for nobody in particular @return NULL: there is none left; borrowed until the next descriptor */
const struct vx6_hs_intro *intro_pick(const struct service *s, const struct meeting *m);
/** It was no good: the last to be asked for @p ms. */
void intro_mark(struct service *s, const uint8_t *auth_key, uint64_t ms);
/** It has passed somebody on. */
void intro_unmark(struct service *s, const uint8_t *auth_key);
bool intro_is_marked(const struct service *s, const uint8_t *auth_key);
/** @return NULL: the descriptor names it no more */
const struct vx6_hs_intro *intro_of(const struct service *s, const uint8_t *auth_key);
/** How many are named. */
unsigned intro_count(const struct service *s, bool standby);

/* ---- guests_lines.c ---- */

/** The one to that point, open or on its way. @return NULL: there is none */
struct line *line_find(const struct service *s, const struct vx6_hs_intro *in);
/** @return VX6_OK | FULL (all that may be are needed) | errors of vx6_bare_begin() */
VX6_RES line_begin(struct service *s, const struct vx6_hs_intro *in, struct line **out);
/** Says it for @p t. Not while another one is not answered. @return VX6_OK | errors of vx6_bare_say() */
VX6_RES line_introduce(struct line *l, struct attempt_try *t,
		       const uint8_t message[static VX6_HS_INTRODUCE]);
void line_close(struct line *l, const char *why);
/** Those that are to be left go, and those that nobody has used for a while. */
void lines_keep(struct vx6_guests *g);

/* ---- guests_intro.c ---- */

/** Tries the next introduction point. @return false: there is none left, and nothing under way */
bool intro_next(struct meeting *m);
/** Sends what waits for a line or a proof of work, if it may now. */
void intro_send(struct meeting *m);
/** Those who say that they passed it on, and nobody came, are the last to be asked next time. */
void intro_doubt(struct meeting *m);
/** The owner's answer, to whichever introduction. @return false: to none of them */
bool intro_finish(struct meeting *m, const uint8_t answer[static VX6_HS_ANSWER],
		  struct vx6_hs_e2e *e2e, bool *enrols);
/** Nothing more is asked of the points of @p m. What they may have passed on can still be answered. */
void intro_drop(struct meeting *m);
/** Nor that: wiped. */
void intro_forget(struct meeting *m);
/** Its line is open; has nothing else on it; is gone; has brought an answer. */
void intro_opened(struct attempt_try *t);
void intro_may_send(struct attempt_try *t);
void intro_lost(struct attempt_try *t);
void intro_answered(struct attempt_try *t, uint16_t code);

/* ---- guests_proof.c ---- */

/** How much effort the next introduction makes. */
uint32_t proof_effort(const struct service *s);
/** It was not enough, perhaps. */
void proof_raise(struct service *s, uint32_t made);
/** Begins, now or when there is room; intro_send() follows. */
void proof_begin(struct meeting *m);
void proof_cancel(struct meeting *m);
/** No worker comes back to @p g, which goes. After the meetings. */
void proofs_leave(struct vx6_guests *g);

/* ---- guests_show.c ---- */

void step_begin(struct meeting *m, const struct vx6_node_id *service);
void step(struct meeting *m, enum vx6_guest_step_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void step_end(struct meeting *m, vx6_err err);

/* ---- guests_ways.c ---- */

extern const struct vx6_guests_ways guests_ways;

#endif
