/* The timeout of builds: before anything is known, learned, and when the network changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "circuit/build_time.h"

static void build_time__nothing_known__grows_with_hops(void **state)
{
	struct vx6_build_times *t = vx6_build_times_new();

	assert_int_equal(vx6_build_times_timeout(t, 1), 2000);
	assert_int_equal(vx6_build_times_timeout(t, 4), 5000);
	assert_int_equal(vx6_build_times_timeout(t, 9), 10000);
	assert_int_equal(vx6_build_times_timeout(t, 99), 10000);
	assert_int_equal(vx6_build_times_stagger(t, 1), 1000);
	assert_int_equal(vx6_build_times_stagger(t, 4), 1000);
	assert_int_equal(vx6_build_times_median(t, 4), 0);
	vx6_build_times_free(t);
}

static void build_time__history__80th_percentile(void **state)
{
	struct vx6_build_times *t = vx6_build_times_new();

	for (uint32_t i = 0; i < 1000; i++)
		vx6_build_times_built(t, 4, 2000 + i % 100 * 10);
	assert_int_equal(vx6_build_times_timeout(t, 4), 2790);
	assert_int_equal(vx6_build_times_stagger(t, 4), 1000);
	assert_int_equal(vx6_build_times_median(t, 4), 2490);
	assert_int_equal(vx6_build_times_timeout(t, 3), 4000);
	for (uint32_t i = 0; i < VX6_BUILD_TIMES_RING; i++)
		vx6_build_times_built(t, 4, 20);
	assert_int_equal(vx6_build_times_timeout(t, 4), VX6_BUILD_TIMEOUT_MIN_MS);
	assert_int_equal(vx6_build_times_stagger(t, 4), 50);
	vx6_build_times_free(t);
}

/* One in five is given up at the 80th percentile, for good: without counting them the timeout would shrink with each round. */
static void build_time__those_given_up__do_not_shrink_it(void **state)
{
	struct vx6_build_times *t = vx6_build_times_new();
	uint32_t ms = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t took = 2000 + i * 37 % 1000;

		ms = vx6_build_times_timeout(t, 4);
		if (took > ms)
			vx6_build_times_timed_out(t, 4);
		else
			vx6_build_times_built(t, 4, took);
	}
	assert_true(ms > 2600 && ms < 3800);
	vx6_build_times_free(t);
}

/* Half of them fail: the other half says when a second one is to begin. */
static void build_time__those_given_up__do_not_delay_a_second_one(void **state)
{
	struct vx6_build_times *t = vx6_build_times_new();

	for (uint32_t i = 0; i < 40; i++) {
		vx6_build_times_built(t, 3, 120);
		vx6_build_times_timed_out(t, 3);
	}
	assert_int_equal(vx6_build_times_stagger(t, 3), 120);
	vx6_build_times_free(t);
}

static void build_time__run_of_timeouts__doubles_and_starts_anew(void **state)
{
	struct vx6_build_times *t = vx6_build_times_new();

	for (uint32_t i = 0; i < 50; i++)
		vx6_build_times_built(t, 4, 1500);
	for (int i = 0; i < VX6_BUILD_TIMES_RUN - 1; i++)
		vx6_build_times_timed_out(t, 4);
	assert_int_equal(vx6_build_times_timeout(t, 4), 1500);
	assert_int_equal(vx6_build_times_stagger(t, 4), 750);
	vx6_build_times_timed_out(t, 4);
	assert_int_equal(vx6_build_times_timeout(t, 4), 3000);
	for (int i = 0; i < 2 * VX6_BUILD_TIMES_RUN; i++)
		vx6_build_times_timed_out(t, 4);
	assert_int_equal(vx6_build_times_timeout(t, 4), VX6_BUILD_TIMEOUT_MAX_MS);
	for (int i = 0; i < VX6_BUILD_TIMES_ENOUGH; i++)
		vx6_build_times_built(t, 4, 2500);
	assert_int_equal(vx6_build_times_timeout(t, 4), 2500);
	vx6_build_times_reset(t);
	assert_int_equal(vx6_build_times_timeout(t, 4), 5000);
	vx6_build_times_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_time__nothing_known__grows_with_hops),
		cmocka_unit_test(build_time__history__80th_percentile),
		cmocka_unit_test(build_time__those_given_up__do_not_shrink_it),
		cmocka_unit_test(build_time__those_given_up__do_not_delay_a_second_one),
		cmocka_unit_test(build_time__run_of_timeouts__doubles_and_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
