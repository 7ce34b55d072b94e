#include "tests/unit/vectors.h"
#include "crypto/secret.h"
#include "identity/revocation.h"

static vx6_err read_bytes(const uint8_t *in, size_t n, struct vx6_revocation *out)
{
	struct vx6_record_view view;

	VX6_TRY(vx6_record_decode(in, n, &view));
	return vx6_revocation_read(&view, &vx6_net_default, out);
}

static void revocation__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("revocations");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_REVOCATION_MAX], out[VX6_REVOCATION_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n;
		struct vx6_sign_keypair master, heir;
		struct vx6_sign_seed seed;
		struct vx6_revocation r;
		bool has_heir;

		assert_ok(read_bytes(bytes, n, &r));
		vec_hex(v, "master_seed", seed.b, 32);
		vx6_sign_keypair_from_seed(&seed, &master);
		has_heir = vec_hex(v, "successor_seed", seed.b, 32) == 32;
		vx6_sign_keypair_from_seed(&seed, &heir);
		assert_memory_equal(r.node.b, master.pk.b, 32);
		assert_int_equal(r.reason, vec_num(v, "reason"));
		assert_int_equal(r.min_cert_seq, vec_num(v, "min_cert_seq"));
		assert_true(r.seq == vec_num(v, "seq"));
		assert_true(r.issued_s == vec_num(v, "issued"));
		assert_int_equal(r.has_successor, has_heir);
		if (has_heir)
			assert_memory_equal(r.successor.b, heir.pk.b, 32);
		assert_ok(vx6_revocation_build(&r, &master, has_heir ? &heir : NULL,
					       &vx6_net_default, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void revocation__any_bit_flipped_or_cut__is_refused(void **state)
{
	cJSON *vectors = vec_load("revocations");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_REVOCATION_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes);
		struct vx6_revocation r;

		for (size_t i = 0; i < n * 8; i++) {
			bytes[i / 8] ^= (uint8_t)(1 << i % 8);
			assert_fails(read_bytes(bytes, n, &r));
			bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		for (size_t cut = 0; cut < n; cut++)
			assert_fails(read_bytes(bytes, cut, &r));
	}
	vec_free(vectors);
}

static void revocation_build__unknown_reason__does_not_read_back(void **state)
{
	struct vx6_revocation r = {.reason = 9, .seq = 1};
	struct vx6_sign_keypair master;
	uint8_t out[VX6_REVOCATION_MAX];
	size_t n;

	vx6_sign_keypair_random(&master);
	assert_ok(vx6_revocation_build(&r, &master, NULL, &vx6_net_default, out, &n));
	assert_err(read_bytes(out, n, &r), UNSUPPORTED);
}

/* Somebody else's key named as successor without its consent. */
static void revocation_read__successor_did_not_sign__is_refused(void **state)
{
	struct vx6_revocation r = {.reason = VX6_REVOKE_SUPERSEDED, .seq = 1};
	struct vx6_sign_keypair master, heir, victim;
	uint8_t out[VX6_REVOCATION_MAX];
	struct vx6_sig sig;
	size_t n;

	vx6_sign_keypair_random(&master);
	vx6_sign_keypair_random(&heir);
	vx6_sign_keypair_random(&victim);
	assert_ok(vx6_revocation_build(&r, &master, &heir, &vx6_net_default, out, &n));
	memcpy(out + VX6_RECORD_HEADER + VX6_TLV_HEADER, victim.pk.b, 32);
	assert_ok(vx6_sign(&master, "VX6 record v1", &vx6_net_default, out, n - 64, &sig));
	memcpy(out + n - 64, sig.b, 64);
	assert_err(read_bytes(out, n, &r), SIGNATURE);
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(revocation__golden_bytes__both_ways),
		cmocka_unit_test(revocation__any_bit_flipped_or_cut__is_refused),
		cmocka_unit_test(revocation_build__unknown_reason__does_not_read_back),
		cmocka_unit_test(revocation_read__successor_did_not_sign__is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
