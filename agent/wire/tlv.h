/**
 * @file tlv.h
 * Strictly ascending type-length-value lists: type u8 (bit 7: critical) | len u16 | value.
 *
 * Spec:    schemas/wire/tlv.md
 * Layer:   wire
 * Shape:   no duplicates, one order, so a list has one form only. A type the reader does not know is skipped, or refused if critical.
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_TLV_H
#define VX6_WIRE_TLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/rd.h"
#include "wire/wr.h"

enum {
	VX6_TLV_CRITICAL = 0x80,
	VX6_TLV_HEADER = 3,
	VX6_TLV_VALUE_MAX = 8192,
};

struct vx6_tlv_rd {
	struct vx6_rd r;
	int last; /* type of the last one, -1 before the first */
};

/** @param in borrowed like vx6_rd_init()'s */
void vx6_tlv_rd_init(struct vx6_tlv_rd *t, const uint8_t *in, size_t n);

/**
 * Moves to the next entry.
 * @param value a reader over the value, borrows the input. End it with vx6_tlv_rd_end(), or leave it unread to skip the entry
 * @return false at the end or after an error: vx6_tlv_rd_done() tells
 */
bool vx6_tlv_rd_next(struct vx6_tlv_rd *t, uint8_t *type, struct vx6_rd *value);
/** Ends the reading of a known value: its error, trailing bytes included, becomes the list's. */
void vx6_tlv_rd_end(struct vx6_tlv_rd *t, struct vx6_rd *value);
/** Says that the entry's type is not known: an error (UNSUPPORTED) when it is critical. */
void vx6_tlv_rd_unknown(struct vx6_tlv_rd *t, uint8_t type);
/** @return the error of the list, FORMAT for types out of order; VX6_OK at a clean end */
VX6_RES vx6_tlv_rd_done(struct vx6_tlv_rd *t);

struct vx6_tlv_wr {
	struct vx6_wr *w; /* borrowed */
	int last;
	size_t mark;
};

void vx6_tlv_wr_init(struct vx6_tlv_wr *t, struct vx6_wr *w);
/** Begins an entry; types must ascend (a bug otherwise). The value is then written to the underlying writer. */
void vx6_tlv_wr_begin(struct vx6_tlv_wr *t, uint8_t type);
void vx6_tlv_wr_end(struct vx6_tlv_wr *t);
/** A whole entry at once. */
void vx6_tlv_wr_put(struct vx6_tlv_wr *t, uint8_t type, const void *value, size_t n);

#endif
