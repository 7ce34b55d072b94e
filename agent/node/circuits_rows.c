/* Relays, circuits and decisions as rows of pages. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/circuits_internal.h"

/* ---- relays ---- */

static enum vx6_relay_standing standing_of(const struct vx6_relay_entry *e, uint64_t now_s)
{
	switch (vx6_path_standing(e, now_s)) {
	case VX6_PATH_CANDIDATE:
		return VX6_STANDING_CANDIDATE;
	case VX6_PATH_YOUNG:
		return VX6_STANDING_YOUNG;
	case VX6_PATH_FAILING:
		return VX6_STANDING_FAILING;
	case VX6_PATH_DRAINING:
		return VX6_STANDING_DRAINING;
	default:
		return VX6_STANDING_UNUSABLE;
	}
}

static int by_node(const void *a, const void *b)
{
	const struct vx6_relay_entry *const *x = a, *const *y = b;

	return vx6_node_id_cmp(&(*x)->node, &(*y)->node);
}

static const char *guard_state(const struct vx6_guards *guards, unsigned place)
{
	static const char *const text[] = {[VX6_GUARD_UNTRIED] = "untried",
					   [VX6_GUARD_UP] = "up",
					   [VX6_GUARD_DOWN] = "down",
					   [VX6_GUARD_ASIDE] = "aside"};

	return place ? text[vx6_guards_at(guards, place - 1)->state] : NULL;
}

static void relay_row(const struct vx6_node *node, const struct vx6_relay_entry *e, double total,
		      uint64_t now_s, struct vx6_relay_row *out)
{
	unsigned place = vx6_guards_place(node->guards, &e->node);
	struct vx6_endpoint at;

	*out = (struct vx6_relay_row){
		.node = e->node,
		.policy = e->policy,
		.standing = standing_of(e, now_s),
		.asn = e->nets.asn_n > 0 ? e->nets.asn[0] : 0,
		.rtt_us = e->rtt_us,
		.capacity_bytes_s = (uint64_t)vx6_relay_capacity(e, now_s),
		.guard = place,
		.guard_state = guard_state(node->guards, place),
		.first_seen_ms = e->first_seen_s * 1000,
		.last_used_ms = e->last_used_s * 1000,
	};
	if (vx6_registry_endpoint(node->registry, &e->node, now_s, &at) && at.n_addrs > 0)
		out->address = at.addrs[0].addr;
	vx6_relay_score(e, now_s, &out->successes, &out->failures);
	if (total > 0 && out->standing != VX6_STANDING_UNUSABLE)
		out->weight =
			vx6_relay_weight(e, vx6_relays_median(node->relays, now_s), now_s) / total;
}

static double total_weight(const struct vx6_node *node, uint64_t now_s)
{
	double median = vx6_relays_median(node->relays, now_s), total = 0;

	for (size_t i = 0; i < vx6_relays_count(node->relays); i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(node->relays, i);

		if (standing_of(e, now_s) != VX6_STANDING_UNUSABLE)
			total += vx6_relay_weight(e, median, now_s);
	}
	return total;
}

size_t circuits_page_relays(struct vx6_node *node, const struct vx6_page_ask *ask,
			    struct vx6_relay_row *out, size_t max, bool *more)
{
	uint64_t now_s = vx6_wall_s();
	double total = total_weight(node, now_s);
	size_t count = vx6_relays_count(node->relays), n = 0;
	const struct vx6_relay_entry **sorted = vx6_zalloc((count + 1) * sizeof(const void *));

	*more = false;
	for (size_t i = 0; i < count; i++)
		sorted[i] = vx6_relays_at(node->relays, i);
	qsort(sorted, count, sizeof(const void *), by_node);
	for (size_t i = 0; i < count && !*more; i++) {
		if (!circuits_wants_relay(node, ask, &sorted[i]->node,
					  standing_of(sorted[i], now_s)))
			continue;
		*more = n == max;
		if (n < max)
			relay_row(node, sorted[i], total, now_s, &out[n++]);
	}
	free(sorted);
	return n;
}

/* ---- circuits ---- */

struct filling {
	struct vx6_node *node;
	const struct vx6_page_ask *ask;
	void *out;
	size_t n, max;
	bool more;
};

static enum vx6_circ_state state_of(const struct vx6_circuit_show *c)
{
	if (c->is_closed)
		return VX6_CIRC_CLOSED;
	if (c->is_draining)
		return VX6_CIRC_DRAINING;
	return c->is_open ? VX6_CIRC_OPEN : VX6_CIRC_BUILDING;
}

static enum vx6_circ_purpose purpose_of(enum vx6_circuit_purpose p)
{
	switch (p) {
	case VX6_PURPOSE_POOL:
		return VX6_CIRC_POOL;
	case VX6_PURPOSE_SPARE:
		return VX6_CIRC_SPARE;
	case VX6_PURPOSE_LOOKUP:
		return VX6_CIRC_LOOKUP;
	case VX6_PURPOSE_INTRO:
		return VX6_CIRC_INTRO;
	case VX6_PURPOSE_INTRODUCE:
		return VX6_CIRC_INTRODUCE;
	case VX6_PURPOSE_RENDEZVOUS:
		return VX6_CIRC_RENDEZVOUS;
	default:
		return VX6_CIRC_ROUTE;
	}
}

static bool leads_to_introduction(const struct vx6_circuit_show *c)
{
	return c->purpose == VX6_PURPOSE_INTRO || c->purpose == VX6_PURPOSE_INTRODUCE;
}

static enum vx6_circ_role role_of(const struct vx6_circuit_show *c, size_t i)
{
	const struct vx6_circuit_hop_show *h = &c->hop[i];

	if (h->is_target)
		return c->to_service ? VX6_HOP_SERVICE : VX6_HOP_TARGET;
	if (h->is_rendezvous)
		return VX6_HOP_RENDEZVOUS;
	if (i > 0 && c->hop[i - 1].is_rendezvous)
		return VX6_HOP_CLIENT;
	if (leads_to_introduction(c) && i + 1 == c->hops_n)
		return VX6_HOP_INTRODUCTION;
	if (h->is_vanguard)
		return VX6_HOP_VANGUARD;
	return h->is_guard ? VX6_HOP_GUARD : VX6_HOP_RELAY;
}

static void circuit_row(const struct vx6_circuit_show *c, struct vx6_circuit_row *out)
{
	*out = (struct vx6_circuit_row){
		.state = state_of(c),
		.purpose = purpose_of(c->purpose),
		.has_target = c->has_target,
		.to_hidden = c->to_service,
		.target = c->target,
		.anonymous = c->anonymous,
		.single_pass = c->single_pass,
		.is_hidden = c->is_hidden,
		.hops_n = c->hops_n,
		.built_n = c->built_n,
		.rtt_us = c->rtt_us,
		.build_us = c->build_us,
		.streams = c->streams,
		.rx_bytes = c->rx_bytes,
		.tx_bytes = c->tx_bytes,
		.rx_cells = c->rx_cells,
		.tx_cells = c->tx_cells,
		.opened_ms = c->opened_ms,
		.closed_ms = c->closed_ms,
		.err = c->err,
	};
	vx6_strlcpy(out->id, c->id, sizeof out->id);
	vx6_strlcpy(out->reason, c->reason, sizeof out->reason);
	for (size_t i = 0; i < c->hops_n; i++) {
		out->hops[i] = (struct vx6_circuit_hop_row){
			.node = c->hop[i].node,
			.role = role_of(c, i),
			.rtt_us = c->hop[i].rtt_us,
			.built_us = c->hop[i].built_us,
		};
		vx6_strlcpy(out->hops[i].why, c->hop[i].why, sizeof out->hops[i].why);
	}
}

static bool fill_circuit(void *user, const struct vx6_circuit_show *c)
{
	struct filling *f = user;

	if (!circuits_wants_circuit(f->node, f->ask, c->id, c->has_target ? &c->target : NULL,
				    state_of(c)))
		return true;
	f->more = f->n == f->max;
	if (f->n < f->max)
		circuit_row(c, &((struct vx6_circuit_row *)f->out)[f->n++]);
	return !f->more;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct vx6_circuit_row *)a)->id,
		      ((const struct vx6_circuit_row *)b)->id);
}

/* Those that are over and those that live are two lists: a page is cut out of all, in the order of their ids. */
size_t circuits_page_circuits(struct vx6_node *node, const struct vx6_page_ask *ask,
			      struct vx6_circuit_row *out, size_t max, bool *more)
{
	struct filling f = {
		.node = node,
		.ask = ask,
		.max = VX6_CIRCUITS_MAX + VX6_CIRCUITS_CLOSED,
	};
	struct vx6_circuit_row *all = f.out = vx6_zalloc(f.max * sizeof *all);

	vx6_circuits_each(node->circuits, fill_circuit, &f);
	qsort(all, f.n, sizeof *all, by_id);
	*more = f.n > max;
	f.n = VX6_MIN(f.n, max);
	memcpy(out, all, f.n * sizeof *out);
	free(all);
	return f.n;
}

/* ---- decisions ---- */

static bool fill_decision(void *user, const struct vx6_decision *d)
{
	struct filling *f = user;
	struct vx6_decision_row *row;

	if (!circuits_wants_decision(f->node, f->ask, d->seq, d->has_target ? &d->target : NULL,
				     d->circuit))
		return true;
	f->more = f->n == f->max;
	if (f->more)
		return false;
	row = &((struct vx6_decision_row *)f->out)[f->n++];
	*row = (struct vx6_decision_row){
		.seq = d->seq,
		.wall_ms = d->wall_ms,
		.has_target = d->has_target,
		.to_hidden = d->to_service,
		.target = d->target,
		.what = d->what,
	};
	vx6_strlcpy(row->circuit, d->circuit, sizeof row->circuit);
	vx6_strlcpy(row->why, d->why, sizeof row->why);
	return true;
}

size_t circuits_page_decisions(struct vx6_node *node, const struct vx6_page_ask *ask,
			       struct vx6_decision_row *out, size_t max, bool *more)
{
	struct filling f = {.node = node, .ask = ask, .out = out, .max = max};

	vx6_circuits_decisions(node->circuits, fill_decision, &f);
	*more = f.more;
	return f.n;
}
