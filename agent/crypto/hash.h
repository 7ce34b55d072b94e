/**
 * @file hash.h
 * BLAKE2b-256 with a 16-byte personal string that says what is hashed.
 *
 * Spec:    RFC 7693; schemas/wire/README.md#hashes
 * Layer:   crypto
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_HASH_H
#define VX6_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

enum {
	VX6_HASH_BYTES = 32,
	VX6_HASH_PERSONAL_BYTES = 16,
	VX6_HASH_STATE_BYTES = 384,
};

struct vx6_hash {
	uint8_t b[VX6_HASH_BYTES];
};

/** @param personal static string of at most 16 bytes, padded with zeroes (longer is a bug) */
void vx6_hash_personal(const char *personal, const void *p, size_t n, struct vx6_hash *out);

struct vx6_hash_state {
	_Alignas(64) uint8_t opaque[VX6_HASH_STATE_BYTES];
};
void vx6_hash_init(struct vx6_hash_state *st, const char *personal);
void vx6_hash_update(struct vx6_hash_state *st, const void *p, size_t n);
void vx6_hash_final(struct vx6_hash_state *st, struct vx6_hash *out);

#endif
