#include "tests/unit/record/common.h"

#include "record/endpoint.h"

static vx6_err verify_at(const uint8_t *in, size_t n, uint64_t now_s)
{
	struct vx6_record_check check = {.net = &vx6_net_default, .now_s = now_s};
	struct vx6_record rec;

	VX6_TRY(vx6_record_parse(in, n, &rec));
	return vx6_record_verify(&rec, &check);
}

static size_t load(const char *name, uint8_t *out, size_t cap)
{
	cJSON *vectors = vec_load("records");
	size_t n = vec_hex(vec_find(vectors, name), "bytes", out, cap);

	vec_free(vectors);
	return n;
}

static void record_verify__golden_records__verify(void **state)
{
	cJSON *vectors = vec_load("records");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes);

		assert_ok(verify_at(bytes, n, NOW));
	}
	vec_free(vectors);
}

static void record_verify__any_bit_flipped__is_refused(void **state)
{
	static const char *const names[] = {"endpoint", "service"};

	for (size_t k = 0; k < 2; k++) {
		uint8_t bytes[VX6_RECORD_MAX];
		size_t n = load(names[k], bytes, sizeof bytes);

		for (size_t i = 0; i < n * 8; i++) {
			bytes[i / 8] ^= (uint8_t)(1 << i % 8);
			assert_fails(verify_at(bytes, n, NOW));
			bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		assert_ok(verify_at(bytes, n, NOW));
	}
}

static void record_parse__cut_or_extended__is_refused(void **state)
{
	uint8_t bytes[VX6_RECORD_MAX];
	size_t whole = load("endpoint full", bytes, sizeof bytes);
	struct vx6_record rec;

	for (size_t n = 0; n < whole; n++) {
		uint8_t *cut = exact_copy(bytes, n);

		assert_fails(vx6_record_parse(cut, n, &rec));
		assert_null(rec.view.bytes);
		free(cut);
	}
	bytes[whole] = 0;
	assert_err(vx6_record_parse(bytes, whole + 1, &rec), TRAILING);
}

static void record_verify__times__each_has_its_error(void **state)
{
	uint8_t bytes[VX6_RECORD_MAX];
	size_t n = load("endpoint", bytes, sizeof bytes);

	assert_ok(verify_at(bytes, n, NOW - VX6_CLOCK_SKEW_S));
	assert_err(verify_at(bytes, n, NOW - VX6_CLOCK_SKEW_S - 1), FUTURE);
	assert_ok(verify_at(bytes, n, NOW + VX6_ENDPOINT_LIFETIME_S - 1));
	assert_err(verify_at(bytes, n, NOW + VX6_ENDPOINT_LIFETIME_S), EXPIRED);
	assert_err(verify_at(bytes, n, UINT64_MAX), EXPIRED);
}

static void record_verify__standing_of_the_signer__is_looked_at(void **state)
{
	struct vx6_record_check check = {.net = &vx6_net_default, .now_s = NOW};
	struct vx6_net other = vx6_net_default;
	uint8_t bytes[VX6_RECORD_MAX];
	size_t n = load("endpoint", bytes, sizeof bytes);
	struct vx6_record rec;

	assert_ok(vx6_record_parse(bytes, n, &rec));
	check.min_cert_seq = rec.cert.cert_seq;
	assert_ok(vx6_record_verify(&rec, &check));
	check.min_cert_seq++;
	assert_err(vx6_record_verify(&rec, &check), STALE);
	check.min_cert_seq = 0;
	check.revoked = true;
	assert_err(vx6_record_verify(&rec, &check), REVOKED);
	check.revoked = false;
	other.b[3] ^= 1;
	check.net = &other;
	assert_fails(vx6_record_verify(&rec, &check));
}

/* Builds and signs with a key of our own what the vectors cannot hold. */
static size_t build(const struct vx6_identity *id, const struct vx6_record_view *h, uint8_t *out,
		    size_t cap)
{
	struct vx6_record_builder b;
	size_t n;

	vx6_record_build_begin(&b, h, id, out, cap);
	assert_ok(vx6_record_build_finish(&b, id, &n));
	return n;
}

static void record_verify__lifetime_above_the_types__is_range(void **state)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_ENDPOINT,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 7201};
	uint8_t out[640];
	struct vx6_identity id;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	n = build(&id, &h, out, sizeof out);
	assert_err(verify_at(out, n, NOW), RANGE);
	h.lifetime_s = VX6_RECORD_FOREVER;
	n = build(&id, &h, out, sizeof out);
	assert_err(verify_at(out, n, NOW), RANGE);
	h.lifetime_s = 7200, h.issued_s = UINT64_MAX;
	n = build(&id, &h, out, sizeof out);
	assert_err(verify_at(out, n, NOW), FUTURE);
}

static void record_verify__subkey_may_not_revoke__and_certificate_of_another__is_refused(
	void **state)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_REVOCATION,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = VX6_RECORD_FOREVER};
	struct vx6_identity alice, mallory;
	uint8_t out[640];
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &alice));
	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &mallory));
	n = build(&alice, &h, out, sizeof out);
	assert_err(verify_at(out, n, NOW), MISMATCH);
	mallory.id = alice.id; /* says it is alice, with its own certificate */
	h.type = VX6_RTYPE_ENDPOINT, h.lifetime_s = 60;
	n = build(&mallory, &h, out, sizeof out);
	assert_err(verify_at(out, n, NOW), MISMATCH);
	memcpy(mallory.subkey.cert_bytes, alice.subkey.cert_bytes, sizeof alice.subkey.cert_bytes);
	n = build(&mallory, &h, out, sizeof out); /* with alice's certificate, but not her key */
	assert_err(verify_at(out, n, NOW), SIGNATURE);
}

static void record_expires__sum_above_64_bits__is_never(void **state)
{
	struct vx6_record_view v = {.issued_s = UINT64_MAX - 5, .lifetime_s = 6};

	assert_true(vx6_record_expires_s(&v) == UINT64_MAX);
	v.issued_s = 10;
	assert_int_equal(vx6_record_expires_s(&v), 16);
	v.lifetime_s = VX6_RECORD_FOREVER;
	assert_true(vx6_record_expires_s(&v) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_verify__golden_records__verify),
		cmocka_unit_test(record_verify__any_bit_flipped__is_refused),
		cmocka_unit_test(record_parse__cut_or_extended__is_refused),
		cmocka_unit_test(record_verify__times__each_has_its_error),
		cmocka_unit_test(record_verify__standing_of_the_signer__is_looked_at),
		cmocka_unit_test(record_verify__lifetime_above_the_types__is_range),
		cmocka_unit_test(
			record_verify__subkey_may_not_revoke__and_certificate_of_another__is_refused),
		cmocka_unit_test(record_expires__sum_above_64_bits__is_never),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
