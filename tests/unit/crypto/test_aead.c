#include "tests/unit/vectors.h"
#include "crypto/aead.h"

struct sample {
	struct vx6_aead_key key;
	struct vx6_aead_nonce nonce;
	uint8_t ad[64], msg[256], sealed[256];
	size_t ad_n, n, sealed_n;
};

static struct sample load(void)
{
	cJSON *vectors = vec_load("xchacha");
	const cJSON *v = vectors->child;
	struct sample s;

	vec_hex(v, "key", s.key.b, sizeof s.key.b);
	vec_hex(v, "nonce", s.nonce.b, sizeof s.nonce.b);
	s.ad_n = vec_hex(v, "ad", s.ad, sizeof s.ad);
	s.n = vec_hex(v, "msg", s.msg, sizeof s.msg);
	s.sealed_n = vec_hex(v, "sealed", s.sealed, sizeof s.sealed);
	vec_free(vectors);
	return s;
}

static void aead__published_vector__reproduced_also_in_place(void **state)
{
	struct sample s = load();
	uint8_t buf[256];

	vx6_aead_seal(&s.key, &s.nonce, s.ad, s.ad_n, s.msg, s.n, buf);
	assert_int_equal(s.sealed_n, s.n + VX6_AEAD_TAG_BYTES);
	assert_memory_equal(buf, s.sealed, s.sealed_n);
	assert_ok(vx6_aead_open(&s.key, &s.nonce, s.ad, s.ad_n, buf, s.sealed_n, buf));
	assert_memory_equal(buf, s.msg, s.n);
}

static void aead_open__any_bit_flipped__is_refused(void **state)
{
	struct sample s = load();
	uint8_t out[256];

	for (size_t i = 0; i < s.sealed_n * 8; i++) {
		s.sealed[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_err(vx6_aead_open(&s.key, &s.nonce, s.ad, s.ad_n, s.sealed, s.sealed_n, out),
			   SIGNATURE);
		s.sealed[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	s.ad[0] ^= 1;
	assert_err(vx6_aead_open(&s.key, &s.nonce, s.ad, s.ad_n, s.sealed, s.sealed_n, out),
		   SIGNATURE);
	assert_err(vx6_aead_open(&s.key, &s.nonce, NULL, 0, s.sealed, 15, out), SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aead__published_vector__reproduced_also_in_place),
		cmocka_unit_test(aead_open__any_bit_flipped__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
