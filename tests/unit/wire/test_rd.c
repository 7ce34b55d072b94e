#include "tests/unit/vectors.h"
#include "wire/rd.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void rd_integers__enough_input__are_big_endian(void **state)
{
	struct vx6_rd r;

	vx6_rd_init(&r, bytes, sizeof bytes);
	assert_int_equal(vx6_rd_u8(&r), 1);
	assert_int_equal(vx6_rd_u16(&r), 0x0203);
	assert_int_equal(vx6_rd_u32(&r), 0x04050607);
	assert_int_equal(vx6_rd_u64(&r), 0x08090a0b0c0d0e0f);
	assert_ok(vx6_rd_done(&r));
}

static void rd_u16__short_input__error_sticks(void **state)
{
	uint8_t *one = exact_copy(bytes, 1);
	struct vx6_rd r;

	vx6_rd_init(&r, one, 1);
	assert_int_equal(vx6_rd_u16(&r), 0);
	assert_err(r.err, SHORT);
	assert_int_equal(vx6_rd_u8(&r), 0);
	assert_null(vx6_rd_bytes(&r, 1));
	assert_null(vx6_rd_bytes(&r, 0));
	vx6_rd_fail(&r, VX6_ERR(FORMAT));
	assert_err(vx6_rd_done(&r), SHORT);
	free(one);
}

static void rd_copy__short_input__zeroes_the_output(void **state)
{
	uint8_t out[4] = {9, 9, 9, 9};
	struct vx6_rd r;

	vx6_rd_init(&r, bytes, 3);
	vx6_rd_copy(&r, out, sizeof out);
	assert_memory_equal(out, "\0\0\0\0", 4);
	assert_err(r.err, SHORT);
}

static void rd_init__null_and_zero__reads_nothing(void **state)
{
	struct vx6_rd r;

	vx6_rd_init(&r, NULL, 0);
	vx6_rd_skip(&r, 0);
	vx6_rd_copy(&r, NULL, 0);
	assert_ok(vx6_rd_done(&r));
	assert_int_equal(vx6_rd_u8(&r), 0);
	assert_err(vx6_rd_done(&r), SHORT);
}

static void rd_done__bytes_left__is_trailing(void **state)
{
	struct vx6_rd r;

	vx6_rd_init(&r, bytes, 2);
	vx6_rd_skip(&r, 1);
	assert_err(vx6_rd_done(&r), TRAILING);
}

static void rd_sub16__length_above_cap__is_limit_even_when_it_fits(void **state)
{
	const uint8_t in[] = {0, 3, 7, 8, 9};
	struct vx6_rd r, sub;

	vx6_rd_init(&r, in, sizeof in);
	sub = vx6_rd_sub16(&r, 2);
	assert_err(r.err, LIMIT);
	assert_err(sub.err, LIMIT);
	assert_int_equal(sub.left, 0);
}

static void rd_sub16__length_above_input__is_short(void **state)
{
	const uint8_t in[] = {0xff, 0xff, 7};
	struct vx6_rd r, sub;

	vx6_rd_init(&r, in, sizeof in);
	sub = vx6_rd_sub16(&r, 0xffff);
	assert_err(sub.err, SHORT);
	assert_err(vx6_rd_done(&r), SHORT);
}

static void rd_sub8__fits__takes_its_bytes_from_the_parent(void **state)
{
	const uint8_t in[] = {2, 7, 8, 9};
	struct vx6_rd r, sub;

	vx6_rd_init(&r, in, sizeof in);
	sub = vx6_rd_sub8(&r, 2);
	assert_int_equal(vx6_rd_u16(&sub), 0x0708);
	assert_ok(vx6_rd_done(&sub));
	assert_int_equal(vx6_rd_u8(&r), 9);
	assert_ok(vx6_rd_done(&r));
}

static void rd_bytes__largest_length__does_not_wrap(void **state)
{
	struct vx6_rd r;

	vx6_rd_init(&r, bytes, sizeof bytes);
	vx6_rd_skip(&r, 1);
	assert_null(vx6_rd_bytes(&r, SIZE_MAX));
	assert_err(r.err, SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rd_integers__enough_input__are_big_endian),
		cmocka_unit_test(rd_u16__short_input__error_sticks),
		cmocka_unit_test(rd_copy__short_input__zeroes_the_output),
		cmocka_unit_test(rd_init__null_and_zero__reads_nothing),
		cmocka_unit_test(rd_done__bytes_left__is_trailing),
		cmocka_unit_test(rd_sub16__length_above_cap__is_limit_even_when_it_fits),
		cmocka_unit_test(rd_sub16__length_above_input__is_short),
		cmocka_unit_test(rd_sub8__fits__takes_its_bytes_from_the_parent),
		cmocka_unit_test(rd_bytes__largest_length__does_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
