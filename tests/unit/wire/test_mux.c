#include "tests/unit/vectors.h"
#include "wire/mux.h"

static vx6_err decode(uint8_t type, uint8_t flags, uint16_t len, uint32_t stream)
{
	uint8_t in[VX6_MUX_HEADER] = {type,
				      flags,
				      (uint8_t)(len >> 8),
				      (uint8_t)len,
				      (uint8_t)(stream >> 24),
				      (uint8_t)(stream >> 16),
				      (uint8_t)(stream >> 8),
				      (uint8_t)stream};
	struct vx6_mux_frame f;

	return vx6_mux_decode(in, &f);
}

static void mux__golden_frames__both_ways(void **state)
{
	cJSON *vectors = vec_load("mux");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_MUX_HEADER], out[VX6_MUX_HEADER];
		struct vx6_mux_frame f;

		assert_int_equal(vec_hex(v, "bytes", bytes, sizeof bytes), sizeof bytes);
		assert_ok(vx6_mux_decode(bytes, &f));
		assert_int_equal(f.type, vec_num(v, "type"));
		assert_int_equal(f.flags, vec_num(v, "flags"));
		assert_int_equal(f.len, vec_num(v, "len"));
		assert_int_equal(f.stream, vec_num(v, "stream"));
		vx6_mux_encode(out, &f);
		assert_memory_equal(out, bytes, sizeof out);
	}
	vec_free(vectors);
}

static void mux_decode__impossible_headers__are_refused(void **state)
{
	assert_err(decode(7, 0, 0, 0), UNSUPPORTED);
	assert_err(decode(255, 0, 0, 0), UNSUPPORTED);
	assert_err(decode(VX6_MUX_DATA, 2, 0, 1), UNSUPPORTED);
	assert_err(decode(VX6_MUX_DATA, 8, 0, 1), UNSUPPORTED);
	assert_err(decode(VX6_MUX_PING, VX6_MUX_FIN, 8, 0), UNSUPPORTED);
	assert_err(decode(VX6_MUX_DATA, 0, 16377, 1), LIMIT);
	assert_err(decode(VX6_MUX_PAD, 0, 0xffff, 0), LIMIT);
	assert_err(decode(VX6_MUX_DATA, 0, 1, 0), FORMAT);
	assert_err(decode(VX6_MUX_DATA, 0, 1, 0x80000000), FORMAT);
	assert_err(decode(VX6_MUX_WINDOW, 0, 3, 1), FORMAT);
	assert_err(decode(VX6_MUX_WINDOW, 0, 5, 1), FORMAT);
	assert_err(decode(VX6_MUX_RESET, 0, 4, 0), FORMAT);
	assert_err(decode(VX6_MUX_PING, 0, 8, 1), FORMAT);
	assert_err(decode(VX6_MUX_PONG, 0, 7, 0), FORMAT);
	assert_err(decode(VX6_MUX_GOAWAY, 0, 4, 5), FORMAT);
}

static void mux_small_frames__written_whole__are_read_back(void **state)
{
	uint8_t out[16];
	struct vx6_mux_frame f;

	assert_int_equal(vx6_mux_encode_u32(out, VX6_MUX_WINDOW, 7, 0xdeadbeef), 12);
	assert_ok(vx6_mux_decode(out, &f));
	assert_int_equal(f.stream, 7);
	assert_int_equal(vx6_mux_payload_u32(out + VX6_MUX_HEADER), 0xdeadbeef);
	assert_int_equal(vx6_mux_encode_u64(out, VX6_MUX_PONG, 0x0102030405060708), 16);
	assert_ok(vx6_mux_decode(out, &f));
	assert_int_equal(vx6_mux_payload_u64(out + VX6_MUX_HEADER), 0x0102030405060708);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mux__golden_frames__both_ways),
		cmocka_unit_test(mux_decode__impossible_headers__are_refused),
		cmocka_unit_test(mux_small_frames__written_whole__are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
