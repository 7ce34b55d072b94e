#include "tests/unit/circuit/tonion.h"

#include <string.h>

#include "base/util.h"
#include "crypto/cgo.h"
#include "crypto/ntor3.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

struct tonion_hs {
	struct vx6_ntor3_server ntor;
	struct vx6_kx_pk pk;
	struct vx6_node_id node;
};

struct tonion_layer {
	struct vx6_cgo forward, back;
};

static struct vx6_ntor3_with with_of(const struct tonion_hs *h)
{
	return (struct vx6_ntor3_with){
		.protoid = vx6_ntor3_protoid,
		.id = h->node.b,
		.onion = &h->pk,
		.ver = vx6_net_default.b,
		.ver_n = sizeof vx6_net_default.b,
	};
}

void tonion_key_make(struct tonion_key *out)
{
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;

	vx6_kx_keypair(&pk, &sk);
	memcpy(out->pk, pk.b, sizeof out->pk);
	memcpy(out->sk, sk.b, sizeof out->sk);
}

struct tonion_hs *tonion_accept(const struct tonion_key *key, const struct vx6_node_id *node,
				const struct vx6_create *c, uint8_t cm[static VX6_CM_MAX],
				size_t *cm_n)
{
	struct tonion_hs *h = vx6_zalloc(sizeof *h);
	uint8_t id[VX6_NTOR3_KEY_ID];
	struct vx6_ntor3_with with;
	struct vx6_kx_sk sk;

	memcpy(h->pk.b, key->pk, sizeof h->pk.b);
	memcpy(sk.b, key->sk, sizeof sk.b);
	h->node = *node;
	with = with_of(h);
	vx6_ntor3_key_id(&h->pk, id);
	if (memcmp(id, c->key_id, sizeof id) == 0 &&
	    vx6_is_ok(vx6_ntor3_server_open(&h->ntor, &with, &sk, c->hs, c->hs_n, cm, cm_n)))
		return h;
	free(h);
	return NULL;
}

struct tonion_layer *tonion_reply(struct tonion_hs *hs, const uint8_t *sm, size_t sm_n,
				  uint8_t out[static VX6_CREATED_HS_MAX], size_t *n,
				  uint8_t kh[static VX6_CB_BYTES])
{
	struct tonion_layer *l = vx6_zalloc(sizeof *l);
	struct vx6_ntor3_with with = with_of(hs);
	uint8_t keys[VX6_NTOR3_KEYSTREAM];

	VX6_ASSERT(vx6_is_ok(
		vx6_ntor3_server_reply(&hs->ntor, &with, NULL, sm, sm_n, out, keys, sizeof keys)));
	vx6_cgo_init(&l->forward, keys);
	vx6_cgo_init(&l->back, keys + VX6_CGO_SEED_BYTES);
	memcpy(kh, keys + 2 * VX6_CGO_SEED_BYTES, VX6_CB_BYTES);
	*n = VX6_NTOR3_OVERHEAD + sm_n;
	free(hs);
	return l;
}

void tonion_hs_free(struct tonion_hs *hs)
{
	free(hs);
}

void tonion_layer_free(struct tonion_layer *l)
{
	free(l);
}

bool tonion_forward(struct tonion_layer *l, uint8_t cell[static VX6_CELL_BYTES])
{
	return vx6_cgo_relay_forward(&l->forward, cell[0], cell + 1);
}

void tonion_backward(struct tonion_layer *l, uint8_t cell[static VX6_CELL_BYTES])
{
	vx6_cgo_relay_backward(&l->back, cell[0], cell + 1);
}

void tonion_originate(struct tonion_layer *l, uint8_t cell[static VX6_CELL_BYTES])
{
	vx6_cgo_relay_originate(&l->back, cell[0], cell + 1);
}
