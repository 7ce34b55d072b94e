#include "tests/unit/vectors.h"
#include "crypto/kx.h"
#include "crypto/secret.h"

static void kx__rfc7748_vectors__reproduced(void **state)
{
	cJSON *vectors = vec_load("rfc7748");

	VEC_EACH(v, vectors)
	{
		struct vx6_kx_shared shared;
		struct vx6_kx_pk u;
		struct vx6_kx_sk k;
		uint8_t want[32];

		vec_hex(v, "scalar", k.b, 32);
		vec_hex(v, "u", u.b, 32);
		vec_hex(v, "out", want, 32);
		assert_ok(vx6_kx_agree(&k, &u, &shared));
		assert_memory_equal(shared.b, want, 32);
	}
	vec_free(vectors);
}

static void kx_agree__two_sides__have_the_same_secret(void **state)
{
	struct vx6_kx_shared ab, ba;
	struct vx6_kx_pk a, b;
	struct vx6_kx_sk x, y;

	vx6_kx_keypair(&a, &x);
	vx6_kx_keypair(&b, &y);
	assert_ok(vx6_kx_agree(&x, &b, &ab));
	assert_ok(vx6_kx_agree(&y, &a, &ba));
	assert_true(vx6_ct_eq(ab.b, ba.b, 32));
	assert_false(vx6_ct_eq(a.b, b.b, 32));
}

static void kx_agree__small_order_point__is_refused(void **state)
{
	struct vx6_kx_shared shared;
	struct vx6_kx_pk peer;
	struct vx6_kx_sk sk;

	vx6_random_bytes(sk.b, sizeof sk.b);
	for (uint8_t u = 0; u < 2; u++) {
		memset(peer.b, 0, 32);
		peer.b[0] = u;
		memset(&shared, 9, sizeof shared);
		assert_err(vx6_kx_agree(&sk, &peer, &shared), KEY);
		assert_true(vx6_ct_is_zero(&shared, sizeof shared));
	}
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kx__rfc7748_vectors__reproduced),
		cmocka_unit_test(kx_agree__two_sides__have_the_same_secret),
		cmocka_unit_test(kx_agree__small_order_point__is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
