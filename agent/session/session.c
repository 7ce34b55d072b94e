/*
 * One session: the link's events, the way to UP and the way out.
 *
 *   TLS --link up--> HELLO --peer's HELLO checked--> UP --GOAWAY either way--> DRAIN
 *    any of them --session_fail / link down--> DEAD --link_down--> freed
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "session/session_internal.h"
#include "wire/code.h"

static void on_timer(struct vx6_timer *timer)
{
	struct vx6_session *s = timer->user;
	struct vx6_link_info info;

	if (s->state == SESSION_HELLO) {
		session_fail(s, VX6_ERR(TIMEOUT), "no HELLO in time");
		return;
	}
	if (!s->is_duplicate)
		return;
	vx6_link_info(s->link, &info);
	if (info.streams <= 1)
		session_fail(s, VX6_ERR(DUPLICATE), "another link to the same node was kept");
	else
		vx6_timer_in_ms(&s->timer, DUPLICATE_GRACE_MS);
}

static void on_probe_timeout(struct vx6_timer *timer)
{
	struct vx6_session *s = timer->user;
	struct vx6_link_info info;

	/* an answer that waits behind a slow stream is no silence */
	vx6_link_info(s->link, &info);
	if (!s->probe_strict && info.rx_bytes != s->probe_rx) {
		s->probe_rx = info.rx_bytes;
		vx6_timer_in_ms(&s->probe, s->probe_ms);
		return;
	}
	session_fail(s, VX6_ERR(TIMEOUT), "no sign of life");
}

static void on_link_up(struct vx6_link *link, void *user)
{
	struct vx6_session *s = user;
	struct vx6_link_info info;
	vx6_err err;

	if (s->state != SESSION_TLS)
		return;
	s->state = SESSION_HELLO;
	vx6_link_info(link, &info);
	memcpy(s->binding, info.channel_binding, sizeof s->binding);
	vx6_timer_init(s->m->cfg.loop, &s->timer, on_timer, s);
	vx6_timer_init(s->m->cfg.loop, &s->probe, on_probe_timeout, s);
	vx6_timer_in_ms(&s->timer, s->circuit ? CIRCUIT_HELLO_TIMEOUT_MS : HELLO_TIMEOUT_MS);
	if (!s->initiator)
		return; /* the initiator opens the control stream */
	memcpy(s->m->dialed[s->m->dialed_n++ % VX6_ARRAY_N(s->m->dialed)], s->binding,
	       sizeof s->binding);
	err = vx6_stream_open(link, &session_control_events, s, &s->control);
	if (!vx6_is_ok(err))
		session_fail(s, err, "cannot open the control stream");
	else
		session_send_hello(s);
}

static void on_link_stream(struct vx6_link *link, struct vx6_stream *stream, void *user)
{
	struct vx6_session *s = user;

	(void)link;
	if (s->state == SESSION_DEAD)
		return;
	if (!s->initiator && !s->control) {
		s->control = stream;
		vx6_stream_set_events(stream, &session_control_events, s);
		session_send_hello(s);
		return;
	}
	arrival_begin(s, stream);
}

static void on_link_draining(struct vx6_link *link, void *user)
{
	struct vx6_session *s = user;

	(void)link;
	if (s->state == SESSION_UP)
		s->state = SESSION_DRAIN;
}

static void on_link_down(struct vx6_link *link, vx6_err why, void *user)
{
	struct vx6_session *s = user;
	vx6_err reason = s->why.code != VX6_E_OK ? s->why : why;

	(void)link;
	s->state = SESSION_DEAD;
	s->control = NULL;
	sessions_leave(s);
	if (s->dialing)
		dialing_session_down(s, reason);
	session_tell_down(s, reason);
	session_free(s);
}

const struct vx6_link_events session_link_events = {
	.up = on_link_up,
	.stream = on_link_stream,
	.draining = on_link_draining,
	.down = on_link_down,
};

static const char *where(const struct vx6_session *s, const struct vx6_link_info *info,
			 struct vx6_log_addr_buf *buf)
{
	return s->circuit ? "the end of a circuit" : vx6_log_addr(&info->remote, buf);
}

void session_fail(struct vx6_session *s, vx6_err why, const char *detail)
{
	struct vx6_link_info info;
	struct vx6_log_addr_buf buf;

	if (s->state == SESSION_DEAD)
		return;
	vx6_link_info(s->link, &info);
	/* an attempt that was not needed any more failed nobody */
	if (!s->was_up && !s->for_others && why.code != VX6_E_DUPLICATE &&
	    vx6_log_allow(&s->m->complaints, "session", 20, 10000))
		VX6_INFO("session", "%s %s via %s not accepted: %s (%s)",
			 s->initiator ? "dial to" : "link from", where(s, &info, &buf),
			 info.transport, vx6_err_text(why), detail);
	if (s->control)
		control_goaway(s, why);
	s->why = why;
	s->state = SESSION_DEAD;
	/* gone for whoever looks for a session with that node; the link reports down later */
	sessions_leave(s);
	vx6_timer_stop(&s->timer);
	vx6_timer_stop(&s->probe);
	/* streams that were opened before the peer was known end with it: it is not the one that they were for */
	vx6_link_close(s->link, s->early && !s->was_up ? VX6_ERR(WRONG_PEER) : why);
}

void session_hello_done(struct vx6_session *s)
{
	char id[VX6_NODE_ID_SHORT];
	struct vx6_link_info info;
	struct vx6_log_addr_buf buf;

	vx6_timer_stop(&s->timer);
	s->state = s->m->draining || s->leaving ? SESSION_DRAIN : SESSION_UP;
	s->up_since_ms = vx6_wall_ms();
	s->was_up = true;
	vx6_link_info(s->link, &info);
	if (!s->for_others)
		VX6_DEBUG("session", "up with %s at %s via %s",
			  s->hidden     ? "a hidden service"
			  : s->has_node ? vx6_node_id_format_short(&s->node, id)
					: "an anonymous peer",
			  where(s, &info, &buf), info.transport);
	/* one in which we are nobody is neither a second way to the node nor a copy of the first */
	if (s->has_node && (s->circuit || !s->anonymous))
		sessions_enter(s);
	session_tell_up(s);
	if (s->dialing && s->state != SESSION_DEAD)
		dialing_session_up(s);
	if (s->has_node && s->state != SESSION_DEAD)
		resume_session_up(s);
}

/* ---- what others may ask of a session ---- */

const struct vx6_node_id *vx6_session_node(const struct vx6_session *s)
{
	return s->has_node ? &s->node : NULL;
}

bool vx6_session_is_anonymous(const struct vx6_session *s)
{
	return s->anonymous;
}

bool vx6_session_is_for_others(const struct vx6_session *s)
{
	return s->for_others;
}

void vx6_session_claim(struct vx6_session *s)
{
	s->for_others = false;
}

void vx6_session_info(const struct vx6_session *s, struct vx6_link_info *out)
{
	vx6_link_info(s->link, out);
}

uint64_t vx6_session_features(const struct vx6_session *s)
{
	return s->features;
}

uint64_t vx6_session_up_since_ms(const struct vx6_session *s)
{
	return s->up_since_ms;
}

uint64_t vx6_session_id(const struct vx6_session *s)
{
	return s->id;
}

void vx6_session_close(struct vx6_session *s, vx6_err why)
{
	session_fail(s, why, vx6_err_text(why));
}

void vx6_session_probe(struct vx6_session *s, uint32_t ms)
{
	session_probe(s, ms, false);
}

void session_probe(struct vx6_session *s, uint32_t ms, bool strict)
{
	uint8_t buf[VX6_CTL_HEADER + 8];
	struct vx6_link_info info;
	struct vx6_wr w;

	if (!s->was_up || s->state == SESSION_DEAD)
		return;
	if (vx6_timer_is_armed(&s->probe) && s->probe_ms <= ms)
		return;
	vx6_link_info(s->link, &info);
	s->probe_rx = info.rx_bytes;
	s->probe_ms = ms;
	s->asked_ms = vx6_loop_now_ms(s->m->cfg.loop);
	s->probe_strict = strict;
	s->probe_token = vx6_random_u64();
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_ping(&w, false, s->probe_token);
	control_send(s, buf, w.len);
	vx6_timer_in_ms(&s->probe, ms);
}
