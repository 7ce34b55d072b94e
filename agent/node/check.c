/*
 * What a mutation has to satisfy before it is written: against what is in force, and in words that say what to do about it.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"

enum vx6_resource_kind resource_of(enum vx6_cmd_kind kind)
{
	switch (kind) {
	case VX6_CMD_SERVICE_CREATE:
	case VX6_CMD_SERVICE_UPDATE:
	case VX6_CMD_SERVICE_DELETE:
		return VX6_RESOURCE_SERVICE;
	case VX6_CMD_FORWARD_CREATE:
	case VX6_CMD_FORWARD_UPDATE:
	case VX6_CMD_FORWARD_DELETE:
		return VX6_RESOURCE_FORWARD;
	case VX6_CMD_TOKEN_CREATE:
	case VX6_CMD_TOKEN_UPDATE:
	case VX6_CMD_TOKEN_DELETE:
		return VX6_RESOURCE_TOKEN;
	default:
		return VX6_RESOURCE_PEER;
	}
}

enum verb verb_of(enum vx6_cmd_kind kind)
{
	switch (kind) {
	case VX6_CMD_SERVICE_CREATE:
	case VX6_CMD_FORWARD_CREATE:
	case VX6_CMD_PEER_CREATE:
	case VX6_CMD_TOKEN_CREATE:
		return VERB_CREATE;
	case VX6_CMD_SERVICE_DELETE:
	case VX6_CMD_FORWARD_DELETE:
	case VX6_CMD_PEER_DELETE:
	case VX6_CMD_TOKEN_DELETE:
		return VERB_DELETE;
	default:
		return VERB_UPDATE;
	}
}

const char *name_asked(const struct vx6_cmd *cmd)
{
	switch (resource_of(cmd->kind)) {
	case VX6_RESOURCE_SERVICE:
		return cmd->u.service.name;
	case VX6_RESOURCE_FORWARD:
		return cmd->u.forward.name;
	case VX6_RESOURCE_TOKEN:
		return cmd->u.token.name;
	default:
		return cmd->u.peer.name;
	}
}

static vx6_err check_name(struct vx6_node *node, const struct request *rq, struct fault *f)
{
	enum vx6_resource_kind kind = resource_of(rq->cmd->kind);
	const struct row_table *t = rows_of(node, kind);
	const char *name = name_asked(rq->cmd);

	if (kind == VX6_RESOURCE_PEER && name[0] && !vx6_label_is_valid(name, strlen(name))) {
		f->pointer = "/name";
		snprintf(f->detail, sizeof f->detail, "%.40s could be taken for a node id", name);
		return VX6_ERR(INVALID);
	}
	for (size_t i = 0; i < t->n && name[0]; i++) {
		if (strcmp(t->row[i]->meta.id, rq->cmd->id) == 0 ||
		    strcmp(row_name(kind, t->row[i]), name) != 0)
			continue;
		f->pointer = "/name";
		snprintf(f->detail, sizeof f->detail, "there is a %s called %s already (%s)",
			 kind_name(kind), name, t->row[i]->meta.id);
		return VX6_ERR(EXISTS);
	}
	return VX6_OK;
}

/* Before the row is stored: the tables that it would go to refuse no more than this. */
static vx6_err check_room(struct vx6_node *node, const struct request *rq, struct fault *f)
{
	static const size_t most[] = {[VX6_RESOURCE_SERVICE] = VX6_SERVICES_MAX,
				      [VX6_RESOURCE_FORWARD] = VX6_FORWARDS_MAX,
				      [VX6_RESOURCE_PEER] = VX6_PEERS_MAX,
				      [VX6_RESOURCE_TOKEN] = VX6_TOKENS_MAX};
	enum vx6_resource_kind kind = resource_of(rq->cmd->kind);

	if (verb_of(rq->cmd->kind) != VERB_CREATE || rows_of(node, kind)->n < most[kind])
		return VX6_OK;
	snprintf(f->detail, sizeof f->detail, "at most %zu %ss", most[kind], kind_name(kind));
	return VX6_ERR(FULL);
}

static bool hidden_with_a_list(const struct vx6_service_spec *spec)
{
	return spec->visibility == VX6_VISIBILITY_HIDDEN && spec->access != VX6_ACCESS_ANY;
}

static bool is_hidden(const struct vx6_service_spec *spec)
{
	return spec->visibility == VX6_VISIBILITY_HIDDEN;
}

static const char *alias_of(const struct vx6_service_spec *spec)
{
	return spec->hidden.alias[0] ? spec->hidden.alias : spec->name;
}

static vx6_err check_alias(struct vx6_node *node, const struct request *rq, struct fault *f)
{
	const struct row_table *t = rows_of(node, VX6_RESOURCE_SERVICE);
	const char *alias = alias_of(&rq->cmd->u.service);

	for (size_t i = 0; i < t->n; i++) {
		const struct vx6_service_spec *other = &t->row[i]->spec.service;

		if (!is_hidden(other) || strcmp(t->row[i]->meta.id, rq->cmd->id) == 0 ||
		    strcmp(alias_of(other), alias) != 0)
			continue;
		f->pointer = "/hidden/alias";
		snprintf(f->detail, sizeof f->detail,
			 "the hidden service %s (%s) goes by that alias already", other->name,
			 t->row[i]->meta.id);
		return VX6_ERR(EXISTS);
	}
	return VX6_OK;
}

/* @param row as it is now; NULL: it is new */
static vx6_err check_hidden(struct vx6_node *node, const struct request *rq, const struct row *row,
			    struct fault *f)
{
	const struct vx6_service_spec *spec = &rq->cmd->u.service;

	if (row && is_hidden(&row->spec.service) != is_hidden(spec)) {
		f->pointer = "/visibility";
		snprintf(f->detail, sizeof f->detail,
			 "a service does not become hidden, nor cease to be: who knew it would "
			 "know it again; remove it and add it anew");
		return VX6_ERR(INVALID);
	}
	if (!is_hidden(spec))
		return VX6_OK;
	VX6_TRY(check_alias(node, rq, f));
	if (row || spec->hidden.force || hidden_relays(node) >= VX6_HIDDEN_LEAST_RELAYS)
		return VX6_OK;
	f->pointer = "/hidden/force";
	snprintf(f->detail, sizeof f->detail,
		 "%zu relays are known: a hidden service needs %d at the very least, and %d to "
		 "hide among",
		 hidden_relays(node), VX6_HIDDEN_LEAST_RELAYS, VX6_HIDDEN_FEW_RELAYS);
	return VX6_ERR(NO_RELAYS);
}

static vx6_err check_service(struct vx6_node *node, const struct request *rq, const struct row *row,
			     struct fault *f)
{
	vx6_err err = vx6_services_check(node->services, &rq->cmd->u.service);

	f->pointer = "/target";
	if (hidden_with_a_list(&rq->cmd->u.service)) {
		f->pointer = "/access";
		snprintf(f->detail, sizeof f->detail,
			 "a hidden service has no list of nodes, as nobody comes to it by a node "
			 "id: it authorises clients of its own");
	} else if (err.code == VX6_E_NOT_LOOPBACK)
		snprintf(f->detail, sizeof f->detail,
			 "target must be on this host (127.0.0.0/8, [::1] or unix:); start the "
			 "agent with "
			 "--allow-non-loopback to publish others");
	else if (!vx6_is_ok(err))
		snprintf(f->detail, sizeof f->detail, "service: %s", vx6_err_text(err));
	return vx6_is_ok(err) ? check_hidden(node, rq, row, f) : err;
}

static vx6_err check_forward(struct vx6_node *node, struct request *rq, struct fault *f)
{
	const struct vx6_forward_spec *spec = &rq->cmd->u.forward;
	char addr[VX6_ADDR_TEXT];
	const char *why =
		circuits_route_fault(node, spec->to.has_node_id ? &spec->to.node_id : NULL,
				     &spec->to.route);
	vx6_err err;

	if (spec->to.is_hidden && spec->to.route.via == VX6_ROUTE_DIRECT) {
		f->pointer = "/route/via";
		vx6_strlcpy(f->detail, "a hidden service is reached through relays only",
			    sizeof f->detail);
		return VX6_ERR(INVALID);
	}
	if (why) {
		f->pointer = "/route/nodes";
		vx6_strlcpy(f->detail, why, sizeof f->detail);
		return VX6_ERR(INVALID);
	}
	err = vx6_forwards_prepare(node->forwards, rq->cmd->id[0] ? rq->cmd->id : NULL, spec,
				   &rq->socket);
	f->pointer = "/listen";
	if (err.code == VX6_E_NOT_LOOPBACK)
		snprintf(f->detail, sizeof f->detail,
			 "listen must be on this host (127.0.0.0/8, [::1] or unix:); start the "
			 "agent with "
			 "--allow-non-loopback to open others");
	else if (!vx6_is_ok(err))
		snprintf(f->detail, sizeof f->detail, "cannot listen on %s: %s",
			 vx6_addr_format(&spec->listen, addr), vx6_err_text(err));
	return err;
}

static vx6_err check_peer(struct vx6_node *node, const struct request *rq, struct fault *f)
{
	const struct vx6_peer_spec *spec = &rq->cmd->u.peer;

	f->pointer = "/addresses";
	if (spec->addrs_n == 0 && !spec->has_node_id) {
		snprintf(f->detail, sizeof f->detail, "a peer needs an address or a node id");
		return VX6_ERR(INVALID);
	}
	if (spec->has_node_id && vx6_node_id_eq(&spec->node_id, &node->identity.id)) {
		f->pointer = "/node_id";
		snprintf(f->detail, sizeof f->detail, "that is this node's own id");
		return VX6_ERR(INVALID);
	}
	return VX6_OK;
}

static vx6_err check_row(const struct request *rq, const struct row *row, struct fault *f)
{
	if (!row)
		return VX6_ERR(NOT_FOUND);
	if (!row->stored) {
		snprintf(f->detail, sizeof f->detail,
			 "this peer comes from the command line or the configuration file; change "
			 "it there");
		return VX6_ERR(INVALID);
	}
	if (rq->cmd->if_generation != 0 && rq->cmd->if_generation != row->meta.generation) {
		snprintf(f->detail, sizeof f->detail, "it is at generation %llu now",
			 (unsigned long long)row->meta.generation);
		return VX6_ERR(CONFLICT);
	}
	return VX6_OK;
}

static vx6_err check_spec(struct vx6_node *node, struct request *rq, const struct row *row,
			  struct fault *f)
{
	VX6_TRY(check_room(node, rq, f));
	VX6_TRY(check_name(node, rq, f));
	switch (resource_of(rq->cmd->kind)) {
	case VX6_RESOURCE_SERVICE:
		return check_service(node, rq, row, f);
	case VX6_RESOURCE_FORWARD:
		return check_forward(node, rq, f);
	case VX6_RESOURCE_TOKEN:
		return VX6_OK;
	default:
		return check_peer(node, rq, f);
	}
}

vx6_err check_mutation(struct vx6_node *node, struct request *rq, const struct row *row,
		       struct fault *f)
{
	enum verb verb = verb_of(rq->cmd->kind);

	if (verb != VERB_CREATE)
		VX6_TRY(check_row(rq, row, f));
	return verb == VERB_DELETE ? VX6_OK : check_spec(node, rq, row, f);
}
