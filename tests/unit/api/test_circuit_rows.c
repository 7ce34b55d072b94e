/* Rows of relays, circuits and decisions as JSON: all fields of the contract, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static struct vx6_value *parse(const char *text, size_t n)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (!vx6_is_ok(vx6_value_parse(text, n, &v, &fault)))
		fail_msg("%s", text);
	return v;
}

static struct vx6_value *schema(const char *name)
{
	for (size_t i = 0; i < vx6_schema_docs_n; i++)
		if (strcmp(vx6_schema_docs[i].name, name) == 0)
			return parse((const char *)vx6_schema_docs[i].bytes, vx6_schema_docs[i].n);
	fail_msg("no schema %s", name);
	return NULL;
}

static void assert_same_fields(const struct vx6_value *shape, const struct vx6_value *v)
{
	const struct vx6_value *props = vx6_value_get(shape, "properties");

	for (const struct vx6_value *p = vx6_value_first(props); p; p = vx6_value_next(p))
		if (!vx6_value_get(v, vx6_value_key(p)))
			fail_msg("%s is missing", vx6_value_key(p));
	for (const struct vx6_value *m = vx6_value_first(v); m; m = vx6_value_next(m))
		if (!vx6_value_get(props, vx6_value_key(m)))
			fail_msg("%s is not in the contract", vx6_value_key(m));
}

/* The row as the API tells it. */
static struct vx6_value *told(const struct api_rows *rows, struct vx6_page *p, const char *name)
{
	char *text = rows->encode(p, 0);
	struct vx6_value *v = parse(text, strlen(text)), *shape = schema(name);

	free(text);
	assert_same_fields(shape, v);
	vx6_value_free(shape);
	return v;
}

static const char *text_at(const struct vx6_value *v, const char *key)
{
	const char *s = vx6_value_string(vx6_value_get(v, key));

	return s ? s : "";
}

static bool is_null(const struct vx6_value *v, const char *key)
{
	return vx6_value_is(vx6_value_get(v, key), VX6_JT_NULL);
}

static void relay__nothing_measured__is_null(void **state)
{
	struct vx6_relay_row row = {.policy = VX6_RELAY_GUARD | VX6_RELAY_NEST | VX6_RELAY_INTRO |
					      VX6_RELAY_REND,
				    .standing = VX6_STANDING_YOUNG,
				    .weight = 1.5};
	struct vx6_page p = {.kind = VX6_PAGE_RELAYS, .u.relays = &row, .n = 1};
	struct vx6_value *v = told(&api_relays, &p, "Relay"), *policy;
	static const char *const nulls[] = {"name",       "address",  "asn",
					    "rtt_ms",     "guard",    "capacity_bytes_per_s",
					    "first_seen", "last_used"};

	for (size_t i = 0; i < VX6_ARRAY_N(nulls); i++)
		assert_true(is_null(v, nulls[i]));
	assert_string_equal(text_at(v, "standing"), "young");
	assert_true(vx6_value_number(vx6_value_get(v, "share")) == 1);
	policy = (struct vx6_value *)(uintptr_t)vx6_value_get(v, "policy");
	assert_int_equal(vx6_value_count(policy), 4);
	assert_string_equal(vx6_value_string(vx6_value_first(policy)), "guard");
	vx6_value_free(v);
}

static void relay__all_known__is_told(void **state)
{
	struct vx6_relay_row row = {.name = "bob",
				    .standing = VX6_STANDING_CANDIDATE,
				    .asn = 64500,
				    .rtt_us = 12500,
				    .capacity_bytes_s = 1000000,
				    .successes = 3.5,
				    .failures = 0.25,
				    .weight = 0.125,
				    .guard = 2,
				    .first_seen_ms = 1000,
				    .last_used_ms = 2000};
	struct vx6_page p = {.kind = VX6_PAGE_RELAYS, .u.relays = &row, .n = 1};
	struct vx6_value *v;

	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8::1]:4242", &row.address)));
	v = told(&api_relays, &p, "Relay");
	assert_string_equal(text_at(v, "address"), "[2001:db8::1]:4242");
	assert_string_equal(text_at(v, "last_used"), "1970-01-01T00:00:02.000Z");
	assert_true(vx6_value_number(vx6_value_get(v, "rtt_ms")) == 12.5);
	assert_int_equal(vx6_value_number(vx6_value_get(v, "guard")), 2);
	assert_int_equal(vx6_value_number(vx6_value_get(v, "asn")), 64500);
	assert_true(vx6_value_number(vx6_value_get(v, "failures")) == 0.25);
	vx6_value_free(v);
}

static void circuit__half_built__says_how_far(void **state)
{
	struct vx6_circuit_row row = {
		.id = "cir_1",
		.state = VX6_CIRC_BUILDING,
		.purpose = VX6_CIRC_SPARE,
		.has_target = true,
		.target_name = "alice",
		.anonymous = true,
		.hops = {{.role = VX6_HOP_GUARD, .rtt_us = 1500, .why = "first"},
			 {.name = "carol"},
			 {.role = VX6_HOP_TARGET}},
		.hops_n = 3,
		.built_n = 1};
	struct vx6_page p = {.kind = VX6_PAGE_CIRCUITS, .u.circuits = &row, .n = 1};
	struct vx6_value *v = told(&api_circuits, &p, "Circuit"), *shape = schema("Circuit");
	const struct vx6_value *hop = vx6_value_first(vx6_value_get(v, "hops"));

	assert_string_equal(text_at(v, "state"), "building");
	assert_string_equal(text_at(v, "purpose"), "spare");
	assert_true(is_null(v, "error") && is_null(v, "closed_at") && is_null(v, "build_ms"));
	assert_true(vx6_value_bool(vx6_value_get(v, "anonymous"), false));
	assert_same_fields(vx6_value_get(vx6_value_get(vx6_value_get(shape, "properties"), "hops"),
					 "items"),
			   hop);
	assert_string_equal(text_at(hop, "role"), "guard");
	assert_string_equal(text_at(hop, "reason"), "first");
	assert_true(vx6_value_bool(vx6_value_get(hop, "built"), false));
	assert_true(is_null(hop, "name"));
	hop = vx6_value_next(hop);
	assert_string_equal(text_at(hop, "role"), "relay");
	assert_string_equal(text_at(hop, "name"), "carol");
	assert_false(vx6_value_bool(vx6_value_get(hop, "built"), true));
	assert_string_equal(text_at(vx6_value_next(hop), "role"), "target");
	assert_int_equal(vx6_value_count(vx6_value_get(v, "hops")), 3);
	vx6_value_free(shape);
	vx6_value_free(v);
}

static void circuit__to_a_hidden_service__shows_its_key_as_such(void **state)
{
	static const char *const roles[] = {"guard", "vanguard", "relay", "rendezvous", "service"};
	struct vx6_circuit_row row = {.id = "cir_3",
				      .purpose = VX6_CIRC_ROUTE,
				      .has_target = true,
				      .to_hidden = true,
				      .target = {.b = {7}},
				      .target_name = "ghost",
				      .is_hidden = true,
				      .hops = {{.role = VX6_HOP_GUARD},
					       {.role = VX6_HOP_VANGUARD},
					       {.role = VX6_HOP_RELAY},
					       {.role = VX6_HOP_RENDEZVOUS},
					       {.role = VX6_HOP_SERVICE, .node = {.b = {7}}}},
				      .hops_n = 5};
	struct vx6_page p = {.kind = VX6_PAGE_CIRCUITS, .u.circuits = &row, .n = 1};
	struct vx6_value *v = told(&api_circuits, &p, "Circuit");
	const struct vx6_value *hop = vx6_value_first(vx6_value_get(v, "hops"));

	assert_true(vx6_value_bool(vx6_value_get(v, "hidden"), false));
	assert_memory_equal(text_at(v, "target"), "vxh1", 4);
	for (size_t i = 0; i < VX6_ARRAY_N(roles); i++, hop = vx6_value_next(hop)) {
		assert_string_equal(text_at(hop, "role"), roles[i]);
		assert_memory_equal(text_at(hop, "node_id"), i == 4 ? "vxh1" : "vx1q", 4);
	}
	vx6_value_free(v);
}

static void circuit__of_a_hidden_service__client_is_nobody(void **state)
{
	static const char *const purposes[] = {"introduction", "introduce", "rendezvous"};
	struct vx6_circuit_row row = {.id = "cir_4",
				      .is_hidden = true,
				      .hops = {{.role = VX6_HOP_INTRODUCTION},
					       {.role = VX6_HOP_CLIENT}},
				      .hops_n = 2};
	struct vx6_page p = {.kind = VX6_PAGE_CIRCUITS, .u.circuits = &row, .n = 1};

	for (size_t i = 0; i < VX6_ARRAY_N(purposes); i++) {
		const struct vx6_value *hop;
		struct vx6_value *v;

		row.purpose = VX6_CIRC_INTRO + i;
		v = told(&api_circuits, &p, "Circuit");
		hop = vx6_value_first(vx6_value_get(v, "hops"));
		assert_string_equal(text_at(v, "purpose"), purposes[i]);
		assert_string_equal(text_at(hop, "role"), "introduction");
		hop = vx6_value_next(hop);
		assert_string_equal(text_at(hop, "role"), "client");
		assert_true(is_null(hop, "node_id"));
		vx6_value_free(v);
	}
}

static void circuit__closed__says_why(void **state)
{
	struct vx6_circuit_row row = {.id = "cir_2",
				      .state = VX6_CIRC_CLOSED,
				      .opened_ms = 1000,
				      .closed_ms = 3000,
				      .err = VX6_ERR(UNREACHABLE),
				      .reason = "the second relay is gone",
				      .rx_cells = 7,
				      .tx_bytes = 9};
	struct vx6_page p = {.kind = VX6_PAGE_CIRCUITS, .u.circuits = &row, .n = 1};
	struct vx6_value *v = told(&api_circuits, &p, "Circuit");

	assert_string_equal(text_at(v, "error"), "peer_unreachable");
	assert_string_equal(text_at(v, "reason"), "the second relay is gone");
	assert_string_equal(text_at(v, "closed_at"), "1970-01-01T00:00:03.000Z");
	assert_true(is_null(v, "target") && is_null(v, "target_name"));
	assert_int_equal(vx6_value_number(vx6_value_get(vx6_value_get(v, "cells"), "rx")), 7);
	assert_int_equal(vx6_value_number(vx6_value_get(vx6_value_get(v, "bytes"), "tx")), 9);
	vx6_value_free(v);
}

static void decision__row__is_called_by_its_number(void **state)
{
	struct vx6_decision_row row = {.seq = 118,
				       .wall_ms = 1000,
				       .circuit = "cir_1",
				       .what = "move",
				       .why = "the spare is faster"};
	struct vx6_page p = {.kind = VX6_PAGE_DECISIONS, .u.decisions = &row, .n = 1};
	struct vx6_value *v = told(&api_decisions, &p, "CircuitDecision");

	assert_string_equal(text_at(v, "id"), "118");
	assert_string_equal(text_at(v, "what"), "move");
	assert_string_equal(text_at(v, "circuit"), "cir_1");
	assert_string_equal(text_at(v, "reason"), "the spare is faster");
	assert_true(is_null(v, "target"));
	vx6_value_free(v);
	row.has_target = row.to_hidden = true;
	v = told(&api_decisions, &p, "CircuitDecision");
	assert_memory_equal(text_at(v, "target"), "vxh1", 4);
	vx6_value_free(v);
}

static void relaying__view__has_all_of_the_contract(void **state)
{
	struct vx6_relaying_view view = {.wanted = {.mode = VX6_RELAYING_OFF, .circuits = 5},
					 .key_since_ms = 1000,
					 .key_until_ms = 2000,
					 .refused_key = 3};
	struct vx6_value *shape = schema("RelayStatus"), *v;
	const struct vx6_value *status, *hidden;
	struct vx6_json j = {0};
	char *text;

	vx6_json_object(&j, NULL);
	api_put_relaying(&j, "relay", &view);
	vx6_json_end_object(&j);
	text = vx6_json_take(&j);
	v = parse(text, strlen(text));
	status = vx6_value_get(v, "relay");
	assert_same_fields(shape, status);
	assert_same_fields(vx6_value_get(vx6_value_get(shape, "properties"), "refused"),
			   vx6_value_get(status, "refused"));
	hidden = vx6_value_get(vx6_value_get(shape, "properties"), "hidden");
	assert_same_fields(hidden, vx6_value_get(status, "hidden"));
	assert_same_fields(vx6_value_get(vx6_value_get(hidden, "properties"), "refused"),
			   vx6_value_get(vx6_value_get(status, "hidden"), "refused"));
	assert_string_equal(text_at(status, "mode"), "off");
	assert_string_equal(text_at(vx6_value_get(status, "key"), "until"),
			    "1970-01-01T00:00:02.000Z");
	assert_true(is_null(vx6_value_get(status, "limits"), "rate_mbit"));
	free(text);
	vx6_value_free(v);
	vx6_value_free(shape);
}

static void budget__patch__changes_what_it_names(void **state)
{
	static const char text[] =
		"{\"a\":{\"circuits\":null,\"rate_mbit\":7},\"b\":null,\"c\":{}}";
	struct vx6_value *v = parse(text, sizeof text - 1);
	struct vx6_relaying_change c;

	api_get_budget(vx6_value_get(v, "a"), &c);
	assert_true(c.has_circuits && c.has_rate && !c.has_mode && !c.has_memory);
	assert_int_equal(c.to.circuits, 0);
	assert_int_equal(c.to.rate_mbit, 7);
	api_get_budget(vx6_value_get(v, "b"), &c);
	assert_true(c.has_circuits && c.has_rate && c.has_mode && c.has_memory);
	assert_int_equal(c.to.mode, VX6_RELAYING_PUBLIC);
	api_get_budget(vx6_value_get(v, "c"), &c);
	assert_false(c.has_circuits || c.has_rate || c.has_mode || c.has_memory);
	api_get_budget(NULL, &c);
	assert_false(c.has_circuits || c.has_rate || c.has_mode || c.has_memory);
	vx6_value_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay__nothing_measured__is_null),
		cmocka_unit_test(relay__all_known__is_told),
		cmocka_unit_test(circuit__half_built__says_how_far),
		cmocka_unit_test(circuit__to_a_hidden_service__shows_its_key_as_such),
		cmocka_unit_test(circuit__of_a_hidden_service__client_is_nobody),
		cmocka_unit_test(circuit__closed__says_why),
		cmocka_unit_test(decision__row__is_called_by_its_number),
		cmocka_unit_test(relaying__view__has_all_of_the_contract),
		cmocka_unit_test(budget__patch__changes_what_it_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
