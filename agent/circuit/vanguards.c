/*
 * The set, and its rows. vx6_vanguards_update() draws entries and lets them go; a stored row brings one back. Between calls: v[0..n) are different
 * nodes.
 *
 * A row: version u8 | since_s u64 | until_s u64 | unlisted_s u64 | failing_s u64 | retry_s u64 | sum(16).
 */
#include "circuit/vanguards.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "circuit/path_internal.h"

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
	LIFE_MIN_S = DAY,
	LIFE_MAX_S = 12 * DAY,
	UNLISTED_S = DAY,
	FAILING_S = 6 * HOUR,
	RETRY_S = 10 * MINUTE,
	LISTED_MIN = 3,
	ROW_VERSION = 1,
};
static const char personal[] = "VX6-vanguard-row";

struct vanguard {
	struct vx6_vanguard v;
	bool dirty;
};

struct vx6_vanguards {
	struct vanguard v[VX6_VANGUARDS_MAX];
	size_t n;
	struct vx6_node_id removed[2 * VX6_VANGUARDS_MAX];
	size_t removed_n;
};

struct vx6_vanguards *vx6_vanguards_new(void)
{
	return vx6_zalloc(sizeof(struct vx6_vanguards));
}

void vx6_vanguards_free(struct vx6_vanguards *v)
{
	free(v);
}

static struct vanguard *find(struct vx6_vanguards *v, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < v->n; i++)
		if (vx6_node_id_eq(&v->v[i].v.node, node))
			return &v->v[i];
	return NULL;
}

/* ---- who leaves ---- */

static void look_who_is_listed(struct vx6_vanguards *v, const struct vx6_relays *relays,
			       uint64_t now_s)
{
	if (vx6_relays_listed(relays, now_s) < LISTED_MIN)
		return;
	for (size_t i = 0; i < v->n; i++) {
		struct vanguard *e = &v->v[i];
		const struct vx6_relay_entry *r = vx6_relays_find(relays, &e->v.node);
		bool listed = r && path_relay_fits(r, VX6_RELAY_MIDDLE, now_s);

		if (listed == !e->v.unlisted_s)
			continue;
		e->v.unlisted_s = listed ? 0 : VX6_MAX(now_s, (uint64_t)1);
		e->dirty = true;
	}
}

static bool is_longer(uint64_t since_s, uint64_t now_s, uint64_t s)
{
	return since_s && now_s > since_s && now_s - since_s > s;
}

/* One that would stay for longer than any may was drawn under another clock. */
static bool is_over(const struct vx6_vanguard *e, uint64_t now_s)
{
	return now_s >= e->until_s || e->until_s - now_s > LIFE_MAX_S + HOUR ||
	       is_longer(e->unlisted_s, now_s, UNLISTED_S) ||
	       is_longer(e->failing_s, now_s, FAILING_S);
}

/* A row that could not be noted is dropped when it is read: its end has come. */
static void let_go(struct vx6_vanguards *v, size_t i)
{
	if (v->removed_n < VX6_ARRAY_N(v->removed))
		v->removed[v->removed_n++] = v->v[i].v.node;
	memmove(&v->v[i], &v->v[i + 1], (--v->n - i) * sizeof *v->v);
}

/* ---- who comes in ---- */

static size_t wanted(const struct vx6_relays *relays, uint64_t now_s)
{
	size_t pool = 0;

	for (size_t i = 0; i < vx6_relays_count(relays); i++)
		pool += path_relay_fits(vx6_relays_at(relays, i), VX6_RELAY_MIDDLE, now_s);
	return VX6_MIN(VX6_MAX(pool / 4, (size_t)VX6_VANGUARDS_MIN), (size_t)VX6_VANGUARDS_MAX);
}

/* Who may come in, under which rules. */
struct opening {
	const struct vx6_vanguards *v;
	const struct vx6_relays *relays;
	const struct vx6_guards *guards;
	const struct vx6_path_view *view;
	uint8_t relaxed;
	bool diverse;
};

static bool is_primary(const struct vx6_guards *guards, const struct vx6_node_id *node)
{
	unsigned place = guards ? vx6_guards_place(guards, node) : 0;

	return place && vx6_guards_at(guards, place - 1)->primary;
}

static bool is_candidate(const void *opening, const struct vx6_relay_entry *e)
{
	const struct opening *o = opening;
	uint64_t now_s = o->view->now_s;

	if (!path_relay_fits(e, VX6_RELAY_MIDDLE, now_s) ||
	    path_age_missing(e, now_s) & ~o->relaxed || vx6_relay_is_failing(e, now_s) ||
	    path_clash_self(o->view, e, o->diverse) != VX6_PATH_RULE_NONE ||
	    is_primary(o->guards, &e->node))
		return false;
	for (size_t i = 0; i < o->v->n; i++) {
		const struct vx6_node_id *node = &o->v->v[i].v.node;
		const struct vx6_relay_entry *other = vx6_relays_find(o->relays, node);

		if (vx6_node_id_eq(node, &e->node) ||
		    (other && path_clash_relay(other, e, o->diverse) != VX6_PATH_RULE_NONE))
			return false;
	}
	return true;
}

static void take(struct vx6_vanguards *v, const struct vx6_relay_entry *e, uint64_t now_s,
		 const struct vx6_rand *rand)
{
	uint64_t a = vx6_rand_between(rand, LIFE_MIN_S, LIFE_MAX_S);
	uint64_t b = vx6_rand_between(rand, LIFE_MIN_S, LIFE_MAX_S);
	uint64_t until_s = now_s + VX6_MAX(a, b);

	v->v[v->n++] = (struct vanguard){
		.v = {.node = e->node,
		      .since_s = now_s - now_s % DAY,
		      .until_s = until_s - until_s % HOUR},
		.dirty = true,
	};
}

static void fill(struct vx6_vanguards *v, const struct vx6_relays *relays,
		 const struct vx6_guards *guards, const struct vx6_path_view *view,
		 const struct vx6_rand *rand)
{
	struct opening o = {.v = v, .relays = relays, .guards = guards, .view = view};
	const struct vx6_relay_entry *e;
	size_t want = wanted(relays, view->now_s);

	if (v->n >= want)
		return;
	o.diverse = vx6_path_is_diverse(view, relays);
	o.relaxed = path_age_stage(relays, VX6_RELAY_MIDDLE, view->now_s);
	while (v->n < want) {
		e = path_by_weight(relays, view->now_s, is_candidate, &o, rand);
		if (!e)
			return;
		take(v, e, view->now_s, rand);
	}
}

void vx6_vanguards_update(struct vx6_vanguards *v, const struct vx6_relays *relays,
			  const struct vx6_guards *guards, const struct vx6_path_view *view,
			  const struct vx6_rand *rand)
{
	look_who_is_listed(v, relays, view->now_s);
	for (size_t i = v->n; i-- > 0;)
		if (is_over(&v->v[i].v, view->now_s))
			let_go(v, i);
	fill(v, relays, guards, view, rand);
}

/* ---- what happened ---- */

void vx6_vanguards_up(struct vx6_vanguards *v, const struct vx6_node_id *node)
{
	struct vanguard *e = find(v, node);

	if (!e || !e->v.failing_s)
		return;
	e->v.failing_s = e->v.retry_s = 0;
	e->dirty = true;
}

void vx6_vanguards_down(struct vx6_vanguards *v, const struct vx6_node_id *node, uint64_t now_s)
{
	struct vanguard *e = find(v, node);

	if (!e)
		return;
	if (!e->v.failing_s)
		e->v.failing_s = VX6_MAX(now_s, (uint64_t)1);
	e->v.retry_s = now_s + RETRY_S;
	e->dirty = true;
}

void vx6_vanguards_heard(struct vx6_vanguards *v, const struct vx6_node_id *node)
{
	struct vanguard *e = find(v, node);

	if (!e || !e->v.retry_s)
		return;
	e->v.retry_s = 0;
	e->dirty = true;
}

/* ---- to look at ---- */

size_t vx6_vanguards_count(const struct vx6_vanguards *v)
{
	return v->n;
}

const struct vx6_vanguard *vx6_vanguards_at(const struct vx6_vanguards *v, size_t i)
{
	VX6_ASSERT(i < v->n);
	return &v->v[i].v;
}

bool vx6_vanguards_has(const struct vx6_vanguards *v, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < v->n; i++)
		if (vx6_node_id_eq(&v->v[i].v.node, node))
			return true;
	return false;
}

bool vx6_vanguard_is_usable(const struct vx6_vanguard *e, uint64_t now_s)
{
	return !e->unlisted_s && now_s >= e->retry_s;
}

/* ---- rows ---- */

size_t vx6_vanguards_dirty(const struct vx6_vanguards *v)
{
	size_t n = v->removed_n;

	for (size_t i = 0; i < v->n; i++)
		n += v->v[i].dirty;
	return n;
}

void vx6_vanguards_dirty_all(struct vx6_vanguards *v)
{
	for (size_t i = 0; i < v->n; i++)
		v->v[i].dirty = true;
}

static size_t encode(const struct vx6_vanguard *e, uint8_t out[static VX6_CIRCUIT_ROW_MAX])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_CIRCUIT_ROW_MAX);
	vx6_wr_u8(&w, ROW_VERSION);
	vx6_wr_u64(&w, e->since_s);
	vx6_wr_u64(&w, e->until_s);
	vx6_wr_u64(&w, e->unlisted_s);
	vx6_wr_u64(&w, e->failing_s);
	vx6_wr_u64(&w, e->retry_s);
	return vx6_circuit_row_end(&w, personal, &e->node);
}

size_t vx6_vanguards_save(struct vx6_vanguards *v, const struct vx6_circuit_store *to)
{
	uint8_t row[VX6_CIRCUIT_ROW_MAX];
	size_t done = 0;

	for (; v->removed_n > 0; done++) {
		const struct vx6_node_id *node = &v->removed[--v->removed_n];

		if (!find(v, node)) /* it may have been drawn again */
			to->row(to->user, node, NULL, 0);
	}
	for (size_t i = 0; i < v->n; i++) {
		if (!v->v[i].dirty)
			continue;
		to->row(to->user, &v->v[i].v.node, row, encode(&v->v[i].v, row));
		v->v[i].dirty = false;
		done++;
	}
	return done;
}

static vx6_err decode(struct vx6_rd *rd, struct vx6_vanguard *out)
{
	out->since_s = vx6_rd_u64(rd);
	out->until_s = vx6_rd_u64(rd);
	out->unlisted_s = vx6_rd_u64(rd);
	out->failing_s = vx6_rd_u64(rd);
	out->retry_s = vx6_rd_u64(rd);
	VX6_TRY(vx6_rd_done(rd));
	if (out->until_s < out->since_s || out->until_s - out->since_s > LIFE_MAX_S + DAY)
		return VX6_ERR(RANGE);
	return VX6_OK;
}

vx6_err vx6_vanguards_load(struct vx6_vanguards *v, const uint8_t *key, size_t key_n,
			   const uint8_t *value, size_t n)
{
	struct vx6_vanguard e = {0};
	struct vx6_rd rd;

	VX6_TRY(vx6_circuit_row_begin(personal, ROW_VERSION, key, key_n, value, n, &e.node, &rd));
	VX6_TRY(decode(&rd, &e));
	if (find(v, &e.node))
		return VX6_ERR(EXISTS);
	if (v->n == VX6_VANGUARDS_MAX)
		return VX6_ERR(FULL);
	v->v[v->n++] = (struct vanguard){.v = e};
	return VX6_OK;
}
