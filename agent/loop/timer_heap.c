#include "base/util.h"
#include "loop/timer_heap_internal.h"

static void place(struct timer_heap *h, size_t i, struct vx6_timer *t)
{
	h->slot[i] = t;
	t->index = i + 1;
}

static void sift_up(struct timer_heap *h, size_t i)
{
	struct vx6_timer *t = h->slot[i];

	while (i > 0 && h->slot[(i - 1) / 2]->due_ns > t->due_ns) {
		place(h, i, h->slot[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, t);
}

static void sift_down(struct timer_heap *h, size_t i)
{
	struct vx6_timer *t = h->slot[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->slot[child + 1]->due_ns < h->slot[child]->due_ns)
			child++;
		if (h->slot[child]->due_ns >= t->due_ns)
			break;
		place(h, i, h->slot[child]);
		i = child;
	}
	place(h, i, t);
}

void timer_heap_put(struct timer_heap *h, struct vx6_timer *t)
{
	size_t i;

	if (t->index) {
		i = t->index - 1;
	} else {
		if (h->n == h->cap) {
			h->cap = h->cap ? h->cap * 2 : 64;
			h->slot = vx6_realloc_array(h->slot, h->cap, sizeof *h->slot);
		}
		i = h->n++;
		place(h, i, t);
	}
	sift_up(h, i);
	sift_down(h, t->index - 1);
}

void timer_heap_remove(struct timer_heap *h, struct vx6_timer *t)
{
	size_t i = t->index - 1;
	struct vx6_timer *last = h->slot[--h->n];

	t->index = 0;
	if (last == t)
		return;
	place(h, i, last);
	sift_up(h, i);
	sift_down(h, last->index - 1);
}

struct vx6_timer *timer_heap_first(const struct timer_heap *h)
{
	return h->n ? h->slot[0] : NULL;
}

void timer_heap_fini(struct timer_heap *h)
{
	for (size_t i = 0; i < h->n; i++)
		h->slot[i]->index = 0;
	free(h->slot);
	*h = (struct timer_heap){0};
}
