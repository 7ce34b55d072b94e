#include "tests/unit/vectors.h"
#include "wire/label.h"

#define A32 "abcdefghijklmnopqrstuvwxyz012345"

static void label_is_valid__grammar__is_kept(void **state)
{
	static const char *const good[] = {"a", "0", "ssh", "a-b", "a--b", "x9", A32};
	static const char *const bad[] = {"",      "-",   "-a",          "a-",       "A",
					  "a_b",   "a.b", "a b",         "\xc3\xa9", "a\n",
					  A32 "6", "a/b", "\xd0\xb0lice"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(vx6_label_is_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(vx6_label_is_valid(bad[i], strlen(bad[i])));
	assert_false(vx6_label_is_valid("a\0b", 3));
}

static void rd_label__bad_or_long__is_refused_and_empty(void **state)
{
	char out[VX6_LABEL_TEXT];
	struct vx6_rd r;

	vx6_rd_init(&r, (const uint8_t *)A32 "6", 33);
	vx6_rd_label(&r, out);
	assert_err(r.err, LIMIT);
	assert_string_equal(out, "");
	vx6_rd_init(&r, (const uint8_t *)"Web", 3);
	vx6_rd_label(&r, out);
	assert_err(r.err, FORMAT);
	assert_string_equal(out, "");
	vx6_rd_init(&r, (const uint8_t *)A32, 32);
	vx6_rd_label(&r, out);
	assert_ok(vx6_rd_done(&r));
	assert_string_equal(out, A32);
}

static void label_split__names_and_ids__are_told_apart_from_nonsense(void **state)
{
	static const char *const bad[] = {"",           "alice",     ".ssh",
					  "alice.",     "alice.SSH", "a.b.c",
					  "al ice.ssh", "Alice.ssh", "alice.-x"};
	char user[VX6_USER_TEXT], service[VX6_LABEL_TEXT], text[200];

	assert_ok(vx6_label_split("alice.ssh", user, service));
	assert_string_equal(user, "alice");
	assert_string_equal(service, "ssh");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_err(vx6_label_split(bad[i], user, service), FORMAT);
	memset(text, 'v', sizeof text);
	memcpy(text + 62, ".web", 5);
	assert_ok(vx6_label_split(text, user, service));
	assert_int_equal(strlen(user), 62);
	memset(text, 'v', sizeof text);
	memcpy(text + VX6_USER_TEXT, ".web", 5);
	assert_err(vx6_label_split(text, user, service), LIMIT);
	assert_err(vx6_label_split("a." A32 "6", user, service), LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_is_valid__grammar__is_kept),
		cmocka_unit_test(rd_label__bad_or_long__is_refused_and_empty),
		cmocka_unit_test(label_split__names_and_ids__are_told_apart_from_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
