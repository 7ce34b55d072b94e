#include "tests/sim/engine/rng.h"

#include <math.h>
#include <string.h>

#include "base/util.h"

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void sim_rng_seed(struct sim_rng *r, uint64_t seed)
{
	for (size_t i = 0; i < VX6_ARRAY_N(r->s); i++)
		r->s[i] = splitmix(&seed);
}

void sim_rng_derive(struct sim_rng *r, uint64_t seed, const char *what, uint64_t n)
{
	uint64_t h = splitmix(&seed);

	for (; *what != '\0'; what++) {
		h ^= (uint8_t)*what;
		h = splitmix(&h);
	}
	h ^= n;
	sim_rng_seed(r, splitmix(&h));
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t sim_rng_u64(struct sim_rng *r)
{
	uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

uint64_t sim_rng_below(struct sim_rng *r, uint64_t n)
{
	uint64_t reject = -n % n, x;

	VX6_ASSERT(n > 0);
	do
		x = sim_rng_u64(r);
	while (x < reject);
	return x % n;
}

double sim_rng_unit(struct sim_rng *r)
{
	return (double)(sim_rng_u64(r) >> 11) * 0x1p-53;
}

void sim_rng_fill(struct sim_rng *r, void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		uint64_t x = sim_rng_u64(r);
		size_t k = VX6_MIN(n, sizeof x);

		memcpy(p, &x, k);
		p += k;
		n -= k;
	}
}

double sim_rng_exponential(struct sim_rng *r, double median)
{
	return -log(1.0 - sim_rng_unit(r)) * median / log(2.0);
}

double sim_rng_lognormal(struct sim_rng *r, double median, double sigma)
{
	double a = sqrt(-2.0 * log(1.0 - sim_rng_unit(r)));

	return median * exp(sigma * a * cos(2.0 * acos(-1.0) * sim_rng_unit(r)));
}

void sim_rng_shuffle(struct sim_rng *r, uint32_t *v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = sim_rng_below(r, i);
		uint32_t t = v[i - 1];

		v[i - 1] = v[j];
		v[j] = t;
	}
}
