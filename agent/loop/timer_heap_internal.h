/**
 * @file timer_heap_internal.h
 * A binary heap of timers by due time; each timer knows its place, so stopping one is a heap operation and no search.
 *
 * Layer:   loop
 * Threads: the loop's thread
 */
#ifndef VX6_LOOP_TIMER_HEAP_INTERNAL_H
#define VX6_LOOP_TIMER_HEAP_INTERNAL_H

#include <stddef.h>

#include "loop/loop.h"

struct timer_heap {
	struct vx6_timer **slot; /* borrowed timers */
	size_t n, cap;
};

/** Puts @p t in, or moves it to where its due time says. */
void timer_heap_put(struct timer_heap *h, struct vx6_timer *t);
/** Takes @p t out; it must be in. */
void timer_heap_remove(struct timer_heap *h, struct vx6_timer *t);
/** @return the timer due first, still in the heap; NULL when empty */
struct vx6_timer *timer_heap_first(const struct timer_heap *h);
void timer_heap_fini(struct timer_heap *h);

#endif
