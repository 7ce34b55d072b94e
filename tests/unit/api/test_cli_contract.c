#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "api/cli/command.h"
#include "api/cli/problem.h"
#include "api/cli/request.h"
#include "base/util.h"

/* Operations without a command of their own, and why. All of them are reachable by `vx6 api`. */
static const char *const without_command[][2] = {
	{"endpoints_list", "for programs that compare contracts"},
	{"metrics_get", "a text, for Prometheus"},
	{"openapi_get", "a document, for generators"},
	{"schema_get", "a document, for generators"},
	{"peer_replace", "peer update changes what is given and keeps the rest"},
	{"token_replace", "token update changes what is given and keeps the rest"},
	{"service_replace", "service update changes what is given and keeps the rest"},
	{"forward_replace", "forward update changes what is given and keeps the rest"},
	{"lookup_list", "lookups are operations: op list has them"},
};

/* Fields that a command fills in by itself, from one word. */
static const char *const by_itself[][2] = {
	{"lookup_create", "name service node_id key"},
	{"circuit_create", "via"}, /* a circuit is one through relays */
	{"registry_refresh", "name node_id"},
	{"log_levels_replace", "default layers"},
	{"identity_rotate", "passphrase"},
	{"identity_revoke", "passphrase successor_passphrase"},
	{"identity_export", "passphrase master_passphrase"},
	{"backup_create", "passphrase"},
	{"config_validate", "yaml settings"},
	{"hidden_alias_create", "alias invite"},
	{"service_update", "force"}, /* not at all: it counts when a service is made */
	{"node_update", "name"}, /* not at all: it is a setting of the agent, vx6 agent --name */
};

static bool is_filled(const char *op, const char *field)
{
	for (size_t i = 0; i < VX6_ARRAY_N(by_itself); i++)
		if (strcmp(by_itself[i][0], op) == 0)
			return vx6_cli_word_in(by_itself[i][1], field, strlen(field));
	return false;
}

static const struct vx6_cli_command *command_of(const char *op)
{
	for (size_t i = 0; i < vx6_cli_commands_n; i++)
		if (vx6_cli_word_in(vx6_cli_commands[i].ops, op, strlen(op)))
			return &vx6_cli_commands[i];
	return NULL;
}

static bool has_reason(const char *op)
{
	for (size_t i = 0; i < VX6_ARRAY_N(without_command); i++)
		if (strcmp(without_command[i][0], op) == 0)
			return *without_command[i][1];
	return false;
}

static void contract__every_operation__has_a_command_or_a_reason(void **state)
{
	for (size_t i = 0; i < VX6_OP_N; i++) {
		bool command = command_of(vx6_routes[i].id);

		if (command == has_reason(vx6_routes[i].id))
			fail_msg("%s has %s", vx6_routes[i].id,
				 command ? "a command and a reason" : "neither");
	}
	for (size_t i = 0; i < VX6_ARRAY_N(without_command); i++)
		assert_non_null(vx6_cli_route(without_command[i][0]));
}

static void contract__command_of_a_route__is_the_one_the_contract_names(void **state)
{
	for (size_t i = 0; i < VX6_OP_N; i++) {
		const struct vx6_cli_command *c = command_of(vx6_routes[i].id);
		char words[64];

		if (!c) {
			assert_null(vx6_routes[i].cli);
			continue;
		}
		snprintf(words, sizeof words, "%s%s%s", c->noun, c->verb ? " " : "",
			 c->verb ? c->verb : "");
		assert_non_null(vx6_routes[i].cli);
		assert_int_equal(strncmp(vx6_routes[i].cli, words, strlen(words)), 0);
	}
}

static void contract__every_operation_of_a_command__exists(void **state)
{
	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const char *p = vx6_cli_commands[i].ops;

		while (p && *p) {
			char op[64];
			size_t n = strcspn(p, " ");

			snprintf(op, sizeof op, "%.*s", (int)n, p);
			assert_non_null(vx6_cli_route(op));
			p += n;
			p += *p == ' ';
		}
	}
}

static bool has_param(const struct vx6_route *r, enum vx6_param_place place, const char *name)
{
	for (size_t i = 0; i < r->params_n; i++)
		if (r->params[i].place == place && strcmp(r->params[i].name, name) == 0)
			return true;
	return false;
}

/* "route.hops" is a member of the object `route`. */
static const struct vx6_schema_prop *property(const struct vx6_schema *body, const char *name)
{
	size_t n = strcspn(name, ".");

	for (size_t i = 0; body && i < body->props_n; i++)
		if (strlen(body->props[i].name) == n && memcmp(body->props[i].name, name, n) == 0)
			return name[n] ? property(body->props[i].schema, name + n + 1)
				       : &body->props[i];
	return NULL;
}

static bool has_argument(const struct vx6_cli_command *c, const char *object, const char *field)
{
	char path[64];

	snprintf(path, sizeof path, "%s%s%s", object, *object ? "." : "", field);
	for (size_t k = 0; k < c->args_n; k++)
		if (c->args[k].place == VX6_IN_BODY && strcmp(c->args[k].field, path) == 0)
			return true;
	return false;
}

/* Each member of an object by an argument of its own. */
static bool has_arguments(const struct vx6_route *r, const struct vx6_cli_command *c,
			  const struct vx6_schema_prop *object)
{
	for (size_t i = 0; i < object->schema->props_n; i++)
		if (!has_argument(c, object->name, object->schema->props[i].name) &&
		    !is_filled(r->id, object->schema->props[i].name))
			return false;
	return object->schema->props_n > 0;
}

static void contract__every_argument__goes_to_a_field_of_its_route(void **state)
{
	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const struct vx6_cli_command *c = &vx6_cli_commands[i];
		const struct vx6_route *r =
			c->ops && !strchr(c->ops, ' ') ? vx6_cli_route(c->ops) : NULL;

		for (size_t j = 0; r && j < c->args_n; j++) {
			const struct vx6_cli_arg *a = &c->args[j];
			bool there = a->place == VX6_IN_COMMAND ||
				     (a->place == VX6_IN_PATH &&
				      has_param(r, VX6_PARAM_PATH, a->field)) ||
				     (a->place == VX6_IN_QUERY &&
				      has_param(r, VX6_PARAM_QUERY, a->field)) ||
				     (a->place == VX6_IN_HEADER &&
				      has_param(r, VX6_PARAM_HEADER, a->field)) ||
				     (a->place == VX6_IN_BODY && property(r->body, a->field) &&
				      property(r->body, a->field)->schema);

			if (!there)
				fail_msg("%s: --%s goes to %s, which the route does not take",
					 r->id, a->name, a->field);
		}
	}
}

/* The other way round: what a body takes can be given on the command line. */
static void contract__every_writable_field__has_an_argument(void **state)
{
	for (size_t i = 0; i < VX6_OP_N; i++) {
		const struct vx6_route *r = &vx6_routes[i];
		const struct vx6_cli_command *c = command_of(r->id);

		for (size_t j = 0; c && r->body && j < r->body->props_n; j++) {
			const struct vx6_schema_prop *prop = &r->body->props[j];
			/* vx1…@ADDR of `peer add` holds it */
			bool found = !prop->schema || strcmp(prop->name, "node_id") == 0;

			/* there is one protocol */
			found = found || strcmp(prop->name, "protocol") == 0 ||
				is_filled(r->id, prop->name);
			found = found || has_argument(c, "", prop->name) ||
				has_arguments(r, c, prop);
			if (!found)
				fail_msg("%s: no argument for %s", r->id, prop->name);
		}
	}
}

static void contract__every_row__is_whole(void **state)
{
	for (size_t i = 0; i < vx6_cli_commands_n; i++) {
		const struct vx6_cli_command *c = &vx6_cli_commands[i];

		assert_non_null(c->summary);
		assert_ptr_equal(vx6_cli_find(c->noun, c->verb), c);
		assert_true(c->hidden || c->examples[0]);
		for (size_t j = 0; j < c->args_n; j++) {
			const struct vx6_cli_arg *a = &c->args[j];

			assert_non_null(a->help);
			assert_true(a->place == VX6_IN_COMMAND || a->field);
			assert_true(a->positional || a->kind == VX6_ARG_SWITCH || a->value);
			assert_true(a->kind != VX6_ARG_SWITCH || a->place == VX6_IN_COMMAND ||
				    a->literal);
			assert_true(a->offer != VX6_OFFER_WORDS || a->words);
			for (size_t k = 0; k < j; k++)
				assert_string_not_equal(c->args[k].name, a->name);
		}
	}
}

static void exit_of__every_problem__is_what_the_manual_says(void **state)
{
	static const struct {
		const char *code;
		enum vx6_cli_exit exit;
	} wanted[] = {
		{"unauthenticated", VX6_EXIT_DENIED},
		{"forbidden", VX6_EXIT_DENIED},
		{"access_refused", VX6_EXIT_DENIED},
		{"not_found", VX6_EXIT_NOT_FOUND},
		{"peer_unknown", VX6_EXIT_NOT_FOUND},
		{"service_unknown", VX6_EXIT_NOT_FOUND},
		{"name_taken", VX6_EXIT_CONFLICT},
		{"precondition_failed", VX6_EXIT_CONFLICT},
		{"ambiguous_name", VX6_EXIT_CONFLICT},
		{"pin_mismatch", VX6_EXIT_CONFLICT},
		{"node_revoked", VX6_EXIT_CONFLICT},
		{"timeout", VX6_EXIT_TIMEOUT},
		{"peer_unreachable", VX6_EXIT_OPERATION},
		{"wrong_peer", VX6_EXIT_OPERATION},
		{"target_unreachable", VX6_EXIT_OPERATION},
		{"no_relays", VX6_EXIT_OPERATION},
		{"invalid_body", VX6_EXIT_INVALID},
		{"invalid_json", VX6_EXIT_INVALID},
		{"internal", VX6_EXIT_FAILURE},
		{"storage_full", VX6_EXIT_FAILURE},
	};

	for (size_t i = 0; i < VX6_ARRAY_N(wanted); i++) {
		size_t k = 0;

		while (k < VX6_PROBLEM_N && strcmp(vx6_problems[k].code, wanted[i].code) != 0)
			k++;
		assert_true(k < VX6_PROBLEM_N);
		assert_int_equal(vx6_cli_exit_of(vx6_problems[k].status, vx6_problems[k].code),
				 wanted[i].exit);
	}
	for (size_t i = 0; i < VX6_PROBLEM_N; i++)
		assert_int_not_equal(vx6_cli_exit_of(vx6_problems[i].status, vx6_problems[i].code),
				     VX6_EXIT_OK);
	assert_int_equal(vx6_cli_exit_of(201, ""), VX6_EXIT_OK);
	assert_int_equal(vx6_cli_exit_of(204, ""), VX6_EXIT_OK);
	assert_int_equal(vx6_cli_exit_of(0, ""), VX6_EXIT_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contract__every_operation__has_a_command_or_a_reason),
		cmocka_unit_test(contract__command_of_a_route__is_the_one_the_contract_names),
		cmocka_unit_test(contract__every_operation_of_a_command__exists),
		cmocka_unit_test(contract__every_argument__goes_to_a_field_of_its_route),
		cmocka_unit_test(contract__every_writable_field__has_an_argument),
		cmocka_unit_test(contract__every_row__is_whole),
		cmocka_unit_test(exit_of__every_problem__is_what_the_manual_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
