/* What is not acknowledged: chunks, appended to as the application writes, freed from the front as the peer acknowledges. */
#include <string.h>

#include "base/clock.h"
#include "vxs/vxs_internal.h"
#include "wire/code.h"

/* ---- chunks ---- */

static struct vxs_chunk *chunk_new(const struct vxs_stream *v, size_t n)
{
	struct vx6_vxs *m = v->m;
	size_t cap = VX6_MIN(VX6_MAX(n, (size_t)CHUNK_MIN), (size_t)CHUNK_MAX);
	struct vxs_chunk *c = NULL;

	/* a little more than a small one would hold is worth a large one that lies at hand */
	if (cap > CHUNK_MIN)
		cap = CHUNK_MAX;
	if (cap == CHUNK_MAX && m->spare) {
		c = m->spare;
		m->spare = c->next;
		m->spare_n--;
	} else {
		c = malloc(sizeof *c + cap); /* not zeroed: about to be written */
		VX6_ASSERT(c);
		c->cap = (uint32_t)cap;
	}
	c->next = NULL;
	c->n = 0;
	m->kept[vxs_class(v)] += c->cap;
	return c;
}

static void chunk_free(const struct vxs_stream *v, struct vxs_chunk *c)
{
	struct vx6_vxs *m = v->m;

	m->kept[vxs_class(v)] -= c->cap;
	if (c->cap < CHUNK_MAX || m->spare_n >= CHUNKS_SPARE) {
		free(c);
		return;
	}
	c->next = m->spare;
	m->spare = c;
	m->spare_n++;
	m->spare_ns = vxs_now_ns(m);
}

void vxs_spare_free(struct vx6_vxs *m)
{
	while (m->spare) {
		struct vxs_chunk *c = m->spare;

		m->spare = c->next;
		free(c);
	}
	m->spare_n = 0;
}

static void first_free(struct vxs_stream *v)
{
	struct vxs_chunk *c = v->first;

	v->first = c->next;
	if (!v->first)
		v->last = NULL;
	if (v->resend == c)
		v->resend = c->next;
	chunk_free(v, c);
}

void vxs_drop_kept(struct vxs_stream *v)
{
	while (v->first)
		first_free(v);
	v->resend = NULL;
	vx6_list_remove(&v->keeping);
}

/* ---- limits ---- */

void vxs_fix(struct vxs_stream *v)
{
	if (v->fixed)
		return;
	v->fixed = v->fixed_due = true;
	vxs_drop_kept(v);
	vx6_list_remove(&v->acking);
	if (v->ended)
		return;
	/* bytes that this carrier has not had yet are gone: then so is the stream */
	v->tomb = !v->carrier || v->attaching;
	if (v->tomb || v->sent < v->nxt)
		vxs_end(v, VX6_ERR(FULL), VX6_CODE_NORESUME);
	else
		vxs_work(
			v); /* the peer is told from the task: somebody may have a reservation open */
}

static struct vxs_stream *first_of(const struct vx6_list *keeping)
{
	return vx6_list_is_empty(keeping)
		       ? NULL
		       : VX6_CONTAINER_OF(keeping->next, struct vxs_stream, keeping);
}

static struct vxs_stream *longest_waiting(const struct vx6_vxs *m, int class)
{
	struct vxs_stream *a, *b;

	if (class)
		return first_of(&m->keeping[2]);
	a = first_of(&m->keeping[0]);
	b = first_of(&m->keeping[1]);
	return !a || (b && b->progress_ns < a->progress_ns) ? b : a;
}

/* The stream whose data has waited longest for its ACK gives way. */
static void make_room(struct vx6_vxs *m, int class)
{
	struct vxs_stream *v;

	while (m->kept[class] > m->cfg.keep_max && (v = longest_waiting(m, class)) != NULL)
		vxs_fix(v);
}

void vxs_keep(struct vxs_stream *v, const uint8_t *p, size_t n)
{
	uint64_t off = v->nxt;

	if (!vx6_list_is_linked(&v->keeping))
		vxs_keep_watch(v);
	while (n) {
		struct vxs_chunk *c = v->last;
		size_t part;

		if (!c || c->n == c->cap) {
			c = chunk_new(v, n);
			c->off = off;
			if (v->last)
				v->last->next = c;
			else
				v->first = c;
			v->last = c;
		}
		part = VX6_MIN(n, (size_t)(c->cap - c->n));
		memcpy(c->b + c->n, p, part);
		c->n += (uint32_t)part;
		p += part;
		off += part;
		n -= part;
	}
	make_room(v->m, vxs_class(v));
}

/* ---- acknowledgements ---- */

/*
 * The window was in the way, and its last byte has been acknowledged now. If that took about a round trip, the window is what holds the stream up;
 * if longer, somebody is slower than the path, and more would only lie about longer, out of the processor's caches. On a long path the caches are
 * no matter, and a window in which something was lost and sent again takes some round trips more: there it grows nearly always.
 */
static void window_adapt(struct vxs_stream *v)
{
	uint64_t waited_ns = vxs_now_ns(v->m) - v->mark_ns, trips;
	struct vx6_link_info info;

	v->mark_ns = 0;
	if (v->window >= VX6_VXS_WINDOW_MAX || v->m->kept[vxs_class(v)] > v->m->cfg.keep_max / 2 ||
	    !v->base.link)
		return;
	vx6_link_info(v->base.link, &info);
	trips = info.srtt_us >= LONG_PATH_US ? 8 : 2;
	if (waited_ns <= trips * 1000 * info.srtt_us + GROW_SLACK_NS)
		v->window *= 2;
}

vx6_err vxs_take_ack(struct vxs_stream *v, uint64_t off)
{
	if (off > v->sent + (v->fin_sent ? 1 : 0))
		return VX6_ERR(FORMAT);
	if (off <= v->una)
		return VX6_OK; /* one that went aside may be late */
	v->una = off;
	if (v->mark_ns && off >= v->mark)
		window_adapt(v);
	while (v->first && v->first->off + v->first->n <= off)
		first_free(v);
	vx6_list_remove(&v->keeping);
	if (v->una < v->nxt + (v->fin_sent ? 1 : 0) && !v->fixed) {
		v->progress_ns = vxs_now_ns(v->m);
		vx6_list_push(vxs_keeping(v), &v->keeping);
	}
	return VX6_OK;
}
