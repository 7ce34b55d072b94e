#include "tests/unit/vectors.h"
#include "wire/wr.h"

static void wr_integers__room_enough__are_big_endian(void **state)
{
	static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t out[sizeof want];
	struct vx6_wr w;
	size_t n;

	vx6_wr_init(&w, out, sizeof out);
	vx6_wr_u8(&w, 1);
	vx6_wr_u16(&w, 0x0203);
	vx6_wr_u32(&w, 0x04050607);
	vx6_wr_u64(&w, 0x08090a0b0c0d0e0f);
	assert_ok(vx6_wr_done(&w, &n));
	assert_int_equal(n, sizeof want);
	assert_memory_equal(out, want, n);
}

static void wr_bytes__no_room__error_sticks_and_nothing_is_written(void **state)
{
	uint8_t out[3] = {9, 9, 9};
	struct vx6_wr w;
	size_t n;

	vx6_wr_init(&w, out, sizeof out);
	vx6_wr_u32(&w, 1);
	vx6_wr_u8(&w, 1);
	assert_err(vx6_wr_done(&w, &n), LIMIT);
	assert_int_equal(n, 0);
	assert_memory_equal(out, "\x09\x09\x09", 3);
}

static void wr_end16__nested_parts__fill_their_lengths(void **state)
{
	static const uint8_t want[] = {0, 5, 7, 0, 2, 8, 9};
	uint8_t out[16];
	struct vx6_wr w;
	size_t outer, inner, n;

	vx6_wr_init(&w, out, sizeof out);
	outer = vx6_wr_begin16(&w);
	vx6_wr_u8(&w, 7);
	inner = vx6_wr_begin16(&w);
	vx6_wr_u16(&w, 0x0809);
	vx6_wr_end16(&w, inner);
	vx6_wr_end16(&w, outer);
	assert_ok(vx6_wr_done(&w, &n));
	assert_int_equal(n, sizeof want);
	assert_memory_equal(out, want, n);
}

static void wr_end16__part_above_65535__is_limit(void **state)
{
	size_t cap = 70000, mark, n;
	uint8_t *out = calloc(1, cap), *in = calloc(1, cap);
	struct vx6_wr w;

	vx6_wr_init(&w, out, cap);
	mark = vx6_wr_begin16(&w);
	vx6_wr_bytes(&w, in, 65536);
	vx6_wr_end16(&w, mark);
	assert_err(vx6_wr_done(&w, &n), LIMIT);
	free(out);
	free(in);
}

static void wr_begin16__no_room__end_touches_nothing(void **state)
{
	uint8_t out[1] = {9};
	struct vx6_wr w;

	vx6_wr_init(&w, out, 1);
	vx6_wr_end16(&w, vx6_wr_begin16(&w));
	assert_err(w.err, LIMIT);
	assert_int_equal(out[0], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wr_integers__room_enough__are_big_endian),
		cmocka_unit_test(wr_bytes__no_room__error_sticks_and_nothing_is_written),
		cmocka_unit_test(wr_end16__nested_parts__fill_their_lengths),
		cmocka_unit_test(wr_end16__part_above_65535__is_limit),
		cmocka_unit_test(wr_begin16__no_room__end_touches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
