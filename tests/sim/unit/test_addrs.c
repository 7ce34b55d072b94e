/* Addresses of hosts: global, each once, some of them of one prefix. */
#include "tests/sim/unit/common.h"

#include "base/addr.h"
#include "tests/sim/engine/addrs.h"

enum { HOSTS = 10000 };

static uint8_t ips[HOSTS][16];

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void next__ten_thousand__global_distinct_and_clustered(void **state)
{
	struct sim_addrs a;
	unsigned v4 = 0;

	sim_addrs_init(&a, 5);
	for (unsigned i = 0; i < HOSTS; i++) {
		struct vx6_addr addr = {.family = VX6_ADDR_IP, .port = 1};

		sim_addrs_next(&a, ips[i]);
		memcpy(addr.ip, ips[i], 16);
		assert_false(vx6_addr_is_private(&addr));
		assert_false(vx6_addr_is_multicast(&addr));
		v4 += vx6_addr_is_v4(&addr);
	}
	qsort(ips, HOSTS, sizeof ips[0], by_bytes);
	for (unsigned i = 1; i < HOSTS; i++)
		assert_memory_not_equal(ips[i - 1], ips[i], 16);
	assert_in_range(v4, HOSTS / 5, HOSTS / 3);
	/* fewer prefixes than hosts, but most have one */
	assert_in_range(a.prefixes, HOSTS * 3 / 10, HOSTS * 7 / 10);
}

static void of_block__two_numbers__one_32_two_48s(void **state)
{
	uint8_t net[16] = {0x2a, 1, 2, 3}, x[16], y[16];

	sim_addrs_of_block(net, 7, 1, x);
	sim_addrs_of_block(net, 8, 1, y);
	assert_memory_equal(x, y, 4);
	assert_memory_not_equal(x, y, 6);
	sim_addrs_of_block(net, 7, 2, y);
	assert_memory_equal(x, y, 6);
	assert_memory_not_equal(x, y, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next__ten_thousand__global_distinct_and_clustered),
		cmocka_unit_test(of_block__two_numbers__one_32_two_48s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
