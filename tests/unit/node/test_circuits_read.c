/* Which rows a page of relays, circuits or decisions takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "node/circuits_internal.h"

/* alice comes first */
static struct vx6_node_id alice, bob;
static struct vx6_node node;

static int setup(void **state)
{
	static const char *const ids[] = {
		"vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh",
		"vx1q9l90ztnnwnn2js5slnqh87dguptf36phr2ydnupufc4sfuge523kz7d9pf"};
	struct vx6_node_id swap;

	if (!vx6_is_ok(vx6_crypto_init()) || !vx6_is_ok(vx6_node_id_parse(ids[0], &alice)) ||
	    !vx6_is_ok(vx6_node_id_parse(ids[1], &bob)))
		return -1;
	if (vx6_node_id_cmp(&alice, &bob) > 0) {
		swap = alice;
		alice = bob;
		bob = swap;
	}
	return 0;
}

static void wants_relay__after__takes_larger_ids_only(void **state)
{
	struct vx6_page_ask ask = {.kind = VX6_PAGE_RELAYS};

	assert_true(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_YOUNG));
	vx6_node_id_format(&alice, ask.after);
	assert_false(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_YOUNG));
	assert_true(circuits_wants_relay(&node, &ask, &bob, VX6_STANDING_YOUNG));
	vx6_node_id_format(&bob, ask.after);
	assert_false(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_YOUNG));
	assert_false(circuits_wants_relay(&node, &ask, &bob, VX6_STANDING_YOUNG));
}

static void wants_relay__standing_and_node__are_conditions(void **state)
{
	struct vx6_page_ask ask = {.kind = VX6_PAGE_RELAYS,
				   .has_filter = true,
				   .filter = VX6_STANDING_FAILING};

	assert_true(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_FAILING));
	assert_false(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_CANDIDATE));
	ask = (struct vx6_page_ask){.has_node = true, .node = bob};
	assert_true(circuits_wants_relay(&node, &ask, &bob, VX6_STANDING_UNUSABLE));
	assert_false(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_UNUSABLE));
}

static void wants_circuit__exact_after_state_and_target__select(void **state)
{
	struct vx6_page_ask ask = {.kind = VX6_PAGE_CIRCUITS, .exact = "cir_2"};

	assert_true(circuits_wants_circuit(&node, &ask, "cir_2", NULL, VX6_CIRC_CLOSED));
	assert_false(circuits_wants_circuit(&node, &ask, "cir_22", NULL, VX6_CIRC_CLOSED));
	ask = (struct vx6_page_ask){.after = "cir_2", .has_filter = true, .filter = VX6_CIRC_OPEN};
	assert_false(circuits_wants_circuit(&node, &ask, "cir_1", NULL, VX6_CIRC_OPEN));
	assert_false(circuits_wants_circuit(&node, &ask, "cir_2", NULL, VX6_CIRC_OPEN));
	assert_true(circuits_wants_circuit(&node, &ask, "cir_3", NULL, VX6_CIRC_OPEN));
	assert_false(circuits_wants_circuit(&node, &ask, "cir_3", NULL, VX6_CIRC_BUILDING));
	ask = (struct vx6_page_ask){.has_node = true, .node = alice};
	assert_true(circuits_wants_circuit(&node, &ask, "cir_3", &alice, VX6_CIRC_OPEN));
	assert_false(circuits_wants_circuit(&node, &ask, "cir_3", &bob, VX6_CIRC_OPEN));
	assert_false(circuits_wants_circuit(&node, &ask, "cir_3", NULL, VX6_CIRC_OPEN));
}

/* The latest comes first, so what follows a number is smaller. */
static void wants_decision__after__takes_older_ones(void **state)
{
	struct vx6_page_ask ask = {.kind = VX6_PAGE_DECISIONS, .after = "10"};

	assert_false(circuits_wants_decision(&node, &ask, 11, NULL, ""));
	assert_false(circuits_wants_decision(&node, &ask, 10, NULL, ""));
	assert_true(circuits_wants_decision(&node, &ask, 9, NULL, ""));
	ask = (struct vx6_page_ask){.circuit = "cir_1"};
	assert_true(circuits_wants_decision(&node, &ask, 1, NULL, "cir_1"));
	assert_false(circuits_wants_decision(&node, &ask, 1, NULL, "cir_12"));
	assert_false(circuits_wants_decision(&node, &ask, 1, NULL, ""));
	ask = (struct vx6_page_ask){.has_node = true, .node = bob};
	assert_true(circuits_wants_decision(&node, &ask, 1, &bob, ""));
	assert_false(circuits_wants_decision(&node, &ask, 1, NULL, "cir_1"));
}

static void page_key__rows__are_what_after_takes(void **state)
{
	struct vx6_relay_row relay = {.node = alice};
	struct vx6_circuit_row circuit = {.id = "cir_7"};
	struct vx6_decision_row decision = {.seq = 12};
	struct vx6_page p = {.kind = VX6_PAGE_RELAYS, .u.relays = &relay, .n = 1};
	struct vx6_page_ask ask = {.kind = VX6_PAGE_RELAYS};

	vx6_page_key(&p, 0, ask.after);
	assert_false(circuits_wants_relay(&node, &ask, &alice, VX6_STANDING_YOUNG));
	assert_true(circuits_wants_relay(&node, &ask, &bob, VX6_STANDING_YOUNG));
	p = (struct vx6_page){.kind = VX6_PAGE_CIRCUITS, .u.circuits = &circuit, .n = 1};
	vx6_page_key(&p, 0, ask.after);
	assert_string_equal(ask.after, "cir_7");
	p = (struct vx6_page){.kind = VX6_PAGE_DECISIONS, .u.decisions = &decision, .n = 1};
	vx6_page_key(&p, 0, ask.after);
	assert_false(circuits_wants_decision(&node, &ask, 12, NULL, ""));
	assert_true(circuits_wants_decision(&node, &ask, 11, NULL, ""));
}

static void route_fault__own_ends__are_told(void **state)
{
	const struct vx6_node_id carol = {{7}}, dora = {{8}};
	struct vx6_routing r = {.via = VX6_ROUTE_RELAY, .nodes_n = 2, .nodes = {bob, carol}};

	node.identity.id = alice;
	assert_null(circuits_route_fault(&node, NULL, &r));
	assert_null(circuits_route_fault(&node, &dora, &r));
	assert_non_null(circuits_route_fault(&node, &carol, &r));
	r.nodes[0] = alice;
	assert_non_null(circuits_route_fault(&node, NULL, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wants_relay__after__takes_larger_ids_only),
		cmocka_unit_test(wants_relay__standing_and_node__are_conditions),
		cmocka_unit_test(wants_circuit__exact_after_state_and_target__select),
		cmocka_unit_test(wants_decision__after__takes_older_ones),
		cmocka_unit_test(page_key__rows__are_what_after_takes),
		cmocka_unit_test(route_fault__own_ends__are_told),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
