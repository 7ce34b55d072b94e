/* Streams over circuits go on over others of their route, or directly where they may, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "circuits.h"
#include "session/session_internal.h"
#include "vxs/vxs_internal.h"
#include "wire/code.h"

enum { ROUTE = 7, OTHER_ROUTE = 8 };

static struct test_node alice, bob; /* alice is at the end of bob's circuits */
static struct circuit a, b, c;
static char detail[VX6_DIAL_DETAIL_MAX];

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	memset(&c, 0, sizeof c);
	return 0;
}

/* Circuits end first, as those that run over links of the nodes do. */
static int teardown(void **state)
{
	struct circuit *all[] = {&a, &b, &c};

	for (size_t i = 0; i < 3; i++)
		if (all[i]->t[CLIENT])
			circuit_end(all[i]);
	node_stop(&alice);
	node_stop(&bob);
	test_loop_end();
	return 0;
}

static struct vx6_adopt how(uint64_t route, bool anonymous)
{
	struct vx6_adopt h = circuit_how(&alice, route);

	h.anonymous = anonymous;
	return h;
}

/* ---- a stream ---- */

static struct outcome {
	bool done;
	vx6_err err;
	struct vx6_stream *stream;
} opened;

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	opened = (struct outcome){.done = true, .err = err, .stream = stream};
	if (!stream)
		return;
	vx6_stream_set_events(stream, &test_stream_events, &bob);
	test_stream_events.data(stream, rest, rest_n, fin, &bob);
}

static bool is_open(void *arg)
{
	return opened.done;
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};
static const struct vx6_open web = {.kind = VX6_OPEN_SERVICE, .name = "web"};

static void open_on(struct vx6_session *s, const struct vx6_vxs_routes *routes)
{
	struct vx6_opening *o;

	opened.done = false;
	assert_true(vx6_is_ok(vx6_session_open_routed(s, &web, routes, &opening_events, NULL, &o)));
	test_run(is_open, NULL);
	assert_true(vx6_is_ok(opened.err));
	assert_true(vx6_stream_is_resumable(opened.stream));
}

static bool try_say(void *text)
{
	size_t cap = 0, n = strlen(text);
	uint8_t *room = vx6_stream_reserve(opened.stream, &cap);

	if (!room)
		return false;
	memcpy(room, text, n);
	vx6_stream_commit(opened.stream, n, false);
	return true;
}

static void say(const char *text)
{
	test_run(try_say, (void *)(uintptr_t)text);
}

static bool alice_heard(void *text)
{
	return alice.got_n == strlen(text) && memcmp(alice.got, text, alice.got_n) == 0;
}

/* That, and no more: exactly what was said, once. */
static void heard(const char *text)
{
	test_run(alice_heard, (void *)(uintptr_t)text);
}

static bool rides_on(void *circuit)
{
	return vx6_stream_link(opened.stream) == ((struct circuit *)circuit)->link[CLIENT];
}

static bool rides_directly(void *arg)
{
	return vx6_stream_link(opened.stream) == bob.session->link;
}

static bool is_adrift(void *arg)
{
	return bob.adrifts > 0;
}

static void connect_directly(void)
{
	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, false, detail).code, VX6_E_OK);
}

/* ---- loss ---- */

static void cut__another_of_the_route__goes_on_there(void **state)
{
	for (int anonymous = 0; anonymous < 2; anonymous++) {
		alice.got_n = 0;
		circuit_open(&a, &bob, &alice, how(ROUTE, anonymous));
		circuit_open(&b, &bob, &alice, how(ROUTE, anonymous));
		open_on(a.s[CLIENT], NULL);
		say("one ");
		heard("one ");
		circuit_cut(&a);
		test_run(rides_on, &b);
		say("two");
		heard("one two");
		assert_int_equal(bob.adrifts, 0);
		/* and back again, in the other direction */
		stream_write(alice.stream, "three", false);
		while (bob.got_n < 5)
			test_run_ms(1);
		bob.got_n = 0;
		vx6_stream_reset(opened.stream, VX6_CODE_RESET);
		test_run_ms(5);
		circuit_end(&a);
		circuit_end(&b);
		assert_int_equal(alice.adrifts, 0);
	}
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
}

static void cut__only_others_are_up__waits_for_its_own_route(void **state)
{
	for (int anonymous = 0; anonymous < 2; anonymous++) {
		alice.got_n = 0;
		bob.adrifts = 0;
		circuit_open(&a, &bob, &alice, how(ROUTE, anonymous));
		circuit_open(&b, &bob, &alice, how(OTHER_ROUTE, anonymous));
		if (!bob.session)
			connect_directly();
		open_on(a.s[CLIENT], NULL);
		say("one ");
		heard("one ");
		circuit_cut(&a);
		test_run(is_adrift, NULL);
		assert_int_equal(bob.adrifts, 1);
		assert_int_equal(bob.adrift_bits, VX6_ADRIFT_OPENED);
		assert_int_equal(bob.adrift_route, ROUTE);
		assert_int_equal(vx6_sessions_adrift(bob.m, &alice.id.id, ROUTE),
				 VX6_ADRIFT_OPENED);
		assert_int_equal(vx6_sessions_adrift(bob.m, &alice.id.id, OTHER_ROUTE), 0);
		assert_int_equal(vx6_sessions_adrift(bob.m, &alice.id.id, 0), 0);
		test_run_ms(50);
		assert_null(vx6_stream_link(opened.stream));
		circuit_open(&c, &bob, &alice, how(ROUTE, anonymous));
		test_run(rides_on, &c);
		say("two");
		heard("one two");
		assert_int_equal(alice.adrifts, 0); /* whoever accepted it can not build a way */
		vx6_stream_reset(opened.stream, VX6_CODE_RESET);
		test_run_ms(5);
		circuit_end(&a);
		circuit_end(&b);
		circuit_end(&c);
	}
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	memset(&c, 0, sizeof c);
}

/* The same route, but not as who it was: neither end would take it. */
static void cut__anonymous_stream__never_where_we_are_known(void **state)
{
	circuit_open(&a, &bob, &alice, how(ROUTE, true));
	circuit_open(&b, &bob, &alice, how(ROUTE, false));
	open_on(a.s[CLIENT], NULL);
	circuit_cut(&a);
	test_run_ms(50);
	assert_null(vx6_stream_link(opened.stream));
	circuit_open(&c, &bob, &alice, how(ROUTE, true));
	test_run(rides_on, &c);
	say("back");
	heard("back");
}

static void cut__direct_is_allowed__goes_on_there(void **state)
{
	const struct vx6_vxs_routes routes = {.route = ROUTE, .direct = true};

	connect_directly();
	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	circuit_open(&b, &bob, &alice, how(ROUTE, false));
	open_on(a.s[CLIENT], &routes);
	say("one ");
	heard("one ");
	circuit_cut(&a);
	test_run(rides_directly, NULL);
	say("two ");
	heard("one two ");
	/* and if that is lost as well, over a circuit again */
	vx6_link_close(bob.session->link, VX6_ERR(CLOSED));
	test_run(rides_on, &b);
	say("three");
	heard("one two three");
	assert_int_equal(bob.adrifts, 0);
}

static void direct_session_up__stream_that_may_moves_there(void **state)
{
	const struct vx6_vxs_routes both = {.route = ROUTE, .direct = true};
	struct vx6_stream *stays;

	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	open_on(a.s[CLIENT], NULL);
	stays = opened.stream;
	open_on(a.s[CLIENT], &both);
	say("one ");
	heard("one ");
	connect_directly();
	test_run(rides_directly, NULL);
	say("two");
	heard("one two");
	assert_ptr_equal(vx6_stream_link(stays), a.link[CLIENT]);
	/* a circuit that comes up is no reason to leave it again */
	circuit_open(&b, &bob, &alice, how(ROUTE, false));
	test_run_ms(20);
	assert_true(rides_directly(NULL));
}

static void direct_stream__never_over_a_circuit(void **state)
{
	connect_directly();
	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	open_on(bob.session, NULL);
	vx6_link_close(bob.session->link, VX6_ERR(CLOSED));
	test_run(is_adrift, NULL);
	assert_int_equal(bob.adrift_route, 0);
	test_run_ms(20);
	assert_null(vx6_stream_link(opened.stream));
	connect_directly();
	test_run(rides_directly, NULL);
}

static void open_routed__session_of_none_of_the_routes__invalid(void **state)
{
	const struct vx6_vxs_routes other = {.route = OTHER_ROUTE, .direct = true},
				    both = {.route = ROUTE, .direct = true};
	struct vx6_opening *o;

	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	circuit_open(&b, &bob, &alice, how(ROUTE, true));
	assert_int_equal(
		vx6_session_open_routed(a.s[CLIENT], &web, &other, &opening_events, NULL, &o).code,
		VX6_E_INVALID);
	/* directly would be as ourselves */
	assert_int_equal(
		vx6_session_open_routed(b.s[CLIENT], &web, &both, &opening_events, NULL, &o).code,
		VX6_E_INVALID);
}

static void all_links_cut__one_report_a_route_and_a_giving_up_of_one(void **state)
{
	struct vx6_stream *kept;

	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	circuit_open(&b, &bob, &alice, how(OTHER_ROUTE, false));
	open_on(a.s[CLIENT], NULL);
	open_on(a.s[CLIENT], NULL);
	open_on(b.s[CLIENT], NULL);
	kept = opened.stream;
	circuit_cut(&a);
	circuit_cut(&b);
	test_run_ms(20);
	assert_int_equal(bob.adrifts, 2);
	assert_int_equal(vx6_sessions_resumable(bob.m), 3);
	vx6_sessions_give_up(bob.m, &alice.id.id, ROUTE, VX6_ERR(UNREACHABLE));
	test_run_ms(5);
	assert_int_equal(bob.closed, 2);
	assert_int_equal(bob.closed_why.code, VX6_E_UNREACHABLE);
	assert_int_equal(vx6_sessions_resumable(bob.m), 1);
	vx6_stream_reset(kept, VX6_CODE_RESET);
}

/* ---- silence ---- */

static bool has_doubt(void *arg)
{
	return bob.doubts > 0;
}

static void stall__a_spare_is_up__goes_on_there_at_once(void **state)
{
	circuit_open(&a, &bob, &alice, how(ROUTE, true));
	circuit_open(&b, &bob, &alice, how(ROUTE, true));
	open_on(a.s[CLIENT], NULL);
	say("one ");
	heard("one ");
	test_run_ms(50); /* acknowledged */
	circuit_silence(&a, true);
	say("two ");
	test_run(rides_on, &b);
	assert_non_null(a.s[CLIENT]); /* which has not been given up yet, only asked */
	assert_true(vx6_timer_is_armed(&a.s[CLIENT]->probe));
	say("three");
	heard("one two three");
	assert_int_equal(bob.doubts, 0);
	assert_ptr_equal(vx6_sessions_find_route(bob.m, &alice.id.id, ROUTE), b.s[CLIENT]);
	/* it was only slow: it is as good as before */
	circuit_silence(&a, false);
	vx6_session_close(a.s[CLIENT], VX6_ERR(CLOSED));
}

static void stall__no_spare__told_once_and_the_next_one_takes_over(void **state)
{
	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	circuit_open(&b, &bob, &alice, how(OTHER_ROUTE, false));
	open_on(a.s[CLIENT], NULL);
	say("one ");
	heard("one ");
	test_run_ms(50);
	circuit_silence(&a, true);
	say("two ");
	test_run(has_doubt, NULL);
	assert_int_equal(bob.doubt_route, ROUTE);
	test_run_ms(300);
	assert_int_equal(bob.doubts, 1);
	assert_true(rides_on(&a));
	circuit_open(&c, &bob, &alice, how(ROUTE, false));
	test_run(rides_on, &c);
	heard("one two ");
	assert_int_equal(bob.adrifts, 0);
}

static void stall__answered__no_doubt_is_left(void **state)
{
	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	open_on(a.s[CLIENT], NULL);
	test_run_ms(50);
	circuit_silence(&a, true);
	say("one");
	test_run(has_doubt, NULL);
	assert_true(a.s[CLIENT]->stalled);
	circuit_silence(&a, false);
	/* what was lost on the way stays lost on this stand-in; only the question is asked again */
	vx6_timer_stop(&a.s[CLIENT]->probe);
	vx6_session_probe(a.s[CLIENT], 1000);
	while (vx6_timer_is_armed(&a.s[CLIENT]->probe))
		test_run_ms(1);
	assert_false(a.s[CLIENT]->stalled);
}

static void flee__back_and_forth__four_times_a_minute(void **state)
{
	struct circuit *to = &b, *from = &a, *last;

	circuit_open(&a, &bob, &alice, how(ROUTE, false));
	circuit_open(&b, &bob, &alice, how(ROUTE, false));
	open_on(a.s[CLIENT], NULL);
	for (int i = 0; i < VX6_VXS_FLEE_PER_MIN; i++) {
		struct vx6_vxs_via via = resume_via(to->s[CLIENT]);

		vx6_vxs_flee(bob.m->vxs, &via, from->link[CLIENT]);
		assert_true(rides_on(to));
		test_run_ms(20); /* answered */
		last = from;
		from = to;
		to = last;
	}
	for (int i = 0; i < 3; i++) {
		struct vx6_vxs_via via = resume_via(to->s[CLIENT]);

		vx6_vxs_flee(bob.m->vxs, &via, from->link[CLIENT]);
		assert_true(rides_on(from));
	}
	say("still here");
	heard("still here");
}

/* ---- by plan ---- */

static void leave__streams_move_and_new_ones_are_refused(void **state)
{
	struct vx6_opening *o;

	circuit_open(&a, &bob, &alice, how(ROUTE, true));
	open_on(a.s[CLIENT], NULL);
	say("one ");
	heard("one ");
	vx6_sessions_leave(bob.m, a.s[CLIENT]);
	test_run_ms(20);
	assert_true(rides_on(&a)); /* there is nothing better yet */
	say("two ");
	heard("one two ");
	assert_null(vx6_sessions_find_route(bob.m, &alice.id.id, ROUTE));
	assert_int_equal(vx6_session_open(a.s[CLIENT], &web, &opening_events, NULL, &o).code,
			 VX6_E_DRAINING);
	circuit_open(&b, &bob, &alice, how(ROUTE, true));
	test_run(rides_on, &b);
	say("three ");
	heard("one two three ");
	/* and at once when there is another one */
	circuit_open(&c, &bob, &alice, how(ROUTE, true));
	vx6_sessions_leave(bob.m, b.s[CLIENT]);
	assert_true(rides_on(&c));
	say("four");
	heard("one two three four");
	assert_int_equal(a.downs[CLIENT] + b.downs[CLIENT], 0);
}

/* The peer may not have OPEN yet: the stream follows when it has answered, and the service is asked once. */
static void leave__before_the_answer__moves_after_it(void **state)
{
	const struct vx6_vxs_routes both = {.route = ROUTE, .direct = true};

	for (int direct = 0; direct < 2; direct++) {
		struct vx6_opening *o;

		circuit_open(&a, &bob, &alice, how(ROUTE, false));
		circuit_delay(&a, 100);
		opened.done = false;
		alice.got_n = 0;
		alice.incomings = 0;
		assert_true(vx6_is_ok(vx6_session_open_routed(a.s[CLIENT], &web, &both,
							      &opening_events, NULL, &o)));
		stream_write(vx6_opening_stream(o), "early ", false);
		if (direct)
			connect_directly();
		else
			circuit_open(&b, &bob, &alice, how(ROUTE, false));
		vx6_sessions_leave(bob.m, a.s[CLIENT]);
		test_run(is_open, NULL);
		assert_true(vx6_is_ok(opened.err));
		test_run(direct ? rides_directly : rides_on, &b);
		say("late");
		heard("early late");
		assert_int_equal(alice.incomings, 1);
		vx6_stream_reset(opened.stream, 0);
		circuit_end(&a);
		if (!direct)
			circuit_end(&b);
		memset(&a, 0, sizeof a);
		memset(&b, 0, sizeof b);
	}
}

/* ---- the other end ---- */

static bool stream_gone(void *arg)
{
	return alice.closed > 0;
}

/* All that are anonymous share one place at the acceptor; who is adrift there makes way for who is not. */
static void anonymous__place_is_full__the_longest_adrift_gives_way(void **state)
{
	struct vx6_opening *o;

	alice.m->vxs->cfg.peer_max = 2;
	circuit_open(&a, &bob, &alice, how(ROUTE, true));
	open_on(a.s[CLIENT], NULL);
	open_on(a.s[CLIENT], NULL);
	opened.done = false;
	assert_true(vx6_is_ok(vx6_session_open(a.s[CLIENT], &web, &opening_events, NULL, &o)));
	test_run(is_open, NULL);
	assert_false(vx6_is_ok(opened.err));
	circuit_cut(&a);
	test_run_ms(10);
	assert_int_equal(alice.closed, 0);
	circuit_open(&b, &bob, &alice, how(OTHER_ROUTE, true));
	open_on(b.s[CLIENT], NULL);
	test_run(stream_gone, NULL);
	assert_int_equal(alice.closed_why.code, VX6_E_LIMIT);
	say("new");
	heard("new");
}

static bool has_asides(void *arg)
{
	return opened.stream && vx6_vxs_kept(bob.m->vxs) == 0;
}

/* alice's side has no room on the carrier for its ACKs: they go by the control stream, of a session that has no node. */
static void anonymous__acks_without_room__go_aside(void **state)
{
	static uint8_t zeros[16384];
	struct vxs_stream *v;
	size_t cap;
	uint8_t *room;

	circuit_open(&a, &bob, &alice, how(ROUTE, true));
	open_on(a.s[CLIENT], NULL);
	/* alice fills what bob does not read */
	static const struct vx6_stream_events deaf = {.data = NULL};

	vx6_stream_set_events(opened.stream, &deaf, NULL);
	for (int i = 0; i < 200; i++) {
		while ((room = vx6_stream_reserve(alice.stream, &cap)) != NULL) {
			memcpy(room, zeros, cap < sizeof zeros ? cap : sizeof zeros);
			vx6_stream_commit(alice.stream, cap < sizeof zeros ? cap : sizeof zeros,
					  false);
		}
		test_run_ms(1);
	}
	v = (struct vxs_stream *)(void *)alice.stream;
	room = vx6_stream_reserve(v->carrier, &cap);
	assert_null(room);
	say("heard all the same");
	assert_true(vx6_vxs_kept(bob.m->vxs) > 0);
	test_run(has_asides, NULL);
	assert_true(v->ack_tries > 0);
	vx6_stream_set_events(opened.stream, &test_stream_events, &bob);
	vx6_stream_reset(opened.stream, VX6_CODE_RESET);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cut__another_of_the_route__goes_on_there),
		T(cut__only_others_are_up__waits_for_its_own_route),
		T(cut__anonymous_stream__never_where_we_are_known),
		T(cut__direct_is_allowed__goes_on_there),
		T(direct_session_up__stream_that_may_moves_there),
		T(direct_stream__never_over_a_circuit),
		T(open_routed__session_of_none_of_the_routes__invalid),
		T(all_links_cut__one_report_a_route_and_a_giving_up_of_one),
		T(stall__a_spare_is_up__goes_on_there_at_once),
		T(stall__no_spare__told_once_and_the_next_one_takes_over),
		T(stall__answered__no_doubt_is_left),
		T(flee__back_and_forth__four_times_a_minute),
		T(leave__streams_move_and_new_ones_are_refused),
		T(leave__before_the_answer__moves_after_it),
		T(anonymous__place_is_full__the_longest_adrift_gives_way),
		T(anonymous__acks_without_room__go_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
