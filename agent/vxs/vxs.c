/*
 * All resumable streams of a node: the tables by id and by peer, one timer for whatever they wait for, one task for what they report.
 *
 * A stream belongs to the table from vxs_new() until the task frees it: when it is over, its user was told, and it has no carrier.
 */
#include "vxs/vxs.h"

#include <string.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "vxs/vxs_internal.h"
#include "wire/code.h"

enum { STALLED_MAX = 16 }; /* links reported in one turn of the timer */

/* ---- tables ---- */

struct vxs_peer *vxs_peer_find(const struct vx6_vxs *m, uint64_t scope,
			       const struct vx6_node_id *node)
{
	const struct vxs_owner of = {.scope = scope, .node = *node};
	struct vxs_peer *p;

	HASH_FIND(hh, m->peers, &of, sizeof of, p);
	return p;
}

static void key_make(struct vxs_key *key, const struct vx6_vxs_via *via,
		     const uint8_t id[static VX6_VXS_ID_BYTES], enum vxs_role role)
{
	key->scope = via->scope;
	memcpy(key->node, via->peer, sizeof key->node);
	memcpy(key->id, id, sizeof key->id);
	key->role = role;
}

struct vxs_stream *vxs_find(struct vx6_vxs *m, const struct vx6_vxs_via *via,
			    const uint8_t id[static VX6_VXS_ID_BYTES], enum vxs_role role)
{
	struct vxs_stream *v;
	struct vxs_key key;

	key_make(&key, via, id, role);
	HASH_FIND(hh, m->table, &key, sizeof key, v);
	return v;
}

static struct vxs_peer *peer_get(struct vx6_vxs *m, uint64_t scope, const struct vx6_node_id *node)
{
	struct vxs_peer *p = vxs_peer_find(m, scope, node);

	if (!p) {
		p = vx6_zalloc(sizeof *p);
		p->of = (struct vxs_owner){.scope = scope, .node = *node};
		vx6_list_init(&p->streams);
		HASH_ADD(hh, m->peers, of, sizeof p->of, p);
	}
	return p;
}

struct vxs_stream *vxs_new(struct vx6_vxs *m, const struct vx6_vxs_via *via,
			   const uint8_t id[static VX6_VXS_ID_BYTES], enum vxs_role role)
{
	struct vxs_stream *v;

	if (vxs_find(m, via, id, role))
		return NULL;
	v = vx6_zalloc(sizeof *v);
	v->base.ops = &vxs_ops;
	v->base.link = via->link;
	v->via_route = via->route;
	v->anonymous = via->anonymous;
	v->m = m;
	v->window = VX6_VXS_WINDOW;
	memcpy(v->binding, via->binding, sizeof v->binding);
	key_make(&v->key, via, id, role);
	HASH_ADD(hh, m->table, key, sizeof v->key, v);
	v->peer = peer_get(m, via->scope, via->peer);
	vx6_list_push(&v->peer->streams, &v->of_peer);
	v->peer->n++;
	m->n++;
	return v;
}

static void stream_free(struct vxs_stream *v)
{
	struct vx6_vxs *m = v->m;
	struct vxs_peer *p = v->peer;

	vxs_drop_kept(v);
	vx6_list_remove(&v->acking);
	vx6_list_remove(&v->afloat);
	vx6_list_remove(&v->work);
	vx6_list_remove(&v->of_peer);
	HASH_DEL(m->table, v);
	free(v->prologue);
	vx6_wipe_free(v, sizeof *v);
	m->n--;
	if (--p->n > 0)
		return;
	vx6_list_remove(&p->lost);
	HASH_DEL(m->peers, p);
	free(p);
}

/* ---- the task: what may not be done inside a call down ---- */

void vxs_work(struct vxs_stream *v)
{
	if (!vx6_list_is_linked(&v->work))
		vx6_list_push(&v->m->work, &v->work);
	vx6_loop_defer(v->m->cfg.loop, &v->m->task);
}

static void work(struct vxs_stream *v)
{
	if (v->ended && !v->told_end) {
		v->told_end = true;
		if (v->ev && v->ev->closed)
			v->ev->closed(vxs_as_stream(v), v->why, v->code, v->user);
		v->ev = NULL;
	}
	if (v->ended && !v->carrier && !v->tomb)
		stream_free(v);
	else
		vxs_flush(v);
}

static void work_all(struct vx6_vxs *m)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&m->work)) != NULL)
		work(VX6_CONTAINER_OF(node, struct vxs_stream, work));
}

static void on_task(struct vx6_task *task)
{
	struct vx6_vxs *m = task->user;
	struct vx6_list *node;

	work_all(m);
	while ((node = vx6_list_pop(&m->lost)) != NULL) {
		struct vx6_node_id who = VX6_CONTAINER_OF(node, struct vxs_peer, lost)->of.node;

		if (m->cfg.ev->adrift)
			m->cfg.ev->adrift(m->cfg.user, &who);
	}
}

/* ---- what a session is, to its streams ---- */

uint64_t vxs_circuit_stall_ns(const struct vx6_link *link)
{
	struct vx6_link_info info = {.srtt_us = 0};

	if (link)
		vx6_link_info(link, &info);
	if (info.srtt_us == 0)
		return VX6_VXS_STALL_MS * VX6_NS_PER_MS;
	return VX6_MAX(VX6_VXS_STALL_CIRCUIT_MS * VX6_NS_PER_MS, UINT64_C(4000) * info.srtt_us);
}

static uint64_t stall_min_ns(const struct vxs_stream *v)
{
	return (v->via_route ? VX6_VXS_STALL_CIRCUIT_MS : VX6_VXS_STALL_MS) * VX6_NS_PER_MS;
}

void vxs_keep_watch(struct vxs_stream *v)
{
	v->progress_ns = vxs_now_ns(v->m);
	vx6_list_push(vxs_keeping(v), &v->keeping);
	vxs_wake_at(v->m, v->progress_ns + stall_min_ns(v));
}

/* On a circuit its time begins anew. */
void vxs_set_via(struct vxs_stream *v, const struct vx6_vxs_via *via)
{
	bool anew = (v->via_route || via->route) && vx6_list_is_linked(&v->keeping);

	if (anew)
		vx6_list_remove(&v->keeping);
	v->base.link = via->link;
	v->via_route = via->route;
	if (anew)
		vxs_keep_watch(v);
}

/* ---- the timer ---- */

void vxs_wake_at(struct vx6_vxs *m, uint64_t due_ns)
{
	if (!vx6_timer_is_armed(&m->timer) || due_ns < m->timer.due_ns)
		vx6_timer_at(&m->timer, due_ns);
}

/* The carrier has had no room for the ACK for a while. */
static bool ack_aside(struct vxs_stream *v)
{
	struct vx6_vxs *m = v->m;

	if (v->ack_tries < ASIDE_TRIES || !v->carrier || !m->cfg.ev->aside ||
	    !m->cfg.ev->aside(m->cfg.user, &v->peer->of.node, v->base.link, v->key.id, v->epoch,
			      vxs_received(v)))
		return false;
	v->told = vxs_received(v);
	v->ack_tries =
		ASIDE_TRIES -
		1; /* the next one waits no longer than usual, until the carrier has room again */
	return true;
}

static void acks_due(struct vx6_vxs *m, uint64_t now_ns)
{
	while (!vx6_list_is_empty(&m->acking)) {
		struct vxs_stream *v = VX6_CONTAINER_OF(m->acking.next, struct vxs_stream, acking);

		if (v->ack_ns > now_ns)
			return;
		vx6_list_remove(&v->acking);
		v->ack_now = true;
		vxs_flush(v);
		if (v->told == vxs_received(v) || v->fixed || !v->carrier)
			continue;
		v->ack_tries++;
		if (ack_aside(v))
			continue;
		v->ack_ns = now_ns + VX6_VXS_ACK_MS * VX6_NS_PER_MS;
		vx6_list_push(&m->acking, &v->acking);
	}
}

/* Links on which something waits for too long; reported once all lists have been looked at, as a report may change them. */
struct stalled {
	struct {
		struct vx6_node_id peer;
		struct vx6_link *link;
	} of[STALLED_MAX];
	size_t n;
	uint64_t next_ns; /* when to look at circuits again */
};

static void stalled_add(struct stalled *s, const struct vxs_stream *v)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->of[i].link == v->base.link)
			return;
	if (s->n == STALLED_MAX || !v->base.link)
		return;
	s->of[s->n].peer = v->peer->of.node;
	s->of[s->n++].link = v->base.link;
}

static void keeping_due(struct vx6_vxs *m, uint64_t now_ns, struct stalled *s)
{
	struct vx6_list *list = &m->keeping[0];

	while (!vx6_list_is_empty(list)) {
		struct vxs_stream *v = VX6_CONTAINER_OF(list->next, struct vxs_stream, keeping);

		if (v->progress_ns + VX6_VXS_STALL_MS * VX6_NS_PER_MS > now_ns)
			return;
		stalled_add(s, v);
		v->progress_ns = now_ns;
		vx6_list_remove(&v->keeping);
		vx6_list_push(list, &v->keeping);
	}
}

/* Each circuit has a time of its own, none less than STALL_CIRCUIT_MS. */
static void keeping_on_circuits_due(struct vx6_list *list, uint64_t now_ns, struct stalled *s)
{
	const struct vx6_link *link = NULL; /* the last one that was asked */
	uint64_t stall_ns = vxs_circuit_stall_ns(NULL);

	VX6_LIST_EACH(node, list)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, keeping);
		uint64_t earliest_ns = v->progress_ns + VX6_VXS_STALL_CIRCUIT_MS * VX6_NS_PER_MS;

		if (earliest_ns > now_ns) {
			s->next_ns = VX6_MIN(s->next_ns, earliest_ns);
			return;
		}
		if (v->base.link != link) {
			link = v->base.link;
			stall_ns = vxs_circuit_stall_ns(link);
		}
		if (v->progress_ns + stall_ns <= now_ns) {
			stalled_add(s, v);
			v->progress_ns = now_ns;
			vx6_list_remove(&v->keeping);
			vx6_list_push(list, &v->keeping);
		}
		s->next_ns = VX6_MIN(s->next_ns, v->progress_ns + stall_ns);
	}
}

/* An attach that is not answered. */
static void attaching_due(struct vxs_stream *v, uint64_t now_ns, struct stalled *s)
{
	uint64_t stall_ns = v->via_route ? vxs_circuit_stall_ns(v->base.link) : stall_min_ns(v);

	if (v->prologue->began_ns + stall_ns <= now_ns) {
		v->prologue->began_ns = now_ns;
		stalled_add(s, v);
	}
	if (v->via_route)
		s->next_ns = VX6_MIN(s->next_ns, v->prologue->began_ns + stall_ns);
}

static void adrift_due(struct vx6_vxs *m, uint64_t now_ns, struct stalled *s)
{
	VX6_LIST_EACH(node, &m->adrift)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, afloat);

		if (v->adrift_ns + m->cfg.grace_ms * VX6_NS_PER_MS <= now_ns) {
			v->tomb = false;
			vxs_end(v, VX6_ERR(TIMEOUT), VX6_CODE_TIMEOUT);
			vx6_list_remove(&v->afloat);
			if (v->carrier)
				vxs_carrier_drop(v, VX6_CODE_TIMEOUT);
			vxs_work(v);
		} else if (v->attaching) {
			attaching_due(v, now_ns, s);
		}
	}
}

static void rearm(struct vx6_vxs *m, uint64_t now_ns, uint64_t next_ns)
{
	if (next_ns != UINT64_MAX)
		vxs_wake_at(m, next_ns);
	if (!vx6_list_is_empty(&m->acking))
		vxs_wake_at(m, VX6_CONTAINER_OF(m->acking.next, struct vxs_stream, acking)->ack_ns);
	if (!vx6_list_is_empty(&m->keeping[0]) || !vx6_list_is_empty(&m->adrift) || m->spare)
		vxs_wake_at(m, now_ns + VX6_VXS_STALL_MS * VX6_NS_PER_MS);
}

static void on_timer(struct vx6_timer *timer)
{
	struct vx6_vxs *m = timer->user;
	uint64_t now_ns = vxs_now_ns(m);
	struct stalled s = {.n = 0, .next_ns = UINT64_MAX};

	acks_due(m, now_ns);
	keeping_due(m, now_ns, &s);
	keeping_on_circuits_due(&m->keeping[1], now_ns, &s);
	keeping_on_circuits_due(&m->keeping[2], now_ns, &s);
	adrift_due(m, now_ns, &s);
	if (now_ns - m->spare_ns >= VX6_VXS_STALL_MS * VX6_NS_PER_MS)
		vxs_spare_free(m);
	for (size_t i = 0; i < s.n && m->cfg.ev->stalled; i++)
		m->cfg.ev->stalled(m->cfg.user, &s.of[i].peer, s.of[i].link);
	rearm(m, now_ns, s.next_ns);
}

/* ---- beginnings ---- */

vx6_err vx6_vxs_open(struct vx6_vxs *m, const struct vx6_vxs_via *via, const struct vx6_open *what,
		     const struct vx6_vxs_routes *routes, const struct vx6_stream_events *ev,
		     void *user, struct vx6_stream **out)
{
	struct vx6_open open = *what;
	uint8_t bytes[VX6_OPEN_MAX];
	struct vx6_stream *carrier;
	struct vxs_stream *v;
	size_t n;

	open.flags |= VX6_OPEN_RESUMABLE;
	vx6_random_bytes(open.stream_id, sizeof open.stream_id);
	VX6_TRY(vx6_open_encode(&open, bytes, &n));
	VX6_TRY(vx6_stream_open(via->link, &vxs_carrier_events, NULL, &carrier));
	v = vxs_new(m, via, open.stream_id, VXS_OPENER);
	VX6_ASSERT(v); /* 128 random bits */
	v->routes = routes ? *routes
			   : (struct vx6_vxs_routes){.route = via->route, .direct = !via->route};
	v->ev = ev;
	v->user = user;
	v->carrier = carrier;
	v->prologue = vx6_zalloc(sizeof *v->prologue);
	memcpy(v->prologue->out, bytes, n);
	v->prologue->out_n = n;
	vx6_stream_set_events(carrier, &vxs_carrier_events, v);
	vxs_flush(v);
	*out = vxs_as_stream(v);
	return VX6_OK;
}

static bool is_nobody(const struct vxs_peer *peer)
{
	static const struct vx6_node_id nobody;

	return vx6_node_id_eq(&peer->of.node, &nobody);
}

/* All that are anonymous share one place: the stream that has been without a carrier for the longest gives way, so that nobody can take it all. */
static bool make_way(struct vx6_vxs *m, const struct vxs_peer *peer)
{
	if (!is_nobody(peer))
		return false;
	VX6_LIST_EACH(node, &m->adrift)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, afloat);

		if (v->peer != peer)
			continue;
		v->tomb = false;
		vxs_end(v, VX6_ERR(LIMIT), VX6_CODE_LIMIT);
		vx6_list_remove(&v->afloat);
		vxs_work(v);
		return true;
	}
	return false;
}

vx6_err vx6_vxs_accept(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		       const struct vx6_open *what, struct vx6_stream *carrier,
		       struct vx6_stream **out)
{
	const struct vxs_peer *peer = vxs_peer_find(m, via->scope, via->peer);
	struct vxs_stream *v;

	/* a link bounds those that ride on it; whoever comes by one after the other leaves the rest adrift */
	if (peer && peer->n >= m->cfg.peer_max && !make_way(m, peer))
		return VX6_ERR(FULL);
	v = vxs_new(m, via, what->stream_id, VXS_ACCEPTOR);
	if (!v)
		return VX6_ERR(EXISTS);
	v->opened = true;
	v->carrier = carrier;
	vx6_stream_set_events(carrier, &vxs_carrier_events, v);
	*out = vxs_as_stream(v);
	return VX6_OK;
}

/* ---- all together ---- */

void vx6_vxs_each_adrift(struct vx6_vxs *m, const struct vx6_node_id *peer, bool circuit,
			 void (*fn)(void *user, const uint8_t id[static VX6_VXS_ID_BYTES],
				    uint32_t epoch),
			 void *user)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);

	if (!p)
		return;
	VX6_LIST_EACH(node, &p->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (v->key.role == VXS_ACCEPTOR && vx6_list_is_linked(&v->afloat) &&
		    (v->via_route != 0) == circuit)
			fn(user, v->key.id, v->epoch);
	}
}

bool vx6_vxs_rides_on(const struct vx6_vxs *m, const struct vx6_node_id *peer,
		      const struct vx6_link *link)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);

	if (!p)
		return false;
	VX6_LIST_EACH(node, &p->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (v->base.link == link && !v->ended && !v->fixed)
			return true;
	}
	return false;
}

/* Whether a session of @p route is what @p v waits for. */
static bool is_for_route(const struct vxs_stream *v, uint64_t route)
{
	if (v->key.role == VXS_ACCEPTOR)
		return route == 0 && v->via_route == 0;
	return v->routes.route == route;
}

bool vx6_vxs_may_leave(const struct vx6_vxs *m, const struct vx6_node_id *peer,
		       const struct vx6_link *link, uint64_t *route)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);
	uint64_t next = 0;

	if (!p)
		return false;
	VX6_LIST_EACH(node, &p->streams)
	{
		const struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (v->key.role == VXS_OPENER && v->base.link == link && !v->via_route &&
		    !v->ended && v->routes.route > *route && (!next || v->routes.route < next))
			next = v->routes.route;
	}
	if (next)
		*route = next;
	return next != 0;
}

bool vx6_vxs_uses_route(const struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t route)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);

	if (!p)
		return false;
	VX6_LIST_EACH(node, &p->streams)
	{
		const struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (v->key.role == VXS_OPENER && v->routes.route == route && !v->ended)
			return true;
	}
	return false;
}

bool vx6_vxs_next_route(const struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t *route)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);
	uint64_t next = 0;

	if (!p)
		return false;
	VX6_LIST_EACH(node, &p->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);
		bool lost = vx6_list_is_linked(&v->afloat) && !v->tomb && !v->carrier;

		if (v->key.role == VXS_OPENER && (lost || (v->move_due && v->got > 0)) &&
		    v->routes.route > *route && (!next || v->routes.route < next))
			next = v->routes.route;
	}
	if (next)
		*route = next;
	return next != 0;
}

unsigned vx6_vxs_adrift(const struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t route)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);
	unsigned bits = 0;

	if (!p)
		return 0;
	VX6_LIST_EACH(node, &p->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (vx6_list_is_linked(&v->afloat) && !v->tomb && is_for_route(v, route) &&
		    (!route || !v->carrier))
			bits |= v->key.role == VXS_OPENER ? VX6_VXS_ADRIFT_OPENED
							  : VX6_VXS_ADRIFT_ACCEPTED;
	}
	return bits;
}

void vx6_vxs_give_up(struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t route, vx6_err why)
{
	struct vxs_peer *p = vxs_peer_find(m, 0, peer);

	if (!p)
		return;
	VX6_LIST_EACH(node, &p->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (!vx6_list_is_linked(&v->afloat) || !is_for_route(v, route))
			continue;
		v->tomb = false;
		vxs_end(v, why, 0);
		vx6_list_remove(&v->afloat);
		vxs_work(v);
	}
}

size_t vx6_vxs_count(const struct vx6_vxs *m)
{
	return m->n;
}

size_t vx6_vxs_kept(const struct vx6_vxs *m)
{
	return m->kept[0] + m->kept[1];
}

struct vx6_vxs *vx6_vxs_new(const struct vx6_vxs_config *cfg)
{
	struct vx6_vxs *m = vx6_zalloc(sizeof *m);

	m->cfg = *cfg;
	if (!m->cfg.keep_max)
		m->cfg.keep_max = VX6_VXS_KEEP_MAX;
	if (!m->cfg.grace_ms)
		m->cfg.grace_ms = VX6_VXS_GRACE_MS;
	if (!m->cfg.peer_max)
		m->cfg.peer_max = VX6_VXS_PEER_MAX;
	for (size_t i = 0; i < VX6_ARRAY_N(m->keeping); i++)
		vx6_list_init(&m->keeping[i]);
	vx6_list_init(&m->acking);
	vx6_list_init(&m->adrift);
	vx6_list_init(&m->work);
	vx6_list_init(&m->lost);
	vx6_task_init(&m->task, on_task, m);
	vx6_timer_init(cfg->loop, &m->timer, on_timer, m);
	return m;
}

void vx6_vxs_stop(struct vx6_vxs *m)
{
	m->stopping = true;
}

void vx6_vxs_free(struct vx6_vxs *m)
{
	struct vxs_stream *v, *next;

	if (!m)
		return;
	m->stopping = true;
	HASH_ITER(hh, m->table, v, next)
	{
		v->tomb = false;
		vxs_end(v, VX6_ERR(CLOSED), 0);
		vxs_work(v);
	}
	work_all(m);
	VX6_ASSERT(!m->table && !m->peers);
	vx6_task_cancel(&m->task);
	vx6_timer_stop(&m->timer);
	vxs_spare_free(m);
	free(m);
}
