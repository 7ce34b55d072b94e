#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "api/cli/args.h"
#include "api/cli/suggest.h"

static struct vx6_cli_parsed parsed;

/* Words of one line, separated by spaces. @return what vx6_cli_parse() says */
static bool parse(const char *line)
{
	static char text[512];
	static char *argv[32];
	int argc = 0;

	snprintf(text, sizeof text, "vx6 %s", line);
	for (char *save, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	vx6_cli_parsed_fini(&parsed);
	return vx6_cli_parse(argc, argv, &parsed);
}

static void assert_fails(const char *line, const char *part)
{
	assert_false(parse(line));
	if (!strstr(parsed.error, part))
		fail_msg("'%s' gives '%s', not '%s'", line, parsed.error, part);
}

static int teardown(void **state)
{
	vx6_cli_parsed_fini(&parsed);
	return 0;
}

static void parse__noun_verb_and_values__are_found(void **state)
{
	assert_true(parse("service add web --target 127.0.0.1:80 --label a=b --label=c=d"));
	assert_string_equal(parsed.command->ops, "service_create");
	assert_string_equal(vx6_cli_text(&parsed, "NAME"), "web");
	assert_string_equal(vx6_cli_text(&parsed, "target"), "127.0.0.1:80");
	assert_string_equal(vx6_cli_text(&parsed, "label"), "c=d");
	assert_int_equal(parsed.values_n, 4);
	assert_null(vx6_cli_text(&parsed, "allow"));
}

static void parse__global_options__may_stand_anywhere(void **state)
{
	static const char *const lines[] = {"--json --socket /s peer list",
					    "peer --json list --socket /s",
					    "peer list --socket=/s --json"};

	for (size_t i = 0; i < 3; i++) {
		assert_true(parse(lines[i]));
		assert_string_equal(parsed.command->ops, "peer_list");
		assert_true(vx6_cli_has(&parsed, "json"));
		assert_string_equal(vx6_cli_text(&parsed, "socket"), "/s");
	}
}

static void parse__letters__join_and_take_values(void **state)
{
	assert_true(parse("events -fq -ojsonl"));
	assert_true(vx6_cli_has(&parsed, "follow"));
	assert_true(vx6_cli_has(&parsed, "quiet"));
	assert_string_equal(vx6_cli_text(&parsed, "output"), "jsonl");
	assert_true(parse("service add web -t 80"));
	assert_string_equal(vx6_cli_text(&parsed, "target"), "80");
}

static void parse__double_dash__ends_options(void **state)
{
	assert_true(parse("peer show -- --name"));
	assert_string_equal(vx6_cli_text(&parsed, "PEER"), "--name");
}

static void parse__aliases__reach_the_verb(void **state)
{
	assert_true(parse("service ls"));
	assert_string_equal(parsed.command->verb, "list");
	assert_true(parse("peer rm x"));
	assert_string_equal(parsed.command->verb, "remove");
	assert_true(parse("identity"));
	assert_string_equal(parsed.command->verb, "show");
}

static void parse__verb_of_its_own__is_no_alias(void **state)
{
	assert_true(parse("catalog create friends"));
	assert_string_equal(parsed.command->ops, "catalog_create");
	assert_true(parse("catalog add friends web"));
	assert_string_equal(parsed.command->ops, "catalog_add");
	assert_true(parse("catalog rm friends web"));
	assert_string_equal(parsed.command->ops, "catalog_remove");
	assert_true(parse("dht get 00"));
	assert_string_equal(parsed.command->verb, "get");
}

static void parse__noun_alone__is_what_is_meant_mostly(void **state)
{
	assert_true(parse("identity"));
	assert_string_equal(parsed.command->ops, "identity_get");
	assert_true(parse("registry --json"));
	assert_string_equal(parsed.command->ops, "registry_node_list");
	assert_true(parse("dht"));
	assert_string_equal(parsed.command->ops, "dht_get");
	assert_true(parse("name"));
	assert_null(parsed.command);
	assert_true(parse("registry --help"));
	assert_null(parsed.command);
}

static void parse__slips__are_named_with_what_was_meant(void **state)
{
	assert_fails("stauts", "'vx6 status'");
	assert_fails("service lsit", "'vx6 service list'");
	assert_fails("service add web --tagret 80", "--target");
	assert_fails("frobnicate", "unknown command 'frobnicate'");
	assert_null(strstr(parsed.error, "mean"));
}

static void parse__what_is_missing_or_too_much__is_refused(void **state)
{
	assert_fails("service add web", "--target is missing");
	assert_fails("service add --target 80", "NAME is missing");
	assert_fails("service show", "SERVICE is missing");
	assert_fails("service show a b", "'b' is one word too many");
	assert_fails("status --json=yes", "--json takes no value");
	assert_fails("status --timeout", "--timeout needs a value");
	assert_fails("status -o xml", "--output is one of: table json jsonl name");
	assert_fails("status -z", "unknown option -z");
	assert_fails("completion tcsh", "SHELL is one of");
}

static void parse__one_of_two__is_asked_for(void **state)
{
	assert_fails("forward add --listen 1", "give --to or --address");
	assert_fails("forward add --listen 1 --to a.b --address c",
		     "give either --to or --address");
	assert_fails("connect", "give NODE.SERVICE or --address");
	assert_true(parse("forward add --listen 1 --to a.b"));
	assert_true(parse("connect --address [::1]:1 --service x"));
}

static void parse__method_of_a_raw_request__may_be_left_out(void **state)
{
	assert_true(parse("api /v1/node -H Prefer:wait=5 -HX:y"));
	assert_string_equal(vx6_cli_text(&parsed, "PATH"), "/v1/node");
	assert_null(vx6_cli_text(&parsed, "METHOD"));
	assert_string_equal(vx6_cli_text(&parsed, "header"), "X:y");
	assert_true(parse("api DELETE /v1/peers/x"));
	assert_string_equal(vx6_cli_text(&parsed, "METHOD"), "DELETE");
	assert_fails("api get /v1/node", "METHOD is one of");
	assert_fails("api GET", "PATH is missing");
	assert_fails("api /v1/node /v1/node", "one word too many");
}

static void parse__help__needs_nothing_else(void **state)
{
	assert_true(parse("service add --help"));
	assert_string_equal(parsed.command->verb, "add");
	assert_true(parse("service -h"));
	assert_null(parsed.command);
	assert_string_equal(parsed.noun, "service");
	assert_true(parse("--help"));
	assert_null(parsed.noun);
}

static void parse__hidden_completion__takes_every_word(void **state)
{
	assert_true(parse("__complete service add --target= -o"));
	assert_int_equal(parsed.values_n, 4);
	assert_string_equal(parsed.values[3].text, "-o");
}

static void parse__agent_options__are_in_the_table(void **state)
{
	assert_true(parse(
		"agent --state-dir d --name alice --listen [::]:4242 --transport auto "
		"--api-listen 127.0.0.1:4866 --peer a --peer b --log-level debug --config f"));
	assert_int_equal(parsed.values_n, 9);
	assert_null(parsed.command->run);
}

static void duration__units__are_milliseconds(void **state)
{
	unsigned ms = 7;

	assert_true(vx6_cli_duration("30", &ms));
	assert_int_equal(ms, 30000);
	assert_true(vx6_cli_duration("500ms", &ms));
	assert_int_equal(ms, 500);
	assert_true(vx6_cli_duration("1.5s", &ms));
	assert_int_equal(ms, 1500);
	assert_true(vx6_cli_duration("2m", &ms));
	assert_int_equal(ms, 120000);
	ms = 7;
	assert_false(vx6_cli_duration("", &ms));
	assert_false(vx6_cli_duration("-1s", &ms));
	assert_false(vx6_cli_duration("0", &ms));
	assert_false(vx6_cli_duration("nan", &ms));
	assert_false(vx6_cli_duration("9e9s", &ms));
	assert_false(vx6_cli_duration("5 s", &ms));
	assert_int_equal(ms, 7);
}

static void nearest__slip__is_found_and_others_are_not(void **state)
{
	static const char *const words[] = {"status", "service", "forward"};

	assert_string_equal(vx6_cli_nearest("serivce", words, 3), "service");
	assert_string_equal(vx6_cli_nearest("forwrad", words, 3), "forward");
	assert_string_equal(vx6_cli_nearest("stat", words, 3), "status");
	assert_null(vx6_cli_nearest("x", words, 3));
	assert_null(vx6_cli_nearest("", words, 3));
	assert_null(vx6_cli_nearest("a-word-that-is-longer-than-any-command-could-be", words, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__noun_verb_and_values__are_found),
		cmocka_unit_test(parse__global_options__may_stand_anywhere),
		cmocka_unit_test(parse__letters__join_and_take_values),
		cmocka_unit_test(parse__double_dash__ends_options),
		cmocka_unit_test(parse__aliases__reach_the_verb),
		cmocka_unit_test(parse__verb_of_its_own__is_no_alias),
		cmocka_unit_test(parse__noun_alone__is_what_is_meant_mostly),
		cmocka_unit_test(parse__slips__are_named_with_what_was_meant),
		cmocka_unit_test(parse__what_is_missing_or_too_much__is_refused),
		cmocka_unit_test(parse__one_of_two__is_asked_for),
		cmocka_unit_test(parse__method_of_a_raw_request__may_be_left_out),
		cmocka_unit_test(parse__help__needs_nothing_else),
		cmocka_unit_test(parse__hidden_completion__takes_every_word),
		cmocka_unit_test(parse__agent_options__are_in_the_table),
		cmocka_unit_test(duration__units__are_milliseconds),
		cmocka_unit_test(nearest__slip__is_found_and_others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
