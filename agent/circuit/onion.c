#include "circuit/onion.h"

#include <string.h>

#include "base/util.h"
#include "circuit/origin.h"
#include "crypto/cgo.h"
#include "crypto/ntor3.h"
#include "crypto/secret.h"

_Static_assert((int)VX6_CGO_BODY == (int)VX6_CELL_BODY && (int)VX6_CGO_TAG == (int)VX6_CELL_TAG,
	       "the cipher is that of cells");
_Static_assert((int)VX6_NTOR3_OVERHEAD == (int)VX6_HS_MIN, "the handshake is that of cells");
_Static_assert(2 * VX6_CGO_SEED_BYTES + VX6_CB_BYTES == VX6_NTOR3_KEYSTREAM,
	       "two layers and a binding");
_Static_assert(2 * VX6_CGO_SEED_BYTES == (int)VX6_CIRCUIT_JOIN_KEYS, "two layers");

struct onion_hs {
	struct vx6_ntor3_client ntor;
	struct vx6_node_id node;
	struct vx6_kx_pk onion_key;
	struct vx6_net net;
	uint8_t key_id[VX6_CREATE_KEY_ID];
	uint8_t hs[VX6_CREATE_HS_MAX];
};

struct onion {
	size_t n;
	struct vx6_cgo forward[VX6_CIRCUIT_HOPS_MAX], back[VX6_CIRCUIT_HOPS_MAX];
	bool accepts; /* the end behind the last hop is a client, and we are its hop */
	struct vx6_cgo in, out;
};

static struct vx6_ntor3_with with_of(const struct onion_hs *h)
{
	return (struct vx6_ntor3_with){
		.protoid = vx6_ntor3_protoid,
		.id = h->node.b,
		.onion = &h->onion_key,
		.ver = h->net.b,
		.ver_n = sizeof h->net.b,
	};
}

vx6_err onion_hs_begin(const struct vx6_net *net, const struct vx6_node_id *node,
		       const uint8_t onion_key[static VX6_ONION_KEY_BYTES], const uint8_t *cm,
		       size_t cm_n, struct onion_hs **hs, struct vx6_create *out)
{
	struct vx6_ntor3_with with;
	struct onion_hs *h;
	vx6_err err;

	if (cm_n > VX6_CM_MAX)
		return VX6_ERR(LIMIT);
	h = vx6_zalloc(sizeof *h);
	h->node = *node;
	h->net = *net;
	memcpy(h->onion_key.b, onion_key, sizeof h->onion_key.b);
	vx6_ntor3_key_id(&h->onion_key, h->key_id);
	with = with_of(h);
	err = vx6_ntor3_client_begin(&h->ntor, &with, NULL, cm, cm_n, h->hs);
	if (!vx6_is_ok(err)) {
		onion_hs_free(h);
		return err;
	}
	*hs = h;
	*out = (struct vx6_create){.key_id = h->key_id,
				   .hs = h->hs,
				   .hs_n = VX6_NTOR3_OVERHEAD + cm_n};
	return VX6_OK;
}

void onion_hs_free(struct onion_hs *hs)
{
	vx6_wipe_free(hs, sizeof *hs);
}

vx6_err onion_add(struct onion *o, struct onion_hs *hs, const struct vx6_created *created,
		  uint8_t sm[static VX6_SM_MAX], size_t *sm_n, uint8_t kh[static VX6_CB_BYTES])
{
	struct vx6_ntor3_with with = with_of(hs);
	uint8_t keys[VX6_NTOR3_KEYSTREAM];

	VX6_ASSERT(o->n < VX6_CIRCUIT_HOPS_MAX && !o->accepts);
	if (created->hs_n > VX6_CREATED_HS_MAX ||
	    !vx6_is_ok(vx6_ntor3_client_finish(&hs->ntor, &with, created->hs, created->hs_n, sm,
					       sm_n, keys, sizeof keys)))
		return VX6_ERR(WRONG_PEER);
	vx6_cgo_init(&o->forward[o->n], keys);
	vx6_cgo_init(&o->back[o->n], keys + VX6_CGO_SEED_BYTES);
	memcpy(kh, keys + 2 * VX6_CGO_SEED_BYTES, VX6_CB_BYTES);
	vx6_wipe(keys, sizeof keys);
	o->n++;
	return VX6_OK;
}

void onion_add_end(struct onion *o, const uint8_t *keys, bool acceptor)
{
	VX6_ASSERT(o->n < VX6_CIRCUIT_HOPS_MAX && !o->accepts);
	o->accepts = acceptor;
	vx6_cgo_init(acceptor ? &o->in : &o->forward[o->n], keys);
	vx6_cgo_init(acceptor ? &o->out : &o->back[o->n], keys + VX6_CGO_SEED_BYTES);
	o->n += !acceptor;
}

struct onion *onion_new(void)
{
	return vx6_zalloc(sizeof(struct onion));
}

void onion_free(struct onion *o)
{
	vx6_wipe_free(o, sizeof *o);
}

void onion_seal(struct onion *o, int to, uint8_t cell[static VX6_CELL_BYTES])
{
	if ((size_t)to < o->n) {
		vx6_cgo_client_forward(o->forward, (size_t)to, cell[0], cell + 1);
		return;
	}
	VX6_ASSERT(o->accepts);
	vx6_cgo_relay_originate(&o->out, cell[0], cell + 1);
	vx6_cgo_client_wrap(o->forward, o->n, cell[0], cell + 1);
}

int onion_open(struct onion *o, uint8_t cell[static VX6_CELL_BYTES])
{
	int from;

	if (!o->accepts)
		return vx6_cgo_client_backward(o->back, o->n, cell[0], cell + 1);
	from = vx6_cgo_client_unwrap(o->back, o->n, cell[0], cell + 1);
	if (from >= 0)
		return from;
	if (vx6_cgo_relay_forward(&o->in, cell[0], cell + 1))
		return (int)o->n;
	vx6_wipe(cell + 1, VX6_CELL_BODY);
	return -1;
}
