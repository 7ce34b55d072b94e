#include "tests/fuzz/fuzz.h"
#include "wire/mux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* a stream of frames, each followed by its payload */
	while (n >= VX6_MUX_HEADER) {
		uint8_t out[VX6_MUX_HEADER];
		struct vx6_mux_frame f;

		if (!vx6_is_ok(vx6_mux_decode(data, &f)))
			return 0;
		vx6_mux_encode(out, &f);
		fuzz_same(out, sizeof out, data, sizeof out);
		data += VX6_MUX_HEADER;
		n -= VX6_MUX_HEADER;
		FUZZ_CHECK(f.len <= VX6_MUX_PAYLOAD_MAX);
		if (f.len > n)
			return 0;
		data += f.len;
		n -= f.len;
	}
	return 0;
}
