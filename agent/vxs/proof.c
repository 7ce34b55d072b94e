/* Who may attach: a mac under a secret that only the two ends of the first session can make, over the new session's channel binding. */
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "vxs/vxs_internal.h"
#include "wire/wr.h"

static const char secret_info[] = "VX6 vxs resume", proof_label[] = "VX6 vxs attach";

enum {
	LABEL_BYTES = sizeof proof_label - 1,
	PROOF_BYTES = LABEL_BYTES + 1 + VX6_CB_BYTES + VX6_VXS_ID_BYTES + 4 + 8,
};

_Static_assert((int)VX6_VXS_MAC_BYTES == (int)VX6_KDF_PRK_BYTES, "HMAC-SHA-256");

void vxs_mac(const struct vxs_stream *v, enum vxs_role from,
	     const uint8_t binding[static VX6_CB_BYTES], uint32_t epoch, uint64_t recv_off,
	     uint8_t out[static VX6_VXS_MAC_BYTES])
{
	uint8_t secret[32], proof[PROOF_BYTES];
	struct vx6_wr w;
	vx6_err err = vx6_kdf(v->key.id, sizeof v->key.id, v->binding, sizeof v->binding,
			      secret_info, sizeof secret_info - 1, secret, sizeof secret);

	VX6_ASSERT(vx6_is_ok(err));
	vx6_wr_init(&w, proof, sizeof proof);
	vx6_wr_bytes(&w, proof_label, LABEL_BYTES);
	vx6_wr_u8(&w, (uint8_t)from);
	vx6_wr_bytes(&w, binding, VX6_CB_BYTES);
	vx6_wr_bytes(&w, v->key.id, sizeof v->key.id);
	vx6_wr_u32(&w, epoch);
	vx6_wr_u64(&w, recv_off);
	vx6_kdf_extract(secret, sizeof secret, proof, w.len, out); /* HMAC-SHA-256 */
	vx6_wipe(secret, sizeof secret);
}
