/**
 * @file guards_internal.h
 * The sample of guards as its files share it.
 *
 * Layer:   circuit
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_GUARDS_INTERNAL_H
#define VX6_CIRCUIT_GUARDS_INTERNAL_H

#include "circuit/guards.h"

struct guard {
	struct vx6_guard g;
	uint64_t
		rank; /* order of the sample: of its drawing, or of its confirmation; confirmed ones first */
	bool dirty;
};

struct vx6_guards {
	struct guard v[VX6_GUARDS_MAX]; /* in their order */
	size_t n;
	uint64_t next_rank;
	uint64_t up_s; /* of the last success; 0: none yet */
	struct vx6_node_id removed[VX6_GUARDS_MAX];
	size_t removed_n;
};

struct guard *guards_find(struct vx6_guards *g, const struct vx6_node_id *node);
/** Brings them into their order and says which are primary. */
void guards_sort(struct vx6_guards *g);
void guards_remove(struct vx6_guards *g, size_t i);

#endif
