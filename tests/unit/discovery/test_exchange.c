/* What one node knows, its peers come to know, over in-memory links: asked for once, within budgets, and never what is not theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "discovery/exchange.h"
#include "record/service.h"
#include "tests/unit/session/fixture.h"

enum { NODES = 3, GOSSIP_MS = 2300 };

/* A node with a registry and an exchange. */
static struct member {
	struct test_node n; /* first: a hook's node is its member */
	struct vx6_registry *registry;
	struct vx6_exchange *x;
	struct vx6_session *from; /* of the record that is being taken */
	int taken, floods;
} member[NODES];

static void on_changed(void *user, const struct vx6_registry_change *c)
{
	struct member *m = user;

	if (m->x)
		vx6_exchange_changed(m->x, c->record, m->from);
}

static void on_revoked(void *user, const struct vx6_node_id *node, const struct vx6_revocation *r,
		       const struct vx6_registry_change *c)
{
	on_changed(user, c);
}

static const struct vx6_registry_events registry_events = {.changed = on_changed,
							   .revoked = on_revoked};

static void take(void *user, struct vx6_session *from, const uint8_t *record, size_t n,
		 bool about_itself)
{
	struct member *m = user;
	struct vx6_source source = {.kind = about_itself ? VX6_SOURCE_SUBJECT : VX6_SOURCE_PEER,
				    .by = *vx6_session_node(from)};

	m->from = from;
	m->taken +=
		vx6_is_ok(vx6_registry_admit(m->registry, record, n, &source, vx6_wall_s(), NULL));
	m->from = NULL;
}

static void on_flood(void *user, struct vx6_session *from)
{
	((struct member *)user)->floods++;
}

static struct member *member_of(struct test_node *n)
{
	return (struct member *)(void *)n;
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	vx6_exchange_session_up(member_of(n)->x, s);
}

static void on_down(struct test_node *n, struct vx6_session *s, vx6_err why)
{
	vx6_exchange_session_down(member_of(n)->x, s);
}

static void on_record(struct test_node *n, struct vx6_session *s, const uint8_t *record,
		      size_t bytes)
{
	vx6_exchange_record(member_of(n)->x, s, record, bytes);
}

static void on_have(struct test_node *n, struct vx6_session *s, const struct vx6_have *e)
{
	vx6_exchange_have(member_of(n)->x, s, e);
}

static void on_get(struct test_node *n, struct vx6_session *s, uint64_t tag)
{
	vx6_exchange_get(member_of(n)->x, s, tag);
}

static void on_wanted(struct test_node *n, struct vx6_session *s, const struct vx6_node_id *node)
{
	vx6_exchange_wanted(member_of(n)->x, s, node);
}

static const struct test_hooks hooks = {.up = on_up,
					.down = on_down,
					.record = on_record,
					.have = on_have,
					.get = on_get,
					.wanted = on_wanted};

static int setup(void **state)
{
	test_loop_start();
	memset(member, 0, sizeof member);
	for (int i = 0; i < NODES; i++) {
		struct member *m = &member[i];

		node_start(&m->n);
		m->registry = vx6_registry_new(&vx6_net_default, &registry_events, m);
		m->x = vx6_exchange_new(&(struct vx6_exchange_config){.loop = test_loop,
								      .registry = m->registry,
								      .self = m->n.id.id,
								      .take = take,
								      .flood = on_flood,
								      .user = m});
		m->n.hooks = &hooks;
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < NODES; i++)
		node_stop(&member[i].n);
	for (int i = 0; i < NODES; i++) {
		vx6_exchange_free(member[i].x);
		vx6_registry_free(member[i].registry);
	}
	test_loop_end();
	return 0;
}

static void join(int a, int b)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_true(vx6_is_ok(node_dial(&member[a].n, &member[b].n, NULL, false, detail)));
}

/* Somebody who is not there: its endpoint record, built anew with each @p seq. */
static size_t stranger(struct vx6_identity *id, uint64_t seq, uint8_t out[VX6_ENDPOINT_MAX])
{
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .name = "carol"};
	size_t n;

	assert_true(vx6_is_ok(vx6_endpoint_build(&e, id, out, &n)));
	return n;
}

static void learn_from(int who, struct vx6_identity *id, uint64_t seq, enum vx6_source_kind kind)
{
	const struct vx6_source from = {.kind = kind};
	uint8_t record[VX6_ENDPOINT_MAX];
	size_t n = stranger(id, seq, record);

	assert_true(vx6_is_ok(
		vx6_registry_admit(member[who].registry, record, n, &from, vx6_wall_s(), NULL)));
}

static void learn(int who, struct vx6_identity *id, uint64_t seq)
{
	learn_from(who, id, seq, VX6_SOURCE_LAN);
}

static uint64_t known_seq(int who, const struct vx6_node_id *id)
{
	struct vx6_endpoint e;

	return vx6_registry_endpoint(member[who].registry, id, vx6_wall_s(), &e) ? e.seq : 0;
}

static struct vx6_identity carol_make(void)
{
	struct vx6_identity id;

	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, vx6_wall_s(), &id)));
	return id;
}

static void exchange__what_was_known_before__is_offered_to_a_new_session(void **state)
{
	struct vx6_identity carol = carol_make();

	learn(0, &carol, 7);
	join(0, 1);
	test_run_ms(400);
	assert_int_equal(known_seq(1, &carol.id), 7);
	vx6_identity_wipe(&carol);
}

static void exchange__what_changes_later__goes_on_through_the_middle(void **state)
{
	struct vx6_identity carol = carol_make();
	struct vx6_exchange_info info;

	join(0, 1);
	join(1, 2);
	test_run_ms(400);
	learn(0, &carol, 7);
	test_run_ms(2 * GOSSIP_MS);
	assert_int_equal(known_seq(1, &carol.id), 7);
	assert_int_equal(known_seq(2, &carol.id), 7);
	learn(0, &carol, 8);
	test_run_ms(2 * GOSSIP_MS);
	assert_int_equal(known_seq(2, &carol.id), 8);
	vx6_exchange_info(member[2].x, &info);
	assert_int_equal(info.asked, 2);
	assert_int_equal(info.taken, 2);
	vx6_exchange_info(member[1].x, &info);
	assert_int_equal(info.given, 2);
	assert_int_equal(info.offered, 2); /* to 2; never back to 0, who had told */
	vx6_identity_wipe(&carol);
}

static void exchange__record_that_was_looked_for__is_told_to_nobody(void **state)
{
	struct vx6_identity carol = carol_make();
	struct vx6_exchange_info info;

	learn_from(0, &carol, 7, VX6_SOURCE_DHT);
	join(0, 1);
	test_run_ms(400);
	learn_from(0, &carol, 8, VX6_SOURCE_DHT);
	test_run_ms(GOSSIP_MS);
	assert_true(vx6_is_ok(vx6_session_want_records(member[1].n.session, &carol.id)));
	test_run_ms(50);
	assert_int_equal(known_seq(1, &carol.id), 0);
	vx6_exchange_info(member[0].x, &info);
	assert_int_equal(info.offered, 0);
	assert_int_equal(info.given, 0);
	vx6_identity_wipe(&carol);
}

/* The record of a given number is one and the same for all: it is signed once. */
static void exchange__confidential_record_that_others_have__is_asked_for_and_then_common(
	void **state)
{
	struct vx6_identity carol = carol_make();
	const struct vx6_source asked = {.kind = VX6_SOURCE_DHT}, lan = {.kind = VX6_SOURCE_LAN};
	uint8_t record[VX6_ENDPOINT_MAX];
	size_t n = stranger(&carol, 7, record);
	struct vx6_exchange_info info;

	assert_true(vx6_is_ok(
		vx6_registry_admit(member[1].registry, record, n, &asked, vx6_wall_s(), NULL)));
	join(0, 1);
	join(1, 2);
	test_run_ms(400);
	assert_int_equal(known_seq(2, &carol.id), 0);
	assert_true(vx6_is_ok(
		vx6_registry_admit(member[0].registry, record, n, &lan, vx6_wall_s(), NULL)));
	test_run_ms(2 * GOSSIP_MS);
	/* whoever offers it sees that it is wanted, as by anybody who lacks it */
	vx6_exchange_info(member[1].x, &info);
	assert_int_equal(info.asked, 1);
	assert_int_equal(known_seq(2, &carol.id), 7);
	vx6_identity_wipe(&carol);
}

static void exchange__unlisted_record__stays_where_its_subject_sent_it(void **state)
{
	struct vx6_service_record s = {.seq = 1,
				       .issued_s = vx6_wall_s(),
				       .lifetime_s = VX6_SERVICE_LIFETIME_S,
				       .unlisted = true,
				       .kind = VX6_SERVICE_TCP,
				       .name = "secret"};
	char names[4][VX6_LABEL_TEXT];
	uint8_t record[VX6_SERVICE_MAX];
	size_t n;

	join(0, 1);
	join(1, 2);
	assert_true(vx6_is_ok(vx6_service_build(&s, &member[0].n.id, record, &n)));
	assert_true(vx6_is_ok(vx6_session_send_record(member[0].n.session, record, n)));
	test_run_ms(GOSSIP_MS);
	assert_int_equal(vx6_registry_services(member[1].registry, &member[0].n.id.id, vx6_wall_s(),
					       names, 4),
			 1);
	assert_int_equal(vx6_registry_services(member[2].registry, &member[0].n.id.id, vx6_wall_s(),
					       names, 4),
			 0);
	assert_true(vx6_is_ok(vx6_session_want_records(member[2].n.session, &member[0].n.id.id)));
	test_run_ms(50);
	assert_int_equal(vx6_registry_services(member[2].registry, &member[0].n.id.id, vx6_wall_s(),
					       names, 4),
			 0);
}

static void exchange__records_of_others_that_nobody_asked_for__are_dropped_and_told(void **state)
{
	struct vx6_exchange_info info;

	join(0, 1);
	test_run_ms(400);
	for (int i = 0; i < 100; i++) {
		struct vx6_identity id = carol_make();
		uint8_t record[VX6_ENDPOINT_MAX];
		size_t n = stranger(&id, 1, record);

		assert_true(vx6_is_ok(vx6_session_send_record(member[0].n.session, record, n)));
		vx6_identity_wipe(&id);
	}
	test_run_ms(50);
	vx6_exchange_info(member[1].x, &info);
	assert_int_equal(info.taken, 0);
	assert_int_equal(info.dropped, 100);
	assert_int_equal(member[1].floods, 1);
	assert_int_equal(member[1].n.downs, 0);
}

/* A peer that offers without end is asked no more than its allowance. */
static void exchange__offers_without_end__are_asked_for_within_the_budget(void **state)
{
	struct vx6_have have[100];
	struct vx6_exchange_info info;

	join(0, 1);
	test_run_ms(400);
	for (uint64_t round = 0; round < 40; round++) {
		for (uint64_t i = 0; i < VX6_ARRAY_N(have); i++)
			have[i] = (struct vx6_have){.tag = round * 1000 + i, .seq = 1};
		assert_true(vx6_is_ok(
			vx6_session_send_have(member[0].n.session, have, VX6_ARRAY_N(have))));
		test_run_ms(2);
	}
	vx6_exchange_info(member[1].x, &info);
	assert_in_range(info.asked, 600, 605);
}

static void exchange__session_after_session__asked_for_no_more_than_all_may(void **state)
{
	struct vx6_session *s;
	struct vx6_exchange_info info;
	uint64_t tag = 1;

	join(0, 1);
	s = member[1].n.session;
	for (int i = 0; i < 20; i++) {
		vx6_exchange_session_down(member[1].x, s);
		vx6_exchange_session_up(member[1].x, s);
		for (int k = 0; k < 700; k++)
			vx6_exchange_have(member[1].x, s, &(struct vx6_have){.tag = tag++});
		test_run_ms(2);
	}
	vx6_exchange_info(member[1].x, &info);
	assert_int_equal(info.asked, 6000);
}

static void exchange__revocation__is_everywhere_at_once(void **state)
{
	struct vx6_sign_keypair master;
	struct vx6_revocation r = {.seq = vx6_wall_ms(),
				   .issued_s = vx6_wall_s(),
				   .reason = VX6_REVOKE_MASTER};
	const struct vx6_source lan = {.kind = VX6_SOURCE_LAN};
	uint8_t record[VX6_REVOCATION_MAX];
	size_t n;

	vx6_sign_keypair_random(&master);
	vx6_node_id_from_pk(&master.pk, &r.node);
	assert_true(
		vx6_is_ok(vx6_revocation_build(&r, &master, NULL, &vx6_net_default, record, &n)));
	join(0, 1);
	join(1, 2);
	test_run_ms(400);
	assert_true(vx6_is_ok(
		vx6_registry_admit(member[0].registry, record, n, &lan, vx6_wall_s(), NULL)));
	test_run_ms(50);
	assert_true(vx6_registry_revocation(member[2].registry, &r.node, &r));
	vx6_sign_keypair_wipe(&master);
}

static void exchange__session_of_an_older_peer__is_told_nothing(void **state)
{
	struct vx6_identity carol = carol_make();
	struct vx6_exchange_info info;
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_true(vx6_is_ok(node_dial(&member[0].n, &member[1].n, NULL, true, detail)));
	learn(1, &carol, 1);
	test_run_ms(GOSSIP_MS);
	vx6_exchange_info(member[1].x, &info);
	assert_int_equal(info.offered, 0);
	vx6_identity_wipe(&carol);
}

#define EXCHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(exchange__what_was_known_before__is_offered_to_a_new_session),
		EXCHANGE_TEST(exchange__what_changes_later__goes_on_through_the_middle),
		EXCHANGE_TEST(exchange__unlisted_record__stays_where_its_subject_sent_it),
		EXCHANGE_TEST(exchange__record_that_was_looked_for__is_told_to_nobody),
		EXCHANGE_TEST(
			exchange__confidential_record_that_others_have__is_asked_for_and_then_common),
		EXCHANGE_TEST(
			exchange__records_of_others_that_nobody_asked_for__are_dropped_and_told),
		EXCHANGE_TEST(exchange__offers_without_end__are_asked_for_within_the_budget),
		EXCHANGE_TEST(exchange__session_after_session__asked_for_no_more_than_all_may),
		EXCHANGE_TEST(exchange__revocation__is_everywhere_at_once),
		EXCHANGE_TEST(exchange__session_of_an_older_peer__is_told_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
