#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>

#include "base/util.h"

_Static_assert(sizeof(crypto_generichash_blake2b_state) <= VX6_HASH_STATE_BYTES, "hash state grew");

static crypto_generichash_blake2b_state *state_of(struct vx6_hash_state *st)
{
	return (crypto_generichash_blake2b_state *)(void *)st->opaque;
}

void vx6_hash_init(struct vx6_hash_state *st, const char *personal)
{
	uint8_t padded[VX6_HASH_PERSONAL_BYTES] = {0};
	size_t n = strlen(personal);

	VX6_ASSERT(n <= sizeof padded);
	memcpy(padded, personal, n);
	crypto_generichash_blake2b_init_salt_personal(state_of(st), NULL, 0, VX6_HASH_BYTES, NULL,
						      padded);
}

void vx6_hash_update(struct vx6_hash_state *st, const void *p, size_t n)
{
	if (n)
		crypto_generichash_blake2b_update(state_of(st), p, n);
}

void vx6_hash_final(struct vx6_hash_state *st, struct vx6_hash *out)
{
	crypto_generichash_blake2b_final(state_of(st), out->b, sizeof out->b);
}

void vx6_hash_personal(const char *personal, const void *p, size_t n, struct vx6_hash *out)
{
	struct vx6_hash_state st;

	vx6_hash_init(&st, personal);
	vx6_hash_update(&st, p, n);
	vx6_hash_final(&st, out);
}
