#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "hidden/nonces.h"

enum { MANY = 5000 };

static struct vx6_nonces *set;
static uint8_t nonce[MANY + 1][VX6_NONCE_BYTES];

static int setup(void **state)
{
	assert_true(vx6_is_ok(vx6_crypto_init()));
	vx6_random_bytes(nonce, sizeof nonce);
	set = vx6_nonces_new(MANY);
	return 0;
}

static int teardown(void **state)
{
	vx6_nonces_free(set);
	return 0;
}

static void nonces__filled__knows_all_and_takes_no_more(void **state)
{
	for (int i = 0; i < MANY; i++) {
		assert_false(vx6_nonces_is_full(set));
		assert_false(vx6_nonces_has(set, nonce[i]));
		assert_true(vx6_nonces_add(set, nonce[i]));
	}
	assert_true(vx6_nonces_is_full(set));
	assert_false(vx6_nonces_add(set, nonce[MANY]));
	assert_false(vx6_nonces_has(set, nonce[MANY]));
	for (int i = 0; i < MANY; i++)
		assert_true(vx6_nonces_has(set, nonce[i]));
	assert_int_equal(vx6_nonces_count(set), MANY);
}

static void nonces__twice__refused(void **state)
{
	assert_true(vx6_nonces_add(set, nonce[0]));
	assert_false(vx6_nonces_add(set, nonce[0]));
	assert_int_equal(vx6_nonces_count(set), 1);
}

static void nonces__one_bit_differs__another_one(void **state)
{
	assert_true(vx6_nonces_add(set, nonce[0]));
	for (int bit = 0; bit < 8 * VX6_NONCE_BYTES; bit++) {
		nonce[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(vx6_nonces_has(set, nonce[0]));
		nonce[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void nonces__zero__is_in_there_from_the_beginning(void **state)
{
	const uint8_t zero[VX6_NONCE_BYTES] = {0};

	assert_true(vx6_nonces_has(set, zero));
	assert_false(vx6_nonces_add(set, zero));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nonces__filled__knows_all_and_takes_no_more),
		TEST(nonces__twice__refused),
		TEST(nonces__one_bit_differs__another_one),
		TEST(nonces__zero__is_in_there_from_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
