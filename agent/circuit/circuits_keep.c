/*
 * What a route needs, looked at when something happened to it and once a second while there are circuits:
 *
 *   somebody waits, or streams are adrift, or its leg is in doubt  -> a leg is built; a second one beside it when the first is slow
 *   streams run                                                    -> a spare is built, through other relays
 *   another leg is quicker by far, a relay drains, a leg is old    -> streams move, then the old leg goes
 *   nothing runs                                                   -> spares go, later legs, last those of the pool
 *
 * Waits are random by a third: nobody shall tell by the beat of our building which circuits are one client's.
 */
#include "circuit/circuits_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { FLOW_BYTES_S = 128 * 1024 };

/* What a route has. */
struct census {
	unsigned good, building;
	uint32_t streams;
	uint64_t building_ms; /* when the latest build began */
};

static void count(const struct route *r, struct census *out)
{
	*out = (struct census){0};
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		/* streams may begin over one that is open; that it leads anywhere is known when it is up */
		if (l->circuit && (!l->open || (!l->up && leg_is_good(l)))) {
			out->building++;
			out->building_ms = VX6_MAX(out->building_ms, l->began_ms);
		} else if (leg_is_good(l)) {
			out->good++;
		}
		out->streams += l->circuit ? l->streams : 0;
	}
}

static bool is_wanted(const struct route *r)
{
	return !vx6_list_is_empty(&r->waiting) || r->adrift || r->direct_doubt_ms;
}

static const char *wanted_for(const struct route *r)
{
	if (r->adrift)
		return "streams have lost their way";
	if (!vx6_list_is_empty(&r->waiting))
		return "a connection waits";
	return r->in_doubt ? "the one in use does not answer" : "the direct way does not answer";
}

/* ---- building ---- */

static uint64_t backoff_ms(unsigned failed_n)
{
	uint64_t ms = VX6_MIN((uint64_t)BACKOFF_FIRST_MS << VX6_MIN(failed_n, 8U),
			      (uint64_t)BACKOFF_MAX_MS);

	return ms + vx6_random_below((uint32_t)ms / 3);
}

void route_failed(struct route *r, vx6_err err, const char *detail)
{
	uint64_t wait = backoff_ms(r->failed_n);

	r->failed_n++;
	r->err = err;
	vx6_strlcpy(r->detail, detail, sizeof r->detail);
	r->retry_ms = circuits_now_ms(r->c) + wait;
	circuits_wake(r->c, wait);
	if (r->failed_n >= TRIES_MAX)
		route_refuse(r, err, detail);
}

/* The first one that ends so soon is replaced at once. */
void route_flapped(struct route *r)
{
	uint64_t wait = r->flaps_n > 0 ? backoff_ms(r->flaps_n - 1) : 0;

	r->flaps_n++;
	r->flap_ms = circuits_now_ms(r->c) + wait;
	circuits_wake(r->c, wait);
}

static bool is_building(const struct route *r)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		if (l->circuit && !l->open)
			return true;
	}
	return false;
}

/* @return false: it cannot be tried now */
static bool build(struct route *r, enum vx6_circuit_purpose purpose, const char *why)
{
	const struct leg_want w = {.how = &r->how, .r = r, .purpose = purpose, .why = why};
	char detail[VX6_CIRCUIT_WHY] = "";
	vx6_err err;

	if (leg_from_pool(r->c, &w))
		return true;
	err = leg_begin(r->c, &w, NULL, detail);
	if (vx6_is_ok(err))
		return true;
	if (err.code == VX6_E_AGAIN) {
		r->asked = true; /* circuits_learned() or _unknown() goes on from here */
		return false;
	}
	circuits_decide(r->c, &r->target, "", "route", "not built: %s", detail);
	if (purpose == VX6_PURPOSE_ROUTE && is_building(r)) {
		/* the one that is slow has the relays that this one would need, and may still get there */
		r->retry_ms = circuits_now_ms(r->c) + TICK_MS;
		return false;
	}
	route_failed(r, err, detail);
	if (purpose == VX6_PURPOSE_ROUTE && err.code != VX6_E_FULL)
		route_refuse(r, err, detail);
	return false;
}

/* To meet the owner of a hidden service takes three circuits, one after the other, and a few round trips. */
static uint32_t slow_after_ms(const struct route *r)
{
	uint32_t ms = vx6_build_times_stagger(r->c->cfg.times, r->how.hops + 1U);

	return r->how.hidden ? VX6_MAX(4 * ms, (uint32_t)HIDDEN_SLOW_MIN_MS) : ms;
}

static void keep_wanted(struct route *r, const struct census *now, uint64_t now_ms)
{
	uint32_t slow_ms = slow_after_ms(r);

	if (now->building == 0)
		(void)build(r, VX6_PURPOSE_ROUTE, wanted_for(r));
	else if (now->building < BUILDS_MAX && now_ms - now->building_ms >= slow_ms)
		(void)build(r, VX6_PURPOSE_ROUTE, "the one before it is slow");
	else if (now->building < BUILDS_MAX)
		circuits_wake(r->c, now->building_ms + slow_ms - now_ms);
}

static void keep_spare(struct route *r, const struct census *now, uint64_t now_ms)
{
	if (!r->busy_since_ms)
		r->busy_since_ms = now_ms;
	if (now->good >= 2 || now->building > 0 || now_ms < r->spare_ms)
		return;
	if (now_ms - r->busy_since_ms < SPARE_AFTER_MS) {
		circuits_wake(r->c, SPARE_AFTER_MS);
		return;
	}
	(void)build(r, VX6_PURPOSE_SPARE, "stands by for the one in use");
}

/* ---- moving ---- */

/* Its hops are asked every PING_MS; the link looks at its own round trip only when its windows call for that. */
static uint32_t rtt_of(const struct leg *l)
{
	struct vx6_circuit_info info;

	vx6_circuit_info(l->circuit, &info);
	return info.hop[info.hops_n - 1].rtt_us;
}

static struct leg *other_good(const struct route *r, const struct leg *but)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		if (l != but && l->up && leg_is_good(l))
			return l;
	}
	return NULL;
}

static void move(struct route *r, struct leg *from, struct leg *to, const char *why)
{
	struct vx6_circuits *c = r->c;
	struct vx6_session *s = leg_session(from);

	circuits_decide(c, &r->target, to->id, "move", "from %s: %s", from->id, why);
	from->leaving = true;
	to->purpose = VX6_PURPOSE_ROUTE;
	r->moved_ms = circuits_now_ms(c);
	leg_watch_anew(to);
	if (s)
		vx6_sessions_leave(c->cfg.sessions, s);
	if (c->cfg.news)
		c->cfg.news(c->cfg.user, VX6_NEWS_MOVED, to->id, &r->target, why);
}

bool route_move_off(struct route *r, struct leg *l, const char *why)
{
	struct leg *to = other_good(r, l);

	if (to)
		move(r, l, to, why);
	return to != NULL;
}

static bool is_old(const struct leg *l, uint64_t now_ms)
{
	return l->anonymous && l->open && now_ms - l->open_ms >= l->age_ms;
}

/* A leg that has to be left waits until another one is there: make before break. */
static void keep_leaving(struct route *r, uint64_t now_ms)
{
	VX6_LIST_EACH(node, &r->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route), *to;

		if (!l->open || !leg_session(l) ||
		    !(l->is_drain || l->leaving || l->in_doubt || is_old(l, now_ms)))
			continue;
		if (l->streams == 0 && (!l->in_doubt || l->leaving)) {
			leg_close(l, VX6_OK, l->is_drain ? "a relay of it is draining" : "left");
			continue;
		}
		to = other_good(r, l);
		if (to && !l->leaving)
			move(r, l, to,
			     l->is_drain   ? "a relay of it is draining"
			     : l->in_doubt ? "it does not answer"
					   : "it is old");
		else if (to)
			vx6_sessions_leave(r->c->cfg.sessions, leg_session(l));
	}
}

/* A circuit that carries much waits for its own queue, which the next one would soon do as well: only one that is far quicker is worth the move. */
static uint64_t worth_us(const struct leg *busy, uint64_t other_us)
{
	return busy->bytes_s >= FLOW_BYTES_S ? 4 * other_us : other_us + other_us / 2;
}

/* Never an anonymous one: a relay that delays what passes through it could choose the circuit that is used. */
static void keep_quick(struct route *r, uint64_t now_ms)
{
	struct leg *busy = NULL, *other;
	uint32_t now_us, then_us;
	char why[VX6_CIRCUIT_WHY];

	if (r->how.anonymous || now_ms - r->moved_ms < BETTER_MS)
		return;
	VX6_LIST_EACH(node, &r->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		if (leg_is_good(l) && l->streams > 0)
			busy = l;
	}
	if (!busy || now_ms - busy->open_ms < BETTER_MS / 4)
		return;
	other = other_good(r, busy);
	if (!other || now_ms - other->open_ms < BETTER_MS / 4)
		return;
	now_us = rtt_of(busy);
	then_us = rtt_of(other);
	if (!now_us || !then_us || now_us - VX6_MIN(now_us, 2000U) <= worth_us(busy, then_us))
		return;
	snprintf(why, sizeof why, "round trip of %.1f ms against %.1f ms", then_us / 1000.0,
		 now_us / 1000.0);
	move(r, busy, other, why);
}

/* What began directly, or could, goes back there when it can. */
static void keep_direct(struct route *r, uint64_t now_ms)
{
	struct census now;

	if (r->how.via != VX6_ROUTE_AUTO || !r->c->cfg.direct)
		return;
	count(r, &now);
	if (now.streams == 0) {
		r->direct_wait_ms = 0;
		return;
	}
	if (!r->direct_wait_ms) {
		r->direct_wait_ms = DIRECT_FIRST_MS;
		r->direct_ms = now_ms;
	}
	if (now_ms - r->direct_ms < r->direct_wait_ms)
		return;
	r->direct_ms = now_ms;
	r->direct_wait_ms = VX6_MIN(2 * r->direct_wait_ms, (uint32_t)DIRECT_MAX_MS);
	r->c->cfg.direct(r->c->cfg.user, &r->target);
}

/* ---- what is idle ---- */

static void keep_idle(struct leg *l, uint64_t now_ms)
{
	uint64_t idle_ms = now_ms - l->idle_ms;

	if (!l->circuit || !l->open || l->streams > 0 || l->keep || l->bare)
		return;
	if (l->route && l->purpose == VX6_PURPOSE_SPARE && idle_ms >= SPARE_IDLE_MS &&
	    !l->route->busy_since_ms)
		leg_close(l, VX6_OK, "nothing runs that it would stand by for");
	else if (l->route && l->route->left)
		leg_close(l, VX6_OK, "no longer needed");
	else if (idle_ms >= (l->route ? (uint64_t)LEG_IDLE_MS : (uint64_t)POOL_IDLE_MS))
		leg_close(l, VX6_OK, "unused for long");
}

/* ---- one route ---- */

void route_keep(struct route *r)
{
	uint64_t now_ms = circuits_now_ms(r->c);
	struct census now;

	if (r->c->draining)
		return;
	count(r, &now);
	if (r->adrift && !vx6_sessions_adrift(r->c->cfg.sessions, &r->target, r->id))
		r->adrift = false;
	if (now.good > 1 || vx6_list_is_empty(&r->legs))
		r->in_doubt = false;
	if (now.good > 0 || now_ms - r->direct_doubt_ms >= DIRECT_DOUBT_MS)
		r->direct_doubt_ms = 0;
	if (now.streams == 0)
		r->busy_since_ms = 0;
	if (is_wanted(r) || now.building)
		circuits_wake(r->c, TICK_MS);
	if (r->asked || now_ms < VX6_MAX(r->retry_ms, r->flap_ms))
		return;
	if ((is_wanted(r) && now.good == 0) || r->in_doubt)
		keep_wanted(r, &now, now_ms);
	else if (now.streams > 0 && !r->left)
		keep_spare(r, &now, now_ms);
}

/* What is told to those who waited for too long. */
static void refuse_late(struct route *r)
{
	if (r->failed_n)
		route_refuse(r, r->err, r->detail);
	else if (r->how.hidden)
		route_refuse(r, VX6_ERR(HS_TIMEOUT), "its owner did not come in time");
	else
		route_refuse(r, VX6_ERR(TIMEOUT), "no circuit could be built in time");
}

static void give_up_late(struct route *r, uint64_t now_ms)
{
	VX6_LIST_EACH(node, &r->waiting)
	{
		struct vx6_circuits_wait *w =
			VX6_CONTAINER_OF(node, struct vx6_circuits_wait, node);

		if (now_ms >= w->until_ms)
			refuse_late(r);
		return;
	}
}

/* ---- the pool ---- */

static struct demand *demand_of(struct vx6_circuits *c, const struct vx6_routing *how)
{
	struct demand *oldest = &c->demand[0];

	for (size_t i = 0; i < VX6_ARRAY_N(c->demand); i++) {
		struct demand *d = &c->demand[i];

		if (d->relays == how->hops && d->anonymous == how->anonymous &&
		    d->hidden == routing_is_guarded(how))
			return d;
		if (d->used_ms[0] < oldest->used_ms[0])
			oldest = d;
	}
	*oldest = (struct demand){.relays = how->hops,
				  .anonymous = how->anonymous,
				  .hidden = routing_is_guarded(how)};
	return oldest;
}

void circuits_wanted(struct vx6_circuits *c, const struct vx6_routing *how)
{
	struct demand *d = demand_of(c, how);

	d->used_ms[d->next++ % VX6_CIRCUITS_POOL_MAX] = circuits_now_ms(c) + 1;
	circuits_wake(c, TICK_MS);
}

static unsigned predicted(const struct demand *d, uint64_t now_ms)
{
	unsigned n = 0;

	for (size_t i = 0; i < VX6_CIRCUITS_POOL_MAX; i++)
		n += d->used_ms[i] && now_ms - VX6_MIN(d->used_ms[i], now_ms) < POOL_WINDOW_MS;
	return n;
}

static bool is_of_kind(const struct leg *l, const struct demand *d)
{
	return !l->route && !l->bare && l->circuit && l->path.n == d->relays &&
	       l->anonymous == d->anonymous && l->hidden == d->hidden;
}

void pool_failed(struct vx6_circuits *c)
{
	uint32_t wait = (uint32_t)TICK_MS << VX6_MIN(++c->pool_failed_n, 8U);

	c->pool_retry_ms = circuits_now_ms(c) + wait + vx6_random_below(wait / 3);
}

/* Who takes one is about to use it: what takes its place must not compete with that. Not put off again by the next who does. */
void pool_calm(struct vx6_circuits *c)
{
	uint64_t now_ms = circuits_now_ms(c);
	uint32_t wait = POOL_CALM_MS + vx6_random_below(POOL_CALM_MS / 3);

	if (now_ms < c->pool_retry_ms)
		return;
	c->pool_retry_ms = now_ms + wait;
	circuits_wake(c, wait);
}

/* One build at a time: a pool is for later. */
static void pool_keep(struct vx6_circuits *c, uint64_t now_ms)
{
	char detail[VX6_CIRCUIT_WHY];

	for (size_t i = 0; i < VX6_ARRAY_N(c->demand); i++) {
		const struct demand *d = &c->demand[i];
		unsigned have = 0, building = 0, want = d->relays ? predicted(d, now_ms) : 0;
		struct vx6_routing how = {.via = VX6_ROUTE_RELAY,
					  .hops = d->relays,
					  .anonymous = d->anonymous,
					  .hidden = d->hidden};
		const struct leg_want w = {.how = &how,
					   .purpose = VX6_PURPOSE_POOL,
					   .why = "as many were lately wanted"};

		VX6_LIST_EACH(node, &c->legs)
		{
			const struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

			have += is_of_kind(l, d);
			building += is_of_kind(l, d) && !l->open;
		}
		if (have < want && building == 0 && now_ms >= c->pool_retry_ms &&
		    !vx6_is_ok(leg_begin(c, &w, NULL, detail)))
			pool_failed(c);
	}
}

/* ---- all ---- */

static void keep_draining(struct leg *l)
{
	if (!l->open || l->streams == 0)
		leg_close(l, VX6_ERR(DRAINING), "draining");
}

void circuits_keep(struct vx6_circuits *c)
{
	uint64_t now_ms = circuits_now_ms(c);

	VX6_LIST_EACH(node, &c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		leg_refresh(l, now_ms);
		if (l->route && l->open && now_ms - l->open_ms >= FLAP_MS)
			l->route->failed_n = l->route->flaps_n = 0;
		if (l->open && l->streams > 0 && now_ms - l->pinged_ms >= PING_MS)
			leg_ping(l);
		leg_keep_sound(l, now_ms);
		if (l->bare)
			bare_keep(l, now_ms);
		else if (l->at_x)
			hidden_keep(l, now_ms);
	}
	bares_keep(c, now_ms);
	VX6_LIST_EACH(node, &c->routes)
	{
		struct route *r = VX6_CONTAINER_OF(node, struct route, lru);

		if (vx6_list_is_empty(&r->legs) && !is_wanted(r))
			continue;
		keep_leaving(r, now_ms);
		keep_quick(r, now_ms);
		keep_direct(r, now_ms);
		route_keep(r);
		give_up_late(r, now_ms);
	}
	VX6_LIST_EACH(node, &c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (c->draining)
			keep_draining(l);
		else
			keep_idle(l, now_ms);
	}
	if (!c->draining)
		pool_keep(c, now_ms);
	circuits_watch(c);
	if (!vx6_list_is_empty(&c->legs) || !vx6_list_is_empty(&c->bares))
		circuits_wake(c, TICK_MS);
}
