/**
 * @file ring.h
 * Points of the key space in order: who is near whom, from the outside.
 *
 * Threads: one thread
 */
#ifndef SIM_DHT_RING_H
#define SIM_DHT_RING_H

#include <stddef.h>
#include <stdint.h>

#include "dht/contact.h"

struct ring_point {
	uint64_t at; /* the first 64 bits */
	uint32_t number;
};
/** All zero is empty. */
struct ring {
	struct ring_point *point;
	size_t n, cap;
};

uint64_t ring_at(const struct vx6_dht_key *pos);
void ring_add(struct ring *r, uint64_t at, uint32_t number);
/** After the last ring_add(), before anything below. */
void ring_sort(struct ring *r);
void ring_fini(struct ring *r);
/** Those that share the first @p bits with @p at. @param first set to the index of the first @return how many */
size_t ring_range(const struct ring *r, uint64_t at, unsigned bits, size_t *first);
/** Numbers of the @p max nearest by XOR, nearest first. @return how many */
size_t ring_near(const struct ring *r, uint64_t at, uint32_t *out, size_t max);

#endif
