/**
 * @file relaying.h
 * What a node gives to the circuits of others: whether at all, and how much. Plain values.
 *
 * Spec:    docs/reference/config.md
 * Layer:   circuit
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_RELAYING_H
#define VX6_CIRCUIT_RELAYING_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* when not said otherwise */
	VX6_RELAYING_CIRCUITS = 4096,
	VX6_RELAYING_MEMORY_MB = 64,
	/* what can be said */
	VX6_RELAYING_CIRCUITS_MAX = 65536,
	VX6_RELAYING_MEMORY_MB_MIN = 4,
	VX6_RELAYING_MEMORY_MB_MAX = 65536,
	VX6_RELAYING_RATE_MBIT_MAX = 1000000,
};

enum vx6_relaying {
	VX6_RELAYING_PUBLIC,  /* for everybody, and told to everybody */
	VX6_RELAYING_PRIVATE, /* for those who know of it: nobody is told */
	VX6_RELAYING_OFF,     /* circuits may end here, none leads through */
};

struct vx6_relaying_budget {
	enum vx6_relaying mode;
	uint32_t circuits;  /* at once; 0: as built in */
	uint32_t memory_mb; /* of queued cells and state; 0: as built in */
	uint32_t rate_mbit; /* relayed, both directions together; 0: no limit */
};

/** What of a budget is to be another. */
struct vx6_relaying_change {
	bool has_mode, has_circuits, has_memory, has_rate;
	struct vx6_relaying_budget to;
};

/** "public" | "private" | "off". @return false: none of them */
bool vx6_relaying_parse(const char *text, enum vx6_relaying *out);
const char *vx6_relaying_text(enum vx6_relaying mode);

void vx6_relaying_apply(struct vx6_relaying_budget *b, const struct vx6_relaying_change *c);
bool vx6_relaying_eq(const struct vx6_relaying_budget *a, const struct vx6_relaying_budget *b);
/** With what is built in where nothing is said. */
struct vx6_relaying_budget vx6_relaying_whole(const struct vx6_relaying_budget *b);

#endif
