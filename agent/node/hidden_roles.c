/*
 * What a node that hosts hidden services is not besides, unless it is told to stay so: a public relay, and a server of the DHT.
 *
 * Both are asked by strangers all day: how busy it is, and when it is away, can be seen from outside, and compared with a hidden service. There is no
 * way back but a start without hidden services: a relay that comes and goes with each of them would be the plainer hint.
 *
 * That a public relay stops to be one can be seen, and about when. It is not put off for that: a relay that still worked for strangers while the
 * service is up would say more. Whoever minds is told to stop beforehand.
 */
#include "base/log.h"
#include "node/circuits_internal.h"

static bool is_hosted(const struct vx6_service_spec *spec)
{
	return spec->enabled && spec->visibility == VX6_VISIBILITY_HIDDEN;
}

void hidden_roles_start(struct vx6_node *node, const struct vx6_state_image *img)
{
	for (size_t i = 0; i < img->services_n && !node->cfg.hidden_keep_roles; i++)
		node->hidden_roles_off |= is_hosted(&img->services[i].spec);
}

void hidden_roles_see(struct vx6_node *node, const struct vx6_service_spec *spec)
{
	if (node->hidden_roles_off || node->cfg.hidden_keep_roles || !is_hosted(spec))
		return;
	node->hidden_roles_given_up = circuits_is_public(node);
	node->hidden_roles_off = true;
	VX6_INFO("node", "hidden services are hosted: until a start without them this node is no "
			 "public relay and does not serve the DHT");
	if (node->dht_link)
		vx6_dht_link_hold_back(node->dht_link);
	circuits_set_budget(node, &node->stored.relay);
}

struct vx6_relaying_budget hidden_roles_budget(const struct vx6_node *node,
					       const struct vx6_relaying_budget *wanted)
{
	struct vx6_relaying_budget given = *wanted;

	if (node->hidden_roles_off && given.mode == VX6_RELAYING_PUBLIC)
		given.mode = VX6_RELAYING_OFF;
	return given;
}
