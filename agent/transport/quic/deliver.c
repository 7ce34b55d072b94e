/* The upcalls of one connection, made when no ngtcp2 call is on the stack. The receiver may call anything from within them: those
 * calls change state and queue work, they free nothing. Frees happen here, after the last upcall about the object. */
#include "transport/quic/quic_internal.h"
#include "wire/code.h"

enum { IOV_MAX_UP = 32 };

static void end_with_code(struct quic_conn *c, vx6_err why)
{
	ngtcp2_ccerr ccerr;

	ngtcp2_ccerr_set_application_error(&ccerr, vx6_code_from_err(why), NULL, 0);
	quic_conn_end(c, why, &ccerr);
}

static void deliver_accept(struct quic_conn *c)
{
	struct vx6_listener *l = c->sock->listener;

	c->accept_due = false;
	if (l)
		l->ev->accept(l, quic_link_of(c), l->user);
	if (!c->ev && c->state < QUIC_CLOSING)
		end_with_code(c, VX6_ERR(REFUSED));
}

static void deliver_up(struct quic_conn *c)
{
	const struct vx6_transport_limits *lim = &c->t->limits;
	vx6_err err = vx6_tls_session_check(c->ssl, &c->peer, c->channel_binding);
	ngtcp2_ccerr ccerr;

	if (!vx6_is_ok(err)) {
		ngtcp2_ccerr_set_application_error(&ccerr, vx6_code_from_err(err), NULL, 0);
		quic_conn_end(c, err, &ccerr);
		return;
	}
	c->state = QUIC_UP;
	if (c->counted)
		c->t->handshakes--;
	c->counted = false;
	if (c->has_odcid_key)
		quic_cid_drop(c, c->odcid_key);
	if (c->peer.has_key && lim->streams_max > lim->streams_max_anon)
		ngtcp2_conn_extend_max_streams_bidi(c->q, lim->streams_max - lim->streams_max_anon);
	if (lim->keepalive_ms)
		ngtcp2_conn_set_keep_alive_timeout(c->q, lim->keepalive_ms * UINT64_C(1000000));
	quic_conn_dirty(c);
	if (c->ev && c->ev->up)
		c->ev->up(quic_link_of(c), c->user);
}

static void deliver_data(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	while (c->state == QUIC_UP && !s->told && (s->rx_head || (s->rx_fin && !s->rx_fin_told))) {
		struct quic_chunk *first = s->rx_head, *chunk = first, *last = NULL;
		struct iovec iov[IOV_MAX_UP];
		int n = 0;
		bool fin;

		for (; chunk && n < IOV_MAX_UP; last = chunk, chunk = chunk->next)
			iov[n++] = (struct iovec){.iov_base = chunk->data, .iov_len = chunk->len};
		if (last)
			last->next = NULL;
		s->rx_head = chunk;
		if (!chunk)
			s->rx_tail = NULL;
		fin = s->rx_fin && !chunk;
		s->rx_fin_told |= fin;
		if (s->ev && s->ev->data)
			s->ev->data(quic_vx6_stream(s), iov, n, fin, s->user);
		quic_chunk_put_all(&c->t->pool, first);
	}
}

static void deliver_closed(struct quic_stream *s)
{
	s->told = true;
	quic_stream_drop_received(s);
	if (s->ev && s->ev->closed)
		s->ev->closed(quic_vx6_stream(s), s->why, s->code, s->user);
	s->ev = NULL;
}

static void deliver_new(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	s->is_new = false;
	if (s->ended && !vx6_is_ok(s->why)) {
		s->told = true; /* reset before anybody heard of it */
		return;
	}
	if (!c->drain_wanted && c->ev && c->ev->stream)
		c->ev->stream(quic_link_of(c), quic_vx6_stream(s), c->user);
	if (!s->ev) {
		quic_op_stream_reset(quic_vx6_stream(s),
				     c->drain_wanted ? VX6_CODE_DRAINING : VX6_CODE_STREAM_REFUSED);
		s->told = true;
	}
}

static void deliver_stream(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	if (s->is_new)
		deliver_new(s);
	if (c->state == QUIC_UP && !s->told)
		deliver_data(s);
	if (c->state == QUIC_UP && !s->told)
		quic_stream_deliver_writable(s);
	if (c->state == QUIC_UP && s->ended && !s->told)
		deliver_closed(s);
	if (s->told && s->gone)
		quic_stream_free(s);
}

static void deliver_streams(struct quic_conn *c)
{
	struct vx6_list batch, *node;

	vx6_list_init(&batch);
	vx6_list_splice(&batch, &c->stream_ready);
	while ((node = vx6_list_pop(&batch)) != NULL)
		if (c->state == QUIC_UP)
			deliver_stream(VX6_CONTAINER_OF(node, struct quic_stream, ready_node));
	quic_conn_unblock(c);
}

static void deliver_down(struct quic_conn *c)
{
	const struct vx6_link_events *ev = c->ev;

	VX6_LIST_EACH(node, &c->streams)
	{
		struct quic_stream *s = VX6_CONTAINER_OF(node, struct quic_stream, node);

		if (s->told || s->is_new)
			continue;
		if (!s->ended) {
			s->ended = true;
			s->why = c->why;
			s->code = 0;
		}
		deliver_closed(s);
	}
	c->ev = NULL;
	if (ev && ev->down)
		ev->down(quic_link_of(c), c->why, c->user);
	quic_conn_linger(c);
}

void quic_deliver(struct quic_conn *c)
{
	if (c->accept_due && c->state < QUIC_CLOSING)
		deliver_accept(c);
	if (c->handshake_done && c->state == QUIC_HANDSHAKE)
		deliver_up(c);
	if (c->state == QUIC_UP)
		deliver_streams(c);
	if (c->path_due && c->state == QUIC_UP) {
		c->path_due = false;
		if (c->ev && c->ev->path)
			c->ev->path(quic_link_of(c), c->user);
	}
	if (c->draining_due && c->state == QUIC_UP) {
		c->draining_due = false;
		c->draining_told = true;
		if (c->ev && c->ev->draining)
			c->ev->draining(quic_link_of(c), c->user);
	}
	if (c->state == QUIC_CLOSING)
		deliver_down(c);
}
