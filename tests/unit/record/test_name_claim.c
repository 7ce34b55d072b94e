#include "tests/unit/record/common.h"

#include "record/admit.h"
#include "record/hwm_mem.h"
#include "record/name_claim.h"

static void name_claim__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("name_claims");
	unsigned seen = 0;

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX], out[VX6_NAME_CLAIM_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n;
		struct vx6_name_claim c;
		struct vx6_identity id;
		struct vx6_record rec;

		seen++;
		assert_ok(vx6_record_parse(bytes, n, &rec));
		assert_ok(vx6_name_claim_read(&rec, &vx6_net_default, &c));
		assert_string_equal(c.name, vec_text(v, "label"));
		assert_int_equal(c.withdrawn, vec_num(v, "withdrawn"));
		assert_true(c.nonce == vec_num(v, "nonce"));
		assert_int_equal(c.work_bits, vec_num(v, "work_bits"));
		assert_true(c.claimed_at_s == vec_num(v, "since"));
		identity_of(v, &id);
		assert_ok(vx6_name_claim_build(&c, &id, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	assert_int_equal(seen, 3);
	vec_free(vectors);
}

static void alias_claim__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("alias_claims");
	unsigned seen = 0;

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX], out[VX6_ALIAS_CLAIM_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n;
		struct vx6_record_check check = {.net = &vx6_net_default, .now_s = NOW};
		struct vx6_sign_keypair service;
		struct vx6_sign_seed seed;
		struct vx6_name_claim c;
		struct vx6_record rec;

		seen++;
		assert_ok(vx6_record_parse(bytes, n, &rec));
		assert_ok(vx6_record_verify(&rec, &check));
		assert_ok(vx6_alias_claim_read(&rec, &vx6_net_default, &c));
		assert_string_equal(c.name, vec_text(v, "label"));
		assert_int_equal(c.withdrawn, vec_num(v, "withdrawn"));
		assert_int_equal(c.work_bits, vec_num(v, "work_bits"));
		assert_true(c.claimed_at_s == 0);
		assert_int_equal(vec_hex(v, "seed", seed.b, sizeof seed.b), sizeof seed.b);
		vx6_sign_keypair_from_seed(&seed, &service);
		assert_ok(vx6_alias_claim_build(&c, &service, &vx6_net_default, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	assert_int_equal(seen, 3);
	vec_free(vectors);
}

/* Who has done the work for a node's name has done none for a service's alias of that name, and the other way round. */
static void alias_claim__and_name_claim__are_never_taken_for_each_other(void **state)
{
	cJSON *names = vec_load("name_claims"), *aliases = vec_load("alias_claims");
	const cJSON *name = vec_find(names, "claim"), *alias = vec_find(aliases, "alias");
	struct vx6_name_claim c = {.seq = 1, .issued_s = NOW, .lifetime_s = 60};
	uint8_t bytes[VX6_RECORD_MAX], out[VX6_NAME_CLAIM_MAX];
	struct vx6_sign_keypair key;
	struct vx6_sign_seed seed;
	struct vx6_identity id;
	struct vx6_record rec;
	size_t n;

	n = vec_hex(name, "bytes", bytes, sizeof bytes);
	assert_ok(vx6_record_parse(bytes, n, &rec));
	assert_err(vx6_alias_claim_read(&rec, &vx6_net_default, &c), MISMATCH);
	assert_true(vx6_ct_is_zero(&c, sizeof c));
	n = vec_hex(alias, "bytes", bytes, sizeof bytes);
	assert_ok(vx6_record_parse(bytes, n, &rec));
	assert_err(vx6_name_claim_read(&rec, &vx6_net_default, &c), MISMATCH);
	assert_true(vx6_ct_is_zero(&c, sizeof c));

	assert_int_equal(vec_hex(alias, "seed", seed.b, sizeof seed.b), sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &key);
	identity_of(name, &id); /* of the same key */
	c = (struct vx6_name_claim){.seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60,
				    .nonce = vec_num(name, "nonce")};
	strcpy(c.name, vec_text(name, "label"));
	assert_ok(vx6_name_claim_build(&c, &id, out, &n));
	assert_err(vx6_alias_claim_build(&c, &key, &id.net, out, &n), REFUSED);
	strcpy(c.name, vec_text(alias, "label"));
	c.nonce = vec_num(alias, "nonce");
	assert_ok(vx6_alias_claim_build(&c, &key, &id.net, out, &n));
	assert_err(vx6_name_claim_build(&c, &id, out, &n), REFUSED);
	vec_free(names);
	vec_free(aliases);
}

/* Signed under a certificate, or telling since when: neither is of this type. */
static void alias_claim_read__what_a_node_says__is_refused(void **state)
{
	cJSON *vectors = vec_load("name_claims"), *aliases = vec_load("alias_claims");
	const cJSON *v = vec_find(vectors, "claim"), *alias = vec_find(aliases, "alias");
	struct vx6_record_view h = {.type = VX6_RTYPE_ALIAS,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60};
	uint8_t out[VX6_ALIAS_CLAIM_MAX * 2];
	struct vx6_record_builder b;
	struct vx6_name_claim c;
	struct vx6_identity id;
	struct vx6_record rec;
	struct vx6_wr w;
	size_t n;

	identity_of(v, &id);
	memcpy(h.subject, id.id.b, sizeof h.subject);
	for (int with_since = 0; with_since < 2; with_since++) {
		vx6_wr_init(&w, out, sizeof out);
		vx6_record_encode_begin(&w, &h);
		vx6_tlv_wr_init(&b.tlv, &w);
		vx6_tlv_wr_put(&b.tlv, VX6_RTLV_NAME, "ghost", 5);
		vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_WORK);
		vx6_wr_u64(&w, vec_num(alias, "nonce"));
		vx6_tlv_wr_end(&b.tlv);
		if (with_since)
			vx6_tlv_wr_put(&b.tlv, VX6_RTLV_SINCE, "12345678", 8);
		vx6_record_encode_end(&w);
		vx6_wr_bytes(&w, (uint8_t[VX6_RECORD_SIG]){0}, VX6_RECORD_SIG);
		assert_ok(vx6_wr_done(&w, &n));
		assert_ok(vx6_record_parse(out, n, &rec));
		if (with_since)
			assert_err(vx6_alias_claim_read(&rec, &vx6_net_default, &c), FORMAT);
		else
			assert_ok(vx6_alias_claim_read(&rec, &vx6_net_default, &c));
		rec.has_cert = true;
		assert_err(vx6_alias_claim_read(&rec, &vx6_net_default, &c), FORMAT);
	}
	vec_free(vectors);
	vec_free(aliases);
}

static void name_claim_read__another_type_or_network__is_refused(void **state)
{
	static const struct vx6_net other = {"another net"};
	cJSON *records = vec_load("records"), *claims = vec_load("name_claims");
	uint8_t bytes[VX6_RECORD_MAX];
	struct vx6_name_claim c;
	struct vx6_record rec;
	size_t n;

	VEC_EACH(v, records)
	{
		n = vec_hex(v, "bytes", bytes, sizeof bytes);
		assert_ok(vx6_record_parse(bytes, n, &rec));
		assert_err(vx6_name_claim_read(&rec, &vx6_net_default, &c), MISMATCH);
	}
	n = vec_hex(vec_find(claims, "claim"), "bytes", bytes, sizeof bytes);
	assert_ok(vx6_record_parse(bytes, n, &rec));
	assert_err(vx6_name_claim_read(&rec, &other, &c), REFUSED); /* the work was for another */
	assert_true(vx6_ct_is_zero(&c, sizeof c));
	vec_free(records);
	vec_free(claims);
}

static void name_work__solved__counts_and_is_bound_to_name_and_node(void **state)
{
	struct vx6_node_id node = {{1}}, other = {{2}};
	uint64_t nonce = 99, again;

	assert_true(vx6_name_work_solve(&vx6_net_default, "alice", &node, 12, 0, 1 << 20, &nonce));
	assert_true(vx6_name_work(&vx6_net_default, "alice", &node, nonce) >= 12);
	assert_true(vx6_name_work(&vx6_net_default, "alicf", &node, nonce) < 12);
	assert_true(vx6_name_work(&vx6_net_default, "alice", &other, nonce) < 12);
	/* the first that fits is found from any start at or before it, and in slices */
	assert_true(vx6_name_work_solve(&vx6_net_default, "alice", &node, 12, nonce, 1, &again));
	assert_true(again == nonce);
	assert_false(vx6_name_work_solve(&vx6_net_default, "alice", &node, 12, 0, nonce, &again));
	assert_false(vx6_name_work_solve(&vx6_net_default, "alice", &node, 12, nonce, 0, &again));
	assert_true(vx6_name_work_solve(&vx6_net_default, "alice", &node, 0, 7, 1, &again));
	assert_true(again == 7);
}

static void name_work__weak_nonce__neither_built_nor_read(void **state)
{
	cJSON *vectors = vec_load("name_claims");
	const cJSON *v = vec_find(vectors, "claim");
	struct vx6_name_claim c = {.seq = 1, .issued_s = NOW, .lifetime_s = 60, .name = "alice"};
	struct vx6_record_view h = {.type = VX6_RTYPE_NAME,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60};
	uint8_t out[VX6_NAME_CLAIM_MAX];
	struct vx6_record_builder b;
	struct vx6_identity id;
	struct vx6_record rec;
	uint64_t nonce = 0;
	size_t n;

	identity_of(v, &id);
	/* one bit short of enough */
	for (unsigned bits = 0; bits != VX6_NAME_WORK_BITS - 1; nonce++) {
		assert_true(vx6_name_work_solve(&id.net, "alice", &id.id, VX6_NAME_WORK_BITS - 1,
						nonce, 1 << 26, &nonce));
		bits = vx6_name_work(&id.net, "alice", &id.id, nonce);
		c.nonce = nonce;
	}
	assert_err(vx6_name_claim_build(&c, &id, out, &n), REFUSED);
	vx6_record_build_begin(&b, &h, &id, out, sizeof out);
	vx6_tlv_wr_put(&b.tlv, VX6_RTLV_NAME, "alice", 5);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_WORK);
	vx6_wr_u64(&b.w, c.nonce);
	vx6_tlv_wr_end(&b.tlv);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_SINCE);
	vx6_wr_u64(&b.w, NOW);
	vx6_tlv_wr_end(&b.tlv);
	assert_ok(vx6_record_build_finish(&b, &id, &n));
	assert_ok(vx6_record_parse(out, n, &rec));
	assert_err(vx6_name_claim_read(&rec, &vx6_net_default, &c), REFUSED);
	vec_free(vectors);
}

static void name_claim_build__what_may_not_travel__is_refused(void **state)
{
	cJSON *vectors = vec_load("name_claims");
	const cJSON *v = vec_find(vectors, "claim");
	struct vx6_name_claim c = {.seq = 1, .issued_s = NOW, .lifetime_s = 60, .name = "alice"};
	uint8_t out[VX6_NAME_CLAIM_MAX];
	struct vx6_identity id;
	size_t n;

	identity_of(v, &id);
	c.nonce = vec_num(v, "nonce");
	c.claimed_at_s = NOW;
	assert_ok(vx6_name_claim_build(&c, &id, out, &n));
	c.claimed_at_s = NOW + 1;
	assert_err(vx6_name_claim_build(&c, &id, out, &n), INVALID);
	c.claimed_at_s = 0;
	strcpy(c.name, "Alice");
	assert_err(vx6_name_claim_build(&c, &id, out, &n), INVALID);
	c.name[0] = '\0';
	assert_err(vx6_name_claim_build(&c, &id, out, &n), INVALID);
	memset(c.name, 'a', sizeof c.name);
	assert_err(vx6_name_claim_build(&c, &id, out, &n), INVALID);
	vec_free(vectors);
}

/* Each TLV cut, too long, missing. */
static void name_claim_read__crafted_contents__are_refused(void **state)
{
	cJSON *vectors = vec_load("name_claims");
	const cJSON *v = vec_find(vectors, "claim");
	struct vx6_record_view h = {.type = VX6_RTYPE_NAME,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60};
	struct vx6_name_claim c;
	struct vx6_identity id;
	uint8_t nonce[9], since[9] = {0};
	struct vx6_wr w;

	identity_of(v, &id);
	vx6_wr_init(&w, nonce, sizeof nonce);
	vx6_wr_u64(&w, vec_num(v, "nonce"));
	vx6_wr_u8(&w, 0);
	for (size_t name_n = 0; name_n <= 6; name_n++)
		for (size_t work_n = 0; work_n <= 9; work_n++)
			for (size_t since_n = 7; since_n <= 9; since_n++) {
				uint8_t out[VX6_NAME_CLAIM_MAX];
				struct vx6_record_builder b;
				struct vx6_record rec;
				vx6_err err;
				size_t n;

				vx6_record_build_begin(&b, &h, &id, out, sizeof out);
				if (name_n != 6)
					vx6_tlv_wr_put(&b.tlv, VX6_RTLV_NAME, "alice", name_n);
				if (work_n)
					vx6_tlv_wr_put(&b.tlv, VX6_RTLV_WORK, nonce, work_n);
				vx6_tlv_wr_put(&b.tlv, VX6_RTLV_SINCE, since, since_n);
				assert_ok(vx6_record_build_finish(&b, &id, &n));
				assert_ok(vx6_record_parse(out, n, &rec));
				err = vx6_name_claim_read(&rec, &vx6_net_default, &c);
				if (name_n == 5 && work_n == 8 && since_n == 8)
					assert_ok(err);
				else
					assert_fails(err);
			}
	vec_free(vectors);
}

static void name_claim__admitted__one_name_a_node(void **state)
{
	cJSON *vectors = vec_load("name_claims");
	struct vx6_hwm_mem *mem = vx6_hwm_mem_new(16);
	struct vx6_hwm_store store = vx6_hwm_mem_store(mem);
	struct vx6_admit ctx = {.net = &vx6_net_default, .store = &store, .now_s = NOW};
	uint8_t bytes[VX6_RECORD_MAX], later[VX6_NAME_CLAIM_MAX];
	struct vx6_admission a;
	struct vx6_name_claim c;
	struct vx6_identity id;
	struct vx6_record rec;
	size_t n, later_n;

	n = vec_hex(vec_find(vectors, "claim longest"), "bytes", bytes, sizeof bytes);
	assert_ok(vx6_record_parse(bytes, n, &rec));
	assert_ok(vx6_name_claim_read(&rec, &vx6_net_default, &c));
	c.seq++;
	identity_of(vec_find(vectors, "claim"), &id);
	assert_ok(vx6_name_claim_build(&c, &id, later, &later_n));
	n = vec_hex(vec_find(vectors, "claim"), "bytes", bytes, sizeof bytes);
	assert_ok(vx6_record_admit(&ctx, bytes, n, &a));
	assert_int_equal(a.result, VX6_ADMIT_NEW);
	assert_ok(vx6_record_admit(&ctx, later, later_n, &a));
	assert_int_equal(a.result, VX6_ADMIT_NEW);
	assert_ok(vx6_record_admit(&ctx, bytes, n, &a)); /* it goes by another name now */
	assert_int_equal(a.result, VX6_ADMIT_STALE);
	bytes[n - 1] ^= 1;
	assert_fails(vx6_record_admit(&ctx, bytes, n, &a));
	vx6_hwm_mem_free(mem);
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alias_claim__golden_bytes__both_ways),
		cmocka_unit_test(alias_claim_read__what_a_node_says__is_refused),
		cmocka_unit_test(alias_claim__and_name_claim__are_never_taken_for_each_other),
		cmocka_unit_test(name_claim__golden_bytes__both_ways),
		cmocka_unit_test(name_claim_read__another_type_or_network__is_refused),
		cmocka_unit_test(name_work__solved__counts_and_is_bound_to_name_and_node),
		cmocka_unit_test(name_work__weak_nonce__neither_built_nor_read),
		cmocka_unit_test(name_claim_build__what_may_not_travel__is_refused),
		cmocka_unit_test(name_claim_read__crafted_contents__are_refused),
		cmocka_unit_test(name_claim__admitted__one_name_a_node),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
