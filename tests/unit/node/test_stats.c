/* The ring of numbers: what it keeps, and how it puts them into steps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/util.h"
#include "node/stats_internal.h"

enum { BEGIN = 1700000000 };

static struct vx6_stats *st;

static int setup(void **state)
{
	st = stats_new();
	return 0;
}

static int teardown(void **state)
{
	stats_free(st);
	return 0;
}

/* A counter that rises by 50 a look, and a gauge that is the number of the look. */
static void add(uint64_t wall_s, uint64_t k)
{
	struct vx6_stats_sample s = {.wall_s = wall_s};

	s.value[VX6_STAT_RX] = 50 * k;
	s.value[VX6_STAT_SESSIONS] = k;
	stats_add(st, &s);
}

static void stats__nothing_yet__is_no_sample(void **state)
{
	struct vx6_stats_sample s;
	double out[2];
	size_t n;

	assert_false(stats_newest(st, &s, &n));
	assert_int_equal(n, 0);
	stats_steps(st, VX6_STAT_RX, BEGIN, 10, out, 2);
	assert_true(isnan(out[0]) && isnan(out[1]));
}

static void stats__steps__are_means_of_gauges_and_rates_of_counters(void **state)
{
	double out[4];

	for (uint64_t k = 0; k < 12; k++)
		add(BEGIN + 10 * k, k);
	stats_steps(st, VX6_STAT_SESSIONS, BEGIN, 30, out, 4);
	for (int i = 0; i < 4; i++)
		assert_true(fabs(out[i] - (3 * i + 1)) < 1e-9);
	stats_steps(st, VX6_STAT_RX, BEGIN, 30, out, 4);
	for (int i = 0; i < 4; i++)
		assert_true(fabs(out[i] - 5) < 1e-9);
	stats_steps(st, VX6_STAT_RX, BEGIN, 10, out, 2);
	assert_true(isnan(out[0])); /* there is nothing before it to rise from */
	assert_true(fabs(out[1] - 5) < 1e-9);
}

static void stats__a_gap__is_nothing_and_then_a_mean_over_it(void **state)
{
	double out[5];

	add(BEGIN, 0);
	add(BEGIN + 10, 1);
	add(BEGIN + 40, 2); /* the machine slept */
	stats_steps(st, VX6_STAT_RX, BEGIN, 10, out, 5);
	assert_true(isnan(out[0]) && isnan(out[2]) && isnan(out[3]));
	assert_true(fabs(out[1] - 5) < 1e-9 && fabs(out[4] - 50.0 / 30) < 1e-9);
}

static void stats__clock_set_back__waits_until_it_is_later_again(void **state)
{
	struct vx6_stats_sample s;
	size_t n;

	add(BEGIN, 1);
	add(BEGIN - 100, 2);
	add(BEGIN, 3);
	assert_true(stats_newest(st, &s, &n));
	assert_int_equal(n, 1);
	assert_int_equal(s.value[VX6_STAT_SESSIONS], 1);
	add(BEGIN + 10, 4);
	assert_true(stats_newest(st, &s, &n));
	assert_int_equal(n, 2);
	assert_int_equal(s.wall_s, BEGIN + 10);
}

static void stats__counter__never_falls(void **state)
{
	double out[2];

	add(BEGIN, 10);
	add(BEGIN + 10, 8);
	add(BEGIN + 20, 11);
	stats_steps(st, VX6_STAT_RX, BEGIN + 10, 10, out, 2);
	assert_true(fabs(out[0]) < 1e-9 && fabs(out[1] - 5) < 1e-9);
	stats_steps(st, VX6_STAT_SESSIONS, BEGIN + 10, 10, out, 1);
	assert_true(fabs(out[0] - 8) < 1e-9);
}

static void stats__more_than_a_day__drops_the_oldest(void **state)
{
	struct vx6_stats_sample s;
	double out[3];
	size_t n;

	for (uint64_t k = 0; k < VX6_STATS_SAMPLES + 5; k++)
		add(BEGIN + 10 * k, k);
	assert_true(stats_newest(st, &s, &n));
	assert_int_equal(n, VX6_STATS_SAMPLES);
	assert_int_equal(s.value[VX6_STAT_SESSIONS], VX6_STATS_SAMPLES + 4);
	stats_steps(st, VX6_STAT_SESSIONS, BEGIN + 40, 10, out, 3);
	assert_true(isnan(out[0]));
	assert_true(fabs(out[1] - 5) < 1e-9 && fabs(out[2] - 6) < 1e-9);
}

static void stats__names__are_different(void **state)
{
	for (size_t i = 0; i < VX6_STATS_N; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(vx6_stat_infos[i].name, vx6_stat_infos[k].name);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(stats__nothing_yet__is_no_sample),
		TEST(stats__steps__are_means_of_gauges_and_rates_of_counters),
		TEST(stats__a_gap__is_nothing_and_then_a_mean_over_it),
		TEST(stats__clock_set_back__waits_until_it_is_later_again),
		TEST(stats__counter__never_falls),
		TEST(stats__more_than_a_day__drops_the_oldest),
		TEST(stats__names__are_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
