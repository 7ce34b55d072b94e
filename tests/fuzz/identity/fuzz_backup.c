#include "tests/fuzz/fuzz.h"
#include "crypto/hash.h"
#include "identity/backup_internal.h"

/* What was sealed: what is read can be written, and then is the same. */
static void decode(const uint8_t *data, size_t n)
{
	struct vx6_backup b = {0};

	if (vx6_is_ok(backup_decode(data, n, &b))) {
		uint8_t *again = malloc(n);
		size_t again_n;

		FUZZ_CHECK(again && backup_size(&b) == n);
		FUZZ_CHECK(vx6_is_ok(backup_encode(&b, again, n, &again_n)));
		fuzz_same(data, n, again, again_n);
		for (size_t i = 0; i < b.parts_n; i++)
			FUZZ_CHECK(vx6_backup_find(&b, b.parts[i].name) == &b.parts[i]);
		free(again);
	}
	vx6_backup_fini(&b);
}

static void peek(const uint8_t *data, size_t n)
{
	struct vx6_backup_head head;

	if (vx6_is_ok(vx6_backup_peek(data, n, &head)))
		FUZZ_CHECK(memchr(head.program, 0, sizeof head.program) && head.sealed_n < n);
}

/* As a sealed half, as a file, and as a file whose checksum is right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_hash sum;
	uint8_t *copy;

	decode(data, n);
	peek(data, n);
	if (n < VX6_HASH_BYTES)
		return 0;
	copy = malloc(n);
	FUZZ_CHECK(copy);
	memcpy(copy, data, n);
	vx6_hash_personal("VX6-backup", copy, n - VX6_HASH_BYTES, &sum);
	memcpy(copy + n - VX6_HASH_BYTES, sum.b, sizeof sum.b);
	peek(copy, n);
	free(copy);
	return 0;
}
