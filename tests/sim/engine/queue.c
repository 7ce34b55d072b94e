#include "tests/sim/engine/queue.h"

#include "base/util.h"

struct entry {
	uint64_t at_us, order;
	struct sim_event *ev;
};

struct sim_queue {
	uint64_t now_us, order;
	struct entry *heap; /* from 0; places count from 1 */
	size_t n, cap;
};

struct sim_queue *sim_queue_new(void)
{
	return vx6_zalloc(sizeof(struct sim_queue));
}

void sim_queue_free(struct sim_queue *q)
{
	if (q == NULL)
		return;
	free(q->heap);
	free(q);
}

uint64_t sim_queue_now_us(const struct sim_queue *q)
{
	return q->now_us;
}

size_t sim_queue_count(const struct sim_queue *q)
{
	return q->n;
}

static bool before(const struct entry *a, const struct entry *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(struct sim_queue *q, size_t i, struct entry e)
{
	q->heap[i] = e;
	e.ev->place = i + 1;
}

static void up(struct sim_queue *q, size_t i)
{
	struct entry e = q->heap[i];

	while (i > 0 && before(&e, &q->heap[(i - 1) / 4])) {
		put(q, i, q->heap[(i - 1) / 4]);
		i = (i - 1) / 4;
	}
	put(q, i, e);
}

static void down(struct sim_queue *q, size_t i)
{
	struct entry e = q->heap[i];

	for (;;) {
		size_t first = i * 4 + 1, end = VX6_MIN(first + 4, q->n), best = first;

		if (first >= q->n)
			break;
		for (size_t c = first + 1; c < end; c++)
			if (before(&q->heap[c], &q->heap[best]))
				best = c;
		if (!before(&q->heap[best], &e))
			break;
		put(q, i, q->heap[best]);
		i = best;
	}
	put(q, i, e);
}

void sim_queue_cancel(struct sim_queue *q, struct sim_event *ev)
{
	size_t i = ev->place - 1;
	struct entry last;

	if (ev->place == 0)
		return;
	ev->place = 0;
	last = q->heap[--q->n];
	if (i == q->n)
		return;
	put(q, i, last);
	up(q, i);
	down(q, last.ev->place - 1);
}

void sim_queue_set(struct sim_queue *q, struct sim_event *ev, uint64_t at_us)
{
	sim_queue_cancel(q, ev);
	if (q->n == q->cap) {
		q->cap = q->cap == 0 ? 1024 : q->cap * 2;
		q->heap = vx6_realloc_array(q->heap, q->cap, sizeof *q->heap);
	}
	q->heap[q->n] = (struct entry){VX6_MAX(at_us, q->now_us), q->order++, ev};
	q->n++;
	up(q, q->n - 1);
}

uint64_t sim_queue_run(struct sim_queue *q, uint64_t until_us)
{
	uint64_t fired = 0;

	while (q->n > 0 && q->heap[0].at_us <= until_us) {
		struct sim_event *ev = q->heap[0].ev;

		q->now_us = q->heap[0].at_us;
		sim_queue_cancel(q, ev);
		ev->fn(ev);
		fired++;
	}
	q->now_us = VX6_MAX(q->now_us, until_us);
	return fired;
}
