/*
 * A circuit that falls silent while something flows over it. Who receives cannot know whether the sender is done or a relay has died, and waits
 * for nothing that he sent himself; so the far end is asked at once. No answer for a few round trips, and the streams go to another circuit; if
 * it does answer later, nothing was lost but a spare.
 */
#include "circuit/circuits_internal.h"

#include "base/clock.h"

enum {
	WATCH_MS = 50,
	FLOW_CELLS = 8,  /* within WATCH_MS: something flows */
	QUIET_MS = 100,  /* without a cell, and not less than a round trip: asked */
	ANSWER_MS = 150, /* without an answer, and not less than three round trips: left */
	FORGET_MS = 2000,
};

static uint64_t rtt_ms(const struct vx6_circuit_info *info)
{
	uint32_t us = info->hops_n > 0 ? info->hop[info->hops_n - 1].rtt_us : 0;

	return (VX6_MAX(us, info->srtt_us) + 999) / 1000;
}

static void doubt(struct leg *l)
{
	struct route *r = l->route;

	l->in_doubt = true;
	l->watch_ping_ms = 0;
	if (route_move_off(r, l, "it does not answer"))
		return;
	r->in_doubt = true;
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
	uint64_t rtt;

	if (!l->route || !l->open || l->leaving || l->streams == 0)
		return false;
	vx6_circuit_info(l->circuit, &info);
	if (info.rx_cells != l->watch_cells) {
		sign_of_life(l, info.rx_cells, now_ms);
		return true;
	}
	rtt = rtt_ms(&info);
	if (l->watch_ping_ms &&
	    now_ms - l->watch_ping_ms >= VX6_MAX((uint64_t)ANSWER_MS, 3 * rtt)) {
		doubt(l);
	} else if (!l->watch_ping_ms && l->flowing &&
		   now_ms - l->watch_ms >= VX6_MAX((uint64_t)QUIET_MS, rtt)) {
		l->flowing = false;
		l->watch_ping_ms = now_ms;
		vx6_circuit_ping(l->circuit, info.hops_n - 1);
	}
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
