/* From a name or an address to an open stream, over in-memory links; and how own records get to those who may see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "discovery/names.h"
#include "discovery/peers.h"
#include "discovery/publisher.h"
#include "discovery/reach.h"
#include "discovery/registry.h"
#include "discovery/resolve.h"
#include "tests/unit/discovery/dht_net.h"
#include "tests/unit/session/fixture.h"
#include "transport/mem/mem.h"

static struct test_node alice, bob;
static struct vx6_registry *registry;
static const struct vx6_source from_subject = {.kind = VX6_SOURCE_SUBJECT};
static struct vx6_peers *peers;
static struct vx6_names *names;
static struct vx6_resolver *resolver;
static struct vx6_reach *reach;
static char detail[VX6_DIAL_DETAIL_MAX];

enum { ATTEMPTS = 8 };
static struct attempt {
	struct vx6_reaching *r;
	struct vx6_stream *early;
	int outcomes;
	vx6_err err;
	char how[VX6_DIAL_DETAIL_MAX];
} attempt[ATTEMPTS];

static const struct vx6_registry_events registry_events;

static bool alias_of(void *user, const char *alias, struct vx6_hidden_alias *out)
{
	*out = (struct vx6_hidden_alias){.service = alice.id.id};
	return strcmp(alias, "ghost") == 0;
}

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	registry = vx6_registry_new(&vx6_net_default, &registry_events, NULL);
	peers = vx6_peers_new(&(struct vx6_peers_config){.loop = test_loop, .sessions = bob.m});
	names = vx6_names_new(&bob.id.id, NULL, NULL);
	resolver = vx6_resolver_new(&(struct vx6_resolver_config){.loop = test_loop,
								  .registry = registry,
								  .names = names,
								  .peers = peers,
								  .net = vx6_net_default});
	reach = vx6_reach_new(&(struct vx6_reach_config){.loop = test_loop,
							 .sessions = bob.m,
							 .registry = registry,
							 .names = names,
							 .resolver = resolver,
							 .peers = peers,
							 .hidden_alias = alias_of});
	memset(attempt, 0, sizeof attempt);
	return 0;
}

static int teardown(void **state)
{
	vx6_reach_free(reach);
	vx6_resolver_free(resolver);
	dht_net_stop();
	node_stop(&alice);
	node_stop(&bob);
	vx6_peers_free(peers);
	vx6_registry_free(registry);
	vx6_names_free(names);
	test_loop_end();
	return 0;
}

/* ---- attempts ---- */

static void on_outcome(void *user, vx6_err err, const char *how, struct vx6_stream *stream,
		       const struct iovec *rest, int rest_n, bool fin)
{
	struct attempt *a = user;

	a->outcomes++;
	a->err = err;
	strcpy(a->how, how);
	assert_true(vx6_is_ok(err) == (stream != NULL));
	assert_true(vx6_is_ok(err) || how[0]);
	if (stream)
		vx6_stream_set_events(stream, &test_stream_events, &bob);
}

static const struct vx6_reach_events reach_events = {.outcome = on_outcome};

static bool all_told(void *arg)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (attempt[i].r && !attempt[i].outcomes)
			return false;
	return true;
}

static void begin(struct attempt *a, const struct vx6_target *to)
{
	*a = (struct attempt){0};
	a->r = vx6_reach_open(reach, to, &reach_events, a, &a->early);
	assert_int_equal(a->outcomes, 0); /* never inside the call */
}

static vx6_err try(const struct vx6_target *to)
{
	begin(&attempt[0], to);
	test_run(all_told, NULL);
	assert_int_equal(attempt[0].outcomes, 1);
	return attempt[0].err;
}

static struct vx6_target at_address(void)
{
	struct vx6_target to = {.service = "web", .address = alice.at};

	return to;
}

static struct vx6_target by_name(const char *text)
{
	struct vx6_target to = {0};

	assert_true(vx6_is_ok(vx6_target_parse(text, &to)));
	return to;
}

/* Bob learns from the record of @p node that it is called "alice", and where it is. */
static void learn(const struct test_node *node)
{
	struct vx6_endpoint e = {.seq = 1,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .name = "alice",
				 .n_addrs = 1};
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n;

	e.addrs[0].addr = node->at;
	e.addrs[0].via = VX6_VIA_QUIC | VX6_VIA_TCP;
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &node->id, bytes, &n)));
	assert_true(vx6_is_ok(
		vx6_registry_admit(registry, bytes, n, &from_subject, vx6_wall_s(), NULL)));
}

static void reach__by_address__dials_once_and_then_uses_the_session(void **state)
{
	struct vx6_target to = at_address();

	assert_int_equal(try(&to).code, VX6_E_OK);
	assert_null(attempt[0].early);
	assert_string_equal(alice.asked, "web");
	begin(&attempt[1], &to);
	assert_non_null(attempt[1].early); /* a live session: bytes may go at once */
	test_run(all_told, NULL);
	assert_int_equal(attempt[1].err.code, VX6_E_OK);
	assert_int_equal(alice.ups, 1);
	assert_int_equal(alice.incomings, 2);
}

static void reach__many_at_once__share_one_dial(void **state)
{
	struct vx6_target to = at_address();

	for (int i = 0; i < ATTEMPTS; i++)
		begin(&attempt[i], &to);
	test_run(all_told, NULL);
	for (int i = 0; i < ATTEMPTS; i++) {
		assert_int_equal(attempt[i].outcomes, 1);
		assert_int_equal(attempt[i].err.code, VX6_E_OK);
	}
	assert_int_equal(alice.ups, 1);
	assert_int_equal(alice.incomings, ATTEMPTS);
}

static void reach__answer_is_no__its_reason_comes_through(void **state)
{
	static const int codes[] = {VX6_E_SERVICE_UNKNOWN, VX6_E_ACCESS_REFUSED,
				    VX6_E_TARGET_UNREACHABLE, VX6_E_LIMIT};
	struct vx6_target to = at_address();

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		alice.answer = (vx6_err){codes[i]};
		assert_int_equal(try(&to).code, codes[i]);
	}
	assert_int_equal(alice.ups, 1);
}

static void reach__nobody_there__each_failure_has_its_code(void **state)
{
	struct vx6_target to = by_name("nobody.web");

	assert_int_equal(try(&to).code, VX6_E_PEER_UNKNOWN);
	to = at_address();
	to.address.port = (uint16_t)(to.address.port + 1000);
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE);
	to = at_address();
	to.has_node_id = true;
	to.node_id = bob.id.id;
	to.node_id.b[0] ^= 1;
	assert_int_equal(try(&to).code, VX6_E_WRONG_PEER);
	to = (struct vx6_target){.service = "web", .has_node_id = true, .node_id = alice.id.id};
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE); /* no address of it is known */
	assert_int_equal(alice.incomings, 0);
}

static void reach__by_name__finds_the_node_by_its_record(void **state)
{
	struct vx6_target to = by_name("alice.web");

	learn(&alice);
	assert_int_equal(try(&to).code, VX6_E_OK);
	assert_string_equal(alice.asked, "web");
}

/* What is known of its addresses leads nowhere; the DHT has newer ones, and is asked once. */
static void reach__node_has_moved__newer_addresses_are_asked_for(void **state)
{
	struct vx6_target to = by_name("alice.web");
	struct vx6_endpoint e = {.seq = 2,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .name = "alice",
				 .n_addrs = 1};
	struct vx6_addr now_at = alice.at;
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n;

	alice.at.port = (uint16_t)(alice.at.port + 1000);
	learn(&alice);
	vx6_names_used(names, "alice", &alice.id.id, 1);
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE);
	dht_net_start(test_loop, 4);
	vx6_resolver_set_dht(resolver, dht_net_node(0), dht_net_now, NULL);
	e.addrs[0].addr = now_at;
	e.addrs[0].via = VX6_VIA_QUIC | VX6_VIA_TCP;
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &alice.id, bytes, &n)));
	dht_net_publish(test_loop, 1, bytes, n);
	assert_int_equal(try(&to).code, VX6_E_OK);
	assert_int_equal(alice.incomings, 1);
	vx6_resolver_set_dht(resolver, NULL, NULL, NULL);
}

static void reach__key_renewed_since_the_record__still_reached(void **state)
{
	struct vx6_target to = by_name("alice.web");
	struct vx6_subkey next;

	learn(&alice);
	node_next_subkey(&alice, &next);
	assert_true(vx6_is_ok(vx6_sessions_set_key(alice.m, &next)));
	alice.id.subkey = next;
	assert_int_equal(try(&to).code, VX6_E_OK);
}

static bool alice_is_asked(void *arg)
{
	return alice.incomings > 0;
}

static void reach__cancelled_at_any_stage__no_outcome_follows(void **state)
{
	struct vx6_target to = at_address(), nobody = by_name("nobody.web");

	begin(&attempt[0], &nobody); /* failed already, not told yet */
	vx6_reach_cancel(attempt[0].r);
	begin(&attempt[1], &to); /* dialling; another one waits for the same dial */
	begin(&attempt[2], &to);
	vx6_reach_cancel(attempt[1].r);
	attempt[0].r = attempt[1].r = NULL;
	test_run(all_told, NULL);
	assert_int_equal(attempt[2].err.code, VX6_E_OK);
	begin(&attempt[3], &to); /* OPEN is on its way */
	vx6_reach_cancel(attempt[3].r);
	attempt[3].r = NULL;
	test_run_ms(30);
	assert_true(alice_is_asked(NULL));
	assert_int_equal(attempt[0].outcomes + attempt[1].outcomes + attempt[3].outcomes, 0);
}

static void reach__freed_while_dialling__every_attempt_is_told(void **state)
{
	struct vx6_target to = at_address();

	begin(&attempt[0], &to);
	begin(&attempt[1], &to);
	vx6_reach_free(reach);
	reach = NULL;
	assert_int_equal(attempt[0].err.code, VX6_E_DRAINING);
	assert_int_equal(attempt[1].err.code, VX6_E_DRAINING);
	assert_int_equal(attempt[0].outcomes + attempt[1].outcomes, 2);
}

/* ---- what goes wrong on the way ---- */

static bool alice_was_asked(void *arg)
{
	return alice.incomings >= *(int *)arg;
}

/* Runs until alice has been asked for the @p nth time; her answer is on its way. Then the session ends. */
static void cut_when_asked(int nth)
{
	test_run(alice_was_asked, &nth);
	assert_non_null(bob.session);
	vx6_session_close(bob.session, VX6_ERR(CLOSED));
}

static void reach__session_dies_before_the_answer__tried_once_more(void **state)
{
	struct vx6_target to = at_address();

	vx6_mem_set_delay(alice.t, 30 * VX6_NS_PER_MS);
	begin(&attempt[0], &to);
	cut_when_asked(1);
	test_run(all_told, NULL);
	assert_int_equal(attempt[0].err.code, VX6_E_OK);
	assert_int_equal(attempt[0].outcomes, 1);
	assert_int_equal(alice.ups, 2);
	assert_int_equal(alice.incomings, 2);
}

static void reach__session_dies_again__no_third_try(void **state)
{
	struct vx6_target to = at_address();

	vx6_mem_set_delay(alice.t, 30 * VX6_NS_PER_MS);
	begin(&attempt[0], &to);
	cut_when_asked(1);
	cut_when_asked(2);
	test_run(all_told, NULL);
	test_run_ms(100);
	assert_int_equal(attempt[0].err.code, VX6_E_PEER_UNREACHABLE);
	assert_int_equal(attempt[0].outcomes, 1);
	assert_int_equal(alice.incomings, 2);
}

/* The application may have written into the stream that is lost: a second one would not carry those bytes. */
static void reach__early_stream_given_and_session_dies__not_tried_again(void **state)
{
	struct vx6_target to = at_address();

	assert_int_equal(try(&to).code, VX6_E_OK);
	vx6_mem_set_delay(alice.t, 30 * VX6_NS_PER_MS);
	begin(&attempt[1], &to);
	assert_non_null(attempt[1].early);
	cut_when_asked(2);
	test_run(all_told, NULL);
	test_run_ms(100);
	assert_int_equal(attempt[1].err.code, VX6_E_PEER_UNREACHABLE);
	assert_int_equal(alice.incomings, 2);
	assert_int_equal(alice.ups, 1);
}

static void reach__peer_goes_away_while_asked__unreachable_before_and_after_it_is_known(
	void **state)
{
	struct vx6_target to = at_address();

	assert_int_equal(try(&to).code, VX6_E_OK);
	vx6_mem_set_delay(alice.t, 30 * VX6_NS_PER_MS);
	vx6_sessions_drain(alice.m); /* bob does not know yet */
	begin(&attempt[1], &to);
	assert_non_null(attempt[1].early);
	test_run(all_told, NULL);
	assert_int_equal(attempt[1].err.code, VX6_E_PEER_UNREACHABLE);
	begin(&attempt[2], &to); /* bob knows: the session takes no more, and alice no other */
	assert_null(attempt[2].early);
	test_run(all_told, NULL);
	assert_int_equal(attempt[2].err.code, VX6_E_PEER_UNREACHABLE);
	assert_int_equal(alice.incomings, 1);
}

static void reach__we_go_away_while_dialling__draining(void **state)
{
	struct vx6_target to = at_address();

	begin(&attempt[0], &to);
	vx6_sessions_drain(bob.m); /* the dial goes through, but its session takes no streams */
	test_run(all_told, NULL);
	assert_int_equal(attempt[0].err.code, VX6_E_DRAINING);
	assert_int_equal(alice.ups, 1);
	assert_int_equal(alice.incomings, 0);
}

static void reach__two_nodes_of_one_name__ambiguous_until_one_is_meant(void **state)
{
	struct vx6_target to = by_name("alice.web");
	struct test_node other;

	node_start(&other);
	learn(&alice);
	learn(&other);
	assert_int_equal(try(&to).code, VX6_E_AMBIGUOUS);
	assert_int_equal(alice.incomings + other.incomings, 0);
	vx6_names_used(names, "alice", &alice.id.id, 1);
	assert_int_equal(try(&to).code, VX6_E_OK);
	assert_int_equal(alice.incomings, 1);
	assert_int_equal(other.incomings, 0);
	node_stop(&other);
}

static bool is_told(void *arg)
{
	return ((struct attempt *)arg)->outcomes > 0;
}

/* @return how long after @p since_ms @p a was told, at most @p ms */
static unsigned told_after(struct attempt *a, uint64_t since_ms, unsigned ms)
{
	while (!is_told(a) && vx6_now_ms() - since_ms < ms)
		test_run_ms(10);
	return (unsigned)(vx6_now_ms() - since_ms);
}

/*
 * Two peers that say nothing: the path to one is dead, the other lives but its service does not answer. The first is found out by the
 * probe and costs its session; the second has its time, and its session stays.
 */
static void reach__no_answer__dead_peer_is_found_out_and_slow_one_times_out(void **state)
{
	struct vx6_target to_dead = at_address(), to_slow = at_address();
	struct test_node slow;
	uint64_t since_ms;

	node_start(&slow);
	slow.silent = true;
	to_slow.address = slow.at;
	assert_int_equal(try(&to_dead).code, VX6_E_OK);
	vx6_mem_set_dead(alice.t, true);
	since_ms = vx6_now_ms();
	begin(&attempt[0], &to_dead);
	begin(&attempt[1], &to_slow);
	/* patience, then the probe */
	assert_in_range(told_after(&attempt[0], since_ms, 8000), 3400, 7000);
	assert_int_equal(attempt[0].err.code, VX6_E_TIMEOUT);
	assert_int_equal(bob.downs, 1);
	assert_int_equal(bob.last_down.code, VX6_E_TIMEOUT);
	assert_in_range(told_after(&attempt[1], since_ms, 15000), 9900, 14000);
	assert_int_equal(attempt[1].err.code, VX6_E_TIMEOUT);
	assert_int_equal(attempt[0].outcomes + attempt[1].outcomes, 2);
	assert_int_equal(slow.incomings, 1);
	assert_int_equal(bob.downs, 1);
	assert_non_null(vx6_sessions_find(bob.m, &slow.id.id, VX6_DIAL_ANY));
	node_stop(&slow);
}

/* ---- own records ---- */

static bool bob_may_see = true;
static uint64_t seq_used;

static bool may_see(void *user, const char *service, const struct vx6_node_id *node)
{
	assert_true(vx6_node_id_eq(node, &bob.id.id));
	return bob_may_see || strcmp(service, "web") != 0;
}

static void on_seq_used(void *user, uint64_t seq)
{
	assert_true(seq > seq_used);
	seq_used = seq;
}

static struct vx6_publisher *publisher_start(uint64_t last_seq)
{
	struct vx6_publisher *p =
		vx6_publisher_new(&(struct vx6_publisher_config){.loop = test_loop,
								 .identity = &alice.id,
								 .may_see = may_see,
								 .seq_used = on_seq_used,
								 .last_seq = last_seq});

	seq_used = last_seq;
	vx6_publisher_attach(p, alice.m);
	assert_int_equal(node_dial(&bob, &alice, NULL, false, detail).code, VX6_E_OK);
	test_run_ms(20);
	bob.records = 0;
	return p;
}

static void publisher__access_list__decides_who_hears_of_a_service(void **state)
{
	struct vx6_publisher *p = publisher_start(0);

	bob_may_see = false;
	vx6_publisher_put_service(p, "web");
	test_run_ms(10);
	assert_int_equal(bob.records, 0);
	vx6_publisher_put_service(p, "ssh");
	test_run_ms(10);
	assert_int_equal(bob.records, 1);
	bob_may_see = true;
	vx6_publisher_put_service(p, "web"); /* again, to those who may newly see it */
	test_run_ms(10);
	assert_int_equal(bob.records, 2);
	vx6_publisher_drop_service(p, "web"); /* withdrawn */
	vx6_publisher_drop_service(p, "web"); /* nothing left to withdraw */
	test_run_ms(10);
	assert_int_equal(bob.records, 3);
	vx6_publisher_greet(p, alice.session); /* what a new session hears: ssh only */
	test_run_ms(10);
	assert_int_equal(bob.records, 4);
	vx6_publisher_free(p);
}

static void publisher__unchanged_endpoint__is_not_sent_again_but_refreshed(void **state)
{
	struct vx6_endpoint_addr at = {.addr = alice.at, .via = VX6_VIA_TCP};
	struct vx6_publisher *p = publisher_start(0);
	uint8_t record[VX6_ENDPOINT_MAX];

	assert_int_equal(vx6_publisher_endpoint(p, record, sizeof record), 0);
	vx6_publisher_set_endpoint(p, "alice", &at, 1, 0);
	vx6_publisher_set_endpoint(p, "alice", &at, 1, 0);
	test_run_ms(10);
	assert_int_equal(bob.records, 1);
	assert_int_equal(vx6_publisher_endpoint(p, record, 10), 0);
	assert_true(vx6_publisher_endpoint(p, record, sizeof record) > 0);
	vx6_publisher_put_service(p, "ssh");
	vx6_publisher_refresh(p);
	test_run_ms(10);
	assert_int_equal(bob.records, 4);
	vx6_publisher_free(p);
}

/* The clock went back an hour since the numbers before were used: they rise all the same, or peers would take us for stale. */
static void publisher__restart_with_an_older_clock__numbers_never_go_back(void **state)
{
	uint64_t future = vx6_wall_ms() + 3600 * 1000;
	struct vx6_publisher *p = publisher_start(future);

	vx6_publisher_put_service(p, "ssh");
	assert_int_equal(seq_used, future + 1);
	vx6_publisher_refresh(p);
	assert_int_equal(seq_used, future + 2);
	vx6_publisher_free(p);
}

/* ---- configured peers ---- */

static struct vx6_peer_spec spec_of_alice(const char *name)
{
	struct vx6_peer_spec spec = {.enabled = true, .addrs_n = 1};

	strcpy(spec.name, name);
	spec.addrs[0] = alice.at;
	return spec;
}

static bool first_is_up(void *arg)
{
	struct vx6_peer_status st;

	return vx6_peers_status(peers, "peer_1", &st) && st.state == VX6_PEER_UP;
}

static bool first_backs_off(void *arg)
{
	struct vx6_peer_status st;

	return vx6_peers_status(peers, "peer_1", &st) && st.state == VX6_PEER_BACKOFF;
}

static void peers__petname__stands_for_the_node_once_it_was_met(void **state)
{
	struct vx6_peer_spec spec = spec_of_alice("friend");
	struct vx6_target to = by_name("friend.web");
	struct vx6_node_id id;

	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &spec)));
	assert_true(vx6_peers_has_name(peers, "friend"));
	assert_false(vx6_peers_by_name(peers, "friend", &id));
	assert_int_equal(vx6_peers_put(peers, "peer_2", &spec).code, VX6_E_EXISTS);
	test_run(first_is_up, NULL);
	assert_true(vx6_peers_by_name(peers, "friend", &id));
	assert_true(vx6_node_id_eq(&id, &alice.id.id));
	assert_int_equal(try(&to).code, VX6_E_OK);
	assert_int_equal(alice.ups, 1);
	vx6_peers_delete(peers, "peer_1");
	test_run_ms(20);
	assert_null(bob.session);
	/* the name stays that node's, but nothing says any more where it is */
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE);
}

static void peers__pinned_node_is_another__backs_off_with_wrong_peer(void **state)
{
	struct vx6_peer_spec spec = spec_of_alice("");
	struct vx6_peer_status st;

	spec.has_node_id = true;
	spec.node_id = alice.id.id;
	spec.node_id.b[5] ^= 1;
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &spec)));
	test_run(first_backs_off, NULL);
	assert_true(vx6_peers_status(peers, "peer_1", &st));
	assert_int_equal(st.last_err.code, VX6_E_WRONG_PEER);
	assert_false(st.known);
	spec.node_id = alice.id.id; /* corrected: dialled at once */
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &spec)));
	test_run(first_is_up, NULL);
}

static void peers__nobody_answers__backs_off_and_recovers_in_a_hurry(void **state)
{
	struct vx6_peer_spec spec = spec_of_alice("");
	struct vx6_peer_status st;

	spec.addrs[0].port = (uint16_t)(spec.addrs[0].port + 1000);
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &spec)));
	test_run(first_backs_off, NULL);
	test_run_ms(600); /* it has tried again meanwhile, and waits for longer */
	assert_false(first_is_up(NULL));
	assert_true(vx6_is_ok(vx6_sessions_listen(alice.m, &spec.addrs[0], detail)));
	vx6_peers_hurry(peers);
	test_run_ms(50);
	assert_true(first_is_up(NULL));
	assert_true(vx6_peers_status(peers, "peer_1", &st));
	assert_true(vx6_node_id_eq(&st.node, &alice.id.id));
}

/* A dial at that moment would tell the peer, and those on the way, who is looked for. */
static void peers__looked_for_anonymously__not_dialled_for_that(void **state)
{
	struct vx6_peer_spec spec = spec_of_alice("friend");
	struct vx6_resolve_ask ask = {.target = by_name("friend.web"), .anonymous = true};
	struct vx6_resolution out;

	spec.addrs[0].port = (uint16_t)(spec.addrs[0].port + 1000);
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &spec)));
	test_run(first_backs_off, NULL);
	test_run_ms(600);
	assert_true(vx6_is_ok(vx6_sessions_listen(alice.m, &spec.addrs[0], detail)));
	assert_int_equal(vx6_resolve_known(resolver, &ask, &out).code, VX6_E_PEER_UNREACHABLE);
	test_run_ms(50);
	assert_false(first_is_up(NULL));
	ask.anonymous = false;
	assert_int_equal(vx6_resolve_known(resolver, &ask, &out).code, VX6_E_PEER_UNREACHABLE);
	test_run_ms(50);
	assert_true(first_is_up(NULL));
}

static void tell_peers(struct vx6_session *s, bool up, vx6_err why)
{
	if (up)
		vx6_peers_session_up(peers, s);
	else
		vx6_peers_session_down(peers, s, why);
}

static bool both_are_up(void *arg)
{
	struct vx6_peer_status st;

	return first_is_up(NULL) && vx6_peers_status(peers, "peer_2", &st) &&
	       st.state == VX6_PEER_UP;
}

static bool one_link_is_left(void *arg)
{
	return vx6_sessions_count(bob.m) == 1;
}

/* Two links to one node are one too many. The peer whose link goes shares the other one: dialling anew would end that in turn, for ever. */
static void peers__one_node_behind_two_addresses__share_one_session(void **state)
{
	struct vx6_peer_spec one = spec_of_alice("one"), two = spec_of_alice("two");
	struct vx6_target to = by_name("one.web");
	struct vx6_peer_status a, b;

	bob.on_session = tell_peers;
	two.addrs[0].port = (uint16_t)(two.addrs[0].port + 1000);
	assert_true(vx6_is_ok(vx6_sessions_listen(alice.m, &two.addrs[0], detail)));
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &one)));
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_2", &two)));
	test_run(both_are_up, NULL);
	assert_int_equal(vx6_sessions_count(bob.m), 2);
	test_run_ms(1800); /* the loser is given a moment */
	test_run(one_link_is_left, NULL);
	test_run_ms(500);
	assert_true(vx6_peers_status(peers, "peer_1", &a) && vx6_peers_status(peers, "peer_2", &b));
	assert_int_equal(a.state, VX6_PEER_UP);
	assert_int_equal(b.state, VX6_PEER_UP);
	assert_true(a.session != 0 && a.session == b.session);
	assert_true(vx6_node_id_eq(&a.node, &alice.id.id));
	assert_int_equal(bob.ups, 2);
	assert_int_equal(bob.downs, 1);
	assert_int_equal(try(&to).code, VX6_E_OK);
}

static bool first_has_gone(void *arg)
{
	return bob.downs == 1 && first_backs_off(NULL);
}

/* A peer without a node id, whose place somebody else had for a while: nobody sends him anything, so nothing else would tell that he is gone. */
static void peers__another_answered_there_and_is_gone__found_out_when_asked_for(void **state)
{
	struct vx6_peer_spec spec = spec_of_alice("friend");
	struct vx6_target to = by_name("friend.web");
	struct vx6_node_id meant = alice.id.id;

	meant.b[5] ^= 1;
	bob.on_session = tell_peers;
	vx6_names_used(names, "friend", &meant, vx6_wall_ms());
	assert_true(vx6_is_ok(vx6_peers_put(peers, "peer_1", &spec)));
	test_run(first_is_up, NULL);
	assert_int_equal(try(&to).code, VX6_E_WRONG_PEER);
	test_run_ms(2500); /* he answers: the session stays */
	assert_int_equal(bob.downs, 0);
	vx6_mem_set_dead(alice.t, true);
	test_run_ms(100);
	assert_true(first_is_up(NULL));
	assert_int_equal(try(&to).code, VX6_E_WRONG_PEER);
	test_run_ms(1000); /* of the two seconds of a probe */
	test_run(first_has_gone, NULL);
	assert_int_equal(bob.last_down.code, VX6_E_TIMEOUT);
	/* and whoever answers there next is asked at once */
	vx6_mem_set_dead(alice.t, false);
	assert_int_equal(try(&to).code, VX6_E_WRONG_PEER);
	test_run_ms(50);
	assert_true(first_is_up(NULL));
}

/* ---- hidden services ---- */

/* Alice's id stands for the key: where it is looked for or dialled, she is found. */
static void hidden__no_circuits__neither_looked_up_nor_dialled(void **state)
{
	struct vx6_target to = by_name("ghost");

	learn(&alice);
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE);
	to = (struct vx6_target){.is_hidden = true, .has_node_id = true, .node_id = alice.id.id};
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE);
	assert_non_null(strstr(attempt[0].how, "hidden services"));
	assert_int_equal(bob.ups, 0);
	assert_int_equal(vx6_sessions_count(bob.m), 0);
}

/* Not even where a session with that id is up. */
static void hidden__session_with_that_id__not_taken(void **state)
{
	struct vx6_target to = {.is_hidden = true, .has_node_id = true, .node_id = alice.id.id};

	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, false, detail).code, VX6_E_OK);
	assert_int_equal(try(&to).code, VX6_E_PEER_UNREACHABLE);
	assert_int_equal(alice.incomings, 0);
}

static void hidden__alias_that_is_none__says_so(void **state)
{
	struct vx6_target to = by_name("spirit");

	assert_int_equal(try(&to).code, VX6_E_PEER_UNKNOWN);
	assert_non_null(strstr(attempt[0].how, "spirit"));
}

static void hidden__told_to_go_directly__refused(void **state)
{
	struct vx6_target to = by_name("ghost");

	to.route.via = VX6_ROUTE_DIRECT;
	assert_int_equal(try(&to).code, VX6_E_INVALID);
}

static void hidden__resolver_is_asked__refuses(void **state)
{
	const struct vx6_resolve_ask ask = {.target = by_name("ghost")};
	struct vx6_resolution res;

	learn(&alice);
	assert_int_equal(vx6_resolve_known(resolver, &ask, &res).code, VX6_E_INVALID);
	assert_false(res.has_node);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reach__by_address__dials_once_and_then_uses_the_session),
		TEST(reach__many_at_once__share_one_dial),
		TEST(reach__answer_is_no__its_reason_comes_through),
		TEST(reach__nobody_there__each_failure_has_its_code),
		TEST(reach__by_name__finds_the_node_by_its_record),
		TEST(reach__node_has_moved__newer_addresses_are_asked_for),
		TEST(reach__key_renewed_since_the_record__still_reached),
		TEST(reach__cancelled_at_any_stage__no_outcome_follows),
		TEST(reach__freed_while_dialling__every_attempt_is_told),
		TEST(reach__session_dies_before_the_answer__tried_once_more),
		TEST(reach__session_dies_again__no_third_try),
		TEST(reach__early_stream_given_and_session_dies__not_tried_again),
		TEST(reach__peer_goes_away_while_asked__unreachable_before_and_after_it_is_known),
		TEST(reach__we_go_away_while_dialling__draining),
		TEST(reach__two_nodes_of_one_name__ambiguous_until_one_is_meant),
		TEST(reach__no_answer__dead_peer_is_found_out_and_slow_one_times_out),
		TEST(publisher__access_list__decides_who_hears_of_a_service),
		TEST(publisher__unchanged_endpoint__is_not_sent_again_but_refreshed),
		TEST(publisher__restart_with_an_older_clock__numbers_never_go_back),
		TEST(peers__petname__stands_for_the_node_once_it_was_met),
		TEST(peers__pinned_node_is_another__backs_off_with_wrong_peer),
		TEST(peers__nobody_answers__backs_off_and_recovers_in_a_hurry),
		TEST(peers__looked_for_anonymously__not_dialled_for_that),
		TEST(peers__one_node_behind_two_addresses__share_one_session),
		TEST(peers__another_answered_there_and_is_gone__found_out_when_asked_for),
		TEST(hidden__no_circuits__neither_looked_up_nor_dialled),
		TEST(hidden__session_with_that_id__not_taken),
		TEST(hidden__alias_that_is_none__says_so),
		TEST(hidden__told_to_go_directly__refused),
		TEST(hidden__resolver_is_asked__refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
