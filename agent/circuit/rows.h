/**
 * @file rows.h
 * Where measurements of relays and the guards are kept: rows of node id and value, in a store that somebody else has.
 *
 * Layer:   circuit
 * Shape:   key: node id(32). Value: version u8 | … | the first 16 bytes of H_personal(key | value so far)
 * Trust:   a row may have been damaged: one that does not check in every part is dropped
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_ROWS_H
#define VX6_CIRCUIT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/node_id.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum {
	VX6_CIRCUIT_ROW_SUM = 16,
	VX6_CIRCUIT_ROW_MAX = 128, /* bytes of a value */
};

/** Takes rows one by one; it copies what it keeps. It answers for nothing: what could not be stored is asked for again by …_dirty_all(). */
struct vx6_circuit_store {
	/** @param value NULL: the row is to be deleted */
	void (*row)(void *user, const struct vx6_node_id *key, const uint8_t *value, size_t n);
	void *user;
};

/** Adds the checksum and ends the value. @param personal of the kind of row @return bytes */
size_t vx6_circuit_row_end(struct vx6_wr *w, const char *personal, const struct vx6_node_id *key);
/**
 * Checks size, checksum and version of a stored row.
 * @param out reads what stands between version and checksum, borrows @p value
 * @return VX6_OK | FORMAT (size) | CHECKSUM | UNSUPPORTED (version)
 */
VX6_RES vx6_circuit_row_begin(const char *personal, uint8_t version, const uint8_t *key,
			      size_t key_n, const uint8_t *value, size_t n,
			      struct vx6_node_id *node, struct vx6_rd *out);

#endif
