#include "tests/unit/vectors.h"

#include "crypto/blind.h"
#include "crypto/secret.h"

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

static void blind__golden_keys__both_ways(void **state)
{
	cJSON *vectors = vec_load("blinding");

	VEC_EACH(v, vectors)
	{
		uint8_t secret[32], want[64], msg[64];
		size_t secret_n = vec_hex(v, "secret", secret, sizeof secret);
		size_t msg_n = vec_hex(v, "msg", msg, sizeof msg);
		struct vx6_blind_factor factor;
		struct vx6_sign_keypair kp;
		struct vx6_blind_key key;
		struct vx6_sign_seed seed;
		struct vx6_sign_pk pk;
		struct vx6_sig sig;

		vec_hex(v, "seed", seed.b, sizeof seed.b);
		vx6_sign_keypair_from_seed(&seed, &kp);
		vx6_blind_factor(&kp.pk, secret_n ? secret : NULL, vec_num(v, "period"),
				 vec_num(v, "period_s"), &factor);
		vec_hex(v, "factor", want, 32);
		assert_memory_equal(factor.b, want, 32);
		assert_ok(vx6_blind_public(&kp.pk, &factor, &pk));
		vec_hex(v, "pk", want, 32);
		assert_memory_equal(pk.b, want, 32);
		assert_ok(vx6_blind_keypair(&kp, &factor, &key));
		assert_memory_equal(key.pk.b, want, 32);
		vec_hex(v, "expanded", want, 64);
		assert_memory_equal(key.scalar, want, 32);
		assert_memory_equal(key.prefix, want + 32, 32);
		vx6_blind_sign_raw(&key, msg, msg_n, &sig);
		vec_hex(v, "sig", want, 64);
		assert_memory_equal(sig.b, want, 64);
		assert_ok(vx6_verify_raw(&pk, msg, msg_n, &sig));
	}
	vec_free(vectors);
}

/* Tor's: its factors come from another hash, and what follows from them is the same. */
static void blind__published_vectors__keys_agree(void **state)
{
	cJSON *vectors = vec_load("blinding_published");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(vectors), 10);
	VEC_EACH(v, vectors)
	{
		struct vx6_blind_factor factor;
		struct vx6_sign_keypair kp;
		struct vx6_blind_key key;
		struct vx6_sign_seed seed;
		struct vx6_sign_pk pk;
		struct vx6_sig sig;
		uint8_t want[64];

		vec_hex(v, "seed", seed.b, sizeof seed.b);
		vec_hex(v, "factor", factor.b, sizeof factor.b);
		vx6_sign_keypair_from_seed(&seed, &kp);
		vec_hex(v, "pk", want, 32);
		assert_memory_equal(kp.pk.b, want, 32);
		vx6_sign_raw(&kp, kp.pk.b, sizeof kp.pk.b, &sig);
		vec_hex(v, "self_sig", want, 64);
		assert_memory_equal(sig.b, want, 64);
		assert_ok(vx6_blind_keypair(&kp, &factor, &key));
		vec_hex(v, "expanded", want, 64);
		assert_memory_equal(key.scalar, want, 32);
		assert_memory_equal(key.prefix, want + 32, 32);
		vec_hex(v, "blinded", want, 32);
		assert_memory_equal(key.pk.b, want, 32);
		assert_ok(vx6_blind_public(&kp.pk, &factor, &pk));
		assert_memory_equal(pk.b, want, 32);
		vx6_blind_sign_raw(&key, "of this key", 11, &sig);
		assert_ok(vx6_verify_raw(&pk, "of this key", 11, &sig));
	}
	vec_free(vectors);
}

static void blind__any_key__owner_and_reader_meet(void **state)
{
	for (unsigned i = 0; i < 50; i++) {
		struct vx6_blind_factor a, b;
		struct vx6_sign_keypair kp;
		struct vx6_blind_key key;
		struct vx6_sign_pk pk, other;
		uint8_t secret[32], msg[33];
		struct vx6_sig sig;

		vx6_sign_keypair_random(&kp);
		vx6_random_bytes(secret, sizeof secret);
		vx6_random_bytes(msg, sizeof msg);
		vx6_blind_factor(&kp.pk, secret, i, 86400, &a);
		vx6_blind_factor(&kp.pk, secret, i + 1, 86400, &b);
		assert_ok(vx6_blind_keypair(&kp, &a, &key));
		assert_ok(vx6_blind_public(&kp.pk, &a, &pk));
		assert_ok(vx6_blind_public(&kp.pk, &b, &other));
		assert_memory_equal(pk.b, key.pk.b, 32);
		assert_true(vx6_sign_pk_is_valid(&pk));
		assert_memory_not_equal(pk.b, other.b, 32);
		assert_ok(
			vx6_blind_sign(&key, "VX6 record v1", &vx6_net_default, msg, i % 33, &sig));
		assert_ok(vx6_verify(&pk, "VX6 record v1", &vx6_net_default, msg, i % 33, &sig));
		assert_err(vx6_verify(&other, "VX6 record v1", &vx6_net_default, msg, i % 33, &sig),
			   SIGNATURE);
		msg[0] ^= 1;
		if (i % 33)
			assert_fails(vx6_verify(&pk, "VX6 record v1", &vx6_net_default, msg, i % 33,
						&sig));
	}
}

static void blind__keys_that_are_no_points__are_refused(void **state)
{
	struct vx6_blind_factor factor = {{1}};
	struct vx6_sign_pk bad = {{0}}, out;
	struct vx6_sign_keypair kp;
	struct vx6_blind_key key;

	memset(&out, 7, sizeof out);
	assert_err(vx6_blind_public(&bad, &factor, &out), KEY); /* order 4 */
	assert_true(vx6_ct_is_zero(&out, sizeof out));
	bad.b[0] = 1; /* the neutral element */
	assert_err(vx6_blind_public(&bad, &factor, &out), KEY);
	memset(bad.b, 0xff, sizeof bad.b);
	assert_err(vx6_blind_public(&bad, &factor, &out), KEY);
	vx6_sign_keypair_random(&kp);
	kp.pk = bad;
	assert_err(vx6_blind_keypair(&kp, &factor, &key), KEY);
	assert_true(vx6_ct_is_zero(&key, sizeof key));
}

static void blind_sign__message_too_long__is_refused(void **state)
{
	static uint8_t msg[VX6_SIGN_MSG_MAX + 1];
	struct vx6_blind_key key = {.scalar = {1}, .prefix = {2}};
	struct vx6_sig sig;

	assert_ok(vx6_blind_sign(&key, "x", &vx6_net_default, msg, VX6_SIGN_MSG_MAX, &sig));
	assert_err(vx6_blind_sign(&key, "x", &vx6_net_default, msg, sizeof msg, &sig), LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blind__golden_keys__both_ways),
		cmocka_unit_test(blind__published_vectors__keys_agree),
		cmocka_unit_test(blind__any_key__owner_and_reader_meet),
		cmocka_unit_test(blind__keys_that_are_no_points__are_refused),
		cmocka_unit_test(blind_sign__message_too_long__is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
