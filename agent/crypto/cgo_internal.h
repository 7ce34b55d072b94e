/**
 * @file cgo_internal.h
 * What CGO is made of, once with the processor's instructions and once without.
 *
 * Layer:   crypto
 * Threads: pure, any thread
 */
#ifndef VX6_CRYPTO_CGO_INTERNAL_H
#define VX6_CRYPTO_CGO_INTERNAL_H

#include "crypto/cgo.h"

struct cgo_ops {
	/* AES-128 round keys: for encryption, and those of the inverse cipher in the order of their use */
	void (*expand)(const uint8_t key[static 16], uint8_t rk[static 11][16]);
	void (*invert)(const uint8_t rk[static 11][16], uint8_t inv[static 11][16]);
	void (*encrypt)(const uint8_t rk[static 11][16], uint8_t block[static 16]);
	void (*decrypt)(const uint8_t inv[static 11][16], uint8_t block[static 16]);
	/* in ^= AES-CTR from @p iv on */
	void (*ctr)(const uint8_t rk[static 11][16], const uint8_t iv[static 16], uint8_t *p,
		    size_t n);
	/* powers 1 to 8 of a POLYVAL key */
	void (*powers)(const uint8_t key[static 16], uint8_t u[static 8][16]);
	/* POLYVAL of three parts: @p head (16 bytes), one byte, and @p n bytes, zero-padded at the end */
	void (*hash)(const uint8_t u[static 8][16], const uint8_t head[static 16], uint8_t ad,
		     const uint8_t *p, size_t n, uint8_t out[static 16]);
	/* of one block */
	void (*hash_one)(const uint8_t key[static 16], const uint8_t x[static 16],
			 uint8_t out[static 16]);
};

extern const struct cgo_ops cgo_portable;
/** @return NULL: the processor has no such instructions */
const struct cgo_ops *cgo_accelerated(void);

#endif
