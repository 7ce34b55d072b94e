#include "tests/unit/vectors.h"
#include "crypto/kdf.h"

static void kdf__rfc5869_vectors__reproduced(void **state)
{
	cJSON *vectors = vec_load("rfc5869");

	VEC_EACH(v, vectors)
	{
		uint8_t ikm[128], salt[128], info[128], prk[32], want_prk[32], okm[128], want[128];
		size_t ikm_n = vec_hex(v, "ikm", ikm, sizeof ikm),
		       salt_n = vec_hex(v, "salt", salt, sizeof salt);
		size_t info_n = vec_hex(v, "info", info, sizeof info),
		       n = vec_hex(v, "okm", want, sizeof want);

		vec_hex(v, "prk", want_prk, 32);
		vx6_kdf_extract(salt_n ? salt : NULL, salt_n, ikm, ikm_n, prk);
		assert_memory_equal(prk, want_prk, 32);
		assert_ok(vx6_kdf(salt_n ? salt : NULL, salt_n, ikm, ikm_n, info, info_n, okm, n));
		assert_memory_equal(okm, want, n);
	}
	vec_free(vectors);
}

static void kdf_expand__longest_output__and_one_more(void **state)
{
	static uint8_t out[VX6_KDF_OUT_MAX + 1];
	uint8_t prk[32] = {1};

	assert_ok(vx6_kdf_expand(prk, "x", 1, out, VX6_KDF_OUT_MAX));
	assert_err(vx6_kdf_expand(prk, "x", 1, out, sizeof out), LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kdf__rfc5869_vectors__reproduced),
		cmocka_unit_test(kdf_expand__longest_output__and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
