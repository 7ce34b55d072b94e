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
#include "base/log.h"

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

static char seen[2000];

static void sink(enum vx6_log_level level, const char *domain, const char *line, void *user)
{
	strcpy(seen, line);
}

static void log__control_bytes__cannot_forge_a_line(void **state)
{
	vx6_log_set_sink(sink, NULL);
	VX6_INFO("test", "%s", "a\nerror b\x1b[31m\x7f");
	assert_string_equal(seen, "a?error b?[31m?");
	vx6_log_set_level(VX6_LOG_ERROR);
	VX6_INFO("test", "not written");
	assert_string_equal(seen, "a?error b?[31m?");
	vx6_log_set_level(VX6_LOG_INFO);
	vx6_log_set_sink(NULL, NULL);
}

static void log__peers_addresses__are_hidden_unless_debug(void **state)
{
	struct vx6_log_addr_buf buf;
	struct vx6_addr v6, v4;

	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8::77]:4242", &v6)));
	assert_true(vx6_is_ok(vx6_addr_parse("192.0.2.77:4242", &v4)));
	assert_null(strstr(vx6_log_addr(&v6, &buf), "77"));
	assert_null(strstr(vx6_log_addr(&v4, &buf), "77"));
	vx6_log_set_level(VX6_LOG_DEBUG);
	assert_string_equal(vx6_log_addr(&v6, &buf), "[2001:db8::77]:4242");
	vx6_log_set_level(VX6_LOG_INFO);
}

static void log__burst__is_cut(void **state)
{
	struct vx6_ratelimit rl = {0};
	int allowed = 0;

	for (int i = 0; i < 1000; i++)
		allowed += vx6_log_allow(&rl, "test", 5, 60000);
	assert_int_equal(allowed, 5);
	assert_int_equal(rl.suppressed, 995);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested__commas_where_they_belong),
		cmocka_unit_test(strings__are_escaped_and_always_utf8),
		cmocka_unit_test(numbers__that_json_has_no_word_for__are_zero),
		cmocka_unit_test(text__above_the_limit__is_an_empty_object_and_says_so),
		cmocka_unit_test(time__is_rfc_3339),
		cmocka_unit_test(log__control_bytes__cannot_forge_a_line),
		cmocka_unit_test(log__peers_addresses__are_hidden_unless_debug),
		cmocka_unit_test(log__burst__is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
