#include "discovery/clone.h"

#include <string.h>

#include "base/util.h"
#include "crypto/table.h"
#include "record/record.h"
#include "record/service.h"

enum {
	ALARM_EVERY_MS = 5 * 60 * 1000,
	SLACK_S = 120,        /* clocks may differ by as much */
	PAIR_MS = 3 * 1000,   /* both ends of a session with ourselves show within that time */
	ENDS_MAX = 8,         /* that wait for their other end */
	MADE_MAX = 1024 + 16, /* services, and the others */
};

/* The newest record of ours of one type and slot. No padding: a table key. */
struct made_key {
	uint64_t type, slot;
};
struct made {
	struct made_key key;
	uint64_t seq;
	struct vx6_hash hash;
	UT_hash_handle hh;
};

/* One end of a session with our own key. */
struct end {
	struct vx6_addr addr;
	uint64_t ms; /* 0: free */
	bool dialed;
};

struct vx6_clone {
	struct vx6_clone_config cfg;
	struct made *made;
	struct end end[ENDS_MAX];
	uint64_t alarm_ms; /* of the last; 0: none */
	uint32_t suppressed;
};

struct vx6_clone *vx6_clone_new(const struct vx6_clone_config *cfg)
{
	struct vx6_clone *c = vx6_zalloc(sizeof *c);

	c->cfg = *cfg;
	return c;
}

void vx6_clone_free(struct vx6_clone *c)
{
	struct made *m, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->made, m, next)
	{
		HASH_DEL(c->made, m);
		free(m);
	}
	free(c);
}

/* @return false: not one that comes from us, or of a type that this node makes only once */
static bool read_record(const struct vx6_clone *c, const uint8_t *record, size_t n,
			struct vx6_record *rec, struct made_key *key)
{
	struct vx6_service_record service;

	if (!vx6_is_ok(vx6_record_parse(record, n, rec)) ||
	    !vx6_node_id_eq(&rec->subject, &c->cfg.self) || rec->view.type == VX6_RTYPE_REVOCATION)
		return false;
	*key = (struct made_key){.type = rec->view.type};
	if (rec->view.type == VX6_RTYPE_SERVICE) {
		if (!vx6_is_ok(vx6_service_read(rec, &service)))
			return false;
		key->slot = vx6_service_slot(service.name);
	}
	return true;
}

static struct made *find(const struct vx6_clone *c, const struct made_key *key)
{
	struct made *m;

	HASH_FIND(hh, c->made, key, sizeof *key, m);
	return m;
}

void vx6_clone_made(struct vx6_clone *c, const uint8_t *record, size_t n)
{
	struct vx6_record rec;
	struct made_key key;
	struct made *m;

	if (!read_record(c, record, n, &rec, &key))
		return;
	m = find(c, &key);
	if (!m) {
		if (HASH_COUNT(c->made) >= MADE_MAX)
			return;
		m = vx6_zalloc(sizeof *m);
		m->key = key;
		HASH_ADD(hh, c->made, key, sizeof m->key, m);
	}
	m->seq = rec.view.seq;
	m->hash = rec.hash;
}

static void raise_alarm(struct vx6_clone *c, struct vx6_clone_evidence *e, uint64_t now_ms)
{
	if (c->alarm_ms != 0 && now_ms - c->alarm_ms < ALARM_EVERY_MS) {
		c->suppressed++;
		return;
	}
	e->suppressed = c->suppressed;
	c->suppressed = 0;
	c->alarm_ms = VX6_MAX(now_ms, 1);
	c->cfg.alarm(c->cfg.user, e);
}

/* ---- records ---- */

/*
 * What is older than ours may be ours, of a moment ago. What was signed before this run may be ours too: of the run before, when the state that
 * knew of it was lost. Two that live renew their records, so each sees a newer one of the other before long.
 */
static bool is_foreign(const struct vx6_clone *c, const struct vx6_record *rec,
		       const struct made *m, enum vx6_clone_kind *kind)
{
	*kind = VX6_CLONE_NEWER;
	if (m && rec->view.seq < m->seq)
		return false;
	if (m && rec->view.seq == m->seq) {
		*kind = VX6_CLONE_OTHER;
		return memcmp(&m->hash, &rec->hash, sizeof m->hash) != 0;
	}
	if (!m && HASH_COUNT(c->made) >= MADE_MAX)
		return false;
	return rec->view.issued_s > c->cfg.started_s &&
	       rec->view.issued_s - c->cfg.started_s > SLACK_S;
}

bool vx6_clone_seen(struct vx6_clone *c, const uint8_t *record, size_t n, uint64_t now_s,
		    uint64_t now_ms)
{
	struct vx6_record_check check = {.net = &c->cfg.net, .now_s = now_s};
	struct vx6_clone_evidence e = {.record = record, .n = n};
	struct vx6_record rec;
	struct made_key key;

	if (!read_record(c, record, n, &rec, &key) ||
	    !is_foreign(c, &rec, find(c, &key), &e.kind) ||
	    !vx6_is_ok(vx6_record_verify(&rec, &check)))
		return false;
	e.seq = rec.view.seq;
	raise_alarm(c, &e, now_ms);
	return true;
}

/* ---- sessions ---- */

void vx6_clone_met(struct vx6_clone *c, const struct vx6_addr *addr, bool dialed, uint64_t now_ms)
{
	struct end *room = NULL;

	vx6_clone_tick(c, now_ms);
	for (size_t i = 0; i < VX6_ARRAY_N(c->end); i++) {
		struct end *e = &c->end[i];

		if (e->ms != 0 && e->dialed != dialed) {
			e->ms = 0; /* both ends are ours */
			return;
		}
		if (e->ms == 0)
			room = e;
	}
	if (room)
		*room = (struct end){.addr = *addr, .ms = VX6_MAX(now_ms, 1), .dialed = dialed};
}

void vx6_clone_tick(struct vx6_clone *c, uint64_t now_ms)
{
	for (size_t i = 0; i < VX6_ARRAY_N(c->end); i++) {
		struct vx6_clone_evidence e = {.kind = VX6_CLONE_SESSION, .addr = c->end[i].addr};

		if (c->end[i].ms == 0 || now_ms - c->end[i].ms < PAIR_MS)
			continue;
		c->end[i].ms = 0;
		raise_alarm(c, &e, now_ms);
	}
}
