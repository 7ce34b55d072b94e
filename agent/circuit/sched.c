/*
 * Order among the circuits of each link, and the memory of all.
 *
 * What a circuit sent of late is a sum in which every cell counts `weight`, and weight doubles every half-life: so sums never have to decay,
 * their order stays what it is until one of them sends, and a heap may hold them. Now and then all are scaled down together.
 *
 * A link's transport lets its streams write in turn, and asks nobody who should be first. When it is a circuit's turn, the turn is handed on
 * to the quietest one that waits (vx6_stream_pass); where the family has no turns the quietest simply writes first. A turn is bounded, and
 * whoever wrote is less quiet than before: so nobody starves.
 */
#include <string.h>

#include "base/util.h"
#include "circuit/hop_internal.h"
#include "wire/code.h"

enum {
	SPARE_MAX = 1024, /* cells kept for reuse */
	HALF_LIFE_S = 30,
	FORGOTTEN_S = 64 * HALF_LIFE_S, /* after which nothing is left of a sum */
	OOM_PERCENT = 85,
	PARKED_MAX = 8, /* tried in vain in one turn, where the family cannot tell why */
};
#define WEIGHT_A_SECOND 1.0233738919967750 /* 2^(1/HALF_LIFE_S) */
#define WEIGHT_MAX 1e100

static void on_task(struct vx6_task *task);
static void on_silence(struct vx6_timer *timer);

struct vx6_hop_sched *vx6_hop_sched_new(struct vx6_loop *loop, size_t mem_max)
{
	struct vx6_hop_sched *s = vx6_zalloc(sizeof *s);

	s->loop = loop;
	s->bytes_max = mem_max;
	s->weight = 1;
	s->weight_ms = vx6_loop_now_ms(loop);
	vx6_list_init(&s->all);
	vx6_list_init(&s->busy);
	vx6_list_init(&s->owes);
	vx6_list_init(&s->notify);
	vx6_task_init(&s->task, on_task, s);
	vx6_timer_init(loop, &s->silence, on_silence, s);
	return s;
}

void vx6_hop_sched_free(struct vx6_hop_sched *s)
{
	if (!s)
		return;
	VX6_ASSERT(s->hops_n == 0);
	vx6_task_cancel(&s->task);
	vx6_timer_stop(&s->silence);
	while (s->spare) {
		struct hop_cell *c = s->spare;

		s->spare = c->next;
		free(c);
	}
	free(s);
}

void vx6_hop_sched_set_memory(struct vx6_hop_sched *s, size_t mem_max)
{
	s->bytes_max = mem_max;
	sched_wake(s);
}

void vx6_hop_sched_stats(const struct vx6_hop_sched *s, struct vx6_hop_sched_stats *out)
{
	*out = (struct vx6_hop_sched_stats){
		.hops = s->hops_n,
		.rx_cells = s->rx_cells,
		.tx_cells = s->tx_cells,
		.tx_pads = s->tx_pads,
		.bytes = s->bytes,
		.bytes_peak = s->bytes_peak,
		.bytes_max = s->bytes_max,
		.oom = s->oom,
	};
}

void sched_wake(struct vx6_hop_sched *s)
{
	vx6_loop_defer(s->loop, &s->task);
}

/* ---- memory ---- */

static bool is_short(const struct vx6_hop_sched *s)
{
	return s->bytes > s->bytes_max / 100 * OOM_PERCENT;
}

struct hop_cell *sched_cell_get(struct vx6_hop_sched *s)
{
	struct hop_cell *c = s->spare;

	if (c) {
		s->spare = c->next;
		s->spare_n--;
	} else {
		c = vx6_realloc_array(NULL, 1, sizeof *c);
	}
	c->next = NULL;
	c->n = 0;
	c->at_ms = vx6_loop_now_ms(s->loop);
	s->bytes += sizeof *c;
	s->bytes_peak = VX6_MAX(s->bytes_peak, s->bytes);
	if (is_short(s))
		sched_wake(s);
	return c;
}

void sched_cell_put(struct vx6_hop_sched *s, struct hop_cell *c)
{
	s->bytes -= sizeof *c;
	if (s->spare_n >= SPARE_MAX) {
		free(c);
		return;
	}
	c->next = s->spare;
	s->spare = c;
	s->spare_n++;
}

/* The one that has been holding memory for longest is the one that is stuck, or is kept so on purpose. */
static void relieve(struct vx6_hop_sched *s)
{
	while (is_short(s)) {
		struct vx6_hop *oldest = NULL;
		uint64_t at_ms = UINT64_MAX;

		VX6_LIST_EACH(node, &s->all)
		{
			struct vx6_hop *hop = VX6_CONTAINER_OF(node, struct vx6_hop, all);
			uint64_t ms = hop_oldest_ms(hop);

			if (ms < at_ms) {
				at_ms = ms;
				oldest = hop;
			}
		}
		if (!oldest)
			return;
		s->oom++;
		hop_end(oldest, VX6_ERR(FULL), VX6_CODE_CIRC_OOM);
	}
}

/* ---- heaps ---- */

static void heap_set(struct hop_heap *h, size_t i, struct vx6_hop *hop)
{
	h->at[i] = hop;
	hop->index = i;
}

static void heap_up(struct hop_heap *h, size_t i)
{
	struct vx6_hop *hop = h->at[i];

	while (i > 0 && hop->sent < h->at[(i - 1) / 2]->sent) {
		heap_set(h, i, h->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(h, i, hop);
}

static void heap_down(struct hop_heap *h, size_t i)
{
	struct vx6_hop *hop = h->at[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < h->n && h->at[child + 1]->sent < h->at[child]->sent)
			child++;
		if (child >= h->n || hop->sent <= h->at[child]->sent)
			break;
		heap_set(h, i, h->at[child]);
		i = child;
	}
	heap_set(h, i, hop);
}

static struct hop_heap *heap_of(struct vx6_hop *hop)
{
	return hop->place == HOP_READY ? &hop->l->ready : &hop->l->asked;
}

static bool is_in_heap(const struct vx6_hop *hop)
{
	return hop->place == HOP_READY || hop->place == HOP_ASKED;
}

static void take_out(struct vx6_hop *hop)
{
	struct hop_heap *h = heap_of(hop);
	size_t i = hop->index;

	if (is_in_heap(hop)) {
		struct vx6_hop *last = h->at[--h->n];

		if (last != hop) {
			heap_set(h, i, last);
			heap_up(h, i);
			heap_down(h, last->index);
		}
	}
	hop->place = HOP_IDLE;
}

static void put_in(struct vx6_hop *hop, enum hop_place place)
{
	struct hop_heap *h;

	take_out(hop);
	hop->place = place;
	if (!is_in_heap(hop))
		return;
	h = heap_of(hop);
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 4;
		h->at = vx6_realloc_array(h->at, h->cap, sizeof *h->at);
	}
	heap_set(h, h->n, hop);
	heap_up(h, h->n++);
}

/* ---- what was sent of late ---- */

static void scale_all(struct vx6_hop_sched *s, double by)
{
	VX6_LIST_EACH(node, &s->all)
	{
		struct vx6_hop *hop = VX6_CONTAINER_OF(node, struct vx6_hop, all);

		hop->sent *= by;
	}
}

static void weight_update(struct vx6_hop_sched *s)
{
	uint64_t seconds = (vx6_loop_now_ms(s->loop) - s->weight_ms) / 1000;

	s->weight_ms += seconds * 1000;
	if (seconds >= FORGOTTEN_S) {
		scale_all(s, 0);
		s->weight = 1;
		return;
	}
	for (; seconds; seconds--)
		s->weight *= WEIGHT_A_SECOND;
	if (s->weight > WEIGHT_MAX) {
		scale_all(s, 1 / s->weight);
		s->weight = 1;
	}
}

static void owe(struct vx6_hop_sched *s, struct hop_link *l)
{
	if (vx6_list_is_linked(&l->owes))
		return;
	vx6_list_push(&s->owes, &l->owes);
	l->looked = false;
	if (!vx6_timer_is_armed(&s->silence))
		vx6_timer_in_ms(&s->silence, VX6_HOP_SILENCE_MS);
}

void sched_sent(struct vx6_hop *hop, size_t cells, size_t pads)
{
	struct vx6_hop_sched *s = hop->s;

	weight_update(s);
	hop->tx_cells += cells;
	s->tx_cells += cells;
	s->tx_pads += pads;
	hop->sent += (double)cells * s->weight;
	if (is_in_heap(hop))
		heap_down(heap_of(hop), hop->index);
	hop->l->moved_ms = vx6_loop_now_ms(s->loop);
	if (cells > pads || cells == 0)
		owe(s, hop->l);
}

/* ---- links ---- */

void sched_join(struct vx6_hop *hop)
{
	struct vx6_hop_sched *s = hop->s;
	struct vx6_link *link = vx6_stream_link(hop->stream);
	struct hop_link *l;

	HASH_FIND_PTR(s->links, &link, l);
	if (!l) {
		l = vx6_zalloc(sizeof *l);
		l->link = link;
		vx6_list_init(&l->hops);
		pad_init(l, s->loop);
		HASH_ADD_PTR(s->links, link, l);
	}
	hop->l = l;
	vx6_list_push(&l->hops, &hop->on_link);
	vx6_list_push(&s->all, &hop->all);
	s->hops_n++;
}

void sched_leave(struct vx6_hop *hop)
{
	struct vx6_hop_sched *s = hop->s;
	struct hop_link *l = hop->l;

	take_out(hop);
	vx6_hop_pad(hop, false);
	vx6_list_remove(&hop->on_link);
	vx6_list_remove(&hop->all);
	vx6_list_remove(&hop->notify);
	s->hops_n--;
	if (!vx6_list_is_empty(&l->hops))
		return;
	vx6_list_remove(&l->busy);
	vx6_list_remove(&l->owes);
	HASH_DEL(s->links, l);
	free(l->ready.at);
	free(l->asked.at);
	free(l);
}

/* ---- turns ---- */

void sched_ready(struct vx6_hop *hop)
{
	struct vx6_hop_sched *s = hop->s;

	if (hop->asked) {
		if (hop->place == HOP_IDLE)
			put_in(hop, HOP_ASKED);
		owe(s, hop->l);
		return;
	}
	if (hop->place != HOP_READY)
		put_in(hop, HOP_READY);
	if (!vx6_list_is_linked(&hop->l->busy))
		vx6_list_push(&s->busy, &hop->l->busy);
	sched_wake(s);
}

static struct vx6_hop *quieter(struct vx6_hop *a, struct vx6_hop *b)
{
	if (!a || !b)
		return a ? a : b;
	return a->sent <= b->sent ? a : b;
}

static struct vx6_hop *top(const struct hop_heap *h)
{
	return h->n ? h->at[0] : NULL;
}

/* After @p hop has had a turn, or tried to. */
static void turn_over(struct vx6_hop *hop)
{
	if (!hop_has_output(hop))
		take_out(hop);
	else
		put_in(hop, hop->asked ? HOP_ASKED : HOP_READY);
}

/* Those of a link that are READY, quietest first. */
static void serve_ready(struct hop_link *l)
{
	struct vx6_hop *hop;

	while ((hop = top(&l->ready)) != NULL) {
		hop_write_turn(hop);
		turn_over(hop);
	}
}

/* Its turn was handed on. */
static void waits_instead(struct vx6_hop *hop)
{
	hop->asked = true;
	if (hop_has_output(hop))
		put_in(hop, HOP_ASKED);
}

/* A family with turns: @p cur has it, and every next one gets it from the one before, until it is used up. */
static void serve_turns(struct hop_link *l, struct vx6_hop *cur)
{
	const struct vx6_transport_ops *ops = vx6_stream_ops(cur->stream);
	struct vx6_hop *hop;

	while ((hop = quieter(top(&l->ready), top(&l->asked))) != NULL) {
		bool wrote;

		if (hop->place == HOP_ASKED) {
			if (!ops->stream_pass(cur->stream, hop->stream)) {
				put_in(hop, HOP_PARKED); /* no turn would help it */
				continue;
			}
			hop->asked = false;
			waits_instead(cur);
			cur = hop;
		}
		wrote = hop_write_turn(hop);
		turn_over(hop);
		if (hop == cur && (!wrote || hop->asked))
			return;
	}
}

/* A family without: who has room may write. One that has none while others have lacks credit. */
static void serve_free(struct hop_link *l)
{
	struct vx6_hop *hop, *tried[PARKED_MAX];
	size_t n = 0;

	while (n < PARKED_MAX && (hop = quieter(top(&l->ready), top(&l->asked))) != NULL) {
		hop->asked = false;
		if (hop_write_turn(hop)) {
			turn_over(hop);
			n = 0;
			continue;
		}
		put_in(hop, HOP_PARKED);
		tried[n++] = hop;
	}
	while (n > 0) /* as it seems nobody has room */
		put_in(tried[--n], HOP_ASKED);
}

void sched_writable(struct vx6_hop *hop)
{
	struct hop_link *l = hop->l;

	if (hop_has_output(hop))
		put_in(hop, HOP_READY);
	else
		take_out(hop);
	if (vx6_stream_ops(hop->stream)->stream_pass)
		serve_turns(l, hop);
	else
		serve_free(l);
	if (hop->wants_room && hop->tx.n <= VX6_HOP_QUEUE / 2)
		sched_notify(hop);
}

void sched_notify(struct vx6_hop *hop)
{
	if (!vx6_list_is_linked(&hop->notify))
		vx6_list_push(&hop->s->notify, &hop->notify);
	sched_wake(hop->s);
}

static void on_task(struct vx6_task *task)
{
	struct vx6_hop_sched *s = task->user;
	struct vx6_list *node;

	vx6_hop_settle(s);
	while ((node = vx6_list_pop(&s->busy)) != NULL)
		serve_ready(VX6_CONTAINER_OF(node, struct hop_link, busy));
	while ((node = vx6_list_pop(&s->notify)) != NULL) {
		struct vx6_hop *hop = VX6_CONTAINER_OF(node, struct vx6_hop, notify);

		if (!hop->wants_room || hop->tx.n >= VX6_HOP_QUEUE)
			continue;
		hop->wants_room = false;
		if (hop->ev->writable)
			hop->ev->writable(hop, hop->user);
	}
	relieve(s);
}

/* ---- links that say nothing ---- */

static void tell_silent(struct hop_link *l, uint32_t srtt_us)
{
	VX6_LIST_EACH(node, &l->hops)
	{
		struct vx6_hop *hop = VX6_CONTAINER_OF(node, struct vx6_hop, on_link);

		if (hop->ev->silent) {
			hop->ev->silent(hop, srtt_us, hop->user);
			return;
		}
	}
}

static void on_silence(struct vx6_timer *timer)
{
	struct vx6_hop_sched *s = timer->user;
	struct vx6_list due, *node;

	vx6_list_init(&due);
	vx6_list_splice(&due, &s->owes);
	while ((node = vx6_list_pop(&due)) != NULL) {
		struct hop_link *l = VX6_CONTAINER_OF(node, struct hop_link, owes);
		struct vx6_link_info info;
		bool silent;

		vx6_link_info(l->link, &info);
		silent = l->looked && info.rx_bytes == l->rx_bytes;
		if (!l->looked || silent || l->asked.n > 0)
			vx6_list_push(&s->owes, &l->owes);
		l->looked = true;
		l->rx_bytes = info.rx_bytes;
		if (silent)
			tell_silent(l, info.srtt_us);
	}
	if (!vx6_list_is_empty(&s->owes))
		vx6_timer_in_ms(timer, VX6_HOP_SILENCE_MS);
}
