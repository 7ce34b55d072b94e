#include "tests/fuzz/fuzz.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "discovery/catalogs_internal.h"

/* The file of a catalog, as damage or another program may have left it; the checksum is made right, so that the reader sees more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t file[CATALOG_FILE_MAX + 1], again[CATALOG_FILE_MAX];
	static struct catalog_data d;
	struct vx6_hash sum;
	size_t again_n;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (n > sizeof file - sizeof sum.b)
		return 0;
	memcpy(file, data, n);
	vx6_hash_personal("VX6-catalog-file", data, n, &sum);
	memcpy(file + n, sum.b, sizeof sum.b);
	if (!vx6_is_ok(catalog_file_decode(file, n + sizeof sum.b, &d)))
		return 0;
	FUZZ_CHECK(d.name[0] && memchr(d.name, 0, sizeof d.name));
	FUZZ_CHECK(vx6_is_ok(catalog_file_encode(&d, again, &again_n)));
	FUZZ_CHECK(vx6_is_ok(catalog_file_decode(again, again_n, &d)));
	return 0;
}
