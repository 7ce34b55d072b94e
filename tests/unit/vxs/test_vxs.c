#include <string.h>

#include "base/util.h"
#include "crypto/kdf.h"
#include "tests/unit/vectors.h"
#include "vxs/vxs_internal.h"
#include "wire/code.h"
#include "world.h"

/* ---- without a cut ---- */

static void vxs__nothing_cut__both_ways_and_nothing_left(void **state)
{
	struct world w;

	world_start(&w, 1, 0, 0);
	world_open(&w, 100000, 200000);
	assert_true(vx6_stream_is_resumable(w.end[0].app.stream));
	assert_true(world_until(&w, apps_done));
	for (int i = 0; i < 2; i++) {
		assert_true(vx6_is_ok(w.end[i].app.why));
		assert_int_equal(vx6_vxs_kept(w.end[i].vxs), 0);
	}
	assert_int_equal(w.end[0].app.got, 200000);
	assert_int_equal(w.end[1].app.got, 100000);
	world_end(&w);
}

static bool answered(struct world *w)
{
	return w->end[0].app.got > 0 && w->end[1].app.got > 0;
}

static bool nothing_kept(struct world *w)
{
	return vx6_vxs_kept(w->end[0].vxs) == 0 && vx6_vxs_kept(w->end[1].vxs) == 0;
}

static void vxs__small_amounts__acknowledged_in_time_and_freed(void **state)
{
	struct world w;
	uint64_t began;

	world_start(&w, 2, 0, 0);
	w.end[0].app.mute = w.end[1].app.mute = true;
	world_open(&w, 10, 10);
	/* written, but not to the end */
	w.end[0].app.total = 20;
	app_write(&w, &w.end[0].app);
	assert_int_not_equal(vx6_vxs_kept(w.end[0].vxs), 0);
	began = vx6_loop_now_ms(w.loop);
	assert_true(world_until(&w, nothing_kept));
	assert_in_range(vx6_loop_now_ms(w.loop) - began, 20, 500);
	world_end(&w);
}

/* ---- resets ---- */

static bool other_closed(struct world *w)
{
	return w->end[0].app.closed == 1 && w->end[1].app.closed == 1;
}

static void reset_while_adrift(int who, uint32_t code, uint32_t told)
{
	struct world w;
	struct app *a = &w.end[who].app, *b = &w.end[!who].app;

	world_start(&w, 3, 0, 0);
	w.end[0].app.lazy = w.end[1].app.lazy = true;
	world_open(&w, 3000000, 3000000);
	assert_true(world_until(&w, answered));
	world_cut(&w, false);
	assert_int_equal(a->closed + b->closed, 0);
	vx6_stream_reset(a->stream, code);
	world_turn(&w);
	assert_int_equal(a->closed, 1);
	assert_int_equal(b->closed, 0);
	world_link(&w);
	world_attach(&w, false);
	assert_true(world_until(&w, other_closed));
	assert_int_equal(b->why.code, VX6_E_RESET);
	assert_int_equal(b->code, told);
	for (int i = 0; i < 4; i++)
		world_turn(&w);
	assert_int_equal(vx6_vxs_count(w.end[0].vxs) + vx6_vxs_count(w.end[1].vxs), 0);
	world_end(&w);
}

static void vxs__reset_while_adrift__told_by_the_next_attach(void **state)
{
	reset_while_adrift(0, VX6_CODE_TARGET_UNREACHABLE, VX6_CODE_TARGET_UNREACHABLE);
	reset_while_adrift(0, VX6_CODE_TIMEOUT, VX6_CODE_TIMEOUT);
	reset_while_adrift(1, VX6_CODE_TARGET_UNREACHABLE, VX6_CODE_TARGET_UNREACHABLE);
	reset_while_adrift(1, VX6_CODE_TIMEOUT,
			   VX6_CODE_RESET); /* not to be taken for "try again" */
}

static void vxs__reset_on_a_carrier__told_at_once(void **state)
{
	struct world w;

	world_start(&w, 4, 0, 0);
	w.end[0].app.lazy = w.end[1].app.lazy = true;
	world_open(&w, 3000000, 3000000);
	assert_true(world_until(&w, answered));
	vx6_stream_reset(w.end[1].app.stream, VX6_CODE_RESET);
	assert_int_equal(w.end[1].app.closed, 0); /* never inside the call */
	assert_true(world_until(&w, other_closed));
	assert_int_equal(w.end[0].app.why.code, VX6_E_RESET);
	assert_int_equal(w.end[0].app.code, VX6_CODE_RESET);
	world_end(&w);
}

/* ---- the other end is gone ---- */

static void vxs__peer_forgot__reset_at_once(void **state)
{
	struct world w;

	world_start(&w, 5, 0, 0);
	w.end[0].app.lazy = w.end[1].app.lazy = true;
	world_open(&w, 3000000, 3000000);
	assert_true(world_until(&w, answered));
	world_cut(&w, false);
	vx6_vxs_give_up(w.end[1].vxs, &w.end[0].id, 0,
			VX6_ERR(CLOSED)); /* as if it had been restarted */
	world_link(&w);
	world_attach(&w, false);
	assert_true(world_until(&w, other_closed));
	assert_int_equal(w.end[0].app.why.code, VX6_E_CLOSED);
	assert_int_equal(w.end[0].app.code, VX6_CODE_RESUME_UNKNOWN);
	world_end(&w);
}

static void vxs__nobody_attaches__over_after_the_grace(void **state)
{
	struct world w;

	world_start(&w, 6, 0, 100);
	w.end[0].app.lazy = w.end[1].app.lazy = true;
	world_open(&w, 3000000, 3000000);
	assert_true(world_until(&w, answered));
	world_cut(&w, false);
	assert_int_equal(vx6_vxs_adrift(w.end[0].vxs, &w.end[1].id, 0), VX6_VXS_ADRIFT_OPENED);
	assert_int_equal(vx6_vxs_adrift(w.end[1].vxs, &w.end[0].id, 0), VX6_VXS_ADRIFT_ACCEPTED);
	assert_int_equal(w.end[0].adrift, 1);
	assert_true(world_until(&w, other_closed));
	assert_int_equal(w.end[0].app.why.code, VX6_E_TIMEOUT);
	assert_int_equal(vx6_vxs_count(w.end[0].vxs), 0);
	world_end(&w);
}

/* ---- who may attach ---- */

/* What end 0 would send now, or a part of it made wrong by the caller before it is signed or after. */
static void attach_of(struct world *w, uint32_t epoch, struct vx6_open *what)
{
	struct vxs_stream *v = vxs_of(w->end[0].app.stream);
	uint8_t binding[VX6_CB_BYTES];

	world_via(w, 0, binding);
	*what = (struct vx6_open){.kind = VX6_OPEN_ATTACH};
	memcpy(what->attach.id, v->key.id, sizeof what->attach.id);
	what->attach.epoch = epoch;
	what->attach.recv_off = vxs_received(v);
	vxs_mac(v, VXS_OPENER, binding, epoch, what->attach.recv_off, what->attach.mac);
}

static uint32_t attach_refused(struct world *w, const struct vx6_open *what)
{
	uint8_t bytes[VX6_OPEN_MAX];
	size_t n;

	assert_ok(vx6_open_encode(what, bytes, &n));
	world_raw(w, bytes, n);
	assert_int_equal(w->raw_closed, 1);
	assert_int_equal(w->raw_n, 0);
	return w->raw_code;
}

static void ready_in_scope(struct world *w, uint64_t scope)
{
	world_start(w, 7, 0, 0);
	w->scope = scope;
	w->end[0].app.lazy = w->end[1].app.lazy = true;
	world_open(w, 3000000, 3000000);
	assert_true(world_until(w, answered));
	world_link(w); /* the stream still rides on the first one */
}

static void ready_to_attach(struct world *w)
{
	ready_in_scope(w, 0);
}

static void attach__every_bit_of_the_request_counts(void **state)
{
	struct vx6_open what;
	struct world w;

	ready_to_attach(&w);
	for (size_t bit = 0; bit < 8 * sizeof what.attach.mac; bit += 37) {
		attach_of(&w, 1, &what);
		what.attach.mac[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
	}
	attach_of(&w, 1, &what);
	what.attach.epoch++;
	assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
	attach_of(&w, 1, &what);
	what.attach.recv_off++;
	assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
	attach_of(&w, 1, &what);
	what.attach.id[0] ^= 1;
	assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
	/* and the stream itself has noticed nothing */
	w.end[0].app.lazy = w.end[1].app.lazy = false;
	app_read(&w.end[0].app, UINT64_MAX);
	app_read(&w.end[1].app, UINT64_MAX);
	assert_true(world_until(&w, apps_done));
	assert_int_equal(w.end[1].app.got, 3000000);
	world_end(&w);
}

static void attach__from_another_node__unknown(void **state)
{
	struct vx6_node_id other;
	struct vx6_open what;
	struct world w;

	ready_to_attach(&w);
	memset(other.b, 0x77, sizeof other.b);
	w.poses_as = &other;
	attach_of(&w, 1, &what);
	assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
	assert_int_equal(w.end[1].app.closed, 0);
	world_end(&w);
}

static void attach__recorded_on_one_session_and_replayed_on_another__unknown(void **state)
{
	struct vx6_open what;
	struct world w;

	ready_to_attach(&w);
	attach_of(&w, 1, &what); /* bound to this session */
	world_link(&w);
	assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
	world_end(&w);
}

/* What a client would do that looks for the node behind a hidden service: to the node it is as if there were no such stream, and the other way round. */
static void attach__in_another_scope__unknown(void **state)
{
	static const uint64_t scopes[][2] = {{0, 5}, {5, 0}, {5, 6}};

	for (size_t i = 0; i < VX6_ARRAY_N(scopes); i++) {
		struct vx6_open what;
		struct world w;

		ready_in_scope(&w, scopes[i][0]);
		attach_of(&w, 1, &what);
		w.scope = scopes[i][1];
		assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_UNKNOWN);
		assert_int_equal(vxs_of(w.end[1].app.stream)->epoch, 0);
		/* where it began it goes on */
		w.scope = scopes[i][0];
		world_attach(&w, true);
		w.end[0].app.lazy = w.end[1].app.lazy = false;
		app_read(&w.end[0].app, UINT64_MAX);
		app_read(&w.end[1].app, UINT64_MAX);
		assert_true(world_until(&w, apps_done));
		assert_int_equal(w.end[1].app.got, 3000000);
		world_end(&w);
	}
}

static void attach__old_epoch__stale(void **state)
{
	struct vx6_open what;
	struct world w;

	ready_to_attach(&w);
	world_attach(&w, true); /* epoch 1 */
	for (int i = 0; i < 4; i++)
		world_turn(&w);
	for (uint32_t epoch = 0; epoch < 2; epoch++) {
		attach_of(&w, epoch, &what);
		assert_int_equal(attach_refused(&w, &what), VX6_CODE_STALE);
	}
	assert_int_equal(w.end[1].app.closed, 0);
	world_end(&w);
}

static void attach__impossible_offset__lost(void **state)
{
	struct vxs_stream *v;
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_open what;
	struct world w;

	ready_to_attach(&w);
	v = vxs_of(w.end[0].app.stream);
	attach_of(&w, 1, &what);
	world_via(&w, 0, binding);
	what.attach.recv_off = UINT64_MAX;
	vxs_mac(v, VXS_OPENER, binding, 1, what.attach.recv_off, what.attach.mac);
	assert_int_equal(attach_refused(&w, &what), VX6_CODE_RESUME_LOST);
	assert_int_equal(w.end[1].app.closed, 1);
	world_attach(&w, false);
	assert_true(world_until(&w, other_closed));
	assert_int_equal(w.end[0].app.code, VX6_CODE_RESUME_UNKNOWN);
	world_end(&w);
}

static void mac__golden_bytes(void **state)
{
	cJSON *vectors = vec_load("vxs");
	static const char *const names[] = {"open_attach", "attach_reply"};

	for (size_t i = 0; i < 2; i++) {
		const cJSON *one = vec_find(vectors, names[i]);
		uint8_t later[32], mac[32], want[32];
		struct vxs_stream v = {.window = 0};

		vec_hex(one, "id", v.key.id, sizeof v.key.id);
		vec_hex(one, "binding", v.binding, sizeof v.binding);
		vec_hex(one, "later", later, sizeof later);
		vec_hex(one, "mac", want, sizeof want);
		vxs_mac(&v, i == 0 ? VXS_OPENER : VXS_ACCEPTOR, later,
			(uint32_t)vec_num(one, "epoch"), vec_num(one, "recv_off"), mac);
		assert_memory_equal(mac, want, sizeof mac);
	}
	vec_free(vectors);
}

/* ---- what a peer must not do on a carrier ---- */

static void frame__that_cannot_be__ends_the_stream(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{"\x04", 1},
		{"\x00\x00\x00\x00", 4},
		{"\x01\x00\x00\x00\x00\x00\x00\x00\x01", 9}, /* nothing was sent yet */
		{"\x02\x00\x00\x00\x00\x00\x00\x00\x01", 9}, /* its own first byte never came */
		{"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01x",
		 14}, /* more after the end */
		{"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00", 18},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++) {
		struct vx6_open what = {.kind = VX6_OPEN_SERVICE,
					.flags = VX6_OPEN_RESUMABLE,
					.name = "web"};
		uint8_t bytes[VX6_OPEN_MAX + 32];
		struct world w;
		size_t n;

		world_start(&w, 8, 0, 0);
		w.end[1].app.mute = true;
		assert_ok(vx6_open_encode(&what, bytes, &n));
		memcpy(bytes + n, bad[i].bytes, bad[i].n);
		world_raw(&w, bytes, n + bad[i].n);
		assert_int_equal(w.raw_closed, 1);
		assert_int_equal(w.raw_code, VX6_CODE_BAD_FORMAT);
		assert_int_equal(w.end[1].app.closed, 1);
		assert_int_equal(w.end[1].app.why.code, VX6_E_PROTOCOL);
		assert_int_equal(vx6_vxs_count(w.end[1].vxs), 0);
		world_end(&w);
	}
}

static void open__id_in_use__refused(void **state)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE,
				.flags = VX6_OPEN_RESUMABLE,
				.name = "web"};
	uint8_t bytes[VX6_OPEN_MAX];
	struct world w;
	size_t n;

	world_start(&w, 9, 0, 0);
	w.end[1].app.mute = true;
	assert_ok(vx6_open_encode(&what, bytes, &n));
	world_raw(&w, bytes, n);
	assert_int_equal(w.raw_closed, 0);
	world_raw(&w, bytes, n);
	assert_int_equal(w.raw_closed, 1);
	assert_int_equal(w.raw_code, VX6_CODE_STREAM_REFUSED);
	world_end(&w);
}

/* A refusal would say that this id is in use here, and so who else is here. */
static void open__id_in_use_in_another_scope__another_stream(void **state)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE,
				.flags = VX6_OPEN_RESUMABLE,
				.name = "web"};
	uint8_t bytes[VX6_OPEN_MAX];
	struct vx6_stream *first;
	struct world w;
	size_t n;

	world_start(&w, 9, 0, 0);
	w.end[1].app.mute = true;
	assert_ok(vx6_open_encode(&what, bytes, &n));
	world_raw(&w, bytes, n);
	first = w.end[1].app.stream;
	assert_non_null(first);
	vx6_stream_set_events(first, NULL, NULL);
	w.end[1].app.stream = NULL;
	w.scope = 5;
	world_raw(&w, bytes, n);
	assert_int_equal(w.raw_closed, 0);
	assert_non_null(w.end[1].app.stream);
	assert_ptr_not_equal(w.end[1].app.stream, first);
	assert_int_equal(vx6_vxs_count(w.end[1].vxs), 2);
	world_end(&w);
}

/* ---- limits ---- */

static void keep__limit_reached__the_stream_goes_on_but_not_beyond_its_carrier(void **state)
{
	struct world w;

	/* so little that the window itself is above it, and acknowledgements come too late */
	world_start(&w, 10, 100000, 0);
	world_open(&w, 5000000, 5000000);
	assert_true(world_until(&w, apps_done));
	for (int i = 0; i < 2; i++) {
		assert_true(vx6_is_ok(w.end[i].app.why));
		assert_int_equal(w.end[i].app.got, 5000000);
	}
	world_end(&w);
	world_start(&w, 10, 100000, 0);
	world_open(&w, 5000000, 5000000);
	w.end[0].app.lazy = w.end[1].app.lazy = true;
	assert_true(world_until(&w, answered));
	for (int i = 0; i < 20; i++)
		world_turn(&w);
	assert_in_range(vx6_vxs_kept(w.end[0].vxs), 0, 100000);
	world_cut(&w, false);
	assert_true(world_until(&w, other_closed));
	assert_false(vx6_is_ok(w.end[0].app.why));
	world_end(&w);
}

static struct vx6_stream *open_in_scope(struct world *w, uint64_t scope)
{
	static const struct vx6_stream_events nobody = {.data = NULL};
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "web"};
	uint8_t binding[VX6_CB_BYTES];
	struct vx6_vxs_via via = world_via(w, 0, binding);
	struct vx6_stream *s;

	via.scope = scope;
	assert_ok(vx6_vxs_open(w->end[0].vxs, &via, &what, NULL, &nobody, NULL, &s));
	return s;
}

static void write_zeros(struct vx6_stream *s, size_t n)
{
	while (n > 0) {
		size_t cap;
		uint8_t *to = vx6_stream_reserve(s, &cap);

		if (!to)
			return;
		memset(to, 0, VX6_MIN(cap, n));
		vx6_stream_commit(s, VX6_MIN(cap, n), false);
		n -= VX6_MIN(cap, n);
	}
}

static void keep__limit_reached_in_a_scope__streams_of_the_node_do_not_feel_it(void **state)
{
	for (int hidden_first = 0; hidden_first < 2; hidden_first++) {
		struct vx6_stream *quiet, *greedy;
		struct world w;

		world_start(&w, 10, 100000, 0);
		for (int i = 0; i < 2; i++)
			vx6_mem_set_dead(w.end[i].t, true);
		quiet = open_in_scope(&w, hidden_first ? 5 : 0);
		greedy = open_in_scope(&w, hidden_first ? 0 : 5);
		write_zeros(quiet, 20000); /* has waited the longest */
		for (int i = 0; i < 10; i++)
			write_zeros(greedy, 20000);
		assert_true(vxs_of(greedy)->fixed);
		assert_false(vxs_of(quiet)->fixed);
		world_end(&w);
	}
}

static bool first_bytes(struct world *w)
{
	return w->end[0].app.got > 0;
}

/* Answered, and then what end 0 writes vanishes. */
static void write_into_the_void(struct world *w, uint64_t seed)
{
	world_start(w, seed, 0, 0);
	w->end[0].app.mute = true;
	world_open(w, 100 << 20, 10);
	assert_true(world_until(w, first_bytes));
	for (int i = 0; i < 2; i++)
		vx6_mem_set_dead(w->end[i].t, true);
	w->end[0].app.mute = false;
	app_write(w, &w->end[0].app);
	for (int i = 0; i < 100; i++)
		world_turn(w);
	assert_in_range(w->end[0].app.sent, 1, 99 << 20);
}

static void keep__peer_is_silent__no_more_than_the_window(void **state)
{
	struct world w;

	write_into_the_void(&w, 11);
	assert_in_range(vx6_vxs_kept(w.end[0].vxs), w.end[0].app.sent,
			VX6_VXS_WINDOW_MAX + 2 * 64 * 1024);
	world_end(&w);
}

static bool peer_got_much(struct world *w)
{
	return w->end[1].app.got == w->end[0].app.total;
}

/* The application of end 0 reads nothing while it sends: so its peer cannot write on the carrier, not even ACKs. */
static void ack__no_room_on_the_carrier__goes_aside(void **state)
{
	struct world w;

	world_start(&w, 12, 0, 0);
	w.end[0].app.lazy = true;
	world_open(&w, 12 << 20, 12 << 20);
	assert_true(world_until(&w, peer_got_much));
	assert_true(w.end[1].asides > 0);
	assert_true(w.end[0].app.got < 12 << 20);
	w.end[0].app.lazy = false;
	app_read(&w.end[0].app, UINT64_MAX);
	assert_true(world_until(&w, apps_done));
	assert_int_equal(w.end[0].app.got, 12 << 20);
	world_end(&w);
}

static bool was_stalled(struct world *w)
{
	return w->end[0].stalled > 0;
}

static void stall__nothing_acknowledged_for_a_second__told(void **state)
{
	struct world w;

	write_into_the_void(&w, 13);
	assert_int_equal(w.end[0].stalled, 0);
	assert_true(world_until(&w, was_stalled));
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vxs__nothing_cut__both_ways_and_nothing_left),
		cmocka_unit_test(vxs__small_amounts__acknowledged_in_time_and_freed),
		cmocka_unit_test(vxs__reset_while_adrift__told_by_the_next_attach),
		cmocka_unit_test(vxs__reset_on_a_carrier__told_at_once),
		cmocka_unit_test(vxs__peer_forgot__reset_at_once),
		cmocka_unit_test(vxs__nobody_attaches__over_after_the_grace),
		cmocka_unit_test(attach__every_bit_of_the_request_counts),
		cmocka_unit_test(attach__from_another_node__unknown),
		cmocka_unit_test(attach__recorded_on_one_session_and_replayed_on_another__unknown),
		cmocka_unit_test(attach__in_another_scope__unknown),
		cmocka_unit_test(attach__old_epoch__stale),
		cmocka_unit_test(attach__impossible_offset__lost),
		cmocka_unit_test(mac__golden_bytes),
		cmocka_unit_test(frame__that_cannot_be__ends_the_stream),
		cmocka_unit_test(open__id_in_use__refused),
		cmocka_unit_test(open__id_in_use_in_another_scope__another_stream),
		cmocka_unit_test(
			keep__limit_reached__the_stream_goes_on_but_not_beyond_its_carrier),
		cmocka_unit_test(
			keep__limit_reached_in_a_scope__streams_of_the_node_do_not_feel_it),
		cmocka_unit_test(keep__peer_is_silent__no_more_than_the_window),
		cmocka_unit_test(ack__no_room_on_the_carrier__goes_aside),
		cmocka_unit_test(stall__nothing_acknowledged_for_a_second__told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
