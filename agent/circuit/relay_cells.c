/* Cells of circuits: what is passed on, what is for this node, and what it says itself. */
#include <string.h>

#include "base/util.h"
#include "circuit/relay_internal.h"
#include "crypto/secret.h"

enum { REFILL_MS = 10, TOKENS_MS = 100 /* so much may be saved up */ };

/* ---- the rate ---- */

void relay_refill(struct vx6_relay *r)
{
	uint64_t now_ns = vx6_loop_now_ns(r->cfg.loop);
	int64_t per_ms = (int64_t)r->cfg.budget.rate_mbit * 125;
	int64_t most = VX6_MAX(per_ms * TOKENS_MS, (int64_t)VX6_HOP_TURN * VX6_CELL_BYTES);
	uint64_t ms = (now_ns - r->tokens_ns) / 1000000;

	r->tokens_ns += ms * 1000000;
	r->tokens = ms > TOKENS_MS ? most : VX6_MIN(r->tokens + per_ms * (int64_t)ms, most);
}

/* Whether one more cell may be relayed now. One that may not stays where it is. */
static bool may_relay(struct relay_circ *c)
{
	struct vx6_relay *r = c->r;

	if (r->cfg.budget.rate_mbit == 0)
		return true;
	if (r->tokens < VX6_CELL_BYTES)
		relay_refill(r);
	if (r->tokens >= VX6_CELL_BYTES)
		return true;
	if (!vx6_list_is_linked(&c->throttled)) {
		/* those who had nothing since the last time come first next time */
		if (c->took > 0)
			vx6_list_push(&r->throttled, &c->throttled);
		else
			vx6_list_push(r->throttled.next, &c->throttled);
		c->took = 0;
	}
	if (!vx6_timer_is_armed(&r->refill))
		vx6_timer_in_ms(&r->refill, REFILL_MS);
	return false;
}

static void relayed(struct relay_circ *c)
{
	if (c->r->cfg.budget.rate_mbit == 0)
		return;
	c->r->tokens -= VX6_CELL_BYTES;
	c->took++;
}

/* ---- what this node says to the client ---- */

static uint8_t *own_begin(struct relay_circ *c)
{
	uint8_t *cell = c->prev ? vx6_hop_room(c->prev) : NULL;

	return cell ? cell + VX6_CELL_PAYLOAD_AT : NULL;
}

/* @param used bytes of the payload that are in place */
static void own_send(struct relay_circ *c, uint8_t *payload, size_t used)
{
	uint8_t *cell = payload - VX6_CELL_PAYLOAD_AT;

	if (used < VX6_CELL_PAYLOAD)
		vx6_random_bytes(payload + used, VX6_CELL_PAYLOAD - used);
	cell[0] = VX6_CELL_RELAY;
	relay_crypt_own(c->crypt, cell);
	vx6_hop_commit(c->prev);
	c->cells_back++;
	c->r->st.cells_back++;
}

static bool has_due(const struct relay_circ *c)
{
	return c->due || !vx6_list_is_empty(&c->sayings);
}

static void say_next(struct relay_circ *c, uint8_t *p)
{
	struct saying *s = VX6_CONTAINER_OF(vx6_list_pop(&c->sayings), struct saying, node);

	c->sayings_n--;
	memcpy(p + VX6_PAYLOAD_HEADER, s->data, s->n);
	own_send(c, p, vx6_payload_seal(p, (enum vx6_payload_type)s->type, s->n));
	free(s);
	if (c->peer && vx6_list_is_empty(&c->sayings))
		vx6_hop_resume(c->peer->prev); /* may have waited for this */
}

void circ_say(struct relay_circ *c, enum vx6_payload_type type, const void *data, size_t n)
{
	struct saying *s = vx6_zalloc(sizeof *s + n);

	s->type = (uint8_t)type;
	s->n = n;
	memcpy(s->data, data, n);
	vx6_list_push(&c->sayings, &s->node);
	c->sayings_n++;
	circ_flush_due(c);
}

void circ_say_code(struct relay_circ *c, enum vx6_payload_type type, uint16_t code)
{
	uint8_t data[VX6_HS_CODE_BYTES];

	vx6_hs_code_encode(code, data);
	circ_say(c, type, data, sizeof data);
}

void circ_flush_due(struct relay_circ *c)
{
	uint8_t *p;

	while (has_due(c) && (p = own_begin(c)) != NULL) {
		if (c->due & DUE_ANSWER) {
			c->due &= (uint8_t)~DUE_ANSWER;
			memcpy(p, c->answer, VX6_CELL_PAYLOAD);
			own_send(c, p, VX6_CELL_PAYLOAD);
			VX6_FREE(c->answer);
			if (c->next)
				vx6_hop_resume(c->next); /* may have waited for this */
		} else if (!vx6_list_is_empty(&c->sayings)) {
			say_next(c, p);
		} else if (c->due & DUE_PONG) {
			c->due &= (uint8_t)~DUE_PONG;
			own_send(c, p, vx6_payload_put_token(p, VX6_PAYLOAD_PONG, c->pong));
		} else if (c->due & DUE_DRAIN) {
			c->due &= (uint8_t)~DUE_DRAIN;
			own_send(c, p,
				 vx6_payload_put_code(p, VX6_PAYLOAD_DRAIN, VX6_CODE_DRAINING));
		} else {
			if (--c->pads == 0)
				c->due &= (uint8_t)~DUE_PAD;
			own_send(c, p, vx6_payload_put_pad(p, 0));
		}
	}
}

/* ---- the end of a circuit that ends here ---- */

static uint8_t *on_end_room(void *user, size_t *cap)
{
	struct relay_circ *c = user;
	uint8_t *p = own_begin(c);

	*cap = p ? VX6_PAYLOAD_MAX : 0;
	return p ? p + VX6_PAYLOAD_HEADER : NULL;
}

static void on_end_send(void *user, size_t n)
{
	struct relay_circ *c = user;
	uint8_t *p = own_begin(c); /* the same room again */

	own_send(c, p, vx6_payload_seal(p, VX6_PAYLOAD_STREAMS, n));
}

static void on_end_close(void *user, vx6_err why)
{
	(void)why;
	circ_end_soon(user, VX6_CODE_OK);
}

static const struct vx6_endlink_io end_io = {
	.room = on_end_room,
	.send = on_end_send,
	.close = on_end_close,
};

static bool end_begin(struct relay_circ *c)
{
	struct vx6_endlink_config cfg = {.loop = c->r->cfg.loop,
					 .io = &end_io,
					 .user = c,
					 .growth = &c->r->growth};
	struct vx6_relay_end end = {.circuit = c->id, .prev_is_anonymous = !c->prev_known};

	memcpy(cfg.binding, relay_crypt_binding(c->crypt), sizeof cfg.binding);
	c->end = vx6_endlink_new(&cfg);
	vx6_hop_widen(c->prev, VX6_HOP_WINDOW_END);
	circ_set_state(c, CIRC_END);
	end.link = vx6_endlink_link(c->end);
	if (!c->r->cfg.events->end(c->r->cfg.user, &end)) {
		circ_close(c, VX6_CODE_CIRC_POLICY, 0);
		return false;
	}
	c->r->st.end_total++;
	return true;
}

static void take_streams(struct relay_circ *c, const struct vx6_payload *p)
{
	if (c->state == CIRC_HERE && !c->answer) {
		if (!end_begin(c))
			return;
	} else if (c->state != CIRC_END) {
		circ_violation(c);
		return;
	}
	if (!vx6_is_ok(vx6_endlink_input(c->end, p->data, p->n)))
		circ_violation(c);
}

/* ---- for this node ---- */

static void take_ping(struct relay_circ *c, const struct vx6_payload *p)
{
	uint64_t token;

	if (!vx6_is_ok(vx6_payload_get_token(p, &token))) {
		circ_violation(c);
		return;
	}
	c->pong = token; /* pings that come faster than answers leave share one */
	c->due |= DUE_PONG;
	circ_flush_due(c);
}

/* As many are sent as it asks for, so that the circuit looks like one that is used; few in all, so that nobody gains by asking. */
static void take_pad(struct relay_circ *c, const struct vx6_payload *p)
{
	uint8_t n = vx6_payload_pad_answers(p);

	n = VX6_MIN(n, (uint8_t)(VX6_RELAY_PADS_MAX - c->pads_asked));
	if (n == 0)
		return;
	c->pads += n;
	c->pads_asked += n;
	c->due |= DUE_PAD;
	circ_flush_due(c);
}

/* What makes something else of a circuit that ends here and carries nothing. */
static void take_ask(struct relay_circ *c, const struct vx6_payload *p)
{
	static void (*const asks[])(struct relay_circ *, const struct vx6_payload *) = {
		[VX6_PAYLOAD_ESTABLISH_INTRO] = intro_establish,
		[VX6_PAYLOAD_INTRODUCE1] = intro_introduce,
		[VX6_PAYLOAD_ESTABLISH_REND] = rend_establish,
		[VX6_PAYLOAD_RENDEZVOUS1] = rend_join,
	};

	if (p->type >= VX6_ARRAY_N(asks) || !asks[p->type]) { /* what only hops say */
		circ_violation(c);
	} else if (c->state != CIRC_HERE || c->answer || ++c->asks > VX6_RELAY_ASKS_MAX) {
		circ_violation(c);
	} else {
		asks[p->type](c, p);
	}
}

/* It comes with the handshake: whoever says it twice, or keeps it, is told apart by its cookie, and by the handshake's own memory. */
void cells_word(struct relay_circ *c, const struct vx6_payload *p)
{
	if (p->type == VX6_PAYLOAD_RENDEZVOUS1)
		take_ask(c, p);
	else
		circ_violation(c);
}

static void take_own(struct relay_circ *c, const uint8_t *cell)
{
	struct vx6_payload p;

	/* from here on others are called, who write to streams of their own */
	vx6_hop_settle(c->r->cfg.sched);
	if (!vx6_is_ok(vx6_payload_decode(cell + VX6_CELL_PAYLOAD_AT, &p))) {
		circ_violation(c);
		return;
	}
	switch (p.type) {
	case VX6_PAYLOAD_EXTEND:
		build_extend(c, &p);
		break;
	case VX6_PAYLOAD_STREAMS:
		take_streams(c, &p);
		break;
	case VX6_PAYLOAD_PING:
		take_ping(c, &p);
		break;
	case VX6_PAYLOAD_PAD:
		take_pad(c, &p);
		break;
	case VX6_PAYLOAD_INTRODUCED:
		intro_confirmed(c, &p);
		break;
	default:
		take_ask(c, &p);
	}
}

/* ---- cells that come ---- */

static void count_forward(struct relay_circ *c)
{
	c->last_ms = vx6_loop_now_ms(c->r->cfg.loop);
	c->cells_forward++;
	c->r->st.cells_forward++;
}

/* @return false: no room at the next hop */
static bool pass_forward(struct relay_circ *c, uint8_t *cell)
{
	uint8_t *room = vx6_hop_room_here(c->next);

	if (!room)
		return false;
	memcpy(room, cell, VX6_CELL_BYTES);
	count_forward(c);
	if (!relay_crypt_forward(c->crypt, room)) {
		vx6_hop_commit(c->next);
		relayed(c);
		return true;
	}
	memcpy(cell, room, VX6_CELL_BYTES);
	take_own(c, cell);
	return true;
}

/* From one circuit into the one that it is joined with: to that one's client. @return false: no room there */
static bool pass_across(struct relay_circ *c, uint8_t *cell)
{
	struct relay_circ *to = c->peer;
	uint8_t *room;

	if (!to)
		return true; /* gone, and the end of this one is on its way */
	if (!vx6_list_is_empty(&to->sayings))
		return false; /* RENDEZVOUS2 goes first */
	room = vx6_hop_room_here(to->prev);
	if (!room)
		return false;
	memcpy(room, cell, VX6_CELL_BYTES);
	count_forward(c);
	if (relay_crypt_forward(c->crypt, room)) {
		memcpy(cell, room, VX6_CELL_BYTES);
		take_own(c, cell);
		return true;
	}
	relay_crypt_back(to->crypt, room);
	vx6_hop_commit(to->prev);
	relayed(c);
	to->last_ms = c->last_ms;
	to->cells_back++;
	return true;
}

/* @return false: it stays where it is for now */
static bool take_relay(struct relay_circ *c, uint8_t *cell)
{
	switch (c->state) {
	case CIRC_MIDDLE:
		return may_relay(c) && pass_forward(c, cell);
	case CIRC_JOINED:
		return may_relay(c) && pass_across(c, cell);
	case CIRC_REND_EARLY:
		return false;
	default:
		count_forward(c);
		if (relay_crypt_forward(c->crypt, cell))
			take_own(c, cell);
		else
			circ_violation(c);
		return true;
	}
}

/* A client that says who it is needs no silence filled, and a relay's links carry what others send. */
static void take_link_pad(struct relay_circ *c)
{
	if (!c->prev_known && c->state != CIRC_FRESH && !vx6_list_is_linked(&c->ending))
		vx6_hop_pad(c->prev, true);
	vx6_hop_pad_came(c->prev);
}

static bool on_prev_cell(struct vx6_hop *hop, uint8_t cell[static VX6_CELL_BYTES], void *user)
{
	struct relay_circ *c = user;

	(void)hop;
	if (cell[0] == VX6_CELL_PAD) {
		take_link_pad(c);
		return true;
	}
	if (c->state == CIRC_FRESH) {
		vx6_hop_settle(c->r->cfg.sched);
		if (cell[0] == VX6_CELL_CREATE)
			build_create(c, cell);
		else
			circ_violation(c);
		return true;
	}
	if (cell[0] != VX6_CELL_RELAY || c->state == CIRC_NESTING) {
		circ_violation(c);
		return true;
	}
	return take_relay(c, cell);
}

static bool on_next_cell(struct vx6_hop *hop, uint8_t cell[static VX6_CELL_BYTES], void *user)
{
	struct relay_circ *c = user;
	uint8_t *room;

	(void)hop;
	if (cell[0] == VX6_CELL_PAD)
		return true;
	if (c->state == CIRC_NESTING || c->state == CIRC_EXTENDING) {
		vx6_hop_settle(c->r->cfg.sched);
		if (cell[0] == VX6_CELL_CREATED)
			build_created(c, cell);
		else
			build_refuse(c, VX6_RELAY_EXTEND_PEER, VX6_CODE_CIRC_PROTO);
		return true;
	}
	if (cell[0] != VX6_CELL_RELAY) {
		circ_violation(c);
		return true;
	}
	if ((c->due & DUE_ANSWER) || !may_relay(c))
		return false;
	room = vx6_hop_room_here(c->prev);
	if (!room)
		return false;
	memcpy(room, cell, VX6_CELL_BYTES);
	relay_crypt_back(c->crypt, room);
	vx6_hop_commit(c->prev);
	relayed(c);
	c->last_ms = vx6_loop_now_ms(c->r->cfg.loop);
	c->cells_back++;
	c->r->st.cells_back++;
	return true;
}

static void on_prev_batch_end(struct vx6_hop *hop, void *user)
{
	struct relay_circ *c = user;

	(void)hop;
	if (c->end)
		vx6_endlink_batch_end(c->end);
}

/* ---- room again ---- */

static void on_prev_writable(struct vx6_hop *hop, void *user)
{
	struct relay_circ *c = user;

	(void)hop;
	circ_flush_due(c);
	if (c->next)
		vx6_hop_resume(c->next);
	if (c->peer)
		vx6_hop_resume(c->peer->prev);
	if (c->end)
		vx6_endlink_writable(c->end);
}

static void on_next_writable(struct vx6_hop *hop, void *user)
{
	struct relay_circ *c = user;

	(void)hop;
	vx6_hop_resume(c->prev);
}

/* ---- silence, and ends ---- */

enum { PROBE_MIN_MS = 200 };

static void probe(struct relay_circ *c, uint64_t session, uint32_t srtt_us)
{
	struct vx6_session *s = vx6_sessions_by_id(c->r->cfg.sessions, session);

	if (s)
		vx6_session_probe(s, VX6_MAX((uint32_t)PROBE_MIN_MS, srtt_us / 1000 * 4));
}

static void on_prev_silent(struct vx6_hop *hop, uint32_t srtt_us, void *user)
{
	struct relay_circ *c = user;

	(void)hop;
	probe(c, c->prev_session, srtt_us);
}

static void on_next_silent(struct vx6_hop *hop, uint32_t srtt_us, void *user)
{
	struct relay_circ *c = user;

	(void)hop;
	probe(c, c->next_session, srtt_us);
}

static void on_prev_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	struct relay_circ *c = user;

	c->r->st.cells_dropped += vx6_hop_waiting(hop);
	c->prev = NULL;
	if (code == VX6_CODE_CIRC_OOM && why.code == VX6_E_FULL)
		c->r->st.oom++;
	c->r->st.violations += why.code == VX6_E_PROTOCOL; /* a stream of cells that was finished */
	circ_close(c, 0, VX6_CODE_CIRC_DESTROYED);
}

/* Codes of a next hop that refuses which help the client to do better. Others say only that it did. */
static uint16_t refusal_code(uint32_t code)
{
	switch (code) {
	case VX6_CODE_STALE:
	case VX6_CODE_LIMIT:
	case VX6_CODE_DRAINING:
	case VX6_CODE_CIRC_REPLAY:
	case VX6_CODE_CIRC_POLICY:
	case VX6_CODE_CIRC_PROTO:
	case VX6_CODE_CIRC_OOM:
	case VX6_CODE_TIMEOUT:
		return (uint16_t)code;
	default:
		return VX6_CODE_CIRC_UNREACHABLE;
	}
}

static void on_next_closed(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user)
{
	struct relay_circ *c = user;

	c->r->st.cells_dropped += vx6_hop_waiting(hop);
	c->next = NULL;
	if (c->state == CIRC_NESTING || c->state == CIRC_EXTENDING) {
		build_refuse(c,
			     why.code == VX6_E_RESET ? VX6_RELAY_EXTEND_PEER
						     : VX6_RELAY_EXTEND_UNREACHABLE,
			     why.code == VX6_E_RESET ? refusal_code(code)
						     : VX6_CODE_CIRC_UNREACHABLE);
		return;
	}
	if (code == VX6_CODE_CIRC_OOM && why.code == VX6_E_FULL) {
		c->r->st.oom++;
		circ_close(c, VX6_CODE_CIRC_OOM, 0);
		return;
	}
	circ_close(c, VX6_CODE_CIRC_DESTROYED, 0);
}

const struct vx6_hop_events relay_prev_events = {
	.cell = on_prev_cell,
	.batch_end = on_prev_batch_end,
	.writable = on_prev_writable,
	.silent = on_prev_silent,
	.closed = on_prev_closed,
};

const struct vx6_hop_events relay_next_events = {
	.cell = on_next_cell,
	.writable = on_next_writable,
	.silent = on_next_silent,
	.closed = on_next_closed,
};
