/* A session without a circuit goes silent while its streams run: when it is asked, when they go over circuits, when it ends, and what a pause is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "circuits.h"
#include "session/session_internal.h"
#include "transport/mem/mem.h"
#include "vtime.h"

enum {
	ROUTE = 7,
	SILENT_MS = 500,
	DOUBT_MS = 750,
	END_MS = 2000,
	TICK_MS = 100, /* how often it is looked at */
	RTT_MS = 20,
};

static struct test_node alice, bob; /* bob has opened a stream to alice */
static struct circuit a;
static struct vx6_stream *ours;
static char detail[VX6_DIAL_DETAIL_MAX];

static const struct vx6_vxs_routes both = {.route = ROUTE, .direct = true};
static const struct vx6_vxs_routes only_direct = {.direct = true};

/* ---- a stream ---- */

static void drop_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(s, iov[i].iov_len);
}

static void drop_writable(struct vx6_stream *s, void *user)
{
}

static void drop_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
}

static const struct vx6_stream_events drop_events = {drop_data, drop_writable, drop_closed};

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	assert_true(vx6_is_ok(err));
	ours = stream;
	vx6_stream_set_events(stream, &drop_events, NULL);
	drop_data(stream, rest, rest_n, fin, NULL);
}

static bool is_open(void *arg)
{
	return ours != NULL;
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};
static const struct vx6_open web = {.kind = VX6_OPEN_SERVICE, .name = "web"};

static void open_stream(const struct vx6_vxs_routes *routes)
{
	struct vx6_opening *o;

	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, false, detail).code, VX6_E_OK);
	vx6_mem_set_delay(alice.t, RTT_MS / 2 * VX6_NS_PER_MS);
	vx6_mem_set_delay(bob.t, RTT_MS / 2 * VX6_NS_PER_MS);
	assert_true(vx6_is_ok(
		vx6_session_open_routed(bob.session, &web, routes, &opening_events, NULL, &o)));
	test_run(is_open, NULL);
	vx6_stream_set_events(alice.stream, &drop_events, NULL);
}

/* 100 KB/s for so long; a kilobyte that finds no room is not missed. */
static void flow(struct vx6_stream *from, unsigned ms)
{
	static const uint8_t bytes[1024];

	for (unsigned i = 0; i < ms / 10; i++) {
		size_t cap = 0;
		uint8_t *room = vx6_stream_reserve(from, &cap);

		if (room && cap >= sizeof bytes)
			memcpy(room, bytes, sizeof bytes);
		if (room)
			vx6_stream_commit(from, cap < sizeof bytes ? 0 : sizeof bytes, false);
		test_run_ms(10);
	}
}

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	memset(&a, 0, sizeof a);
	ours = NULL;
	return 0;
}

static int teardown(void **state)
{
	if (a.t[CLIENT])
		circuit_end(&a);
	node_stop(&alice);
	node_stop(&bob);
	test_loop_end();
	return 0;
}

static void lose(bool lost)
{
	vx6_mem_set_dead(alice.t, lost);
	vx6_mem_set_dead(bob.t, lost);
}

/* ---- when ---- */

static bool is_asked(void *arg)
{
	return vx6_timer_is_armed(&bob.session->probe);
}

static bool is_in_doubt(void *arg)
{
	return bob.doubts > 0;
}

static bool has_ended(void *arg)
{
	return bob.session == NULL;
}

static bool rides_on_circuit(void *arg)
{
	return vx6_stream_link(ours) == a.link[CLIENT];
}

static bool rides_directly(void *arg)
{
	return vx6_stream_link(ours) == bob.session->link;
}

/* @return ms from @p since until @p done */
static unsigned until(bool (*done)(void *arg), uint64_t since_ms)
{
	while (!done(NULL)) {
		test_run_ms(1);
		assert_true(vtime_ms() - since_ms < 10000);
	}
	return (unsigned)(vtime_ms() - since_ms);
}

/* The last byte came up to half a round trip and a tick after the loss; then all is seen at a tick. */
#define ASSERT_AT(ms, due) assert_in_range(ms, (due) - TICK_MS, (due) + RTT_MS + 2 * TICK_MS)

static void lost(void)
{
	uint64_t since_ms;

	open_stream(&both);
	flow(alice.stream, 1000);
	assert_int_equal(bob.doubts, 0);
	lose(true);
	since_ms = vtime_ms();
	ASSERT_AT(until(is_asked, since_ms), SILENT_MS);
	ASSERT_AT(until(is_in_doubt, since_ms), DOUBT_MS);
	assert_int_equal(bob.doubt_route, ROUTE);
	assert_true(rides_directly(NULL)); /* as long as there is no other way */
	circuit_open(&a, &bob, &alice, circuit_how(&alice, ROUTE));
	assert_true(until(rides_on_circuit, since_ms) < DOUBT_MS + RTT_MS + 3 * TICK_MS);
	assert_non_null(bob.session);
	ASSERT_AT(until(has_ended, since_ms), END_MS);
	assert_true(rides_on_circuit(NULL));
	assert_int_equal(bob.doubts, 1);
	assert_int_equal(bob.adrifts, 0);
}

static void direct_way_lost__receiver_goes_over_a_circuit_before_it_is_dead(void **state)
{
	lost();
}

static void direct_way_lost__so_does_a_sender(void **state)
{
	uint64_t since_ms;

	open_stream(&both);
	flow(ours, 1000);
	assert_int_equal(bob.doubts, 0);
	lose(true);
	since_ms = vtime_ms();
	flow(ours, 300);
	ASSERT_AT(until(is_asked, since_ms), SILENT_MS);
	ASSERT_AT(until(is_in_doubt, since_ms), DOUBT_MS);
	circuit_open(&a, &bob, &alice, circuit_how(&alice, ROUTE));
	assert_true(until(rides_on_circuit, since_ms) < DOUBT_MS + RTT_MS + 3 * TICK_MS);
}

static void direct_way_lost__a_circuit_is_up__it_is_taken_at_once(void **state)
{
	uint64_t since_ms;

	open_stream(&both);
	circuit_open(&a, &bob, &alice, circuit_how(&alice, ROUTE));
	flow(alice.stream, 1000);
	assert_true(rides_directly(NULL));
	lose(true);
	since_ms = vtime_ms();
	ASSERT_AT(until(rides_on_circuit, since_ms), DOUBT_MS);
	assert_int_equal(bob.doubts, 0);
}

/* One word, of which nobody hears: no flow that breaks off, but what was sent is not acknowledged. */
static void direct_way_lost__a_single_word__asked_when_it_is_stalled(void **state)
{
	uint64_t since_ms;

	open_stream(&both);
	test_run_ms(3000);
	lose(true);
	since_ms = vtime_ms();
	stream_write(ours, "word", false);
	assert_in_range(until(is_asked, since_ms), VX6_VXS_STALL_MS, 2 * VX6_VXS_STALL_MS + 10);
	assert_true(until(is_in_doubt, since_ms) <= 2 * VX6_VXS_STALL_MS + 250 + 2 * TICK_MS);
}

static void answer_comes_late__streams_come_back(void **state)
{
	uint64_t since_ms;

	open_stream(&both);
	flow(alice.stream, 1000);
	lose(true);
	since_ms = vtime_ms();
	(void)until(is_in_doubt, since_ms);
	circuit_open(&a, &bob, &alice, circuit_how(&alice, ROUTE));
	(void)until(rides_on_circuit, since_ms);
	assert_true(bob.session->stalled);
	lose(false);
	/* what was lost on the way stays lost on this stand-in; only the question is asked again */
	vx6_timer_stop(&bob.session->probe);
	vx6_session_probe(bob.session, 1000);
	since_ms = vtime_ms();
	assert_in_range(until(rides_directly, since_ms), RTT_MS - 5, RTT_MS + 5);
	assert_false(bob.session->stalled);
	flow(alice.stream, 5000);
	assert_true(rides_directly(NULL));
	assert_int_equal(bob.doubts, 1);
}

/* ---- no loss ---- */

static void pause_of_the_sender__asked_and_answered(void **state)
{
	uint64_t since_ms;

	open_stream(&both);
	for (int i = 0; i < 3; i++) {
		flow(alice.stream, 1000);
		since_ms = vtime_ms();
		ASSERT_AT(until(is_asked, since_ms), SILENT_MS);
		test_run_ms(RTT_MS + 2);
		assert_false(is_asked(NULL));
		test_run_ms(3000);
	}
	assert_int_equal(bob.doubts, 0);
	assert_true(rides_directly(NULL));
}

static void way_of_a_long_round_trip__three_of_them_are_waited_for(void **state)
{
	uint64_t since_ms;

	open_stream(&both);
	vx6_mem_set_delay(alice.t, 150 * VX6_NS_PER_MS);
	vx6_mem_set_delay(bob.t, 150 * VX6_NS_PER_MS);
	flow(alice.stream, 20000);
	since_ms = vtime_ms();
	(void)until(is_asked, since_ms);
	test_run_ms(310);
	assert_false(is_asked(NULL));
	assert_int_equal(bob.doubts, 0);
}

static void streams_that_may_go_nowhere_else__nobody_is_asked(void **state)
{
	open_stream(&only_direct);
	flow(alice.stream, 1000);
	lose(true);
	test_run_ms(4000);
	assert_non_null(bob.session);
	assert_false(is_asked(NULL));
	assert_int_equal(bob.doubts, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(direct_way_lost__receiver_goes_over_a_circuit_before_it_is_dead),
		T(direct_way_lost__so_does_a_sender),
		T(direct_way_lost__a_circuit_is_up__it_is_taken_at_once),
		T(direct_way_lost__a_single_word__asked_when_it_is_stalled),
		T(answer_comes_late__streams_come_back),
		T(pause_of_the_sender__asked_and_answered),
		T(way_of_a_long_round_trip__three_of_them_are_waited_for),
		T(streams_that_may_go_nowhere_else__nobody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
