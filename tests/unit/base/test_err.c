#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static const int codes[] = {
#define X(symbol, number, name, text) VX6_E_##symbol,
	VX6_ERR_MAP(X)
#undef X
};
static const size_t codes_n = sizeof codes / sizeof *codes;

static void err_name__every_code__is_unique(void **state)
{
	for (size_t i = 0; i < codes_n; i++)
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(codes[i], codes[j]);
			assert_string_not_equal(vx6_err_name((vx6_err){codes[i]}),
						vx6_err_name((vx6_err){codes[j]}));
		}
}

static void err_text__every_code__does_not_end_in_a_full_stop(void **state)
{
	for (size_t i = 0; i < codes_n; i++) {
		const char *text = vx6_err_text((vx6_err){codes[i]});
		size_t n = strlen(text);

		assert_true(n > 0);
		assert_int_not_equal(text[n - 1], '.');
	}
}

static void err_text__unknown_code__is_a_bug(void **state)
{
	assert_string_equal(vx6_err_name((vx6_err){12345}), "bug");
	assert_string_equal(vx6_err_name((vx6_err){-1}), "bug");
}

static void err_from_errno__known_and_unknown__map(void **state)
{
	assert_true(vx6_is_ok(vx6_err_from_errno(0)));
	assert_int_equal(vx6_err_from_errno(ECONNREFUSED).code, VX6_E_REFUSED);
	assert_int_equal(vx6_err_from_errno(ENOSPC).code, VX6_E_DISK_FULL);
	assert_int_equal(vx6_err_from_errno(EXDEV).code, VX6_E_IO);
}

static vx6_err pass_on(vx6_err inner, int *reached)
{
	VX6_TRY(inner);
	*reached = 1;
	return VX6_OK;
}

static void try__error__returns_at_once(void **state)
{
	int reached = 0;

	assert_int_equal(pass_on(VX6_ERR(TIMEOUT), &reached).code, VX6_E_TIMEOUT);
	assert_int_equal(reached, 0);
	assert_true(vx6_is_ok(pass_on(VX6_OK, &reached)));
	assert_int_equal(reached, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_name__every_code__is_unique),
		cmocka_unit_test(err_text__every_code__does_not_end_in_a_full_stop),
		cmocka_unit_test(err_text__unknown_code__is_a_bug),
		cmocka_unit_test(err_from_errno__known_and_unknown__map),
		cmocka_unit_test(try__error__returns_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
