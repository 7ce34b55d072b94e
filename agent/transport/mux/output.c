/* Frames out: control frames first, then the streams that wait, each for its quantum, round and round. */
#include "transport/mux/mux_internal.h"

#include "base/clock.h"
#include "base/util.h"
#include "wire/code.h"

#define PING_FRESH_NS VX6_NS_PER_S

static uint32_t id_next(struct mux *m)
{
	uint32_t id = m->own_next;

	m->own_next += 2;
	return id;
}

void data_send(struct vx6_stream *s, uint8_t *frame, size_t n, bool fin)
{
	struct mux *m = s->mux;
	struct vx6_mux_frame f = {.type = VX6_MUX_DATA,
				  .len = (uint16_t)n,
				  .flags = fin ? VX6_MUX_FIN : 0};

	if (!s->id) {
		s->id = id_next(m);
		f.flags |= VX6_MUX_OPEN;
		table_put(m, s);
		if (s->rx.freed)
			stream_want_ctl(s, CTL_WINDOW);
	}
	f.stream = s->id;
	vx6_mux_encode(frame, &f);
	s->tx_credit -= (uint32_t)n;
	m->tx_credit -= (uint32_t)n;
	m->io->send(m, frame, VX6_MUX_HEADER + n);
}

/* ---- control ---- */

static size_t window_compose(struct mux *m, uint8_t *frame, uint32_t id, struct mux_credit *c)
{
	uint32_t n = credit_grant(c, m->now_ns, m->srtt_us);

	if (m->now_ns - m->ping_last_ns > PING_FRESH_NS)
		mux_ping(m); /* windows are sized by the round trip, so it must not be an old one */
	return n ? vx6_mux_encode_u32(frame, VX6_MUX_WINDOW, id, n) : 0;
}

/* Composes one pending frame of the link. @return its bytes; 0: nothing was due after all */
static size_t link_ctl_compose(struct mux *m, uint8_t *frame)
{
	uint8_t bit = (uint8_t)(m->ctl & -m->ctl);

	m->ctl &= (uint8_t)~bit;
	switch (bit) {
	case CTL_WINDOW:
		return window_compose(m, frame, 0, &m->rx);
	case CTL_PING:
		m->ping_token++;
		m->ping_sent_ns = m->ping_last_ns = m->now_ns;
		return vx6_mux_encode_u64(frame, VX6_MUX_PING, m->ping_token);
	case CTL_PONG:
		return vx6_mux_encode_u64(frame, VX6_MUX_PONG, m->pong_token);
	default:
		return vx6_mux_encode_u32(frame, VX6_MUX_GOAWAY, 0, VX6_CODE_DRAINING);
	}
}

static void stream_ctl_send(struct vx6_stream *s, uint8_t *frame)
{
	struct mux *m = s->mux;
	size_t n = 0;

	if (s->ctl & CTL_RESET) {
		s->ctl = 0;
		n = vx6_mux_encode_u32(frame, VX6_MUX_RESET, s->id, s->code);
	} else if (s->ctl & CTL_DATA) {
		s->ctl &= (uint8_t)~CTL_DATA;
		data_send(s, frame, 0, s->fin_tx);
		return;
	} else if (s->ctl & CTL_WINDOW) {
		s->ctl &= (uint8_t)~CTL_WINDOW;
		if (!s->closing && !s->fin_rx)
			n = window_compose(m, frame, s->id, &s->rx);
	}
	if (n)
		m->io->send(m, frame, n);
}

static void control_work(struct mux *m)
{
	uint8_t *frame;
	size_t frames;

	while (m->ctl && (frame = m->io->room(m, true, &frames)) != NULL) {
		size_t n = link_ctl_compose(m, frame);

		if (n)
			m->io->send(m, frame, n);
	}
	while (!vx6_list_is_empty(&m->urgent) && (frame = m->io->room(m, true, &frames)) != NULL) {
		struct vx6_stream *s = VX6_CONTAINER_OF(m->urgent.next, struct vx6_stream, urgent);

		stream_ctl_send(s, frame);
		if (s->ctl)
			continue;
		vx6_list_remove(&s->urgent);
		if (s->told)
			stream_free(s);
	}
}

/* ---- turns ---- */

static void serve(struct mux *m, struct vx6_stream *s)
{
	m->serving = s;
	m->quantum = (int)VX6_MAX((uint32_t)MUX_QUANTUM, MUX_QUANTUM_BYTES / m->frame_max);
	if (s->ev->writable)
		s->ev->writable(s, s->user);
	m->serving = NULL;
}

void mux_work(struct mux *m)
{
	size_t frames;

	control_work(m);
	while (!m->dead && mux_has_credit(m) && !vx6_list_is_empty(&m->waiting) &&
	       m->io->room(m, false, &frames)) {
		struct vx6_list *node = vx6_list_pop(&m->waiting);

		serve(m, VX6_CONTAINER_OF(node, struct vx6_stream, wait));
	}
}

bool mux_wants_room(const struct mux *m)
{
	return m->ctl || !vx6_list_is_empty(&m->urgent) ||
	       (mux_has_credit(m) && !vx6_list_is_empty(&m->waiting));
}
