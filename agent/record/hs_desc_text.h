/**
 * @file hs_desc_text.h
 * The innermost text of a descriptor: what whoever opened both layers reads.
 *
 * Spec:    schemas/wire/hidden.md#descriptor
 * Layer:   record
 * Trust:   input is hostile: its author holds the service's key and nothing else is known of him
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_HS_DESC_TEXT_H
#define VX6_RECORD_HS_DESC_TEXT_H

#include "record/hs_desc.h"
#include "wire/wr.h"

enum { VX6_HS_DESC_TEXT_MAX = 47 + 117 * VX6_HS_INTROS_MAX };

/** Without padding; LIMIT or INVALID (an auth_key twice) into @p w. */
void vx6_hs_desc_text_encode(struct vx6_wr *w, const struct vx6_hs_desc *d);
/**
 * Reads what the text says; what follows must be zeroes. The fields that the record around it says are left zero.
 * @param out zeroed on failure
 * @return VX6_OK | SHORT | FORMAT | LIMIT | UNSUPPORTED (version, flags)
 */
VX6_RES vx6_hs_desc_text_decode(const uint8_t *in, size_t n, struct vx6_hs_desc *out);

#endif
