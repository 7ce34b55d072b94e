/**
 * @file archive.h
 * A whole identity in one sealed file: to keep it elsewhere, or to move it to another machine.
 *
 * Spec:    docs/reference/keyfile.md#archives
 * Layer:   identity
 * Shape:   a key file of kind 4; its payload is a TLV list: 81 subkey, 82 master seed, 83 revocation record
 * Trust:   a file may be cut, damaged, or made by somebody else: what it holds must fit together
 * Threads: blocks on disk and on Argon2id: start-up or a worker
 */
#ifndef VX6_IDENTITY_ARCHIVE_H
#define VX6_IDENTITY_ARCHIVE_H

#include "identity/identity.h"

enum { VX6_ARCHIVE_MAX = 1130 };

/**
 * Seals what is in @p dir. Where the master key was moved away it is not in the archive either.
 * @param pass     of the master key; NULL: it has none
 * @param sealed_by of the archive; never NULL
 * @return VX6_OK | NOT_FOUND | PASSPHRASE | LOOSE_MODE | CORRUPT | MISMATCH | errno's
 */
VX6_RES vx6_identity_export(const char *dir, const struct vx6_net *net,
			    const struct vx6_passphrase *pass,
			    const struct vx6_passphrase *sealed_by,
			    uint8_t out[static VX6_ARCHIVE_MAX], size_t *n);
/**
 * Makes @p dir, which must not exist yet or be empty, from an archive. With the master key a new subkey is made, which retires the one of the machine
 * that the archive came from: two nodes never share one.
 * @param pass what is to protect the master key here; NULL: nothing
 * @return VX6_OK | EXISTS | PASSPHRASE | CORRUPT | TOO_NEW | MISMATCH (no archive, another network) | errno's
 */
VX6_RES vx6_identity_import(const uint8_t *in, size_t n, const struct vx6_passphrase *sealed_by,
			    const char *dir, const struct vx6_net *net, uint64_t now_s,
			    const struct vx6_passphrase *pass, struct vx6_identity *out);

#endif
