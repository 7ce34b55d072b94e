/*
 * Out of a backup: checks, then a directory beside the one that is wanted, then one rename.
 */
#include "node/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "state/state.h"

enum { PATH_BYTES = 400 };

_Static_assert((int)VX6_RESTORE_DETAIL >= (int)VX6_STATE_DETAIL_MAX, "texts of the state fit");

struct restore {
	const struct vx6_backup *backup;
	struct vx6_identity id; /* secret */
	char dir[PATH_BYTES], unfinished[PATH_BYTES + 16];
	int fd; /* of the unfinished one */
	char *detail;
};

__attribute__((format(printf, 3, 4))) static vx6_err refuse(struct restore *r, vx6_err err,
							    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->detail, VX6_RESTORE_DETAIL, fmt, ap);
	va_end(ap);
	return err;
}

static vx6_err refuse_errno(struct restore *r, const char *what)
{
	int err = errno;

	return refuse(r, vx6_err_from_errno(err), "%.240s: %s", what, strerror(err));
}

/* ---- checks ---- */

static vx6_err check_contents(struct restore *r)
{
	const struct vx6_backup_part *db = vx6_backup_find(r->backup, "state.db");
	vx6_err err;

	if (!db)
		return refuse(r, VX6_ERR(CORRUPT), "there is no database in it");
	VX6_TRY(vx6_state_check_copy(db->p, db->n, r->detail));
	err = vx6_backup_identity(r->backup, &vx6_net_default, &r->id);
	return vx6_is_ok(err) ? err : refuse(r, err, "its identity: %s", vx6_err_text(err));
}

/* Whether an agent holds the lock of that directory. */
static bool is_in_use(const char *dir)
{
	char path[PATH_BYTES + 16];
	bool busy;
	int fd;

	snprintf(path, sizeof path, "%s/state.lock", dir);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	busy = flock(fd, LOCK_EX | LOCK_NB) < 0;
	close(fd);
	return busy;
}

static bool is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool empty = d;

	while (d && empty && (e = readdir(d)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d)
		closedir(d);
	return empty;
}

static vx6_err check_place(struct restore *r, const char *dir)
{
	size_t n = vx6_strlcpy(r->dir, dir, sizeof r->dir);
	struct stat st;

	if (n == 0 || n >= sizeof r->dir)
		return refuse(r, VX6_ERR(INVALID),
			      "the path of the directory is empty or too long");
	while (n > 1 && r->dir[n - 1] == '/')
		r->dir[--n] = 0;
	snprintf(r->unfinished, sizeof r->unfinished, "%s.restoring", r->dir);
	if (lstat(r->dir, &st) < 0)
		return errno == ENOENT ? VX6_OK : refuse_errno(r, r->dir);
	if (!S_ISDIR(st.st_mode))
		return refuse(r, VX6_ERR(EXISTS), "%.240s is not a directory", r->dir);
	if (is_in_use(r->dir))
		return refuse(r, VX6_ERR(LOCKED), "an agent runs in %.240s", r->dir);
	if (!is_empty(r->dir))
		return refuse(r, VX6_ERR(EXISTS), "%.240s is not empty", r->dir);
	return VX6_OK;
}

/* ---- what a crash, or a failure, leaves ---- */

static void clear_files(int at, const char *folder)
{
	int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		unlinkat(dirfd(d), e->d_name, 0); /* of a folder it removes nothing */
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

static void clear_unfinished(struct restore *r)
{
	static const char *const folders[] = {"identity", "hidden", "catalogs"};
	int fd = open(r->unfinished, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < VX6_ARRAY_N(folders); i++) {
		clear_files(fd, folders[i]);
		unlinkat(fd, folders[i], AT_REMOVEDIR);
	}
	clear_files(fd, ".");
	close(fd);
	rmdir(r->unfinished);
}

/* ---- writing ---- */

static vx6_err write_part(struct restore *r, const struct vx6_backup_part *part)
{
	const char *slash = strchr(part->name, '/');
	char folder[VX6_BACKUP_NAME];
	vx6_err err;
	int fd;

	if (!slash)
		return vx6_secret_file_write(r->fd, part->name, part->p, part->n);
	snprintf(folder, sizeof folder, "%.*s", (int)(slash - part->name), part->name);
	if (mkdirat(r->fd, folder, S_IRWXU) < 0 && errno != EEXIST)
		return vx6_err_from_errno(errno);
	fd = openat(r->fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return vx6_err_from_errno(errno);
	err = vx6_secret_file_write(fd, slash + 1, part->p, part->n);
	close(fd);
	return err;
}

static vx6_err write_parts(struct restore *r)
{
	for (size_t i = 0; i < r->backup->parts_n; i++) {
		const struct vx6_backup_part *part = &r->backup->parts[i];
		vx6_err err = write_part(r, part);

		if (!vx6_is_ok(err))
			return refuse(r, err, "%.240s/%s: %s", r->unfinished, part->name,
				      vx6_err_text(err));
	}
	return fsync(r->fd) < 0 ? refuse_errno(r, r->unfinished) : VX6_OK;
}

/* The online key of the backup may have been retired since. */
static vx6_err renew(struct restore *r, const struct vx6_passphrase *pass, uint64_t now_s,
		     bool *renewed)
{
	char path[PATH_BYTES + 32];
	struct vx6_subkey next;
	vx6_err err;

	if (r->id.master == VX6_MASTER_ABSENT || (r->id.master == VX6_MASTER_LOCKED && !pass))
		return VX6_OK;
	snprintf(path, sizeof path, "%s/identity", r->unfinished);
	err = vx6_identity_renew(path, &vx6_net_default, &r->id.subkey,
				 r->id.master == VX6_MASTER_LOCKED ? pass : NULL, now_s, &next);
	if (!vx6_is_ok(err))
		return refuse(r, err, "a new online key cannot be made: %s", vx6_err_text(err));
	r->id.subkey = next;
	vx6_wipe(&next, sizeof next);
	*renewed = true;
	return VX6_OK;
}

static void sync_parent(const char *path)
{
	char parent[PATH_BYTES];
	char *slash;
	int fd;

	vx6_strlcpy(parent, path, sizeof parent);
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = 0;
	fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!fsync(fd);
	close(fd);
}

static vx6_err put_in_place(struct restore *r)
{
	if (rename(r->unfinished, r->dir) < 0) {
		if (errno == EBUSY || errno == EXDEV)
			return refuse(r, VX6_ERR(INVALID),
				      "%.200s is where another file system begins; restore into a "
				      "directory in it",
				      r->dir);
		return refuse_errno(r, r->dir);
	}
	sync_parent(r->dir);
	return VX6_OK;
}

static vx6_err build(struct restore *r, const struct vx6_passphrase *pass, uint64_t now_s,
		     bool *renewed)
{
	vx6_err err;

	clear_unfinished(r);
	if (mkdir(r->unfinished, S_IRWXU) < 0)
		return refuse_errno(r, r->unfinished);
	r->fd = open(r->unfinished, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r->fd < 0)
		return refuse_errno(r, r->unfinished);
	err = write_parts(r);
	close(r->fd);
	if (vx6_is_ok(err))
		err = renew(r, pass, now_s, renewed);
	if (vx6_is_ok(err))
		err = put_in_place(r);
	if (!vx6_is_ok(err))
		clear_unfinished(r);
	return err;
}

vx6_err vx6_backup_restore(const struct vx6_backup *b, const char *dir,
			   const struct vx6_passphrase *pass, uint64_t now_s,
			   struct vx6_restored *out, char detail[static VX6_RESTORE_DETAIL])
{
	struct restore r = {.backup = b, .detail = detail};
	vx6_err err;

	memset(out, 0, sizeof *out);
	detail[0] = 0;
	err = check_place(&r, dir);
	if (vx6_is_ok(err))
		err = check_contents(&r);
	if (vx6_is_ok(err))
		err = build(&r, pass, now_s, &out->renewed);
	out->node = b->node;
	out->master = r.id.master;
	out->cert_not_after_s = r.id.subkey.cert.not_after_s;
	vx6_identity_wipe(&r.id);
	return err;
}
