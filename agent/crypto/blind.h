/**
 * @file blind.h
 * Ed25519 key blinding: from a long-term key, and a secret if there is one, follows another key for each period. Who knows the long-term
 * public key (and the secret) finds the key of the period; nobody else can tell that two periods belong together.
 *
 * Spec:    schemas/wire/catalog.md#blinded-keys
 * Layer:   crypto
 * Shape:   h = clamp(H_"VX6-hs-blind-v1"(A | s | "key-blind" | u64 period | u64 period_s)); A' = hA, a' = ha
 * Trust:   the long-term public key is hostile; signatures under a blinded key verify as plain Ed25519 (crypto/sign.h)
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_BLIND_H
#define VX6_CRYPTO_BLIND_H

#include "crypto/sign.h"

enum { VX6_BLIND_SECRET_BYTES = 32, VX6_BLIND_FACTOR_BYTES = 32 };

/** What a long-term key is blinded with. */
struct vx6_blind_factor {
	uint8_t b[VX6_BLIND_FACTOR_BYTES];
};

/** Secret: wipe with vx6_blind_key_wipe(). It has no seed: it can sign and nothing else. */
struct vx6_blind_key {
	struct vx6_sign_pk pk; /* A' */
	uint8_t scalar[32];    /* a' */
	uint8_t prefix[32];    /* the half that makes nonces */
};

/**
 * The factor of one period.
 * @param secret   VX6_BLIND_SECRET_BYTES bytes, borrowed; NULL: none, then the public key alone finds the blinded one
 * @param period   number of the period: unix time divided by @p period_s
 */
void vx6_blind_factor(const struct vx6_sign_pk *pk, const uint8_t *secret, uint64_t period,
		      uint64_t period_s, struct vx6_blind_factor *out);
/** What everybody who knows the long-term key can compute. @return VX6_OK | KEY (not a valid point); @p out is zeroed then */
VX6_RES vx6_blind_public(const struct vx6_sign_pk *pk, const struct vx6_blind_factor *factor,
			 struct vx6_sign_pk *out);
/** What the owner can compute. @return VX6_OK | KEY */
VX6_RES vx6_blind_keypair(const struct vx6_sign_keypair *kp, const struct vx6_blind_factor *factor,
			  struct vx6_blind_key *out);
void vx6_blind_key_wipe(struct vx6_blind_key *key);

/** Plain signature of @p msg[0..n). */
void vx6_blind_sign_raw(const struct vx6_blind_key *key, const void *msg, size_t n,
			struct vx6_sig *out);
/** As vx6_sign(). @return VX6_OK | LIMIT */
VX6_RES vx6_blind_sign(const struct vx6_blind_key *key, const char *label,
		       const struct vx6_net *net, const void *msg, size_t n, struct vx6_sig *out);

#endif
