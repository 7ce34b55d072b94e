/*
 * Mutations, one at a time: checks against what is in force, one write (the change and its event), then into force, then the answer.
 * One at a time keeps checks and writes from overtaking each other; a change that is answered is on disk.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/circuits_internal.h"
#include "node/hidden_internal.h"
#include "node/node_internal.h"

static void run_next(struct vx6_node *node);

static const char *const id_prefixes[] = {
	[VX6_RESOURCE_SERVICE] = "svc",
	[VX6_RESOURCE_FORWARD] = "fwd",
	[VX6_RESOURCE_PEER] = "peer",
	[VX6_RESOURCE_TOKEN] = "tok",
};

/* ---- into force ---- */

void row_apply(struct vx6_node *node, enum vx6_resource_kind kind, const struct row *row,
	       struct vx6_forward_socket *socket)
{
	vx6_err err = VX6_OK;

	switch (kind) {
	case VX6_RESOURCE_SERVICE:
		err = vx6_services_put(node->services, row->meta.id, &row->spec.service);
		if (!vx6_is_ok(err))
			break;
		if (row->spec.service.enabled &&
		    row->spec.service.visibility == VX6_VISIBILITY_PUBLIC)
			vx6_publisher_put_service(node->publisher, row->spec.service.name);
		else
			vx6_publisher_drop_service(node->publisher, row->spec.service.name);
		hidden_roles_see(node, &row->spec.service);
		hidden_service_put(node, row);
		break;
	case VX6_RESOURCE_FORWARD:
		vx6_forwards_put(node->forwards, row->meta.id, &row->spec.forward, socket);
		break;
	case VX6_RESOURCE_PEER:
		err = vx6_peers_put(node->peers, row->meta.id, &row->spec.peer);
		break;
	case VX6_RESOURCE_TOKEN: /* whoever looks at snapshots has it */
		node->tokens_changes++;
		break;
	}
	if (!vx6_is_ok(err))
		VX6_ERROR("node", "%s %s is not in force: %s", kind_name(kind), row_name(kind, row),
			  vx6_err_text(err));
}

static void spec_take(enum vx6_resource_kind kind, struct row *row, struct vx6_cmd *cmd)
{
	switch (kind) {
	case VX6_RESOURCE_SERVICE:
		vx6_service_spec_fini(&row->spec.service);
		row->spec.service = cmd->u.service;
		cmd->u.service = (struct vx6_service_spec){0};
		break;
	case VX6_RESOURCE_FORWARD:
		row->spec.forward = cmd->u.forward;
		break;
	case VX6_RESOURCE_PEER:
		row->spec.peer = cmd->u.peer;
		break;
	case VX6_RESOURCE_TOKEN:
		row->spec.token = cmd->u.token;
		break;
	}
}

static void apply_delete(struct vx6_node *node, enum vx6_resource_kind kind, const char *id)
{
	struct row *row = rows_find(rows_of(node, kind), id);

	if (kind == VX6_RESOURCE_SERVICE) {
		hidden_service_drop(node, id);
		vx6_publisher_drop_service(node->publisher, row->spec.service.name);
		if (!vx6_is_ok(vx6_services_delete(node->services, id)))
			VX6_ERROR("node", "service %s was not in force", id);
	} else if (kind == VX6_RESOURCE_FORWARD) {
		if (!vx6_is_ok(vx6_forwards_delete(node->forwards, id)))
			VX6_ERROR("node", "forward %s was not in force", id);
	} else if (kind == VX6_RESOURCE_PEER) {
		vx6_peers_delete(node->peers, id);
	} else {
		node->tokens_changes++;
	}
	rows_remove(rows_of(node, kind), id, kind);
}

static void apply_put(struct vx6_node *node, struct request *rq, enum vx6_resource_kind kind)
{
	struct row *row = rows_find(rows_of(node, kind), rq->meta.id);
	struct vx6_forward_socket *socket = rq->socket;

	rq->socket = NULL;
	if (!row) {
		row = vx6_zalloc(sizeof *row);
		row->stored = true;
		row->meta = rq->meta;
		rows_add(rows_of(node, kind), row);
	} else {
		/* another name is another record */
		if (kind == VX6_RESOURCE_SERVICE &&
		    strcmp(row->spec.service.name, rq->cmd->u.service.name) != 0)
			vx6_publisher_drop_service(node->publisher, row->spec.service.name);
		vx6_meta_fini(&row->meta);
		row->meta = rq->meta;
	}
	rq->meta = (struct vx6_meta){0};
	spec_take(kind, row, rq->cmd);
	row_apply(node, kind, row, socket);
}

static void apply_node(struct vx6_node *node, const struct request *rq)
{
	struct vx6_relaying_budget before = node->stored.relay;

	if (rq->cmd->u.node.name[0])
		vx6_strlcpy(node->name, rq->cmd->u.node.name, sizeof node->name);
	vx6_strlcpy(node->stored.name, node->name, sizeof node->stored.name);
	vx6_relaying_apply(&node->stored.relay, &rq->cmd->u.node.relay);
	node->stored.generation++;
	node->stored.updated_ms = rq->event.wall_ms;
	if (!vx6_relaying_eq(&before, &node->stored.relay))
		circuits_set_budget(node, &node->stored.relay);
	announce_endpoint(node);
}

/* ---- the write ---- */

static void on_written(void *user, const struct vx6_write_result *r)
{
	struct request *rq = user;
	struct vx6_node *node = rq->owner;
	struct vx6_answer answer = {.err = VX6_OK, .audited = rq->cmd->audit != NULL};
	enum vx6_resource_kind kind = resource_of(rq->cmd->kind);

	node->current = NULL;
	if (!vx6_is_ok(r->err)) {
		request_fail(rq, r->err, r->err.code == VX6_E_EXISTS ? "/name" : NULL, NULL);
		run_next(node);
		return;
	}
	vx6_strlcpy(answer.id, rq->meta.id, sizeof answer.id);
	answer.generation = rq->meta.generation;
	if (rq->cmd->kind == VX6_CMD_NODE_UPDATE) {
		apply_node(node, rq);
		answer.generation = node->stored.generation;
	} else if (verb_of(rq->cmd->kind) == VERB_DELETE) {
		apply_delete(node, kind, rq->cmd->id);
	} else {
		apply_put(node, rq, kind);
	}
	vx6_strlcpy(rq->event.request_id, rq->cmd->request_id, sizeof rq->event.request_id);
	event_deliver(node, &rq->event, r->first_seq);
	request_answer(rq, &answer);
	run_next(node);
}

static char *event_data(const struct request *rq, const char *name)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "name", name);
	if (rq->meta.generation)
		vx6_json_u64(&j, "generation", rq->meta.generation);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static void write_submit(struct vx6_node *node, struct request *rq, struct vx6_write *w)
{
	vx6_err err;

	vx6_strlcpy(rq->event.request_id, rq->cmd->request_id, sizeof rq->event.request_id);
	vx6_write_event(w, &rq->event);
	if (rq->cmd->audit)
		vx6_write_audit(w, rq->cmd->audit);
	node->current = rq;
	err = vx6_state_submit(node->state, w, on_written, rq);
	if (!vx6_is_ok(err)) {
		node->current = NULL;
		request_fail(rq, err, NULL, "too many changes are waiting to be stored");
		run_next(node);
	}
}

static void meta_make(struct vx6_node *node, struct request *rq, enum vx6_resource_kind kind)
{
	const struct row *row = rq->cmd->id[0] ? rows_find(rows_of(node, kind), rq->cmd->id) : NULL;
	uint64_t now = vx6_wall_ms();

	if (row) {
		vx6_meta_copy(&rq->meta, &row->meta);
	} else {
		new_id(&node->ids, id_prefixes[kind], now, rq->meta.id);
		rq->meta.created_ms = now;
		rq->meta.labels = vx6_strdup("{}");
	}
	rq->meta.generation++;
	rq->meta.updated_ms = now;
	if (rq->cmd->managed_by[0])
		vx6_strlcpy(rq->meta.managed_by, rq->cmd->managed_by, sizeof rq->meta.managed_by);
	if (rq->cmd->labels) {
		free(rq->meta.labels);
		rq->meta.labels = rq->cmd->labels;
		rq->cmd->labels = NULL;
	}
}

/* Another name, role or time: never another text. */
static void keep_secret(struct vx6_node *node, struct request *rq)
{
	const struct row *row = rows_find(&node->token_rows, rq->cmd->id);
	struct vx6_token_spec *spec = &rq->cmd->u.token;

	if (!row)
		return;
	memcpy(spec->public_id, row->spec.token.public_id, sizeof spec->public_id);
	memcpy(spec->hash, row->spec.token.hash, sizeof spec->hash);
}

static void write_put(struct vx6_node *node, struct request *rq, enum vx6_resource_kind kind)
{
	struct vx6_write *w = vx6_write_new();
	char type[32];

	meta_make(node, rq, kind);
	if (kind == VX6_RESOURCE_TOKEN)
		keep_secret(node, rq);
	if (kind == VX6_RESOURCE_SERVICE)
		vx6_write_put_service(w, &rq->meta, &rq->cmd->u.service);
	else if (kind == VX6_RESOURCE_FORWARD)
		vx6_write_put_forward(w, &rq->meta, &rq->cmd->u.forward);
	else if (kind == VX6_RESOURCE_TOKEN)
		vx6_write_put_token(w, &rq->meta, &rq->cmd->u.token);
	else
		vx6_write_put_peer(w, &rq->meta, &rq->cmd->u.peer);
	snprintf(type, sizeof type, "%s.%s", kind_name(kind),
		 verb_of(rq->cmd->kind) == VERB_CREATE ? "created" : "updated");
	event_init(&rq->event, type, kind_name(kind), rq->meta.id,
		   event_data(rq, name_asked(rq->cmd)));
	write_submit(node, rq, w);
}

static void write_delete(struct vx6_node *node, struct request *rq, enum vx6_resource_kind kind,
			 const struct row *row)
{
	struct vx6_write *w = vx6_write_new();
	char type[32];

	vx6_write_delete(w, kind, rq->cmd->id);
	vx6_strlcpy(rq->meta.id, rq->cmd->id, sizeof rq->meta.id);
	snprintf(type, sizeof type, "%s.removed", kind_name(kind));
	event_init(&rq->event, type, kind_name(kind), rq->cmd->id,
		   event_data(rq, row_name(kind, row)));
	write_submit(node, rq, w);
}

static void run_node_update(struct vx6_node *node, struct request *rq)
{
	struct vx6_stored_node stored = node->stored;
	const char *name = rq->cmd->u.node.name;
	struct vx6_write *w;

	if (rq->cmd->if_generation != 0 && rq->cmd->if_generation != stored.generation) {
		request_fail(rq, VX6_ERR(CONFLICT), NULL,
			     "the node's settings were changed meanwhile");
		run_next(node);
		return;
	}
	if (name[0] && !vx6_label_is_valid(name, strlen(name))) {
		request_fail(rq, VX6_ERR(INVALID), "/name", "not a name for a node");
		run_next(node);
		return;
	}
	w = vx6_write_new();
	if (name[0])
		vx6_strlcpy(stored.name, name, sizeof stored.name);
	vx6_relaying_apply(&stored.relay, &rq->cmd->u.node.relay);
	stored.generation++;
	stored.updated_ms = vx6_wall_ms();
	vx6_write_put_node(w, &stored);
	event_init(&rq->event, "node.updated", "node", "", event_data(rq, stored.name));
	write_submit(node, rq, w);
}

static void run(struct vx6_node *node, struct request *rq)
{
	enum vx6_resource_kind kind = resource_of(rq->cmd->kind);
	enum verb verb = verb_of(rq->cmd->kind);
	const struct row *row = rows_find(rows_of(node, kind), rq->cmd->id);
	struct fault fault = {.pointer = NULL};
	vx6_err err;

	if (rq->cmd->kind == VX6_CMD_NODE_UPDATE) {
		run_node_update(node, rq);
		return;
	}
	err = check_mutation(node, rq, row, &fault);
	if (!vx6_is_ok(err)) {
		struct vx6_answer answer = {.err = err,
					    .generation = row ? row->meta.generation : 0};

		vx6_strlcpy(answer.pointer, fault.pointer ? fault.pointer : "",
			    sizeof answer.pointer);
		vx6_strlcpy(answer.detail, fault.detail[0] ? fault.detail : vx6_err_text(err),
			    sizeof answer.detail);
		request_answer(rq, &answer);
		run_next(node);
	} else if (verb == VERB_DELETE) {
		write_delete(node, rq, kind, row);
	} else {
		write_put(node, rq, kind);
	}
}

/* ---- the queue ---- */

static void run_next(struct vx6_node *node)
{
	struct vx6_list *first;

	if (node->current)
		return;
	first = vx6_list_pop(&node->mutations);
	if (!first)
		return;
	node->mutations_n--;
	run(node, VX6_CONTAINER_OF(first, struct request, node));
}

void mutation_submit(struct request *rq)
{
	struct vx6_node *node = rq->owner;

	if (node->draining || node->mutations_n >= MUTATIONS_MAX) {
		request_fail(rq, node->draining ? VX6_ERR(DRAINING) : VX6_ERR(FULL), NULL, NULL);
		return;
	}
	vx6_list_push(&node->mutations, &rq->node);
	node->mutations_n++;
	run_next(node);
}

void mutations_abort(struct vx6_node *node)
{
	struct vx6_list *first;

	while ((first = vx6_list_pop(&node->mutations)) != NULL)
		request_fail(VX6_CONTAINER_OF(first, struct request, node), VX6_ERR(DRAINING), NULL,
			     NULL);
	node->mutations_n = 0;
	/* the one that is being written was not answered: whoever asked cannot know, and will look */
	if (node->current)
		request_fail(node->current, VX6_ERR(DRAINING), NULL, NULL);
	node->current = NULL;
}
