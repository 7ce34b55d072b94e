/*
 * This node as its own circuits may meet it. Whoever names a rendezvous to the owner of a hidden service may name the relay that is the owner's own
 * node: if he was not met there, and everywhere else, he would have found it. So it is gone to as any other relay is, through three others, and from
 * the same age on: since when others may have known it is remembered.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/circuits_internal.h"

static const char since_key[] = "relaying.since";

bool circuits_known_self(struct vx6_node *node, struct vx6_circuits_node *out)
{
	out->endpoint = node->own_endpoint;
	out->endpoint_n = vx6_publisher_endpoint(node->publisher, node->own_endpoint,
						 sizeof node->own_endpoint);
	return out->endpoint_n > 0 && circuits_own_info(node, &out->info);
}

static bool is_public(const struct vx6_node *node, struct vx6_relay_info *info)
{
	return circuits_own_info(node, info) && (info->policy & VX6_RELAY_MIDDLE);
}

bool circuits_own_relay(void *user, struct vx6_relay_entry *out)
{
	const struct vx6_node *node = user;
	struct vx6_relay_info info;
	struct vx6_path_view view;

	if (!node->relay_since_s || !is_public(node, &info))
		return false;
	circuits_view(user, &view);
	*out = (struct vx6_relay_entry){
		.node = node->identity.id,
		.until_s = UINT64_MAX,
		.policy = info.policy,
		.draining = info.policy & VX6_RELAY_DRAINING,
		.nets = view.nets,
		.first_seen_s = node->relay_since_s,
	};
	memcpy(out->family, info.family, sizeof out->family);
	for (size_t i = 0; i < info.keys_n; i++)
		out->onion_until_s = VX6_MAX(out->onion_until_s, info.keys[i].not_after_s);
	return true;
}

void circuits_own_load(struct vx6_node *node, const struct vx6_state_image *img)
{
	for (size_t i = 0; i < img->values_n; i++)
		if (strcmp(img->values[i].key, since_key) == 0 &&
		    img->values[i].n == sizeof node->relay_since_s)
			memcpy(&node->relay_since_s, img->values[i].value,
			       sizeof node->relay_since_s);
}

void circuits_own_upkeep(struct vx6_node *node)
{
	struct vx6_relay_info info;
	struct vx6_write *w;

	if (node->relay_since_s || !is_public(node, &info))
		return;
	node->relay_since_s = vx6_wall_s();
	w = vx6_write_new();
	vx6_write_put_value(w, since_key, &node->relay_since_s, sizeof node->relay_since_s);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "since when this node is a relay could not be stored");
}
