/*
 * One stream of cells. A hop is made by whoever has the stream, and is gone after vx6_hop_close() or `closed`.
 *
 * Between calls: `kept` is set exactly while the first cell of `rx` was refused; else `rx` holds the beginning of one cell at most. Credit
 * of the stream is given back for cells that were taken, and for nothing else.
 */
#include <string.h>

#include "base/util.h"
#include "circuit/hop_internal.h"
#include "crypto/secret.h"
#include "wire/code.h"
#include "wire/open.h"

/* ---- lists of cells ---- */

static void cells_push(struct hop_cells *q, struct hop_cell *c)
{
	c->next = NULL;
	if (q->last)
		q->last->next = c;
	else
		q->first = c;
	q->last = c;
	q->n++;
}

static void cells_pop(struct vx6_hop_sched *s, struct hop_cells *q)
{
	struct hop_cell *c = q->first;

	q->first = c->next;
	if (!q->first)
		q->last = NULL;
	q->n--;
	sched_cell_put(s, c);
}

/* ---- a stream that has no hop any more ---- */

static void orphan_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			void *user)
{
	(void)fin;
	(void)user;
	for (int i = 0; i < n; i++)
		vx6_stream_consume(stream, iov[i].iov_len);
}

static void orphan_writable(struct vx6_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

static void orphan_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	(void)stream;
	(void)why;
	(void)code;
	(void)user;
}

static const struct vx6_stream_events orphan_events = {
	.data = orphan_data,
	.writable = orphan_writable,
	.closed = orphan_closed,
};

/* ---- life ---- */

static const struct vx6_stream_events stream_events;
static void on_resume(struct vx6_task *task);

struct vx6_hop *vx6_hop_new(struct vx6_hop_sched *s, struct vx6_stream *stream,
			    const struct vx6_hop_events *ev, void *user)
{
	struct vx6_hop *hop = vx6_zalloc(sizeof *hop);

	hop->s = s;
	hop->stream = stream;
	hop->ev = ev;
	hop->user = user;
	vx6_task_init(&hop->resume, on_resume, hop);
	sched_join(hop);
	vx6_stream_set_events(stream, &stream_events, hop);
	vx6_stream_limit(stream, VX6_HOP_WINDOW);
	return hop;
}

void vx6_hop_widen(struct vx6_hop *hop, uint32_t window_max)
{
	vx6_stream_limit(hop->stream, window_max);
}

void vx6_hop_set_events(struct vx6_hop *hop, const struct vx6_hop_events *ev, void *user)
{
	hop->ev = ev;
	hop->user = user;
}

/* While one of its events runs the memory stays, marked dead, for the function that called it. */
static void hop_free(struct vx6_hop *hop)
{
	vx6_task_cancel(&hop->resume);
	if (hop->s->open == hop)
		hop->s->open = NULL;
	while (hop->rx.first)
		cells_pop(hop->s, &hop->rx);
	while (hop->tx.first)
		cells_pop(hop->s, &hop->tx);
	if (hop->composing)
		sched_cell_put(hop->s, hop->composing);
	sched_leave(hop);
	hop->dead = true;
	if (hop->running == 0)
		free(hop);
}

/* The events are over. @return false: the hop is gone */
static bool run_end(struct vx6_hop *hop)
{
	if (--hop->running > 0)
		return !hop->dead;
	if (!hop->dead)
		return true;
	free(hop);
	return false;
}

void vx6_hop_close(struct vx6_hop *hop, uint16_t code)
{
	vx6_stream_set_events(hop->stream, &orphan_events, NULL);
	vx6_stream_reset(hop->stream, code);
	hop_free(hop);
}

void hop_end(struct vx6_hop *hop, vx6_err why, uint16_t code)
{
	vx6_stream_set_events(hop->stream, &orphan_events, NULL);
	vx6_stream_reset(hop->stream, code);
	hop->ev->closed(hop, why, code, hop->user);
	hop_free(hop);
}

static void on_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	struct vx6_hop *hop = user;

	(void)stream;
	hop->ev->closed(hop, why, code, hop->user);
	hop_free(hop);
}

/* ---- in ---- */

/* The beginning of a cell, to be added to; NULL: none. */
static struct hop_cell *beginning(struct vx6_hop *hop)
{
	return hop->rx.last && hop->rx.last->n < VX6_CELL_BYTES ? hop->rx.last : NULL;
}

static size_t put_aside(struct vx6_hop *hop, const uint8_t *p, size_t n)
{
	struct hop_cell *c = beginning(hop);
	size_t take;

	if (!c) {
		c = sched_cell_get(hop->s);
		cells_push(&hop->rx, c);
	}
	take = VX6_MIN(n, (size_t)VX6_CELL_BYTES - c->n);
	memcpy(c->b + c->n, p, take);
	c->n += (uint32_t)take;
	return take;
}

static void count_taken(struct vx6_hop *hop, size_t *taken)
{
	hop->rx_cells++;
	hop->s->rx_cells++;
	*taken += VX6_CELL_BYTES;
}

/* Offers the whole cells that lie aside, until one is refused or the hop is dead. */
static void offer_aside(struct vx6_hop *hop, size_t *taken)
{
	hop->kept = false;
	while (hop->rx.first && hop->rx.first->n == VX6_CELL_BYTES) {
		bool took = hop->ev->cell(hop, hop->rx.first->b, hop->user);

		if (hop->dead)
			return;
		if (!took) {
			hop->kept = true;
			return;
		}
		count_taken(hop, taken);
		cells_pop(hop->s, &hop->rx);
	}
}

/* One piece of what came. */
static void take_piece(struct vx6_hop *hop, uint8_t *p, size_t n, size_t *taken)
{
	while (n > 0 && !hop->dead) {
		size_t used = VX6_CELL_BYTES;

		if (hop->rx.n > 0 || n < VX6_CELL_BYTES) {
			used = put_aside(hop, p, n);
			if (!hop->kept)
				offer_aside(hop, taken);
		} else if (hop->ev->cell(hop, p, hop->user)) {
			count_taken(hop, taken);
		} else if (!hop->dead) {
			hop->kept = true;
			used = put_aside(hop, p, n);
		}
		p += used;
		n -= used;
	}
}

/* After cells were offered: what went straight into a stream is sent, and credit given back. */
static void finish_batch(struct vx6_hop *hop, struct vx6_hop_sched *s, size_t taken)
{
	vx6_hop_settle(s);
	if (hop->dead || taken == 0)
		return;
	hop->l->moved_ms = vx6_loop_now_ms(s->loop);
	vx6_stream_consume(hop->stream, taken);
	if (hop->ev->batch_end)
		hop->ev->batch_end(hop, hop->user);
}

bool vx6_hop_feed(struct vx6_hop *hop, const struct iovec *iov, int n)
{
	struct vx6_hop_sched *s = hop->s;
	size_t taken = 0;

	hop->running++;
	for (int i = 0; i < n && !hop->dead; i++)
		take_piece(hop, iov[i].iov_base, iov[i].iov_len, &taken);
	finish_batch(hop, s, taken);
	return run_end(hop);
}

static void on_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin, void *user)
{
	struct vx6_hop *hop = user;

	(void)stream;
	if (vx6_hop_feed(hop, iov, n) && fin)
		hop_end(hop, VX6_ERR(PROTOCOL), VX6_CODE_CIRC_PROTO); /* circuits end by reset */
}

static void on_resume(struct vx6_task *task)
{
	struct vx6_hop *hop = task->user;
	struct vx6_hop_sched *s = hop->s;
	size_t taken = 0;

	hop->running++;
	offer_aside(hop, &taken);
	finish_batch(hop, s, taken);
	run_end(hop);
}

void vx6_hop_resume(struct vx6_hop *hop)
{
	if (hop->kept)
		vx6_loop_defer(hop->s->loop, &hop->resume);
}

/* ---- out ---- */

bool hop_has_output(const struct vx6_hop *hop)
{
	return hop->tx.n > 0 || hop->answer_due;
}

void vx6_hop_answer(struct vx6_hop *hop)
{
	hop->answer_due = true;
	sched_ready(hop);
}

uint8_t *vx6_hop_room(struct vx6_hop *hop)
{
	hop->here = false;
	if (hop->tx.n >= VX6_HOP_QUEUE) {
		hop->wants_room = true;
		return NULL;
	}
	if (!hop->composing)
		hop->composing = sched_cell_get(hop->s);
	return hop->composing->b;
}

/* Nobody stands before it who would have to be asked. */
static bool way_is_clear(const struct vx6_hop *hop)
{
	return !hop_has_output(hop) && !hop->asked && hop->l->ready.n == 0 && hop->l->asked.n == 0;
}

uint8_t *vx6_hop_room_here(struct vx6_hop *hop)
{
	struct vx6_hop_sched *s = hop->s;

	if (!way_is_clear(hop))
		return vx6_hop_room(hop);
	if (s->open != hop || hop->direct_cap - hop->direct_n < VX6_CELL_BYTES) {
		vx6_hop_settle(s);
		hop->direct = vx6_stream_reserve(hop->stream, &hop->direct_cap);
		hop->direct_n = 0;
		if (!hop->direct) {
			hop->asked = true;
			return vx6_hop_room(hop);
		}
		s->open = hop;
		if (hop->direct_cap < VX6_CELL_BYTES) {
			vx6_hop_settle(s);
			return vx6_hop_room(hop);
		}
	}
	hop->here = true;
	return hop->direct + hop->direct_n;
}

void vx6_hop_commit(struct vx6_hop *hop)
{
	if (hop->here) {
		hop->here = false;
		hop->direct_n += VX6_CELL_BYTES;
		return;
	}
	hop->composing->n = VX6_CELL_BYTES;
	cells_push(&hop->tx, hop->composing);
	hop->composing = NULL;
	sched_ready(hop);
}

void hop_send_pad(struct vx6_hop *hop)
{
	struct hop_cell *c = sched_cell_get(hop->s);

	c->b[0] = VX6_CELL_PAD;
	vx6_random_bytes(c->b + 1, VX6_CELL_BODY);
	c->n = VX6_CELL_BYTES;
	cells_push(&hop->tx, c);
	sched_ready(hop);
}

void vx6_hop_settle(struct vx6_hop_sched *s)
{
	struct vx6_hop *hop = s->open;

	if (!hop)
		return;
	s->open = NULL;
	hop->here = false;
	vx6_stream_commit(hop->stream, hop->direct_n, false);
	if (hop->direct_n)
		sched_sent(hop, hop->direct_n / VX6_CELL_BYTES, 0);
}

struct turn {
	size_t cells, pads;
};

/* Fills a reservation with what is queued. A cell may leave in parts where credit ends inside of it. @return bytes */
static size_t fill(struct vx6_hop *hop, uint8_t *room, size_t cap, struct turn *turn)
{
	size_t n = 0;

	if (hop->answer_due) {
		vx6_open_reply_encode(VX6_CODE_OK, room);
		hop->answer_due = false;
		n = VX6_OPEN_REPLY;
	}
	while (hop->tx.first && n < cap && turn->cells < VX6_HOP_TURN) {
		size_t take = VX6_MIN(cap - n, (size_t)VX6_CELL_BYTES - hop->tx_off);

		memcpy(room + n, hop->tx.first->b + hop->tx_off, take);
		n += take;
		hop->tx_off += take;
		if (hop->tx_off < VX6_CELL_BYTES)
			break;
		hop->tx_off = 0;
		turn->pads += hop->tx.first->b[0] == VX6_CELL_PAD;
		turn->cells++;
		cells_pop(hop->s, &hop->tx);
	}
	return n;
}

bool hop_write_turn(struct vx6_hop *hop)
{
	struct turn turn = {0};
	bool wrote = false;
	size_t cap;

	while (hop_has_output(hop) && turn.cells < VX6_HOP_TURN) {
		uint8_t *room = vx6_stream_reserve(hop->stream, &cap);

		if (!room) {
			hop->asked = true;
			break;
		}
		vx6_stream_commit(hop->stream, fill(hop, room, cap, &turn), false);
		wrote = true;
	}
	if (wrote)
		sched_sent(hop, turn.cells, turn.pads);
	if (hop->wants_room && hop->tx.n <= VX6_HOP_QUEUE / 2)
		sched_notify(hop);
	return wrote;
}

static void on_writable(struct vx6_stream *stream, void *user)
{
	struct vx6_hop *hop = user;

	(void)stream;
	hop->asked = false;
	sched_writable(hop);
}

static const struct vx6_stream_events stream_events = {
	.data = on_data,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- to look at ---- */

struct vx6_link *vx6_hop_link(const struct vx6_hop *hop)
{
	return hop->l->link;
}

size_t vx6_hop_bytes(const struct vx6_hop *hop)
{
	return (hop->rx.n + hop->tx.n) * sizeof(struct hop_cell);
}

size_t vx6_hop_waiting(const struct vx6_hop *hop)
{
	return hop->rx.n + hop->tx.n;
}

size_t vx6_hop_queued(const struct vx6_hop *hop)
{
	return hop->tx.n;
}

uint64_t vx6_hop_rx_cells(const struct vx6_hop *hop)
{
	return hop->rx_cells;
}

uint64_t vx6_hop_tx_cells(const struct vx6_hop *hop)
{
	return hop->tx_cells;
}

uint64_t hop_oldest_ms(const struct vx6_hop *hop)
{
	uint64_t rx = hop->rx.first ? hop->rx.first->at_ms : UINT64_MAX;
	uint64_t tx = hop->tx.first ? hop->tx.first->at_ms : UINT64_MAX;

	return VX6_MIN(rx, tx);
}
