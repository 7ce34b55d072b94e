/**
 * @file hs_desc_internal.h
 * The step between the layers of a descriptor, for tests: what an owner may have sealed that does not keep to the page.
 *
 * Layer:   record
 */
#ifndef VX6_RECORD_HS_DESC_INTERNAL_H
#define VX6_RECORD_HS_DESC_INTERNAL_H

#include "record/hs_desc.h"

enum { HS_DESC_OUTER_TEXT = VX6_HS_DESC_BYTES - 187 };

/** @param text of the outer layer; the inner one is opened in its place. Seq and period of @p out are left to the caller */
vx6_err hs_desc_open_inner(const struct vx6_record *rec, const struct vx6_hs_names *names,
			   const uint8_t *client_sk, uint8_t text[static HS_DESC_OUTER_TEXT],
			   struct vx6_hs_desc *out);

#endif
