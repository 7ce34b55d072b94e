/* Requests that others have us send on: to whom, how many, and what a stranger can not have dialled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "discovery/dht_link_internal.h"
#include "record/hs_desc.h"
#include "tests/unit/discovery/alias.h"
#include "tests/unit/session/fixture.h"
#include "wire/code.h"

enum { HOSTS = 3, OUTCOMES = 1024, REQUEST = 35 };

static struct host {
	struct test_node node; /* first */
	struct link_pool pool;
	struct link_queries queries;
	struct link_dialbacks dialbacks;
	struct link_server server;
	struct link_proxy proxy;
	unsigned served;
	bool hold; /* requests are taken and left alone */
	struct vx6_dht_requester from;
} host[HOSTS];
#define alice (&host[0]) /* asks */
#define bob (&host[1])   /* sends on */
#define carol (&host[2])

static struct {
	unsigned n;
	vx6_err err;
	uint8_t first;
} outcome[OUTCOMES];
static unsigned outcomes, wanted;
static struct vx6_session *to_bob;

static void on_answered(void *user, uint64_t id, const uint8_t *resp, size_t n)
{
	outcomes++;
	outcome[id].n++;
	outcome[id].err = VX6_OK;
	outcome[id].first = n ? resp[0] : 0;
}

static void on_failed(void *user, uint64_t id, vx6_err why)
{
	outcomes++;
	outcome[id].n++;
	outcome[id].err = why;
}

static size_t on_serve(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
		       size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	struct host *h = user;

	h->served++;
	h->from = *from;
	memset(out, 0x40 + (int)(h - host), 46);
	return 46;
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	if (!vx6_session_is_anonymous(s))
		link_pool_up(&((struct host *)n)->pool, s);
}

static void on_down(struct test_node *n, struct vx6_session *s, vx6_err why)
{
	struct host *h = (struct host *)n;
	struct link_session *ds = link_pool_by_id(&h->pool, vx6_session_id(s));

	if (ds)
		link_pool_down(&h->pool, ds);
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct host *h = (struct host *)n;

	if (h->hold)
		vx6_stream_set_events(stream, &link_stream_ignored, NULL);
	else if (what->kind == VX6_OPEN_DHT_VIA)
		link_proxy_incoming(&h->proxy, s, stream, &what->ask, rest, rest_n, fin);
	else
		link_server_incoming(&h->server, link_pool_by_id(&h->pool, vx6_session_id(s)),
				     stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.up = on_up, .down = on_down, .incoming = on_incoming};

static void host_start(struct host *h, const char *at)
{
	struct vx6_endpoint_addr own = {0};

	memset(h, 0, sizeof *h);
	node_start_at(&h->node, at);
	h->node.hooks = &hooks;
	link_pool_init(&h->pool,
		       &(struct link_pool_config){.loop = test_loop, .sessions = h->node.m});
	link_queries_init(&h->queries, &(struct link_queries_config){.loop = test_loop,
								     .sessions = h->node.m,
								     .pool = &h->pool,
								     .answered = on_answered,
								     .failed = on_failed});
	link_dialbacks_init(&h->dialbacks, test_loop, h->node.m);
	link_server_init(&h->server, &(struct link_server_config){.loop = test_loop,
								  .dialbacks = &h->dialbacks,
								  .serve = on_serve,
								  .user = h});
	link_proxy_init(&h->proxy, &(struct link_proxy_config){.loop = test_loop,
							       .sessions = h->node.m,
							       .self = h->node.id.id,
							       .pool = &h->pool,
							       .serve = on_serve,
							       .user = h});
	own.addr = h->node.at;
	link_proxy_own(&h->proxy, &own, 1);
}

static bool told(void *arg)
{
	return outcomes >= wanted;
}

static void wait_for(unsigned n)
{
	wanted = n;
	test_run(told, NULL);
	assert_int_equal(outcomes, n);
}

static void start(const char *a, const char *b, const char *c)
{
	test_loop_start();
	memset(outcome, 0, sizeof outcome);
	outcomes = 0;
	host_start(alice, a);
	host_start(bob, b);
	host_start(carol, c);
	assert_true(vx6_is_ok(node_dial(&alice->node, &bob->node, &bob->node.id.id, true,
					(char[VX6_DIAL_DETAIL_MAX]){0})));
	to_bob = alice->node.session;
}

static void stop(void)
{
	for (int i = 0; i < HOSTS; i++) {
		link_queries_fini(&host[i].queries);
		link_proxy_fini(&host[i].proxy);
		assert_int_equal(host[i].proxy.requests_n, 0);
		node_stop(&host[i].node);
		link_pool_fini(&host[i].pool);
		link_dialbacks_fini(&host[i].dialbacks);
	}
	test_loop_end();
}

static struct vx6_dht_contact contact_at(const struct host *h, const char *at)
{
	struct vx6_dht_contact c = {.node = h->node.id.id,
				    .port = h->node.at.port,
				    .via = VX6_DHT_VIA_QUIC | VX6_DHT_VIA_TCP};
	struct vx6_addr a = h->node.at;

	if (at)
		assert_true(vx6_is_ok(vx6_addr_parse(at, &a)));
	memcpy(c.ip, a.ip, sizeof c.ip);
	if (at)
		c.port = a.port;
	return c;
}

static void send_op(uint64_t id, const struct vx6_dht_contact *to, enum vx6_dht_op op)
{
	uint8_t req[REQUEST] = {(uint8_t)op};

	link_query_send_via(&alice->queries, id, to_bob, to, req, sizeof req);
}

static vx6_err ask(uint64_t id, const struct vx6_dht_contact *to)
{
	send_op(id, to, VX6_DHT_FIND);
	wait_for(outcomes + 1);
	assert_int_equal(outcome[id].n, 1);
	return outcome[id].err;
}

static void sent_on__the_node_sees_the_proxy(void **state)
{
	struct vx6_dht_contact c;

	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	assert_true(vx6_is_ok(ask(1, &c)));
	assert_int_equal(outcome[1].first, 0x42);
	assert_int_equal(carol->served, 1);
	assert_true(vx6_node_id_eq(&carol->from.node, &bob->node.id.id));
	/* itself: answered as to nobody */
	c = contact_at(bob, NULL);
	assert_true(vx6_is_ok(ask(2, &c)));
	assert_int_equal(outcome[2].first, 0x41);
	assert_false(bob->from.has_node);
	assert_int_equal(carol->served, 1);
	stop();
}

static void what_changes_things__refused(void **state)
{
	struct vx6_dht_contact c;

	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	send_op(1, &c, VX6_DHT_DIALBACK);
	send_op(2, &c, 77);
	wait_for(2);
	assert_int_equal(outcome[1].err.code, VX6_E_UNSUPPORTED);
	assert_int_equal(outcome[2].err.code, VX6_E_FORMAT);
	assert_int_equal(carol->served, 0);
	assert_int_equal(carol->node.ups, 0);
	stop();
}

static void send_put(uint64_t id, const struct vx6_dht_contact *to, uint8_t flags,
		     const uint8_t *record, size_t n)
{
	struct vx6_dht_req req = {.op = VX6_DHT_PUT,
				  .flags = flags,
				  .record = record,
				  .record_n = n};
	uint8_t bytes[VX6_DHT_REQ_MAX];
	struct vx6_wr w;

	vx6_wr_init(&w, bytes, sizeof bytes);
	vx6_dht_req_encode(&w, &req);
	link_query_send_via(&alice->queries, id, to_bob, to, bytes, w.len);
	wait_for(outcomes + 1);
}

static size_t descriptor(uint8_t out[static VX6_HS_DESC_BYTES])
{
	struct vx6_hs_desc d = {.seq = 1, .period = vx6_hs_period(vx6_wall_s())};
	const struct vx6_sign_seed seed = {.b = {7}};
	struct vx6_sign_keypair service;
	size_t n;

	vx6_sign_keypair_from_seed(&seed, &service);
	assert_true(vx6_is_ok(
		vx6_hs_desc_build(&d, &service, NULL, 0, &vx6_net_default, vx6_wall_s(), out, &n)));
	return n;
}

static void puts__claims_of_services__as_descriptors(void **state)
{
	struct vx6_dht_contact c;
	struct alias_claim claim;

	alias_claim(&claim, 7, "ghost", 1, false);
	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	send_put(1, &c, 0, claim.b, claim.n);
	assert_true(vx6_is_ok(outcome[1].err));
	assert_int_equal(carol->served, 1);
	send_put(2, &c, VX6_DHT_CACHE, claim.b, claim.n);
	assert_int_equal(outcome[2].err.code, VX6_E_UNSUPPORTED);
	claim.b[4] = VX6_RTYPE_NAME; /* nobody's name is claimed by way of others */
	send_put(3, &c, 0, claim.b, claim.n);
	assert_int_equal(outcome[3].err.code, VX6_E_UNSUPPORTED);
	assert_int_equal(carol->served, 1);
	stop();
}

static void puts__descriptors_only_and_so_many(void **state)
{
	uint8_t record[VX6_HS_DESC_BYTES], other[VX6_HS_DESC_BYTES];
	struct vx6_dht_contact c;
	size_t n = descriptor(record);

	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	send_put(1, &c, 0, record, n);
	assert_true(vx6_is_ok(outcome[1].err));
	assert_true(vx6_node_id_eq(&carol->from.node, &bob->node.id.id));
	assert_int_equal(carol->served, 1);
	/* no copies, no cut ones, nothing else */
	send_put(2, &c, VX6_DHT_CACHE, record, n);
	assert_int_equal(outcome[2].err.code, VX6_E_UNSUPPORTED);
	send_put(3, &c, 0, record, n - 1);
	assert_int_equal(outcome[3].err.code, VX6_E_UNSUPPORTED);
	memcpy(other, record, n);
	other[4] = VX6_RTYPE_CATALOG;
	send_put(4, &c, 0, other, n);
	assert_int_equal(outcome[4].err.code, VX6_E_UNSUPPORTED);
	assert_int_equal(carol->served, 1);
	for (unsigned i = 1; i < DHT_PROXY_PUTS; i++) {
		send_put(10 + i, &c, 0, record, n);
		assert_true(vx6_is_ok(outcome[10 + i].err));
	}
	send_put(60, &c, 0, record, n);
	assert_int_equal(outcome[60].err.code, VX6_E_FULL);
	assert_true(vx6_is_ok(ask(61, &c)));
	/* another circuit has its own share, until all have had enough */
	assert_true(vx6_is_ok(node_dial(&alice->node, &bob->node, &bob->node.id.id, true,
					(char[VX6_DIAL_DETAIL_MAX]){0})));
	to_bob = alice->node.session;
	send_put(62, &c, 0, record, n);
	assert_true(vx6_is_ok(outcome[62].err));
	bob->proxy.puts_n = DHT_PROXY_PUTS_ALL;
	send_put(63, &c, 0, record, n);
	assert_int_equal(outcome[63].err.code, VX6_E_FULL);
	stop();
}

/* Somebody else than the node listens at each of these, were they dialled. */
static void strange_addresses__not_dialled(void **state)
{
	static const char *const at[] = {
		"127.0.0.1:4242", "[::1]:4242",   "192.168.1.1:80", "10.0.0.1:22",
		"100.64.0.1:443", "172.16.0.9:1", "169.254.1.1:80", "[fe80::1]:4242",
		"[fd00::7]:4242", "0.1.2.3:80",   "240.1.2.3:80",   "[64:ff9b::a00:1]:80",
		"[4000::1]:4242", "[::2]:4242",   "[2a00:2::1]:22", /* its own, at another port */
	};
	struct vx6_dht_contact c;
	uint32_t dials;

	start("[2a00:1::1]:0", "[2a00:2::1]:0", "[2a00:3::1]:0");
	dials = bob->proxy.dials_n;
	for (size_t i = 0; i < VX6_ARRAY_N(at); i++) {
		c = contact_at(carol, at[i]);
		assert_int_equal(ask(i, &c).code, VX6_E_REFUSED);
	}
	assert_int_equal(bob->proxy.dials_n, dials);
	c = contact_at(carol, NULL);
	assert_true(vx6_is_ok(ask(100, &c)));
	stop();
}

static void private_one__leads_to_its_like_only(void **state)
{
	struct vx6_dht_contact c;

	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, "[::1]:4242");
	assert_int_equal(ask(1, &c).code, VX6_E_REFUSED);
	c = contact_at(carol, "[fe80::1]:4242");
	assert_int_equal(ask(2, &c).code, VX6_E_REFUSED);
	c = contact_at(carol, NULL);
	assert_true(vx6_is_ok(ask(3, &c)));
	stop();
}

static void loopback_network__lives_on_loopback(void **state)
{
	struct vx6_dht_contact c;

	start("[::1]:0", "[::1]:0", "[::1]:0");
	c = contact_at(carol, NULL);
	assert_true(vx6_is_ok(ask(1, &c)));
	/* but never itself under somebody else's name */
	c.port = bob->node.at.port;
	c.node = alice->node.id.id;
	assert_int_equal(ask(2, &c).code, VX6_E_REFUSED);
	stop();
}

static void a_session_that_is_there__serves(void **state)
{
	struct vx6_dht_contact c;

	start("[2a00:1::1]:0", "[2a00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	assert_int_equal(ask(1, &c).code, VX6_E_REFUSED);
	assert_true(vx6_is_ok(node_dial(&bob->node, &carol->node, &carol->node.id.id, false,
					(char[VX6_DIAL_DETAIL_MAX]){0})));
	assert_true(vx6_is_ok(ask(2, &c)));
	assert_int_equal(bob->proxy.dials_n, 0);
	/* and when it is gone it is not dialled either */
	vx6_session_close(bob->node.session, VX6_ERR(IDLE));
	test_run_ms(20);
	assert_int_equal(ask(3, &c).code, VX6_E_REFUSED);
	stop();
}

static void dials__so_many_for_one_and_for_all(void **state)
{
	struct vx6_dht_contact c;
	vx6_err err;

	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	c.port = 1; /* nobody listens there */
	for (unsigned i = 0; i < DHT_PROXY_DIALS; i++) {
		err = ask(i, &c);
		assert_false(vx6_is_ok(err) || err.code == VX6_E_FULL);
	}
	assert_int_equal(ask(100, &c).code, VX6_E_FULL);
	/* what needs no dial is still asked */
	c = contact_at(bob, NULL);
	assert_true(vx6_is_ok(ask(101, &c)));
	/* another circuit has its own share, until all have had enough */
	assert_true(vx6_is_ok(node_dial(&alice->node, &bob->node, &bob->node.id.id, true,
					(char[VX6_DIAL_DETAIL_MAX]){0})));
	to_bob = alice->node.session;
	c = contact_at(carol, NULL);
	c.port = 1;
	err = ask(102, &c);
	assert_false(vx6_is_ok(err) || err.code == VX6_E_FULL);
	bob->proxy.dials_n = DHT_PROXY_DIALS_ALL;
	assert_int_equal(ask(103, &c).code, VX6_E_FULL);
	stop();
}

static void requests_at_once__bounded(void **state)
{
	struct vx6_dht_contact c;
	unsigned full = 0;

	start("[fd00:1::1]:0", "[fd00:2::1]:0", "[fd00:3::1]:0");
	c = contact_at(carol, NULL);
	carol->hold = true;
	for (unsigned i = 0; i < 40; i++)
		send_op(i, &c, VX6_DHT_GET);
	test_run_ms(100);
	for (unsigned i = 0; i < 40; i++)
		full += outcome[i].n == 1 && outcome[i].err.code == VX6_E_FULL;
	assert_int_equal(full, 40 - 16);
	assert_int_equal(bob->proxy.requests_n, 16);
	/* the client gives up: so does the proxy */
	for (unsigned i = 0; i < 40; i++)
		link_query_cancel(&alice->queries, i);
	test_run_ms(100);
	assert_int_equal(bob->proxy.requests_n, 0);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sent_on__the_node_sees_the_proxy),
		cmocka_unit_test(what_changes_things__refused),
		cmocka_unit_test(puts__descriptors_only_and_so_many),
		cmocka_unit_test(puts__claims_of_services__as_descriptors),
		cmocka_unit_test(strange_addresses__not_dialled),
		cmocka_unit_test(private_one__leads_to_its_like_only),
		cmocka_unit_test(loopback_network__lives_on_loopback),
		cmocka_unit_test(a_session_that_is_there__serves),
		cmocka_unit_test(dials__so_many_for_one_and_for_all),
		cmocka_unit_test(requests_at_once__bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
