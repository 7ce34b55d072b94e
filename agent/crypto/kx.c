#include "crypto/kx.h"

#include <sodium.h>

#include "crypto/secret.h"

void vx6_kx_public(const struct vx6_kx_sk *sk, struct vx6_kx_pk *out)
{
	crypto_scalarmult_curve25519_base(out->b, sk->b);
}

void vx6_kx_keypair(struct vx6_kx_pk *pk, struct vx6_kx_sk *sk)
{
	vx6_random_bytes(sk->b, sizeof sk->b);
	vx6_kx_public(sk, pk);
}

vx6_err vx6_kx_agree(const struct vx6_kx_sk *sk, const struct vx6_kx_pk *peer,
		     struct vx6_kx_shared *out)
{
	if (crypto_scalarmult_curve25519(out->b, sk->b, peer->b) != 0) {
		vx6_wipe(out, sizeof *out);
		return VX6_ERR(KEY);
	}
	return VX6_OK;
}
