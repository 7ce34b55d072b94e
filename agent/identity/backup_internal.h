/**
 * @file backup_internal.h
 * The sealed half of a backup as bytes, for tests and fuzzing.
 *
 * Spec:    docs/reference/keyfile.md#backups
 * Layer:   identity
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_IDENTITY_BACKUP_INTERNAL_H
#define VX6_IDENTITY_BACKUP_INTERNAL_H

#include "identity/backup.h"

/** Bytes that backup_encode() will write. */
size_t backup_size(const struct vx6_backup *b);
/** @param cap at least backup_size() @return VX6_OK | LIMIT */
VX6_RES backup_encode(struct vx6_backup *b, uint8_t *out, size_t cap, size_t *n);
/** Copies what it reads. @param out to be freed with vx6_backup_fini(), also on failure @return VX6_OK | CORRUPT */
VX6_RES backup_decode(const uint8_t *in, size_t n, struct vx6_backup *out);

#endif
