/**
 * @file rd.h
 * Reader of wire bytes with a sticky error.
 *
 * Spec:    schemas/wire/README.md
 * Layer:   wire
 * Shape:   after the first error every read is a no-op that yields zeroes, so a decoder is a straight list of reads
 *          with one check at the end (vx6_rd_done). A length is compared with its cap and with what is left before anything moves.
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_RD_H
#define VX6_WIRE_RD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct vx6_rd {
	const uint8_t *p; /* borrowed: next byte */
	size_t left;
	vx6_err err;
};

/** @param p borrowed for as long as the reader and what it lends are used; may be NULL when @p n is 0 */
void vx6_rd_init(struct vx6_rd *r, const uint8_t *p, size_t n);

uint8_t vx6_rd_u8(struct vx6_rd *r);
uint16_t vx6_rd_u16(struct vx6_rd *r);
uint32_t vx6_rd_u32(struct vx6_rd *r);
uint64_t vx6_rd_u64(struct vx6_rd *r);

/** Lends the next @p n bytes of the input. @return NULL after an error (SHORT); with @p n 0 look at the error, not the pointer */
const uint8_t *vx6_rd_bytes(struct vx6_rd *r, size_t n);
/** Copies the next @p n bytes; on failure @p out is zeroed. */
void vx6_rd_copy(struct vx6_rd *r, uint8_t *out, size_t n);
/** Skips @p n bytes. */
void vx6_rd_skip(struct vx6_rd *r, size_t n);

/** A reader over the next @p n bytes, which are taken from @p r. After an error: an empty reader with that error. */
struct vx6_rd vx6_rd_sub(struct vx6_rd *r, size_t n);
/** The same with the length read first (u8, u16) and checked against @p cap (LIMIT) before use. */
struct vx6_rd vx6_rd_sub8(struct vx6_rd *r, size_t cap);
struct vx6_rd vx6_rd_sub16(struct vx6_rd *r, size_t cap);

/** Sets the error unless there is one already, and drops what is left. */
void vx6_rd_fail(struct vx6_rd *r, vx6_err err);

/** The end of every decoder. @return the error, or TRAILING when bytes are left, or VX6_OK */
VX6_RES vx6_rd_done(struct vx6_rd *r);

#endif
