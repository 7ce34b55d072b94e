#include "tests/unit/vectors.h"
#include "wire/vxs.h"

static void vxs__golden_frames__both_ways(void **state)
{
	static const char *const names[] = {"data", "data_largest", "ack", "fin", "noresume"};
	cJSON *vectors = vec_load("vxs");

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const cJSON *v = vec_find(vectors, names[i]);
		uint8_t bytes[VX6_VXS_CONTROL], out[VX6_VXS_CONTROL];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), used;
		struct vx6_vxs_frame f;

		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *part = exact_copy(bytes, cut);

			assert_err(vx6_vxs_decode(part, cut, &f, &used), SHORT);
			free(part);
		}
		assert_ok(vx6_vxs_decode(bytes, n, &f, &used));
		assert_int_equal(used, n);
		assert_int_equal(f.type, vec_num(v, "type"));
		assert_int_equal(f.n, vec_num(v, "n"));
		if (f.type == VX6_VXS_DATA)
			vx6_vxs_encode_data(out, (uint32_t)f.n);
		else
			assert_int_equal(vx6_vxs_encode(out, f.type, f.n), n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void vxs_decode__impossible_frames__are_refused_at_once(void **state)
{
	struct vx6_vxs_frame f;
	size_t used;

	assert_err(vx6_vxs_decode((const uint8_t *)"\x04", 1, &f, &used), UNSUPPORTED);
	assert_err(vx6_vxs_decode((const uint8_t *)"\xff", 1, &f, &used), UNSUPPORTED);
	assert_err(vx6_vxs_decode((const uint8_t *)"\x00\x00\x00\x00", 4, &f, &used), FORMAT);
	assert_int_equal(used, 0);
}

static void vxs_reply__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("vxs");
	const cJSON *v = vec_find(vectors, "attach_reply");
	uint8_t bytes[VX6_VXS_ATTACH_REPLY], out[VX6_VXS_ATTACH_REPLY], mac[VX6_VXS_MAC_BYTES];
	struct vx6_vxs_attach_reply r;

	assert_int_equal(vec_hex(v, "bytes", bytes, sizeof bytes), sizeof bytes);
	vec_hex(v, "mac", mac, sizeof mac);
	vx6_vxs_reply_decode(bytes, &r);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.recv_off, vec_num(v, "recv_off"));
	assert_memory_equal(r.mac, mac, sizeof mac);
	vx6_vxs_reply_encode(&r, out);
	assert_memory_equal(out, bytes, sizeof out);
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vxs__golden_frames__both_ways),
		cmocka_unit_test(vxs_decode__impossible_frames__are_refused_at_once),
		cmocka_unit_test(vxs_reply__golden_bytes__both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
