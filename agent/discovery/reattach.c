#include "discovery/reattach.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "discovery/known.h"

enum {
	RETRY_FIRST_MS = 50,
	RETRY_MAX_MS = 1000,
	TRY_FIRST_MS =
		1000, /* a try that hears nothing: the path may have come back since it began */
	TRY_MAX_MS = 5000,
	ACCEPTOR_WAIT_MS = 300,
	MOVED_MS = 2000, /* so long after a change our addresses are news to others */
	REFUSED_MS = 2000,
	LOST_MAX = 4096,
	ACCEPTED_MAX = 64, /* that only their own opener needs */
};

/* A node that we want a session with. */
struct lost {
	struct vx6_list node;
	struct vx6_reattach *r;
	struct vx6_node_id id;
	uint64_t route; /* of the streams: they may go on over a circuit as well; 0: they may not */
	struct vx6_dialing *dialing;
	struct vx6_timer timer; /* next try, or the end of this one */
	uint32_t retry_ms, try_ms;
	bool accepted; /* it was the one who opened the streams: it comes back by itself, too */
	uint64_t refused_ms; /* since when everybody there says that nobody listens; 0: not so */
};

struct vx6_reattach {
	struct vx6_reattach_config cfg;
	struct vx6_list all;
	size_t n, accepted_n;
	uint64_t moved_ms; /* when our own addresses changed last; 0: never */
};

static void lost_free(struct lost *l)
{
	vx6_timer_stop(&l->timer);
	if (l->dialing)
		vx6_dialing_cancel(l->dialing);
	vx6_list_remove(&l->node);
	l->r->n--;
	l->r->accepted_n -= l->accepted;
	free(l);
}

/* @return whether there is still somebody to be found */
static bool is_wanted(const struct lost *l)
{
	return vx6_sessions_adrift(l->r->cfg.sessions, &l->id, l->route) != 0 &&
	       !vx6_sessions_find(l->r->cfg.sessions, &l->id, VX6_DIAL_ANY);
}

static void try_later(struct lost *l)
{
	vx6_timer_in_ms(&l->timer, l->retry_ms);
	l->retry_ms = VX6_MIN(l->retry_ms * 2, (uint32_t)RETRY_MAX_MS);
}

/* @return whether the node has ended */
static bool has_ended(struct lost *l, vx6_err err)
{
	uint64_t now_ms = vx6_loop_now_ms(l->r->cfg.loop);

	if (err.code != VX6_E_REFUSED) {
		l->refused_ms = 0;
		return false;
	}
	if (!l->refused_ms)
		l->refused_ms = now_ms;
	return now_ms - l->refused_ms >= REFUSED_MS;
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct lost *l = user;
	struct vx6_sessions *sessions = l->r->cfg.sessions;
	char id[VX6_NODE_ID_SHORT];

	l->dialing = NULL;
	vx6_timer_stop(&l->timer);
	if (s || !is_wanted(l)) {
		lost_free(l);
		return;
	}
	if (err.code == VX6_E_DRAINING) {
		lost_free(l);
		return;
	}
	VX6_DEBUG("discovery", "streams with %s wait for a session: %s",
		  vx6_node_id_format_short(&l->id, id), detail);
	if (has_ended(l, err)) {
		VX6_INFO("discovery", "%s has ended: its streams are reset",
			 vx6_node_id_format_short(&l->id, id));
		vx6_sessions_give_up(sessions, &l->id, l->route, VX6_ERR(CLOSED));
		lost_free(l);
		return;
	}
	try_later(l);
}

/* A stranger with streams to us can go away and leave any address behind: none of this host's is dialled for it. */
static void leave_strange(const struct vx6_reattach_config *cfg, struct vx6_dial_request *req)
{
	size_t n = 0;

	for (size_t i = 0; i < req->addrs_n; i++) {
		if (!vx6_known_may_dial(cfg->sessions, &req->addrs[i]))
			continue;
		req->addrs[n] = req->addrs[i];
		req->via[n++] = req->via[i];
	}
	req->addrs_n = n;
}

static void dial(struct lost *l)
{
	const struct vx6_reattach_config *cfg = &l->r->cfg;
	struct vx6_dial_request req = {.expect_node = true, .node = l->id, .tell_refused = true};

	vx6_known_addrs(cfg->peers, cfg->registry, &l->id, vx6_via_of(cfg->transport), &req);
	if (!(vx6_sessions_adrift(cfg->sessions, &l->id, l->route) & VX6_ADRIFT_OPENED))
		leave_strange(cfg, &req);
	l->dialing = vx6_sessions_dial(cfg->sessions, &req, on_dialed, l);
	if (!l->dialing) {
		try_later(l); /* no address is known: it may come to us, or its record may */
		return;
	}
	vx6_timer_in_ms(&l->timer, l->try_ms);
	l->try_ms = VX6_MIN(l->try_ms + l->try_ms / 2, (uint32_t)TRY_MAX_MS);
}

static void on_timer(struct vx6_timer *timer)
{
	struct lost *l = timer->user;

	if (!is_wanted(l)) {
		lost_free(l);
		return;
	}
	if (l->dialing)
		vx6_dialing_cancel(l->dialing);
	l->dialing = NULL;
	dial(l);
}

static void begin_anew(struct lost *l, uint32_t wait_ms)
{
	l->retry_ms = RETRY_FIRST_MS;
	l->try_ms = TRY_FIRST_MS;
	l->refused_ms = 0;
	vx6_timer_in_ms(&l->timer, wait_ms);
}

static bool has_just_moved(const struct vx6_reattach *r)
{
	return r->moved_ms && vx6_loop_now_ms(r->cfg.loop) - r->moved_ms < MOVED_MS;
}

static bool is_there(const struct vx6_reattach *r, const struct vx6_node_id *node, uint64_t route)
{
	VX6_LIST_EACH(n, (struct vx6_list *)&r->all)
	{
		const struct lost *l = VX6_CONTAINER_OF(n, struct lost, node);

		if (l->route == route && vx6_node_id_eq(&l->id, node))
			return true;
	}
	return false;
}

void vx6_reattach_wanted(struct vx6_reattach *r, const struct vx6_node_id *node, unsigned bits,
			 uint64_t route)
{
	bool at_once = (bits & VX6_ADRIFT_OPENED) || has_just_moved(r);
	struct lost *l;

	if (is_there(r, node, route) || r->n >= LOST_MAX ||
	    (!at_once && r->accepted_n >= ACCEPTED_MAX))
		return;
	l = vx6_zalloc(sizeof *l);
	l->r = r;
	l->id = *node;
	l->route = route;
	vx6_timer_init(r->cfg.loop, &l->timer, on_timer, l);
	vx6_list_push(&r->all, &l->node);
	r->n++;
	l->accepted = !at_once;
	r->accepted_n += l->accepted;
	begin_anew(l, at_once ? 0 : ACCEPTOR_WAIT_MS);
}

void vx6_reattach_moved(struct vx6_reattach *r)
{
	r->moved_ms = vx6_loop_now_ms(r->cfg.loop);
	VX6_LIST_EACH(n, &r->all)
	{
		struct lost *l = VX6_CONTAINER_OF(n, struct lost, node);

		if (l->dialing)
			vx6_dialing_cancel(l->dialing);
		l->dialing = NULL;
		begin_anew(l, 0);
	}
}

struct vx6_reattach *vx6_reattach_new(const struct vx6_reattach_config *cfg)
{
	struct vx6_reattach *r = vx6_zalloc(sizeof *r);

	r->cfg = *cfg;
	vx6_list_init(&r->all);
	return r;
}

void vx6_reattach_free(struct vx6_reattach *r)
{
	if (!r)
		return;
	while (!vx6_list_is_empty(&r->all))
		lost_free(VX6_CONTAINER_OF(r->all.next, struct lost, node));
	free(r);
}
