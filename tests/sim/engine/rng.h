/**
 * @file rng.h
 * Randomness of a simulation: the same seed gives the same numbers on every machine.
 *
 * Shape:   xoshiro256** seeded by splitmix64; a stream is a value, so each host and each part of a scenario has its own
 * Threads: pure, any thread
 */
#ifndef SIM_ENGINE_RNG_H
#define SIM_ENGINE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct sim_rng {
	uint64_t s[4];
};

void sim_rng_seed(struct sim_rng *r, uint64_t seed);
/** A stream of its own for @p what and @p n, the same whatever else was drawn. */
void sim_rng_derive(struct sim_rng *r, uint64_t seed, const char *what, uint64_t n);
uint64_t sim_rng_u64(struct sim_rng *r);
/** Uniform in [0, n), without bias. @param n above 0 */
uint64_t sim_rng_below(struct sim_rng *r, uint64_t n);
/** Uniform in [0, 1). */
double sim_rng_unit(struct sim_rng *r);
void sim_rng_fill(struct sim_rng *r, void *out, size_t n);
/** Exponential with that median. */
double sim_rng_exponential(struct sim_rng *r, double median);
/** Log-normal with that median; @p sigma of the logarithm. */
double sim_rng_lognormal(struct sim_rng *r, double median, double sigma);
/** Puts @p v into a random order. */
void sim_rng_shuffle(struct sim_rng *r, uint32_t *v, size_t n);

#endif
