#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/json/base64.h"
#include "base/util.h"

static void base64__vectors_of_the_standard__both_ways(void **state)
{
	static const char *const pairs[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < VX6_ARRAY_N(pairs); i++) {
		char *text = vx6_base64_encode((const uint8_t *)pairs[i][0], strlen(pairs[i][0]));
		size_t n;
		uint8_t *bytes = vx6_base64_decode(pairs[i][1], &n);

		assert_string_equal(text, pairs[i][1]);
		assert_int_equal(n, strlen(pairs[i][0]));
		assert_memory_equal(bytes, pairs[i][0], n);
		free(bytes);
		free(text);
	}
}

static void base64__every_byte__comes_back(void **state)
{
	uint8_t all[256];
	size_t n;

	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)(255 - i);
	for (size_t len = 0; len <= sizeof all; len++) {
		char *text = vx6_base64_encode(all, len);
		uint8_t *bytes = vx6_base64_decode(text, &n);

		assert_int_equal(n, len);
		assert_memory_equal(bytes, all, len);
		free(bytes);
		free(text);
	}
}

static void base64_decode__what_no_encoder_makes__is_refused(void **state)
{
	static const char *const bad[] = {"Z",    "Zg",   "Zg=",   "Zg===", "====",     "Zh==",
					  "Zm9=", "Z*8=", "Zm 8=", "=Zg=",  "Zg==Zg==", "Zg==\n"};
	size_t n;

	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++)
		assert_null(vx6_base64_decode(bad[i], &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64__vectors_of_the_standard__both_ways),
		cmocka_unit_test(base64__every_byte__comes_back),
		cmocka_unit_test(base64_decode__what_no_encoder_makes__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
