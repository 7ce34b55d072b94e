#include "crypto/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "crypto/internal.h"

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static bool init_ok;

static void init(void)
{
	init_ok = sodium_init() >= 0;
	if (init_ok)
		vx6_table_key_draw();
}

vx6_err vx6_crypto_init(void)
{
	if (pthread_once(&init_once, init) != 0 || !init_ok)
		return VX6_ERR(BUG);
	return VX6_OK;
}

void vx6_wipe(void *p, size_t n)
{
	if (n)
		sodium_memzero(p, n);
}

void vx6_wipe_free(void *p, size_t n)
{
	if (!p)
		return;
	vx6_wipe(p, n);
	free(p);
}

bool vx6_ct_eq(const void *a, const void *b, size_t n)
{
	return n == 0 || sodium_memcmp(a, b, n) == 0;
}

bool vx6_ct_is_zero(const void *p, size_t n)
{
	return n == 0 || sodium_is_zero(p, n) == 1;
}

void vx6_random_bytes(void *out, size_t n)
{
	if (n)
		randombytes_buf(out, n);
}

uint32_t vx6_random_u32(void)
{
	return randombytes_random();
}

uint64_t vx6_random_u64(void)
{
	uint64_t v;

	randombytes_buf(&v, sizeof v);
	return v;
}

uint32_t vx6_random_below(uint32_t bound)
{
	return randombytes_uniform(bound);
}
