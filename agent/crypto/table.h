/**
 * @file table.h
 * uthash with a keyed hash, for tables whose keys come from peers. Include this, never <uthash.h>.
 *
 * Layer:   crypto
 * Shape:   the HASH_* macros of uthash; the key is drawn once a process, so nobody outside can aim at one bucket.
 *          Keys are compared as bytes: zero the padding of struct keys. Memory comes from vx6_zalloc().
 * Threads: a table belongs to one thread
 */
#ifndef VX6_CRYPTO_TABLE_H
#define VX6_CRYPTO_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"

/** SipHash under the process's key, cut to 32 bits. After vx6_crypto_init(). */
uint32_t vx6_table_hash(const void *key, size_t n);

#ifdef UTHASH_H
#error "include crypto/table.h instead of uthash.h"
#endif
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = vx6_table_hash((keyptr), (keylen)))
#define uthash_malloc(n) vx6_zalloc(n)
#define uthash_free(p, n) free(p)
#include <uthash.h>

#endif
