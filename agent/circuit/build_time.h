/**
 * @file build_time.h
 * How long building a circuit may take, learned from how long it took.
 *
 * Layer:   circuit
 * Shape:   for each number of hops a ring of the last hundred builds. A build that was given up counts as longer than all others: what is
 *          never waited for would otherwise make the timeout shrink for ever
 * Rules:   timeout = 80th percentile, at least 1 s, at most 10 s; 1 s and 1 s more a hop until ten builds are known. Five builds in a row
 *          given up: the network has changed, the history is dropped, and the timeout doubles until ten new builds are known
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_BUILD_TIME_H
#define VX6_CIRCUIT_BUILD_TIME_H

#include <stdint.h>

enum {
	VX6_BUILD_TIMES_HOPS = 9,
	VX6_BUILD_TIMES_RING = 100,
	VX6_BUILD_TIMES_ENOUGH = 10,
	VX6_BUILD_TIMES_RUN = 5,
	VX6_BUILD_TIMEOUT_MIN_MS = 1000,
	VX6_BUILD_TIMEOUT_MAX_MS = 10000,
};

struct vx6_build_times;

/** @return owned; vx6_build_times_free() */
struct vx6_build_times *vx6_build_times_new(void);
/** Accepts NULL. */
void vx6_build_times_free(struct vx6_build_times *t);

/** A circuit of @p hops nodes, the last included, was built. More than VX6_BUILD_TIMES_HOPS counts as that many, here and below. */
void vx6_build_times_built(struct vx6_build_times *t, unsigned hops, uint32_t ms);
/** One was given up because it took too long. Not for builds that failed for another reason. */
void vx6_build_times_timed_out(struct vx6_build_times *t, unsigned hops);
/** All that was learned is of another network. */
void vx6_build_times_reset(struct vx6_build_times *t);

/** When to give one up. @return ms */
uint32_t vx6_build_times_timeout(const struct vx6_build_times *t, unsigned hops);
/** When to begin a second one beside it: the 80th percentile of those built, at least 50 ms, at most half the timeout and 1 s. @return ms */
uint32_t vx6_build_times_stagger(const struct vx6_build_times *t, unsigned hops);
/** Median of those built. @return ms; 0: fewer than ten known */
uint32_t vx6_build_times_median(const struct vx6_build_times *t, unsigned hops);

#endif
