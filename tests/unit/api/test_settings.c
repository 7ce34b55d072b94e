/* Where settings come from and which of them counts; what a file or a value must not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/agent/settings.h"

static struct vx6_settings s;
static char detail[VX6_SETTINGS_DETAIL];

static int setup(void **state)
{
	memset(&s, 0, sizeof s);
	detail[0] = 0;
	unsetenv("VX6_NAME");
	unsetenv("VX6_PEER");
	return 0;
}

static int teardown(void **state)
{
	vx6_settings_fini(&s);
	return setup(state);
}

static int read_text(const char *text)
{
	return vx6_settings_read_text(&s, text, strlen(text), detail).code;
}

static const char *one(enum vx6_setting which)
{
	assert_int_equal(s.of[which].n, 1);
	return s.of[which].text[0];
}

static void refused(const char *text, const char *why)
{
	struct vx6_settings fresh = {0};
	vx6_err err;

	detail[0] = 0;
	err = vx6_settings_read_text(&fresh, text, strlen(text), detail);
	vx6_settings_fini(&fresh);
	assert_int_equal(err.code, VX6_E_FORMAT);
	if (!strstr(detail, why))
		fail_msg("\"%s\": %s", text, detail);
}

static void file__values_and_lists__are_taken(void **state)
{
	assert_int_equal(read_text("name: alice\n"
				   "listen: ['[::]:4242', '0.0.0.0:4243']\n"
				   "peer: '[fd00::1]:4242'\n"
				   "allow_non_loopback: true\n"),
			 VX6_E_OK);
	assert_string_equal(one(VX6_SETTING_NAME), "alice");
	assert_int_equal(s.of[VX6_SETTING_LISTEN].n, 2);
	assert_string_equal(s.of[VX6_SETTING_LISTEN].text[1], "0.0.0.0:4243");
	assert_string_equal(one(VX6_SETTING_PEER), "[fd00::1]:4242");
	assert_string_equal(one(VX6_SETTING_ALLOW_NON_LOOPBACK), "true");
}

static void file__json_or_empty__is_fine(void **state)
{
	assert_int_equal(read_text(""), VX6_E_OK);
	assert_int_equal(read_text("# nothing yet\n"), VX6_E_OK);
	assert_int_equal(read_text("{\"name\": \"bob\", \"peer\": [\"[::1]:1\"]}"), VX6_E_OK);
	assert_string_equal(one(VX6_SETTING_NAME), "bob");
}

static void file__malformed__refused_with_line_and_reason(void **state)
{
	refused("name: a\nnmae: b\n", "line 2: unknown setting: nmae");
	refused("name: a\nname: b\n", "line 2: given twice: name");
	refused("name: [a, b]\n", "plain value: name");
	refused("name: {a: b}\n", "plain value: name");
	refused("peer: [[a]]\n", "plain values only: peer");
	refused("peer: [{a: b}]\n", "plain values only: peer");
	refused("just words\n", "name: value");
	refused("- a\n- b\n", "name: value");
	refused("name: \"a\\0b\"\n", "NUL");
	refused("\"name\\0x\": alice\n", "line 1: the name of a setting contains a NUL");
	refused("name: *other\n", "line 1");
	refused("name: 'never closed\n", "line");
	refused("\tname: tab\n", "line");
}

static void file__too_much__refused(void **state)
{
	char *big = malloc(VX6_SETTINGS_FILE_MAX + 1), list[1024] = "peer: [a";

	memset(big, '#', VX6_SETTINGS_FILE_MAX + 1);
	assert_int_equal(vx6_settings_read_text(&s, big, VX6_SETTINGS_FILE_MAX + 1, detail).code,
			 VX6_E_LIMIT);
	free(big);
	for (int i = 0; i < VX6_SETTINGS_LIST_MAX; i++)
		strcat(list, ",a");
	strcat(list, "]\n");
	refused(list, "too many values: peer");
}

static void sources__later_place__replaces_what_came_before(void **state)
{
	assert_int_equal(read_text("name: from-file\npeer: [a, b]\nlog_level: debug\n"), VX6_E_OK);
	setenv("VX6_NAME", "from-env", 1);
	setenv("VX6_PEER", "c  d e", 1);
	assert_int_equal(vx6_settings_read_env(&s, detail).code, VX6_E_OK);
	assert_string_equal(one(VX6_SETTING_NAME), "from-env");
	assert_int_equal(s.of[VX6_SETTING_NAME].from, VX6_FROM_ENVIRONMENT);
	assert_int_equal(s.of[VX6_SETTING_LOG_LEVEL].from, VX6_FROM_FILE);
	assert_int_equal(s.of[VX6_SETTING_PEER].n, 3);
	assert_string_equal(s.of[VX6_SETTING_PEER].text[2], "e");
	assert_string_equal(one(VX6_SETTING_LOG_LEVEL), "debug"); /* not in the environment */
	/* the command line: a single value is set, a list is cleared and filled by its reader */
	s.from = VX6_FROM_FLAG;
	assert_int_equal(vx6_settings_add(&s, vx6_setting_by_flag("name"), "from-flag").code,
			 VX6_E_OK);
	assert_int_equal(s.of[VX6_SETTING_NAME].from, VX6_FROM_FLAG);
	assert_string_equal(one(VX6_SETTING_NAME), "from-flag");
	vx6_settings_clear(&s, VX6_SETTING_PEER);
	assert_int_equal(vx6_settings_add(&s, VX6_SETTING_PEER, "f").code, VX6_E_OK);
	assert_string_equal(one(VX6_SETTING_PEER), "f");
	assert_int_equal(vx6_setting_by_flag("nothing"), VX6_SETTINGS_N);
}

static void env__empty_variable__counts_as_unset(void **state)
{
	assert_int_equal(read_text("name: alice\n"), VX6_E_OK);
	setenv("VX6_NAME", "", 1);
	assert_int_equal(vx6_settings_read_env(&s, detail).code, VX6_E_OK);
	assert_string_equal(one(VX6_SETTING_NAME), "alice");
}

static void env__list_too_long__refused_by_name(void **state)
{
	char list[2 * VX6_SETTINGS_LIST_MAX + 4] = "a";

	for (int i = 0; i < VX6_SETTINGS_LIST_MAX; i++)
		strcat(list, " a");
	setenv("VX6_PEER", list, 1);
	assert_int_equal(vx6_settings_read_env(&s, detail).code, VX6_E_LIMIT);
	assert_non_null(strstr(detail, "VX6_PEER"));
}

static void file__on_disk__read_or_named_in_the_error(void **state)
{
	char path[] = "/tmp/vx6-test-settings-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "name: x\nbad: y\n", 15), 15);
	close(fd);
	assert_int_equal(vx6_settings_read_file(&s, path, detail).code, VX6_E_FORMAT);
	assert_non_null(strstr(detail, path));
	assert_non_null(strstr(detail, "line 2"));
	unlink(path);
	assert_int_equal(vx6_settings_read_file(&s, path, detail).code, VX6_E_NOT_FOUND);
	assert_non_null(strstr(detail, path));
}

static void config__bad_value__refused_and_named(void **state)
{
	static const struct {
		enum vx6_setting which;
		const char *value, *flag;
	} bad[] = {
		{VX6_SETTING_LISTEN, "nonsense", "listen"},
		{VX6_SETTING_TRANSPORT, "pigeon", "transport"},
		{VX6_SETTING_API_LISTEN, "nowhere", "api-listen"},
		{VX6_SETTING_PEER, "vx1nobody@[::1]:1", "peer"},
		{VX6_SETTING_PEER, "no address", "peer"},
		{VX6_SETTING_LOG_LEVEL, "loud", "log-level"},
		{VX6_SETTING_LOG_FORMAT, "xml", "log-format"},
		{VX6_SETTING_DHT, "maybe", "dht"},
		{VX6_SETTING_DIVERSITY, "none", "diversity"},
		{VX6_SETTING_DIVERSITY, "asn", "asn-map"},
		{VX6_SETTING_ASN_MAP, "/no/such/map", "asn-map"},
		{VX6_SETTING_LAN, "maybe", "lan"},
		{VX6_SETTING_RELAY, "on", "relay"},
		{VX6_SETTING_RELAY_CIRCUITS, "0", "relay-circuits"},
		{VX6_SETTING_RELAY_CIRCUITS, "65537", "relay-circuits"},
		{VX6_SETTING_RELAY_MEMORY, "3", "relay-memory"},
		{VX6_SETTING_RELAY_MEMORY, "64M", "relay-memory"},
		{VX6_SETTING_RELAY_RATE, "-1", "relay-rate"},
		{VX6_SETTING_RELAY_FAMILY, "short", "relay-family"},
		{VX6_SETTING_RELAY_RATE, "99999999999999999999", "relay-rate"},
		{VX6_SETTING_ALLOW_NON_LOOPBACK, "perhaps", "allow-non-loopback"},
		{VX6_SETTING_HIDDEN_KEEP_ROLES, "perhaps", "hidden-keep-roles"},
		{VX6_SETTING_PASSPHRASE_FILE, "/nonexistent/pass", "passphrase-file"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct vx6_settings fresh = {0};
		struct vx6_agent_config config;
		vx6_err err;

		detail[0] = 0;
		assert_true(vx6_is_ok(vx6_settings_add(&fresh, VX6_SETTING_STATE_DIR, "/tmp/x")));
		assert_true(vx6_is_ok(vx6_settings_add(&fresh, bad[i].which, bad[i].value)));
		err = vx6_agent_config_make(&fresh, &config, detail);
		vx6_agent_config_fini(&config);
		vx6_settings_fini(&fresh);
		assert_false(vx6_is_ok(err));
		if (!strstr(detail, bad[i].flag))
			fail_msg("%s: %s", bad[i].flag, detail);
	}
}

static void note_fault(void *user, enum vx6_setting which, const char *text)
{
	bool *seen = user;

	assert_non_null(text);
	seen[which] = true;
}

static void config__several_bad_values__each_is_told(void **state)
{
	bool seen[VX6_SETTINGS_N + 1] = {false};
	size_t n = 0;

	assert_int_equal(read_text(
				 "state_dir: /tmp/x\nname: Not Good\ndht: maybe\nlog_level: loud\n"
				 "relay_family: secret\npeer: [nowhere]\n"),
			 VX6_E_OK);
	vx6_agent_config_check(&s, note_fault, seen);
	for (int i = 0; i <= VX6_SETTINGS_N; i++)
		n += seen[i];
	assert_int_equal(n, 5);
	assert_true(seen[VX6_SETTING_NAME] && seen[VX6_SETTING_DHT] &&
		    seen[VX6_SETTING_LOG_LEVEL] && seen[VX6_SETTING_RELAY_FAMILY] &&
		    seen[VX6_SETTING_PEER]);
}

static void config__secret_that_is_wrong__is_not_in_the_complaint(void **state)
{
	struct vx6_agent_config config;

	assert_int_equal(read_text("state_dir: /tmp/x\nrelay_family: hushhsh\n"), VX6_E_OK);
	assert_int_equal(vx6_agent_config_make(&s, &config, detail).code, VX6_E_INVALID);
	vx6_agent_config_fini(&config);
	assert_null(strstr(detail, "hush"));
}

static void config__discovery__is_taken_over(void **state)
{
	static const char text[] = "state_dir: /tmp/x\ndht: client\ndiversity: prefix\nlan: off\n";
	struct vx6_settings told = {0};
	struct vx6_agent_config config;

	assert_true(vx6_is_ok(vx6_settings_read_text(&told, text, sizeof text - 1, detail)));
	assert_true(vx6_is_ok(vx6_agent_config_make(&told, &config, detail)));
	assert_int_equal(config.node.dht, VX6_DHT_MODE_CLIENT);
	assert_int_equal(config.node.diversity, VX6_DIVERSITY_PREFIX);
	assert_true(config.node.lan_off);
	assert_null(config.node.asn_map);
	vx6_agent_config_fini(&config);
	vx6_settings_clear(&told, VX6_SETTING_DHT);
	vx6_settings_clear(&told, VX6_SETTING_DIVERSITY);
	vx6_settings_clear(&told, VX6_SETTING_LAN);
	assert_true(vx6_is_ok(vx6_agent_config_make(&told, &config, detail)));
	assert_int_equal(config.node.dht, VX6_DHT_MODE_AUTO);
	assert_int_equal(config.node.diversity, VX6_DIVERSITY_AUTO);
	assert_false(config.node.lan_off);
	vx6_agent_config_fini(&config);
	vx6_settings_fini(&told);
}

static void config__relay__only_what_is_said(void **state)
{
	static const char text[] =
		"state_dir: /tmp/x\nrelay: off\nrelay_memory: 4\nrelay_rate: 0\n";
	struct vx6_settings told = {0};
	struct vx6_agent_config config;

	assert_true(vx6_is_ok(vx6_settings_read_text(&told, text, sizeof text - 1, detail)));
	assert_true(vx6_is_ok(vx6_agent_config_make(&told, &config, detail)));
	assert_true(config.node.relay.has_mode && config.node.relay.has_memory &&
		    config.node.relay.has_rate);
	assert_false(config.node.relay.has_circuits);
	assert_int_equal(config.node.relay.to.mode, VX6_RELAYING_OFF);
	assert_int_equal(config.node.relay.to.memory_mb, 4);
	assert_int_equal(config.node.relay.to.rate_mbit, 0);
	vx6_agent_config_fini(&config);
	vx6_settings_clear(&told, VX6_SETTING_RELAY);
	vx6_settings_clear(&told, VX6_SETTING_RELAY_MEMORY);
	vx6_settings_clear(&told, VX6_SETTING_RELAY_RATE);
	assert_true(vx6_is_ok(vx6_agent_config_make(&told, &config, detail)));
	assert_false(config.node.relay.has_mode || config.node.relay.has_memory ||
		     config.node.relay.has_rate);
	vx6_agent_config_fini(&config);
	vx6_settings_fini(&told);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file__values_and_lists__are_taken),
		TEST(file__json_or_empty__is_fine),
		TEST(file__malformed__refused_with_line_and_reason),
		TEST(file__too_much__refused),
		TEST(sources__later_place__replaces_what_came_before),
		TEST(env__empty_variable__counts_as_unset),
		TEST(env__list_too_long__refused_by_name),
		TEST(file__on_disk__read_or_named_in_the_error),
		TEST(config__bad_value__refused_and_named),
		TEST(config__several_bad_values__each_is_told),
		TEST(config__secret_that_is_wrong__is_not_in_the_complaint),
		TEST(config__discovery__is_taken_over),
		TEST(config__relay__only_what_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
