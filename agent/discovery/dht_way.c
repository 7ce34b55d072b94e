/*
 * Dials that queries wait for: one for all who want the same contact, VX6_DHT_DIALS_MAX at once, the rest in line.
 */
#include <string.h>

#include "base/util.h"
#include "discovery/dht_link_internal.h"

enum { WAY_ADDRS_MAX = 4 };

/* One dial, and the queries that wait for it. */
struct link_way {
	struct vx6_list node;
	struct link_queries *qs;
	struct vx6_dht_contact to;
	struct vx6_dialing *dialing;
	struct vx6_list waiting;
};

static bool same_contact(const struct vx6_dht_contact *a, const struct vx6_dht_contact *b)
{
	return a->port == b->port && a->via == b->via && vx6_node_id_eq(&a->node, &b->node) &&
	       memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static struct link_way *way_find(struct link_queries *qs, const struct vx6_dht_contact *to)
{
	VX6_LIST_EACH(node, &qs->ways)
	{
		struct link_way *w = VX6_CONTAINER_OF(node, struct link_way, node);

		if (same_contact(&w->to, to))
			return w;
	}
	return NULL;
}

static void way_free(struct link_way *w)
{
	vx6_list_remove(&w->node);
	w->qs->ways_n--;
	free(w);
}

static void run_queue(struct link_queries *qs)
{
	while (qs->ways_n < VX6_DHT_DIALS_MAX && !vx6_list_is_empty(&qs->queued)) {
		struct link_query *q = VX6_CONTAINER_OF(qs->queued.next, struct link_query, node);

		link_query_leave_line(q);
		link_query_begin(q);
	}
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct link_way *w = user;
	struct link_queries *qs = w->qs;
	uint64_t id = s ? vx6_session_id(s) : 0;
	struct vx6_dht_contact to = w->to;
	struct vx6_list waiting, *node;

	vx6_list_init(&waiting);
	while ((node = vx6_list_pop(&w->waiting)) != NULL) {
		VX6_CONTAINER_OF(node, struct link_query, node)->way = NULL;
		vx6_list_push(&waiting, node);
	}
	way_free(w);
	while ((node = vx6_list_pop(&waiting)) != NULL) {
		struct link_query *q = VX6_CONTAINER_OF(node, struct link_query, node);
		/* what another query's answer led to may have closed it meanwhile */
		struct link_session *ds = id ? link_pool_dialed(qs->cfg.pool, id, &to) : NULL;
		vx6_err how = err;

		if (vx6_is_ok(err))
			how = ds ? link_query_start(q, ds) : VX6_ERR(CLOSED);
		if (!vx6_is_ok(how))
			link_query_fail(q, how);
	}
	run_queue(qs);
}

/* An address of this very host is dialled only where the whole network lives on it: what else listens here is nobody's business. */
static bool may_dial(const struct link_queries *qs, const struct vx6_addr *a)
{
	return !vx6_addr_is_link_local(a) && !vx6_addr_is_any(a) && !vx6_addr_is_multicast(a) &&
	       a->port != 0 && (qs->allow_loopback || !vx6_addr_is_loopback(a));
}

static void add(const struct link_queries *qs, struct vx6_dial_request *req,
		const struct vx6_addr *a, uint8_t via)
{
	via &= VX6_DIAL_QUIC | VX6_DIAL_TCP;
	if (via == 0 || req->addrs_n == WAY_ADDRS_MAX || !may_dial(qs, a))
		return;
	for (size_t i = 0; i < req->addrs_n; i++)
		if (vx6_addr_eq(&req->addrs[i], a))
			return;
	req->addrs[req->addrs_n] = *a;
	req->via[req->addrs_n++] = via;
}

/*
 * The contact's address, then those others of the node's record that prove the same: hosts have several, and which of a private one's can
 * be reached from here nobody knows before.
 */
static void plan(const struct link_queries *qs, const struct vx6_dht_contact *to,
		 struct vx6_dial_request *req)
{
	bool is_loose = !qs->cfg.pool->cfg.strict && vx6_dht_contact_is_private(to);
	uint8_t wanted[16], prefix[16];
	struct vx6_endpoint e;
	struct vx6_addr at;

	vx6_dht_contact_addr(to, &at);
	vx6_addr_prefix(&at, wanted);
	add(qs, req, &at, to->via);
	if (!qs->cfg.endpoint || !qs->cfg.endpoint(qs->cfg.endpoint_user, &to->node, &e))
		return;
	for (size_t i = 0; i < e.n_addrs; i++) {
		const struct vx6_addr *a = &e.addrs[i].addr;

		vx6_addr_prefix(a, prefix);
		if (memcmp(prefix, wanted, sizeof wanted) == 0 ||
		    (is_loose && vx6_addr_is_private(a)))
			add(qs, req, a, e.addrs[i].via);
	}
}

static struct link_way *way_make(struct link_queries *qs, const struct vx6_dht_contact *to)
{
	struct vx6_dial_request req = {.expect_node = true, .node = to->node};
	struct link_way *w;

	plan(qs, to, &req);
	if (req.addrs_n == 0)
		return NULL;
	w = vx6_zalloc(sizeof *w);
	w->qs = qs;
	w->to = *to;
	vx6_list_init(&w->waiting);
	w->dialing = vx6_sessions_dial(qs->cfg.sessions, &req, on_dialed, w);
	if (!w->dialing) {
		free(w);
		return NULL;
	}
	vx6_list_push(&qs->ways, &w->node);
	qs->ways_n++;
	return w;
}

void link_way_join(struct link_query *q)
{
	struct link_queries *qs = q->qs;
	struct link_way *w = way_find(qs, &q->to);

	if (!w && qs->ways_n >= VX6_DHT_DIALS_MAX) {
		if (qs->queued_n >= DHT_QUEUE_MAX) {
			link_query_fail_later(q, VX6_ERR(FULL));
			return;
		}
		vx6_list_push(&qs->queued, &q->node);
		q->is_queued = true;
		qs->queued_n++;
		return;
	}
	if (!w)
		w = way_make(qs, &q->to);
	if (!w) {
		link_query_fail_later(q, VX6_ERR(UNREACHABLE));
		return;
	}
	vx6_list_push(&w->waiting, &q->node);
	q->way = w;
}

void link_way_left(struct link_way *w)
{
	struct link_queries *qs = w->qs;

	if (!vx6_list_is_empty(&w->waiting))
		return;
	vx6_dialing_cancel(w->dialing);
	way_free(w);
	run_queue(qs);
}
