#include "tests/fuzz/fuzz.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "hidden/files.h"

/* Files of hidden services, as damage or another program may have left them; the checksum is made right, so that the readers see more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t file[VX6_HIDDEN_FILE_MAX + 1], again[VX6_HIDDEN_FILE_MAX];
	static struct vx6_hidden_hosted h;
	static struct vx6_hidden_visit v;
	struct vx6_hash sum;
	size_t again_n;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (n > sizeof file - sizeof sum.b)
		return 0;
	memcpy(file, data, n);
	vx6_hash_personal("VX6-hidden-file", data, n, &sum);
	memcpy(file + n, sum.b, sizeof sum.b);
	if (vx6_is_ok(vx6_hidden_hosted_decode(file, n + sizeof sum.b, &h))) {
		FUZZ_CHECK(h.id[0] && memchr(h.id, 0, sizeof h.id));
		FUZZ_CHECK(h.clients_n <= VX6_HIDDEN_HOSTED_CLIENTS);
		FUZZ_CHECK(vx6_is_ok(vx6_hidden_hosted_encode(&h, again, &again_n)));
		FUZZ_CHECK(vx6_is_ok(vx6_hidden_hosted_decode(again, again_n, &h)));
	}
	if (vx6_is_ok(vx6_hidden_visit_decode(file, n + sizeof sum.b, &v))) {
		FUZZ_CHECK(v.alias[0] && memchr(v.alias, 0, sizeof v.alias));
		FUZZ_CHECK(vx6_is_ok(vx6_hidden_visit_encode(&v, again, &again_n)));
		FUZZ_CHECK(vx6_is_ok(vx6_hidden_visit_decode(again, again_n, &v)));
	}
	return 0;
}
