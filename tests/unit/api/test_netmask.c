#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/server/netmask.h"
#include "base/util.h"

static bool has(const char *mask, const char *from)
{
	struct vx6_netmask m;
	struct vx6_addr a;

	assert_true(vx6_netmask_parse(mask, &m));
	if (!from)
		return vx6_netmask_has(&m, NULL);
	assert_true(vx6_is_ok(vx6_addr_parse(from, &a)));
	return vx6_netmask_has(&m, &a);
}

static void networks_hold_what_is_in_them(void **state)
{
	assert_true(has("192.0.2.0/24", "192.0.2.255:1"));
	assert_false(has("192.0.2.0/24", "192.0.3.0:1"));
	assert_true(has("192.0.2.0/23", "192.0.3.7:1"));
	assert_false(has("192.0.2.0/23", "192.0.4.0:1"));
	assert_true(has("127.0.0.1", "127.0.0.1:1"));
	assert_false(has("127.0.0.1", "127.0.0.2:1"));
	assert_true(has("0.0.0.0/0", "8.8.8.8:1"));
	assert_false(has("0.0.0.0/0", "[2001:db8::1]:1"));
	assert_true(has("::/0", "[2001:db8::1]:1"));
	assert_true(has("fd00::/8", "[fdff::1]:1"));
	assert_false(has("fd00::/8", "[fe80::1]:1"));
	assert_true(has("fe80::/10", "[febf::1]:1"));
	assert_false(has("fe80::/10", "[fec0::1]:1"));
}

static void the_socket_is_no_network(void **state)
{
	assert_true(has("unix", NULL));
	assert_false(has("unix", "127.0.0.1:1"));
	assert_false(has("0.0.0.0/0", NULL));
	assert_false(has("::/0", NULL));
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",           "/",
		"/8",         "1.2.3",
		"1.2.3.4/",   "1.2.3.4/33",
		"1.2.3.4/-1", "1.2.3.4/ 8",
		"1.2.3.4/8x", "::/129",
		"::/0128",    "localhost",
		"Unix",       "unix/8",
		"1.2.3.4/+8", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
	struct vx6_netmask m;

	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++)
		assert_false(vx6_netmask_parse(bad[i], &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_hold_what_is_in_them),
		cmocka_unit_test(the_socket_is_no_network),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
