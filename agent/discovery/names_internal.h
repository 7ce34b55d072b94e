/**
 * @file names_internal.h
 * What the files about names share.
 *
 * Layer:   discovery
 * Threads: the thread that drives it
 */
#ifndef VX6_DISCOVERY_NAMES_INTERNAL_H
#define VX6_DISCOVERY_NAMES_INTERNAL_H

#include "crypto/table.h"
#include "discovery/names.h"

/* A node that a name stands for, and how many do. */
struct bound_node {
	struct vx6_node_id id;
	size_t n;
	UT_hash_handle hh;
};

/* A conflict as it is kept: claims on the heap, most have two. */
struct conflict {
	char name[VX6_LABEL_TEXT];
	bool ours;
	struct vx6_claims *claims;
	uint32_t told; /* events */
	uint64_t told_ms;
	uint64_t first_ms, last_ms;
};

struct vx6_names {
	struct vx6_node_id self;
	const struct vx6_names_events *ev;
	void *user;
	char own[VX6_LABEL_TEXT];
	struct vx6_name_binding **row; /* sorted by name, then kind */
	size_t rows_n, rows_cap;
	struct bound_node *nodes;
	struct conflict **conflict; /* sorted by name */
	size_t conflicts_n;
};

void conflicts_fini(struct vx6_names *n);
/** @param q as vx6_names_page() has it @param node optional */
bool name_matches(const char *q, const char *name, const struct vx6_node_id *node);

#endif
