#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "transport/guard.h"

static struct vx6_addr addr(const char *text)
{
	struct vx6_addr a;

	assert_true(vx6_is_ok(vx6_addr_parse(text, &a)));
	return a;
}

static int admitted(struct vx6_guard *g, const char *from, int tries, uint64_t now_ms)
{
	struct vx6_addr a = addr(from);
	int n = 0;

	for (int i = 0; i < tries; i++)
		n += vx6_guard_admit(g, &a, now_ms);
	return n;
}

static void guard_admit__one_prefix__gets_its_tokens_and_a_refill(void **state)
{
	struct vx6_guard g;

	vx6_guard_init(&g, 20);
	assert_int_equal(admitted(&g, "[2001:db8:1::1]:1", 100, 5000), 20);
	assert_int_equal(admitted(&g, "[2001:db8:1:ffff::9]:2", 100, 5000), 0); /* the same /48 */
	assert_int_equal(admitted(&g, "[2001:db8:1::1]:1", 100, 5100), 2);
	assert_int_equal(admitted(&g, "[2001:db8:1::1]:1", 100, 9000), 20);
}

static void guard_admit__other_prefix_and_loopback__not_touched(void **state)
{
	struct vx6_guard g;

	vx6_guard_init(&g, 5);
	assert_int_equal(admitted(&g, "203.0.113.1:1", 100, 1), 5);
	assert_int_equal(admitted(&g, "203.0.113.77:1", 100, 1), 0); /* the same /24 */
	assert_int_equal(admitted(&g, "127.0.0.1:1", 100, 1), 100);
	assert_int_equal(admitted(&g, "[::1]:1", 100, 1), 100);
}

static void guard_admit__no_limit__all_pass(void **state)
{
	struct vx6_guard g;

	vx6_guard_init(&g, 0);
	assert_int_equal(admitted(&g, "203.0.113.1:1", 1000, 1), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guard_admit__one_prefix__gets_its_tokens_and_a_refill),
		cmocka_unit_test(guard_admit__other_prefix_and_loopback__not_touched),
		cmocka_unit_test(guard_admit__no_limit__all_pass),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
