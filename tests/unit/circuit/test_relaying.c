#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "circuit/relaying.h"

static void relaying__text__round_trips_and_rejects_others(void **state)
{
	enum vx6_relaying mode;

	for (int i = VX6_RELAYING_PUBLIC; i <= VX6_RELAYING_OFF; i++) {
		assert_true(vx6_relaying_parse(vx6_relaying_text((enum vx6_relaying)i), &mode));
		assert_int_equal(mode, i);
	}
	assert_false(vx6_relaying_parse("", &mode));
	assert_false(vx6_relaying_parse("on", &mode));
}

static void relaying_apply__only_what_is_said__changes(void **state)
{
	struct vx6_relaying_budget b = {.mode = VX6_RELAYING_PRIVATE,
					.circuits = 1,
					.memory_mb = 8,
					.rate_mbit = 3};
	const struct vx6_relaying_budget before = b;
	struct vx6_relaying_change c = {.to = {.mode = VX6_RELAYING_OFF}};

	vx6_relaying_apply(&b, &c);
	assert_true(vx6_relaying_eq(&b, &before));
	c.has_mode = c.has_memory = true;
	vx6_relaying_apply(&b, &c);
	assert_false(vx6_relaying_eq(&b, &before));
	assert_int_equal(b.mode, VX6_RELAYING_OFF);
	assert_int_equal(b.memory_mb, 0);
	assert_int_equal(b.circuits, 1);
	assert_int_equal(b.rate_mbit, 3);
	c = (struct vx6_relaying_change){.has_circuits = true, .has_rate = true, .to.circuits = 5};
	vx6_relaying_apply(&b, &c);
	assert_int_equal(b.circuits, 5);
	assert_int_equal(b.rate_mbit, 0);
}

static void relaying_whole__nothing_said__is_as_built_in(void **state)
{
	const struct vx6_relaying_budget none = {.mode = VX6_RELAYING_PUBLIC},
					 some = {.circuits = 7, .memory_mb = 9, .rate_mbit = 2};
	struct vx6_relaying_budget whole = vx6_relaying_whole(&none);

	assert_int_equal(whole.circuits, VX6_RELAYING_CIRCUITS);
	assert_int_equal(whole.memory_mb, VX6_RELAYING_MEMORY_MB);
	assert_int_equal(whole.rate_mbit, 0);
	whole = vx6_relaying_whole(&some);
	assert_true(vx6_relaying_eq(&whole, &some));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relaying__text__round_trips_and_rejects_others),
		cmocka_unit_test(relaying_apply__only_what_is_said__changes),
		cmocka_unit_test(relaying_whole__nothing_said__is_as_built_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
