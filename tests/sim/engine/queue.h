/**
 * @file queue.h
 * Virtual time: events in the order of their time, and of their setting where times are equal.
 *
 * Shape:   a 4-ary heap of borrowed events; an event knows its place, so setting it anew or cancelling it costs O(log n)
 * Threads: one thread
 */
#ifndef SIM_ENGINE_QUEUE_H
#define SIM_ENGINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_MS = 1000, SIM_S = 1000 * 1000 }; /* in microseconds, the unit of virtual time */

struct sim_queue;

/** Embedded in what it wakes; all zero means not set. */
struct sim_event {
	void (*fn)(struct sim_event *ev);
	size_t place; /* in the heap, from 1; 0: not set */
};

/** @return owned; sim_queue_free() */
struct sim_queue *sim_queue_new(void);
/** Events that are still set are forgotten. Accepts NULL. */
void sim_queue_free(struct sim_queue *q);
uint64_t sim_queue_now_us(const struct sim_queue *q);
/** Sets @p ev, or sets it anew. What lies in the past happens next. @param ev borrowed until it fires or is cancelled */
void sim_queue_set(struct sim_queue *q, struct sim_event *ev, uint64_t at_us);
void sim_queue_cancel(struct sim_queue *q, struct sim_event *ev);
/** Fires everything up to and including @p until_us, which is the time afterwards. @return how many fired */
uint64_t sim_queue_run(struct sim_queue *q, uint64_t until_us);
size_t sim_queue_count(const struct sim_queue *q);

#endif
