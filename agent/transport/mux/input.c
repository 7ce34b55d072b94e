/* Frames in: each is checked against what the peer may do now, counted, and its news kept until mux_deliver(). */
#include "transport/mux/mux_internal.h"

#include "base/util.h"
#include "wire/code.h"

static const vx6_err violation = {VX6_E_PROTOCOL};

static void touch(struct vx6_stream *s)
{
	if (!vx6_list_is_linked(&s->turn))
		vx6_list_push(&s->mux->touched, &s->turn);
}

/* ---- DATA ---- */

/* Above the limit of streams the peer gets a reset; the stream never exists here. */
static vx6_err refuse_open(struct mux *m, uint32_t id)
{
	size_t frames;
	uint8_t *frame = m->io->room(m, true, &frames);

	if (!frame)
		return violation; /* it opens streams above its limit and does not read the answers */
	m->io->send(m, frame, vx6_mux_encode_u32(frame, VX6_MUX_RESET, id, VX6_CODE_LIMIT));
	return VX6_OK;
}

static vx6_err input_open(struct mux *m, uint32_t id, struct vx6_stream **out)
{
	uint32_t due = m->peer_last ? m->peer_last + 2 : (m->initiator ? 2 : 1);
	struct vx6_stream *s;

	if (id != due)
		return violation;
	m->peer_last = id;
	if (m->peer_n >= m->peer_max)
		return refuse_open(m, id);
	s = stream_new(m, false);
	s->id = id;
	table_put(m, s);
	if (s->rx.freed)
		stream_want_ctl(s, CTL_WINDOW);
	touch(s);
	*out = s;
	return VX6_OK;
}

static void seg_add(struct vx6_stream *s, const uint8_t *p, size_t n)
{
	struct mux_batch *b = s->mux->batch;
	int i = b->n++;

	b->seg[i].iov = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	b->seg[i].next = -1;
	if (s->seg_first < 0)
		s->seg_first = i;
	else
		b->seg[s->seg_last].next = i;
	s->seg_last = i;
}

static vx6_err input_data(struct mux *m, const struct vx6_mux_frame *f, const uint8_t *payload)
{
	struct vx6_stream *s = NULL;
	uint32_t n = f->len;

	if (n > m->rx.avail)
		return violation;
	if (f->flags & VX6_MUX_OPEN) {
		VX6_TRY(input_open(m, f->stream, &s));
	} else {
		if (!id_was_opened(m, f->stream) || (n == 0 && f->flags == 0))
			return violation;
		s = table_find(m, f->stream);
	}
	m->rx.avail -= n;
	m->rx.held += n;
	if (!s) { /* closed here while the frame was under way */
		link_give(m, n);
		return VX6_OK;
	}
	if (s->fin_rx || s->reset_rx || n > s->rx.avail)
		return violation;
	s->rx.avail -= n;
	s->rx.held += n;
	s->fin_rx = f->flags & VX6_MUX_FIN;
	if (n)
		seg_add(s, payload, n);
	link_give(m, 0); /* the link's window may have to grow */
	touch(s);
	return VX6_OK;
}

/* ---- control ---- */

static vx6_err credit_add(uint32_t *credit, uint32_t delta)
{
	if (delta > VX6_MUX_STREAM_MAX || *credit > VX6_MUX_STREAM_MAX - delta)
		return violation;
	*credit += delta;
	return VX6_OK;
}

static vx6_err input_window(struct mux *m, uint32_t id, uint32_t delta)
{
	struct vx6_stream *s;

	if (delta == 0)
		return violation;
	if (id == 0) {
		VX6_TRY(credit_add(&m->tx_credit, delta));
		m->io->wake(m);
		return VX6_OK;
	}
	if (!id_was_opened(m, id))
		return violation;
	s = table_find(m, id);
	if (!s)
		return VX6_OK;
	VX6_TRY(credit_add(&s->tx_credit, delta));
	if (s->starved && s->tx_credit >= VX6_RESERVE_LINK) {
		s->starved = false;
		stream_wait(s);
	}
	return VX6_OK;
}

static vx6_err input_reset(struct mux *m, uint32_t id, uint32_t code)
{
	struct vx6_stream *s;

	if (!id_was_opened(m, id))
		return violation;
	s = table_find(m, id);
	if (s && !s->reset_rx) {
		s->reset_rx = true;
		s->code = code;
		touch(s);
	}
	return VX6_OK;
}

static void input_pong(struct mux *m, uint64_t token)
{
	uint32_t rtt, diff;

	if (!m->ping_sent_ns || token != m->ping_token)
		return;
	rtt = (uint32_t)VX6_MIN((m->now_ns - m->ping_sent_ns) / 1000, UINT32_MAX / 16);
	m->ping_sent_ns = 0;
	if (!m->srtt_us) {
		m->srtt_us = VX6_MAX(rtt, 1);
		m->rttvar_us = rtt / 2;
		return;
	}
	diff = rtt > m->srtt_us ? rtt - m->srtt_us : m->srtt_us - rtt; /* RFC 6298 */
	m->rttvar_us = (3 * m->rttvar_us + diff) / 4;
	m->srtt_us = VX6_MAX((7 * m->srtt_us + rtt) / 8, 1);
}

vx6_err mux_input(struct mux *m, const uint8_t *frame, size_t n)
{
	const uint8_t *payload;
	struct vx6_mux_frame f;

	if (n < VX6_MUX_HEADER || !vx6_is_ok(vx6_mux_decode(frame, &f)) ||
	    n - VX6_MUX_HEADER != f.len)
		return violation;
	payload = frame + VX6_MUX_HEADER;
	switch (f.type) {
	case VX6_MUX_DATA:
		return input_data(m, &f, payload);
	case VX6_MUX_WINDOW:
		return input_window(m, f.stream, vx6_mux_payload_u32(payload));
	case VX6_MUX_RESET:
		return input_reset(m, f.stream, vx6_mux_payload_u32(payload));
	case VX6_MUX_PING:
		m->pong_token = vx6_mux_payload_u64(payload);
		m->ctl |= CTL_PONG; /* pings that come faster than answers leave share one */
		m->io->wake(m);
		return VX6_OK;
	case VX6_MUX_PONG:
		input_pong(m, vx6_mux_payload_u64(payload));
		return VX6_OK;
	case VX6_MUX_GOAWAY:
		m->goaway_rx = true;
		m->goaway_code = vx6_mux_payload_u32(payload);
		return VX6_OK;
	default:
		return VX6_OK; /* PAD: the decoder knows no other */
	}
}

/* ---- handing up ---- */

bool mux_batch_is_full(const struct mux *m)
{
	return m->batch->n >= MUX_SEGS;
}

enum { IOV_MAX_UP = 64 };

/* Hands the gathered payloads of @p s up, in slices. The receiver may reset the stream or end the link at any of them. */
static void deliver_data(struct vx6_stream *s)
{
	struct mux_batch *b = s->mux->batch;
	struct iovec iov[IOV_MAX_UP];
	int at = s->seg_first;

	s->seg_first = s->seg_last = -1;
	do {
		bool fin;
		int n = 0;

		for (; at >= 0 && n < IOV_MAX_UP; at = b->seg[at].next)
			iov[n++] = b->seg[at].iov;
		fin = at < 0 && s->fin_rx && !s->fin_told;
		if (n == 0 && !fin)
			return;
		s->fin_told |= fin;
		if (s->ev->data)
			s->ev->data(s, iov, n, fin, s->user);
	} while (at >= 0 && !s->closing && !s->mux->dead);
}

static void deliver_stream(struct vx6_stream *s)
{
	struct mux *m = s->mux;

	if (!s->announced) {
		s->announced = true;
		m->io->stream(m, s);
		if (!s->ev && !s->closing)
			mux_stream_reset(s, VX6_CODE_STREAM_REFUSED);
	}
	if (s->closing || m->dead)
		return;
	if (s->reset_rx) { /* what came before the reset and was not handed up yet goes with it */
		stream_close(s, VX6_ERR(RESET), s->code);
		return;
	}
	deliver_data(s);
	stream_finish_if_done(s);
}

void mux_deliver(struct mux *m)
{
	struct vx6_list *node;

	if (m->goaway_rx && !m->goaway_told && !m->dead) {
		m->goaway_told = true;
		m->io->draining(m);
	}
	while (!m->dead && (node = vx6_list_pop(&m->touched)) != NULL)
		deliver_stream(VX6_CONTAINER_OF(node, struct vx6_stream, turn));
	m->batch->n = 0;
}
