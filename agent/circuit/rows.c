#include "circuit/rows.h"

#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static void sum_of(const char *personal, const struct vx6_node_id *key, const uint8_t *value,
		   size_t n, uint8_t out[static VX6_CIRCUIT_ROW_SUM])
{
	struct vx6_hash_state st;
	struct vx6_hash h;

	vx6_hash_init(&st, personal);
	vx6_hash_update(&st, key->b, sizeof key->b);
	vx6_hash_update(&st, value, n);
	vx6_hash_final(&st, &h);
	memcpy(out, h.b, VX6_CIRCUIT_ROW_SUM);
}

size_t vx6_circuit_row_end(struct vx6_wr *w, const char *personal, const struct vx6_node_id *key)
{
	uint8_t sum[VX6_CIRCUIT_ROW_SUM];

	sum_of(personal, key, w->p, w->len, sum);
	vx6_wr_bytes(w, sum, sizeof sum);
	VX6_ASSERT(vx6_is_ok(w->err));
	return w->len;
}

vx6_err vx6_circuit_row_begin(const char *personal, uint8_t version, const uint8_t *key,
			      size_t key_n, const uint8_t *value, size_t n,
			      struct vx6_node_id *node, struct vx6_rd *out)
{
	uint8_t sum[VX6_CIRCUIT_ROW_SUM];

	if (key_n != sizeof node->b || n < 1 + VX6_CIRCUIT_ROW_SUM || n > VX6_CIRCUIT_ROW_MAX)
		return VX6_ERR(FORMAT);
	memcpy(node->b, key, sizeof node->b);
	sum_of(personal, node, value, n - sizeof sum, sum);
	if (!vx6_ct_eq(sum, value + n - sizeof sum, sizeof sum))
		return VX6_ERR(CHECKSUM);
	vx6_rd_init(out, value, n - sizeof sum);
	return vx6_rd_u8(out) == version ? VX6_OK : VX6_ERR(UNSUPPORTED);
}
