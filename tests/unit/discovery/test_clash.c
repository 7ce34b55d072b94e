/* Whoever goes by our name is told so: over the session that is up, or one that is dialled for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "discovery/clash.h"
#include "discovery/registry.h"
#include "tests/unit/session/fixture.h"

static struct test_node alice, bob;
static struct vx6_registry *registry;
static struct vx6_names *names;
static struct vx6_resolver *resolver;
static struct vx6_clash *clash;
static char detail[VX6_DIAL_DETAIL_MAX];

static size_t endpoint_of(const struct test_node *node, uint8_t out[static VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = 1,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .name = "alice",
				 .n_addrs = 1};
	size_t n;

	e.addrs[0].addr = node->at;
	e.addrs[0].via = VX6_VIA_QUIC | VX6_VIA_TCP;
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &node->id, out, &n)));
	return n;
}

static size_t own(void *user, uint8_t *out, size_t cap)
{
	assert_true(cap >= VX6_ENDPOINT_MAX);
	return endpoint_of(&alice, out);
}

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	registry = vx6_registry_new(&vx6_net_default, NULL, NULL);
	names = vx6_names_new(&alice.id.id, NULL, NULL);
	resolver = vx6_resolver_new(&(struct vx6_resolver_config){
		.loop = test_loop, .registry = registry, .names = names, .net = vx6_net_default});
	clash = vx6_clash_new(&(struct vx6_clash_config){
		.loop = test_loop, .sessions = alice.m, .resolver = resolver, .own = own});
	return 0;
}

static int teardown(void **state)
{
	vx6_clash_free(clash);
	vx6_resolver_free(resolver);
	node_stop(&alice);
	node_stop(&bob);
	vx6_names_free(names);
	vx6_registry_free(registry);
	test_loop_end();
	return 0;
}

static void learn_of_bob(void)
{
	const struct vx6_source from = {.kind = VX6_SOURCE_DHT};
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n = endpoint_of(&bob, bytes);

	assert_true(vx6_is_ok(vx6_registry_admit(registry, bytes, n, &from, vx6_wall_s(), NULL)));
}

static bool bob_was_told(void *arg)
{
	return bob.records > 0;
}

static void clash__session_is_up__told_over_it(void **state)
{
	assert_int_equal(node_dial(&alice, &bob, NULL, false, detail).code, VX6_E_OK);
	vx6_clash_tell(clash, &bob.id.id);
	test_run(bob_was_told, NULL);
	assert_int_equal(bob.ups, 1);
}

static void clash__no_session__dialled_once_and_told(void **state)
{
	learn_of_bob();
	vx6_clash_tell(clash, &bob.id.id);
	test_run(bob_was_told, NULL);
	assert_int_equal(bob.ups, 1);
	vx6_session_close(bob.session, VX6_ERR(IDLE));
	test_run_ms(50);
	vx6_clash_tell(clash, &bob.id.id); /* it knows */
	test_run_ms(100);
	assert_int_equal(bob.ups, 1);
	assert_int_equal(bob.records, 1);
}

static void clash__address_not_known_or_dead__given_up(void **state)
{
	struct vx6_node_id nobody = {{1}};

	vx6_clash_tell(clash, &nobody);
	test_run_ms(20);
	learn_of_bob();
	bob.at.port = 0;
	for (unsigned char i = 2; i < 40; i++) {
		nobody.b[0] = i;
		vx6_clash_tell(clash, &nobody);
	}
	test_run_ms(20);
	assert_int_equal(bob.ups, 0);
	vx6_clash_tell(clash, &bob.id.id); /* a free place again */
	test_run(bob_was_told, NULL);
}

static void clash__freed_while_dialling__nothing_follows(void **state)
{
	learn_of_bob();
	vx6_clash_tell(clash, &bob.id.id);
	vx6_clash_free(clash);
	clash = NULL;
	test_run_ms(50);
	assert_int_equal(bob.records, 0);
}

/* Whoever takes our name must not be able to have us knock at what listens here. */
static void clash__address_of_this_host__not_dialled(void **state)
{
	vx6_clash_free(clash);
	node_stop(&alice);
	node_start_at(&alice, "[2001:db8:1::1]:0");
	clash = vx6_clash_new(&(struct vx6_clash_config){
		.loop = test_loop, .sessions = alice.m, .resolver = resolver, .own = own});
	learn_of_bob();
	vx6_clash_tell(clash, &bob.id.id);
	test_run_ms(100);
	assert_int_equal(bob.ups, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clash__session_is_up__told_over_it),
		TEST(clash__no_session__dialled_once_and_told),
		TEST(clash__address_not_known_or_dead__given_up),
		TEST(clash__address_of_this_host__not_dialled),
		TEST(clash__freed_while_dialling__nothing_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
