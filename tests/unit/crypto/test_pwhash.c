#include "tests/unit/vectors.h"
#include "crypto/pwhash.h"
#include "crypto/secret.h"

static const struct vx6_pwhash_cost cheap = {1, VX6_PWHASH_KIB_MIN};
static const uint8_t salt[VX6_PWHASH_SALT_BYTES] = {1, 2, 3};

static void pwhash__each_input__changes_the_key(void **state)
{
	struct vx6_pwhash_cost slower = {2, VX6_PWHASH_KIB_MIN};
	uint8_t a[32], b[32], other[VX6_PWHASH_SALT_BYTES] = {9};

	assert_ok(vx6_pwhash("secret", 6, salt, &cheap, a, 32));
	assert_ok(vx6_pwhash("secret", 6, salt, &cheap, b, 32));
	assert_memory_equal(a, b, 32);
	assert_ok(vx6_pwhash("secreT", 6, salt, &cheap, b, 32));
	assert_memory_not_equal(a, b, 32);
	assert_ok(vx6_pwhash("secret", 6, other, &cheap, b, 32));
	assert_memory_not_equal(a, b, 32);
	assert_ok(vx6_pwhash("secret", 6, salt, &slower, b, 32));
	assert_memory_not_equal(a, b, 32);
	assert_ok(vx6_pwhash("", 0, salt, &cheap, b, 32));
}

static void pwhash__output_of_the_reference_program__reproduced(void **state)
{
	cJSON *vectors = vec_load("argon2id");

	VEC_EACH(v, vectors)
	{
		struct vx6_pwhash_cost cost = {(uint32_t)vec_num(v, "ops"),
					       (uint32_t)vec_num(v, "kib")};
		const char *pass = vec_text(v, "passphrase");
		uint8_t s[VX6_PWHASH_SALT_BYTES], want[32], out[32];

		vec_hex(v, "salt", s, sizeof s);
		vec_hex(v, "hash", want, sizeof want);
		assert_ok(vx6_pwhash(pass, strlen(pass), s, &cost, out, 32));
		assert_memory_equal(out, want, 32);
	}
	vec_free(vectors);
}

static void pwhash__cost_out_of_range__is_refused(void **state)
{
	static const struct vx6_pwhash_cost bad[] = {{0, 64},
						     {VX6_PWHASH_OPS_MAX + 1, 64},
						     {1, VX6_PWHASH_KIB_MIN - 1},
						     {1, VX6_PWHASH_KIB_MAX + 1},
						     {UINT32_MAX, UINT32_MAX}};
	uint8_t out[32];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_err(vx6_pwhash("x", 1, salt, &bad[i], out, 32), RANGE);
	assert_err(vx6_pwhash("x", 1, salt, &cheap, out, 8), RANGE);
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pwhash__each_input__changes_the_key),
		cmocka_unit_test(pwhash__output_of_the_reference_program__reproduced),
		cmocka_unit_test(pwhash__cost_out_of_range__is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
