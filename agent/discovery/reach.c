/*
 * Attempts to reach a service, and the dials they share.
 *
 *   resolve -> session live -> OPEN sent -> answer
 *           -> no session  -> way (one dial for all who want the same node or address) -> OPEN sent -> answer
 *
 * An attempt without an answer for PATIENCE_MS has its session probed, so that a peer that died silently is found out in seconds; after
 * OPEN_TIMEOUT_MS it ends. One that failed with its session, before its owner could write early bytes, is made once more.
 */
#include "discovery/reach.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "discovery/known.h"
#include "discovery/peers.h"
#include "discovery/registry.h"
#include "session/session.h"

enum {
	PATIENCE_MS = 1500,
	PROBE_MS = 2000,
	OPEN_TIMEOUT_MS = 10000,
	TRIES_MAX = 2,
	WAITING_MAX = 65536, /* attempts under way */
};

/* One dial, and the attempts that wait for it. */
struct way {
	struct vx6_list node;
	struct vx6_reach *reach;
	struct vx6_addr address; /* address form without a node id */
	bool has_node;
	struct vx6_node_id id;
	unsigned via;
	struct vx6_dialing *dialing;
	struct vx6_list waiting;
};

struct vx6_reaching {
	struct vx6_list node; /* vx6_reach.all, or way.waiting */
	struct vx6_reach *reach;
	struct vx6_target to;
	const struct vx6_reach_events *ev;
	void *user;
	bool has_node; /* `id` is resolved */
	bool by_claim; /* and came from a name that the node gave itself: pinned once it worked */
	struct vx6_node_id id;
	uint64_t session;
	struct vx6_opening *opening;
	struct vx6_timer timer;
	uint64_t deadline_ns;
	struct vx6_task fail;
	vx6_err err;
	char detail[VX6_DIAL_DETAIL_MAX];
	unsigned tries;
	bool early_given;
};

struct vx6_reach {
	struct vx6_reach_config cfg;
	struct vx6_list all;
	struct vx6_list ways;
	size_t n;
};

static void begin(struct vx6_reaching *r);

/* ---- the end of an attempt ---- */

static void reaching_free(struct vx6_reaching *r)
{
	vx6_list_remove(&r->node);
	vx6_timer_stop(&r->timer);
	vx6_task_cancel(&r->fail);
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

static void fail_later(struct vx6_reaching *r, vx6_err err)
{
	r->err = err;
	if (!r->detail[0])
		vx6_strlcpy(r->detail, vx6_err_text(err), sizeof r->detail);
	vx6_loop_defer(r->reach->cfg.loop, &r->fail);
}

/* ---- who and where ---- */

static unsigned via_of(const struct vx6_reaching *r)
{
	enum vx6_transport_choice c =
		r->to.transport != VX6_TRANSPORT_AUTO ? r->to.transport : r->reach->cfg.transport;

	return vx6_via_of(c);
}

/* A peer that is known by its address only is whoever answered there. The first that was used under the name is the one that is meant. */
static vx6_err check_pin(struct vx6_reaching *r)
{
	char was[VX6_NODE_ID_SHORT], is[VX6_NODE_ID_SHORT];
	struct vx6_node_id pin;

	r->by_claim = true;
	if (!vx6_registry_pinned(r->reach->cfg.registry, r->to.node, &pin) ||
	    vx6_node_id_eq(&pin, &r->id))
		return VX6_OK;
	snprintf(r->detail, sizeof r->detail,
		 "%s stands for %s here, but %s answers at its address now; give the peer that "
		 "node_id if it is right",
		 r->to.node, vx6_node_id_format_short(&pin, was),
		 vx6_node_id_format_short(&r->id, is));
	return VX6_ERR(WRONG_PEER);
}

static vx6_err resolve(struct vx6_reaching *r)
{
	const struct vx6_reach_config *cfg = &r->reach->cfg;
	vx6_err err;

	if (r->to.has_node_id) {
		r->id = r->to.node_id;
		r->has_node = true;
		return VX6_OK;
	}
	if (r->to.address.family != VX6_ADDR_NONE)
		return VX6_OK;
	if (vx6_peers_by_name(cfg->peers, r->to.node, &r->id)) {
		r->has_node = true;
		return vx6_peers_gives_id(cfg->peers, r->to.node) ? VX6_OK : check_pin(r);
	}
	if (vx6_peers_has_name(cfg->peers, r->to.node)) {
		vx6_peers_hurry(cfg->peers);
		snprintf(r->detail, sizeof r->detail, "peer %s has not been reached yet",
			 r->to.node);
		return VX6_ERR(PEER_UNREACHABLE);
	}
	err = vx6_registry_resolve(cfg->registry, r->to.node, vx6_wall_s(), &r->id, r->detail,
				   sizeof r->detail);
	r->has_node = r->by_claim = vx6_is_ok(err);
	/* to the one who connects, a name that changed hands is a peer that is not the expected one */
	return err.code == VX6_E_MISMATCH ? VX6_ERR(WRONG_PEER) : err;
}

static struct vx6_session *live_session(const struct vx6_reaching *r)
{
	struct vx6_sessions *m = r->reach->cfg.sessions;

	if (r->has_node)
		return vx6_sessions_find(m, &r->id, via_of(r));
	return vx6_sessions_find_dialed(m, &r->to.address, via_of(r));
}

/* ---- dials shared by attempts ---- */

static void start_open(struct vx6_reaching *r, struct vx6_session *s);

static void on_way_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct way *w = user;
	struct vx6_list *node;
	uint64_t id = s ? vx6_session_id(s) : 0;
	struct vx6_reach *reach = w->reach;
	struct vx6_list waiting;

	vx6_list_remove(&w->node);
	vx6_list_init(&waiting);
	vx6_list_splice(&waiting, &w->waiting);
	free(w);
	while ((node = vx6_list_pop(&waiting)) != NULL) {
		struct vx6_reaching *r = VX6_CONTAINER_OF(node, struct vx6_reaching, node);

		vx6_list_push(&reach->all, &r->node);
		vx6_strlcpy(r->detail, detail, sizeof r->detail);
		/* a callback of another attempt may have closed it meanwhile */
		s = id ? vx6_sessions_by_id(reach->cfg.sessions, id) : NULL;
		if (s)
			start_open(r, s);
		else
			fail_later(r, err.code == VX6_E_WRONG_PEER || err.code == VX6_E_DRAINING
					      ? err
					      : VX6_ERR(PEER_UNREACHABLE));
	}
}

static struct way *way_find(struct vx6_reaching *r)
{
	VX6_LIST_EACH(node, &r->reach->ways)
	{
		struct way *w = VX6_CONTAINER_OF(node, struct way, node);

		if (w->via != via_of(r) || w->has_node != r->has_node ||
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
	w->via = via_of(r);
	vx6_list_init(&w->waiting);
	if (r->to.address.family != VX6_ADDR_NONE) {
		req.addrs[0] = r->to.address;
		req.via[req.addrs_n++] = (uint8_t)via_of(r);
	} else {
		vx6_known_addrs(r->reach->cfg.peers, r->reach->cfg.registry, &r->id, via_of(r),
				&req);
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
		snprintf(r->detail, sizeof r->detail, "no address is known for that node");
		fail_later(r, VX6_ERR(PEER_UNREACHABLE));
		return;
	}
	vx6_list_remove(&r->node);
	vx6_list_push(&w->waiting, &r->node);
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
		if (r->by_claim)
			vx6_registry_pin(r->reach->cfg.registry, r->to.node, &r->id);
		reaching_free(r);
		ev->outcome(ev_user, err, "", stream, rest, rest_n, fin);
		return;
	}
	if (is_session_failure(err) && !r->early_given && r->tries < TRIES_MAX) {
		begin(r);
		return;
	}
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

	if (vx6_loop_now_ns(r->reach->cfg.loop) < r->deadline_ns) {
		if (s)
			vx6_session_probe(s, PROBE_MS);
		vx6_timer_at(&r->timer, r->deadline_ns);
		return;
	}
	vx6_opening_cancel(r->opening);
	r->opening = NULL;
	r->err = VX6_ERR(TIMEOUT);
	vx6_strlcpy(r->detail, "the service's node did not answer in time", sizeof r->detail);
	give_up(r);
}

static void start_open(struct vx6_reaching *r, struct vx6_session *s)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE};
	vx6_err err;

	vx6_strlcpy(what.name, r->to.service, sizeof what.name);
	r->session = vx6_session_id(s);
	err = vx6_session_open(s, &what, &opening_events, r, &r->opening);
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

static void begin(struct vx6_reaching *r)
{
	struct vx6_session *s = live_session(r);

	r->tries++;
	if (s)
		start_open(r, s);
	else
		start_dial(r);
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
	while (!vx6_list_is_empty(&reach->ways)) {
		struct way *w = VX6_CONTAINER_OF(reach->ways.next, struct way, node);
		struct vx6_dialing *d = w->dialing;

		vx6_dialing_cancel(d);
		on_way_dialed(w, VX6_ERR(DRAINING), NULL, "shutting down");
	}
	while (!vx6_list_is_empty(&reach->all)) {
		struct vx6_reaching *r =
			VX6_CONTAINER_OF(reach->all.next, struct vx6_reaching, node);

		if (r->opening)
			vx6_opening_cancel(r->opening);
		r->err = VX6_ERR(DRAINING);
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
	err = reach->n > WAITING_MAX ? VX6_ERR(FULL) : resolve(r);
	if (vx6_is_ok(err))
		begin(r);
	else
		fail_later(r, err);
	if (r->opening)
		*early = vx6_opening_stream(r->opening);
	r->early_given = *early != NULL;
	return r;
}

void vx6_reach_cancel(struct vx6_reaching *r)
{
	if (r->opening)
		vx6_opening_cancel(r->opening);
	reaching_free(r);
}
