#include "tests/unit/circuit/pool.h"

#include <string.h>

#include "base/util.h"

static void fill(void *user, void *out, size_t n)
{
	struct pool_rand *r = user;
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		r->s += UINT64_C(0x9e3779b97f4a7c15);
		uint64_t z = r->s;
		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		p[i] = (uint8_t)(z >> 56);
	}
}

void pool_seed(struct pool_rand *r, uint64_t seed)
{
	r->s = seed;
	r->rand = (struct vx6_rand){fill, r};
}

struct vx6_node_id pool_id(uint32_t n)
{
	struct vx6_node_id id = {{0}};

	memcpy(id.b, &n, sizeof n);
	id.b[31] = 1;
	return id;
}

struct vx6_addr pool_addr(uint32_t n)
{
	struct vx6_addr a = {.family = VX6_ADDR_IP, .port = 4242};

	a.ip[0] = 0x2a;
	a.ip[2] = (uint8_t)(n >> 16);
	a.ip[4] = (uint8_t)(n >> 8);
	a.ip[5] = (uint8_t)n;
	a.ip[15] = 1;
	return a;
}

struct vx6_relay_facts pool_facts(uint32_t n, uint64_t now_s)
{
	struct vx6_relay_facts f = {
		.node = pool_id(n),
		.until_s = now_s + 366 * 86400,
		.onion_until_s = now_s + 366 * 86400,
		.policy = POOL_ALL,
		.addrs = {pool_addr(n)},
		.addrs_n = 1,
	};

	f.onion_key[0] = 9;
	return f;
}

void pool_add(struct vx6_relays *r, uint32_t from, uint32_t to, uint64_t now_s)
{
	for (uint32_t n = from; n <= to; n++) {
		struct vx6_relay_facts f = pool_facts(n, now_s);

		VX6_ASSERT(vx6_is_ok(vx6_relays_put(r, &f, now_s)));
	}
}

void pool_use(struct vx6_relays *r, uint32_t n, unsigned uses, uint32_t rtt_us, uint32_t bytes_s,
	      uint64_t now_s)
{
	struct vx6_node_id id = pool_id(n);

	while (uses-- > 0)
		vx6_relays_seen_success(r, &id, rtt_us, now_s);
	if (bytes_s)
		vx6_relays_seen_bytes(r, &id, bytes_s, 1000, now_s);
}
