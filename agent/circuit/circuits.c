/*
 * The table of routes, those who wait for a session, and what others may ask for.
 */
#include "circuit/circuits_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

/* ---- routes ---- */

static void key_of(const struct vx6_node_id *target, const struct vx6_routing *how,
		   struct route_key *out)
{
	memset(out, 0, sizeof *out);
	memcpy(out->target, target->b, sizeof out->target);
	out->via = (uint8_t)how->via;
	out->relays = vx6_routing_relays(how);
	out->anonymous = how->anonymous;
	out->hidden = how->hidden;
	out->vanguard = how->vanguard;
	out->nodes_n = how->nodes_n;
	out->apart = how->apart;
	for (size_t i = 0; i < how->nodes_n; i++)
		memcpy(out->nodes[i], how->nodes[i].b, sizeof out->nodes[i]);
}

static struct route *route_of_key(const struct vx6_circuits *c, const struct route_key *key)
{
	struct route *r;

	HASH_FIND(hh, c->by_key, key, sizeof *key, r);
	return r;
}

static struct route *route_of_id(const struct vx6_circuits *c, uint64_t id)
{
	struct route *r;

	HASH_FIND(hh_id, c->by_id, &id, sizeof id, r);
	return r;
}

static void route_free(struct route *r)
{
	struct vx6_circuits *c = r->c;

	VX6_ASSERT(vx6_list_is_empty(&r->legs) && vx6_list_is_empty(&r->waiting));
	HASH_DELETE(hh, c->by_key, r);
	HASH_DELETE(hh_id, c->by_id, r);
	vx6_list_remove(&r->lru);
	c->routes_n--;
	free(r);
}

/* One that nobody has used for longest, and that has nothing, makes room. */
static bool make_room(struct vx6_circuits *c)
{
	if (c->routes_n < VX6_CIRCUITS_ROUTES_MAX)
		return true;
	VX6_LIST_EACH(node, &c->routes)
	{
		struct route *r = VX6_CONTAINER_OF(node, struct route, lru);

		if (!vx6_list_is_empty(&r->legs) || !vx6_list_is_empty(&r->waiting) ||
		    vx6_sessions_uses_route(c->cfg.sessions, &r->target, r->id))
			continue;
		route_free(r);
		return true;
	}
	return false;
}

static struct route *route_new(struct vx6_circuits *c, const struct route_key *key,
			       const struct vx6_node_id *target, const struct vx6_routing *how)
{
	struct route *r;

	if (!make_room(c))
		return NULL;
	r = vx6_zalloc(sizeof *r);
	r->c = c;
	r->key = *key;
	r->target = *target;
	r->how = *how;
	r->how.hops = vx6_routing_relays(how);
	r->how.hop_by_hop = false;
	r->id = ++c->next_route;
	vx6_list_init(&r->legs);
	vx6_list_init(&r->waiting);
	HASH_ADD(hh, c->by_key, key, sizeof r->key, r);
	HASH_ADD(hh_id, c->by_id, id, sizeof r->id, r);
	vx6_list_push(&c->routes, &r->lru);
	c->routes_n++;
	return r;
}

static void route_touch(struct route *r)
{
	r->used_ms = circuits_now_ms(r->c);
	vx6_list_remove(&r->lru);
	vx6_list_push(&r->c->routes, &r->lru);
}

uint64_t vx6_circuits_route(struct vx6_circuits *c, const struct vx6_node_id *target,
			    const struct vx6_routing *how)
{
	struct route_key key;
	struct route *r;

	if (how->via == VX6_ROUTE_DIRECT || c->draining || (how->hidden && !c->cfg.rendezvous))
		return 0;
	key_of(target, how, &key);
	r = route_of_key(c, &key);
	if (!r)
		r = route_new(c, &key, target, how);
	if (!r)
		return 0;
	r->left = false;
	route_touch(r);
	return r->id;
}

void vx6_circuits_leave(struct vx6_circuits *c, uint64_t route)
{
	struct route *r = route_of_id(c, route);

	if (!r)
		return;
	r->left = true;
	circuits_wake(c, 0);
}

/* The one with the streams comes first: a spare is for when that one dies. */
static struct leg *route_leg(const struct route *r)
{
	struct leg *best = NULL;

	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		if (!leg_is_good(l))
			continue;
		if (!best || (best->purpose == VX6_PURPOSE_SPARE && l->purpose != best->purpose))
			best = l;
	}
	return best;
}

struct vx6_session *vx6_circuits_session(struct vx6_circuits *c, uint64_t route)
{
	struct route *r = route_of_id(c, route);
	struct leg *l = r ? route_leg(r) : NULL;

	if (r)
		route_touch(r);
	return l ? leg_session(l) : NULL;
}

/* Relays but the target itself. */
static size_t others_listed(const struct vx6_circuits *c, const struct vx6_node_id *target)
{
	uint64_t now_s = vx6_wall_s();
	const struct vx6_relay_entry *e = vx6_relays_find(c->cfg.relays, target);

	return vx6_relays_listed(c->cfg.relays, now_s) - (e && vx6_relay_is_listed(e, now_s));
}

vx6_err vx6_circuits_may(const struct vx6_circuits *c, const struct vx6_node_id *target,
			 const struct vx6_routing *how)
{
	struct vx6_circuits_node known;

	if (how->via == VX6_ROUTE_DIRECT)
		return VX6_ERR(INVALID);
	if (c->draining)
		return VX6_ERR(DRAINING);
	if (how->hidden && !c->cfg.rendezvous)
		return VX6_ERR(UNSUPPORTED);
	if (!how->hidden && c->cfg.node(c->cfg.user, target, &known) &&
	    !(known.info.policy & VX6_RELAY_END))
		return VX6_ERR(UNREACHABLE);
	return how->nodes_n > 0 || others_listed(c, target) > 0 ? VX6_OK : VX6_ERR(NO_RELAYS);
}

/* ---- those who wait ---- */

static void wait_due(struct vx6_circuits_wait *w, vx6_err err, const char *detail)
{
	vx6_list_remove(&w->node);
	w->err = err;
	vx6_strlcpy(w->detail, detail, sizeof w->detail);
	vx6_list_push(&w->c->due, &w->node);
	vx6_loop_defer(w->c->cfg.loop, &w->c->tell);
}

void route_serve(struct route *r)
{
	if (!route_leg(r))
		return;
	VX6_LIST_EACH(node, &r->waiting)
	wait_due(VX6_CONTAINER_OF(node, struct vx6_circuits_wait, node), VX6_OK, "");
}

void route_refuse(struct route *r, vx6_err err, const char *detail)
{
	VX6_LIST_EACH(node, &r->waiting)
	wait_due(VX6_CONTAINER_OF(node, struct vx6_circuits_wait, node), err, detail);
}

static void on_tell(struct vx6_task *task)
{
	struct vx6_circuits *c = task->user;
	struct vx6_list *node;

	bares_tell(c);
	while ((node = vx6_list_pop(&c->due)) != NULL) {
		struct vx6_circuits_wait w =
			*VX6_CONTAINER_OF(node, struct vx6_circuits_wait, node);
		struct vx6_session *s = NULL;

		free(VX6_CONTAINER_OF(node, struct vx6_circuits_wait, node));
		if (vx6_is_ok(w.err)) {
			s = vx6_circuits_session(c, w.route);
			/* it went between the event and its telling */
			if (!s)
				w.err = VX6_ERR(UNREACHABLE);
		}
		w.cb(w.user, w.err, s, w.detail);
	}
}

struct vx6_circuits_wait *vx6_circuits_want(struct vx6_circuits *c, uint64_t route,
					    vx6_circuits_cb *cb, void *user)
{
	struct route *r = route_of_id(c, route);
	struct vx6_circuits_wait *w;

	if (!r || c->draining)
		return NULL;
	route_touch(r);
	if (vx6_list_is_empty(&r->waiting)) {
		r->failed_n = 0;
		r->retry_ms = 0;
		if (r->how.nodes_n == 0) /* what is drawn ahead is never just these */
			circuits_wanted(c, &r->how);
	}
	w = vx6_zalloc(sizeof *w);
	w->c = c;
	w->route = route;
	w->cb = cb;
	w->user = user;
	w->until_ms = circuits_now_ms(c) + WAIT_MS;
	vx6_list_push(&r->waiting, &w->node);
	route_serve(r);
	route_keep(r);
	return w;
}

void vx6_circuits_wait_cancel(struct vx6_circuits_wait *w)
{
	vx6_list_remove(&w->node);
	free(w);
}

/* ---- what is not known ---- */

bool circuits_ask(struct vx6_circuits *c, const struct vx6_node_id *who, bool anonymous)
{
	struct ask *a;

	VX6_LIST_EACH(node, &c->asks)
	{
		a = VX6_CONTAINER_OF(node, struct ask, node);
		if (a->anonymous == anonymous && vx6_node_id_eq(&a->who, who))
			return true;
	}
	if (c->asks_n >= ASKS_MAX || c->draining)
		return false;
	a = vx6_zalloc(sizeof *a);
	a->who = *who;
	a->anonymous = anonymous;
	vx6_list_push(&c->asks, &a->node);
	c->asks_n++;
	vx6_loop_defer(c->cfg.loop, &c->asking);
	return true;
}

bool circuits_may_ask_foreign(struct vx6_circuits *c, const struct vx6_node_id *who)
{
	uint64_t now_ms = circuits_now_ms(c);
	size_t place = ASKS_FOREIGN_MAX;

	for (size_t i = 0; i < ASKS_FOREIGN_MAX; i++) {
		if (now_ms >= c->foreign[i].until_ms)
			place = i;
		else if (vx6_node_id_eq(&c->foreign[i].who, who))
			return true;
	}
	if (place == ASKS_FOREIGN_MAX)
		return false;
	c->foreign[place].who = *who;
	c->foreign[place].until_ms = now_ms + ASK_FOREIGN_MS;
	return true;
}

static void foreign_over(struct vx6_circuits *c, const struct vx6_node_id *who)
{
	for (size_t i = 0; i < ASKS_FOREIGN_MAX; i++)
		if (vx6_node_id_eq(&c->foreign[i].who, who))
			c->foreign[i].until_ms = 0;
}

static struct ask ask_pop(struct vx6_circuits *c)
{
	struct ask *a = VX6_CONTAINER_OF(vx6_list_pop(&c->asks), struct ask, node), copy = *a;

	c->asks_n--;
	free(a);
	return copy;
}

/* From a task: a lookup over circuits may begin with a circuit of its own. */
static void on_asking(struct vx6_task *task)
{
	struct vx6_circuits *c = task->user;

	for (size_t n = c->asks_n; n > 0 && c->asks_n > 0; n--) {
		struct ask a = ask_pop(c);

		if (!c->cfg.ask(c->cfg.user, &a.who, a.anonymous))
			vx6_circuits_unknown(c, &a.who, a.anonymous, VX6_ERR(NOT_FOUND));
	}
	if (c->asks_n > 0)
		vx6_loop_defer(c->cfg.loop, task);
}

/* ---- what sessions and the registry say ---- */

bool vx6_circuits_may_direct(const struct vx6_circuits *c, uint64_t route)
{
	struct route *r = route_of_id(c, route);

	return r && r->how.via == VX6_ROUTE_AUTO;
}

void vx6_circuits_adrift(struct vx6_circuits *c, uint64_t route)
{
	struct route *r = route_of_id(c, route);

	if (!r || c->draining)
		return;
	route_touch(r);
	r->adrift = true;
	r->retry_ms = 0;
	r->failed_n = 0;
	route_keep(r);
}

void vx6_circuits_doubt(struct vx6_circuits *c, uint64_t route)
{
	struct route *r = route_of_id(c, route);

	if (!r || c->draining)
		return;
	if (route_leg(r))
		r->in_doubt = true;
	else
		r->direct_doubt_ms = circuits_now_ms(c);
	r->retry_ms = 0;
	r->failed_n = 0;
	route_keep(r);
}

void vx6_circuits_learned(struct vx6_circuits *c, const struct vx6_node_id *node)
{
	VX6_LIST_EACH(n, &c->routes)
	{
		struct route *r = VX6_CONTAINER_OF(n, struct route, lru);

		if (!r->asked || !vx6_node_id_eq(&r->asked_for, node))
			continue;
		r->asked = false;
		route_keep(r);
	}
	foreign_over(c, node);
	bares_learned(c, node);
}

bool route_needs(const struct route *r, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < r->how.nodes_n; i++)
		if (vx6_node_id_eq(&r->how.nodes[i], node))
			return true;
	return vx6_node_id_eq(&r->target, node);
}

void vx6_circuits_unknown(struct vx6_circuits *c, const struct vx6_node_id *node, bool anonymous,
			  vx6_err err)
{
	circuits_suspect(c, node);
	VX6_LIST_EACH(n, &c->routes)
	{
		struct route *r = VX6_CONTAINER_OF(n, struct route, lru);

		if (!r->asked || r->how.anonymous != anonymous ||
		    !vx6_node_id_eq(&r->asked_for, node))
			continue;
		r->asked = false;
		if (route_needs(r, node)) {
			r->retry_ms = circuits_now_ms(c) + BACKOFF_MAX_MS;
			route_refuse(r, err,
				     vx6_node_id_eq(&r->target, node)
					     ? "it is not known that circuits may lead to that node"
					     : "nothing is known of a node that the route names");
		} else {
			route_keep(r); /* through others */
		}
	}
	if (!anonymous)
		return;
	foreign_over(c, node);
	bares_unknown(c, node, err);
}

void vx6_circuits_moved(struct vx6_circuits *c)
{
	VX6_LIST_EACH(n, &c->routes)
	{
		struct route *r = VX6_CONTAINER_OF(n, struct route, lru);

		r->retry_ms = 0;
		r->failed_n = 0;
	}
	circuits_wake(c, 0);
}

/* ---- by hand ---- */

vx6_err vx6_circuits_build(struct vx6_circuits *c, const struct vx6_node_id *target,
			   const struct vx6_routing *how, char id[static VX6_CIRCUIT_ID_TEXT],
			   char *detail)
{
	struct leg_want w = {.how = how, .purpose = VX6_PURPOSE_POOL, .why = "asked for by hand"};
	struct leg *l;

	if (target) {
		w.r = route_of_id(c, vx6_circuits_route(c, target, how));
		w.purpose = VX6_PURPOSE_ROUTE;
		if (!w.r) {
			vx6_strlcpy(detail, "too many routes", VX6_CIRCUIT_WHY);
			return VX6_ERR(FULL);
		}
	}
	VX6_TRY(leg_begin(c, &w, &l, detail));
	l->keep = true;
	memcpy(id, l->id, VX6_CIRCUIT_ID_TEXT);
	return VX6_OK;
}

/* Make before break: the old one serves until the new one is open. */
vx6_err vx6_circuits_rebuild(struct vx6_circuits *c, const char *id,
			     char new_id[static VX6_CIRCUIT_ID_TEXT], char *detail)
{
	struct leg *old = leg_find(c, id), *l;
	struct vx6_routing how = {.via = VX6_ROUTE_RELAY};
	struct leg_want w = {.how = &how, .why = "takes the place of another, as asked"};

	if (!old)
		return VX6_ERR(NOT_FOUND);
	if (old->bare) {
		vx6_strlcpy(detail, "what it is for was agreed on over it: close it instead",
			    VX6_CIRCUIT_WHY);
		return VX6_ERR(CONFLICT);
	}
	w.r = old->route;
	w.purpose = old->purpose;
	if (old->route) {
		how = old->route->how;
	} else {
		how.hops = (uint8_t)VX6_MIN(old->path.n, (size_t)VX6_ROUTE_HOPS_MAX);
		how.anonymous = old->anonymous;
		how.hidden = old->hidden;
	}
	VX6_TRY(leg_begin(c, &w, &l, detail));
	l->keep = old->keep;
	memcpy(l->replaces, old->id, sizeof l->replaces);
	memcpy(new_id, l->id, VX6_CIRCUIT_ID_TEXT);
	return VX6_OK;
}

vx6_err vx6_circuits_close(struct vx6_circuits *c, const char *id)
{
	struct leg *l = leg_find(c, id);

	if (!l)
		return VX6_ERR(NOT_FOUND);
	leg_close(l, VX6_ERR(CLOSED), "closed by hand");
	return VX6_OK;
}

/* ---- life ---- */

void circuits_wake(struct vx6_circuits *c, uint64_t ms)
{
	uint64_t due = circuits_now_ms(c) + ms;

	if (c->stopping)
		return;
	if (vx6_timer_is_armed(&c->tick) && c->tick_due_ms <= due)
		return;
	c->tick_due_ms = due;
	vx6_timer_in_ms(&c->tick, ms);
}

static void on_tick(struct vx6_timer *timer)
{
	circuits_keep(timer->user);
}

struct vx6_circuits *vx6_circuits_new(const struct vx6_circuits_config *cfg)
{
	struct vx6_circuits *c = vx6_zalloc(sizeof *c);

	c->cfg = *cfg;
	vx6_list_init(&c->routes);
	vx6_list_init(&c->legs);
	vx6_list_init(&c->closed);
	vx6_list_init(&c->bares);
	vx6_list_init(&c->bares_over);
	vx6_list_init(&c->due);
	vx6_list_init(&c->asks);
	vx6_task_init(&c->tell, on_tell, c);
	vx6_task_init(&c->asking, on_asking, c);
	vx6_timer_init(cfg->loop, &c->tick, on_tick, c);
	vx6_timer_init(cfg->loop, &c->watch, circuits_on_watch, c);
	return c;
}

static void refuse_all(struct vx6_circuits *c, const char *detail)
{
	VX6_LIST_EACH(node, &c->routes)
	route_refuse(VX6_CONTAINER_OF(node, struct route, lru), VX6_ERR(DRAINING), detail);
}

static void forget_asks(struct vx6_circuits *c)
{
	vx6_task_cancel(&c->asking);
	while (c->asks_n > 0)
		(void)ask_pop(c);
}

void vx6_circuits_drain(struct vx6_circuits *c)
{
	if (c->draining)
		return;
	c->draining = true;
	forget_asks(c);
	refuse_all(c, "draining");
	bares_keep(c, circuits_now_ms(c));
	circuits_wake(c, 0);
}

/* What a callback asks for meanwhile is refused: nothing begins any more. */
void vx6_circuits_free(struct vx6_circuits *c)
{
	if (!c)
		return;
	c->draining = c->stopping = true;
	vx6_timer_stop(&c->tick);
	vx6_timer_stop(&c->watch);
	forget_asks(c);
	while (!vx6_list_is_empty(&c->legs))
		leg_close(VX6_CONTAINER_OF(c->legs.next, struct leg, all), VX6_ERR(DRAINING),
			  "shutting down");
	bares_keep(c, circuits_now_ms(c));
	refuse_all(c, "shutting down");
	on_tell(&c->tell);
	vx6_task_cancel(&c->tell);
	while (!vx6_list_is_empty(&c->closed))
		leg_free(VX6_CONTAINER_OF(c->closed.next, struct leg, all));
	while (!vx6_list_is_empty(&c->routes))
		route_free(VX6_CONTAINER_OF(c->routes.next, struct route, lru));
	free(c->decisions);
	free(c);
}
