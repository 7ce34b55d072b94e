/* The node's circuits, and its part as a relay of others' circuits. */
#include "node/circuits_internal.h"

#include <stdio.h>

#include "base/util.h"

size_t circuits_page_relays(struct vx6_node *node, const struct vx6_page_ask *ask,
			    struct vx6_relay_row *out, size_t max, bool *more)
{
	*more = false;
	return 0;
}

size_t circuits_page_circuits(struct vx6_node *node, const struct vx6_page_ask *ask,
			      struct vx6_circuit_row *out, size_t max, bool *more)
{
	*more = false;
	return 0;
}

size_t circuits_page_decisions(struct vx6_node *node, const struct vx6_page_ask *ask,
			       struct vx6_decision_row *out, size_t max, bool *more)
{
	*more = false;
	return 0;
}

vx6_err circuits_build(struct vx6_node *node, const struct vx6_circuit_ask *ask,
		       char id[static VX6_RESOURCE_ID_MAX], char *detail)
{
	snprintf(detail, VX6_DETAIL_MAX, "no relay is known");
	return VX6_ERR(NO_RELAYS);
}

vx6_err circuits_rebuild(struct vx6_node *node, const char *id,
			 char new_id[static VX6_RESOURCE_ID_MAX], char *detail)
{
	return VX6_ERR(NOT_FOUND);
}

vx6_err circuits_close(struct vx6_node *node, const char *id)
{
	return VX6_ERR(NOT_FOUND);
}

void circuits_relaying_view(struct vx6_node *node, struct vx6_relaying_view *out)
{
	*out = (struct vx6_relaying_view){.wanted = vx6_relaying_whole(&node->stored.relay)};
}

void circuits_set_budget(struct vx6_node *node, const struct vx6_relaying_budget *budget)
{
	node->snapshot_dirty = true; /* nothing leads through here that would have to go */
}

void circuits_path(void *user, const struct vx6_link *link, char id[static VX6_RESOURCE_ID_MAX],
		   uint32_t *hops)
{
	id[0] = 0;
	*hops = 0;
}
