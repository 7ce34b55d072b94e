/* Records: what is believed, what is kept, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "discovery/registry.h"
#include "discovery/target.h"

static struct vx6_registry *reg;
static const struct vx6_source from_subject = {.kind = VX6_SOURCE_SUBJECT};
static struct vx6_identity alice, mallory;
static struct vx6_node_id configured; /* all zero: none */

static bool is_configured(void *user, const struct vx6_node_id *node)
{
	return vx6_node_id_eq(node, &configured);
}

static const struct vx6_registry_events events = {.is_configured = is_configured};

static int setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	reg = vx6_registry_new(&vx6_net_default, &events, NULL);
	configured = (struct vx6_node_id){{0}};
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, vx6_wall_s(), &alice)));
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, vx6_wall_s(), &mallory)));
	return 0;
}

static int teardown(void **state)
{
	vx6_registry_free(reg);
	return 0;
}

static vx6_err give_endpoint(const struct vx6_identity *id, const char *name, uint64_t seq)
{
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .n_addrs = 1};
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n;

	strcpy(e.name, name);
	e.addrs[0].via = VX6_VIA_QUIC;
	assert_true(vx6_is_ok(vx6_addr_parse("[fd00::1]:4242", &e.addrs[0].addr)));
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, id, bytes, &n)));
	return vx6_registry_admit(reg, bytes, n, &from_subject, vx6_wall_s(), NULL);
}

static vx6_err give_service(const struct vx6_identity *id, const char *name, uint64_t seq,
			    bool withdrawn)
{
	struct vx6_service_record s = {.seq = seq,
				       .issued_s = vx6_wall_s(),
				       .lifetime_s = VX6_SERVICE_LIFETIME_S,
				       .withdrawn = withdrawn,
				       .kind = VX6_SERVICE_TCP};
	uint8_t bytes[VX6_SERVICE_MAX];
	size_t n;

	strcpy(s.name, name);
	assert_true(vx6_is_ok(vx6_service_build(&s, id, bytes, &n)));
	return vx6_registry_admit(reg, bytes, n, &from_subject, vx6_wall_s(), NULL);
}

static void admit__older_record__stale_and_nothing_changes(void **state)
{
	assert_true(vx6_is_ok(give_endpoint(&alice, "alice", 5)));
	assert_int_equal(give_endpoint(&alice, "bob", 4).code, VX6_E_STALE);
	assert_string_equal(vx6_registry_name(reg, &alice.id, (char[VX6_LABEL_TEXT]){0}), "alice");
	assert_int_equal(give_endpoint(&alice, "carol", 5).code, VX6_E_EQUIVOCATION);
	assert_string_equal(vx6_registry_name(reg, &alice.id, (char[VX6_LABEL_TEXT]){0}), "alice");
	assert_true(vx6_is_ok(give_endpoint(&alice, "dora", 6)));
	assert_string_equal(vx6_registry_name(reg, &alice.id, (char[VX6_LABEL_TEXT]){0}), "dora");
}

static void admit__garbage__refused(void **state)
{
	uint8_t junk[200] = {'V', 'X', 'R', '1', 1};

	assert_false(vx6_is_ok(
		vx6_registry_admit(reg, junk, sizeof junk, &from_subject, vx6_wall_s(), NULL)));
	assert_false(
		vx6_is_ok(vx6_registry_admit(reg, junk, 0, &from_subject, vx6_wall_s(), NULL)));
}

static void services__withdrawn__gone(void **state)
{
	char names[8][VX6_LABEL_TEXT];

	assert_true(vx6_is_ok(give_service(&alice, "web", 1, false)));
	assert_true(vx6_is_ok(give_service(&alice, "ssh", 2, false)));
	assert_int_equal(vx6_registry_services(reg, &alice.id, vx6_wall_s(), names, 8), 2);
	assert_int_equal(vx6_registry_services(reg, &alice.id, vx6_wall_s(), names, 1), 1);
	assert_true(vx6_is_ok(give_service(&alice, "web", 3, true)));
	assert_int_equal(vx6_registry_services(reg, &alice.id, vx6_wall_s(), names, 8), 1);
	assert_string_equal(names[0], "ssh");
	assert_int_equal(vx6_registry_services(reg, &alice.id,
					       vx6_wall_s() + VX6_SERVICE_LIFETIME_S + 1, names, 8),
			 0);
}

static void endpoint__expired__not_given(void **state)
{
	struct vx6_endpoint e;

	assert_true(vx6_is_ok(give_endpoint(&alice, "alice", 1)));
	assert_true(vx6_registry_endpoint(reg, &alice.id, vx6_wall_s(), &e));
	assert_false(vx6_registry_endpoint(reg, &alice.id,
					   vx6_wall_s() + VX6_ENDPOINT_LIFETIME_S + 1, &e));
}

/* ---- targets ---- */

/* A record as a disk would give it: nobody looks at its signature. */
static void restore_stranger(uint32_t nth)
{
	static uint8_t bytes[VX6_ENDPOINT_MAX];
	static size_t n;
	struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};
	struct vx6_hwm mark = {.seq = 1, .record = bytes};

	if (n == 0) {
		struct vx6_endpoint e = {.seq = 1,
					 .issued_s = vx6_wall_s(),
					 .lifetime_s = VX6_ENDPOINT_LIFETIME_S - 1};

		assert_true(vx6_is_ok(vx6_endpoint_build(&e, &mallory, bytes, &n)));
	}
	memset(bytes + 8, 0x5a, VX6_NODE_ID_BYTES);
	memcpy(bytes + 8, &nth, sizeof nth);
	memcpy(key.subject, bytes + 8, sizeof key.subject);
	mark.n = n;
	vx6_registry_restore(reg, &key, &mark, vx6_wall_s());
}

static void admit__full_of_strangers__newcomers_and_configured_peers_are_known(void **state)
{
	struct vx6_registry_info info;
	struct vx6_endpoint e;

	configured = alice.id;
	assert_true(vx6_is_ok(give_endpoint(&alice, "alice", 1)));
	for (uint32_t i = 0; i < VX6_KNOWN_NODES_MAX + 100; i++)
		restore_stranger(i);
	vx6_registry_info(reg, &info);
	assert_in_range(info.nodes, VX6_KNOWN_NODES_MAX - 100, VX6_KNOWN_NODES_MAX);
	assert_true(vx6_is_ok(give_endpoint(&mallory, "mallory", 1)));
	assert_true(vx6_registry_endpoint(reg, &mallory.id, vx6_wall_s(), &e));
	assert_true(vx6_registry_endpoint(reg, &alice.id, vx6_wall_s(), &e));
}

static void target__names_and_ids__both_read_and_written(void **state)
{
	struct vx6_target t = {.has_node_id = false};
	char text[VX6_TARGET_TEXT], id[VX6_NODE_ID_TEXT], long_form[160];

	assert_true(vx6_is_ok(vx6_target_parse("alice.web", &t)));
	assert_string_equal(t.node, "alice");
	assert_string_equal(t.service, "web");
	assert_string_equal(vx6_target_format(&t, text), "alice.web");
	strcpy(long_form, vx6_node_id_format(&alice.id, id));
	strcat(long_form, "/ssh");
	assert_true(vx6_is_ok(vx6_target_parse(long_form, &t)));
	assert_true(t.has_node_id);
	assert_true(vx6_node_id_eq(&t.node_id, &alice.id));
	long_form[strlen(id)] = '.';
	assert_string_equal(vx6_target_format(&t, text), long_form);
}

static void target__what_is_none__refused(void **state)
{
	static const char *const bad[] = {"",       ".",         "alice",      "alice.",
					  ".web",   "a.b.c",     "Alice.web",  "alice.We",
					  "-a.web", "alice web", "alice.web ", "vx1qqqq.web"};
	struct vx6_target t;
	char huge[400];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(vx6_is_ok(vx6_target_parse(bad[i], &t)));
	memset(huge, 'a', sizeof huge - 1);
	huge[200] = '.';
	huge[sizeof huge - 1] = 0;
	assert_false(vx6_is_ok(vx6_target_parse(huge, &t)));
}

#define REGISTRY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REGISTRY_TEST(admit__older_record__stale_and_nothing_changes),
		REGISTRY_TEST(admit__garbage__refused),
		REGISTRY_TEST(services__withdrawn__gone),
		REGISTRY_TEST(endpoint__expired__not_given),
		REGISTRY_TEST(admit__full_of_strangers__newcomers_and_configured_peers_are_known),
		REGISTRY_TEST(target__names_and_ids__both_read_and_written),
		REGISTRY_TEST(target__what_is_none__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
