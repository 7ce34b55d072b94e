/* The text of OpenMetrics, and when it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "api/server/openmetrics.h"
#include "base/util.h"

static void becomes(const char *from, const char *to)
{
	size_t n;
	char *text = vx6_openmetrics_from(from, &n);

	assert_non_null(text);
	assert_string_equal(text, to);
	assert_int_equal(n, strlen(to));
	free(text);
}

static void from__heads_of_counters__lose_their_suffix(void **state)
{
	becomes("", "# EOF\n");
	becomes("# HELP a_total b_total.\n# TYPE a_total counter\na_total{x=\"_total\"} 1\n",
		"# HELP a b_total.\n# TYPE a counter\na_total{x=\"_total\"} 1\n# EOF\n");
	becomes("# HELP a All.\n# TYPE a gauge\na 1\n# HELP b_total B.\n# TYPE b_total "
		"counter\nb_total 2\n",
		"# HELP a All.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b counter\nb_total 2\n# "
		"EOF\n");
	becomes("# HELP _total x\n", "# HELP _total x\n# EOF\n");
	becomes("# TYPE a_total", "# TYPE a# EOF\n");
}

static void from__counter_beside_a_gauge_of_its_name__is_unknown(void **state)
{
	becomes("# HELP a_total A.\n# TYPE a_total counter\na_total 2\n# HELP a B.\n# TYPE a "
		"gauge\na 1\n",
		"# HELP a_total A.\n# TYPE a_total unknown\na_total 2\n# HELP a B.\n# TYPE a "
		"gauge\na 1\n# EOF\n");
}

static void wanted__by_accept(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/plain", false},
		{"application/openmetrics-text", true},
		{"Application/OpenMetrics-Text; version=1.0.0", true},
		{"application/openmetrics-text;version=1.0.0;q=0.5,application/"
		 "openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		 true},
		{"application/openmetrics-text;q=0.1,text/plain", false},
		{"text/plain;q=0.2, application/openmetrics-text; q=0.3", true},
		{"application/openmetrics-text;q=0", false},
		{"application/openmetrics-textual", false},
		{",,, ,", false},
		{"application/openmetrics-text;q=", false},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++)
		if (vx6_openmetrics_wanted(cases[i].accept) != cases[i].open)
			fail_msg("%s", cases[i].accept ? cases[i].accept : "(none)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from__heads_of_counters__lose_their_suffix),
		cmocka_unit_test(from__counter_beside_a_gauge_of_its_name__is_unknown),
		cmocka_unit_test(wanted__by_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
