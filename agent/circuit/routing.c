#include "circuit/routing.h"

#include <string.h>

#include "base/util.h"

static const char *const via_text[] = {
	[VX6_ROUTE_AUTO] = "auto",
	[VX6_ROUTE_DIRECT] = "direct",
	[VX6_ROUTE_RELAY] = "relay",
};

bool vx6_routing_via_parse(const char *text, enum vx6_routing_via *out)
{
	for (size_t i = 0; i < VX6_ARRAY_N(via_text); i++) {
		if (strcmp(text, via_text[i]) != 0)
			continue;
		*out = (enum vx6_routing_via)i;
		return true;
	}
	return false;
}

const char *vx6_routing_via_text(enum vx6_routing_via via)
{
	return via_text[via];
}

uint8_t vx6_routing_relays(const struct vx6_routing *r)
{
	if (r->via == VX6_ROUTE_DIRECT)
		return 0;
	if (r->nodes_n > 0)
		return r->nodes_n;
	if (r->hops > 0)
		return r->hops;
	return r->via == VX6_ROUTE_RELAY ? VX6_ROUTE_HOPS_RELAY : VX6_ROUTE_HOPS_AUTO;
}

static bool has_twins(const struct vx6_routing *r)
{
	for (size_t i = 0; i < r->nodes_n; i++)
		for (size_t j = i + 1; j < r->nodes_n; j++)
			if (vx6_node_id_eq(&r->nodes[i], &r->nodes[j]))
				return true;
	return false;
}

bool vx6_routing_is_valid(const struct vx6_routing *r, const char **why)
{
	*why = NULL;
	if (r->hops > VX6_ROUTE_HOPS_MAX || r->nodes_n > VX6_ROUTE_HOPS_MAX)
		*why = "at most 8 relays";
	else if (r->via == VX6_ROUTE_DIRECT && (r->hops || r->nodes_n || r->anonymous))
		*why = "a direct route has no relays and is not anonymous";
	else if (r->anonymous && r->via != VX6_ROUTE_RELAY)
		*why = "an anonymous route leads through relays: say via relay";
	else if (r->nodes_n && r->hops && r->hops != r->nodes_n)
		*why = "hops and the number of nodes differ";
	else if (r->hidden && !r->anonymous)
		*why = "a hidden service is reached by an anonymous route";
	else if (r->hidden && r->nodes_n)
		*why = "relays on the way to a hidden service are not named";
	else if (r->hidden && (vx6_routing_relays(r) < VX6_ROUTE_HOPS_HIDDEN_MIN ||
			       vx6_routing_relays(r) > VX6_ROUTE_HOPS_HIDDEN_MAX))
		*why = "2 to 6 relays on the way to a hidden service";
	else if (r->vanguard && (!r->anonymous || r->hidden || r->nodes_n))
		*why = "a vanguard is the second relay of an anonymous route whose relays are not "
		       "named";
	else if (r->vanguard && vx6_routing_relays(r) < VX6_ROUTE_HOPS_RELAY)
		*why = "a vanguard is never the last relay: 3 at least";
	else if (has_twins(r))
		*why = "a relay is named twice";
	return *why == NULL;
}

bool vx6_routing_eq(const struct vx6_routing *a, const struct vx6_routing *b)
{
	return a->via == b->via && vx6_routing_relays(a) == vx6_routing_relays(b) &&
	       a->anonymous == b->anonymous && a->hidden == b->hidden &&
	       a->vanguard == b->vanguard && a->nodes_n == b->nodes_n &&
	       memcmp(a->nodes, b->nodes, a->nodes_n * sizeof a->nodes[0]) == 0;
}
