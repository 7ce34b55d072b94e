/**
 * @file parts.h
 * What the two handshakes of circuits are made of: hashes of rows of parts, and a cipher for keys that are used once.
 *
 * Spec:    FIPS 202 (SHA3-256, SHAKE-256), FIPS 197 (AES-256, counter mode from zero)
 * Layer:   crypto
 * Threads: pure, any thread after vx6_crypto_init()
 */
#ifndef VX6_CRYPTO_PARTS_H
#define VX6_CRYPTO_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Hashed as it is, with its length (u64) before it, or that length alone. */
struct vx6_part {
	const void *p; /* borrowed */
	size_t n;
	bool with_length, only_length;
};
#define VX6_PART(p, n) {(p), (n), false, false}
#define VX6_PART_SIZED(p, n) {(p), (n), true, false}
#define VX6_PART_LENGTH(n) {NULL, (n), true, true}

void vx6_parts_sha3(const struct vx6_part *part, size_t n, uint8_t out[static 32]);
void vx6_parts_shake(const struct vx6_part *part, size_t n, uint8_t *out, size_t out_n);

/** AES-256 in counter mode from zero, so each key is good for one text. @param out @p n bytes, may be @p in */
void vx6_crypt_once(const uint8_t key[static 32], const uint8_t *in, size_t n, uint8_t *out);

#endif
