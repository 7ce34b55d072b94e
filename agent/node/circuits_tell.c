/* What becomes of circuits and of relaying, told as events. */
#include "base/json.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"

static void put_node(struct vx6_node *node, struct vx6_json *j, const struct vx6_node_id *who)
{
	char text[VX6_NODE_ID_TEXT], name[VX6_LABEL_TEXT];

	vx6_json_str(j, "node_id", vx6_node_id_format(who, text));
	vx6_json_str(j, "node_name", vx6_registry_name(node->registry, who, name));
}

static void put_service(struct vx6_node *node, struct vx6_json *j, const struct vx6_node_id *key)
{
	char text[VX6_NODE_ID_TEXT], name[VX6_LABEL_TEXT];

	vx6_json_str(j, "hidden", vx6_hidden_key_format(key, text));
	vx6_json_str(j, "alias", hidden_name(node, key, name));
}

void circuits_tell(struct vx6_node *node, const char *type, const char *id,
		   const struct vx6_node_id *target, const char *why)
{
	struct vx6_json j = {0};

	node->snapshot_dirty = true;
	vx6_json_object(&j, NULL);
	if (target && vx6_circuits_is_service(node->circuits, target))
		put_service(node, &j, target);
	else if (target)
		put_node(node, &j, target);
	if (why)
		vx6_json_str(&j, "reason", why);
	vx6_json_end_object(&j);
	tell_event(node, type, "circuit", id, vx6_json_take(&j));
}

void circuits_tell_budget(struct vx6_node *node, uint64_t memory_bytes, uint32_t closed)
{
	struct vx6_json j = {0};

	node->snapshot_dirty = true;
	vx6_json_object(&j, NULL);
	vx6_json_u64(&j, "memory_bytes", memory_bytes);
	vx6_json_u64(&j, "closed", closed);
	vx6_json_end_object(&j);
	tell_event(node, "relay.budget", "relay", "", vx6_json_take(&j));
}

void circuits_tell_draining(struct vx6_node *node, uint32_t circuits)
{
	struct vx6_json j = {0};

	node->snapshot_dirty = true;
	vx6_json_object(&j, NULL);
	vx6_json_u64(&j, "circuits", circuits);
	vx6_json_end_object(&j);
	tell_event(node, "relay.draining", "relay", "", vx6_json_take(&j));
}

void circuits_tell_guard(struct vx6_node *node, const struct vx6_node_id *guard, uint32_t place,
			 const char *why)
{
	struct vx6_json j = {0};
	char text[VX6_NODE_ID_TEXT];

	vx6_json_object(&j, NULL);
	put_node(node, &j, guard);
	if (place > 0)
		vx6_json_u64(&j, "place", place);
	else
		vx6_json_str(&j, "place", NULL);
	vx6_json_str(&j, "reason", why);
	vx6_json_end_object(&j);
	tell_event(node, "guard.changed", "guard", vx6_node_id_format(guard, text),
		   vx6_json_take(&j));
}
