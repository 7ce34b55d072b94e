#include "tests/fuzz/fuzz.h"
#include "wire/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t out[VX6_OPEN_MAX];
	struct vx6_open o;
	size_t used, out_n, reply;
	uint16_t status;
	vx6_err err = vx6_open_decode(data, n, &o, &used);

	FUZZ_CHECK(err.code != VX6_E_SHORT || n < VX6_OPEN_MAX);
	if (vx6_is_ok(err)) {
		FUZZ_CHECK(used <= n && vx6_is_ok(vx6_open_encode(&o, out, &out_n)));
		fuzz_same(out, out_n, data, used);
	}
	err = vx6_open_reply_decode(data, n, &status, &reply);
	FUZZ_CHECK(vx6_is_ok(err) == (n >= VX6_OPEN_REPLY));
	return 0;
}
