/* What the link inside of a circuit does beside what every family must (conformance.c): how frames fill payloads, what it holds when the
 * circuit takes nothing, and what it makes of frames that no honest end sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "circuit/endlink.h"
#include "crypto/secret.h"
#include "wire/mux.h"

enum { OUT_MAX = 4096 };

static struct vx6_loop *loop;
static struct vx6_endlink *e;
static struct vx6_link *ln;
static uint8_t out[OUT_MAX][VX6_ENDLINK_PAYLOAD];
static size_t out_len[OUT_MAX];
static int out_n, room_left, close_n, down_n, stream_n, data_n, writable_n;
static size_t data_bytes;
static vx6_err why_close, why_down;

static uint8_t *on_room(void *user, size_t *cap)
{
	*cap = VX6_ENDLINK_PAYLOAD;
	if (room_left == 0)
		return NULL;
	assert_true(out_n < OUT_MAX);
	return out[out_n];
}

static void on_send(void *user, size_t n)
{
	assert_true(n > 0 && n <= VX6_ENDLINK_PAYLOAD);
	out_len[out_n++] = n;
	room_left--;
}

static void on_close(void *user, vx6_err why)
{
	close_n++;
	why_close = why;
}

static const struct vx6_endlink_io io = {.room = on_room, .send = on_send, .close = on_close};

static void on_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	data_n++;
	for (int i = 0; i < n; i++)
		data_bytes += iov[i].iov_len;
}

static void on_writable(struct vx6_stream *s, void *user)
{
	writable_n++;
}

static const struct vx6_stream_events stream_events = {.data = on_data, .writable = on_writable};

static void on_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
	stream_n++;
	vx6_stream_set_events(s, &stream_events, NULL);
}

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	down_n++;
	why_down = why;
}

static const struct vx6_link_events link_events = {.stream = on_stream, .down = on_down};

static void on_stop(struct vx6_timer *timer)
{
	vx6_loop_stop(loop);
}

static void run_ms(uint64_t ms)
{
	struct vx6_timer timer;

	vx6_timer_init(loop, &timer, on_stop, NULL);
	vx6_timer_in_ms(&timer, ms);
	vx6_loop_run(loop);
}

static int setup(void **state)
{
	struct vx6_endlink_config cfg = {.initiator = *state == NULL, .io = &io};

	assert_true(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	out_n = close_n = down_n = stream_n = data_n = writable_n = 0;
	data_bytes = 0;
	room_left = OUT_MAX;
	cfg.loop = loop;
	memset(cfg.binding, 7, sizeof cfg.binding);
	e = vx6_endlink_new(&cfg);
	ln = vx6_endlink_link(e);
	vx6_link_set_events(ln, &link_events, NULL);
	return 0;
}

static int teardown(void **state)
{
	if (e)
		vx6_endlink_down(e, VX6_ERR(CLOSED));
	vx6_loop_free(loop);
	return 0;
}

static void end(vx6_err why)
{
	vx6_endlink_down(e, why);
	e = NULL;
}

/* The frames of payload @p i: how many, and the bytes of DATA in them. */
static int frames_of(int i, size_t *bytes)
{
	struct vx6_mux_frame f;
	size_t at = 0;
	int n = 0;

	for (; at < out_len[i]; at += VX6_MUX_HEADER + f.len, n++) {
		assert_true(out_len[i] - at >= VX6_MUX_HEADER);
		assert_true(vx6_is_ok(vx6_mux_decode(out[i] + at, &f)));
		if (f.type == VX6_MUX_DATA)
			*bytes += f.len;
	}
	assert_int_equal(at, out_len[i]);
	return n;
}

static struct vx6_stream *open_stream(void)
{
	struct vx6_stream *s;

	assert_true(vx6_is_ok(vx6_stream_open(ln, &stream_events, NULL, &s)));
	return s;
}

static size_t write_all(struct vx6_stream *s, size_t n)
{
	size_t done = 0, cap;
	uint8_t *to;

	while (done < n && (to = vx6_stream_reserve(s, &cap)) != NULL) {
		cap = VX6_MIN(cap, n - done);
		memset(to, 0x5a, cap);
		vx6_stream_commit(s, cap, false);
		done += cap;
	}
	return done;
}

static void info__at_birth__up_with_the_circuits_binding(void **state)
{
	struct vx6_link_info info;
	uint8_t want[VX6_CB_BYTES];

	memset(want, 7, sizeof want);
	vx6_link_info(ln, &info);
	assert_string_equal(info.transport, "circuit");
	assert_true(info.is_up && info.initiator);
	assert_false(info.has_peer_key);
	assert_int_equal(info.remote.family, VX6_ADDR_NONE);
	assert_memory_equal(info.channel_binding, want, sizeof want);
}

static void send__many_small_writes__share_one_payload(void **state)
{
	size_t bytes = 0;

	for (int i = 0; i < 20; i++)
		assert_int_equal(write_all(open_stream(), 30), 30);
	run_ms(5);
	assert_int_equal(out_n, 1); /* the first PING as well */
	assert_int_equal(frames_of(0, &bytes), 21);
	assert_int_equal(bytes, 600);
}

static void send__bulk__fills_payloads_to_the_last_byte(void **state)
{
	struct vx6_stream *s = open_stream();
	size_t bytes = 0, full = 0;

	assert_int_equal(write_all(s, 200000), 200000);
	run_ms(5);
	for (int i = 0; i < out_n; i++) {
		frames_of(i, &bytes);
		full += out_len[i] == VX6_ENDLINK_PAYLOAD;
	}
	assert_int_equal(bytes, 200000);
	assert_true(full >= 200000 / (VX6_ENDLINK_PAYLOAD - VX6_MUX_HEADER) - 16);
	assert_true(out_n <= 200000 / (VX6_ENDLINK_PAYLOAD - VX6_MUX_HEADER) + 20);
}

static void send__circuit_takes_nothing__little_is_held_and_all_comes_later(void **state)
{
	struct vx6_stream *s = open_stream();
	size_t bytes = 0, sent;

	run_ms(2);
	out_n = 0;
	room_left = 0;
	sent = write_all(s, 200000);
	assert_true(sent > 0 && sent <= 16 * 1004);
	run_ms(2);
	assert_int_equal(out_n, 0);
	assert_int_equal(writable_n, 0);
	room_left = OUT_MAX;
	vx6_endlink_writable(e);
	run_ms(2);
	assert_int_equal(writable_n, 1);
	for (int i = 0; i < out_n; i++)
		frames_of(i, &bytes);
	assert_int_equal(bytes, sent);
	assert_int_equal(write_all(s, 100000), 100000);
}

static size_t data_frame(uint8_t *to, uint32_t stream, size_t n, uint8_t flags)
{
	struct vx6_mux_frame f = {.type = VX6_MUX_DATA,
				  .flags = flags,
				  .len = (uint16_t)n,
				  .stream = stream};

	vx6_mux_encode(to, &f);
	memset(to + VX6_MUX_HEADER, 0x11, n);
	return VX6_MUX_HEADER + n;
}

static void input__several_payloads__handed_up_together_at_the_end(void **state)
{
	uint8_t p[VX6_ENDLINK_PAYLOAD];
	size_t n = data_frame(p, 2, 400, VX6_MUX_OPEN);

	n += data_frame(p + n, 2, 100, 0);
	assert_true(vx6_is_ok(vx6_endlink_input(e, p, n)));
	n = data_frame(p, 2, 900, 0);
	assert_true(vx6_is_ok(vx6_endlink_input(e, p, n)));
	memset(p, 0, sizeof p); /* borrowed for the call only */
	assert_int_equal(stream_n + data_n, 0);
	vx6_endlink_batch_end(e);
	assert_int_equal(stream_n, 1);
	assert_int_equal(data_n, 1);
	assert_int_equal(data_bytes, 1400);
}

static void input__more_than_a_batch__all_of_it_comes(void **state)
{
	uint8_t p[VX6_ENDLINK_PAYLOAD];

	for (int i = 0; i < 100; i++) {
		size_t n = data_frame(p, 2, 900, i ? 0 : VX6_MUX_OPEN);

		assert_true(vx6_is_ok(vx6_endlink_input(e, p, n)));
	}
	vx6_endlink_batch_end(e);
	assert_int_equal(data_bytes, 90000);
}

static void input__beyond_the_window__protocol_and_nothing_of_the_batch_is_told(void **state)
{
	uint8_t p[VX6_ENDLINK_PAYLOAD];
	vx6_err err = VX6_OK;
	size_t before = 0;
	int i = 0;

	for (; i < 1000 && vx6_is_ok(err); i++) {
		size_t n = data_frame(p, 2, 900, i ? 0 : VX6_MUX_OPEN);

		before = data_bytes;
		err = vx6_endlink_input(e, p, n);
	}
	assert_int_equal(err.code, VX6_E_PROTOCOL);
	assert_int_equal(i, 256 * 1024 / 900 + 1);
	vx6_endlink_batch_end(e);
	assert_int_equal(data_bytes, before);
	assert_int_equal(vx6_endlink_input(e, p, 908).code, VX6_E_PROTOCOL);
}

static void input__frames_that_cannot_be__protocol(void **state)
{
	static const struct {
		uint8_t b[20];
		size_t n;
	} bad[] = {
		{{0}, 0},
		{{3, 0, 0, 8, 0, 0, 0, 0, 1, 2, 3}, 11},    /* cut off */
		{{0, 4, 0, 4, 0, 0, 0, 2}, 8},              /* longer than the payload */
		{{0, 4, 0, 4, 0, 0, 0, 1, 1, 2, 3, 4}, 12}, /* a stream id of our own */
		{{9, 0, 0, 0, 0, 0, 0, 0}, 8},              /* no such type */
		{{6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 11},    /* bytes behind the last frame */
		{{1, 0, 0, 4, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}, 12}, /* credit beyond measure */
	};

	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++) {
		assert_int_equal(vx6_endlink_input(e, bad[i].b, bad[i].n).code, VX6_E_PROTOCOL);
		end(VX6_ERR(PROTOCOL));
		assert_int_equal(why_down.code, VX6_E_PROTOCOL);
		teardown(state);
		setup(state);
	}
}

static void close__by_the_user__says_why_then_asks_the_carrier(void **state)
{
	struct vx6_mux_frame f;

	run_ms(2);
	out_n = 0;
	vx6_link_close(ln, VX6_ERR(IDLE));
	assert_int_equal(close_n, 0); /* never from inside a call down */
	run_ms(2);
	assert_int_equal(close_n, 1);
	assert_int_equal(why_close.code, VX6_E_IDLE);
	assert_int_equal(out_n, 1);
	assert_true(vx6_is_ok(vx6_mux_decode(out[0], &f)));
	assert_int_equal(f.type, VX6_MUX_GOAWAY);
	assert_int_equal(down_n, 0);
	assert_true(vx6_is_ok(vx6_endlink_input(e, out[0], out_len[0])));
	end(VX6_ERR(CLOSED));
	assert_int_equal(down_n, 1);
	assert_int_equal(why_down.code, VX6_E_IDLE);
}

static void down__the_other_end_said_why__that_is_the_reason(void **state)
{
	uint8_t p[VX6_ENDLINK_PAYLOAD];
	size_t n = vx6_mux_encode_u32(p, VX6_MUX_GOAWAY, 0, 9); /* DUPLICATE */

	assert_true(vx6_is_ok(vx6_endlink_input(e, p, n)));
	end(VX6_ERR(RESET));
	assert_int_equal(why_down.code, VX6_E_DUPLICATE);
}

static void window__grown_to_the_end__is_what_the_header_says(void **state)
{
	struct vx6_transport_limits limits;

	vx6_endlink_limits(true, &limits);
	assert_int_equal(limits.stream_window_max, 8 << 20);
	assert_int_equal(limits.link_window_max, 32 << 20);
	vx6_endlink_limits(false, &limits);
	assert_int_equal(limits.stream_window_max, 2 << 20);
	assert_int_equal(limits.link_window_max, 8 << 20);
	assert_int_equal(limits.link_window, 1 << 20);
	assert_int_equal(limits.keepalive_ms, 15000);
	assert_int_equal(limits.idle_ms, 60000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(info__at_birth__up_with_the_circuits_binding),
		T(send__many_small_writes__share_one_payload),
		T(send__bulk__fills_payloads_to_the_last_byte),
		T(send__circuit_takes_nothing__little_is_held_and_all_comes_later),
		T(input__several_payloads__handed_up_together_at_the_end),
		T(input__more_than_a_batch__all_of_it_comes),
		T(input__beyond_the_window__protocol_and_nothing_of_the_batch_is_told),
		T(input__frames_that_cannot_be__protocol),
		T(close__by_the_user__says_why_then_asks_the_carrier),
		T(down__the_other_end_said_why__that_is_the_reason),
		T(window__grown_to_the_end__is_what_the_header_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
