/*
 * Packing and sending. Streams with bytes stand in a queue; the first fills packets until it has used up its quantum, then goes to the
 * end. ngtcp2 decides how much may go now (congestion window, pacing) and sets the time of the next packet.
 */
#include <string.h>

#include "transport/quic/quic_internal.h"

enum {
	VECS = 8,
	STREAM_QUANTUM = 16 * 1024,
	BATCHES_MAX = 8, /* a connection may send before the others have a turn */
	BURST_NS = 250 * 1000,
	LATE_MAX_NS = 2 * 1000 * 1000,
	ACK_WAIT_NS = 2 * 1000 * 1000,
	BURST_MAX = 256 * 1024,
};

static bool has_more(const struct quic_stream *s)
{
	return s->sent < s->queued || (s->fin_wanted && !s->fin_sent);
}

/* The bytes from `sent` on, at most @p want. */
static size_t gather(struct quic_stream *s, size_t want, ngtcp2_vec vec[VECS], size_t *vecs)
{
	struct quic_chunk *chunk;
	size_t total = 0;
	uint64_t at = s->sent;

	while (s->tx_next && s->tx_next->next && s->sent >= s->tx_next->offset + s->tx_next->len)
		s->tx_next = s->tx_next->next;
	*vecs = 0;
	for (chunk = s->tx_next; chunk && *vecs < VECS && total < want; chunk = chunk->next) {
		size_t skip = (size_t)(at - chunk->offset);
		size_t n = chunk->len - skip;

		if (n == 0)
			continue;
		vec[(*vecs)++] = (ngtcp2_vec){.base = chunk->data + skip, .len = n};
		total += n;
		at += n;
	}
	return total;
}

static void note_sent(struct quic_stream *s, size_t n, bool fin)
{
	struct quic_conn *c = quic_stream_conn(s);

	s->sent += n;
	c->unsent -= n;
	if (fin && s->sent == s->queued)
		s->fin_sent = true;
	s->quantum = s->quantum > n ? s->quantum - (uint32_t)n : 0;
	if (!has_more(s)) {
		vx6_list_remove(&s->send_node);
	} else if (s->quantum == 0) {
		vx6_list_remove(&s->send_node);
		vx6_list_push(&c->sendq, &s->send_node);
	}
}

/* One try to put bytes of the first stream into the packet. @return as ngtcp2_conn_writev_stream */
static ngtcp2_ssize pack_stream(struct quic_conn *c, struct quic_stream *s, ngtcp2_path *path,
				ngtcp2_pkt_info *info, uint8_t *dest, size_t destlen,
				ngtcp2_tstamp now)
{
	ngtcp2_vec vec[VECS];
	ngtcp2_ssize n, taken = -1;
	size_t vecs, bytes;
	uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
	bool fin;

	if (s->quantum == 0)
		s->quantum = STREAM_QUANTUM;
	bytes = gather(s, destlen, vec, &vecs);
	fin = s->fin_wanted && s->sent + bytes == s->queued;
	if (fin)
		flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
	/* segments of one batch must have one size: a packet that another follows is filled up */
	if (c->unsent > destlen)
		flags |= NGTCP2_WRITE_STREAM_FLAG_PADDING;
	n = ngtcp2_conn_writev_stream(c->q, path, info, dest, destlen, &taken, flags, s->id, vec,
				      vecs, now);
	if (taken >= 0)
		note_sent(s, (size_t)taken, fin && (size_t)taken == bytes);
	return n;
}

/* The GOAWAY: one byte and FIN on a unidirectional stream. @return as ngtcp2_conn_writev_stream, 0 when there is nothing to do */
static ngtcp2_ssize pack_goaway(struct quic_conn *c, ngtcp2_path *path, ngtcp2_pkt_info *info,
				uint8_t *dest, size_t destlen, ngtcp2_tstamp now)
{
	static uint8_t goaway[] = {QUIC_CONTROL_GOAWAY}; /* ngtcp2 may send it again at any time */
	ngtcp2_vec vec = {.base = goaway, .len = sizeof goaway};
	ngtcp2_ssize n, taken = -1;

	if (!c->drain_wanted || c->drain_sent || c->state != QUIC_UP)
		return 0;
	if (c->control_out < 0 && ngtcp2_conn_open_uni_stream(c->q, &c->control_out, NULL) != 0)
		return 0;
	n = ngtcp2_conn_writev_stream(c->q, path, info, dest, destlen, &taken,
				      NGTCP2_WRITE_STREAM_FLAG_MORE | NGTCP2_WRITE_STREAM_FLAG_FIN,
				      c->control_out, &vec, 1, now);
	if (taken == (ngtcp2_ssize)sizeof goaway)
		c->drain_sent = true;
	return n;
}

static ngtcp2_ssize write_packet(ngtcp2_conn *q, ngtcp2_path *path, ngtcp2_pkt_info *info,
				 uint8_t *dest, size_t destlen, ngtcp2_tstamp now, void *user)
{
	struct quic_conn *c = user;
	ngtcp2_ssize goaway = pack_goaway(c, path, info, dest, destlen, now);

	if (goaway != 0 && goaway != NGTCP2_ERR_WRITE_MORE &&
	    goaway != NGTCP2_ERR_STREAM_DATA_BLOCKED)
		return goaway;
	while (!vx6_list_is_empty(&c->sendq) && ngtcp2_conn_get_max_data_left2(q) > 0) {
		struct quic_stream *s =
			VX6_CONTAINER_OF(c->sendq.next, struct quic_stream, send_node);
		ngtcp2_ssize n = pack_stream(c, s, path, info, dest, destlen, now);

		switch (n) {
		case NGTCP2_ERR_WRITE_MORE:
			break;
		case NGTCP2_ERR_STREAM_DATA_BLOCKED: /* comes back with the peer's credit: on_max_stream_data() */
		case NGTCP2_ERR_STREAM_SHUT_WR:
		case NGTCP2_ERR_STREAM_NOT_FOUND:
			vx6_list_remove(&s->send_node);
			break;
		default:
			return n;
		}
	}
	return ngtcp2_conn_writev_stream(q, path, info, dest, destlen, NULL, 0, -1, NULL, 0, now);
}

static bool path_of(const ngtcp2_path *from, struct quic_path *to)
{
	if (from->local.addrlen > sizeof to->local || from->remote.addrlen > sizeof to->remote)
		return false;
	memcpy(&to->local, from->local.addr, from->local.addrlen);
	memcpy(&to->remote, from->remote.addr, from->remote.addrlen);
	to->len = from->remote.addrlen;
	return true;
}

enum batch { BATCH_MORE, BATCH_STOP, BATCH_NOTHING };

static enum batch send_one_batch(struct quic_conn *c, ngtcp2_tstamp now, size_t *budget)
{
	ngtcp2_path_storage ps;
	ngtcp2_pkt_info info = {0};
	struct quic_path path;
	size_t segment = 0, room;
	ngtcp2_ssize n;

	ngtcp2_path_storage_zero(&ps);
	room = VX6_MIN((size_t)QUIC_TX_BYTES,
		       VX6_MAX(*budget, ngtcp2_conn_get_max_tx_udp_payload_size2(c->q)));
	n = ngtcp2_conn_write_aggregate_pkt2(c->q, &ps.path, &info, c->t->tx, room, &segment,
					     write_packet, QUIC_TX_SEGMENTS, now);
	if (n < 0) {
		quic_conn_fail(c, (int)n);
		return BATCH_STOP;
	}
	if (n == 0 || !path_of(&ps.path, &path))
		return BATCH_NOTHING;
	*budget = *budget > (size_t)n ? *budget - (size_t)n : 0;
	switch (quic_socket_send(c->sock, &path, (uint8_t)info.ecn, c->t->tx, (size_t)n, segment)) {
	case QUIC_SENT_BLOCKED:
		return BATCH_STOP;
	case QUIC_SENT_NO_ROUTE:
		quic_conn_rebind(c);
		return BATCH_STOP;
	case QUIC_SENT_TOO_BIG:
		if (segment > ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->q))
			break; /* a probe of the path's MTU: lost, as on the wire */
		quic_conn_path_shrank(c);
		return BATCH_STOP;
	case QUIC_SENT:
		break;
	}
	return *budget > 0 ? BATCH_MORE : BATCH_STOP;
}

/* Bytes that may go in one wake-up: what leaves the path's bottleneck in BURST_NS, so that fast paths are not paced by a timer for
 * each batch (a timer costs as much as sending it), and slow ones see no bursts beyond what ngtcp2 proposes. On top what a late timer
 * has missed; ngtcp2 shortens the wait that follows accordingly. */
static size_t burst(struct quic_conn *c)
{
	size_t least =
		VX6_MAX(ngtcp2_conn_get_send_quantum2(c->q), (size_t)NGTCP2_MAX_UDP_PAYLOAD_SIZE);
	uint64_t span = BURST_NS + VX6_MIN(c->late_ns, (uint64_t)LATE_MAX_NS), estimate = 0;
	ngtcp2_conn_info info;

	ngtcp2_conn_get_conn_info2(c->q, &info);
	c->cwnd = info.cwnd;
	c->late_ns = 0;
	if (info.smoothed_rtt)
		estimate = info.cwnd / 2 * span / info.smoothed_rtt;
	return (size_t)VX6_MAX(VX6_MIN(estimate, (uint64_t)BURST_MAX), (uint64_t)least);
}

/* After a lone packet, with nothing to send, what is due first is its acknowledgement, after an eighth of the round trip: on a short
 * path sooner than the answer that would carry it. A packet of its own costs both sides a wake-up and the timer, so it waits a little;
 * the peer reckons with up to 25 ms. Packets that come in numbers are acknowledged without the timer, and what they call for may wait
 * for its pacing, which must not be put off. */
static ngtcp2_tstamp put_off(const struct quic_conn *c, ngtcp2_tstamp due, ngtcp2_tstamp now)
{
	if (c->state != QUIC_UP || c->read_n != 1 || !vx6_list_is_empty(&c->sendq))
		return due;
	return VX6_MAX(due, now + ACK_WAIT_NS);
}

void quic_flush(struct quic_conn *c)
{
	ngtcp2_tstamp now = quic_now(c->t), due;
	enum batch last = BATCH_MORE;
	size_t budget;

	if (c->state > QUIC_UP)
		return;
	if (c->sock->held_n > 0) {
		vx6_list_push(&c->sock->waiting, &c->dirty_node);
		return;
	}
	if (c->unacked == c->unsent)
		c->acked_ns = now;
	budget = burst(c);
	for (int i = 0; i < BATCHES_MAX && last == BATCH_MORE; i++)
		last = send_one_batch(c, now, &budget);
	if (c->state > QUIC_UP)
		return;
	/* The time of the next packet matters only while there is one: taken before ngtcp2 sets it anew. */
	due = ngtcp2_conn_get_expiry2(c->q);
	ngtcp2_conn_update_pkt_tx_time(c->q, now);
	if (last != BATCH_NOTHING)
		due = ngtcp2_conn_get_expiry2(c->q);
	quic_conn_arm(c, put_off(c, due, now));
	c->read_n = 0;
	if (c->sock->held_n > 0 && !vx6_list_is_linked(&c->dirty_node))
		vx6_list_push(&c->sock->waiting, &c->dirty_node);
	if (!vx6_list_is_empty(&c->link_blocked) && quic_conn_has_room(c))
		quic_conn_ready(c);
}
