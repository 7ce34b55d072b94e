/*
 * Ways into the network.
 *
 *   look -> enough nodes up, or as many dials as are missing: wait
 *        -> pick: not up, not being dialled, not waiting; of a prefix that is not in use, if there is one -> dial
 *        -> nothing to pick: look again when the first wait is over, or when the registry learns of somebody
 */
#include "discovery/entry.h"

#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "crypto/table.h"
#include "discovery/known.h"

enum {
	POLL_MAX_MS = 60 * 1000,
	WAIT_MAX_MS = 30 * 60 * 1000,
	WAIT_MAX_ALONE_MS = 60 * 1000, /* when there is no session at all */
	LASTING_MS = 10 * 1000,        /* a session that ended sooner was a failure, too */
	HEARD_PAUSE_MS = 5000,
	CANDIDATES_FIRST = 64,
	CANDIDATES_MAX = 512,
	WAITING_MAX = 4096,
	ADDRS_MAX = 4, /* of one candidate that are tried in one dial */
};

static const struct vx6_entry_times usual_times = {.first_ms = 800,
						   .learned_ms = 1000,
						   .wait_ms = 2000};

/* A node with which sessions are up. */
struct up_node {
	struct vx6_node_id node;
	unsigned sessions;
	uint8_t prefix[16]; /* of the latest one's remote address */
	UT_hash_handle hh;
};

/* A candidate that failed. */
struct waiting {
	struct vx6_node_id node;
	unsigned failures;
	uint64_t since_ms, wait_ms;
	UT_hash_handle hh;
};

struct attempt {
	struct vx6_list link;
	struct vx6_entry *e;
	struct vx6_node_id node;
	uint8_t prefix[16];
	struct vx6_dialing *dialing;
};

struct vx6_entry {
	struct vx6_entry_config cfg;
	struct up_node *up;
	struct waiting *waiting;
	struct vx6_list attempts;
	size_t attempts_n;
	size_t candidates_n; /* how many are asked for: more when those tried so far are no good */
	uint64_t poll_ms;
	struct vx6_timer look;
};

static uint64_t now_ms(const struct vx6_entry *e)
{
	return vx6_loop_now_ms(e->cfg.loop);
}

/* ---- candidates that wait ---- */

static struct waiting *waiting_find(const struct vx6_entry *e, const struct vx6_node_id *node)
{
	struct waiting *w;

	HASH_FIND(hh, e->waiting, node->b, sizeof node->b, w);
	return w;
}

static void waiting_forget(struct vx6_entry *e, struct waiting *w)
{
	if (!w)
		return;
	HASH_DEL(e->waiting, w);
	free(w);
}

static void waiting_clear(struct vx6_entry *e)
{
	while (e->waiting)
		waiting_forget(e, e->waiting);
}

static void failed(struct vx6_entry *e, const struct vx6_node_id *node)
{
	struct waiting *w = waiting_find(e, node);
	unsigned shift;

	if (!w) {
		/* the table is in the order of insertion: the first is the oldest */
		if (HASH_COUNT(e->waiting) >= WAITING_MAX)
			waiting_forget(e, e->waiting);
		w = vx6_zalloc(sizeof *w);
		w->node = *node;
		HASH_ADD(hh, e->waiting, node.b, sizeof w->node.b, w);
	}
	shift = VX6_MIN(w->failures, 10u);
	w->failures++;
	w->since_ms = now_ms(e);
	w->wait_ms = VX6_MIN((uint64_t)e->cfg.times->wait_ms << shift, (uint64_t)WAIT_MAX_MS);
	w->wait_ms = w->wait_ms - w->wait_ms / 4 + vx6_random_below((uint32_t)(w->wait_ms / 2));
}

/* When the candidate may be tried again. Nobody at all to talk to is worse than a dial for nothing. */
static uint64_t due_ms(const struct vx6_entry *e, const struct waiting *w)
{
	uint64_t wait = e->up ? w->wait_ms : VX6_MIN(w->wait_ms, (uint64_t)WAIT_MAX_ALONE_MS);

	return w->since_ms + wait;
}

/* ---- picking ---- */

static void add_addr(const struct vx6_entry *e, struct vx6_dial_request *req,
		     const struct vx6_endpoint_addr *a)
{
	uint8_t via = (uint8_t)(a->via & vx6_via_of(e->cfg.transport));

	if (via == 0 || req->addrs_n >= ADDRS_MAX || !vx6_known_may_dial(e->cfg.sessions, &a->addr))
		return;
	for (size_t i = 0; i < req->addrs_n; i++)
		if (vx6_addr_eq(&req->addrs[i], &a->addr))
			return;
	req->addrs[req->addrs_n] = a->addr;
	req->via[req->addrs_n++] = via;
}

static void add_endpoint(const struct vx6_entry *e, struct vx6_dial_request *req,
			 const struct vx6_endpoint *ep)
{
	for (size_t i = 0; i < ep->n_addrs; i++)
		add_addr(e, req, &ep->addrs[i]);
}

/* Where it was good before, then what its record says. @return false: nowhere */
static bool plan(const struct vx6_entry *e, const struct vx6_candidate *c,
		 struct vx6_dial_request *req)
{
	struct vx6_endpoint ep;

	*req = (struct vx6_dial_request){.expect_node = true, .node = c->node};
	add_addr(e, req, &c->contact.good);
	if (c->has_endpoint && vx6_registry_endpoint(e->cfg.registry, &c->node, vx6_wall_s(), &ep))
		add_endpoint(e, req, &ep);
	return req->addrs_n > 0;
}

static bool is_busy(const struct vx6_entry *e, const struct vx6_node_id *node)
{
	struct up_node *u;

	HASH_FIND(hh, e->up, node->b, sizeof node->b, u);
	if (u || vx6_node_id_eq(node, &e->cfg.self))
		return true;
	VX6_LIST_EACH(l, (struct vx6_list *)&e->attempts)
	if (vx6_node_id_eq(&VX6_CONTAINER_OF(l, struct attempt, link)->node, node))
		return true;
	return false;
}

/* 0: a prefix of its own, 1: that of a session, 2: that of another dial of this moment */
static int closeness(const struct vx6_entry *e, const uint8_t prefix[16])
{
	struct up_node *u, *next;
	int worst = 0;

	HASH_ITER(hh, e->up, u, next)
	if (memcmp(u->prefix, prefix, sizeof u->prefix) == 0)
		worst = 1;
	VX6_LIST_EACH(l, (struct vx6_list *)&e->attempts)
	if (memcmp(VX6_CONTAINER_OF(l, struct attempt, link)->prefix, prefix, 16) == 0)
		return 2;
	return worst;
}

/*
 * The best of @p n candidates, which come freshest first: of those that did not fail of late, the first whose prefix is least in use.
 * @param next_ms when the first of those that wait may be tried @return false: none
 */
static bool pick(const struct vx6_entry *e, const struct vx6_candidate *c, size_t n,
		 struct vx6_dial_request *best, uint64_t *next_ms)
{
	int best_rank = 4;

	for (size_t i = 0; i < n && best_rank > 0; i++) {
		const struct waiting *w = waiting_find(e, &c[i].node);
		struct vx6_dial_request req;
		uint8_t prefix[16];
		int rank;

		if (w && due_ms(e, w) > now_ms(e)) {
			*next_ms = VX6_MIN(*next_ms, due_ms(e, w));
			continue;
		}
		if (is_busy(e, &c[i].node) || !plan(e, &c[i], &req))
			continue;
		vx6_addr_prefix(&req.addrs[0], prefix);
		/* one that failed before goes after those that did not */
		rank = w ? 3 : closeness(e, prefix);
		if (rank >= best_rank)
			continue;
		best_rank = rank;
		*best = req;
	}
	return best_rank < 4;
}

/* ---- dialling ---- */

static void look(struct vx6_entry *e);

static void attempt_free(struct attempt *a)
{
	vx6_list_remove(&a->link);
	a->e->attempts_n--;
	free(a);
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct attempt *a = user;
	struct vx6_entry *e = a->e;
	struct vx6_node_id node = a->node;
	char id[VX6_NODE_ID_SHORT];

	attempt_free(a);
	if (!s) {
		VX6_DEBUG("discovery", "no way in by %s: %s", vx6_node_id_format_short(&node, id),
			  detail);
		vx6_registry_missed(e->cfg.registry, &node, vx6_wall_s());
		failed(e, &node);
	}
	look(e);
}

/* @return false: there was nothing to dial after all */
static bool dial(struct vx6_entry *e, const struct vx6_dial_request *req)
{
	struct attempt *a = vx6_zalloc(sizeof *a);

	a->e = e;
	a->node = req->node;
	vx6_addr_prefix(&req->addrs[0], a->prefix);
	a->dialing = vx6_sessions_dial(e->cfg.sessions, req, on_dialed, a);
	if (!a->dialing) {
		failed(e, &a->node);
		free(a);
		return false;
	}
	vx6_list_push(&e->attempts, &a->link);
	e->attempts_n++;
	return true;
}

static size_t missing(const struct vx6_entry *e)
{
	size_t have = HASH_COUNT(e->up) + e->attempts_n;
	size_t wanted = have < VX6_ENTRY_WANT ? VX6_ENTRY_WANT - have : 0;

	return VX6_MIN(wanted,
		       VX6_ENTRY_PARALLEL - VX6_MIN((size_t)VX6_ENTRY_PARALLEL, e->attempts_n));
}

static void look(struct vx6_entry *e)
{
	uint64_t next_ms = UINT64_MAX, now = now_ms(e);
	struct vx6_dial_request req;
	struct vx6_candidate *c;
	size_t n;

	if (missing(e) == 0)
		return;
	c = vx6_realloc_array(NULL, e->candidates_n, sizeof *c);
	n = vx6_registry_candidates(e->cfg.registry, vx6_wall_s(), c, e->candidates_n);
	while (missing(e) > 0 && pick(e, c, n, &req, &next_ms) && dial(e, &req))
		next_ms = UINT64_MAX;
	free(c);
	if (missing(e) == 0)
		return;
	/* all of these were tried: there may be better ones among the older */
	if (n == e->candidates_n && n < CANDIDATES_MAX) {
		e->candidates_n *= 2;
		next_ms = now;
	}
	e->poll_ms = VX6_MIN(e->poll_ms * 2, (uint64_t)POLL_MAX_MS);
	next_ms = next_ms <= now ? 0 : next_ms - now;
	vx6_timer_in_ms(&e->look, VX6_MIN(next_ms, e->poll_ms));
}

static void on_look(struct vx6_timer *timer)
{
	look(timer->user);
}

static void look_within(struct vx6_entry *e, uint32_t ms)
{
	uint64_t due_ns = vx6_loop_now_ns(e->cfg.loop) +
			  (ms / 2 + vx6_random_below(ms / 2 + 1)) * VX6_NS_PER_MS;

	if (missing(e) > 0 && (!vx6_timer_is_armed(&e->look) || e->look.due_ns > due_ns))
		vx6_timer_at(&e->look, due_ns);
}

/* ---- what happens ---- */

struct vx6_entry *vx6_entry_new(const struct vx6_entry_config *cfg)
{
	struct vx6_entry *e = vx6_zalloc(sizeof *e);

	e->cfg = *cfg;
	if (!cfg->times)
		e->cfg.times = &usual_times;
	e->candidates_n = CANDIDATES_FIRST;
	e->poll_ms = e->cfg.times->learned_ms;
	vx6_list_init(&e->attempts);
	vx6_timer_init(cfg->loop, &e->look, on_look, e);
	look_within(e, e->cfg.times->first_ms);
	return e;
}

void vx6_entry_free(struct vx6_entry *e)
{
	if (!e)
		return;
	vx6_timer_stop(&e->look);
	while (!vx6_list_is_empty(&e->attempts)) {
		struct attempt *a = VX6_CONTAINER_OF(e->attempts.next, struct attempt, link);

		vx6_dialing_cancel(a->dialing);
		attempt_free(a);
	}
	waiting_clear(e);
	while (e->up) {
		struct up_node *u = e->up;

		HASH_DEL(e->up, u);
		free(u);
	}
	free(e);
}

static bool counts(const struct vx6_session *s)
{
	return vx6_session_node(s) && !vx6_session_is_anonymous(s);
}

void vx6_entry_session_up(struct vx6_entry *e, struct vx6_session *s)
{
	const struct vx6_node_id *node = vx6_session_node(s);
	struct vx6_link_info info;
	struct up_node *u;

	if (!counts(s))
		return;
	vx6_session_info(s, &info);
	HASH_FIND(hh, e->up, node->b, sizeof node->b, u);
	if (!u) {
		u = vx6_zalloc(sizeof *u);
		u->node = *node;
		HASH_ADD(hh, e->up, node.b, sizeof u->node.b, u);
	}
	u->sessions++;
	vx6_addr_prefix(&info.remote, u->prefix);
	e->candidates_n = CANDIDATES_FIRST;
	e->poll_ms = e->cfg.times->learned_ms;
}

void vx6_entry_session_down(struct vx6_entry *e, struct vx6_session *s)
{
	const struct vx6_node_id *node = vx6_session_node(s);
	struct up_node *u;

	if (!counts(s))
		return;
	HASH_FIND(hh, e->up, node->b, sizeof node->b, u);
	if (!u || --u->sessions > 0)
		return;
	HASH_DEL(e->up, u);
	free(u);
	if (vx6_wall_ms() - vx6_session_up_since_ms(s) < LASTING_MS)
		failed(e, node);
	else
		waiting_forget(e, waiting_find(e, node));
	look_within(e, e->cfg.times->learned_ms / 2);
}

void vx6_entry_heard(struct vx6_entry *e, const struct vx6_endpoint *ep)
{
	struct vx6_dial_request req = {.expect_node = true, .node = ep->node};
	const struct waiting *w = waiting_find(e, &ep->node);

	if (missing(e) == 0 || is_busy(e, &ep->node) ||
	    (w && now_ms(e) - w->since_ms < HEARD_PAUSE_MS))
		return;
	add_endpoint(e, &req, ep);
	if (req.addrs_n > 0)
		(void)dial(e, &req);
}

void vx6_entry_learned(struct vx6_entry *e)
{
	look_within(e, e->cfg.times->learned_ms);
}

void vx6_entry_hurry(struct vx6_entry *e)
{
	waiting_clear(e);
	e->candidates_n = CANDIDATES_FIRST;
	e->poll_ms = e->cfg.times->learned_ms;
	look_within(e, e->cfg.times->learned_ms / 5);
}

bool vx6_entry_needs(const struct vx6_entry *e, const struct vx6_session *s)
{
	return counts(s) && HASH_COUNT(e->up) <= VX6_ENTRY_WANT;
}
