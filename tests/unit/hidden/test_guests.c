/* A leg's way to its meeting, with whatever can go wrong on it; all but the guest is the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/relay.h"
#include "guest_rig.h"
#include "tests/unit/session/fixture.h"
#include "wire/code.h"

/* ---- the usual ---- */

static void meet__all_goes_well__one_introduction_and_the_same_keys(void **state)
{
	struct vx6_circuit *c = leg_begins(1);
	struct vx6_bare *b;

	assert_int_equal(c->said_n, 1);
	assert_int_equal(c->said_type, VX6_PAYLOAD_ESTABLISH_REND);
	assert_int_equal(c->said_bytes, VX6_REND_COOKIE);
	assert_int_equal(rig.fetches, 1);
	fetch_ends(VX6_OK, rig.record, true);
	assert_int_equal(rig.lines_n, 1);
	b = last_line();
	assert_int_equal(b->relays, 3);
	/* an active one */
	for (size_t i = 0; i < rig.desc.intros_n; i++)
		if (vx6_node_id_eq(&rig.desc.intro[i].node, &b->last))
			assert_false(rig.desc.intro[i].standby);
	rig_pass(100);
	assert_int_equal(b->said_n, 0);
	line_opens(b);
	assert_int_equal(b->said_n, 1);
	/* the order in which the two ends are heard does not matter */
	line_acks(b, VX6_CODE_OK);
	leg_established(c, VX6_CODE_OK);
	owner_meets(b, c);
	assert_false(b->closed);
}

static void meet__fast_profile__two_relays(void **state)
{
	rig.desc.fast = true;
	owner_publishes();
	leg_meets(leg_begins(1));
	assert_int_equal(last_line()->relays, 2);
}

static void meet__second_leg__over_the_open_circuit_at_once(void **state)
{
	struct vx6_circuit *c;

	leg_meets(leg_begins(1));
	rig_pass(10000);
	c = leg_begins(2);
	assert_int_equal(rig.fetches, 1);
	assert_int_equal(rig.lines_n, 1);
	assert_int_equal(last_line()->said_n, 2);
	assert_int_equal(c->said_n, 1);
	leg_meets(c);
	assert_memory_not_equal(rig.leg[1].keys, rig.leg[2].keys, sizeof c->keys);
	assert_memory_not_equal(rig.leg[1].said, rig.leg[2].said, VX6_REND_COOKIE);
}

static void meet__circuit_is_being_built__introduced_meanwhile(void **state)
{
	struct vx6_circuit *c = leg_builds(1);

	assert_int_equal(rig.fetches, 0); /* never from inside */
	rig_pass(1);
	assert_int_equal(rig.fetches, 1);
	fetch_ends(VX6_OK, rig.record, true);
	assert_int_equal(rig.lines_n, 1);
	line_opens(last_line());
	assert_int_equal(last_line()->said_n, 1);
	line_acks(last_line(), VX6_CODE_OK);
	rig_pass(200);
	assert_int_equal(c->said_n, 0);
	leg_at_x(c);
	assert_int_equal(c->said_n, 1);
	leg_established(c, VX6_CODE_OK);
	owner_meets(last_line(), c);
}

static void meet__circuit_is_being_built_and_it_is_no_use__told_at_once(void **state)
{
	struct vx6_circuit *c = leg_builds(1);

	rig_pass(1);
	fetch_ends(VX6_ERR(NOT_FOUND), NULL, false);
	assert_int_equal(rig.lines_n, 0);
	rig_pass(1);
	assert_failed(c, VX6_E_NOT_FOUND, true, "");
	assert_int_equal(c->said_n, 0);
	leg_builds(2);
	vx6_guests_gone(rig.g, 2); /* before it was even begun */
	rig_pass(1);
	assert_int_equal(rig.fetches, 1);
}

static void line__idle_for_two_minutes__closed(void **state)
{
	leg_meets(leg_begins(1));
	rig_pass(100000);
	assert_false(last_line()->closed);
	rig_pass(30000);
	assert_true(last_line()->closed);
	leg_begins(2);
	assert_int_equal(rig.lines_n, 2);
}

static void line__asked_to_leave__not_used_again(void **state)
{
	leg_meets(leg_begins(1));
	last_line()->ev->leaving(last_line()->user, last_line());
	leg_begins(2);
	assert_int_equal(rig.lines_n, 2);
	rig_pass(6000);
	assert_true(rig.line[0].closed);
}

static void line__has_said_all_that_it_may__another_one(void **state)
{
	leg_meets(leg_begins(1));
	for (uint64_t leg = 2; leg <= VX6_RELAY_ASKS_MAX; leg++)
		leg_meets(leg_begins(leg));
	assert_int_equal(rig.lines_n, 1);
	assert_int_equal(rig.line[0].said_n, VX6_RELAY_ASKS_MAX);
	leg_begins(VX6_RELAY_ASKS_MAX + 1);
	assert_int_equal(rig.lines_n, 2);
	assert_int_equal(rig.line[0].said_n, VX6_RELAY_ASKS_MAX);
	rig_pass(6000);
	assert_true(rig.line[0].closed);
}

/* ---- introduction points ---- */

static struct vx6_circuit *begins_with_descriptor(uint64_t leg)
{
	struct vx6_circuit *c = leg_begins(leg);

	fetch_ends(VX6_OK, rig.record, true);
	leg_established(c, VX6_CODE_OK);
	return c;
}

static bool is_standby(const struct vx6_bare *b)
{
	for (size_t i = 0; i < rig.desc.intros_n; i++)
		if (vx6_node_id_eq(&rig.desc.intro[i].node, &b->last))
			return rig.desc.intro[i].standby;
	fail_msg("no such introduction point");
	return false;
}

static void intro__refuses__the_next_at_once_and_standbys_last(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	for (int i = 0; i < 5; i++) {
		assert_int_equal(rig.lines_n, i + 1);
		assert_int_equal(is_standby(last_line()), i >= 3);
		for (int j = 0; j < i; j++)
			assert_false(vx6_node_id_eq(&rig.line[j].last, &last_line()->last));
		line_opens(last_line());
		assert_int_equal(last_line()->said_n, 1);
		if (i < 4)
			line_acks(last_line(), VX6_CODE_CIRC_POLICY);
	}
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
}

static void intro__does_not_answer__the_next_after_three_seconds(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	line_opens(last_line());
	rig_pass(2900);
	assert_int_equal(rig.lines_n, 1);
	rig_pass(200);
	assert_int_equal(rig.lines_n, 2);
	line_opens(last_line());
	assert_int_equal(last_line()->said_n, 1);
	/* the first one was only late: what it brings counts as well */
	owner_meets(&rig.line[0], c);
	rig_pass(10000);
	assert_true(rig.line[0].closed); /* nobody goes by that one again */
}

static void refuses_what_it_passed_on(uint16_t code)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	line_opens(&rig.line[0]);
	line_acks(&rig.line[0], code);
	assert_int_equal(rig.lines_n, 2);
	owner_meets(&rig.line[0], c);
}

/* It has passed it on, and then lost the owner. */
static void intro__says_that_nobody_answered__the_answer_counts(void **state)
{
	refuses_what_it_passed_on(VX6_CODE_HS_TIMEOUT);
}

static void intro__lies_that_it_was_not_passed_on__the_answer_counts(void **state)
{
	refuses_what_it_passed_on(VX6_CODE_INTRO_UNKNOWN);
}

static void intro__circuit_falls_after_it_was_passed_on__the_answer_counts(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	line_opens(&rig.line[0]);
	line_falls(&rig.line[0]);
	assert_int_equal(rig.lines_n, 2);
	owner_meets(&rig.line[0], c);
}

static void intro__answered_after_all_were_tried__counts(void **state)
{
	struct vx6_circuit *c;
	struct vx6_bare first;

	owner_points(1, 0);
	owner_publishes();
	c = begins_with_descriptor(1);
	line_opens(last_line());
	first = *last_line();
	line_acks(last_line(), VX6_CODE_HS_TIMEOUT);
	rig_pass(2100); /* the same one again */
	assert_true(last_line()->said_n > 1 || rig.lines_n > 1);
	owner_meets(&first, c);
}

static void intro__circuit_is_slow__another_beside_it_and_one_introduction(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	rig_pass(1400);
	assert_int_equal(rig.lines_n, 1);
	rig_pass(200);
	assert_int_equal(rig.lines_n, 2);
	line_opens(&rig.line[0]);
	assert_int_equal(rig.line[0].said_n, 1);
	line_opens(&rig.line[1]);
	assert_int_equal(rig.line[1].said_n, 0);
	line_acks(&rig.line[0], VX6_CODE_OK);
	owner_meets(&rig.line[0], c);
}

static void intro__circuit_falls__the_next_at_once(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	line_falls(last_line());
	assert_int_equal(rig.lines_n, 2);
	line_opens(last_line());
	line_falls(last_line());
	assert_int_equal(rig.lines_n, 3);
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
}

static void intro__as_many_circuits_as_may_be__one_that_refused_makes_room(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	rig_pass(7000);
	assert_int_equal(rig.lines_n, 4); /* and not one for the fifth point */
	line_opens(&rig.line[0]);
	line_acks(&rig.line[0], VX6_CODE_CIRC_POLICY);
	line_falls(&rig.line[1]);
	assert_int_equal(rig.lines_n, 5);
	line_opens(&rig.line[4]);
	line_acks(&rig.line[4], VX6_CODE_OK);
	owner_meets(&rig.line[4], c);
}

static void intro__no_circuit_can_be_had__tells_after_all_were_tried(void **state)
{
	struct vx6_circuit *c;

	rig.begin_err = VX6_ERR(NO_RELAYS);
	c = begins_with_descriptor(1);
	rig_pass(VX6_GUESTS_TOTAL_MS + 100);
	assert_failed(c, VX6_E_UNREACHABLE, true, "none of its introduction points");
	assert_int_equal(rig.lines_n, 0);
}

static void intro__failed_before__the_last_to_be_asked_by_the_next_leg(void **state)
{
	struct vx6_node_id bad;

	owner_points(2, 0);
	owner_publishes();
	begins_with_descriptor(1);
	bad = last_line()->last;
	line_falls(last_line());
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), &rig.leg[1]);
	line_falls(last_line());
	for (uint64_t leg = 2; leg < 12; leg++) {
		leg_begins(leg);
		assert_false(vx6_node_id_eq(&bad, &last_line()->last));
		vx6_guests_gone(rig.g, leg);
	}
}

static void intro__is_the_rendezvous__another_one_is_taken(void **state)
{
	owner_points(2, 0);
	owner_publishes();
	leg_builds(12);
	rig_pass(1);
	fetch_ends(VX6_OK, rig.record, true);
	vx6_guests_gone(rig.g, 12);
	for (uint64_t leg = 1; leg < 12; leg++) {
		struct vx6_circuit *c = &rig.leg[leg];
		const struct vx6_node_id x = rig.desc.intro[leg & 1].node;

		*c = (struct vx6_circuit){.leg = leg, .x = x};
		vx6_guests_rendezvous(rig.g, leg, &rig.id, c, &x);
		for (int i = 0; i < rig.lines_n; i++)
			if (!rig.line[i].closed && !rig.line[i].open)
				line_opens(&rig.line[i]);
		for (int i = 0; i < rig.lines_n; i++)
			if (vx6_node_id_eq(&rig.line[i].last, &x))
				assert_true(rig.line[i].said_n <= (int)leg / 2);
		vx6_guests_gone(rig.g, leg);
	}
}

static void intro__all_unknown_since_the_owner_began_anew__newer_descriptor_and_met(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	for (int i = 0; i < 5; i++) {
		line_opens(last_line());
		line_acks(last_line(), VX6_CODE_INTRO_UNKNOWN);
	}
	/* it was asked for anew with the first of them; what is there is the same for now */
	assert_int_equal(rig.fetches, 2);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1000);
	assert_int_equal(rig.fetches, 3);
	owner_points(3, 2);
	owner_publishes();
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
}

static void intro__says_what_nobody_asked__circuit_closed_and_the_next(void **state)
{
	const uint8_t junk[3] = {0};
	struct vx6_circuit *c = begins_with_descriptor(1);
	struct vx6_bare *b = last_line();

	line_opens(b);
	line_acks(b, VX6_CODE_OK);
	line_acks(b, VX6_CODE_OK);
	assert_true(b->closed);
	owner_meets(b, c); /* what was passed on counts */
	leg_begins(2);
	b = last_line();
	line_opens(b);
	b->ev->said(b->user, b, VX6_PAYLOAD_INTRODUCE_ACK, junk, sizeof junk);
	assert_true(b->closed);
	assert_ptr_not_equal(b, last_line());
	line_opens(last_line());
	b = last_line();
	b->ev->said(b->user, b, VX6_PAYLOAD_RENDEZVOUS2, junk, sizeof junk);
	assert_true(b->closed);
}

static void intro__leg_gone_before_the_answer__the_next_answer_is_anothers(void **state)
{
	struct vx6_circuit *c;

	leg_meets(leg_begins(1));
	leg_begins(2);
	assert_int_equal(last_line()->said_n, 2);
	vx6_guests_gone(rig.g, 2);
	c = leg_begins(3);
	assert_int_equal(last_line()->said_n, 2); /* one after the other */
	leg_established(c, VX6_CODE_OK);
	/* of the one that is gone; of this one */
	line_acks(last_line(), VX6_CODE_CIRC_POLICY);
	assert_int_equal(last_line()->said_n, 3);
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
	assert_int_equal(rig.lines_n, 1);
}

/* ---- the rendezvous ---- */

static void rend__refuses__told_and_blamed(void **state)
{
	struct vx6_circuit *c = leg_begins(1);

	leg_established(c, VX6_CODE_CIRC_OOM);
	assert_false(c->not_joined); /* never from inside */
	rig_pass(1);
	assert_failed(c, VX6_E_REFUSED, false, "the rendezvous refused");
}

static void rend__silent__told_and_blamed(void **state)
{
	struct vx6_circuit *c = leg_begins(1);

	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	rig_pass(5100);
	assert_failed(c, VX6_E_TIMEOUT, false, "the rendezvous did not answer");
}

static void rend__answer_of_somebody_else__told_and_blamed(void **state)
{
	uint8_t junk[VX6_REND_ANSWER] = {9};
	struct vx6_circuit *c = begins_with_descriptor(1);

	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	vx6_guests_said(rig.g, 1, VX6_PAYLOAD_RENDEZVOUS2, junk, sizeof junk);
	rig_pass(1);
	assert_failed(c, VX6_E_PROTOCOL, false, "not the service");
}

static void rend__says_what_it_may_not__told_and_blamed(void **state)
{
	const uint8_t data[VX6_REND_ANSWER - 1] = {0};
	const struct {
		uint8_t type;
		size_t n;
	} bad[] = {{VX6_PAYLOAD_RENDEZVOUS2, sizeof data},
		   {VX6_PAYLOAD_REND_ESTABLISHED, 1},
		   {VX6_PAYLOAD_INTRODUCE_ACK, 2},
		   {VX6_PAYLOAD_INTRO_ESTABLISHED, 2}};

	for (uint64_t i = 0; i < VX6_ARRAY_N(bad); i++) {
		struct vx6_circuit *c = leg_begins(i + 1);

		vx6_guests_said(rig.g, i + 1, bad[i].type, data, bad[i].n);
		rig_pass(1);
		assert_failed(c, VX6_E_PROTOCOL, false, "broke the protocol");
	}
	leg_established(leg_begins(9), VX6_CODE_OK);
	leg_established(&rig.leg[9], VX6_CODE_OK);
	rig_pass(1);
	assert_failed(&rig.leg[9], VX6_E_PROTOCOL, false, "broke the protocol");
}

static void rend__takes_no_message__told(void **state)
{
	struct vx6_circuit *c;

	rig.say_err = VX6_ERR(FULL);
	c = leg_begins(1);
	rig_pass(1);
	assert_failed(c, VX6_E_CLOSED, true, "takes no message");
}

static void owner__does_not_come__told_and_another_rendezvous_wanted(void **state)
{
	struct vx6_circuit *c = begins_with_descriptor(1);

	rig_pass(200);
	line_opens(last_line());
	line_acks(last_line(), VX6_CODE_OK);
	rig_pass(5900);
	assert_false(c->not_joined);
	rig_pass(200);
	assert_failed(c, VX6_E_HS_TIMEOUT, false, "did not come within 6 s");
	assert_int_equal(rig.fetches, 2); /* it may have published that we are not to */
}

/* It may be the introduction point that keeps it from the owner. */
static void owner__does_not_come__another_introduction_point_next_time(void **state)
{
	owner_points(2, 0);
	owner_publishes();
	begins_with_descriptor(1);
	line_opens(&rig.line[0]);
	line_acks(&rig.line[0], VX6_CODE_OK);
	rig_pass(VX6_GUESTS_ANSWER_MS + 100);
	for (uint64_t leg = 2; leg < 12; leg++) {
		leg_begins(leg);
		vx6_guests_gone(rig.g, leg);
	}
	assert_int_equal(rig.line[0].said_n, 1);
	assert_int_equal(rig.lines_n, 2);
}

static void owner__does_not_come_under_load__more_effort_next_time(void **state)
{
	struct vx6_guest_show row;

	rig.desc.pow = true;
	rig.desc.pow_expires_s = vx6_wall_s() + 3600;
	owner_publishes();
	begins_with_descriptor(1);
	line_opens(last_line());
	rig_show(&row);
	assert_int_equal(row.effort, 0);
	line_acks(last_line(), VX6_CODE_OK);
	rig_pass(6100);
	rig_show(&row);
	assert_int_equal(row.effort, 8);
	/* and after a while it is tried without */
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(301 * 1000);
	rig_show(&row);
	assert_int_equal(row.effort, 0);
}

static void total__nothing_comes__told_after_twenty_seconds(void **state)
{
	struct vx6_circuit *c = leg_begins(1);
	uint64_t began_ms = vx6_now_ms();

	leg_established(c, VX6_CODE_OK);
	rig_pass(25000);
	assert_failed(c, VX6_E_HS_TIMEOUT, true, "its descriptor is not there");
	assert_in_range(c->at_ms - began_ms, VX6_GUESTS_TOTAL_MS, VX6_GUESTS_TOTAL_MS + 100);
}

/* ---- bounds ---- */

static void gone__at_any_time__nothing_follows(void **state)
{
	leg_begins(1);
	vx6_guests_gone(rig.g, 1);
	fetch_ends(VX6_OK, rig.record, true);
	leg_begins(2);
	vx6_guests_gone(rig.g, 2);
	line_opens(last_line());
	leg_begins(3);
	leg_established(&rig.leg[3], VX6_CODE_CIRC_OOM);
	vx6_guests_gone(rig.g, 3); /* before it was told */
	vx6_guests_gone(rig.g, 3);
	vx6_guests_gone(rig.g, 77);
	leg_meets(leg_begins(4));
	vx6_guests_gone(rig.g, 4);
	rig_pass(30000);
	for (int i = 1; i <= 4; i++)
		assert_false(rig.leg[i].not_joined);
}

static void meetings__too_many__the_rest_is_told(void **state)
{
	struct vx6_guest_show row;

	for (uint64_t leg = 1; leg <= VX6_GUESTS_MEETINGS_MAX + 3; leg++)
		leg_begins(leg);
	rig_pass(1);
	assert_false(rig.leg[VX6_GUESTS_MEETINGS_MAX].not_joined);
	assert_failed(&rig.leg[VX6_GUESTS_MEETINGS_MAX + 1], VX6_E_FULL, true, "too many");
	assert_int_equal(rig.leg[VX6_GUESTS_MEETINGS_MAX + 1].said_n, 0);
	rig_show(&row);
	assert_int_equal(row.waiting_n, VX6_GUESTS_MEETINGS_MAX);
	assert_int_equal(rig.fetches, 1);
	rig_pass(25000);
}

static bool count(void *user, const struct vx6_guest_show *row)
{
	++*(size_t *)user;
	return true;
}

static void services__too_many__the_one_unused_longest_goes(void **state)
{
	struct vx6_guest_access access = {.has_key = true};
	struct vx6_node_id id = rig.id;
	struct vx6_guest_show row;
	size_t n = 0;

	vx6_guests_access(rig.g, &rig.id, &access);
	for (unsigned i = 0; i < VX6_GUESTS_SERVICES_MAX + 50; i++) {
		id.b[0] = (uint8_t)i;
		id.b[1] = (uint8_t)(i >> 8);
		id.b[2] = 1;
		vx6_guests_remember(rig.g, &id, &(struct vx6_guest_seen){1, 1});
	}
	vx6_guests_each(rig.g, count, &n);
	assert_int_equal(n, VX6_GUESTS_SERVICES_MAX);
	/* of which something was told is dearer */
	rig_show(&row);
	assert_true(vx6_node_id_eq(&row.service, &rig.id));
}

/* ---- steps ---- */

static bool take_attempt(void *user, const struct vx6_guest_attempt *a)
{
	*(struct vx6_guest_attempt *)user = *a;
	return false;
}

static bool count_attempt(void *user, const struct vx6_guest_attempt *a)
{
	++*(size_t *)user;
	return true;
}

static void steps__a_meeting__in_order_and_with_their_times(void **state)
{
	const enum vx6_guest_step_kind want[] = {
		VX6_GUEST_FETCH,     VX6_GUEST_RENDEZVOUS, VX6_GUEST_DESCRIPTOR,
		VX6_GUEST_CIRCUIT,   VX6_GUEST_WAITS,      VX6_GUEST_OPEN,
		VX6_GUEST_INTRODUCE, VX6_GUEST_ACK,        VX6_GUEST_MET,
	};
	struct vx6_guest_attempt a = {0};

	leg_builds(1);
	rig_pass(100);
	leg_at_x(&rig.leg[1]);
	rig_pass(50);
	leg_meets(&rig.leg[1]);
	vx6_guests_attempts(rig.g, &rig.id, take_attempt, &a);
	assert_true(a.is_over && vx6_is_ok(a.err));
	assert_int_equal(a.leg, 1);
	assert_int_equal(a.steps_n, VX6_ARRAY_N(want));
	assert_int_equal(rig.steps_n, VX6_ARRAY_N(want));
	for (size_t i = 0; i < VX6_ARRAY_N(want); i++) {
		assert_int_equal(a.step[i].kind, want[i]);
		assert_int_equal(rig.step[i], want[i]);
	}
	/* since it was being built */
	assert_in_range(a.step[0].ms, 0, 5);
	assert_in_range(a.step[1].ms, 100, 105);
	assert_in_range(a.step[2].ms, 150, 155);
	assert_string_equal(vx6_guest_step_text(a.step[8].kind), "met");
}

static void steps__the_lookup_is_one_too(void **state)
{
	struct vx6_guest_attempt a = {0};

	leg_begins(1);
	vx6_guests_attempts(rig.g, &rig.id, take_attempt, &a);
	assert_int_equal(a.steps_n, 2);
	assert_int_equal(a.step[0].kind, VX6_GUEST_FETCH);
	assert_false(a.is_over);
}

static void steps__many_attempts__the_last_are_kept(void **state)
{
	struct vx6_guest_attempt a = {0};
	size_t n = 0;

	for (uint64_t leg = 1; leg <= VX6_GUESTS_ATTEMPTS + 5; leg++) {
		leg_begins(leg);
		vx6_guests_gone(rig.g, leg);
	}
	vx6_guests_attempts(rig.g, NULL, take_attempt, &a);
	assert_int_equal(a.id, VX6_GUESTS_ATTEMPTS + 5);
	assert_true(a.is_over);
	assert_int_equal(a.err.code, VX6_E_CLOSED);
	vx6_guests_attempts(rig.g, &rig.id, count_attempt, &n);
	assert_int_equal(n, VX6_GUESTS_ATTEMPTS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(meet__all_goes_well__one_introduction_and_the_same_keys),
		T(meet__fast_profile__two_relays),
		T(meet__second_leg__over_the_open_circuit_at_once),
		T(meet__circuit_is_being_built__introduced_meanwhile),
		T(meet__circuit_is_being_built_and_it_is_no_use__told_at_once),
		T(line__idle_for_two_minutes__closed),
		T(line__asked_to_leave__not_used_again),
		T(line__has_said_all_that_it_may__another_one),
		T(intro__refuses__the_next_at_once_and_standbys_last),
		T(intro__does_not_answer__the_next_after_three_seconds),
		T(intro__says_that_nobody_answered__the_answer_counts),
		T(intro__lies_that_it_was_not_passed_on__the_answer_counts),
		T(intro__circuit_falls_after_it_was_passed_on__the_answer_counts),
		T(intro__answered_after_all_were_tried__counts),
		T(intro__circuit_is_slow__another_beside_it_and_one_introduction),
		T(intro__circuit_falls__the_next_at_once),
		T(intro__as_many_circuits_as_may_be__one_that_refused_makes_room),
		T(intro__no_circuit_can_be_had__tells_after_all_were_tried),
		T(intro__failed_before__the_last_to_be_asked_by_the_next_leg),
		T(intro__is_the_rendezvous__another_one_is_taken),
		T(intro__all_unknown_since_the_owner_began_anew__newer_descriptor_and_met),
		T(intro__says_what_nobody_asked__circuit_closed_and_the_next),
		T(intro__leg_gone_before_the_answer__the_next_answer_is_anothers),
		T(rend__refuses__told_and_blamed),
		T(rend__silent__told_and_blamed),
		T(rend__answer_of_somebody_else__told_and_blamed),
		T(rend__says_what_it_may_not__told_and_blamed),
		T(rend__takes_no_message__told),
		T(owner__does_not_come__told_and_another_rendezvous_wanted),
		T(owner__does_not_come__another_introduction_point_next_time),
		T(owner__does_not_come_under_load__more_effort_next_time),
		T(total__nothing_comes__told_after_twenty_seconds),
		T(gone__at_any_time__nothing_follows),
		T(meetings__too_many__the_rest_is_told),
		T(services__too_many__the_one_unused_longest_goes),
		T(steps__a_meeting__in_order_and_with_their_times),
		T(steps__the_lookup_is_one_too),
		T(steps__many_attempts__the_last_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
