/*
 * The audit: rows that each carry the hash of the one before, so that none can be changed or taken out without all that follow being made anew.
 * Who can write the file can do that as well: whoever wants to know keeps the head somewhere else.
 */
#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "state/state_internal.h"

enum { VALUES = 8 }; /* of a row, before `prev` and `hash` */

/* ---- the chain ---- */

static void hash_u64(struct vx6_hash_state *h, uint64_t v)
{
	uint8_t be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(v >> (56 - 8 * i));
	vx6_hash_update(h, be, sizeof be);
}

static void hash_text(struct vx6_hash_state *h, const char *text, size_t n)
{
	hash_u64(h, n);
	vx6_hash_update(h, text, n);
}

static void hash_begin(struct vx6_hash_state *h, const uint8_t prev[static 32], uint64_t seq,
		       uint64_t wall_ms)
{
	vx6_hash_init(h, "VX6-audit");
	vx6_hash_update(h, prev, 32);
	hash_u64(h, seq);
	hash_u64(h, wall_ms);
}

void state_audit_next(struct state_audit_head *head, const struct state_op *op)
{
	struct vx6_hash_state h;
	struct vx6_hash hash;

	hash_begin(&h, head->hash, head->seq, (uint64_t)op->v[1].i);
	for (int i = 2; i < VALUES; i++)
		hash_text(&h, op->v[i].bytes, op->v[i].n);
	vx6_hash_final(&h, &hash);
	memcpy(head->hash, hash.b, sizeof head->hash);
}

static bool blob_at(sqlite3_stmt *stmt, int column, uint8_t out[static 32])
{
	if (sqlite3_column_bytes(stmt, column) != 32)
		return false;
	memcpy(out, sqlite3_column_blob(stmt, column), 32);
	return true;
}

/* Whether the row's hash is that of what it says. */
static bool fits(sqlite3_stmt *stmt)
{
	struct vx6_hash_state h;
	struct vx6_hash hash;
	uint8_t prev[32], said[32];

	if (!blob_at(stmt, VALUES, prev) || !blob_at(stmt, VALUES + 1, said))
		return false;
	hash_begin(&h, prev, (uint64_t)sqlite3_column_int64(stmt, 0),
		   (uint64_t)sqlite3_column_int64(stmt, 1));
	for (int i = 2; i < VALUES; i++) {
		const char *text = (const char *)sqlite3_column_text(stmt, i);

		hash_text(&h, text ? text : "", (size_t)sqlite3_column_bytes(stmt, i));
	}
	vx6_hash_final(&h, &hash);
	return memcmp(hash.b, said, sizeof said) == 0;
}

vx6_err state_audit_open(struct vx6_state *st)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(st->db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
				    -1, &stmt, NULL);

	st->audit_last = (struct state_audit_head){0};
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		st->audit_last.seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		(void)blob_at(stmt, 1, st->audit_last.hash); /* a damaged one shows as a break */
	}
	sqlite3_finalize(stmt);
	st->audit = st->audit_last;
	st->audit_trimmed_seq = st->audit_last.seq;
	return state_err(st->db, rc);
}

/* ---- reading ---- */

struct audit_read {
	struct state_read read; /* first */
	struct vx6_audit_ask ask;
	struct vx6_audit_page *page;
	void (*done)(void *user, vx6_err err, struct vx6_audit_page *page);
	void *user;
};

void vx6_audit_page_free(struct vx6_audit_page *p)
{
	if (!p)
		return;
	free(p->rows);
	free(p);
}

static void copy_text(sqlite3_stmt *stmt, int column, char *out, size_t cap)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	vx6_strlcpy(out, text ? text : "", cap);
}

static void read_row(sqlite3_stmt *stmt, struct vx6_audit_row *row)
{
	struct vx6_audit_entry *e = &row->entry;

	*row = (struct vx6_audit_row){.seq = (uint64_t)sqlite3_column_int64(stmt, 0)};
	e->wall_ms = (uint64_t)sqlite3_column_int64(stmt, 1);
	copy_text(stmt, 2, e->actor, sizeof e->actor);
	copy_text(stmt, 3, e->origin, sizeof e->origin);
	copy_text(stmt, 4, e->operation, sizeof e->operation);
	copy_text(stmt, 5, e->target, sizeof e->target);
	copy_text(stmt, 6, e->outcome, sizeof e->outcome);
	copy_text(stmt, 7, e->request_id, sizeof e->request_id);
	(void)blob_at(stmt, VALUES, row->prev);
	(void)blob_at(stmt, VALUES + 1, row->hash);
}

static int read_rows(sqlite3 *db, const struct vx6_audit_ask *ask, struct vx6_audit_page *p)
{
	static const char sql[] = "SELECT * FROM audit WHERE seq > ?1 AND (?2 = '' OR actor = ?2)"
				  " AND (?3 = '' OR operation = ?3) ORDER BY seq LIMIT ?4";
	uint32_t limit = VX6_MIN(ask->limit, (uint32_t)VX6_AUDIT_READ_LIMIT);
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	p->rows = vx6_zalloc(VX6_MAX(limit, 1U) * sizeof *p->rows);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 1, (int64_t)VX6_MIN(ask->since, (uint64_t)INT64_MAX));
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 2, ask->actor, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 3, ask->operation, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 4, limit);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW && p->n < limit)
			read_row(stmt, &p->rows[p->n++]);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_ends(sqlite3 *db, struct vx6_audit_page *p)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db,
				    "SELECT (SELECT min(seq) FROM audit), seq, hash FROM audit "
				    "ORDER BY seq DESC LIMIT 1",
				    -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		p->oldest = (uint64_t)sqlite3_column_int64(stmt, 0);
		p->head_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
		(void)blob_at(stmt, 2, p->head);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int verify(sqlite3 *db, struct vx6_audit_page *p)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT * FROM audit ORDER BY seq", -1, &stmt, NULL);
	uint8_t last[32], prev[32];
	uint64_t last_seq = 0;

	while ((rc == SQLITE_OK || rc == SQLITE_ROW) && !p->broken_seq) {
		uint64_t seq;
		bool good;

		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		good = fits(stmt) && blob_at(stmt, VALUES, prev) &&
		       (last_seq == 0 ||
			(seq == last_seq + 1 && memcmp(prev, last, sizeof last) == 0));
		if (!good)
			p->broken_seq = seq;
		(void)blob_at(stmt, VALUES + 1, last);
		last_seq = seq;
		p->checked++;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run(struct state_read *read, sqlite3 *db)
{
	struct audit_read *r = (struct audit_read *)read;
	int rc = read_ends(db, r->page);

	if (rc != SQLITE_OK)
		return rc;
	return r->ask.verify ? verify(db, r->page) : read_rows(db, &r->ask, r->page);
}

static void done(struct state_read *read)
{
	struct audit_read *r = (struct audit_read *)read;
	struct vx6_audit_page *page = vx6_is_ok(read->err) ? r->page : NULL;

	if (page)
		r->page = NULL;
	r->done(r->user, read->err, page);
}

static void forget(struct state_read *read)
{
	struct audit_read *r = (struct audit_read *)read;

	vx6_audit_page_free(r->page);
	free(r);
}

vx6_err vx6_state_read_audit(struct vx6_state *st, const struct vx6_audit_ask *ask,
			     void (*cb)(void *user, vx6_err err, struct vx6_audit_page *page),
			     void *user)
{
	struct audit_read *r = vx6_zalloc(sizeof *r);

	*r = (struct audit_read){.read = {.run = run, .done = done, .free = forget},
				 .ask = *ask,
				 .page = vx6_zalloc(sizeof *r->page),
				 .done = cb,
				 .user = user};
	return state_read_submit(st, &r->read);
}
