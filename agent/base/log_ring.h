/**
 * @file log_ring.h
 * The newest log lines, kept in memory for whoever asks.
 *
 * Layer:   base
 * Limits:  VX6_LOG_RING_LINES lines and VX6_LOG_RING_BYTES bytes of text; the oldest go first. The memory is static, and not touched before it is
 *          needed
 * Threads: any thread
 */
#ifndef VX6_BASE_LOG_RING_H
#define VX6_BASE_LOG_RING_H

#include "base/log.h"

enum { VX6_LOG_RING_LINES = 1024, VX6_LOG_RING_BYTES = 128 * 1024 };

/* A copy of a line. */
struct vx6_log_kept {
	uint64_t seq;                 /* from 1, without gaps, and from 1 again after a restart */
	struct vx6_log_record record; /* its text is `text` */
	char text[VX6_LOG_TEXT];
};

/** Becomes the sink of the log: lines are kept from now on. Those there were are dropped, and numbers begin anew. */
void vx6_log_ring_begin(void);

/** The numbers of the oldest and of the newest line; `*first == *last + 1` when there is none. */
void vx6_log_ring_span(uint64_t *first, uint64_t *last);

/** Copies the oldest line with a number above @p since. @return false: there is none */
bool vx6_log_ring_next(uint64_t since, struct vx6_log_kept *out);

#endif
