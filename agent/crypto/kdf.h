/**
 * @file kdf.h
 * HKDF with SHA-256.
 *
 * Spec:    RFC 5869
 * Layer:   crypto
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_KDF_H
#define VX6_CRYPTO_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_KDF_PRK_BYTES = 32,
	VX6_KDF_OUT_MAX = 255 * 32,
};

/** Extract: HMAC(salt, ikm). @param salt may be NULL with @p salt_n 0 */
void vx6_kdf_extract(const void *salt, size_t salt_n, const void *ikm, size_t ikm_n,
		     uint8_t prk[static VX6_KDF_PRK_BYTES]);
/** Expand. @return VX6_OK | LIMIT (out_n above VX6_KDF_OUT_MAX) */
VX6_RES vx6_kdf_expand(const uint8_t prk[static VX6_KDF_PRK_BYTES], const void *info, size_t info_n,
		       void *out, size_t out_n);
/** Both at once; the intermediate key is wiped. */
VX6_RES vx6_kdf(const void *salt, size_t salt_n, const void *ikm, size_t ikm_n, const void *info,
		size_t info_n, void *out, size_t out_n);

#endif
