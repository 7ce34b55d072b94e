/* Relays as introduction points and as rendezvous: who is introduced to whom, what is joined, what is refused, and what they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "circuit/establish.h"
#include "crypto/secret.h"
#include "relay_rig.h"
#include "tests/unit/vectors.h"
#include "wire/code.h"
#include "wire/hs.h"

/* One relay, and circuits to it: of owners, of clients. */
static struct relay_node r;
static struct test_node node;
static struct client owner[3], guest[3];
static struct vx6_sign_keypair auth;

static const uint8_t handles[3][VX6_REND_COOKIE] = {"handle 1", "handle 2", "handle 3"};
static const uint8_t cookie[VX6_REND_COOKIE] = "a cookie of 20 byte";
static const uint8_t answer[VX6_REND_ANSWER] = "what the owner answers";

static void rig_start(const struct vx6_relay_config *cfg)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	test_loop_start();
	node_start_at(&node, "[2001:db8:1::1]:0");
	relay_start_with(&r, "[2001:db8:2::1]:0", cfg);
	assert_true(vx6_is_ok(node_dial(&node, &r.n, &r.n.id.id, false, detail)));
	vx6_sign_keypair_random(&auth);
	for (int i = 0; i < 3; i++) {
		client_init(&owner[i]);
		client_init(&guest[i]);
	}
}

static int setup(void **state)
{
	static const struct vx6_relay_config plain = {0};

	rig_start(*state ? *state : &plain);
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 3; i++) {
		client_free(&owner[i]);
		client_free(&guest[i]);
	}
	relay_stop(&r);
	node_stop(&node);
	test_loop_end();
	return 0;
}

static void circuit(struct client *c)
{
	client_create(c, node.session, &r);
}

static void again(struct client *c)
{
	client_free(c);
	client_init(c);
	circuit(c);
}

/* ---- what they say ---- */

static uint16_t code_of(const struct got *g, uint8_t type)
{
	uint16_t code;

	assert_non_null(g);
	assert_int_equal(g->type, type);
	assert_true(vx6_is_ok(vx6_hs_code_decode(g->data, g->n, &code)));
	return code;
}

static struct vx6_establish_intro proof(const struct client *c, int handle, uint32_t rate,
					uint32_t burst)
{
	struct vx6_establish_intro e = {.rate = rate, .burst = burst};

	memcpy(e.handle, handles[handle], sizeof e.handle);
	vx6_establish_intro_prove(&auth, &vx6_net_default, c->binding, &e);
	return e;
}

static uint16_t send_proof(struct client *c, const struct vx6_establish_intro *e)
{
	uint8_t data[VX6_ESTABLISH_INTRO_BYTES];
	int index = c->got_n;

	vx6_establish_intro_encode(e, data);
	client_send(c, 0, VX6_PAYLOAD_ESTABLISH_INTRO, data, sizeof data);
	return code_of(client_wait(c, index), VX6_PAYLOAD_INTRO_ESTABLISHED);
}

static void establish_with(struct client *c, int handle, uint32_t rate, uint32_t burst)
{
	struct vx6_establish_intro e = proof(c, handle, rate, burst);

	assert_int_equal(send_proof(c, &e), VX6_CODE_OK);
}

static void establish(struct client *c, int handle)
{
	circuit(c);
	establish_with(c, handle, 0, 0);
}

static void introduce(struct client *c, int handle, uint8_t mark)
{
	uint8_t sealed[VX6_HS_SEALED], pow[VX6_HS_POW], data[VX6_HS_INTRODUCE];
	const struct vx6_introduce1 m = {.auth_key = auth.pk.b,
					 .handle = handles[handle],
					 .pow = pow,
					 .sealed = sealed};

	memset(sealed, mark, sizeof sealed);
	memset(pow, mark + 1, sizeof pow);
	vx6_introduce1_encode(&m, data);
	client_send(c, 0, VX6_PAYLOAD_INTRODUCE1, data, sizeof data);
}

/* @return its serial */
static uint32_t introduced(const struct got *g, uint8_t mark)
{
	struct vx6_introduce2 m;

	assert_non_null(g);
	assert_int_equal(g->type, VX6_PAYLOAD_INTRODUCE2);
	assert_true(vx6_is_ok(vx6_introduce2_decode(g->data, g->n, &m)));
	assert_memory_equal(m.auth_key, auth.pk.b, VX6_INTRO_KEY);
	for (size_t i = 0; i < VX6_HS_SEALED; i++)
		assert_int_equal(m.sealed[i], mark);
	for (size_t i = 0; i < VX6_HS_POW; i++)
		assert_int_equal(m.pow[i], mark + 1);
	return m.serial;
}

static void confirm(struct client *c, uint32_t serial)
{
	uint8_t data[VX6_INTRODUCED_BYTES];

	vx6_introduced_encode(serial, data);
	client_send(c, 0, VX6_PAYLOAD_INTRODUCED, data, sizeof data);
}

static uint16_t acknowledged(struct client *c)
{
	return code_of(client_wait(c, c->got_n), VX6_PAYLOAD_INTRODUCE_ACK);
}

static uint16_t wait_with(struct client *c, const uint8_t *with)
{
	int index = c->got_n;

	client_send(c, 0, VX6_PAYLOAD_ESTABLISH_REND, with, VX6_REND_COOKIE);
	return code_of(client_wait(c, index), VX6_PAYLOAD_REND_ESTABLISHED);
}

static void come_with(struct client *c, const uint8_t *with)
{
	uint8_t data[VX6_RENDEZVOUS1_BYTES];
	const struct vx6_rendezvous1 m = {.cookie = with, .answer = answer};

	vx6_rendezvous1_encode(&m, data);
	client_send(c, 0, VX6_PAYLOAD_RENDEZVOUS1, data, sizeof data);
}

static void assert_answered(const struct got *g)
{
	assert_non_null(g);
	assert_int_equal(g->type, VX6_PAYLOAD_RENDEZVOUS2);
	assert_int_equal(g->n, sizeof answer);
	assert_memory_equal(g->data, answer, sizeof answer);
}

static void join(struct client *c, struct client *o)
{
	int index;

	circuit(c);
	circuit(o);
	assert_int_equal(wait_with(c, cookie), VX6_CODE_OK);
	index = c->got_n;
	come_with(o, cookie);
	assert_answered(client_wait(c, index));
}

static uint64_t refused(enum vx6_relay_hs_refused why)
{
	return relay_stats(&r).hs_refused[why];
}

static bool none_left(void *arg)
{
	return relay_stats(&r).circuits == 0;
}

/* ---- introduction points ---- */

static void intro__established__hands_over_and_tells_the_client(void **state)
{
	struct vx6_relay_stats st;
	uint32_t serial;

	establish(&owner[0], 0);
	circuit(&guest[0]);
	introduce(&guest[0], 0, 7);
	serial = introduced(client_wait(&owner[0], 1), 7);
	assert_int_equal(guest[0].got_n, 0);
	st = relay_stats(&r);
	assert_int_equal(st.intro, 1);
	assert_int_equal(st.introductions, 1);
	confirm(&owner[0], serial);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
	confirm(&owner[0], serial); /* late, or twice: nobody waits for it */
	assert_true(client_ping(&owner[0], 0));
	introduce(&guest[0], 0, 9);
	assert_int_equal(introduced(client_wait(&owner[0], 3), 9), serial + 1);
	st = relay_stats(&r);
	assert_int_equal(st.introduced, 2);
	assert_int_equal(st.introduced_again, 0);
	assert_int_equal(st.violations, 0);
}

static void intro__two_circuits__each_is_used_when_it_is_named(void **state)
{
	establish(&owner[0], 0);
	establish(&owner[1], 1);
	circuit(&guest[0]);
	for (int i = 0; i < 2; i++) {
		introduce(&guest[0], i, 1);
		confirm(&owner[i], introduced(client_wait(&owner[i], 1), 1));
		assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
	}
	introduce(&guest[0], 2, 1); /* of one that is not there any more: any will do */
	confirm(&owner[0], introduced(client_wait(&owner[0], 2), 1));
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
	assert_int_equal(relay_stats(&r).introduced_again, 0);
}

static void intro__not_confirmed_in_time__goes_over_the_other_circuit(void **state)
{
	uint32_t serial;

	establish(&owner[0], 0);
	establish(&owner[1], 1);
	circuit(&guest[0]);
	introduce(&guest[0], 0, 1);
	serial = introduced(client_wait(&owner[0], 1), 1);
	test_run_ms(VX6_RELAY_INTRO_AGAIN_MS - 50);
	assert_int_equal(owner[1].got_n, 1);
	assert_int_equal(introduced(client_wait(&owner[1], 1), 1), serial);
	assert_int_equal(relay_stats(&r).introduced_again, 1);
	confirm(&owner[1], serial);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
}

static void intro__nobody_confirms__client_is_told(void **state)
{
	establish(&owner[0], 0);
	establish(&owner[1], 1);
	circuit(&guest[0]);
	introduce(&guest[0], 1, 1);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_HS_TIMEOUT);
	assert_int_equal(owner[0].got_n, 2);
	assert_int_equal(owner[1].got_n, 2);
	assert_int_equal(refused(VX6_RELAY_HS_TIMEOUT), 1);
	assert_int_equal(relay_stats(&r).introductions, 0);
}

static void intro__circuit_dies__what_it_had_goes_over_the_other_at_once(void **state)
{
	uint32_t serial;

	establish(&owner[0], 0);
	establish(&owner[1], 1);
	circuit(&guest[0]);
	introduce(&guest[0], 0, 1);
	serial = introduced(client_wait(&owner[0], 1), 1);
	client_free(&owner[0]);
	client_init(&owner[0]);
	test_run_ms(20);
	assert_int_equal(introduced(client_wait(&owner[1], 1), 1), serial);
	/* and back, when a new one has come in its place */
	establish(&owner[2], 2);
	client_free(&owner[1]);
	client_init(&owner[1]);
	test_run_ms(20);
	assert_int_equal(introduced(client_wait(&owner[2], 1), 1), serial);
	confirm(&owner[2], serial);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
}

static void intro__last_circuit_dies__key_is_unknown(void **state)
{
	establish(&owner[0], 0);
	circuit(&guest[0]);
	introduce(&guest[0], 0, 1);
	introduced(client_wait(&owner[0], 1), 1);
	client_free(&owner[0]);
	client_init(&owner[0]);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_INTRO_UNKNOWN);
	introduce(&guest[0], 0, 1);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_INTRO_UNKNOWN);
	assert_int_equal(refused(VX6_RELAY_HS_UNKNOWN), 2);
	assert_int_equal(relay_stats(&r).intro, 0);
}

static void intro__same_handle_again__takes_the_place_of_the_first(void **state)
{
	uint32_t serial;

	establish(&owner[0], 0);
	circuit(&guest[0]);
	introduce(&guest[0], 0, 1);
	serial = introduced(client_wait(&owner[0], 1), 1);
	establish(&owner[1], 0);
	client_wait_closed(&owner[0]);
	assert_int_equal(introduced(client_wait(&owner[1], 1), 1), serial);
	confirm(&owner[1], serial);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
	/* a third handle: the oldest goes */
	establish(&owner[2], 1);
	again(&owner[0]);
	establish_with(&owner[0], 2, 0, 0);
	client_wait_closed(&owner[1]);
	assert_int_equal(owner[2].closed, 0);
	assert_int_equal(relay_stats(&r).intro, 2);
}

static void intro__client_goes__its_introduction_stays_good(void **state)
{
	establish(&owner[0], 0);
	circuit(&guest[0]);
	introduce(&guest[0], 0, 1);
	client_wait(&owner[0], 1);
	client_free(&guest[0]);
	client_init(&guest[0]);
	test_run_ms(20);
	confirm(&owner[0], introduced(client_wait(&owner[0], 1), 1));
	assert_true(client_ping(&owner[0], 0));
	assert_int_equal(relay_stats(&r).introductions, 0);
}

static void intro__proof_of_another_circuit__is_refused(void **state)
{
	struct vx6_establish_intro e;

	circuit(&owner[0]);
	e = proof(&owner[0], 0, 0, 0);
	assert_int_equal(send_proof(&owner[0], &e), VX6_CODE_OK);
	circuit(&owner[1]);
	assert_int_equal(send_proof(&owner[1], &e), VX6_CODE_SIG);
	assert_int_equal(refused(VX6_RELAY_HS_PROOF), 1);
	assert_int_equal(relay_stats(&r).intro, 1);
}

static void intro__proof_is_changed__is_refused(void **state)
{
	for (int i = 0; i < 6; i++) {
		struct vx6_establish_intro e;

		again(&owner[0]);
		e = proof(&owner[0], 0, 5, 5);
		e.auth_key[3] ^= i == 0;
		e.handle[0] ^= i == 1;
		e.rate ^= i == 2;
		e.burst ^= i == 3;
		e.mac[31] ^= i == 4;
		e.sig[63] ^= i == 5;
		assert_int_equal(send_proof(&owner[0], &e), VX6_CODE_SIG);
	}
	assert_int_equal(relay_stats(&r).intro, 0);
}

static void establish_intro__golden_proof__same(void **state)
{
	cJSON *vectors = vec_load("hidden_messages");
	const cJSON *v = vec_find(vectors, "establish");
	uint8_t bytes[VX6_ESTABLISH_INTRO_BYTES], out[VX6_ESTABLISH_INTRO_BYTES], kh[VX6_CB_BYTES];
	struct vx6_establish_intro e = {0};
	struct vx6_sign_keypair key;
	struct vx6_sign_seed seed;

	assert_int_equal(vec_hex(v, "bytes", bytes, sizeof bytes), sizeof bytes);
	vec_hex(v, "auth_seed", seed.b, sizeof seed.b);
	vec_hex(v, "kh", kh, sizeof kh);
	vec_hex(v, "handle", e.handle, sizeof e.handle);
	vx6_sign_keypair_from_seed(&seed, &key);
	vx6_establish_intro_prove(&key, &vx6_net_default, kh, &e);
	vx6_establish_intro_encode(&e, out);
	assert_memory_equal(out, bytes, sizeof out);
	assert_ok(vx6_establish_intro_check(&vx6_net_default, kh, &e));
	vec_free(vectors);
}

static void intro__more_than_the_owner_wants__is_refused(void **state)
{
	circuit(&owner[0]);
	establish_with(&owner[0], 0, 2, 3);
	circuit(&guest[0]);
	for (int i = 0; i < 3; i++) {
		introduce(&guest[0], 0, 1);
		confirm(&owner[0], introduced(client_wait(&owner[0], 1 + i), 1));
		assert_int_equal(acknowledged(&guest[0]), VX6_CODE_OK);
	}
	introduce(&guest[0], 0, 1);
	assert_int_equal(acknowledged(&guest[0]), VX6_CODE_INTRO_RATE);
	test_run_ms(500); /* two a second */
	introduce(&guest[0], 0, 1);
	introduced(client_wait(&owner[0], 4), 1);
	assert_int_equal(refused(VX6_RELAY_HS_RATE), 1);
}

/* A flood of clients, of whose introductions the owner confirms none. */
static void intro__flood__holds_so_many_and_no_more(void **state)
{
	static struct client c;
	uint32_t most = 0;

	circuit(&owner[0]);
	establish_with(&owner[0], 0, 16384, 65536);
	for (int i = 0; i < 200; i++) {
		client_init(&c);
		circuit(&c);
		for (int k = 0; k < VX6_RELAY_ASKS_MAX; k++)
			introduce(&c, 0, (uint8_t)k);
		test_run_ms(1);
		most = VX6_MAX(most, relay_stats(&r).introductions);
		client_free(&c);
	}
	assert_true(most > VX6_RELAY_INTRO_PENDING / 2 && most <= VX6_RELAY_INTRO_PENDING);
	test_run_ms(2 * VX6_RELAY_INTRO_GIVE_UP_MS);
	assert_int_equal(relay_stats(&r).introductions, 0);
	assert_true(client_ping(&owner[0], 0));
}

/* Nothing is read on the owner's circuit: what waits there is bounded, too. */
static void intro__owner_reads_nothing__others_are_refused(void **state)
{
	static struct client c;

	circuit(&owner[0]);
	establish_with(&owner[0], 0, 16384, 65536);
	owner[0].stopped = true;
	for (int i = 0; i < 250 && refused(VX6_RELAY_HS_LIMIT) == 0; i++) {
		client_init(&c);
		circuit(&c);
		for (int k = 0; k < VX6_RELAY_ASKS_MAX; k++)
			introduce(&c, 0, (uint8_t)k);
		test_run_ms(20);
		client_free(&c);
	}
	assert_true(refused(VX6_RELAY_HS_LIMIT) > 0 || refused(VX6_RELAY_HS_TIMEOUT) > 0);
	assert_true(relay_stats(&r).introductions <= VX6_RELAY_INTRO_PENDING);
}

static void intro__asks_too_often__ends_the_circuit(void **state)
{
	circuit(&guest[0]);
	for (int i = 0; i < VX6_RELAY_ASKS_MAX; i++) {
		introduce(&guest[0], 0, 1);
		assert_int_equal(acknowledged(&guest[0]), VX6_CODE_INTRO_UNKNOWN);
	}
	introduce(&guest[0], 0, 1);
	assert_int_equal(client_wait_closed(&guest[0]), VX6_CODE_CIRC_PROTO);
}

/* ---- rendezvous ---- */

static void rend__same_cookie__joins_and_passes_cells_on(void **state)
{
	struct vx6_relay_stats st;
	uint64_t cells;

	join(&guest[0], &owner[0]);
	st = relay_stats(&r);
	assert_int_equal(st.joined, 2);
	assert_int_equal(st.joined_total, 1);
	assert_int_equal(st.cookies, 0);
	/* both still reach this node */
	assert_true(client_ping(&guest[0], 0));
	assert_true(client_ping(&owner[0], 0));
	/* and what is not for it comes out at the other one: a layer that this one cannot read */
	for (int i = 0; i < 2; i++) {
		struct client *from = i ? &owner[0] : &guest[0], *to = i ? &guest[0] : &owner[0];
		uint8_t cell[VX6_CELL_BYTES] = {VX6_CELL_RELAY};

		cells = to->cells;
		client_cell(from, cell);
		test_run_ms(20);
		assert_int_equal(to->cells, cells + 1);
		assert_true(to->garbled);
		assert_int_equal(from->closed + to->closed, 0);
	}
	assert_int_equal(relay_stats(&r).violations, 0);
}

static void rend__owner_comes_first__waits_a_second(void **state)
{
	circuit(&guest[0]);
	circuit(&owner[0]);
	come_with(&owner[0], cookie);
	test_run_ms(VX6_RELAY_REND_EARLY_MS - 100);
	assert_int_equal(relay_stats(&r).cookies, 1);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_OK);
	assert_answered(client_wait(&guest[0], 1));
	assert_true(client_ping(&owner[0], 0));
	assert_int_equal(relay_stats(&r).joined, 2);
	assert_int_equal(relay_stats(&r).cookies, 0);
}

static void rend__what_follows_the_owners_word__waits_with_it(void **state)
{
	uint8_t cell[VX6_CELL_BYTES] = {VX6_CELL_RELAY};

	circuit(&guest[0]);
	circuit(&owner[0]);
	come_with(&owner[0], cookie);
	client_cell(&owner[0], cell);
	client_cell(&owner[0], cell);
	test_run_ms(100);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_OK);
	assert_answered(client_wait(&guest[0], 1));
	test_run_ms(20);
	assert_int_equal(guest[0].cells, 4); /* the answer before what came behind it */
}

static void rend__wrong_cookie__owner_is_sent_away(void **state)
{
	uint8_t other[VX6_REND_COOKIE];

	memcpy(other, cookie, sizeof other);
	other[19] ^= 1;
	circuit(&guest[0]);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_OK);
	circuit(&owner[0]);
	come_with(&owner[0], other);
	assert_int_equal(client_wait_closed(&owner[0]), VX6_CODE_REND_NOCOOKIE);
	assert_int_equal(refused(VX6_RELAY_HS_UNKNOWN), 1);
	assert_int_equal(guest[0].got_n, 1);
	assert_true(client_ping(&guest[0], 0));
	/* the right one is still welcome */
	circuit(&owner[1]);
	come_with(&owner[1], cookie);
	assert_answered(client_wait(&guest[0], 2));
}

static void rend__cookie_again__is_refused(void **state)
{
	join(&guest[0], &owner[0]);
	circuit(&guest[1]);
	assert_int_equal(wait_with(&guest[1], cookie), VX6_CODE_REND_DUP);
	circuit(&owner[1]);
	come_with(&owner[1], cookie);
	assert_int_equal(client_wait_closed(&owner[1]), VX6_CODE_REND_NOCOOKIE);
	assert_int_equal(refused(VX6_RELAY_HS_REUSE), 2);
	/* also when those who had it are gone */
	client_free(&guest[0]);
	client_init(&guest[0]);
	client_wait_closed(&owner[0]);
	assert_int_equal(wait_with(&guest[1], cookie), VX6_CODE_REND_DUP);
	/* and while somebody waits with it */
	assert_int_equal(wait_with(&guest[1], answer), VX6_CODE_OK);
	circuit(&guest[2]);
	assert_int_equal(wait_with(&guest[2], answer), VX6_CODE_REND_DUP);
}

enum { RENDS = 64 }; /* of the relay that is full */

static struct client crowd[RENDS];
static size_t crowd_n;

/* As many as a relay keeps for one node: each waits under a cookie of its own. */
static void crowd_in(struct vx6_session *s)
{
	for (size_t k = 0; k < RENDS / 2; k++, crowd_n++) {
		uint8_t with[VX6_REND_COOKIE] = "one of many";

		memcpy(with + 12, &crowd_n, sizeof crowd_n);
		client_init(&crowd[crowd_n]);
		client_create(&crowd[crowd_n], s, &r);
		assert_int_equal(wait_with(&crowd[crowd_n], with), VX6_CODE_OK);
	}
}

static void node_come(struct test_node *n, const char *at)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	node_start_at(n, at);
	assert_true(vx6_is_ok(node_dial(n, &r.n, &r.n.id.id, false, detail)));
}

/* Two fill what there is for all. Whoever comes then is told so, those who are met go on, and when they are gone all is as before. */
static void rend__as_many_wait_as_may__refused_until_they_are_gone(void **state)
{
	static struct test_node other, third;
	static const uint8_t late[VX6_REND_COOKIE] = "a cookie that comes";

	crowd_n = 0;
	node_come(&other, "[2001:db8:3::1]:0");
	node_come(&third, "[2001:db8:4::1]:0");
	join(&guest[0], &owner[0]);
	crowd_in(node.session);
	/* a node has its half, whoever else has none */
	circuit(&guest[1]);
	assert_int_equal(wait_with(&guest[1], late), VX6_CODE_LIMIT);
	crowd_in(other.session);
	client_create(&guest[2], third.session, &r);
	assert_int_equal(wait_with(&guest[2], late), VX6_CODE_LIMIT);
	client_create(&owner[2], third.session, &r);
	come_with(&owner[2], late);
	assert_int_equal(client_wait_closed(&owner[2]), VX6_CODE_LIMIT);
	assert_int_equal(refused(VX6_RELAY_HS_LIMIT), 3);
	assert_int_equal(relay_stats(&r).rend_waiting, RENDS);
	assert_true(client_ping(&guest[0], 0)); /* these go on */
	test_run_ms(VX6_RELAY_REND_MS + 2000);
	assert_int_equal(relay_stats(&r).rend_waiting, 0);
	assert_int_equal(wait_with(&guest[2], late), VX6_CODE_OK);
	client_free(&owner[2]);
	client_init(&owner[2]);
	client_create(&owner[2], third.session, &r);
	come_with(&owner[2], late);
	assert_answered(client_wait(&guest[2], guest[2].got_n));
	while (crowd_n > 0)
		client_free(&crowd[--crowd_n]);
	node_stop(&other);
	node_stop(&third);
}

static void rend__client_goes_before_the_owner_comes__cookie_is_spent(void **state)
{
	circuit(&guest[0]);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_OK);
	client_free(&guest[0]);
	client_init(&guest[0]);
	patient_run(none_left, NULL);
	circuit(&owner[0]);
	come_with(&owner[0], cookie);
	assert_int_equal(client_wait_closed(&owner[0]), VX6_CODE_REND_NOCOOKIE);
}

static void rend__nobody_comes__ends_and_the_cookie_with_it(void **state)
{
	circuit(&guest[0]);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_OK);
	test_run_ms(VX6_RELAY_REND_MS - 1000);
	assert_true(client_ping(&guest[0], 0));
	test_run_ms(3000);
	assert_int_equal(client_wait_closed(&guest[0]), VX6_CODE_TIMEOUT);
	circuit(&guest[1]);
	assert_int_equal(wait_with(&guest[1], cookie), VX6_CODE_REND_DUP);
	/* for as long again */
	test_run_ms(VX6_RELAY_REND_MS + 2000);
	assert_int_equal(wait_with(&guest[1], cookie), VX6_CODE_OK);
}

static void rend__either_ends__the_other_does(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct client *dies = i ? &owner[i] : &guest[i], *stays = i ? &guest[i] : &owner[i];

		circuit(&guest[i]);
		circuit(&owner[i]);
		assert_int_equal(wait_with(&guest[i], handles[i]), VX6_CODE_OK);
		come_with(&owner[i], handles[i]);
		assert_answered(client_wait(&guest[i], 1));
		client_free(dies);
		client_init(dies);
		assert_int_equal(client_wait_closed(stays), VX6_CODE_CIRC_DESTROYED);
		patient_run(none_left, NULL);
	}
}

static void rend__one_end_breaks_the_protocol__both_end(void **state)
{
	join(&guest[0], &owner[0]);
	client_send(&guest[0], 0, VX6_PAYLOAD_STREAMS, "x", 1);
	assert_int_equal(client_wait_closed(&guest[0]), VX6_CODE_CIRC_PROTO);
	assert_int_equal(client_wait_closed(&owner[0]), VX6_CODE_CIRC_DESTROYED);
}

/* The reader of one halts the other; what lies here is a window at most. */
static void rend__reader_stops__the_other_end_halts(void **state)
{
	uint8_t cell[VX6_CELL_BYTES] = {VX6_CELL_RELAY};
	struct vx6_hop_sched_stats st;
	uint64_t cells;
	int sent = 0;

	join(&guest[0], &owner[0]);
	guest[0].stopped = true;
	for (int quiet = 0; quiet < 200;) {
		uint8_t *room = vx6_hop_room(owner[0].hop);

		if (!room) {
			quiet++;
			test_run_ms(1);
			continue;
		}
		quiet = 0;
		memcpy(room, cell, sizeof cell);
		vx6_hop_commit(owner[0].hop);
		sent++;
	}
	vx6_hop_sched_stats(r.sched, &st);
	assert_true(sent > 100);
	assert_true(st.bytes_peak <= VX6_HOP_WINDOW + (VX6_HOP_QUEUE + 32) * 2 * 1024);
	cells = guest[0].cells;
	guest[0].stopped = false;
	vx6_hop_resume(guest[0].hop);
	test_run_ms(500);
	assert_true(guest[0].cells >= cells + (uint64_t)sent);
}

/* ---- both ---- */

static void hs__malformed__ends_the_circuit(void **state)
{
	static const struct {
		uint8_t type;
		size_t n;
	} wrong[] = {
		{VX6_PAYLOAD_ESTABLISH_INTRO, VX6_ESTABLISH_INTRO_BYTES - 1},
		{VX6_PAYLOAD_ESTABLISH_INTRO, VX6_ESTABLISH_INTRO_BYTES + 1},
		{VX6_PAYLOAD_INTRODUCE1, VX6_HS_INTRODUCE - 1},
		{VX6_PAYLOAD_INTRODUCE1, VX6_HS_INTRODUCE + 1},
		{VX6_PAYLOAD_INTRODUCED, VX6_INTRODUCED_BYTES}, /* by nobody's owner */
		{VX6_PAYLOAD_ESTABLISH_REND, VX6_REND_COOKIE - 1},
		{VX6_PAYLOAD_ESTABLISH_REND, VX6_REND_COOKIE + 1},
		{VX6_PAYLOAD_RENDEZVOUS1, VX6_RENDEZVOUS1_BYTES - 1},
		{VX6_PAYLOAD_RENDEZVOUS1, VX6_RENDEZVOUS1_BYTES + 1},
		/* what only hops say */
		{VX6_PAYLOAD_INTRO_ESTABLISHED, 2},
		{VX6_PAYLOAD_INTRODUCE2, VX6_INTRODUCE2_BYTES},
		{VX6_PAYLOAD_INTRODUCE_ACK, 2},
		{VX6_PAYLOAD_REND_ESTABLISHED, 2},
		{VX6_PAYLOAD_RENDEZVOUS2, VX6_REND_ANSWER},
	};
	static const uint8_t zeroes[VX6_PAYLOAD_MAX];

	for (size_t i = 0; i < VX6_ARRAY_N(wrong); i++) {
		again(&guest[0]);
		client_send(&guest[0], 0, wrong[i].type, zeroes, wrong[i].n);
		assert_int_equal(client_wait_closed(&guest[0]), VX6_CODE_CIRC_PROTO);
	}
	assert_int_equal(relay_stats(&r).violations, VX6_ARRAY_N(wrong));
}

static void hs__in_another_state__ends_the_circuit(void **state)
{
	uint8_t data[VX6_RENDEZVOUS1_BYTES] = {0};

	/* an owner's, that wants to be a rendezvous, too */
	establish(&owner[0], 0);
	client_send(&owner[0], 0, VX6_PAYLOAD_ESTABLISH_REND, cookie, sizeof cookie);
	assert_int_equal(client_wait_closed(&owner[0]), VX6_CODE_CIRC_PROTO);
	/* a client's that comes to itself */
	circuit(&guest[0]);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_OK);
	come_with(&guest[0], cookie);
	assert_int_equal(client_wait_closed(&guest[0]), VX6_CODE_CIRC_PROTO);
	/* one that is joined */
	again(&guest[1]);
	circuit(&owner[1]);
	assert_int_equal(wait_with(&guest[1], answer), VX6_CODE_OK);
	come_with(&owner[1], answer);
	assert_answered(client_wait(&guest[1], 1));
	client_send(&owner[1], 0, VX6_PAYLOAD_RENDEZVOUS1, data, sizeof data);
	assert_int_equal(client_wait_closed(&owner[1]), VX6_CODE_CIRC_PROTO);
	assert_int_equal(client_wait_closed(&guest[1]), VX6_CODE_CIRC_DESTROYED);
}

static void hs__mode_says_no__is_refused(void **state)
{
	struct vx6_establish_intro e;

	circuit(&owner[0]);
	e = proof(&owner[0], 0, 0, 0);
	assert_int_equal(send_proof(&owner[0], &e), VX6_CODE_CIRC_POLICY);
	circuit(&guest[0]);
	assert_int_equal(wait_with(&guest[0], cookie), VX6_CODE_CIRC_POLICY);
	assert_int_equal(refused(VX6_RELAY_HS_POLICY), 2);
}

static void hs__drains__all_are_told_and_no_more_taken(void **state)
{
	static const uint8_t draining[] = {0, VX6_CODE_DRAINING};

	establish(&owner[0], 0);
	join(&guest[0], &owner[1]);
	circuit(&guest[1]);
	vx6_relay_drain(r.relay, 60000);
	assert_int_equal(client_wait(&owner[0], 1)->type, VX6_PAYLOAD_DRAIN);
	assert_int_equal(client_wait(&owner[1], 0)->type, VX6_PAYLOAD_DRAIN);
	assert_int_equal(client_wait(&guest[0], 2)->type, VX6_PAYLOAD_DRAIN);
	assert_memory_equal(client_wait(&guest[1], 0)->data, draining, sizeof draining);
	assert_int_equal(wait_with(&guest[1], answer), VX6_CODE_DRAINING);
	/* clients are still introduced */
	introduce(&guest[1], 0, 1);
	confirm(&owner[0], introduced(client_wait(&owner[0], 2), 1));
	assert_int_equal(acknowledged(&guest[1]), VX6_CODE_OK);
}

static bool count_roles(void *user, const struct vx6_relay_circuit_show *row)
{
	int *n = user;

	n[row->role]++;
	return true;
}

static void hs__rows__show_roles(void **state)
{
	int n[VX6_RELAY_ROLE_RENDEZVOUS + 1] = {0};

	establish(&owner[0], 0);
	join(&guest[0], &owner[1]);
	circuit(&guest[1]);
	vx6_relay_each(r.relay, count_roles, n);
	assert_int_equal(n[VX6_RELAY_ROLE_INTRO], 1);
	assert_int_equal(n[VX6_RELAY_ROLE_RENDEZVOUS], 2);
	assert_int_equal(n[VX6_RELAY_ROLE_RESTING], 1);
	assert_string_equal(vx6_relay_role_name(VX6_RELAY_ROLE_INTRO), "intro");
	assert_string_equal(vx6_relay_role_name(VX6_RELAY_ROLE_RENDEZVOUS), "rendezvous");
	for (int i = 0; i < VX6_RELAY_HS_N; i++)
		assert_non_null(vx6_relay_hs_refused_name((enum vx6_relay_hs_refused)i));
}

static struct vx6_relay_config small = {.rends = RENDS};
static struct vx6_relay_config off = {.budget = {.mode = VX6_RELAYING_OFF}};

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T_WITH(f, cfg) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, cfg)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(intro__established__hands_over_and_tells_the_client),
		T(intro__two_circuits__each_is_used_when_it_is_named),
		T(intro__not_confirmed_in_time__goes_over_the_other_circuit),
		T(intro__nobody_confirms__client_is_told),
		T(intro__circuit_dies__what_it_had_goes_over_the_other_at_once),
		T(intro__last_circuit_dies__key_is_unknown),
		T(intro__same_handle_again__takes_the_place_of_the_first),
		T(intro__client_goes__its_introduction_stays_good),
		T(intro__proof_of_another_circuit__is_refused),
		T(intro__proof_is_changed__is_refused),
		cmocka_unit_test(establish_intro__golden_proof__same),
		T(intro__more_than_the_owner_wants__is_refused),
		T(intro__flood__holds_so_many_and_no_more),
		T(intro__owner_reads_nothing__others_are_refused),
		T(intro__asks_too_often__ends_the_circuit),
		T(rend__same_cookie__joins_and_passes_cells_on),
		T(rend__owner_comes_first__waits_a_second),
		T(rend__what_follows_the_owners_word__waits_with_it),
		T(rend__wrong_cookie__owner_is_sent_away),
		T(rend__cookie_again__is_refused),
		T_WITH(rend__as_many_wait_as_may__refused_until_they_are_gone, &small),
		T(rend__client_goes_before_the_owner_comes__cookie_is_spent),
		T(rend__nobody_comes__ends_and_the_cookie_with_it),
		T(rend__either_ends__the_other_does),
		T(rend__one_end_breaks_the_protocol__both_end),
		T(rend__reader_stops__the_other_end_halts),
		T(hs__malformed__ends_the_circuit),
		T(hs__in_another_state__ends_the_circuit),
		T_WITH(hs__mode_says_no__is_refused, &off),
		T(hs__drains__all_are_told_and_no_more_taken),
		T(hs__rows__show_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
