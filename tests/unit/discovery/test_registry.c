/* Records: what is believed, what is kept, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "discovery/registry.h"
#include "discovery/registry_row.h"
#include "discovery/target.h"
#include "record/hs_desc.h"
#include "tests/unit/discovery/alias.h"

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

static vx6_err give_endpoint_from(const struct vx6_identity *id, const char *name, uint64_t seq,
				  enum vx6_source_kind kind)
{
	const struct vx6_source from = {.kind = kind};
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
	return vx6_registry_admit(reg, bytes, n, &from, vx6_wall_s(), NULL);
}

static vx6_err give_endpoint(const struct vx6_identity *id, const char *name, uint64_t seq)
{
	return give_endpoint_from(id, name, seq, VX6_SOURCE_SUBJECT);
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

/* Who asks for a descriptor keeps it elsewhere; nobody makes this node tell of one. */
static void admit__descriptor_of_a_hidden_service__not_for_the_registry(void **state)
{
	struct vx6_hs_desc d = {.seq = 1, .period = vx6_hs_period(vx6_wall_s())};
	uint8_t bytes[VX6_HS_DESC_BYTES];
	struct vx6_sign_keypair service;
	size_t n;

	vx6_sign_keypair_random(&service);
	assert_true(vx6_is_ok(vx6_hs_desc_build(&d, &service, NULL, 0, &vx6_net_default,
						vx6_wall_s(), bytes, &n)));
	assert_int_equal(vx6_registry_admit(reg, bytes, n, &from_subject, vx6_wall_s(), NULL).code,
			 VX6_E_UNSUPPORTED);
}

static void admit__alias_of_a_hidden_service__not_for_the_registry(void **state)
{
	struct alias_claim c;

	alias_claim(&c, 7, "ghost", 1, false);
	assert_int_equal(vx6_registry_admit(reg, c.b, c.n, &from_subject, vx6_wall_s(), NULL).code,
			 VX6_E_UNSUPPORTED);
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

/* ---- relays ---- */

static vx6_err give_relay(const struct vx6_identity *id, uint8_t key, uint64_t seq, bool withdrawn)
{
	struct vx6_relay_info i = {.seq = seq,
				   .issued_s = vx6_wall_s(),
				   .lifetime_s = VX6_RELAY_INFO_LIFETIME_S,
				   .withdrawn = withdrawn,
				   .policy = VX6_RELAY_MIDDLE | VX6_RELAY_END,
				   .keys_n = 1};
	uint8_t bytes[VX6_RELAY_INFO_MAX];
	size_t n;

	i.keys[0].pk[0] = key;
	i.keys[0].not_after_s = UINT32_MAX;
	assert_true(vx6_is_ok(vx6_relay_info_build(&i, id, bytes, &n)));
	return vx6_registry_admit(reg, bytes, n, &from_subject, vx6_wall_s(), NULL);
}

static void count_relay(void *user, const struct vx6_relay_info *info)
{
	unsigned *sum = user;

	*sum += info->keys[0].pk[0];
}

static void relay__known_until_it_expires_or_is_taken_back(void **state)
{
	uint64_t now = vx6_wall_s(), later = now + VX6_RELAY_INFO_LIFETIME_S + 1;
	struct vx6_known_record all[4];
	struct vx6_relay_info i;
	struct vx6_endpoint e;
	unsigned sum = 0;

	assert_false(vx6_registry_relay(reg, &alice.id, now, &i));
	assert_true(vx6_is_ok(give_endpoint(&alice, "alice", 9)));
	assert_true(vx6_is_ok(give_relay(&alice, 1, 5, false)));
	assert_true(vx6_is_ok(give_relay(&mallory, 10, 5, false)));
	assert_int_equal(give_relay(&alice, 2, 4, false).code, VX6_E_STALE);
	assert_true(vx6_registry_relay(reg, &alice.id, now, &i));
	assert_int_equal(i.keys[0].pk[0], 1);
	assert_int_equal(i.policy, VX6_RELAY_MIDDLE | VX6_RELAY_END);
	assert_true(vx6_node_id_eq(&i.node, &alice.id));
	assert_true(vx6_registry_endpoint(reg, &alice.id, now, &e)); /* beside it */
	assert_int_equal(vx6_registry_records(reg, &alice.id, now, all, 4), 2);
	assert_int_equal(vx6_registry_since(reg, 0, now, all, 4), 3);
	vx6_registry_each_relay(reg, now, count_relay, &sum);
	assert_int_equal(sum, 11);
	assert_false(vx6_registry_relay(reg, &alice.id, later, &i));
	assert_true(vx6_is_ok(give_relay(&alice, 1, 6, true)));
	assert_false(vx6_registry_relay(reg, &alice.id, now, &i));
	sum = 0;
	vx6_registry_each_relay(reg, now, count_relay, &sum);
	assert_int_equal(sum, 10);
	sum = 0;
	vx6_registry_each_relay(reg, later, count_relay, &sum);
	assert_int_equal(sum, 0);
}

static void on_dirty(void *user, bool soon)
{
	++*(unsigned *)user;
}

static void relay__comes_back_from_the_disk(void **state)
{
	struct vx6_registry *again = vx6_registry_new(&vx6_net_default, NULL, NULL);
	struct vx6_row_batch batch = {0};
	struct vx6_relay_info i;
	struct vx6_row row;
	unsigned dirty = 0;
	size_t at = 0;

	vx6_registry_on_dirty(reg, on_dirty, &dirty);
	assert_true(vx6_is_ok(give_relay(&alice, 3, 5, false)));
	assert_true(dirty > 0);
	assert_int_equal(vx6_registry_take_rows(reg, true, &batch), 1);
	while (vx6_row_next(&batch, &at, &row))
		assert_true(vx6_is_ok(vx6_registry_load_row(again, row.key, VX6_ROW_KEY, row.value,
							    row.n, vx6_wall_s())));
	assert_true(vx6_registry_relay(again, &alice.id, vx6_wall_s(), &i));
	assert_int_equal(i.keys[0].pk[0], 3);
	vx6_registry_on_dirty(reg, NULL, NULL);
	vx6_row_batch_fini(&batch);
	vx6_registry_free(again);
}

/* @return rows that were stored; what they bring back is in @p again */
static size_t over_the_disk(struct vx6_registry *again)
{
	struct vx6_row_batch batch = {0};
	size_t at = 0, rows = vx6_registry_take_rows(reg, true, &batch);
	struct vx6_row row;

	while (vx6_row_next(&batch, &at, &row))
		assert_true(vx6_is_ok(vx6_registry_load_row(again, row.key, VX6_ROW_KEY, row.value,
							    row.n, vx6_wall_s())));
	vx6_row_batch_fini(&batch);
	return rows;
}

static void disk__what_was_looked_for__is_still_confidential_afterwards(void **state)
{
	struct vx6_registry *again = vx6_registry_new(&vx6_net_default, NULL, NULL);
	struct vx6_known_record r;
	unsigned dirty = 0;

	vx6_registry_on_dirty(reg, on_dirty, &dirty);
	assert_true(vx6_is_ok(give_endpoint_from(&alice, "alice", 5, VX6_SOURCE_DHT)));
	assert_true(vx6_is_ok(give_endpoint_from(&mallory, "mallory", 5, VX6_SOURCE_LAN)));
	assert_int_equal(over_the_disk(again), 2);
	assert_int_equal(vx6_registry_records(again, &alice.id, vx6_wall_s(), &r, 1), 1);
	assert_true(vx6_known_is_confidential(&r));
	assert_int_equal(vx6_registry_records(again, &mallory.id, vx6_wall_s(), &r, 1), 1);
	assert_false(vx6_known_is_confidential(&r));
	vx6_registry_on_dirty(reg, NULL, NULL);
	vx6_registry_free(again);
}

static void endpoint_record__signed_bytes__as_they_came(void **state)
{
	const uint8_t *record;
	struct vx6_record rec;
	size_t n;

	assert_false(vx6_registry_endpoint_record(reg, &alice.id, vx6_wall_s(), &record, &n));
	assert_null(record);
	assert_true(vx6_is_ok(give_endpoint(&alice, "alice", 1)));
	assert_true(vx6_registry_endpoint_record(reg, &alice.id, vx6_wall_s(), &record, &n));
	assert_true(vx6_is_ok(vx6_record_parse(record, n, &rec)));
	assert_int_equal(rec.view.type, VX6_RTYPE_ENDPOINT);
	assert_true(vx6_node_id_eq(&rec.subject, &alice.id));
	assert_false(vx6_registry_endpoint_record(reg, &alice.id,
						  vx6_wall_s() + VX6_ENDPOINT_LIFETIME_S + 1,
						  &record, &n));
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

/* A secret beside the key, as an invite has it; and the forms that an invite has otherwise. */
static void invites_of(const char *key, char out[4][300])
{
	char secret[VX6_NODE_ID_TEXT];

	vx6_key_format(VX6_KEY_CLIENT, (const uint8_t[32]){7}, secret);
	snprintf(out[0], 300, "%s %s", key, secret);
	snprintf(out[1], 300, "%s+%s", key, secret);
	snprintf(out[2], 300, "vx6://hidden/ghost?key=%s&secret=%s", key, secret);
	snprintf(out[3], 300, "VX6://hidden/?key=%s", key);
}

static void target__hidden_service__by_key_and_by_alias(void **state)
{
	struct vx6_target t = {.node = "left", .service = "over", .catalog = "here"};
	char text[VX6_TARGET_TEXT], key[VX6_NODE_ID_TEXT], invite[4][300];

	vx6_key_format(VX6_KEY_HIDDEN, alice.id.b, key);
	assert_true(vx6_is_ok(vx6_target_parse(key, &t)));
	assert_true(t.is_hidden && t.has_node_id);
	assert_true(vx6_node_id_eq(&t.node_id, &alice.id));
	assert_string_equal(t.node, "");
	assert_string_equal(t.service, "");
	assert_string_equal(t.catalog, "");
	assert_string_equal(vx6_target_format(&t, text), key);
	assert_true(vx6_is_ok(vx6_target_parse("ghost", &t)));
	assert_true(t.is_hidden);
	assert_false(t.has_node_id);
	assert_string_equal(t.node, "ghost");
	assert_string_equal(vx6_target_format(&t, text), "ghost");
	assert_null(vx6_target_fault("ghost"));
	assert_true(vx6_is_ok(vx6_target_parse("alice.web", &t)));
	assert_false(t.is_hidden);
	/* one wrong character is found out, and no other kind of key is taken */
	key[10] = key[10] == 'q' ? 'p' : 'q';
	assert_int_equal(vx6_target_parse(key, &t).code, VX6_E_CHECKSUM);
	vx6_key_format(VX6_KEY_HIDDEN, (const uint8_t[32]){1}, key); /* of small order */
	assert_int_equal(vx6_target_parse(key, &t).code, VX6_E_KEY);
	assert_string_equal(t.node, "alice"); /* untouched */
	invites_of(key, invite);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(vx6_target_parse(invite[i], &t).code, VX6_E_UNSUPPORTED);
		assert_non_null(strstr(vx6_target_fault(invite[i]), "accept it first"));
	}
}

static void target__what_is_none__refused(void **state)
{
	static const char *const bad[] = {"",       ".",         "Alice",      "alice.",
					  ".web",   "a.b.c",     "Alice.web",  "alice.We",
					  "-a.web", "alice web", "alice.web ", "vx1qqqq.web",
					  "vxh1",   "vxh1qqqq",  "vxs1qqqq",   "vxh1qqqq.web",
					  "vx1qqq", "vxc1qqqq",  "ghost ",     "a+b"};
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
		REGISTRY_TEST(admit__descriptor_of_a_hidden_service__not_for_the_registry),
		REGISTRY_TEST(admit__alias_of_a_hidden_service__not_for_the_registry),
		REGISTRY_TEST(services__withdrawn__gone),
		REGISTRY_TEST(endpoint__expired__not_given),
		REGISTRY_TEST(relay__known_until_it_expires_or_is_taken_back),
		REGISTRY_TEST(relay__comes_back_from_the_disk),
		REGISTRY_TEST(disk__what_was_looked_for__is_still_confidential_afterwards),
		REGISTRY_TEST(endpoint_record__signed_bytes__as_they_came),
		REGISTRY_TEST(admit__full_of_strangers__newcomers_and_configured_peers_are_known),
		REGISTRY_TEST(target__names_and_ids__both_read_and_written),
		REGISTRY_TEST(target__hidden_service__by_key_and_by_alias),
		REGISTRY_TEST(target__what_is_none__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
