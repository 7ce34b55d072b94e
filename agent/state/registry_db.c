/*
 * When rows are written, and by whom.
 *
 *   change -> timer -> batch -> job (one at a time) -> done: the next batch, or rest, or wait because the disk is full
 *
 * Between the start of a job and its end the file and the batch are the worker's. A job outlives a closed database: it finds db NULL.
 */
#include "state/registry_db.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "state/registry_file.h"
#include "state/state_internal.h"

enum {
	SOON_MS = 1000,
	STRANGERS_MS = 30000,
	RETRY_MS = 30000,
	TICK_MS = 10000,
	CONTACTS_MS = 60000,
	ASIDE_AGAIN_MS = 60000,
};

struct db_job {
	struct vx6_job job;
	struct vx6_registry_db *db; /* NULL: closed meanwhile */
	vx6_err err;
	bool damaged;
};

struct vx6_registry_db {
	struct vx6_registry_db_config cfg;
	struct registry_file file;
	struct vx6_row_batch batch;
	struct vx6_timer flush, tick;
	struct db_job *job;
	bool more;            /* not all that waited went into the batch */
	uint64_t contacts_ms; /* when contacts were last stored */
	uint64_t aside_ms;    /* when a file was last set aside; 0: never */
	uint64_t rows_written, transactions;
	vx6_err stuck;
	/* so that a close can wait for the job */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool running;
};

static vx6_err write_batch(struct vx6_registry_db *db, bool *damaged)
{
	vx6_err err = registry_file_write(&db->file, &db->batch);

	*damaged = err.code == VX6_E_CORRUPT;
	if (*damaged)
		registry_file_set_aside(&db->file);
	return err;
}

/* ---- jobs ---- */

static void job_work(struct vx6_job *job)
{
	struct db_job *j = VX6_CONTAINER_OF(job, struct db_job, job);
	struct vx6_registry_db *db = j->db; /* stays: a close waits for us */

	j->err = write_batch(db, &j->damaged);
	pthread_mutex_lock(&db->lock);
	db->running = false;
	pthread_cond_signal(&db->idle);
	pthread_mutex_unlock(&db->lock);
}

static void flush_in(struct vx6_registry_db *db, uint64_t ms)
{
	uint64_t due = vx6_loop_now_ns(db->cfg.loop) + ms * 1000000;

	if (!vx6_timer_is_armed(&db->flush) || db->flush.due_ns > due)
		vx6_timer_at(&db->flush, due);
}

static void tell_stuck(struct vx6_registry_db *db, vx6_err err)
{
	bool was_ok = vx6_is_ok(db->stuck);

	db->stuck = err;
	if (was_ok == vx6_is_ok(err))
		return;
	if (was_ok)
		VX6_WARN("state", "the registry cannot be stored: %s", db->file.detail);
	if (db->cfg.stuck)
		db->cfg.stuck(db->cfg.user, err, was_ok ? db->file.detail : "");
}

/* What becomes of a batch; on the loop. */
static void settle(struct vx6_registry_db *db, vx6_err err, bool damaged)
{
	if (vx6_is_ok(err)) {
		db->rows_written += db->batch.rows;
		db->transactions++;
	} else if (damaged) {
		uint64_t now = vx6_loop_now_ms(db->cfg.loop);

		vx6_registry_dirty_all(db->cfg.registry);
		/* a new file that is damaged at once: then it is not the file */
		if (!db->aside_ms || now - db->aside_ms >= ASIDE_AGAIN_MS) {
			VX6_ERROR("state", "the registry's file is damaged and was set aside: %s",
				  db->file.detail);
			if (db->cfg.damaged)
				db->cfg.damaged(db->cfg.user, db->file.detail);
			err = VX6_OK;
			db->more = true;
		}
		db->aside_ms = now;
	} else {
		vx6_registry_rows_failed(db->cfg.registry, &db->batch);
	}
	tell_stuck(db, err);
	vx6_row_batch_fini(&db->batch);
}

static void start_job(struct vx6_registry_db *db);

static void job_done(struct vx6_job *job)
{
	struct db_job *j = VX6_CONTAINER_OF(job, struct db_job, job);
	struct vx6_registry_db *db = j->db;

	if (db) {
		db->job = NULL;
		settle(db, j->err, j->damaged);
		if (!vx6_is_ok(db->stuck)) {
			vx6_timer_stop(&db->flush);
			flush_in(db, RETRY_MS);
		} else if (db->more) {
			start_job(db);
		} else if (vx6_registry_dirty(db->cfg.registry) > 0) {
			flush_in(db, SOON_MS);
		}
	}
	free(j);
}

/* @return false: there is nothing to store */
static bool take_batch(struct vx6_registry_db *db, bool last)
{
	uint64_t now = vx6_loop_now_ms(db->cfg.loop);
	bool contacts = last || now - db->contacts_ms >= CONTACTS_MS;

	size_t rows = vx6_registry_take_rows(db->cfg.registry, contacts, &db->batch);

	db->more = vx6_registry_dirty(db->cfg.registry) > 0;
	if (contacts && !vx6_registry_contacts_dirty(db->cfg.registry))
		db->contacts_ms = now;
	return rows > 0;
}

static void start_job(struct vx6_registry_db *db)
{
	vx6_err err;

	if (db->job)
		return;
	if (!take_batch(db, false)) {
		if (!vx6_is_ok(db->stuck))
			flush_in(db, RETRY_MS);
		return;
	}
	db->job = vx6_zalloc(sizeof *db->job);
	db->job->job = (struct vx6_job){.work = job_work, .done = job_done};
	db->job->db = db;
	db->running = true;
	err = vx6_loop_work(db->cfg.loop, &db->job->job);
	VX6_ASSERT(vx6_is_ok(err)); /* refused only without a function to run */
}

/* ---- when ---- */

static void on_flush(struct vx6_timer *timer)
{
	start_job(timer->user);
}

/* Contacts are not told of one by one, and time passes for all. */
static void on_tick(struct vx6_timer *timer)
{
	struct vx6_registry_db *db = timer->user;

	vx6_timer_in_ms(timer, TICK_MS);
	vx6_registry_tick(db->cfg.registry, vx6_wall_s());
	if (vx6_is_ok(db->stuck) && vx6_loop_now_ms(db->cfg.loop) - db->contacts_ms >= CONTACTS_MS)
		flush_in(db, SOON_MS);
}

static void on_dirty(void *user, bool soon)
{
	struct vx6_registry_db *db = user;

	if (!vx6_is_ok(db->stuck) || db->job)
		return; /* a retry is due, or the end of the job will look */
	flush_in(db, soon || vx6_registry_dirty(db->cfg.registry) >= VX6_ROWS_BATCH ? SOON_MS
										    : STRANGERS_MS);
}

/* ---- life ---- */

/* Whatever was read before the damage showed is good: each row has its checksum. */
static void load(struct vx6_registry_db *db, struct vx6_registry_loaded *out)
{
	vx6_err err = registry_file_open(&db->file);

	if (vx6_is_ok(err))
		err = registry_file_load(&db->file, db->cfg.registry, vx6_wall_s(), out);
	if (err.code == VX6_E_CORRUPT) {
		out->damaged = true;
		vx6_strlcpy(out->detail, db->file.detail, sizeof out->detail);
		registry_file_set_aside(&db->file);
		vx6_registry_dirty_all(db->cfg.registry);
		err = registry_file_open(&db->file);
	}
	if (!vx6_is_ok(err)) {
		db->stuck = err;
		vx6_strlcpy(out->detail, db->file.detail, sizeof out->detail);
		VX6_WARN("state", "the registry cannot be stored: %s", db->file.detail);
		flush_in(db, RETRY_MS);
	}
}

struct vx6_registry_db *vx6_registry_db_open(const struct vx6_registry_db_config *cfg,
					     struct vx6_registry_loaded *out)
{
	struct vx6_registry_db *db = vx6_zalloc(sizeof *db);

	*out = (struct vx6_registry_loaded){0};
	db->cfg = *cfg;
	db->cfg.dir = NULL;
	db->file.max_pages = cfg->max_pages;
	snprintf(db->file.path, sizeof db->file.path, "%s/registry.db", cfg->dir);
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->idle, NULL);
	vx6_timer_init(cfg->loop, &db->flush, on_flush, db);
	vx6_timer_init(cfg->loop, &db->tick, on_tick, db);
	db->contacts_ms = vx6_loop_now_ms(cfg->loop);
	vx6_registry_on_dirty(cfg->registry, on_dirty, db);
	load(db, out);
	vx6_timer_in_ms(&db->tick, TICK_MS);
	return db;
}

vx6_err vx6_registry_db_flush(struct vx6_registry_db *db)
{
	bool damaged = false, again = true;
	vx6_err err = VX6_OK;

	while (vx6_is_ok(err) && take_batch(db, true)) {
		err = write_batch(db, &damaged);
		if (vx6_is_ok(err)) {
			db->rows_written += db->batch.rows;
			db->transactions++;
		}
		if (damaged && again) { /* all of it once more, into a new file */
			vx6_registry_dirty_all(db->cfg.registry);
			again = false;
			err = VX6_OK;
		} else if (!vx6_is_ok(err)) {
			vx6_registry_rows_failed(db->cfg.registry, &db->batch);
		}
		vx6_row_batch_fini(&db->batch);
	}
	return err;
}

void vx6_registry_db_close(struct vx6_registry_db *db)
{
	if (!db)
		return;
	vx6_timer_stop(&db->flush);
	vx6_timer_stop(&db->tick);
	pthread_mutex_lock(&db->lock);
	while (db->running)
		pthread_cond_wait(&db->idle, &db->lock);
	pthread_mutex_unlock(&db->lock);
	if (db->job) {
		db->cfg.stuck = NULL;
		db->cfg.damaged = NULL;
		settle(db, db->job->err, db->job->damaged);
		db->job->db = NULL;
	}
	(void)vx6_is_ok(vx6_registry_db_flush(db)); /* nobody is left to tell */
	vx6_registry_on_dirty(db->cfg.registry, NULL, NULL);
	registry_file_close(&db->file);
	pthread_cond_destroy(&db->idle);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

void vx6_registry_db_info(const struct vx6_registry_db *db, struct vx6_registry_db_info *out)
{
	*out = (struct vx6_registry_db_info){
		.rows_written = db->rows_written,
		.transactions = db->transactions,
		.pending = vx6_registry_dirty(db->cfg.registry) + db->batch.rows,
		.stuck = db->stuck,
	};
}
