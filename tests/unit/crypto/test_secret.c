#include "tests/unit/vectors.h"
#include "crypto/secret.h"

static void ct_eq__each_byte__counts(void **state)
{
	uint8_t a[40], b[40];

	vx6_random_bytes(a, sizeof a);
	memcpy(b, a, sizeof b);
	assert_true(vx6_ct_eq(a, b, sizeof a));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i] ^= 0x80;
		assert_false(vx6_ct_eq(a, b, sizeof a));
		b[i] ^= 0x80;
	}
	assert_true(vx6_ct_eq(NULL, NULL, 0));
}

static void wipe__bytes__are_zero(void **state)
{
	uint8_t a[33];

	vx6_random_bytes(a, sizeof a);
	assert_false(vx6_ct_is_zero(a, sizeof a));
	vx6_wipe(a, sizeof a);
	assert_true(vx6_ct_is_zero(a, sizeof a));
	vx6_wipe(NULL, 0);
	vx6_wipe_free(NULL, 10);
	vx6_wipe_free(malloc(10), 10);
}

static void random_below__bound__is_kept(void **state)
{
	unsigned seen[5] = {0};

	assert_int_equal(vx6_random_below(0), 0);
	assert_int_equal(vx6_random_below(1), 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint32_t v = vx6_random_below(5);

		assert_true(v < 5);
		seen[v]++;
	}
	for (unsigned i = 0; i < 5; i++)
		assert_true(seen[i] > 800); /* 1000, less seven deviations */
	assert_true(vx6_random_u64() != vx6_random_u64());
}

static void crypto_init__again__is_fine(void **state)
{
	assert_ok(vx6_crypto_init());
	assert_ok(vx6_crypto_init());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crypto_init__again__is_fine),
		cmocka_unit_test(ct_eq__each_byte__counts),
		cmocka_unit_test(wipe__bytes__are_zero),
		cmocka_unit_test(random_below__bound__is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
