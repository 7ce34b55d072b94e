/* Sessions over in-memory links: who is let in, who is not, and what a stream's opening and end look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"
#include "transport/mem/mem.h"
#include "wire/code.h"
#include "wire/ctl.h"

static struct test_node alice, bob;
static char detail[VX6_DIAL_DETAIL_MAX];

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	return 0;
}

static int teardown(void **state)
{
	node_stop(&alice);
	node_stop(&bob);
	test_loop_end();
	return 0;
}

static bool both_up(void *arg)
{
	return alice.session && bob.session;
}

static void connect_both(void)
{
	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, false, detail).code, VX6_E_OK);
	test_run(both_up, NULL);
}

/* ---- who is who ---- */

static void dial__expected_node__both_sides_know_each_other(void **state)
{
	connect_both();
	assert_true(vx6_node_id_eq(vx6_session_node(bob.session), &alice.id.id));
	assert_true(vx6_node_id_eq(vx6_session_node(alice.session), &bob.id.id));
	assert_ptr_equal(vx6_sessions_find(bob.m, &alice.id.id, VX6_DIAL_ANY), bob.session);
	assert_null(vx6_sessions_find(bob.m, &bob.id.id, VX6_DIAL_ANY));
	assert_non_null(strstr(detail, "won in"));
}

static void dial__another_node_answers__wrong_peer(void **state)
{
	assert_int_equal(node_dial(&bob, &alice, &bob.id.id, false, detail).code, VX6_E_WRONG_PEER);
	assert_int_equal(bob.ups, 0);
}

static void dial__own_address__wrong_peer(void **state)
{
	assert_int_equal(node_dial(&bob, &bob, NULL, false, detail).code, VX6_E_WRONG_PEER);
	assert_int_equal(bob.ups, 0);
}

static void dial__anonymous__acceptor_sees_no_node(void **state)
{
	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, true, detail).code, VX6_E_OK);
	test_run(both_up, NULL);
	assert_null(vx6_session_node(alice.session));
	assert_non_null(vx6_session_node(bob.session));
	assert_true(vx6_session_is_anonymous(bob.session));
	assert_null(vx6_sessions_find(bob.m, &alice.id.id, VX6_DIAL_ANY));
	/* records would say who we are */
	assert_int_equal(vx6_session_send_record(bob.session, (const uint8_t *)"x", 1).code,
			 VX6_E_INVALID);
}

static void dial__anonymous_beside_a_named_session__both_stay(void **state)
{
	struct vx6_session *named;

	connect_both();
	named = bob.session;
	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, true, detail).code, VX6_E_OK);
	test_run_ms(2100); /* duplicates go after two seconds */
	assert_int_equal(bob.downs, 0);
	assert_ptr_equal(vx6_sessions_find(bob.m, &alice.id.id, VX6_DIAL_ANY), named);
}

static void dial__nobody_listens__fails_with_the_reason(void **state)
{
	struct test_node ghost = alice;

	ghost.at.port = 1;
	assert_false(vx6_is_ok(node_dial(&bob, &ghost, NULL, false, detail)));
	assert_int_equal(bob.ups, 0);
}

/* A link of its own making towards alice, below the session: what an impostor would do. */

struct rogue {
	struct test_node node;
	struct vx6_link *link;
	struct vx6_stream *control;
	bool up, down;
	const uint8_t *say;
	size_t say_n;
};

static void rogue_data(struct vx6_stream *s, const struct iovec *iov, int n, bool fin, void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(s, iov[i].iov_len);
}

static void rogue_writable(struct vx6_stream *s, void *user)
{
}

static void rogue_closed(struct vx6_stream *s, vx6_err why, uint32_t code, void *user)
{
}

static const struct vx6_stream_events rogue_stream_events = {rogue_data, rogue_writable,
							     rogue_closed};

static void rogue_up(struct vx6_link *link, void *user)
{
	struct rogue *r = user;
	size_t cap = 0;
	uint8_t *room;

	r->up = true;
	assert_true(vx6_is_ok(vx6_stream_open(link, &rogue_stream_events, r, &r->control)));
	room = vx6_stream_reserve(r->control, &cap);
	assert_true(cap >= r->say_n);
	memcpy(room, r->say, r->say_n);
	vx6_stream_commit(r->control, r->say_n, false);
}

static void rogue_stream(struct vx6_link *link, struct vx6_stream *s, void *user)
{
}

static void rogue_down(struct vx6_link *link, vx6_err why, void *user)
{
	((struct rogue *)user)->down = true;
}

static const struct vx6_link_events rogue_events = {.up = rogue_up,
						    .stream = rogue_stream,
						    .down = rogue_down};

static bool rogue_is_down(void *arg)
{
	return ((struct rogue *)arg)->down;
}

/* Says @p n bytes on a fresh control stream under its own TLS key; alice must end the link and never report it up. */
static void rogue_is_refused(const uint8_t *say, size_t n)
{
	struct rogue r = {.say = say, .say_n = n};
	struct vx6_dial how = {.to = alice.at};

	node_start(&r.node);
	assert_true(vx6_is_ok(vx6_transport_mem.dial(r.node.t, &how, &rogue_events, &r, &r.link)));
	test_run(rogue_is_down, &r);
	assert_true(r.up);
	assert_int_equal(alice.ups, 0);
	node_stop(&r.node);
}

static size_t write_hello(const struct vx6_hello *h, uint8_t out[4096])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, 4096);
	vx6_hello_encode(&w, h);
	assert_true(vx6_is_ok(w.err));
	return w.len;
}

static struct vx6_hello hello_of(const struct vx6_identity *id)
{
	return (struct vx6_hello){
		.version = 1,
		.min_version = 1,
		.role = VX6_ROLE_NODE,
		.node_id = id->id.b,
		.subkey_cert = id->subkey.cert_bytes,
	};
}

static void hello__certificate_of_another_key__refused(void **state)
{
	uint8_t say[4096];
	struct vx6_hello h = hello_of(&bob.id); /* all of bob's, but for his secret key */

	rogue_is_refused(say, write_hello(&h, say));
}

static void hello__certificate_of_another_master__refused(void **state)
{
	uint8_t say[4096];
	struct vx6_hello h = hello_of(&bob.id);

	h.node_id = alice.id.id.b;
	rogue_is_refused(say, write_hello(&h, say));
}

static void hello__from_the_future_only__refused(void **state)
{
	uint8_t say[4096];
	struct vx6_hello h = hello_of(&bob.id);

	h.version = h.min_version = 9;
	rogue_is_refused(say, write_hello(&h, say));
}

static void control__anything_before_hello__refused(void **state)
{
	uint8_t say[64];
	struct vx6_wr w;

	vx6_wr_init(&w, say, sizeof say);
	vx6_ctl_encode_ping(&w, false, 7);
	rogue_is_refused(say, w.len);
}

static void control__oversized_message__refused(void **state)
{
	static const uint8_t say[] = {VX6_CTL_HELLO, 0, 0xff, 0xff, 1, 2, 3};

	rogue_is_refused(say, sizeof say);
}

static void hello__never_sent__times_out(void **state)
{
	struct rogue r = {.say = (const uint8_t *)"\x01", .say_n = 1};
	struct vx6_dial how = {.to = alice.at};

	node_start(&r.node);
	assert_true(vx6_is_ok(vx6_transport_mem.dial(r.node.t, &how, &rogue_events, &r, &r.link)));
	test_run_ms(2200);
	assert_true(r.down);
	assert_int_equal(alice.ups, 0);
	node_stop(&r.node);
}

/* ---- streams ---- */

struct outcome {
	bool done, fin;
	vx6_err err;
	struct vx6_stream *stream;
	struct test_node *node;
};

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct outcome *o = user;

	o->done = true;
	o->err = err;
	o->fin = fin;
	o->stream = stream;
	if (!stream)
		return;
	vx6_stream_set_events(stream, &test_stream_events, o->node);
	test_stream_events.data(stream, rest, rest_n, fin, o->node);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};

static bool outcome_done(void *arg)
{
	return ((struct outcome *)arg)->done;
}

static struct vx6_opening *open_from_bob(struct outcome *o, const char *name)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE};
	struct vx6_opening *opening;

	o->node = &bob;
	strcpy(what.name, name);
	assert_true(vx6_is_ok(vx6_session_open(bob.session, &what, &opening_events, o, &opening)));
	return opening;
}

static bool alice_has_fin(void *arg)
{
	return alice.fin;
}

static bool bob_has_fin(void *arg)
{
	return bob.fin;
}

static void open__accepted__early_bytes_and_answer_arrive(void **state)
{
	struct outcome o = {.done = false};
	struct vx6_opening *opening;

	connect_both();
	opening = open_from_bob(&o, "web");
	stream_write(vx6_opening_stream(opening), "early ", false);
	test_run(outcome_done, &o);
	assert_true(vx6_is_ok(o.err));
	assert_string_equal(alice.asked, "web");
	stream_write(o.stream, "late", true);
	test_run(alice_has_fin, NULL);
	assert_int_equal(alice.got_n, 10);
	assert_memory_equal(alice.got, "early late", 10);
	/* the other direction is still open */
	stream_write(alice.stream, "answer", true);
	test_run(bob_has_fin, NULL);
	assert_memory_equal(bob.got, "answer", 6);
}

static void open__refused__reason_arrives(void **state)
{
	static const int codes[] = {VX6_E_SERVICE_UNKNOWN, VX6_E_ACCESS_REFUSED,
				    VX6_E_TARGET_UNREACHABLE};

	connect_both();
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		struct outcome o = {.done = false};

		alice.answer = (vx6_err){codes[i]};
		open_from_bob(&o, "web");
		test_run(outcome_done, &o);
		assert_int_equal(o.err.code, codes[i]);
		assert_null(o.stream);
	}
	assert_non_null(bob.session);
}

static void open__session_ends__outcome_says_so(void **state)
{
	struct outcome o = {.done = false};

	connect_both();
	vx6_mem_set_dead(alice.t, true);
	open_from_bob(&o, "web");
	vx6_session_close(bob.session, VX6_ERR(CLOSED));
	test_run(outcome_done, &o);
	assert_false(vx6_is_ok(o.err));
	assert_int_equal(bob.downs, 1);
}

static bool alice_closed(void *arg)
{
	return alice.closed > 0;
}

static void open__cancelled__peer_hears_of_it_and_no_outcome_follows(void **state)
{
	struct outcome o = {.done = false};
	struct vx6_opening *opening;

	connect_both();
	opening = open_from_bob(&o, "web");
	test_run_ms(20);
	if (!o.done) /* still waiting: cancel; it was answered at once otherwise */
		vx6_opening_cancel(opening);
	else
		vx6_stream_reset(o.stream, VX6_CODE_RESET);
	test_run(alice_closed, NULL);
	assert_int_equal(alice.closed_why.code, VX6_E_RESET);
}

static void open__name_that_is_no_label__never_leaves(void **state)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "Web"};
	struct outcome o = {.done = false};
	struct vx6_opening *opening;

	connect_both();
	assert_int_equal(vx6_session_open(bob.session, &what, &opening_events, &o, &opening).code,
			 VX6_E_INVALID);
	test_run_ms(20);
	assert_int_equal(alice.incomings, 0);
}

/* ---- life ---- */

static bool one_session_each(void *arg)
{
	return vx6_sessions_count(alice.m) == 1 && vx6_sessions_count(bob.m) == 1;
}

static void dial__from_both_sides__one_link_stays(void **state)
{
	const struct vx6_node_id *left;

	connect_both();
	assert_int_equal(node_dial(&alice, &bob, &bob.id.id, false, detail).code, VX6_E_OK);
	/* the loser goes when it is idle for a moment */
	for (int i = 0; i < 4 && !one_session_each(NULL); i++)
		test_run_ms(1000);
	assert_true(one_session_each(NULL));
	left = vx6_session_node(vx6_sessions_find(bob.m, &alice.id.id, VX6_DIAL_ANY));
	assert_true(left && vx6_node_id_eq(left, &alice.id.id));
	assert_non_null(vx6_sessions_find(alice.m, &bob.id.id, VX6_DIAL_ANY));
}

static bool bob_down(void *arg)
{
	return bob.downs > 0;
}

static void probe__peer_is_dead__session_ends_with_timeout(void **state)
{
	connect_both();
	vx6_mem_set_dead(alice.t, true);
	vx6_session_probe(bob.session, 100);
	test_run(bob_down, NULL);
	assert_int_equal(bob.last_down.code, VX6_E_TIMEOUT);
}

static void probe__peer_lives__session_stays(void **state)
{
	connect_both();
	vx6_session_probe(bob.session, 100);
	test_run_ms(200);
	assert_non_null(bob.session);
}

static void drain__no_new_streams__old_ones_go_on(void **state)
{
	struct outcome o = {.done = false};
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "web"};
	struct vx6_opening *opening;

	connect_both();
	open_from_bob(&o, "web");
	test_run(outcome_done, &o);
	vx6_sessions_drain(alice.m);
	test_run_ms(50);
	assert_int_equal(vx6_session_open(bob.session, &what, &opening_events, &o, &opening).code,
			 VX6_E_DRAINING);
	stream_write(o.stream, "still here", true);
	test_run(alice_has_fin, NULL);
	assert_memory_equal(alice.got, "still here", 10);
}

static void records__sent_together__each_arrives(void **state)
{
	uint8_t record[VX6_RECORD_MAX] = {1};

	connect_both();
	for (int i = 0; i < 20; i++)
		assert_true(vx6_is_ok(vx6_session_send_record(bob.session, record, 700)));
	assert_int_equal(vx6_session_send_record(bob.session, record, sizeof record + 1).code,
			 VX6_E_LIMIT);
	test_run_ms(50);
	assert_int_equal(alice.records, 20);
}

static void records__more_than_the_queue_takes__full(void **state)
{
	uint8_t record[VX6_RECORD_MAX] = {1};
	vx6_err err = VX6_OK;
	int n = 0;

	connect_both();
	while (vx6_is_ok(err) && n < 1000) {
		err = vx6_session_send_record(bob.session, record, sizeof record);
		n += vx6_is_ok(err);
	}
	assert_int_equal(err.code, VX6_E_FULL);
	assert_true(n > 8 && n < 64);
}

/* ---- a new online key ---- */

static void renew(struct test_node *n)
{
	struct vx6_subkey next;

	node_next_subkey(n, &next);
	assert_true(vx6_is_ok(vx6_sessions_set_key(n->m, &next)));
	n->id.subkey = next;
}

static void assert_own_key(struct vx6_session *s, const struct vx6_sign_pk *key)
{
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	assert_memory_equal(info.own_key.b, key->b, sizeof key->b);
}

static void set_key__session_is_up__it_stays_and_new_ones_use_the_new_key(void **state)
{
	struct vx6_sign_pk old = alice.id.subkey.key.pk;
	struct vx6_session *first;

	connect_both();
	first = alice.session;
	renew(&alice);
	test_run_ms(20);
	assert_ptr_equal(alice.session, first);
	assert_own_key(first, &old);

	/* dialled by the one that renewed, and by the other */
	vx6_session_close(alice.session, VX6_ERR(CLOSED));
	test_run_ms(20);
	assert_null(bob.session);
	assert_int_equal(node_dial(&alice, &bob, &bob.id.id, false, detail).code, VX6_E_OK);
	test_run(both_up, NULL);
	assert_own_key(alice.session, &alice.id.subkey.key.pk);
	vx6_session_close(alice.session, VX6_ERR(CLOSED));
	test_run_ms(20);
	connect_both();
	assert_own_key(alice.session, &alice.id.subkey.key.pk);
	assert_true(vx6_node_id_eq(vx6_session_node(bob.session), &alice.id.id));
}

struct dial_note {
	bool done;
	vx6_err err;
};

static void on_note(void *user, vx6_err err, struct vx6_session *s, const char *how)
{
	struct dial_note *note = user;

	note->done = true;
	note->err = err;
}

static void renew_in_handshake(struct test_node *renewing, struct test_node *dialling,
			       struct test_node *dialled)
{
	struct vx6_dial_request req = {.addrs = {dialled->at}, .addrs_n = 1};
	struct dial_note note = {0};
	struct vx6_sign_pk old = renewing->id.subkey.key.pk;

	vx6_mem_set_delay(dialling->t, 5 * VX6_NS_PER_MS);
	vx6_mem_set_delay(dialled->t, 5 * VX6_NS_PER_MS);
	assert_non_null(vx6_sessions_dial(dialling->m, &req, on_note, &note));
	/* the links are up after 10 ms; the acceptor's HELLO leaves after 15 */
	test_run_ms(renewing == dialling ? 2 : 12);
	assert_false(note.done);
	renew(renewing);
	test_run(both_up, NULL);
	assert_int_equal(note.err.code, VX6_E_OK);
	assert_own_key(renewing->session, &old);
}

static void set_key__during_the_handshake_of_a_dial__certificate_is_that_of_the_old_key(
	void **state)
{
	renew_in_handshake(&bob, &bob, &alice);
}

static void set_key__during_the_handshake_of_a_guest__certificate_is_that_of_the_old_key(
	void **state)
{
	renew_in_handshake(&alice, &bob, &alice);
}

#define SESSION_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(dial__expected_node__both_sides_know_each_other),
		SESSION_TEST(dial__another_node_answers__wrong_peer),
		SESSION_TEST(dial__own_address__wrong_peer),
		SESSION_TEST(dial__anonymous__acceptor_sees_no_node),
		SESSION_TEST(dial__anonymous_beside_a_named_session__both_stay),
		SESSION_TEST(dial__nobody_listens__fails_with_the_reason),
		SESSION_TEST(hello__certificate_of_another_key__refused),
		SESSION_TEST(hello__certificate_of_another_master__refused),
		SESSION_TEST(hello__from_the_future_only__refused),
		SESSION_TEST(control__anything_before_hello__refused),
		SESSION_TEST(control__oversized_message__refused),
		SESSION_TEST(hello__never_sent__times_out),
		SESSION_TEST(open__accepted__early_bytes_and_answer_arrive),
		SESSION_TEST(open__refused__reason_arrives),
		SESSION_TEST(open__session_ends__outcome_says_so),
		SESSION_TEST(open__cancelled__peer_hears_of_it_and_no_outcome_follows),
		SESSION_TEST(open__name_that_is_no_label__never_leaves),
		SESSION_TEST(dial__from_both_sides__one_link_stays),
		SESSION_TEST(probe__peer_is_dead__session_ends_with_timeout),
		SESSION_TEST(probe__peer_lives__session_stays),
		SESSION_TEST(drain__no_new_streams__old_ones_go_on),
		SESSION_TEST(records__sent_together__each_arrives),
		SESSION_TEST(records__more_than_the_queue_takes__full),
		SESSION_TEST(set_key__session_is_up__it_stays_and_new_ones_use_the_new_key),
		SESSION_TEST(
			set_key__during_the_handshake_of_a_dial__certificate_is_that_of_the_old_key),
		SESSION_TEST(
			set_key__during_the_handshake_of_a_guest__certificate_is_that_of_the_old_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
