/*
 * A session whose peer sends, and from one moment to the next does not: who only receives waits for no acknowledgement, and would learn from the
 * keep-alive that the path is gone. Where streams could go on over circuits nobody waits that long.
 */
#include "base/util.h"
#include "session/session_internal.h"

enum {
	TICK_MS = 250,
	FLOW_BYTES = 4096, /* within a tick: something flows */
	SILENT_MS = 1000,
	ANSWER_MS = 1500, /* and not less than four round trips */
};

/* @return whether it is to be looked at again */
static bool look(struct vx6_session *s, uint64_t now_ms)
{
	struct vx6_link_info info;

	if (s->circuit || !s->was_up || s->state == SESSION_DEAD || !s->has_node ||
	    !vx6_vxs_may_leave(s->m->vxs, &s->node, s->link)) {
		s->flowing = false;
		return false;
	}
	vx6_link_info(s->link, &info);
	if (info.rx_bytes != s->heard_bytes) {
		s->flowing |= info.rx_bytes - s->heard_bytes >= FLOW_BYTES;
		s->heard_bytes = info.rx_bytes;
		s->heard_ms = now_ms;
	} else if (s->flowing && now_ms - s->heard_ms >= SILENT_MS) {
		s->flowing = false;
		vx6_session_probe(s, VX6_MAX((uint32_t)ANSWER_MS, 4 * (info.srtt_us / 1000)));
	}
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
