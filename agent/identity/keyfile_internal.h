/**
 * @file keyfile_internal.h
 * The inside of a key file as bytes, for tests and fuzzing.
 *
 * Spec:    docs/reference/keyfile.md
 * Layer:   identity
 * Trust:   input is hostile
 * Threads: pure, any thread; with a passphrase slow
 */
#ifndef VX6_IDENTITY_KEYFILE_INTERNAL_H
#define VX6_IDENTITY_KEYFILE_INTERNAL_H

#include "identity/keyfile.h"

enum { VX6_KEYFILE_MAX = 58 + VX6_KEYFILE_PAYLOAD_MAX + 16 + 32 }; /* a whole file */

/** The bytes that vx6_keyfile_write() writes. */
VX6_RES vx6_keyfile_encode(enum vx6_keyfile_kind kind, const uint8_t *payload, size_t n,
			   const struct vx6_passphrase *pass, uint8_t out[static VX6_KEYFILE_MAX],
			   size_t *out_n);
/** As vx6_keyfile_read(), of bytes already read; @p out is not wiped on failure. */
VX6_RES vx6_keyfile_open_bytes(const uint8_t *in, size_t in_n, enum vx6_keyfile_kind kind,
			       const struct vx6_passphrase *pass,
			       uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n);

#endif
