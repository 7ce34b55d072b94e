/* Petnames and pins of the user's: stored with their event, then in force, then answered. */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/discovery_internal.h"

/* What the command asks for. */
static struct vx6_name_binding asked(const struct request *rq)
{
	struct vx6_name_binding b = {.kind = rq->cmd->u.binding.kind,
				     .node = rq->cmd->u.binding.node,
				     .since_ms = rq->event.wall_ms};

	vx6_strlcpy(b.name, rq->cmd->u.binding.name, sizeof b.name);
	return b;
}

static vx6_err apply(struct request *rq, const struct vx6_name_binding *b)
{
	struct vx6_names *names = rq->owner->names;

	return rq->cmd->kind == VX6_CMD_BINDING_DELETE ? vx6_names_unbind(names, b->kind, b->name)
						       : vx6_names_bind(names, b);
}

static void on_written(void *user, const struct vx6_write_result *r)
{
	struct request *rq = user;
	struct vx6_name_binding b = asked(rq);
	struct vx6_page *page;
	vx6_err err = r->err;

	vx6_list_remove(&rq->node);
	if (vx6_is_ok(err))
		err = apply(rq, &b);
	if (!vx6_is_ok(err)) {
		request_fail(rq, err, NULL, NULL);
		return;
	}
	page = page_new(VX6_PAGE_BINDINGS, 1);
	page->u.bindings[0] = b;
	page->n = 1;
	page->created = strcmp(rq->event.type, "name.created") == 0;
	event_deliver(rq->owner, &rq->event, r->first_seq);
	page_answer(rq, page);
}

static char *event_data(const struct vx6_name_binding *b)
{
	char id[VX6_NODE_ID_TEXT];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "kind", b->kind == VX6_BINDING_PIN ? "pin" : "petname");
	vx6_json_str(&j, "node_id", vx6_node_id_format(&b->node, id));
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static void store(struct request *rq, const char *event, const struct vx6_name_binding *b)
{
	struct vx6_write *w = vx6_write_new();
	struct vx6_name_binding stored;
	vx6_err err;

	event_init(&rq->event, event, "name", b->name, event_data(b));
	vx6_strlcpy(rq->event.request_id, rq->cmd->request_id, sizeof rq->event.request_id);
	stored = asked(rq);
	if (rq->cmd->kind == VX6_CMD_BINDING_DELETE)
		vx6_write_delete_name(w, b->kind, b->name);
	else
		vx6_write_put_name(w, &stored);
	vx6_write_event(w, &rq->event);
	vx6_list_push(&rq->owner->reads, &rq->node);
	err = vx6_state_submit(rq->owner->state, w, on_written, rq);
	if (vx6_is_ok(err))
		return;
	vx6_list_remove(&rq->node);
	request_fail(rq, err, NULL, "too many changes are waiting to be stored");
}

void binding_change(struct request *rq)
{
	struct vx6_names *names = rq->owner->names;
	struct vx6_name_binding b = asked(rq), before;
	bool there = vx6_names_find(names, b.kind, b.name, &before);

	if (rq->cmd->kind == VX6_CMD_BINDING_DELETE && there)
		store(rq, "name.removed", &before);
	else if (rq->cmd->kind == VX6_CMD_BINDING_DELETE)
		request_fail(rq, VX6_ERR(NOT_FOUND), NULL, "there is no such petname or pin");
	else if (!there && vx6_names_is_full(names))
		request_fail(rq, VX6_ERR(FULL), NULL, NULL);
	else
		store(rq, there ? "name.updated" : "name.created", &b);
}
