/**
 * @file aead.h
 * XChaCha20-Poly1305: random nonces are safe.
 *
 * Spec:    draft-irtf-cfrg-xchacha
 * Layer:   crypto
 * Trust:   ciphertext is hostile; nothing is written out unless it verifies
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_AEAD_H
#define VX6_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_AEAD_KEY_BYTES = 32,
	VX6_AEAD_NONCE_BYTES = 24,
	VX6_AEAD_TAG_BYTES = 16,
};

struct vx6_aead_key {
	uint8_t b[VX6_AEAD_KEY_BYTES];
};
struct vx6_aead_nonce {
	uint8_t b[VX6_AEAD_NONCE_BYTES];
};

/** @param out @p n + VX6_AEAD_TAG_BYTES bytes, may be @p msg */
void vx6_aead_seal(const struct vx6_aead_key *key, const struct vx6_aead_nonce *nonce,
		   const void *ad, size_t ad_n, const uint8_t *msg, size_t n, uint8_t *out);
/** @param n of @p in, tag included @param out @p n - VX6_AEAD_TAG_BYTES bytes, may be @p in @return VX6_OK | SHORT | SIGNATURE */
VX6_RES vx6_aead_open(const struct vx6_aead_key *key, const struct vx6_aead_nonce *nonce,
		      const void *ad, size_t ad_n, const uint8_t *in, size_t n, uint8_t *out);

#endif
