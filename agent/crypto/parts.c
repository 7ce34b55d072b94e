#include "crypto/parts.h"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/sha3.h>

#include "base/util.h"
#include "crypto/secret.h"

static void put_length(uint8_t out[static 8], size_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		out[i] = (uint8_t)n;
}

/* Lengths of inputs are our own: what the library could refuse is a bug. */
static void absorb(wc_Sha3 *h, int (*update)(wc_Sha3 *, const byte *, word32),
		   const struct vx6_part *part, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t length[8];

		put_length(length, part[i].n);
		if (part[i].with_length)
			VX6_ASSERT(update(h, length, sizeof length) == 0);
		if (part[i].n > 0 && !part[i].only_length)
			VX6_ASSERT(update(h, part[i].p, (word32)part[i].n) == 0);
	}
}

void vx6_parts_sha3(const struct vx6_part *part, size_t n, uint8_t out[static 32])
{
	wc_Sha3 h;

	VX6_ASSERT(wc_InitSha3_256(&h, NULL, INVALID_DEVID) == 0);
	absorb(&h, wc_Sha3_256_Update, part, n);
	VX6_ASSERT(wc_Sha3_256_Final(&h, out) == 0);
	vx6_wipe(&h, sizeof h);
}

void vx6_parts_shake(const struct vx6_part *part, size_t n, uint8_t *out, size_t out_n)
{
	wc_Shake h;

	VX6_ASSERT(wc_InitShake256(&h, NULL, INVALID_DEVID) == 0);
	absorb(&h, wc_Shake256_Update, part, n);
	VX6_ASSERT(wc_Shake256_Final(&h, out, (word32)out_n) == 0);
	vx6_wipe(&h, sizeof h);
}

void vx6_crypt_once(const uint8_t key[static 32], const uint8_t *in, size_t n, uint8_t *out)
{
	static const uint8_t zero[16];
	Aes aes;

	if (n == 0)
		return;
	VX6_ASSERT(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0 &&
		   wc_AesSetKeyDirect(&aes, key, 32, zero, AES_ENCRYPTION) == 0 &&
		   wc_AesCtrEncrypt(&aes, out, in, (word32)n) == 0);
	wc_AesFree(&aes);
	vx6_wipe(&aes, sizeof aes);
}
