/**
 * @file backup.h
 * A node's files in one sealed file: what is in it, out and in again as bytes.
 *
 * Spec:    docs/reference/keyfile.md#backups
 * Layer:   identity
 * Shape:   a head in clear (when, by which program, which schema), then everything else sealed under a passphrase: whose it is, a manifest
 *          with a hash of every part, the parts
 * Trust:   a file may be cut, damaged, or made by somebody else; nothing of the sealed half is looked at before it has verified
 * Threads: pure, any thread; sealing and opening take Argon2id: a worker, or a program of its own
 */
#ifndef VX6_IDENTITY_BACKUP_H
#define VX6_IDENTITY_BACKUP_H

#include "crypto/hash.h"
#include "identity/identity.h"
#include "identity/node_id.h"
#include "wire/label.h"

enum {
	VX6_BACKUP_MAX = 128 << 20, /* bytes of a whole file */
	VX6_BACKUP_PARTS_MAX = 4096,
	VX6_BACKUP_NAME =
		68, /* of a part, with its NUL: a folder and what vx6_secret_file_write() takes */
	VX6_BACKUP_PROGRAM = 32,
};

/** What is there to read without the passphrase. Nobody vouches for it before the file is opened. */
struct vx6_backup_head {
	uint64_t made_ms; /* wall clock */
	uint16_t schema;  /* of the database */
	char program[VX6_BACKUP_PROGRAM];
	uint64_t sealed_n; /* bytes of the sealed half, before it was sealed */
};

/** A file of the state directory. */
struct vx6_backup_part {
	char name
		[VX6_BACKUP_NAME]; /* "state.db", "identity/master.key": below the state directory */
	uint8_t *p;                /* owned by the backup; secret */
	size_t n;
	struct vx6_hash
		hash; /* of the bytes; made by vx6_backup_seal() and checked by vx6_backup_open() */
};

/** Zero-initialise; vx6_backup_fini(). */
struct vx6_backup {
	struct vx6_backup_head head; /* sealed_n is the file's business */
	struct vx6_node_id node;
	char name[VX6_LABEL_TEXT];
	struct vx6_backup_part *parts; /* owned; sorted by name, each name once */
	size_t parts_n;
};
/** Wipes what it holds. */
void vx6_backup_fini(struct vx6_backup *b);

/**
 * The online key in it, which must be that of the node that the backup is of.
 * @param out secret: vx6_identity_wipe(); what it says of the master key is whether that is there, and under a passphrase
 * @return VX6_OK | CORRUPT | MISMATCH (another network)
 */
VX6_RES vx6_backup_identity(const struct vx6_backup *b, const struct vx6_net *net,
			    struct vx6_identity *out);

/** Whether a file of that name belongs into a backup: state.db, agent.yaml, and files in identity, hidden and catalogs. */
bool vx6_backup_name_is_valid(const char *name);
/** Puts a part where it belongs. @param p taken, in every case @return VX6_OK | INVALID (name) | EXISTS | LIMIT (too many, too large) */
VX6_RES vx6_backup_add(struct vx6_backup *b, const char *name, uint8_t *p, size_t n);
/** @return borrowed; NULL: there is none */
const struct vx6_backup_part *vx6_backup_find(const struct vx6_backup *b, const char *name);

/**
 * Seals it. Fills the hashes of the parts in.
 * @param pass never NULL @param out owned, free(); a NUL follows the @p n bytes
 * @return VX6_OK | LIMIT | MEMORY
 */
VX6_RES vx6_backup_seal(struct vx6_backup *b, const struct vx6_passphrase *pass, uint8_t **out,
			size_t *n);
/** Reads the head and tells damage. @return VX6_OK | CORRUPT | TOO_NEW */
VX6_RES vx6_backup_peek(const uint8_t *in, size_t n, struct vx6_backup_head *out);
/**
 * Opens it and checks all of it.
 * @param in opened in place: afterwards it holds what was sealed, and is the caller's to wipe
 * @param out empty on failure
 * @return VX6_OK | CORRUPT | TOO_NEW | PASSPHRASE (wrong, missing) | MEMORY
 */
VX6_RES vx6_backup_open(uint8_t *in, size_t n, const struct vx6_passphrase *pass,
			struct vx6_backup *out);

#endif
