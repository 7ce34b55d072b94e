/* Requests of the DHT over sessions, both ways: dials, streams, budgets, the warm pool; over in-memory links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/dht_link_internal.h"
#include "tests/unit/session/fixture.h"
#include "transport/mem/mem.h"
#include "wire/code.h"

enum { HOSTS = 4, OUTCOMES = 1024 };

/* A node with all parts but the DHT itself. */
static struct host {
	struct test_node node; /* first */
	struct link_pool pool;
	struct link_queries queries;
	struct link_dialbacks dialbacks;
	struct link_server server;
	/* what it answers with */
	size_t answer_n;
	unsigned served;
	bool hold;    /* streams are taken and left alone */
	bool hang_up; /* the next stream's session is closed instead */
	bool needed;  /* its sessions are, by somebody */
	size_t known;
	struct vx6_dht_requester from;
	uint8_t req[VX6_DHT_REQ_MAX];
	size_t req_n;
	struct vx6_endpoint others; /* what it knows of anybody it dials */
} host[HOSTS];
#define alice (&host[0])
#define bob (&host[1])
#define carol (&host[2])

static struct outcome {
	unsigned n;
	vx6_err err;
	size_t resp_n;
	uint8_t first;
} outcome[OUTCOMES];
static unsigned outcomes;

static void on_answered(void *user, uint64_t id, const uint8_t *resp, size_t n)
{
	outcomes++;
	outcome[id].n++;
	outcome[id].err = VX6_OK;
	outcome[id].resp_n = n;
	outcome[id].first = n ? resp[0] : 0;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(resp[i], resp[0]);
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
	h->req_n = n;
	memcpy(h->req, req, n);
	memset(out, 0x42, h->answer_n);
	return h->answer_n;
}

static bool on_needed(void *user, const struct vx6_session *s)
{
	return ((struct host *)user)->needed;
}

static size_t on_known(void *user)
{
	return ((struct host *)user)->known;
}

static bool on_endpoint(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out)
{
	*out = ((struct host *)user)->others;
	return true;
}

static void on_up(struct test_node *n, struct vx6_session *s)
{
	struct host *h = (struct host *)n;

	if (!vx6_session_is_anonymous(s))
		link_pool_up(&h->pool, s);
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

	assert_int_equal(what->kind, VX6_OPEN_DHT);
	n->stream = stream;
	if (h->hang_up) {
		h->hang_up = false;
		vx6_session_close(s, VX6_ERR(IDLE));
	} else if (h->hold) {
		vx6_stream_set_events(stream, &test_stream_events, n);
	} else {
		link_server_incoming(&h->server, link_pool_by_id(&h->pool, vx6_session_id(s)),
				     stream, rest, rest_n, fin);
	}
}

static const struct test_hooks hooks = {.up = on_up, .down = on_down, .incoming = on_incoming};

static void host_start(struct host *h, const char *at)
{
	memset(h, 0, sizeof *h);
	node_start_at(&h->node, at);
	h->node.hooks = &hooks;
	h->answer_n = 46;
	link_pool_init(&h->pool, &(struct link_pool_config){.loop = test_loop,
							    .sessions = h->node.m,
							    .warm_max = 2,
							    .is_needed = on_needed,
							    .needed_user = h,
							    .known = on_known,
							    .known_user = h});
	link_queries_init(&h->queries, &(struct link_queries_config){.loop = test_loop,
								     .sessions = h->node.m,
								     .pool = &h->pool,
								     .endpoint = on_endpoint,
								     .endpoint_user = h,
								     .answered = on_answered,
								     .failed = on_failed});
	h->queries.allow_loopback = true;
	link_dialbacks_init(&h->dialbacks, test_loop, h->node.m);
	link_server_init(&h->server, &(struct link_server_config){.loop = test_loop,
								  .dialbacks = &h->dialbacks,
								  .serve = on_serve,
								  .user = h});
}

static int setup(void **state)
{
	static const char *const at[HOSTS] = {"[::1]:0", "[::1]:0", "[::1]:0", "[::1]:0"};

	test_loop_start();
	for (int i = 0; i < HOSTS; i++)
		host_start(&host[i], at[i]);
	memset(outcome, 0, sizeof outcome);
	outcomes = 0;
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < HOSTS; i++) {
		link_queries_fini(&host[i].queries);
		node_stop(&host[i].node);
		assert_int_equal(host[i].server.requests_n, 0);
		assert_null(host[i].pool.sessions);
		assert_null(host[i].pool.peers);
		assert_int_equal(host[i].pool.warm_n, 0);
		link_pool_fini(&host[i].pool);
		link_dialbacks_fini(&host[i].dialbacks);
	}
	test_loop_end();
	return 0;
}

/* ---- asking ---- */

static struct vx6_dht_contact contact_of(const struct host *h)
{
	struct vx6_dht_contact c = {.node = h->node.id.id,
				    .port = h->node.at.port,
				    .via = VX6_DHT_VIA_QUIC | VX6_DHT_VIA_TCP};

	memcpy(c.ip, h->node.at.ip, sizeof c.ip);
	return c;
}

static void send_at(struct host *from, uint64_t id, const struct vx6_dht_contact *to, size_t n)
{
	uint8_t req[VX6_DHT_REQ_MAX];
	unsigned before = outcomes;

	memset(req, 7, sizeof req);
	link_query_send(&from->queries, id, to, req, n);
	assert_int_equal(outcomes, before); /* never inside the call */
}

static void send_to(struct host *from, uint64_t id, const struct host *to)
{
	struct vx6_dht_contact c = contact_of(to);

	send_at(from, id, &c, 35);
}

static unsigned outcomes_wanted;
static bool told(void *arg)
{
	return outcomes >= outcomes_wanted;
}

static void wait_for(unsigned n)
{
	outcomes_wanted = n;
	test_run(told, NULL);
	assert_int_equal(outcomes, n);
}

static int ask(struct host *from, uint64_t id, const struct host *to)
{
	send_to(from, id, to);
	wait_for(outcomes + 1);
	assert_int_equal(outcome[id].n, 1);
	return outcome[id].err.code;
}

static void query__no_session__dials_once_and_stays_warm(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);

	assert_null(link_pool_find(&alice->pool, &c));
	assert_int_equal(ask(alice, 1, bob), VX6_E_OK);
	assert_int_equal(outcome[1].resp_n, 46);
	assert_int_equal(outcome[1].first, 0x42);
	assert_int_equal(bob->req_n, 35);
	assert_int_equal(bob->req[34], 7);
	assert_true(bob->from.has_node);
	assert_true(vx6_node_id_eq(&bob->from.node, &alice->node.id.id));
	assert_memory_equal(bob->from.ip, alice->node.at.ip, 16);
	assert_non_null(link_pool_find(&alice->pool, &c));
	assert_int_equal(ask(alice, 2, bob), VX6_E_OK);
	assert_int_equal(bob->node.ups, 1);
	assert_int_equal(alice->pool.warm_n, 1);
	assert_int_equal(bob->pool.warm_n, 0);
	/* and back over the same session */
	assert_int_equal(ask(bob, 3, alice), VX6_E_OK);
	assert_int_equal(alice->node.ups, 1);
}

static void query__many_for_one_contact__share_a_dial(void **state)
{
	for (unsigned i = 0; i < 50; i++)
		send_to(alice, i, bob);
	wait_for(50);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(outcome[i].err.code, VX6_E_OK);
	assert_int_equal(bob->node.ups, 1);
	assert_int_equal(bob->served, 50);
}

static void query__largest_request_and_answer__whole(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);

	bob->answer_n = VX6_DHT_RESPONSE_MAX;
	for (unsigned i = 0; i < 20; i++)
		send_at(alice, i, &c, VX6_DHT_REQ_MAX);
	wait_for(20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(outcome[i].err.code, VX6_E_OK);
		assert_int_equal(outcome[i].resp_n, VX6_DHT_RESPONSE_MAX);
	}
	assert_int_equal(bob->req_n, VX6_DHT_REQ_MAX);
}

static void query__nobody_there__fails(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);

	c.port = 1;
	send_at(alice, 1, &c, 35);
	wait_for(1);
	assert_false(vx6_is_ok(outcome[1].err));
	c.via = 0;
	send_at(alice, 2, &c, 35);
	wait_for(2);
	assert_int_equal(outcome[2].err.code, VX6_E_UNREACHABLE);
}

static void query__private_node_with_several_addresses__all_are_tried(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);
	struct vx6_addr a;

	alice->others.n_addrs = 1;
	alice->others.addrs[0].via = VX6_VIA_TCP;
	assert_true(vx6_is_ok(vx6_addr_parse("192.168.7.7:0", &alice->others.addrs[0].addr)));
	alice->others.addrs[0].addr.port = c.port;
	c.port = 1;
	send_at(alice, 1, &c, 35);
	wait_for(1);
	assert_int_equal(outcome[1].err.code, VX6_E_OK);
	/* an address elsewhere proves nothing of a global one */
	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8:5::1]:0", &a)));
	memcpy(c.ip, a.ip, sizeof c.ip);
	send_at(alice, 2, &c, 35);
	wait_for(2);
	assert_false(vx6_is_ok(outcome[2].err));
	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8:5:1::2]:0", &a)));
	a.port = alice->others.addrs[0].addr.port;
	alice->others.addrs[0].addr = a;
	send_at(alice, 3, &c, 35);
	wait_for(3);
	assert_int_equal(outcome[3].err.code, VX6_E_OK);
}

static void query__another_node_answers__wrong_peer(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);

	c.node = carol->node.id.id;
	send_at(alice, 1, &c, 35);
	wait_for(1);
	assert_int_equal(outcome[1].err.code, VX6_E_WRONG_PEER);
	assert_int_equal(bob->served, 0);
}

static void query__addresses_of_this_host__only_where_the_network_is_local(void **state)
{
	static const char *const never[] = {"[fe80::1]:5", "[ff02::1]:5", "[::]:5", "0.0.0.0:5"};
	struct vx6_dht_contact c = contact_of(bob);
	struct vx6_addr a;

	for (unsigned i = 0; i < sizeof never / sizeof never[0]; i++) {
		assert_true(vx6_is_ok(vx6_addr_parse(never[i], &a)));
		memcpy(c.ip, a.ip, sizeof c.ip);
		send_at(alice, i, &c, 35);
		assert_int_equal(alice->queries.ways_n, 0);
	}
	wait_for(4);
	alice->queries.allow_loopback = false;
	assert_int_equal(ask(alice, 4, bob), VX6_E_UNREACHABLE);
	assert_int_equal(bob->node.ups, 0);
}

static void query__cancelled_at_each_point__no_word(void **state)
{
	send_to(alice, 1, bob); /* dialling, alone */
	link_query_cancel(&alice->queries, 1);
	assert_int_equal(alice->queries.ways_n, 0);
	send_to(alice, 2, bob); /* dialling, one of two */
	send_to(alice, 3, bob);
	link_query_cancel(&alice->queries, 2);
	wait_for(1);
	assert_int_equal(outcome[3].n, 1);
	send_to(alice, 4, bob); /* OPEN is written */
	link_query_cancel(&alice->queries, 4);
	bob->hold = true;
	bob->node.stream = NULL;
	send_to(alice, 5, bob); /* asked, not answered */
	test_run_ms(20);
	assert_non_null(bob->node.stream);
	link_query_cancel(&alice->queries, 5);
	test_run_ms(20);
	assert_null(bob->node.stream);
	send_to(alice, 6, bob); /* half an answer */
	test_run_ms(20);
	assert_true(vx6_is_ok(vx6_session_answer(bob->node.stream, VX6_OK)));
	stream_write(bob->node.stream, "half", false);
	test_run_ms(20);
	link_query_cancel(&alice->queries, 6);
	link_query_cancel(&alice->queries, 6); /* harmless */
	test_run_ms(20);
	assert_null(bob->node.stream);
	assert_int_equal(outcomes, 1);
	assert_null(alice->queries.by_id);
}

static void query__cancelled_while_queued__no_word(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);

	vx6_mem_set_delay(alice->node.t, 20 * 1000000ull);
	for (unsigned i = 0; i < VX6_DHT_DIALS_MAX + 10; i++) {
		c.port = (uint16_t)(20000 + i);
		send_at(alice, i, &c, 35);
	}
	assert_int_equal(alice->queries.queued_n, 10);
	link_query_cancel(&alice->queries, VX6_DHT_DIALS_MAX + 3);
	assert_int_equal(alice->queries.queued_n, 9);
	link_query_cancel(&alice->queries, 0); /* its dial makes room for one of them */
	assert_int_equal(alice->queries.queued_n, 8);
	assert_int_equal(alice->queries.ways_n, VX6_DHT_DIALS_MAX);
	wait_for(VX6_DHT_DIALS_MAX + 8);
}

static void query__too_many_dials__queued_then_refused(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);
	unsigned n = VX6_DHT_DIALS_MAX + DHT_QUEUE_MAX + 20, full = 0;

	vx6_mem_set_delay(alice->node.t, 5 * 1000000ull);
	for (unsigned i = 0; i < n; i++) {
		c.port = (uint16_t)(20000 + i);
		send_at(alice, i, &c, 35);
		assert_true(alice->queries.ways_n <= VX6_DHT_DIALS_MAX);
		assert_true(alice->queries.queued_n <= DHT_QUEUE_MAX);
	}
	wait_for(n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(outcome[i].n, 1);
		full += outcome[i].err.code == VX6_E_FULL;
	}
	assert_int_equal(full, 20);
	assert_int_equal(alice->queries.ways_n, 0);
	assert_int_equal(alice->queries.queued_n, 0);
}

static void query__session_dies_under_it__dialled_once_more(void **state)
{
	assert_int_equal(ask(alice, 1, bob), VX6_E_OK);
	bob->hang_up = true;
	assert_int_equal(ask(alice, 2, bob), VX6_E_OK);
	assert_int_equal(bob->node.ups, 2);
	assert_int_equal(bob->served, 2);
}

static void query__answer_is_refused_or_broken__fails(void **state)
{
	static uint8_t much[VX6_DHT_RESPONSE_MAX + 1];
	struct vx6_stream *s;
	size_t done = 0;

	bob->answer_n = 0;
	assert_int_equal(ask(alice, 1, bob), VX6_E_UNSUPPORTED);
	bob->hold = true;
	send_to(alice, 2, bob); /* the answer ends without FIN */
	test_run_ms(20);
	assert_true(vx6_is_ok(vx6_session_answer(bob->node.stream, VX6_OK)));
	stream_write(bob->node.stream, "half", false);
	vx6_stream_reset(bob->node.stream, VX6_CODE_INTERNAL);
	wait_for(2);
	assert_false(vx6_is_ok(outcome[2].err));
	send_to(alice, 3, bob); /* more than anybody may say */
	test_run_ms(20);
	s = bob->node.stream;
	assert_true(vx6_is_ok(vx6_session_answer(s, VX6_OK)));
	while (done < sizeof much) {
		size_t cap = 0, n;
		uint8_t *room = vx6_stream_reserve(s, &cap);

		assert_non_null(room);
		n = cap < sizeof much - done ? cap : sizeof much - done;
		memset(room, 1, n);
		vx6_stream_commit(s, n, false);
		done += n;
	}
	wait_for(3);
	assert_int_equal(outcome[3].err.code, VX6_E_LIMIT);
	test_run_ms(20);
	assert_null(bob->node.stream); /* reset */
}

/* ---- being asked ---- */

static struct vx6_session *connect_to(struct host *from, struct host *to, bool anonymous)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_int_equal(node_dial(&from->node, &to->node, &to->node.id.id, anonymous, detail).code,
			 VX6_E_OK);
	test_run_ms(10);
	return from->node.session;
}

static unsigned refusals, openings;
static vx6_err refusal;

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	openings++;
	if (stream) {
		vx6_stream_set_events(stream, &test_stream_events, user);
		for (int i = 0; i < rest_n; i++)
			vx6_stream_consume(stream, rest[i].iov_len);
	} else {
		refusals++;
		refusal = err;
	}
}

static struct vx6_opening *raw_open(struct vx6_session *s, struct host *h, const char *text,
				    bool fin)
{
	static const struct vx6_opening_events ev = {.outcome = on_outcome};
	struct vx6_open what = {.kind = VX6_OPEN_DHT};
	struct vx6_opening *o = NULL;

	assert_true(vx6_is_ok(vx6_session_open(s, &what, &ev, &h->node, &o)));
	if (text)
		stream_write(vx6_opening_stream(o), text, fin);
	return o;
}

static void serve__too_many_at_once__quota_for_the_rest(void **state)
{
	struct vx6_session *s = connect_to(alice, bob, false);

	refusals = openings = 0;
	for (unsigned i = 0; i < 70; i++)
		raw_open(s, alice, "begun", false);
	test_run_ms(50);
	assert_int_equal(refusals, 6);
	assert_int_equal(refusal.code, vx6_code_to_err(VX6_CODE_QUOTA).code);
	assert_int_equal(bob->server.requests_n, 64);
	assert_int_equal(bob->served, 0);
	vx6_session_close(s, VX6_ERR(IDLE));
	test_run_ms(50);
	assert_int_equal(bob->server.requests_n, 0);
}

static void serve__anonymous__less_of_everything(void **state)
{
	struct vx6_session *s = connect_to(alice, bob, true);

	refusals = openings = 0;
	for (unsigned i = 0; i < 20; i++)
		raw_open(s, alice, "begun", false);
	test_run_ms(50);
	assert_int_equal(refusals, 4);
	vx6_session_close(s, VX6_ERR(IDLE));
	test_run_ms(50);
	s = connect_to(alice, bob, true);
	refusals = openings = 0;
	for (unsigned i = 0; i < 130; i++) {
		raw_open(s, alice, "whole", true);
		test_run_ms(1);
	}
	test_run_ms(50);
	assert_int_equal(bob->served, 120);
	assert_int_equal(refusals, 10);
	assert_false(bob->from.has_node);
}

static void serve__many_a_minute__quota(void **state)
{
	struct vx6_session *s = connect_to(alice, bob, false);

	refusals = openings = 0;
	for (unsigned i = 0; i < 620; i++) {
		raw_open(s, alice, "whole", true);
		if (i % 20 == 19)
			test_run_ms(2);
	}
	test_run_ms(50);
	assert_int_equal(openings, 620);
	assert_int_equal(bob->served, 600);
	assert_int_equal(refusals, 20);
	assert_int_equal(bob->server.refused, 20);
}

static void serve__in_pieces__put_together(void **state)
{
	struct vx6_session *s = connect_to(alice, bob, false);
	struct vx6_opening *o = raw_open(s, alice, NULL, false);

	test_run_ms(10);
	stream_write(vx6_opening_stream(o), "one", false);
	test_run_ms(10);
	stream_write(vx6_opening_stream(o), "two", false);
	test_run_ms(10);
	assert_int_equal(bob->served, 0);
	stream_write(vx6_opening_stream(o), "", true);
	test_run_ms(10);
	assert_int_equal(bob->served, 1);
	assert_int_equal(bob->req_n, 6);
	assert_memory_equal(bob->req, "onetwo", 6);
	raw_open(s, alice, "", true); /* nothing at all: the core says what it thinks of that */
	test_run_ms(10);
	assert_int_equal(bob->served, 2);
	assert_int_equal(bob->req_n, 0);
}

static void serve__longer_than_any_request__refused(void **state)
{
	struct vx6_session *s = connect_to(alice, bob, false);
	struct vx6_opening *o = raw_open(s, alice, NULL, false);
	static char much[VX6_DHT_REQ_MAX / 2 + 2];

	refusals = openings = 0;
	memset(much, 'x', sizeof much - 1);
	stream_write(vx6_opening_stream(o), much, false);
	test_run_ms(10);
	stream_write(vx6_opening_stream(o), much, false);
	test_run_ms(10);
	assert_int_equal(refusals, 1);
	assert_int_equal(refusal.code, VX6_E_LIMIT);
	assert_int_equal(bob->server.requests_n, 0);
	assert_int_equal(bob->served, 0);
}

/* ---- the pool ---- */

static void pool__more_than_it_keeps__least_recently_used_goes(void **state)
{
	struct vx6_dht_contact c = contact_of(bob), d = contact_of(carol);

	assert_int_equal(ask(alice, 1, bob), VX6_E_OK);
	assert_int_equal(ask(alice, 2, carol), VX6_E_OK);
	assert_int_equal(ask(alice, 3, bob), VX6_E_OK);
	assert_int_equal(ask(alice, 4, &host[3]), VX6_E_OK);
	test_run_ms(20);
	assert_int_equal(alice->pool.warm_n, 2);
	assert_non_null(link_pool_find(&alice->pool, &c));
	assert_null(link_pool_find(&alice->pool, &d));
	assert_int_equal(carol->node.downs, 1);
}

static void pool__sessions_that_others_use__stay(void **state)
{
	alice->needed = true;
	for (int i = 1; i < HOSTS; i++)
		assert_int_equal(ask(alice, (uint64_t)i, &host[i]), VX6_E_OK);
	test_run_ms(20);
	assert_int_equal(alice->node.downs, 0);
}

static void pool__node_is_known_by_two_addresses__prefix_decides(void **state)
{
	struct vx6_dht_contact c = contact_of(bob);
	struct vx6_addr a;

	connect_to(alice, bob, false);
	assert_non_null(link_pool_find(&alice->pool, &c));
	assert_true(vx6_is_ok(vx6_addr_parse("10.1.2.3:5", &a)));
	memcpy(c.ip, a.ip, sizeof c.ip);
	assert_non_null(link_pool_find(&alice->pool, &c)); /* private: binds nothing */
	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8:7::1]:5", &a)));
	memcpy(c.ip, a.ip, sizeof c.ip);
	assert_null(link_pool_find(&alice->pool, &c));
	assert_false(link_pool_learn(&alice->pool, &c));
	/* met there once: from then on any of its sessions will do */
	c.port = bob->node.at.port;
	send_at(alice, 1, &c, 35);
	wait_for(1);
	assert_int_equal(outcome[1].err.code, VX6_E_OK);
	assert_int_equal(bob->node.ups, 2);
	test_run_ms(2200); /* one of the two links goes */
	assert_true(link_pool_learn(&alice->pool, &c));
	send_at(alice, 2, &c, 35);
	wait_for(2);
	assert_int_equal(bob->node.ups, 2);
}

#define STREAM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(query__no_session__dials_once_and_stays_warm),
		STREAM_TEST(query__many_for_one_contact__share_a_dial),
		STREAM_TEST(query__largest_request_and_answer__whole),
		STREAM_TEST(query__nobody_there__fails),
		STREAM_TEST(query__private_node_with_several_addresses__all_are_tried),
		STREAM_TEST(query__another_node_answers__wrong_peer),
		STREAM_TEST(query__addresses_of_this_host__only_where_the_network_is_local),
		STREAM_TEST(query__cancelled_at_each_point__no_word),
		STREAM_TEST(query__cancelled_while_queued__no_word),
		STREAM_TEST(query__too_many_dials__queued_then_refused),
		STREAM_TEST(query__session_dies_under_it__dialled_once_more),
		STREAM_TEST(query__answer_is_refused_or_broken__fails),
		STREAM_TEST(serve__too_many_at_once__quota_for_the_rest),
		STREAM_TEST(serve__anonymous__less_of_everything),
		STREAM_TEST(serve__many_a_minute__quota),
		STREAM_TEST(serve__in_pieces__put_together),
		STREAM_TEST(serve__longer_than_any_request__refused),
		STREAM_TEST(pool__more_than_it_keeps__least_recently_used_goes),
		STREAM_TEST(pool__sessions_that_others_use__stay),
		STREAM_TEST(pool__node_is_known_by_two_addresses__prefix_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
