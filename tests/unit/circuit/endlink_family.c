#include "endlink_family.h"

#include <string.h>

#include "base/list.h"
#include "base/util.h"
#include "circuit/endlink.h"
#include "crypto/secret.h"

enum { QUEUE_MAX = 64, TURN = 24 };

struct vx6_transport {
	struct vx6_loop *loop;
	struct vx6_transport_limits limits;
	struct vx6_list halves;
};

struct vx6_listener {
	struct vx6_transport *t;
	const struct vx6_accept_events *ev;
	void *user;
};

static struct vx6_listener *listening; /* one at a time is all that the tests have */

struct cell {
	struct vx6_list node;
	bool end; /* of the carrier */
	size_t n;
	uint8_t b[VX6_ENDLINK_PAYLOAD];
};

/* One end of a carrier, with what is on its way to it. */
struct half {
	struct vx6_list node;
	struct vx6_transport *t;
	struct half *peer;
	struct vx6_endlink *e;
	struct vx6_list inbox;
	int inbox_n;
	bool told_full;
	struct vx6_task task;
	uint8_t room[VX6_ENDLINK_PAYLOAD];
};

static void half_free(struct half *h)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&h->inbox)) != NULL)
		free(VX6_CONTAINER_OF(node, struct cell, node));
	if (h->peer)
		h->peer->peer = NULL;
	vx6_task_cancel(&h->task);
	vx6_list_remove(&h->node);
	free(h);
}

static void post(struct half *to, const uint8_t *p, size_t n, bool end)
{
	struct cell *c = vx6_zalloc(sizeof *c);

	c->end = end;
	c->n = n;
	if (n)
		memcpy(c->b, p, n);
	vx6_list_push(&to->inbox, &c->node);
	to->inbox_n++;
	vx6_loop_defer(to->t->loop, &to->task);
}

static uint8_t *on_room(void *user, size_t *cap)
{
	struct half *h = user;

	*cap = sizeof h->room;
	if (!h->peer || h->peer->inbox_n < QUEUE_MAX)
		return h->room;
	h->told_full = true;
	return NULL;
}

static void on_send(void *user, size_t n)
{
	struct half *h = user;

	if (h->peer)
		post(h->peer, h->room, n, false);
}

static void on_close(void *user, vx6_err why)
{
	struct half *h = user;

	if (h->peer)
		post(h->peer, NULL, 0, true);
	vx6_endlink_down(h->e, why);
	half_free(h);
}

static const struct vx6_endlink_io io = {.room = on_room, .send = on_send, .close = on_close};

static void on_task(struct vx6_task *task)
{
	struct half *h = task->user;
	vx6_err err = VX6_OK;

	for (int i = 0; i < TURN && vx6_is_ok(err) && !vx6_list_is_empty(&h->inbox); i++) {
		struct cell *c = VX6_CONTAINER_OF(vx6_list_pop(&h->inbox), struct cell, node);

		h->inbox_n--;
		err = c->end ? VX6_ERR(CLOSED) : vx6_endlink_input(h->e, c->b, c->n);
		free(c);
	}
	vx6_endlink_batch_end(h->e);
	if (!vx6_is_ok(err)) {
		vx6_endlink_down(h->e, err);
		half_free(h);
		return;
	}
	if (h->peer && h->peer->told_full) {
		h->peer->told_full = false;
		vx6_endlink_writable(h->peer->e);
	}
	if (!vx6_list_is_empty(&h->inbox))
		vx6_loop_defer(h->t->loop, &h->task);
}

static struct half *half_new(struct vx6_transport *t, bool initiator, const uint8_t *binding)
{
	struct half *h = vx6_zalloc(sizeof *h);
	struct vx6_endlink_config cfg = {.loop = t->loop,
					 .initiator = initiator,
					 .io = &io,
					 .user = h,
					 .limits = &t->limits};

	memcpy(cfg.binding, binding, sizeof cfg.binding);
	h->t = t;
	vx6_list_init(&h->inbox);
	vx6_list_push(&t->halves, &h->node);
	vx6_task_init(&h->task, on_task, h);
	h->e = vx6_endlink_new(&cfg);
	return h;
}

/* ---- the slots of a family ---- */

static vx6_err family_new(const struct vx6_transport_config *cfg, struct vx6_transport **out)
{
	*out = vx6_zalloc(sizeof **out);
	(*out)->loop = cfg->loop;
	(*out)->limits = cfg->limits;
	vx6_list_init(&(*out)->halves);
	return VX6_OK;
}

static void family_free(struct vx6_transport *t)
{
	if (listening && listening->t == t)
		VX6_FREE(listening);
	while (!vx6_list_is_empty(&t->halves)) {
		struct half *h = VX6_CONTAINER_OF(t->halves.next, struct half, node);

		if (h->peer)
			post(h->peer, NULL, 0, true);
		vx6_endlink_down(h->e, VX6_ERR(CLOSED));
		half_free(h);
	}
	free(t);
}

static vx6_err family_listen(struct vx6_transport *t, const struct vx6_addr *at,
			     const struct vx6_accept_events *ev, void *user,
			     struct vx6_listener **out)
{
	(void)at;
	*out = listening = vx6_zalloc(sizeof *listening);
	*listening = (struct vx6_listener){.t = t, .ev = ev, .user = user};
	return VX6_OK;
}

static void family_listener_addr(const struct vx6_listener *l, struct vx6_addr *out)
{
	(void)l;
	*out = (struct vx6_addr){.family = VX6_ADDR_IP, .port = 1};
}

static vx6_err family_dial(struct vx6_transport *t, const struct vx6_dial *how,
			   const struct vx6_link_events *ev, void *user, struct vx6_link **out)
{
	uint8_t binding[VX6_CB_BYTES];
	struct half *a, *b;

	(void)how;
	vx6_random_bytes(binding, sizeof binding);
	a = half_new(t, true, binding);
	b = half_new(listening->t, false, binding);
	a->peer = b;
	b->peer = a;
	*out = vx6_endlink_link(a->e);
	vx6_link_set_events(*out, ev, user);
	/* an endlink is up from its birth and says nothing of it; the tests wait for `up` */
	listening->ev->accept(listening, vx6_endlink_link(b->e), listening->user);
	ev->up(vx6_endlink_link(b->e), listening->user);
	ev->up(*out, user);
	return VX6_OK;
}

const struct vx6_transport_ops endlink_family = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "circuit",
	.new = family_new,
	.free = family_free,
	.listen = family_listen,
	.listener_addr = family_listener_addr,
	.dial = family_dial,
};
