/**
 * @file restore.h
 * A state directory out of a backup, for an agent that does not run.
 *
 * Layer:   node
 * Crash:   the directory appears by one rename of a finished one, DIR.restoring beside it; what a crash leaves of that is removed by the next
 *          attempt
 * Threads: blocks on disk, and with a passphrase on Argon2id: a program of its own
 */
#ifndef VX6_NODE_RESTORE_H
#define VX6_NODE_RESTORE_H

#include "identity/backup.h"

enum { VX6_RESTORE_DETAIL = 320 };

struct vx6_restored {
	struct vx6_node_id node;
	enum vx6_master_state master;
	bool renewed;              /* there is a new online key */
	uint64_t cert_not_after_s; /* of the online key that is there now */
};

/**
 * Checks all that is in @p b before it writes anything. Where the master key can be used a new online key is made, which retires the one
 * of the machine that the backup is of.
 * @param dir  must not be there, or be empty; its parent must be there
 * @param pass of the master key; NULL: none, a locked one then stays unused
 * @param detail for people, VX6_RESTORE_DETAIL bytes, written on failure
 * @return VX6_OK | CORRUPT | TOO_NEW | MISMATCH (another network) | LOCKED (an agent runs in @p dir) | EXISTS (not empty) | PASSPHRASE | errno's
 */
VX6_RES vx6_backup_restore(const struct vx6_backup *b, const char *dir,
			   const struct vx6_passphrase *pass, uint64_t now_s,
			   struct vx6_restored *out, char detail[static VX6_RESTORE_DETAIL]);

#endif
