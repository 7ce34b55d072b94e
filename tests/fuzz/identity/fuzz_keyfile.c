#include "tests/fuzz/fuzz.h"
#include "crypto/hash.h"
#include "identity/keyfile_internal.h"

static void open_it(const uint8_t *data, size_t n)
{
	uint8_t out[VX6_KEYFILE_PAYLOAD_MAX];
	size_t out_n;

	for (int kind = VX6_KEYFILE_MASTER; kind <= VX6_KEYFILE_REVOCATION; kind++)
		if (vx6_is_ok(vx6_keyfile_open_bytes(data, n, (enum vx6_keyfile_kind)kind, NULL,
						     out, &out_n)))
			FUZZ_CHECK(out_n <= sizeof out && out_n < n);
}

/* Once as it is, and once with the checksum made right, so that the fields behind it are reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_hash sum;
	uint8_t *copy;

	open_it(data, n);
	if (n < VX6_HASH_BYTES)
		return 0;
	copy = malloc(n);
	FUZZ_CHECK(copy);
	memcpy(copy, data, n);
	vx6_hash_personal("VX6-keyfile", copy, n - VX6_HASH_BYTES, &sum);
	memcpy(copy + n - VX6_HASH_BYTES, sum.b, sizeof sum.b);
	open_it(copy, n);
	free(copy);
	return 0;
}
