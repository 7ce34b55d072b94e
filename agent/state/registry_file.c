/*
 * The registry's file: opened, read, written, set aside. Whoever calls has the connection to himself: the loop before it runs and after,
 * a worker meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "state/registry_file.h"
#include "state/state_internal.h"

enum { REGISTRY_VERSION = 1, REGISTRY_APPLICATION_ID = 0x56583602 };

/* A flipped bit need not look like damage: the schema no longer fits the statements, or the header says that this version may only read. */
static bool is_damage(const struct registry_file *f, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_FORMAT:
		return true;
	case SQLITE_READONLY:
		return access(f->path, W_OK) == 0;
	default:
		return false;
	}
}

static vx6_err complain(struct registry_file *f, int rc)
{
	snprintf(f->detail, sizeof f->detail, "%.150s: %.90s", f->path,
		 f->db ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc));
	return is_damage(f, rc) ? VX6_ERR(CORRUPT) : state_err(f->db, rc);
}

static vx6_err complain_errno(struct registry_file *f)
{
	snprintf(f->detail, sizeof f->detail, "%.150s: %.90s", f->path, strerror(errno));
	return vx6_err_from_errno(errno);
}

/* Created here for the mode, which the log inherits; and nothing but a plain file is opened. */
static vx6_err touch(struct registry_file *f)
{
	int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		      S_IRUSR | S_IWUSR);
	struct stat st;
	vx6_err err = VX6_OK;

	if (fd < 0)
		return complain_errno(f);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		err = complain_errno(f);
	}
	close(fd);
	return err;
}

static int pragma_int(sqlite3 *db, const char *sql, int *out)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int create(struct registry_file *f)
{
	char mark[128];
	int rc = sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 REGISTRY_APPLICATION_ID, REGISTRY_VERSION);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(f->db, state_registry_schema, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(f->db, mark, NULL, NULL, NULL);
	return rc;
}

/* Not ours, or of another version: as good as damaged, for it is only a cache. */
static vx6_err check_ours(struct registry_file *f)
{
	int application = 0, version = 0, tables = 0;
	int rc = pragma_int(f->db, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = pragma_int(f->db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = pragma_int(f->db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc == SQLITE_OK && !application && !version && !tables)
		rc = create(f);
	else if (rc == SQLITE_OK &&
		 (application != REGISTRY_APPLICATION_ID || version != REGISTRY_VERSION)) {
		snprintf(f->detail, sizeof f->detail, "%.150s: not a registry of this version",
			 f->path);
		return VX6_ERR(CORRUPT);
	}
	return rc == SQLITE_OK ? VX6_OK : complain(f, rc);
}

vx6_err registry_file_open(struct registry_file *f)
{
	char limit[64];
	vx6_err err;
	int rc;

	state_sqlite_configure();
	VX6_TRY(touch(f));
	rc = sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_extended_result_codes(f->db, 1);
		sqlite3_busy_timeout(f->db, 1000);
		/* a checkpoint every 64 pages keeps the log, and so its index in memory, small */
		rc = sqlite3_exec(
			f->db,
			"PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;"
			"PRAGMA synchronous = NORMAL; PRAGMA cache_size = 12;"
			"PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 256;"
			"PRAGMA journal_size_limit = 1048576; PRAGMA trusted_schema = OFF;"
			"PRAGMA cell_size_check = ON",
			NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK && f->max_pages) {
		snprintf(limit, sizeof limit, "PRAGMA max_page_count = %u", f->max_pages);
		rc = sqlite3_exec(f->db, limit, NULL, NULL, NULL);
	}
	err = rc == SQLITE_OK ? check_ours(f) : complain(f, rc);
	if (!vx6_is_ok(err))
		registry_file_close(f);
	return err;
}

void registry_file_close(struct registry_file *f)
{
	sqlite3_close(f->db);
	f->db = NULL;
}

void registry_file_set_aside(struct registry_file *f)
{
	char to[sizeof f->path + 16], log[sizeof f->path + 16];

	/* without a checkpoint: what the log holds is not to be written into a file that is damaged */
	if (f->db)
		sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	registry_file_close(f);
	snprintf(to, sizeof to, "%s.damaged", f->path);
	if (rename(f->path, to) < 0)
		unlink(f->path);
	snprintf(log, sizeof log, "%s-wal", f->path);
	unlink(log);
	snprintf(log, sizeof log, "%s-shm", f->path);
	unlink(log);
}

/* ---- rows ---- */

static int put(sqlite3_stmt *stmt, const struct vx6_row *row)
{
	int rc = sqlite3_bind_blob(stmt, 1, row->key, VX6_ROW_KEY, SQLITE_STATIC);

	if (rc == SQLITE_OK && row->value)
		rc = sqlite3_bind_blob(stmt, 2, row->value, (int)row->n, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_rows(sqlite3 *db, const struct vx6_row_batch *batch)
{
	sqlite3_stmt *set = NULL, *del = NULL;
	struct vx6_row row;
	size_t at = 0;
	int rc = sqlite3_prepare_v2(db,
				    "INSERT INTO rows VALUES (?, ?) ON CONFLICT (key) DO UPDATE "
				    "SET value = excluded.value",
				    -1, &set, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "DELETE FROM rows WHERE key = ?", -1, &del, NULL);
	while (rc == SQLITE_OK && vx6_row_next(batch, &at, &row))
		rc = put(row.value ? set : del, &row);
	sqlite3_finalize(set);
	sqlite3_finalize(del);
	return rc;
}

vx6_err registry_file_write(struct registry_file *f, const struct vx6_row_batch *batch)
{
	vx6_err err;
	int rc;

	if (!f->db)
		VX6_TRY(registry_file_open(f));
	rc = sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = write_rows(f->db, batch);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return VX6_OK;
	err = complain(f, rc);
	if (!sqlite3_get_autocommit(f->db))
		sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

static void load_row(sqlite3_stmt *stmt, sqlite3_stmt *del, struct vx6_registry *r, uint64_t now_s,
		     struct vx6_registry_loaded *out)
{
	const void *key = sqlite3_column_blob(stmt, 0), *value = sqlite3_column_blob(stmt, 1);
	size_t key_n = (size_t)sqlite3_column_bytes(stmt, 0),
	       n = (size_t)sqlite3_column_bytes(stmt, 1);
	vx6_err err = vx6_registry_load_row(r, key, key_n, value, n, now_s);

	if (vx6_is_ok(err)) {
		out->rows++;
		return;
	}
	if (err.code == VX6_E_EXPIRED || err.code == VX6_E_FULL)
		out->expired++;
	else
		out->dropped++;
	sqlite3_bind_blob(del, 1, key, (int)key_n, SQLITE_TRANSIENT);
	sqlite3_step(del);
	sqlite3_reset(del);
}

vx6_err registry_file_load(struct registry_file *f, struct vx6_registry *r, uint64_t now_s,
			   struct vx6_registry_loaded *out)
{
	sqlite3_stmt *stmt = NULL, *del = NULL;
	int rc = sqlite3_exec(f->db, "BEGIN", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(f->db, "SELECT key, value FROM rows", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(f->db, "DELETE FROM rows WHERE key = ?", -1, &del, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			load_row(stmt, del, r, now_s, out);
	}
	sqlite3_finalize(stmt);
	sqlite3_finalize(del);
	if (rc == SQLITE_DONE) /* rows that could not be deleted are dropped once more next time */
		rc = sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL);
	if (!sqlite3_get_autocommit(f->db))
		sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
	return rc == SQLITE_OK ? VX6_OK : complain(f, rc);
}
