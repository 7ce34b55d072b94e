/* Hidden services at the end of circuits, and those who come to them: what their sessions tell of the nodes behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "circuits.h"
#include "session/session_internal.h"
#include "wire/code.h"

enum { ROUTE = 7, SCOPE = 5 };

static struct test_node alice, bob; /* alice has the hidden service, bob comes to it */
static struct vx6_identity ghost;
static struct circuit a, b;

static int setup(void **state)
{
	test_loop_start();
	node_start(&alice);
	node_start(&bob);
	assert_true(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, vx6_wall_s(), &ghost)));
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	return 0;
}

static int teardown(void **state)
{
	struct circuit *all[] = {&a, &b};

	for (size_t i = 0; i < 2; i++)
		if (all[i]->t[CLIENT])
			circuit_end(all[i]);
	node_stop(&alice);
	node_stop(&bob);
	vx6_identity_wipe(&ghost);
	test_loop_end();
	return 0;
}

static struct vx6_adopt to_ghost(void)
{
	return (struct vx6_adopt){.initiator = true,
				  .anonymous = true,
				  .proven = true,
				  .expect_node = true,
				  .hidden = true,
				  .node = ghost.id,
				  .route = ROUTE};
}

static void start(struct circuit *c)
{
	circuit_start(c, &bob, &alice);
	c->accept = (struct vx6_adopt){.as = &ghost, .scope = SCOPE};
}

static void open_circuit(struct circuit *c)
{
	start(c);
	circuit_dial(c, to_ghost());
	test_run(circuit_is_up, c);
}

/* ---- who is there ---- */

static void adopt__as_a_service__that_is_who_answers(void **state)
{
	open_circuit(&a);
	assert_true(vx6_node_id_eq(vx6_session_node(a.s[CLIENT]), &ghost.id));
	assert_null(vx6_session_node(a.s[SERVER]));
	assert_int_equal(vx6_session_scope(a.s[SERVER]), SCOPE);
	assert_int_equal(vx6_session_scope(a.s[CLIENT]), 0);
	assert_int_equal(resume_via(a.s[SERVER]).scope, SCOPE);
	assert_int_equal(resume_via(a.s[CLIENT]).scope, 0);
	assert_ptr_equal(vx6_sessions_find_route(bob.m, &ghost.id, ROUTE), a.s[CLIENT]);
	assert_null(vx6_sessions_find_route(bob.m, &alice.id.id, ROUTE));
	/* that it was met is kept by neither */
	assert_int_equal(vx6_hwm_mem_count(bob.marks), 0);
	assert_int_equal(vx6_hwm_mem_count(alice.marks), 0);
}

static void adopt__the_node_itself__has_no_scope(void **state)
{
	circuit_open(&a, &bob, &alice, circuit_how(&alice, ROUTE));
	assert_int_equal(vx6_session_scope(a.s[SERVER]), 0);
	assert_int_equal(resume_via(a.s[SERVER]).scope, 0);
	assert_int_not_equal(vx6_hwm_mem_count(bob.marks), 0);
}

/* ---- what it says ---- */

static bool has_heard(void *arg)
{
	return ((struct circuit *)arg)->heard_n > 0;
}

static void say(struct circuit *c, const struct vx6_hello *h)
{
	struct vx6_wr w;

	vx6_wr_init(&w, c->hello, sizeof c->hello);
	vx6_hello_encode(&w, h);
	assert_true(vx6_is_ok(w.err));
	c->hello_n = w.len;
}

static struct vx6_hello anonymous_hello(void)
{
	return (struct vx6_hello){.version = 1,
				  .min_version = 1,
				  .features = UINT64_MAX,
				  .role = VX6_ROLE_ANON};
}

static bool contains(const struct circuit *c, const uint8_t *p, size_t n)
{
	for (size_t at = 0; at + n <= c->heard_n; at++)
		if (memcmp(c->heard + at, p, n) == 0)
			return true;
	return false;
}

static void hello__of_a_service__tells_nothing_of_its_node(void **state)
{
	struct vx6_hello said = anonymous_hello(), h;
	struct vx6_ctl m;
	size_t used;

	start(&a);
	a.raw[CLIENT] = true;
	say(&a, &said);
	circuit_dial(&a, to_ghost());
	test_run(has_heard, &a);
	assert_true(vx6_is_ok(vx6_ctl_decode(a.heard, a.heard_n, &m, &used)));
	assert_int_equal(m.type, VX6_CTL_HELLO);
	assert_int_equal(used, a.heard_n);
	assert_true(vx6_is_ok(vx6_hello_decode(m.body, m.body_len, &h)));
	assert_int_equal(h.clock_ms, 0);
	assert_int_equal(h.observed.family, VX6_ADDR_NONE);
	assert_int_equal(h.features, VX6_FEAT_SERVICE | VX6_FEAT_RESUME);
	assert_int_equal(h.role, VX6_ROLE_NODE);
	assert_null(h.endpoint);
	assert_null(h.revocation);
	assert_memory_equal(h.node_id, ghost.id.b, sizeof ghost.id.b);
	assert_memory_equal(h.subkey_cert, ghost.subkey.cert_bytes, sizeof ghost.subkey.cert_bytes);
	assert_false(contains(&a, alice.id.id.b, sizeof alice.id.id.b));
	assert_false(contains(&a, alice.id.subkey.key.pk.b, sizeof alice.id.subkey.key.pk.b));
	assert_false(contains(&a, alice.id.subkey.cert.parent_fp,
			      sizeof alice.id.subkey.cert.parent_fp));
}

/* ---- who comes ---- */

static bool server_is_down(void *arg)
{
	return ((struct circuit *)arg)->downs[SERVER];
}

/*
 * Somebody by name, whoever it is: a proof of the circuit is not even made.
 * @param flip a bit of the certificate; 0: none @return bytes of what came back behind HELLO
 */
static size_t named_hello(const struct test_node *who, uint8_t flip, uint8_t *out)
{
	static const uint8_t proof[VX6_HELLO_PROOF_BYTES];
	uint8_t cert[VX6_SUBKEY_CERT_BYTES];
	struct vx6_hello said = anonymous_hello();
	struct vx6_ctl m;
	size_t used, n;

	said.role = VX6_ROLE_NODE;
	said.node_id = who->id.id.b;
	memcpy(cert, who->id.subkey.cert_bytes, sizeof cert);
	cert[sizeof cert - 1] ^= flip;
	said.subkey_cert = cert;
	said.proof = proof;
	start(&a);
	a.raw[CLIENT] = true;
	say(&a, &said);
	circuit_dial(&a, to_ghost());
	test_run(server_is_down, &a);
	assert_int_equal(a.why[SERVER].code, VX6_E_WRONG_PEER);
	test_run_ms(5);
	assert_true(vx6_is_ok(vx6_ctl_decode(a.heard, a.heard_n, &m, &used)));
	n = a.heard_n - used; /* behind HELLO, whose proof is of this circuit */
	memcpy(out, a.heard + used, n);
	circuit_end(&a);
	memset(&a, 0, sizeof a);
	return n;
}

/* To find the node behind a service one would name it, or somebody of whom only it knows something. */
static void hello__names_somebody__refused_whoever_it_is(void **state)
{
	struct vx6_hwm_key known = {.type = VX6_HWM_CERT};
	struct vx6_hwm mark = {.seq = bob.id.subkey.cert.cert_seq + 10};
	uint8_t first[256], again[256];
	size_t first_n = named_hello(&bob, 0, first);
	struct vx6_goaway g;
	struct vx6_ctl m;
	size_t used;

	assert_true(vx6_is_ok(vx6_ctl_decode(first, first_n, &m, &used)));
	assert_true(vx6_is_ok(vx6_ctl_decode_goaway(&m, &g)));
	assert_int_equal(g.code, VX6_CODE_WRONG_PEER);
	assert_string_equal(g.reason, "");
	/* the node itself, and anybody else by a certificate that is none */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(named_hello(i & 1 ? &alice : &bob, i & 2, again), first_n);
		assert_memory_equal(again, first, first_n);
	}
	/* one whose newer certificate it has */
	memcpy(known.subject, bob.id.id.b, sizeof known.subject);
	assert_true(vx6_is_ok(alice.store.put(alice.store.user, &known, &mark)));
	assert_int_equal(named_hello(&bob, 0, again), first_n);
	assert_memory_equal(again, first, first_n);
	assert_int_equal(vx6_hwm_mem_count(alice.marks), 1);
}

/* ---- streams ---- */

static struct outcome {
	bool done;
	vx6_err err;
	struct vx6_stream *stream;
} opened;

static struct test_node *opener;

static void on_outcome(void *user, vx6_err err, struct vx6_stream *stream, const struct iovec *rest,
		       int rest_n, bool fin)
{
	opened = (struct outcome){.done = true, .err = err, .stream = stream};
	if (!stream)
		return;
	vx6_stream_set_events(stream, &test_stream_events, opener);
	test_stream_events.data(stream, rest, rest_n, fin, opener);
}

static bool is_done(void *arg)
{
	return opened.done;
}

static void open_on(struct vx6_session *s, struct test_node *who)
{
	static const struct vx6_opening_events events = {.outcome = on_outcome};
	const struct vx6_open what = {.kind = VX6_OPEN_SERVICE, .name = "hidden"};
	struct vx6_opening *opening;

	opener = who;
	opened.done = false;
	assert_true(vx6_is_ok(vx6_session_open(s, &what, &events, NULL, &opening)));
	test_run(is_done, NULL);
}

static bool alice_has_all(void *arg)
{
	return alice.got_n == 10;
}

static void stream__its_circuit_is_lost__goes_on_over_the_next_to_the_service(void **state)
{
	open_circuit(&a);
	open_on(a.s[CLIENT], &bob);
	assert_true(vx6_is_ok(opened.err));
	stream_write(opened.stream, "first", false);
	test_run_ms(5);
	circuit_cut(&a);
	test_run(server_is_down, &a);
	open_circuit(&b);
	test_run_ms(5);
	stream_write(opened.stream, "again", false);
	test_run(alice_has_all, NULL);
	assert_memory_equal(alice.got, "firstagain", 10);
	assert_int_equal(alice.incomings, 1);
}

/* By what he has to offer, or a stream that both have elsewhere, the service would know who its client is. */
static void stream__opened_to_an_anonymous_initiator__refused_unread(void **state)
{
	open_circuit(&a);
	open_on(a.s[SERVER], &alice);
	assert_int_equal(opened.err.code, VX6_E_REFUSED);
	assert_int_equal(bob.incomings, 0);
	assert_int_equal(bob.downs, 0);
}

static void stream__opened_on_an_anonymous_link__refused_unread(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_true(vx6_is_ok(node_dial(&bob, &alice, &alice.id.id, true, detail)));
	test_run_ms(5);
	assert_non_null(alice.session);
	open_on(alice.session, &alice);
	assert_int_equal(opened.err.code, VX6_E_REFUSED);
	assert_int_equal(bob.incomings, 0);
}

/* ---- the node goes ---- */

static bool heard_goaway(const struct circuit *c)
{
	size_t at = 0, used;
	struct vx6_ctl m;

	for (; vx6_is_ok(vx6_ctl_decode(c->heard + at, c->heard_n - at, &m, &used)); at += used)
		if (m.type == VX6_CTL_GOAWAY)
			return true;
	return false;
}

static void drain__of_a_services_node__not_told(void **state)
{
	struct vx6_hello said = anonymous_hello();

	open_circuit(&b);
	start(&a);
	a.raw[CLIENT] = true;
	say(&a, &said);
	circuit_dial(&a, to_ghost());
	test_run(has_heard, &a);
	vx6_sessions_drain(alice.m);
	test_run_ms(50);
	assert_false(heard_goaway(&a));
	assert_true(vx6_session_takes_streams(b.s[CLIENT]));
	open_on(b.s[CLIENT], &bob);
	assert_int_equal(opened.err.code, VX6_E_DRAINING);
	assert_int_equal(alice.incomings, 0);
}

static void drain__of_an_anonymous_clients_node__not_told(void **state)
{
	open_circuit(&a);
	vx6_sessions_drain(bob.m);
	test_run_ms(50);
	assert_true(vx6_session_takes_streams(a.s[SERVER]));
	assert_false(vx6_session_takes_streams(a.s[CLIENT]));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(adopt__as_a_service__that_is_who_answers),
		T(adopt__the_node_itself__has_no_scope),
		T(hello__of_a_service__tells_nothing_of_its_node),
		T(hello__names_somebody__refused_whoever_it_is),
		T(stream__its_circuit_is_lost__goes_on_over_the_next_to_the_service),
		T(stream__opened_to_an_anonymous_initiator__refused_unread),
		T(stream__opened_on_an_anonymous_link__refused_unread),
		T(drain__of_a_services_node__not_told),
		T(drain__of_an_anonymous_clients_node__not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
