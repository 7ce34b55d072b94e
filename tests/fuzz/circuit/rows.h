/**
 * @file rows.h
 * Rows out of fuzzed bytes, with the checksum that they should have, so that what is behind it is reached.
 */
#ifndef VX6_TESTS_FUZZ_CIRCUIT_ROWS_H
#define VX6_TESTS_FUZZ_CIRCUIT_ROWS_H

#include "circuit/rows.h"
#include "crypto/secret.h"

enum { FUZZ_NOW = 1790000000 };

/* The input: key(32) | length u8 | value without its checksum, again and again. */
static inline void fuzz_rows(const char *personal, const uint8_t *data, size_t n,
			     void (*take)(void *user, const uint8_t *key, const uint8_t *value,
					  size_t n),
			     void *user)
{
	struct vx6_rd rd;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	vx6_rd_init(&rd, data, n);
	while (rd.left > 0) {
		const uint8_t *key = vx6_rd_bytes(&rd, 32);
		struct vx6_rd value = vx6_rd_sub8(&rd, VX6_CIRCUIT_ROW_MAX - VX6_CIRCUIT_ROW_SUM);
		uint8_t row[VX6_CIRCUIT_ROW_MAX];
		struct vx6_node_id node;
		struct vx6_wr w;

		if (!vx6_is_ok(rd.err))
			return;
		memcpy(node.b, key, sizeof node.b);
		vx6_wr_init(&w, row, sizeof row);
		vx6_wr_bytes(&w, value.p, value.left);
		take(user, key, row, value.left); /* with no checksum at all */
		take(user, key, row, vx6_circuit_row_end(&w, personal, &node));
	}
}

#endif
