/*
 * Relays that somebody may have had trouble with a moment ago: left out of draws for a while, as long as there are others. Where there are not, those
 * come first that it is longest ago with.
 */
#include "circuit/circuits_internal.h"

#include <stdlib.h>

#include "base/util.h"

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

/* The first of them that owes an answer, or the one before it that should have passed the question on. A guard is nobody's suspect for silence. */
void leg_suspect_silent(const struct leg *l, const struct vx6_circuit_info *info)
{
	size_t first_of_all = leg_has_guard(l) ? 1 : 0;

	for (size_t i = 0; i < info->built_n; i++) {
		if (!info->hop[i].owes_ms)
			continue;
		for (size_t k = i > 0 ? i - 1 : 0; k <= i; k++)
			if (k >= first_of_all && k < l->path.n)
				circuits_suspect(l->c, &l->path.hop[k].node);
		return;
	}
}
