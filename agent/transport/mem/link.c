/* A link of the in-memory family: frames are copied into the peer's inbox and taken from there by the peer's task. */
#include "transport/mem/mem_internal.h"

#include <string.h>

#include "base/util.h"

enum {
	INBOX_DATA = 256 * 1024, /* data waits while so much is on its way */
	INBOX_DELAYED =
		64 * 1024 * 1024,  /* on a path with a delay: what fits into the path itself */
	INBOX_CONTROL = 64 * 1024, /* control frames may go so far beyond */
	SCRATCH_FRAMES = 2,
	FRAMES_A_TURN = 64,
	KEYLESS_FRAME = 996, /* payload; what a cell of a circuit has room for */
};

static struct vx6_link *link_of(struct mux *m)
{
	return VX6_CONTAINER_OF(m, struct vx6_link, mux);
}

static void wake(struct vx6_link *link)
{
	if (link->state != MEM_DYING)
		vx6_loop_defer(link->t->loop, &link->task);
}

/* ---- sending ---- */

static uint8_t *on_room(struct mux *m, bool urgent, size_t *frames)
{
	struct vx6_link *link = link_of(m);

	size_t limit = link->t->delay_ns ? INBOX_DELAYED : INBOX_DATA;

	if (link->state != MEM_UP ||
	    (link->peer && link->peer->inbox_bytes >= limit + (urgent ? INBOX_CONTROL : 0)))
		return NULL;
	*frames = SCRATCH_FRAMES;
	return link->scratch;
}

static void post(struct vx6_link *link, const uint8_t *p, size_t n)
{
	struct vx6_link *peer = link->peer;
	struct mem_frame *f;

	link->tx_bytes += n;
	if (!peer || link->t->dead)
		return;
	f = vx6_zalloc(sizeof *f + n);
	f->due_ns = vx6_loop_now_ns(link->t->loop) + link->t->delay_ns;
	f->n = n;
	if (n)
		memcpy(f->b, p, n);
	vx6_list_push(&peer->inbox, &f->node);
	peer->inbox_bytes += n;
	if (link->t->delay_ns == 0)
		wake(peer);
	else if (!vx6_timer_is_armed(&peer->arrival))
		vx6_timer_at(&peer->arrival, f->due_ns);
}

static void on_send(struct mux *m, uint8_t *frame, size_t n)
{
	struct vx6_link *link = link_of(m);

	VX6_ASSERT(n <= VX6_MUX_HEADER + m->frame_max);
	if (link->state == MEM_UP)
		post(link, frame, n);
}

static void on_wake(struct mux *m)
{
	wake(link_of(m));
}

static void on_stream(struct mux *m, struct vx6_stream *s)
{
	struct vx6_link *link = link_of(m);

	if (link->ev && link->ev->stream)
		link->ev->stream(link, s, link->user);
}

static void on_draining(struct mux *m)
{
	struct vx6_link *link = link_of(m);

	if (link->ev && link->ev->draining)
		link->ev->draining(link, link->user);
}

static const struct mux_io mem_mux_io = {.room = on_room,
					 .send = on_send,
					 .wake = on_wake,
					 .stream = on_stream,
					 .draining = on_draining};

/* ---- receiving ---- */

static struct mem_frame *inbox_first(struct vx6_link *link)
{
	struct mem_frame *f;

	if (vx6_list_is_empty(&link->inbox))
		return NULL;
	f = VX6_CONTAINER_OF(link->inbox.next, struct mem_frame, node);
	if (f->due_ns <= vx6_loop_now_ns(link->t->loop))
		return f;
	vx6_timer_at(&link->arrival, f->due_ns);
	return NULL;
}

static void frames_free(struct vx6_list *frames)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(frames)) != NULL)
		free(VX6_CONTAINER_OF(node, struct mem_frame, node));
}

static void receive(struct vx6_link *link)
{
	struct vx6_list taken;
	struct mem_frame *f;
	vx6_err err = VX6_OK;

	vx6_list_init(&taken);
	for (int i = 0; i < FRAMES_A_TURN && vx6_is_ok(err) && (f = inbox_first(link)) != NULL;
	     i++) {
		vx6_list_remove(&f->node);
		vx6_list_push(&taken, &f->node);
		link->inbox_bytes -= f->n;
		link->rx_bytes += f->n;
		link->rx_ns = vx6_loop_now_ns(link->t->loop);
		err = f->n ? mux_input(&link->mux, f->b, f->n) : VX6_ERR(CLOSED);
	}
	if (err.code == VX6_E_PROTOCOL)
		mem_link_fail(link, err);
	mux_deliver(&link->mux);
	if (!vx6_is_ok(err))
		mem_link_fail(link, mux_end_reason(&link->mux));
	frames_free(&taken);
	if (link->peer)
		wake(link->peer); /* there may be room again */
	if (inbox_first(link))
		wake(link);
}

/* ---- life ---- */

static void on_task(struct vx6_task *task)
{
	struct vx6_link *link = task->user;

	if (link->state == MEM_CONNECT)
		mem_link_connect(link);
	link->mux.now_ns = vx6_loop_now_ns(link->t->loop);
	if (link->state == MEM_UP && inbox_first(link))
		receive(link);
	if (link->state == MEM_UP)
		mux_work(&link->mux);
	if (link->state == MEM_UP)
		mux_reap(&link->mux);
	if (link->state == MEM_DYING)
		mem_link_finish(link);
}

static void on_arrival(struct vx6_timer *timer)
{
	wake(timer->user);
}

static void on_watch(struct vx6_timer *timer)
{
	struct vx6_link *link = timer->user;
	uint64_t next_ms = 0;
	vx6_err err;

	if (link->state != MEM_UP)
		return;
	link->mux.now_ns = vx6_loop_now_ns(link->t->loop);
	err = mux_watch(&link->mux, &link->t->limits, link->rx_ns, &next_ms);
	if (!vx6_is_ok(err))
		mem_link_fail(link, err);
	else if (next_ms)
		vx6_timer_in_ms(timer, next_ms);
}

struct vx6_link *mem_link_new(struct vx6_transport *t)
{
	struct vx6_link *link = vx6_zalloc(sizeof *link);

	link->base.ops = &vx6_transport_mem;
	link->t = t;
	link->own_key = t->pk;
	link->scratch = vx6_zalloc(VX6_MUX_HEADER + SCRATCH_FRAMES * VX6_MUX_PAYLOAD_MAX);
	vx6_list_init(&link->inbox);
	vx6_task_init(&link->task, on_task, link);
	vx6_timer_init(t->loop, &link->arrival, on_arrival, link);
	vx6_timer_init(t->loop, &link->watch, on_watch, link);
	vx6_list_push(&t->links, &link->node);
	t->links_n++;
	return link;
}

void mem_link_up(struct vx6_link *link)
{
	const struct vx6_transport_limits *l = &link->t->limits;
	const struct mux_config cfg = {
		.io = &mem_mux_io,
		.link = link,
		.ops = &vx6_transport_mem,
		.batch = &link->t->batch,
		.initiator = link->initiator,
		.frame_max = link->keyless ? KEYLESS_FRAME : 0,
		.limits = l,
		.own_streams_max = link->how.anonymous ? l->streams_max_anon : l->streams_max,
		.peer_streams_max = link->has_peer_key ? l->streams_max : l->streams_max_anon,
	};

	link->rx_ns = vx6_loop_now_ns(link->t->loop);
	link->state = MEM_UP;
	link->was_up = true;
	mux_init(&link->mux, &cfg, link->rx_ns);
	mux_ping(&link->mux);
	vx6_timer_in_ms(&link->watch, 1);
	if (link->ev && link->ev->up)
		link->ev->up(link, link->user);
}

void mem_link_fail(struct vx6_link *link, vx6_err why)
{
	if (link->state == MEM_DYING)
		return;
	link->state = MEM_DYING;
	link->mux.dead = true;
	link->why = why;
	vx6_loop_defer(link->t->loop, &link->task);
}

void mem_link_finish(struct vx6_link *link)
{
	vx6_task_cancel(&link->task);
	vx6_timer_stop(&link->arrival);
	vx6_timer_stop(&link->watch);
	if (link->peer) {
		if (link->was_up && link->polite)
			post(link, link->scratch, mux_goodbye(link->scratch, link->why));
		post(link, NULL, 0);
		link->peer->peer = NULL;
	}
	if (link->was_up)
		mux_end(&link->mux, link->why);
	if (link->ev && link->ev->down)
		link->ev->down(link, link->why, link->user);
	vx6_list_remove(&link->node);
	link->t->links_n--;
	frames_free(&link->inbox);
	free(link->scratch);
	free(link);
}
