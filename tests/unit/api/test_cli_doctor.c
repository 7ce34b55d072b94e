#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "api/cli/doctor.h"
#include "base/util.h"

static struct vx6_finding found;

static enum vx6_verdict judge(const char *check, const struct vx6_facts *f)
{
	for (size_t i = 0; i < vx6_checks_n; i++) {
		if (strcmp(vx6_checks[i].name, check) != 0)
			continue;
		found = (struct vx6_finding){0};
		vx6_checks[i].run(f, &found);
		assert_true(*found.detail);
		/* what is broken comes with what to do about it */
		assert_true(found.verdict < VX6_VERDICT_WARN || *found.advice);
		return found.verdict;
	}
	fail_msg("there is no check %s", check);
	return VX6_VERDICT_FAIL;
}

static struct vx6_value *value(const char *json)
{
	struct vx6_scan_fault fault;
	struct vx6_value *v = NULL;

	if (!vx6_is_ok(vx6_value_parse(json, strlen(json), &v, &fault)))
		fail_msg("%s: %s", json, fault.text);
	return v;
}

#define WHOLE "\"version\":\"" VX6_VERSION "\",\"contract\":\"1.4.0\""

static void agent__silent_other_or_same__is_told_apart(void **state)
{
	struct vx6_facts f = {0};

	assert_int_equal(judge("agent", &f), VX6_VERDICT_FAIL);
	f.version = value("{\"version\":\"9.9\",\"contract\":\"2.0.0\"}");
	assert_int_equal(judge("agent", &f), VX6_VERDICT_WARN);
	assert_non_null(strstr(found.detail, "9.9"));
	vx6_doctor_fini(&f);
	f.version = value("{" WHOLE "}");
	assert_int_equal(judge("agent", &f), VX6_VERDICT_OK);
	vx6_doctor_fini(&f);
}

static void state_dir__open_to_others__fails_and_says_chmod(void **state)
{
	struct vx6_facts f = {.state_dir = "/s",
			      .state = {.mode = 0700},
			      .identity = {.mode = 0700}};

	f.token.mode = 0600;
	assert_int_equal(judge("state_dir", &f), VX6_VERDICT_OK);
	f.token.mode = 0640;
	assert_int_equal(judge("state_dir", &f), VX6_VERDICT_FAIL);
	assert_string_equal(found.advice, "chmod 600 /s/admin.token");
	f.identity.mode = 0755;
	assert_int_equal(judge("state_dir", &f), VX6_VERDICT_FAIL);
	assert_string_equal(found.advice, "chmod 700 /s/identity");
	f.identity.err = ENOENT;
	assert_int_equal(judge("state_dir", &f), VX6_VERDICT_WARN);
	f.state.err = EACCES;
	assert_int_equal(judge("state_dir", &f), VX6_VERDICT_UNKNOWN);
}

static void disk_space__little__warns_then_fails(void **state)
{
	struct vx6_facts f = {.state_dir = "/s", .disk_free_bytes = UINT64_MAX};

	assert_int_equal(judge("disk_space", &f), VX6_VERDICT_UNKNOWN);
	f.disk_free_bytes = UINT64_C(5000000000);
	assert_int_equal(judge("disk_space", &f), VX6_VERDICT_OK);
	f.disk_free_bytes = 50000000;
	assert_int_equal(judge("disk_space", &f), VX6_VERDICT_WARN);
	f.disk_free_bytes = 5000000;
	assert_int_equal(judge("disk_space", &f), VX6_VERDICT_FAIL);
}

/* 2026-01-31T12:00:00Z */
#define NOW UINT64_C(1769860800000)
#define PAST "{\"issued_at\":\"2026-01-31T11:59:00.000Z\"}"
#define SOON "{\"issued_at\":\"2026-01-31T12:01:00.000Z\"}"
#define AHEAD "{\"issued_at\":\"2026-01-31T13:00:00.000Z\"}"

static void clock__records_from_the_future__mean_it_is_behind(void **state)
{
	struct vx6_facts f = {.wall_ms = NOW, .clock_synced = VX6_SEEN_YES};

	assert_int_equal(judge("clock", &f), VX6_VERDICT_OK);
	f.nodes = value("{\"items\":[" PAST "," SOON ",{\"issued_at\":null}]}");
	assert_int_equal(judge("clock", &f), VX6_VERDICT_OK);
	f.clock_synced = VX6_SEEN_NO;
	assert_int_equal(judge("clock", &f), VX6_VERDICT_WARN);
	vx6_doctor_fini(&f);
	f.nodes = value("{\"items\":[" PAST "," PAST "," AHEAD "]}");
	assert_int_equal(judge("clock", &f), VX6_VERDICT_WARN);
	assert_non_null(strstr(found.detail, "1 of 3"));
	vx6_doctor_fini(&f);
	f.nodes = value("{\"items\":[" PAST "," AHEAD "," AHEAD "]}");
	assert_int_equal(judge("clock", &f), VX6_VERDICT_FAIL);
	vx6_doctor_fini(&f);
}

static void limits__small_or_unknown__is_told_apart(void **state)
{
	struct vx6_facts f = {0};

	assert_int_equal(judge("open_files", &f), VX6_VERDICT_UNKNOWN);
	assert_int_equal(judge("udp_buffers", &f), VX6_VERDICT_UNKNOWN);
	assert_int_equal(judge("ipv6", &f), VX6_VERDICT_UNKNOWN);
	f = (struct vx6_facts){.files_max = 1024,
			       .rmem_max_bytes = 212992,
			       .ipv6 = VX6_SEEN_NO,
			       .dns = VX6_SEEN_NO};
	assert_int_equal(judge("open_files", &f), VX6_VERDICT_WARN);
	assert_int_equal(judge("udp_buffers", &f), VX6_VERDICT_WARN);
	assert_int_equal(judge("ipv6", &f), VX6_VERDICT_WARN);
	assert_int_equal(judge("dns", &f), VX6_VERDICT_WARN);
	f = (struct vx6_facts){.files_max = 65536,
			       .rmem_max_bytes = 16 << 20,
			       .ipv6 = VX6_SEEN_YES,
			       .dns = VX6_SEEN_YES};
	assert_int_equal(judge("open_files", &f), VX6_VERDICT_OK);
	assert_int_equal(judge("udp_buffers", &f), VX6_VERDICT_OK);
	assert_int_equal(judge("ipv6", &f), VX6_VERDICT_OK);
	assert_int_equal(judge("dns", &f), VX6_VERDICT_OK);
}

static void files__of_a_process__are_its_soft_limit(void **state)
{
	assert_int_equal(vx6_doctor_files(
				 "Limit   Soft Limit   Hard Limit   Units\n"
				 "Max open files            1024                 524288      "
				 "         files\n"),
			 1024);
	assert_int_equal(vx6_doctor_files("Max open files            unlimited"), 0);
	assert_int_equal(vx6_doctor_files(""), 0);
}

/* Port 4242 is 0x1092. */
#define TABLE                                                                                      \
	"  sl  local_address rem_address   st tx_queue rx_queue\n"                                 \
	"   14: 00000000000000000000000000000000:1092 00000000000000000000000000000000:0000 07 "   \
	"0:0\n"
#define TCP_TABLE                                                                                  \
	"  sl  local_address rem_address   st\n"                                                   \
	"    0: 0100007F:1092 0100007F:B3A0 01 0:0\n"                                              \
	"    1: 0100007F:0016 00000000:0000 0A 0:0\n"

static void bound__tables_of_the_kernel__are_read(void **state)
{
	assert_true(vx6_doctor_bound(TABLE, 4242, false));
	assert_false(vx6_doctor_bound(TABLE, 4243, false));
	assert_false(vx6_doctor_bound(TCP_TABLE, 4242, true));
	assert_true(vx6_doctor_bound(TCP_TABLE, 22, true));
	assert_false(vx6_doctor_bound("", 0, false));
	assert_false(vx6_doctor_bound("nonsense\n\n: : :", 0, false));
}

#define NODE                                                                                       \
	"{\"transport\":\"auto\",\"listen\":[{\"transport\":\"quic\",\"address\":\"[::]:4242\"}]," \
	"\"addresses\":[\"192.168.1.5:4242\"],\"status\":{\"peers\":{\"up\":1,\"total\":2},"       \
	"\"dht\":{\"serving\":false}}}"
#define PUBLIC_NODE                                                                                \
	"{\"transport\":\"auto\",\"listen\":[],\"addresses\":[\"[2001:db9::1]:4242\"],"            \
	"\"status\":{\"dht\":{\"serving\":true}}}"

static void ports__bound_or_not__is_seen(void **state)
{
	struct vx6_facts f = {0};
	char table[] = TABLE, other[] = TCP_TABLE;

	assert_int_equal(judge("ports", &f), VX6_VERDICT_UNKNOWN);
	f.node = value(NODE);
	assert_int_equal(judge("ports", &f), VX6_VERDICT_UNKNOWN);
	f.udp = table;
	assert_int_equal(judge("ports", &f), VX6_VERDICT_OK);
	f.udp = other + strlen(other);
	assert_int_equal(judge("ports", &f), VX6_VERDICT_FAIL);
	f.udp = NULL;
	vx6_doctor_fini(&f);
}

static void firewall__rules_for_the_port__are_judged(void **state)
{
	char closed[] = "table inet filter {\nchain input {\ntype filter hook input priority 0; "
			"policy drop;\n}\n}\n";
	struct vx6_facts f = {.node = value(NODE)};

	assert_int_equal(judge("firewall", &f), VX6_VERDICT_UNKNOWN);
	f.rules = closed;
	assert_int_equal(judge("firewall", &f), VX6_VERDICT_WARN);
	assert_non_null(strstr(found.advice, "udp dport 4242 accept"));
	f.rules = closed + strlen(closed);
	assert_int_equal(judge("firewall", &f), VX6_VERDICT_OK);
	f.rules = NULL;
	vx6_doctor_fini(&f);
}

#define UP(transport, inbound)                                                                     \
	"{\"status\":{\"state\":\"up\",\"transport\":\"" transport "\",\"inbound\":" inbound "}}"

static enum vx6_verdict udp(const char *node, const char *peers)
{
	struct vx6_facts f = {.node = value(node), .peers = value(peers)};
	enum vx6_verdict verdict = judge("udp", &f);

	vx6_doctor_fini(&f);
	return verdict;
}

static void udp__what_sessions_tell__is_said(void **state)
{
	assert_int_equal(udp(NODE, "{\"items\":[]}"), VX6_VERDICT_UNKNOWN);
	assert_int_equal(udp(NODE, "{\"items\":[" UP("tcp", "false") "]}"), VX6_VERDICT_WARN);
	assert_non_null(strstr(found.detail, "UDP seems to be blocked"));
	assert_int_equal(udp(NODE, "{\"items\":[" UP("quic", "false") "]}"), VX6_VERDICT_WARN);
	assert_non_null(strstr(found.detail, "behind a NAT"));
	assert_int_equal(udp(NODE, "{\"items\":[" UP("quic", "true") "]}"), VX6_VERDICT_OK);
	assert_int_equal(udp(PUBLIC_NODE, "{\"items\":[" UP("quic", "false") "]}"), VX6_VERDICT_OK);
	assert_int_equal(udp("{\"transport\":\"tcp\"}", "{\"items\":[]}"), VX6_VERDICT_OK);
}

static void peers_and_relays__counts__are_judged(void **state)
{
	struct vx6_facts f = {
		.node = value(NODE),
		.peers = value(
			"{\"items\":[" UP("quic",
					  "true") ",{\"status\":{\"state\":\"backoff\","
						  "\"last_error\":{\"code\":\"unreachable\"}}}]}"),
		.relays = value("{\"items\":[{},{},{}]}"),
	};

	assert_int_equal(judge("peers", &f), VX6_VERDICT_WARN);
	assert_string_equal(found.detail, "1 of 2 are connected: unreachable");
	assert_int_equal(judge("relays", &f), VX6_VERDICT_OK);
	vx6_doctor_fini(&f);
	f = (struct vx6_facts){.node = value("{\"status\":{\"peers\":{\"up\":0,\"total\":2}}}"),
			       .relays = value("{\"items\":[]}")};
	assert_int_equal(judge("peers", &f), VX6_VERDICT_FAIL);
	assert_int_equal(judge("relays", &f), VX6_VERDICT_WARN);
	vx6_doctor_fini(&f);
}

#define ODD_MEMBERS "{\"items\":1,\"listen\":{},\"addresses\":[1,null],\"status\":[]}"
#define ODD_ITEMS "{\"items\":[1,null,[]],\"listen\":[1,{\"address\":5}]}"

/* Whatever an answer lacks, or has in another shape, no check stumbles over it. */
static void every_check__answers_without_shape__is_unmoved(void **state)
{
	static const char *const odd[] = {"{}", "[]", "1", "null", ODD_MEMBERS, ODD_ITEMS};

	for (size_t i = 0; i < VX6_ARRAY_N(odd); i++) {
		char table[] = TABLE, rules[] = "policy drop";
		struct vx6_facts f = {.version = value(odd[i]),
				      .node = value(odd[i]),
				      .peers = value(odd[i]),
				      .relays = value(odd[i]),
				      .nodes = value(odd[i]),
				      .udp = table,
				      .tcp = table,
				      .rules = rules};

		for (size_t k = 0; k < vx6_checks_n; k++)
			judge(vx6_checks[k].name, &f);
		f.udp = f.tcp = f.rules = NULL;
		vx6_doctor_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent__silent_other_or_same__is_told_apart),
		cmocka_unit_test(state_dir__open_to_others__fails_and_says_chmod),
		cmocka_unit_test(disk_space__little__warns_then_fails),
		cmocka_unit_test(clock__records_from_the_future__mean_it_is_behind),
		cmocka_unit_test(limits__small_or_unknown__is_told_apart),
		cmocka_unit_test(files__of_a_process__are_its_soft_limit),
		cmocka_unit_test(bound__tables_of_the_kernel__are_read),
		cmocka_unit_test(ports__bound_or_not__is_seen),
		cmocka_unit_test(firewall__rules_for_the_port__are_judged),
		cmocka_unit_test(udp__what_sessions_tell__is_said),
		cmocka_unit_test(peers_and_relays__counts__are_judged),
		cmocka_unit_test(every_check__answers_without_shape__is_unmoved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
