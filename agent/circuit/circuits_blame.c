/*
 * Relays that failed, or may have. Whose fault something was counts for as long as the relay is known; whoever may have had a part in it a moment ago
 * is a suspect: left out of draws for a while, as long as there are others. Where there are not, those come first that it is longest ago with.
 */
#include "circuit/circuits_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"

/* ---- suspects ---- */

void circuits_suspect(struct vx6_circuits *c, const struct vx6_node_id *node)
{
	struct suspect *s = NULL;

	for (size_t i = 0; i < SUSPECTS_MAX && !s; i++)
		if (c->suspect[i].until_ms && vx6_node_id_eq(&c->suspect[i].node, node))
			s = &c->suspect[i];
	if (!s)
		s = &c->suspect[c->suspect_next++ % SUSPECTS_MAX];
	s->node = *node;
	s->until_ms = circuits_now_ms(c) + SUSPECT_MS;
}

static int by_latest(const void *a, const void *b)
{
	uint64_t x = ((const struct suspect *)a)->until_ms;
	uint64_t y = ((const struct suspect *)b)->until_ms;

	return (x < y) - (x > y);
}

size_t circuits_suspects(const struct vx6_circuits *c, struct vx6_node_id out[static SUSPECTS_MAX])
{
	struct suspect now[SUSPECTS_MAX];
	uint64_t now_ms = circuits_now_ms(c);
	size_t n = 0;

	for (size_t i = 0; i < SUSPECTS_MAX; i++)
		if (c->suspect[i].until_ms > now_ms)
			now[n++] = c->suspect[i];
	qsort(now, n, sizeof *now, by_latest);
	for (size_t i = 0; i < n; i++)
		out[i] = now[i].node;
	return n;
}

bool leg_is_suspect(const struct leg *l)
{
	uint64_t now_ms = circuits_now_ms(l->c);

	for (size_t i = 0; i < SUSPECTS_MAX; i++) {
		const struct suspect *s = &l->c->suspect[i];

		for (size_t k = 0; s->until_ms > now_ms && k < l->path.n; k++)
			if (vx6_node_id_eq(&l->path.hop[k].node, &s->node))
				return true;
	}
	return false;
}

/*
 * The first of them that owes an answer, or the one before it that should have passed the question on. A guard is one only for its own silence; so
 * circuits begin at the next primary one for a moment.
 */
void leg_suspect_silent(const struct leg *l, const struct vx6_circuit_info *info)
{
	for (size_t i = 0; i < info->built_n; i++) {
		if (!info->hop[i].owes_ms)
			continue;
		for (size_t k = i > 0 ? i - 1 : 0; k <= i; k++)
			if (k < l->path.n && (k > 0 || i == 0 || !leg_has_guard(l)))
				circuits_suspect(l->c, &l->path.hop[k].node);
		return;
	}
}

/* ---- whose fault ---- */

bool leg_has_guard(const struct leg *l)
{
	return l->path.n > 0 && l->path.hop[0].why.pick == VX6_PATH_GUARD;
}

static enum vx6_relay_failure failure_of(vx6_err why, bool was_open)
{
	switch (why.code) {
	case VX6_E_TIMEOUT:
		return VX6_RELAY_TIMEOUT;
	case VX6_E_PROTOCOL:
	case VX6_E_SIGNATURE:
	case VX6_E_FORMAT:
		return VX6_RELAY_PROTOCOL;
	case VX6_E_REFUSED:
	case VX6_E_LIMIT:
	case VX6_E_DRAINING:
		return VX6_RELAY_REFUSED;
	default:
		return was_open ? VX6_RELAY_DIED : VX6_RELAY_UNREACHABLE;
	}
}

/* The key that is known of a node is one of its former ones: it has lost them, by a restart. What it says now is asked for; it is not dead. */
void circuits_ask_anew(struct vx6_circuits *c, struct route *r, const struct vx6_node_id *node,
		       bool anonymous)
{
	bool asked = circuits_ask(c, node, anonymous);

	if (!r || !asked || !route_needs(r, node))
		return;
	r->asked = true;
	r->asked_for = *node;
}

/*
 * Whose fault it was decides who is drawn less. Where that cannot be known nobody is; all but a guard are left out for a while: one of them is likely
 * dead. What the target does is no relay's fault.
 */
static void blame(struct leg *l, vx6_err why, int hop)
{
	struct vx6_circuits *c = l->c;

	for (size_t i = 0; i < l->path.n; i++) {
		const struct vx6_node_id *node = &l->path.hop[i].node;

		if (hop >= 0 ? (size_t)hop != i : (i == 0 && leg_has_guard(l)))
			continue;
		circuits_suspect(c, node);
		if (hop >= 0 && why.code != VX6_E_STALE && i < leg_learns_n(l))
			vx6_relays_seen_failure(c->cfg.relays, node, failure_of(why, l->built),
						vx6_wall_s());
	}
}

/* It said no: it is there. Another one is taken for a while, and it stays what it is. */
static bool has_answered(vx6_err why)
{
	return failure_of(why, false) == VX6_RELAY_REFUSED;
}

/*
 * A guard is blamed for what it did: it did not answer. For what relays behind it do it is so only if that happens often; for a failure whose place is
 * not known, or that of the target or of a last relay that somebody else has named, never: whoever could make those would choose our guards.
 */
static void blame_guard(struct leg *l, vx6_err why, int hop)
{
	struct vx6_circuits *c = l->c;
	const struct vx6_node_id *guard = &l->path.hop[0].node;

	if (!leg_has_guard(l) || l->built || hop < 0 || (size_t)hop >= leg_learns_n(l))
		return;
	if (why.code == VX6_E_STALE || (hop == 0 && has_answered(why)))
		return;
	if (hop == 1 && leg_kept(l) == 2)
		vx6_vanguards_down(c->cfg.vanguards, &l->path.hop[1].node, vx6_wall_s());
	if (hop == 0)
		vx6_guards_down(c->cfg.guards, guard, vx6_wall_s(), &vx6_rand_system);
	else if (vx6_guards_beyond(c->cfg.guards, guard, false, vx6_wall_s(), &vx6_rand_system))
		circuits_decide(c, NULL, l->id, "guard",
				"the first relay is set aside: too many circuits fail behind it");
}

static bool may_ask_anew(const struct leg *l, size_t at)
{
	return !l->bare || !bare_is_of_stranger(l->bare) || at + 1 != l->path.n ||
	       circuits_may_ask_foreign(l->c, &l->path.hop[at].node);
}

void leg_learn_from(struct leg *l, vx6_err why, int hop)
{
	struct vx6_circuits *c = l->c;
	size_t at = (size_t)VX6_MAX(hop, 0);

	if (c->draining)
		return; /* it may well have been ourselves */
	blame(l, why, hop);
	blame_guard(l, why, hop);
	if (why.code == VX6_E_STALE && hop >= 0 && !l->built && (at < l->path.n || !l->to_last) &&
	    may_ask_anew(l, at))
		circuits_ask_anew(c, l->route, at < l->path.n ? &l->path.hop[at].node : &l->target,
				  l->anonymous);
}
