/* The JSON writer: commas, escapes, limits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"

static void assert_text(struct vx6_json *j, const char *expected)
{
	char *text = vx6_json_take(j);

	assert_string_equal(text, expected);
	free(text);
}

static void nested__commas_where_they_belong(void **state)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_u64(&j, "a", UINT64_MAX);
	vx6_json_array(&j, "list");
	vx6_json_i64(&j, NULL, -5);
	vx6_json_object(&j, NULL);
	vx6_json_end_object(&j);
	vx6_json_bool(&j, NULL, true);
	vx6_json_end_array(&j);
	vx6_json_str(&j, "none", NULL);
	vx6_json_real(&j, "half", 0.5);
	vx6_json_raw(&j, "raw", "[1,2]");
	vx6_json_end_object(&j);
	assert_text(&j, "{\"a\":18446744073709551615,\"list\":[-5,{},true],\"none\":null,\"half\":"
			"0.5,\"raw\":[1,2]}");
}

static void strings__are_escaped_and_always_utf8(void **state)
{
	struct vx6_json j = {0};

	vx6_json_array(&j, NULL);
	vx6_json_str(&j, NULL, "\"\\\n\x01/");
	vx6_json_str(&j, NULL, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7");
	vx6_json_str(&j, NULL, "\xff|\xc3|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80");
	vx6_json_end_array(&j);
	assert_text(
		&j,
		"[\"\\\"\\\\\\u000a\\u0001/\",\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7\","
		"\"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
		"\\ufffd\\ufffd\\ufffd\\ufffd\"]");
}

static void numbers__that_json_has_no_word_for__are_zero(void **state)
{
	struct vx6_json j = {0};

	vx6_json_array(&j, NULL);
	vx6_json_real(&j, NULL, (double)NAN);
	vx6_json_real(&j, NULL, (double)INFINITY);
	vx6_json_end_array(&j);
	assert_text(&j, "[0,0]");
}

static void text__above_the_limit__is_an_empty_object_and_says_so(void **state)
{
	struct vx6_json j = {0};
	char *big = malloc(100001);

	memset(big, 'x', 100000);
	big[100000] = 0;
	vx6_json_array(&j, NULL);
	for (int i = 0; i < 12; i++)
		vx6_json_str(&j, NULL, big);
	vx6_json_end_array(&j);
	assert_true(j.full);
	assert_text(&j, "{}");
	free(big);
}

/* ---- its neighbours ---- */

static void time__is_rfc_3339(void **state)
{
	char text[VX6_TIME_TEXT];

	assert_string_equal(vx6_time_format(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(vx6_time_format(UINT64_C(1771000000123), text),
			    "2026-02-13T16:26:40.123Z");
	assert_string_equal(vx6_time_format(UINT64_MAX, text), "9999-12-31T23:59:59.999Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested__commas_where_they_belong),
		cmocka_unit_test(strings__are_escaped_and_always_utf8),
		cmocka_unit_test(numbers__that_json_has_no_word_for__are_zero),
		cmocka_unit_test(text__above_the_limit__is_an_empty_object_and_says_so),
		cmocka_unit_test(time__is_rfc_3339),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
