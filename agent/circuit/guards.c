/*
 * The sample. vx6_guards_update() draws entries and lets them go; a stored row brings one back. Between calls: v[0..n) is in order, at most
 * three are primary, and those are listed.
 *
 *   UNTRIED --up--> UP <--up-- DOWN, ASIDE
 *   any --down--> DOWN     any --too many fail behind it--> ASIDE
 *   DOWN, ASIDE --retry_s is over--> usable again, and what comes of it decides
 */
#include "circuit/guards.h"

#include <string.h>

#include "base/util.h"
#include "circuit/guards_internal.h"
#include "circuit/path_internal.h"

enum {
	MINUTE = 60,
	HOUR = 3600,
	DAY = 86400,
	LIFE_S = 120 * DAY,
	CONFIRMED_S = 60 * DAY,
	UNLISTED_S = 20 * DAY,
	ASIDE_S = DAY,
	OFFLINE_S = 10 * MINUTE, /* no success for so long: we may have been cut off */
	LISTED_MIN = 3,
};

struct vx6_guards *vx6_guards_new(void)
{
	return vx6_zalloc(sizeof(struct vx6_guards));
}

void vx6_guards_free(struct vx6_guards *g)
{
	free(g);
}

struct guard *guards_find(struct vx6_guards *g, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < g->n; i++)
		if (vx6_node_id_eq(&g->v[i].g.node, node))
			return &g->v[i];
	return NULL;
}

/* ---- order ---- */

static bool is_before(const struct guard *a, const struct guard *b)
{
	if ((a->g.confirmed_s != 0) != (b->g.confirmed_s != 0))
		return a->g.confirmed_s != 0;
	return a->rank < b->rank;
}

void guards_sort(struct vx6_guards *g)
{
	unsigned primaries = 0;

	for (size_t i = 1; i < g->n; i++) {
		struct guard moved = g->v[i];
		size_t k = i;

		for (; k > 0 && is_before(&moved, &g->v[k - 1]); k--)
			g->v[k] = g->v[k - 1];
		g->v[k] = moved;
	}
	for (size_t i = 0; i < g->n; i++) {
		struct vx6_guard *e = &g->v[i].g;

		e->primary = !e->unlisted_s && primaries < VX6_GUARDS_PRIMARY;
		primaries += e->primary;
	}
}

void guards_remove(struct vx6_guards *g, size_t i)
{
	if (g->removed_n < VX6_GUARDS_MAX)
		g->removed[g->removed_n++] = g->v[i].g.node;
	memmove(&g->v[i], &g->v[i + 1], (--g->n - i) * sizeof *g->v);
}

bool vx6_guard_is_usable(const struct vx6_guard *e, uint64_t now_s)
{
	if (e->unlisted_s)
		return false;
	return (e->state != VX6_GUARD_DOWN && e->state != VX6_GUARD_ASIDE) || now_s >= e->retry_s;
}

/* ---- who leaves ---- */

static bool has_fit_relay(const struct vx6_relays *relays, const struct vx6_node_id *node,
			  uint64_t now_s)
{
	const struct vx6_relay_entry *e = vx6_relays_find(relays, node);

	return e && path_relay_fits(e, VX6_RELAY_GUARD | VX6_RELAY_MIDDLE, now_s);
}

static uint64_t day_of(uint64_t s)
{
	return s - s % DAY;
}

static void look_who_is_listed(struct vx6_guards *g, const struct vx6_relays *relays,
			       uint64_t now_s)
{
	if (vx6_relays_listed(relays, now_s) < LISTED_MIN)
		return;
	for (size_t i = 0; i < g->n; i++) {
		struct guard *e = &g->v[i];
		bool listed = has_fit_relay(relays, &e->g.node, now_s);

		if (listed == !e->g.unlisted_s)
			continue;
		e->g.unlisted_s = listed ? 0 : day_of(now_s) + DAY;
		e->dirty = true;
	}
}

static bool is_over(const struct vx6_guard *e, uint64_t now_s)
{
	if (e->unlisted_s && now_s > e->unlisted_s && now_s - e->unlisted_s > UNLISTED_S)
		return true;
	return now_s > e->expires_s && now_s > e->confirmed_until_s;
}

/* ---- who comes in ---- */

static size_t most(const struct vx6_relays *relays, uint64_t now_s)
{
	size_t pool = 0;

	for (size_t i = 0; i < vx6_relays_count(relays); i++)
		pool += path_relay_fits(vx6_relays_at(relays, i),
					VX6_RELAY_GUARD | VX6_RELAY_MIDDLE, now_s);
	return VX6_MIN(VX6_MAX(pool / 5, (size_t)VX6_GUARDS_MIN), (size_t)VX6_GUARDS_MAX);
}

/* Who may come in, under which rules. */
struct opening {
	const struct vx6_guards *g;
	const struct vx6_relays *relays;
	const struct vx6_path_view *view;
	uint8_t relaxed;
	bool diverse;
};

static bool is_candidate(const void *opening, const struct vx6_relay_entry *e)
{
	const struct opening *o = opening;
	const struct vx6_path_view *view = o->view;

	if (!path_relay_fits(e, VX6_RELAY_GUARD | VX6_RELAY_MIDDLE, view->now_s) ||
	    path_age_missing(e, view->now_s) & ~o->relaxed ||
	    vx6_relay_is_failing(e, view->now_s) ||
	    path_clash_self(view, e, o->diverse) != VX6_PATH_RULE_NONE)
		return false;
	for (size_t i = 0; i < o->g->n; i++) {
		const struct vx6_node_id *node = &o->g->v[i].g.node;
		const struct vx6_relay_entry *other = vx6_relays_find(o->relays, node);

		if (vx6_node_id_eq(node, &e->node) ||
		    (other && path_clash_relay(other, e, o->diverse) != VX6_PATH_RULE_NONE))
			return false;
	}
	return true;
}

static void sample(struct vx6_guards *g, const struct vx6_relay_entry *e, uint64_t now_s,
		   const struct vx6_rand *rand)
{
	struct guard *fresh = &g->v[g->n++];

	*fresh = (struct guard){
		.g = {.node = e->node,
		      .since_s = day_of(now_s),
		      .expires_s = now_s + LIFE_S - vx6_rand_below(rand, LIFE_S / 10)},
		.rank = ++g->next_rank,
		.dirty = true,
	};
}

static size_t available(const struct vx6_guards *g, uint64_t now_s)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += vx6_guard_is_usable(&g->v[i].g, now_s);
	return n;
}

static void fill(struct vx6_guards *g, const struct vx6_relays *relays,
		 const struct vx6_path_view *view, const struct vx6_rand *rand)
{
	size_t max = most(relays, view->now_s), have = available(g, view->now_s);
	size_t want = VX6_MIN(max, (size_t)VX6_GUARDS_WANTED), listed = 0;
	struct opening o = {.g = g, .relays = relays, .view = view};
	const struct vx6_relay_entry *e;

	for (size_t i = 0; i < g->n; i++)
		listed += !g->v[i].g.unlisted_s;
	if (have >= want || listed >= max || g->n == VX6_GUARDS_MAX)
		return;
	o.diverse = vx6_path_is_diverse(view, relays);
	o.relaxed = path_age_stage(relays, VX6_RELAY_GUARD | VX6_RELAY_MIDDLE, view->now_s);
	for (; have < want && listed < max && g->n < VX6_GUARDS_MAX; have++, listed++) {
		e = path_by_weight(relays, view->now_s, is_candidate, &o, rand);
		if (!e)
			return;
		sample(g, e, view->now_s, rand);
	}
}

void vx6_guards_update(struct vx6_guards *g, const struct vx6_relays *relays,
		       const struct vx6_path_view *view, const struct vx6_rand *rand)
{
	look_who_is_listed(g, relays, view->now_s);
	for (size_t i = g->n; i-- > 0;)
		if (is_over(&g->v[i].g, view->now_s))
			guards_remove(g, i);
	fill(g, relays, view, rand);
	guards_sort(g);
}

/* ---- what happened ---- */

static uint64_t retry_after(const struct vx6_guard *e, uint64_t now_s, const struct vx6_rand *rand)
{
	static const struct {
		uint64_t until_s, primary_s, other_s;
	} steps[] = {
		{5 * MINUTE, MINUTE / 2, HOUR}, /* started anew, as a rule */
		{6 * HOUR, 10 * MINUTE, HOUR},     {96 * HOUR, 90 * MINUTE, 4 * HOUR},
		{168 * HOUR, 4 * HOUR, 18 * HOUR}, {UINT64_MAX, 9 * HOUR, 36 * HOUR},
	};
	uint64_t since_s = now_s - VX6_MIN(e->failing_s, now_s), s;
	size_t i = 0;

	while (since_s >= steps[i].until_s)
		i++;
	s = e->primary ? steps[i].primary_s : steps[i].other_s;
	return vx6_rand_between(rand, s - s / 4, s + s / 4);
}

static void primaries_may_be_tried(struct vx6_guards *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].g.primary && g->v[i].g.state == VX6_GUARD_DOWN)
			g->v[i].g.retry_s = 0;
}

void vx6_guards_moved(struct vx6_guards *g)
{
	primaries_may_be_tried(g);
}

void vx6_guards_up(struct vx6_guards *g, const struct vx6_node_id *node, uint64_t now_s,
		   const struct vx6_rand *rand)
{
	struct guard *e = guards_find(g, node);

	if (!e)
		return;
	if (g->up_s && now_s - VX6_MIN(g->up_s, now_s) >= OFFLINE_S)
		primaries_may_be_tried(g);
	g->up_s = now_s;
	if (e->g.state == VX6_GUARD_ASIDE && now_s < e->g.retry_s)
		return; /* it was never that it could not be reached */
	if (e->g.state == VX6_GUARD_UP && e->g.confirmed_s)
		return;
	e->g.state = VX6_GUARD_UP;
	e->g.failing_s = e->g.retry_s = 0;
	e->dirty = true;
	if (e->g.confirmed_s)
		return;
	e->g.confirmed_s = day_of(now_s);
	e->g.confirmed_until_s = now_s + CONFIRMED_S - vx6_rand_below(rand, CONFIRMED_S / 10);
	e->rank = ++g->next_rank;
	guards_sort(g);
}

void vx6_guards_down(struct vx6_guards *g, const struct vx6_node_id *node, uint64_t now_s,
		     const struct vx6_rand *rand)
{
	struct guard *e = guards_find(g, node);

	if (!e)
		return;
	if (!e->g.failing_s)
		e->g.failing_s = VX6_MAX(now_s, (uint64_t)1);
	e->g.state = VX6_GUARD_DOWN;
	e->g.retry_s = now_s + retry_after(&e->g, now_s, rand);
	e->dirty = true;
}

void vx6_guards_heard(struct vx6_guards *g, const struct vx6_node_id *node)
{
	struct guard *e = guards_find(g, node);

	if (!e || e->g.state != VX6_GUARD_DOWN || !e->g.retry_s)
		return;
	e->g.retry_s = 0;
	e->dirty = true;
}

static bool another_is_aside(const struct vx6_guards *g, const struct guard *but, uint64_t now_s)
{
	for (size_t i = 0; i < g->n; i++)
		if (&g->v[i] != but && g->v[i].g.state == VX6_GUARD_ASIDE &&
		    now_s < g->v[i].g.retry_s)
			return true;
	return false;
}

bool vx6_guards_beyond(struct vx6_guards *g, const struct vx6_node_id *node, bool built,
		       uint64_t now_s, const struct vx6_rand *rand)
{
	struct guard *e = guards_find(g, node);
	const uint32_t mask = (UINT32_C(1) << VX6_GUARD_BIAS_RING) - 1;

	if (!e)
		return false;
	e->g.bias_ring = (e->g.bias_ring << 1 | !built) & mask;
	e->g.bias_n = (uint8_t)VX6_MIN(e->g.bias_n + 1, VX6_GUARD_BIAS_RING);
	if (e->g.bias_n < VX6_GUARD_BIAS_RING ||
	    __builtin_popcount(e->g.bias_ring) <= VX6_GUARD_BIAS_MAX ||
	    another_is_aside(g, e, now_s))
		return false;
	e->g.bias_ring = 0;
	e->g.bias_n = 0;
	e->g.state = VX6_GUARD_ASIDE;
	e->g.retry_s = now_s + vx6_rand_between(rand, ASIDE_S - ASIDE_S / 4, ASIDE_S + ASIDE_S / 4);
	e->dirty = true;
	return true;
}

/* ---- to look at ---- */

size_t vx6_guards_count(const struct vx6_guards *g)
{
	return g->n;
}

const struct vx6_guard *vx6_guards_at(const struct vx6_guards *g, size_t i)
{
	VX6_ASSERT(i < g->n);
	return &g->v[i].g;
}

unsigned vx6_guards_place(const struct vx6_guards *g, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < g->n; i++)
		if (vx6_node_id_eq(&g->v[i].g.node, node))
			return (unsigned)i + 1;
	return 0;
}
