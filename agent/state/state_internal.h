/**
 * @file state_internal.h
 * What the files of the state layer share: the connection, the queue, one write.
 *
 * Layer:   state
 * Threads: as marked; a worker has `db` and the batch between the start of its job and the end, the loop has all the rest
 */
#ifndef VX6_STATE_STATE_INTERNAL_H
#define VX6_STATE_STATE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/list.h"
#include "base/log.h"
#include "state/state.h"

enum {
	STATE_BINDS_MAX = 18,
	STATE_QUEUE_BYTES = 16 << 20, /* that wait */
	STATE_BATCH_MAX = 512,        /* writes in one transaction */
	STATE_APPLICATION_ID = 0x56583601,
	STATE_AUDIT_VERSION = 5, /* of the schema, that the audit is in */
	/* of the column hidden_flags */
	STATE_HIDDEN_FAST = 1,
	STATE_HIDDEN_OPEN = 2,
	STATE_HIDDEN_NO_POW = 4,
	STATE_HIDDEN_FORCE = 8,
	STATE_HIDDEN_PUBLISH_ALIAS = 16,
};

/* ---- one write (write.c) ---- */

enum state_bind {
	STATE_NULL,
	STATE_INT,
	STATE_TEXT,
	STATE_BLOB,
	STATE_SEQ,
	STATE_AUDIT_SEQ,
	STATE_AUDIT_PREV,
	STATE_AUDIT_HASH, /* over all values before it */
};

/* Where the audit's chain ends. */
struct state_audit_head {
	uint64_t seq;
	uint8_t hash[32];
};

struct state_value {
	enum state_bind kind;
	size_t n;
	int64_t i;
	char *bytes; /* owned */
};

/* One statement with its parameters; knows nothing of what it means. */
struct state_op {
	struct state_op *next;
	const char *sql; /* static */
	int n;
	struct state_value v[STATE_BINDS_MAX];
};

struct vx6_write {
	struct vx6_list node;
	struct state_op *first, *last;
	size_t bytes;
	bool durable; /* holds more than events */
	void (*done)(void *user, const struct vx6_write_result *r);
	void *user;
	struct vx6_write_result result;
};

/* ---- the connection (open.c) ---- */

extern const char *const vx6_state_migrations[];
extern const int vx6_state_migrations_n;

extern const char state_registry_schema[];

/** To be called before the first use of SQLite; every time. */
void state_sqlite_configure(void);
/** Opens and checks @p path, brings it to the version of @p n migrations. @return as vx6_state_open() */
VX6_RES state_db_open(const char *path, const char *const *migrations, int n, sqlite3 **out,
		      char detail[static VX6_STATE_DETAIL_MAX]);
/** Whether it is a sound database of ours. @param path for texts @param version of its schema; 0: new and empty */
VX6_RES state_check_ours(sqlite3 *db, const char *path, int newest, int *version, char *detail);
/** The error of a result code of SQLite. @param db for the errno behind it; may be NULL */
vx6_err state_err(sqlite3 *db, int rc);
/** @return @p err, with words in @p detail, VX6_STATE_DETAIL_MAX bytes */
vx6_err state_refuse(char *detail, vx6_err err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** The same for a result code of SQLite. */
vx6_err state_refuse_db(char *detail, sqlite3 *db, int rc, const char *path);

/* ---- copy.c ---- */

/** A copy of the database before it is brought to schema @p n: PATH.before-N. The last two of them are kept. */
VX6_RES state_copy_before(sqlite3 *db, const char *path, int n, char *detail);
/** Removes what a crash left of a copy in @p dir. */
void state_copy_clear(const char *dir);

/* ---- state.c ---- */

struct state_job; /* one at a time of each: writing, reading */

struct vx6_state {
	struct vx6_loop *loop;
	char path[512];
	int lock_fd;
	sqlite3 *db;
	/* writer */
	uint64_t last_seq;    /* of the last committed event */
	uint64_t seq;         /* of the last one of the transaction under way */
	uint64_t trimmed_seq; /* what last_seq was at the last trimming */
	struct state_audit_head audit_last, audit; /* committed; of the transaction under way */
	uint64_t audit_trimmed_seq;
	uint32_t events_keep;
	bool full_sync; /* what synchronous is set to */
	struct vx6_ratelimit failures;
	struct vx6_list writes;
	size_t writes_n, bytes;
	size_t running_n; /* writes in the worker's hands */
	struct state_job *write_job;
	/* reader */
	sqlite3 *reader;
	struct vx6_list reads;
	size_t reads_n;
	struct state_job *read_job;
	/* so that a close can wait for jobs */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int jobs;
};

/** vx6_state_open() with other migrations: for tests of them. */
VX6_RES state_open_with(const struct vx6_state_config *cfg, const char *const *migrations, int n,
			struct vx6_state **out, char detail[static VX6_STATE_DETAIL_MAX]);

/* ---- audit.c ---- */

VX6_RES state_audit_open(struct vx6_state *st);
/** A row with the values of @p op before its hash follows the head: which is that row from here on. */
void state_audit_next(struct state_audit_head *head, const struct state_op *op);

/* ---- events.c: reading, one job at a time, on a connection of its own ---- */

struct state_read {
	struct vx6_list node;
	vx6_err err;
	/* on a worker, inside a transaction @return a result code of SQLite */
	int (*run)(struct state_read *r, sqlite3 *db);
	void (*done)(struct state_read *r); /* on the loop */
	void (*free)(struct state_read *r);
};
/** Takes @p r. @return FULL: it was freed */
VX6_RES state_read_submit(struct vx6_state *st, struct state_read *r);

/** One job of a worker; outlives the state when the loop ends later. */
struct state_job {
	struct vx6_job job;
	struct vx6_state *st; /* NULL: closed meanwhile */
	struct vx6_list batch;
	void (*work)(struct vx6_state *st, struct vx6_list *batch); /* on a worker */
	void (*done)(struct vx6_state *st, struct vx6_list *batch); /* on the loop */
	void (*drop)(struct vx6_list *batch);                       /* instead of done */
};
/** Starts a job with what is in @p job->batch. Takes @p job. */
void state_job_start(struct vx6_state *st, struct state_job *job);

/* ---- events.c ---- */

void state_reads_drop(struct vx6_list *reads);

#endif
