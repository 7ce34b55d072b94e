#include "tests/unit/record/common.h"

#include "record/relay_info.h"

static void relay_info__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("relay_infos");
	unsigned seen = 0;

	VEC_EACH(v, vectors)
	{
		const cJSON *keys = cJSON_GetObjectItem(v, "keys"), *one;
		uint8_t bytes[VX6_RECORD_MAX], out[VX6_RELAY_INFO_MAX], family[16], pk[32];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n, k = 0;
		struct vx6_record_check check = {.net = &vx6_net_default, .now_s = NOW};
		struct vx6_relay_info i;
		struct vx6_identity id;
		struct vx6_record rec;

		assert_ok(vx6_record_parse(bytes, n, &rec));
		assert_ok(vx6_record_verify(&rec, &check));
		assert_ok(vx6_relay_info_read(&rec, &i));
		assert_int_equal(i.policy, vec_num(v, "policy"));
		assert_int_equal(i.withdrawn, vec_num(v, "withdrawn"));
		assert_int_equal(i.keys_n, cJSON_GetArraySize(keys));
		cJSON_ArrayForEach(one, keys)
		{
			vec_hex(one, "pk", pk, sizeof pk);
			assert_memory_equal(i.keys[k].pk, pk, sizeof pk);
			assert_int_equal(i.keys[k++].not_after_s, vec_num(one, "not_after"));
		}
		assert_int_equal(i.has_family, vec_hex(v, "family", family, sizeof family) > 0);
		if (i.has_family)
			assert_memory_equal(i.family, family, sizeof family);
		identity_of(v, &id);
		assert_true(vx6_node_id_eq(&i.node, &id.id));
		assert_ok(vx6_relay_info_build(&i, &id, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
		seen++;
	}
	assert_int_equal(seen, 4);
	vec_free(vectors);
}

static struct vx6_relay_info good(void)
{
	return (struct vx6_relay_info){
		.seq = 1,
		.issued_s = NOW,
		.lifetime_s = 60,
		.policy = VX6_RELAY_GUARD | VX6_RELAY_NEST,
		.keys_n = 2,
		.keys = {{.pk = {1}, .not_after_s = NOW + 1}, {.pk = {2}, .not_after_s = 0}},
	};
}

static void relay_info_build__what_may_not_travel__is_refused(void **state)
{
	struct vx6_relay_info i = good();
	uint8_t out[VX6_RELAY_INFO_MAX];
	struct vx6_identity id;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	assert_ok(vx6_relay_info_build(&i, &id, out, &n));
	i.keys_n = 0;
	assert_err(vx6_relay_info_build(&i, &id, out, &n), INVALID);
	assert_int_equal(n, 0);
	i.keys_n = 3;
	assert_err(vx6_relay_info_build(&i, &id, out, &n), INVALID);
	i = good();
	i.keys[1].pk[0] = 1;
	assert_err(vx6_relay_info_build(&i, &id, out, &n), INVALID); /* twice the same */
	i = good();
	i.keys[1].pk[0] = 0;
	assert_err(vx6_relay_info_build(&i, &id, out, &n), INVALID); /* no key */
	i = good();
	i.keys[0].not_after_s = NOW;
	assert_err(vx6_relay_info_build(&i, &id, out, &n), INVALID); /* has ended */
}

static void relay_info_same__each_part__counts(void **state)
{
	struct vx6_relay_info a = good(), b = good();

	b.seq = b.issued_s = 7;
	b.node.b[0] = 1;
	assert_true(vx6_relay_info_same(&a, &b)); /* another record with the same in it */
	b.policy ^= VX6_RELAY_DRAINING;
	assert_false(vx6_relay_info_same(&a, &b));
	b = good(), b.keys_n = 1;
	assert_false(vx6_relay_info_same(&a, &b));
	b = good(), b.keys[1].pk[31] = 1;
	assert_false(vx6_relay_info_same(&a, &b));
	b = good(), b.keys[0].not_after_s++;
	assert_false(vx6_relay_info_same(&a, &b));
	b = good(), b.has_family = true;
	assert_false(vx6_relay_info_same(&a, &b));
	a.has_family = true;
	assert_true(vx6_relay_info_same(&a, &b));
	a.family[15] = 1;
	assert_false(vx6_relay_info_same(&a, &b));
	b = a, b.withdrawn = true;
	assert_false(vx6_relay_info_same(&a, &b));
}

/* A record with just these entries; those of length SIZE_MAX are left out. */
struct crafted {
	uint8_t flags;
	const void *keys, *policy, *family;
	size_t keys_n, policy_n, family_n;
};

static vx6_err read_crafted(const struct crafted *c)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_RELAY,
				    .flags = c->flags,
				    .seq = 1,
				    .issued_s = NOW,
				    .lifetime_s = 60};
	uint8_t out[VX6_RELAY_INFO_MAX];
	struct vx6_record_builder b;
	struct vx6_relay_info i;
	struct vx6_identity id;
	struct vx6_record rec;
	vx6_err err;
	size_t n;

	assert_ok(vx6_identity_ephemeral(&vx6_net_default, NOW, &id));
	vx6_record_build_begin(&b, &h, &id, out, sizeof out);
	if (c->keys_n != SIZE_MAX)
		vx6_tlv_wr_put(&b.tlv, VX6_RTLV_ONION_KEYS, c->keys, c->keys_n);
	if (c->policy_n != SIZE_MAX)
		vx6_tlv_wr_put(&b.tlv, VX6_RTLV_POLICY, c->policy, c->policy_n);
	if (c->family_n != SIZE_MAX)
		vx6_tlv_wr_put(&b.tlv, VX6_RTLV_FAMILY, c->family, c->family_n);
	assert_ok(vx6_record_build_finish(&b, &id, &n));
	assert_ok(vx6_record_parse(out, n, &rec));
	err = vx6_relay_info_read(&rec, &i);
	if (!vx6_is_ok(err))
		assert_true(i.keys_n == 0 && i.policy == 0 && !i.has_family);
	return err;
}

static void relay_info_read__crafted_contents__are_refused(void **state)
{
	uint8_t keys[3 * 36 + 1] = {1}, policy[5] = {0}, family[17] = {0};
	const struct crafted fine = {.keys = keys,
				     .keys_n = 36,
				     .policy = policy,
				     .policy_n = 4,
				     .family = family,
				     .family_n = SIZE_MAX};
	struct crafted c = fine;

	memset(keys + 32, 0x7f, 4); /* ends late */
	keys[36] = 2;
	keys[72] = 3;
	assert_ok(read_crafted(&c));
	c.family_n = 16;
	assert_ok(read_crafted(&c));
	for (size_t n = 0; n < 16; n++) {
		c.family_n = n;
		assert_err(read_crafted(&c), SHORT);
	}
	c.family_n = 17;
	assert_err(read_crafted(&c), TRAILING);
	c = fine;
	for (size_t n = 0; n <= 108; n++) {
		c.keys_n = n;
		if (n == 36 || n == 72)
			assert_ok(read_crafted(&c));
		else if (n == 0)
			assert_err(read_crafted(&c), FORMAT);
		else if (n < 72)
			assert_err(read_crafted(&c), SHORT);
		else
			assert_err(read_crafted(&c), LIMIT);
	}
	c = fine;
	for (size_t n = 0; n <= 5; n++) {
		c.policy_n = n;
		if (n < 4)
			assert_err(read_crafted(&c), SHORT);
		else if (n == 5)
			assert_err(read_crafted(&c), TRAILING);
	}
	c.policy_n = SIZE_MAX;
	assert_err(read_crafted(&c), FORMAT);
	c = fine, c.keys_n = SIZE_MAX;
	assert_err(read_crafted(&c), FORMAT);
	c = fine, c.keys_n = 72, keys[36] = 1;
	assert_err(read_crafted(&c), FORMAT); /* twice the same key */
	c = fine, memset(keys + 32, 0, 4);
	assert_err(read_crafted(&c), FORMAT); /* ended before the record was made */
}

static void relay_info_read__flags__mean_what_they_may(void **state)
{
	uint8_t keys[36] = {1}, policy[4] = {0};
	struct crafted c = {.flags = VX6_RECORD_WITHDRAWN,
			    .keys_n = SIZE_MAX,
			    .policy_n = SIZE_MAX,
			    .family_n = SIZE_MAX};

	assert_ok(read_crafted(&c));
	c.policy = policy, c.policy_n = 4;
	assert_err(read_crafted(&c), FORMAT); /* taken back, and yet something is said */
	memset(keys + 32, 0x7f, 4);
	c.keys = keys, c.keys_n = 36;
	assert_err(read_crafted(&c), FORMAT);
	c.flags = VX6_RECORD_UNLISTED;
	assert_err(read_crafted(&c), FORMAT);
	c.flags = 0;
	assert_ok(read_crafted(&c));
}

static void relay_info_read__another_type__is_a_mismatch(void **state)
{
	cJSON *vectors = vec_load("records");
	uint8_t bytes[VX6_RECORD_MAX];
	size_t n = vec_hex(vec_find(vectors, "endpoint"), "bytes", bytes, sizeof bytes);
	struct vx6_relay_info i;
	struct vx6_record rec;

	assert_ok(vx6_record_parse(bytes, n, &rec));
	assert_err(vx6_relay_info_read(&rec, &i), MISMATCH);
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay_info__golden_bytes__both_ways),
		cmocka_unit_test(relay_info_build__what_may_not_travel__is_refused),
		cmocka_unit_test(relay_info_same__each_part__counts),
		cmocka_unit_test(relay_info_read__crafted_contents__are_refused),
		cmocka_unit_test(relay_info_read__flags__mean_what_they_may),
		cmocka_unit_test(relay_info_read__another_type__is_a_mismatch),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
