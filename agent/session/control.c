/*
 * The control stream: messages in, messages out. Spec: schemas/wire/ctl.md
 *
 * A message that arrived in pieces waits in ctl_in, at most one message long. What the stream does not take at once waits in ctl_out, at
 * most CTL_OUT_MAX: a peer that reads its control stream that slowly is closed.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "session/session_internal.h"
#include "wire/code.h"

/* ---- out ---- */

/* @return bytes that the stream took */
static size_t write_some(struct vx6_stream *stream, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t cap = 0;
		uint8_t *room = vx6_stream_reserve(stream, &cap);
		size_t take = VX6_MIN(cap, n - done);

		if (!room)
			break;
		memcpy(room, p + done, take);
		vx6_stream_commit(stream, take, false);
		done += take;
	}
	return done;
}

/* @return false: the queue is full. Nothing of the message has left then: there was no room on the stream before either */
static bool send_or_queue(struct vx6_session *s, const uint8_t *p, size_t n)
{
	size_t done = 0;

	if (!s->control || s->state == SESSION_DEAD)
		return true;
	if (s->ctl_out.n == 0)
		done = write_some(s->control, p, n);
	if (n - done > CTL_OUT_MAX - VX6_MIN((size_t)CTL_OUT_MAX, s->ctl_out.n))
		return false;
	byte_queue_put(&s->ctl_out, p + done, n - done);
	return true;
}

void control_send(struct vx6_session *s, const uint8_t *p, size_t n)
{
	if (!send_or_queue(s, p, n))
		session_fail(s, VX6_ERR(FULL), "peer does not read its control stream");
}

static void on_control_writable(struct vx6_stream *stream, void *user)
{
	struct vx6_session *s = user;

	if (s->ctl_out.n > 0)
		byte_queue_drop(&s->ctl_out, write_some(stream, s->ctl_out.p, s->ctl_out.n));
}

void control_goaway(struct vx6_session *s, vx6_err why)
{
	uint8_t buf[VX6_CTL_HEADER + 2 + VX6_CTL_REASON_MAX];
	struct vx6_wr w;

	/* an anonymous peer learns the code only */
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_goaway(&w, vx6_code_from_err(why), s->has_node ? vx6_err_text(why) : NULL);
	/* the end of a session is said where it can be; a full queue must not end it once more */
	if (vx6_is_ok(w.err))
		(void)send_or_queue(s, buf, w.len);
}

static void on_flush(struct vx6_task *task)
{
	struct vx6_session *s = task->user;
	uint8_t *buf = vx6_zalloc(VX6_CTL_MAX);
	struct vx6_wr w;
	size_t at = 0;

	while (at < s->records.n && s->state != SESSION_DEAD) {
		size_t mark;

		vx6_wr_init(&w, buf, VX6_CTL_MAX);
		mark = vx6_ctl_begin(&w, VX6_CTL_RECORDS, 0);
		while (at < s->records.n) {
			size_t n = (size_t)s->records.p[at] << 8 | s->records.p[at + 1];

			if (!vx6_ctl_records_add(&w, mark, s->records.p + at + 2, n))
				break;
			at += 2 + n;
		}
		vx6_ctl_end(&w, mark);
		control_send(s, buf, w.len);
	}
	free(buf);
	byte_queue_fini(&s->records);
}

vx6_err vx6_session_send_record(struct vx6_session *s, const uint8_t *record, size_t n)
{
	uint8_t len[2] = {(uint8_t)(n >> 8), (uint8_t)n};

	if (!s->was_up || s->state == SESSION_DEAD)
		return VX6_ERR(CLOSED);
	if (s->anonymous || s->circuit)
		return VX6_ERR(INVALID);
	if (n == 0 || n > VX6_RECORD_MAX)
		return VX6_ERR(LIMIT);
	if (s->records.n + s->ctl_out.n + n + 2 > CTL_OUT_MAX)
		return VX6_ERR(FULL);
	byte_queue_put(&s->records, len, sizeof len);
	byte_queue_put(&s->records, record, n);
	if (!s->flush.cb)
		vx6_task_init(&s->flush, on_flush, s);
	vx6_loop_defer(s->m->cfg.loop, &s->flush);
	return VX6_OK;
}

vx6_err vx6_session_want_records(struct vx6_session *s, const struct vx6_node_id *node)
{
	uint8_t buf[VX6_CTL_HEADER + VX6_NODE_ID_BYTES];
	struct vx6_wr w;

	if (!s->was_up || s->state == SESSION_DEAD)
		return VX6_ERR(CLOSED);
	if (s->circuit)
		return VX6_ERR(INVALID);
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_records_want(&w, node->b);
	control_send(s, buf, w.len);
	return VX6_OK;
}

static vx6_err send_whole(struct vx6_session *s, const struct vx6_wr *w)
{
	VX6_TRY(w->err);
	if (w->len > CTL_OUT_MAX - VX6_MIN((size_t)CTL_OUT_MAX, s->ctl_out.n + s->records.n))
		return VX6_ERR(FULL);
	control_send(s, w->p, w->len);
	return VX6_OK;
}

vx6_err vx6_session_send_have(struct vx6_session *s, const struct vx6_have *e, size_t n)
{
	uint8_t buf[VX6_CTL_MAX];
	struct vx6_wr w;

	if (!s->was_up || s->state == SESSION_DEAD)
		return VX6_ERR(CLOSED);
	if (s->circuit)
		return VX6_ERR(INVALID);
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_have(&w, e, n);
	return send_whole(s, &w);
}

vx6_err vx6_session_send_get(struct vx6_session *s, const uint64_t *tags, size_t n)
{
	uint8_t buf[VX6_CTL_MAX];
	struct vx6_wr w;

	if (!s->was_up || s->state == SESSION_DEAD)
		return VX6_ERR(CLOSED);
	if (s->circuit)
		return VX6_ERR(INVALID);
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_get(&w, tags, n);
	return send_whole(s, &w);
}

/* ---- in ---- */

bool budget_take(struct vx6_session *s, struct budget *b, uint32_t per_min)
{
	uint64_t now_ms = vx6_loop_now_ms(s->m->cfg.loop);

	if (b->since_ms == 0 || now_ms - b->since_ms >= 60000)
		*b = (struct budget){.since_ms = now_ms};
	if (b->used >= per_min)
		return false;
	b->used++;
	return true;
}

static vx6_err take_records(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_rd r;
	const uint8_t *record;
	size_t n;

	VX6_TRY(vx6_ctl_decode_records(m, &r));
	/* what is too much is not looked at, which costs nothing; the streams of the session are worth more than to end it */
	while (s->state != SESSION_DEAD && vx6_ctl_records_next(&r, &record, &n))
		if (s->m->cfg.events->record && budget_take(s, &s->records_in, RECORDS_PER_MIN))
			s->m->cfg.events->record(s->m->cfg.user, s, record, n);
	return VX6_OK;
}

static vx6_err take_want(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_node_id node;

	VX6_TRY(vx6_ctl_decode_records_want(m, node.b));
	if (budget_take(s, &s->wants_in, WANTS_PER_MIN) && s->m->cfg.events->wanted)
		s->m->cfg.events->wanted(s->m->cfg.user, s, &node);
	return VX6_OK;
}

static vx6_err take_have(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_have e;
	struct vx6_rd r;

	VX6_TRY(vx6_ctl_decode_have(m, &r));
	while (s->state != SESSION_DEAD && vx6_ctl_have_next(&r, &e))
		if (s->m->cfg.events->have && budget_take(s, &s->haves_in, HAVES_PER_MIN))
			s->m->cfg.events->have(s->m->cfg.user, s, &e);
	return VX6_OK;
}

static vx6_err take_get(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_rd r;
	uint64_t tag;

	VX6_TRY(vx6_ctl_decode_get(m, &r));
	while (s->state != SESSION_DEAD && vx6_ctl_get_next(&r, &tag))
		if (s->m->cfg.events->get && budget_take(s, &s->gets_in, GETS_PER_MIN))
			s->m->cfg.events->get(s->m->cfg.user, s, tag);
	return VX6_OK;
}

static vx6_err take_ping(struct vx6_session *s, const struct vx6_ctl *m)
{
	uint8_t buf[VX6_CTL_HEADER + 8];
	struct vx6_wr w;
	uint64_t token;

	VX6_TRY(vx6_ctl_decode_ping(m, &token));
	if (m->type == VX6_CTL_PONG) {
		if (token == s->probe_token) {
			vx6_timer_stop(&s->probe);
			resume_answered(s);
		}
		return VX6_OK;
	}
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_ping(&w, true, token);
	control_send(s, buf, w.len);
	return VX6_OK;
}

static vx6_err take_goaway(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_goaway g;

	VX6_TRY(vx6_ctl_decode_goaway(m, &g));
	VX6_DEBUG("session", "peer goes away: %s%s%s", vx6_code_text(g.code),
		  g.reason[0] ? ": " : "", g.reason);
	if (g.code == VX6_CODE_DRAINING) {
		if (s->state == SESSION_UP)
			s->state = SESSION_DRAIN;
		return VX6_OK;
	}
	/* the peer is about to close; its reason is better than the bare loss of the link */
	if (s->why.code == VX6_E_OK)
		s->why = vx6_code_to_err(g.code);
	return VX6_OK;
}

static bool is_about_records(uint8_t type)
{
	return type == VX6_CTL_RECORDS || type == VX6_CTL_RECORDS_WANT || type == VX6_CTL_HAVE ||
	       type == VX6_CTL_GET;
}

static vx6_err take_message(struct vx6_session *s, const struct vx6_ctl *m, char *detail)
{
	if (s->state == SESSION_HELLO) {
		if (m->type == VX6_CTL_HELLO)
			return session_take_hello(s, m->body, m->body_len, detail);
		if (m->type == VX6_CTL_GOAWAY)
			return take_goaway(s, m);
		return VX6_ERR(PROTOCOL);
	}
	if (s->circuit && is_about_records(m->type)) {
		s->m->circuit_ignored++;
		return VX6_OK;
	}
	switch (m->type) {
	case VX6_CTL_RECORDS:
		return take_records(s, m);
	case VX6_CTL_RECORDS_WANT:
		return take_want(s, m);
	case VX6_CTL_HAVE:
		return take_have(s, m);
	case VX6_CTL_GET:
		return take_get(s, m);
	case VX6_CTL_VXS_ACK:
		return resume_take_ack(s, m);
	case VX6_CTL_VXS_ADRIFT:
		return resume_take_adrift(s, m);
	case VX6_CTL_PING:
	case VX6_CTL_PONG:
		return take_ping(s, m);
	case VX6_CTL_GOAWAY:
		return take_goaway(s, m);
	case VX6_CTL_HELLO:
		return VX6_ERR(PROTOCOL); /* a second one */
	default:
		return (m->flags & VX6_CTL_CRITICAL) ? VX6_ERR(UNSUPPORTED) : VX6_OK;
	}
}

static void take_messages(struct vx6_session *s)
{
	char detail[VX6_DIAL_DETAIL_MAX] = "malformed control message";
	size_t at = 0;

	while (at < s->ctl_in.n && s->state != SESSION_DEAD) {
		struct vx6_ctl m;
		size_t used;
		vx6_err err = vx6_ctl_decode(s->ctl_in.p + at, s->ctl_in.n - at, &m, &used);

		if (err.code == VX6_E_SHORT)
			break;
		if (vx6_is_ok(err))
			err = take_message(s, &m, detail);
		if (!vx6_is_ok(err)) {
			session_fail(s, err, detail);
			return;
		}
		at += used;
	}
	if (at > 0)
		byte_queue_drop(&s->ctl_in, at);
}

static void on_control_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			    void *user)
{
	struct vx6_session *s = user;

	for (int i = 0; i < n && s->state != SESSION_DEAD; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left > 0 && s->state != SESSION_DEAD) {
			/* never more than one whole message is kept */
			size_t take = VX6_MIN(left, 2 * (size_t)VX6_CTL_MAX - s->ctl_in.n);

			byte_queue_put(&s->ctl_in, p, take);
			p += take;
			left -= take;
			take_messages(s);
		}
		if (s->state != SESSION_DEAD)
			vx6_stream_consume(stream, iov[i].iov_len);
	}
	if (fin && s->state != SESSION_DEAD)
		session_fail(s, VX6_ERR(CLOSED), "peer closed its control stream");
}

static void on_control_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	struct vx6_session *s = user;

	(void)stream;
	(void)code;
	s->control = NULL;
	/* the link's own end closes its streams first: link_down tells then */
	if (s->state != SESSION_DEAD && why.code == VX6_E_RESET)
		session_fail(s, VX6_ERR(PROTOCOL), "peer reset its control stream");
}

const struct vx6_stream_events session_control_events = {
	.data = on_control_data,
	.writable = on_control_writable,
	.closed = on_control_closed,
};
