/* What is said to the last hop of a circuit beyond the circuit itself, and the end that is added when that hop joins it with another one. */
#include <string.h>

#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/secret.h"
#include "wire/hs.h"

struct saying {
	struct vx6_list node;
	uint8_t type;
	int to;
	size_t n;
	uint8_t data[];
};

static size_t saying_bytes(size_t n)
{
	return sizeof(struct saying) + n;
}

/* ---- saying ---- */

static bool may_be_told(uint8_t type)
{
	return type >= VX6_PAYLOAD_ESTABLISH_INTRO && type <= VX6_PAYLOAD_RENDEZVOUS2 &&
	       !vx6_hs_is_answer(type);
}

static bool is_free(const struct vx6_circuit *c)
{
	return (c->state == VX6_CIRCUIT_OPEN || c->state == VX6_CIRCUIT_DRAINING) && !c->joined &&
	       !c->end;
}

bool hs_flush(struct vx6_circuit *c)
{
	uint8_t *cell;

	while (!vx6_list_is_empty(&c->says) && (cell = cells_room(c)) != NULL) {
		struct saying *s = VX6_CONTAINER_OF(vx6_list_pop(&c->says), struct saying, node);
		uint8_t *payload = cell + VX6_CELL_PAYLOAD_AT;

		c->says_n--;
		memcpy(payload + VX6_PAYLOAD_HEADER, s->data, s->n);
		cells_send(c, cell, s->to, vx6_payload_seal(payload, s->type, s->n));
		vx6_wipe_free(s, saying_bytes(s->n));
	}
	return vx6_list_is_empty(&c->says);
}

vx6_err vx6_circuit_say(struct vx6_circuit *c, uint8_t type, const void *data, size_t n)
{
	struct saying *s;

	if (!may_be_told(type) || n > VX6_PAYLOAD_MAX)
		return VX6_ERR(INVALID);
	if (!is_free(c))
		return VX6_ERR(CONFLICT);
	if (!hs_flush(c) && c->says_n >= VX6_CIRCUIT_SAYS_MAX)
		return VX6_ERR(FULL);
	s = vx6_zalloc(saying_bytes(n));
	s->type = type;
	s->to = c->built_n - 1;
	s->n = n;
	if (n)
		memcpy(s->data, data, n);
	vx6_list_push(&c->says, &s->node);
	c->says_n++;
	if (type == VX6_PAYLOAD_INTRODUCE1 || type == VX6_PAYLOAD_ESTABLISH_REND)
		shape_begin(c);
	if (hs_flush(c))
		shape_step(c);
	return VX6_OK;
}

void hs_free(struct vx6_circuit *c)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&c->says)) != NULL) {
		struct saying *s = VX6_CONTAINER_OF(node, struct saying, node);

		vx6_wipe_free(s, saying_bytes(s->n));
	}
}

/* ---- being told ---- */

vx6_err hs_said(struct vx6_circuit *c, int from, const struct vx6_payload *p)
{
	if (!is_free(c) || from != c->built_n - 1 || !vx6_hs_is_answer(p->type))
		return VX6_ERR(PROTOCOL);
	if (c->closing)
		return VX6_OK;
	if (!c->ev || !c->ev->said)
		return VX6_ERR(PROTOCOL);
	c->answered |= p->type == VX6_PAYLOAD_RENDEZVOUS2;
	c->ev->said(c->user, c, p->type, p->data, p->n);
	return VX6_OK;
}

/* ---- joining ---- */

/* The other end speaks as soon as it has the circuit: what it says cannot be read before its layer is there, nor taken before the link is. */
bool hs_holds(const struct vx6_circuit *c)
{
	return (c->answered || c->joined) && !c->end;
}

vx6_err vx6_circuit_join(struct vx6_circuit *c, const struct vx6_circuit_join *j)
{
	struct chop *h;

	if (!is_free(c))
		return VX6_ERR(CONFLICT);
	if (c->hops_n == VX6_CIRCUIT_HOPS_MAX)
		return VX6_ERR(LIMIT);
	h = &c->hop[c->hops_n];
	*h = (struct chop){.node = *j->far};
	memcpy(h->kh, j->kh, sizeof h->kh);
	onion_add_end(c->onion, j->keys, j->acceptor);
	c->hops_n++;
	c->kept_n = ++c->built_n;
	c->joined = true;
	c->acceptor = j->acceptor;
	return VX6_OK;
}
