/**
 * @file dht.h
 * A distributed hash table of signed records: Kademlia with positions bound to addresses, disjoint lookup paths and diverse holders. A pure
 * step machine: no sockets, no clock, no randomness of its own.
 *
 * Spec:    schemas/wire/dht.md
 * Layer:   dht (may use: base wire crypto identity record)
 * Trust:   every answer and every request is hostile. Signatures give integrity; disjoint paths and prefix caps make withholding expensive;
 *          what a holder says of time is a vote among others
 * Memory:  tables grow with use and are capped; a node that has met nobody holds a few hundred bytes
 * Threads: one thread drives it
 */
#ifndef VX6_DHT_DHT_H
#define VX6_DHT_DHT_H

#include "dht/contact.h"
#include "dht/io.h"
#include "wire/record.h"

enum {
	VX6_DHT_K = 20,              /* contacts of a bucket, and of an answer */
	VX6_DHT_PATHS = 4,           /* disjoint paths of a lookup */
	VX6_DHT_PATHS_MAX = 8,       /* when lookups fail, or under attack */
	VX6_DHT_HOLDERS = 8,         /* who keep a record */
	VX6_DHT_HOLDERS_REGION = 20, /* under attack */
	VX6_DHT_STORED_MAX = 65536,  /* records a holder keeps for others */
};

/** What makes two holders, or two contacts asked, different enough. */
enum vx6_diversity {
	VX6_DIVERSITY_AUTO, /* PREFIX (and ASN when there is a map), but OFF for as long as every proved contact is private */
	VX6_DIVERSITY_OFF,    /* no caps */
	VX6_DIVERSITY_PREFIX, /* at most one of an IPv6 /48 or IPv4 /24 */
	VX6_DIVERSITY_ASN,    /* and at most two of an autonomous system */
};

struct vx6_dht;

struct vx6_dht_config {
	struct vx6_net net;
	struct vx6_node_id self;
	const struct vx6_dht_io *io; /* borrowed */
	void *user;                  /* handed to each slot of io */
	enum vx6_diversity diversity;
	uint32_t stored_max;       /* 0: VX6_DHT_STORED_MAX */
	uint32_t stored_bytes_max; /* 0: 32 MiB */
};

/** @return owned; vx6_dht_free() */
struct vx6_dht *vx6_dht_new(const struct vx6_dht_config *cfg);
/** Lookups under way and kept records end without a callback. Accepts NULL. */
void vx6_dht_free(struct vx6_dht *d);
/** Does what is due: timeouts, retries, refreshes, audits. Called when wake_at said so; calling it early is harmless. */
void vx6_dht_step(struct vx6_dht *d, const struct vx6_dht_now *now);
/** Who leads a path has come, or gone: lookups that wait for it go on. */
void vx6_dht_led(struct vx6_dht *d, const struct vx6_dht_now *now);

/**
 * Our own contact once others can reach us: from then on requests are served, and answers to us may name us. NULL: client only.
 * Changes of address move our position; records held stay until they expire.
 */
void vx6_dht_set_self(struct vx6_dht *d, const struct vx6_dht_contact *self,
		      const struct vx6_dht_now *now);

/* ---- who is there ---- */

enum vx6_dht_knowledge {
	VX6_DHT_HEARD, /* its signed endpoint record says so: a candidate, asked before it is believed */
	VX6_DHT_PROVED, /* it proved its id to us at an address of that prefix */
};
/** A node that serves the DHT. Its record has been verified by the caller. */
void vx6_dht_met(struct vx6_dht *d, const struct vx6_dht_contact *c, enum vx6_dht_knowledge how,
		 const struct vx6_dht_now *now);
/** It has stopped serving, moved, or was revoked: forgotten at once. */
void vx6_dht_remove(struct vx6_dht *d, const struct vx6_node_id *node,
		    const struct vx6_dht_now *now);

/* ---- requests of others ---- */

/** Who asks: proved by the session, or an address alone when the asker is anonymous. */
struct vx6_dht_requester {
	bool has_node;
	struct vx6_node_id node;
	uint8_t ip[16];
};
enum { VX6_DHT_RESPONSE_MAX = 16384 };
/** Serves one request; a malformed one is answered with its status too. @param out VX6_DHT_RESPONSE_MAX bytes @return bytes of the answer */
size_t vx6_dht_serve(struct vx6_dht *d, const struct vx6_dht_requester *from, const uint8_t *req,
		     size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX],
		     const struct vx6_dht_now *now);

/* ---- outcomes of io.query ---- */

void vx6_dht_answered(struct vx6_dht *d, uint64_t query, const uint8_t *resp, size_t n,
		      const struct vx6_dht_now *now);
void vx6_dht_failed(struct vx6_dht *d, uint64_t query, vx6_err why, const struct vx6_dht_now *now);

/* ---- lookups ---- */

enum vx6_dht_want {
	VX6_DHT_WANT_ONE, /* ends with the first record that verifies: types whose use proves them (endpoint, service) */
	VX6_DHT_WANT_BEST, /* goes on until two disjoint paths agree on the highest seq, or all converged */
	VX6_DHT_WANT_NEWEST, /* hears those out who should hold it, on all paths, but waits for no path much longer than the first one took */
	VX6_DHT_WANT_ALL, /* all subjects' records under the key, with what each holder says: name claims */
	VX6_DHT_WANT_NODES, /* the closest nodes; no values */
};

/** One record under the key: the newest of its (type, subject, slot) that any holder gave. */
struct vx6_dht_value {
	const uint8_t *record; /* verified; borrowed for the callback */
	size_t n;
	uint32_t holders;  /* who gave exactly these bytes */
	uint32_t prefixes; /* of how many different prefixes those are */
	uint32_t paths;    /* on how many disjoint paths they were met */
	uint32_t
		median_age_s; /* for how long they say they have held the first record of that subject */
};

struct vx6_dht_result {
	vx6_err err; /* OK | NOT_FOUND (final: enough paths converged) | UNREACHABLE (nobody answered) | TIMEOUT | NO_QUORUM's error for WANT_BEST */
	const struct vx6_dht_value *value;
	size_t values_n;
	const struct vx6_dht_contact
		*closest; /* WANT_NODES: closest first, within the caps in force */
	size_t closest_n;
	uint32_t queries, answers, timeouts; /* what it cost */
	uint32_t holders_asked;  /* of those closest to the key: how many answered at all */
	uint32_t prefixes_asked; /* of how many prefixes they are */
	uint8_t paths, converged;
	uint8_t heard; /* paths that had any answer */
	uint8_t whole; /* and those on which everybody was heard who should hold a record */
	uint32_t ms;
	uint64_t bytes_out, bytes_in; /* requests and answers, without the transport's */
};
typedef void vx6_dht_done_cb(void *user, const struct vx6_dht_result *r);

enum vx6_dht_step_kind {
	VX6_DHT_STEP_ASKED,
	VX6_DHT_STEP_ANSWERED,
	VX6_DHT_STEP_SLOW, /* the soft timeout: another one is asked meanwhile */
	VX6_DHT_STEP_FAILED,
	VX6_DHT_STEP_WIDENED, /* more paths from here on */
};
struct vx6_dht_trace {
	enum vx6_dht_step_kind kind;
	uint32_t at_ms;  /* since the lookup began */
	uint32_t rtt_ms; /* ANSWERED */
	uint8_t path;
	bool warm;
	struct vx6_dht_contact peer;
	unsigned bits; /* its position shares with the key */
	uint8_t nodes, closer,
		values; /* ANSWERED: in the answer; how many of the nodes were closer than it */
	vx6_err err;    /* FAILED */
};

struct vx6_dht_lookup;
struct vx6_dht_ask {
	struct vx6_dht_key key;
	enum vx6_dht_want want;
	uint8_t type; /* enum vx6_rtype: only such a record ends the lookup, others are given beside it; 0: any */
	uint8_t paths; /* 0: as the state of the network asks for */
	/** Optional: each step, as it happens. */
	void (*trace)(void *user, const struct vx6_dht_trace *t);
};
/** @param done fires once, never inside this call, unless cancelled @return owned until then; NULL: too many are under way */
struct vx6_dht_lookup *vx6_dht_look(struct vx6_dht *d, const struct vx6_dht_ask *ask,
				    vx6_dht_done_cb *done, void *user,
				    const struct vx6_dht_now *now);
void vx6_dht_lookup_cancel(struct vx6_dht_lookup *l);
/** The newest that it has come upon so far; others may be outstanding. @param out borrows @p l until the next call @return false: none yet */
bool vx6_dht_lookup_best(const struct vx6_dht_lookup *l, struct vx6_dht_value *out);

/* ---- records of our own, kept alive by us ---- */

/**
 * A record that is to stay in the DHT: stored to the closest diverse holders, read back from them, checked every 15 minutes, stored again
 * when holders leave. The owner gives newer records as it makes them.
 */
struct vx6_dht_kept;
struct vx6_dht_kept_info {
	struct vx6_dht_key key;
	uint8_t type;    /* enum vx6_rtype */
	bool busy;       /* holders are looked for, given it, or asked */
	uint32_t wanted; /* holders: 8 (20 under attack), or as many as there are within the caps */
	uint32_t stored; /* took the present record */
	uint32_t proved; /* and gave it back when asked afterwards */
	uint64_t proved_ms; /* vx6_dht_now.ms when `proved` last reached `wanted`; 0: not yet */
	uint32_t took_ms;   /* from giving the record to proof at all holders; 0: not yet */
	vx6_err last_err;   /* OK | PARTIAL's AGAIN | UNREACHABLE */
	struct vx6_dht_contact holder[VX6_DHT_HOLDERS_REGION];
	uint8_t holder_state[VX6_DHT_HOLDERS_REGION]; /* 0 asked, 1 stored, 2 proved, 3 failed */
	uint32_t holders_n;
};
/**
 * @param record copied; must be valid @param changed optional: `info` is worth a look; @p clash optional: a holder answered with a record of
 * another subject under the same key (borrowed; verified): somebody else claims the name; or with one of our own subject that is newer than
 * ours, or says something else under its seq: somebody else has our key. Each is told of once
 * @return owned; vx6_dht_forget(); NULL: not a record that can be stored
 */
struct vx6_dht_kept *vx6_dht_keep(struct vx6_dht *d, const uint8_t *record, size_t n,
				  void (*changed)(void *user, const struct vx6_dht_kept *k),
				  void (*clash)(void *user, const uint8_t *record, size_t n),
				  void *user, const struct vx6_dht_now *now);
/** The same under @p key, one of several that the record has; NULL: its only one, or first. */
struct vx6_dht_kept *vx6_dht_keep_at(struct vx6_dht *d, const struct vx6_dht_key *key,
				     const uint8_t *record, size_t n,
				     void (*changed)(void *user, const struct vx6_dht_kept *k),
				     void (*clash)(void *user, const uint8_t *record, size_t n),
				     void *user, const struct vx6_dht_now *now);
/** A newer record of the same key. Goes to the holders known from before at once, while the lookup for better ones runs. */
void vx6_dht_keep_update(struct vx6_dht_kept *k, const uint8_t *record, size_t n,
			 const struct vx6_dht_now *now);
void vx6_dht_kept_info(const struct vx6_dht_kept *k, struct vx6_dht_kept_info *out);
/** Stops caring; holders drop it when it expires. A withdrawn record given by vx6_dht_keep_update() before makes them drop it sooner. */
void vx6_dht_forget(struct vx6_dht_kept *k);

/* ---- what an operator wants to see ---- */

struct vx6_dht_info {
	bool serving;
	struct vx6_dht_key pos;
	enum vx6_diversity diversity; /* in force: never AUTO */
	uint32_t contacts, candidates, buckets;
	double network_size; /* estimate; 0: not known */
	bool alarm;          /* nodes crowd around a key we use more than chance explains */
	double failure_rate; /* moving average over lookups */
	uint8_t paths;       /* that lookups use now */
	uint32_t lookups, kept;
	uint32_t stored;
	uint64_t stored_bytes;
	uint64_t served, refused;         /* requests */
	uint64_t asked, answered, failed; /* queries of our own */
};
void vx6_dht_info(const struct vx6_dht *d, struct vx6_dht_info *out);
/** One row of the table. */
struct vx6_dht_row {
	struct vx6_dht_contact contact;
	struct vx6_dht_key pos;
	unsigned bucket;
	bool proved;
	uint32_t rtt_ms;   /* 0: not measured */
	uint64_t heard_ms; /* last sign of life, vx6_dht_now.ms */
	uint32_t failures;
};
/** Calls @p fn for each contact, nearest bucket last. */
void vx6_dht_each(const struct vx6_dht *d, void (*fn)(void *user, const struct vx6_dht_row *row),
		  void *user);

#endif
