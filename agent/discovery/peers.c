#include "discovery/peers.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "crypto/table.h"

enum {
	BACKOFF_FIRST_MS = 250,
	BACKOFF_MAX_MS = 3000,
	BACKOFF_LONG_MS = 30000,
	LONG_AFTER_MS = 5 * 60 * 1000,
	DOUBT_PROBE_MS = 2000,
	LASTING_MS =
		10000, /* a session that lived so long was a success: the backoff begins anew */
};

struct peer {
	struct vx6_list node;
	struct vx6_peers *p;
	char id[VX6_PEER_ID_MAX];
	struct vx6_peer_spec spec;
	struct vx6_peer_status st;
	struct vx6_dialing *dialing;
	struct vx6_timer retry;
	uint32_t backoff_ms;
	uint64_t failing_since_ms; /* wall clock, 0: not */
	struct vx6_ratelimit complaints;
	UT_hash_handle by_id;
};

struct vx6_peers {
	struct vx6_peers_config cfg;
	struct vx6_list all;
	size_t n;
	struct peer *ids;
};

static void dial(struct peer *e);

static void set_state(struct peer *e, enum vx6_peer_state state)
{
	enum vx6_peer_state before = e->st.state;

	if (before == state)
		return;
	e->st.state = state;
	e->st.since_ms = vx6_wall_ms();
	if (e->p->cfg.changed)
		e->p->cfg.changed(e->p->cfg.user, e->id, before, &e->st);
}

static void back_off(struct peer *e)
{
	uint64_t now = vx6_wall_ms();
	uint32_t cap = BACKOFF_MAX_MS;

	if (!e->failing_since_ms)
		e->failing_since_ms = now;
	if (now - e->failing_since_ms > LONG_AFTER_MS)
		cap = BACKOFF_LONG_MS;
	e->backoff_ms = e->backoff_ms ? VX6_MIN(e->backoff_ms * 2, cap) : BACKOFF_FIRST_MS;
	vx6_timer_in_ms(&e->retry,
			e->backoff_ms - e->backoff_ms / 8 + vx6_random_below(e->backoff_ms / 4));
	set_state(e, VX6_PEER_BACKOFF);
	e->st.failing_told = true;
}

static void succeeded(struct peer *e, struct vx6_session *s)
{
	const struct vx6_node_id *node = vx6_session_node(s);

	e->st.session = vx6_session_id(s);
	e->st.known = true;
	e->st.node = *node;
	e->failing_since_ms = 0;
	e->st.failing_told = false;
	vx6_timer_stop(&e->retry);
	set_state(e, VX6_PEER_UP);
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct peer *e = user;

	e->dialing = NULL;
	vx6_strlcpy(e->st.race, detail, sizeof e->st.race);
	if (vx6_is_ok(err)) {
		succeeded(e, s);
		return;
	}
	e->st.last_err = err;
	e->st.last_err_ms = vx6_wall_ms();
	if (vx6_log_allow(&e->complaints, "discovery", 3, 60000))
		VX6_INFO("discovery", "peer %s: %s (" VX6_LOG_EITHER "); trying again",
			 e->spec.name[0] ? e->spec.name : e->id, vx6_err_text(err), detail,
			 vx6_err_name(err));
	back_off(e);
}

static uint8_t via_of(enum vx6_transport_choice c)
{
	if (c == VX6_TRANSPORT_QUIC_ONLY)
		return VX6_DIAL_QUIC;
	return c == VX6_TRANSPORT_TCP_ONLY ? VX6_DIAL_TCP : VX6_DIAL_ANY;
}

static void add_addrs(const struct peer *e, struct vx6_dial_request *req)
{
	for (size_t i = 0; i < e->spec.addrs_n && req->addrs_n < VX6_DIAL_ADDRS_MAX; i++) {
		req->addrs[req->addrs_n] = e->spec.addrs[i];
		req->via[req->addrs_n++] = via_of(e->p->cfg.transport);
	}
}

/* A live session with the node that this peer must be, or that answered at one of its addresses. */
static struct vx6_session *existing(struct peer *e)
{
	struct vx6_session *s = NULL;

	if (e->spec.has_node_id)
		return vx6_sessions_find(e->p->cfg.sessions, &e->spec.node_id, VX6_DIAL_ANY);
	for (size_t i = 0; i < e->spec.addrs_n && !s; i++)
		s = vx6_sessions_find_dialed(e->p->cfg.sessions, &e->spec.addrs[i], VX6_DIAL_ANY);
	return s;
}

static void dial(struct peer *e)
{
	struct vx6_dial_request req = {.expect_node = e->spec.has_node_id, .node = e->spec.node_id};
	struct vx6_session *s = existing(e);

	/* a new spec may be dialled before the backoff is over: one dial at a time */
	vx6_timer_stop(&e->retry);
	if (e->dialing)
		return;
	if (s) {
		succeeded(e, s);
		return;
	}
	add_addrs(e, &req);
	e->dialing = vx6_sessions_dial(e->p->cfg.sessions, &req, on_dialed, e);
	set_state(e, e->dialing ? VX6_PEER_DIALING : VX6_PEER_IDLE);
}

static void on_retry(struct vx6_timer *timer)
{
	dial(timer->user);
}

/* ---- the table ---- */

struct vx6_peers *vx6_peers_new(const struct vx6_peers_config *cfg)
{
	struct vx6_peers *p = vx6_zalloc(sizeof *p);

	p->cfg = *cfg;
	vx6_list_init(&p->all);
	return p;
}

static void peer_stop(struct peer *e)
{
	vx6_timer_stop(&e->retry);
	if (e->dialing)
		vx6_dialing_cancel(e->dialing);
	e->dialing = NULL;
}

static void peer_free(struct peer *e)
{
	peer_stop(e);
	vx6_list_remove(&e->node);
	HASH_DELETE(by_id, e->p->ids, e);
	e->p->n--;
	free(e);
}

void vx6_peers_free(struct vx6_peers *p)
{
	if (!p)
		return;
	while (!vx6_list_is_empty(&p->all))
		peer_free(VX6_CONTAINER_OF(p->all.next, struct peer, node));
	free(p);
}

static struct peer *find(const struct vx6_peers *p, const char *id)
{
	struct peer *found;

	HASH_FIND(by_id, p->ids, id, strlen(id), found);
	return found;
}

static struct peer *find_name(const struct vx6_peers *p, const char *name)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&p->all)
	{
		struct peer *e = VX6_CONTAINER_OF(node, struct peer, node);

		if (e->spec.name[0] && strcmp(e->spec.name, name) == 0)
			return e;
	}
	return NULL;
}

static void close_session(struct peer *e, vx6_err why)
{
	struct vx6_session *s =
		e->st.session ? vx6_sessions_by_id(e->p->cfg.sessions, e->st.session) : NULL;

	e->st.session = 0;
	if (s)
		vx6_session_close(s, why);
}

static bool still_fits(const struct peer *e, const struct vx6_peer_spec *spec)
{
	if (!spec->enabled || spec->addrs_n != e->spec.addrs_n)
		return false;
	for (size_t i = 0; i < spec->addrs_n; i++)
		if (!vx6_addr_eq(&spec->addrs[i], &e->spec.addrs[i]))
			return false;
	return !spec->has_node_id || (e->st.known && vx6_node_id_eq(&spec->node_id, &e->st.node));
}

vx6_err vx6_peers_put(struct vx6_peers *p, const char *id, const struct vx6_peer_spec *spec)
{
	struct peer *e = find(p, id);
	struct peer *same_name = spec->name[0] ? find_name(p, spec->name) : NULL;

	if (same_name && same_name != e)
		return VX6_ERR(EXISTS);
	if (!e) {
		if (p->n >= VX6_PEERS_MAX)
			return VX6_ERR(FULL);
		e = vx6_zalloc(sizeof *e);
		e->p = p;
		e->st.since_ms = vx6_wall_ms();
		vx6_strlcpy(e->id, id, sizeof e->id);
		vx6_timer_init(p->cfg.loop, &e->retry, on_retry, e);
		vx6_list_push(&p->all, &e->node);
		HASH_ADD_KEYPTR(by_id, p->ids, e->id, strlen(e->id), e);
		p->n++;
	} else if (!still_fits(e, spec)) {
		peer_stop(e);
		close_session(e, VX6_ERR(DRAINING));
		e->st.known = false;
	}
	e->spec = *spec;
	e->backoff_ms = 0;
	if (!spec->enabled)
		set_state(e, VX6_PEER_IDLE);
	else if (!e->st.session && !e->dialing)
		dial(e);
	return VX6_OK;
}

void vx6_peers_delete(struct vx6_peers *p, const char *id)
{
	struct peer *e = find(p, id);

	if (!e)
		return;
	close_session(e, VX6_ERR(DRAINING));
	peer_free(e);
}

bool vx6_peers_status(const struct vx6_peers *p, const char *id, struct vx6_peer_status *out)
{
	const struct peer *e = find(p, id);

	if (e)
		*out = e->st;
	return e != NULL;
}

/* ---- sessions ---- */

void vx6_peers_session_up(struct vx6_peers *p, struct vx6_session *s)
{
	const struct vx6_node_id *node = vx6_session_node(s);

	VX6_LIST_EACH(n, &p->all)
	{
		struct peer *e = VX6_CONTAINER_OF(n, struct peer, node);

		/* the other side was quicker; a dial of our own that is under way ends as the duplicate it is */
		if (node && e->spec.enabled && e->spec.has_node_id && !e->st.session &&
		    vx6_node_id_eq(node, &e->spec.node_id))
			succeeded(e, s);
	}
}

/* What is left when @p s is gone. A link that gave way to another one with the same node is replaced by that, wherever it was dialled. */
static struct vx6_session *remaining(struct peer *e, const struct vx6_session *s, vx6_err why)
{
	struct vx6_session *left = existing(e);

	if (!left && why.code == VX6_E_DUPLICATE && vx6_session_node(s))
		left = vx6_sessions_find(e->p->cfg.sessions, vx6_session_node(s), VX6_DIAL_ANY);
	return left;
}

void vx6_peers_session_down(struct vx6_peers *p, struct vx6_session *s, vx6_err why)
{
	VX6_LIST_EACH(n, &p->all)
	{
		struct peer *e = VX6_CONTAINER_OF(n, struct peer, node);
		struct vx6_session *left;

		if (e->st.session != vx6_session_id(s))
			continue;
		e->st.session = 0;
		e->st.last_err = why;
		e->st.last_err_ms = vx6_wall_ms();
		if (e->st.last_err_ms - vx6_session_up_since_ms(s) > LASTING_MS)
			e->backoff_ms = 0;
		left = remaining(e, s, why);
		if (left)
			succeeded(e, left);
		else if (e->spec.enabled && !e->dialing)
			back_off(e);
	}
}

bool vx6_peers_owns(const struct vx6_peers *p, const struct vx6_session *s)
{
	VX6_LIST_EACH(n, (struct vx6_list *)&p->all)
	if (VX6_CONTAINER_OF(n, struct peer, node)->st.session == vx6_session_id(s))
		return true;
	return false;
}

static void hurry(struct peer *e)
{
	if (e->st.state != VX6_PEER_BACKOFF || !e->spec.enabled)
		return;
	e->backoff_ms = 0;
	vx6_timer_in_ms(&e->retry, 0);
}

void vx6_peers_hurry(struct vx6_peers *p)
{
	VX6_LIST_EACH(n, &p->all)
	hurry(VX6_CONTAINER_OF(n, struct peer, node));
}

void vx6_peers_doubt(struct vx6_peers *p, const char *name)
{
	struct peer *e = find_name(p, name);
	struct vx6_session *s = NULL;

	if (!e)
		return;
	if (e->st.session)
		s = vx6_sessions_by_id(p->cfg.sessions, e->st.session);
	if (s)
		vx6_session_probe(s, DOUBT_PROBE_MS);
	else
		hurry(e);
}

bool vx6_peers_has_name(const struct vx6_peers *p, const char *name)
{
	return find_name(p, name) != NULL;
}

bool vx6_peers_by_name(const struct vx6_peers *p, const char *name, struct vx6_node_id *out)
{
	const struct peer *e = find_name(p, name);

	if (!e || (!e->spec.has_node_id && !e->st.known))
		return false;
	*out = e->spec.has_node_id ? e->spec.node_id : e->st.node;
	return true;
}

bool vx6_peers_gives_id(const struct vx6_peers *p, const char *name)
{
	const struct peer *e = find_name(p, name);

	return e && e->spec.has_node_id;
}

static bool is_node(const struct peer *e, const struct vx6_node_id *node)
{
	if (e->spec.has_node_id)
		return vx6_node_id_eq(&e->spec.node_id, node);
	return e->st.known && vx6_node_id_eq(&e->st.node, node);
}

void vx6_peers_addrs(const struct vx6_peers *p, const struct vx6_node_id *node,
		     struct vx6_dial_request *req)
{
	VX6_LIST_EACH(n, (struct vx6_list *)&p->all)
	{
		struct peer *e = VX6_CONTAINER_OF(n, struct peer, node);

		if (is_node(e, node))
			add_addrs(e, req);
	}
}

bool vx6_peers_has_node(const struct vx6_peers *p, const struct vx6_node_id *node)
{
	VX6_LIST_EACH(n, (struct vx6_list *)&p->all)
	if (is_node(VX6_CONTAINER_OF(n, struct peer, node), node))
		return true;
	return false;
}
