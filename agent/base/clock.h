/**
 * @file clock.h
 * Time: read once per wake-up, handed down as arguments.
 *
 * Layer:   base
 * Threads: any thread
 */
#ifndef VX6_BASE_CLOCK_H
#define VX6_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define VX6_NS_PER_MS UINT64_C(1000000)
#define VX6_NS_PER_S UINT64_C(1000000000)

/** Monotonic clock; never goes backwards. */
uint64_t vx6_now_ns(void);
uint64_t vx6_now_ms(void);

/** Wall clock, ms and s since 1970-01-01 UTC. */
uint64_t vx6_wall_ms(void);
uint64_t vx6_wall_s(void);

enum { VX6_TIME_TEXT = 32 };
/** RFC 3339 UTC with milliseconds: "2026-01-31T12:00:00.123Z". @return @p out */
char *vx6_time_format(uint64_t wall_ms, char out[VX6_TIME_TEXT]);

#endif
