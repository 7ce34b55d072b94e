/*
 * A session whose peer sends, and from one moment to the next does not: who only receives waits for no acknowledgement, and would learn from the
 * keep-alive that the path is gone. Where streams could go on over circuits nobody waits that long:
 *
 *   silent --SILENT_MS--> asked --DOUBT_MS--> circuits are looked for, and streams go there --ANSWER_MS since it was asked--> it ends
 *
 * An answer brings them back. Who only sends hears the acknowledgements, and notices in the same way.
 */
#include "base/util.h"
#include "session/session_internal.h"

enum {
	TICK_MS = 100,
	FLOW_BYTES = 2048, /* within a tick: something flows */
	SILENT_MS = 500,
	DOUBT_MS = 250,   /* and not less than three round trips */
	ANSWER_MS = 1500, /* and not less than eight */
};

static bool may_leave(const struct vx6_session *s)
{
	uint64_t route = 0;

	return !s->circuit && s->was_up && s->state != SESSION_DEAD && s->has_node &&
	       vx6_vxs_may_leave(s->m->vxs, &s->node, s->link, &route);
}

static void ask(struct vx6_session *s)
{
	struct vx6_link_info info;

	vx6_link_info(s->link, &info);
	vx6_session_probe(s, VX6_MAX((uint32_t)ANSWER_MS, 8 * (info.srtt_us / 1000)));
}

bool silence_ask(struct vx6_session *s)
{
	if (!may_leave(s))
		return false;
	ask(s);
	silence_watch(s);
	return true;
}

static void heard(struct vx6_session *s, const struct vx6_link_info *info, uint64_t now_ms)
{
	s->flowing |=
		info->rx_bytes - s->heard_bytes + (info->tx_bytes - s->said_bytes) >= FLOW_BYTES;
	s->heard_bytes = info->rx_bytes;
	s->heard_ms = now_ms;
}

/* Nothing at all has come since it was asked. */
static bool owes(const struct vx6_session *s, const struct vx6_link_info *info, uint64_t now_ms)
{
	uint64_t due_ms = VX6_MAX((uint64_t)DOUBT_MS, 3 * (uint64_t)(info->srtt_us / 1000));

	return vx6_timer_is_armed(&s->probe) && s->probe_rx == info->rx_bytes &&
	       now_ms - s->asked_ms >= due_ms;
}

/* @return whether it is to be looked at again */
static bool look(struct vx6_session *s, uint64_t now_ms)
{
	struct vx6_link_info info;

	if (!may_leave(s)) {
		s->flowing = false;
		return false;
	}
	vx6_link_info(s->link, &info);
	if (info.rx_bytes != s->heard_bytes) {
		heard(s, &info, now_ms);
	} else if (s->flowing && now_ms - s->heard_ms >= SILENT_MS) {
		s->flowing = false;
		ask(s);
	} else if (owes(s, &info, now_ms)) {
		resume_doubt(s);
	}
	s->said_bytes = info.tx_bytes;
	return true;
}

static void on_tick(struct vx6_timer *timer)
{
	struct vx6_sessions *m = timer->user;
	uint64_t now_ms = vx6_loop_now_ms(m->cfg.loop);
	bool again = false;

	VX6_LIST_EACH(node, &m->all)
	again |= look(VX6_CONTAINER_OF(node, struct vx6_session, all), now_ms);
	if (again)
		vx6_timer_in_ms(timer, TICK_MS);
}

void silence_init(struct vx6_sessions *m)
{
	vx6_timer_init(m->cfg.loop, &m->silence, on_tick, m);
}

void silence_watch(struct vx6_session *s)
{
	if (!s->circuit && !vx6_timer_is_armed(&s->m->silence))
		vx6_timer_in_ms(&s->m->silence, TICK_MS);
}
