/**
 * @file relays_internal.h
 * The pool of relays as its files share it.
 *
 * Layer:   circuit
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_RELAYS_INTERNAL_H
#define VX6_CIRCUIT_RELAYS_INTERNAL_H

#include "circuit/relays.h"
#include "crypto/table.h"

enum {
	RELAY_SCORE_HALF_S = 3 * 86400,
	RELAY_CAPACITY_HALF_S = 7 * 86400,
	RELAY_REMOVED_MAX =
		256, /* rows to be deleted; one too many stays on the disk, and is found to be old when it is read */
};

struct slot {
	struct vx6_relay_entry e;
	size_t at; /* its place in vx6_relays.v */
	bool dirty;
	UT_hash_handle hh;
};

struct vx6_relays {
	struct slot *by_node;
	struct slot **v;
	size_t n;
	uint64_t version;
	size_t dirty_n;
	struct vx6_node_id removed[RELAY_REMOVED_MAX];
	size_t removed_n;
	size_t cursor;     /* where the search for one to make room goes on */
	size_t measured_n; /* entries with a capacity */
	struct median {
		uint64_t at_s;
		size_t measured_n;
		double value;
		bool valid;
	} *median; /* what vx6_relays_median() remembers */
};

struct slot *relays_slot(const struct vx6_relays *r, const struct vx6_node_id *node);
/** Makes an entry, and room for it. @param like its prefixes @return NULL: no room */
struct slot *relays_make(struct vx6_relays *r, const struct vx6_relay_entry *like, uint64_t now_s);
void relays_remove(struct vx6_relays *r, struct slot *s);
/** A row of it is to be written. */
void relays_touch(struct vx6_relays *r, struct slot *s);
/** What is left after @p s seconds of a value that halves every @p half_s. */
double relays_decay(double v, uint64_t s, uint64_t half_s);

#endif
