/* Ways into the network: from the registry alone, past dead addresses, without a storm. In-memory links, a real registry a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "discovery/entry.h"
#include "tests/unit/session/fixture.h"
#include "transport/mem/mem.h"

enum { HOSTS = 8, CROWD = 30 };

struct host {
	struct test_node node; /* first */
	struct vx6_registry *registry;
	struct vx6_entry *entry; /* NULL: only there to be found */
};
static struct host host[HOSTS], crowd[CROWD];
#define alice (&host[0])

static const struct vx6_registry_events registry_events;
static const struct vx6_source by_exchange = {.kind = VX6_SOURCE_DISK};

static void on_up(struct test_node *n, struct vx6_session *s)
{
	struct host *h = (struct host *)n;
	struct vx6_link_info info;
	struct vx6_endpoint_addr at;

	if (!h->entry)
		return;
	vx6_session_info(s, &info);
	at = (struct vx6_endpoint_addr){.addr = info.remote, .via = VX6_VIA_TCP};
	vx6_registry_met(h->registry, vx6_session_node(s), info.initiator ? &at : NULL,
			 vx6_wall_s());
	vx6_entry_session_up(h->entry, s);
}

static void on_down(struct test_node *n, struct vx6_session *s, vx6_err why)
{
	if (((struct host *)n)->entry)
		vx6_entry_session_down(((struct host *)n)->entry, s);
}

static const struct test_hooks hooks = {.up = on_up, .down = on_down};

static void host_start(struct host *h, const char *at)
{
	memset(h, 0, sizeof *h);
	node_start_at(&h->node, at);
	h->node.hooks = &hooks;
	h->registry = vx6_registry_new(&vx6_net_default, &registry_events, NULL);
}

static const struct vx6_entry_times quick = {.first_ms = 60, .learned_ms = 100, .wait_ms = 200};

static void entry_start(struct host *h)
{
	h->entry = vx6_entry_new(&(struct vx6_entry_config){.loop = test_loop,
							    .sessions = h->node.m,
							    .registry = h->registry,
							    .self = h->node.id.id,
							    .times = &quick});
}

static void host_stop(struct host *h)
{
	if (!h->registry)
		return;
	vx6_entry_free(h->entry);
	h->entry = NULL;
	node_stop(&h->node);
	vx6_registry_free(h->registry);
	h->registry = NULL;
}

static int setup(void **state)
{
	char at[64];

	test_loop_start();
	for (int i = 0; i < HOSTS; i++) {
		snprintf(at, sizeof at, "[2001:db8:%d::1]:0", i + 1);
		host_start(&host[i], at);
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < HOSTS; i++)
		host_stop(&host[i]);
	test_loop_end();
	return 0;
}

/* ---- what a host knows ---- */

static struct vx6_endpoint endpoint_at(const struct vx6_addr *at, uint64_t issued_s)
{
	struct vx6_endpoint e = {.seq = 1,
				 .issued_s = issued_s,
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .n_addrs = 1};

	e.addrs[0].addr = *at;
	e.addrs[0].via = VX6_VIA_TCP;
	return e;
}

static void know_at(struct host *h, const struct vx6_identity *id, const struct vx6_addr *at,
		    uint64_t age_s)
{
	struct vx6_endpoint e = endpoint_at(at, vx6_wall_s() - age_s);
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n;

	assert_true(vx6_is_ok(vx6_endpoint_build(&e, id, bytes, &n)));
	assert_true(vx6_is_ok(
		vx6_registry_admit(h->registry, bytes, n, &by_exchange, vx6_wall_s(), NULL)));
}

/* Heard of, @p age_s seconds ago. */
static void know(struct host *h, const struct host *of, uint64_t age_s)
{
	know_at(h, &of->node.id, &of->node.at, age_s);
}

/* A node that is not there any more. */
static struct vx6_node_id know_dead(struct host *h, const char *at, uint64_t age_s)
{
	struct vx6_identity id;
	struct vx6_node_id node;
	struct vx6_addr a;

	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, vx6_wall_s() - 3600, &id)));
	assert_true(vx6_is_ok(vx6_addr_parse(at, &a)));
	know_at(h, &id, &a, age_s);
	node = id.id;
	vx6_identity_wipe(&id);
	return node;
}

static size_t nodes_up(const struct host *h)
{
	size_t n = 0;

	for (int i = 0; i < HOSTS; i++)
		n += vx6_sessions_find(h->node.m, &host[i].node.id.id, VX6_DIAL_ANY) != NULL;
	return n;
}

static bool is_up(const struct host *h, const struct host *with)
{
	return vx6_sessions_find(h->node.m, &with->node.id.id, VX6_DIAL_ANY) != NULL;
}

static bool enough_up(void *arg)
{
	return nodes_up(alice) >= VX6_ENTRY_WANT;
}

static bool one_up(void *arg)
{
	return nodes_up(alice) >= 1;
}

static bool first_gone(void *arg)
{
	return !is_up(alice, arg);
}

static void connect_to(struct host *from, struct host *to)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_int_equal(node_dial(&from->node, &to->node, &to->node.id.id, false, detail).code,
			 VX6_E_OK);
}

/* ---- tests ---- */

static void entry__registry_alone__as_many_sessions_as_wanted(void **state)
{
	for (int i = 1; i < HOSTS; i++)
		know(alice, &host[i], (uint64_t)i);
	entry_start(alice);
	test_run(enough_up, NULL);
	test_run_ms(200);
	assert_int_equal(nodes_up(alice), VX6_ENTRY_WANT);
	assert_int_equal(alice->node.ups, VX6_ENTRY_WANT);
	/* the freshest */
	for (int i = 1; i <= VX6_ENTRY_WANT; i++)
		assert_true(is_up(alice, &host[i]));
	assert_true(vx6_entry_needs(alice->entry, alice->node.session));
}

static void entry__freshest_are_dead__the_living_are_found(void **state)
{
	struct vx6_node_id dead = {{0}};
	struct vx6_known_node known;
	char at[64];

	for (int i = 0; i < 100; i++) {
		snprintf(at, sizeof at, "[2001:db8:%x::1]:9", 0x100 + i);
		dead = know_dead(alice, at, (uint64_t)i / 10);
	}
	for (int i = 1; i < HOSTS; i++)
		know(alice, &host[i], 600);
	entry_start(alice);
	test_run(enough_up, NULL);
	assert_true(vx6_registry_node(alice->registry, &dead, vx6_wall_s(), &known));
	assert_in_range(known.contact.failures, 1, 3);
}

static void entry__sessions_came_in__none_dialled(void **state)
{
	for (int i = 1; i < HOSTS; i++)
		know(alice, &host[i], (uint64_t)i);
	entry_start(alice);
	for (int i = 1; i <= VX6_ENTRY_WANT; i++)
		connect_to(&host[i], alice);
	test_run_ms(200);
	/* on a machine that is busy the first look may come before the last of them */
	assert_in_range(alice->node.ups, VX6_ENTRY_WANT, VX6_ENTRY_WANT + 1);
	connect_to(&host[HOSTS - 1], alice);
	test_run_ms(20);
	assert_false(vx6_entry_needs(alice->entry, alice->node.session)); /* one may go */
}

static void entry__session_is_lost__another_takes_its_place(void **state)
{
	for (int i = 1; i < HOSTS; i++)
		know(alice, &host[i], (uint64_t)i);
	entry_start(alice);
	test_run(enough_up, NULL);
	host_stop(&host[1]);
	test_run(first_gone, &host[1]);
	test_run(enough_up, NULL);
	assert_int_equal(nodes_up(alice), VX6_ENTRY_WANT);
}

static void entry__many_of_one_prefix__others_first(void **state)
{
	unsigned diverse = 0;

	/* five in one network are the freshest, three are elsewhere */
	for (int i = 1; i < HOSTS; i++) {
		struct vx6_addr at = host[i].node.at;

		if (i <= 4)
			assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8:99::1]:0", &at)));
		at.port = host[i].node.at.port;
		know_at(alice, &host[i].node.id, &at, (uint64_t)i);
	}
	entry_start(alice);
	test_run(enough_up, NULL);
	for (int i = 5; i < HOSTS; i++)
		diverse += is_up(alice, &host[i]);
	assert_int_equal(diverse, 3);
	assert_int_equal(nodes_up(alice), VX6_ENTRY_WANT);
}

static void entry__only_dead_ones__ever_rarer(void **state)
{
	struct vx6_node_id dead = know_dead(alice, "[2001:db8:77::1]:9", 1);
	struct vx6_known_node known;

	entry_start(alice);
	test_run_ms(1000);
	assert_true(vx6_registry_node(alice->registry, &dead, vx6_wall_s(), &known));
	assert_in_range(known.contact.failures, 1, 4);
}

static void entry__network_changed__waiting_ends(void **state)
{
	uint16_t port = host[1].node.at.port;
	struct vx6_addr at = host[1].node.at;

	at.port = 9;
	know_at(alice, &host[1].node.id, &at, 10);
	entry_start(alice);
	test_run_ms(100);
	assert_int_equal(nodes_up(alice), 0);
	/* it is reachable now; a wait of 150 ms at least would be due */
	host_stop(&host[2]);
	at.port = port;
	vx6_registry_met(alice->registry, &host[1].node.id.id,
			 &(struct vx6_endpoint_addr){.addr = at, .via = VX6_VIA_TCP}, vx6_wall_s());
	vx6_entry_hurry(alice->entry);
	test_run_ms(40);
	assert_int_equal(nodes_up(alice), 1);
}

static void entry__registry_learns_of_somebody__tried_soon(void **state)
{
	entry_start(alice);
	test_run_ms(90);
	know(alice, &host[1], 1);
	vx6_entry_learned(alice->entry);
	test_run(one_up, NULL);
	assert_true(is_up(alice, &host[1]));
}

static void entry__neighbour_is_heard__dialled_at_once(void **state)
{
	struct vx6_endpoint ep = endpoint_at(&host[1].node.at, vx6_wall_s());

	ep.node = host[1].node.id.id;
	entry_start(alice);
	vx6_entry_heard(alice->entry, &ep);
	vx6_entry_heard(alice->entry, &ep);
	test_run_ms(50);
	assert_true(is_up(alice, &host[1]));
	assert_int_equal(alice->node.ups, 1);
	ep.node = alice->node.id.id; /* ourselves */
	vx6_entry_heard(alice->entry, &ep);
	test_run_ms(50);
	assert_int_equal(alice->node.ups, 1);
}

static void entry__addresses_of_this_host__not_dialled(void **state)
{
	struct vx6_addr at;

	assert_true(vx6_is_ok(vx6_addr_parse("[::1]:0", &at)));
	at.port = host[1].node.at.port;
	know_at(alice, &host[1].node.id, &at, 1);
	entry_start(alice);
	test_run_ms(200);
	assert_int_equal(nodes_up(alice), 0);
	assert_int_equal(host[1].node.ups, 0);
}

static void hang_up(struct vx6_session *s, bool up, vx6_err why)
{
	if (up)
		vx6_session_close(s, VX6_ERR(IDLE));
}

static void entry__one_that_hangs_up_at_once__not_again_and_again(void **state)
{
	know(alice, &host[1], 1);
	host[1].node.on_session = hang_up;
	entry_start(alice);
	test_run_ms(900);
	assert_in_range(alice->node.ups, 1, 4);
}

static void entry__another_node_answers__not_taken(void **state)
{
	struct vx6_known_node known;

	know_at(alice, &host[1].node.id, &host[2].node.at, 1);
	entry_start(alice);
	test_run_ms(200);
	assert_int_equal(nodes_up(alice), 0);
	assert_true(vx6_registry_node(alice->registry, &host[1].node.id.id, vx6_wall_s(), &known));
	assert_in_range(known.contact.failures, 1, 2);
}

static void entry__ended_while_dialling__no_harm(void **state)
{
	vx6_mem_set_delay(alice->node.t, 50 * 1000000ull);
	for (int i = 1; i < HOSTS; i++)
		know(alice, &host[i], (uint64_t)i);
	entry_start(alice);
	test_run_ms(85);
	vx6_entry_free(alice->entry);
	alice->entry = NULL;
	test_run_ms(200);
}

static void entry__crowd_starts_at_once__few_sessions_then_silence(void **state)
{
	int ups = 0, later = 0;
	char at[64];

	for (int i = 0; i < CROWD; i++) {
		snprintf(at, sizeof at, "[2001:db8:%x::1]:0", 0x200 + i);
		host_start(&crowd[i], at);
	}
	for (int i = 0; i < CROWD; i++)
		for (int k = 0; k < CROWD; k++)
			if (i != k)
				know(&crowd[i], &crowd[k], (uint64_t)k);
	for (int i = 0; i < CROWD; i++)
		entry_start(&crowd[i]);
	test_run_ms(400);
	for (int i = 0; i < CROWD; i++) {
		ups += crowd[i].node.ups;
		assert_true(crowd[i].node.ups - crowd[i].node.downs >= VX6_ENTRY_WANT);
	}
	assert_true(ups <= 2 * CROWD * VX6_ENTRY_WANT); /* each session has two ends */
	test_run_ms(400);
	for (int i = 0; i < CROWD; i++)
		later += crowd[i].node.ups;
	assert_int_equal(later, ups);
	for (int i = 0; i < CROWD; i++)
		host_stop(&crowd[i]);
}

#define ENTRY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENTRY_TEST(entry__registry_alone__as_many_sessions_as_wanted),
		ENTRY_TEST(entry__freshest_are_dead__the_living_are_found),
		ENTRY_TEST(entry__sessions_came_in__none_dialled),
		ENTRY_TEST(entry__session_is_lost__another_takes_its_place),
		ENTRY_TEST(entry__many_of_one_prefix__others_first),
		ENTRY_TEST(entry__only_dead_ones__ever_rarer),
		ENTRY_TEST(entry__network_changed__waiting_ends),
		ENTRY_TEST(entry__registry_learns_of_somebody__tried_soon),
		ENTRY_TEST(entry__neighbour_is_heard__dialled_at_once),
		ENTRY_TEST(entry__addresses_of_this_host__not_dialled),
		ENTRY_TEST(entry__one_that_hangs_up_at_once__not_again_and_again),
		ENTRY_TEST(entry__another_node_answers__not_taken),
		ENTRY_TEST(entry__ended_while_dialling__no_harm),
		ENTRY_TEST(entry__crowd_starts_at_once__few_sessions_then_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
