/* High-water marks: the table in memory answers, the database follows. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "state/state_internal.h"

enum { FORGET_AFTER_S = 30 * 86400 };

static vx6_err get(void *user, const struct vx6_hwm_key *key, struct vx6_hwm *out)
{
	struct vx6_state *st = user;

	return st->marks_store.get(st->marks_store.user, key, out);
}

/*
 * Whoever has a key can be a new subject, so strangers can fill the table. They must not keep others out by that: a mark that finds
 * no room is not kept, and the next record of its subject is taken as its first. Marks that are there stay.
 */
static bool remember(struct vx6_state *st, const struct vx6_hwm_key *key,
		     const struct vx6_hwm *mark, struct vx6_write *w)
{
	struct vx6_hwm_key old;

	if (vx6_is_ok(st->marks_store.put(st->marks_store.user, key, mark)))
		return true;
	if (!vx6_hwm_mem_make_room(st->marks, key->type, vx6_wall_s(), &old))
		return false;
	vx6_write_delete_hwm(w, &old);
	return vx6_is_ok(st->marks_store.put(st->marks_store.user, key, mark));
}

/* A mark that does not get to disk costs little: the record is admitted once more after a restart. So a full queue is no error here. */
static vx6_err put(void *user, const struct vx6_hwm_key *key, const struct vx6_hwm *mark)
{
	struct vx6_state *st = user;
	struct vx6_write *w = vx6_write_new();
	vx6_err err;

	if (!remember(st, key, mark, w)) {
		vx6_write_free(w);
		if (vx6_log_allow(&st->loud, "state", 1, 60000))
			VX6_WARN("state",
				 "the table of high-water marks is full, one was not kept");
		return VX6_OK;
	}
	vx6_write_put_hwm(w, key, mark);
	err = vx6_state_submit(st, w, NULL, NULL);
	if (!vx6_is_ok(err) && vx6_log_allow(&st->loud, "state", 1, 60000))
		VX6_WARN("state", "the queue of writes is full, a high-water mark was not stored");
	return VX6_OK;
}

struct vx6_hwm_store vx6_state_hwm(struct vx6_state *st)
{
	return (struct vx6_hwm_store){.get = get, .put = put, .user = st};
}

static bool read_mark(sqlite3_stmt *stmt, struct vx6_hwm_key *key, struct vx6_hwm *mark)
{
	if (sqlite3_column_bytes(stmt, 1) != sizeof key->subject ||
	    sqlite3_column_bytes(stmt, 4) != sizeof mark->hash.b)
		return false;
	*key = (struct vx6_hwm_key){
		.type = (uint64_t)sqlite3_column_int64(stmt, 0),
		.slot = (uint64_t)sqlite3_column_int64(stmt, 2),
	};
	memcpy(key->subject, sqlite3_column_blob(stmt, 1), sizeof key->subject);
	*mark = (struct vx6_hwm){
		.seq = (uint64_t)sqlite3_column_int64(stmt, 3),
		.expires_s = (uint64_t)sqlite3_column_int64(stmt, 5),
		.record = sqlite3_column_blob(stmt, 6),
		.n = (size_t)sqlite3_column_bytes(stmt, 6),
	};
	memcpy(mark->hash.b, sqlite3_column_blob(stmt, 4), sizeof mark->hash.b);
	return true;
}

vx6_err state_hwm_load(struct vx6_state *st)
{
	sqlite3_stmt *stmt = NULL;
	struct vx6_hwm_key key;
	struct vx6_hwm mark;
	uint64_t now_s = vx6_wall_s();
	char sql[128];
	int rc;

	/* 0: a mark that never ends */
	snprintf(sql, sizeof sql, "DELETE FROM high_water WHERE expires_s > 0 AND expires_s < %lld",
		 (long long)now_s - FORGET_AFTER_S);
	rc = sqlite3_exec(st->db, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(st->db, "SELECT * FROM high_water ORDER BY expires_s DESC",
					-1, &stmt, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW && read_mark(stmt, &key, &mark) &&
		    !vx6_is_ok(st->marks_store.put(st->marks_store.user, &key, &mark)))
			break; /* more than fit: the oldest stay out */
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? VX6_OK : state_err(st->db, rc);
}
