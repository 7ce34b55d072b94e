/*
 * Streams: one bidirectional QUIC stream each. Created by a call or by the peer, owned by the connection, freed when both the user has
 * been told `closed` and ngtcp2 has let go (its packets point into our chunks until then).
 *
 *   acked <= sent <= queued: bytes up to `acked` are gone, up to `sent` ngtcp2 may still need, up to `queued` wait for a packet.
 */
#include <string.h>

#include "transport/quic/quic_internal.h"
#include "wire/code.h"

enum {
	RESERVE_MIN = 4096, /* less room at the end of a chunk is left unused */
	WRITABLE_MIN = 16 * 1024,
};

struct quic_stream *quic_stream_new(struct quic_conn *c, int64_t id)
{
	struct quic_stream *s = vx6_zalloc(sizeof *s);

	s->base.ops = &vx6_transport_quic;
	s->base.link = quic_link_of(c);
	s->id = id;
	s->window = c->t->limits.stream_window;
	s->window_max = VX6_MAX(c->t->limits.stream_window_max, s->window);
	s->tx_max = UINT32_MAX;
	vx6_list_push(&c->streams, &s->node);
	c->streams_n++;
	return s;
}

static void tx_free_chunk(struct quic_conn *c, struct quic_chunk *chunk)
{
	quic_chunk_put(&c->t->pool, chunk);
	c->t->pool.tx_n--;
	c->tx_chunks--;
	while (c->t->pool.tx_n < QUIC_CHUNKS_MAX && !vx6_list_is_empty(&c->t->starved)) {
		struct vx6_list *node = vx6_list_pop(&c->t->starved);

		quic_conn_ready(VX6_CONTAINER_OF(node, struct quic_conn, starved_node));
	}
}

static void tx_drop_all(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	c->unacked -= s->queued - s->acked;
	c->unsent -= s->queued - s->sent;
	s->acked = s->sent = s->queued;
	while (s->tx_head) {
		struct quic_chunk *chunk = s->tx_head;

		s->tx_head = chunk->next;
		tx_free_chunk(c, chunk);
	}
	s->tx_tail = s->tx_next = NULL;
}

void quic_stream_free(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	quic_stream_drop_received(s);
	tx_drop_all(s);
	if (c->reserved == s)
		c->reserved = NULL;
	vx6_list_remove(&s->node);
	vx6_list_remove(&s->send_node);
	vx6_list_remove(&s->ready_node);
	vx6_list_remove(&s->block_node);
	c->streams_n--;
	free(s);
}

void quic_stream_ready(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	if (!vx6_list_is_linked(&s->ready_node))
		vx6_list_push(&c->stream_ready, &s->ready_node);
	quic_conn_ready(c);
}

void quic_stream_end(struct quic_stream *s, vx6_err why, uint32_t code)
{
	struct quic_conn *c = quic_stream_conn(s);

	if (s->ended)
		return;
	s->ended = true;
	s->why = why;
	s->code = code;
	if (!vx6_is_ok(why)) {
		quic_stream_drop_received(s);
		c->unacked -= s->queued - s->sent;
		c->unsent -= s->queued - s->sent;
		s->queued = s->sent; /* what no packet holds is never sent */
		if (c->reserved == s)
			c->reserved = NULL;
	}
	vx6_list_remove(&s->send_node);
	vx6_list_remove(&s->block_node);
	quic_stream_ready(s);
}

/* ---- receiving ---- */

static void link_credit(struct quic_conn *c, uint64_t n)
{
	if (c->state <= QUIC_UP)
		ngtcp2_conn_extend_max_offset(c->q, n);
}

/* Bytes have left the receiver's hands. */
static void give_back(struct quic_stream *s, uint64_t n)
{
	struct quic_conn *c = quic_stream_conn(s);
	uint64_t pay = VX6_MIN(c->owed, n);

	s->unconsumed -= n;
	c->unconsumed -= n;
	if (pay) {
		c->owed -= pay;
		link_credit(c, pay);
	}
}

void quic_stream_received(struct quic_stream *s, const uint8_t *p, size_t n, bool fin)
{
	struct quic_conn *c = quic_stream_conn(s);

	/* Streams that nobody reads must not use up the link's window: its credit is returned at once, as long as what lies about
	 * unread stays within the limit; above it, only as it is read. */
	s->unconsumed += n;
	c->unconsumed += n;
	if (c->unconsumed <= c->t->limits.link_window_max)
		ngtcp2_conn_extend_max_offset(c->q, n);
	else
		c->owed += n;
	while (n > 0) {
		size_t take;

		if (!s->rx_tail || s->rx_tail->len == s->rx_tail->cap) {
			struct quic_chunk *chunk = quic_chunk_get_for(&c->t->pool, n);

			if (s->rx_tail)
				s->rx_tail->next = chunk;
			else
				s->rx_head = chunk;
			s->rx_tail = chunk;
		}
		take = VX6_MIN(n, s->rx_tail->cap - s->rx_tail->len);
		memcpy(s->rx_tail->data + s->rx_tail->len, p, take);
		s->rx_tail->len += (uint32_t)take;
		p += take;
		n -= take;
	}
	s->rx_fin |= fin;
	quic_stream_ready(s);
}

void quic_stream_drop_received(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	quic_chunk_put_all(&c->t->pool, s->rx_head);
	s->rx_head = s->rx_tail = NULL;
	give_back(s, s->unconsumed);
}

/* Half of it drained in under two round trips: the window is what holds the sender up, and doubles. */
static void window_adapt(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);
	uint64_t now_ns = quic_now(c->t);
	ngtcp2_conn_info info;

	s->drained += s->freed;
	if (s->drained < s->window / 2)
		return;
	if (s->drained_ns && s->window < s->window_max) {
		ngtcp2_conn_get_conn_info2(c->q, &info);
		if (now_ns - s->drained_ns < 2 * info.smoothed_rtt) {
			uint32_t more = VX6_MIN(s->window, s->window_max - s->window);

			s->window += more;
			s->freed += more;
		}
	}
	s->drained = 0;
	s->drained_ns = now_ns;
}

void quic_op_stream_consume(struct vx6_stream *vs, size_t n)
{
	struct quic_stream *s = quic_stream_of(vs);
	struct quic_conn *c = quic_stream_conn(s);
	uint64_t take = VX6_MIN(n, s->unconsumed);

	if (take == 0)
		return;
	give_back(s, take);
	if (c->state > QUIC_UP || s->gone || s->rx_fin)
		return;
	s->freed += take;
	if (s->freed < s->window / CREDIT_PARTS)
		return;
	window_adapt(s);
	/* only an id that is no stream of ours can fail here */
	if (ngtcp2_conn_extend_max_stream_offset(c->q, s->id, s->freed) == 0)
		quic_conn_dirty(c);
	s->freed = 0;
}

void quic_op_stream_limit(struct vx6_stream *vs, uint32_t window_max)
{
	struct quic_stream *s = quic_stream_of(vs);

	s->window_max =
		VX6_MAX(VX6_MIN(quic_stream_conn(s)->t->limits.stream_window_max, window_max),
			s->window);
	/* what is under way is held up to its acknowledgement, and on a long path that is more than what lies with a reader */
	s->tx_max = VX6_MAX(VX6_MIN(window_max, (uint32_t)QUIC_LINK_SEND_MAX / 4) * 4,
			    (uint32_t)QUIC_SEND_MIN);
}

/* ---- sending ---- */

void quic_stream_want_send(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);

	if (s->ended || (s->sent == s->queued && (!s->fin_wanted || s->fin_sent)))
		return;
	if (!vx6_list_is_linked(&s->send_node))
		vx6_list_push(&c->sendq, &s->send_node);
	quic_conn_dirty(c);
}

bool quic_conn_has_room(const struct quic_conn *c)
{
	uint64_t limit = VX6_MIN(VX6_MAX((uint64_t)QUIC_LINK_SEND_MIN, 4 * c->cwnd),
				 (uint64_t)QUIC_LINK_SEND_MAX);

	return c->unacked < limit && c->unsent < ngtcp2_conn_get_max_data_left2(c->q) &&
	       c->tx_chunks < QUIC_LINK_CHUNKS_MAX && c->t->pool.tx_n < QUIC_CHUNKS_MAX;
}

uint64_t quic_stream_room(const struct quic_stream *s, bool *of_link)
{
	const struct quic_conn *c = quic_stream_conn(s);
	uint64_t limit = VX6_MIN(VX6_MAX((uint64_t)QUIC_SEND_MIN, 2 * c->cwnd),
				 (uint64_t)VX6_MIN((uint32_t)QUIC_LINK_SEND_MAX, s->tx_max));
	uint64_t unacked = s->queued - s->acked, unsent = s->queued - s->sent, credit, room;

	*of_link = false;
	if (c->state != QUIC_UP || s->ended || s->fin_wanted || unacked >= limit)
		return 0;
	credit = ngtcp2_conn_get_max_stream_data_left2(c->q, s->id);
	if (unsent >= credit)
		return 0;
	*of_link = !quic_conn_has_room(c);
	room = VX6_MIN(limit - unacked, credit - unsent);
	return *of_link || room < VX6_RESERVE_LINK ? 0 : room;
}

static void wait_for_room(struct quic_stream *s, bool of_link)
{
	struct quic_conn *c = quic_stream_conn(s);

	s->want_writable = true;
	if (!of_link || vx6_list_is_linked(&s->block_node))
		return;
	vx6_list_push(&c->link_blocked, &s->block_node);
	if (c->t->pool.tx_n >= QUIC_CHUNKS_MAX && !vx6_list_is_linked(&c->starved_node))
		vx6_list_push(&c->t->starved, &c->starved_node);
}

static struct quic_chunk *tail_with_room(struct quic_stream *s)
{
	struct quic_conn *c = quic_stream_conn(s);
	struct quic_chunk *chunk = s->tx_tail;

	if (chunk && QUIC_CHUNK_BYTES - chunk->len >= RESERVE_MIN)
		return chunk;
	chunk = quic_chunk_get(&c->t->pool);
	c->t->pool.tx_n++;
	c->tx_chunks++;
	chunk->offset = s->queued;
	if (s->tx_tail)
		s->tx_tail->next = chunk;
	else
		s->tx_head = chunk;
	s->tx_tail = chunk;
	if (!s->tx_next)
		s->tx_next = chunk;
	return chunk;
}

uint8_t *quic_op_stream_reserve(struct vx6_stream *vs, size_t *cap)
{
	struct quic_stream *s = quic_stream_of(vs);
	struct quic_conn *c = quic_stream_conn(s);
	struct quic_chunk *chunk;
	uint64_t room;
	bool of_link;

	*cap = 0;
	room = quic_stream_room(s, &of_link);
	if (room == 0) {
		if (!s->ended && !s->fin_wanted)
			wait_for_room(s, of_link);
		return NULL;
	}
	chunk = tail_with_room(s);
	*cap = s->reserved = VX6_MIN(room, QUIC_CHUNK_BYTES - chunk->len);
	c->reserved = s;
	return chunk->data + chunk->len;
}

/* A chunk that was reserved in vain; no acknowledgement would ever free it. One behind others goes with them. */
static void drop_unused(struct quic_stream *s)
{
	struct quic_chunk *chunk = s->tx_tail;

	if (!chunk || chunk->len > 0 || chunk != s->tx_head)
		return;
	s->tx_head = s->tx_tail = s->tx_next = NULL;
	tx_free_chunk(quic_stream_conn(s), chunk);
}

/* Nothing follows: a few last words need no room for more while they wait for their acknowledgement. Streams that come and go have many. */
static void shrink_last(struct quic_stream *s)
{
	struct quic_chunk *last = s->tx_tail;

	/* alone, and not handed to ngtcp2, which remembers where the bytes lie */
	if (!last || last != s->tx_head || last->offset < s->sent)
		return;
	last = quic_chunk_shrink(&quic_stream_conn(s)->t->pool, last);
	s->tx_head = s->tx_tail = s->tx_next = last;
}

void quic_op_stream_commit(struct vx6_stream *vs, size_t n, bool fin)
{
	struct quic_stream *s = quic_stream_of(vs);
	struct quic_conn *c = quic_stream_conn(s);

	if (c->reserved == s) {
		VX6_ASSERT(n <= s->reserved);
		s->tx_tail->len += (uint32_t)n;
		s->queued += n;
		c->unacked += n;
		c->unsent += n;
		s->reserved = 0;
		c->reserved = NULL;
		drop_unused(s);
	}
	if (s->ended || c->state != QUIC_UP)
		return;
	s->fin_wanted |= fin;
	if (fin)
		shrink_last(s);
	quic_stream_want_send(s);
}

void quic_stream_acked(struct quic_stream *s, uint64_t upto)
{
	struct quic_conn *c = quic_stream_conn(s);

	if (upto <= s->acked || upto > s->sent)
		return;
	c->unacked -= upto - s->acked;
	c->acked_ns = quic_now(c->t);
	c->suspect_ns = 0;
	s->acked = upto;
	while (s->tx_head && s->tx_head->offset + s->tx_head->len <= upto) {
		struct quic_chunk *chunk = s->tx_head;

		if (chunk == s->tx_tail && c->reserved == s)
			break;
		s->tx_head = chunk->next;
		if (s->tx_next == chunk)
			s->tx_next = chunk->next;
		if (s->tx_tail == chunk)
			s->tx_tail = NULL;
		tx_free_chunk(c, chunk);
	}
	if (s->want_writable && !s->ended)
		quic_stream_ready(s);
}

/* Fires `writable` if there is room by now; else goes on waiting. */
static void try_writable(struct quic_stream *s)
{
	bool of_link;
	uint64_t room = quic_stream_room(s, &of_link);

	if (room == 0 || (room < WRITABLE_MIN && s->queued > s->acked)) {
		wait_for_room(s, of_link);
		return;
	}
	s->want_writable = false;
	if (s->ev && s->ev->writable)
		s->ev->writable(quic_vx6_stream(s), s->user);
}

void quic_stream_deliver_writable(struct quic_stream *s)
{
	if (s->want_writable && !s->ended && !vx6_list_is_linked(&s->block_node))
		try_writable(s);
}

void quic_conn_unblock(struct quic_conn *c)
{
	struct vx6_list turn, *node;

	if (vx6_list_is_empty(&c->link_blocked) || !quic_conn_has_room(c))
		return;
	vx6_list_init(&turn);
	vx6_list_splice(&turn, &c->link_blocked);
	while (c->state == QUIC_UP && quic_conn_has_room(c) && (node = vx6_list_pop(&turn)) != NULL)
		try_writable(VX6_CONTAINER_OF(node, struct quic_stream, block_node));
	/* those who had no turn come first next time */
	vx6_list_splice(&turn, &c->link_blocked);
	vx6_list_splice(&c->link_blocked, &turn);
}

/* ---- the other calls ---- */

vx6_err quic_op_stream_open(struct vx6_link *link, const struct vx6_stream_events *ev, void *user,
			    struct vx6_stream **out)
{
	struct quic_conn *c = quic_conn_of(link);
	struct quic_stream *s;
	int64_t id;

	if (c->state != QUIC_UP)
		return VX6_ERR(CLOSED);
	if (c->draining_told || c->drain_wanted)
		return VX6_ERR(DRAINING);
	if (ngtcp2_conn_open_bidi_stream(c->q, &id, NULL) != 0)
		return VX6_ERR(LIMIT);
	s = quic_stream_new(c, id);
	ngtcp2_conn_set_stream_user_data(c->q, id, s);
	s->ev = ev;
	s->user = user;
	*out = quic_vx6_stream(s);
	return VX6_OK;
}

void quic_op_stream_set_events(struct vx6_stream *vs, const struct vx6_stream_events *ev,
			       void *user)
{
	struct quic_stream *s = quic_stream_of(vs);

	s->ev = ev;
	s->user = user;
}

void quic_op_stream_reset(struct vx6_stream *vs, uint32_t code)
{
	struct quic_stream *s = quic_stream_of(vs);
	struct quic_conn *c = quic_stream_conn(s);

	if (s->ended)
		return;
	if (c->state == QUIC_UP && !s->gone) {
		int rv = ngtcp2_conn_shutdown_stream(c->q, 0, s->id, code);

		if (rv != 0) {
			quic_conn_fail(c, rv);
			return;
		}
		quic_conn_dirty(c);
	}
	quic_stream_end(s, VX6_ERR(RESET), code);
}
