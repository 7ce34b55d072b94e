/**
 * @file keep_internal.h
 * The keeper: records of our own, each with the nodes that hold it.
 *
 * Layer:   dht
 * Threads: one thread drives it
 *
 * A round looks for the nodes nearest to the key, gives the record to as many as are wanted, and reads it back from each:
 *
 *     due --> looking --> putting --> over --> (next round: on renewal, when holders are lost, when it stayed incomplete)
 *
 * A holder in it:
 *
 *     ASKED --put--> STORED --read back--> PROVED --audit: not there--> ASKED
 *       +---------------+--------------------+--no answer, refused, a lie--> FAILED: the next nearest takes its place
 */
#ifndef VX6_DHT_KEEP_INTERNAL_H
#define VX6_DHT_KEEP_INTERNAL_H

#include "base/list.h"
#include "crypto/hash.h"
#include "dht/dht_internal.h"

enum {
	KEEP_AUDIT_MS = 15 * 60 * 1000,    /* one holder at random is asked for the record */
	KEEP_AUDIT_MIN_MS = 2 * 60 * 1000, /* when holders come and go */
	KEEP_TOKEN_MS = 5 * 60 * 1000,     /* for how long a token is surely good */
	KEEP_LOOKUPS_MAX = 4,              /* rounds that are looking, of all records */
	KEEP_GROWTH_MS = 10 * 1000,        /* between rounds that only use new nodes */
	KEEP_SETTLE_MS = 1000,             /* new nodes come in crowds */
	KEEP_LOST = 3,           /* holders that do not answer any more: a new round at once */
	KEEP_STRANGERS_MAX = 16, /* records of others that wait for the callback */
	KEEP_SEEN = 32,          /* and that have been reported */
};

enum keep_state { KEEP_ASKED, KEEP_STORED, KEEP_PROVED, KEEP_FAILED };
enum keep_audit { KEEP_AUDIT_NONE, KEEP_AUDIT_ONE, KEEP_AUDIT_ALL };
enum keep_phase { KEEP_IDLE, KEEP_LOOKS, KEEP_PUTS, KEEP_READS, KEEP_AUDITS };

struct keep_holder {
	struct vx6_dht_kept *k;
	struct vx6_list node;
	struct vx6_dht_contact contact;
	uint8_t token[VX6_DHT_TOKEN_BYTES];
	uint64_t token_ms; /* 0: none */
	uint64_t query;    /* 0: none */
	uint8_t path; /* that found it, where paths are led: it is given the record there; else VX6_DHT_NO_PATH */
	uint8_t asked; /* path of the query */
	uint8_t state; /* enum keep_state, of the present record */
	uint8_t phase; /* enum keep_phase */
	bool chosen;   /* in this round; else it only got the newer record */
	bool done;     /* in this round */
	bool again;    /* its token was refused once */
};

/** Another one's record under our key, waiting for the callback. */
struct keep_stranger {
	struct vx6_list node;
	size_t n;
	uint8_t record[];
};

struct vx6_dht_kept {
	struct vx6_dht *d;
	struct vx6_list node;
	struct vx6_dht_key key;
	uint8_t *record; /* owned */
	size_t n;
	uint8_t type;
	uint8_t subject[VX6_NODE_ID_BYTES];
	uint64_t seq, expires_s;

	void (*changed)(void *user, const struct vx6_dht_kept *k);
	void (*clash)(void *user, const uint8_t *record, size_t n);
	void *user;
	bool dirty; /* `changed` is to be called */
	struct vx6_list strangers;
	uint32_t strangers_n, seen_n;
	struct vx6_hash *seen; /* KEEP_SEEN of them once there is one */

	struct vx6_list holders;
	struct vx6_dht_contact candidate[VX6_DHT_K]; /* nearest first */
	uint8_t candidate_token[VX6_DHT_K][VX6_DHT_TOKEN_BYTES];
	uint8_t candidate_path[VX6_DHT_K];
	size_t candidates_n, candidate_next;
	uint64_t candidates_ms; /* when they were found */
	uint32_t wanted;

	bool in_round, to_look; /* to_look: its lookup waits for its turn */
	bool recheck;           /* in this round, or the next: those that had it are asked too */
	uint8_t audit;          /* enum keep_audit */
	unsigned lost;          /* chosen ones that failed, when they were last counted */
	unsigned tries;         /* rounds in a row that stayed incomplete */
	struct vx6_dht_lookup *lookup;
	vx6_err lookup_err;          /* of this round */
	uint64_t round_ms, audit_ms; /* next ones; UINT64_MAX: none */
	uint64_t growth_ms;          /* no round for the sake of new nodes before */
	uint32_t round_contacts;     /* of the table, when the last round began */
	uint32_t audit_every_ms;

	uint64_t given_ms, proved_ms;
	uint32_t took_ms;
	bool complete; /* as many have proved it as are wanted */
	vx6_err last_err;
};

struct dht_keeper {
	struct vx6_list all;
	uint32_t n, lookups;
	uint32_t contacts; /* of the table, when it was last looked at */
	uint64_t grown_ms; /* when to look what came in; 0: nothing did */
};

/* ---- keep.c ---- */

/** A holder has ended what it was about: the round, or the audit, may be over. Frees holders that are not wanted any more. */
void vx6_dht_keep_settle(struct vx6_dht_kept *k);
/** Looks for holders, or has one under way. */
bool vx6_dht_keep_is_busy(const struct vx6_dht_kept *k);
/** The next nearest node becomes a holder. @return false: none is left */
bool vx6_dht_keep_choose_next(struct vx6_dht_kept *k);

/* ---- keep_holder.c ---- */

struct keep_holder *vx6_dht_keep_holder_new(struct vx6_dht_kept *k,
					    const struct vx6_dht_contact *c);
void vx6_dht_keep_holder_free(struct keep_holder *h);
struct keep_holder *vx6_dht_keep_holder_find(const struct vx6_dht_kept *k,
					     const struct vx6_node_id *node);
/** Brings the record there and reads it back; what is already so is only checked. Ends whatever was under way. */
void vx6_dht_keep_holder_go(struct keep_holder *h);
/** Asks whether it is still there. */
void vx6_dht_keep_holder_audit(struct keep_holder *h);

#endif
