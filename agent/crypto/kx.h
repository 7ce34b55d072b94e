/**
 * @file kx.h
 * X25519 key agreement.
 *
 * Spec:    RFC 7748
 * Layer:   crypto
 * Trust:   the peer's public key is hostile; a result of zero is refused
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_KX_H
#define VX6_CRYPTO_KX_H

#include <stdint.h>

#include "base/err.h"

enum { VX6_KX_BYTES = 32 };

struct vx6_kx_pk {
	uint8_t b[VX6_KX_BYTES];
};
/** Secret: wipe after use. */
struct vx6_kx_sk {
	uint8_t b[VX6_KX_BYTES];
};
struct vx6_kx_shared {
	uint8_t b[VX6_KX_BYTES];
};

void vx6_kx_keypair(struct vx6_kx_pk *pk, struct vx6_kx_sk *sk);
void vx6_kx_public(const struct vx6_kx_sk *sk, struct vx6_kx_pk *out);
/** @param out secret, not uniform: feed it to vx6_kdf(); zeroed on failure @return VX6_OK | KEY (small order) */
VX6_RES vx6_kx_agree(const struct vx6_kx_sk *sk, const struct vx6_kx_pk *peer,
		     struct vx6_kx_shared *out);

#endif
