#include "tests/unit/vectors.h"
#include "wire/record.h"

static size_t load(uint8_t *out, size_t cap)
{
	cJSON *vectors = vec_load("records");
	size_t n = vec_hex(vec_find(vectors, "endpoint"), "bytes", out, cap);

	vec_free(vectors);
	return n;
}

static void record_decode__golden_bytes__gives_the_fields(void **state)
{
	cJSON *vectors = vec_load("records");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_RECORD_MAX];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes);
		struct vx6_record_view view;

		assert_ok(vx6_record_decode(bytes, n, &view));
		assert_int_equal(view.type, vec_num(v, "rtype"));
		assert_int_equal(view.seq, vec_num(v, "seq"));
		assert_int_equal(view.issued_s, vec_num(v, "issued"));
		assert_int_equal(view.lifetime_s, vec_num(v, "lifetime"));
		assert_ptr_equal(view.body, bytes + VX6_RECORD_HEADER);
		assert_ptr_equal(view.sig, bytes + n - VX6_RECORD_SIG);
		assert_int_equal(view.n, n);
	}
	vec_free(vectors);
}

static void record_decode__cut_or_extended__fails(void **state)
{
	uint8_t bytes[VX6_RECORD_MAX];
	size_t whole = load(bytes, sizeof bytes);
	struct vx6_record_view view;

	for (size_t n = 0; n < whole; n++) {
		uint8_t *cut = exact_copy(bytes, n);

		assert_err(vx6_record_decode(cut, n, &view), SHORT);
		assert_null(view.bytes);
		free(cut);
	}
	bytes[whole] = 0;
	assert_err(vx6_record_decode(bytes, whole + 1, &view), TRAILING);
}

static void record_decode__unknown_header_values__are_refused(void **state)
{
	uint8_t bytes[VX6_RECORD_MAX];
	size_t n = load(bytes, sizeof bytes);
	struct vx6_record_view view;

	bytes[0] = 'v';
	assert_err(vx6_record_decode(bytes, n, &view), FORMAT);
	bytes[0] = 'V', bytes[4] = 0;
	assert_err(vx6_record_decode(bytes, n, &view), UNSUPPORTED);
	bytes[4] = 9;
	assert_err(vx6_record_decode(bytes, n, &view), UNSUPPORTED);
	bytes[4] = 1, bytes[5] = 4;
	assert_err(vx6_record_decode(bytes, n, &view), UNSUPPORTED);
}

static void record_decode__above_the_size_of_its_type__is_limit(void **state)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_ENDPOINT}, view;
	static uint8_t bytes[VX6_RECORD_MAX], padding[VX6_RECORD_MAX];
	struct vx6_tlv_wr t;
	struct vx6_wr w;

	for (size_t pad = 640 - 128 - 3; pad < 640 - 128 - 1; pad++) {
		vx6_wr_init(&w, bytes, sizeof bytes);
		vx6_record_encode_begin(&w, &h);
		vx6_tlv_wr_init(&t, &w);
		vx6_tlv_wr_put(&t, VX6_RTLV_PADDING, padding, pad);
		vx6_record_encode_end(&w);
		vx6_wr_bytes(&w, padding, VX6_RECORD_SIG);
		assert_ok(w.err);
		if (w.len == 640)
			assert_ok(vx6_record_decode(bytes, w.len, &view));
		else
			assert_err(vx6_record_decode(bytes, w.len, &view), LIMIT);
	}
}

static void record_encode_end__body_above_any_type__is_limit(void **state)
{
	static uint8_t bytes[2 * VX6_RECORD_MAX], padding[VX6_RECORD_MAX];
	struct vx6_record_view h = {.type = VX6_RTYPE_DESCRIPTOR};
	struct vx6_wr w;

	vx6_wr_init(&w, bytes, sizeof bytes);
	vx6_record_encode_begin(&w, &h);
	vx6_wr_bytes(&w, padding, VX6_RECORD_MAX - 127);
	vx6_record_encode_end(&w);
	assert_err(w.err, LIMIT);
}

static void rtype__unknown__has_no_size(void **state)
{
	assert_int_equal(vx6_rtype_max_bytes(0), 0);
	assert_int_equal(vx6_rtype_max_bytes(9), 0);
	assert_int_equal(vx6_rtype_max_bytes(255), 0);
	assert_int_equal(vx6_rtype_max_lifetime_s(200), 0);
	assert_string_equal(vx6_rtype_name(200), "unknown");
	assert_string_equal(vx6_rtype_name(VX6_RTYPE_REVOCATION), "revocation");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_decode__golden_bytes__gives_the_fields),
		cmocka_unit_test(record_decode__cut_or_extended__fails),
		cmocka_unit_test(record_decode__unknown_header_values__are_refused),
		cmocka_unit_test(record_decode__above_the_size_of_its_type__is_limit),
		cmocka_unit_test(record_encode_end__body_above_any_type__is_limit),
		cmocka_unit_test(rtype__unknown__has_no_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
