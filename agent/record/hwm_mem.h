/**
 * @file hwm_mem.h
 * High-water marks in memory: a bounded table, for tests and simulations.
 *
 * Layer:   record
 * Threads: one thread
 */
#ifndef VX6_RECORD_HWM_MEM_H
#define VX6_RECORD_HWM_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "record/admit.h"

struct vx6_hwm_mem;

/** @param max entries; a further key is answered FULL @return owned; vx6_hwm_mem_free() */
struct vx6_hwm_mem *vx6_hwm_mem_new(size_t max);
void vx6_hwm_mem_free(struct vx6_hwm_mem *m);
/** The operations, with `user` set to @p m. */
struct vx6_hwm_store vx6_hwm_mem_store(struct vx6_hwm_mem *m);
size_t vx6_hwm_mem_count(const struct vx6_hwm_mem *m);
/** How often the equivocation slot was called. */
size_t vx6_hwm_mem_equivocations(const struct vx6_hwm_mem *m);

#endif
