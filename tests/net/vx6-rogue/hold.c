/* Cells that wait, each for its time, before the relay gets to see them. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "rogue.h"

enum {
	HELD_MAX = 40000, /* cells of a hop: 20 MB */
	RETRY_MS = 2,     /* the way on had no room */
};

struct held_cell {
	struct vx6_list node;
	uint64_t due_ms;
	uint8_t b[VX6_CELL_BYTES];
};

struct held {
	struct vx6_list all;
	struct vx6_hop *hop;
	const struct vx6_hop_events *real;
	struct relay_circ *c;
	struct vx6_timer timer;
	struct vx6_list cells;
	size_t n;
};

static struct vx6_list helds = {&helds, &helds};

static struct held *find(const struct vx6_hop *hop)
{
	VX6_LIST_EACH(node, &helds)
	{
		struct held *h = VX6_CONTAINER_OF(node, struct held, all);

		if (h->hop == hop)
			return h;
	}
	return NULL;
}

bool hold_has(const struct vx6_hop *hop)
{
	return find(hop) != NULL;
}

void hold_drop(const struct vx6_hop *hop)
{
	struct held *h = find(hop);

	if (!h)
		return;
	VX6_LIST_EACH(node, &h->cells)
	free(VX6_CONTAINER_OF(node, struct held_cell, node));
	vx6_timer_stop(&h->timer);
	vx6_list_remove(&h->all);
	free(h);
}

/* The hop may be gone after each of them. */
static void on_due(struct vx6_timer *timer)
{
	struct held *h = timer->user;
	struct vx6_hop *hop = h->hop;
	struct vx6_hop_sched *sched = h->c->r->cfg.sched;
	uint64_t now_ms = vx6_loop_now_ms(timer->loop);

	while (!vx6_list_is_empty(&h->cells)) {
		struct held_cell *cell = VX6_CONTAINER_OF(h->cells.next, struct held_cell, node);
		bool took;

		if (cell->due_ms > now_ms) {
			vx6_timer_in_ms(timer, cell->due_ms - now_ms);
			return;
		}
		took = h->real->cell(hop, cell->b, h->c);
		vx6_hop_settle(sched);
		if (find(hop) != h)
			return;
		if (!took) {
			vx6_timer_in_ms(timer, RETRY_MS);
			return;
		}
		vx6_list_remove(&cell->node);
		free(cell);
		h->n--;
		vx6_hop_resume(hop);
	}
	hold_drop(hop);
}

bool hold_cell(struct vx6_hop *hop, const struct vx6_hop_events *real, struct relay_circ *c,
	       const uint8_t bytes[static VX6_CELL_BYTES], uint32_t ms)
{
	struct held *h = find(hop);
	struct held_cell *cell;

	if (h && h->n >= HELD_MAX)
		return false;
	if (!h) {
		h = vx6_zalloc(sizeof *h);
		h->hop = hop;
		h->real = real;
		h->c = c;
		vx6_list_init(&h->cells);
		vx6_timer_init(c->r->cfg.loop, &h->timer, on_due, h);
		vx6_list_push(&helds, &h->all);
	}
	cell = vx6_zalloc(sizeof *cell);
	cell->due_ms = vx6_loop_now_ms(c->r->cfg.loop) + ms;
	memcpy(cell->b, bytes, sizeof cell->b);
	vx6_list_push(&h->cells, &cell->node);
	h->n++;
	if (!vx6_timer_is_armed(&h->timer))
		vx6_timer_in_ms(&h->timer, ms);
	return true;
}
