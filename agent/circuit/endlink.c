/*
 * The link at one end of a circuit.
 *
 *   UP --closed by its user, silence--> LEAVING --its task: goodbye, io.close--> LEFT
 *    any of them --vx6_endlink_down()--> gone
 *
 * Out: users compose up to OUT_FRAMES frames in a row, so that one read of an application fills many cells; each is copied once, into the
 * carrier's own room when it fills a payload, else to the end of the payload that is being gathered, which leaves before the loop sleeps.
 * In:  payloads of one wake-up are copied one behind the other and handed up together.
 */
#include "circuit/endlink.h"

#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "transport/mux/mux.h"
#include "wire/code.h"

enum {
	OUT_FRAMES = 16,
	PENDING_MAX = 80, /* payloads: a full reservation, the rest for control frames */
	IN_PAYLOADS = 16,
	FRAME_PAYLOAD_MAX = VX6_ENDLINK_PAYLOAD - VX6_MUX_HEADER,
	STREAMS_MAX = 1024,
};

enum endlink_state { ENDLINK_UP, ENDLINK_LEAVING, ENDLINK_LEFT };

struct payload {
	struct vx6_list node;
	size_t n;
	uint8_t b[VX6_ENDLINK_PAYLOAD];
};

struct input {
	struct mux_batch batch;
	size_t used;
	uint8_t b[IN_PAYLOADS * VX6_ENDLINK_PAYLOAD];
};

struct vx6_endlink {
	struct vx6_link_base base;
	struct vx6_loop *loop;
	const struct vx6_endlink_io *io;
	void *io_user;
	const struct vx6_link_events *ev;
	void *user;
	enum endlink_state state;
	bool initiator;
	bool blocked; /* the carrier has no room */
	bool silent;  /* the other end left first */
	vx6_err why;
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_transport_limits limits;
	struct vx6_task task;
	struct vx6_timer watch;
	struct vx6_list
		pending; /* payloads that wait for room; the last one may take more frames */
	size_t pending_n;
	uint8_t *scratch; /* where frames are composed; gone when the loop sleeps */
	struct input *in; /* between the first payload of a wake-up and its end */
	struct mux mux;
	uint64_t rx_ns, rx_bytes, tx_bytes;
};

static struct vx6_endlink *endlink_of(const struct vx6_link *link)
{
	return (struct vx6_endlink *)(uintptr_t)link;
}

static struct vx6_endlink *of_mux(struct mux *m)
{
	return VX6_CONTAINER_OF(m, struct vx6_endlink, mux);
}

struct vx6_link *vx6_endlink_link(struct vx6_endlink *e)
{
	return (struct vx6_link *)(void *)e;
}

static void wake(struct vx6_endlink *e)
{
	if (e->state != ENDLINK_LEFT)
		vx6_loop_defer(e->loop, &e->task);
}

/* ---- out ---- */

static uint8_t *carrier_room(struct vx6_endlink *e)
{
	size_t cap = 0;
	uint8_t *to = e->blocked ? NULL : e->io->room(e->io_user, &cap);

	VX6_ASSERT(!to || cap >= VX6_ENDLINK_PAYLOAD);
	e->blocked = !to;
	return to;
}

static void carrier_send(struct vx6_endlink *e, uint8_t *to, const uint8_t *p, size_t n)
{
	memcpy(to, p, n);
	e->tx_bytes += n;
	e->io->send(e->io_user, n);
}

static void flush(struct vx6_endlink *e)
{
	uint8_t *to;

	while (!vx6_list_is_empty(&e->pending) && (to = carrier_room(e)) != NULL) {
		struct vx6_list *node = vx6_list_pop(&e->pending);
		struct payload *p = VX6_CONTAINER_OF(node, struct payload, node);

		e->pending_n--;
		carrier_send(e, to, p->b, p->n);
		free(p);
	}
}

static void put(struct vx6_endlink *e, const uint8_t *frame, size_t n)
{
	struct payload *p = VX6_CONTAINER_OF(e->pending.prev, struct payload, node);
	uint8_t *to;

	if (vx6_list_is_empty(&e->pending) || n > sizeof p->b - p->n) {
		flush(e);
		if (n == sizeof p->b && vx6_list_is_empty(&e->pending) &&
		    (to = carrier_room(e)) != NULL) {
			carrier_send(e, to, frame, n);
			return;
		}
		p = vx6_realloc_array(NULL, 1, sizeof *p);
		p->node = (struct vx6_list){0};
		p->n = 0;
		vx6_list_push(&e->pending, &p->node);
		e->pending_n++;
	}
	memcpy(p->b + p->n, frame, n);
	p->n += n;
}

static uint8_t *on_room(struct mux *m, bool urgent, size_t *frames)
{
	struct vx6_endlink *e = of_mux(m);

	if (e->state != ENDLINK_UP || (e->blocked && !urgent) || e->pending_n >= PENDING_MAX)
		return NULL;
	*frames = urgent ? 1 : OUT_FRAMES;
	if (!e->scratch)
		e->scratch =
			vx6_realloc_array(NULL, 1, VX6_MUX_HEADER + OUT_FRAMES * FRAME_PAYLOAD_MAX);
	return e->scratch;
}

static void on_send(struct mux *m, uint8_t *frame, size_t n)
{
	struct vx6_endlink *e = of_mux(m);

	if (e->state != ENDLINK_UP)
		return;
	put(e, frame, n);
	wake(e);
}

static void on_wake(struct mux *m)
{
	wake(of_mux(m));
}

static void on_stream(struct mux *m, struct vx6_stream *s)
{
	struct vx6_endlink *e = of_mux(m);

	if (e->ev && e->ev->stream)
		e->ev->stream(vx6_endlink_link(e), s, e->user);
}

static void on_draining(struct mux *m)
{
	struct vx6_endlink *e = of_mux(m);

	if (e->ev && e->ev->draining)
		e->ev->draining(vx6_endlink_link(e), e->user);
}

static const struct mux_io endlink_mux_io = {.room = on_room,
					     .send = on_send,
					     .wake = on_wake,
					     .stream = on_stream,
					     .draining = on_draining};

/* ---- in ---- */

static void fail(struct vx6_endlink *e, vx6_err why);

/* Frame by frame into the multiplexer, which keeps pointers into @p p until they are handed up. */
static vx6_err input_frames(struct vx6_endlink *e, const uint8_t *p, size_t left)
{
	while (left > 0 && e->state == ENDLINK_UP) {
		struct vx6_mux_frame f;
		size_t n;

		if (left < VX6_MUX_HEADER || !vx6_is_ok(vx6_mux_decode(p, &f)) ||
		    f.len > left - VX6_MUX_HEADER)
			return VX6_ERR(PROTOCOL);
		n = VX6_MUX_HEADER + f.len;
		if (mux_batch_is_full(&e->mux))
			mux_deliver(&e->mux);
		if (e->state != ENDLINK_UP)
			break;
		VX6_TRY(mux_input(&e->mux, p, n));
		p += n;
		left -= n;
	}
	return VX6_OK;
}

vx6_err vx6_endlink_input(struct vx6_endlink *e, const uint8_t *frames, size_t n)
{
	struct input *in;
	vx6_err err;

	if (e->state != ENDLINK_UP)
		return VX6_OK; /* nobody is there to hear it */
	if (n == 0 || n > VX6_ENDLINK_PAYLOAD || e->mux.dead)
		return VX6_ERR(PROTOCOL);
	e->mux.now_ns = e->rx_ns = vx6_loop_now_ns(e->loop);
	e->rx_bytes += n;
	if (e->in && sizeof e->in->b - e->in->used < n)
		vx6_endlink_batch_end(e);
	if (e->state != ENDLINK_UP)
		return VX6_OK;
	if (!e->in) {
		e->in = vx6_realloc_array(NULL, 1, sizeof *e->in);
		e->in->batch.n = 0;
		e->in->used = 0;
		e->mux.batch = &e->in->batch;
	}
	in = e->in;
	memcpy(in->b + in->used, frames, n);
	err = input_frames(e, in->b + in->used, n);
	in->used += n;
	if (!vx6_is_ok(err))
		e->mux.dead = true; /* nothing that stands beside a violation is handed up */
	wake(e);
	return err;
}

void vx6_endlink_batch_end(struct vx6_endlink *e)
{
	if (!e->in)
		return;
	mux_deliver(&e->mux);
	VX6_FREE(e->in);
	/* the other end has left for good, and waits for the end of the circuit */
	if (e->state == ENDLINK_UP && e->mux.goaway_rx && e->mux.goaway_code != VX6_CODE_DRAINING) {
		fail(e, mux_end_reason(&e->mux));
		e->silent = true;
	}
}

/* ---- life ---- */

static void fail(struct vx6_endlink *e, vx6_err why)
{
	if (e->state != ENDLINK_UP)
		return;
	wake(e);
	e->state = ENDLINK_LEAVING;
	e->mux.dead = true;
	e->why = why;
}

static void leave(struct vx6_endlink *e)
{
	uint8_t frame[VX6_MUX_HEADER + 4];

	e->state = ENDLINK_LEFT;
	vx6_timer_stop(&e->watch);
	if (!e->silent) {
		put(e, frame, mux_goodbye(frame, e->why));
		flush(e);
	}
	e->io->close(e->io_user, e->why);
}

static void on_task(struct vx6_task *task)
{
	struct vx6_endlink *e = task->user;

	if (e->state == ENDLINK_UP) {
		e->mux.now_ns = vx6_loop_now_ns(e->loop);
		mux_work(&e->mux);
		flush(e);
	}
	if (e->state == ENDLINK_UP)
		mux_reap(&e->mux);
	VX6_FREE(e->scratch);
	if (e->state == ENDLINK_LEAVING)
		leave(e); /* @e may be gone after it */
}

static void on_watch(struct vx6_timer *timer)
{
	struct vx6_endlink *e = timer->user;
	uint64_t next_ms = 0;
	vx6_err err;

	if (e->state != ENDLINK_UP)
		return;
	e->mux.now_ns = vx6_loop_now_ns(e->loop);
	err = mux_watch(&e->mux, &e->limits, e->rx_ns, &next_ms);
	if (!vx6_is_ok(err))
		fail(e, err);
	else if (next_ms)
		vx6_timer_in_ms(timer, next_ms);
}

void vx6_endlink_limits(bool initiator, struct vx6_transport_limits *out)
{
	vx6_transport_limits_default(out);
	out->stream_window = 256 * 1024;
	out->link_window = 1024 * 1024;
	/* one stream may hold a quarter of what all may: see mux_init() */
	out->stream_window_max = initiator ? 8 * 1024 * 1024 : 2 * 1024 * 1024;
	out->link_window_max = 4 * out->stream_window_max;
	out->streams_max = out->streams_max_anon = STREAMS_MAX;
}

static const struct vx6_transport_ops endlink_ops;

struct vx6_endlink *vx6_endlink_new(const struct vx6_endlink_config *cfg)
{
	struct vx6_endlink *e = vx6_zalloc(sizeof *e);
	struct mux_config mux = {
		.io = &endlink_mux_io,
		.link = vx6_endlink_link(e),
		.ops = &endlink_ops,
		.frame_max = FRAME_PAYLOAD_MAX,
		.initiator = cfg->initiator,
		.limits = &e->limits,
		.growth = cfg->growth,
	};

	e->base.ops = &endlink_ops;
	e->loop = cfg->loop;
	e->io = cfg->io;
	e->io_user = cfg->user;
	e->initiator = cfg->initiator;
	memcpy(e->binding, cfg->binding, sizeof e->binding);
	vx6_endlink_limits(cfg->initiator, &e->limits);
	if (cfg->limits)
		e->limits = *cfg->limits;
	vx6_list_init(&e->pending);
	vx6_task_init(&e->task, on_task, e);
	vx6_timer_init(e->loop, &e->watch, on_watch, e);
	mux.own_streams_max = mux.peer_streams_max = e->limits.streams_max;
	e->rx_ns = vx6_loop_now_ns(e->loop);
	mux_init(&e->mux, &mux, e->rx_ns);
	mux_ping(&e->mux); /* the first look at the round trip */
	vx6_timer_in_ms(&e->watch, 1);
	return e;
}

void vx6_endlink_writable(struct vx6_endlink *e)
{
	e->blocked = false;
	wake(e);
}

void vx6_endlink_down(struct vx6_endlink *e, vx6_err why)
{
	struct vx6_list *node;
	vx6_err said;

	vx6_endlink_batch_end(e); /* what came before the end still counts */
	said = e->state == ENDLINK_UP ? mux_end_reason(&e->mux) : e->why;
	if (e->state != ENDLINK_UP || said.code != VX6_E_CLOSED)
		why = said;
	e->state = ENDLINK_LEFT;
	vx6_task_cancel(&e->task);
	vx6_timer_stop(&e->watch);
	mux_end(&e->mux, why);
	if (e->ev && e->ev->down)
		e->ev->down(vx6_endlink_link(e), why, e->user);
	vx6_task_cancel(&e->task);
	while ((node = vx6_list_pop(&e->pending)) != NULL)
		free(VX6_CONTAINER_OF(node, struct payload, node));
	free(e->in);
	free(e->scratch);
	vx6_wipe_free(e, sizeof *e);
}

/* ---- operations ---- */

static void endlink_set_events(struct vx6_link *link, const struct vx6_link_events *ev, void *user)
{
	struct vx6_endlink *e = endlink_of(link);

	e->ev = ev;
	e->user = user;
}

static void endlink_info(const struct vx6_link *link, struct vx6_link_info *out)
{
	const struct vx6_endlink *e = endlink_of(link);

	*out = (struct vx6_link_info){
		.transport = endlink_ops.name,
		.initiator = e->initiator,
		.is_up = e->state == ENDLINK_UP,
		.srtt_us = e->mux.srtt_us,
		.rttvar_us = e->mux.rttvar_us,
		.rx_bytes = e->rx_bytes,
		.tx_bytes = e->tx_bytes,
		.streams = e->mux.own_n + e->mux.peer_n,
	};
	memcpy(out->channel_binding, e->binding, sizeof out->channel_binding);
}

static void endlink_drain(struct vx6_link *link)
{
	struct vx6_endlink *e = endlink_of(link);

	if (e->state == ENDLINK_UP)
		mux_goaway(&e->mux);
}

static void endlink_close(struct vx6_link *link, vx6_err why)
{
	fail(endlink_of(link), why);
}

static vx6_err endlink_stream_open(struct vx6_link *link, const struct vx6_stream_events *ev,
				   void *user, struct vx6_stream **out)
{
	struct vx6_endlink *e = endlink_of(link);

	if (e->state != ENDLINK_UP)
		return VX6_ERR(CLOSED);
	return mux_stream_open(&e->mux, ev, user, out);
}

static const struct vx6_transport_ops endlink_ops = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "circuit",
	.link_set_events = endlink_set_events,
	.link_info = endlink_info,
	.link_drain = endlink_drain,
	.link_close = endlink_close,
	.stream_open = endlink_stream_open,
	.stream_set_events = mux_stream_set_events,
	.stream_reserve = mux_stream_reserve,
	.stream_commit = mux_stream_commit,
	.stream_consume = mux_stream_consume,
	.stream_reset = mux_stream_reset,
	.stream_limit = mux_stream_limit,
	.stream_pass = mux_stream_pass,
};
