/*
 * A backup of this node. A worker copies the database while it is in use, reads the files beside it, and seals all of it; nothing of that
 * is written anywhere but the copy of the database, which is gone before the answer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "identity/backup.h"
#include "node/node_internal.h"

enum { FILE_BYTES_MAX = 256 * 1024 }; /* of one beside the database */

/* Secret, all of it. */
struct backup_job {
	struct vx6_job job;
	struct request *rq;
	char dir[256];
	struct vx6_backup backup;
	uint8_t *file;
	size_t n;
	vx6_err err;
	char detail[VX6_DETAIL_MAX];
};

_Static_assert((int)VX6_DETAIL_MAX >= (int)VX6_STATE_DETAIL_MAX, "texts of the state fit");

static vx6_err about(struct backup_job *j, vx6_err err, const char *name)
{
	if (!vx6_is_ok(err))
		snprintf(j->detail, sizeof j->detail, "%s: %s", name, vx6_err_text(err));
	return err;
}

/* ---- files ---- */

/* @param bytes FILE_BYTES_MAX + 1 */
static vx6_err add_secret(struct backup_job *j, int dirfd, const char *folder, const char *file,
			  uint8_t *bytes)
{
	char name[VX6_BACKUP_NAME];
	uint8_t *copy;
	vx6_err err;
	size_t n;

	/* what is no part of a backup was left by a crash, or is nothing of ours */
	if (snprintf(name, sizeof name, "%s/%s", folder, file) >= (int)sizeof name ||
	    !vx6_backup_name_is_valid(name))
		return VX6_OK;
	err = vx6_secret_file_read(dirfd, file, bytes, FILE_BYTES_MAX + 1, &n);
	if (err.code == VX6_E_NOT_FOUND) /* removed since the folder was listed */
		return VX6_OK;
	if (vx6_is_ok(err) && n > FILE_BYTES_MAX)
		err = VX6_ERR(LIMIT);
	if (vx6_is_ok(err)) {
		copy = vx6_zalloc(n + 1);
		memcpy(copy, bytes, n);
		err = vx6_backup_add(&j->backup, name, copy, n);
	}
	vx6_wipe(bytes, FILE_BYTES_MAX + 1);
	return about(j, err, name);
}

static vx6_err list_folder(struct backup_job *j, DIR *d, const char *folder)
{
	uint8_t *bytes = vx6_zalloc(FILE_BYTES_MAX + 1);
	struct dirent *e;
	vx6_err err = VX6_OK;

	while (vx6_is_ok(err) && (e = readdir(d)) != NULL)
		err = add_secret(j, dirfd(d), folder, e->d_name, bytes);
	free(bytes);
	return err;
}

static vx6_err add_folder(struct backup_job *j, const char *folder)
{
	char path[300];
	vx6_err err;
	DIR *d;
	int fd;

	snprintf(path, sizeof path, "%s/%s", j->dir, folder);
	err = vx6_keydir_open(path, &fd);
	if (err.code == VX6_E_NOT_FOUND)
		return VX6_OK;
	VX6_TRY(about(j, err, folder));
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return about(j, VX6_ERR(IO), folder);
	}
	err = list_folder(j, d, folder);
	closedir(d);
	return err;
}

static vx6_err read_settings(int fd, uint8_t *out, size_t *n)
{
	struct stat st;
	ssize_t k;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return VX6_ERR(IO);
	k = read(fd, out, FILE_BYTES_MAX + 1);
	if (k < 0)
		return vx6_err_from_errno(errno);
	*n = (size_t)k;
	return *n > FILE_BYTES_MAX ? VX6_ERR(LIMIT) : VX6_OK;
}

/* Settings may be open to others, so their mode is nobody's business here. */
static vx6_err add_settings(struct backup_job *j)
{
	char path[300];
	uint8_t *bytes;
	size_t n = 0;
	vx6_err err;
	int fd;

	snprintf(path, sizeof path, "%s/agent.yaml", j->dir);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? VX6_OK : about(j, vx6_err_from_errno(errno), "agent.yaml");
	bytes = vx6_zalloc(FILE_BYTES_MAX + 1);
	err = read_settings(fd, bytes, &n);
	close(fd);
	if (vx6_is_ok(err))
		err = vx6_backup_add(&j->backup, "agent.yaml", bytes, n);
	else
		vx6_wipe_free(bytes, FILE_BYTES_MAX + 1);
	return about(j, err, "agent.yaml");
}

static vx6_err add_database(struct backup_job *j)
{
	uint8_t *bytes;
	size_t n;

	VX6_TRY(vx6_state_copy(j->dir, VX6_BACKUP_MAX, &bytes, &n, &j->backup.head.schema,
			       j->detail));
	return about(j, vx6_backup_add(&j->backup, "state.db", bytes, n), "state.db");
}

/* A backup of keys that are damaged would be found out when it is needed. */
static vx6_err check_keys(struct backup_job *j)
{
	struct vx6_identity id;
	vx6_err err = vx6_backup_identity(&j->backup, &vx6_net_default, &id);

	vx6_identity_wipe(&id);
	return about(j, err, "identity");
}

/* ---- the worker ---- */

static vx6_err collect(struct backup_job *j)
{
	VX6_TRY(add_database(j));
	VX6_TRY(add_settings(j));
	VX6_TRY(add_folder(j, "identity"));
	VX6_TRY(add_folder(j, "hidden"));
	VX6_TRY(add_folder(j, "catalogs"));
	return check_keys(j);
}

static void work(struct vx6_job *job)
{
	struct backup_job *j = VX6_CONTAINER_OF(job, struct backup_job, job);
	const char *text = j->rq->cmd->u.identity.file_passphrase;
	const struct vx6_passphrase pass = {.text = text, .n = strlen(text)};

	j->err = collect(j);
	if (vx6_is_ok(j->err))
		j->err =
			about(j, vx6_backup_seal(&j->backup, &pass, &j->file, &j->n), "the backup");
	vx6_backup_fini(&j->backup);
}

/* ---- the request ---- */

static void answer(struct backup_job *j)
{
	struct vx6_answer a = {.err = VX6_OK, .secret = j->file, .secret_n = j->n};
	struct vx6_event ev;

	j->file = NULL;
	event_init(&ev, "node.backed_up", "node", "", NULL);
	vx6_strlcpy(ev.request_id, j->rq->cmd->request_id, sizeof ev.request_id);
	event_emit(j->rq->owner, &ev);
	request_answer(j->rq, &a);
}

static void done(struct vx6_job *job)
{
	struct backup_job *j = VX6_CONTAINER_OF(job, struct backup_job, job);
	struct vx6_node *node = j->rq->owner;

	node->backing_up = false;
	if (vx6_is_ok(j->err) && node->stopping)
		j->err = VX6_ERR(DRAINING);
	if (vx6_is_ok(j->err))
		answer(j);
	else
		request_fail(j->rq, j->err, NULL, j->detail);
	vx6_wipe_free(j->file, j->n);
	vx6_wipe_free(j, sizeof *j);
}

static struct backup_job *job_new(struct request *rq)
{
	struct vx6_node *node = rq->owner;
	struct backup_job *j = vx6_zalloc(sizeof *j);

	j->job = (struct vx6_job){.work = work, .done = done};
	j->rq = rq;
	vx6_strlcpy(j->dir, node->state_dir, sizeof j->dir);
	j->backup.head.made_ms = vx6_wall_ms();
	vx6_strlcpy(j->backup.head.program, VX6_VERSION, sizeof j->backup.head.program);
	j->backup.node = node->identity.id;
	vx6_strlcpy(j->backup.name, node->name, sizeof j->backup.name);
	return j;
}

void backup_make(struct request *rq)
{
	struct vx6_node *node = rq->owner;
	struct backup_job *j;
	vx6_err err;

	if (node->backing_up) {
		request_fail(rq, VX6_ERR(AGAIN), NULL, "a backup is being made already");
		return;
	}
	j = job_new(rq);
	err = vx6_loop_work(node->loop, &j->job);
	node->backing_up = vx6_is_ok(err);
	if (vx6_is_ok(err))
		return;
	vx6_wipe_free(j, sizeof *j);
	request_fail(rq, err, NULL, NULL);
}
