/**
 * @file identity_internal.h
 * Parts of an identity on disk that its files share: names, payloads, and a directory that appears whole or not at all.
 *
 * Spec:    docs/reference/keyfile.md
 * Layer:   identity
 * Threads: blocks on disk: start-up or a worker
 */
#ifndef VX6_IDENTITY_IDENTITY_INTERNAL_H
#define VX6_IDENTITY_IDENTITY_INTERNAL_H

#include "identity/identity.h"
#include "wire/wr.h"

#define MASTER_FILE "master.key"
#define SUBKEY_FILE "subkey.key"
#define REVOCATION_FILE "revocation.key"

enum { IDENTITY_SUBKEY_BYTES = VX6_NET_BYTES + 32 + 32 + VX6_SUBKEY_CERT_BYTES };

/** Makes @p dir by one rename of a directory that @p fill has filled. @return VX6_OK | EXISTS (an identity, or not empty) | fill's | errno's */
vx6_err identity_install(const char *dir, vx6_err (*fill)(int dirfd, void *user), void *user);
/** Makes the next subkey after @p current (NULL: none is known). */
vx6_err identity_make_subkey(const struct vx6_subkey *current,
			     const struct vx6_sign_keypair *master, const struct vx6_net *net,
			     uint64_t now_s, struct vx6_subkey *out);
/** Writes the payload of subkey.key. */
void identity_put_subkey(struct vx6_wr *w, const struct vx6_node_id *id, const struct vx6_net *net,
			 const struct vx6_subkey *s);
/** Reads it; @p out is to be wiped, also on failure. */
vx6_err identity_parse_subkey(const uint8_t *payload, size_t n, const struct vx6_net *net,
			      struct vx6_identity *out);
vx6_err identity_write_subkey(int dirfd, const struct vx6_node_id *id, const struct vx6_net *net,
			      const struct vx6_subkey *s);
/** @param out to be wiped on success */
vx6_err identity_read_master(int dirfd, const struct vx6_passphrase *pass,
			     struct vx6_sign_keypair *out);

#endif
