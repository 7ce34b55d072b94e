#include "tests/unit/record/common.h"

#include "identity/revocation.h"
#include "record/admit.h"
#include "record/endpoint.h"
#include "record/hwm_mem.h"
#include "record/service.h"

struct fixture {
	struct vx6_sign_keypair master;
	struct vx6_identity id;
	struct vx6_hwm_mem *mem;
	struct vx6_hwm_store store;
	struct vx6_admit ctx;
	struct vx6_admission got;
};

static void certify(struct fixture *f, uint32_t seq)
{
	struct vx6_subkey *s = &f->id.subkey;

	vx6_sign_keypair_random(&s->key);
	s->cert = (struct vx6_subkey_cert){.kind = VX6_SUBKEY_SIGN,
					   .purposes = VX6_PURPOSE_TLS | VX6_PURPOSE_RECORD,
					   .not_before_s = NOW - 100,
					   .not_after_s = NOW + VX6_SUBKEY_LIFETIME_S,
					   .cert_seq = seq,
					   .subject = s->key.pk};
	assert_ok(vx6_subkey_cert_sign(&s->cert, &f->master, &vx6_net_default, s->cert_bytes));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->id.net = vx6_net_default;
	vx6_sign_keypair_random(&f->master);
	vx6_node_id_from_pk(&f->master.pk, &f->id.id);
	certify(f, 100);
	f->mem = vx6_hwm_mem_new(16);
	f->store = vx6_hwm_mem_store(f->mem);
	f->ctx = (struct vx6_admit){.net = &vx6_net_default, .store = &f->store, .now_s = NOW};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vx6_hwm_mem_free(f->mem);
	free(f);
	return 0;
}

static size_t endpoint(const struct fixture *f, uint64_t seq, const char *name,
		       uint8_t out[static VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = seq, .issued_s = NOW, .lifetime_s = 600};
	size_t n;

	snprintf(e.name, sizeof e.name, "%s", name);
	assert_ok(vx6_endpoint_build(&e, &f->id, out, &n));
	return n;
}

static vx6_err admit_endpoint(struct fixture *f, uint64_t seq, const char *name)
{
	static uint8_t out[VX6_ENDPOINT_MAX];
	size_t n = endpoint(f, seq, name, out);

	return vx6_record_admit(&f->ctx, out, n, &f->got);
}

static vx6_err admit_service(struct fixture *f, uint64_t seq, const char *name)
{
	struct vx6_service_record s = {.seq = seq,
				       .issued_s = NOW,
				       .lifetime_s = 600,
				       .kind = VX6_SERVICE_TCP};
	static uint8_t out[VX6_SERVICE_MAX];
	size_t n;

	snprintf(s.name, sizeof s.name, "%s", name);
	assert_ok(vx6_service_build(&s, &f->id, out, &n));
	return vx6_record_admit(&f->ctx, out, n, &f->got);
}

static vx6_err admit_revocation(struct fixture *f, uint64_t seq, uint8_t reason,
				uint32_t min_cert_seq)
{
	struct vx6_revocation r = {.seq = seq,
				   .issued_s = NOW,
				   .reason = reason,
				   .min_cert_seq = min_cert_seq};
	static uint8_t out[VX6_REVOCATION_MAX];
	size_t n;

	assert_ok(vx6_revocation_build(&r, &f->master, NULL, &vx6_net_default, out, &n));
	return vx6_record_admit(&f->ctx, out, n, &f->got);
}

static void admit__newer_same_older__new_refresh_stale(void **state)
{
	struct fixture *f = *state;
	uint8_t second[VX6_ENDPOINT_MAX];
	size_t n;

	assert_ok(admit_endpoint(f, 10, "alice"));
	assert_int_equal(f->got.result, VX6_ADMIT_NEW);
	assert_ok(admit_endpoint(f, 10, "alice"));
	assert_int_equal(f->got.result, VX6_ADMIT_REFRESH);
	assert_ok(admit_endpoint(f, 11, "alicia"));
	assert_int_equal(f->got.result, VX6_ADMIT_NEW);
	assert_ok(admit_endpoint(f, 10, "alice")); /* replayed */
	assert_int_equal(f->got.result, VX6_ADMIT_STALE);
	n = endpoint(f, 11, "alicia", second);
	assert_int_equal(f->got.newer_n, n);
	assert_memory_equal(f->got.newer, second, n);
}

static void admit__same_sequence_other_bytes__is_equivocation_and_the_first_stays(void **state)
{
	struct fixture *f = *state;
	struct vx6_hash first;

	assert_ok(admit_endpoint(f, 10, "alice"));
	first = f->got.record.hash;
	assert_ok(admit_endpoint(f, 10, "mallory"));
	assert_int_equal(f->got.result, VX6_ADMIT_EQUIVOCATION);
	assert_memory_equal(f->got.known.b, first.b, 32);
	assert_memory_not_equal(f->got.record.hash.b, first.b, 32);
	assert_int_equal(vx6_hwm_mem_equivocations(f->mem), 1);
	assert_ok(admit_endpoint(f, 10, "alice"));
	assert_int_equal(f->got.result, VX6_ADMIT_REFRESH);
}

static void admit__services__have_a_slot_each(void **state)
{
	struct fixture *f = *state;

	assert_ok(admit_service(f, 10, "web"));
	assert_int_equal(f->got.result, VX6_ADMIT_NEW);
	assert_ok(admit_service(f, 5, "ssh"));
	assert_int_equal(f->got.result, VX6_ADMIT_NEW);
	assert_ok(admit_service(f, 9, "web"));
	assert_int_equal(f->got.result, VX6_ADMIT_STALE);
	assert_ok(admit_endpoint(f, 1, "alice"));
	assert_int_equal(f->got.result, VX6_ADMIT_NEW);
}

static void admit__unexpected_subject__is_mismatch(void **state)
{
	struct fixture *f = *state;
	struct vx6_node_id other = {{1}};

	f->ctx.expect = &other;
	assert_err(admit_endpoint(f, 10, "alice"), MISMATCH);
	assert_int_equal(vx6_hwm_mem_count(f->mem), 0);
	f->ctx.expect = &f->id.id;
	assert_ok(admit_endpoint(f, 10, "alice"));
}

static void admit__bad_record__moves_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t out[VX6_ENDPOINT_MAX];
	size_t n = endpoint(f, 10, "alice", out);

	out[47] ^= 1; /* seq */
	assert_err(vx6_record_admit(&f->ctx, out, n, &f->got), SIGNATURE);
	assert_null(f->got.record.view.bytes);
	f->ctx.now_s = NOW + 601;
	assert_err(admit_endpoint(f, 10, "alice"), EXPIRED);
	assert_int_equal(vx6_hwm_mem_count(f->mem), 0);
}

static void admit__older_certificate__is_stale(void **state)
{
	struct fixture *f = *state;

	assert_ok(admit_endpoint(f, 10, "alice"));
	certify(f, 99);
	assert_err(admit_endpoint(f, 11, "alice"), STALE);
	certify(f, 101);
	assert_ok(admit_endpoint(f, 12, "alice"));
	certify(f, 100);
	assert_err(admit_endpoint(f, 13, "alice"), STALE);
}

static void admit__subkey_revoked__only_newer_certificates_pass(void **state)
{
	struct fixture *f = *state;

	assert_ok(admit_endpoint(f, 10, "alice"));
	assert_ok(admit_revocation(f, 1, VX6_REVOKE_SUBKEY, 105));
	assert_int_equal(f->got.result, VX6_ADMIT_NEW);
	assert_err(admit_endpoint(f, 11, "alice"), STALE);
	certify(f, 105);
	assert_ok(admit_endpoint(f, 12, "alice"));
}

static void admit__master_revoked__is_the_end_for_good(void **state)
{
	struct vx6_subkey_cert cert;
	struct fixture *f = *state;

	assert_ok(admit_revocation(f, 1, VX6_REVOKE_MASTER, 0));
	assert_err(admit_endpoint(f, 10, "alice"), REVOKED);
	assert_err(admit_service(f, 10, "web"), REVOKED);
	certify(f, UINT32_MAX);
	assert_err(vx6_cert_admit(&f->ctx, &f->id.id, f->id.subkey.cert_bytes,
				  VX6_SUBKEY_CERT_BYTES, VX6_PURPOSE_TLS, &cert),
		   REVOKED);
	/* whoever holds the stolen master key cannot take it back */
	assert_ok(admit_revocation(f, UINT64_MAX - 1, VX6_REVOKE_SUBKEY, 0));
	assert_int_equal(f->got.result, VX6_ADMIT_STALE);
	assert_err(admit_endpoint(f, 11, "alice"), REVOKED);
}

static void admit__store_lost_the_revocations_bytes__still_revoked(void **state)
{
	struct fixture *f = *state;
	struct vx6_hwm_key key = {.type = VX6_RTYPE_REVOCATION};
	struct vx6_hwm mark = {.seq = 7};

	memcpy(key.subject, f->id.id.b, 32);
	assert_ok(f->store.put(f->store.user, &key, &mark));
	assert_err(admit_endpoint(f, 10, "alice"), REVOKED);
}

static void admit__store_full__is_said(void **state)
{
	struct fixture *f = *state;
	char name[8];

	for (unsigned i = 0; i < 15; i++) { /* one of the 16 holds cert_seq */
		snprintf(name, sizeof name, "s%u", i);
		assert_ok(admit_service(f, 1, name));
	}
	assert_err(admit_service(f, 1, "last"), FULL);
	assert_ok(admit_service(f, 2, "s3")); /* what is known can still move */
}

static void cert_admit__checks_and_remembers(void **state)
{
	struct fixture *f = *state;
	struct vx6_subkey_cert cert;
	struct vx6_node_id other = {{2}};
	const uint8_t *bytes = f->id.subkey.cert_bytes;

	assert_ok(vx6_cert_admit(&f->ctx, &f->id.id, bytes, VX6_SUBKEY_CERT_BYTES, VX6_PURPOSE_TLS,
				 &cert));
	assert_int_equal(cert.cert_seq, 100);
	assert_err(vx6_cert_admit(&f->ctx, &f->id.id, bytes, VX6_SUBKEY_CERT_BYTES, 0x10, &cert),
		   REFUSED);
	assert_err(vx6_cert_admit(&f->ctx, &f->id.id, bytes, VX6_SUBKEY_CERT_BYTES - 1,
				  VX6_PURPOSE_TLS, &cert),
		   SHORT);
	f->ctx.expect = &other;
	assert_err(vx6_cert_admit(&f->ctx, &f->id.id, bytes, VX6_SUBKEY_CERT_BYTES, VX6_PURPOSE_TLS,
				  &cert),
		   MISMATCH);
	f->ctx.expect = NULL;
	certify(f, 99);
	assert_err(vx6_cert_admit(&f->ctx, &f->id.id, bytes, VX6_SUBKEY_CERT_BYTES, VX6_PURPOSE_TLS,
				  &cert),
		   STALE);
	assert_int_equal(cert.cert_seq, 0);
}

/* The property of the protocol: whatever order records arrive in, the remembered sequence never goes down. */
static void admit__any_order__sequence_never_decreases(void **state)
{
	struct fixture *f = *state;
	uint64_t high = 0;

	for (unsigned i = 0; i < 300; i++) {
		uint64_t seq = 1 + vx6_random_below(50);

		assert_ok(admit_endpoint(f, seq, "alice"));
		assert_int_equal(f->got.result, seq > high    ? VX6_ADMIT_NEW
						: seq == high ? VX6_ADMIT_REFRESH
							      : VX6_ADMIT_STALE);
		high = seq > high ? seq : high;
	}
}

static void hwm_tag__of_an_endpoint_record__is_the_reference_s(void **state)
{
	cJSON *vectors = vec_load("messages");
	const cJSON *v = vec_find(vectors, "have");
	struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};

	vec_hex(v, "subject", key.subject, sizeof key.subject);
	assert_true(vx6_hwm_tag(&key) == vec_num(v, "tag"));
	key.type = VX6_RTYPE_SERVICE;
	assert_true(vx6_hwm_tag(&key) != vec_num(v, "tag"));
	vec_free(vectors);
}

#define ADMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hwm_tag__of_an_endpoint_record__is_the_reference_s),
		ADMIT_TEST(admit__newer_same_older__new_refresh_stale),
		ADMIT_TEST(admit__same_sequence_other_bytes__is_equivocation_and_the_first_stays),
		ADMIT_TEST(admit__services__have_a_slot_each),
		ADMIT_TEST(admit__unexpected_subject__is_mismatch),
		ADMIT_TEST(admit__bad_record__moves_nothing),
		ADMIT_TEST(admit__older_certificate__is_stale),
		ADMIT_TEST(admit__subkey_revoked__only_newer_certificates_pass),
		ADMIT_TEST(admit__master_revoked__is_the_end_for_good),
		ADMIT_TEST(admit__store_lost_the_revocations_bytes__still_revoked),
		ADMIT_TEST(admit__store_full__is_said),
		ADMIT_TEST(cert_admit__checks_and_remembers),
		ADMIT_TEST(admit__any_order__sequence_never_decreases),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
