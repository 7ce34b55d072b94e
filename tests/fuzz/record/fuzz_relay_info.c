#include "tests/fuzz/fuzz.h"
#include "crypto/secret.h"
#include "record/relay_info.h"

/* Whatever is read can be signed again, and then says the same. The record's own signature does not matter here. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct vx6_identity id;
	uint8_t out[VX6_RELAY_INFO_MAX];
	struct vx6_relay_info info, again;
	struct vx6_record rec;
	size_t out_n;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (!vx6_is_ok(vx6_record_parse(data, n, &rec)))
		return 0;
	if (!vx6_is_ok(vx6_relay_info_read(&rec, &info))) {
		FUZZ_CHECK(info.keys_n == 0 && !info.policy);
		return 0;
	}
	if (id.net.b[0] == 0)
		FUZZ_CHECK(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, 1790000000, &id)));
	FUZZ_CHECK(vx6_is_ok(vx6_relay_info_build(&info, &id, out, &out_n)));
	FUZZ_CHECK(vx6_is_ok(vx6_record_parse(out, out_n, &rec)));
	FUZZ_CHECK(vx6_is_ok(vx6_relay_info_read(&rec, &again)));
	FUZZ_CHECK(vx6_relay_info_same(&info, &again));
	FUZZ_CHECK(info.seq == again.seq && info.issued_s == again.issued_s &&
		   info.lifetime_s == again.lifetime_s);
	return 0;
}
