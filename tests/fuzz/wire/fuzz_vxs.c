#include "tests/fuzz/fuzz.h"
#include "wire/vxs.h"

static void frames(const uint8_t *data, size_t n)
{
	size_t used = 0;

	for (size_t at = 0; at < n; at += used) {
		uint8_t out[VX6_VXS_CONTROL];
		struct vx6_vxs_frame f;
		vx6_err err = vx6_vxs_decode(data + at, n - at, &f, &used);

		FUZZ_CHECK(err.code != VX6_E_SHORT || n - at < VX6_VXS_CONTROL);
		FUZZ_CHECK(vx6_is_ok(err) == (used > 0) && used <= n - at);
		if (!vx6_is_ok(err))
			return;
		if (f.type == VX6_VXS_DATA) {
			FUZZ_CHECK(f.n > 0 && f.n <= VX6_VXS_DATA_MAX);
			vx6_vxs_encode_data(out, (uint32_t)f.n);
			fuzz_same(out, VX6_VXS_DATA_HEADER, data + at, used);
		} else {
			fuzz_same(out, vx6_vxs_encode(out, f.type, f.n), data + at, used);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t out[VX6_VXS_ATTACH_BYTES];
	struct vx6_vxs_attach a;
	struct vx6_vxs_attach_reply r;

	frames(data, n);
	if (n >= VX6_VXS_ATTACH_BYTES) {
		vx6_vxs_attach_decode(data, &a);
		vx6_vxs_attach_encode(&a, out);
		fuzz_same(out, VX6_VXS_ATTACH_BYTES, data, VX6_VXS_ATTACH_BYTES);
	}
	if (n >= VX6_VXS_ATTACH_REPLY) {
		vx6_vxs_reply_decode(data, &r);
		vx6_vxs_reply_encode(&r, out);
		fuzz_same(out, VX6_VXS_ATTACH_REPLY, data, VX6_VXS_ATTACH_REPLY);
	}
	return 0;
}
