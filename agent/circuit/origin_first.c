/* The first hop: a session with it that is there, or one that is dialled, and the stream on it, with CREATE right behind OPEN. */
#include <string.h>

#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/secret.h"

enum { WAY_IDLE_MS = 60000 };

/* ---- the stream ---- */

/* CREATE along with OPEN, if both fit; else it is the first cell once the answer is there. */
static void send_early(struct vx6_circuit *c, struct vx6_stream *stream)
{
	size_t cap = 0;
	uint8_t *room = c->create_due && stream ? vx6_stream_reserve(stream, &cap) : NULL;
	vx6_err err = VX6_OK;
	bool fits = cap >= VX6_CELL_BYTES;

	if (!room)
		return;
	if (fits)
		err = origin_create(c, room);
	vx6_stream_commit(stream, fits && vx6_is_ok(err) ? VX6_CELL_BYTES : 0, false);
	c->create_due = !fits;
	if (!vx6_is_ok(err))
		circuit_end(c, err, 0);
}

void first_linked(struct vx6_circuit *c, struct vx6_stream *stream)
{
	c->state = VX6_CIRCUIT_BUILDING;
	c->link = vx6_hop_new(c->o->cfg.sched, stream, &circuit_cells, c);
	vx6_hop_widen(c->link, VX6_HOP_WINDOW_OWN);
	vx6_hop_pad(c->link, c->anonymous);
	cells_work(c);
}

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct vx6_circuit *c = user;

	c->opening = NULL;
	if (!vx6_is_ok(err)) {
		circuit_end(c, err, 0);
		return;
	}
	if (c->ended || fin) {
		vx6_stream_reset(stream, VX6_CODE_CIRC_DESTROYED);
		circuit_end(c, VX6_ERR(CLOSED), 0);
		return;
	}
	first_linked(c, stream);
	if (rest_n)
		vx6_hop_feed(c->link, rest, rest_n);
}

static void on_opening_writable(void *user, struct vx6_stream *stream)
{
	struct vx6_circuit *c = user;

	if (!c->ended)
		send_early(c, stream);
}

static const struct vx6_opening_events opening_events = {
	.outcome = on_outcome,
	.writable = on_opening_writable,
};

static vx6_err open_on(struct vx6_circuit *c, struct vx6_session *s)
{
	struct vx6_open what = {.kind = VX6_OPEN_CIRCUIT};

	VX6_TRY(vx6_session_open(s, &what, &opening_events, c, &c->opening));
	c->session_id = vx6_session_id(s);
	c->state = VX6_CIRCUIT_BUILDING;
	c->create_due = true;
	send_early(c, vx6_opening_stream(c->opening));
	return VX6_OK;
}

/* ---- the way there ---- */

static struct vx6_session *way_session(struct way *w)
{
	struct vx6_sessions *m = w->o->cfg.sessions;

	if (!w->anonymous)
		return vx6_sessions_find(m, &w->peer, VX6_DIAL_ANY);
	return w->session_id ? vx6_sessions_by_id(m, w->session_id) : NULL;
}

void way_free(struct way *w)
{
	if (w->dialing)
		vx6_dialing_cancel(w->dialing);
	vx6_timer_stop(&w->idle);
	vx6_list_remove(&w->node);
	free(w);
}

static void on_idle(struct vx6_timer *timer)
{
	struct way *w = timer->user;
	struct vx6_session *s = way_session(w);

	if (s)
		vx6_session_close(s, VX6_ERR(IDLE));
	way_free(w);
}

static struct way *way_get(struct vx6_origin *o, const struct vx6_node_id *peer, bool anonymous)
{
	struct way *w;

	VX6_LIST_EACH(node, &o->ways)
	{
		w = VX6_CONTAINER_OF(node, struct way, node);
		if (w->anonymous == anonymous && vx6_node_id_eq(&w->peer, peer))
			return w;
	}
	w = vx6_zalloc(sizeof *w);
	w->o = o;
	w->peer = *peer;
	w->anonymous = anonymous;
	vx6_list_init(&w->users);
	vx6_timer_init(o->cfg.loop, &w->idle, on_idle, w);
	vx6_list_push(&o->ways, &w->node);
	return w;
}

static bool is_waiting(const struct vx6_circuit *c)
{
	return !c->ended && c->state == VX6_CIRCUIT_NEW;
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct way *w = user;

	(void)detail;
	w->dialing = NULL;
	if (s && w->anonymous)
		w->session_id = vx6_session_id(s);
	VX6_LIST_EACH(node, &w->users)
	{
		struct vx6_circuit *c = VX6_CONTAINER_OF(node, struct vx6_circuit, way_node);
		vx6_err opened = err;

		if (!is_waiting(c))
			continue;
		if (s)
			opened = open_on(c, s);
		if (!vx6_is_ok(opened))
			circuit_end(c, opened, 0);
	}
}

void first_begin(struct vx6_circuit *c)
{
	struct way *w = way_get(c->o, &c->hop[0].node, c->anonymous);
	struct vx6_session *s = way_session(w);
	vx6_err err = VX6_ERR(CLOSED);

	c->way = w;
	vx6_list_push(&w->users, &c->way_node);
	vx6_timer_stop(&w->idle);
	if (s)
		err = open_on(c, s);
	if (vx6_is_ok(err) || w->dialing)
		return;
	if (err.code != VX6_E_CLOSED && err.code != VX6_E_DRAINING) {
		circuit_end(c, err, 0);
		return;
	}
	w->session_id = 0;
	w->dialing = vx6_sessions_dial(c->o->cfg.sessions, c->dial, on_dialed, w);
	if (!w->dialing)
		circuit_end(c, VX6_ERR(UNREACHABLE), 0);
}

void first_leave(struct vx6_circuit *c)
{
	struct way *w = c->way;

	if (c->opening)
		vx6_opening_cancel(c->opening);
	c->opening = NULL;
	c->way = NULL;
	if (!w)
		return;
	vx6_list_remove(&c->way_node);
	if (!vx6_list_is_empty(&w->users))
		return;
	if (w->session_id)
		vx6_timer_in_ms(&w->idle, WAY_IDLE_MS);
	else
		way_free(w);
}
