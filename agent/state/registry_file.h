/**
 * @file registry_file.h
 * The file under registry_db.h, one call at a time.
 *
 * Layer:   state
 * Threads: one at a time
 */
#ifndef VX6_STATE_REGISTRY_FILE_H
#define VX6_STATE_REGISTRY_FILE_H

#include <sqlite3.h>

#include "discovery/registry_row.h"
#include "state/registry_db.h"

struct registry_file {
	char path[512];
	uint32_t max_pages;
	sqlite3 *db;                          /* NULL: not open */
	char detail[VX6_REGISTRY_DETAIL_MAX]; /* of the last error */
};

/** @return VX6_OK | CORRUPT (to be set aside) | DISK_FULL | PERMISSION | IO | … */
VX6_RES registry_file_open(struct registry_file *f);
void registry_file_close(struct registry_file *f);
/** Closes, and makes way for a new file. */
void registry_file_set_aside(struct registry_file *f);
/** One transaction; opens the file if need be. @return as registry_file_open() */
VX6_RES registry_file_write(struct registry_file *f, const struct vx6_row_batch *batch);
/** Every row into the registry; those that are damaged are deleted. @return as registry_file_open(); rows may have been taken all the same */
VX6_RES registry_file_load(struct registry_file *f, struct vx6_registry *r, uint64_t now_s,
			   struct vx6_registry_loaded *out);

#endif
