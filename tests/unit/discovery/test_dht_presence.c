/* Who serves the DHT: reached from elsewhere, or dialled back by those who were asked; and what nobody is dialled for. In-memory links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/dht_link_internal.h"
#include "tests/unit/session/fixture.h"
#include "wire/code.h"

enum { HOSTS = 6, HONEST = -1 };

static struct host {
	struct test_node node; /* first */
	struct link_pool pool;
	struct link_dialbacks dialbacks;
	struct link_server server;
	struct link_presence presence;
	int lie; /* the status it answers dial-backs with; HONEST: what it really found */
	unsigned asked;
	unsigned changes;
	bool is_global;
} host[HOSTS];
#define alice (&host[0])
#define bob (&host[1])
#define carol (&host[2])
#define dave (&host[3])
#define neighbour (&host[4]) /* in the network of alice */
#define shack (&host[5])     /* in a private one */

/* ---- hosts ---- */

static size_t no_serve(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
		       size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX])
{
	return 0;
}

static bool is_global(void *user)
{
	return ((struct host *)user)->is_global;
}

static void on_changed(void *user, const struct vx6_dht_contact *own)
{
	((struct host *)user)->changes++;
}

static struct vx6_dht_contact contact_at(const struct host *h, const char *ip, uint16_t port)
{
	struct vx6_dht_contact c = {.node = h->node.id.id,
				    .port = port,
				    .via = VX6_DHT_VIA_QUIC | VX6_DHT_VIA_TCP};
	struct vx6_addr a;

	assert_true(vx6_is_ok(vx6_addr_parse(ip, &a)));
	memcpy(c.ip, a.ip, sizeof c.ip);
	return c;
}

static struct vx6_dht_contact contact_of(const struct host *h)
{
	struct vx6_dht_contact c = contact_at(h, "[::1]:0", h->node.at.port);

	memcpy(c.ip, h->node.at.ip, sizeof c.ip);
	return c;
}

static struct host *host_of(const struct vx6_node_id *id)
{
	for (int i = 0; i < HOSTS; i++)
		if (vx6_node_id_eq(&host[i].node.id.id, id))
			return &host[i];
	return NULL;
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	struct host *h = (struct host *)n;
	struct vx6_dht_contact c;

	if (vx6_session_is_anonymous(s))
		return;
	link_presence_session_up(&h->presence, link_pool_up(&h->pool, s));
	if (!vx6_session_node(s))
		return;
	/* the peer's endpoint record comes with HELLO */
	c = contact_of(host_of(vx6_session_node(s)));
	link_pool_learn(&h->pool, &c);
}

static void on_down(struct test_node *n, struct vx6_session *s, vx6_err why)
{
	struct host *h = (struct host *)n;
	struct link_session *ds = link_pool_by_id(&h->pool, vx6_session_id(s));

	if (ds)
		link_pool_down(&h->pool, ds);
}

static void lie(struct vx6_stream *stream, uint16_t status)
{
	static const uint8_t token[VX6_DHT_TOKEN_BYTES];
	uint8_t buf[VX6_RESERVE_MIN], *room;
	struct vx6_dht_resp_wr b;
	struct vx6_wr w;
	size_t cap = 0;

	assert_true(vx6_is_ok(vx6_session_answer(stream, VX6_OK)));
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_dht_resp_begin(&b, &w, VX6_DHT_DIALBACK, status, token);
	vx6_dht_resp_end(&b);
	room = vx6_stream_reserve(stream, &cap);
	assert_non_null(room);
	memcpy(room, buf, w.len);
	vx6_stream_commit(stream, w.len, true);
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct host *h = (struct host *)n;

	h->asked++;
	if (h->lie == HONEST) {
		link_server_incoming(&h->server, link_pool_by_id(&h->pool, vx6_session_id(s)),
				     stream, rest, rest_n, fin);
		return;
	}
	vx6_stream_set_events(stream, &test_stream_events, n);
	for (int i = 0; i < rest_n; i++)
		vx6_stream_consume(stream, rest[i].iov_len);
	lie(stream, (uint16_t)h->lie);
}

static const struct test_hooks hooks = {.up = on_up, .down = on_down, .incoming = on_incoming};
static const struct link_presence_times quick = {
	.tick_ms = 60, .soon_ms = 10, .keep_ms = 900, .renew_ms = 450, .pause_ms = 250};

static void host_start(struct host *h, const char *at, enum vx6_dht_mode mode)
{
	memset(h, 0, sizeof *h);
	node_start_at(&h->node, at);
	h->node.hooks = &hooks;
	h->lie = HONEST;
	link_pool_init(&h->pool,
		       &(struct link_pool_config){.loop = test_loop, .sessions = h->node.m});
	link_dialbacks_init(&h->dialbacks, test_loop, h->node.m);
	link_server_init(&h->server, &(struct link_server_config){.loop = test_loop,
								  .dialbacks = &h->dialbacks,
								  .serve = no_serve});
	link_presence_init(&h->presence, &(struct link_presence_config){.loop = test_loop,
									.sessions = h->node.m,
									.pool = &h->pool,
									.mode = mode,
									.times = &quick,
									.is_global = is_global,
									.changed = on_changed,
									.user = h});
}

static int setup(void **state)
{
	static const char *const at[HOSTS] = {"[2001:db8:1::1]:0", "[2001:db8:2::1]:0",
					      "198.51.100.7:0",    "[2001:db8:4::1]:0",
					      "[2001:db8:1::2]:0", "192.168.1.5:0"};

	test_loop_start();
	for (int i = 0; i < HOSTS; i++)
		host_start(&host[i], at[i], i == 0 ? VX6_DHT_MODE_AUTO : VX6_DHT_MODE_CLIENT);
	return 0;
}

static void host_stop(struct host *h)
{
	link_presence_fini(&h->presence);
	node_stop(&h->node);
	assert_null(h->pool.sessions);
	assert_int_equal(h->server.requests_n, 0);
	assert_int_equal(h->dialbacks.running_n, 0);
	link_pool_fini(&h->pool);
	link_dialbacks_fini(&h->dialbacks);
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

static void own_is(struct host *h, const struct vx6_dht_contact *c)
{
	link_presence_own(&h->presence, c);
}

static bool alice_serves(void *arg)
{
	return alice->presence.serving;
}

static bool alice_is_quiet(void *arg)
{
	return !alice->presence.serving;
}

/* ---- dial-backs that are asked for ---- */

static struct {
	unsigned n;
	uint16_t status;
} answer;

static void on_answered(void *user, uint64_t id, const uint8_t *in, size_t n)
{
	struct vx6_dht_resp resp;

	assert_true(vx6_is_ok(vx6_dht_resp_decode(in, n, &resp)));
	assert_int_equal(resp.op, VX6_DHT_DIALBACK);
	answer.n++;
	answer.status = resp.status;
}

static void on_failed(void *user, uint64_t id, vx6_err why)
{
	assert_true(false);
}

static bool is_answered(void *arg)
{
	return answer.n > 0;
}

static uint16_t ask_dialback(struct host *from, struct host *of)
{
	struct vx6_session *s = vx6_sessions_find(from->node.m, &of->node.id.id, VX6_DIAL_ANY);
	struct vx6_dht_req req = {.op = VX6_DHT_DIALBACK};
	struct link_queries qs;
	uint8_t buf[64];
	struct vx6_wr w;

	link_queries_init(&qs, &(struct link_queries_config){.loop = test_loop,
							     .sessions = from->node.m,
							     .pool = &from->pool,
							     .answered = on_answered,
							     .failed = on_failed});
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_dht_req_encode(&w, &req);
	answer.n = 0;
	link_query_send_over(&qs, 1, link_pool_by_id(&from->pool, vx6_session_id(s)), buf, w.len);
	test_run(is_answered, NULL);
	link_queries_fini(&qs);
	return answer.status;
}

/* What a peer says of itself from now on, as @p to hears it. */
static void tell(struct host *to, struct vx6_dht_contact c)
{
	link_pool_learn(&to->pool, &c);
}

static void dialback__of_one_who_can_be_reached__says_so_and_hangs_up(void **state)
{
	connect_to(carol, bob);
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_OK);
	test_run_ms(20);
	assert_int_equal(carol->node.ups, 2);
	assert_int_equal(carol->node.downs, 1); /* the dialled one is gone again */
	assert_int_equal(bob->node.downs, 1);
	assert_non_null(vx6_sessions_find(carol->node.m, &bob->node.id.id, VX6_DIAL_ANY));
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_QUOTA); /* once in a while */
}

static void dialback__of_one_who_cannot__says_so(void **state)
{
	struct vx6_dht_contact c = contact_of(carol);

	connect_to(carol, bob);
	c.port = 1;
	tell(bob, c);
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_TIMEOUT);
}

static void dialback__address_of_somebody_else__reached_nobody(void **state)
{
	connect_to(alice, bob);
	tell(bob, contact_at(alice, "[2001:db8:1::2]:0", neighbour->node.at.port));
	assert_int_equal(ask_dialback(alice, bob), VX6_CODE_TIMEOUT); /* proves another id */
	test_run_ms(20);
	assert_int_equal(neighbour->node.ups, neighbour->node.downs);
}

static void dialback__address_beyond_the_askers_network__never_dialled(void **state)
{
	static const char *const elsewhere[] = {"[2001:db8:9::1]:0", "203.0.113.9:0", "10.0.0.1:0",
						"127.0.0.1:0",       "[::1]:0",       "[fd00::1]:0",
						"[fe80::1]:0"};

	connect_to(alice, bob);
	for (unsigned i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
		tell(bob, contact_at(alice, elsewhere[i], 22));
		assert_int_equal(ask_dialback(alice, bob), VX6_CODE_AUTH);
		assert_int_equal(vx6_sessions_count(bob->node.m), 1);
	}
	connect_to(shack, bob);
	tell(bob, contact_at(shack, "192.168.2.1:0", 22));
	assert_int_equal(ask_dialback(shack, bob), VX6_CODE_AUTH);
	tell(bob, contact_of(shack));
	assert_int_equal(ask_dialback(shack, bob), VX6_CODE_OK); /* inside, of one who is inside */
}

static void dialback__neighbour_by_its_private_address__in_our_own_network_only(void **state)
{
	struct vx6_addr own = alice->node.at;

	connect_to(shack, alice);
	test_run_ms(5);
	tell(alice, contact_at(shack, "[2001:db8:1::9]:0", shack->node.at.port));
	assert_int_equal(ask_dialback(shack, alice), VX6_CODE_AUTH);
	link_dialbacks_own(&alice->dialbacks, &own);
	tell(alice, contact_at(shack, "[2001:db8:2::9]:0", shack->node.at.port));
	assert_int_equal(ask_dialback(shack, alice), VX6_CODE_AUTH);
	tell(alice, contact_at(shack, "[2001:db8:1::9]:0", shack->node.at.port));
	assert_int_equal(ask_dialback(shack, alice), VX6_CODE_OK);
	connect_to(bob, alice);
	test_run_ms(5);
	tell(alice, contact_at(bob, "[2001:db8:1::9]:0", bob->node.at.port));
	assert_int_equal(ask_dialback(bob, alice), VX6_CODE_AUTH); /* from outside */
}

static void dialback__record_not_known__refused(void **state)
{
	struct vx6_dht_contact c = contact_of(carol);
	struct link_session *ds;

	connect_to(carol, bob);
	ds = link_pool_by_id(&bob->pool, vx6_session_id(bob->node.session));
	assert_true(vx6_node_id_eq(&ds->peer->node, &c.node));
	ds->peer->has_contact = false;
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_AUTH);
}

static void dialback__many_askers__bounded(void **state)
{
	connect_to(carol, bob);
	for (unsigned i = 0; i < DHT_DIALBACKS_RECENT; i++) {
		bob->dialbacks.recent[i].at_ms = vx6_loop_now_ms(test_loop);
		bob->dialbacks.recent[i].node.b[0] = (uint8_t)i;
	}
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_QUOTA);
	/* and a network has its share only */
	memset(bob->dialbacks.recent, 0, sizeof bob->dialbacks.recent);
	for (unsigned i = 0; i < DHT_DIALBACKS_PREFIX; i++) {
		bob->dialbacks.recent[i].at_ms = vx6_loop_now_ms(test_loop);
		vx6_addr_prefix(&carol->node.at, bob->dialbacks.recent[i].prefix);
	}
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_QUOTA);
	bob->dialbacks.recent[0].at_ms = 0;
	assert_int_equal(ask_dialback(carol, bob), VX6_CODE_OK);
}

static void dialback__asker_leaves_meanwhile__dial_ends(void **state)
{
	struct vx6_dht_req req = {.op = VX6_DHT_DIALBACK};
	struct link_queries *qs = &carol->presence.asks;
	uint8_t buf[64];
	struct vx6_wr w;

	connect_to(carol, bob);
	test_run_ms(5);
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_dht_req_encode(&w, &req);
	link_query_send_over(qs, 1,
			     link_pool_by_id(&carol->pool, vx6_session_id(carol->node.session)),
			     buf, w.len);
	vx6_session_close(carol->node.session, VX6_ERR(IDLE));
	test_run_ms(20);
	assert_int_equal(bob->dialbacks.running_n, 0);
	assert_int_equal(bob->server.requests_n, 0);
}

/* ---- when we serve ---- */

static void presence__private_network__serves_at_once(void **state)
{
	struct vx6_dht_contact c = contact_of(shack);

	own_is(alice, &c);
	assert_true(alice->presence.serving);
	assert_int_equal(alice->changes, 1);
	alice->is_global = true; /* a node with a global address: nobody outside could ask us */
	link_presence_judge(&alice->presence);
	assert_false(alice->presence.serving);
	own_is(alice, NULL);
	assert_false(alice->presence.serving);
}

static void presence__reached_from_another_network__serves(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	own_is(alice, &c);
	assert_false(alice->presence.serving);
	connect_to(neighbour, alice);
	connect_to(shack, alice);
	neighbour->lie = shack->lie = VX6_CODE_QUOTA;
	test_run_ms(30);
	assert_false(alice->presence.serving); /* no way from outside is proved by these */
	connect_to(bob, alice);
	assert_true(alice->presence.serving);
	assert_int_equal(alice->changes, 1);
}

static void presence__dials_only__asks_to_be_dialled(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	own_is(alice, &c);
	connect_to(alice, bob);
	test_run(alice_serves, NULL);
	assert_int_equal(bob->asked, 1);
}

static void presence__words_of_liars__as_many_as_can_be_had(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	bob->lie = carol->lie = VX6_CODE_OK;
	dave->lie = VX6_CODE_QUOTA; /* says neither */
	own_is(alice, &c);
	connect_to(alice, bob);
	connect_to(alice, carol);
	connect_to(alice, dave);
	test_run_ms(60);
	assert_int_equal(bob->asked + carol->asked, 2);
	assert_false(alice->presence.serving);
	dave->lie = VX6_CODE_OK;
	test_run(alice_serves, NULL); /* three of three networks */
	dave->lie = bob->lie = VX6_CODE_TIMEOUT;
	test_run_ms(1000);
	assert_true(alice->presence.serving); /* two say no: not as many as it takes */
	carol->lie = VX6_CODE_TIMEOUT;
	test_run(alice_is_quiet, NULL);
	assert_int_equal(alice->changes, 2);
}

static void presence__neighbour_by_a_private_address__counts_as_one(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	shack->lie = VX6_CODE_OK;
	bob->lie = VX6_CODE_TIMEOUT;
	own_is(alice, &c);
	connect_to(alice, bob);
	connect_to(alice, shack);
	test_run_ms(60);
	assert_false(alice->presence.serving); /* bob is elsewhere, and his word counts alone */
	assert_int_equal(shack->asked, 0);
	vx6_session_close(vx6_sessions_find(alice->node.m, &bob->node.id.id, VX6_DIAL_ANY),
			  VX6_ERR(IDLE));
	test_run(alice_serves, NULL);
	assert_int_equal(shack->asked, 1);
}

static void presence__neighbour_only__its_word_counts(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	own_is(alice, &c);
	connect_to(alice, neighbour);
	test_run(alice_serves, NULL);
	assert_int_equal(neighbour->asked, 1);
}

static void presence__address_changes__stays_and_asks_anew(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	own_is(alice, &c);
	connect_to(bob, alice);
	assert_true(alice->presence.serving);
	c = contact_at(alice, "[2001:db8:8::1]:0", alice->node.at.port);
	own_is(alice, &c);
	assert_true(alice->presence.serving);
	assert_int_equal(alice->changes, 2);
	own_is(alice, &c);
	assert_int_equal(alice->changes, 2);
	bob->lie = VX6_CODE_TIMEOUT;
	test_run(alice_is_quiet, NULL);
	assert_true(bob->asked > 0);
}

static void presence__modes__as_told(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	alice->presence.cfg.mode = VX6_DHT_MODE_SERVER;
	own_is(alice, &c);
	assert_true(alice->presence.serving);
	own_is(alice, NULL);
	assert_false(alice->presence.serving);
	alice->presence.cfg.mode = VX6_DHT_MODE_CLIENT;
	own_is(alice, &c);
	connect_to(bob, alice);
	connect_to(alice, carol);
	test_run_ms(100);
	assert_false(alice->presence.serving);
	assert_int_equal(bob->asked + carol->asked, 0);
}

static void presence__held_back__serves_no_more_whatever_is_heard(void **state)
{
	struct vx6_dht_contact c = contact_of(alice);

	alice->presence.cfg.mode = VX6_DHT_MODE_SERVER;
	own_is(alice, &c);
	assert_true(alice->presence.serving);
	link_presence_hold_back(&alice->presence);
	assert_false(alice->presence.serving);
	own_is(alice, NULL);
	own_is(alice, &c);
	assert_false(alice->presence.serving);
	alice->presence.cfg.mode = VX6_DHT_MODE_AUTO;
	connect_to(bob, alice);
	connect_to(alice, carol);
	test_run_ms(100);
	assert_false(alice->presence.serving);
	assert_int_equal(bob->asked + carol->asked, 0);
}

#define PRESENCE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PRESENCE_TEST(dialback__of_one_who_can_be_reached__says_so_and_hangs_up),
		PRESENCE_TEST(dialback__of_one_who_cannot__says_so),
		PRESENCE_TEST(dialback__address_of_somebody_else__reached_nobody),
		PRESENCE_TEST(dialback__address_beyond_the_askers_network__never_dialled),
		PRESENCE_TEST(dialback__neighbour_by_its_private_address__in_our_own_network_only),
		PRESENCE_TEST(dialback__record_not_known__refused),
		PRESENCE_TEST(presence__neighbour_by_a_private_address__counts_as_one),
		PRESENCE_TEST(dialback__many_askers__bounded),
		PRESENCE_TEST(dialback__asker_leaves_meanwhile__dial_ends),
		PRESENCE_TEST(presence__private_network__serves_at_once),
		PRESENCE_TEST(presence__reached_from_another_network__serves),
		PRESENCE_TEST(presence__dials_only__asks_to_be_dialled),
		PRESENCE_TEST(presence__words_of_liars__as_many_as_can_be_had),
		PRESENCE_TEST(presence__neighbour_only__its_word_counts),
		PRESENCE_TEST(presence__address_changes__stays_and_asks_anew),
		PRESENCE_TEST(presence__modes__as_told),
		PRESENCE_TEST(presence__held_back__serves_no_more_whatever_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
