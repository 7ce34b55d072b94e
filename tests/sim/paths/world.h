/**
 * @file world.h
 * Relays as they are, and a pool as one client knows them: networks, systems, families, speeds, and those who are hostile.
 *
 * Threads: one thread
 */
#ifndef SIM_PATHS_WORLD_H
#define SIM_PATHS_WORLD_H

#include "circuit/path.h"
#include "tests/sim/engine/rng.h"

enum { WORLD_T0 = 1790000000, WORLD_DAY = 86400 };

/** How a relay really is. */
struct truth {
	struct vx6_node_id node;
	struct vx6_addr addr;
	uint32_t asn;
	uint8_t family; /* 0: none */
	double bytes_s; /* that it can pass on */
	double rtt_ms;  /* that it adds */
	double works;   /* share of circuits that do not fail at it */
	bool hostile;
};

/** What the hostile ones do. */
enum lie {
	LIE_NOTHING,
	LIE_CLAIM, /* say of themselves all that can be said */
	LIE_BURST, /* hold bytes back and let them go at once, so that they seem quick */
};

struct world {
	struct truth *v;
	uint32_t n;
	struct sim_rng rng; /* of what happens, not of draws */
	struct sim_rng draws;
	struct vx6_rand rand;
	struct vx6_relays *relays;
	struct vx6_path_view view;
	enum lie lie;
	uint64_t built, failed, refused; /* circuits; refused: none could be drawn */
};

/** @param hostile share of the relays, 0 to 1 @return owned; world_free() */
struct world *world_new(uint32_t relays, double hostile, enum lie lie, uint64_t seed);
void world_free(struct world *w);
/** Tells the pool what all of them say of themselves. */
void world_list(struct world *w);
/** @return NULL: no relay of this world */
struct truth *world_truth(struct world *w, const struct vx6_node_id *node);
/** Uses @p circuits, drawn anew each, over @p days; the pool learns of them what a client would. */
void world_live(struct world *w, uint32_t circuits, uint32_t days);
void world_set_seed(struct world *w, uint64_t seed);

#endif
