/* The multiplexer against a peer that sends anything and a user who does anything: whatever happens, credit adds up, every stream is
 * accounted for, `closed` comes once, and what we send is well-formed.
 *
 * The input is a list of steps: an op byte, then what the op needs.
 *   0 a frame with header fields from the next bytes   1 a frame of raw bytes    2 open a stream and send
 *   3 give credit back    4 reset a stream    5 half-close a stream    6 time passes, work is done    7 drain or ping */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "transport/mux/mux_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ROOM_FRAMES = 3, APPS = 24, STREAMS_MAX = 8, OUT_FRAMES = 40 };

struct app {
	struct vx6_stream *s; /* NULL: free */
	uint64_t held;
	bool fin;
};

static struct input {
	const uint8_t *p;
	size_t n;
} in;

static struct mux mux;
static struct mux_batch batch;
static struct app app[APPS];
static uint8_t frame_out[VX6_MUX_HEADER + ROOM_FRAMES * VX6_MUX_PAYLOAD_MAX],
	frame_in[8][VX6_MUX_FRAME_MAX];
static int out_frames, frames_in;

static uint8_t take(void)
{
	if (!in.n)
		return 0;
	in.n--;
	return *in.p++;
}

/* ---- the user of the streams ---- */

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	struct app *a = user;

	VX6_ASSERT(a->s == s && !a->fin && (n > 0 || fin));
	for (int i = 0; i < n; i++) {
		VX6_ASSERT(iov[i].iov_len > 0);
		a->held += iov[i].iov_len;
	}
	a->fin = fin;
	if (in.n && (in.p[0] & 31) == 31)
		vx6_stream_reset(s, 1); /* from inside the upcall */
}

static void on_writable(struct vx6_stream *s, void *user)
{
	size_t cap;
	uint8_t *to = vx6_stream_reserve(s, &cap);

	if (to) {
		size_t n = take() & 1 ? cap : VX6_MIN(cap, (size_t)100);

		VX6_ASSERT(cap > 0 && cap <= ROOM_FRAMES * VX6_MUX_PAYLOAD_MAX);
		memset(to, 0x55, n);
		vx6_stream_commit(s, n, false);
	}
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	struct app *a = user;

	VX6_ASSERT(a->s == s);
	*a = (struct app){0};
}

static const struct vx6_stream_events events = {.data = on_data,
						.writable = on_writable,
						.closed = on_closed};

static struct app *app_free_slot(void)
{
	for (int i = 0; i < APPS; i++)
		if (!app[i].s)
			return &app[i];
	return NULL;
}

static struct app *app_some(void)
{
	struct app *a = &app[take() % APPS];

	return a->s ? a : NULL;
}

/* ---- the link that carries the mux ---- */

static uint8_t *on_room(struct mux *m, bool urgent, size_t *frames)
{
	*frames = ROOM_FRAMES;
	return out_frames < (urgent ? OUT_FRAMES + 10 : OUT_FRAMES) ? frame_out : NULL;
}

static void on_send(struct mux *m, uint8_t *frame, size_t n)
{
	struct vx6_mux_frame f;

	out_frames++;
	VX6_ASSERT(n >= VX6_MUX_HEADER && vx6_is_ok(vx6_mux_decode(frame, &f)) &&
		   f.len == n - VX6_MUX_HEADER);
}

static void on_wake(struct mux *m)
{
}

static void on_stream(struct mux *m, struct vx6_stream *s)
{
	struct app *a = app_free_slot();

	if (!a)
		return; /* nobody takes it: it must be reset */
	a->s = s;
	vx6_stream_set_events(s, &events, a);
}

static void on_draining(struct mux *m)
{
}

static const struct mux_io io = {.room = on_room,
				 .send = on_send,
				 .wake = on_wake,
				 .stream = on_stream,
				 .draining = on_draining};

static const struct vx6_transport_ops ops = {
	.stream_open = NULL,
	.stream_set_events = mux_stream_set_events,
	.stream_reserve = mux_stream_reserve,
	.stream_commit = mux_stream_commit,
	.stream_consume = mux_stream_consume,
	.stream_reset = mux_stream_reset,
	.stream_limit = mux_stream_limit,
};

/* ---- what must hold between steps ---- */

static void check_credit(const struct mux_credit *c)
{
	VX6_ASSERT((uint64_t)c->avail + c->held + c->freed == c->window);
	VX6_ASSERT(c->window <= c->window_max);
}

static void check(void)
{
	uint32_t own = 0, peer = 0, known = 0;
	uint64_t held = 0;

	check_credit(&mux.rx);
	VX6_LIST_EACH(node, &mux.all)
	{
		struct vx6_stream *s = VX6_CONTAINER_OF(node, struct vx6_stream, all);

		own += s->own;
		peer += !s->own;
		held += s->rx.held;
		if (s->closing)
			continue;
		check_credit(&s->rx);
		known += s->id != 0;
		VX6_ASSERT(!s->id || table_find(&mux, s->id) == s);
	}
	VX6_ASSERT(own == mux.own_n && peer == mux.peer_n && known == mux.table_n);
	VX6_ASSERT(peer <= STREAMS_MAX + 1 && held == mux.rx.held);
	VX6_ASSERT(mux.tx_credit <= VX6_MUX_STREAM_MAX);
}

/* ---- steps ---- */

static void deliver(void)
{
	mux_deliver(&mux);
	frames_in = 0;
}

static bool input(size_t n)
{
	bool ok = vx6_is_ok(mux_input(&mux, frame_in[frames_in], n));

	frames_in++;
	if (frames_in == 8 || mux_batch_is_full(&mux))
		deliver();
	return ok;
}

static bool step_frame(void)
{
	static const uint16_t len[] = {0, 4, 8, 1, 100, 4000, VX6_MUX_PAYLOAD_MAX};
	struct vx6_mux_frame f = {.type = take() % 8, .flags = take() % 8, .stream = take() % 64};
	uint8_t *at = frame_in[frames_in];

	f.len = len[take() % VX6_ARRAY_N(len)];
	if (f.type == VX6_MUX_WINDOW || f.type == VX6_MUX_RESET || f.type == VX6_MUX_GOAWAY)
		f.len = 4;
	if (f.type == VX6_MUX_PING || f.type == VX6_MUX_PONG)
		f.len = 8;
	vx6_mux_encode(at, &f);
	memset(at + VX6_MUX_HEADER, 0, f.len);
	for (int i = 0; i < 4 && i < f.len; i++)
		at[VX6_MUX_HEADER + i] = take();
	return input(VX6_MUX_HEADER + f.len);
}

static bool step_raw(void)
{
	size_t n = take();

	n = VX6_MIN(n, in.n);
	memcpy(frame_in[frames_in], in.p, n);
	in.p += n;
	in.n -= n;
	return input(n);
}

static void step_open(void)
{
	struct app *a = app_free_slot();

	if (!a || !vx6_is_ok(mux_stream_open(&mux, &events, a, &a->s)))
		return;
	if (take() & 1)
		on_writable(a->s, a);
	else
		vx6_stream_commit(a->s, 0, take() & 1);
}

static void step_user(uint8_t op)
{
	struct app *a = app_some();
	uint64_t n;

	if (!a)
		return;
	if (op == 4) {
		vx6_stream_reset(a->s, take());
	} else if (op == 5) {
		vx6_stream_commit(a->s, 0, true);
	} else {
		n = take() & 1 ? a->held : a->held / 2;
		a->held -= n;
		vx6_stream_consume(a->s, n);
	}
}

static void step_time(void)
{
	deliver();
	mux.now_ns += (uint64_t)take() << (take() % 32);
	if (take() & 1)
		out_frames = 0;
	mux_work(&mux);
	mux_reap(&mux);
}

static bool step(void)
{
	uint8_t op = take() % 8;

	switch (op) {
	case 0:
		return step_frame();
	case 1:
		return step_raw();
	case 2:
		step_open();
		return true;
	case 6:
		step_time();
		return true;
	case 7:
		if (take() & 1)
			mux_ping(&mux);
		else if ((take() & 15) == 0)
			mux_goaway(&mux);
		return true;
	default:
		step_user(op);
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_transport_limits limits;
	struct mux_config cfg = {.io = &io,
				 .ops = &ops,
				 .batch = &batch,
				 .limits = &limits,
				 .own_streams_max = STREAMS_MAX,
				 .peer_streams_max = STREAMS_MAX};

	in = (struct input){data, n};
	batch.n = out_frames = frames_in = 0;
	memset(app, 0, sizeof app);
	vx6_transport_limits_default(&limits);
	if (take() & 1)
		limits.stream_window = limits.link_window = 4 << 20;
	cfg.initiator = take() & 1;
	mux_init(&mux, &cfg, 1);
	while (in.n && step())
		check();
	deliver();
	mux_end(&mux, VX6_ERR(CLOSED));
	VX6_ASSERT(vx6_list_is_empty(&mux.all) && mux.own_n == 0 && mux.peer_n == 0);
	for (int i = 0; i < APPS; i++)
		VX6_ASSERT(!app[i].s);
	return 0;
}
