/**
 * @file siphash.h
 * SipHash-2-4: a fast keyed hash of 64 bits for tables and cookies; not a signature.
 *
 * Spec:    "SipHash: a fast short-input PRF" (Aumasson, Bernstein)
 * Layer:   crypto
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_SIPHASH_H
#define VX6_CRYPTO_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct vx6_siphash_key {
	uint8_t b[16];
};

uint64_t vx6_siphash(const struct vx6_siphash_key *key, const void *p, size_t n);

#endif
