/* Addresses: text both ways, what is what, and conversion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct vx6_addr parse(const char *text)
{
	struct vx6_addr a;

	if (!vx6_is_ok(vx6_addr_parse(text, &a)))
		fail_msg("%s is refused", text);
	return a;
}

static void parse__every_form__comes_back_the_same(void **state)
{
	static const char *const forms[] = {
		"127.0.0.1:80",       "0.0.0.0:0",          "255.255.255.255:65535",
		"[::1]:22",           "[::]:4242",          "[fd00::1:2]:1",
		"[2001:db8::ff]:443", "unix:/run/app.sock", "unix:relative.sock"};
	char text[VX6_ADDR_TEXT];

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct vx6_addr a = parse(forms[i]);

		assert_string_equal(vx6_addr_format(&a, text), forms[i]);
	}
	assert_string_equal(vx6_addr_format(&(struct vx6_addr){.family = VX6_ADDR_NONE}, text),
			    "none");
}

static void parse__localhost__is_the_address(void **state)
{
	struct vx6_addr a = parse("localhost:80"), b = parse("127.0.0.1:80");

	assert_true(vx6_addr_eq(&a, &b));
}

static void parse__what_is_none__refused(void **state)
{
	static const char *const bad[] = {"",
					  ":",
					  "80",
					  "127.0.0.1",
					  "127.0.0.1:",
					  "127.0.0.1:x",
					  "127.0.0.1:65536",
					  "127.0.0.1:-1",
					  "1.2.3:4",
					  "::1:80",
					  "[::1]",
					  "[::1]80",
					  "[::1:80",
					  "::1]:80",
					  "[::g]:1",
					  "unix:",
					  "example.org:80",
					  "127.0.0.1:000080",
					  "127.0.0.1: 80",
					  "[fe80::1%nosuchdevice0]:1"};
	char huge[300];
	struct vx6_addr a;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (vx6_is_ok(vx6_addr_parse(bad[i], &a)))
			fail_msg("%s is taken", bad[i]);
	memset(huge, 'a', sizeof huge - 1);
	huge[sizeof huge - 1] = 0;
	assert_false(vx6_is_ok(vx6_addr_parse(huge, &a)));
	memcpy(huge, "unix:/", 6);
	assert_int_equal(vx6_addr_parse(huge, &a).code, VX6_E_LIMIT);
}

static void kinds__are_told_apart(void **state)
{
	static const struct {
		const char *text;
		bool loopback, private, any, link_local, multicast, v4;
	} row[] = {
		{"127.8.9.1:1", true, true, false, false, false, true},
		{"[::1]:1", true, true, false, false, false, false},
		{"unix:/x", true, true, false, false, false, false},
		{"0.0.0.0:1", false, false, true, false, false, true},
		{"[::]:1", false, false, true, false, false, false},
		{"10.1.2.3:1", false, true, false, false, false, true},
		{"172.31.0.1:1", false, true, false, false, false, true},
		{"172.32.0.1:1", false, false, false, false, false, true},
		{"192.168.1.1:1", false, true, false, false, false, true},
		{"100.64.0.1:1", false, true, false, false, false, true},
		{"169.254.1.1:1", false, true, false, true, false, true},
		{"[fe80::1]:1", false, true, false, true, false, false},
		{"[fd00::1]:1", false, true, false, false, false, false},
		{"[2001:db8::1]:1", false, false, false, false, false, false},
		{"224.0.0.1:1", false, false, false, false, true, true},
		{"[ff02::1]:1", false, false, false, false, true, false},
		{"8.8.8.8:1", false, false, false, false, false, true},
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct vx6_addr a = parse(row[i].text);

		if (vx6_addr_is_loopback(&a) != row[i].loopback ||
		    vx6_addr_is_private(&a) != row[i].private ||
		    vx6_addr_is_any(&a) != row[i].any ||
		    vx6_addr_is_link_local(&a) != row[i].link_local ||
		    vx6_addr_is_multicast(&a) != row[i].multicast ||
		    vx6_addr_is_v4(&a) != row[i].v4)
			fail_msg("%s is taken for something else", row[i].text);
	}
}

static void prefix__is_48_and_24_bits(void **state)
{
	struct vx6_addr a = parse("[2001:db8:1:2::1]:1"), b = parse("[2001:db8:1:3::9]:2"),
			c = parse("[2001:db8:2::1]:1");
	struct vx6_addr d = parse("10.0.0.1:1"), e = parse("10.0.0.200:1"), f = parse("10.0.1.1:1");
	uint8_t x[16], y[16];

	vx6_addr_prefix(&a, x);
	vx6_addr_prefix(&b, y);
	assert_memory_equal(x, y, 16);
	vx6_addr_prefix(&c, y);
	assert_memory_not_equal(x, y, 16);
	vx6_addr_prefix(&d, x);
	vx6_addr_prefix(&e, y);
	assert_memory_equal(x, y, 16);
	vx6_addr_prefix(&f, y);
	assert_memory_not_equal(x, y, 16);
}

static void sockaddr__there_and_back(void **state)
{
	static const char *const forms[] = {"127.0.0.1:80", "[2001:db8::ff]:443",
					    "unix:/run/app.sock"};
	struct sockaddr_storage ss;
	struct vx6_addr back;

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct vx6_addr a = parse(forms[i]);
		socklen_t n = vx6_addr_to_sockaddr(&a, false, &ss);

		assert_true(n > 0);
		assert_true(vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &back)));
		assert_true(vx6_addr_eq(&a, &back));
		/* IPv4 through a dual-stack socket is the same address */
		n = vx6_addr_to_sockaddr(&a, true, &ss);
		assert_true(vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, n, &back)));
		assert_true(vx6_addr_eq(&a, &back));
	}
	assert_int_equal(vx6_addr_to_sockaddr(&(struct vx6_addr){.family = VX6_ADDR_NONE}, false,
					      &ss),
			 0);
	ss.ss_family = AF_INET6;
	assert_false(vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&ss, 4, &back)));
}

static unsigned kinds_of(const char *a, const char *b)
{
	struct vx6_addr own[2];
	size_t n = 0;

	if (a)
		assert_true(vx6_is_ok(vx6_addr_parse(a, &own[n++])));
	if (b)
		assert_true(vx6_is_ok(vx6_addr_parse(b, &own[n++])));
	return vx6_addr_kinds_for_others(own, n);
}

static void kinds_for_others__where_it_is_itself_and_the_public_network(void **state)
{
	assert_int_equal(kinds_of(NULL, NULL), VX6_ADDR_GLOBAL);
	assert_int_equal(kinds_of("[2a00::1]:1", NULL), VX6_ADDR_GLOBAL);
	assert_int_equal(kinds_of("[2a00::1]:1", "192.168.0.1:1"), VX6_ADDR_GLOBAL);
	assert_int_equal(kinds_of("192.168.0.1:1", NULL), VX6_ADDR_GLOBAL | VX6_ADDR_PRIVATE);
	assert_int_equal(kinds_of("127.0.0.1:1", NULL), VX6_ADDR_GLOBAL | VX6_ADDR_LOOPBACK);
	assert_int_equal(kinds_of("[::1]:1", "[fd00::1]:1"),
			 VX6_ADDR_GLOBAL | VX6_ADDR_LOOPBACK | VX6_ADDR_PRIVATE);
	assert_int_equal(kinds_of("[::]:1", NULL), VX6_ADDR_GLOBAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__every_form__comes_back_the_same),
		cmocka_unit_test(parse__localhost__is_the_address),
		cmocka_unit_test(parse__what_is_none__refused),
		cmocka_unit_test(kinds__are_told_apart),
		cmocka_unit_test(kinds_for_others__where_it_is_itself_and_the_public_network),
		cmocka_unit_test(prefix__is_48_and_24_bits),
		cmocka_unit_test(sockaddr__there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
