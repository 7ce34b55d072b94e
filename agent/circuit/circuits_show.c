/* Rows to look at, ids, and the memory of what was decided. */
#include "circuit/circuits_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

/* ---- ids: "cir_" and a ULID, ascending ---- */

void circuits_new_id(struct vx6_circuits *c, char out[static VX6_CIRCUIT_ID_TEXT])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t ms = VX6_MAX(vx6_wall_ms(), c->id_ms), low;

	c->id_low = ms == c->id_ms ? c->id_low + 1 : vx6_random_u64() >> 1;
	c->id_ms = ms;
	low = c->id_low;
	memcpy(out, "cir_", 4);
	for (int i = 9; i >= 0; i--, ms >>= 5)
		out[4 + i] = digits[ms & 31];
	for (int i = 15; i >= 0; i--, low >>= 5)
		out[14 + i] = digits[low & 31];
	out[30] = '\0';
}

/* ---- decisions ---- */

bool vx6_circuits_is_service(const struct vx6_circuits *c, const struct vx6_node_id *target)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&c->routes)
	{
		const struct route *r = VX6_CONTAINER_OF(node, struct route, lru);

		if (r->how.hidden && vx6_node_id_eq(&r->target, target))
			return true;
	}
	return false;
}

void circuits_decide(struct vx6_circuits *c, const struct vx6_node_id *target, const char *circuit,
		     const char *what, const char *fmt, ...)
{
	struct vx6_decision *d;
	va_list ap;

	if (!c->decisions)
		c->decisions = vx6_zalloc(VX6_CIRCUITS_DECISIONS * sizeof *c->decisions);
	d = &c->decisions[c->decisions_n % VX6_CIRCUITS_DECISIONS];
	*d = (struct vx6_decision){
		.seq = ++c->decisions_n,
		.wall_ms = vx6_wall_ms(),
		.what = what,
		.has_target = target != NULL,
	};
	if (target) {
		d->target = *target;
		d->to_service = vx6_circuits_is_service(c, target);
	}
	vx6_strlcpy(d->circuit, circuit, sizeof d->circuit);
	va_start(ap, fmt);
	vsnprintf(d->why, sizeof d->why, fmt, ap);
	va_end(ap);
}

void vx6_circuits_decisions(const struct vx6_circuits *c,
			    bool (*fn)(void *user, const struct vx6_decision *d), void *user)
{
	uint64_t n = VX6_MIN(c->decisions_n, (uint64_t)VX6_CIRCUITS_DECISIONS);

	for (uint64_t i = 0; i < n; i++)
		if (!fn(user, &c->decisions[(c->decisions_n - 1 - i) % VX6_CIRCUITS_DECISIONS]))
			return;
}

/* ---- circuits ---- */

static int by_id(const void *a, const void *b)
{
	return strcmp((*(const struct leg *const *)a)->id, (*(const struct leg *const *)b)->id);
}

/* Those that live are in the order of their ids; those that are over are in the order of their ends. */
static size_t closed_by_id(const struct vx6_circuits *c,
			   const struct leg *out[static VX6_CIRCUITS_CLOSED])
{
	size_t n = 0;

	VX6_LIST_EACH(node, (struct vx6_list *)&c->closed)
	out[n++] = VX6_CONTAINER_OF(node, struct leg, all);
	qsort(out, n, sizeof *out, by_id);
	return n;
}

void vx6_circuits_each(const struct vx6_circuits *c,
		       bool (*fn)(void *user, const struct vx6_circuit_show *row), void *user)
{
	const struct leg *over[VX6_CIRCUITS_CLOSED];
	size_t n = closed_by_id(c, over), i = 0;
	struct vx6_circuit_show row;

	VX6_LIST_EACH(node, (struct vx6_list *)&c->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		for (; i < n && strcmp(over[i]->id, l->id) < 0; i++)
			if (!fn(user, &over[i]->last))
				return;
		leg_show(l, &row);
		if (!fn(user, &row))
			return;
	}
	for (; i < n; i++)
		if (!fn(user, &over[i]->last))
			return;
}

/* The session of a bare circuit is somebody else's. */
static bool ends_in(const struct leg *l, const struct vx6_link *link)
{
	struct vx6_circuit_info info;

	if (!l->bare)
		return l->link == link;
	if (!l->open)
		return false;
	vx6_circuit_info(l->circuit, &info);
	return info.joined && vx6_circuit_link(l->circuit) == link;
}

void vx6_circuits_of_link(const struct vx6_circuits *c, const struct vx6_link *link,
			  char id[static VX6_CIRCUIT_ID_TEXT], uint32_t *relays)
{
	id[0] = '\0';
	*relays = 0;
	VX6_LIST_EACH(node, (struct vx6_list *)&c->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (!link || !ends_in(l, link))
			continue;
		memcpy(id, l->id, VX6_CIRCUIT_ID_TEXT);
		*relays = l->path.n;
		return;
	}
}
