/* What a node says of itself as a relay: to its peers, to the DHT, and only when there is something to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "discovery/publisher.h"
#include "tests/unit/discovery/dht_net.h"
#include "tests/unit/session/fixture.h"

static struct test_node alice, bob;
static struct vx6_publisher *publisher;
static char detail[VX6_DIAL_DETAIL_MAX];
/* what bob was told last */
static struct vx6_relay_info told;
static unsigned tellings, made, published;

static void on_record(struct test_node *n, struct vx6_session *s, const uint8_t *record,
		      size_t bytes)
{
	struct vx6_record rec;

	assert_true(vx6_is_ok(vx6_record_parse(record, bytes, &rec)));
	if (rec.view.type != VX6_RTYPE_RELAY)
		return;
	assert_true(vx6_is_ok(vx6_relay_info_read(&rec, &told)));
	tellings++;
}

static const struct test_hooks hooks = {.record = on_record};

static void on_made(void *user, const uint8_t *record, size_t n)
{
	made++;
}

static void on_kept(void *user, uint8_t rtype, const char *name,
		    const struct vx6_dht_kept_info *info, bool is_published)
{
	assert_int_equal(rtype, VX6_RTYPE_RELAY);
	published += is_published;
}

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	bob.hooks = &hooks;
	tellings = made = published = 0;
	publisher = vx6_publisher_new(&(struct vx6_publisher_config){
		.loop = test_loop, .identity = &alice.id, .made = on_made, .kept = on_kept});
	vx6_publisher_attach(publisher, alice.m);
	assert_int_equal(node_dial(&alice, &bob, NULL, false, detail).code, VX6_E_OK);
	return 0;
}

static int teardown(void **state)
{
	vx6_publisher_free(publisher);
	dht_net_stop();
	node_stop(&alice);
	node_stop(&bob);
	test_loop_end();
	return 0;
}

static struct vx6_relay_info relay(void)
{
	struct vx6_relay_info i = {.policy = VX6_RELAY_GUARD, .keys_n = 1};

	i.keys[0].pk[5] = 1;
	i.keys[0].not_after_s = UINT32_MAX;
	return i;
}

static bool was_told(void *arg)
{
	return tellings >= *(unsigned *)arg;
}

static void wait_for(unsigned n)
{
	test_run(was_told, &n);
	assert_int_equal(tellings, n);
}

static void set_relay__what_changes_is_told(void **state)
{
	struct vx6_relay_info i = relay();
	uint64_t seq;

	vx6_publisher_set_relay(publisher, NULL); /* nothing to take back */
	assert_int_equal(made, 0);
	vx6_publisher_set_relay(publisher, &i);
	wait_for(1);
	assert_true(vx6_relay_info_same(&told, &i));
	assert_true(vx6_node_id_eq(&told.node, &alice.id.id));
	assert_int_equal(told.lifetime_s, VX6_RELAY_INFO_LIFETIME_S);
	seq = told.seq;
	vx6_publisher_set_relay(publisher, &i); /* the same again */
	assert_int_equal(made, 1);
	i.policy |= VX6_RELAY_DRAINING;
	vx6_publisher_set_relay(publisher, &i);
	wait_for(2);
	assert_true(told.seq > seq && told.policy == i.policy);
	i.keys[1] = i.keys[0];
	i.keys[0].pk[6] = 1;
	i.keys_n = 2;
	vx6_publisher_set_relay(publisher, &i);
	wait_for(3);
	assert_int_equal(told.keys_n, 2);
	seq = told.seq;
	vx6_publisher_refresh(publisher);
	wait_for(4);
	assert_true(told.seq > seq && vx6_relay_info_same(&told, &i));
}

static void set_relay__taken_back__said_so_and_then_silent(void **state)
{
	struct vx6_relay_info i = relay();

	vx6_publisher_set_relay(publisher, &i);
	vx6_publisher_set_relay(publisher, NULL);
	wait_for(2);
	assert_true(told.withdrawn && told.keys_n == 0);
	vx6_publisher_set_relay(publisher, NULL);
	vx6_publisher_greet(publisher, alice.session);
	assert_int_equal(made, 2);
	vx6_publisher_set_relay(publisher, &i); /* on second thoughts */
	wait_for(3);
	assert_false(told.withdrawn);
	vx6_publisher_greet(publisher, alice.session);
	wait_for(4);
}

static void set_relay__without_a_key_that_is_good__nothing_is_published(void **state)
{
	struct vx6_relay_info i = relay();

	i.keys[0].not_after_s = 1;
	vx6_publisher_set_relay(publisher, &i);
	assert_int_equal(made, 0);
	i = relay();
	vx6_publisher_set_relay(publisher, &i);
	wait_for(1);
}

static bool is_published(void *arg)
{
	return published > 0;
}

static void see_kept(void *user, uint8_t rtype, const char *name, uint64_t issued_s,
		     const struct vx6_dht_kept *kept)
{
	assert_int_equal(rtype, VX6_RTYPE_RELAY);
	*(bool *)user = kept != NULL;
}

static void set_relay__with_a_dht__kept_there(void **state)
{
	struct vx6_relay_info i = relay();
	bool kept = false;

	dht_net_start(test_loop, 6);
	vx6_publisher_attach_dht(publisher, dht_net_node(0), dht_net_now, NULL);
	vx6_publisher_set_relay(publisher, &i);
	vx6_publisher_each(publisher, see_kept, &kept);
	assert_true(kept);
	dht_net_run(test_loop, is_published, NULL);
	assert_int_equal(published, 1);
	vx6_publisher_attach_dht(publisher, NULL, NULL, NULL);
	vx6_publisher_each(publisher, see_kept, &kept);
	assert_false(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(set_relay__what_changes_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(set_relay__taken_back__said_so_and_then_silent,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			set_relay__without_a_key_that_is_good__nothing_is_published, setup,
			teardown),
		cmocka_unit_test_setup_teardown(set_relay__with_a_dht__kept_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
