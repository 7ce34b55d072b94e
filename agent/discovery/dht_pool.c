/*
 * Sessions as the DHT sees them.
 *
 * A contact is a node at an address, and its place in the key space comes from the address's prefix. A session with the node leads to the
 * contact when the node was met at that prefix: the session came from there, or was dialled to there. Once that is so for one session
 * of a node it holds for all of them, or two nodes that know each other by several addresses would dial for every request.
 */
#include <string.h>

#include "discovery/dht_link_internal.h"

enum { SWEEP_MS = 60 * 1000 };

void link_session_remote(const struct link_session *ds, struct vx6_addr *out, uint8_t prefix[16])
{
	struct vx6_link_info info;

	vx6_session_info(ds->s, &info);
	*out = info.remote;
	vx6_addr_prefix(out, prefix);
}

static void contact_prefix(const struct vx6_dht_contact *c, uint8_t out[16])
{
	struct vx6_addr a;

	vx6_dht_contact_addr(c, &a);
	vx6_addr_prefix(&a, out);
}

/* ---- closing ---- */

static void forget_warm(struct link_pool *p, struct link_session *ds)
{
	if (!vx6_list_is_linked(&ds->warm))
		return;
	vx6_list_remove(&ds->warm);
	p->warm_n--;
}

/* Nobody has a stream on it but the session itself, and nobody else counts on it. */
static bool may_close(const struct link_pool *p, const struct link_session *ds)
{
	struct vx6_link_info info;

	vx6_session_info(ds->s, &info);
	return info.streams <= 1 &&
	       !(p->cfg.is_needed && p->cfg.is_needed(p->cfg.needed_user, ds->s));
}

static void close_warm(struct link_pool *p, struct link_session *ds)
{
	forget_warm(p, ds);
	vx6_session_close(ds->s, VX6_ERR(IDLE));
}

static void trim(struct link_pool *p, const struct link_session *keep)
{
	VX6_LIST_EACH(node, &p->warm)
	{
		struct link_session *ds = VX6_CONTAINER_OF(node, struct link_session, warm);

		if (p->warm_n <= p->cfg.warm_max)
			return;
		if (ds != keep && may_close(p, ds))
			close_warm(p, ds);
	}
}

static void on_sweep(struct vx6_timer *timer)
{
	struct link_pool *p = timer->user;
	uint64_t now = vx6_loop_now_ms(p->cfg.loop);

	trim(p, NULL); /* those that were busy when there were too many */
	if (p->cfg.known && p->cfg.known(p->cfg.known_user) > DHT_SMALL_NETWORK) {
		VX6_LIST_EACH(node, &p->warm)
		{
			struct link_session *ds = VX6_CONTAINER_OF(node, struct link_session, warm);

			if (now - ds->used_ms < DHT_IDLE_MS)
				break;
			if (may_close(p, ds))
				close_warm(p, ds);
		}
	}
	if (p->warm_n > 0)
		vx6_timer_in_ms(&p->sweep, SWEEP_MS);
}

/* ---- life ---- */

void link_pool_init(struct link_pool *p, const struct link_pool_config *cfg)
{
	*p = (struct link_pool){.cfg = *cfg};
	if (cfg->warm_max == 0)
		p->cfg.warm_max = VX6_DHT_WARM_MAX;
	vx6_list_init(&p->warm);
	vx6_timer_init(cfg->loop, &p->sweep, on_sweep, p);
}

void link_pool_fini(struct link_pool *p)
{
	struct link_session *ds, *next;

	vx6_timer_stop(&p->sweep);
	HASH_ITER(hh, p->sessions, ds, next)
	link_pool_down(p, ds);
}

static struct link_peer *peer_find(struct link_pool *p, const struct vx6_node_id *node)
{
	struct link_peer *peer;

	HASH_FIND(hh, p->peers, node->b, sizeof node->b, peer);
	return peer;
}

static struct link_peer *peer_get(struct link_pool *p, const struct vx6_node_id *node)
{
	struct link_peer *peer = peer_find(p, node);

	if (peer)
		return peer;
	peer = vx6_zalloc(sizeof *peer);
	peer->node = *node;
	vx6_list_init(&peer->sessions);
	HASH_ADD(hh, p->peers, node.b, sizeof peer->node.b, peer);
	return peer;
}

struct link_session *link_pool_up(struct link_pool *p, struct vx6_session *s)
{
	struct link_session *ds = vx6_zalloc(sizeof *ds);
	const struct vx6_node_id *node = vx6_session_node(s);

	ds->id = vx6_session_id(s);
	ds->s = s;
	ds->used_ms = vx6_loop_now_ms(p->cfg.loop);
	vx6_list_init(&ds->requests);
	HASH_ADD(hh, p->sessions, id, sizeof ds->id, ds);
	if (node) {
		ds->peer = peer_get(p, node);
		vx6_list_push(&ds->peer->sessions, &ds->of_peer);
	}
	return ds;
}

void link_pool_down(struct link_pool *p, struct link_session *ds)
{
	struct link_peer *peer = ds->peer;

	link_server_drop(ds);
	forget_warm(p, ds);
	HASH_DEL(p->sessions, ds);
	vx6_list_remove(&ds->of_peer);
	free(ds);
	if (!peer || !vx6_list_is_empty(&peer->sessions))
		return;
	HASH_DEL(p->peers, peer);
	free(peer);
}

struct link_session *link_pool_by_id(struct link_pool *p, uint64_t id)
{
	struct link_session *ds;

	HASH_FIND(hh, p->sessions, &id, sizeof id, ds);
	return ds;
}

/* ---- which session leads where ---- */

/* A private address binds no place in the key space: any session from inside will do, unless the operator wants prefixes to count. */
static bool is_met_at(const struct link_pool *p, struct link_peer *peer,
		      const struct vx6_dht_contact *at)
{
	bool is_loose = !p->cfg.strict && vx6_dht_contact_is_private(at);
	uint8_t wanted[16], prefix[16];
	struct vx6_addr remote;

	contact_prefix(at, wanted);
	if (peer->proved && memcmp(peer->proved_prefix, wanted, sizeof wanted) == 0)
		return true;
	VX6_LIST_EACH(node, &peer->sessions)
	{
		link_session_remote(VX6_CONTAINER_OF(node, struct link_session, of_peer), &remote,
				    prefix);
		if (memcmp(prefix, wanted, sizeof wanted) != 0 &&
		    !(is_loose && vx6_addr_is_private(&remote)))
			continue;
		peer->proved = true;
		memcpy(peer->proved_prefix, wanted, sizeof wanted);
		return true;
	}
	return false;
}

struct link_session *link_pool_find(struct link_pool *p, const struct vx6_dht_contact *to)
{
	struct link_peer *peer = peer_find(p, &to->node);
	struct vx6_session *s;

	if (!peer || !is_met_at(p, peer, to))
		return NULL;
	s = vx6_sessions_find(p->cfg.sessions, &to->node, VX6_DIAL_ANY);
	return s ? link_pool_by_id(p, vx6_session_id(s)) : NULL;
}

struct link_session *link_pool_dialed(struct link_pool *p, uint64_t id,
				      const struct vx6_dht_contact *at)
{
	struct link_session *ds = link_pool_by_id(p, id);

	if (!ds || !ds->peer || !vx6_node_id_eq(&ds->peer->node, &at->node))
		return NULL;
	ds->peer->proved = true;
	contact_prefix(at, ds->peer->proved_prefix);
	ds->used_ms = vx6_loop_now_ms(p->cfg.loop);
	if (!vx6_list_is_linked(&ds->warm)) {
		vx6_list_push(&p->warm, &ds->warm);
		p->warm_n++;
	}
	if (!vx6_timer_is_armed(&p->sweep))
		vx6_timer_in_ms(&p->sweep, SWEEP_MS);
	trim(p, ds);
	return ds;
}

void link_pool_touch(struct link_pool *p, struct link_session *ds)
{
	ds->used_ms = vx6_loop_now_ms(p->cfg.loop);
	if (!vx6_list_is_linked(&ds->warm))
		return;
	vx6_list_remove(&ds->warm);
	vx6_list_push(&p->warm, &ds->warm);
}

bool link_pool_learn(struct link_pool *p, const struct vx6_dht_contact *c)
{
	struct link_peer *peer = peer_find(p, &c->node);

	if (!peer)
		return false;
	peer->has_contact = true;
	peer->contact = *c;
	return is_met_at(p, peer, c);
}
