#include "crypto/aead.h"

#include <sodium.h>

void vx6_aead_seal(const struct vx6_aead_key *key, const struct vx6_aead_nonce *nonce,
		   const void *ad, size_t ad_n, const uint8_t *msg, size_t n, uint8_t *out)
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, msg, n, ad, ad_n, NULL, nonce->b,
						   key->b);
}

vx6_err vx6_aead_open(const struct vx6_aead_key *key, const struct vx6_aead_nonce *nonce,
		      const void *ad, size_t ad_n, const uint8_t *in, size_t n, uint8_t *out)
{
	if (n < VX6_AEAD_TAG_BYTES)
		return VX6_ERR(SHORT);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, n, ad, ad_n, nonce->b,
						       key->b) != 0)
		return VX6_ERR(SIGNATURE);
	return VX6_OK;
}
