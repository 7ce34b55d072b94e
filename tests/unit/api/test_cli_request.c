#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/cli/request.h"
#include "api/json/tree.h"
#include "base/util.h"
#include "crypto/secret.h"

#define NODE "vx1qyx0dckqs2ud5nhezqwm2rjnz2gzqaa0qlz7z5s8s7u8gujfr8p4s"

static struct vx6_cli cli = {.quiet = true};
static struct vx6_cli_parsed parsed;
static struct vx6_cli_request request;

/* Words of one line, separated by spaces; '' is an empty word. @return exit status */
static int make(const char *line)
{
	static char text[512], none[] = "";
	static char *argv[32];
	int argc = 0;

	snprintf(text, sizeof text, "vx6 %s", line);
	for (char *save, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "''") == 0 ? none : w;
	vx6_cli_request_fini(&request);
	vx6_cli_parsed_fini(&parsed);
	if (!vx6_cli_parse(argc, argv, &parsed))
		fail_msg("%s: %s", line, parsed.error);
	return vx6_cli_request_make(&cli, &parsed, parsed.command->ops, &request);
}

static void assert_request(const char *line, const char *path, const char *body)
{
	assert_int_equal(make(line), VX6_EXIT_OK);
	assert_string_equal(request.path, path);
	if (!body) {
		assert_null(request.body);
		return;
	}
	assert_string_equal(request.body, body);
}

static int teardown(void **state)
{
	vx6_cli_request_fini(&request);
	vx6_cli_parsed_fini(&parsed);
	return 0;
}

static void request__name_and_id__become_a_path(void **state)
{
	assert_request("service show web", "/v1/services/name:web", NULL);
	assert_request("service show svc_01J9Z3K4M5N6P7Q8R9S0T1V2W3",
		       "/v1/services/svc_01J9Z3K4M5N6P7Q8R9S0T1V2W3", NULL);
	assert_request("peer show name:x", "/v1/peers/name:x", NULL);
	assert_request("peer show a/../b?c", "/v1/peers/name:a%2F..%2Fb%3Fc", NULL);
}

static void request__query__is_escaped(void **state)
{
	assert_request("service list --search a&b --label site:paris",
		       "/v1/services?q=a%26b&label=site:paris", NULL);
	assert_request("connect alice.ssh", "/v1/connect?to=alice.ssh", NULL);
	assert_request("connect --address [fd00::1]:4242 --service ssh",
		       "/v1/connect?address=%5Bfd00::1%5D:4242&service=ssh", NULL);
}

static void request__service__has_target_and_access(void **state)
{
	assert_request("service add web --target 8080", "/v1/services",
		       "{\"name\":\"web\",\"target\":\"127.0.0.1:8080\"}");
	assert_request("service add web --target unix:/run/x --allow any --label a=b --disable",
		       "/v1/services",
		       "{\"name\":\"web\",\"target\":\"unix:/run/"
		       "x\",\"access\":{\"default\":\"any\",\"node_ids\":[]},"
		       "\"enabled\":false,\"labels\":{\"a\":\"b\"}}");
	assert_request("service update web --allow none", "/v1/services/name:web",
		       "{\"access\":{\"default\":\"none\",\"node_ids\":[]}}");
}

static void request__bad_node_id__is_refused_before_it_locks_anyone_out(void **state)
{
	assert_int_equal(make("service add web --target 1 --allow " NODE), VX6_EXIT_USAGE);
	assert_null(request.body);
	assert_int_equal(make("service add web --target 1 --allow any --allow none"),
			 VX6_EXIT_USAGE);
}

static void request__peer__takes_a_pin_with_its_address(void **state)
{
	assert_request("peer add [::1]:1", "/v1/peers", "{\"addresses\":[\"[::1]:1\"]}");
	assert_request(
		"peer add vx1abc@[::1]:1 [::2]:2 --name al", "/v1/peers",
		"{\"addresses\":[\"[::1]:1\",\"[::2]:2\"],\"node_id\":\"vx1abc\",\"name\":\"al\"}");
	assert_int_equal(make("peer add vx1abc@[::1]:1 vx1def@[::1]:1"), VX6_EXIT_USAGE);
}

static void request__forward__is_by_name_or_by_address(void **state)
{
	assert_request("forward add --listen 9000 --to alice.web", "/v1/forwards",
		       "{\"listen\":\"127.0.0.1:9000\",\"to\":\"alice.web\"}");
	assert_request("forward add db -l :0 --address [::1]:1 --service pg --transport quic",
		       "/v1/forwards",
		       "{\"name\":\"db\",\"listen\":\"127.0.0.1:0\",\"address\":\"[::1]:1\","
		       "\"service\":\"pg\","
		       "\"transport\":\"quic\"}");
}

static void request__patch__clears_what_it_replaces(void **state)
{
	assert_request("forward update f --to bob.x", "/v1/forwards/name:f",
		       "{\"to\":\"bob.x\",\"address\":null,\"service\":null}");
	assert_request("forward update f --address [::1]:1 --service x", "/v1/forwards/name:f",
		       "{\"address\":\"[::1]:1\",\"service\":\"x\",\"to\":null}");
	assert_request("forward update f --node-id ''", "/v1/forwards/name:f",
		       "{\"node_id\":null}");
	assert_request("peer update p --label a= --label b=c", "/v1/peers/name:p",
		       "{\"labels\":{\"a\":null,\"b\":\"c\"}}");
	assert_request("peer update p --name ''", "/v1/peers/name:p", "{\"name\":null}");
	assert_request("peer update p --enable", "/v1/peers/name:p", "{\"enabled\":true}");
}

#define ALICE "vx1q8t44xqps2cs4d74f0ld8jtyquaqactj70d2vge94upp568hqag35hm33nh"
#define BOB "vx1q9l90ztnnwnn2js5slnqh87dguptf36phr2ydnupufc4sfuge523kz7d9pf"

static void request__route__is_an_object_of_the_body(void **state)
{
	assert_request("forward add --listen 9000 --to alice.web --via relay --hops 2 --anonymous",
		       "/v1/forwards",
		       "{\"listen\":\"127.0.0.1:9000\",\"to\":\"alice.web\","
		       "\"route\":{\"via\":\"relay\",\"hops\":2,\"anonymous\":true}}");
	assert_request("forward add --through " ALICE
		       " --listen 9 --via relay --to a.b --through " BOB,
		       "/v1/forwards",
		       "{\"listen\":\"127.0.0.1:9\",\"to\":\"a.b\",\"route\":{\"via\":\"relay\","
		       "\"nodes\":[\"" ALICE "\",\"" BOB "\"]}}");
	assert_request("circuit build", "/v1/circuits", "{}");
	assert_request("circuit build --through " ALICE "," BOB " --to carol", "/v1/circuits",
		       "{\"to\":\"carol\",\"route\":{\"nodes\":[\"" ALICE "\",\"" BOB "\"]}}");
	assert_request("circuit build --telescope --hops 2", "/v1/circuits",
		       "{\"route\":{\"hops\":2},\"single_pass\":false}");
	assert_int_equal(make("circuit build --through " ALICE ",vx1x"), VX6_EXIT_USAGE);
	assert_int_equal(make("circuit build --hops two"), VX6_EXIT_USAGE);
}

/* Another way to get there leaves nothing of the old one; a number of relays is no list of them. */
static void request__route_in_a_patch__clears_what_it_replaces(void **state)
{
	assert_request("forward update f --via direct", "/v1/forwards/name:f",
		       "{\"route\":{\"via\":\"direct\",\"hops\":null,\"nodes\":null,"
		       "\"anonymous\":null}}");
	assert_request("forward update f --hops 2", "/v1/forwards/name:f",
		       "{\"route\":{\"hops\":2,\"nodes\":null}}");
	assert_request("forward update f --via relay --through " ALICE " --to a.b",
		       "/v1/forwards/name:f",
		       "{\"to\":\"a.b\",\"route\":{\"via\":\"relay\",\"nodes\":[\"" ALICE
		       "\"],\"hops\":null,\"anonymous\":null},\"address\":null,\"service\":null}");
	assert_request("relay set --mode off --rate ''", "/v1/node",
		       "{\"relay\":{\"mode\":\"off\",\"rate_mbit\":null}}");
	assert_int_equal(make("relay set"), VX6_EXIT_USAGE);
	assert_int_equal(make("relay set --memory much"), VX6_EXIT_USAGE);
}

static void request__route_of_connect__is_in_the_query(void **state)
{
	assert_request("connect alice.ssh --via relay --anonymous --through " ALICE
		       " --through " BOB,
		       "/v1/connect?to=alice.ssh&via=relay&through=" ALICE "," BOB
		       "&anonymous=true",
		       NULL);
	assert_request("connect alice.ssh --hops 2", "/v1/connect?to=alice.ssh&hops=2", NULL);
	assert_int_equal(make("connect alice.ssh --through vx1nobody"), VX6_EXIT_USAGE);
}

static void request__why__is_about_a_circuit_or_a_node(void **state)
{
	assert_request("circuit why", "/v1/circuits/decisions", NULL);
	assert_request("circuit why cir_01J9", "/v1/circuits/decisions?circuit=cir_01J9", NULL);
	assert_request("circuit why alice", "/v1/circuits/decisions?target=alice", NULL);
	assert_request("circuit why alice.ssh", "/v1/circuits/decisions?target=alice", NULL);
	assert_request("circuit why " ALICE, "/v1/circuits/decisions?target=" ALICE, NULL);
	assert_request("relay show alice", "/v1/relays/name:alice", NULL);
	assert_request("relay show " ALICE, "/v1/relays/" ALICE, NULL);
	assert_request("circuit close cir_01J9", "/v1/circuits/cir_01J9", NULL);
}

static void request__hidden_service__has_settings_of_its_own(void **state)
{
	assert_request("service add web -t 80 --visibility hidden --alias ghost --open --force",
		       "/v1/services",
		       "{\"name\":\"web\",\"target\":\"127.0.0.1:80\",\"visibility\":\"hidden\","
		       "\"hidden\":{\"alias\":\"ghost\",\"open\":true,\"force\":true}}");
	assert_request("service update web --open off --rate 30", "/v1/services/name:web",
		       "{\"hidden\":{\"open\":false,\"rate\":30}}");
	assert_request("hidden rotate ghost --key --confirm ghost",
		       "/v1/services/ghost/hidden:rotate",
		       "{\"what\":\"key\",\"confirm\":\"ghost\"}");
	assert_request("hidden clients ghost", "/v1/hidden-clients?service=ghost", NULL);
	assert_request("hidden set ghost --strict on", "/v1/hidden-aliases/ghost",
		       "{\"strict\":true}");
}

static void request__span__becomes_a_time(void **state)
{
	static const char *const bad[] = {"7", "d", "-1d", "1y", "0s", "9999999w", "soon"};
	char line[64];

	assert_int_equal(make("hidden invite ghost --expires 7d"), VX6_EXIT_OK);
	assert_non_null(strstr(request.body, "\"expires_at\":\"20"));
	for (size_t i = 0; i < VX6_ARRAY_N(bad); i++) {
		snprintf(line, sizeof line, "hidden invite ghost --expires %s", bad[i]);
		assert_int_equal(make(line), VX6_EXIT_USAGE);
	}
}

static void request__nothing_to_change__is_refused(void **state)
{
	assert_int_equal(make("peer update p"), VX6_EXIT_USAGE);
	assert_int_equal(make("peer update p --if-match 3"), VX6_EXIT_USAGE);
}

static void request__if_match__is_a_header(void **state)
{
	assert_request("service remove web --if-match 3", "/v1/services/name:web", NULL);
	assert_string_equal(request.if_match, "3");
	assert_string_equal(request.route->method, "DELETE");
}

static void request__bad_values__are_refused(void **state)
{
	assert_int_equal(make("service list --limit many"), VX6_EXIT_USAGE);
	assert_int_equal(make("service add a --target 1 --label novalue"), VX6_EXIT_USAGE);
	assert_int_equal(make("service add a --target 1 --label =x"), VX6_EXIT_USAGE);
}

static void request__hostile_text__stays_one_json_string(void **state)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v;

	assert_int_equal(make("peer add [::1]:1 --name \",\"admin\":\"\\\x01\xff"), VX6_EXIT_OK);
	assert_true(vx6_is_ok(vx6_value_parse(request.body, strlen(request.body), &v, &fault)));
	assert_int_equal(vx6_value_count(v), 2);
	vx6_value_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__name_and_id__become_a_path),
		cmocka_unit_test(request__query__is_escaped),
		cmocka_unit_test(request__service__has_target_and_access),
		cmocka_unit_test(request__bad_node_id__is_refused_before_it_locks_anyone_out),
		cmocka_unit_test(request__peer__takes_a_pin_with_its_address),
		cmocka_unit_test(request__forward__is_by_name_or_by_address),
		cmocka_unit_test(request__patch__clears_what_it_replaces),
		cmocka_unit_test(request__route__is_an_object_of_the_body),
		cmocka_unit_test(request__route_in_a_patch__clears_what_it_replaces),
		cmocka_unit_test(request__route_of_connect__is_in_the_query),
		cmocka_unit_test(request__why__is_about_a_circuit_or_a_node),
		cmocka_unit_test(request__hidden_service__has_settings_of_its_own),
		cmocka_unit_test(request__span__becomes_a_time),
		cmocka_unit_test(request__nothing_to_change__is_refused),
		cmocka_unit_test(request__if_match__is_a_header),
		cmocka_unit_test(request__bad_values__are_refused),
		cmocka_unit_test(request__hostile_text__stays_one_json_string),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, teardown);
}
