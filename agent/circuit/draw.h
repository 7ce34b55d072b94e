/**
 * @file draw.h
 * Randomness as an argument, and the few draws that the choosing of relays needs.
 *
 * Layer:   circuit
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_DRAW_H
#define VX6_CIRCUIT_DRAW_H

#include <stddef.h>
#include <stdint.h>

/** A source of random bytes: the system's in the agent, a seeded one in tests and simulations. */
struct vx6_rand {
	void (*fill)(void *user, void *out, size_t n);
	void *user;
};

/** The system's. */
extern const struct vx6_rand vx6_rand_system;

uint64_t vx6_rand_u64(const struct vx6_rand *r);
/** Uniform in [0, @p n); 0 for an @p n of 0 or 1. */
uint64_t vx6_rand_below(const struct vx6_rand *r, uint64_t n);
/** Uniform in [0, 1). */
double vx6_rand_unit(const struct vx6_rand *r);
/** Uniform in [@p from, @p to]. */
uint64_t vx6_rand_between(const struct vx6_rand *r, uint64_t from, uint64_t to);

#endif
