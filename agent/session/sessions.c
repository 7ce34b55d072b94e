/*
 * The manager: listeners, the table of sessions by node, duplicates, drain and end.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "session/session_internal.h"

void byte_queue_put(struct byte_queue *q, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (q->cap - q->n < n) {
		q->cap = VX6_MAX(q->cap * 2, q->n + n);
		q->p = vx6_realloc_array(q->p, q->cap, 1);
	}
	memcpy(q->p + q->n, p, n);
	q->n += n;
}

void byte_queue_drop(struct byte_queue *q, size_t n)
{
	q->n -= n;
	if (q->n > 0)
		memmove(q->p, q->p + n, q->n);
	else
		byte_queue_fini(q);
}

void byte_queue_fini(struct byte_queue *q)
{
	free(q->p);
	*q = (struct byte_queue){0};
}

vx6_err vx6_sessions_new(const struct vx6_sessions_config *cfg, struct vx6_sessions **out)
{
	struct vx6_sessions *m = vx6_zalloc(sizeof *m);

	VX6_ASSERT(!cfg->quic || cfg->quic_ops->abi == VX6_TRANSPORT_ABI);
	VX6_ASSERT(!cfg->tcp || cfg->tcp_ops->abi == VX6_TRANSPORT_ABI);
	m->cfg = *cfg;
	m->family[0] = (struct family){cfg->quic, cfg->quic_ops};
	m->family[1] = (struct family){cfg->tcp, cfg->tcp_ops};
	vx6_list_init(&m->all);
	vx6_list_init(&m->dialings);
	m->vxs = vx6_vxs_new(&(struct vx6_vxs_config){
		.loop = cfg->loop,
		.ev = &resume_events,
		.user = m,
	});
	silence_init(m);
	*out = m;
	return VX6_OK;
}

void vx6_sessions_free(struct vx6_sessions *m)
{
	if (!m)
		return;
	m->draining = true;
	vx6_vxs_stop(m->vxs);
	vx6_timer_stop(&m->silence);
	while (!vx6_list_is_empty(&m->dialings))
		dialing_abort((struct vx6_dialing *)(void *)m->dialings.next);
	for (size_t i = 0; i < m->listeners_n; i++)
		m->listener[i].ops->listener_close(m->listener[i].l);
	/* before what their circuits run over */
	adopted_free_all(m);
	for (size_t i = 0; i < VX6_ARRAY_N(m->family); i++)
		if (m->family[i].t)
			m->family[i].ops->free(m->family[i].t);
	/* a family's free has reported every link down, and with it freed every session */
	VX6_ASSERT(vx6_list_is_empty(&m->all));
	VX6_ASSERT(!m->nodes);
	vx6_vxs_free(m->vxs);
	free(m);
}

vx6_err vx6_sessions_set_key(struct vx6_sessions *m, const struct vx6_subkey *next)
{
	const struct vx6_subkey *old = &m->cfg.identity->subkey;
	vx6_err err = VX6_OK;
	size_t n = 0;

	for (; n < VX6_ARRAY_N(m->family) && vx6_is_ok(err); n++)
		if (m->family[n].t)
			err = m->family[n].ops->set_key(m->family[n].t, &next->key);
	if (vx6_is_ok(err)) {
		m->retired_key = old->key.pk;
		memcpy(m->retired_cert, old->cert_bytes, sizeof m->retired_cert);
		return err;
	}
	while (n-- > 0)
		if (m->family[n].t &&
		    !vx6_is_ok(m->family[n].ops->set_key(m->family[n].t, &old->key)))
			VX6_ERROR("session", "%s has no key that fits any more; restart the agent",
				  m->family[n].ops->name);
	return err;
}

/* ---- listening ---- */

enum { PORT_ATTEMPTS = 16 };

/* One network must not be able to take all links: keys are free, addresses are less so. */
static bool has_too_many(const struct vx6_sessions *m, const uint8_t prefix[static 16])
{
	size_t n = 0;

	VX6_LIST_EACH(node, (struct vx6_list *)&m->all)
	{
		const struct vx6_session *s = VX6_CONTAINER_OF(node, struct vx6_session, all);

		n += s->counted && memcmp(s->prefix, prefix, sizeof s->prefix) == 0;
	}
	return n >= PREFIX_SESSIONS_MAX;
}

static void on_accept(struct vx6_listener *listener, struct vx6_link *link, void *user)
{
	struct vx6_sessions *m = user;
	struct vx6_session *s;
	struct vx6_link_info info;
	uint8_t prefix[16];
	bool counted;

	(void)listener;
	vx6_link_info(link, &info);
	counted = !vx6_addr_is_loopback(&info.remote);
	vx6_addr_prefix(&info.remote, prefix);
	if (m->draining || (counted && has_too_many(m, prefix)))
		return;
	s = session_new(m, link, false);
	s->counted = counted;
	memcpy(s->prefix, prefix, sizeof s->prefix);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

static vx6_err listen_family(struct vx6_sessions *m, const struct family *f, struct vx6_addr *at,
			     char *detail)
{
	struct vx6_listener *l = NULL;
	char text[VX6_ADDR_TEXT];
	vx6_err err = VX6_ERR(FULL);

	if (m->listeners_n < VX6_ARRAY_N(m->listener))
		err = f->ops->listen(f->t, at, &accept_events, m, &l);
	if (!vx6_is_ok(err)) {
		snprintf(detail, VX6_DIAL_DETAIL_MAX, "cannot listen on %s (%s): %s",
			 vx6_addr_format(at, text), f->ops->name, vx6_err_text(err));
		return err;
	}
	m->listener[m->listeners_n].l = l;
	m->listener[m->listeners_n++].ops = f->ops;
	if (at->port == 0) {
		struct vx6_addr bound;

		f->ops->listener_addr(l, &bound);
		at->port = bound.port;
	}
	return VX6_OK;
}

static vx6_err listen_all(struct vx6_sessions *m, struct vx6_addr at, char *detail)
{
	for (size_t i = 0; i < VX6_ARRAY_N(m->family); i++)
		if (m->family[i].t)
			VX6_TRY(listen_family(m, &m->family[i], &at, detail));
	return VX6_OK;
}

vx6_err vx6_sessions_listen(struct vx6_sessions *m, const struct vx6_addr *at, char *detail)
{
	for (unsigned left = PORT_ATTEMPTS;; left--) {
		size_t before = m->listeners_n;
		vx6_err err = listen_all(m, *at, detail);

		if (vx6_is_ok(err))
			return err;
		while (m->listeners_n > before) {
			m->listeners_n--;
			m->listener[m->listeners_n].ops->listener_close(
				m->listener[m->listeners_n].l);
		}
		/* any port was asked for: one that is free for UDP may be taken for TCP */
		if (at->port != 0 || err.code != VX6_E_ADDRESS_IN_USE || left == 0)
			return err;
	}
}

size_t vx6_sessions_bound(const struct vx6_sessions *m,
			  struct vx6_bound out[static 2 * VX6_SESSION_LISTEN_MAX])
{
	for (size_t i = 0; i < m->listeners_n; i++) {
		m->listener[i].ops->listener_addr(m->listener[i].l, &out[i].addr);
		out[i].transport = m->listener[i].ops->name;
	}
	return m->listeners_n;
}

/* ---- the table ---- */

struct vx6_session *session_new(struct vx6_sessions *m, struct vx6_link *link, bool initiator)
{
	struct vx6_session *s = vx6_zalloc(sizeof *s);

	s->m = m;
	s->link = link;
	s->initiator = initiator;
	s->as = m->cfg.identity;
	s->id = ++m->next_id;
	vx6_list_init(&s->openings);
	vx6_list_init(&s->arrivals);
	vx6_list_push(&m->all, &s->all);
	HASH_ADD(by_link, m->links, link, sizeof s->link, s);
	m->count++;
	vx6_link_set_events(link, &session_link_events, s);
	return s;
}

void session_free(struct vx6_session *s)
{
	vx6_timer_stop(&s->timer);
	vx6_timer_stop(&s->probe);
	vx6_task_cancel(&s->flush);
	byte_queue_fini(&s->ctl_in);
	byte_queue_fini(&s->ctl_out);
	byte_queue_fini(&s->records);
	vx6_list_remove(&s->all);
	s->m->count--;
	free(s);
}

enum { LOSER_PROBE_MS = 3000, WINNER_PROBE_MS = 1000 };

static struct node_entry *node_find(struct vx6_sessions *m, const struct vx6_node_id *node)
{
	struct node_entry *e;

	HASH_FIND(hh, m->nodes, node->b, sizeof node->b, e);
	return e;
}

/*
 * Two links between the same two nodes. When each side dialled one, both must keep the same: the one that the node with the larger id
 * dialled. When one side dialled both, it has a reason (it restarted, or lost the old path): the newer stays.
 */
static bool is_older_the_loser(const struct vx6_session *older, const struct vx6_session *newer)
{
	bool we_are_larger;

	if (older->initiator == newer->initiator)
		return true;
	we_are_larger = vx6_node_id_cmp(&newer->m->cfg.identity->id, &newer->node) > 0;
	return older->initiator != we_are_larger;
}

/*
 * The loser is found out if it is dead, and else keeps the streams it has, but for those that can move. A winner that is the older one is looked
 * at as well: a peer that dials anew may have lost it.
 */
static void retire(struct vx6_session *loser, struct vx6_session *winner, bool winner_is_older)
{
	loser->is_duplicate = true;
	vx6_timer_in_ms(&loser->timer, DUPLICATE_GRACE_MS);
	vx6_session_probe(loser, LOSER_PROBE_MS); /* may end it at once */
	if (winner_is_older)
		vx6_session_probe(winner, WINNER_PROBE_MS);
}

/* What gave way to a session that is gone is a full one again. */
static void reinstate(struct node_entry *e, const struct vx6_session *gone)
{
	struct vx6_session *last = NULL;

	VX6_LIST_EACH(node, &e->sessions)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(node, struct vx6_session, peer);

		if (vx6_link_ops(s->link) != vx6_link_ops(gone->link))
			continue;
		if (!s->is_duplicate)
			return;
		last = s;
	}
	if (!last)
		return;
	last->is_duplicate = false;
	vx6_timer_stop(&last->timer);
}

/* A node that dials again and again keeps no more than a few: the oldest of those on their way out go at once. */
static void bound_duplicates(struct node_entry *e, const struct vx6_session *newest)
{
	size_t n = 0;

	VX6_LIST_EACH(node, &e->sessions)
	n++;
	VX6_LIST_EACH(node, &e->sessions)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(node, struct vx6_session, peer);

		if (n <= NODE_SESSIONS_MAX || s == newest)
			return;
		if (!s->is_duplicate)
			continue;
		n--;
		session_fail(s, VX6_ERR(DUPLICATE), "too many links to the same node");
	}
}

void sessions_enter(struct vx6_session *s)
{
	struct node_entry *e = node_find(s->m, &s->node);

	if (!e) {
		e = vx6_zalloc(sizeof *e);
		e->node = s->node;
		vx6_list_init(&e->sessions);
		vx6_list_init(&e->circuits);
		HASH_ADD(hh, s->m->nodes, node.b, sizeof e->node.b, e);
	}
	if (s->circuit) {
		vx6_list_push(&e->circuits, &s->peer);
		return;
	}
	/* first: an entry whose last session leaves is freed, and a loser may leave right here */
	vx6_list_push(&e->sessions, &s->peer);
	VX6_LIST_EACH(node, &e->sessions)
	{
		struct vx6_session *older = VX6_CONTAINER_OF(node, struct vx6_session, peer);

		if (older == s)
			break;
		/* a link of the other family is a second way, not a second copy of the same */
		if (!older->is_duplicate && vx6_link_ops(older->link) == vx6_link_ops(s->link)) {
			bool newer_wins = is_older_the_loser(older, s);

			retire(newer_wins ? older : s, newer_wins ? s : older, !newer_wins);
		}
	}
	bound_duplicates(e, s);
}

void sessions_leave(struct vx6_session *s)
{
	struct node_entry *e;

	if (s->by_link.tbl) {
		HASH_DELETE(by_link, s->m->links, s);
		s->by_link.tbl = NULL;
	}
	if (!vx6_list_is_linked(&s->peer))
		return;
	vx6_list_remove(&s->peer);
	e = node_find(s->m, &s->node);
	if (e && vx6_list_is_empty(&e->sessions) && vx6_list_is_empty(&e->circuits)) {
		HASH_DEL(s->m->nodes, e);
		free(e);
	} else if (e && !s->circuit) {
		reinstate(e, s);
	}
}

struct vx6_session *sessions_on_link(struct vx6_sessions *m, const struct vx6_link *link)
{
	struct vx6_session *s;

	HASH_FIND(by_link, m->links, &link, sizeof link, s);
	return s;
}

struct vx6_session *sessions_accepted_circuit(struct vx6_sessions *m,
					      const struct vx6_node_id *node)
{
	return sessions_best_route(m, node, VX6_ROUTE_ACCEPTED, NULL);
}

static unsigned family_of(const struct vx6_session *s)
{
	const struct vx6_transport_ops *ops = vx6_link_ops(s->link);

	return (ops == s->m->family[0].ops ? VX6_DIAL_QUIC : 0) |
	       (ops == s->m->family[1].ops ? VX6_DIAL_TCP : 0);
}

struct vx6_session *vx6_sessions_find_dialed(struct vx6_sessions *m, const struct vx6_addr *addr,
					     unsigned via)
{
	VX6_LIST_EACH(n, &m->all)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(n, struct vx6_session, all);

		if (s->initiator && !s->circuit && !s->anonymous && s->state == SESSION_UP &&
		    (family_of(s) & via) && vx6_addr_eq(&s->dialed, addr))
			return s;
	}
	return NULL;
}

/* Better: not on its way out, then not in doubt, then the newer. */
static int grade(const struct vx6_session *s)
{
	return (s->is_duplicate ? 0 : 1) + (vx6_timer_is_armed(&s->probe) ? 0 : 2);
}

struct vx6_session *vx6_sessions_find(struct vx6_sessions *m, const struct vx6_node_id *node,
				      unsigned via)
{
	struct node_entry *e = node_find(m, node);
	struct vx6_session *best = NULL;

	if (!e)
		return NULL;
	VX6_LIST_EACH(n, &e->sessions)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(n, struct vx6_session, peer);

		if (s->state == SESSION_UP && (family_of(s) & via) &&
		    (!best || grade(s) >= grade(best)))
			best = s;
	}
	return best;
}

/* @return whether @p a is better: not in doubt, then the shorter way, then the newer, which is @p a */
static bool is_better_route(const struct vx6_session *a, const struct vx6_session *b)
{
	bool doubt_a = a->stalled || vx6_timer_is_armed(&a->probe);
	bool doubt_b = b->stalled || vx6_timer_is_armed(&b->probe);
	struct vx6_link_info at_a, at_b;

	if (doubt_a != doubt_b)
		return doubt_b;
	vx6_link_info(a->link, &at_a);
	vx6_link_info(b->link, &at_b);
	return at_a.srtt_us - 1 <= at_b.srtt_us - 1; /* 0, unknown, is the longest */
}

struct vx6_session *sessions_best_route(struct vx6_sessions *m, const struct vx6_node_id *node,
					uint64_t route, const struct vx6_session *but)
{
	struct node_entry *e = node_find(m, node);
	struct vx6_session *best = NULL;

	if (!e)
		return NULL;
	VX6_LIST_EACH(n, &e->circuits)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(n, struct vx6_session, peer);

		if (s != but && s->route == route && s->state == SESSION_UP &&
		    (!best || is_better_route(s, best)))
			best = s;
	}
	return best;
}

struct vx6_session *vx6_sessions_find_route(struct vx6_sessions *m, const struct vx6_node_id *node,
					    uint64_t route)
{
	return sessions_best_route(m, node, route, NULL);
}

struct vx6_session *vx6_sessions_by_id(struct vx6_sessions *m, uint64_t id)
{
	VX6_LIST_EACH(n, &m->all)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(n, struct vx6_session, all);

		if (s->id == id)
			return s;
	}
	return NULL;
}

static void each(struct vx6_sessions *m, bool circuit,
		 void (*fn)(struct vx6_session *s, void *user), void *user)
{
	VX6_LIST_EACH(n, &m->all)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(n, struct vx6_session, all);

		if (s->circuit == circuit && s->was_up && s->state != SESSION_DEAD)
			fn(s, user);
	}
}

void vx6_sessions_each(struct vx6_sessions *m, void (*fn)(struct vx6_session *s, void *user),
		       void *user)
{
	each(m, false, fn, user);
}

void vx6_sessions_each_circuit(struct vx6_sessions *m,
			       void (*fn)(struct vx6_session *s, void *user), void *user)
{
	each(m, true, fn, user);
}

/*
 * That this node goes says its relay info, too: where nobody knows which node it is that would be a hint, given to the millisecond. Such a session
 * ends with its circuit.
 */
static bool ends_unannounced(const struct vx6_session *s)
{
	return s->circuit && (s->scope || s->anonymous);
}

static void drain_one(struct vx6_session *s, void *user)
{
	(void)user;
	if (!ends_unannounced(s)) {
		control_goaway(s, VX6_ERR(DRAINING));
		vx6_link_drain(s->link);
	}
	if (s->state == SESSION_UP)
		s->state = SESSION_DRAIN;
}

void vx6_sessions_drain(struct vx6_sessions *m)
{
	m->draining = true;
	each(m, true, drain_one, NULL);
	each(m, false, drain_one, NULL);
}

size_t vx6_sessions_count(const struct vx6_sessions *m)
{
	return m->count;
}

size_t vx6_session_streams(const struct vx6_session *s)
{
	struct vx6_link_info info;

	if (!s->was_up || s->state == SESSION_DEAD)
		return 0;
	vx6_link_info(s->link, &info);
	/* the control stream lives as long as the link and carries nobody's bytes */
	return info.streams > 0 && s->control ? info.streams - 1 : info.streams;
}

size_t vx6_sessions_streams(const struct vx6_sessions *m)
{
	size_t n = 0;

	VX6_LIST_EACH(node, (struct vx6_list *)&m->all)
	n += vx6_session_streams(VX6_CONTAINER_OF(node, struct vx6_session, all));
	return n;
}

static void rebind_one(struct vx6_session *s, void *user)
{
	const struct vx6_transport_ops *ops = vx6_link_ops(s->link);

	(void)user;
	if (ops->link_rebind)
		ops->link_rebind(s->link);
	resume_moved(s);
}

void vx6_sessions_rebind(struct vx6_sessions *m)
{
	vx6_sessions_each(m, rebind_one, NULL);
}
