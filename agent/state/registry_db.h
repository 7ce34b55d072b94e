/**
 * @file registry_db.h
 * The registry on disk: loaded at the start, then written behind. A cache in a file of its own: whatever happens to it, the agent runs.
 *
 * Spec:    schemas/sql/registry.sql, discovery/registry_row.h
 * Layer:   state
 * Shape:   DIR/registry.db (SQLite, WAL, synchronous=NORMAL: survives a kill, and after a power cut is an earlier state of itself)
 * Writes:  what changed, VX6_ROWS_BATCH rows a transaction, by one worker at a time; a second after the first change, half a minute when all of it
 *          is news of strangers; contacts once a minute
 * Safety:  each row is checked at the start, and left out when it is damaged. A file that SQLite calls damaged is set aside as
 *          DIR/registry.db.damaged, a new one begins with what was read of it. While nothing can be written (full disk) the registry
 *          goes on in memory, and a write is tried every half minute
 * Threads: the loop's thread; open and close block and belong before and after the loop's run. The directory's lock is that of state.db
 */
#ifndef VX6_STATE_REGISTRY_DB_H
#define VX6_STATE_REGISTRY_DB_H

#include "discovery/registry.h"
#include "loop/loop.h"

struct vx6_registry_db;

enum { VX6_REGISTRY_DETAIL_MAX = 256 };

struct vx6_registry_db_config {
	const char *dir;               /* exists; borrowed for the call */
	struct vx6_loop *loop;         /* borrowed, like all below */
	struct vx6_registry *registry; /* still empty, but for revocations */
	uint32_t max_pages;            /* of 4 KiB; 0: no limit */
	/** The file was damaged and was set aside. Not called inside vx6_registry_db_open(): vx6_registry_db_loaded() tells. */
	void (*damaged)(void *user, const char *detail);
	/** Rows cannot be stored (@p err: DISK_FULL, …), or, after that, can again (OK). */
	void (*stuck)(void *user, vx6_err err, const char *detail);
	void *user;
};

/** What the start found. */
struct vx6_registry_loaded {
	size_t rows;                          /* taken */
	size_t dropped;                       /* damaged: left out and deleted */
	size_t expired;                       /* not worth keeping any more */
	bool damaged;                         /* the file was set aside */
	char detail[VX6_REGISTRY_DETAIL_MAX]; /* for people: what was wrong with the file */
};

/** Opens or creates the file and fills the registry. @return owned; vx6_registry_db_close(). Never NULL: without a file it goes on trying */
struct vx6_registry_db *vx6_registry_db_open(const struct vx6_registry_db_config *cfg,
					     struct vx6_registry_loaded *out);
/** Stores all that waits, and waits for it: before the loop's run only. @return VX6_OK | DISK_FULL, …: something was not stored */
VX6_RES vx6_registry_db_flush(struct vx6_registry_db *db);
/** Stores what is left, as far as the disk lets it. The registry must still be there. Accepts NULL. */
void vx6_registry_db_close(struct vx6_registry_db *db);

struct vx6_registry_db_info {
	uint64_t rows_written, transactions;
	size_t pending; /* rows that are not on disk yet, contacts not counted */
	vx6_err stuck;  /* why nothing can be stored; OK */
};
void vx6_registry_db_info(const struct vx6_registry_db *db, struct vx6_registry_db_info *out);

#endif
