/**
 * @file stats_internal.h
 * The ring of samples without the node, and where the node hands its numbers in.
 *
 * Layer:   node
 * Threads: as stats.h
 */
#ifndef VX6_NODE_STATS_INTERNAL_H
#define VX6_NODE_STATS_INTERNAL_H

#include "node/stats.h"
#include "session/session.h"

struct vx6_stats *stats_new(void);
void stats_free(struct vx6_stats *st);
/** Adds a sample; one that is not later than the one before is left out. */
void stats_add(struct vx6_stats *st, const struct vx6_stats_sample *sample);
bool stats_newest(struct vx6_stats *st, struct vx6_stats_sample *newest, size_t *n);
void stats_steps(struct vx6_stats *st, enum vx6_stat which, uint64_t from_s, uint32_t step_s,
		 double *out, size_t n);

/** Takes the first sample, and one every VX6_STATS_STEP_S from then on. */
void stats_start(struct vx6_node *node);
/** Accepts a node on which it did not start. */
void stats_stop(struct vx6_node *node);
/** A session has ended: what it carried stays counted. */
void stats_session_down(struct vx6_node *node, const struct vx6_session *s);

#endif
