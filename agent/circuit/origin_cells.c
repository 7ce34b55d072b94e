/* Cells both ways: composing and encrypting for a hop, decrypting and asking whether that hop may say what it says. */
#include <string.h>

#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/secret.h"

enum { PROBE_MS = 200 };

/* ---- out ---- */

uint8_t *cells_room(struct vx6_circuit *c)
{
	return c->link && !c->ended ? vx6_hop_room(c->link) : NULL;
}

void cells_send(struct vx6_circuit *c, uint8_t *cell, int to, size_t used)
{
	uint8_t *payload = cell + VX6_CELL_PAYLOAD_AT;

	if (used < VX6_CELL_PAYLOAD)
		vx6_random_bytes(payload + used, VX6_CELL_PAYLOAD - used);
	cell[0] = VX6_CELL_RELAY;
	onion_seal(c->onion, to, cell);
	c->tx_cells++;
	vx6_hop_commit(c->link);
}

static void send_create(struct vx6_circuit *c)
{
	uint8_t *cell = cells_room(c);
	vx6_err err;

	if (!cell)
		return;
	c->create_due = false;
	err = origin_create(c, cell);
	if (vx6_is_ok(err))
		vx6_hop_commit(c->link);
	else
		circuit_end(c, err, 0);
}

static void send_ping(struct vx6_circuit *c, int i)
{
	struct chop *h = &c->hop[i];
	uint8_t *cell = cells_room(c);
	size_t used;

	if (!cell)
		return;
	h->ping_due = false;
	h->ping_token = vx6_random_u64();
	h->ping_ns = vx6_loop_now_ns(c->o->cfg.loop);
	used = vx6_payload_put_token(cell + VX6_CELL_PAYLOAD_AT, VX6_PAYLOAD_PING, h->ping_token);
	cells_send(c, cell, i, used);
}

static void send_pong(struct vx6_circuit *c)
{
	uint8_t *cell = cells_room(c);

	if (!cell)
		return;
	c->pong_due = false;
	cells_send(c, cell, c->built_n - 1,
		   vx6_payload_put_token(cell + VX6_CELL_PAYLOAD_AT, VX6_PAYLOAD_PONG, c->pong));
}

void cells_work(struct vx6_circuit *c)
{
	if (c->create_due)
		send_create(c);
	if (c->extend_due)
		origin_extend(c);
	for (int i = 0; i < c->built_n; i++)
		if (c->hop[i].ping_due)
			send_ping(c, i);
	if (!hs_flush(c))
		return;
	shape_step(c);
	if (c->pong_due)
		send_pong(c);
	if (c->end_waits && c->end) {
		c->end_waits = false;
		vx6_endlink_writable(c->end);
	}
}

/* ---- what the end link asks ---- */

static uint8_t *on_end_room(void *user, size_t *cap)
{
	struct vx6_circuit *c = user;

	c->room = hs_flush(c) ? cells_room(c) : NULL; /* what was said before goes before */
	if (!c->room) {
		c->end_waits = true;
		return NULL;
	}
	*cap = VX6_PAYLOAD_MAX;
	return c->room + VX6_CELL_PAYLOAD_AT + VX6_PAYLOAD_HEADER;
}

static void on_end_send(void *user, size_t n)
{
	struct vx6_circuit *c = user;

	c->tx_bytes += n;
	cells_send(c, c->room, c->built_n - 1,
		   vx6_payload_seal(c->room + VX6_CELL_PAYLOAD_AT, VX6_PAYLOAD_STREAMS, n));
}

static void on_end_close(void *user, vx6_err why)
{
	struct vx6_circuit *c = user;

	c->leaving = true;
	circuit_end(c, why, VX6_CIRCUIT_NO_HOP);
}

const struct vx6_endlink_io circuit_end_io = {
	.room = on_end_room,
	.send = on_end_send,
	.close = on_end_close,
};

/* ---- what hops say ---- */

/* Only the last hop speaks of the next, and only while it is asked for one. */
static bool is_extending(const struct vx6_circuit *c, int from)
{
	return c->state == VX6_CIRCUIT_BUILDING && from == c->built_n - 1 &&
	       c->built_n < c->hops_n && c->hop[c->built_n].hs;
}

static bool is_other_end(const struct vx6_circuit *c, int from)
{
	return c->joined && from == c->built_n - 1;
}

static vx6_err on_extended(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	struct vx6_created created;

	if (!is_extending(c, from))
		return VX6_ERR(PROTOCOL);
	VX6_TRY(vx6_payload_get_extended(p, &created));
	origin_created(c, &created);
	return VX6_OK;
}

static vx6_err on_refused(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	uint16_t code;

	if (!is_extending(c, from))
		return VX6_ERR(PROTOCOL);
	VX6_TRY(vx6_payload_get_code(p, &code));
	origin_refused(c, code);
	return VX6_OK;
}

static vx6_err on_streams(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	if (!c->end || from != c->built_n - 1)
		return VX6_ERR(PROTOCOL);
	c->rx_bytes += p->n;
	return vx6_endlink_input(c->end, p->data, p->n);
}

static vx6_err on_pong(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	struct chop *h = &c->hop[from];
	uint64_t token, us;

	VX6_TRY(vx6_payload_get_token(p, &token));
	if (!h->ping_ns || token != h->ping_token)
		return VX6_ERR(PROTOCOL);
	us = (vx6_loop_now_ns(c->o->cfg.loop) - h->ping_ns) / 1000;
	h->rtt_us = (uint32_t)VX6_MAX(VX6_MIN(us, UINT32_MAX), 1);
	h->ping_ns = 0;
	if (c->ev && c->ev->pong)
		c->ev->pong(c->user, c, from, h->rtt_us);
	return VX6_OK;
}

/* Hops are asked; only the other end of a joined circuit asks, too. */
static vx6_err on_ping(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	if (!is_other_end(c, from))
		return VX6_ERR(PROTOCOL);
	VX6_TRY(vx6_payload_get_token(p, &c->pong)); /* those that come faster share one answer */
	c->pong_due = true;
	vx6_loop_defer(c->o->cfg.loop, &c->task);
	return VX6_OK;
}

static vx6_err on_drain(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	uint16_t code;

	if (is_other_end(c, from))
		return VX6_ERR(PROTOCOL);
	VX6_TRY(vx6_payload_get_code(p, &code));
	if (c->hop[from].draining)
		return VX6_OK;
	c->hop[from].draining = c->drains = true;
	if (c->state == VX6_CIRCUIT_OPEN)
		c->state = VX6_CIRCUIT_DRAINING;
	if (c->ev && c->ev->draining)
		c->ev->draining(c->user, c, from, code);
	return VX6_OK;
}

static vx6_err on_payload(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	switch (p->type) {
	case VX6_PAYLOAD_EXTENDED:
		return on_extended(c, from, p);
	case VX6_PAYLOAD_REFUSED:
		return on_refused(c, from, p);
	case VX6_PAYLOAD_STREAMS:
		return on_streams(c, from, p);
	case VX6_PAYLOAD_PAD:
		shape_answered(c, from);
		return VX6_OK;
	case VX6_PAYLOAD_PONG:
		return on_pong(c, from, p);
	case VX6_PAYLOAD_DRAIN:
		return on_drain(c, from, p);
	case VX6_PAYLOAD_PING:
		return on_ping(c, from, p);
	case VX6_PAYLOAD_EXTEND: /* ours to say */
		return VX6_ERR(PROTOCOL);
	default:
		return hs_said(c, from, p);
	}
}

static void on_relay(struct vx6_circuit *c, uint8_t *cell)
{
	struct vx6_payload p;
	int from = c->built_n ? onion_open(c->onion, cell) : 0;

	if (c->built_n == 0) {
		circuit_violation(c, 0);
		return;
	}
	if (from < 0) {
		/* changed, repeated or out of its place: by whom, the cell does not tell */
		circuit_violation(c, VX6_CIRCUIT_NO_HOP);
		return;
	}
	if (!vx6_is_ok(vx6_payload_decode(cell + VX6_CELL_PAYLOAD_AT, &p)) ||
	    !vx6_is_ok(on_payload(c, from, &p)))
		circuit_violation(c, from);
}

/* ---- what the first link brings ---- */

static bool on_cell(struct vx6_hop *link, uint8_t cell[static VX6_CELL_BYTES], void *user)
{
	struct vx6_circuit *c = user;
	struct vx6_created created;

	if (cell[0] == VX6_CELL_PAD) { /* no sign of the hops behind the first */
		vx6_hop_pad_came(link);
		return true;
	}
	if (c->ended)
		return true;
	if (hs_holds(c))
		return false;
	c->rx_cells++;
	switch (cell[0]) {
	case VX6_CELL_RELAY:
		on_relay(c, cell);
		break;
	default:
		if (cell[0] != VX6_CELL_CREATED || c->built_n || !c->hop[0].hs ||
		    !vx6_is_ok(vx6_cell_get_created(cell, &created)))
			circuit_violation(c, 0);
		else
			origin_created(c, &created);
		break;
	}
	return true;
}

static void on_batch_end(struct vx6_hop *link, void *user)
{
	struct vx6_circuit *c = user;

	(void)link;
	if (c->end)
		vx6_endlink_batch_end(c->end);
}

static void on_writable(struct vx6_hop *link, void *user)
{
	struct vx6_circuit *c = user;

	(void)link;
	if (!c->ended)
		cells_work(c);
}

/* The link may be dead: its session finds out. */
static void on_silent(struct vx6_hop *link, uint32_t srtt_us, void *user)
{
	struct vx6_circuit *c = user;
	struct vx6_session *s = vx6_sessions_by_id(c->o->cfg.sessions, c->session_id);

	(void)link;
	if (s)
		vx6_session_probe(s, VX6_MAX(PROBE_MS, srtt_us / 250));
}

/*
 * Whose fault: that of the first hop if the link to it was lost, else of the one that was waited for; later it cannot be known. The code is the
 * first hop's word: that another one's key is stale only the hop before that one says, in a cell.
 */
static void on_closed(struct vx6_hop *link, vx6_err why, uint32_t code, void *user)
{
	struct vx6_circuit *c = user;
	int fault = c->state == VX6_CIRCUIT_BUILDING ? c->built_n : VX6_CIRCUIT_NO_HOP;

	(void)link;
	c->link = NULL;
	if (why.code != VX6_E_RESET)
		fault = 0;
	else if (code != VX6_CODE_OK && (code != VX6_CODE_STALE || c->built_n == 0))
		why = vx6_code_to_err(code);
	if (vx6_is_ok(why))
		why = VX6_ERR(CLOSED);
	circuit_end(c, why, fault);
	vx6_loop_defer(c->o->cfg.loop, &c->task); /* one that was leaving need not wait any more */
}

const struct vx6_hop_events circuit_cells = {
	.cell = on_cell,
	.batch_end = on_batch_end,
	.writable = on_writable,
	.silent = on_silent,
	.closed = on_closed,
};
