/**
 * @file wr.h
 * Writer of wire bytes into a buffer of fixed size, with a sticky error.
 *
 * Spec:    schemas/wire/README.md
 * Layer:   wire
 * Shape:   the mirror of rd.h: a write that does not fit sets LIMIT, and all later writes are no-ops.
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_WR_H
#define VX6_WIRE_WR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct vx6_wr {
	uint8_t *p; /* borrowed: start of the buffer */
	size_t cap, len;
	vx6_err err;
};

/** @param p borrowed for the life of the writer, at least @p cap bytes */
void vx6_wr_init(struct vx6_wr *w, uint8_t *p, size_t cap);

void vx6_wr_u8(struct vx6_wr *w, uint8_t v);
void vx6_wr_u16(struct vx6_wr *w, uint16_t v);
void vx6_wr_u32(struct vx6_wr *w, uint32_t v);
void vx6_wr_u64(struct vx6_wr *w, uint64_t v);
void vx6_wr_bytes(struct vx6_wr *w, const void *p, size_t n);

/** Begins a part whose length (u16) stands before it. @return a mark for vx6_wr_end16() */
size_t vx6_wr_begin16(struct vx6_wr *w);
/** Ends that part and fills its length in; LIMIT when it grew beyond 65535. Parts may nest, ended in reverse order. */
void vx6_wr_end16(struct vx6_wr *w, size_t mark);

/** Sets the error unless there is one already. */
void vx6_wr_fail(struct vx6_wr *w, vx6_err err);

/** The end of every encoder. @param n bytes written, 0 on error @return the error or VX6_OK */
VX6_RES vx6_wr_done(const struct vx6_wr *w, size_t *n);

#endif
