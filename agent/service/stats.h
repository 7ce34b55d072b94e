/**
 * @file stats.h
 * Counters and the last failure of a service or a forward, as plain values.
 *
 * Layer:   service
 * Threads: pure, any thread
 */
#ifndef VX6_SERVICE_STATS_H
#define VX6_SERVICE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

enum { VX6_CARRIER_TEXT = 40 };

struct vx6_failure {
	vx6_err err;      /* OK: none so far */
	char detail[160]; /* for people */
	uint64_t wall_ms;
};

struct vx6_flow_stats {
	uint64_t active, total;      /* connections now, and since the start */
	uint64_t refused;            /* that ended in a failure before a byte was passed */
	uint64_t rx_bytes, tx_bytes; /* from the overlay, to the overlay */
	struct vx6_failure last_failure;
	bool failing; /* a service: its target did not answer when it was last asked */
};

enum vx6_forward_phase { VX6_FORWARD_DISABLED, VX6_FORWARD_LISTENING, VX6_FORWARD_FAILED };

struct vx6_forward_status {
	enum vx6_forward_phase phase;
	vx6_err error;         /* FAILED: why it does not listen */
	struct vx6_addr bound; /* LISTENING: what it really listens on */
	struct vx6_flow_stats stats;
	char transport[8]; /* of the session last used; empty: none yet */
	struct vx6_addr remote;
	uint32_t rtt_us;                /* at that time */
	char circuit[VX6_CARRIER_TEXT]; /* that carried the session; empty: none */
	uint32_t hops;                  /* its relays */
};

#endif
