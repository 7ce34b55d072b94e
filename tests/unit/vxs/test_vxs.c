#include <string.h>

#include "tests/unit/vectors.h"
#include "wire/code.h"
#include "world.h"

static void vxs__nothing_cut__both_ways_and_nothing_left(void **state)
{
	struct world w;

	world_start(&w, 1, 0, 0);
	world_open(&w, 100000, 200000);
	assert_true(world_until(&w, apps_done));
	assert_int_equal(w.end[0].app.got, 200000);
	assert_int_equal(w.end[1].app.got, 100000);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vxs__nothing_cut__both_ways_and_nothing_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
