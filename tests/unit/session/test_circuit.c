/* Sessions over circuits: who is let in by what proof, what such a session carries, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "circuits.h"
#include "session/session_internal.h"
#include "tests/unit/vectors.h"
#include "wire/code.h"

static struct test_node alice, bob; /* alice is at the end of bob's circuits */
static struct circuit c, other;

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

/* ---- who is who ---- */

static void adopt__identified__both_know_each_other_and_nobody_else_is_told(void **state)
{
	circuit_open(&c, &bob, &alice, circuit_how(&alice, 7));
	assert_true(vx6_node_id_eq(vx6_session_node(c.s[CLIENT]), &alice.id.id));
	assert_true(vx6_node_id_eq(vx6_session_node(c.s[SERVER]), &bob.id.id));
	assert_true(vx6_session_is_circuit(c.s[CLIENT]) && vx6_session_is_circuit(c.s[SERVER]));
	assert_int_equal(vx6_session_route(c.s[CLIENT]), 7);
	assert_int_equal(vx6_session_route(c.s[SERVER]), VX6_ROUTE_ACCEPTED);
	assert_int_equal(alice.ups + bob.ups, 0);
	assert_ptr_equal(vx6_sessions_find_route(bob.m, &alice.id.id, 7), c.s[CLIENT]);
	assert_null(vx6_sessions_find_route(bob.m, &alice.id.id, 8));
	assert_null(vx6_sessions_find_route(bob.m, &bob.id.id, 7));
	assert_null(vx6_sessions_find(bob.m, &alice.id.id, VX6_DIAL_ANY));
	assert_null(vx6_sessions_find(alice.m, &bob.id.id, VX6_DIAL_ANY));
	assert_null(vx6_sessions_find_dialed(bob.m, &(struct vx6_addr){0}, VX6_DIAL_ANY));
	circuit_end(&c);
	assert_int_equal(c.downs[CLIENT] + c.downs[SERVER], 2);
	assert_int_equal(alice.downs + bob.downs, 0);
	assert_null(vx6_sessions_find_route(bob.m, &alice.id.id, 7));
}

static void adopt__anonymous__acceptor_knows_nobody(void **state)
{
	struct vx6_adopt how = circuit_how(&alice, 7);

	how.anonymous = true;
	circuit_open(&c, &bob, &alice, how);
	assert_null(vx6_session_node(c.s[SERVER]));
	assert_true(vx6_node_id_eq(vx6_session_node(c.s[CLIENT]), &alice.id.id));
	assert_true(vx6_session_is_anonymous(c.s[CLIENT]));
	circuit_end(&c);
}

static void at_up_adopt(struct circuit *at)
{
	circuit_adopt(at, circuit_how(&alice, 7));
}

static void adopt__link_that_is_up__works_the_same(void **state)
{
	circuit_start(&c, &bob, &alice);
	c.raw[CLIENT] = true;
	c.at_up = at_up_adopt;
	circuit_dial(&c, circuit_how(&alice, 7));
	test_run(circuit_is_up, &c);
	assert_ptr_equal(vx6_sessions_find_route(bob.m, &alice.id.id, 7), c.s[CLIENT]);
	circuit_end(&c);
}

static void adopt__another_node_at_the_end__wrong_peer(void **state)
{
	circuit_start(&c, &bob, &alice);
	circuit_dial(&c, circuit_how(&bob, 7));
	test_run(circuit_is_down, &c);
	assert_int_equal(c.why[CLIENT].code, VX6_E_WRONG_PEER);
	assert_int_equal(c.ups[CLIENT], 0);
	circuit_end(&c);
}

static void adopt__link_ends_before_hello__told_although_never_up(void **state)
{
	circuit_start(&c, &bob, &alice);
	c.raw[SERVER] = true; /* and says nothing */
	circuit_dial(&c, circuit_how(&alice, 7));
	test_run_ms(5);
	circuit_cut(&c);
	test_run(circuit_is_down, &c);
	assert_int_equal(c.ups[CLIENT], 0);
	assert_int_equal(c.downs[CLIENT], 1);
	circuit_end(&c);
}

/* ---- proofs ---- */

/* What @p n says on a circuit with @p binding, as its initiator or not; @p proof NULL: none. */
static void hello_of(struct circuit *at, const struct test_node *n, uint8_t role,
		     const uint8_t *proof)
{
	struct vx6_hello h = {.version = 1,
			      .min_version = 1,
			      .features = VX6_FEAT_SERVICE | VX6_FEAT_RESUME,
			      .role = role};
	struct vx6_wr w;

	if (role != VX6_ROLE_ANON) {
		h.node_id = n->id.id.b;
		h.subkey_cert = n->id.subkey.cert_bytes;
		h.proof = proof;
	}
	vx6_wr_init(&w, at->hello, sizeof at->hello);
	vx6_hello_encode(&w, &h);
	assert_true(vx6_is_ok(w.err));
	at->hello_n = w.len;
}

static struct vx6_sig proof_by(const struct test_node *n, const struct vx6_link *link,
			       bool initiator)
{
	struct vx6_link_info info;
	struct vx6_sig sig;

	vx6_link_info(link, &info);
	assert_true(vx6_is_ok(hello_proof_make(&n->id.subkey.key, &n->id.net, initiator,
					       info.channel_binding, &sig)));
	return sig;
}

/* bob's end of the link is made up by the test; what he says has to wait for the link, which has the binding. */
enum lie { NO_LIE, NO_PROOF, CHANGED, OF_ANOTHER_LINK, OF_THE_OTHER_ROLE, BY_ANOTHER_KEY };

static void say_when_up(struct circuit *at, enum lie lie)
{
	const struct vx6_link *of = lie == OF_ANOTHER_LINK ? other.link[CLIENT] : at->link[CLIENT];
	struct vx6_sig sig =
		proof_by(lie == BY_ANOTHER_KEY ? &alice : &bob, of, lie != OF_THE_OTHER_ROLE);
	size_t cap = 0;
	uint8_t *room;

	sig.b[3] ^= lie == CHANGED;
	hello_of(at, &bob, VX6_ROLE_NODE, lie == NO_PROOF ? NULL : sig.b);
	room = vx6_stream_reserve(at->control, &cap);
	assert_true(cap >= at->hello_n);
	memcpy(room, at->hello, at->hello_n);
	vx6_stream_commit(at->control, at->hello_n, false);
}

static bool has_control(void *arg)
{
	return ((struct circuit *)arg)->control != NULL;
}

static bool server_is_up_or_down(void *arg)
{
	struct circuit *at = arg;

	return at->ups[SERVER] || at->downs[SERVER];
}

static void raw_client(struct circuit *at)
{
	circuit_start(at, &bob, &alice);
	at->raw[CLIENT] = true;
	circuit_dial(at, circuit_how(&alice, 7));
	test_run(has_control, at);
}

static void hello__made_up_proofs__only_the_right_one_is_let_in(void **state)
{
	for (enum lie lie = NO_LIE; lie <= BY_ANOTHER_KEY; lie++) {
		raw_client(&other);
		raw_client(&c);
		say_when_up(&c, lie);
		test_run(server_is_up_or_down, &c);
		assert_int_equal(c.ups[SERVER], lie == NO_LIE);
		if (lie != NO_LIE)
			assert_int_equal(c.why[SERVER].code, VX6_E_WRONG_PEER);
		circuit_end(&c);
		circuit_end(&other);
	}
}

static void hello__anonymous_acceptor__refused(void **state)
{
	circuit_start(&c, &bob, &alice);
	c.raw[SERVER] = true;
	hello_of(&c, &alice, VX6_ROLE_ANON, NULL);
	circuit_dial(&c, circuit_how(&alice, 7));
	test_run(circuit_is_down, &c);
	assert_int_equal(c.why[CLIENT].code, VX6_E_WRONG_PEER);
	circuit_end(&c);
}

static struct vx6_link *keyed;
static struct vx6_stream *keyed_control;
static bool keyed_down;

static void on_keyed_up(struct vx6_link *link, void *user)
{
	static const struct vx6_stream_events none = {.data = NULL};
	struct vx6_sig sig = proof_by(&bob, link, true);
	size_t cap = 0;
	uint8_t *room;

	hello_of(&c, &bob, VX6_ROLE_NODE, sig.b);
	assert_true(vx6_is_ok(vx6_stream_open(link, &none, NULL, &keyed_control)));
	room = vx6_stream_reserve(keyed_control, &cap);
	memcpy(room, c.hello, c.hello_n);
	vx6_stream_commit(keyed_control, c.hello_n, false);
}

static void on_keyed_down(struct vx6_link *link, vx6_err why, void *user)
{
	keyed_down = true;
}

static bool is_keyed_down(void *arg)
{
	return keyed_down;
}

static void hello__proof_on_a_link_with_keys__refused(void **state)
{
	static const struct vx6_link_events events = {.up = on_keyed_up, .down = on_keyed_down};
	struct vx6_dial how = {.to = alice.at};

	keyed_down = false;
	assert_true(vx6_is_ok(vx6_transport_mem.dial(bob.t, &how, &events, NULL, &keyed)));
	test_run(is_keyed_down, NULL);
	assert_int_equal(alice.ups, 0);
}

static void proof__golden_bytes(void **state)
{
	cJSON *vectors = vec_load("hellos");
	int seen = 0;

	VEC_EACH(v, vectors)
	{
		struct vx6_sign_keypair key;
		struct vx6_sign_seed seed;
		struct vx6_sig sig;
		uint8_t binding[VX6_CB_BYTES], proof[VX6_HELLO_PROOF_BYTES];
		bool initiator;

		if (!cJSON_GetObjectItem(v, "proof"))
			continue;
		seen++;
		vec_hex(v, "signer_seed", seed.b, sizeof seed.b);
		vec_hex(v, "binding", binding, sizeof binding);
		vec_hex(v, "proof", proof, sizeof proof);
		initiator = vec_num(v, "part") == 1;
		vx6_sign_keypair_from_seed(&seed, &key);
		assert_true(vx6_is_ok(
			hello_proof_make(&key, &vx6_net_default, initiator, binding, &sig)));
		assert_memory_equal(sig.b, proof, sizeof proof);
		assert_true(vx6_is_ok(
			hello_proof_check(&key.pk, &vx6_net_default, initiator, binding, proof)));
		assert_false(vx6_is_ok(
			hello_proof_check(&key.pk, &vx6_net_default, !initiator, binding, proof)));
		binding[0] ^= 1;
		assert_false(vx6_is_ok(
			hello_proof_check(&key.pk, &vx6_net_default, initiator, binding, proof)));
		vx6_sign_keypair_wipe(&key);
	}
	vec_free(vectors);
	assert_int_equal(seen, 2);
}

/* ---- streams ---- */

struct outcome {
	bool done;
	vx6_err err;
	struct vx6_stream *stream;
};

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	struct outcome *o = user;

	o->done = true;
	o->err = err;
	o->stream = stream;
	if (!stream)
		return;
	vx6_stream_set_events(stream, &test_stream_events, &bob);
	test_stream_events.data(stream, rest, rest_n, fin, &bob);
}

static const struct vx6_opening_events opening_events = {.outcome = on_outcome};

static bool is_done(void *arg)
{
	return ((struct outcome *)arg)->done;
}

static vx6_err open_on(struct vx6_session *s, struct outcome *o, struct vx6_opening **opening)
{
	struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "web"};

	*o = (struct outcome){.done = false};
	return vx6_session_open(s, &what, &opening_events, o, opening);
}

static bool alice_has_fin(void *arg)
{
	return alice.fin;
}

/* Streams opened at the moment when the link is up: HELLO can not have come back. */
static struct {
	struct vx6_adopt how;
	struct outcome o;
	struct vx6_opening *opening;
	vx6_err err;
} early;

static void at_up_open(struct circuit *at)
{
	circuit_adopt(at, early.how);
	assert_int_equal(at->s[CLIENT]->state, SESSION_HELLO);
	early.err = open_on(at->s[CLIENT], &early.o, &early.opening);
	if (vx6_is_ok(early.err))
		stream_write(vx6_opening_stream(early.opening), "early", true);
}

static void open_early(struct vx6_adopt how)
{
	c.raw[CLIENT] = true;
	c.at_up = at_up_open;
	early.how = how;
	circuit_dial(&c, how);
}

static void open__before_the_peers_hello__right_behind_ours(void **state)
{
	for (int anonymous = 0; anonymous < 2; anonymous++) {
		struct vx6_adopt how = circuit_how(&alice, 7);

		how.anonymous = anonymous;
		alice.got_n = 0;
		alice.fin = false;
		circuit_start(&c, &bob, &alice);
		open_early(how);
		test_run(is_done, &early.o);
		assert_true(vx6_is_ok(early.err) && vx6_is_ok(early.o.err));
		test_run(alice_has_fin, NULL);
		assert_memory_equal(alice.got, "early", 5);
		assert_string_equal(alice.asked, "web");
		assert_int_equal(c.ups[CLIENT], 1);
		circuit_end(&c);
	}
}

static void open__not_proven__waits_for_hello(void **state)
{
	struct vx6_adopt how = circuit_how(&alice, 7);
	struct vx6_opening *opening;
	struct outcome o;

	how.proven = false;
	circuit_start(&c, &bob, &alice);
	open_early(how);
	test_run(circuit_is_up, &c);
	assert_int_equal(early.err.code, VX6_E_CLOSED);
	assert_true(vx6_is_ok(open_on(c.s[CLIENT], &o, &opening)));
	test_run(is_done, &o);
	assert_true(vx6_is_ok(o.err));
	circuit_end(&c);
}

static void open__early_and_hello_is_wrong__stream_ends(void **state)
{
	circuit_start(&c, &bob, &alice);
	c.raw[SERVER] = true;
	hello_of(&c, &alice, VX6_ROLE_NODE, NULL);
	open_early(circuit_how(&alice, 7));
	test_run(is_done, &early.o);
	assert_true(vx6_is_ok(early.err));
	assert_int_equal(early.o.err.code, VX6_E_WRONG_PEER);
	test_run(circuit_is_down, &c);
	assert_int_equal(c.why[CLIENT].code, VX6_E_WRONG_PEER);
	circuit_end(&c);
	assert_int_equal(vx6_sessions_resumable(bob.m), 0);
}

/* ---- what else it carries, and does not ---- */

static bool was_ignored(void *arg)
{
	return vx6_sessions_circuit_ignored(alice.m) == 4;
}

static void records__neither_given_nor_taken(void **state)
{
	uint8_t msg[VX6_CTL_HEADER + VX6_NODE_ID_BYTES], out[VX6_CTL_MAX];
	struct vx6_have have = {.tag = 1};
	uint64_t tag = 1;
	struct vx6_wr w;
	size_t mark;

	circuit_open(&c, &bob, &alice, circuit_how(&alice, 7));
	assert_int_equal(vx6_session_send_record(c.s[CLIENT], (const uint8_t *)"x", 1).code,
			 VX6_E_INVALID);
	assert_int_equal(vx6_session_want_records(c.s[SERVER], &bob.id.id).code, VX6_E_INVALID);
	assert_int_equal(vx6_session_send_have(c.s[CLIENT], &have, 1).code, VX6_E_INVALID);
	assert_int_equal(vx6_session_send_get(c.s[CLIENT], &tag, 1).code, VX6_E_INVALID);

	vx6_wr_init(&w, msg, sizeof msg);
	vx6_ctl_encode_records_want(&w, alice.id.id.b);
	control_send(c.s[CLIENT], msg, w.len);
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_get(&w, &tag, 1);
	control_send(c.s[CLIENT], out, w.len);
	vx6_wr_init(&w, out, sizeof out);
	vx6_ctl_encode_have(&w, &have, 1);
	control_send(c.s[CLIENT], out, w.len);
	vx6_wr_init(&w, out, sizeof out);
	mark = vx6_ctl_begin(&w, VX6_CTL_RECORDS, 0);
	assert_true(vx6_ctl_records_add(&w, mark, (const uint8_t[200]){0}, 200));
	vx6_ctl_end(&w, mark);
	control_send(c.s[CLIENT], out, w.len);
	test_run(was_ignored, NULL);
	assert_int_equal(alice.records + alice.wanted, 0);
	circuit_end(&c);
}

static bool is_silent_no_more(void *arg)
{
	return !vx6_timer_is_armed(&((struct vx6_session *)arg)->probe);
}

static bool server_down(void *arg)
{
	return c.downs[SERVER];
}

static void ping_and_goaway__as_on_any_session(void **state)
{
	circuit_open(&c, &bob, &alice, circuit_how(&alice, 7));
	vx6_session_probe(c.s[CLIENT], 1000);
	assert_true(vx6_timer_is_armed(&c.s[CLIENT]->probe));
	test_run(is_silent_no_more, c.s[CLIENT]);
	vx6_session_close(c.s[CLIENT], VX6_ERR(REVOKED));
	test_run(server_down, NULL);
	assert_int_equal(c.why[SERVER].code, VX6_E_REVOKED);
	circuit_end(&c);
}

static void count_one(struct vx6_session *s, void *user)
{
	++*(int *)user;
}

static void each__circuits_apart(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];
	int direct = 0, circuits = 0;

	circuit_open(&c, &bob, &alice, circuit_how(&alice, 7));
	assert_int_equal(node_dial(&bob, &alice, &alice.id.id, false, detail).code, VX6_E_OK);
	vx6_sessions_each(bob.m, count_one, &direct);
	vx6_sessions_each_circuit(bob.m, count_one, &circuits);
	assert_int_equal(direct, 1);
	assert_int_equal(circuits, 1);
	/* the node stays known by what is left */
	circuit_end(&c);
	assert_non_null(vx6_sessions_find(bob.m, &alice.id.id, VX6_DIAL_ANY));
}

static void find_route__several_to_one_node__the_best(void **state)
{
	circuit_start(&other, &bob, &alice);
	circuit_delay(&other, 20);
	circuit_dial(&other, circuit_how(&alice, 7));
	test_run(circuit_is_up, &other);
	circuit_open(&c, &bob, &alice, circuit_how(&alice, 7));
	test_run_ms(100); /* round trips are known */
	assert_ptr_equal(vx6_sessions_find_route(bob.m, &alice.id.id, 7), c.s[CLIENT]);
	circuit_silence(&c, true);
	vx6_session_probe(c.s[CLIENT], 1000);
	assert_ptr_equal(vx6_sessions_find_route(bob.m, &alice.id.id, 7), other.s[CLIENT]);
	test_run_ms(2500); /* no duplicate of the other */
	assert_int_equal(other.downs[CLIENT], 0);
	assert_int_equal(c.why[CLIENT].code, VX6_E_TIMEOUT);
	circuit_end(&c);
	circuit_end(&other);
}

/* ---- the end of the manager ---- */

static void free__with_live_circuits__told_and_let_go(void **state)
{
	struct vx6_opening *opening;
	struct outcome answered, waiting;

	circuit_open(&c, &bob, &alice, circuit_how(&alice, 7));
	circuit_start(&other, &bob, &alice); /* and one in the middle of its HELLO */
	other.raw[SERVER] = true;
	circuit_dial(&other, circuit_how(&alice, 8));
	assert_true(vx6_is_ok(open_on(c.s[CLIENT], &answered, &opening)));
	test_run(is_done, &answered);
	alice.silent = true;
	assert_true(vx6_is_ok(open_on(c.s[CLIENT], &waiting, &opening)));
	node_stop(&bob);
	assert_true(waiting.done);
	assert_int_equal(c.downs[CLIENT], 1);
	assert_int_equal(other.downs[CLIENT], 1);
	test_run(server_down, NULL); /* the circuit's other end hears of it */
	circuit_end(&c);
	circuit_end(&other);
	node_start(&bob);
}

static void drain__nothing_is_adopted_any_more(void **state)
{
	struct vx6_adopt how = circuit_how(&alice, 7);
	struct vx6_session *s = NULL;

	circuit_open(&c, &bob, &alice, how);
	vx6_sessions_drain(bob.m);
	assert_null(vx6_sessions_find_route(bob.m, &alice.id.id, 7));
	assert_int_equal(vx6_sessions_adopt(bob.m, c.link[CLIENT], &how, &s).code, VX6_E_DRAINING);
	circuit_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(adopt__identified__both_know_each_other_and_nobody_else_is_told),
		T(adopt__anonymous__acceptor_knows_nobody),
		T(adopt__link_that_is_up__works_the_same),
		T(adopt__another_node_at_the_end__wrong_peer),
		T(adopt__link_ends_before_hello__told_although_never_up),
		T(hello__made_up_proofs__only_the_right_one_is_let_in),
		T(hello__anonymous_acceptor__refused),
		T(hello__proof_on_a_link_with_keys__refused),
		T(proof__golden_bytes),
		T(open__before_the_peers_hello__right_behind_ours),
		T(open__not_proven__waits_for_hello),
		T(open__early_and_hello_is_wrong__stream_ends),
		T(records__neither_given_nor_taken),
		T(ping_and_goaway__as_on_any_session),
		T(each__circuits_apart),
		T(find_route__several_to_one_node__the_best),
		T(free__with_live_circuits__told_and_let_go),
		T(drain__nothing_is_adopted_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
