/*
 * What becomes of the parts, told as events: sessions and peers, services, forwards.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "node/node_internal.h"

static char *peer_data(struct vx6_node *node, struct vx6_session *s, const struct vx6_node_id *id,
		       vx6_err why)
{
	struct vx6_json j = {0};
	struct vx6_link_info info;
	char text[VX6_NODE_ID_TEXT], name[VX6_LABEL_TEXT];

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "node_id", vx6_node_id_format(id, text));
	vx6_json_str(&j, "node_name", vx6_registry_name(node->registry, id, name));
	if (s) {
		vx6_session_info(s, &info);
		vx6_json_str(&j, "transport", info.transport);
		vx6_json_bool(&j, "inbound", !info.initiator);
	}
	if (!vx6_is_ok(why))
		vx6_json_str(&j, "reason", vx6_err_name(why));
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

void tell_event(struct vx6_node *node, const char *type, const char *subject_kind,
		const char *subject_id, char *data)
{
	struct vx6_event ev;

	event_init(&ev, type, subject_kind, subject_id, data);
	event_emit(node, &ev);
}

static void tell_peer(struct vx6_node *node, const char *type, const char *id, char *data)
{
	tell_event(node, type, "peer", id, data);
}

void learned_peer_id(const struct vx6_node_id *node, char out[static VX6_RESOURCE_ID_MAX])
{
	char text[VX6_NODE_ID_TEXT];

	/* stable for a node: the part of its id behind "vx1" */
	vx6_strlcpy(out, "peer_", VX6_RESOURCE_ID_MAX);
	vx6_strlcpy(out + 5, vx6_node_id_format(node, text) + 3, 27);
}

/* Sessions of configured peers are told of by tell_peer_changed(), with the peer's id. */
static bool is_learned(const struct vx6_node *node, const struct vx6_session *s)
{
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	return !info.initiator && !vx6_peers_owns(node->peers, s);
}

/* Strangers that come and go must not push everything else out of the events. */
static bool may_tell(struct vx6_node *node)
{
	return vx6_log_allow(&node->strangers, "node", STRANGERS_PER_MIN, 60000);
}

void tell_node(struct vx6_node *node, const char *type, const struct vx6_node_id *who,
	       const char *detail)
{
	char text[VX6_NODE_ID_TEXT], name[VX6_LABEL_TEXT];
	struct vx6_json j = {0};

	if (!may_tell(node))
		return;
	vx6_node_id_format(who, text);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "node_id", text);
	vx6_json_str(&j, "node_name", vx6_registry_name(node->registry, who, name));
	if (detail)
		vx6_json_str(&j, "detail", detail);
	vx6_json_end_object(&j);
	tell_event(node, type, "node", text, vx6_json_take(&j));
}

void tell_learned(struct vx6_node *node, const char *type, struct vx6_session *s, vx6_err why)
{
	const struct vx6_node_id *who = vx6_session_node(s);
	char id[VX6_RESOURCE_ID_MAX];

	if (!is_learned(node, s) || !may_tell(node))
		return;
	learned_peer_id(who, id);
	tell_peer(node, type, id, peer_data(node, s, who, why));
}

void tell_flood(void *user, struct vx6_session *s)
{
	tell_node(user, "exchange.flood", vx6_session_node(s), NULL);
}

/* Changes of our own catalogs are told by the command that made them. */
void tell_catalog(void *user, const char *name)
{
	struct vx6_catalog_info info;
	char id[VX6_RESOURCE_ID_MAX];
	struct vx6_node *node = user;
	struct vx6_json j = {0};

	if (!vx6_catalogs_info(node->catalogs, name, &info) || info.owner)
		return;
	snprintf(id, sizeof id, "cat_%s", name);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "name", name);
	vx6_json_u64(&j, "entries", info.list->entries_n);
	vx6_json_end_object(&j);
	tell_event(node, "catalog.updated", "catalog", id, vx6_json_take(&j));
}

void tell_peer_changed(void *user, const char *id, enum vx6_peer_state before,
		       const struct vx6_peer_status *st)
{
	struct vx6_node *node = user;
	struct vx6_json j = {0};

	node->snapshot_dirty = true;
	if (node->stopping)
		return;
	if (st->state == VX6_PEER_UP) {
		tell_peer(node, "peer.up", id,
			  peer_data(node, vx6_sessions_by_id(node->sessions, st->session),
				    &st->node, VX6_OK));
	} else if (before == VX6_PEER_UP) {
		tell_peer(node, "peer.down", id, peer_data(node, NULL, &st->node, st->last_err));
	} else if (st->state == VX6_PEER_BACKOFF && !st->failing_told) {
		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "reason", vx6_err_name(st->last_err));
		vx6_json_str(&j, "detail", st->race);
		vx6_json_end_object(&j);
		tell_peer(node, "peer.failed", id, vx6_json_take(&j));
	}
}

static char *failure_data(const struct vx6_failure *f, const char *name,
			  const struct vx6_node_id *peer)
{
	struct vx6_json j = {0};
	char text[VX6_NODE_ID_TEXT];

	vx6_json_object(&j, NULL);
	if (name)
		vx6_json_str(&j, "name", name);
	if (peer)
		vx6_json_str(&j, "node_id", vx6_node_id_format(peer, text));
	vx6_json_str(&j, "reason", vx6_err_name(f->err));
	vx6_json_str(&j, "detail", f->detail);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

void tell_service_failed(void *user, const char *id, const char *name,
			 const struct vx6_node_id *peer, const struct vx6_failure *f)
{
	struct vx6_event ev;
	bool refused = f->err.code == VX6_E_ACCESS_REFUSED || f->err.code == VX6_E_SERVICE_UNKNOWN;

	event_init(&ev, refused ? "service.refused" : "service.failed", "service", id ? id : "",
		   failure_data(f, name, peer));
	event_emit(user, &ev);
}

void tell_service_recovered(void *user, const char *id)
{
	struct vx6_event ev;

	event_init(&ev, "service.recovered", "service", id, NULL);
	event_emit(user, &ev);
}

void tell_forward_failed(void *user, const char *id, const struct vx6_failure *f)
{
	struct vx6_event ev;

	event_init(&ev, "forward.failed", "forward", id, failure_data(f, NULL, NULL));
	event_emit(user, &ev);
}

void tell_forward_recovered(void *user, const char *id)
{
	struct vx6_event ev;

	event_init(&ev, "forward.recovered", "forward", id, NULL);
	event_emit(user, &ev);
}
