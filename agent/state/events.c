/* Reading, of events above all: one job at a time on a connection of its own, which sees what the writer has committed and never waits for it. */
#include <string.h>

#include "base/util.h"
#include "state/state_internal.h"

struct read {
	struct state_read read; /* first */
	uint64_t since;
	uint32_t limit;
	void (*done)(void *user, vx6_err err, struct vx6_event *events, size_t n, uint64_t oldest);
	void *user;
	struct vx6_event *events;
	size_t n;
	uint64_t oldest;
};

void state_reads_drop(struct vx6_list *reads)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(reads)) != NULL) {
		struct state_read *r = VX6_CONTAINER_OF(node, struct state_read, node);

		r->free(r);
	}
}

/* ---- worker ---- */

static vx6_err open_reader(struct vx6_state *st)
{
	int rc = SQLITE_OK;

	if (st->reader)
		return VX6_OK;
	rc = sqlite3_open_v2(st->path, &st->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(st->reader, 5000);
		rc = sqlite3_exec(st->reader, "PRAGMA cache_size = -64; PRAGMA mmap_size = 0", NULL,
				  NULL, NULL);
	}
	if (rc != SQLITE_OK) {
		vx6_err err = state_err(st->reader, rc);

		sqlite3_close(st->reader);
		st->reader = NULL;
		return err;
	}
	return VX6_OK;
}

static void copy_text(sqlite3_stmt *stmt, int column, char *out, size_t cap)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	vx6_strlcpy(out, text ? text : "", cap);
}

static void read_row(sqlite3_stmt *stmt, struct vx6_event *ev)
{
	const char *data = (const char *)sqlite3_column_text(stmt, 5);

	*ev = (struct vx6_event){
		.seq = (uint64_t)sqlite3_column_int64(stmt, 0),
		.wall_ms = (uint64_t)sqlite3_column_int64(stmt, 1),
		.data = vx6_strdup(data ? data : "{}"),
	};
	copy_text(stmt, 2, ev->type, sizeof ev->type);
	copy_text(stmt, 3, ev->subject_kind, sizeof ev->subject_kind);
	copy_text(stmt, 4, ev->subject_id, sizeof ev->subject_id);
	copy_text(stmt, 6, ev->request_id, sizeof ev->request_id);
}

static int read_rows(sqlite3 *db, struct read *r)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
				    -1, &stmt, NULL);

	r->events = vx6_zalloc(VX6_MAX(r->limit, 1) * sizeof *r->events);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 1, (int64_t)VX6_MIN(r->since, (uint64_t)INT64_MAX));
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 2, r->limit);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW && r->n < r->limit)
			read_row(stmt, &r->events[r->n++]);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_oldest(sqlite3 *db, struct read *r)
{
	sqlite3_stmt *stmt = NULL;
	int rc =
		sqlite3_prepare_v2(db, "SELECT coalesce(min(seq), 0) FROM events", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		r->oldest = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int run_events(struct state_read *read, sqlite3 *db)
{
	struct read *r = (struct read *)read;
	int rc = read_rows(db, r);

	return rc == SQLITE_OK ? read_oldest(db, r) : rc;
}

static void run_read(struct vx6_state *st, struct state_read *r)
{
	int rc;

	r->err = open_reader(st);
	if (!vx6_is_ok(r->err))
		return;
	/* one snapshot for all questions */
	rc = sqlite3_exec(st->reader, "BEGIN", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = r->run(r, st->reader);
	r->err = state_err(st->reader, rc);
	if (!sqlite3_get_autocommit(st->reader))
		sqlite3_exec(st->reader, "COMMIT", NULL, NULL, NULL);
}

static void run_reads(struct vx6_state *st, struct vx6_list *batch)
{
	VX6_LIST_EACH(node, batch)
	run_read(st, VX6_CONTAINER_OF(node, struct state_read, node));
	if (st->reader)
		sqlite3_db_release_memory(st->reader);
}

/* ---- loop ---- */

static void start_reading(struct vx6_state *st);

static void reads_done(struct vx6_state *st, struct vx6_list *batch)
{
	struct vx6_list *node;

	st->read_job = NULL;
	start_reading(st);
	while ((node = vx6_list_pop(batch)) != NULL) {
		struct state_read *r = VX6_CONTAINER_OF(node, struct state_read, node);

		r->done(r);
		r->free(r);
	}
}

static void start_reading(struct vx6_state *st)
{
	struct state_job *job;

	if (st->read_job || !st->reads_n)
		return;
	job = vx6_zalloc(sizeof *job);
	vx6_list_init(&job->batch);
	vx6_list_splice(&job->batch, &st->reads);
	st->reads_n = 0;
	job->work = run_reads;
	job->done = reads_done;
	job->drop = state_reads_drop;
	st->read_job = job;
	state_job_start(st, job);
}

vx6_err state_read_submit(struct vx6_state *st, struct state_read *r)
{
	if (st->reads_n >= VX6_STATE_READS_MAX) {
		r->free(r);
		return VX6_ERR(FULL);
	}
	vx6_list_push(&st->reads, &r->node);
	st->reads_n++;
	start_reading(st);
	return VX6_OK;
}

static void events_done(struct state_read *read)
{
	struct read *r = (struct read *)read;

	if (!vx6_is_ok(read->err)) {
		r->done(r->user, read->err, NULL, 0, 0);
		return;
	}
	r->done(r->user, VX6_OK, r->events, r->n, r->oldest);
	r->events = NULL;
	r->n = 0;
}

static void events_free(struct state_read *read)
{
	struct read *r = (struct read *)read;

	vx6_events_free(r->events, r->n);
	free(r);
}

vx6_err vx6_state_read_events(struct vx6_state *st, uint64_t since, uint32_t limit,
			      void (*done)(void *user, vx6_err err, struct vx6_event *events,
					   size_t n, uint64_t oldest),
			      void *user)
{
	struct read *r = vx6_zalloc(sizeof *r);

	*r = (struct read){.read = {.run = run_events, .done = events_done, .free = events_free},
			   .since = since,
			   .limit = VX6_MIN(limit, (uint32_t)VX6_STATE_READ_LIMIT),
			   .done = done,
			   .user = user};
	return state_read_submit(st, &r->read);
}
