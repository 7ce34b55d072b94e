/* Randomness by seed, and what is told of samples. */
#include "tests/sim/unit/common.h"

#include "tests/sim/engine/rng.h"
#include "tests/sim/engine/stats.h"

static void derive__same_seed__same_numbers(void **state)
{
	struct sim_rng a, b, other, next;

	sim_rng_derive(&a, 7, "links", 3);
	sim_rng_derive(&b, 7, "links", 3);
	sim_rng_derive(&other, 7, "churn", 3);
	sim_rng_derive(&next, 7, "links", 4);
	for (int i = 0; i < 100; i++) {
		uint64_t x = sim_rng_u64(&a);

		assert_true(x == sim_rng_u64(&b));
		assert_true(x != sim_rng_u64(&other));
		assert_true(x != sim_rng_u64(&next));
	}
}

static void below__many_draws__even_and_inside(void **state)
{
	struct sim_rng r;
	unsigned seen[7] = {0};

	sim_rng_seed(&r, 1);
	for (int i = 0; i < 70000; i++) {
		uint64_t x = sim_rng_below(&r, 7);

		assert_true(x < 7);
		seen[x]++;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], 9500, 10500);
}

static void medians__are_what_was_asked_for(void **state)
{
	struct sim_sample e = {0}, l = {0};
	struct sim_rng r;

	sim_rng_seed(&r, 2);
	for (int i = 0; i < 20001; i++) {
		sim_sample_add(&e, sim_rng_exponential(&r, 3600));
		sim_sample_add(&l, sim_rng_lognormal(&r, 600, 1.0));
	}
	assert_in_range((uint64_t)sim_sample_percentile(&e, 50), 3450, 3750);
	assert_in_range((uint64_t)sim_sample_percentile(&l, 50), 575, 625);
	sim_sample_fini(&e);
	sim_sample_fini(&l);
}

static void shuffle__keeps_all_and_moves_them(void **state)
{
	uint32_t v[100], moved = 0, seen[100] = {0};
	struct sim_rng r;

	sim_rng_seed(&r, 3);
	for (uint32_t i = 0; i < 100; i++)
		v[i] = i;
	sim_rng_shuffle(&r, v, 100);
	for (uint32_t i = 0; i < 100; i++) {
		seen[v[i]]++;
		moved += v[i] != i;
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_true(moved > 80);
}

static void percentile__nearest_rank(void **state)
{
	struct sim_sample s = {0};

	assert_true(sim_sample_percentile(&s, 50) == 0);
	for (int i = 10; i >= 1; i--)
		sim_sample_add(&s, i);
	assert_true(sim_sample_percentile(&s, 50) == 5);
	assert_true(sim_sample_percentile(&s, 90) == 9);
	assert_true(sim_sample_percentile(&s, 99) == 10);
	assert_true(sim_sample_percentile(&s, 0) == 1);
	assert_true(sim_sample_mean(&s) == 5.5);
	sim_sample_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derive__same_seed__same_numbers),
		cmocka_unit_test(below__many_draws__even_and_inside),
		cmocka_unit_test(medians__are_what_was_asked_for),
		cmocka_unit_test(shuffle__keeps_all_and_moves_them),
		cmocka_unit_test(percentile__nearest_rank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
