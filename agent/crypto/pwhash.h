/**
 * @file pwhash.h
 * Argon2id: a key from a passphrase.
 *
 * Spec:    RFC 9106
 * Layer:   crypto
 * Threads: slow by design (about a second): a worker or start-up, never the loop
 */
#ifndef VX6_CRYPTO_PWHASH_H
#define VX6_CRYPTO_PWHASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_PWHASH_SALT_BYTES = 16,
	VX6_PWHASH_OPS_MAX = 16, /* refused above: a file must not be able to stall the agent */
	VX6_PWHASH_KIB_MAX = 1024 * 1024, /* 1 GiB */
	VX6_PWHASH_KIB_MIN = 8,
	VX6_PWHASH_OPS_DEFAULT = 3,
	VX6_PWHASH_KIB_DEFAULT = 64 * 1024, /* 64 MiB */
};

struct vx6_pwhash_cost {
	uint32_t ops;
	uint32_t kib;
};

/** @return VX6_OK | RANGE (cost) | MEMORY */
VX6_RES vx6_pwhash(const void *passphrase, size_t n,
		   const uint8_t salt[static VX6_PWHASH_SALT_BYTES],
		   const struct vx6_pwhash_cost *cost, void *out, size_t out_n);

#endif
