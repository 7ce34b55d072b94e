#include "tests/unit/vectors.h"
#include "crypto/secret.h"
#include "identity/subkey_cert.h"

struct sample {
	struct vx6_sign_keypair master;
	struct vx6_node_id id;
	uint8_t bytes[VX6_SUBKEY_CERT_BYTES];
	struct vx6_subkey_cert cert;
};

static void load(const cJSON *v, struct sample *s)
{
	struct vx6_sign_seed seed;

	vec_hex(v, "master_seed", seed.b, 32);
	vx6_sign_keypair_from_seed(&seed, &s->master);
	vx6_node_id_from_pk(&s->master.pk, &s->id);
	assert_int_equal(vec_hex(v, "bytes", s->bytes, sizeof s->bytes), sizeof s->bytes);
	assert_ok(vx6_subkey_cert_decode(s->bytes, sizeof s->bytes, &s->cert));
}

static struct sample alice(void)
{
	cJSON *vectors = vec_load("subkey_certs");
	struct sample s;

	load(vec_find(vectors, "alice"), &s);
	vec_free(vectors);
	return s;
}

static void cert__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("subkey_certs");

	VEC_EACH(v, vectors)
	{
		uint8_t out[VX6_SUBKEY_CERT_BYTES], subject[32];
		struct vx6_subkey_cert again;
		struct sample s;

		load(v, &s);
		vec_hex(v, "subject", subject, 32);
		assert_memory_equal(s.cert.subject.b, subject, 32);
		assert_int_equal(s.cert.kind, vec_num(v, "kind"));
		assert_int_equal(s.cert.purposes, vec_num(v, "purposes"));
		assert_true(s.cert.not_before_s == vec_num(v, "not_before"));
		assert_true(s.cert.not_after_s == vec_num(v, "not_after"));
		assert_int_equal(s.cert.cert_seq, vec_num(v, "cert_seq"));
		assert_ok(vx6_subkey_cert_verify_sig(&s.cert, &s.id, &vx6_net_default));
		again = s.cert;
		memset(&again.sig, 0, sizeof again.sig);
		assert_ok(vx6_subkey_cert_sign(&again, &s.master, &vx6_net_default, out));
		assert_memory_equal(out, s.bytes, sizeof out);
	}
	vec_free(vectors);
}

static void cert__any_bit_flipped__is_refused(void **state)
{
	struct sample s = alice();
	struct vx6_subkey_cert cert;

	for (size_t i = 0; i < sizeof s.bytes * 8; i++) {
		vx6_err err;

		s.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		err = vx6_subkey_cert_decode(s.bytes, sizeof s.bytes, &cert);
		if (vx6_is_ok(err))
			err = vx6_subkey_cert_verify_sig(&cert, &s.id, &vx6_net_default);
		assert_fails(err);
		s.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void cert_decode__cut_or_extended__is_refused(void **state)
{
	struct sample s = alice();
	uint8_t longer[VX6_SUBKEY_CERT_BYTES + 1] = {0};
	struct vx6_subkey_cert cert;

	for (size_t n = 0; n < sizeof s.bytes; n++) {
		uint8_t *cut = exact_copy(s.bytes, n);

		assert_err(vx6_subkey_cert_decode(cut, n, &cert), SHORT);
		free(cut);
	}
	memcpy(longer, s.bytes, sizeof s.bytes);
	assert_err(vx6_subkey_cert_decode(longer, sizeof longer, &cert), TRAILING);
}

static vx6_err verify(const struct sample *s, uint64_t now_s, uint16_t purpose, uint32_t min_seq,
		      bool revoked)
{
	struct vx6_subkey_check c = {.net = &vx6_net_default,
				     .now_s = now_s,
				     .purpose = purpose,
				     .min_cert_seq = min_seq,
				     .revoked = revoked};

	return vx6_subkey_cert_verify(&s->cert, &s->id, &c);
}

static void cert_verify__time_sequence_purpose_revocation__each_has_its_error(void **state)
{
	struct sample s = alice();
	uint64_t from = s.cert.not_before_s, to = s.cert.not_after_s;

	assert_ok(verify(&s, from, VX6_PURPOSE_TLS | VX6_PURPOSE_RECORD, s.cert.cert_seq, false));
	assert_ok(verify(&s, to - 1, VX6_PURPOSE_TLS, 0, false));
	assert_ok(verify(&s, from - VX6_CLOCK_SKEW_S, VX6_PURPOSE_TLS, 0, false));
	assert_err(verify(&s, from - VX6_CLOCK_SKEW_S - 1, VX6_PURPOSE_TLS, 0, false), FUTURE);
	assert_err(verify(&s, 0, VX6_PURPOSE_TLS, 0, false), FUTURE);
	assert_err(verify(&s, to, VX6_PURPOSE_TLS, 0, false), EXPIRED);
	assert_err(verify(&s, from, 4, 0, false), REFUSED);
	assert_err(verify(&s, from, VX6_PURPOSE_TLS, s.cert.cert_seq + 1, false), STALE);
	assert_err(verify(&s, from, VX6_PURPOSE_TLS, 0, true), REVOKED);
}

static void cert_verify__other_master_or_network__is_refused(void **state)
{
	struct sample s = alice();
	struct vx6_net net = vx6_net_default;
	struct vx6_sign_keypair other;
	struct vx6_node_id id;

	vx6_sign_keypair_random(&other);
	vx6_node_id_from_pk(&other.pk, &id);
	assert_err(vx6_subkey_cert_verify_sig(&s.cert, &id, &vx6_net_default), MISMATCH);
	memset(&id, 0, sizeof id);
	assert_err(vx6_subkey_cert_verify_sig(&s.cert, &id, &vx6_net_default), KEY);
	net.b[0] ^= 1;
	assert_err(vx6_subkey_cert_verify_sig(&s.cert, &s.id, &net), SIGNATURE);
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cert__golden_bytes__both_ways),
		cmocka_unit_test(cert__any_bit_flipped__is_refused),
		cmocka_unit_test(cert_decode__cut_or_extended__is_refused),
		cmocka_unit_test(cert_verify__time_sequence_purpose_revocation__each_has_its_error),
		cmocka_unit_test(cert_verify__other_master_or_network__is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
