/* Streams: what their users ask of them. Nothing here calls up: what an operation causes is reported by mux_work() and mux_reap(). */
#include "transport/mux/mux_internal.h"

#include <stdlib.h>

#include "base/util.h"
#include "wire/code.h"

struct vx6_stream *stream_new(struct mux *m, bool own)
{
	struct vx6_stream *s = vx6_zalloc(sizeof *s);

	s->base.ops = m->ops;
	s->base.link = m->link;
	s->mux = m;
	s->own = s->announced = own;
	s->seg_first = s->seg_last = -1;
	s->tx_credit = MUX_STREAM_WINDOW;
	credit_init(&s->rx, MUX_STREAM_WINDOW, m->stream_window_max, m->now_ns);
	s->rx.freed =
		m->stream_window -
		MUX_STREAM_WINDOW; /* configured above what both sides know: granted by the first WINDOW */
	s->rx.window += s->rx.freed;
	vx6_list_push(&m->all, &s->all);
	if (own)
		m->own_n++;
	else
		m->peer_n++;
	return s;
}

void stream_free(struct vx6_stream *s)
{
	if (s->own)
		s->mux->own_n--;
	else
		s->mux->peer_n--;
	vx6_list_remove(&s->all);
	vx6_list_remove(&s->urgent);
	free(s);
}

void stream_want_ctl(struct vx6_stream *s, uint8_t what)
{
	s->ctl |= what;
	if (!vx6_list_is_linked(&s->urgent))
		vx6_list_push(&s->mux->urgent, &s->urgent);
	s->mux->io->wake(s->mux);
}

void stream_wait(struct vx6_stream *s)
{
	if (!vx6_list_is_linked(&s->wait))
		vx6_list_push(&s->mux->waiting, &s->wait);
	s->mux->io->wake(s->mux);
}

/* From here on the stream is out of the table, its frames are ignored, and its share of the link's window is free again. */
void stream_close(struct vx6_stream *s, vx6_err why, uint32_t code)
{
	struct mux *m = s->mux;

	if (s->closing)
		return;
	s->closing = true;
	s->why = why;
	s->code = code;
	if (s->id)
		table_remove(m, s);
	vx6_list_remove(&s->wait);
	vx6_list_remove(&s->turn);
	vx6_list_push(&m->closing, &s->turn);
	if (m->reserved == s)
		m->reserved = NULL;
	link_give(m, s->rx.held);
	s->rx.held = 0;
	m->io->wake(m);
}

void stream_finish_if_done(struct vx6_stream *s)
{
	if (s->fin_tx && s->fin_told)
		stream_close(s, VX6_OK, 0);
}

void mux_reap(struct mux *m)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&m->closing)) != NULL) {
		struct vx6_stream *s = VX6_CONTAINER_OF(node, struct vx6_stream, turn);

		/* one that was refused before its receiver heard of it has nobody to tell */
		if (s->ev && s->ev->closed)
			s->ev->closed(s, s->why, s->code, s->user);
		s->ev = NULL;
		s->told = true;
		if (!s->ctl)
			stream_free(s);
	}
}

/* ---- operations ---- */

vx6_err mux_stream_open(struct mux *m, const struct vx6_stream_events *ev, void *user,
			struct vx6_stream **out)
{
	if (m->dead)
		return VX6_ERR(CLOSED);
	if (m->goaway_rx || m->goaway_tx || m->own_next > VX6_MUX_STREAM_MAX - 2 * (m->own_max + 1))
		return VX6_ERR(DRAINING);
	if (m->own_n >= m->own_max)
		return VX6_ERR(LIMIT);
	*out = stream_new(m, true);
	mux_stream_set_events(*out, ev, user);
	return VX6_OK;
}

void mux_stream_set_events(struct vx6_stream *s, const struct vx6_stream_events *ev, void *user)
{
	s->ev = ev;
	s->user = user;
}

/* A stream that is not being served must not write past those that wait. */
static bool may_write_now(const struct vx6_stream *s)
{
	const struct mux *m = s->mux;

	if (m->serving == s)
		return m->quantum > 0 && mux_has_credit(m);
	return vx6_list_is_empty(&m->waiting) && mux_has_credit(m);
}

uint8_t *mux_stream_reserve(struct vx6_stream *s, size_t *cap)
{
	struct mux *m = s->mux;
	size_t frames;
	uint8_t *frame;

	*cap = 0;
	if (s->closing || s->fin_tx || m->dead)
		return NULL;
	if (s->tx_credit < VX6_RESERVE_LINK) {
		s->starved = true;
		return NULL;
	}
	if (!may_write_now(s) || !(frame = m->io->room(m, false, &frames))) {
		stream_wait(s);
		return NULL;
	}
	if (m->serving == s)
		frames = VX6_MIN(frames, (size_t)m->quantum);
	*cap = VX6_MIN(frames * m->frame_max, (size_t)VX6_MIN(s->tx_credit, m->tx_credit));
	m->reserved = s;
	m->reserved_at = frame;
	m->reserved_cap = *cap;
	return frame + VX6_MUX_HEADER;
}

/* The header of each frame goes on the last bytes of the one before, which has left by then. */
static void payload_send(struct vx6_stream *s, uint8_t *frame, size_t n, bool fin)
{
	for (; n; frame += s->mux->frame_max) {
		size_t take = VX6_MIN(n, (size_t)s->mux->frame_max);

		n -= take;
		data_send(s, frame, take, fin && n == 0);
		if (s->mux->serving == s)
			s->mux->quantum--;
	}
}

void mux_stream_commit(struct vx6_stream *s, size_t n, bool fin)
{
	struct mux *m = s->mux;
	bool reserved = m->reserved == s;

	if (s->closing || s->fin_tx || m->dead)
		return;
	VX6_ASSERT(n == 0 || (reserved && n <= m->reserved_cap));
	m->reserved = NULL;
	s->fin_tx = fin;
	if (n) {
		s->ctl &= (uint8_t)~CTL_DATA; /* the first frame opens the stream */
		payload_send(s, m->reserved_at, n, fin);
	} else if (fin || !s->id) {
		stream_want_ctl(s, CTL_DATA);
	}
	stream_finish_if_done(s);
}

void mux_stream_consume(struct vx6_stream *s, size_t n)
{
	struct mux *m = s->mux;

	if (s->closing || m->dead)
		return;
	VX6_ASSERT(n <= s->rx.held);
	s->rx.held -= (uint32_t)n;
	s->rx.freed += (uint32_t)n;
	link_give(m, (uint32_t)n);
	if (!s->fin_rx && credit_is_due(&s->rx) && !(s->ctl & CTL_WINDOW))
		stream_want_ctl(s, CTL_WINDOW);
}

void mux_stream_reset(struct vx6_stream *s, uint32_t code)
{
	if (s->closing || s->mux->dead)
		return;
	s->ctl = 0;
	if (s->id)
		stream_want_ctl(s, CTL_RESET);
	else
		vx6_list_remove(&s->urgent);
	stream_close(s, VX6_ERR(RESET), code);
}

/* Credit that has not left yet is taken back; what has left can not be. */
void mux_stream_limit(struct vx6_stream *s, uint32_t window_max)
{
	struct mux_credit *c = &s->rx;

	if (c->window > window_max) {
		uint32_t back = VX6_MIN(c->freed, c->window - window_max);

		c->freed -= back;
		c->window -= back;
	}
	c->window_max = VX6_MAX(VX6_MIN(s->mux->stream_window_max, window_max), c->window);
}

bool mux_stream_pass(struct vx6_stream *from, struct vx6_stream *to)
{
	struct mux *m = from->mux;

	if (m->serving != from || to->mux != m || !vx6_list_is_linked(&to->wait))
		return false;
	if (!vx6_list_is_linked(&from->wait))
		vx6_list_push(&to->wait, &from->wait); /* before it, where it stands */
	vx6_list_remove(&to->wait);
	m->serving = to;
	return true;
}
