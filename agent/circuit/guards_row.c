/*
 * A row of a guard: version u8 | rank u64 | since_s u64 | confirmed_s u64 | expires_s u64 | confirmed_until_s u64 | unlisted_s u64 |
 * failing_s u64 | retry_s u64 | state u8 | bias_ring u32 | bias_n u8 | sum(16).
 */
#include "base/util.h"
#include "circuit/guards_internal.h"

enum { ROW_VERSION = 1 };
static const char personal[] = "VX6-guard-row";

size_t vx6_guards_dirty(const struct vx6_guards *g)
{
	size_t n = g->removed_n;

	for (size_t i = 0; i < g->n; i++)
		n += g->v[i].dirty;
	return n;
}

void vx6_guards_dirty_all(struct vx6_guards *g)
{
	for (size_t i = 0; i < g->n; i++)
		g->v[i].dirty = true;
}

static size_t encode(const struct guard *e, uint8_t out[static VX6_CIRCUIT_ROW_MAX])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_CIRCUIT_ROW_MAX);
	vx6_wr_u8(&w, ROW_VERSION);
	vx6_wr_u64(&w, e->rank);
	vx6_wr_u64(&w, e->g.since_s);
	vx6_wr_u64(&w, e->g.confirmed_s);
	vx6_wr_u64(&w, e->g.expires_s);
	vx6_wr_u64(&w, e->g.confirmed_until_s);
	vx6_wr_u64(&w, e->g.unlisted_s);
	vx6_wr_u64(&w, e->g.failing_s);
	vx6_wr_u64(&w, e->g.retry_s);
	vx6_wr_u8(&w, (uint8_t)e->g.state);
	vx6_wr_u32(&w, e->g.bias_ring);
	vx6_wr_u8(&w, e->g.bias_n);
	return vx6_circuit_row_end(&w, personal, &e->g.node);
}

size_t vx6_guards_save(struct vx6_guards *g, const struct vx6_circuit_store *to)
{
	uint8_t row[VX6_CIRCUIT_ROW_MAX];
	size_t done = 0;

	for (; g->removed_n > 0; done++) {
		const struct vx6_node_id *node = &g->removed[--g->removed_n];

		if (!guards_find(g, node)) /* it may have come back */
			to->row(to->user, node, NULL, 0);
	}
	for (size_t i = 0; i < g->n; i++) {
		struct guard *e = &g->v[i];

		if (!e->dirty)
			continue;
		to->row(to->user, &e->g.node, row, encode(e, row));
		e->dirty = false;
		done++;
	}
	return done;
}

static vx6_err decode(struct vx6_rd *rd, struct guard *out)
{
	uint8_t state;

	out->rank = vx6_rd_u64(rd);
	out->g.since_s = vx6_rd_u64(rd);
	out->g.confirmed_s = vx6_rd_u64(rd);
	out->g.expires_s = vx6_rd_u64(rd);
	out->g.confirmed_until_s = vx6_rd_u64(rd);
	out->g.unlisted_s = vx6_rd_u64(rd);
	out->g.failing_s = vx6_rd_u64(rd);
	out->g.retry_s = vx6_rd_u64(rd);
	state = vx6_rd_u8(rd);
	out->g.bias_ring = vx6_rd_u32(rd);
	out->g.bias_n = vx6_rd_u8(rd);
	VX6_TRY(vx6_rd_done(rd));
	if (state > VX6_GUARD_ASIDE || out->g.bias_n > VX6_GUARD_BIAS_RING ||
	    out->g.bias_ring >> out->g.bias_n != 0 || out->rank > UINT64_MAX / 2)
		return VX6_ERR(RANGE);
	out->g.state = (enum vx6_guard_state)state;
	return VX6_OK;
}

vx6_err vx6_guards_load(struct vx6_guards *g, const uint8_t *key, size_t key_n,
			const uint8_t *value, size_t n)
{
	struct guard e = {0};
	struct vx6_rd rd;

	VX6_TRY(vx6_circuit_row_begin(personal, ROW_VERSION, key, key_n, value, n, &e.g.node, &rd));
	VX6_TRY(decode(&rd, &e));
	if (guards_find(g, &e.g.node))
		return VX6_ERR(EXISTS);
	if (g->n == VX6_GUARDS_MAX)
		return VX6_ERR(FULL);
	g->v[g->n++] = e;
	g->next_rank = VX6_MAX(g->next_rank, e.rank);
	guards_sort(g);
	return VX6_OK;
}
