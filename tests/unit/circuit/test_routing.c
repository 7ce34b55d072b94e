#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "circuit/routing.h"

static void routing_via__text__round_trips_and_rejects_others(void **state)
{
	enum vx6_routing_via via;

	(void)state;
	for (int i = VX6_ROUTE_AUTO; i <= VX6_ROUTE_RELAY; i++) {
		assert_true(
			vx6_routing_via_parse(vx6_routing_via_text((enum vx6_routing_via)i), &via));
		assert_int_equal(via, i);
	}
	assert_false(vx6_routing_via_parse("", &via));
	assert_false(vx6_routing_via_parse("Relay", &via));
}

static void routing_relays__default_and_explicit__counts(void **state)
{
	struct vx6_routing r = {.via = VX6_ROUTE_DIRECT};

	(void)state;
	assert_int_equal(vx6_routing_relays(&r), 0);
	r.via = VX6_ROUTE_AUTO;
	assert_int_equal(vx6_routing_relays(&r), VX6_ROUTE_HOPS_AUTO);
	r.via = VX6_ROUTE_RELAY;
	assert_int_equal(vx6_routing_relays(&r), VX6_ROUTE_HOPS_RELAY);
	r.hops = 8;
	assert_int_equal(vx6_routing_relays(&r), 8);
	r.hops = 0;
	r.nodes_n = 2;
	assert_int_equal(vx6_routing_relays(&r), 2);
}

static void routing_is_valid__contradictions__refused_with_a_reason(void **state)
{
	const struct vx6_routing bad[] = {
		{.via = VX6_ROUTE_DIRECT, .hops = 1},
		{.via = VX6_ROUTE_DIRECT, .anonymous = true},
		{.via = VX6_ROUTE_AUTO, .anonymous = true},
		{.via = VX6_ROUTE_RELAY, .hops = 9},
		{.via = VX6_ROUTE_RELAY, .nodes_n = 9},
		{.via = VX6_ROUTE_RELAY, .hops = 2, .nodes_n = 1},
		{.via = VX6_ROUTE_RELAY, .hidden = true},
		{.via = VX6_ROUTE_RELAY, .hidden = true, .anonymous = true, .hops = 1},
		{.via = VX6_ROUTE_RELAY, .hidden = true, .anonymous = true, .hops = 7},
		{.via = VX6_ROUTE_RELAY, .hidden = true, .anonymous = true, .nodes_n = 1},
		{.via = VX6_ROUTE_RELAY, .vanguard = true},
		{.via = VX6_ROUTE_RELAY, .vanguard = true, .anonymous = true, .hops = 2},
		{.via = VX6_ROUTE_RELAY, .vanguard = true, .anonymous = true, .hidden = true},
		{.via = VX6_ROUTE_RELAY, .vanguard = true, .anonymous = true, .nodes_n = 1},
		{.via = VX6_ROUTE_RELAY, .nodes_n = 2}, /* twice the node of all zeroes */
	};
	const struct vx6_routing good[] = {
		{0},
		{.via = VX6_ROUTE_DIRECT},
		{.via = VX6_ROUTE_AUTO, .hops = 2},
		{.via = VX6_ROUTE_RELAY, .hops = 8, .anonymous = true},
		{.via = VX6_ROUTE_RELAY, .hidden = true, .anonymous = true},
		{.via = VX6_ROUTE_RELAY, .hidden = true, .anonymous = true, .hops = 2},
		{.via = VX6_ROUTE_RELAY, .vanguard = true, .anonymous = true},
		{.via = VX6_ROUTE_RELAY, .nodes_n = 1},
		{.via = VX6_ROUTE_RELAY, .hops = 1, .nodes_n = 1},
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(vx6_routing_is_valid(&bad[i], &why));
		assert_non_null(why);
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(vx6_routing_is_valid(&good[i], &why));
		assert_null(why);
	}
}

static void routing_eq__same_meaning__equal(void **state)
{
	struct vx6_routing a = {.via = VX6_ROUTE_RELAY},
			   b = {.via = VX6_ROUTE_RELAY, .hops = VX6_ROUTE_HOPS_RELAY};

	(void)state;
	assert_true(vx6_routing_eq(&a, &b));
	b.anonymous = true;
	assert_false(vx6_routing_eq(&a, &b));
	a.anonymous = b.vanguard = true;
	assert_false(vx6_routing_eq(&a, &b));
	a.anonymous = b.vanguard = false;
	a.nodes_n = b.nodes_n = 1;
	b.anonymous = false;
	assert_true(vx6_routing_eq(&a, &b));
	b.nodes[0].b[0] = 1;
	assert_false(vx6_routing_eq(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routing_via__text__round_trips_and_rejects_others),
		cmocka_unit_test(routing_relays__default_and_explicit__counts),
		cmocka_unit_test(routing_is_valid__contradictions__refused_with_a_reason),
		cmocka_unit_test(routing_eq__same_meaning__equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
