/* Circuits that are built, replaced and closed by hand. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/discovery_internal.h"

/* "alice", "vx1…": a node that is known here. */
static vx6_err find_target(struct vx6_node *node, const char *text, struct vx6_node_id *out,
			   char *detail)
{
	struct vx6_resolve_ask ask = {.local_only = true};
	struct vx6_resolution found;
	char service[VX6_TARGET_TEXT];

	if (vx6_is_ok(vx6_node_id_parse(text, out)))
		return VX6_OK;
	/* read as the node of some service */
	snprintf(service, sizeof service, "%s.x", text);
	if (vx6_is_ok(vx6_target_parse(service, &ask.target)) &&
	    vx6_is_ok(vx6_resolve_known(node->resolver, &ask, &found)) && found.has_node) {
		*out = found.node;
		return VX6_OK;
	}
	snprintf(detail, VX6_DETAIL_MAX,
		 "%.64s is not known here; look it up first, or give its node id", text);
	return VX6_ERR(PEER_UNKNOWN);
}

static vx6_err build(struct request *rq, char id[static VX6_RESOURCE_ID_MAX], char *detail)
{
	struct vx6_circuit_ask ask = {.route = rq->cmd->u.circuit.route};

	if (rq->cmd->u.circuit.to[0]) {
		VX6_TRY(find_target(rq->owner, rq->cmd->u.circuit.to, &ask.target, detail));
		ask.has_target = true;
	}
	return circuits_build(rq->owner, &ask, id, detail);
}

void circuits_change(struct request *rq)
{
	char id[VX6_RESOURCE_ID_MAX] = "", detail[VX6_DETAIL_MAX] = "";
	struct vx6_answer answer = {.err = VX6_OK};
	vx6_err err;

	switch (rq->cmd->kind) {
	case VX6_CMD_CIRCUIT_BUILD:
		err = build(rq, id, detail);
		break;
	case VX6_CMD_CIRCUIT_REBUILD:
		err = circuits_rebuild(rq->owner, rq->cmd->id, id, detail);
		break;
	default:
		err = circuits_close(rq->owner, rq->cmd->id);
	}
	rq->owner->snapshot_dirty = true;
	if (err.code == VX6_E_NOT_FOUND && !detail[0])
		vx6_strlcpy(detail, "there is no such circuit, or it is closed", sizeof detail);
	if (!vx6_is_ok(err))
		request_fail(rq, err, NULL, detail);
	else if (id[0])
		page_answer(rq, circuits_page_of(rq->owner, id));
	else
		request_answer(rq, &answer);
}
