#include "tests/unit/vectors.h"
#include "crypto/secret.h"
#include "identity/bech32m.h"
#include "identity/node_id.h"

static void key_text__golden_texts__both_ways(void **state)
{
	static const char *const fields[] = {"node", "hidden", "client"};
	cJSON *vectors = vec_load("keys");

	VEC_EACH(v, vectors)
	{
		char text[VX6_NODE_ID_TEXT];
		uint8_t key[32], back[32];
		struct vx6_node_id id;

		vec_hex(v, "key", key, 32);
		for (enum vx6_key_kind kind = VX6_KEY_NODE; kind <= VX6_KEY_CLIENT; kind++) {
			vx6_key_format(kind, key, text);
			assert_string_equal(text, vec_text(v, fields[kind]));
			assert_ok(vx6_key_parse(kind, text, back));
			assert_memory_equal(back, key, 32);
			assert_err(vx6_key_parse((kind + 1) % 3, text, back), MISMATCH);
		}
		assert_ok(vx6_node_id_parse(vec_text(v, "node"), &id));
		assert_memory_equal(id.b, key, 32);
		assert_string_equal(vx6_node_id_format(&id, text), vec_text(v, "node"));
		assert_true(vx6_node_id_looks_like(text));
	}
	vec_free(vectors);
}

static void node_id_parse__any_character_changed__is_refused(void **state)
{
	static const char charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	cJSON *vectors = vec_load("keys");
	struct vx6_node_id id;
	char text[80];

	snprintf(text, sizeof text, "%s", vec_text(vectors->child, "node"));
	for (size_t i = 0; text[i]; i++) {
		char was = text[i];

		for (const char *c = charset; *c; c++) {
			text[i] = *c;
			if (*c != was)
				assert_fails(vx6_node_id_parse(text, &id));
		}
		text[i] = was;
	}
	assert_ok(vx6_node_id_parse(text, &id));
	for (size_t n = strlen(text); n > 0; n--) { /* a shortened id is never accepted */
		text[n - 1] = '\0';
		assert_fails(vx6_node_id_parse(text, &id));
	}
	vec_free(vectors);
}

static vx6_err parse_of(const uint8_t *data, size_t n)
{
	char text[VX6_BECH32M_TEXT];
	struct vx6_node_id id;

	assert_ok(vx6_bech32m_encode("vx", data, n, text));
	return vx6_node_id_parse(text, &id);
}

static void node_id_parse__right_checksum_wrong_content__is_refused(void **state)
{
	uint8_t data[34] = {1};

	assert_err(parse_of(data, 33), KEY); /* the point of small order */
	assert_err(parse_of(data, 32), FORMAT);
	assert_err(parse_of(data, 34), FORMAT);
	assert_err(parse_of(data, 0), UNSUPPORTED);
	data[0] = 2;
	assert_err(parse_of(data, 33), UNSUPPORTED);
}

static void node_id_parse__upper_case__is_the_same_id(void **state)
{
	cJSON *vectors = vec_load("keys");
	struct vx6_node_id a, b;
	char text[80];

	snprintf(text, sizeof text, "%s", vec_text(vectors->child, "node"));
	assert_ok(vx6_node_id_parse(text, &a));
	for (char *p = text; *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
	assert_ok(vx6_node_id_parse(text, &b));
	assert_true(vx6_node_id_eq(&a, &b));
	text[5] = text[5] >= 'A' ? (char)(text[5] + 32) : text[5];
	text[6] = text[6] >= 'A' ? (char)(text[6] + 32) : text[6];
	text[7] = text[7] >= 'A' ? (char)(text[7] + 32) : text[7];
	assert_err(vx6_node_id_parse(text, &b), FORMAT); /* mixed */
	vec_free(vectors);
}

static void node_id_cmp__orders_bytes(void **state)
{
	struct vx6_node_id a = {{1, 2}}, b = {{1, 3}};
	char text[VX6_NODE_ID_SHORT];

	assert_true(vx6_node_id_cmp(&a, &b) < 0);
	assert_true(vx6_node_id_cmp(&b, &a) > 0);
	assert_int_equal(vx6_node_id_cmp(&a, &a), 0);
	assert_false(vx6_node_id_looks_like("vx1web"));
	assert_false(vx6_node_id_looks_like("alice"));
	assert_int_equal(strlen(vx6_node_id_format_short(&a, text)), 13);
	assert_fails(vx6_node_id_parse(text, &b));
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_text__golden_texts__both_ways),
		cmocka_unit_test(node_id_parse__any_character_changed__is_refused),
		cmocka_unit_test(node_id_parse__right_checksum_wrong_content__is_refused),
		cmocka_unit_test(node_id_parse__upper_case__is_the_same_id),
		cmocka_unit_test(node_id_cmp__orders_bytes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
