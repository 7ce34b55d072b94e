/**
 * @file host_internal.h
 * Hosted services, as their files share them.
 *
 * Layer:   hidden
 * Threads: the loop's thread
 *
 *   host.c           the services, what is due when, readiness
 *   host_intro.c     the set of introduction points: how many, which are active, when they go
 *   host_path.c      one of the two circuits to one of them, and what is said over it
 *   host_key.c       the keys that clients seal for, and what was seen under each
 *   host_publish.c   periods, sequence numbers, descriptors
 *   host_introduce.c what comes in an INTRODUCE2: from its bytes to a place in the queue
 *   host_queue.c     those who wait, by effort
 *   host_pow.c       seeds, proofs, how much effort is asked for
 *   host_clients.c   who may come in
 *   host_known.c     whom an introduction is from
 *   host_meet.c      a circuit to where the client waits, and the session there
 *   host_show.c      rows to look at
 *   host_ops.c       circuits as they are outside of tests
 */
#ifndef VX6_HIDDEN_HOST_INTERNAL_H
#define VX6_HIDDEN_HOST_INTERNAL_H

#include "base/list.h"
#include "crypto/hs_ntor.h"
#include "crypto/kx.h"
#include "crypto/puzzle.h"
#include "hidden/client_auth.h"
#include "hidden/host.h"
#include "hidden/nonces.h"
#include "record/hs_desc.h"
#include "wire/hs.h"

enum {
	/* circuits to introduction points */
	PATHS = 2,
	ESTABLISH_MS = 10000, /* that an introduction point has to answer */
	PATH_FIRST_MS = 500,  /* after one that failed, then twice as long each time */
	PATH_MAX_MS = 30000,
	PATH_SOUND_MS = 30000, /* one that was up for so long was good */
	PATH_TRIES =
		4, /* in a row, of both together, then another introduction point is looked for */
	PATH_TRIES_NEW = 2,   /* of one that never was up */
	PATH_GUARD_TRIES = 2, /* in a row, then whichever guard there is will do */
	AVOID_MS = 600000,    /* one that failed is not drawn for so long */
	AVOIDED = 12,
	LIARS_MAX = 6,    /* of them, that let through too many */
	SHORT_MS = 60000, /* when there are too few relays for the set, it is smaller for so long */
	ROTATE_MIN_S = 18 * 3600,
	ROTATE_MAX_S = 24 * 3600,
	USES_MIN = 16384,
	USES_MAX = 32768,
	HELD_UP = 1024,      /* introductions that may have waited on their way, and come at once */
	LIAR_MS = 3600000,   /* one that let through too many is not drawn for so long */
	RETIRE_MS = 3600000, /* that one stays when no descriptor names it any more */
	KEY_USES_MAX = 32768,
	KEY_USES_LEAVE = 24576, /* a new key takes over */
	SERIALS = 32,
	/* descriptors */
	SETTLE_MS =
		2000, /* the rest of the set has so long before the first descriptor goes without it */
	SEQ_WAIT_MS = 5000, /* for what the network has of ours, if nothing is known here */
	PUBLISH_MS = 30000, /* between two */
	ADMITS_MS =
		2000, /* the same, when others may come in: who has an invite uses it at once; or none that is named is there any more */
	RENEW_MIN_MS = 2700000, /* what is issued in this hour is good for two hours at the least */
	RENEW_MAX_MS = 5100000,
	PERIODS = 3, /* the last one, this one, the next one */
	/* readiness */
	DIAL_FIRST_MS = 500,
	DIAL_MAX_MS = 30000,
	DIAL_LOST_MS = 90000, /* a dial of which nothing is heard */
	DIAL_AGAIN_MS = 1800000,
	DIAL_FAILS = 3, /* in a row, then it is not ready any more */
	/* proofs of work */
	SEED_MIN_S = 6300,
	SEED_MAX_S = 7200,
	PROOFS_MAX = 32768,
	PROOFS_LEAVE = 24576,
	EFFORT_MS = 300000,     /* between looks at how much is to be asked for */
	EFFORT_SOON_MS = 30000, /* while too many come */
	UNPROVED_S = 10000,     /* seals a second that are opened without a proof, of one service */
	UNPROVED_LOAD_S = 1000, /* while proofs are asked for */
	/* those who wait, and meetings */
	WAIT_MAX_MS = 6000, /* as long as the client waits */
	X_MS = 2000,
	JOIN_MS = 10000, /* for the client's HELLO */
	SESSIONS_ALL =
		VX6_CIRCUITS_MAX * 3 /
		4, /* of all services; the rest are the circuits that they need to be found */
	HANG_UP_MS = 2000, /* that a session has to say why it ends */
	REFUSED_EVENT_MS = 1000,
	TABLE_CLIENTS = VX6_HOST_CLIENTS_MAX + VX6_HOST_REVOKED_MAX,
};

struct host_service;
struct host_intro;

/* Who we are on sessions. Those that were handed out stay until the service goes. */
struct host_as {
	struct host_as *next;
	uint64_t day; /* the first of the seven that it is for */
	struct vx6_identity id;
};

/* What we are called in a period. */
struct host_period {
	uint64_t period;
	struct vx6_hs_names names;
};

/* What a client shows under one key in one period, as far as that was needed. */
struct host_known {
	uint64_t period;
	struct {
		uint64_t uid; /* 0: not derived */
		struct vx6_hs_auth_key auth;
	} of[TABLE_CLIENTS + 1]; /* places in host_service.client; the last one is our own */
};

/* What clients seal for. */
struct host_key {
	struct vx6_kx_sk sk;
	struct vx6_kx_pk pk;
	struct vx6_nonces *seen;     /* NULL: there is no such key */
	struct host_known *known[2]; /* for two periods; NULL: not needed yet */
};

struct host_path {
	struct host_intro *intro;
	uint8_t which;
	struct vx6_bare *bare; /* NULL: none */
	bool open, up;         /* its circuit is; INTRO_ESTABLISHED has come */
	bool leaving;          /* a relay of it asked us to go */
	uint64_t due_ms;       /* a new one is begun; or, while one is not up, it is given up */
	uint64_t up_ms;
	uint64_t up_wall_ms;
	uint32_t failed;       /* in a row */
	uint32_t guard_failed; /* likewise, for what says nothing of the introduction point */
	char id[VX6_CIRCUIT_ID_TEXT];
};

struct host_intro {
	struct vx6_list node; /* host_service.intros */
	struct host_service *s;
	bool has_node;
	struct vx6_node_id relay;
	bool was_up, active, retiring, published;
	struct vx6_sign_keypair auth;
	uint8_t handle[PATHS][VX6_HS_HANDLE];
	struct host_key key[2]; /* the one in use, the one before */
	struct host_path path[PATHS];
	uint64_t opened;      /* seals */
	uint32_t limit;       /* of them */
	uint32_t rate, burst; /* that it was told to let through */
	uint64_t full_us;     /* how far what has come is ahead of what may */
	uint64_t rotate_s;    /* wall clock */
	uint64_t since_wall_ms, last_wall_ms;
	uint64_t retire_ms;
	struct {
		uint32_t serial;
		uint8_t path; /* + 1; 0: empty */
	} serial[SERIALS];    /* a ring: the same one over the other path is no replay */
	unsigned serial_next;
};

struct host_client {
	struct vx6_host_client c;
	uint64_t uid; /* never used twice; 0: an empty place */
	bool is_good; /* as it was when that was last looked at */
};

/* One that came, on its way from the seal to the meeting. Secret. */
struct host_guest {
	uint8_t auth_key[VX6_INTRO_KEY];
	struct vx6_kx_sk enc_sk;
	struct vx6_kx_pk enc_pk;
	uint8_t subcred[32];
	uint8_t client_pk[32];
	uint8_t rends_n;
	struct {
		uint8_t cookie[VX6_REND_COOKIE];
		struct vx6_node_id node;
	} rend[VX6_HS_RENDS_MAX];
	uint32_t effort;
	uint64_t client; /* uid; 0: nobody in particular */
	uint64_t came_ms;
};

enum meet_state { MEET_BUILDING, MEET_JOINING, MEET_UP, MEET_OVER };

struct host_meet {
	struct vx6_list node; /* host_service.meets */
	struct host_service *s;
	struct host_guest guest; /* wiped once it is joined */
	struct vx6_hs_e2e e2e;   /* of the circuit that is being built; wiped with that */
	enum meet_state state;
	struct vx6_bare *bare;
	struct vx6_session *session;
	bool told;        /* that the session is up */
	uint64_t client;  /* uid; 0: nobody in particular */
	uint64_t due_ms;  /* 0: never; UP: when it is cut off, for it was told to go */
	const char *ends; /* static: why it was */
	uint64_t began_ms;
	struct vx6_host_rend_info info;
};

/* How much is asked for; names as in Tor's proposal 327. */
struct host_pow {
	struct {
		uint8_t seed[VX6_PUZZLE_SEED];
		struct vx6_nonces *seen; /* NULL: there is no such seed */
	} seed[2];                       /* the one in use, the one before */
	uint64_t seed_until_s;
	bool rotated; /* since the last descriptor: who has that one knows the seed before only */
	uint32_t suggested, published;
	uint64_t total_effort, handled;
	uint32_t max_trimmed;
	bool had_queue, trimmed;
	bool overrun; /* too many came without a proof */
	uint64_t looked_ms;
	uint64_t allowance, allowed_ms; /* of seals without a proof, in thousandths */
};

struct host_service {
	struct vx6_list node; /* vx6_host.services */
	struct vx6_host *h;
	struct vx6_host_spec spec;
	struct vx6_sign_keypair key;
	struct vx6_node_id id;
	struct vx6_kx_sk own_sk; /* with which we are let in ourselves */
	struct vx6_kx_pk own_pk;
	struct host_as *as;
	enum vx6_host_state state;
	char detail[VX6_HOST_DETAIL];
	/* periods and descriptors */
	struct host_period period[PERIODS];
	struct vx6_host_seq seq[VX6_HOST_SEQS];
	bool seq_asked, seq_known;
	uint64_t seq_until_ms;
	bool dirty;            /* what was published is not what is */
	bool admits_else;      /* of this: others may come in */
	uint64_t live_ms;      /* since when there is an introduction point; 0: there is none */
	uint64_t published_ms; /* 0: never */
	uint64_t tried_ms;
	uint64_t published_wall_s;
	uint64_t renew_ms;
	uint64_t out_period, out_neighbour; /* of the last ones; neighbour 0: none */
	uint32_t revision_n;
	/* introduction points */
	struct vx6_list intros;
	size_t intros_n;
	uint8_t active_want, standby_want;
	uint8_t total_cap;     /* as many as there were relays for; 0: enough */
	uint64_t cap_until_ms; /* then it is tried whether there are more */
	uint8_t total;         /* by how many relays are known */
	size_t relays;
	uint64_t counted_ms, began_ms;
	uint64_t begin_ms;       /* no new one before */
	unsigned begin_failed_n; /* since the last one that was up */
	struct {
		struct vx6_node_id node;
		uint64_t until_ms;
		bool lied;
	} avoid[AVOIDED];
	/* clients */
	struct host_client client[TABLE_CLIENTS];
	uint64_t next_uid;
	/* load */
	struct host_pow pow;
	struct host_guest *queue[VX6_HOST_QUEUE_MAX]; /* most effort first, then first come */
	size_t queue_n;
	struct vx6_list meets;
	size_t building_n, up_n;
	struct vx6_host_rend_info *history; /* a ring of VX6_HOST_HISTORY */
	uint64_t history_n, next_number;
	uint64_t introductions; /* that could be opened */
	uint64_t accepted, met, unmet;
	uint64_t refused[VX6_HOST_REFUSALS];
	uint64_t refused_told_ms[VX6_HOST_REFUSALS];
	/* readiness */
	bool dialling;
	uint64_t dial_ms; /* next one; while dialling: when it is given up; 0: none */
	unsigned dial_failed_n;
	uint64_t ready_wall_ms;
};

struct vx6_host {
	struct vx6_host_config cfg;
	const struct vx6_host_ops *ops;
	struct vx6_list services;
	size_t services_n;
	struct host_as *as_left; /* of services that are gone */
	struct vx6_timer timer;
	uint64_t due_ms;
	bool draining;
};

static inline uint64_t host_now_ms(const struct vx6_host *h)
{
	return vx6_loop_now_ms(h->cfg.loop);
}

/** @p due becomes the earlier of the two; 0 counts for none. */
static inline void host_sooner(uint64_t *due, uint64_t at_ms)
{
	if (at_ms != 0 && at_ms < *due)
		*due = at_ms;
}

/* ---- host.c ---- */

uint64_t host_wall_s(const struct vx6_host *h);
uint64_t host_wall_ms(const struct vx6_host *h);
/** Its part of those that all services may have: who visits one of them takes no place from another, and cannot see so that both are ours. */
uint32_t host_sessions_max(const struct host_service *s);
struct host_service *host_find(const struct vx6_host *h, uint64_t scope);
/** All that may be due is looked at before the loop sleeps. */
void host_wake(struct host_service *s);
void host_event(const struct host_service *s, enum vx6_host_news what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Something to be published has changed. */
void host_dirty(struct host_service *s);
/** The same, and it is who may come in. */
void host_admits(struct host_service *s);
/** The first introduction point is there, or the last one is gone. */
void host_reconsider(struct host_service *s);
/** A descriptor was handed out. */
void host_is_out(struct host_service *s);

/* ---- host_ops.c ---- */

extern const struct vx6_host_ops host_circuit_ops;

/* ---- host_intro.c ---- */

void host_intros_run(struct host_service *s, uint64_t now, uint64_t *due);
void host_intro_free(struct host_intro *i, const char *why);
/** A path of it is up; or its last one is down. */
void host_intro_up(struct host_intro *i);
void host_intro_down(struct host_intro *i, const char *why);
/** No relay can be found for it: it goes, and the set is smaller for a while. */
void host_intro_too_few(struct host_intro *i, const char *why);
bool host_intro_is_up(const struct host_intro *i);
/** No other one has a relay, or is on the way to one. */
bool host_intro_is_only(const struct host_intro *i);
/** Another one is to take its place. */
void host_intro_retire(struct host_intro *i, const char *why);
void host_intros_rotate(struct host_service *s, const char *why);
/** Those that a descriptor names: active ones first. @return how many */
size_t host_intros_listed(struct host_service *s, struct host_intro *out[static VX6_HS_INTROS_MAX]);
/** A seal was opened: it may have served for long enough. */
void host_intro_used(struct host_intro *i);
/** One more has come. @return false: that is more than it was told to let through, all that may happen on the way allowed for */
bool host_intro_keeps_word(struct host_intro *i);
/** It goes at once, for it does not keep its word. @return false: too many went lately, or it was come back to for want of others, and it stays; else it is freed */
bool host_intro_leave(struct host_intro *i);

/* ---- host_path.c ---- */

/** @return false: its introduction point is gone */
bool host_path_run(struct host_path *p, uint64_t now, uint64_t *due);
void host_path_close(struct host_path *p, const char *why);

/* ---- host_key.c ---- */

void host_key_new(struct host_key *k);
void host_key_free(struct host_key *k);
/** A new key takes over, the one in use stays as the one before. */
void host_key_rotate(struct host_intro *i);

/* ---- host_publish.c ---- */

/** The periods are those of now. */
void host_periods_update(struct host_service *s);
/** Whether a client may still go by that period. */
bool host_period_is_good(const struct vx6_host *h, uint64_t period);
void host_publish_run(struct host_service *s, uint64_t now, uint64_t *due);

/* ---- host_introduce.c ---- */

void host_introduce(struct host_path *p, const uint8_t *data, size_t n);
/** Counts it, and tells now and then. */
void host_refuse(struct host_service *s, enum vx6_host_refusal why);

/* ---- host_queue.c ---- */

/** Takes @p g, or tells who is left out. */
void host_queue_add(struct host_service *s, struct host_guest *g);
/** @return the next one, owned; NULL: nobody waits */
struct host_guest *host_queue_take(struct host_service *s);
void host_queue_run(struct host_service *s, uint64_t now, uint64_t *due);
void host_queue_clear(struct host_service *s);
/** That client, who may not come in any more, waits no more. @param client uid; 0: nobody in particular */
void host_queue_leave(struct host_service *s, uint64_t client, enum vx6_host_refusal why);
void host_guest_free(struct host_guest *g);

/* ---- host_pow.c ---- */

void host_pow_start(struct host_service *s);
void host_pow_free(struct host_service *s);
void host_pow_run(struct host_service *s, uint64_t now, uint64_t *due);
/** Whether it claims as much as clients are asked for. One that does not is as none: its effort counts for nothing, and it is not remembered. */
bool host_pow_is_enough(const struct host_service *s, const uint8_t pow[static VX6_HS_POW]);
/** @return VX6_HOST_REFUSED_NONE: @p effort is proved */
enum vx6_host_refusal host_pow_check(struct host_service *s, const uint8_t pow[static VX6_HS_POW],
				     uint32_t *effort);
/** Whether one more seal may be opened that came without a proof. */
bool host_pow_unproved(struct host_service *s);
/** It may not: proofs are to be asked for, soon. */
void host_pow_overrun(struct host_service *s);

/* ---- host_clients.c ---- */

/** The keys that a descriptor is for. @return how many */
size_t host_clients_keys(const struct host_service *s,
			 uint8_t out[static VX6_HS_CLIENTS_MAX][VX6_HOST_KEY]);
/** Whose time is over is not named by the next descriptor, and goes. */
void host_clients_run(struct host_service *s, uint64_t now, uint64_t *due);
/** Who came in while everybody might goes, too: who has a key comes again with it. */
void host_clients_close(struct host_service *s);
bool host_client_is_expired(const struct host_service *s, const struct host_client *c);
struct host_client *host_client_by_uid(struct host_service *s, uint64_t uid);
/** An invite is exchanged for a client of this key, or was before. @param out set on success */
enum vx6_host_refusal host_client_enrol(struct host_service *s, struct host_client *invite,
					const uint8_t pk[static VX6_HOST_KEY],
					struct host_client **out);
/** It came in. */
void host_client_seen(struct host_service *s, struct host_client *c);

/* ---- host_known.c ---- */

/** What an introduction was opened with. */
struct host_opened {
	struct host_key *key;
	const struct host_period *period;
	const uint8_t *plain;
	const struct vx6_introduce *what;
	size_t mac_at;
};
/** @param client set on success: its uid, 0: nobody in particular */
enum vx6_host_refusal host_known(struct host_service *s, const struct host_opened *o,
				 uint64_t *client);

/* ---- host_meet.c ---- */

/** Takes @p g. */
void host_meet_begin(struct host_service *s, struct host_guest *g);
void host_meets_run(struct host_service *s, uint64_t now, uint64_t *due);
/** Ends the sessions of that client. @param uid 0: of nobody in particular @param why static, for the owner: the other end hears the same of all */
void host_meets_end(struct host_service *s, uint64_t uid, const char *why);
/** Closes and frees all. */
void host_meets_free(struct host_service *s);

#endif
