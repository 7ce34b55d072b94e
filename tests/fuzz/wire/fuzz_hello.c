#include "tests/fuzz/fuzz.h"
#include "wire/ctl.h"
#include "wire/hello.h"

/* What was understood, written again, is understood the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t first[VX6_CTL_MAX], second[VX6_CTL_MAX];
	struct vx6_hello h;
	struct vx6_wr a, b;

	if (!vx6_is_ok(vx6_hello_decode(data, n, &h)))
		return 0;
	FUZZ_CHECK((h.role == VX6_ROLE_ANON) == !h.node_id);
	(void)vx6_hello_common_version(&h);
	vx6_wr_init(&a, first, sizeof first);
	vx6_hello_encode(&a, &h);
	FUZZ_CHECK(vx6_is_ok(a.err) && a.len <= n + VX6_CTL_HEADER);
	FUZZ_CHECK(vx6_is_ok(vx6_hello_decode(first + VX6_CTL_HEADER, a.len - VX6_CTL_HEADER, &h)));
	vx6_wr_init(&b, second, sizeof second);
	vx6_hello_encode(&b, &h);
	fuzz_same(first, a.len, second, b.len);
	return 0;
}
