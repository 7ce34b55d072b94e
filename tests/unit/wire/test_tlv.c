#include "tests/unit/vectors.h"
#include "wire/tlv.h"

static vx6_err walk(const uint8_t *in, size_t n, unsigned *count)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	*count = 0;
	vx6_tlv_rd_init(&t, in, n);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		++*count;
		if (type == 2) {
			vx6_rd_u16(&value);
			vx6_tlv_rd_end(&t, &value);
		} else if (type != 1) {
			vx6_tlv_rd_unknown(&t, type);
		}
	}
	return vx6_tlv_rd_done(&t);
}

#define WALK(count, ...)                                                                           \
	walk((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), count)

static void tlv_next__ascending__gives_each(void **state)
{
	unsigned n;

	assert_ok(walk(NULL, 0, &n));
	assert_int_equal(n, 0);
	assert_ok(WALK(&n, 1, 0, 0, 2, 0, 2, 7, 7, 0x7f, 0, 1, 9));
	assert_int_equal(n, 3);
}

static void tlv_next__same_or_lower_type__is_format(void **state)
{
	unsigned n;

	assert_err(WALK(&n, 1, 0, 0, 1, 0, 0), FORMAT);
	assert_err(WALK(&n, 2, 0, 2, 7, 7, 1, 0, 0), FORMAT);
	assert_err(WALK(&n, 0, 0, 0, 0, 0, 0), FORMAT);
}

static void tlv_unknown__critical__is_unsupported(void **state)
{
	unsigned n;

	assert_err(WALK(&n, 1, 0, 0, 0x80, 0, 0), UNSUPPORTED);
}

static void tlv_end__value_too_short_or_too_long__is_the_lists_error(void **state)
{
	unsigned n;

	assert_err(WALK(&n, 2, 0, 1, 7), SHORT);
	assert_err(WALK(&n, 2, 0, 3, 7, 7, 7), TRAILING);
}

static void tlv_next__cut_anywhere__is_short(void **state)
{
	static const uint8_t whole[] = {1, 0, 0, 2, 0, 2, 7, 7};
	unsigned count;

	for (size_t n = 1; n < sizeof whole; n++) {
		uint8_t *cut = exact_copy(whole, n);

		if (n == 3)
			assert_ok(walk(cut, n, &count)); /* between two entries */
		else
			assert_err(walk(cut, n, &count), SHORT);
		free(cut);
	}
}

static void tlv_next__value_above_the_cap__is_limit(void **state)
{
	size_t n = VX6_TLV_HEADER + VX6_TLV_VALUE_MAX + 1;
	uint8_t *in = calloc(1, n);
	unsigned count;

	in[0] = 1;
	in[1] = (VX6_TLV_VALUE_MAX + 1) >> 8;
	in[2] = (VX6_TLV_VALUE_MAX + 1) & 0xff;
	assert_err(walk(in, n, &count), LIMIT);
	free(in);
}

static void tlv_writer__what_it_writes__is_read_back(void **state)
{
	static const uint8_t want[] = {1, 0, 3, 'a', 'b', 'c', 2, 0, 2, 1, 2, 0x81, 0, 0};
	uint8_t out[32];
	struct vx6_tlv_wr t;
	struct vx6_wr w;

	vx6_wr_init(&w, out, sizeof out);
	vx6_tlv_wr_init(&t, &w);
	vx6_tlv_wr_put(&t, 1, "abc", 3);
	vx6_tlv_wr_begin(&t, 2);
	vx6_wr_u16(&w, 0x0102);
	vx6_tlv_wr_end(&t);
	vx6_tlv_wr_put(&t, 0x81, NULL, 0);
	assert_ok(w.err);
	assert_int_equal(w.len, sizeof want);
	assert_memory_equal(out, want, sizeof want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tlv_next__ascending__gives_each),
		cmocka_unit_test(tlv_next__same_or_lower_type__is_format),
		cmocka_unit_test(tlv_unknown__critical__is_unsupported),
		cmocka_unit_test(tlv_end__value_too_short_or_too_long__is_the_lists_error),
		cmocka_unit_test(tlv_next__cut_anywhere__is_short),
		cmocka_unit_test(tlv_next__value_above_the_cap__is_limit),
		cmocka_unit_test(tlv_writer__what_it_writes__is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
