/*
 * A circuit that falls silent while something flows over it. Who receives cannot know whether the sender is done or a relay has died, and waits
 * for nothing that he sent himself; so the hops are asked at once. No answer of the last one for a few round trips, and the streams go to another
 * circuit; if it does answer later, nothing was lost but a spare. Which hops have answered says who is left out of paths for now.
 *
 * The circuit that they go to is asked as well, at once; and one that only stands by while something flows, every two seconds: it would be too late
 * to find out that it is no better when it is needed.
 */
#include "circuit/circuits_internal.h"

#include "base/clock.h"

enum {
	WATCH_MS = 50,
	FLOW_CELLS = 8,  /* within WATCH_MS: something flows */
	QUIET_MS = 100,  /* without a cell, and not less than a round trip: asked */
	ANSWER_MS = 150, /* without an answer, and not less than three round trips: left */
	SLOW_MS = 1000,  /* that long only if it was never quicker */
	FORGET_MS = 2000,
	SPARE_PING_MS = 2000,
	SPARE_ANSWER_MS = 500, /* and not less than four of its best round trips */
	SPARE_WAIT_MS =
		1000, /* after a second spare in a row that did not answer, then ever longer */
	SPARE_WAIT_MAX_MS = 60000,
};

static uint64_t rtt_ms(const struct vx6_circuit_info *info)
{
	uint32_t us = info->hops_n > 0 ? info->hop[info->hops_n - 1].rtt_us : 0;

	return (VX6_MAX(us, info->srtt_us) + 999) / 1000;
}

/* A way that has become slow is not waited for as long as one that always was. */
static uint64_t answer_ms(const struct leg *l, const struct vx6_circuit_info *info)
{
	uint64_t most = VX6_MAX((uint64_t)SLOW_MS, 3 * (uint64_t)(l->best_us / 1000));

	return VX6_MAX((uint64_t)ANSWER_MS, VX6_MIN(3 * rtt_ms(info), most));
}

static void ask(struct leg *l, uint64_t now_ms)
{
	l->flowing = false;
	l->watch_ping_ms = now_ms;
	leg_ping(l);
}

void leg_watch_anew(struct leg *l)
{
	struct vx6_circuit_info info;

	vx6_circuit_info(l->circuit, &info);
	l->watch_cells = info.rx_cells - l->near_pongs;
	l->watch_ms = circuits_now_ms(l->c);
	ask(l, l->watch_ms);
	if (!vx6_timer_is_armed(&l->c->watch))
		vx6_timer_in_ms(&l->c->watch, WATCH_MS);
}

static void doubt(struct leg *l, const struct vx6_circuit_info *info)
{
	struct route *r = l->route;
	struct vx6_session *s = leg_session(l);

	l->in_doubt = true;
	l->watch_ping_ms = 0;
	leg_suspect_silent(l, info);
	if (route_move_off(r, l, "it does not answer"))
		return;
	/* what is built now takes the streams over as soon as it is up */
	if (s)
		vx6_session_doubt(s);
	r->in_doubt = true;
	r->retry_ms = 0;
	route_keep(r);
}

static void sign_of_life(struct leg *l, uint64_t cells, uint64_t now_ms)
{
	uint64_t n = cells - l->watch_cells;

	l->watch_cells = cells;
	l->watch_ms = now_ms;
	l->watch_ping_ms = 0;
	l->in_doubt = false;
	if (n >= FLOW_CELLS)
		l->flowing = true;
}

/* @return whether it is to be looked at again soon */
static bool look(struct leg *l, uint64_t now_ms)
{
	struct vx6_circuit_info info;
	uint64_t cells;

	if (!l->route || !l->open || l->leaving || (l->streams == 0 && !l->watch_ping_ms))
		return false;
	vx6_circuit_info(l->circuit, &info);
	cells = info.rx_cells - l->near_pongs;
	if (cells != l->watch_cells) {
		sign_of_life(l, cells, now_ms);
		return true;
	}
	if (l->watch_ping_ms && now_ms - l->watch_ping_ms >= answer_ms(l, &info))
		doubt(l, &info);
	else if (!l->watch_ping_ms && l->flowing &&
		 now_ms - l->watch_ms >= VX6_MAX((uint64_t)QUIET_MS, rtt_ms(&info)))
		ask(l, now_ms);
	return l->flowing || l->watch_ping_ms || now_ms - l->watch_ms < FORGET_MS;
}

void circuits_on_watch(struct vx6_timer *timer)
{
	struct vx6_circuits *c = timer->user;
	uint64_t now_ms = circuits_now_ms(c);
	bool again = false;

	/* a look may end the leg after it, too: from the beginning when the list has changed */
	for (struct vx6_list *node = c->legs.next; node != &c->legs;) {
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);
		size_t before = c->legs_n;

		node = node->next;
		again |= look(l, now_ms);
		if (c->legs_n < before)
			node = c->legs.next;
	}
	if (again)
		vx6_timer_in_ms(timer, WATCH_MS);
}

void circuits_watch(struct vx6_circuits *c)
{
	if (vx6_timer_is_armed(&c->watch))
		return;
	VX6_LIST_EACH(node, &c->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (l->route && l->open && l->streams > 0) {
			vx6_timer_in_ms(&c->watch, WATCH_MS);
			return;
		}
	}
}

/* ---- those that stand by ---- */

static bool is_flowing(const struct route *r, uint64_t now_ms)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		if (l->streams > 0 && now_ms - l->watch_ms < FORGET_MS)
			return true;
	}
	return false;
}

static void mute(struct leg *l, const struct vx6_circuit_info *info, uint64_t now_ms)
{
	struct route *r = l->route;

	leg_suspect_silent(l, info);
	r->spare_ms = now_ms + r->spare_wait_ms;
	r->spare_wait_ms = VX6_MIN(VX6_MAX(2 * r->spare_wait_ms, (uint32_t)SPARE_WAIT_MS),
				   (uint32_t)SPARE_WAIT_MAX_MS);
	leg_close(l, VX6_ERR(TIMEOUT), "does not answer while it stands by");
}

void leg_keep_sound(struct leg *l, uint64_t now_ms)
{
	struct vx6_circuit_info info;
	uint64_t due_ms;

	if (!l->route || !l->open || l->leaving || l->streams > 0 || l->watch_ping_ms || l->keep)
		return;
	vx6_circuit_info(l->circuit, &info);
	due_ms = VX6_MAX((uint64_t)SPARE_ANSWER_MS, 4 * (uint64_t)(l->best_us / 1000));
	if (info.hops_n > 0 && info.hop[info.hops_n - 1].owes_ms >= due_ms) {
		mute(l, &info, now_ms);
		return;
	}
	if (now_ms - l->open_ms >= SPARE_WAIT_MAX_MS)
		l->route->spare_wait_ms = 0;
	if (now_ms - l->pinged_ms >= SPARE_PING_MS && is_flowing(l->route, now_ms))
		leg_ping(l);
}
