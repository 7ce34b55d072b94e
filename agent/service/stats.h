/**
 * @file stats.h
 * Counters and the last failure of a service or a forward, as plain values.
 *
 * Layer:   service
 * Threads: pure, any thread
 */
#ifndef VX6_SERVICE_STATS_H
#define VX6_SERVICE_STATS_H

#include <stdint.h>

#include "base/err.h"

struct vx6_failure {
	vx6_err err;        /* OK: none so far */
	char detail[160];   /* for people */
	uint64_t wall_ms;
};

struct vx6_flow_stats {
	uint64_t active, total;      /* connections now, and since the start */
	uint64_t refused;            /* that ended in a failure before a byte was passed */
	uint64_t rx_bytes, tx_bytes; /* from the overlay, to the overlay */
	struct vx6_failure last_failure;
};

#endif
