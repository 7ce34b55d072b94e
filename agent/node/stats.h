/**
 * @file stats.h
 * What this node did over the last day: a small set of numbers, looked at every ten seconds.
 *
 * Layer:   node
 * Limits:  VX6_STATS_SAMPLES samples, after which the oldest go; nothing is allocated for one
 * Threads: vx6_stats_now(), vx6_stats_read() and vx6_stats_request() any thread; the rest the loop's
 */
#ifndef VX6_NODE_STATS_H
#define VX6_NODE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vx6_node;
struct vx6_stats;

/* X(symbol, name, is a counter, unit, what it says) */
#define VX6_STATS(X)                                                                               \
	X(RX, "rx_bytes", true, "byte", "Received over direct links to other nodes.")              \
	X(TX, "tx_bytes", true, "byte", "Sent over direct links to other nodes.")                  \
	X(SESSIONS, "sessions", false, "session", "Direct sessions that are up.")                  \
	X(STREAMS, "streams", false, "stream", "Open streams of all sessions.")                    \
	X(CIRCUITS, "circuits", false, "circuit", "Circuits of this node's own that are open.")    \
	X(RELAY_CIRCUITS, "relay_circuits", false, "circuit",                                      \
	  "Circuits of others that lead through this node or end here.")                           \
	X(RELAYED, "relay_bytes", true, "byte", "Cells that were relayed, both directions.")       \
	X(REQUESTS, "api_requests", true, "request", "Requests to the API that were answered.")    \
	X(RSS, "rss_bytes", false, "byte", "Memory of the process that is resident.")              \
	X(CPU, "cpu_ms", true, "ms", "Processor time of the process, user and system.")

enum vx6_stat {
#define X(symbol, name, counter, unit, help) VX6_STAT_##symbol,
	VX6_STATS(X)
#undef X
		VX6_STATS_N,
};

enum { VX6_STATS_STEP_S = 10, VX6_STATS_SAMPLES = 24 * 3600 / VX6_STATS_STEP_S };

struct vx6_stat_info {
	const char *name;
	bool counter; /* only rises, from 0 at the start of the process */
	const char *unit, *help;
};
extern const struct vx6_stat_info vx6_stat_infos[VX6_STATS_N];

/** One look. */
struct vx6_stats_sample {
	uint64_t wall_s;
	uint64_t value[VX6_STATS_N];
};

/** The newest sample, and how many there are. @return false: there is none yet */
bool vx6_stats_now(struct vx6_node *node, struct vx6_stats_sample *newest, size_t *n);

/**
 * Puts one number into steps of time: of a gauge the mean of its samples, of a counter what it rose by in a second.
 * @param from_s  where the first step begins, s since 1970 @param step_s of each, not 0
 * @param out     @p n values, NaN where there are no samples
 */
void vx6_stats_read(struct vx6_node *node, enum vx6_stat which, uint64_t from_s, uint32_t step_s,
		    double *out, size_t n);

/** The API has answered a request. */
void vx6_stats_request(struct vx6_node *node);

#endif
