/**
 * @file records.h
 * Records that nodes publish, and lookups of them that are weighed.
 *
 * Threads: one thread
 */
#ifndef SIM_DHT_RECORDS_H
#define SIM_DHT_RECORDS_H

#include "tests/sim/dht/world.h"
#include "tests/sim/engine/stats.h"

/** A node's endpoint record, kept in the DHT by the node. */
struct target {
	struct node *owner;
	struct vx6_dht_key key;
	uint64_t seq;
	struct vx6_dht_kept *kept; /* NULL: not published, or its owner is down */
};

/** @param issued_s of the record; its lifetime is the longest */
size_t target_record(const struct target *t, uint64_t seq, uint64_t issued_s,
		     uint8_t out[static VX6_RECORD_MAX]);
void target_init(struct target *t, struct node *owner);
/** Signs a record of seq and gives it to the owner's DHT to keep. */
void target_publish(struct target *t, uint64_t seq);
/** The owner is about to go down. */
void target_forget(struct target *t);

/** What lookups have come to. All zero is none. */
struct tally {
	struct sim_share found;  /* the record of that subject */
	struct sim_share newest; /* of those found: with the last seq published */
	struct sim_sample ms;    /* of those found */
	struct sim_sample queries, bytes, timeouts;
	size_t under_way;
	size_t unreachable, not_found, timeout, wrong; /* of those that failed */
};
void tally_fini(struct tally *t);

struct lookup_ask {
	struct node *reader;
	const struct target *target;
	enum vx6_dht_want want;
	/** Optional: the record that was found, best first; NULL: none. */
	void (*got)(void *user, const struct lookup_ask *ask, const struct vx6_dht_value *v);
	void *user;
	bool trace; /* each step to stderr */
};
/** Begins a lookup that adds to @p t when it is over. It is not counted if its reader goes down before. */
void lookup_start(const struct lookup_ask *ask, struct tally *t);
/** Lookups of all nodes around @p n random keys: what a node has behind it that was up for long. Ends uncounted. */
void lookups_of_old(struct node *node, unsigned n);
/** Those of @p reader end uncounted: it is about to go down. */
void lookups_drop(struct node *reader);

/** Publishes @p n records of nodes picked at random and waits until all are proved, but a minute at most. */
void publish_many(struct world *w, struct target *t, size_t n);
/** Until all of them are proved at all holders wanted, or the time is over. */
void publish_wait(struct world *w, const struct target *t, size_t n, uint64_t at_most_us);
/** @p took: until all wanted holders had it proved, in ms; @p holders: how many have it proved. */
void publish_weigh(const struct target *t, size_t n, struct sim_share *done,
		   struct sim_sample *took, struct sim_sample *holders);

#endif
