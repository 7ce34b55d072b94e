/* Proofs of work of a guest: made on workers, so time is real here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/puzzle.h"
#include "crypto/secret.h"
#include "guest_rig.h"
#include "wire/code.h"

enum { EFFORT = 10, PATIENCE_MS = 15000 };

static int setup(void **state)
{
	int rc = rig_setup(state);

	rig.desc.pow = true;
	rig.desc.pow_effort = EFFORT;
	rig.desc.pow_expires_s = vx6_wall_s() + 3600;
	vx6_random_bytes(rig.desc.pow_seed, sizeof rig.desc.pow_seed);
	owner_publishes();
	return rc;
}

static bool wait_for_said(const struct vx6_bare *b, int n)
{
	uint64_t until_ms = vx6_now_ms() + PATIENCE_MS;

	while (b->said_n < n && vx6_now_ms() < until_ms)
		rig_pass(5);
	return b->said_n >= n;
}

static uint32_t proved(const struct vx6_bare *b)
{
	struct vx6_hs_names names;
	struct vx6_puzzle puzzle = {0};
	struct vx6_introduce1 i;
	uint32_t effort;

	assert_true(vx6_is_ok(vx6_hs_names(&rig.service.pk, rig.desc.period, &names)));
	memcpy(puzzle.seed, rig.desc.pow_seed, sizeof puzzle.seed);
	memcpy(puzzle.blinded, names.blinded.b, sizeof puzzle.blinded);
	assert_true(vx6_is_ok(vx6_introduce1_decode(b->said, sizeof b->said, &i)));
	assert_true(vx6_is_ok(vx6_puzzle_verify(&puzzle, i.pow, &effort)));
	return effort;
}

static void proof__asked_for__nothing_is_said_before_it_is_there(void **state)
{
	struct vx6_circuit *c = leg_begins(1);

	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	assert_int_equal(last_line()->said_n, 0);
	assert_true(wait_for_said(last_line(), 1));
	assert_true(proved(last_line()) >= EFFORT);
	leg_established(c, VX6_CODE_OK);
	line_acks(last_line(), VX6_CODE_OK);
	owner_meets(last_line(), c);
}

static void proof__found_before_the_circuit_is_open__sent_with_it(void **state)
{
	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(1200);
	line_opens(&rig.line[0]);
	assert_true(wait_for_said(&rig.line[0], 1));
	assert_true(proved(&rig.line[0]) >= EFFORT);
}

static void proof__refused_by_the_point__the_next_gets_the_same(void **state)
{
	uint8_t first[VX6_HS_POW];
	struct vx6_introduce1 i;

	leg_begins(1);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	assert_true(wait_for_said(last_line(), 1));
	assert_true(
		vx6_is_ok(vx6_introduce1_decode(last_line()->said, sizeof last_line()->said, &i)));
	memcpy(first, i.pow, sizeof first);
	line_acks(last_line(), VX6_CODE_INTRO_RATE);
	line_opens(last_line());
	assert_int_equal(last_line()->said_n, 1);
	assert_true(
		vx6_is_ok(vx6_introduce1_decode(last_line()->said, sizeof last_line()->said, &i)));
	assert_memory_equal(first, i.pow, sizeof first);
}

static void proof__many_at_once__all_are_made_in_turn(void **state)
{
	for (uint64_t leg = 1; leg <= 5; leg++)
		leg_begins(leg);
	fetch_ends(VX6_OK, rig.record, true);
	line_opens(last_line());
	vx6_guests_gone(rig.g, 2); /* with a worker */
	vx6_guests_gone(rig.g, 5); /* without one */
	for (int n = 1; n <= 3; n++) {
		assert_true(wait_for_said(&rig.line[0], n));
		line_acks(&rig.line[0], VX6_CODE_OK);
	}
	rig_pass(50);
	assert_int_equal(rig.line[0].said_n, 3);
}

static void proof__guests_go__no_worker_comes_back(void **state)
{
	rig.desc.pow_effort = VX6_GUESTS_EFFORT_MAX * 100;
	owner_publishes();
	for (uint64_t leg = 1; leg <= 4; leg++)
		leg_begins(leg);
	fetch_ends(VX6_OK, rig.record, true);
	rig_pass(50);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(proof__asked_for__nothing_is_said_before_it_is_there),
		T(proof__found_before_the_circuit_is_open__sent_with_it),
		T(proof__refused_by_the_point__the_next_gets_the_same),
		T(proof__many_at_once__all_are_made_in_turn),
		T(proof__guests_go__no_worker_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
