/*
 * Opening: nothing is written before the file has proved to be a sound database of ours that we understand. Closing without a
 * checkpoint (until all checks have passed) keeps even the write-ahead log of a refused database as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "state/state_internal.h"

enum { HEADER = 16 };

vx6_err state_err(sqlite3 *db, int rc)
{
	int error = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return VX6_OK;
	case SQLITE_FULL:
		return VX6_ERR(DISK_FULL);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return VX6_ERR(CORRUPT);
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY
			       ? VX6_ERR(EXISTS)
			       : VX6_ERR(INVALID);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return VX6_ERR(LOCKED);
	case SQLITE_NOMEM:
		return VX6_ERR(MEMORY);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return VX6_ERR(PERMISSION);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (error == ENOSPC || error == EDQUOT || error == EFBIG)
			return VX6_ERR(DISK_FULL);
		return error == EACCES || error == EPERM ? VX6_ERR(PERMISSION) : VX6_ERR(IO);
	default:
		return VX6_ERR(IO);
	}
}

vx6_err state_refuse(char *detail, vx6_err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, VX6_STATE_DETAIL_MAX, fmt, ap);
	va_end(ap);
	return err;
}

vx6_err state_refuse_db(char *detail, sqlite3 *db, int rc, const char *path)
{
	return state_refuse(detail, state_err(db, rc), "%s: %s", path,
			    db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* SQLite takes an empty file for a new database; anything else must look like one before it is touched. */
static vx6_err check_header(const char *path, char *detail)
{
	static const char magic[HEADER] = "SQLite format 3";
	char header[HEADER] = {0};
	struct stat st;
	/* created here for the mode, which the log files inherit */
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	vx6_err err = VX6_OK;

	if (fd < 0)
		return state_refuse(detail, vx6_err_from_errno(errno), "%s: %s", path,
				    strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err = state_refuse(detail, VX6_ERR(IO), "%s: not a regular file", path);
	else if (st.st_size > 0 &&
		 (pread(fd, header, HEADER, 0) != HEADER || memcmp(header, magic, HEADER) != 0))
		err = state_refuse(detail, VX6_ERR(CORRUPT),
				   "%s: damaged, or not a database; it was left as it is", path);
	close(fd);
	return err;
}

/* The first column of the first row. */
static int query_int(sqlite3 *db, const char *sql, int *out)
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

static vx6_err check_sound(sqlite3 *db, const char *path, char *detail)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	vx6_err err = VX6_OK;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		err = state_refuse(detail, VX6_ERR(CORRUPT),
				   "%s: damaged (%.150s); it was left as it is", path,
				   (const char *)sqlite3_column_text(stmt, 0));
	else if (rc != SQLITE_ROW)
		err = state_refuse_db(detail, db, rc, path);
	sqlite3_finalize(stmt);
	return err;
}

vx6_err state_check_ours(sqlite3 *db, const char *path, int newest, int *version, char *detail)
{
	int tables = 0, application = 0;
	int rc = query_int(db, "PRAGMA user_version", version);

	if (rc == SQLITE_OK)
		rc = query_int(db, "PRAGMA application_id", &application);
	if (rc == SQLITE_OK)
		rc = query_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc != SQLITE_OK)
		return state_refuse_db(detail, db, rc, path);
	if (application != STATE_APPLICATION_ID && (application || tables || *version))
		return state_refuse(detail, VX6_ERR(CORRUPT),
				    "%s: a database of another program; it was left as it is",
				    path);
	if (*version > newest)
		return state_refuse(
			detail, VX6_ERR(TOO_NEW),
			"%s: written by a newer version of VX6 (schema %d, this one knows %d)",
			path, *version, newest);
	if (*version < 0 || (*version == 0 && tables))
		return state_refuse(detail, VX6_ERR(CORRUPT),
				    "%s: schema version %d; it was left as it is", path, *version);
	return tables ? check_sound(db, path, detail) : VX6_OK;
}

static int migrate_one(sqlite3 *db, const char *sql, int version)
{
	char mark[128];
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 STATE_APPLICATION_ID, version);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, mark, NULL, NULL, NULL);
	return rc;
}

static vx6_err migrate(sqlite3 *db, const char *path, const char *const *migrations, int n,
		       int version, char *detail)
{
	if (version > 0 && version < n)
		VX6_TRY(state_copy_before(db, path, n, detail));
	for (; version < n; version++) {
		int rc = migrate_one(db, migrations[version], version + 1);

		if (rc != SQLITE_OK) {
			vx6_err err = state_refuse_db(detail, db, rc, path);

			if (!sqlite3_get_autocommit(db))
				sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
			return err;
		}
	}
	return VX6_OK;
}

static vx6_err open_checked(sqlite3 *db, const char *path, const char *const *migrations, int n,
			    char *detail)
{
	int version = 0, rc;

	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, 5000);
	VX6_TRY(state_check_ours(db, path, n, &version, detail));
	rc = sqlite3_exec(db,
			  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size "
			  "= -256; PRAGMA mmap_size = 0;"
			  "PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 1048576; "
			  "PRAGMA trusted_schema = OFF",
			  NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return state_refuse_db(detail, db, rc, path);
	VX6_TRY(migrate(db, path, migrations, n, version, detail));
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return VX6_OK;
}

/* Before the first use of SQLite in this process: no memory of its own for caches of small objects, no statistics. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

void state_sqlite_configure(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, configure);
}

vx6_err state_db_open(const char *path, const char *const *migrations, int n, sqlite3 **out,
		      char detail[static VX6_STATE_DETAIL_MAX])
{
	sqlite3 *db = NULL;
	vx6_err err;
	int rc;

	state_sqlite_configure();
	VX6_TRY(check_header(path, detail));
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	err = rc == SQLITE_OK ? open_checked(db, path, migrations, n, detail)
			      : state_refuse_db(detail, db, rc, path);
	if (!vx6_is_ok(err)) {
		sqlite3_close(db);
		return err;
	}
	*out = db;
	return VX6_OK;
}
