/*
 * One key, two live nodes: what this node makes and what comes in about it go past discovery/clone.h, and its alarm becomes an event.
 */
#include <string.h>

#include "base/clock.h"
#include "node/node_internal.h"
#include "wire/record.h"

static const char *const kinds[] = {
	[VX6_CLONE_NEWER] = "record",
	[VX6_CLONE_OTHER] = "equivocation",
	[VX6_CLONE_SESSION] = "session",
};

static void on_alarm(void *user, const struct vx6_clone_evidence *e)
{
	struct vx6_node *node = user;
	char id[VX6_NODE_ID_TEXT], addr[VX6_ADDR_TEXT];
	struct vx6_json j = {0};

	VX6_WARN("node",
		 "another machine uses this node's key (%s): end one of the two, or revoke the key",
		 kinds[e->kind]);
	vx6_node_id_format(&node->identity.id, id);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "found", kinds[e->kind]);
	if (e->record) {
		vx6_json_str(&j, "record_type", vx6_rtype_name(e->type));
		vx6_json_u64(&j, "seq", e->seq);
	} else {
		vx6_json_str(&j, "address", vx6_addr_format(&e->addr, addr));
	}
	vx6_json_u64(&j, "suppressed", e->suppressed);
	vx6_json_end_object(&j);
	tell_event(node, "identity.clone", "node", id, vx6_json_take(&j));
	/* with these the other one, too, sees what it did not make */
	vx6_publisher_refresh(node->publisher);
}

void clone_start(struct vx6_node *node)
{
	struct vx6_clone_config cfg = {
		.net = node->identity.net,
		.self = node->identity.id,
		.started_ms = vx6_loop_now_ms(node->loop),
		.alarm = on_alarm,
		.user = node,
	};

	node->clone = vx6_clone_new(&cfg);
}

void clone_made(void *user, const uint8_t *record, size_t n)
{
	struct vx6_node *node = user;

	vx6_clone_made(node->clone, record, n);
}

void clone_seen(void *user, const uint8_t *record, size_t n)
{
	struct vx6_node *node = user;

	(void)vx6_clone_seen(node->clone, record, n, vx6_wall_s(), vx6_loop_now_ms(node->loop));
}

void clone_met(void *user, const struct vx6_addr *remote)
{
	struct vx6_node *node = user;

	vx6_clone_met(node->clone, remote, vx6_loop_now_ms(node->loop));
}
