#include "tests/unit/vectors.h"

#include "crypto/kx.h"
#include "crypto/secret.h"
#include "hidden/client_auth.h"

static struct vx6_kx_pk client_pk, enc_pk;
static struct vx6_kx_sk client_sk, enc_sk;
static uint8_t subcred[32];
static const char over[] = "what stands before";

static int setup(void **state)
{
	assert_true(vx6_is_ok(vx6_crypto_init()));
	vx6_kx_keypair(&client_pk, &client_sk);
	vx6_kx_keypair(&enc_pk, &enc_sk);
	vx6_random_bytes(subcred, sizeof subcred);
	return 0;
}

static void auth__golden_vectors__same(void **state)
{
	cJSON *vectors = vec_load("hidden_clients");

	VEC_EACH(v, vectors)
	{
		uint8_t sk[32], pk[32], cred[32], what[VX6_HS_AUTH_OVER_MAX], enrols[32], mac[32],
			want[32];
		size_t what_n = vec_hex(v, "over", what, sizeof what);
		bool enrol = vec_hex(v, "enrols", enrols, sizeof enrols) > 0;
		struct vx6_hs_auth_key k;

		vec_hex(v, "client_sk", sk, sizeof sk);
		vec_hex(v, "enc_pk", pk, sizeof pk);
		vec_hex(v, "subcred", cred, sizeof cred);
		assert_ok(vx6_hs_auth_derive(sk, pk, cred, &k));
		vec_hex(v, "id", want, sizeof want);
		assert_memory_equal(k.id, want, sizeof k.id);
		vec_hex(v, "key", want, sizeof want);
		assert_memory_equal(k.key, want, sizeof k.key);
		vx6_hs_auth_mac(&k, what, what_n, enrol ? enrols : NULL, mac);
		vec_hex(v, "mac", want, sizeof want);
		assert_memory_equal(mac, want, sizeof mac);
	}
	vec_free(vectors);
}

static void auth_derive__both_sides__agree(void **state)
{
	struct vx6_hs_auth_key client, owner;

	assert_true(vx6_is_ok(vx6_hs_auth_derive(client_sk.b, enc_pk.b, subcred, &client)));
	assert_true(vx6_is_ok(vx6_hs_auth_derive(enc_sk.b, client_pk.b, subcred, &owner)));
	assert_memory_equal(&client, &owner, sizeof client);
}

static void auth_derive__another_encryption_key_or_period__says_nothing_alike(void **state)
{
	struct vx6_kx_pk other_pk;
	struct vx6_kx_sk other_sk;
	struct vx6_hs_auth_key a, b, c;
	uint8_t later[32];

	vx6_kx_keypair(&other_pk, &other_sk);
	vx6_random_bytes(later, sizeof later);
	assert_true(vx6_is_ok(vx6_hs_auth_derive(client_sk.b, enc_pk.b, subcred, &a)));
	assert_true(vx6_is_ok(vx6_hs_auth_derive(client_sk.b, other_pk.b, subcred, &b)));
	assert_true(vx6_is_ok(vx6_hs_auth_derive(client_sk.b, enc_pk.b, later, &c)));
	assert_memory_not_equal(a.id, b.id, sizeof a.id);
	assert_memory_not_equal(a.id, c.id, sizeof a.id);
	assert_memory_not_equal(a.key, b.key, sizeof a.key);
}

static void auth_derive__key_of_small_order__refused(void **state)
{
	const uint8_t zero[32] = {0};
	struct vx6_hs_auth_key out;

	assert_int_equal(vx6_hs_auth_derive(client_sk.b, zero, subcred, &out).code, VX6_E_KEY);
	assert_true(vx6_ct_is_zero(&out, sizeof out));
}

static void auth_mac__anything_changed__is_another(void **state)
{
	struct vx6_hs_auth_key k;
	uint8_t mac[32], other[32], pk[32] = {1}, pk2[32] = {2};

	assert_true(vx6_is_ok(vx6_hs_auth_derive(client_sk.b, enc_pk.b, subcred, &k)));
	vx6_hs_auth_mac(&k, over, sizeof over, NULL, mac);
	vx6_hs_auth_mac(&k, over, sizeof over, NULL, other);
	assert_memory_equal(mac, other, sizeof mac);
	vx6_hs_auth_mac(&k, over, sizeof over - 1, NULL, other);
	assert_memory_not_equal(mac, other, sizeof mac);
	vx6_hs_auth_mac(&k, over, sizeof over, pk, other);
	assert_memory_not_equal(mac, other, sizeof mac);
	vx6_hs_auth_mac(&k, over, sizeof over, pk2, mac);
	assert_memory_not_equal(mac, other, sizeof mac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auth__golden_vectors__same),
		cmocka_unit_test(auth_derive__both_sides__agree),
		cmocka_unit_test(auth_derive__another_encryption_key_or_period__says_nothing_alike),
		cmocka_unit_test(auth_derive__key_of_small_order__refused),
		cmocka_unit_test(auth_mac__anything_changed__is_another),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
