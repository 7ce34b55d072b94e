/* The layer of one circuit: a CGO state each way, and the handshake that they come from. */
#include "circuit/relay_crypt.h"

#include <string.h>

#include "base/util.h"
#include "crypto/cgo.h"
#include "crypto/ntor3.h"
#include "crypto/secret.h"

_Static_assert((int)VX6_CM_MAX <= (int)VX6_NTOR3_MSG_MAX &&
		       (int)VX6_SM_MAX <= (int)VX6_NTOR3_MSG_MAX,
	       "what fits into a cell fits into a handshake");

/* What it is with is kept: the answer may come when the onion key is not there any more. */
struct relay_hs {
	struct vx6_ntor3_server state;
	struct vx6_net net;
	struct vx6_node_id id;
	struct vx6_kx_pk onion;
};

struct relay_crypt {
	struct vx6_cgo forward, back;
	uint8_t binding[VX6_CB_BYTES];
};

static struct vx6_ntor3_with with_of(const struct relay_hs *h)
{
	return (struct vx6_ntor3_with){
		.protoid = vx6_ntor3_protoid,
		.id = h->id.b,
		.onion = &h->onion,
		.ver = h->net.b,
		.ver_n = sizeof h->net.b,
	};
}

vx6_err relay_hs_take(const struct vx6_identity *id, const struct vx6_onion_keypair *key,
		      const uint8_t *hs, size_t n, uint8_t cm[static VX6_CM_MAX], size_t *cm_n,
		      struct relay_hs **out)
{
	struct relay_hs *h = vx6_zalloc(sizeof *h);
	struct vx6_ntor3_with with;
	vx6_err err;

	h->net = id->net;
	h->id = id->id;
	h->onion = *vx6_onion_keypair_pk(key);
	with = with_of(h);
	err = vx6_ntor3_server_open(&h->state, &with, vx6_onion_keypair_sk(key), hs, n, cm, cm_n);
	if (!vx6_is_ok(err)) {
		relay_hs_free(h);
		return err;
	}
	*out = h;
	return VX6_OK;
}

void relay_hs_free(struct relay_hs *h)
{
	vx6_wipe_free(h, sizeof *h);
}

vx6_err relay_hs_answer(struct relay_hs *h, const uint8_t *sm, size_t sm_n, uint8_t *out,
			size_t *out_n, struct relay_crypt **crypt)
{
	uint8_t keys[VX6_NTOR3_KEYSTREAM];
	struct vx6_ntor3_with with = with_of(h);
	struct relay_crypt *k;
	vx6_err err;

	err = vx6_ntor3_server_reply(&h->state, &with, NULL, sm, sm_n, out, keys, sizeof keys);
	*out_n = VX6_NTOR3_OVERHEAD + sm_n;
	relay_hs_free(h);
	if (!vx6_is_ok(err))
		return err;
	k = vx6_zalloc(sizeof *k);
	vx6_cgo_init(&k->forward, keys);
	vx6_cgo_init(&k->back, keys + VX6_CGO_SEED_BYTES);
	memcpy(k->binding, keys + 2 * VX6_CGO_SEED_BYTES, sizeof k->binding);
	vx6_wipe(keys, sizeof keys);
	*crypt = k;
	return VX6_OK;
}

void relay_crypt_free(struct relay_crypt *k)
{
	vx6_wipe_free(k, sizeof *k);
}

const uint8_t *relay_crypt_binding(const struct relay_crypt *k)
{
	return k->binding;
}

bool relay_crypt_forward(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES])
{
	return vx6_cgo_relay_forward(&k->forward, cell[0], cell + 1);
}

void relay_crypt_back(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES])
{
	vx6_cgo_relay_backward(&k->back, cell[0], cell + 1);
}

void relay_crypt_own(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES])
{
	vx6_cgo_relay_originate(&k->back, cell[0], cell + 1);
}
