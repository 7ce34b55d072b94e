#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/node_internal.h"

struct emission {
	struct vx6_list link; /* vx6_node.emissions */
	struct vx6_node *node;
	struct vx6_event ev;
};

void event_init(struct vx6_event *ev, const char *type, const char *subject_kind,
		const char *subject_id, char *data)
{
	*ev = (struct vx6_event){.wall_ms = vx6_wall_ms()};
	vx6_strlcpy(ev->type, type, sizeof ev->type);
	vx6_strlcpy(ev->subject_kind, subject_kind, sizeof ev->subject_kind);
	vx6_strlcpy(ev->subject_id, subject_id, sizeof ev->subject_id);
	ev->data = data ? data : vx6_strdup("{}");
}

void event_fini(struct vx6_event *ev)
{
	VX6_FREE(ev->data);
}

void event_deliver(struct vx6_node *node, struct vx6_event *ev, uint64_t seq)
{
	void (*cb)(const struct vx6_event *, void *) = atomic_load(&node->on_event);

	ev->seq = seq;
	if (seq > node->event_index)
		node->event_index = seq;
	node->snapshot_dirty = true;
	if (cb)
		cb(ev, atomic_load(&node->on_event_user));
}

static void emission_free(struct emission *e)
{
	vx6_list_remove(&e->link);
	event_fini(&e->ev);
	free(e);
}

static void on_emitted(void *user, const struct vx6_write_result *r)
{
	struct emission *e = user;

	if (vx6_is_ok(r->err))
		event_deliver(e->node, &e->ev, r->first_seq);
	else if (vx6_log_allow(&e->node->complaints, "node", 10, 10000))
		VX6_WARN("node", "event %s was not stored: %s", e->ev.type, vx6_err_text(r->err));
	emission_free(e);
}

void event_emit(struct vx6_node *node, struct vx6_event *ev)
{
	struct emission *e = vx6_zalloc(sizeof *e);
	struct vx6_write *w = vx6_write_new();
	vx6_err err;

	e->node = node;
	e->ev = *ev;
	ev->data = NULL;
	vx6_list_push(&node->emissions, &e->link);
	node->snapshot_dirty = true;
	vx6_write_event(w, &e->ev);
	err = vx6_state_submit(node->state, w, on_emitted, e);
	if (!vx6_is_ok(err)) {
		if (vx6_log_allow(&node->complaints, "node", 10, 10000))
			VX6_WARN("node", "event %s was dropped: %s", e->ev.type, vx6_err_text(err));
		emission_free(e);
	}
}

void events_abort(struct vx6_node *node)
{
	while (!vx6_list_is_empty(&node->emissions))
		emission_free(VX6_CONTAINER_OF(node->emissions.next, struct emission, link));
}
