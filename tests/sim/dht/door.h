/**
 * @file door.h
 * A DHT that asks by way of others: each path through a node of its own, as it is with circuits. These add no delay here.
 *
 * Threads: one thread
 */
#ifndef SIM_DHT_DOOR_H
#define SIM_DHT_DOOR_H

#include "tests/sim/dht/world.h"

struct door {
	struct world *w;
	uint32_t number;
	struct vx6_dht *dht;
	uint32_t proxy[VX6_DHT_PATHS];
	uint8_t proxies;
	struct sim_event wake;
	struct sim_rng rng;
};

/**
 * Begins with some contacts of @p owner.
 * @param but nodes that are no proxies of it @param but_n how many
 * @return owned; door_close()
 */
struct door *door_open(struct node *owner, uint8_t proxies, const uint32_t *but, size_t but_n);
/** Never from inside a callback of its DHT. Accepts NULL. */
void door_close(struct door *d);

/* for world.c */
void doors_free(struct world *w);
/** @param why OK: it was answered @return false: a query of no door */
bool door_answered(struct world *w, uint64_t id, const uint8_t *answer, size_t n, vx6_err why);

#endif
