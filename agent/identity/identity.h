/**
 * @file identity.h
 * This node's own identity: id, online subkey, certificate, and where the master key is.
 *
 * Layer:   identity
 * Shape:   DIR/master.key (may be moved away: the node then runs until its certificate ends), DIR/subkey.key (S, its certificate, the
 *          master's public key), DIR/revocation.key (pre-signed at creation; publishing it ends the identity). The passphrase protects
 *          the master key and the revocation; the subkey is short-lived and stays readable so that an agent can start unattended.
 * Seq:     cert_seq is the clock in seconds, or one more than the last where that is larger, so that it also rises after a restore.
 * Crash:   DIR appears by one rename of a finished directory; renewal replaces one file by rename.
 * Threads: create, load, renew block on disk: start-up or a worker. The struct itself is a value.
 */
#ifndef VX6_IDENTITY_IDENTITY_H
#define VX6_IDENTITY_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/sign.h"
#include "identity/keyfile.h"
#include "identity/node_id.h"
#include "identity/subkey_cert.h"

enum vx6_master_state {
	VX6_MASTER_ABSENT, /* kept elsewhere */
	VX6_MASTER_LOCKED, /* needs the passphrase */
	VX6_MASTER_READY,  /* renewal works unattended */
};

/** The online key with its certificate. Secret. */
struct vx6_subkey {
	struct vx6_sign_keypair key;
	struct vx6_subkey_cert cert;
	uint8_t cert_bytes[VX6_SUBKEY_CERT_BYTES];
};

/** Secret: wipe with vx6_identity_wipe(). */
struct vx6_identity {
	struct vx6_node_id id;
	struct vx6_net net;
	struct vx6_subkey subkey;
	enum vx6_master_state master;
};

/**
 * Creates an identity in @p dir, which must not exist yet or be empty; its parent must exist.
 * @param pass borrowed; NULL: the master key is stored in the clear (0600)
 * @return VX6_OK | EXISTS | errno's
 */
VX6_RES vx6_identity_create(const char *dir, const struct vx6_net *net, uint64_t now_s,
			    const struct vx6_passphrase *pass, struct vx6_identity *out);
/** Loads what is in @p dir; an expired certificate is no error here. @return VX6_OK | NOT_FOUND | LOOSE_MODE | CORRUPT | TOO_NEW | MISMATCH | errno's */
VX6_RES vx6_identity_load(const char *dir, const struct vx6_net *net, struct vx6_identity *out);
/** Makes one that lives in memory only. For tests and simulations. */
VX6_RES vx6_identity_ephemeral(const struct vx6_net *net, uint64_t now_s, struct vx6_identity *out);
void vx6_identity_wipe(struct vx6_identity *id);

/** Half of the certificate's life is over. */
bool vx6_identity_wants_renewal(const struct vx6_identity *id, uint64_t now_s);
bool vx6_identity_is_expired(const struct vx6_identity *id, uint64_t now_s);
/**
 * Makes a new subkey with the next cert_seq, signs it with the master key and stores it. Touches files and arguments only, so a
 * worker may run it on copies; the loop then takes the result over by assignment (wiping the old one).
 * @param current the subkey in use, borrowed; NULL when only the master key is left (a restored backup)
 * @return VX6_OK | NOT_FOUND (master absent) | MISMATCH (it is another node's) | PASSPHRASE | LOOSE_MODE | CORRUPT | errno's
 */
VX6_RES vx6_identity_renew(const char *dir, const struct vx6_net *net,
			   const struct vx6_subkey *current, const struct vx6_passphrase *pass,
			   uint64_t now_s, struct vx6_subkey *out);
/** What a revocation is to say. */
struct vx6_revoke_ask {
	uint8_t reason; /* enum vx6_revoke_reason */
	uint32_t
		min_cert_seq; /* reason SUBKEY: certificates below it are void; 0: all that were made until now */
	/** The directory of another identity of ours that takes over, with its master key; NULL: none. */
	const char *successor_dir;
	const struct vx6_passphrase *successor_pass;
};
/**
 * The revocation record that @p ask asks for: the one that was signed in advance where that says the same, else signed now with the master
 * key. Nothing on disk changes; publishing it is what ends the identity.
 * @param out VX6_REVOCATION_MAX (320) bytes
 * @return VX6_OK | NOT_FOUND (master absent) | PASSPHRASE | INVALID (reason, the successor is the node itself) | LOOSE_MODE | CORRUPT | errno's
 */
VX6_RES vx6_identity_revoke(const char *dir, const struct vx6_net *net,
			    const struct vx6_revoke_ask *ask, const struct vx6_passphrase *pass,
			    uint64_t now_s, uint8_t *out, size_t *n);
/** Reads the pre-signed revocation. @param out at least VX6_KEYFILE_PAYLOAD_MAX bytes */
VX6_RES vx6_identity_revocation(const char *dir, const struct vx6_passphrase *pass,
				uint8_t out[static VX6_KEYFILE_PAYLOAD_MAX], size_t *n);

#endif
