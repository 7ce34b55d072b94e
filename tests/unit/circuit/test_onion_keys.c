/* Own onion keys: which are accepted, what is not taken twice, and what happens when there is no room to remember more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "circuit/onion_keys.h"
#include "crypto/ntor3.h"
#include "crypto/secret.h"

static struct vx6_loop *loop;
static struct vx6_onion_keys *keys;
static int told;

static void on_rotated(void *user)
{
	told++;
}

static int setup(void **state)
{
	struct vx6_onion_keys_config cfg = {.rotated = on_rotated};

	assert_true(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	if (*state)
		cfg = *(struct vx6_onion_keys_config *)*state;
	cfg.loop = loop;
	told = 0;
	keys = vx6_onion_keys_new(&cfg);
	return 0;
}

static int teardown(void **state)
{
	vx6_onion_keys_free(keys);
	vx6_loop_free(loop);
	return 0;
}

static void on_stop(struct vx6_timer *timer)
{
	vx6_loop_stop(loop);
}

static void run_ms(uint64_t ms)
{
	struct vx6_timer timer;

	vx6_timer_init(loop, &timer, on_stop, NULL);
	vx6_timer_in_ms(&timer, ms);
	vx6_loop_run(loop);
}

static struct vx6_onion_keys_view view(void)
{
	struct vx6_onion_keys_view v;

	vx6_onion_keys_view(keys, &v);
	return v;
}

/* Presents X number @p number under the key that is now at @p which. @return the error; on VX6_OK it is spent */
static int present(const struct vx6_kx_pk *pk, uint32_t number)
{
	uint8_t id[VX6_CREATE_KEY_ID], x[VX6_KX_BYTES] = {0};
	struct vx6_onion_keypair *key;
	vx6_err err;

	memcpy(x, &number, sizeof number);
	vx6_ntor3_key_id(pk, id);
	err = vx6_onion_keys_find(keys, id, x, &key);
	if (!vx6_is_ok(err))
		return err.code;
	assert_memory_equal(vx6_onion_keypair_pk(key)->b, pk->b, sizeof pk->b);
	vx6_onion_keys_spend(keys, key, x);
	return VX6_E_OK;
}

static void onion_keys__new__has_one_that_ends_in_four_hours(void **state)
{
	struct vx6_onion_keys_view v = view();
	uint64_t now_s = vx6_wall_s();

	assert_int_equal(v.n, 1);
	assert_in_range(v.key[0].not_after_s, now_s + 4 * 3600 - 60, now_s + 4 * 3600);
	assert_int_equal(v.key[0].spent, 0);
}

static void onion_keys__key__matches_its_public_half(void **state)
{
	struct vx6_onion_keys_view v = view();
	struct vx6_onion_keypair *key;
	struct vx6_kx_pk pk;
	uint8_t id[VX6_CREATE_KEY_ID], x[VX6_KX_BYTES] = {9};

	vx6_ntor3_key_id(&v.key[0].pk, id);
	assert_true(vx6_is_ok(vx6_onion_keys_find(keys, id, x, &key)));
	vx6_kx_public(vx6_onion_keypair_sk(key), &pk);
	assert_memory_equal(pk.b, v.key[0].pk.b, sizeof pk.b);
}

static void onion_keys__rotated__accepts_the_one_before_and_no_other(void **state)
{
	struct vx6_kx_pk old = view().key[0].pk;

	assert_int_equal(present(&old, 1), VX6_E_OK);
	vx6_onion_keys_rotate(keys);
	assert_int_equal(view().n, 2);
	assert_memory_equal(view().key[1].pk.b, old.b, sizeof old.b);
	assert_memory_not_equal(view().key[0].pk.b, old.b, sizeof old.b);
	assert_int_equal(present(&old, 1), VX6_E_EXISTS);
	assert_int_equal(present(&old, 2), VX6_E_OK);
	assert_int_equal(present(&view().key[0].pk, 1), VX6_E_OK); /* each has a set of its own */
	vx6_onion_keys_rotate(keys);
	assert_int_equal(present(&old, 1), VX6_E_STALE);
	assert_int_equal(present(&old, 3), VX6_E_STALE);
	run_ms(5);
	assert_int_equal(told, 1); /* once for both: nothing was run in between */
	assert_int_equal(view().rotations, 2);
}

static void onion_keys__many__each_is_remembered(void **state)
{
	struct vx6_kx_pk pk = view().key[0].pk;

	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(present(&pk, i), VX6_E_OK);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(present(&pk, i), VX6_E_EXISTS);
	assert_int_equal(view().key[0].spent, 5000);
	assert_int_equal(present(&pk, 5000), VX6_E_OK);
}

static struct vx6_onion_keys_config young = {.spent_max = 256, .rotated = on_rotated};

static void onion_keys__full_and_young__takes_no_more(void **state)
{
	struct vx6_kx_pk pk = view().key[0].pk;

	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(present(&pk, i), VX6_E_OK);
	assert_int_equal(present(&pk, 256), VX6_E_FULL);
	assert_int_equal(present(&pk, 7), VX6_E_EXISTS); /* forgets nothing */
	run_ms(5);
	assert_int_equal(told, 0);
	assert_int_equal(view().n, 1);
}

static struct vx6_onion_keys_config grown = {.spent_max = 256,
					     .early_ms = 1,
					     .rotated = on_rotated};

static void onion_keys__full_and_grown__goes_early(void **state)
{
	struct vx6_kx_pk pk = view().key[0].pk;

	run_ms(5);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(present(&pk, i), VX6_E_OK);
	run_ms(5);
	assert_int_equal(told, 1);
	assert_int_equal(view().early, 1);
	assert_memory_not_equal(view().key[0].pk.b, pk.b, sizeof pk.b);
	assert_int_equal(present(&pk, 7), VX6_E_EXISTS);
	assert_int_equal(present(&pk, 256), VX6_E_FULL);
	assert_int_equal(present(&view().key[0].pk, 256), VX6_E_OK);
}

static struct vx6_onion_keys_config brief = {.rotate_ms = 20, .rotated = on_rotated};

static void onion_keys__time_goes_by__rotates_by_itself(void **state)
{
	struct vx6_kx_pk pk = view().key[0].pk;

	for (int i = 0; i < 1000 && view().rotations < 2; i++)
		run_ms(5);
	assert_true(view().rotations >= 2);
	assert_int_equal(present(&pk, 1), VX6_E_STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_WITH(f, how) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, how)
		TEST(onion_keys__new__has_one_that_ends_in_four_hours),
		TEST(onion_keys__key__matches_its_public_half),
		TEST(onion_keys__rotated__accepts_the_one_before_and_no_other),
		TEST(onion_keys__many__each_is_remembered),
		TEST_WITH(onion_keys__full_and_young__takes_no_more, &young),
		TEST_WITH(onion_keys__full_and_grown__goes_early, &grown),
		TEST_WITH(onion_keys__time_goes_by__rotates_by_itself, &brief),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
