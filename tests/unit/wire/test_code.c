#include "tests/unit/vectors.h"
#include "wire/code.h"

static const struct {
	uint32_t number;
	int err;
} codes[] = {
#define X(symbol, number, err, retryable, text) {number, VX6_E_##err},
	VX6_CODE_MAP(X)
#undef X
};

static const int errors[] = {
#define X(symbol, number, name, text) VX6_E_##symbol,
	VX6_ERR_MAP(X)
#undef X
};

static void code_map__numbers__are_unique_and_have_texts(void **state)
{
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		assert_true(strlen(vx6_code_text(codes[i].number)) > 3);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(codes[i].number, codes[j].number);
	}
}

static void code_to_err__unknown_code__is_protocol(void **state)
{
	assert_err(vx6_code_to_err(0xffff), PROTOCOL);
	assert_err(vx6_code_to_err(UINT32_MAX), PROTOCOL);
	assert_string_equal(vx6_code_text(0xffff), "unknown code");
	assert_false(vx6_code_is_retryable(0xffff));
}

static void code_from_err__every_error__has_a_known_code(void **state)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		vx6_err e = {errors[i]};
		uint16_t code = vx6_code_from_err(e);

		assert_string_not_equal(vx6_code_text(code), "unknown code");
		assert_int_equal(code == 0, errors[i] == VX6_E_OK);
	}
	assert_int_equal(vx6_code_from_err(VX6_ERR(TRAILING)), VX6_CODE_BAD_FORMAT);
	assert_int_equal(vx6_code_from_err(VX6_ERR(BUG)), VX6_CODE_INTERNAL);
	assert_int_equal(vx6_code_from_err(VX6_ERR(ACCESS_REFUSED)), VX6_CODE_ACCESS_REFUSED);
	assert_int_equal(vx6_code_from_err(VX6_ERR(TIMEOUT)), VX6_CODE_TIMEOUT);
}

/* What a forwarded connection may end with must come out at the other side as it went in. */
static void code_round_trip__errors_of_forwards__survive(void **state)
{
	static const int kept[] = {VX6_E_OK,
				   VX6_E_SERVICE_UNKNOWN,
				   VX6_E_ACCESS_REFUSED,
				   VX6_E_TARGET_UNREACHABLE,
				   VX6_E_TIMEOUT,
				   VX6_E_WRONG_PEER,
				   VX6_E_DRAINING,
				   VX6_E_DUPLICATE,
				   VX6_E_PROTOCOL,
				   VX6_E_REVOKED,
				   VX6_E_EXPIRED,
				   VX6_E_RESET,
				   VX6_E_FULL,
				   VX6_E_IDLE,
				   VX6_E_SIGNATURE,
				   VX6_E_UNSUPPORTED};

	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		vx6_err e = {kept[i]};

		assert_string_equal(vx6_err_name(vx6_code_to_err(vx6_code_from_err(e))),
				    vx6_err_name(e));
	}
}

static void code_is_retryable__list_of_the_protocol__holds(void **state)
{
	static const uint16_t retryable[] = {0x04, 0x05, 0x24, 0x26, 0x27, 0x29,
					     0x2B, 0x41, 0x43, 0x44, 0x51, 0x55};

	for (size_t i = 0; i < sizeof retryable / sizeof *retryable; i++)
		assert_true(vx6_code_is_retryable(retryable[i]));
	assert_false(vx6_code_is_retryable(VX6_CODE_OK));
	assert_false(vx6_code_is_retryable(VX6_CODE_WRONG_PEER));
	assert_false(vx6_code_is_retryable(VX6_CODE_SERVICE_UNKNOWN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_map__numbers__are_unique_and_have_texts),
		cmocka_unit_test(code_to_err__unknown_code__is_protocol),
		cmocka_unit_test(code_from_err__every_error__has_a_known_code),
		cmocka_unit_test(code_round_trip__errors_of_forwards__survive),
		cmocka_unit_test(code_is_retryable__list_of_the_protocol__holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
