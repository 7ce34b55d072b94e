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

/* It would be looked for under that id. */
static void find_node__key_of_a_hidden_service__is_no_node(void **state)
{
	struct vx6_node_id who;

	assert_false(circuits_find_node(
		&node, "vxh1qxsxk52c02yszk7eq436zxs4d4xguwvm44pp843hm0s5u9s9qeyrs8lpty4", &who));
}

/* ---- what hops are ---- */

static struct vx6_circuit_show show;

void __wrap_vx6_circuits_each(const struct vx6_circuits *c,
			      bool (*fn)(void *user, const struct vx6_circuit_show *row),
			      void *user);
void __wrap_vx6_circuits_each(const struct vx6_circuits *c,
			      bool (*fn)(void *user, const struct vx6_circuit_show *row),
			      void *user)
{
	(void)fn(user, &show);
}

static void assert_row(enum vx6_circ_purpose purpose, const enum vx6_circ_role *roles)
{
	struct vx6_page_ask ask = {.kind = VX6_PAGE_CIRCUITS};
	struct vx6_circuit_row row;
	bool more;

	assert_int_equal(circuits_page_circuits(&node, &ask, &row, 1, &more), 1);
	assert_int_equal(row.purpose, purpose);
	assert_int_equal(row.hops_n, show.hops_n);
	assert_int_equal(row.is_hidden, show.is_hidden);
	assert_int_equal(row.to_hidden, show.to_service);
	for (size_t i = 0; i < show.hops_n; i++)
		assert_int_equal(row.hops[i].role, roles[i]);
}

static void row__to_a_target__guard_relays_target(void **state)
{
	show = (struct vx6_circuit_show){
		.purpose = VX6_PURPOSE_SPARE,
		.has_target = true,
		.hop = {{.is_guard = true}, {.is_guard = false}, {.is_target = true}},
		.hops_n = 3,
	};
	assert_row(VX6_CIRC_SPARE,
		   (enum vx6_circ_role[]){VX6_HOP_GUARD, VX6_HOP_RELAY, VX6_HOP_TARGET});
	/* for a descriptor: what is behind is a node */
	show.is_hidden = show.hop[1].is_vanguard = true;
	assert_row(VX6_CIRC_SPARE,
		   (enum vx6_circ_role[]){VX6_HOP_GUARD, VX6_HOP_VANGUARD, VX6_HOP_TARGET});
}

static void row__hidden_route__rendezvous_and_service(void **state)
{
	show = (struct vx6_circuit_show){
		.purpose = VX6_PURPOSE_ROUTE,
		.has_target = true,
		.is_hidden = true,
		.to_service = true,
		.hop = {{.is_guard = true},
			{.is_vanguard = true},
			{.is_guard = false},
			{.is_rendezvous = true},
			{.is_target = true}},
		.hops_n = 5,
	};
	assert_row(VX6_CIRC_ROUTE,
		   (enum vx6_circ_role[]){VX6_HOP_GUARD, VX6_HOP_VANGUARD, VX6_HOP_RELAY,
					  VX6_HOP_RENDEZVOUS, VX6_HOP_SERVICE});
}

static void row__of_a_hidden_service__last_relay_says_what_it_is_for(void **state)
{
	show = (struct vx6_circuit_show){
		.purpose = VX6_PURPOSE_INTRO,
		.is_hidden = true,
		.hop = {{.is_guard = true},
			{.is_vanguard = true},
			{.is_guard = false},
			{.is_guard = false}},
		.hops_n = 4,
	};
	assert_row(VX6_CIRC_INTRO, (enum vx6_circ_role[]){VX6_HOP_GUARD, VX6_HOP_VANGUARD,
							  VX6_HOP_RELAY, VX6_HOP_INTRODUCTION});
	show.purpose = VX6_PURPOSE_INTRODUCE;
	assert_row(VX6_CIRC_INTRODUCE, (enum vx6_circ_role[]){VX6_HOP_GUARD, VX6_HOP_VANGUARD,
							      VX6_HOP_RELAY, VX6_HOP_INTRODUCTION});
	show.purpose = VX6_PURPOSE_RENDEZVOUS;
	show.hop[2].is_rendezvous = true;
	assert_row(VX6_CIRC_RENDEZVOUS, (enum vx6_circ_role[]){VX6_HOP_GUARD, VX6_HOP_VANGUARD,
							       VX6_HOP_RENDEZVOUS, VX6_HOP_CLIENT});
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
		cmocka_unit_test(find_node__key_of_a_hidden_service__is_no_node),
		cmocka_unit_test(row__to_a_target__guard_relays_target),
		cmocka_unit_test(row__hidden_route__rendezvous_and_service),
		cmocka_unit_test(row__of_a_hidden_service__last_relay_says_what_it_is_for),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
