/**
 * @file catalog_list.h
 * The list inside a catalog as bytes, for what keeps it elsewhere than in a record.
 *
 * Spec:    schemas/wire/catalog.md#list
 * Layer:   record
 * Trust:   input is hostile: its author holds the catalog's key and nothing else is known of him
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_CATALOG_LIST_H
#define VX6_RECORD_CATALOG_LIST_H

#include "record/catalog.h"

/** Title and entries, without padding; INVALID or LIMIT into @p w for what no list may say. */
void vx6_catalog_list_encode(struct vx6_wr *w, const struct vx6_catalog *c);
/** Reads title and entries; what follows must be zeroes. @return VX6_OK | SHORT | FORMAT | LIMIT | UNSUPPORTED (version, kind) */
VX6_RES vx6_catalog_list_decode(const uint8_t *in, size_t n, struct vx6_catalog *out);

#endif
