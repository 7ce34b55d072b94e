#include "crypto/pwhash.h"

#include <sodium.h>

_Static_assert(VX6_PWHASH_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES, "salt size");

vx6_err vx6_pwhash(const void *passphrase, size_t n,
		   const uint8_t salt[static VX6_PWHASH_SALT_BYTES],
		   const struct vx6_pwhash_cost *cost, void *out, size_t out_n)
{
	if (cost->ops < crypto_pwhash_argon2id_OPSLIMIT_MIN || cost->ops > VX6_PWHASH_OPS_MAX ||
	    cost->kib < VX6_PWHASH_KIB_MIN || cost->kib > VX6_PWHASH_KIB_MAX ||
	    n > crypto_pwhash_argon2id_PASSWD_MAX || out_n < crypto_pwhash_argon2id_BYTES_MIN)
		return VX6_ERR(RANGE);
	/* with sane arguments the only way to fail is memory */
	if (crypto_pwhash_argon2id(out, out_n, passphrase, n, salt, cost->ops,
				   (size_t)cost->kib * 1024,
				   crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return VX6_ERR(MEMORY);
	return VX6_OK;
}
