/* The registry as a table: marks, certificate floors, eviction, order of change, pages, candidates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "discovery/registry_row.h"
#include "record/name_claim.h"
#include "tests/unit/discovery/strangers.h"

enum { T0 = 1790000000 };

static struct vx6_registry *reg;
static struct vx6_identity alice, bob;
static struct vx6_node_id configured;
static struct vx6_registry_change last;
static struct vx6_known_record last_record;
static struct vx6_revocation last_revocation;
static int changes, revocations, equivocations;

static void on_changed(void *user, const struct vx6_registry_change *c)
{
	changes++;
	last = *c;
	last_record = *c->record;
}

static void on_revoked(void *user, const struct vx6_node_id *node, const struct vx6_revocation *r,
		       const struct vx6_registry_change *c)
{
	revocations++;
	last_revocation = *r;
}

static void on_equivocation(void *user, const struct vx6_node_id *node, uint8_t type, uint64_t seq,
			    const struct vx6_hash *first, const struct vx6_hash *second)
{
	equivocations++;
	assert_memory_not_equal(first, second, sizeof *first);
}

static bool is_configured(void *user, const struct vx6_node_id *node)
{
	return vx6_node_id_eq(node, &configured);
}

static const struct vx6_registry_events events = {
	.changed = on_changed,
	.revoked = on_revoked,
	.equivocation = on_equivocation,
	.is_configured = is_configured,
};

static const struct vx6_source subject = {.kind = VX6_SOURCE_SUBJECT};

static int setup(void **state)
{
	if (!vx6_is_ok(vx6_crypto_init()))
		return -1;
	reg = vx6_registry_new(&vx6_net_default, &events, NULL);
	changes = revocations = equivocations = 0;
	configured = (struct vx6_node_id){{0}};
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, T0, &alice)));
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, T0, &bob)));
	return 0;
}

static int teardown(void **state)
{
	vx6_registry_free(reg);
	return 0;
}

static size_t endpoint(const struct vx6_identity *id, uint64_t seq, const char *name,
		       const char *addr, uint64_t issued, uint8_t out[VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = issued,
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .n_addrs = 1};
	size_t n;

	vx6_strlcpy(e.name, name, sizeof e.name);
	e.addrs[0].via = VX6_VIA_QUIC;
	assert_true(vx6_is_ok(vx6_addr_parse(addr, &e.addrs[0].addr)));
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, id, out, &n)));
	return n;
}

static vx6_err give(const struct vx6_identity *id, uint64_t seq, const char *addr,
		    const struct vx6_source *from, uint64_t now)
{
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n = endpoint(id, seq, "alice", addr, now, bytes);

	return vx6_registry_admit(reg, bytes, n, from, now, NULL);
}

static vx6_err give_service(const struct vx6_identity *id, const char *name, uint64_t seq,
			    uint64_t now)
{
	struct vx6_service_record s = {.seq = seq,
				       .issued_s = now,
				       .lifetime_s = VX6_SERVICE_LIFETIME_S,
				       .kind = VX6_SERVICE_TCP};
	uint8_t bytes[VX6_SERVICE_MAX];
	size_t n;

	vx6_strlcpy(s.name, name, sizeof s.name);
	assert_true(vx6_is_ok(vx6_service_build(&s, id, bytes, &n)));
	return vx6_registry_admit(reg, bytes, n, &subject, now, NULL);
}

static vx6_err revoke(const struct vx6_identity *id, uint8_t reason, uint32_t min_cert_seq,
		      const struct vx6_sign_keypair *master, uint64_t now)
{
	struct vx6_revocation r = {.seq = 7,
				   .issued_s = now,
				   .reason = reason,
				   .min_cert_seq = min_cert_seq};
	uint8_t bytes[VX6_REVOCATION_MAX];
	size_t n;

	vx6_node_id_from_pk(&master->pk, &r.node);
	assert_true(vx6_is_ok(vx6_revocation_build(&r, master, NULL, &vx6_net_default, bytes, &n)));
	return vx6_registry_admit(reg, bytes, n, &subject, now, NULL);
}

/* ---- what is told ---- */

static void admit__new_same_moved_stale_and_twice__told_as_they_are(void **state)
{
	uint8_t first[VX6_ENDPOINT_MAX], other[VX6_ENDPOINT_MAX];
	size_t n = endpoint(&alice, 5, "alice", "[fd00::1]:1", T0, first),
	       n2 = endpoint(&alice, 4, "alice", "[fd00::1]:1", T0, other);
	struct vx6_admitted out;

	assert_true(vx6_is_ok(vx6_registry_admit(reg, first, n, &subject, T0, &out)));
	assert_int_equal(out.result, VX6_ADMIT_NEW);
	assert_int_equal(changes, 1);
	assert_true(last.new_node && last.moved);
	assert_int_equal(last_record.source, VX6_SOURCE_SUBJECT);
	assert_true(vx6_is_ok(vx6_registry_admit(reg, first, n, &subject, T0, &out)));
	assert_int_equal(out.result, VX6_ADMIT_REFRESH);
	assert_int_equal(vx6_registry_admit(reg, other, n2, &subject, T0, &out).code, VX6_E_STALE);
	assert_int_equal(out.newer_n, n);
	assert_memory_equal(out.newer, first, n);
	n2 = endpoint(&alice, 5, "alice", "[fd00::2]:1", T0, other);
	assert_int_equal(vx6_registry_admit(reg, other, n2, &subject, T0, NULL).code,
			 VX6_E_EQUIVOCATION);
	assert_int_equal(equivocations, 1);
	assert_int_equal(changes, 1);
	assert_true(vx6_is_ok(give(&alice, 6, "[fd00::1]:1", &subject, T0)));
	assert_int_equal(changes, 2);
	assert_false(last.new_node || last.moved);
	assert_true(vx6_is_ok(give(&alice, 7, "[fd00::9]:1", &subject, T0)));
	assert_true(last.moved);
}

/* ---- marks ---- */

static void mark__record_has_expired__older_ones_stay_out(void **state)
{
	uint64_t later = T0 + VX6_ENDPOINT_LIFETIME_S + 1;
	struct vx6_known_record rec;
	struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};
	struct vx6_registry_info info;

	memcpy(key.subject, alice.id.b, sizeof key.subject);
	assert_true(vx6_is_ok(give(&alice, 100, "[fd00::1]:1", &subject, T0)));
	vx6_registry_tick(reg, later);
	vx6_registry_info(reg, &info);
	assert_int_equal(info.records, 0);
	assert_int_equal(info.marks, 1);
	assert_int_equal(info.bytes, 0);
	assert_true(vx6_registry_find(reg, &key, later, &rec));
	assert_null(rec.bytes);
	assert_int_equal(rec.seq, 100);
	assert_int_equal(give(&alice, 99, "[fd00::1]:1", &subject, later).code, VX6_E_STALE);
	assert_int_equal(give(&alice, 100, "[fd00::1]:1", &subject, later).code,
			 VX6_E_EQUIVOCATION);
	assert_true(vx6_is_ok(give(&alice, 101, "[fd00::1]:1", &subject, later)));
	vx6_registry_tick(reg, later + VX6_ENDPOINT_LIFETIME_S + VX6_MARK_KEEP_S + 2);
	vx6_registry_tick(reg, later + VX6_ENDPOINT_LIFETIME_S + VX6_MARK_KEEP_S + 2);
	vx6_registry_info(reg, &info);
	assert_int_equal(info.nodes, 0);
}

static void cert__from_hello_or_record__the_higher_holds(void **state)
{
	struct vx6_hwm_store store = vx6_registry_hwm(reg);
	struct vx6_hwm_key key = {.type = VX6_HWM_CERT};
	struct vx6_hwm mark = {.seq = 1, .expires_s = T0 + 1000}, out;
	struct vx6_registry_info info;

	memcpy(key.subject, alice.id.b, sizeof key.subject);
	assert_int_equal(store.get(store.user, &key, &out).code, VX6_E_NOT_FOUND);
	mark.seq = alice.subkey.cert.cert_seq;
	assert_true(vx6_is_ok(store.put(store.user, &key, &mark)));
	assert_true(vx6_is_ok(store.get(store.user, &key, &out)));
	assert_int_equal(out.seq, alice.subkey.cert.cert_seq);
	assert_true(vx6_is_ok(give(&alice, 1, "[fd00::1]:1", &subject, T0)));
	vx6_registry_info(reg, &info);
	assert_int_equal(info.marks, 0); /* the record says it now */
	assert_true(vx6_is_ok(store.get(store.user, &key, &out)));
	assert_int_equal(out.seq, alice.subkey.cert.cert_seq);
	mark.seq = alice.subkey.cert.cert_seq + 1;
	assert_true(vx6_is_ok(store.put(store.user, &key, &mark)));
	assert_int_equal(give(&alice, 2, "[fd00::1]:1", &subject, T0).code, VX6_E_STALE);
}

/* ---- revocation ---- */

static void revocation__of_the_master__records_go_and_stay_out(void **state)
{
	struct vx6_sign_keypair master;
	struct vx6_node_id id;
	struct vx6_known_node node;
	struct vx6_revocation r;
	struct vx6_endpoint e;
	struct vx6_candidate c;

	vx6_sign_keypair_random(&master);
	vx6_node_id_from_pk(&master.pk, &id);
	for (int i = 0; i < 2; i++) { /* nothing known of it but what a session says */
		vx6_registry_met(reg, &id,
				 &(struct vx6_endpoint_addr){
					 .addr = {.family = VX6_ADDR_IP, .port = 1, .ip = {0x20}},
					 .via = VX6_VIA_TCP},
				 T0);
	}
	assert_int_equal(vx6_registry_candidates(reg, T0, &c, 1), 1);
	assert_true(vx6_is_ok(revoke(NULL, VX6_REVOKE_MASTER, 0, &master, T0)));
	assert_int_equal(revocations, 1);
	assert_int_equal(last_revocation.reason, VX6_REVOKE_MASTER);
	assert_true(vx6_registry_revocation(reg, &id, &r));
	assert_false(vx6_registry_endpoint(reg, &id, T0, &e));
	assert_true(vx6_registry_node(reg, &id, T0, &node));
	assert_true(node.revoked);
	assert_int_equal(vx6_registry_candidates(reg, T0, &c, 1), 0);
}

/* ---- eviction ---- */

/* A node that nobody but its introducer has seen. */
static vx6_err introduce(const struct vx6_node_id *by, uint32_t lifetime, struct vx6_node_id *id)
{
	struct vx6_source from = {.kind = VX6_SOURCE_PEER, .by = *by};
	struct vx6_endpoint e = {.seq = 1, .issued_s = T0, .lifetime_s = lifetime};
	uint8_t bytes[VX6_ENDPOINT_MAX];
	struct vx6_identity who;
	size_t n;

	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, T0, &who)));
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &who, bytes, &n)));
	*id = who.id;
	return vx6_registry_admit(reg, bytes, n, &from, T0, NULL);
}

static void introducer__throw_away_identities__fill_his_share_and_no_more(void **state)
{
	struct vx6_registry_info info;
	struct vx6_endpoint e;
	struct vx6_node_id id, first, one;

	assert_true(vx6_is_ok(give(&alice, 1, "[fd00::1]:1", &subject, T0)));
	assert_true(vx6_is_ok(introduce(&bob.id, 60, &one)));
	for (uint32_t i = 0; i < VX6_KNOWN_INTRODUCED_MAX + 200; i++) {
		assert_true(vx6_is_ok(introduce(&alice.id, 1000 + i % 6000, &id)));
		if (i == 0)
			first = id;
	}
	vx6_registry_info(reg, &info);
	assert_in_range(info.nodes, VX6_KNOWN_INTRODUCED_MAX - 100, VX6_KNOWN_INTRODUCED_MAX + 2);
	assert_true(vx6_registry_endpoint(reg, &alice.id, T0, &e)); /* he himself was met */
	assert_true(
		vx6_registry_endpoint(reg, &one, T0, &e)); /* brought by another, ends soonest */
	assert_true(vx6_registry_endpoint(reg, &id, T0, &e));
	assert_false(vx6_registry_endpoint(reg, &first, T0, &e));
}

static void full__of_strangers__who_was_met_stays(void **state)
{
	struct vx6_registry_info info;
	struct vx6_endpoint e;

	configured = bob.id;
	assert_true(vx6_is_ok(give(&alice, 1, "[fd00::1]:1", &subject, T0)));
	vx6_registry_met(reg, &alice.id, NULL, T0);
	assert_true(vx6_is_ok(give(&bob, 1, "[fd00::1]:1", &subject, T0)));
	for (uint32_t i = 0; i < 2 * VX6_KNOWN_NODES_MAX; i++)
		stranger_give(reg, i, 1, T0);
	vx6_registry_info(reg, &info);
	assert_in_range(info.nodes, VX6_KNOWN_NODES_MAX - 100, VX6_KNOWN_NODES_MAX);
	assert_true(info.evicted >= VX6_KNOWN_NODES_MAX);
	assert_true(vx6_registry_endpoint(reg, &alice.id, T0, &e));
	assert_true(vx6_registry_endpoint(reg, &bob.id, T0, &e));
}

static void services__beyond_the_limit__refused(void **state)
{
	char name[VX6_LABEL_TEXT], names[2][VX6_LABEL_TEXT];
	struct vx6_service_record s;

	for (int i = 0; i < VX6_KNOWN_SERVICES_MAX; i++) {
		snprintf(name, sizeof name, "s%d", i);
		assert_true(vx6_is_ok(give_service(&alice, name, 1, T0)));
	}
	assert_int_equal(give_service(&alice, "one-more", 1, T0).code, VX6_E_FULL);
	assert_true(vx6_is_ok(give_service(&alice, "s7", 2, T0)));
	assert_true(vx6_is_ok(give_service(&bob, "one-more", 1, T0)));
	assert_true(vx6_registry_service(reg, &alice.id, "s255", T0, &s));
	assert_string_equal(s.name, "s255");
	assert_false(vx6_registry_service(reg, &alice.id, "one-more", T0, &s));
	assert_int_equal(vx6_registry_services(reg, &alice.id, T0, names, 2), 2);
	/* those that have ended make way */
	vx6_registry_tick(reg, T0 + VX6_SERVICE_LIFETIME_S + 1);
	assert_true(
		vx6_is_ok(give_service(&alice, "one-more", 1, T0 + VX6_SERVICE_LIFETIME_S + 1)));
}

/* ---- order of change, tags, claims ---- */

static void since__each_change_once_and_in_order(void **state)
{
	struct vx6_known_record rec[64];
	uint64_t at = 0;
	size_t n, all = 0;

	for (uint32_t i = 0; i < 50; i++)
		stranger_give(reg, i, 1, T0);
	stranger_give(reg, 7, 2, T0); /* the last one now */
	while ((n = vx6_registry_since(reg, at, T0, rec, 16)) > 0) {
		for (size_t i = 0; i < n; i++) {
			assert_true(rec[i].change > at);
			at = rec[i].change;
		}
		all += n;
	}
	assert_int_equal(all, 50);
	assert_int_equal(at, vx6_registry_changes(reg));
	assert_int_equal(vx6_registry_latest(reg, T0, rec, 64), 50);
	assert_int_equal(rec[0].change, at);
	assert_int_equal(rec[0].seq, 2);
	assert_memory_equal(rec[0].key.subject, stranger_id(7).b, 32);
	assert_int_equal(vx6_registry_since(reg, 0, T0 + VX6_ENDPOINT_LIFETIME_S, rec, 64), 0);
}

static void find_tag__after_many_came_and_went__the_right_one(void **state)
{
	struct vx6_known_record rec, by_key;
	struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};

	for (uint32_t i = 0; i < 3000; i++)
		stranger_give(reg, i, 1, i % 3 ? T0 : T0 - VX6_MARK_KEEP_S - 8000);
	for (int i = 0; i < 8; i++)
		vx6_registry_tick(reg, T0);
	for (uint32_t i = 0; i < 3000; i++) {
		struct vx6_node_id id = stranger_id(i);

		memcpy(key.subject, id.b, sizeof key.subject);
		assert_int_equal(vx6_registry_find(reg, &key, T0, &by_key), i % 3 != 0);
		assert_int_equal(vx6_registry_find_tag(reg, vx6_hwm_tag(&key), T0, &rec),
				 i % 3 != 0);
		if (i % 3)
			assert_memory_equal(rec.key.subject, id.b, sizeof id.b);
	}
}

static void count_one(void *user, const struct vx6_known_record *rec)
{
	assert_non_null(rec->bytes);
	++*(size_t *)user;
}

static size_t claims_of(const char *name)
{
	size_t n = 0;

	vx6_registry_each_claim(reg, name, T0, count_one, &n);
	return n;
}

static void claims__of_one_name__all_and_only_they(void **state)
{
	struct vx6_name_claim c = {.seq = 1,
				   .issued_s = T0,
				   .lifetime_s = VX6_NAME_CLAIM_LIFETIME_S,
				   .claimed_at_s = T0,
				   .name = "alice"};
	uint8_t bytes[VX6_NAME_CLAIM_MAX];
	size_t n;

	assert_true(vx6_name_work_solve(&vx6_net_default, "alice", &bob.id, VX6_NAME_WORK_BITS, 0,
					UINT64_MAX, &c.nonce));
	assert_true(vx6_is_ok(vx6_name_claim_build(&c, &bob, bytes, &n)));
	assert_true(vx6_is_ok(vx6_registry_admit(reg, bytes, n, &subject, T0, NULL)));
	assert_true(vx6_is_ok(give(&alice, 1, "[fd00::1]:1", &subject, T0)));
	for (uint32_t i = 0; i < 2000; i++)
		stranger_give(reg, i, 1, T0);
	assert_int_equal(claims_of("alice"), 2);
	assert_int_equal(claims_of("n17"), 1);
	assert_int_equal(claims_of("alicf"), 0);
	c.withdrawn = true;
	c.seq = 2;
	assert_true(vx6_is_ok(vx6_name_claim_build(&c, &bob, bytes, &n)));
	assert_true(vx6_is_ok(vx6_registry_admit(reg, bytes, n, &subject, T0, NULL)));
	assert_int_equal(claims_of("alice"), 1);
}

/* ---- pages ---- */

static void page__nodes__each_once_in_order_of_id(void **state)
{
	struct vx6_known_node page[16];
	struct vx6_node_id at;
	size_t n, all = 0;
	bool first = true;

	for (uint32_t i = 0; i < 100; i++)
		stranger_give(reg, i, 1, T0);
	while ((n = vx6_registry_page_nodes(reg, first ? NULL : &at, NULL, T0, page, 16)) > 0) {
		for (size_t i = 0; i < n; i++) {
			assert_true(first || vx6_node_id_cmp(&page[i].id, &at) > 0);
			assert_true(page[i].has_endpoint);
			at = page[i].id;
			first = false;
		}
		all += n;
	}
	assert_int_equal(all, 100);
	assert_int_equal(vx6_registry_page_nodes(reg, NULL, "n4", T0, page, 16),
			 11); /* n4, n40..49 */
}

static void page__services__by_node_then_name(void **state)
{
	struct vx6_service_record page[3], at;
	static const char *const names[] = {"web", "ssh", "db", "api"};
	size_t n, all = 0;

	for (size_t i = 0; i < VX6_ARRAY_N(names); i++) {
		assert_true(vx6_is_ok(give_service(&alice, names[i], 1, T0)));
		assert_true(vx6_is_ok(give_service(&bob, names[i], 1, T0)));
	}
	n = vx6_registry_page_services(reg, NULL, NULL, NULL, T0, page, 3);
	while (n > 0) {
		all += n;
		for (size_t i = 1; i < n; i++)
			assert_true(vx6_node_id_cmp(&page[i - 1].node, &page[i].node) < 0 ||
				    strcmp(page[i - 1].name, page[i].name) < 0);
		at = page[n - 1];
		n = vx6_registry_page_services(reg, &at.node, at.name, NULL, T0, page, 3);
	}
	assert_int_equal(all, 8);
	assert_int_equal(vx6_registry_page_services(reg, NULL, NULL, "ss", T0, page, 3), 2);
}

/* ---- candidates ---- */

static void candidates__those_met_first_and_an_address_outlives_its_record(void **state)
{
	struct vx6_endpoint_addr at = {.via = VX6_VIA_TCP};
	uint64_t later = T0 + VX6_ENDPOINT_LIFETIME_S + 10;
	struct vx6_candidate c[4];
	struct vx6_known_node node;

	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8::7]:99", &at.addr)));
	stranger_give(reg, 1, 1, T0 - 5);
	stranger_give(reg, 2, 1, T0);
	assert_true(vx6_is_ok(give(&alice, 1, "[2001:db8::8]:1", &subject, T0 - 100)));
	vx6_registry_met(reg, &alice.id, &at, T0 - 50);
	assert_int_equal(vx6_registry_candidates(reg, T0, c, 4), 3);
	assert_memory_equal(&c[0].node, &alice.id, sizeof alice.id);
	assert_int_equal(c[0].contact.successes, 1);
	assert_true(vx6_addr_eq(&c[0].contact.good.addr, &at.addr));
	assert_memory_equal(c[1].node.b, stranger_id(2).b, 32);
	vx6_registry_missed(reg, &alice.id, T0);
	vx6_registry_missed(reg, &alice.id, T0);
	assert_true(vx6_registry_node(reg, &alice.id, T0, &node));
	assert_int_equal(node.contact.failures, 2);
	/* two hours later no record is valid; the addresses are still worth a try */
	vx6_registry_tick(reg, later);
	assert_int_equal(vx6_registry_candidates(reg, later, c, 4), 3);
	assert_false(c[0].has_endpoint);
	assert_memory_equal(&c[0].node, &alice.id, sizeof alice.id);
	assert_int_equal(c[1].contact.good.via, VX6_VIA_QUIC | VX6_VIA_TCP);
	assert_int_equal(c[1].contact.met_s, 0);
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(admit__new_same_moved_stale_and_twice__told_as_they_are),
		TABLE_TEST(mark__record_has_expired__older_ones_stay_out),
		TABLE_TEST(cert__from_hello_or_record__the_higher_holds),
		TABLE_TEST(revocation__of_the_master__records_go_and_stay_out),
		TABLE_TEST(introducer__throw_away_identities__fill_his_share_and_no_more),
		TABLE_TEST(full__of_strangers__who_was_met_stays),
		TABLE_TEST(services__beyond_the_limit__refused),
		TABLE_TEST(since__each_change_once_and_in_order),
		TABLE_TEST(find_tag__after_many_came_and_went__the_right_one),
		TABLE_TEST(claims__of_one_name__all_and_only_they),
		TABLE_TEST(page__nodes__each_once_in_order_of_id),
		TABLE_TEST(page__services__by_node_then_name),
		TABLE_TEST(candidates__those_met_first_and_an_address_outlives_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
