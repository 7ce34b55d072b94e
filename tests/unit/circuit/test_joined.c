/* Two circuits that a relay joins, from end to end: a session between two who each know only their own circuit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "relay_rig.h"
#include "tests/unit/circuit/tapp.h"
#include "tests/unit/circuit/tnode.h"
#include "wire/code.h"
#include "wire/hs.h"

/* The client's circuit: relays 0, 1, X; the owner's: 2, 3, X. */
enum { RELAYS = 5, X = RELAYS - 1, LEG = 3 };

static struct relay_node relays[RELAYS];
static struct tnode echoes; /* counts what is echoed */

struct side {
	struct test_node n; /* first: hooks are given it */
	struct vx6_hop_sched *sched;
	struct vx6_origin *origin;
	struct vx6_circuit *c;
	struct vx6_session *s;
	bool acceptor, lazy; /* lazy: joins when the test says so */
	bool at_once;        /* joins as soon as the circuit is there */
	int built, down, drains, pongs, pong_hop, said_n;
	uint8_t said;
	vx6_err why;
	int fault;
};
static struct side client, owner;

static uint8_t cookie[VX6_REND_COOKIE]; /* of the latest meeting */
static uint8_t keys[VX6_CIRCUIT_JOIN_KEYS], kh[VX6_CB_BYTES];

/* ---- what is heard ---- */

static void join(struct side *s);

static void join(struct side *s);

static void on_built(void *user, struct vx6_circuit *c)
{
	struct side *s = user;

	s->built++;
	if (s->at_once)
		join(s);
}

static void on_draining(void *user, struct vx6_circuit *c, int hop, uint16_t code)
{
	((struct side *)user)->drains++;
}

static void on_pong(void *user, struct vx6_circuit *c, int hop, uint32_t rtt_us)
{
	struct side *s = user;

	s->pongs++;
	s->pong_hop = hop;
}

static void on_said(void *user, struct vx6_circuit *c, uint8_t type, const uint8_t *data, size_t n)
{
	struct side *s = user;
	uint16_t code;

	s->said = type;
	s->said_n++;
	if (type == VX6_PAYLOAD_RENDEZVOUS2) {
		assert_int_equal(n, VX6_REND_ANSWER);
		if (!s->lazy)
			join(s);
		return;
	}
	assert_true(vx6_is_ok(vx6_hs_code_decode(data, n, &code)));
	assert_int_equal(code, VX6_CODE_OK);
}

static void on_down(void *user, struct vx6_circuit *c, vx6_err why, int hop)
{
	struct side *s = user;

	s->c = NULL;
	s->down++;
	s->why = why;
	s->fault = hop;
}

static const struct vx6_circuit_events events = {.built = on_built,
						 .draining = on_draining,
						 .pong = on_pong,
						 .said = on_said,
						 .down = on_down};

static bool is_built(void *arg)
{
	struct side *s = arg;

	return s->built || s->down;
}

static bool is_down(void *arg)
{
	return ((struct side *)arg)->down > 0;
}

static bool has_pong(void *arg)
{
	return ((struct side *)arg)->pongs > 0;
}

static bool is_joined(void *arg)
{
	return client.s && owner.s;
}

static bool has_answer(void *arg)
{
	return client.said == VX6_PAYLOAD_RENDEZVOUS2;
}

static bool waits(void *arg)
{
	return client.said == VX6_PAYLOAD_REND_ESTABLISHED;
}

static bool none_left(void *arg)
{
	for (int i = 0; i < RELAYS; i++)
		if (relay_stats(&relays[i]).circuits)
			return false;
	return true;
}

/* ---- setting up ---- */

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	if (what->kind == VX6_OPEN_CIRCUIT)
		vx6_relay_incoming(((struct relay_node *)(void *)n)->relay, s, stream, rest, rest_n,
				   fin);
	else
		tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.incoming = on_incoming};

static void side_start(struct side *s, const char *at, bool acceptor)
{
	memset(s, 0, sizeof *s);
	s->acceptor = acceptor;
	node_start_at(&s->n, at);
	s->n.hooks = &hooks;
	s->sched = vx6_hop_sched_new(test_loop, 64 << 20);
	s->origin = vx6_origin_new(&(struct vx6_origin_config){
		.loop = test_loop, .sessions = s->n.m, .sched = s->sched, .net = &vx6_net_default});
}

static int setup(void **state)
{
	test_loop_start();
	vx6_random_bytes(keys, sizeof keys);
	vx6_random_bytes(kh, sizeof kh);
	memset(&echoes, 0, sizeof echoes);
	side_start(&client, "[2001:db8:1::1]:0", false);
	side_start(&owner, "[2001:db8:2::1]:0", true);
	for (int i = 0; i < RELAYS; i++) {
		char at[32];

		snprintf(at, sizeof at, "[2001:db8:%d::1]:0", i + 3);
		relay_start(&relays[i], at, NULL);
		relays[i].n.hooks = &hooks;
	}
	return 0;
}

static int teardown(void **state)
{
	vx6_origin_free(client.origin);
	vx6_origin_free(owner.origin);
	for (int i = 0; i < RELAYS; i++)
		relay_stop(&relays[i]);
	node_stop(&client.n);
	node_stop(&owner.n);
	vx6_hop_sched_free(client.sched);
	vx6_hop_sched_free(owner.sched);
	test_loop_end();
	return 0;
}

static void hop_of(const struct relay_node *r, struct vx6_circuit_hop *out)
{
	struct vx6_onion_keys_view view;

	vx6_onion_keys_view(r->keys, &view);
	*out = (struct vx6_circuit_hop){.node = r->n.id.id,
					.record = r->record,
					.record_n = r->record_n};
	memcpy(out->onion_key, view.key[0].pk.b, sizeof out->onion_key);
}

static struct vx6_payload word_of(uint8_t data[static VX6_RENDEZVOUS1_BYTES])
{
	memset(data, 0, VX6_RENDEZVOUS1_BYTES);
	memcpy(data, cookie, sizeof cookie);
	return (struct vx6_payload){.type = VX6_PAYLOAD_RENDEZVOUS1,
				    .data = data,
				    .n = VX6_RENDEZVOUS1_BYTES};
}

/* With a word for the last one, all in one go or one by one. */
static vx6_err build_saying(struct side *s, bool nest, const struct vx6_payload *word)
{
	struct vx6_circuit_plan p = {.hops_n = LEG,
				     .anonymous = true,
				     .nest = nest,
				     .timeout_ms = 3000};

	hop_of(&relays[2], &p.hop[0]);
	hop_of(&relays[3], &p.hop[1]);
	hop_of(&relays[X], &p.hop[2]);
	p.hop[2].word = *word;
	s->built = s->down = s->said = 0;
	s->s = NULL;
	return vx6_circuit_build(s->origin, &p, &events, s, &s->c);
}

static void build(struct side *s)
{
	struct vx6_circuit_plan p = {.hops_n = LEG, .anonymous = true, .timeout_ms = 3000};

	hop_of(&relays[s->acceptor ? 2 : 0], &p.hop[0]);
	hop_of(&relays[s->acceptor ? 3 : 1], &p.hop[1]);
	hop_of(&relays[X], &p.hop[2]);
	s->built = s->down = s->said = 0;
	s->s = NULL;
	assert_true(vx6_is_ok(vx6_circuit_build(s->origin, &p, &events, s, &s->c)));
	test_run(is_built, s);
	assert_int_equal(s->built, 1);
}

/* Adds the other end, and makes a session with it. */
static void join(struct side *s)
{
	const struct side *far = s->acceptor ? &client : &owner;
	const struct vx6_circuit_join j = {.keys = keys,
					   .kh = kh,
					   .far = &far->n.id.id,
					   .acceptor = s->acceptor};
	const struct vx6_adopt how = {.initiator = !s->acceptor,
				      .anonymous = !s->acceptor,
				      .proven = !s->acceptor,
				      .expect_node = !s->acceptor,
				      .node = owner.n.id.id,
				      .route = 1};

	assert_true(vx6_is_ok(vx6_circuit_join(s->c, &j)));
	assert_true(vx6_is_ok(vx6_sessions_adopt(s->n.m, vx6_circuit_link(s->c), &how, &s->s)));
}

static void ask(void)
{
	assert_true(vx6_is_ok(
		vx6_circuit_say(client.c, VX6_PAYLOAD_ESTABLISH_REND, cookie, sizeof cookie)));
}

static void come(void)
{
	uint8_t data[VX6_RENDEZVOUS1_BYTES] = {0};

	memcpy(data, cookie, sizeof cookie);
	assert_true(
		vx6_is_ok(vx6_circuit_say(owner.c, VX6_PAYLOAD_RENDEZVOUS1, data, sizeof data)));
	join(&owner);
}

static void meet(void)
{
	vx6_random_bytes(cookie, sizeof cookie);
	build(&client);
	build(&owner);
	ask();
	test_run(waits, NULL);
	come();
	test_run(client.lazy ? has_answer : is_joined, NULL);
}

/* ---- what works ---- */

static void joined__streams_both_ways__bytes_come_back(void **state)
{
	static struct app a, b;
	struct vx6_circuit_info info;
	uint8_t binding[VX6_CB_BYTES];

	meet();
	for (int i = 0; i < 2; i++) {
		const struct side *s = i ? &owner : &client, *far = i ? &client : &owner;

		vx6_circuit_info(s->c, &info);
		assert_true(info.joined);
		assert_int_equal(info.hops_n, LEG + 1);
		assert_int_equal(info.built_n, LEG + 1);
		assert_memory_equal(info.hop[LEG].node.b, far->n.id.id.b, sizeof far->n.id.id.b);
		assert_true(vx6_circuit_binding(s->c, binding));
		assert_memory_equal(binding, kh, sizeof kh);
	}
	app_open(&a, client.s, 5000001);
	app_open(&b, client.s, 1000001);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
	patient_run(app_has_all, &b);
	assert_echoed(&b);
	assert_int_equal(relay_stats(&relays[X]).joined, 2);
	for (int i = 0; i < RELAYS; i++)
		assert_int_equal(relay_stats(&relays[i]).violations, 0);
	assert_int_equal(client.down + owner.down, 0);
}

static void joined__many_streams_at_once__all_come_back(void **state)
{
	static struct app a[16];

	meet();
	for (int i = 0; i < 16; i++)
		app_open(&a[i], client.s, 100000 + 1000 * (uint64_t)i);
	for (int i = 0; i < 16; i++) {
		patient_run(app_has_all, &a[i]);
		assert_echoed(&a[i]);
	}
}

static void joined__owner_comes_first__works(void **state)
{
	static struct app a;

	build(&client);
	build(&owner);
	come(); /* and speaks at once: all of it waits at the rendezvous */
	test_run_ms(200);
	ask();
	test_run(is_joined, NULL);
	app_open(&a, client.s, 100000);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
}

/* What the owner says right behind its answer is not read before the layer for it is there. */
static void joined__client_takes_its_time__nothing_is_lost(void **state)
{
	static struct app a;

	client.lazy = true;
	meet();
	test_run_ms(300);
	assert_int_equal(client.down, 0);
	join(&client);
	app_open(&a, client.s, 100000);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
}

static void joined__link_comes_later_than_the_layer__nothing_is_lost(void **state)
{
	const struct vx6_circuit_join j = {.keys = keys, .kh = kh, .far = &owner.n.id.id};
	const struct vx6_adopt how = {.initiator = true,
				      .anonymous = true,
				      .proven = true,
				      .expect_node = true,
				      .node = owner.n.id.id,
				      .route = 1};
	static struct app a;

	client.lazy = true;
	meet();
	assert_true(vx6_is_ok(vx6_circuit_join(client.c, &j)));
	test_run_ms(300);
	assert_true(vx6_is_ok(
		vx6_sessions_adopt(client.n.m, vx6_circuit_link(client.c), &how, &client.s)));
	app_open(&a, client.s, 100000);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
}

static void joined__pings__are_answered_by_every_hop_and_the_other_end(void **state)
{
	meet();
	for (int i = 0; i < 2; i++) {
		struct side *s = i ? &owner : &client;

		for (int hop = 0; hop <= LEG; hop++) {
			s->pongs = 0;
			vx6_circuit_ping(s->c, hop);
			test_run(has_pong, s);
			assert_int_equal(s->pong_hop, hop);
		}
	}
}

static void joined__reader_stops__the_rendezvous_holds_a_window_at_most(void **state)
{
	struct vx6_hop_sched_stats st;
	static struct app a;
	uint64_t sent;

	meet();
	app_open(&a, client.s, 60000000);
	test_run_ms(50);
	a.freeze = true;
	test_run_ms(2000);
	sent = a.tx;
	test_run_ms(500);
	assert_int_equal(a.tx, sent); /* all have come to a halt */
	vx6_hop_sched_stats(relays[X].sched, &st);
	assert_true(st.bytes_peak <= 2 * (VX6_HOP_WINDOW + (VX6_HOP_QUEUE + 32) * 2 * 1024));
	assert_int_equal(st.oom, 0);
	/* others on the same circuit go on */
	client.pongs = 0;
	vx6_circuit_ping(client.c, LEG - 1);
	test_run(has_pong, &client);
	a.freeze = false;
	vx6_stream_consume(a.s, a.owed);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
}

static void joined__rendezvous_drains__both_are_told_and_go_on(void **state)
{
	static struct app a;

	meet();
	vx6_relay_drain(relays[X].relay, 60000);
	test_run_ms(50);
	assert_int_equal(client.drains, 1);
	assert_int_equal(owner.drains, 1);
	app_open(&a, client.s, 100000);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
}

/* ---- how it ends ---- */

static void joined__either_end_leaves__the_other_ends(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct side *leaves = i ? &owner : &client, *stays = i ? &client : &owner;

		meet();
		test_run_ms(50);
		vx6_circuit_close(leaves->c, VX6_ERR(CLOSED));
		leaves->c = NULL;
		test_run(is_down, stays);
		test_run(none_left, NULL);
	}
}

static void joined__any_relay_dies__both_end(void **state)
{
	for (int dead = 0; dead < RELAYS; dead++) {
		meet();
		test_run_ms(50);
		vx6_session_close(relays[dead].n.session, VX6_ERR(CLOSED));
		test_run(is_down, &client);
		test_run(is_down, &owner);
		test_run(none_left, NULL);
	}
}

static void joined__keys_differ__neither_hears_a_word(void **state)
{
	client.lazy = true;
	meet();
	keys[3] ^= 1; /* of what the client writes with */
	keys[100] ^= 1;
	join(&client);
	test_run(is_down, &client);
	assert_int_equal(client.why.code, VX6_E_PROTOCOL);
	assert_int_equal(client.fault, VX6_CIRCUIT_NO_HOP);
	test_run(is_down, &owner);
}

/* Whoever sits at the rendezvous, or is joined by it, cannot say anything: a cell that the other end did not write ends the circuit. */
static void joined__somebody_else_writes__ends_and_nothing_is_handed_up(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct side *victim = i ? &owner : &client;
		uint8_t data[VX6_RENDEZVOUS1_BYTES] = {0};
		uint8_t cell[VX6_CELL_BYTES] = {VX6_CELL_RELAY};
		static struct test_node other;
		static struct client liar;
		char detail[VX6_DIAL_DETAIL_MAX];

		node_start_at(&other, i ? "[2001:db8:21::1]:0" : "[2001:db8:20::1]:0");
		assert_true(vx6_is_ok(
			node_dial(&other, &relays[X].n, &relays[X].n.id.id, false, detail)));
		client_init(&liar);
		client_create(&liar, other.session, &relays[X]);
		client.lazy = true;
		vx6_random_bytes(cookie, sizeof cookie);
		memcpy(data, cookie, sizeof cookie);
		build(victim);
		if (victim == &client) {
			ask();
			test_run(waits, NULL);
			client_send(&liar, 0, VX6_PAYLOAD_RENDEZVOUS1, data, sizeof data);
			test_run(has_answer, NULL);
		} else {
			client_send(&liar, 0, VX6_PAYLOAD_ESTABLISH_REND, data, VX6_REND_COOKIE);
			client_wait(&liar, 0);
			come();
		}
		if (victim == &client)
			join(victim);
		test_run_ms(50);
		assert_int_equal(victim->down, 0);
		vx6_random_bytes(cell + 1, VX6_CELL_BODY);
		client_cell(&liar, cell);
		test_run(is_down, victim);
		assert_int_equal(victim->why.code, VX6_E_PROTOCOL);
		assert_int_equal(victim->fault, VX6_CIRCUIT_NO_HOP);
		assert_int_equal(echoes.streams_n, 0);
		client_free(&liar);
		node_stop(&other);
		test_run(none_left, NULL);
	}
}

/* ---- what can not be done ---- */

static void joined__calls_out_of_order__are_refused(void **state)
{
	struct vx6_circuit_join j = {.keys = keys, .kh = kh, .far = &owner.n.id.id};
	struct vx6_circuit_hop hop;

	client.lazy = true;
	build(&client);
	assert_int_equal(vx6_circuit_say(client.c, VX6_PAYLOAD_STREAMS, cookie, sizeof cookie).code,
			 VX6_E_INVALID);
	assert_int_equal(
		vx6_circuit_say(client.c, VX6_PAYLOAD_RENDEZVOUS2, cookie, sizeof cookie).code,
		VX6_E_INVALID);
	assert_int_equal(vx6_circuit_say(client.c, VX6_PAYLOAD_ESTABLISH_REND, cookie,
					 VX6_PAYLOAD_MAX + 1)
				 .code,
			 VX6_E_INVALID);
	assert_true(vx6_is_ok(vx6_circuit_join(client.c, &j)));
	assert_int_equal(vx6_circuit_join(client.c, &j).code, VX6_E_CONFLICT);
	assert_int_equal(
		vx6_circuit_say(client.c, VX6_PAYLOAD_ESTABLISH_REND, cookie, sizeof cookie).code,
		VX6_E_CONFLICT);
	hop_of(&relays[3], &hop);
	assert_int_equal(vx6_circuit_extend(client.c, &hop, 0).code, VX6_E_CONFLICT);
	build(&owner);
	assert_non_null(vx6_circuit_link(owner.c));
	assert_int_equal(vx6_circuit_join(owner.c, &j).code, VX6_E_CONFLICT);
	assert_int_equal(
		vx6_circuit_say(owner.c, VX6_PAYLOAD_ESTABLISH_REND, cookie, sizeof cookie).code,
		VX6_E_CONFLICT);
}

/* ---- a word in the handshake ---- */

static void assert_joined_by_word(bool nest)
{
	uint8_t data[VX6_RENDEZVOUS1_BYTES];
	struct vx6_payload word;
	static struct app a;

	vx6_random_bytes(cookie, sizeof cookie);
	word = word_of(data);
	build(&client);
	ask();
	test_run(waits, NULL);
	owner.at_once = true;
	assert_true(vx6_is_ok(build_saying(&owner, nest, &word)));
	test_run(is_built, &owner);
	assert_int_equal(owner.built, 1);
	assert_int_equal(relay_stats(&relays[X]).joined, 2); /* it did not wait for more */
	test_run(is_joined, NULL);
	app_open(&a, client.s, 1000001);
	patient_run(app_has_all, &a);
	assert_echoed(&a);
}

static void word__one_by_one__joined_with_the_handshake(void **state)
{
	assert_joined_by_word(false);
}

static void word__in_one_go__joined_with_the_handshake(void **state)
{
	assert_joined_by_word(true);
}

/* A client who names a cookie twice is not to make an owner think that the relay could not be reached. */
static void word__spent_cookie__handshake_is_answered_before_the_end(void **state)
{
	uint8_t data[VX6_RENDEZVOUS1_BYTES];
	struct vx6_payload word;
	static struct side late;

	meet();
	word = word_of(data);
	late = (struct side){.acceptor = true, .origin = owner.origin, .n = {.id = owner.n.id}};
	assert_true(vx6_is_ok(build_saying(&late, true, &word)));
	test_run(is_built, &late);
	assert_int_equal(late.built, 1);
	patient_run(is_down, &late);
	assert_int_equal(late.down, 1);
	assert_int_equal(client.down + owner.down, 0);
}

static void word__that_only_others_say_or_none_takes__ends_the_circuit(void **state)
{
	uint8_t data[VX6_RENDEZVOUS1_BYTES];
	struct vx6_payload word;

	vx6_random_bytes(cookie, sizeof cookie);
	word = word_of(data);
	word.type = VX6_PAYLOAD_ESTABLISH_REND;
	word.n = sizeof cookie;
	assert_true(vx6_is_ok(build_saying(&owner, false, &word)));
	patient_run(is_down, &owner);
	assert_int_equal(owner.down, 1);
	assert_int_equal(relay_stats(&relays[X]).violations, 1);
}

static void word__unsound_plans__are_refused(void **state)
{
	uint8_t data[VX6_CIRCUIT_WORD_MAX + 1] = {0};
	struct vx6_payload word = {.type = VX6_PAYLOAD_RENDEZVOUS1, .data = data, .n = sizeof data};
	struct vx6_circuit_plan p = {.hops_n = LEG, .anonymous = true};
	struct vx6_circuit *c;

	assert_int_equal(build_saying(&owner, false, &word).code, VX6_E_INVALID);
	for (int i = 0; i < LEG; i++)
		hop_of(&relays[2 + i], &p.hop[i]);
	word.n = 4;
	p.hop[1].word = word; /* not the last */
	assert_int_equal(vx6_circuit_build(owner.origin, &p, &events, &owner, &c).code,
			 VX6_E_INVALID);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(joined__streams_both_ways__bytes_come_back),
		T(joined__many_streams_at_once__all_come_back),
		T(joined__owner_comes_first__works),
		T(joined__client_takes_its_time__nothing_is_lost),
		T(joined__link_comes_later_than_the_layer__nothing_is_lost),
		T(joined__pings__are_answered_by_every_hop_and_the_other_end),
		T(joined__reader_stops__the_rendezvous_holds_a_window_at_most),
		T(joined__rendezvous_drains__both_are_told_and_go_on),
		T(joined__either_end_leaves__the_other_ends),
		T(joined__any_relay_dies__both_end),
		T(joined__keys_differ__neither_hears_a_word),
		T(joined__somebody_else_writes__ends_and_nothing_is_handed_up),
		T(joined__calls_out_of_order__are_refused),
		T(word__one_by_one__joined_with_the_handshake),
		T(word__in_one_go__joined_with_the_handshake),
		T(word__spent_cookie__handshake_is_answered_before_the_end),
		T(word__that_only_others_say_or_none_takes__ends_the_circuit),
		T(word__unsound_plans__are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
