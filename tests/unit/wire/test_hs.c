#include "base/util.h"
#include "tests/unit/vectors.h"
#include "wire/hs.h"

/* Both ways, and no other length: each codec gives back what it read, or fails. */
typedef vx6_err recode_fn(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n);

static vx6_err recode_establish(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n)
{
	struct vx6_establish_intro m;

	VX6_TRY(vx6_establish_intro_decode(in, n, &m));
	vx6_establish_intro_encode(&m, out);
	*out_n = VX6_ESTABLISH_INTRO_BYTES;
	return VX6_OK;
}

static vx6_err recode_introduce1(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n)
{
	struct vx6_introduce1 m;

	VX6_TRY(vx6_introduce1_decode(in, n, &m));
	vx6_introduce1_encode(&m, out);
	*out_n = VX6_HS_INTRODUCE;
	return VX6_OK;
}

static vx6_err recode_introduce2(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n)
{
	struct vx6_introduce2 m;

	VX6_TRY(vx6_introduce2_decode(in, n, &m));
	vx6_introduce2_encode(&m, out);
	*out_n = VX6_INTRODUCE2_BYTES;
	return VX6_OK;
}

static vx6_err recode_introduced(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n)
{
	uint32_t serial;

	VX6_TRY(vx6_introduced_decode(in, n, &serial));
	vx6_introduced_encode(serial, out);
	*out_n = VX6_INTRODUCED_BYTES;
	return VX6_OK;
}

static vx6_err recode_code(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n)
{
	uint16_t code;

	VX6_TRY(vx6_hs_code_decode(in, n, &code));
	vx6_hs_code_encode(code, out);
	*out_n = VX6_HS_CODE_BYTES;
	return VX6_OK;
}

static vx6_err recode_rendezvous1(const uint8_t *in, size_t n, uint8_t *out, size_t *out_n)
{
	struct vx6_rendezvous1 m;

	VX6_TRY(vx6_rendezvous1_decode(in, n, &m));
	vx6_rendezvous1_encode(&m, out);
	*out_n = VX6_RENDEZVOUS1_BYTES;
	return VX6_OK;
}

static recode_fn *const recode[] = {
	[VX6_PAYLOAD_ESTABLISH_INTRO] = recode_establish,
	[VX6_PAYLOAD_INTRO_ESTABLISHED] = recode_code,
	[VX6_PAYLOAD_INTRODUCE1] = recode_introduce1,
	[VX6_PAYLOAD_INTRODUCE2] = recode_introduce2,
	[VX6_PAYLOAD_INTRODUCED] = recode_introduced,
	[VX6_PAYLOAD_INTRODUCE_ACK] = recode_code,
	[VX6_PAYLOAD_REND_ESTABLISHED] = recode_code,
	[VX6_PAYLOAD_RENDEZVOUS1] = recode_rendezvous1,
	[VX6_PAYLOAD_RENDEZVOUS2] = NULL,
};

static void hs__golden_messages__both_ways_and_no_other_length(void **state)
{
	cJSON *vectors = vec_load("hidden_messages");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_HS_INTRODUCE + 1] = {0}, out[VX6_HS_INTRODUCE];
		size_t n = vec_hex(v, "bytes", bytes, VX6_HS_INTRODUCE), out_n;
		recode_fn *fn = recode[vec_num(v, "kind")];

		if (!fn)
			continue;
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *part = exact_copy(bytes, cut);

			assert_err(fn(part, cut, out, &out_n), SHORT);
			free(part);
		}
		assert_err(fn(bytes, n + 1, out, &out_n), TRAILING);
		assert_ok(fn(bytes, n, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void hs__golden_fields__are_where_they_belong(void **state)
{
	cJSON *vectors = vec_load("hidden_messages");
	uint8_t bytes[VX6_HS_INTRODUCE], handle[VX6_INTRO_HANDLE];
	struct vx6_establish_intro e;
	struct vx6_introduce2 m2;
	struct vx6_introduce1 m1;
	uint16_t code;
	size_t n;
	const cJSON *v = vec_find(vectors, "establish_largest");

	n = vec_hex(v, "bytes", bytes, sizeof bytes);
	assert_ok(vx6_establish_intro_decode(bytes, n, &e));
	vec_hex(v, "handle", handle, sizeof handle);
	assert_memory_equal(e.handle, handle, sizeof handle);
	assert_int_equal(e.rate, vec_num(v, "rate"));
	assert_int_equal(e.burst, vec_num(v, "burst"));

	v = vec_find(vectors, "introduce1");
	n = vec_hex(v, "bytes", bytes, sizeof bytes);
	assert_ok(vx6_introduce1_decode(bytes, n, &m1));
	assert_memory_equal(m1.handle, handle, sizeof handle);
	assert_ptr_equal(m1.pow + VX6_HS_POW, m1.sealed);
	assert_ptr_equal(m1.sealed + VX6_HS_SEALED, bytes + n);

	v = vec_find(vectors, "introduce2");
	n = vec_hex(v, "bytes", bytes, sizeof bytes);
	assert_ok(vx6_introduce2_decode(bytes, n, &m2));
	assert_int_equal(m2.serial, vec_num(v, "serial"));
	assert_ptr_equal(m2.auth_key + VX6_HS_HEAD, m2.sealed);

	v = vec_find(vectors, "acknowledged_not");
	n = vec_hex(v, "bytes", bytes, sizeof bytes);
	assert_ok(vx6_hs_code_decode(bytes, n, &code));
	assert_int_equal(code, vec_num(v, "code"));
	vec_free(vectors);
}

static void introduce__golden_plains__both_ways(void **state)
{
	cJSON *vectors = vec_load("hidden_messages");
	int seen = 0;

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_HS_INTRODUCE], out[VX6_HS_PLAIN];
		struct vx6_introduce i;
		size_t at;

		if (vec_num(v, "kind") != 0)
			continue;
		assert_int_equal(vec_hex(v, "bytes", bytes, sizeof bytes), VX6_HS_PLAIN);
		assert_ok(vx6_introduce_decode(bytes, &i, &at));
		assert_int_equal(i.key_epoch, vec_num(v, "key_epoch"));
		assert_int_equal(i.rends_n, vec_num(v, "rends"));
		assert_int_equal(at, vec_num(v, "mac_at"));
		if (at)
			assert_memory_equal(bytes + at, i.client_mac, sizeof i.client_mac);
		assert_ok(vx6_introduce_encode(&i, out, &at));
		assert_int_equal(at, vec_num(v, "mac_at"));
		assert_memory_equal(out, bytes, sizeof out);
		seen++;
	}
	assert_int_equal(seen, 4);
	vec_free(vectors);
}

/* A plain with one rendezvous and @p n bytes behind it, of which the first is the number of entries. */
static vx6_err plain_with(const void *exts, size_t n)
{
	uint8_t in[VX6_HS_PLAIN] = {0, 0, 0, 1, 1};
	struct vx6_introduce i;
	size_t at;
	vx6_err err;

	memcpy(in + 5 + VX6_REND_COOKIE + VX6_REND_NODE, exts, n);
	err = vx6_introduce_decode(in, &i, &at);
	if (!vx6_is_ok(err)) {
		assert_int_equal(i.rends_n, 0);
		assert_int_equal(at, 0);
	}
	return err;
}

static void introduce_decode__wrong__is_refused(void **state)
{
	enum { AUTH = 2 + VX6_HS_CLIENT_ID + VX6_HS_CLIENT_MAC, ENROL = AUTH + VX6_HS_CLIENT_KEY };
	uint8_t exts[1 + AUTH + ENROL + 1] = {2, 2, AUTH - 2}, in[VX6_HS_PLAIN] = {0};
	struct vx6_introduce i;

	assert_err(vx6_introduce_decode(in, &i, NULL), LIMIT); /* no rendezvous */
	in[4] = VX6_HS_RENDS_MAX + 1;
	assert_err(vx6_introduce_decode(in, &i, NULL), LIMIT);
	assert_ok(plain_with("\0", 1));
	assert_err(plain_with("\0\1", 2), FORMAT); /* fill */
	assert_err(plain_with("\1\1\0", 3), UNSUPPORTED);
	assert_err(plain_with("\1\4\0", 3), UNSUPPORTED);
	assert_err(plain_with("\1\0\0", 3), FORMAT); /* types begin at 1, and rise */
	assert_err(plain_with("\1\2\047", 3), SHORT);
	assert_err(plain_with("\1\2\051", 3), TRAILING);
	assert_err(plain_with("\1\2\377", 3), TRAILING);
	assert_err(plain_with("\1\3\050", 3), SHORT);
	/* both; twice; more entries than there are */
	exts[1 + AUTH] = 3;
	exts[1 + AUTH + 1] = ENROL - 2;
	assert_err(plain_with(exts, sizeof exts), FORMAT);
	exts[1 + AUTH] = 2;
	exts[1 + AUTH + 1] = AUTH - 2;
	assert_err(plain_with(exts, sizeof exts), FORMAT);
	exts[1 + AUTH] = exts[1 + AUTH + 1] = 0;
	assert_err(plain_with(exts, sizeof exts), FORMAT);
	exts[0] = 1;
	assert_ok(plain_with(exts, sizeof exts));
}

static void introduce_encode__impossible__is_refused(void **state)
{
	struct vx6_introduce i = {0};
	uint8_t out[VX6_HS_PLAIN];

	assert_err(vx6_introduce_encode(&i, out, NULL), LIMIT);
	i.rends_n = VX6_HS_RENDS_MAX + 1;
	assert_err(vx6_introduce_encode(&i, out, NULL), LIMIT);
}

static void introduce_head__with_and_without_proof__is_what_the_message_begins_with(void **state)
{
	uint8_t key[VX6_INTRO_KEY], pow[VX6_HS_POW], head[VX6_HS_HEAD], zero[VX6_HS_POW] = {0};
	uint8_t sealed[VX6_HS_SEALED] = {0}, out[VX6_INTRODUCE2_BYTES];
	struct vx6_introduce2 m = {.auth_key = key, .pow = pow, .sealed = sealed};

	memset(key, 7, sizeof key);
	memset(pow, 9, sizeof pow);
	vx6_introduce_head(key, pow, head);
	vx6_introduce2_encode(&m, out);
	assert_memory_equal(out + 4, head, sizeof head);
	vx6_introduce_head(key, NULL, head);
	assert_memory_equal(head + VX6_INTRO_KEY, zero, sizeof zero);
}

static void hs_is_answer__types__those_that_hops_say(void **state)
{
	static const uint8_t answers[] = {VX6_PAYLOAD_INTRO_ESTABLISHED, VX6_PAYLOAD_INTRODUCE2,
					  VX6_PAYLOAD_INTRODUCE_ACK, VX6_PAYLOAD_REND_ESTABLISHED,
					  VX6_PAYLOAD_RENDEZVOUS2};
	unsigned n = 0;

	for (unsigned type = 0; type < 256; type++)
		n += vx6_hs_is_answer((uint8_t)type);
	assert_int_equal(n, VX6_ARRAY_N(answers));
	for (size_t i = 0; i < VX6_ARRAY_N(answers); i++)
		assert_true(vx6_hs_is_answer(answers[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hs__golden_messages__both_ways_and_no_other_length),
		cmocka_unit_test(hs__golden_fields__are_where_they_belong),
		cmocka_unit_test(introduce__golden_plains__both_ways),
		cmocka_unit_test(introduce_decode__wrong__is_refused),
		cmocka_unit_test(introduce_encode__impossible__is_refused),
		cmocka_unit_test(
			introduce_head__with_and_without_proof__is_what_the_message_begins_with),
		cmocka_unit_test(hs_is_answer__types__those_that_hops_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
