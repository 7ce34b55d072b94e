/**
 * @file lookup_internal.h
 * A lookup, as its files share it: candidates and paths, answers and values, beginning and end.
 *
 * Layer:   dht
 * Threads: one thread drives it
 *
 * Paths are disjoint in whom they ask and in what they believe: a path goes only where its own answers (and its seeds) lead, and whom one
 * path has asked no other asks again. A liar who was asked leads one path astray. Where others lead the paths (io.guides) each is for itself: what
 * one of them says of whom it asked is no reason for another path not to ask there.
 */
#ifndef VX6_DHT_LOOKUP_INTERNAL_H
#define VX6_DHT_LOOKUP_INTERNAL_H

#include "base/list.h"
#include "dht/dht_internal.h"

enum {
	CANDIDATES_MAX = 512,  /* of a lookup; the nearest stay */
	PATH_QUERIES_MAX = 40, /* of a path */
	LOOKUP_MS = 8000,      /* then it ends with what it has; once more after widening */
	IN_FLIGHT = 2,         /* of a path, slow ones not counted */
	IN_FLIGHT_CHURN = 3,   /* when many do not answer */
	IN_FLIGHT_WHOLE =
		5, /* once it stands before its key, when all around it are wanted anyway */
	IN_FLIGHT_NEWEST =
		8, /* of WANT_NEWEST, whose user waits for all of them; half of that on the way */
	FOUND_MAX = 64,                              /* subjects under one key */
	VOICES_MAX = 64,                             /* holders of one subject's record */
	CHECKS_MAX = 256,                            /* signatures verified for one lookup */
	LED_CHECKS_MAX = CHECKS_MAX / VX6_DHT_PATHS, /* for one path that others lead */
	LED_CANDIDATES_MAX = CANDIDATES_MAX / VX6_DHT_PATHS_MAX, /* and of such a one */
	FROM_TABLE = UINT16_MAX,
};

enum cand_state {
	CAND_NEW,
	CAND_ASKED,
	CAND_SLOW, /* the soft timeout has passed: another one is asked meanwhile */
	CAND_LATE, /* nobody waits for it any more; an answer is still welcome */
	CAND_ANSWERED,
	CAND_FAILED,
};

struct dht_cand {
	struct vx6_dht_contact contact;
	struct vx6_dht_key pos;
	uint64_t distance; /* first 64 bits */
	uint64_t query, sent_ms;
	uint16_t soft_ms;
	uint16_t from;    /* index of who named it first, or FROM_TABLE */
	uint8_t heard_by; /* bit n: path n may go there */
	uint8_t path;     /* that asked it */
	uint8_t state;    /* enum cand_state */
	uint8_t misled;   /* of those it named: how many did not answer */
	uint8_t led;      /* and how many did */
	bool warm, doubtful, refused;
	uint8_t token[VX6_DHT_TOKEN_BYTES];
};

struct dht_path {
	uint8_t in_flight;
	uint8_t queries, answers;
	unsigned checks;  /* led: of its answers' records */
	uint64_t guide;   /* who leads it; 0: nobody yet */
	uint64_t nearest; /* distance of the nearest that answered */
	bool reseeded, done, whole;
};

/* The newest record of a subject, and who told of it. */
struct dht_voice {
	uint16_t cand; /* FROM_TABLE: ourselves */
	bool exact;    /* gave just these bytes */
	uint32_t age_s;
};
struct dht_found {
	uint8_t type;
	struct vx6_node_id subject;
	uint64_t seq;
	uint8_t *bytes; /* owned */
	size_t n;
	struct dht_voice voice[VOICES_MAX];
	size_t voices_n;
};

struct vx6_dht_lookup {
	struct vx6_list node;
	struct vx6_dht *d;
	struct vx6_dht_ask ask;
	vx6_dht_done_cb *done;
	void *user;
	uint64_t began_ms, until_ms, due_ms;
	uint64_t whole_ms; /* when the first path was whole; 0: none is */

	struct dht_cand *cand;
	uint16_t cands_n, cands_room;
	uint16_t order[CANDIDATES_MAX]; /* indices of cand, nearest first */

	struct dht_path path[VX6_DHT_PATHS_MAX];
	uint8_t paths;
	bool widened, ended;

	struct dht_found *found;
	size_t found_n;
	unsigned checks;

	uint32_t queries, answers, timeouts;
	uint64_t bytes_out, bytes_in;
};

/* ---- lookup_cand.c: who could be asked, and who is next ---- */

/** @param from index of who named it, or FROM_TABLE @return false: of no use, or already as far as @p path is concerned */
bool vx6_dht_cand_add(struct vx6_dht_lookup *l, const struct vx6_dht_contact *c, uint8_t path,
		      uint16_t from, bool doubtful);
/**
 * Whom @p path asks next.
 * @param pending out: one of its nearest has not answered yet @return index, or -1: nobody
 */
int vx6_dht_cand_next(const struct vx6_dht_lookup *l, uint8_t path, bool *pending);
/** Whether the @p n nearest whom @p path may ask, and who are not slow, have answered. */
bool vx6_dht_cand_heard(const struct vx6_dht_lookup *l, uint8_t path, unsigned n);
/** Deals contacts of the table to the paths from @p first on. @return how many */
size_t vx6_dht_cand_seed(struct vx6_dht_lookup *l, uint8_t first, uint8_t paths);
/** Somebody else leads @p path: whom the one before has brought no answer of is to be asked again. */
void vx6_dht_cand_again(struct vx6_dht_lookup *l, uint8_t path);
/** It answered or failed: whoever named it is judged by that. */
void vx6_dht_cand_judge(struct vx6_dht_lookup *l, const struct dht_cand *c, bool answered);

/* ---- lookup_value.c: what answers say ---- */

/** Takes the nodes and the values of an answer in. @return how many of the nodes are closer than who named them */
void vx6_dht_take_answer(struct vx6_dht_lookup *l, uint16_t cand, struct vx6_dht_resp *resp,
			 struct vx6_dht_trace *t);
/** @param cand who gave it; FROM_TABLE: ourselves */
void vx6_dht_take_value(struct vx6_dht_lookup *l, uint16_t cand, uint32_t age_s,
			const uint8_t *record, size_t n);
/** How many paths gave just these bytes. */
unsigned vx6_dht_found_paths(const struct vx6_dht_lookup *l, const struct dht_found *f);
/** The newest record of the type that was asked for. @return NULL: none yet */
const struct dht_found *vx6_dht_found_best(const struct vx6_dht_lookup *l);
/** @param out FOUND_MAX @return how many */
size_t vx6_dht_found_values(const struct vx6_dht_lookup *l, struct vx6_dht_value *out);

/* ---- lookup_after.c ---- */

/** What a reader does for the next one: holders of older records get the newest, and a popular record comes to lie nearer. */
void vx6_dht_lookup_leave_better(struct vx6_dht_lookup *l);

/* ---- lookup_run.c ---- */

/** Asks whoever is next. The end itself comes in vx6_dht_step(), so that what arrives at the same moment counts. */
void vx6_dht_lookup_run(struct vx6_dht_lookup *l);
/** Paths that came to their end, and had answers. */
uint8_t vx6_dht_lookup_converged(const struct vx6_dht_lookup *l);
/** Paths that had answers. */
uint8_t vx6_dht_lookup_heard(const struct vx6_dht_lookup *l);
/** Paths on which as many have answered, of those nearest to the key, as hold a record. */
uint8_t vx6_dht_lookup_whole(const struct vx6_dht_lookup *l);

/* ---- lookup_end.c ---- */

/** Calls back, and frees it. */
void vx6_dht_lookup_end(struct vx6_dht_lookup *l);

/* ---- lookup.c ---- */

/** No answer reaches it any more; the queries themselves go on, for the table's sake. */
void vx6_dht_lookup_detach(struct vx6_dht_lookup *l);
void vx6_dht_lookup_free(struct vx6_dht_lookup *l);

#endif
