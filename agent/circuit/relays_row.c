/*
 * A row of a relay: version u8 | first_seen u64 | last_listed u64 | last_used u64 | uses u32 | successes u32 | failures u32 (thousandths) |
 * score_s u64 | rtt_us u32 | capacity u64 | capacity_s u64 | sum(16). Its networks are not there: until a record of it comes in it is in none.
 */
#include <string.h>

#include "base/util.h"
#include "circuit/relays_internal.h"

enum { ROW_VERSION = 1, KEEP_S = 60 * 86400 };
static const char personal[] = "VX6-relay-row";

size_t vx6_relays_dirty(const struct vx6_relays *r)
{
	return r->dirty_n + r->removed_n;
}

void vx6_relays_dirty_all(struct vx6_relays *r)
{
	for (size_t i = 0; i < r->n; i++)
		r->v[i]->dirty = true;
	r->dirty_n = r->n;
}

static uint32_t thousandths(double v)
{
	return v >= UINT32_MAX / 1000.0 ? UINT32_MAX : (uint32_t)(v * 1000 + 0.5);
}

static uint64_t whole(double v)
{
	return v >= 0x1p53 ? UINT64_C(1) << 53 : (uint64_t)(v + 0.5);
}

static size_t encode(const struct vx6_relay_entry *e, uint8_t out[static VX6_CIRCUIT_ROW_MAX])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_CIRCUIT_ROW_MAX);
	vx6_wr_u8(&w, ROW_VERSION);
	vx6_wr_u64(&w, e->first_seen_s);
	vx6_wr_u64(&w, e->last_listed_s);
	vx6_wr_u64(&w, e->last_used_s);
	vx6_wr_u32(&w, e->uses);
	vx6_wr_u32(&w, thousandths(e->successes));
	vx6_wr_u32(&w, thousandths(e->failures));
	vx6_wr_u64(&w, e->score_s);
	vx6_wr_u32(&w, e->rtt_us);
	vx6_wr_u64(&w, whole(e->capacity));
	vx6_wr_u64(&w, e->capacity_s);
	return vx6_circuit_row_end(&w, personal, &e->node);
}

size_t vx6_relays_save(struct vx6_relays *r, const struct vx6_circuit_store *to, size_t max)
{
	uint8_t row[VX6_CIRCUIT_ROW_MAX];
	size_t done = 0;

	while (r->removed_n > 0 && done < max) {
		const struct vx6_node_id *node = &r->removed[--r->removed_n];

		if (!relays_slot(r, node)) /* it may have come back */
			to->row(to->user, node, NULL, 0);
		done++;
	}
	for (size_t i = 0; i < r->n && r->dirty_n > 0 && done < max; i++) {
		struct slot *s = r->v[i];

		if (!s->dirty)
			continue;
		to->row(to->user, &s->e.node, row, encode(&s->e, row));
		s->dirty = false;
		r->dirty_n--;
		done++;
	}
	return done;
}

static vx6_err decode(struct vx6_rd *rd, struct vx6_relay_entry *out)
{
	out->first_seen_s = vx6_rd_u64(rd);
	out->last_listed_s = vx6_rd_u64(rd);
	out->last_used_s = vx6_rd_u64(rd);
	out->uses = vx6_rd_u32(rd);
	out->successes = vx6_rd_u32(rd) / 1000.0;
	out->failures = vx6_rd_u32(rd) / 1000.0;
	out->score_s = vx6_rd_u64(rd);
	out->rtt_us = vx6_rd_u32(rd);
	out->capacity = (double)vx6_rd_u64(rd);
	out->capacity_s = vx6_rd_u64(rd);
	VX6_TRY(vx6_rd_done(rd));
	return out->capacity <= 0x1p53 ? VX6_OK : VX6_ERR(RANGE);
}

/* What a clock that was wrong wrote must not count for ever. */
static void not_later(uint64_t *s, uint64_t now_s)
{
	*s = VX6_MIN(*s, now_s);
}

/* Its record came in first. */
static vx6_err remember(struct vx6_relays *r, struct slot *s, const struct vx6_relay_entry *old)
{
	if (s->e.last_used_s)
		return VX6_ERR(EXISTS);
	s->e.first_seen_s = VX6_MIN(s->e.first_seen_s, old->first_seen_s);
	s->e.last_used_s = old->last_used_s;
	s->e.uses = old->uses;
	s->e.successes = old->successes;
	s->e.failures = old->failures;
	s->e.score_s = old->score_s;
	s->e.rtt_us = old->rtt_us;
	r->measured_n += (old->capacity > 0) - (s->e.capacity > 0);
	s->e.capacity = old->capacity;
	s->e.capacity_s = old->capacity_s;
	relays_touch(r, s);
	return VX6_OK;
}

vx6_err vx6_relays_load(struct vx6_relays *r, const uint8_t *key, size_t key_n,
			const uint8_t *value, size_t n, uint64_t now_s)
{
	struct vx6_relay_entry e = {0};
	struct vx6_rd rd;
	struct slot *s;

	VX6_TRY(vx6_circuit_row_begin(personal, ROW_VERSION, key, key_n, value, n, &e.node, &rd));
	VX6_TRY(decode(&rd, &e));
	not_later(&e.first_seen_s, now_s);
	not_later(&e.last_listed_s, now_s);
	not_later(&e.last_used_s, now_s);
	not_later(&e.score_s, now_s);
	not_later(&e.capacity_s, now_s);
	if (now_s - e.last_listed_s > KEEP_S)
		return VX6_ERR(EXPIRED);
	s = relays_slot(r, &e.node);
	if (s)
		return remember(r, s, &e);
	s = relays_make(r, &e, now_s);
	if (!s)
		return VX6_ERR(FULL);
	r->measured_n += s->e.capacity > 0;
	return VX6_OK;
}
