#include "tests/fuzz/fuzz.h"
#include "wire/beacon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t out[VX6_BEACON_MAX];
	struct vx6_beacon b;
	size_t out_n;

	if (!vx6_is_ok(vx6_beacon_decode(data, n, &b)))
		return 0;
	FUZZ_CHECK(n <= VX6_BEACON_MAX && vx6_is_ok(vx6_beacon_encode(&b, out, &out_n)));
	fuzz_same(out, out_n, data, n);
	return 0;
}
