/* Circuits that are built, replaced and closed by hand. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/discovery_internal.h"

/* What a route cannot lead through: this node, and its own end. @return the reason; NULL: nothing is wrong */
const char *circuits_route_fault(const struct vx6_node *node, const struct vx6_node_id *target,
				 const struct vx6_routing *route)
{
	for (size_t i = 0; i < route->nodes_n; i++) {
		if (vx6_node_id_eq(&route->nodes[i], &node->identity.id))
			return "a route of this node does not lead through itself";
		if (target && vx6_node_id_eq(&route->nodes[i], target))
			return "the target is no relay on the way to itself";
	}
	return NULL;
}

static vx6_err build(struct request *rq, char id[static VX6_RESOURCE_ID_MAX], struct fault *f)
{
	struct vx6_circuit_ask ask = {.route = rq->cmd->u.circuit.route};
	const char *to = rq->cmd->u.circuit.to, *why;

	ask.has_target = to[0] && circuits_find_node(rq->owner, to, &ask.target);
	if (to[0] && !ask.has_target) {
		snprintf(f->detail, sizeof f->detail,
			 "%.64s is not known here; look it up first, or give its node id", to);
		return VX6_ERR(PEER_UNKNOWN);
	}
	if (ask.has_target && vx6_node_id_eq(&ask.target, &rq->owner->identity.id)) {
		f->pointer = "/to";
		snprintf(f->detail, sizeof f->detail, "that is this node");
		return VX6_ERR(INVALID);
	}
	why = circuits_route_fault(rq->owner, ask.has_target ? &ask.target : NULL, &ask.route);
	if (why) {
		f->pointer = "/route/nodes";
		vx6_strlcpy(f->detail, why, sizeof f->detail);
		return VX6_ERR(INVALID);
	}
	return circuits_build(rq->owner, &ask, id, f->detail);
}

void circuits_change(struct request *rq)
{
	char id[VX6_RESOURCE_ID_MAX] = "";
	struct fault f = {.pointer = NULL};
	struct vx6_answer answer = {.err = VX6_OK};
	vx6_err err;

	switch (rq->cmd->kind) {
	case VX6_CMD_CIRCUIT_BUILD:
		err = build(rq, id, &f);
		break;
	case VX6_CMD_CIRCUIT_REBUILD:
		err = circuits_rebuild(rq->owner, rq->cmd->id, id, f.detail);
		break;
	default:
		err = circuits_close(rq->owner, rq->cmd->id);
	}
	rq->owner->snapshot_dirty = true;
	if (err.code == VX6_E_NOT_FOUND && !f.detail[0])
		vx6_strlcpy(f.detail, "there is no such circuit, or it is closed", sizeof f.detail);
	if (!vx6_is_ok(err))
		request_fail(rq, err, f.pointer, f.detail);
	else if (id[0])
		page_answer(rq, circuits_page_of(rq->owner, id));
	else
		request_answer(rq, &answer);
}
