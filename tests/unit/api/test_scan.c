#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json/tree.h"

static int scan_n(const char *p, size_t n)
{
	struct vx6_scan_fault fault = {0};
	char *copy = malloc(n ? n : 1); /* exact size: a read beyond it is found by the sanitizer */
	vx6_err err;

	memcpy(copy, p, n);
	err = vx6_json_scan(copy, n, &fault);
	if (!vx6_is_ok(err))
		assert_non_null(fault.text);
	free(copy);
	return err.code;
}

static int scan(const char *text)
{
	return scan_n(text, strlen(text));
}

static void scan__json_of_every_kind__passes(void **state)
{
	static const char *const good[] = {"null",
					   "true",
					   " false ",
					   "0",
					   "-0",
					   "-0.5e+3",
					   "1E2",
					   "9007199254740991",
					   "\"\"",
					   "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac\"",
					   "\"\\ud83d\\ude00 \xf0\x9f\x98\x80 \xc3\xa9\"",
					   "[]",
					   "[1,[2],{}]",
					   "{\"a\":1,\"b\":{\"a\":2},\"A\":3}",
					   "\t{\n\"k\" : [ ] }\r\n",
					   "[{\"a\":1},{\"a\":1}]"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(scan(good[i]), VX6_E_OK);
}

static void scan__what_readers_disagree_on__is_refused(void **state)
{
	static const char *const bad[] = {"",
					  " ",
					  "nul",
					  "nulll",
					  "True",
					  "01",
					  "-",
					  "+1",
					  ".5",
					  "1.",
					  "1e",
					  "0x1",
					  "NaN",
					  "Infinity",
					  "1e999",
					  "9007199254740992",
					  "-9007199254740993",
					  "\"",
					  "\"\\x\"",
					  "\"\\u12\"",
					  "\"\\u0000\"",
					  "\"\\ud800\"",
					  "\"\\ud800\\u0041\"",
					  "\"\\udc00\"",
					  "\"\t\"",
					  "\"\xc0\xaf\"",
					  "\"\xed\xa0\x80\"",
					  "\"\xf5\x80\x80\x80\"",
					  "\"\xe2\x82\"",
					  "\"\xff\"",
					  "\xef\xbb\xbf{}",
					  "[",
					  "[1",
					  "[1,]",
					  "[,1]",
					  "[1 2]",
					  "{",
					  "{\"a\"",
					  "{\"a\":",
					  "{\"a\":1",
					  "{\"a\":1,}",
					  "{a:1}",
					  "{'a':1}",
					  "{1:1}",
					  "{}{}",
					  "{} x",
					  "[]]",
					  "// c\n1",
					  "1 /* c */"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (scan(bad[i]) == VX6_E_OK)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(scan_n("{}\0", 3), VX6_E_FORMAT);
	assert_int_equal(scan_n("\"a\0b\"", 5), VX6_E_FORMAT);
}

static void scan__same_key_however_written__is_refused(void **state)
{
	assert_int_equal(scan("{\"a\":1,\"a\":2}"), VX6_E_FORMAT);
	assert_int_equal(scan("{\"a\":1,\"\\u0061\":2}"), VX6_E_FORMAT);
	assert_int_equal(scan("{\"\\/\":1,\"/\":2}"), VX6_E_FORMAT);
	assert_int_equal(scan("{\"\\n\":1,\"\\u000a\":2}"), VX6_E_FORMAT);
	assert_int_equal(scan("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"), VX6_E_FORMAT);
	assert_int_equal(scan("{\"x\":{\"a\":1,\"b\":2,\"a\":3}}"), VX6_E_FORMAT);
	assert_int_equal(scan("{\"x\":{\"a\":1},\"y\":{\"a\":1},\"a\":1}"), VX6_E_OK);
}

static char *nested(char open, char close, size_t depth)
{
	char *text = malloc(2 * depth + 1);

	memset(text, open, depth);
	memset(text + depth, close, depth);
	text[2 * depth] = 0;
	return text;
}

static void scan__depth_and_member_limits__hold(void **state)
{
	char *ok = nested('[', ']', VX6_SCAN_DEPTH), *deep = nested('[', ']', VX6_SCAN_DEPTH + 1),
	     *bomb = nested('[', ']', 100000);
	char *many = malloc(16 * 2000);
	size_t n = 0;

	assert_int_equal(scan(ok), VX6_E_OK);
	assert_int_equal(scan(deep), VX6_E_LIMIT);
	assert_int_equal(scan(bomb), VX6_E_LIMIT);
	n += (size_t)sprintf(many + n, "{");
	for (int i = 0; i < VX6_SCAN_MEMBERS + 1; i++)
		n += (size_t)sprintf(many + n, "%s\"%d\":0", i ? "," : "", i);
	sprintf(many + n, "}");
	assert_int_equal(scan(many), VX6_E_LIMIT);
	assert_int_equal(scan("0.00000000000000000000000000000000000000000001"), VX6_E_LIMIT);
	free(ok);
	free(deep);
	free(bomb);
	free(many);
}

static void scan__every_truncation__is_refused(void **state)
{
	const char *text = "{\"name\":\"w\\u00e9b\xf0\x9f\x98\x80\",\"list\":[1,-2.5e3,true,null,{"
			   "\"x\":\"y\"}]}";

	for (size_t n = 0; n < strlen(text); n++)
		assert_int_not_equal(scan_n(text, n), VX6_E_OK);
	assert_int_equal(scan(text), VX6_E_OK);
}

static struct vx6_value *parse(const char *text)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v;

	assert_true(vx6_is_ok(vx6_value_parse(text, strlen(text), &v, &fault)));
	return v;
}

/* The table of RFC 7396, appendix A. */
static void value_merge__cases_of_the_rfc__match(void **state)
{
	static const char *const cases[][3] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		 "{\"a\":{\"b\":\"d\"}}"},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
		{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
		{"{\"a\":\"foo\"}", "null", "null"},
		{"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
		{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct vx6_value *patch = parse(cases[i][1]),
				 *out = vx6_value_merge(parse(cases[i][0]), patch);
		char *text = vx6_value_text(out);

		assert_string_equal(text, cases[i][2]);
		free(text);
		vx6_value_free(out);
		vx6_value_free(patch);
	}
}

static void value_get__other_case__finds_nothing(void **state)
{
	struct vx6_value *v = parse("{\"Name\":1,\"list\":[\"x\",true]}");

	assert_null(vx6_value_get(v, "name"));
	assert_non_null(vx6_value_get(v, "Name"));
	assert_string_equal(vx6_value_string(vx6_value_first(vx6_value_get(v, "list"))), "x");
	assert_null(vx6_value_string(vx6_value_get(v, "Name")));
	vx6_value_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan__json_of_every_kind__passes),
		cmocka_unit_test(scan__what_readers_disagree_on__is_refused),
		cmocka_unit_test(scan__same_key_however_written__is_refused),
		cmocka_unit_test(scan__depth_and_member_limits__hold),
		cmocka_unit_test(scan__every_truncation__is_refused),
		cmocka_unit_test(value_merge__cases_of_the_rfc__match),
		cmocka_unit_test(value_get__other_case__finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
