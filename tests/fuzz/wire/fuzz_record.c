#include "tests/fuzz/fuzz.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t out[VX6_RECORD_MAX];
	struct vx6_record_view v;
	struct vx6_wr w;

	if (!vx6_is_ok(vx6_record_decode(data, n, &v)))
		return 0;
	FUZZ_CHECK(v.n == n && n <= vx6_rtype_max_bytes(v.type));
	vx6_wr_init(&w, out, sizeof out);
	vx6_record_encode_begin(&w, &v);
	vx6_wr_bytes(&w, v.body, v.body_len);
	vx6_record_encode_end(&w);
	vx6_wr_bytes(&w, v.sig, VX6_RECORD_SIG);
	fuzz_same(out, w.len, data, n);
	return 0;
}
