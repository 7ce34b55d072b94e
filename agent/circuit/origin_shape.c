/*
 * What a client of hidden services has to say takes one cell, and an answer: between them, a relay on the way could tell such a circuit by the few
 * cells that it carries. So it exchanges PADs with its last hop, question and answers by turns, until it has seen as many cells each way as one that
 * has carried a stream. The last hop knows what the circuit is for; those before it see no difference.
 */
#include "base/util.h"
#include "circuit/origin_internal.h"
#include "crypto/secret.h"

enum {
	SHAPE_CELLS = 10,        /* each way */
	SHAPE_ANSWERS = 3,       /* to one question, at most */
	SHAPE_PAUSE_MIN_MS = 10, /* before the next question: what the circuit is for goes first */
	SHAPE_PAUSE_MAX_MS = 50,
	SHAPE_CLOSE_MS = 5000,
};

/* What the circuit was for has begun: from here on its own cells are as good. */
static bool is_over(const struct vx6_circuit *c)
{
	return c->answered || c->joined || c->end ||
	       (c->tx_cells >= SHAPE_CELLS && c->rx_cells >= SHAPE_CELLS);
}

static void end_shape(struct vx6_circuit *c)
{
	c->shaping = false;
	vx6_timer_stop(&c->pause);
	if (c->closing)
		circuit_end(c, VX6_ERR(CLOSED), VX6_CIRCUIT_NO_HOP);
}

static void on_pause(struct vx6_timer *timer)
{
	shape_step(timer->user);
}

void shape_begin(struct vx6_circuit *c)
{
	if (c->shaping)
		return;
	vx6_timer_init(c->o->cfg.loop, &c->pause, on_pause, c);
	c->shaping = true;
	c->shape_with = c->built_n - 1;
}

void shape_step(struct vx6_circuit *c)
{
	uint8_t *cell, answers;

	if (!c->shaping || c->shape_owes > 0)
		return;
	if (is_over(c)) {
		end_shape(c);
		return;
	}
	cell = vx6_timer_is_armed(&c->pause) ? NULL : cells_room(c);
	if (!cell)
		return;
	answers = (uint8_t)(1 + vx6_random_below(SHAPE_ANSWERS));
	c->shape_owes = answers;
	cells_send(c, cell, c->shape_with,
		   vx6_payload_put_pad(cell + VX6_CELL_PAYLOAD_AT, answers));
}

void shape_answered(struct vx6_circuit *c, int from)
{
	if (c->shape_owes == 0 || from != c->shape_with)
		return;
	if (--c->shape_owes > 0)
		return;
	vx6_timer_in_ms(&c->pause, SHAPE_PAUSE_MIN_MS + vx6_random_below(SHAPE_PAUSE_MAX_MS -
									 SHAPE_PAUSE_MIN_MS));
	vx6_loop_defer(c->o->cfg.loop, &c->task); /* it may be complete */
}

bool shape_close(struct vx6_circuit *c)
{
	if (!c->shaping || !c->link || is_over(c))
		return false;
	c->closing = true;
	vx6_hop_pad(c->link, false);
	vx6_timer_in_ms(&c->timer, SHAPE_CLOSE_MS);
	return true;
}
