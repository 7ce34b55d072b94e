#include "tests/sim/engine/addrs.h"

#include <math.h>
#include <string.h>

#include "base/util.h"

void sim_addrs_init(struct sim_addrs *a, uint64_t seed)
{
	*a = (struct sim_addrs){0};
	sim_rng_derive(&a->rng, seed, "addresses", 0);
	a->at_v4 = sim_rng_u64(&a->rng);
	a->at_v6 = sim_rng_u64(&a->rng);
	a->step = sim_rng_u64(&a->rng) | 1;
}

/* Registered blocks of 2000::/3 that are neither documentation nor tunnels. A walk with an odd step meets none twice. */
static void draw_v6(struct sim_addrs *a, uint8_t ip[static 16])
{
	static const uint8_t first[] = {0x24, 0x26, 0x28, 0x2a, 0x2c};
	uint64_t n = a->at_v6 += a->step;

	memset(ip, 0, 16);
	ip[0] = first[(n >> 40) % sizeof first];
	for (unsigned i = 0; i < 5; i++)
		ip[5 - i] = (uint8_t)(n >> 8 * i);
}

/* 16.0.0.0 to 79.255.255.0: 2^22 /24s, nothing private among them. */
static void draw_v4(struct sim_addrs *a, uint8_t ip[static 16])
{
	uint64_t n = a->at_v4 += a->step;

	memset(ip, 0, 16);
	ip[10] = ip[11] = 0xff;
	ip[12] = (uint8_t)(16 + (n >> 16) % 64);
	ip[13] = (uint8_t)(n >> 8);
	ip[14] = (uint8_t)n;
}

static void draw(struct sim_addrs *a, uint8_t ip[static 16])
{
	if (sim_rng_below(&a->rng, 4) == 0)
		draw_v4(a, ip);
	else
		draw_v6(a, ip);
	a->prefixes++;
}

static void number(uint8_t ip[static 16], uint32_t n)
{
	if (ip[10] == 0xff) {
		ip[15] = (uint8_t)(n % 250 + 1);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		ip[15 - i] = (uint8_t)(n >> 8 * i);
	ip[8] = 1;
}

void sim_addrs_next(struct sim_addrs *a, uint8_t ip[static 16])
{
	if (a->left == 0) {
		double u = 1.0 - sim_rng_unit(&a->rng);

		draw(a, a->base);
		/* the share of prefixes with at least n hosts falls as n^-1.5 */
		for (a->left = 1; a->left < 64 && u < pow(a->left + 1, -1.5);)
			a->left++;
	}
	a->left--;
	memcpy(ip, a->base, 16);
	number(ip, a->serial++);
}

void sim_addrs_fresh(struct sim_addrs *a, uint8_t ip[static 16])
{
	draw(a, ip);
	number(ip, a->serial++);
}

void sim_addrs_of_block(const uint8_t net[static 16], uint16_t n, uint32_t host,
			uint8_t ip[static 16])
{
	VX6_ASSERT(net[10] != 0xff);
	memset(ip, 0, 16);
	memcpy(ip, net, 4);
	ip[4] = (uint8_t)(n >> 8);
	ip[5] = (uint8_t)n;
	number(ip, host);
}
