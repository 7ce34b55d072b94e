/*
 * The scheme of Tor's rend-spec-v3, appendix A.2, with another hash for the factor. A clamped factor is a multiple of 8, and keys are checked
 * to lie in the main subgroup, so a blinded key never leaves it.
 */
#include "crypto/blind.h"

#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/internal.h"
#include "crypto/secret.h"

_Static_assert(crypto_core_ed25519_SCALARBYTES == 32, "a scalar has 32 bytes");

static void clamp(uint8_t scalar[static 32])
{
	scalar[0] &= 248;
	scalar[31] &= 63;
	scalar[31] |= 64;
}

static void put_u64(uint8_t out[static 8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

void vx6_blind_factor(const struct vx6_sign_pk *pk, const uint8_t *secret, uint64_t period,
		      uint64_t period_s, struct vx6_blind_factor *out)
{
	struct vx6_hash_state st;
	uint8_t times[16];
	struct vx6_hash h;

	put_u64(times, period);
	put_u64(times + 8, period_s);
	vx6_hash_init(&st, "VX6-hs-blind-v1");
	vx6_hash_update(&st, pk->b, sizeof pk->b);
	if (secret)
		vx6_hash_update(&st, secret, VX6_BLIND_SECRET_BYTES);
	vx6_hash_update(&st, "key-blind", 9);
	vx6_hash_update(&st, times, sizeof times);
	vx6_hash_final(&st, &h);
	memcpy(out->b, h.b, sizeof out->b);
	clamp(out->b);
	vx6_wipe(&h, sizeof h);
	vx6_wipe(&st, sizeof st);
}

vx6_err vx6_blind_public(const struct vx6_sign_pk *pk, const struct vx6_blind_factor *factor,
			 struct vx6_sign_pk *out)
{
	uint8_t h[32];
	vx6_err err = VX6_OK;

	memcpy(h, factor->b, sizeof h);
	clamp(h);
	if (!vx6_sign_pk_is_valid(pk) || crypto_scalarmult_ed25519_noclamp(out->b, h, pk->b) != 0) {
		memset(out, 0, sizeof *out);
		err = VX6_ERR(KEY);
	}
	vx6_wipe(h, sizeof h);
	return err;
}

vx6_err vx6_blind_keypair(const struct vx6_sign_keypair *kp, const struct vx6_blind_factor *factor,
			  struct vx6_blind_key *out)
{
	static const char label[] = "Derive temporary signing key hash input";
	crypto_hash_sha512_state st;
	uint8_t expanded[64], h[32], derived[64];
	vx6_err err = vx6_blind_public(&kp->pk, factor, &out->pk);

	if (!vx6_is_ok(err)) {
		vx6_wipe(out, sizeof *out);
		return err;
	}
	crypto_hash_sha512(expanded, kp->seed.b, sizeof kp->seed.b);
	clamp(expanded);
	memcpy(h, factor->b, sizeof h);
	clamp(h);
	crypto_core_ed25519_scalar_mul(out->scalar, h, expanded);
	crypto_hash_sha512_init(&st);
	crypto_hash_sha512_update(&st, (const uint8_t *)label, sizeof label - 1);
	crypto_hash_sha512_update(&st, expanded + 32, 32);
	crypto_hash_sha512_final(&st, derived);
	memcpy(out->prefix, derived, sizeof out->prefix);
	vx6_wipe(expanded, sizeof expanded);
	vx6_wipe(derived, sizeof derived);
	vx6_wipe(h, sizeof h);
	vx6_wipe(&st, sizeof st);
	return VX6_OK;
}

void vx6_blind_key_wipe(struct vx6_blind_key *key)
{
	vx6_wipe(key, sizeof *key);
}

/* H(a | b | msg) as a scalar. */
static void hash_scalar(const uint8_t *a, const uint8_t *b, const void *msg, size_t n,
			uint8_t out[static 32])
{
	crypto_hash_sha512_state st;
	uint8_t wide[64];

	crypto_hash_sha512_init(&st);
	crypto_hash_sha512_update(&st, a, 32);
	if (b)
		crypto_hash_sha512_update(&st, b, 32);
	if (n)
		crypto_hash_sha512_update(&st, msg, n);
	crypto_hash_sha512_final(&st, wide);
	crypto_core_ed25519_scalar_reduce(out, wide);
	vx6_wipe(wide, sizeof wide);
	vx6_wipe(&st, sizeof st);
}

void vx6_blind_sign_raw(const struct vx6_blind_key *key, const void *msg, size_t n,
			struct vx6_sig *out)
{
	uint8_t r[32], c[32];

	hash_scalar(key->prefix, NULL, msg, n, r);
	/* fails for r = 0 only: then the signature is one that does not verify */
	if (crypto_scalarmult_ed25519_base_noclamp(out->b, r) != 0)
		memset(out->b, 0, 32);
	hash_scalar(out->b, key->pk.b, msg, n, c);
	crypto_core_ed25519_scalar_mul(c, c, key->scalar);
	crypto_core_ed25519_scalar_add(out->b + 32, r, c);
	vx6_wipe(r, sizeof r);
	vx6_wipe(c, sizeof c);
}

vx6_err vx6_blind_sign(const struct vx6_blind_key *key, const char *label,
		       const struct vx6_net *net, const void *msg, size_t n, struct vx6_sig *out)
{
	struct vx6_sign_message m;

	VX6_TRY(vx6_sign_message_join(&m, label, net, msg, n));
	vx6_blind_sign_raw(key, m.b, m.n, out);
	return VX6_OK;
}
