/* Receive credit: when it is granted, how windows grow, and what several links may grow by together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "transport/mux/mux_internal.h"

enum { KIB = 1024, MIB = 1024 * KIB, RTT_US = 80000 };
#define RTT_NS ((uint64_t)RTT_US * 1000)

static uint64_t now_ns;

static struct mux_credit of(uint32_t window, uint32_t window_max, struct mux_growth *growth)
{
	struct mux_credit c;

	now_ns = 10 * VX6_NS_PER_S;
	credit_init(&c, window, window_max, now_ns);
	c.growth = growth;
	return c;
}

static void assert_whole(const struct mux_credit *c)
{
	assert_int_equal(c->avail + c->held + c->freed, c->window);
	assert_true(c->window <= c->window_max);
}

/* So many bytes came and were read, and are granted again if that is due. @return what was granted */
static uint32_t read_bytes(struct mux_credit *c, uint32_t n)
{
	uint32_t granted = 0;

	assert_true(n <= c->avail);
	c->avail -= n;
	c->freed += n;
	if (credit_is_due(c))
		granted = credit_grant(c, now_ns, RTT_US);
	assert_whole(c);
	return granted;
}

/* A quarter of the window after the other, each so long after the one before. */
static void drain(struct mux_credit *c, int quarters, uint64_t apart_ns)
{
	for (int i = 0; i < quarters; i++) {
		now_ns += apart_ns;
		read_bytes(c, c->window / 4);
	}
}

static void grant__due_at_a_quarter_of_the_window(void **state)
{
	struct mux_credit c = of(256 * KIB, 256 * KIB, NULL);

	assert_int_equal(read_bytes(&c, 64 * KIB - 1), 0);
	assert_int_equal(read_bytes(&c, 1), 64 * KIB);
	assert_int_equal(c.avail, 256 * KIB);
}

static void window__half_of_it_drained_in_two_round_trips__doubles_up_to_the_most(void **state)
{
	struct mux_credit c = of(256 * KIB, 768 * KIB, NULL);

	drain(&c, 1, RTT_NS / 2);
	assert_int_equal(c.window, 256 * KIB);
	drain(&c, 1, RTT_NS / 2);
	assert_int_equal(c.window, 512 * KIB);
	drain(&c, 10, RTT_NS / 2);
	assert_int_equal(c.window, 768 * KIB);
}

static void window__half_of_it_takes_longer__stays(void **state)
{
	struct mux_credit c = of(256 * KIB, 8 * MIB, NULL);

	drain(&c, 1, RTT_NS);
	drain(&c, 20, RTT_NS + 1);
	assert_int_equal(c.window, 256 * KIB);
}

static void growth__in_sum__never_more_than_there_is(void **state)
{
	struct mux_growth g = {.max = 4 * MIB};
	struct mux_credit c[3];

	for (int i = 0; i < 3; i++)
		c[i] = of(1 * MIB, 8 * MIB, &g);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 3; i++) {
			drain(&c[i], 2, RTT_NS / 4);
			assert_true(g.used <= g.max);
			assert_int_equal(g.used, c[0].grown + c[1].grown + c[2].grown);
			assert_int_equal(c[i].window, 1 * MIB + c[i].grown);
		}
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(c[i].grown, g.max / 5, g.max / 3);
}

static void growth__all_of_it_with_one_link__a_later_one_gets_a_share(void **state)
{
	struct mux_growth g = {.max = 4 * MIB};
	struct mux_credit first = of(1 * MIB, 8 * MIB, &g), later = first;

	drain(&first, 20, RTT_NS / 4);
	assert_in_range(first.grown, g.max / 2 - 256 * KIB, g.max / 2);
	for (int i = 0; i < 20; i++) {
		drain(&first, 2, RTT_NS / 4);
		drain(&later, 2, RTT_NS / 4);
	}
	assert_in_range(later.grown, g.max / 4, g.max / 2);
	assert_in_range(first.grown, g.max / 4, g.max / 2);
}

static void growth__none_left__windows_keep_their_first_size(void **state)
{
	struct mux_growth g = {.max = 0};
	struct mux_credit c = of(1 * MIB, 8 * MIB, &g);

	drain(&c, 20, RTT_NS / 4);
	assert_int_equal(c.window, 1 * MIB);
	assert_int_equal(g.used, 0);
}

static void growth__budget_made_smaller__given_back_as_it_is_drained(void **state)
{
	struct mux_growth g = {.max = 8 * MIB};
	struct mux_credit c = of(1 * MIB, 8 * MIB, &g);

	drain(&c, 12, RTT_NS / 4);
	assert_true(g.used >= 3 * MIB);
	g.max = 2 * MIB;
	drain(&c, 40, RTT_NS);
	assert_true(g.used <= 2 * MIB);
	assert_int_equal(c.window, 1 * MIB + g.used);
}

static void growth__end_of_the_link__all_of_it_is_back(void **state)
{
	struct mux_growth g = {.max = 8 * MIB};
	struct mux_credit c = of(1 * MIB, 8 * MIB, &g);

	drain(&c, 12, RTT_NS / 4);
	assert_true(g.used > 0);
	credit_end(&c);
	credit_end(&c);
	assert_int_equal(g.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grant__due_at_a_quarter_of_the_window),
		cmocka_unit_test(
			window__half_of_it_drained_in_two_round_trips__doubles_up_to_the_most),
		cmocka_unit_test(window__half_of_it_takes_longer__stays),
		cmocka_unit_test(growth__in_sum__never_more_than_there_is),
		cmocka_unit_test(growth__all_of_it_with_one_link__a_later_one_gets_a_share),
		cmocka_unit_test(growth__none_left__windows_keep_their_first_size),
		cmocka_unit_test(growth__budget_made_smaller__given_back_as_it_is_drained),
		cmocka_unit_test(growth__end_of_the_link__all_of_it_is_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
