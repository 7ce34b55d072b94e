#include "discovery/clone.h"

#include <string.h>

#include "base/util.h"
#include "crypto/table.h"
#include "record/record.h"
#include "record/service.h"

enum {
	ALARM_EVERY_MS = 5 * 60 * 1000,
	SLACK_S = 3,          /* times are whole seconds */
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

struct vx6_clone {
	struct vx6_clone_config cfg;
	struct made *made;
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
 * knew of it was lost. The beginning of the run is counted back from now, so a clock that was set meanwhile changes nothing. Two that live
 * renew their records, so each sees a newer one of the other before long.
 */
static bool is_foreign(const struct vx6_clone *c, const struct vx6_record *rec,
		       const struct made *m, uint64_t run_s, uint64_t now_s,
		       enum vx6_clone_kind *kind)
{
	uint64_t began_s = now_s > run_s ? now_s - run_s : 0;

	*kind = VX6_CLONE_NEWER;
	if (m && rec->view.seq < m->seq)
		return false;
	if (m && rec->view.seq == m->seq) {
		*kind = VX6_CLONE_OTHER;
		return memcmp(&m->hash, &rec->hash, sizeof m->hash) != 0;
	}
	if (!m && HASH_COUNT(c->made) >= MADE_MAX)
		return false;
	return rec->view.issued_s > began_s && rec->view.issued_s - began_s > SLACK_S;
}

bool vx6_clone_seen(struct vx6_clone *c, const uint8_t *record, size_t n, uint64_t now_s,
		    uint64_t now_ms)
{
	struct vx6_record_check check = {.net = &c->cfg.net, .now_s = now_s};
	struct vx6_clone_evidence e = {.record = record, .n = n};
	uint64_t run_s = (now_ms - c->cfg.started_ms) / 1000;
	struct vx6_record rec;
	struct made_key key;

	if (!read_record(c, record, n, &rec, &key) ||
	    !is_foreign(c, &rec, find(c, &key), run_s, now_s, &e.kind) ||
	    !vx6_is_ok(vx6_record_verify(&rec, &check)))
		return false;
	e.type = rec.view.type;
	e.seq = rec.view.seq;
	raise_alarm(c, &e, now_ms);
	return true;
}

void vx6_clone_met(struct vx6_clone *c, const struct vx6_addr *addr, uint64_t now_ms)
{
	struct vx6_clone_evidence e = {.kind = VX6_CLONE_SESSION, .addr = *addr};

	raise_alarm(c, &e, now_ms);
}
