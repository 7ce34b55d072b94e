/**
 * @file token.h
 * Bearer tokens: `vx6_<12 id>_<52 secret>_<6 checksum>`, base32 in lower case. Only a keyed hash of one is kept in memory.
 *
 * Spec:    docs/api-conventions.md
 * Layer:   api
 * Trust:   presented tokens are hostile; compared in constant time
 * Threads: pure but for the file functions
 */
#ifndef VX6_API_SERVER_TOKEN_H
#define VX6_API_SERVER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "crypto/hash.h"

enum {
	VX6_TOKEN_TEXT = 4 + 12 + 1 + 52 + 1 + 6 + 1, /* bytes, NUL included */
	VX6_TOKEN_PUBLIC_AT = 4,                      /* 12 characters that are no secret */
};

/** Makes one from 32 random bytes. Secret: wipe after use. */
void vx6_token_make(char out[static VX6_TOKEN_TEXT]);

/** Whether shape and checksum are right; tells a typing error without asking the agent. */
bool vx6_token_is_valid(const char *text);

/** @param key 32 bytes, drawn at start */
void vx6_token_hash(const uint8_t key[static 32], const char *text, struct vx6_hash *out);

/** What is stored of one: its secret is random, so that no salt and no slow hash is needed. */
void vx6_token_stored_hash(const char *text, struct vx6_hash *out);

/**
 * Reads the token in @p path, or makes one there (0600) when the file does not exist.
 * @return VX6_OK | LOOSE_MODE (others may read it) | FORMAT (no token in it) | PERMISSION | IO
 */
VX6_RES vx6_token_file(const char *path, char out[static VX6_TOKEN_TEXT]);

#endif
