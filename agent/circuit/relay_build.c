/*
 * Building: the handshake with a client, and the next hop that it asks for, by EXTEND or in the same breath by NEXT.
 *
 * A building belongs to its circuit while that is NESTING or EXTENDING. It waits for a dial, then for the answer to its OPEN, then for CREATED.
 */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/relay_internal.h"
#include "crypto/secret.h"
#include "record/record.h"

/* ---- CREATE ---- */

static void refuse_create(struct relay_circ *c, enum vx6_relay_create_refused why, uint16_t code)
{
	c->r->st.creates_refused[why]++;
	circ_close(c, code, 0);
}

/* Answers the client's CREATE; from here on there is a layer. @return false: the circuit is gone */
static bool answer_create(struct relay_circ *c, struct relay_hs *hs,
			  const struct vx6_server_msg *msg)
{
	uint8_t sm[VX6_SM_MAX], out[VX6_CREATED_HS_MAX], *cell;
	struct vx6_created created = {.hs = out};
	struct vx6_wr w;
	size_t sm_n, used = 0;
	vx6_err err;

	vx6_wr_init(&w, sm, sizeof sm);
	vx6_server_msg_encode(&w, msg);
	err = vx6_wr_done(&w, &sm_n);
	if (!vx6_is_ok(err))
		relay_hs_free(hs);
	else
		err = relay_hs_answer(hs, sm, sm_n, out, &created.hs_n, &c->crypt);
	cell = vx6_hop_room(c->prev);
	if (vx6_is_ok(err))
		err = cell ? vx6_cell_put_created(cell, &created, &used) : VX6_ERR(FULL);
	if (!vx6_is_ok(err)) {
		refuse_create(c, VX6_RELAY_CREATE_FORMAT, VX6_CODE_CIRC_PROTO);
		return false;
	}
	vx6_random_bytes(cell + used, VX6_CELL_BYTES - used);
	vx6_hop_commit(c->prev);
	c->r->st.creates_ok++;
	if (c->r->draining)
		c->due |= DUE_DRAIN;
	circ_flush_due(c);
	return true;
}

static struct building *building_new(struct relay_circ *c, const uint8_t *node,
				     const struct vx6_create *create)
{
	struct building *b = vx6_zalloc(sizeof *b);
	size_t used;
	vx6_err err;

	b->c = c;
	memcpy(b->node.b, node, sizeof b->node.b);
	err = vx6_cell_put_create(b->cell, create, &used);
	VX6_ASSERT(vx6_is_ok(err)); /* what was decoded fits */
	vx6_random_bytes(b->cell + used, VX6_CELL_BYTES - used);
	c->b = b;
	return b;
}

void building_free(struct building *b)
{
	if (!b)
		return;
	dial_leave(b);
	if (b->opening)
		vx6_opening_cancel(b->opening);
	relay_hs_free(b->hs);
	b->c->b = NULL;
	free(b);
}

static void begin(struct relay_circ *c, const struct vx6_endpoint *given);

static void take_message(struct relay_circ *c, struct relay_hs *hs, const uint8_t *cm, size_t n)
{
	const struct vx6_server_msg nothing = {0};
	struct vx6_client_msg msg;

	if (!vx6_is_ok(vx6_client_msg_decode(cm, n, &msg))) {
		relay_hs_free(hs);
		refuse_create(c, VX6_RELAY_CREATE_FORMAT, VX6_CODE_CIRC_PROTO);
	} else if (msg.has_next) {
		building_new(c, msg.next_node, &msg.next)->hs = hs;
		circ_set_state(c, CIRC_NESTING);
		c->extends++;
		begin(c, NULL);
	} else if (answer_create(c, hs, &nothing)) {
		circ_set_state(c, CIRC_HERE);
		if (msg.word.type)
			cells_word(c, &msg.word);
	}
}

void build_create(struct relay_circ *c, const uint8_t *cell)
{
	struct vx6_onion_keys *keys = c->r->cfg.keys;
	struct vx6_onion_keypair *key;
	struct vx6_create create;
	struct relay_hs *hs;
	uint8_t cm[VX6_CM_MAX];
	size_t cm_n;
	vx6_err err;

	if (!vx6_is_ok(vx6_cell_get_create(cell, &create))) {
		refuse_create(c, VX6_RELAY_CREATE_FORMAT, VX6_CODE_CIRC_PROTO);
		return;
	}
	err = vx6_onion_keys_find(keys, create.key_id, create.hs, &key);
	if (err.code == VX6_E_EXISTS) {
		refuse_create(c, VX6_RELAY_CREATE_REPLAY, VX6_CODE_CIRC_REPLAY);
	} else if (err.code == VX6_E_STALE) {
		refuse_create(c, VX6_RELAY_CREATE_KEY, VX6_CODE_STALE);
	} else if (!vx6_is_ok(err) || !relay_room_for_one(c->r)) {
		refuse_create(c, VX6_RELAY_CREATE_LIMIT, VX6_CODE_LIMIT);
	} else if (!vx6_is_ok(relay_hs_take(c->r->cfg.identity, key, create.hs, create.hs_n, cm,
					    &cm_n, &hs))) {
		refuse_create(c, VX6_RELAY_CREATE_FORMAT, VX6_CODE_CIRC_PROTO);
	} else {
		vx6_onion_keys_spend(keys, key, create.hs);
		take_message(c, hs, cm, cm_n);
		vx6_wipe(cm, sizeof cm);
	}
}

/* ---- the outcome ---- */

/* A payload for the client, that may have to wait for room. There is one at a time. */
static uint8_t *answer_begin(struct relay_circ *c)
{
	VX6_ASSERT(!c->answer);
	c->answer = vx6_zalloc(VX6_CELL_PAYLOAD);
	return c->answer;
}

static void answer_end(struct relay_circ *c, size_t used)
{
	vx6_random_bytes(c->answer + used, VX6_CELL_PAYLOAD - used);
	c->due |= DUE_ANSWER;
	circ_flush_due(c);
}

void build_refuse(struct relay_circ *c, enum vx6_relay_extend_refused why, uint16_t code)
{
	struct vx6_server_msg msg = {.refused = code};
	struct relay_hs *hs = NULL;

	c->r->st.extends_refused[why]++;
	if (c->b) {
		hs = c->b->hs;
		c->b->hs = NULL;
	}
	building_free(c->b);
	if (c->next) {
		vx6_hop_close(c->next, VX6_CODE_CIRC_DESTROYED);
		c->next = NULL;
	}
	if (c->state == CIRC_NESTING) {
		if (answer_create(c, hs, &msg))
			circ_set_state(c, CIRC_HERE);
		return;
	}
	circ_set_state(c, CIRC_HERE);
	answer_end(c, vx6_payload_put_code(answer_begin(c), VX6_PAYLOAD_REFUSED, code));
}

void build_created(struct relay_circ *c, const uint8_t *cell)
{
	struct vx6_server_msg msg = {.has_inner = true};
	struct vx6_created created;
	struct relay_hs *hs;
	size_t used = 0;
	vx6_err err = vx6_cell_get_created(cell, &created);

	if (!vx6_is_ok(err)) {
		c->r->st.violations++;
		build_refuse(c, VX6_RELAY_EXTEND_PEER, VX6_CODE_CIRC_PROTO);
		return;
	}
	hs = c->b->hs;
	c->b->hs = NULL;
	building_free(c->b);
	if (c->state == CIRC_NESTING) {
		msg.inner = created;
		if (!answer_create(c, hs, &msg))
			return;
	} else {
		err = vx6_payload_put_extended(answer_begin(c), &created, &used);
		if (!vx6_is_ok(err)) { /* too long to be handed on */
			VX6_FREE(c->answer);
			c->r->st.violations++;
			build_refuse(c, VX6_RELAY_EXTEND_PEER, VX6_CODE_CIRC_PROTO);
			return;
		}
		answer_end(c, used);
	}
	c->r->st.extends_ok++;
	c->r->st.middle_total++;
	circ_set_state(c, CIRC_MIDDLE);
}

/* ---- the next hop's stream ---- */

static void send_create(struct building *b, struct vx6_stream *stream)
{
	size_t cap = 0;
	uint8_t *room;

	if (b->sent || !stream)
		return;
	room = vx6_stream_reserve(stream, &cap);
	if (!room)
		return;
	b->sent = cap >= VX6_CELL_BYTES; /* else it goes once the stream is open */
	if (b->sent)
		memcpy(room, b->cell, VX6_CELL_BYTES);
	vx6_stream_commit(stream, b->sent ? VX6_CELL_BYTES : 0, false);
}

static void on_opening_writable(void *user, struct vx6_stream *stream)
{
	send_create(user, stream);
}

/* What the client is told of it. A next hop that refuses CREATE at once resets before it has answered OPEN. */
static void refuse_for(struct relay_circ *c, vx6_err err)
{
	switch (err.code) {
	case VX6_E_TIMEOUT:
		build_refuse(c, VX6_RELAY_EXTEND_TIMEOUT, VX6_CODE_TIMEOUT);
		break;
	case VX6_E_FULL:
	case VX6_E_LIMIT:
		build_refuse(c, VX6_RELAY_EXTEND_PEER, VX6_CODE_LIMIT);
		break;
	case VX6_E_PROTOCOL:
		build_refuse(c, VX6_RELAY_EXTEND_PEER, VX6_CODE_CIRC_PROTO);
		break;
	case VX6_E_REFUSED:
		build_refuse(c, VX6_RELAY_EXTEND_PEER, VX6_CODE_CIRC_POLICY);
		break;
	case VX6_E_STALE:
	case VX6_E_DRAINING:
	case VX6_E_UNSUPPORTED:
		build_refuse(c, VX6_RELAY_EXTEND_PEER, vx6_code_from_err(err));
		break;
	default:
		build_refuse(c, VX6_RELAY_EXTEND_UNREACHABLE, VX6_CODE_CIRC_UNREACHABLE);
	}
}

static void on_opened(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		      int rest_n, bool fin)
{
	struct building *b = user;
	struct relay_circ *c = b->c;
	struct vx6_hop *hop;
	uint8_t *room;

	b->opening = NULL;
	if (!vx6_is_ok(err)) {
		refuse_for(c, err);
		return;
	}
	hop = c->next = vx6_hop_new(c->r->cfg.sched, stream, &relay_next_events, c);
	if (!b->sent) {
		room = vx6_hop_room(hop);
		memcpy(room, b->cell, VX6_CELL_BYTES);
		vx6_hop_commit(hop);
		b->sent = true;
	}
	if (vx6_hop_feed(hop, rest, rest_n) && fin)
		circ_violation(c);
}

static const struct vx6_opening_events opening_events = {
	.outcome = on_opened,
	.writable = on_opening_writable,
};

void build_session(struct building *b, vx6_err err, struct vx6_session *s)
{
	const struct vx6_open what = {.kind = VX6_OPEN_CIRCUIT};
	struct relay_circ *c = b->c;

	if (vx6_is_ok(err) && !(vx6_session_features(s) & VX6_FEAT_CIRCUIT))
		err = VX6_ERR(UNSUPPORTED);
	if (vx6_is_ok(err))
		err = vx6_session_open(s, &what, &opening_events, b, &b->opening);
	if (!vx6_is_ok(err)) {
		refuse_for(c, err);
		return;
	}
	c->next_session = vx6_session_id(s);
	send_create(b, vx6_opening_stream(b->opening));
}

/* ---- who may go where ---- */

static bool may_extend(struct relay_circ *c)
{
	struct vx6_relay *r = c->r;

	if (!limits_is_served(c))
		return false;
	if (vx6_node_id_eq(&c->b->node, &r->cfg.identity->id))
		return false;
	return !c->prev_known || !vx6_node_id_eq(&c->b->node, &c->prev_node);
}

/* @param given by the client, and checked; NULL: what is known here is all there is */
static void begin(struct relay_circ *c, const struct vx6_endpoint *given)
{
	struct vx6_relay *r = c->r;
	struct vx6_session *s;
	struct vx6_endpoint e;
	uint16_t code;
	vx6_err err;

	if (r->draining) {
		build_refuse(c, VX6_RELAY_EXTEND_DRAINING, VX6_CODE_DRAINING);
		return;
	}
	if (!may_extend(c)) {
		build_refuse(c, VX6_RELAY_EXTEND_POLICY, VX6_CODE_CIRC_POLICY);
		return;
	}
	s = vx6_sessions_find(r->cfg.sessions, &c->b->node, VX6_DIAL_ANY);
	if (s) {
		build_session(c->b, VX6_OK, s);
		return;
	}
	if (given) {
		e = *given;
	} else if (!r->cfg.events->endpoint(r->cfg.user, &c->b->node, &e)) {
		build_refuse(c, VX6_RELAY_EXTEND_UNKNOWN, VX6_CODE_NOT_FOUND);
		return;
	}
	err = dial_begin(c->b, &e, &code);
	if (!vx6_is_ok(err))
		build_refuse(c,
			     code == VX6_CODE_CIRC_POLICY ? VX6_RELAY_EXTEND_POLICY
			     : code == VX6_CODE_LIMIT     ? VX6_RELAY_EXTEND_LIMIT
							  : VX6_RELAY_EXTEND_UNREACHABLE,
			     code);
}

/* The record is that node's, an endpoint record, and verified by whoever knows what else it has signed. */
static vx6_err check_record(struct relay_circ *c, const struct vx6_extend *e,
			    struct vx6_endpoint *out)
{
	struct vx6_node_id node;
	struct vx6_record rec;

	memcpy(node.b, e->node, sizeof node.b);
	VX6_TRY(vx6_record_parse(e->record, e->record_n, &rec));
	VX6_TRY(vx6_endpoint_read(&rec, out));
	if (!vx6_node_id_eq(&rec.subject, &node))
		return VX6_ERR(MISMATCH);
	return c->r->cfg.events->check(c->r->cfg.user, &node, e->record, e->record_n, out);
}

void build_extend(struct relay_circ *c, const struct vx6_payload *p)
{
	struct vx6_extend e;
	struct vx6_endpoint given;
	vx6_err err = VX6_OK;
	bool checked;

	if (c->state != CIRC_HERE || c->answer || ++c->extends > VX6_EXTEND_MAX ||
	    !vx6_is_ok(vx6_payload_get_extend(p, &e))) {
		circ_violation(c);
		return;
	}
	building_new(c, e.node, &e.create);
	circ_set_state(c, CIRC_EXTENDING);
	/* what would be refused anyway costs no verification */
	checked = e.record && !c->r->draining && may_extend(c);
	if (checked)
		err = check_record(c, &e, &given);
	if (!vx6_is_ok(err))
		build_refuse(c, VX6_RELAY_EXTEND_RECORD, vx6_code_from_err(err));
	else
		begin(c, checked ? &given : NULL);
}
