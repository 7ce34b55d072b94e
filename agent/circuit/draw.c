#include "circuit/draw.h"

#include "crypto/secret.h"

static void system_fill(void *user, void *out, size_t n)
{
	vx6_random_bytes(out, n);
}

const struct vx6_rand vx6_rand_system = {.fill = system_fill};

uint64_t vx6_rand_u64(const struct vx6_rand *r)
{
	uint64_t v;

	r->fill(r->user, &v, sizeof v);
	return v;
}

uint64_t vx6_rand_below(const struct vx6_rand *r, uint64_t n)
{
	uint64_t v, biased;

	if (n < 2)
		return 0;
	biased = -n % n; /* 2^64 mod n: as many values too many */
	do
		v = vx6_rand_u64(r);
	while (v < biased);
	return v % n;
}

double vx6_rand_unit(const struct vx6_rand *r)
{
	return (double)(vx6_rand_u64(r) >> 11) * 0x1p-53;
}

uint64_t vx6_rand_between(const struct vx6_rand *r, uint64_t from, uint64_t to)
{
	return to > from ? from + vx6_rand_below(r, to - from + 1) : from;
}
