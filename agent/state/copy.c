/*
 * Copies of the database: one of now, for a backup, and one of before each change of the schema. A copy is made under another name, and
 * is moved or read once it is whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "state/state_internal.h"

#define BEFORE ".before-"

enum { COPIES_KEPT = 2, PATH_BYTES = 640 };

/* SQLite does not wait for the disk here. */
static vx6_err settle(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok = fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0 && fsync(fd) == 0;
	vx6_err err = ok ? VX6_OK : vx6_err_from_errno(errno);

	if (fd >= 0)
		close(fd);
	return err;
}

static vx6_err vacuum_into(sqlite3 *db, const char *to, char *detail)
{
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", to);
	vx6_err err;
	int rc;

	unlink(to);
	rc = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
	sqlite3_free(sql);
	if (rc != SQLITE_OK)
		return state_refuse_db(detail, db, rc, to);
	err = settle(to);
	return vx6_is_ok(err) ? err : state_refuse(detail, err, "%s: %s", to, vx6_err_text(err));
}

/* ---- before the schema changes ---- */

/* The number of a copy of @p base. @return 0: another file */
static int copy_number(const char *file, const char *base)
{
	size_t n = strlen(base);

	if (strncmp(file, base, n) != 0 || strncmp(file + n, BEFORE, strlen(BEFORE)) != 0)
		return 0;
	file += n + strlen(BEFORE);
	n = strlen(file);
	return n > 0 && n < 9 && strspn(file, "0123456789") == n ? (int)strtol(file, NULL, 10) : 0;
}

/* Removes the oldest one when there are too many. @return false: there were not */
static bool drop_oldest(DIR *d, const char *base)
{
	int oldest = 0, copies = 0;
	struct dirent *e;
	char name[64];

	rewinddir(d);
	while ((e = readdir(d)) != NULL) {
		int number = copy_number(e->d_name, base);

		if (!number)
			continue;
		copies++;
		if (!oldest || number < oldest)
			oldest = number;
	}
	if (copies <= COPIES_KEPT)
		return false;
	snprintf(name, sizeof name, "%.30s" BEFORE "%d", base, oldest);
	return unlinkat(dirfd(d), name, 0) == 0;
}

static void keep_newest(const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	char dir[PATH_BYTES];
	DIR *d;

	snprintf(dir, sizeof dir, "%.*s", (int)(base - path), path);
	d = opendir(dir);
	while (d && drop_oldest(d, base))
		;
	if (d)
		closedir(d);
}

vx6_err state_copy_before(sqlite3 *db, const char *path, int n, char *detail)
{
	char to[PATH_BYTES], part[PATH_BYTES + 16];

	snprintf(to, sizeof to, "%s" BEFORE "%d", path, n);
	snprintf(part, sizeof part, "%s.part", to);
	VX6_TRY(vacuum_into(db, part, detail));
	if (rename(part, to) < 0)
		return state_refuse(detail, vx6_err_from_errno(errno), "%s: %s", to,
				    strerror(errno));
	VX6_INFO("state", "%s is of schema %d from now on; what it was before is in %s", path, n,
		 to);
	keep_newest(path);
	return VX6_OK;
}

/* ---- of now ---- */

static void copy_path(const char *dir, const char *suffix, char out[static PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/state.db.copy%s", dir, suffix);
}

void state_copy_clear(const char *dir)
{
	char path[PATH_BYTES];

	copy_path(dir, "", path);
	unlink(path);
	copy_path(dir, "-journal", path);
	unlink(path);
}

static vx6_err read_whole(int fd, uint8_t *out, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = read(fd, out + at, n - at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? vx6_err_from_errno(errno) : VX6_ERR(IO);
		at += (size_t)k;
	}
	return VX6_OK;
}

static vx6_err read_copy(const char *path, size_t max, uint8_t **out, size_t *n, char *detail)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	vx6_err err = VX6_OK;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		err = vx6_err_from_errno(errno);
	else if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max)
		err = VX6_ERR(LIMIT);
	if (vx6_is_ok(err)) {
		*n = (size_t)st.st_size;
		*out = vx6_zalloc(*n + 1);
		err = read_whole(fd, *out, *n);
	}
	if (fd >= 0)
		close(fd);
	return vx6_is_ok(err) ? err : state_refuse(detail, err, "%s: %s", path, vx6_err_text(err));
}

static vx6_err make_copy(sqlite3 *db, const char *to, uint16_t *schema, char *detail)
{
	int version = 0;

	sqlite3_busy_timeout(db, 5000);
	VX6_TRY(state_check_ours(db, to, vx6_state_migrations_n, &version, detail));
	*schema = (uint16_t)version;
	return vacuum_into(db, to, detail);
}

vx6_err vx6_state_copy(const char *dir, size_t max, uint8_t **out, size_t *n, uint16_t *schema,
		       char detail[static VX6_STATE_DETAIL_MAX])
{
	char path[PATH_BYTES], copy[PATH_BYTES];
	sqlite3 *db = NULL;
	vx6_err err;
	int rc;

	*out = NULL;
	*n = 0;
	state_sqlite_configure();
	snprintf(path, sizeof path, "%s/state.db", dir);
	copy_path(dir, "", copy);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	err = rc == SQLITE_OK ? make_copy(db, copy, schema, detail)
			      : state_refuse_db(detail, db, rc, path);
	sqlite3_close(db);
	if (vx6_is_ok(err))
		err = read_copy(copy, max, out, n, detail);
	state_copy_clear(dir);
	if (!vx6_is_ok(err))
		VX6_FREE(*out);
	return err;
}

vx6_err vx6_state_check_copy(const uint8_t *p, size_t n, char detail[static VX6_STATE_DETAIL_MAX])
{
	sqlite3 *db = NULL;
	int version = 0, rc;
	vx6_err err;

	state_sqlite_configure();
	rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_deserialize(db, "main", (uint8_t *)(uintptr_t)p, (sqlite3_int64)n,
					 (sqlite3_int64)n, SQLITE_DESERIALIZE_READONLY);
	err = rc == SQLITE_OK
		      ? state_check_ours(db, "state.db", vx6_state_migrations_n, &version, detail)
		      : state_refuse_db(detail, db, rc, "state.db");
	if (vx6_is_ok(err) && version == 0)
		err = state_refuse(detail, VX6_ERR(CORRUPT), "state.db: it is empty");
	sqlite3_close(db);
	return err;
}
