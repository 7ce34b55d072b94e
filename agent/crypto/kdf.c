#include "crypto/kdf.h"

#include <sodium.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"

void vx6_kdf_extract(const void *salt, size_t salt_n, const void *ikm, size_t ikm_n,
		     uint8_t prk[static VX6_KDF_PRK_BYTES])
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, salt_n ? salt : "", salt_n);
	if (ikm_n)
		crypto_auth_hmacsha256_update(&st, ikm, ikm_n);
	crypto_auth_hmacsha256_final(&st, prk);
	vx6_wipe(&st, sizeof st);
}

vx6_err vx6_kdf_expand(const uint8_t prk[static VX6_KDF_PRK_BYTES], const void *info, size_t info_n,
		       void *out, size_t out_n)
{
	crypto_auth_hmacsha256_state st;
	uint8_t block[crypto_auth_hmacsha256_BYTES];
	uint8_t *to = out;

	if (out_n > VX6_KDF_OUT_MAX)
		return VX6_ERR(LIMIT);
	for (uint8_t i = 1; out_n > 0; i++) {
		size_t take = VX6_MIN(out_n, sizeof block);

		crypto_auth_hmacsha256_init(&st, prk, VX6_KDF_PRK_BYTES);
		if (i > 1)
			crypto_auth_hmacsha256_update(&st, block, sizeof block);
		if (info_n)
			crypto_auth_hmacsha256_update(&st, info, info_n);
		crypto_auth_hmacsha256_update(&st, &i, 1);
		crypto_auth_hmacsha256_final(&st, block);
		memcpy(to, block, take);
		to += take;
		out_n -= take;
	}
	vx6_wipe(&st, sizeof st);
	vx6_wipe(block, sizeof block);
	return VX6_OK;
}

vx6_err vx6_kdf(const void *salt, size_t salt_n, const void *ikm, size_t ikm_n, const void *info,
		size_t info_n, void *out, size_t out_n)
{
	uint8_t prk[VX6_KDF_PRK_BYTES];
	vx6_err err;

	vx6_kdf_extract(salt, salt_n, ikm, ikm_n, prk);
	err = vx6_kdf_expand(prk, info, info_n, out, out_n);
	vx6_wipe(prk, sizeof prk);
	return err;
}
