/* A few nodes with sessions, links and the real DHT: records are found, holders come and go, an idle network is silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dht/key.h"
#include "discovery/dht_link.h"
#include "tests/unit/session/fixture.h"
#include "transport/mem/mem.h"

enum { HOSTS = 5 };

static struct host {
	struct test_node node; /* first */
	struct vx6_dht_link *link;
	struct vx6_endpoint says; /* its endpoint record */
	unsigned told;
	bool serving;
} host[HOSTS];
#define alice (&host[0])
#define bob (&host[1])

/* ---- hosts: endpoint records travel as they would with HELLO and when they change ---- */

static struct host *host_of(const struct vx6_node_id *id)
{
	for (int i = 0; i < HOSTS; i++)
		if (host[i].link && vx6_node_id_eq(&host[i].node.id.id, id))
			return &host[i];
	return NULL;
}

static void announce_to(struct vx6_session *s, void *user)
{
	struct host *h = user, *peer = vx6_session_node(s) ? host_of(vx6_session_node(s)) : NULL;

	if (peer)
		vx6_dht_link_endpoint(peer->link, &h->says);
}

static void on_serving(void *user, bool serving)
{
	struct host *h = user;

	h->told++;
	h->serving = serving;
	h->says.features = serving ? VX6_FEAT_DHT : 0;
	vx6_sessions_each(h->node.m, announce_to, h);
}

static bool on_endpoint(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out)
{
	const struct host *peer = host_of(node);

	if (peer)
		*out = peer->says;
	return peer != NULL;
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	vx6_dht_link_session_up(((struct host *)n)->link, s);
}

static void on_down(struct test_node *n, struct vx6_session *s, vx6_err why)
{
	vx6_dht_link_session_down(((struct host *)n)->link, s, why);
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	vx6_dht_link_incoming(((struct host *)n)->link, s, stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.up = on_up, .down = on_down, .incoming = on_incoming};

static void host_start(struct host *h, const char *at, enum vx6_dht_mode mode)
{
	struct vx6_dht_link_config cfg = {.loop = test_loop,
					  .net = vx6_net_default,
					  .mode = mode,
					  .serving_changed = on_serving,
					  .endpoint = on_endpoint,
					  .user = h};
	char why[128];

	memset(h, 0, sizeof *h);
	node_start_at(&h->node, at);
	h->node.hooks = &hooks;
	cfg.sessions = h->node.m;
	cfg.self = h->node.id.id;
	assert_true(vx6_is_ok(vx6_dht_link_new(&cfg, &h->link, why, sizeof why)));
	h->says.node = h->node.id.id;
	h->says.n_addrs = 1;
	h->says.addrs[0].addr = h->node.at;
	h->says.addrs[0].via = VX6_VIA_QUIC | VX6_VIA_TCP;
	vx6_dht_link_own(h->link, h->says.addrs, 1);
}

static void host_stop(struct host *h)
{
	if (!h->link)
		return;
	node_stop(&h->node);
	vx6_dht_link_free(h->link);
	h->link = NULL;
}

static void start_all(const char *const at[HOSTS])
{
	memset(host, 0, sizeof host);
	test_loop_start();
	for (int i = 0; i < HOSTS; i++)
		host_start(&host[i], at[i], VX6_DHT_MODE_AUTO);
}

static int setup(void **state)
{
	static const char *const at[HOSTS] = {"[::1]:0", "[::1]:0", "[::1]:0", "[::1]:0",
					      "[::1]:0"};

	start_all(at);
	return 0;
}

static int setup_global(void **state)
{
	static const char *const at[HOSTS] = {"[2001:db8:1::1]:0", "[2001:db8:2::1]:0",
					      "[2001:db8:3::1]:0", "198.51.100.1:0",
					      "203.0.113.1:0"};

	start_all(at);
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < HOSTS; i++)
		host_stop(&host[i]);
	test_loop_end();
	return 0;
}

static void connect_to(struct host *from, struct host *to)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_int_equal(node_dial(&from->node, &to->node, &to->node.id.id, false, detail).code,
			 VX6_E_OK);
}

static struct vx6_dht_info info_of(struct host *h)
{
	struct vx6_dht_info info;

	vx6_dht_info(vx6_dht_link_dht(h->link), &info);
	return info;
}

/* ---- lookups ---- */

static struct {
	bool done;
	vx6_err err;
	size_t values, closest;
	uint32_t queries, answers;
} found;

static void on_found(void *user, const struct vx6_dht_result *r)
{
	found.done = true;
	found.err = r->err;
	found.values = r->values_n;
	found.closest = r->closest_n;
	found.queries = r->queries;
	found.answers = r->answers;
}

static bool is_found(void *arg)
{
	return found.done;
}

static int look(struct host *h, const struct vx6_dht_key *key, enum vx6_dht_want want)
{
	struct vx6_dht_ask ask = {.key = *key, .want = want};
	struct vx6_dht_now now;

	memset(&found, 0, sizeof found);
	vx6_dht_link_now(h->link, &now);
	assert_non_null(vx6_dht_look(vx6_dht_link_dht(h->link), &ask, on_found, NULL, &now));
	assert_false(found.done);
	test_run(is_found, NULL);
	return found.err.code;
}

static bool all_serve(void *arg)
{
	for (int i = 0; i < HOSTS; i++)
		if (host[i].link && !host[i].serving)
			return false;
	return true;
}

static int ups(void)
{
	int n = 0;

	for (int i = 0; i < HOSTS; i++)
		n += host[i].node.ups;
	return n;
}

/* Each knows one other: a line. A walk finds the rest. */
static void join_in_a_line(void)
{
	for (int i = 1; i < HOSTS; i++)
		connect_to(&host[i], &host[i - 1]);
	test_run(all_serve, NULL);
	test_run_ms(20);
}

static void link__private_network__everybody_serves_and_is_found(void **state)
{
	struct vx6_dht_key key;

	join_in_a_line();
	for (int i = 0; i < HOSTS; i++)
		assert_int_equal(host[i].told, 1);
	vx6_dht_key_endpoint(&vx6_net_default, &bob->node.id.id, &key);
	assert_int_equal(look(alice, &key, VX6_DHT_WANT_NODES), VX6_E_OK);
	assert_int_equal(found.closest, HOSTS - 1);
	assert_int_equal(found.answers, HOSTS - 1);
	assert_int_equal(look(&host[4], &key, VX6_DHT_WANT_NODES), VX6_E_OK);
	assert_int_equal(found.closest, HOSTS - 1);
}

static void link__network_with_global_addresses__everybody_serves_once_reached(void **state)
{
	struct vx6_dht_key key;

	for (int i = 0; i < HOSTS; i++)
		assert_false(host[i].serving);
	join_in_a_line();
	vx6_dht_key_endpoint(&vx6_net_default, &bob->node.id.id, &key);
	assert_int_equal(look(&host[4], &key, VX6_DHT_WANT_NODES), VX6_E_OK);
	assert_int_equal(found.closest, HOSTS - 1);
	assert_int_equal(info_of(&host[4]).contacts, HOSTS - 1);
	assert_int_equal(info_of(&host[4]).diversity, VX6_DIVERSITY_PREFIX); /* no map is loaded */
}

static void link__idle_network__no_new_connections(void **state)
{
	struct vx6_dht_key key;
	int before;

	join_in_a_line();
	for (int round = 0; round < 2; round++) {
		before = ups();
		for (int i = 0; i < HOSTS; i++) {
			vx6_dht_key_endpoint(&vx6_net_default, &host[i].node.id.id, &key);
			look(&host[(i + 1) % HOSTS], &key, VX6_DHT_WANT_NODES);
		}
	}
	test_run_ms(300);
	assert_int_equal(ups(), before);
}

static void link__node_stops__lookups_do_without_it(void **state)
{
	struct vx6_dht_key key;

	join_in_a_line();
	vx6_dht_key_endpoint(&vx6_net_default, &bob->node.id.id, &key);
	look(&host[4], &key, VX6_DHT_WANT_NODES);
	host_stop(&host[2]);
	test_run_ms(20);
	assert_int_equal(look(&host[4], &key, VX6_DHT_WANT_NODES), VX6_E_OK);
	assert_int_equal(found.closest, HOSTS - 2);
}

static void link__record_says_it_does_not_serve__not_used(void **state)
{
	struct vx6_dht_key key;

	join_in_a_line();
	vx6_dht_key_endpoint(&vx6_net_default, &bob->node.id.id, &key);
	look(alice, &key, VX6_DHT_WANT_NODES);
	assert_int_equal(info_of(alice).contacts, HOSTS - 1);
	bob->says.features = 0;
	vx6_dht_link_endpoint(alice->link, &bob->says);
	assert_int_equal(info_of(alice).contacts, HOSTS - 2);
	vx6_dht_link_revoked(alice->link, &host[2].node.id.id);
	assert_int_equal(info_of(alice).contacts, HOSTS - 3);
}

static void link__ended_in_the_middle__no_harm(void **state)
{
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_NODES};
	struct vx6_dht_now now;

	join_in_a_line();
	for (int i = 0; i < HOSTS; i++)
		vx6_mem_set_delay(host[i].node.t, 3000000);
	memset(&found, 0, sizeof found);
	vx6_dht_link_now(alice->link, &now);
	assert_non_null(vx6_dht_look(vx6_dht_link_dht(alice->link), &ask, on_found, NULL, &now));
	test_run_ms(5);
	vx6_dht_link_free(alice->link); /* before its sessions */
	alice->link = NULL;
	alice->node.hooks = NULL;
	test_run_ms(20);
	assert_false(found.done);
	node_stop(&alice->node);
}

static void link__mode_off__nothing(void **state)
{
	host_stop(alice);
	host_start(alice, "[::1]:0", VX6_DHT_MODE_OFF);
	assert_null(vx6_dht_link_dht(alice->link));
	connect_to(alice, bob);
	connect_to(bob, alice);
	vx6_dht_link_revoked(alice->link, &bob->node.id.id);
	test_run_ms(20);
	assert_int_equal(alice->told, 0);
}

static void link__asn_map_is_no_map__refused_with_the_reason(void **state)
{
	struct vx6_dht_link_config cfg = {.loop = test_loop,
					  .sessions = alice->node.m,
					  .asn_map = "CMakeLists.txt"};
	struct vx6_dht_link *l = NULL;
	char why[256] = "";

	assert_false(vx6_is_ok(vx6_dht_link_new(&cfg, &l, why, sizeof why)));
	assert_null(l);
	assert_non_null(strstr(why, "CMakeLists.txt"));
}

/* ---- the primary address ---- */

static void contact_of__several_addresses__the_first_that_reaches_farthest(void **state)
{
	static const struct {
		const char *addr[4], *primary;
	} table[] = {
		{{"10.0.0.1:1", "[fd00::1]:2", "192.0.2.1:3", "[2001:db8::1]:4"}, "192.0.2.1:3"},
		{{"127.0.0.1:1", "[fe80::1]:2", "10.0.0.1:3", "[fd00::1]:4"}, "10.0.0.1:3"},
		{{"[fe80::1]:2", "[::1]:1"}, "[fe80::1]:2"},
		{{"[::1]:1", "127.0.0.1:1"}, "[::1]:1"},
		{{"unix:/tmp/x"}, NULL},
		{{"[2001:db8::1]:0"}, NULL},
		{{NULL}, NULL},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct vx6_endpoint e = {0};
		struct vx6_dht_contact c;
		struct vx6_addr a, is;

		for (; e.n_addrs < 4 && table[i].addr[e.n_addrs]; e.n_addrs++) {
			assert_true(vx6_is_ok(vx6_addr_parse(table[i].addr[e.n_addrs],
							     &e.addrs[e.n_addrs].addr)));
			e.addrs[e.n_addrs].via = VX6_VIA_TCP;
		}
		assert_int_equal(vx6_dht_contact_of(&e, &c), table[i].primary != NULL);
		if (!table[i].primary)
			continue;
		assert_true(vx6_is_ok(vx6_addr_parse(table[i].primary, &a)));
		vx6_dht_contact_addr(&c, &is);
		assert_true(vx6_addr_eq(&a, &is));
		assert_int_equal(c.via, VX6_DHT_VIA_TCP);
	}
}

#define LINK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define GLOBAL_TEST(f) cmocka_unit_test_setup_teardown(f, setup_global, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(link__private_network__everybody_serves_and_is_found),
		GLOBAL_TEST(link__network_with_global_addresses__everybody_serves_once_reached),
		LINK_TEST(link__idle_network__no_new_connections),
		LINK_TEST(link__node_stops__lookups_do_without_it),
		LINK_TEST(link__record_says_it_does_not_serve__not_used),
		LINK_TEST(link__ended_in_the_middle__no_harm),
		LINK_TEST(link__mode_off__nothing),
		LINK_TEST(link__asn_map_is_no_map__refused_with_the_reason),
		cmocka_unit_test(contact_of__several_addresses__the_first_that_reaches_farthest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
