#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/contract/validate.h"

static struct vx6_faults faults;

static bool valid(const char *schema, const char *text)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v;
	bool ok;

	memset(&faults, 0, sizeof faults);
	assert_non_null(vx6_schema_find(schema));
	assert_true(vx6_is_ok(vx6_value_parse(text, strlen(text), &v, &fault)));
	ok = vx6_validate(vx6_schema_find(schema), v, &faults);
	assert_int_equal(ok, faults.n == 0);
	vx6_value_free(v);
	return ok;
}

static bool has_fault(const char *pointer, const char *code)
{
	for (size_t i = 0; i < faults.n && i < VX6_FAULTS_MAX; i++)
		if (strcmp(faults.items[i].pointer, pointer) == 0 &&
		    strcmp(faults.items[i].code, code) == 0)
			return true;
	return false;
}

static void validate__good_service__passes(void **state)
{
	assert_true(valid("ServiceInput", "{\"name\":\"web\",\"target\":\"127.0.0.1:8080\"}"));
	assert_true(
		valid("ServiceInput",
		      "{\"name\":\"a\",\"target\":\"unix:/run/"
		      "x.sock\",\"enabled\":false,\"protocol\":\"tcp\",\"labels\":{\"a/b\":\"\"},"
		      "\"access\":{\"default\":\"none\",\"node_ids\":[]}}"));
	assert_true(valid("ServiceInput", "{\"name\":\"a\",\"target\":\"[::1]:22\"}"));
}

static void validate__many_faults__are_told_at_once(void **state)
{
	assert_false(valid("ServiceInput",
			   "{\"name\":\"Web!\",\"enabled\":1,\"access\":{\"default\":\"all\",\"x/"
			   "y~\":1,\"node_ids\":[\"vx1\",\"vx1\"]},"
			   "\"labels\":{\"A\":1},\"nonsense\":{},\"generation\":2}"));
	assert_true(has_fault("/name", "pattern"));
	assert_true(has_fault("/target", "required"));
	assert_true(has_fault("/enabled", "type"));
	assert_true(has_fault("/access/default", "enum"));
	assert_true(has_fault("/access/x~1y~0", "additionalProperties"));
	assert_true(has_fault("/access/node_ids/1", "minLength"));
	assert_true(has_fault("/access/node_ids", "uniqueItems"));
	assert_true(has_fault("/labels/A", "propertyNames"));
	assert_true(has_fault("/labels/A", "type"));
	assert_true(has_fault("/nonsense", "additionalProperties"));
	assert_true(has_fault("/generation", "readOnly"));
}

static void validate__wrong_top_type__is_one_fault(void **state)
{
	assert_false(valid("ServiceInput", "[]"));
	assert_int_equal(faults.n, 1);
	assert_true(has_fault("", "type"));
}

static void validate__patch__takes_null_and_parts(void **state)
{
	assert_true(valid("ServicePatch", "{}"));
	assert_true(valid("ServicePatch", "{\"name\":null,\"labels\":{\"a\":null},\"access\":{"
					  "\"default\":null},\"protocol\":null}"));
	assert_true(valid("ForwardPatch", "{\"to\":null,\"transport\":\"quic\"}"));
	assert_false(valid("ServicePatch", "{\"access\":{\"default\":7}}"));
	assert_false(valid("ServicePatch", "{\"protocol\":\"udp\"}"));
	assert_false(valid("ForwardPatch", "{\"transport\":\"sctp\"}"));
	assert_false(valid("ServicePatch", "null"));
}

static void validate__more_faults_than_fit__are_counted(void **state)
{
	char text[4096] = "{";

	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), "%s\"k%d\":0", i ? "," : "", i);
	strcat(text, "}");
	assert_false(valid("ServicePatch", text));
	assert_int_equal(faults.n, 100);
}

static void validate__string_length__counts_characters(void **state)
{
	char text[600] = "{\"labels\":{\"a\":\"";

	for (int i = 0; i < 128; i++)
		strcat(text, "\xc3\xa9");
	strcat(text, "\"}}");
	assert_true(valid("ServicePatch", text));
	strcpy(strrchr(text, '"'), "e\"}}");
	assert_false(valid("ServicePatch", text));
	assert_true(has_fault("/labels/a", "maxLength"));
}

static const struct vx6_param *param_of(enum vx6_op op, const char *name)
{
	for (size_t i = 0; i < vx6_routes[op].params_n; i++)
		if (strcmp(vx6_routes[op].params[i].name, name) == 0)
			return &vx6_routes[op].params[i];
	fail_msg("no parameter %s", name);
	return NULL;
}

static void validate_param__numbers_and_text__are_checked(void **state)
{
	const struct vx6_param *limit = param_of(VX6_OP_SERVICE_LIST, "limit"),
			       *wait = param_of(VX6_OP_EVENT_LIST, "wait");
	const struct vx6_param *transport = param_of(VX6_OP_CONNECT_OPEN, "transport");

	memset(&faults, 0, sizeof faults);
	assert_true(vx6_validate_param(limit, "1", &faults));
	assert_true(vx6_validate_param(wait, "30s", &faults));
	assert_true(vx6_validate_param(transport, "quic", &faults));
	assert_int_equal(faults.n, 0);
	assert_false(vx6_validate_param(limit, "0", &faults));
	assert_false(vx6_validate_param(limit, "-1", &faults));
	assert_false(vx6_validate_param(limit, "1e3", &faults));
	assert_false(vx6_validate_param(limit, "", &faults));
	assert_false(vx6_validate_param(limit, "99999999999999999999999", &faults));
	assert_false(vx6_validate_param(wait, "30", &faults));
	assert_false(vx6_validate_param(transport, "tls", &faults));
	assert_true(has_fault("?limit", "minimum"));
	assert_true(has_fault("?transport", "enum"));
}

static void contract__tables__agree_with_themselves(void **state)
{
	for (size_t i = 0; i < VX6_OP_N; i++) {
		const struct vx6_route *r = &vx6_routes[i];

		assert_int_equal(r->op, i);
		assert_memory_equal(r->path, "/v1/", 4);
		assert_int_equal(r->body != NULL, r->max_body > 0);
		if (r->merge_patch)
			assert_string_equal(r->method, "PATCH");
		if (r->role == VX6_API_ROLE_PUBLIC)
			assert_memory_equal(r->path, "/v1/health/", 11);
		if (strcmp(r->method, "GET") != 0)
			assert_true(r->role >= VX6_API_ROLE_OPERATOR);
	}
	for (size_t i = 0; i < VX6_PROBLEM_N; i++)
		assert_in_range(vx6_problems[i].status, 400, 599);
	assert_true(vx6_schema_docs_n > 20);
	assert_int_equal(vx6_openapi.bytes[0], '{');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validate__good_service__passes),
		cmocka_unit_test(validate__many_faults__are_told_at_once),
		cmocka_unit_test(validate__wrong_top_type__is_one_fault),
		cmocka_unit_test(validate__patch__takes_null_and_parts),
		cmocka_unit_test(validate__more_faults_than_fit__are_counted),
		cmocka_unit_test(validate__string_length__counts_characters),
		cmocka_unit_test(validate_param__numbers_and_text__are_checked),
		cmocka_unit_test(contract__tables__agree_with_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
