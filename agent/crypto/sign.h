/**
 * @file sign.h
 * Ed25519: keys, signatures with a label and the network id mixed in, public key validation.
 *
 * Spec:    RFC 8032; schemas/wire/README.md#signatures
 * Layer:   crypto
 * Trust:   public keys and signatures are hostile until checked
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_SIGN_H
#define VX6_CRYPTO_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_SIGN_PK_BYTES = 32,
	VX6_SIGN_SEED_BYTES = 32,
	VX6_SIG_BYTES = 64,
	VX6_NET_BYTES = 16,
	VX6_SIGN_MSG_MAX = 8192, /* of the labelled form */
};

struct vx6_sign_pk {
	uint8_t b[VX6_SIGN_PK_BYTES];
};
struct vx6_sign_seed {
	uint8_t b[VX6_SIGN_SEED_BYTES];
};
struct vx6_sig {
	uint8_t b[VX6_SIG_BYTES];
};
/** Secret: wipe with vx6_sign_keypair_wipe(). */
struct vx6_sign_keypair {
	struct vx6_sign_pk pk;
	struct vx6_sign_seed seed; /* RFC 8032 private key; the expanded key is seed | pk */
};
/** Which network a signature is meant for: mixed into every one. */
struct vx6_net {
	uint8_t b[VX6_NET_BYTES];
};
/** The network an agent joins unless told otherwise. */
extern const struct vx6_net vx6_net_default;

void vx6_sign_keypair_random(struct vx6_sign_keypair *out);
void vx6_sign_keypair_from_seed(const struct vx6_sign_seed *seed, struct vx6_sign_keypair *out);
void vx6_sign_keypair_wipe(struct vx6_sign_keypair *kp);

/** Canonical, on the curve, not of small order, in the main subgroup. Every key that comes from outside passes here first. */
bool vx6_sign_pk_is_valid(const struct vx6_sign_pk *pk);

/** Plain RFC 8032 signature of @p msg[0..n). */
void vx6_sign_raw(const struct vx6_sign_keypair *kp, const void *msg, size_t n,
		  struct vx6_sig *out);
/** @return VX6_OK | SIGNATURE */
VX6_RES vx6_verify_raw(const struct vx6_sign_pk *pk, const void *msg, size_t n,
		       const struct vx6_sig *sig);

/**
 * Signs label | NUL | net | msg, so that a signature made for one purpose or network is none for another.
 * @param label static string, such as "VX6 record v1"; at most 31 bytes
 * @return VX6_OK | LIMIT (n above VX6_SIGN_MSG_MAX)
 */
VX6_RES vx6_sign(const struct vx6_sign_keypair *kp, const char *label, const struct vx6_net *net,
		 const void *msg, size_t n, struct vx6_sig *out);
/** @return VX6_OK | SIGNATURE | LIMIT */
VX6_RES vx6_verify(const struct vx6_sign_pk *pk, const char *label, const struct vx6_net *net,
		   const void *msg, size_t n, const struct vx6_sig *sig);

#endif
