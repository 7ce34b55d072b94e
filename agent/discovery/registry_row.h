/**
 * @file registry_row.h
 * The registry as rows for a disk: what changed since the last time, and back. Each row carries a checksum over its key and its value.
 *
 * Layer:   discovery
 * Shape:   key: subject(32) | type u8 | slot u64. Value: version u8 | kind u8 | … | the first 16 bytes of H_"VX6-registry-row"(key | value so far)
 * Trust:   a row may have been damaged: one that does not check in every part is dropped. Signatures are not verified again
 * Threads: the loop's thread; batches are plain memory for any thread
 */
#ifndef VX6_DISCOVERY_REGISTRY_ROW_H
#define VX6_DISCOVERY_REGISTRY_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/record.h"

struct vx6_registry;

enum {
	VX6_ROW_KEY = 41,
	VX6_ROW_SUM = 16,
	VX6_ROW_VALUE_MAX = 3 + VX6_RECORD_MAX + VX6_ROW_SUM,
	VX6_ROWS_BATCH = 256,
	VX6_ROWS_BATCH_BYTES = 48 * 1024, /* or somewhat more */
};

/** Told when there is something to store. @param soon false: news of strangers that can wait for company */
void vx6_registry_on_dirty(struct vx6_registry *r, void (*cb)(void *user, bool soon), void *user);
/** How many rows differ from the disk's, contacts not counted. */
size_t vx6_registry_dirty(const struct vx6_registry *r);
bool vx6_registry_contacts_dirty(const struct vx6_registry *r);
/** Everything is to be stored again: the disk's copy is gone. */
void vx6_registry_dirty_all(struct vx6_registry *r);

/** Rows on their way to the disk, one after the other in one buffer. */
struct vx6_row_batch {
	uint8_t *buf; /* owned */
	size_t n, cap;
	size_t rows;
};
/** Takes up to VX6_ROWS_BATCH changed rows. @param contacts also those of contacts @param out zeroed or given back; filled in @return rows */
size_t vx6_registry_take_rows(struct vx6_registry *r, bool contacts, struct vx6_row_batch *out);
/** They were not stored: they count as changed again. */
void vx6_registry_rows_failed(struct vx6_registry *r, const struct vx6_row_batch *batch);
void vx6_row_batch_fini(struct vx6_row_batch *batch);

struct vx6_row {
	const uint8_t *key;   /* VX6_ROW_KEY bytes */
	const uint8_t *value; /* NULL: the row is to be deleted */
	size_t n;
};
/** Walks a batch. @param at 0 to begin with @return false: that was the last */
bool vx6_row_next(const struct vx6_row_batch *batch, size_t *at, struct vx6_row *out);

/**
 * Takes one row that was stored. What is there already and newer stays.
 * @return VX6_OK | CHECKSUM | FORMAT, … : damaged, dropped | EXPIRED: not worth keeping | FULL
 */
VX6_RES vx6_registry_load_row(struct vx6_registry *r, const uint8_t *key, size_t key_n,
			      const uint8_t *value, size_t n, uint64_t now_s);

#endif
