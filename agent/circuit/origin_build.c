/* Hop after hop: CREATE to the first, EXTEND for the others or all CREATEs nested in the first one, and what the hops answer. */
#include <string.h>

#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/secret.h"

void origin_forget(struct vx6_circuit *c, int from)
{
	for (int i = from; i < VX6_CIRCUIT_HOPS_MAX; i++) {
		onion_hs_free(c->hop[i].hs);
		c->hop[i].hs = NULL;
	}
}

/* ---- out ---- */

/* @param is_inmost no other CREATE is inside */
static vx6_err create_one(struct vx6_circuit *c, int k, bool is_inmost, struct vx6_create *create)
{
	struct chop *h = &c->hop[k];
	struct vx6_client_msg msg = {.has_next = !is_inmost};
	uint8_t cm[VX6_CM_MAX];
	struct vx6_wr w;
	size_t cm_n = 0;
	vx6_err err;

	if (msg.has_next) {
		memcpy(msg.next_node, c->hop[k + 1].node.b, sizeof msg.next_node);
		msg.next = *create;
	} else if (k + 1 == c->hops_n) {
		msg.word =
			(struct vx6_payload){.type = c->word_type, .data = c->word, .n = c->word_n};
	}
	vx6_wr_init(&w, cm, sizeof cm);
	vx6_client_msg_encode(&w, &msg);
	err = vx6_wr_done(&w, &cm_n);
	if (vx6_is_ok(err))
		err = onion_hs_begin(c->o->cfg.net, &h->node, h->onion_key, cm, cm_n, &h->hs,
				     create);
	vx6_wipe(cm, sizeof cm);
	return err;
}

/* The CREATE of hop @p i, with those of the hops up to @p last inside, the innermost first. */
static vx6_err create_nested(struct vx6_circuit *c, int i, int last, struct vx6_create *out)
{
	for (int k = last; k >= i; k--)
		VX6_TRY(create_one(c, k, k == last, out));
	return VX6_OK;
}

vx6_err origin_create(struct vx6_circuit *c, uint8_t cell[static VX6_CELL_BYTES])
{
	struct vx6_create create;
	size_t used;
	vx6_err err = create_nested(c, 0, c->nest ? c->hops_n - 1 : 0, &create);

	if (vx6_is_ok(err))
		err = vx6_cell_put_create(cell, &create, &used);
	if (!vx6_is_ok(err))
		return err;
	vx6_random_bytes(cell + used, VX6_CELL_BYTES - used);
	c->step_ns = vx6_loop_now_ns(c->o->cfg.loop);
	c->tx_cells++;
	return VX6_OK;
}

void origin_extend(struct vx6_circuit *c)
{
	int i = c->built_n;
	struct vx6_extend ext = {.record = c->hop[i].record, .record_n = c->hop[i].record_n};
	uint8_t *cell = cells_room(c);
	size_t used = 0;
	vx6_err err;

	c->extend_due = !cell;
	if (!cell)
		return;
	memcpy(ext.node, c->hop[i].node.b, sizeof ext.node);
	err = create_nested(c, i, i, &ext.create);
	if (vx6_is_ok(err))
		err = vx6_payload_put_extend(cell + VX6_CELL_PAYLOAD_AT, &ext, &used);
	if (!vx6_is_ok(err)) {
		circuit_end(c, err, i);
		return;
	}
	cells_send(c, cell, i - 1, used);
	c->step_ns = vx6_loop_now_ns(c->o->cfg.loop);
}

/* ---- in ---- */

static void forget_word(struct vx6_circuit *c)
{
	vx6_wipe(c->word, sizeof c->word);
	c->word_type = c->word_n = 0;
}

static void built(struct vx6_circuit *c)
{
	vx6_timer_stop(&c->timer);
	c->built_ns = vx6_loop_now_ns(c->o->cfg.loop);
	c->kept_n = c->built_n;
	c->state = c->drains ? VX6_CIRCUIT_DRAINING : VX6_CIRCUIT_OPEN;
	VX6_FREE(c->dial);
	for (int i = 0; i < c->hops_n; i++)
		VX6_FREE(c->hop[i].record);
	forget_word(c);
	if (c->ev)
		c->ev->built(c->user, c);
}

/* Takes one hop in. @param inner its message says that the next one's answer is inside */
static vx6_err take(struct vx6_circuit *c, const struct vx6_created *created,
		    uint8_t sm[static VX6_SM_MAX], struct vx6_server_msg *msg)
{
	struct chop *h = &c->hop[c->built_n];
	uint64_t now = vx6_loop_now_ns(c->o->cfg.loop);
	size_t sm_n = 0;

	VX6_TRY(onion_add(c->onion, h->hs, created, sm, &sm_n, h->kh));
	onion_hs_free(h->hs);
	h->hs = NULL;
	h->built_us = (uint32_t)VX6_MIN((now - c->step_ns) / 1000, UINT32_MAX);
	h->rtt_us = c->nest ? 0 : VX6_MAX(h->built_us, 1);
	c->built_n++;
	if (!vx6_is_ok(vx6_server_msg_decode(sm, sm_n, msg)))
		return VX6_ERR(PROTOCOL);
	/* it may answer for those only whose CREATE it was given */
	if ((msg->has_inner || msg->refused) && (c->built_n == c->hops_n || !c->hop[c->built_n].hs))
		return VX6_ERR(PROTOCOL);
	return VX6_OK;
}

void origin_created(struct vx6_circuit *c, const struct vx6_created *created)
{
	uint8_t sm[2][VX6_SM_MAX]; /* an answer stands inside the one before */
	struct vx6_created answer = *created;
	struct vx6_server_msg msg = {.has_inner = true};

	for (int k = 0; msg.has_inner; k ^= 1) {
		int i = c->built_n;
		vx6_err err = take(c, &answer, sm[k], &msg);

		if (!vx6_is_ok(err)) {
			circuit_end(c, err, i);
			return;
		}
		answer = msg.inner;
	}
	/* one that did not go along with a nested build: from here on one by one, with the records that did not fit in there */
	origin_forget(c, c->built_n);
	if (c->built_n == c->hops_n) {
		built(c);
		return;
	}
	c->nest = false;
	origin_extend(c);
}

void origin_refused(struct vx6_circuit *c, uint16_t code)
{
	vx6_err why = vx6_code_to_err(code);

	if (c->kept_n == 0 || !c->ev || !c->ev->refused) {
		circuit_end(c, why, c->built_n);
		return;
	}
	origin_forget(c, c->built_n);
	VX6_FREE(c->hop[c->built_n].record);
	forget_word(c);
	c->hops_n = c->built_n;
	c->state = c->drains ? VX6_CIRCUIT_DRAINING : VX6_CIRCUIT_OPEN;
	vx6_timer_stop(&c->timer);
	c->ev->refused(c->user, c, why);
}
