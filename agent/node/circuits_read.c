/* Pages of relays, circuits and decisions: what is asked is made exact here, and names are put in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/discovery_internal.h"
#include "node/hidden_internal.h"

/* ---- what is wanted ---- */

/* Whether @p node is the one asked for, or its name or id has the text that is looked for. */
static bool node_matches(struct vx6_node *node, const struct vx6_page_ask *ask,
			 const struct vx6_node_id *other)
{
	char name[VX6_LABEL_TEXT] = "";

	if (ask->has_node && (!other || !vx6_node_id_eq(other, &ask->node)))
		return false;
	if (!ask->q[0])
		return true;
	if (!other)
		return false;
	return page_matches(ask, vx6_registry_name(node->registry, other, name), other);
}

bool circuits_wants_relay(struct vx6_node *node, const struct vx6_page_ask *ask,
			  const struct vx6_node_id *relay, enum vx6_relay_standing standing)
{
	struct vx6_node_id after;

	if (ask->after[0] && vx6_is_ok(vx6_node_id_parse(ask->after, &after)) &&
	    vx6_node_id_cmp(relay, &after) <= 0)
		return false;
	return (!ask->has_filter || (int)standing == ask->filter) && node_matches(node, ask, relay);
}

bool circuits_wants_circuit(struct vx6_node *node, const struct vx6_page_ask *ask, const char *id,
			    const struct vx6_node_id *target, enum vx6_circ_state state)
{
	if (ask->exact[0])
		return strcmp(id, ask->exact) == 0;
	if (ask->after[0] && strcmp(id, ask->after) <= 0)
		return false;
	return (!ask->has_filter || (int)state == ask->filter) && node_matches(node, ask, target);
}

bool circuits_wants_decision(struct vx6_node *node, const struct vx6_page_ask *ask, uint64_t seq,
			     const struct vx6_node_id *target, const char *circuit)
{
	if (ask->after[0] && seq >= strtoull(ask->after, NULL, 10))
		return false;
	if (ask->circuit[0] && strcmp(circuit, ask->circuit) != 0)
		return false;
	return node_matches(node, ask, target);
}

/* ---- names ---- */

bool circuits_find_node(struct vx6_node *node, const char *text, struct vx6_node_id *out)
{
	struct vx6_resolve_ask ask = {.local_only = true};
	struct vx6_resolution found;
	char service[VX6_TARGET_TEXT];

	if (vx6_is_ok(vx6_node_id_parse(text, out)))
		return true;
	/* read as the node of some service */
	snprintf(service, sizeof service, "%s.x", text);
	if (!vx6_is_ok(vx6_target_parse(service, &ask.target)) ||
	    !vx6_is_ok(vx6_resolve_known(node->resolver, &ask, &found)) || !found.has_node)
		return false;
	*out = found.node;
	return true;
}

static void name_relays(struct vx6_node *node, struct vx6_page *p)
{
	for (size_t i = 0; i < p->n; i++)
		vx6_registry_name(node->registry, &p->u.relays[i].node, p->u.relays[i].name);
}

static void name_hop(struct vx6_node *node, struct vx6_circuit_hop_row *h)
{
	if (h->role == VX6_HOP_SERVICE)
		hidden_name(node, &h->node, h->name);
	else if (h->role != VX6_HOP_CLIENT)
		vx6_registry_name(node->registry, &h->node, h->name);
}

static void name_circuits(struct vx6_node *node, struct vx6_page *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct vx6_circuit_row *c = &p->u.circuits[i];

		if (c->to_hidden)
			hidden_name(node, &c->target, c->target_name);
		else if (c->has_target)
			vx6_registry_name(node->registry, &c->target, c->target_name);
		for (size_t k = 0; k < c->hops_n; k++)
			name_hop(node, &c->hops[k]);
	}
}

static void name_decisions(struct vx6_node *node, struct vx6_page *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct vx6_decision_row *d = &p->u.decisions[i];

		if (d->to_hidden)
			hidden_name(node, &d->target, d->target_name);
		else if (d->has_target)
			vx6_registry_name(node->registry, &d->target, d->target_name);
	}
}

/* ---- pages ---- */

static struct vx6_page *page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	size_t max = VX6_MIN(ask->limit, (uint32_t)VX6_PAGE_MAX);
	struct vx6_page *p = page_new(ask->kind, max);

	if (ask->kind == VX6_PAGE_RELAYS) {
		p->n = circuits_page_relays(node, ask, p->u.relays, max, &p->more);
		name_relays(node, p);
	} else if (ask->kind == VX6_PAGE_CIRCUITS) {
		p->n = circuits_page_circuits(node, ask, p->u.circuits, max, &p->more);
		name_circuits(node, p);
	} else {
		p->n = circuits_page_decisions(node, ask, p->u.decisions, max, &p->more);
		name_decisions(node, p);
	}
	return p;
}

struct vx6_page *circuits_page_of(struct vx6_node *node, const char *id)
{
	struct vx6_page_ask ask = {.kind = VX6_PAGE_CIRCUITS, .limit = 1};

	vx6_strlcpy(ask.exact, id, sizeof ask.exact);
	return page(node, &ask);
}

void circuits_read(struct request *rq)
{
	struct vx6_page_ask ask = rq->cmd->u.page;
	const char *who = ask.kind == VX6_PAGE_RELAYS ? ask.exact : ask.target;

	who += strncmp(who, "name:", 5) == 0 ? 5 : 0;
	if (who[0]) {
		/* nothing is ever built to a hidden service's key as if it were a node: it is only shown by it */
		ask.has_node =
			(ask.kind != VX6_PAGE_RELAYS && hidden_find(rq->owner, who, &ask.node)) ||
			circuits_find_node(rq->owner, who, &ask.node);
		if (!ask.has_node) {
			page_answer(rq, page_new(ask.kind, 0));
			return;
		}
	}
	page_answer(rq, page(rq->owner, &ask));
}
