/* Frames from the other end of a circuit, with a user that echoes, closes and drains. Whatever comes, every stream and the link end once.
 *
 * The input is a list of steps: an op byte, then what the op needs.
 *   0, 1 a payload of raw bytes (its length in the next byte)   2, 3 a payload of up to 7 frames whose fields come from the next bytes
 *   4 the wake-up ends   5 the circuit takes no payload, or takes them again   6 open a stream and send   7 drain, or close */
#include "base/util.h"
#include "circuit/endlink.h"
#include "crypto/secret.h"
#include "tests/fuzz/fuzz.h"
#include "wire/mux.h"

enum { STREAMS = 64 };

static struct vx6_loop *loop;
static struct vx6_endlink *e;
static struct vx6_link *ln;
static uint8_t room[VX6_ENDLINK_PAYLOAD];
static bool takes, closed;
static int open_n, down_n;
static const uint8_t *in;
static size_t in_n;

static uint8_t take(void)
{
	if (!in_n)
		return 0;
	in_n--;
	return *in++;
}

/* ---- the circuit ---- */

static uint8_t *on_room(void *user, size_t *cap)
{
	*cap = sizeof room;
	return takes ? room : NULL;
}

static void on_send(void *user, size_t n)
{
	struct vx6_mux_frame f;
	size_t at = 0;

	FUZZ_CHECK(n > 0 && n <= sizeof room);
	for (; at < n; at += VX6_MUX_HEADER + f.len)
		FUZZ_CHECK(n - at >= VX6_MUX_HEADER && vx6_is_ok(vx6_mux_decode(room + at, &f)));
	FUZZ_CHECK(at == n);
}

static void on_close(void *user, vx6_err why)
{
	FUZZ_CHECK(!closed);
	closed = true;
}

static const struct vx6_endlink_io io = {.room = on_room, .send = on_send, .close = on_close};

/* ---- the user ---- */

static void send_some(struct vx6_stream *s, size_t n)
{
	size_t cap;
	uint8_t *to = vx6_stream_reserve(s, &cap);

	if (!to)
		return;
	n = VX6_MIN(n, cap);
	memset(to, 0x33, n);
	vx6_stream_commit(s, n, false);
}

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	size_t bytes = 0;

	for (int i = 0; i < n; i++)
		for (size_t j = 0; j < iov[i].iov_len; j++, bytes++)
			FUZZ_CHECK(((const uint8_t *)iov[i].iov_base)[j] != 0xee);
	vx6_stream_consume(s, bytes);
	if (fin)
		vx6_stream_commit(s, 0, true);
	else
		send_some(s, bytes);
}

static void on_writable(struct vx6_stream *s, void *user)
{
	send_some(s, 100);
}

static void on_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
	open_n--;
}

static const struct vx6_stream_events stream_events = {.data = on_data,
						       .writable = on_writable,
						       .closed = on_closed};

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	if (open_n >= STREAMS)
		return;
	open_n++;
	vx6_stream_set_events(s, &stream_events, NULL);
}

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	FUZZ_CHECK(open_n == 0);
	down_n++;
}

static const struct vx6_link_events link_events = {.stream = on_stream, .down = on_down};

/* ---- steps ---- */

static void stop(struct vx6_task *task)
{
	vx6_loop_stop(loop);
}

static void run_once(void)
{
	struct vx6_task end;

	vx6_task_init(&end, stop, NULL);
	vx6_loop_defer(loop, &end);
	vx6_loop_run(loop);
}

static size_t payload_raw(uint8_t p[static VX6_ENDLINK_PAYLOAD])
{
	size_t n = (size_t)take() * 4;

	n = VX6_MIN(n, VX6_MIN(in_n, (size_t)VX6_ENDLINK_PAYLOAD));
	for (size_t i = 0; i < n; i++)
		p[i] = take() == 0xee ? 0 : in[-1];
	return n;
}

static size_t payload_frames(uint8_t p[static VX6_ENDLINK_PAYLOAD])
{
	size_t at = 0;

	for (int k = take() % 8; k > 0; k--) {
		struct vx6_mux_frame f = {.type = take() % 7, .flags = take() % 8};

		f.stream = take() % 40;
		f.len = (uint16_t)(take() * 2);
		if (f.type == VX6_MUX_WINDOW || f.type == VX6_MUX_RESET || f.type == VX6_MUX_GOAWAY)
			f.len = 4;
		if (f.type == VX6_MUX_PING || f.type == VX6_MUX_PONG)
			f.len = 8;
		if (VX6_ENDLINK_PAYLOAD - at < VX6_MUX_HEADER + (size_t)f.len)
			break;
		vx6_mux_encode(p + at, &f);
		memset(p + at + VX6_MUX_HEADER, 0, f.len);
		if (f.len >= 4)
			p[at + VX6_MUX_HEADER + 3] = take() % 0xee;
		at += VX6_MUX_HEADER + f.len;
	}
	return at;
}

/* @return false: the circuit ends */
static bool step(void)
{
	uint8_t p[VX6_ENDLINK_PAYLOAD], op = take() % 8;
	struct vx6_stream *s;
	size_t n;

	switch (op) {
	case 4:
		vx6_endlink_batch_end(e);
		run_once();
		return true;
	case 5:
		takes = !takes;
		if (takes)
			vx6_endlink_writable(e);
		return true;
	case 6:
		if (vx6_is_ok(vx6_stream_open(ln, &stream_events, NULL, &s))) {
			open_n++;
			send_some(s, (size_t)take() * 64);
		}
		return true;
	case 7:
		if (take() % 4)
			vx6_link_drain(ln);
		else
			vx6_link_close(ln, VX6_ERR(IDLE));
		return true;
	default:
		n = op < 2 ? payload_raw(p) : payload_frames(p);
		if (!vx6_is_ok(vx6_endlink_input(e, p, n)))
			return false;
		memset(p, 0xee,
		       sizeof p); /* borrowed for the call: what is handed up must be a copy */
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_endlink_config cfg = {.io = &io};

	if (!loop)
		FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	in = data;
	in_n = n;
	takes = true;
	closed = false;
	down_n = open_n = 0;
	cfg.loop = loop;
	cfg.initiator = take() & 1;
	e = vx6_endlink_new(&cfg);
	ln = vx6_endlink_link(e);
	vx6_link_set_events(ln, &link_events, NULL);
	while (in_n && step())
		;
	vx6_endlink_batch_end(e);
	run_once();
	vx6_endlink_down(e, VX6_ERR(CLOSED));
	FUZZ_CHECK(down_n == 1 && open_n == 0);
	return 0;
}
