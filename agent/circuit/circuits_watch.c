/*
 * A circuit that falls silent while something flows over it. Who receives cannot know whether the sender is done or a relay has died, and waits
 * for nothing that he sent himself; so the hops are asked at once. When the last one, or one before it, takes much longer to answer than it did, the
 * streams go to another circuit; if it does answer later, nothing was lost but a spare. Which hops have answered says who is left out of paths for now.
 *
 * The circuit that they go to is asked as well, at once; and one that only stands by while something flows, every two seconds: it would be too late
 * to find out that it is no better when it is needed.
 */
#include "circuit/circuits_internal.h"

#include "base/clock.h"

enum {
	WATCH_MS = 50,
	FLOW_CELLS = 8,  /* within WATCH_MS, or as much that is sent: something flows */
	QUIET_MS = 100,  /* without a cell, and not less than a quarter of a round trip: asked */
	ANSWER_MS = 150, /* at least, without an answer: left */
	SLACK_MS = 200,  /* beyond a round trip, or half of that, if it is more */
	NEAR_MS = 300,   /* as ANSWER_MS, of a hop before the last */
	SLOW_MS = 1000,  /* that long only if it was never quicker */
	FORGET_MS = 2000,
	SPARE_PING_MS = 2000,
	SPARE_ANSWER_MS = 1000, /* and not less than four of its best round trips */
	SPARE_WAIT_MS =
		1000, /* after a second spare in a row that did not answer, then ever longer */
	SPARE_WAIT_MAX_MS = 60000,
};

static uint64_t rtt_ms(const struct vx6_circuit_info *info)
{
	uint32_t us = info->hops_n > 0 ? info->hop[info->hops_n - 1].rtt_us : 0;

	return (VX6_MAX(us, info->srtt_us) + 999) / 1000;
}

/* Three round trips where they are short; of long ones one, and some more. */
static uint64_t patience_ms(uint64_t rtt)
{
	return VX6_MIN(3 * rtt, rtt + VX6_MAX(rtt / 2, (uint64_t)SLACK_MS));
}

/* A way that has become slow is not waited for as long as one that always was. */
static uint64_t answer_ms(const struct leg *l, const struct vx6_circuit_info *info)
{
	uint64_t most = VX6_MAX((uint64_t)SLOW_MS, 3 * (uint64_t)(l->best_us / 1000));

	return VX6_MAX((uint64_t)ANSWER_MS, VX6_MIN(patience_ms(rtt_ms(info)), most));
}

/* Of a hop before the last: what is behind it need not be waited for. */
static bool is_mute_near(const struct vx6_circuit_info *info, uint64_t asked_ms)
{
	for (int i = 0; i + 1 < info->hops_n; i++) {
		uint64_t rtt = (info->hop[i].rtt_us + 999) / 1000;
		uint64_t due = VX6_MAX((uint64_t)NEAR_MS, patience_ms(rtt));

		if (rtt && VX6_MIN((uint64_t)info->hop[i].owes_ms, asked_ms) >= due)
			return true;
	}
	return false;
}

/* It was asked, and does not answer in time. */
static bool is_mute(const struct leg *l, const struct vx6_circuit_info *info, uint64_t now_ms)
{
	uint64_t asked_ms = now_ms - l->watch_ping_ms;

	return l->watch_ping_ms && (asked_ms >= answer_ms(l, info) || is_mute_near(info, asked_ms));
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

/* Of an owner's circuit to a client that goes elsewhere by itself this is only about whom the next one is not led through. */
static void doubt(struct leg *l, const struct vx6_circuit_info *info)
{
	struct route *r = l->route;
	struct vx6_session *s = leg_session(l);

	l->in_doubt = true;
	l->watch_ping_ms = 0;
	leg_suspect_silent(l, info);
	if (!r)
		return;
	if (route_move_off(r, l, "it does not answer"))
		return;
	/* what is built now takes the streams over as soon as it is up */
	if (s)
		vx6_session_doubt(s);
	r->in_doubt = true;
	r->retry_ms = 0;
	route_keep(r);
}

static void sign_of_life(struct leg *l, uint64_t cells, uint64_t sent, uint64_t now_ms)
{
	uint64_t n = cells - l->watch_cells + (sent - l->watch_sent) / VX6_CELL_BYTES;

	l->watch_cells = cells;
	l->watch_sent = sent;
	l->watch_ms = now_ms;
	l->watch_ping_ms = 0;
	l->in_doubt = false;
	if (n >= FLOW_CELLS)
		l->flowing = true;
}

/* In use by streams of ours; or by those of a client, of a service that is hidden here. */
static bool is_watched(const struct leg *l)
{
	return l->route || (l->bare && l->purpose == VX6_PURPOSE_RENDEZVOUS);
}

/* @return whether it is to be looked at again soon */
static bool look(struct leg *l, uint64_t now_ms)
{
	struct vx6_circuit_info info;
	uint64_t cells;

	if (!is_watched(l) || !l->open || l->leaving || (l->streams == 0 && !l->watch_ping_ms))
		return false;
	vx6_circuit_info(l->circuit, &info);
	cells = info.rx_cells - l->near_pongs;
	if (cells != l->watch_cells) {
		sign_of_life(l, cells, info.tx_bytes, now_ms);
		return true;
	}
	if (is_mute(l, &info, now_ms))
		doubt(l, &info);
	else if (!l->watch_ping_ms && l->flowing &&
		 now_ms - l->watch_ms >= VX6_MAX((uint64_t)QUIET_MS, rtt_ms(&info) / 4))
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

		if (is_watched(l) && l->open && l->streams > 0) {
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
