/**
 * @file keyfile.h
 * Secret key files: 0600, written whole or not at all, refused when others could have read or changed them.
 *
 * Spec:    docs/reference/keyfile.md
 * Layer:   identity
 * Shape:   "VX6K" | version u8 | kind u8 | protection u8 | 0 | cost and salt | payload | checksum; see the page
 * Trust:   a file may be cut, damaged, swapped or from a newer version: each has its own error
 * Threads: blocks on disk, and with a passphrase on Argon2id: start-up or a worker
 */
#ifndef VX6_IDENTITY_KEYFILE_H
#define VX6_IDENTITY_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/pwhash.h"

enum {
	VX6_KEYFILE_PAYLOAD_MAX = 1024,
};

enum vx6_keyfile_kind {
	VX6_KEYFILE_MASTER = 1,
	VX6_KEYFILE_SUBKEY = 2,
	VX6_KEYFILE_REVOCATION = 3,
	VX6_KEYFILE_ARCHIVE = 4, /* identity/archive.h */
};

/** Borrowed bytes of a passphrase; pass NULL where there is none. */
struct vx6_passphrase {
	const char *text;
	size_t n;
	struct vx6_pwhash_cost cost; /* zeroes: the default; used for writing only */
};

/**
 * Opens a directory of keys: real directory, ours, no access for group and others.
 * @param fd caller closes @return VX6_OK | NOT_FOUND | LOOSE_MODE | errno's
 */
VX6_RES vx6_keydir_open(const char *path, int *fd);
/** The same; one that is not there is made, its parent must exist. */
VX6_RES vx6_keydir_make(const char *path, int *fd);

/* The two below are for other files that hold secrets: bytes as they are, mode 0600, whole or not at all. */

/** An older file of that name is replaced. @param name at most 58 bytes @return VX6_OK | INVALID (name) | errno's */
VX6_RES vx6_secret_file_write(int dirfd, const char *name, const uint8_t *p, size_t n);
/** @param n bytes read, at most @p cap: give room for one more than is allowed @return VX6_OK | NOT_FOUND | LOOSE_MODE | errno's */
VX6_RES vx6_secret_file_read(int dirfd, const char *name, uint8_t *out, size_t cap, size_t *n);

/** Writes @p name in @p dirfd through a temporary file, fsync and rename; an older file of that name is replaced. */
VX6_RES vx6_keyfile_write(int dirfd, const char *name, enum vx6_keyfile_kind kind,
			  const uint8_t *payload, size_t n, const struct vx6_passphrase *pass);
/**
 * @param out at least VX6_KEYFILE_PAYLOAD_MAX bytes; wiped on failure; caller wipes after use
 * @return VX6_OK | NOT_FOUND | LOOSE_MODE | CORRUPT | TOO_NEW | MISMATCH (another kind of key) | PASSPHRASE (wrong, missing) | errno's
 */
VX6_RES vx6_keyfile_read(int dirfd, const char *name, enum vx6_keyfile_kind kind,
			 const struct vx6_passphrase *pass,
			 uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n);
/** Whether reading it will take a passphrase. @return as vx6_keyfile_read() */
VX6_RES vx6_keyfile_is_protected(int dirfd, const char *name, bool *out);

#endif
