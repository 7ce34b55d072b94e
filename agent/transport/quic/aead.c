/*
 * AES-128-GCM straight on wolfCrypt. The helper of ngtcp2 goes through wolfSSL's EVP layer for each packet (four calls, a copy of the
 * tag, a lookup of the cipher); measured, that is a sixth of all CPU of a bulk transfer. The contexts stay the helper's: what is used
 * here is the key schedule inside them. Every other cipher goes the helper's way.
 */
#include <wolfssl/options.h>
#include <wolfssl/openssl/evp.h>
#include <wolfssl/wolfcrypt/aes.h>

#include "transport/quic/quic_internal.h"

enum { TAG_BYTES = 16, NONCE_BYTES = 12 };

static bool is_aes128_gcm(const WOLFSSL_EVP_CIPHER_CTX *evp)
{
	return evp->cipherType == WC_AES_128_GCM_TYPE;
}

int quic_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		 const uint8_t *plaintext, size_t plaintextlen, const uint8_t *nonce,
		 size_t noncelen, const uint8_t *aad, size_t aadlen)
{
	WOLFSSL_EVP_CIPHER_CTX *evp = ctx->native_handle;

	if (!is_aes128_gcm(evp) || noncelen != NONCE_BYTES)
		return ngtcp2_crypto_encrypt_cb(dest, aead, ctx, plaintext, plaintextlen, nonce,
						noncelen, aad, aadlen);
	if (wc_AesGcmEncrypt(&evp->cipher.aes, dest, plaintext, (word32)plaintextlen, nonce,
			     NONCE_BYTES, dest + plaintextlen, TAG_BYTES, aad, (word32)aadlen) != 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return 0;
}

int quic_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		 const uint8_t *ciphertext, size_t ciphertextlen, const uint8_t *nonce,
		 size_t noncelen, const uint8_t *aad, size_t aadlen)
{
	WOLFSSL_EVP_CIPHER_CTX *evp = ctx->native_handle;
	size_t n;

	if (!is_aes128_gcm(evp) || noncelen != NONCE_BYTES)
		return ngtcp2_crypto_decrypt_cb(dest, aead, ctx, ciphertext, ciphertextlen, nonce,
						noncelen, aad, aadlen);
	if (ciphertextlen < TAG_BYTES)
		return NGTCP2_ERR_DECRYPT;
	n = ciphertextlen - TAG_BYTES;
	if (wc_AesGcmDecrypt(&evp->cipher.aes, dest, ciphertext, (word32)n, nonce, NONCE_BYTES,
			     ciphertext + n, TAG_BYTES, aad, (word32)aadlen) != 0)
		return NGTCP2_ERR_DECRYPT;
	return 0;
}

int quic_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp, const ngtcp2_crypto_cipher_ctx *ctx,
		 const uint8_t *sample)
{
	WOLFSSL_EVP_CIPHER_CTX *evp = ctx->native_handle;

	if (evp->cipherType != WC_AES_128_ECB_TYPE)
		return ngtcp2_crypto_hp_mask_cb(dest, hp, ctx, sample);
	/* one block, whose callers look at the first five bytes of it */
	if (wc_AesEncryptDirect(&evp->cipher.aes, dest, sample) != 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return 0;
}
