/**
 * @file secret.h
 * Start of the crypto layer, wiping, comparing in constant time, randomness.
 *
 * Layer:   crypto
 * Threads: vx6_crypto_init() first, once or more, on any thread; the rest from any thread after it
 */
#ifndef VX6_CRYPTO_SECRET_H
#define VX6_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** Prepares libsodium and the table key. Idempotent. @return VX6_OK | BUG (the library refused) */
VX6_RES vx6_crypto_init(void);

/** Overwrites in a way the compiler keeps. */
void vx6_wipe(void *p, size_t n);
/** Wipes @p n bytes, then frees; NULL is fine. */
void vx6_wipe_free(void *p, size_t n);

/** Compares without telling by its time where they differ. */
bool vx6_ct_eq(const void *a, const void *b, size_t n);
bool vx6_ct_is_zero(const void *p, size_t n);

void vx6_random_bytes(void *out, size_t n);
uint32_t vx6_random_u32(void);
uint64_t vx6_random_u64(void);
/** Uniform in [0, @p bound); 0 for a bound of 0 or 1. */
uint32_t vx6_random_below(uint32_t bound);

#endif
