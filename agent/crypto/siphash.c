#include "crypto/siphash.h"

#include <sodium.h>

#include "crypto/internal.h"
#include "crypto/secret.h"
#include "crypto/table.h"

/* Drawn once before any table exists, then only read. */
static struct vx6_siphash_key table_key;

uint64_t vx6_siphash(const struct vx6_siphash_key *key, const void *p, size_t n)
{
	uint8_t h[crypto_shorthash_siphash24_BYTES];
	uint64_t v = 0;

	crypto_shorthash_siphash24(h, p, n, key->b);
	for (size_t i = sizeof h; i > 0; i--) /* SipHash is little-endian by definition */
		v = v << 8 | h[i - 1];
	return v;
}

void vx6_table_key_draw(void)
{
	vx6_random_bytes(table_key.b, sizeof table_key.b);
}

uint32_t vx6_table_hash(const void *key, size_t n)
{
	return (uint32_t)vx6_siphash(&table_key, key, n);
}
