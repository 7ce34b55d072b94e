#include "tests/fuzz/fuzz.h"
#include "identity/subkey_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_subkey_check check = {.net = &vx6_net_default,
					 .now_s = 1790000000,
					 .purpose = VX6_PURPOSE_TLS};
	struct vx6_subkey_cert cert;
	struct vx6_node_id master;

	if (!vx6_is_ok(vx6_subkey_cert_decode(data, n, &cert)))
		return 0;
	FUZZ_CHECK(n == VX6_SUBKEY_CERT_BYTES && cert.not_after_s > cert.not_before_s);
	memcpy(master.b, cert.subject.b,
	       sizeof master.b); /* some valid key: never the parent of itself */
	FUZZ_CHECK(!vx6_is_ok(vx6_subkey_cert_verify(&cert, &master, &check)));
	return 0;
}
