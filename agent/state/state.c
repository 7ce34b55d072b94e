/*
 * The queue of writes and the worker that empties it.
 *
 *   submitted -> waiting (`writes`) -> running (a batch in one job) -> answered, in order
 *
 * Between calls: at most one job of writes and one of reads is under way; a worker touches `db`, last_seq, seq, trimmed_seq, full_sync, failures and
 * its batch, or `reader` and its batch, and nothing else. Jobs outlive a closed state: they find st NULL and only free.
 */
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "state/state_internal.h"

enum { TRIM_EVERY = 256 };

/* ---- running one batch (worker) ---- */

static int bind_value(sqlite3_stmt *stmt, int at, const struct state_value *v,
		      const struct vx6_state *st)
{
	switch (v->kind) {
	case STATE_INT:
		return sqlite3_bind_int64(stmt, at, v->i);
	case STATE_SEQ:
		return sqlite3_bind_int64(stmt, at, (int64_t)st->seq);
	case STATE_AUDIT_SEQ:
		return sqlite3_bind_int64(stmt, at, (int64_t)st->audit.seq);
	case STATE_AUDIT_PREV:
	case STATE_AUDIT_HASH:
		return sqlite3_bind_blob(stmt, at, st->audit.hash, sizeof st->audit.hash,
					 SQLITE_TRANSIENT);
	case STATE_TEXT:
		return sqlite3_bind_text(stmt, at, v->bytes, (int)v->n, SQLITE_STATIC);
	case STATE_BLOB:
		return sqlite3_bind_blob(stmt, at, v->bytes, (int)v->n, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(stmt, at);
	}
}

static int exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int run_op(struct vx6_state *st, struct vx6_write *w, const struct state_op *op)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(st->db, op->sql, -1, &stmt, NULL);

	for (int i = 0; i < op->n && rc == SQLITE_OK; i++) {
		if (op->v[i].kind == STATE_SEQ) {
			w->result.last_seq = ++st->seq;
			if (!w->result.first_seq)
				w->result.first_seq = st->seq;
		} else if (op->v[i].kind == STATE_AUDIT_SEQ) {
			st->audit.seq++;
		} else if (op->v[i].kind == STATE_AUDIT_HASH) {
			state_audit_next(&st->audit, op);
		}
		rc = bind_value(stmt, i + 1, &op->v[i], st);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_ops(struct vx6_state *st, struct vx6_write *w)
{
	int rc = SQLITE_OK;

	w->result = (struct vx6_write_result){.err = VX6_OK};
	for (const struct state_op *op = w->first; op && rc == SQLITE_OK; op = op->next)
		rc = run_op(st, w, op);
	return rc;
}

static void failed(struct vx6_state *st, struct vx6_write *w, int rc)
{
	w->result = (struct vx6_write_result){.err = state_err(st->db, rc)};
	if (vx6_log_allow(&st->failures, "state", 10, 10000))
		VX6_ERROR("state", "a write failed: %s", sqlite3_errmsg(st->db));
}

/* What is counted up goes on from what is committed. */
static void begin_at(struct vx6_state *st)
{
	st->seq = st->last_seq;
	st->audit = st->audit_last;
}

static void committed(struct vx6_state *st)
{
	st->last_seq = st->seq;
	st->audit_last = st->audit;
}

static void roll_back(struct vx6_state *st)
{
	if (!sqlite3_get_autocommit(st->db))
		exec(st->db, "ROLLBACK");
	begin_at(st);
}

static void run_alone(struct vx6_state *st, struct vx6_write *w)
{
	int rc = exec(st->db, "BEGIN IMMEDIATE");

	begin_at(st);
	if (rc == SQLITE_OK)
		rc = run_ops(st, w);
	if (rc == SQLITE_OK)
		rc = exec(st->db, "COMMIT");
	if (rc == SQLITE_OK) {
		committed(st);
		return;
	}
	failed(st, w, rc);
	roll_back(st);
}

/* One of a batch, inside the transaction. @return false: the transaction itself is lost */
static bool run_inside(struct vx6_state *st, struct vx6_write *w)
{
	struct state_audit_head audit_before = st->audit;
	uint64_t before = st->seq;
	int rc = exec(st->db, "SAVEPOINT one");

	if (rc == SQLITE_OK)
		rc = run_ops(st, w);
	if (rc != SQLITE_OK) {
		/* a full disk and its like take the whole transaction with them */
		if (sqlite3_get_autocommit(st->db) || (rc & 0xff) != SQLITE_CONSTRAINT)
			return false;
		failed(st, w, rc);
		st->seq = before;
		st->audit = audit_before;
		if (exec(st->db, "ROLLBACK TO one") != SQLITE_OK)
			return false;
	}
	return exec(st->db, "RELEASE one") == SQLITE_OK;
}

static bool run_together(struct vx6_state *st, struct vx6_list *batch)
{
	begin_at(st);
	if (exec(st->db, "BEGIN IMMEDIATE") != SQLITE_OK)
		return false;
	VX6_LIST_EACH(node, batch)
	{
		if (!run_inside(st, VX6_CONTAINER_OF(node, struct vx6_write, node))) {
			roll_back(st);
			return false;
		}
	}
	if (exec(st->db, "COMMIT") != SQLITE_OK) {
		roll_back(st);
		return false;
	}
	committed(st);
	return true;
}

static void trim_events(struct vx6_state *st)
{
	char sql[96];

	if (st->last_seq < st->trimmed_seq + TRIM_EVERY || st->last_seq <= st->events_keep)
		return;
	st->trimmed_seq = st->last_seq;
	snprintf(sql, sizeof sql, "DELETE FROM events WHERE seq <= %lld",
		 (long long)(st->last_seq - st->events_keep));
	if (exec(st->db, sql) != SQLITE_OK)
		VX6_WARN("state", "cannot delete old events: %s", sqlite3_errmsg(st->db));
}

static void trim_audit(struct vx6_state *st)
{
	char sql[96];

	if (st->audit_last.seq < st->audit_trimmed_seq + TRIM_EVERY ||
	    st->audit_last.seq <= VX6_AUDIT_KEEP)
		return;
	st->audit_trimmed_seq = st->audit_last.seq;
	snprintf(sql, sizeof sql, "DELETE FROM audit WHERE seq <= %lld",
		 (long long)(st->audit_last.seq - VX6_AUDIT_KEEP));
	if (exec(st->db, sql) != SQLITE_OK)
		VX6_WARN("state", "cannot delete old rows of the audit: %s",
			 sqlite3_errmsg(st->db));
}

static void run_writes(struct vx6_state *st, struct vx6_list *batch)
{
	bool durable = false, alone = batch->next == batch->prev;

	VX6_LIST_EACH(node, batch)
	durable |= VX6_CONTAINER_OF(node, struct vx6_write, node)->durable;
	if (durable != st->full_sync &&
	    exec(st->db, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL") ==
		    SQLITE_OK)
		st->full_sync = durable;
	if (alone || !run_together(st, batch))
		VX6_LIST_EACH(node, batch)
	run_alone(st, VX6_CONTAINER_OF(node, struct vx6_write, node));
	trim_events(st);
	trim_audit(st);
}

/* ---- jobs ---- */

static void job_work(struct vx6_job *job)
{
	struct state_job *j = VX6_CONTAINER_OF(job, struct state_job, job);
	struct vx6_state *st = j->st; /* stays: a close waits for us */

	j->work(st, &j->batch);
	pthread_mutex_lock(&st->lock);
	st->jobs--;
	pthread_cond_signal(&st->idle);
	pthread_mutex_unlock(&st->lock);
}

static void job_done(struct vx6_job *job)
{
	struct state_job *j = VX6_CONTAINER_OF(job, struct state_job, job);

	if (j->st)
		j->done(j->st, &j->batch);
	else
		j->drop(&j->batch);
	free(j);
}

void state_job_start(struct vx6_state *st, struct state_job *job)
{
	vx6_err err;

	job->st = st;
	job->job.work = job_work;
	job->job.done = job_done;
	pthread_mutex_lock(&st->lock);
	st->jobs++;
	pthread_mutex_unlock(&st->lock);
	err = vx6_loop_work(st->loop, &job->job);
	/* libuv refuses a job only without a function to run */
	VX6_ASSERT(vx6_is_ok(err));
}

static void start_writing(struct vx6_state *st);

static void drop_writes(struct vx6_list *batch)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(batch)) != NULL)
		vx6_write_free(VX6_CONTAINER_OF(node, struct vx6_write, node));
}

static void writes_done(struct vx6_state *st, struct vx6_list *batch)
{
	struct vx6_list *node;

	st->write_job = NULL;
	st->running_n = 0;
	/* the next batch is on its way while this one is answered */
	start_writing(st);
	while ((node = vx6_list_pop(batch)) != NULL) {
		struct vx6_write *w = VX6_CONTAINER_OF(node, struct vx6_write, node);

		if (w->done)
			w->done(w->user, &w->result);
		vx6_write_free(w);
	}
}

static void start_writing(struct vx6_state *st)
{
	struct state_job *job;
	struct vx6_list *node;

	if (st->write_job || !st->writes_n)
		return;
	job = vx6_zalloc(sizeof *job);
	vx6_list_init(&job->batch);
	while (st->running_n < STATE_BATCH_MAX && (node = vx6_list_pop(&st->writes)) != NULL) {
		vx6_list_push(&job->batch, node);
		st->bytes -= VX6_CONTAINER_OF(node, struct vx6_write, node)->bytes;
		st->writes_n--;
		st->running_n++;
	}
	job->work = run_writes;
	job->done = writes_done;
	job->drop = drop_writes;
	st->write_job = job;
	state_job_start(st, job);
}

vx6_err vx6_state_submit(struct vx6_state *st, struct vx6_write *w,
			 void (*done)(void *user, const struct vx6_write_result *r), void *user)
{
	if (st->writes_n >= VX6_STATE_QUEUE_MAX || st->bytes + w->bytes > STATE_QUEUE_BYTES) {
		vx6_write_free(w);
		return VX6_ERR(FULL);
	}
	w->done = done;
	w->user = user;
	vx6_list_push(&st->writes, &w->node);
	st->writes_n++;
	st->bytes += w->bytes;
	start_writing(st);
	return VX6_OK;
}

size_t vx6_state_pending(const struct vx6_state *st)
{
	return st->writes_n + st->running_n;
}

/* ---- life ---- */

static vx6_err take_lock(struct vx6_state *st, const char *dir, char *detail)
{
	char path[512];

	snprintf(path, sizeof path, "%s/state.lock", dir);
	st->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	if (st->lock_fd < 0) {
		vx6_err err = vx6_err_from_errno(errno);

		snprintf(detail, VX6_STATE_DETAIL_MAX, "%.200s: %s", path, strerror(errno));
		return err;
	}
	if (flock(st->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		snprintf(detail, VX6_STATE_DETAIL_MAX,
			 "%.200s: another agent uses this state directory", dir);
		return VX6_ERR(LOCKED);
	}
	return VX6_OK;
}

static vx6_err read_last_seq(struct vx6_state *st)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(st->db, "SELECT coalesce(max(seq), 0) FROM events", -1, &stmt,
				    NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		st->last_seq = st->seq = st->trimmed_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return state_err(st->db, rc);
}

static void release(struct vx6_state *st)
{
	sqlite3_close(st->reader);
	sqlite3_close(st->db);
	if (st->lock_fd >= 0)
		close(st->lock_fd);
	pthread_cond_destroy(&st->idle);
	pthread_mutex_destroy(&st->lock);
	free(st);
}

vx6_err state_open_with(const struct vx6_state_config *cfg, const char *const *migrations, int n,
			struct vx6_state **out, char detail[static VX6_STATE_DETAIL_MAX])
{
	struct vx6_state *st = vx6_zalloc(sizeof *st);
	vx6_err err;

	st->loop = cfg->loop;
	st->events_keep = cfg->events_keep ? cfg->events_keep : VX6_STATE_EVENTS_KEEP;
	st->lock_fd = -1;
	st->full_sync = true;
	vx6_list_init(&st->writes);
	vx6_list_init(&st->reads);
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->idle, NULL);
	snprintf(st->path, sizeof st->path, "%s/state.db", cfg->dir);
	err = take_lock(st, cfg->dir, detail);
	if (vx6_is_ok(err))
		state_copy_clear(cfg->dir);
	if (vx6_is_ok(err))
		err = state_db_open(st->path, migrations, n, &st->db, detail);
	if (vx6_is_ok(err)) {
		err = read_last_seq(st);
		if (vx6_is_ok(err) && n >= STATE_AUDIT_VERSION)
			err = state_audit_open(st);
		if (!vx6_is_ok(err))
			snprintf(detail, VX6_STATE_DETAIL_MAX, "%.150s: %s", st->path,
				 sqlite3_errmsg(st->db));
	}
	if (!vx6_is_ok(err)) {
		release(st);
		return err;
	}
	*out = st;
	return VX6_OK;
}

vx6_err vx6_state_open(const struct vx6_state_config *cfg, struct vx6_state **out,
		       char detail[static VX6_STATE_DETAIL_MAX])
{
	return state_open_with(cfg, vx6_state_migrations, vx6_state_migrations_n, out, detail);
}

void vx6_state_close(struct vx6_state *st)
{
	if (!st)
		return;
	pthread_mutex_lock(&st->lock);
	while (st->jobs)
		pthread_cond_wait(&st->idle, &st->lock);
	pthread_mutex_unlock(&st->lock);
	if (st->write_job)
		st->write_job->st = NULL;
	if (st->read_job)
		st->read_job->st = NULL;
	if (st->writes_n)
		run_writes(st, &st->writes);
	drop_writes(&st->writes);
	state_reads_drop(&st->reads);
	release(st);
}
