#include "tests/unit/vectors.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

static void sign__rfc8032_vectors__reproduced(void **state)
{
	cJSON *vectors = vec_load("rfc8032");

	VEC_EACH(v, vectors)
	{
		uint8_t msg[128], want_pk[32], want_sig[64];
		size_t n = vec_hex(v, "msg", msg, sizeof msg);
		struct vx6_sign_keypair kp;
		struct vx6_sign_seed seed;
		struct vx6_sig sig;

		vec_hex(v, "seed", seed.b, 32);
		vec_hex(v, "pk", want_pk, 32);
		vec_hex(v, "sig", want_sig, 64);
		vx6_sign_keypair_from_seed(&seed, &kp);
		assert_memory_equal(kp.pk.b, want_pk, 32);
		assert_true(vx6_sign_pk_is_valid(&kp.pk));
		vx6_sign_raw(&kp, msg, n, &sig);
		assert_memory_equal(sig.b, want_sig, 64);
		assert_ok(vx6_verify_raw(&kp.pk, msg, n, &sig));
		for (size_t i = 0; i < sizeof sig.b; i++) {
			sig.b[i] ^= 1;
			assert_err(vx6_verify_raw(&kp.pk, msg, n, &sig), SIGNATURE);
			sig.b[i] ^= 1;
		}
		vx6_sign_keypair_wipe(&kp);
		assert_true(vx6_ct_is_zero(&kp, sizeof kp));
	}
	vec_free(vectors);
}

static void sign_pk_is_valid__hostile_points__are_refused(void **state)
{
	uint8_t bad[6][32] = {{0}, {1}, {2}}; /* small order, small order, not on the curve */
	cJSON *vectors = vec_load("keys");
	struct vx6_sign_pk pk;

	memset(bad[3], 0xff, 32); /* p - 1: small order */
	bad[3][0] = 0xec, bad[3][31] = 0x7f;
	memset(bad[4], 0xff, 32); /* p + 1: not canonical */
	bad[4][0] = 0xee, bad[4][31] = 0x7f;
	memset(bad[5], 0xff, 32);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(pk.b, bad[i], 32);
		assert_false(vx6_sign_pk_is_valid(&pk));
	}
	VEC_EACH(v, vectors)
	{
		vec_hex(v, "key", pk.b, 32);
		assert_true(vx6_sign_pk_is_valid(&pk));
		vec_hex(v, "twin", pk.b, 32); /* the key with a torsion point added */
		assert_false(vx6_sign_pk_is_valid(&pk));
	}
	vec_free(vectors);
}

static void verify__other_label_or_network__is_no_signature(void **state)
{
	struct vx6_net other = vx6_net_default;
	struct vx6_sign_keypair kp;
	struct vx6_sig sig;

	other.b[15] ^= 1;
	vx6_sign_keypair_random(&kp);
	assert_ok(vx6_sign(&kp, "VX6 record v1", &vx6_net_default, "abc", 3, &sig));
	assert_ok(vx6_verify(&kp.pk, "VX6 record v1", &vx6_net_default, "abc", 3, &sig));
	assert_err(vx6_verify(&kp.pk, "VX6 subkey v1", &vx6_net_default, "abc", 3, &sig),
		   SIGNATURE);
	assert_err(vx6_verify(&kp.pk, "VX6 record v1", &other, "abc", 3, &sig), SIGNATURE);
	assert_err(vx6_verify(&kp.pk, "VX6 record v1", &vx6_net_default, "abd", 3, &sig),
		   SIGNATURE);
	assert_err(vx6_verify(&kp.pk, "VX6 record v1", &vx6_net_default, "ab", 2, &sig), SIGNATURE);
}

static void sign__longest_message__and_one_more(void **state)
{
	static const char label[] = "0123456789012345678901234567890";
	static uint8_t msg[VX6_SIGN_MSG_MAX + 1];
	struct vx6_sign_keypair kp;
	struct vx6_sig sig;

	vx6_sign_keypair_random(&kp);
	assert_ok(vx6_sign(&kp, label, &vx6_net_default, msg, VX6_SIGN_MSG_MAX, &sig));
	assert_ok(vx6_verify(&kp.pk, label, &vx6_net_default, msg, VX6_SIGN_MSG_MAX, &sig));
	assert_err(vx6_sign(&kp, "x", &vx6_net_default, msg, sizeof msg, &sig), LIMIT);
	assert_err(vx6_verify(&kp.pk, "x", &vx6_net_default, msg, sizeof msg, &sig), LIMIT);
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sign__rfc8032_vectors__reproduced),
		cmocka_unit_test(sign_pk_is_valid__hostile_points__are_refused),
		cmocka_unit_test(verify__other_label_or_network__is_no_signature),
		cmocka_unit_test(sign__longest_message__and_one_more),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
