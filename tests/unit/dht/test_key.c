#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "record/hs_desc.h"
#include "tests/unit/vectors.h"

static void parse(const cJSON *v, uint8_t *bytes, size_t cap, struct vx6_record *out)
{
	size_t n = vec_hex(v, "record", bytes, cap);

	assert_ok(vx6_record_parse(bytes, n, out));
}

static void positions_are_those_of_the_reference(void **state)
{
	cJSON *vectors = vec_load("dht");
	size_t seen = 0;

	VEC_EACH(v, vectors)
	{
		struct vx6_dht_contact c = {.port = 1, .via = VX6_DHT_VIA_QUIC};
		struct vx6_dht_key pos;
		uint8_t want[VX6_DHT_KEY_BYTES];

		if (strncmp(vec_text(v, "name"), "position ", 9) != 0)
			continue;
		vec_hex(v, "node", c.node.b, sizeof c.node.b);
		vec_hex(v, "ip", c.ip, sizeof c.ip);
		vec_hex(v, "pos", want, sizeof want);
		vx6_dht_contact_pos(&vx6_net_default, &c, &pos);
		assert_memory_equal(pos.b, want, sizeof want);
		seen++;
	}
	assert_int_equal(seen, 22);
	vec_free(vectors);
}

static void a_record_says_its_own_key(void **state)
{
	cJSON *vectors = vec_load("dht");
	size_t seen = 0;

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX], want[VX6_DHT_KEY_BYTES];
		struct vx6_record rec;
		struct vx6_dht_key key;

		if (strncmp(vec_text(v, "name"), "key ", 4) != 0)
			continue;
		parse(v, bytes, sizeof bytes, &rec);
		vec_hex(v, "key", want, sizeof want);
		assert_ok(vx6_dht_key_of(&vx6_net_default, &rec, &key));
		assert_memory_equal(key.b, want, sizeof want);
		seen++;
	}
	assert_int_equal(seen, 7);
	vec_free(vectors);
}

static void keys_of_one_node_differ_by_kind_name_and_network(void **state)
{
	struct vx6_net other = vx6_net_default;
	struct vx6_node_id node = {.b = {1}};
	struct vx6_dht_key k[8];

	other.b[0] ^= 1;
	vx6_dht_key_endpoint(&vx6_net_default, &node, &k[0]);
	vx6_dht_key_revocation(&vx6_net_default, &node, &k[1]);
	vx6_dht_key_service(&vx6_net_default, &node, "ssh", &k[2]);
	vx6_dht_key_service(&vx6_net_default, &node, "web", &k[3]);
	vx6_dht_key_endpoint(&other, &node, &k[4]);
	vx6_dht_key_catalog(&vx6_net_default, node.b, 7, &k[5]);
	vx6_dht_key_name(&vx6_net_default, "web", &k[6]);
	vx6_dht_key_alias(&vx6_net_default, "web", &k[7]);
	for (size_t i = 0; i < VX6_ARRAY_N(k); i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(k[i].b, k[j].b, sizeof k[i].b);
}

static void a_record_without_a_key_has_none(void **state)
{
	cJSON *vectors = vec_load("dht");
	uint8_t bytes[VX6_RECORD_MAX];
	struct vx6_record rec;
	struct vx6_dht_key key;

	parse(vec_find(vectors, "key service"), bytes, sizeof bytes, &rec);
	rec.view.type = 99;
	assert_err(vx6_dht_key_of(&vx6_net_default, &rec, &key), UNSUPPORTED);
	rec.view.type = VX6_RTYPE_DESCRIPTOR;
	assert_err(vx6_dht_key_of(&vx6_net_default, &rec, &key), FORMAT);
	rec.view.type = VX6_RTYPE_SERVICE;
	rec.view.body_len = 0;
	assert_err(vx6_dht_key_of(&vx6_net_default, &rec, &key), FORMAT);
	/* a claim without the work behind it lies nowhere */
	parse(vec_find(vectors, "key name"), bytes, sizeof bytes, &rec);
	rec.subject.b[0] ^= 1;
	assert_err(vx6_dht_key_of(&vx6_net_default, &rec, &key), FORMAT);
	vec_free(vectors);
}

static void a_descriptor_has_two_keys_and_they_change(void **state)
{
	enum { PERIOD = 82870 };
	const struct vx6_sign_seed seed = {.b = {7}};
	struct vx6_hs_desc d = {.seq = 1, .period = PERIOD};
	struct vx6_dht_key key, wrong, k[2];
	uint8_t bytes[VX6_HS_DESC_BYTES];
	struct vx6_sign_keypair service;
	struct vx6_record rec;
	size_t n;

	vx6_sign_keypair_from_seed(&seed, &service);
	assert_ok(vx6_hs_desc_build(&d, &service, NULL, 0, &vx6_net_default,
				    (uint64_t)PERIOD * VX6_HS_PERIOD_S + 9000, bytes, &n));
	assert_ok(vx6_record_parse(bytes, n, &rec));
	for (unsigned i = 0; i < 2; i++) {
		vx6_dht_key_descriptor(&vx6_net_default, rec.subject.b, i + 1, PERIOD, &k[i]);
		assert_ok(vx6_dht_key_check(&vx6_net_default, &rec, &k[i]));
	}
	assert_memory_not_equal(k[0].b, k[1].b, sizeof k[0].b);
	assert_ok(vx6_dht_key_of(&vx6_net_default, &rec, &key));
	assert_memory_equal(key.b, k[0].b, sizeof key.b);
	vx6_dht_key_descriptor(&vx6_net_default, rec.subject.b, 1, PERIOD + 1, &wrong);
	assert_err(vx6_dht_key_check(&vx6_net_default, &rec, &wrong), MISMATCH);
	vx6_dht_key_descriptor(&vx6_net_default, rec.subject.b, 3, PERIOD, &wrong);
	assert_err(vx6_dht_key_check(&vx6_net_default, &rec, &wrong), MISMATCH);
}

static void any_other_record_has_one_key(void **state)
{
	cJSON *vectors = vec_load("dht");
	uint8_t bytes[VX6_RECORD_MAX];
	struct vx6_record rec;
	struct vx6_dht_key key;

	parse(vec_find(vectors, "key service"), bytes, sizeof bytes, &rec);
	assert_ok(vx6_dht_key_of(&vx6_net_default, &rec, &key));
	assert_ok(vx6_dht_key_check(&vx6_net_default, &rec, &key));
	key.b[31] ^= 1;
	assert_err(vx6_dht_key_check(&vx6_net_default, &rec, &key), MISMATCH);
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_those_of_the_reference),
		cmocka_unit_test(a_record_says_its_own_key),
		cmocka_unit_test(keys_of_one_node_differ_by_kind_name_and_network),
		cmocka_unit_test(a_record_without_a_key_has_none),
		cmocka_unit_test(a_descriptor_has_two_keys_and_they_change),
		cmocka_unit_test(any_other_record_has_one_key),
	};

	assert_true(vx6_is_ok(vx6_crypto_init()));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
