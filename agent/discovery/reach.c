/*
 * Attempts to reach a service, and the dials they share.
 *
 *   resolve -> session live -> OPEN sent -> answer
 *           -> no session  -> way (one dial for all who want the same node or address) -> OPEN sent -> answer
 *                                \-> no address, or none that answers: the DHT is asked afresh, once -> way
 *                          -> circuit (at once where the route says so; else when dialling takes long, or has failed) -> OPEN sent -> answer
 *
 * A hidden service is neither resolved nor dialled: its key is the target of a hidden route.
 *
 * Whichever way is there first is taken. A dial that a circuit has overtaken goes on: once its session is up, streams that may move to it.
 *
 * An attempt without an answer for PATIENCE_MS has its session probed, so that a peer that died silently is found out in seconds; after
 * OPEN_TIMEOUT_MS it ends. One that failed with its session, before its owner could write early bytes, is made once more.
 */
#include "discovery/reach_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "discovery/known.h"
#include "discovery/names.h"

enum {
	PATIENCE_MS = 1500,
	PROBE_MS = 2000,
	OPEN_TIMEOUT_MS = 10000,
	HEAD_START_MS = 400, /* that dialling has before a circuit is built as well */
	TRIES_MAX = 2,
	WAITING_MAX = 65536, /* attempts under way */
};

static void begin(struct vx6_reaching *r);
static void leave_way(struct vx6_reaching *r);

/* ---- the end of an attempt ---- */

/* Nothing of it is under way any more but an opening: no timer, no dial, no circuit, no question, no failure that waits to be told. */
static void settle(struct vx6_reaching *r)
{
	leave_way(r);
	if (r->resolving)
		vx6_resolve_cancel(r->resolving);
	if (r->circuit)
		vx6_circuits_wait_cancel(r->circuit);
	r->resolving = NULL;
	r->circuit = NULL;
	vx6_timer_stop(&r->timer);
	vx6_task_cancel(&r->fail);
}

static void reaching_free(struct vx6_reaching *r)
{
	settle(r);
	if (r->opening)
		vx6_opening_cancel(r->opening);
	vx6_list_remove(&r->node);
	r->reach->n--;
	free(r);
}

static void give_up(struct vx6_reaching *r)
{
	const struct vx6_reach_events *ev = r->ev;
	void *user = r->user;
	char detail[VX6_DIAL_DETAIL_MAX];
	vx6_err err = r->err;

	vx6_strlcpy(detail, r->detail, sizeof detail);
	reaching_free(r);
	ev->outcome(user, err, detail, NULL, NULL, 0, false);
}

static void on_fail(struct vx6_task *task)
{
	give_up(task->user);
}

/* The first way that is final ends the others. */
static void fail_later(struct vx6_reaching *r, vx6_err err)
{
	settle(r);
	r->err = err;
	if (!r->detail[0])
		vx6_strlcpy(r->detail, vx6_err_text(err), sizeof r->detail);
	vx6_loop_defer(r->reach->cfg.loop, &r->fail);
}

/* ---- dials shared by attempts ---- */

static struct vx6_session *live_session(const struct vx6_reaching *r)
{
	struct vx6_sessions *m = r->reach->cfg.sessions;

	if (r->has_node)
		return vx6_sessions_find(m, &r->id, reach_via(r));
	return vx6_sessions_find_dialed(m, &r->to.address, reach_via(r));
}

static void start_open(struct vx6_reaching *r, struct vx6_session *s);
static void start_circuit(struct vx6_reaching *r);

/* It waits for nothing in a way any more; the dial there goes on for others. */
static void leave_way(struct vx6_reaching *r)
{
	if (!r->dialing)
		return;
	r->dialing = false;
	vx6_list_remove(&r->node);
	vx6_list_push(&r->reach->all, &r->node);
}

/* Dialling has led nowhere: a circuit may. */
static void direct_over(struct vx6_reaching *r, vx6_err err)
{
	r->direct_over = true;
	r->err = err;
	if (err.code == VX6_E_DRAINING || err.code == VX6_E_WRONG_PEER || !r->routes.route ||
	    r->circuit_over) {
		fail_later(r, err);
		return;
	}
	if (!r->circuit)
		start_circuit(r);
}

/* Whoever moved may have said so since: its addresses are asked for again before this is given up. */
static void dial_failed(struct vx6_reaching *r, vx6_err err, uint64_t seq)
{
	bool is_final = err.code == VX6_E_DRAINING;

	r->err = is_final || err.code == VX6_E_WRONG_PEER ? err : VX6_ERR(PEER_UNREACHABLE);
	r->dialed_seq = seq;
	if (is_final || !reach_ask_where(r))
		direct_over(r, r->err);
}

static void on_way_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct way *w = user;
	struct vx6_list *node;
	uint64_t id = s ? vx6_session_id(s) : 0, seq = w->seq;
	struct vx6_reach *reach = w->reach;
	struct vx6_list waiting;

	vx6_list_remove(&w->node);
	vx6_list_init(&waiting);
	vx6_list_splice(&waiting, &w->waiting);
	free(w);
	while ((node = vx6_list_pop(&waiting)) != NULL) {
		struct vx6_reaching *r = VX6_CONTAINER_OF(node, struct vx6_reaching, node);

		vx6_list_push(&reach->all, &r->node);
		r->dialing = false;
		vx6_strlcpy(r->detail, detail, sizeof r->detail);
		/* a callback of another attempt may have closed it meanwhile */
		s = id ? vx6_sessions_by_id(reach->cfg.sessions, id) : NULL;
		if (s)
			start_open(r, s);
		else
			dial_failed(r, err, seq);
	}
}

static struct way *way_find(struct vx6_reaching *r)
{
	VX6_LIST_EACH(node, &r->reach->ways)
	{
		struct way *w = VX6_CONTAINER_OF(node, struct way, node);

		if (w->via != reach_via(r) || w->has_node != r->has_node ||
		    !vx6_addr_eq(&w->address, &r->to.address))
			continue;
		if (!r->has_node || vx6_node_id_eq(&w->id, &r->id))
			return w;
	}
	return NULL;
}

static struct way *way_make(struct vx6_reaching *r)
{
	struct vx6_dial_request req = {.expect_node = r->has_node, .node = r->id};
	struct way *w = vx6_zalloc(sizeof *w);

	w->reach = r->reach;
	w->address = r->to.address;
	w->has_node = r->has_node;
	w->id = r->id;
	w->via = reach_via(r);
	vx6_list_init(&w->waiting);
	if (r->to.address.family != VX6_ADDR_NONE) {
		req.addrs[0] = r->to.address;
		req.via[req.addrs_n++] = (uint8_t)reach_via(r);
	} else {
		w->seq = reach_addresses(r, &req);
	}
	vx6_known_tidy(&req);
	w->dialing = vx6_sessions_dial(r->reach->cfg.sessions, &req, on_way_dialed, w);
	if (!w->dialing) {
		free(w);
		return NULL;
	}
	vx6_list_push(&r->reach->ways, &w->node);
	return w;
}

static void start_dial(struct vx6_reaching *r)
{
	struct way *w = way_find(r);

	if (!w)
		w = way_make(r);
	if (!w) {
		r->err = VX6_ERR(PEER_UNREACHABLE);
		snprintf(r->detail, sizeof r->detail, "no address is known for that node");
		if (!reach_ask_where(r))
			direct_over(r, r->err);
		return;
	}
	leave_way(r);
	vx6_list_remove(&r->node);
	vx6_list_push(&w->waiting, &r->node);
	r->dialing = true;
}

/* ---- circuits ---- */

/*
 * What the application has said goes along with OPEN, a round trip earlier than after its answer. Not on a link that was just dialled: of two that cross each
 * other one ends, and what was written there could not be said again.
 */
static void give_early(struct vx6_reaching *r)
{
	struct vx6_stream *stream = r->opening ? vx6_opening_stream(r->opening) : NULL;

	if (!stream || r->early_given || !r->ev->early)
		return;
	r->early_given = true;
	r->ev->early(r->user, stream);
}

/* What there is to know of a hidden service that cannot be reached: a wrong key is told from an owner who is away, and nothing else is. */
static vx6_err hidden_failure(vx6_err err)
{
	switch (err.code) {
	case VX6_E_REVOKED:
		return VX6_ERR(HS_AUTH);
	case VX6_E_CONFLICT: /* its alias was forgotten meanwhile */
		return VX6_ERR(PEER_UNKNOWN);
	case VX6_E_HS_AUTH:
	case VX6_E_INVITE_SPENT:
	case VX6_E_EXPIRED:
	case VX6_E_NO_QUORUM:
	case VX6_E_NO_RELAYS:
	case VX6_E_LIMIT:
	case VX6_E_FULL:
	case VX6_E_DRAINING:
		return err;
	default:
		return VX6_ERR(HS_TIMEOUT);
	}
}

static void on_circuit(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct vx6_reaching *r = user;

	r->circuit = NULL;
	if (s) {
		start_open(r, s);
		give_early(r);
		return;
	}
	r->circuit_over = true;
	if (r->routes.direct && !r->direct_over)
		return; /* a dial is still under way */
	if (!r->routes.direct || !r->detail[0])
		vx6_strlcpy(r->detail, detail, sizeof r->detail);
	if (r->to.is_hidden)
		err = hidden_failure(err);
	else if (r->routes.direct || err.code == VX6_E_UNREACHABLE || err.code == VX6_E_NOT_FOUND)
		err = VX6_ERR(PEER_UNREACHABLE);
	fail_later(r, err);
}

static void start_circuit(struct vx6_reaching *r)
{
	vx6_timer_stop(&r->timer);
	r->circuit = vx6_circuits_want(r->reach->cfg.circuits, r->routes.route, on_circuit, r);
	if (r->circuit)
		return;
	r->circuit_over = true;
	if (!r->routes.direct || r->direct_over)
		fail_later(r, VX6_ERR(PEER_UNREACHABLE));
}

/* @return false: the route cannot be, and r->err says why */
static bool find_routes(struct vx6_reaching *r)
{
	struct vx6_circuits *circuits = r->reach->cfg.circuits;
	const struct vx6_routing *how = &r->to.route;
	const char *why = "a route through relays needs the node's name or id";
	vx6_err err = VX6_ERR(UNREACHABLE);

	if (r->routed)
		return true;
	r->routed = true;
	r->routes.direct = how->via != VX6_ROUTE_RELAY;
	if (r->has_node && circuits) {
		err = vx6_circuits_may(circuits, &r->id, how);
		why = err.code == VX6_E_NO_RELAYS ? "no relays are known"
						  : "the node takes no circuits";
	}
	if (vx6_is_ok(err)) {
		r->routes.route = vx6_circuits_route(circuits, &r->id, how);
		err = VX6_ERR(LIMIT);
		why = "too many routes";
	}
	if (r->routes.direct || r->routes.route)
		return true;
	if (r->to.is_hidden && (err.code == VX6_E_UNREACHABLE || err.code == VX6_E_UNSUPPORTED))
		why = "hidden services cannot be reached from here";
	r->err = err.code == VX6_E_UNREACHABLE ? VX6_ERR(PEER_UNREACHABLE) : err;
	vx6_strlcpy(r->detail, why, sizeof r->detail);
	return false;
}

/* ---- opening ---- */

static bool is_session_failure(vx6_err err)
{
	switch (err.code) {
	case VX6_E_CLOSED:
	case VX6_E_IDLE:
	case VX6_E_DUPLICATE:
	case VX6_E_DRAINING:
	case VX6_E_TIMEOUT:
	case VX6_E_PROTOCOL:
		return true;
	default:
		return false;
	}
}

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct vx6_reaching *r = user;
	const struct vx6_reach_events *ev = r->ev;
	void *ev_user = r->user;

	r->opening = NULL;
	vx6_timer_stop(&r->timer);
	if (vx6_is_ok(err)) {
		if (r->to_pin)
			vx6_names_used(r->reach->cfg.names, r->to.node, &r->id, vx6_wall_ms());
		reaching_free(r);
		ev->outcome(ev_user, err, "", stream, rest, rest_n, fin);
		return;
	}
	if (is_session_failure(err) && !r->early_given && r->tries < TRIES_MAX) {
		begin(r);
		return;
	}
	if (is_session_failure(err) && r->to.is_hidden)
		err = VX6_ERR(HS_TIMEOUT);
	r->err = is_session_failure(err) && err.code != VX6_E_TIMEOUT ? VX6_ERR(PEER_UNREACHABLE)
								      : err;
	vx6_strlcpy(r->detail, vx6_err_text(err), sizeof r->detail);
	give_up(r);
}

static void on_writable(void *user, struct vx6_stream *stream)
{
	struct vx6_reaching *r = user;

	if (r->early_given && r->ev->early_writable)
		r->ev->early_writable(r->user, stream);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome,
							 .writable = on_writable};

static void on_timer(struct vx6_timer *timer)
{
	struct vx6_reaching *r = timer->user;
	struct vx6_session *s = vx6_sessions_by_id(r->reach->cfg.sessions, r->session);

	if (!r->opening) {
		if (!r->circuit)
			start_circuit(r);
		return;
	}
	if (vx6_loop_now_ns(r->reach->cfg.loop) < r->deadline_ns) {
		if (s)
			vx6_session_probe(s, PROBE_MS);
		vx6_timer_at(&r->timer, r->deadline_ns);
		return;
	}
	vx6_opening_cancel(r->opening);
	r->opening = NULL;
	r->err = VX6_ERR(TIMEOUT);
	vx6_strlcpy(r->detail,
		    r->to.is_hidden ? "the hidden service did not answer in time"
				    : "the service's node did not answer in time",
		    sizeof r->detail);
	give_up(r);
}

/* This way is taken: whatever else was tried for it is let go. */
static void start_open(struct vx6_reaching *r, struct vx6_session *s)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE};
	vx6_err err;

	settle(r);
	vx6_strlcpy(what.name, r->service, sizeof what.name);
	r->session = vx6_session_id(s);
	err = vx6_session_open_routed(s, &what, &r->routes, &opening_events, r, &r->opening);
	if (vx6_is_ok(err)) {
		r->deadline_ns =
			vx6_loop_now_ns(r->reach->cfg.loop) + OPEN_TIMEOUT_MS * VX6_NS_PER_MS;
		vx6_timer_in_ms(&r->timer, PATIENCE_MS);
		return;
	}
	r->opening = NULL;
	vx6_strlcpy(r->detail, vx6_err_text(err), sizeof r->detail);
	fail_later(r, err);
}

static struct vx6_session *session_at_hand(const struct vx6_reaching *r)
{
	struct vx6_session *s = r->routes.direct ? live_session(r) : NULL;

	if (!s && r->routes.route)
		s = vx6_circuits_session(r->reach->cfg.circuits, r->routes.route);
	return s;
}

static void begin(struct vx6_reaching *r)
{
	struct vx6_session *s;

	r->tries++;
	r->direct_over = r->circuit_over = false;
	if (r->reach->stopping) {
		fail_later(r, VX6_ERR(DRAINING));
		return;
	}
	if (!find_routes(r)) {
		fail_later(r, r->err);
		return;
	}
	s = session_at_hand(r);
	if (s) {
		/* a circuit will do for now; the stream moves when the node answers itself */
		if (r->routes.direct && vx6_session_is_circuit(s) && !way_find(r))
			(void)way_make(r);
		start_open(r, s);
		return;
	}
	if (!r->routes.direct) {
		start_circuit(r);
		return;
	}
	if (r->routes.route && !r->circuit)
		vx6_timer_in_ms(&r->timer, HEAD_START_MS);
	start_dial(r);
}

void reach_resolved(struct vx6_reaching *r, vx6_err err)
{
	if (vx6_is_ok(err)) {
		begin(r);
		return;
	}
	/* newer addresses are not to be had; who it is was clear before */
	if (r->routed && err.code != VX6_E_REVOKED) {
		direct_over(r, err);
		return;
	}
	r->err = err;
	if (!r->detail[0])
		vx6_strlcpy(r->detail, vx6_err_text(err), sizeof r->detail);
	give_up(r);
}

/* ---- public ---- */

struct vx6_reach *vx6_reach_new(const struct vx6_reach_config *cfg)
{
	struct vx6_reach *reach = vx6_zalloc(sizeof *reach);

	reach->cfg = *cfg;
	vx6_list_init(&reach->all);
	vx6_list_init(&reach->ways);
	return reach;
}

void vx6_reach_free(struct vx6_reach *reach)
{
	if (!reach)
		return;
	reach->stopping = true;
	while (!vx6_list_is_empty(&reach->ways)) {
		struct way *w = VX6_CONTAINER_OF(reach->ways.next, struct way, node);
		struct vx6_dialing *d = w->dialing;

		vx6_dialing_cancel(d);
		on_way_dialed(w, VX6_ERR(DRAINING), NULL, "shutting down");
	}
	while (!vx6_list_is_empty(&reach->all)) {
		struct vx6_reaching *r =
			VX6_CONTAINER_OF(reach->all.next, struct vx6_reaching, node);

		r->err = VX6_ERR(DRAINING);
		vx6_strlcpy(r->detail, "shutting down", sizeof r->detail);
		give_up(r);
	}
	free(reach);
}

struct vx6_reaching *vx6_reach_open(struct vx6_reach *reach, const struct vx6_target *to,
				    const struct vx6_reach_events *ev, void *user,
				    struct vx6_stream **early)
{
	struct vx6_reaching *r = vx6_zalloc(sizeof *r);
	vx6_err err;

	r->reach = reach;
	r->to = *to;
	r->ev = ev;
	r->user = user;
	vx6_timer_init(reach->cfg.loop, &r->timer, on_timer, r);
	vx6_task_init(&r->fail, on_fail, r);
	vx6_list_push(&reach->all, &r->node);
	reach->n++;
	*early = NULL;
	err = reach->n > WAITING_MAX ? VX6_ERR(FULL) : reach_who(r);
	if (vx6_is_ok(err))
		begin(r);
	else if (err.code != VX6_E_AGAIN)
		fail_later(r, err);
	if (r->opening)
		*early = vx6_opening_stream(r->opening);
	r->early_given = *early != NULL;
	return r;
}

void vx6_reach_cancel(struct vx6_reaching *r)
{
	reaching_free(r);
}

void vx6_reach_direct(struct vx6_reach *reach, const struct vx6_node_id *node)
{
	struct vx6_reaching r = {.reach = reach, .has_node = true, .id = *node};

	if (!reach->stopping && !live_session(&r) && !way_find(&r))
		(void)way_make(&r);
}
