/**
 * @file host.h
 * Hidden services that are hosted here: their introduction points, descriptors, who may come in, and the meetings with those who do.
 *
 * Spec:    docs/concepts.md (hidden services)
 * Layer:   hidden
 * Shape:   a *service* is a second identity, named by its scope (the number its sessions carry). It keeps a set of *introduction points*, active and
 *          standby, each reached over two circuits through different guards; publishes a *descriptor* that names them; and answers an
 *          introduction by a circuit to the rendezvous it names, where a session of that identity is adopted
 * Trust:   everything that comes in an INTRODUCE2 is hostile. It is looked at in this order, the cheapest first, and one that falls leaves nothing
 *          behind but a count: form, replay, proof of work, seal, key epoch, client, place in the queue. None of this shows on the wire
 * Bounds:  VX6_HOST_SERVICES_MAX services; of each: the sets of what was seen (exact, they never evict: the key is changed before they are full), a queue
 *          of VX6_HOST_QUEUE_MAX, VX6_HOST_BUILDS_MAX rendezvous under way, `sessions_max` that are up
 * Threads: the loop's thread
 * Upcalls: never from inside a call down, but for `changed`, `event` and `publish`, which must not call back
 */
#ifndef VX6_HIDDEN_HOST_H
#define VX6_HIDDEN_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit/bare.h"
#include "circuit/circuits.h"
#include "identity/identity.h"
#include "loop/loop.h"
#include "session/session.h"
#include "wire/label.h"

enum {
	VX6_HOST_SERVICES_MAX = 64,
	VX6_HOST_KEY = 32, /* X25519 */
	VX6_HOST_ID = 8,   /* of a client */
	VX6_HOST_INTROS =
		3, /* active introduction points, and standby ones, where there are relays enough */
	VX6_HOST_STANDBYS = 2,
	VX6_HOST_INTROS_MAX = 12, /* with those that are on their way out */
	VX6_HOST_CLIENTS_MAX =
		31, /* that may come in, and invites that may still be used: a descriptor names them, and a key of our own to dial with */
	VX6_HOST_REVOKED_MAX = 64, /* kept to know them again */
	VX6_HOST_QUEUE_MAX = 256,
	VX6_HOST_BUILDS_MAX = 16,
	VX6_HOST_SESSIONS_MAX = 512, /* unless the owner says otherwise */
	VX6_HOST_HISTORY = 64,
	VX6_HOST_RATE = 25, /* introductions a second that an introduction point lets through */
	VX6_HOST_BURST = 200,
	VX6_HOST_DETAIL = 192,
	VX6_HOST_GUARDS = 8,
	VX6_HOST_SEQS = 2,
};

struct vx6_host;

/* ---- what a service is ---- */

/** The last sequence number that a descriptor of this period carried. */
struct vx6_host_seq {
	uint64_t period, seq;
};

/** What the owner sets. Holds a secret: wipe it. */
struct vx6_host_spec {
	uint64_t scope; /* not 0; no other service has it */
	char alias[VX6_LABEL_TEXT];
	uint8_t seed[VX6_SIGN_SEED_BYTES]; /* of the service key */
	bool fast;                         /* two relays before X on our side, not three */
	bool closed;                       /* only clients whose keys are known come in */
	bool no_pow;                       /* ask for no proof of work, whatever the load */
	uint32_t rate;                     /* 0: VX6_HOST_RATE */
	uint32_t burst;                    /* 0: VX6_HOST_BURST */
	uint32_t sessions_max;             /* 0: VX6_HOST_SESSIONS_MAX */
	struct vx6_host_seq
		seq[VX6_HOST_SEQS]; /* as `changed` last told; of a new service: this period, 0 */
};

enum vx6_host_client_kind { VX6_HOST_CLIENT, VX6_HOST_INVITE };

/** One who may come in, or could. */
struct vx6_host_client {
	enum vx6_host_client_kind kind;
	uint8_t id[VX6_HOST_ID]; /* what the owner knows it by: a hash of its key */
	uint8_t pk[VX6_HOST_KEY];
	char name[VX6_LABEL_TEXT];     /* the owner's word for it; may be empty */
	uint64_t created_s, expires_s; /* 0: never */
	uint32_t uses_max;             /* INVITE; 0: any number */
	uint32_t uses;                 /* INVITE: exchanged so often; CLIENT: introductions */
	uint64_t seen_s;               /* a whole hour; 0: never */
	bool revoked;
	uint8_t invited_by[VX6_HOST_ID]; /* CLIENT: the invite it came by; zero: none */
};

/* ---- why an introduction was not followed; told to nobody but the owner ---- */

/* X(symbol, name, text) */
/* clang-format off */
#define VX6_HOST_REFUSAL_MAP(X)                                                                    \
	X(NONE, "none", "accepted") \
	X(FORMAT, "format", "malformed") \
	X(REPLAY, "replay", "it was here before") \
	X(PROOF, "bad_proof", "the proof of work is wrong") \
	X(PROOF_REPLAY, "proof_replay", "the proof of work was used before") \
	X(PROOF_STALE, "stale_proof", "the proof of work is for a seed that is no longer valid") \
	X(UNPROVED, "unproved", "too many come without a proof of work") \
	X(SEAL, "seal", "not made for this introduction point's key") \
	X(EPOCH, "key_epoch", "made for a period that is over") \
	X(KEY_FULL, "key_full", "the key has served as often as it may") \
	X(AUTH_MISSING, "auth_missing", "the client shows no key") \
	X(AUTH_KEY, "client_key", "wrong client key") \
	X(REVOKED, "client_revoked", "the client was revoked") \
	X(EXPIRED, "client_expired", "the client's time is over") \
	X(INVITE_REVOKED, "invite_revoked", "the invite was revoked") \
	X(INVITE_EXPIRED, "invite_expired", "the invite has expired") \
	X(INVITE_USED, "invite_used_up", "the invite is used up") \
	X(INVITE_KEY, "invite_key", "an invite is no client key, nor the other way round") \
	X(CLIENTS_FULL, "clients_full", "there is no room for one more client") \
	X(QUEUE, "queue_full", "the queue is full of those with more effort") \
	X(TOO_OLD, "too_old", "it waited too long") \
	X(SESSIONS, "sessions", "as many sessions are up as may be") \
	X(DRAINING, "draining", "shutting down")
/* clang-format on */

enum vx6_host_refusal {
#define X(symbol, name, text) VX6_HOST_REFUSED_##symbol,
	VX6_HOST_REFUSAL_MAP(X)
#undef X
		VX6_HOST_REFUSALS
};
/** Static, snake_case, for machines. */
const char *vx6_host_refusal_name(enum vx6_host_refusal why);
/** Static, for people. */
const char *vx6_host_refusal_text(enum vx6_host_refusal why);

/* ---- what others do for it ---- */

enum vx6_host_news {
	VX6_HOST_READY,     /* a dial through the network reached it */
	VX6_HOST_NOT_READY, /* none does any more */
	VX6_HOST_INTRO_UP,
	VX6_HOST_INTRO_DOWN,
	VX6_HOST_INTRO_PROMOTED,
	VX6_HOST_INTRO_ROTATED,
	VX6_HOST_PUBLISHED, /* a descriptor was handed to `publish` */
	VX6_HOST_REND_UP,
	VX6_HOST_REND_FAILED,
	VX6_HOST_REND_DOWN,
	VX6_HOST_EFFORT,   /* what is asked of clients has changed */
	VX6_HOST_ENROLLED, /* an invite was exchanged for a client */
	VX6_HOST_REFUSED, /* an introduction; the text says why. At most one a second of a reason */
	VX6_HOST_WARNING, /* e.g. too few relays */
};
/** Static, snake_case. */
const char *vx6_host_news_name(enum vx6_host_news what);

/** One descriptor. Borrowed for the call. */
struct vx6_host_record {
	uint64_t period, seq;
	const uint8_t *bytes;
	size_t n;
};

/** What `changed` tells: exactly one of the two is set. */
struct vx6_host_change {
	uint64_t scope;
	const struct vx6_host_client *client; /* as it is now */
	bool removed;                         /* that client: for good */
	const struct vx6_host_seq
		*seq; /* VX6_HOST_SEQS of them; to be stored before the descriptor is out */
};

struct vx6_host_config;
/** Circuits as far as they are needed here; tests bring their own. NULL in the config: those of circuit/circuits.h. */
struct vx6_host_ops {
	/** vx6_bare_begin() */
	VX6_RES (*begin)(const struct vx6_host_config *cfg, const struct vx6_bare_want *want,
			 const struct vx6_bare_events *ev, void *user, struct vx6_bare **out,
			 char detail[static VX6_CIRCUIT_WHY]);
	VX6_RES (*say)(struct vx6_bare *b, uint8_t type, const void *data, size_t n);
	/** The binding of the circuit: what an ESTABLISH_INTRO is made for. */
	bool (*binding)(struct vx6_bare *b, uint8_t out[static VX6_CB_BYTES]);
	const struct vx6_node_id *(*last)(const struct vx6_bare *b);
	const struct vx6_node_id *(*guard)(const struct vx6_bare *b);
	const char *(*id)(const struct vx6_bare *b);
	/** vx6_bare_first_lost() */
	bool (*first_lost)(const struct vx6_bare *b);
	void (*close)(struct vx6_bare *b, const char *why);
	/** Joins as acceptor, and adopts the link with the other end. */
	VX6_RES (*accept)(const struct vx6_host_config *cfg, struct vx6_bare *b,
			  const struct vx6_circuit_join *join, const struct vx6_adopt *how,
			  struct vx6_session **out);
	void (*disown)(struct vx6_session *s);
	/** vx6_session_streams() */
	size_t (*streams)(const struct vx6_session *s);
	/** Says why, and ends it. */
	void (*hang_up)(struct vx6_session *s, vx6_err why);
};

struct vx6_host_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_circuits *circuits;
	struct vx6_sessions *sessions;
	const struct vx6_net *net;
	const struct vx6_host_ops *ops; /* NULL: as above */
	/** The wall clock, s. Optional. */
	uint64_t (*wall_s)(void *user);
	/** How many relays are known that could be of use: the size of the sets follows. */
	size_t (*relays)(void *user);
	/** Our guards and the relays behind them: no introduction points, if it can be helped. Optional. @return how many */
	size_t (*guards)(void *user, struct vx6_node_id out[static VX6_HOST_GUARDS]);
	/** Puts these descriptors in the place of all earlier ones of the service: of this period, first, and of its neighbour while it is near. None: nothing is put out any more; what is out is there until it expires */
	void (*publish)(void *user, uint64_t scope, const struct vx6_host_record *rec, size_t n);
	/** Asks the network for the newest descriptor of ours; vx6_host_own_seq() follows, never from inside. Optional. @return false: it cannot */
	bool (*own_seq)(void *user, uint64_t scope, const struct vx6_node_id *service,
			uint64_t period);
	/**
	 * Dials the service through the network, as a client does; vx6_host_dialed() follows, never from inside. Optional: then it counts as ready
	 * once it is published.
	 * @param client_sk X25519 secret, 32 bytes: a client's that is let in, whoever else is
	 */
	void (*dial)(void *user, uint64_t scope, const struct vx6_node_id *service,
		     const uint8_t *client_sk);
	/** To be stored. Optional. */
	void (*changed)(void *user, const struct vx6_host_change *what);
	/** Optional. @param text for people, of no names but our own */
	void (*event)(void *user, uint64_t scope, enum vx6_host_news what, const char *text);
	/** Optional: a session of the service is up, or gone. */
	void (*session)(void *user, uint64_t scope, struct vx6_session *s, bool up);
	void *user;
};

/** @param cfg copied @return owned; vx6_host_free() */
struct vx6_host *vx6_host_new(const struct vx6_host_config *cfg);
/**
 * Ends what is left, before the circuits are freed or after. The loop does not run again before the sessions are freed, for they speak in the services'
 * names. Accepts NULL.
 */
void vx6_host_free(struct vx6_host *h);
/** Takes no more introductions, withdraws all descriptors; sessions that are up go on. */
void vx6_host_drain(struct vx6_host *h);

/* ---- services ---- */

/**
 * Begins to host. The spec's clients are given by vx6_host_client_load() before the loop is returned to.
 * @param spec copied @return VX6_OK | INVALID | EXISTS (scope, or key) | FULL | DRAINING
 */
VX6_RES vx6_host_add(struct vx6_host *h, const struct vx6_host_spec *spec);
/** What may change of one that is hosted: all but scope and seed. Once it is closed, the sessions of those who came without a key end. @return VX6_OK | NOT_FOUND | INVALID */
VX6_RES vx6_host_set(struct vx6_host *h, const struct vx6_host_spec *spec);
/** Ends its sessions, leaves its introduction points, puts out no descriptor any more. @return VX6_OK | NOT_FOUND */
VX6_RES vx6_host_remove(struct vx6_host *h, uint64_t scope);
/** New introduction points, with new keys, in the place of all there are; the old ones go once the new ones are published. @return VX6_OK | NOT_FOUND */
VX6_RES vx6_host_rotate(struct vx6_host *h, uint64_t scope);

/** What own_seq() asked for. @param seq 0: there is none */
void vx6_host_own_seq(struct vx6_host *h, uint64_t scope, uint64_t period, uint64_t seq);
/** What publish() was given last did not go out: another descriptor is made, later. May come from inside. */
void vx6_host_unpublished(struct vx6_host *h, uint64_t scope);
/** How dial() went. @param detail for people; may be NULL */
void vx6_host_dialed(struct vx6_host *h, uint64_t scope, vx6_err err, const char *detail);
/** Own addresses changed, or relays became known: what failed may be tried at once. */
void vx6_host_moved(struct vx6_host *h);

/* ---- clients ---- */

/** One that was stored. @return VX6_OK | NOT_FOUND | EXISTS | FULL | INVALID */
VX6_RES vx6_host_client_load(struct vx6_host *h, uint64_t scope, const struct vx6_host_client *c);
/** A client that gave us its public key. @param name may be empty @param out optional @return VX6_OK | NOT_FOUND | EXISTS | FULL | INVALID (key, name) */
VX6_RES vx6_host_client_add(struct vx6_host *h, uint64_t scope, const char *name,
			    const uint8_t pk[static VX6_HOST_KEY], uint64_t expires_s,
			    struct vx6_host_client *out);
/**
 * A key to be exchanged for one of the client's own.
 * @param secret the invite's key: to be given away, kept nowhere here @param expires_s 0: never @param uses 0: any number
 * @return VX6_OK | NOT_FOUND | FULL | INVALID (name, in the past)
 */
VX6_RES vx6_host_invite(struct vx6_host *h, uint64_t scope, const char *name, uint64_t expires_s,
			uint32_t uses, uint8_t secret[static VX6_HOST_KEY],
			struct vx6_host_client *out);
/** It comes in no more, and its sessions end, as they do when its time is over; an invite: nor is it exchanged any more, its clients stay. @return VX6_OK | NOT_FOUND */
VX6_RES vx6_host_revoke(struct vx6_host *h, uint64_t scope, const uint8_t id[static VX6_HOST_ID]);
/** Calls @p fn for each, oldest first; it returns false to stop. */
void vx6_host_clients_each(const struct vx6_host *h, uint64_t scope,
			   bool (*fn)(void *user, const struct vx6_host_client *c), void *user);

/* ---- to look at ---- */

enum vx6_host_state {
	VX6_HOST_STARTING,   /* no introduction point yet */
	VX6_HOST_PUBLISHING, /* introduction points, and a descriptor on its way out */
	VX6_HOST_CHECKING,   /* it is out; nobody has been let in yet */
	VX6_HOST_IS_READY,   /* a dial through the network reached it */
	VX6_HOST_CUT_OFF,    /* it was ready; there is no introduction point now */
	VX6_HOST_DRAINING,
};
/** "starting" | "publishing" | "checking" | "ready" | "cut_off" | "draining" */
const char *vx6_host_state_text(enum vx6_host_state state);

enum vx6_host_intro_state {
	VX6_HOST_INTRO_BUILDING,
	VX6_HOST_INTRO_ACTIVE,
	VX6_HOST_INTRO_STANDBY,
	VX6_HOST_INTRO_RETIRING, /* no descriptor names it any more; those who have an older one may still come */
};
/** "building" | "active" | "standby" | "retiring" */
const char *vx6_host_intro_state_text(enum vx6_host_intro_state state);

struct vx6_host_path_info {
	char circuit[VX6_CIRCUIT_ID_TEXT]; /* empty: none */
	bool up;
	bool has_guard;
	struct vx6_node_id guard;
	uint64_t up_wall_ms; /* 0: it is not */
	uint32_t failed;     /* in a row */
};
struct vx6_host_intro_info {
	struct vx6_node_id node;
	enum vx6_host_intro_state state;
	bool published;
	struct vx6_host_path_info path[2];
	uint64_t since_wall_ms, last_wall_ms, rotate_wall_s; /* last: introduction; 0: none */
	uint64_t introductions;                              /* that could be opened */
	uint32_t limit;                                      /* it is replaced after so many */
	uint32_t key_uses;                                   /* of the enc_key in use */
};
struct vx6_host_rend_info {
	uint64_t number;
	uint64_t wall_ms;
	struct vx6_node_id x; /* zero: none was tried */
	char circuit[VX6_CIRCUIT_ID_TEXT];
	char client[VX6_LABEL_TEXT];
	const char *state; /* static: "building" | "joining" | "up" | "closed" | "failed" */
	uint32_t effort;
	uint32_t waited_ms, took_ms; /* in the queue; until it was up */
	uint8_t tried;               /* rendezvous */
	uint64_t ended_wall_ms;
	vx6_err err;
};
struct vx6_host_info {
	uint64_t scope;
	char alias[VX6_LABEL_TEXT];
	struct vx6_node_id service;
	enum vx6_host_state state;
	char detail[VX6_HOST_DETAIL]; /* why it is not ready, or a warning; may be empty */
	bool fast, closed;
	uint32_t rate, burst;
	/* descriptor */
	uint64_t period, seq, published_wall_s;
	bool current;        /* nothing has changed since it was handed out */
	uint32_t revision_n; /* descriptors handed out since the start */
	/* introduction points */
	uint8_t active_want, standby_want, intros_n;
	struct vx6_host_intro_info intro[VX6_HOST_INTROS_MAX];
	size_t guards_n;
	struct vx6_node_id guard[VX6_HOST_GUARDS];
	/* load */
	uint32_t effort;           /* that clients are asked for */
	uint32_t queue, queue_top; /* how many wait; the most effort of them */
	uint32_t building, sessions, sessions_max;
	uint32_t clients, invites, revoked;
	uint64_t introductions, accepted, rendezvous_up, rendezvous_failed;
	uint64_t refused[VX6_HOST_REFUSALS];
	uint32_t rend_p50_ms;   /* introduction to session, of the history; 0: none */
	uint64_t ready_wall_ms; /* since when; 0: not */
};
/** @return VX6_OK | NOT_FOUND */
VX6_RES vx6_host_info(const struct vx6_host *h, uint64_t scope, struct vx6_host_info *out);
/** Calls @p fn for the rendezvous under way, up, and over, the latest first. */
void vx6_host_rends_each(const struct vx6_host *h, uint64_t scope,
			 bool (*fn)(void *user, const struct vx6_host_rend_info *r), void *user);
size_t vx6_host_count(const struct vx6_host *h);

#endif
