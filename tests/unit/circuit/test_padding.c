/* Padding: of links to first relays while anonymous circuits use them, and of circuits that say what clients of hidden services say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/origin.h"
#include "relay_rig.h"
#include "wire/code.h"
#include "wire/hs.h"

enum { RELAYS = 3, LAST = RELAYS - 1, MINUTE_MS = 60000, LOOK_MS = 50, PADS = 80, SHAPE = 10 };

static struct relay_node relays[RELAYS];
static struct test_node me;
static struct vx6_hop_sched *sched;
static struct vx6_origin *origin;
static struct client by_hand;

struct heard {
	struct vx6_circuit *c;
	int built, down, said;
	uint8_t type;
};

/* ---- the rig ---- */

static void on_built(void *user, struct vx6_circuit *c)
{
	((struct heard *)user)->built++;
}

static void on_said(void *user, struct vx6_circuit *c, uint8_t type, const uint8_t *data, size_t n)
{
	((struct heard *)user)->said++;
	((struct heard *)user)->type = type;
}

static void on_down(void *user, struct vx6_circuit *c, vx6_err why, int hop)
{
	((struct heard *)user)->c = NULL;
	((struct heard *)user)->down++;
}

static const struct vx6_circuit_events events = {.built = on_built,
						 .said = on_said,
						 .down = on_down};

static int setup(void **state)
{
	test_loop_start();
	node_start_at(&me, "[2001:db8:1::1]:0");
	sched = vx6_hop_sched_new(test_loop, 64 << 20);
	origin = vx6_origin_new(&(struct vx6_origin_config){
		.loop = test_loop, .sessions = me.m, .sched = sched, .net = &vx6_net_default});
	for (int i = 0; i < RELAYS; i++) {
		char at[32];

		snprintf(at, sizeof at, "[2001:db8:%d::1]:0", i + 2);
		relay_start(&relays[i], at, NULL);
	}
	client_init(&by_hand);
	return 0;
}

static int teardown(void **state)
{
	client_free(&by_hand);
	vx6_origin_free(origin);
	for (int i = 0; i < RELAYS; i++)
		relay_stop(&relays[i]);
	node_stop(&me);
	vx6_hop_sched_free(sched);
	test_loop_end();
	return 0;
}

static bool is_built(void *arg)
{
	return ((struct heard *)arg)->built > 0;
}

static bool none_left(void *arg)
{
	for (int i = 0; i < RELAYS; i++)
		if (relay_stats(&relays[i]).circuits)
			return false;
	return true;
}

static void build(struct heard *h, bool anonymous)
{
	struct vx6_circuit_plan p = {.hops_n = RELAYS, .anonymous = anonymous};

	for (int i = 0; i < RELAYS; i++) {
		struct vx6_onion_keys_view view;

		vx6_onion_keys_view(relays[i].keys, &view);
		p.hop[i] = (struct vx6_circuit_hop){.node = relays[i].n.id.id,
						    .record = relays[i].record,
						    .record_n = relays[i].record_n};
		memcpy(p.hop[i].onion_key, view.key[0].pk.b, sizeof p.hop[i].onion_key);
	}
	memset(h, 0, sizeof *h);
	assert_true(vx6_is_ok(vx6_circuit_build(origin, &p, &events, h, &h->c)));
	test_run(is_built, h);
}

static uint64_t pads_of(const struct vx6_hop_sched *s)
{
	struct vx6_hop_sched_stats st;

	vx6_hop_sched_stats(s, &st);
	return st.tx_pads;
}

static uint64_t pads_of_all(void)
{
	uint64_t n = pads_of(sched);

	for (int i = 0; i < RELAYS; i++)
		n += pads_of(relays[i].sched);
	return n;
}

static struct vx6_circuit_info info_of(const struct heard *h)
{
	struct vx6_circuit_info info;

	vx6_circuit_info(h->c, &info);
	return info;
}

/* ---- links ---- */

static void on_time(struct vx6_timer *timer)
{
	(void)timer;
	vx6_loop_stop(test_loop);
}

/* As test_run_ms(), which wakes up all the time. */
static void pass(uint64_t ms)
{
	struct vx6_timer timer;

	vx6_timer_init(test_loop, &timer, on_time, NULL);
	vx6_timer_in_ms(&timer, ms);
	vx6_loop_run(test_loop);
}

/* @return how long it took until one more was sent, as well as it is looked at */
static uint64_t until_next(void)
{
	uint64_t before = pads_of_all(), ms = 0;

	while (pads_of_all() == before && ms <= VX6_HOP_PAD_MAX_MS) {
		pass(LOOK_MS);
		ms += LOOK_MS;
	}
	return ms;
}

static void link__anonymous_circuit__no_silence_is_longer_than_it_may_be(void **state)
{
	uint64_t began = vx6_now_ms(), cells;
	static struct heard h;

	build(&h, true);
	cells = info_of(&h).rx_cells;
	until_next();
	for (int i = 0; i < PADS; i++)
		assert_in_range(until_next(), VX6_HOP_PAD_MIN_MS - LOOK_MS,
				VX6_HOP_PAD_MAX_MS + LOOK_MS);
	assert_true(pads_of(sched) > PADS / 8);           /* this end */
	assert_true(pads_of(relays[0].sched) > PADS / 8); /* the other one */
	assert_int_equal(pads_of(relays[1].sched), 0);
	assert_int_equal(pads_of(relays[2].sched), 0);
	assert_true(vx6_now_ms() - began > (uint64_t)PADS * 3000); /* so seldom, on the average */
	/* it says nothing of the circuit: neither that it lives, nor that it is used */
	assert_int_equal(info_of(&h).rx_cells, cells);
}

static void link__circuits_of_a_named_client__carries_no_padding(void **state)
{
	static struct heard h;

	build(&h, false);
	pass(2 * MINUTE_MS);
	assert_int_equal(pads_of_all(), 0);
	assert_int_equal(h.down, 0);
}

static void link__in_use__carries_no_padding(void **state)
{
	static struct heard h;

	build(&h, true);
	for (int i = 0; i < 100; i++) {
		vx6_circuit_ping(h.c, 0);
		pass(VX6_HOP_PAD_MIN_MS - 100);
	}
	assert_int_equal(pads_of_all(), 0);
}

static void link__several_circuits__are_padded_as_one(void **state)
{
	static struct heard h[4];
	uint64_t n;

	for (int i = 0; i < 4; i++)
		build(&h[i], true);
	pass(10 * MINUTE_MS / 2);
	n = pads_of_all();
	assert_in_range(n, 5 * MINUTE_MS / VX6_HOP_PAD_MAX_MS, 5 * MINUTE_MS / 3000);
	for (int i = 0; i < 4; i++)
		vx6_circuit_close(h[i].c, VX6_ERR(CLOSED));
}

/* The session stays for a while, for the next one. */
static void link__last_circuit_closed__is_padded_no_longer(void **state)
{
	static struct heard h[2];
	uint64_t n;

	build(&h[0], true);
	build(&h[1], true);
	vx6_circuit_close(h[0].c, VX6_ERR(CLOSED));
	pass(MINUTE_MS);
	n = pads_of_all();
	assert_true(n >= MINUTE_MS / VX6_HOP_PAD_MAX_MS - 1); /* the other one is still there */
	vx6_circuit_close(h[1].c, VX6_ERR(CLOSED));
	pass(50000);
	assert_int_equal(pads_of_all(), n);
}

static void pad_by_hand(void)
{
	uint8_t cell[VX6_CELL_BYTES] = {VX6_CELL_PAD};

	client_cell(&by_hand, cell);
	pass(MINUTE_MS);
}

static void relay__pad_of_whom_it_does_not_know__answers_in_kind(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_true(vx6_is_ok(node_dial(&me, &relays[0].n, &relays[0].n.id.id, true, detail)));
	client_create(&by_hand, me.session, &relays[0]);
	pass(MINUTE_MS);
	assert_int_equal(pads_of(relays[0].sched), 0); /* not before it is asked to */
	pad_by_hand();
	assert_in_range(pads_of(relays[0].sched), MINUTE_MS / VX6_HOP_PAD_MAX_MS - 1,
			MINUTE_MS / VX6_HOP_PAD_MIN_MS);
}

static void relay__pad_of_a_node_that_has_a_name__answers_nothing(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_true(vx6_is_ok(node_dial(&me, &relays[0].n, &relays[0].n.id.id, false, detail)));
	client_create(&by_hand, me.session, &relays[0]);
	pad_by_hand();
	assert_int_equal(pads_of(relays[0].sched), 0);
	assert_true(client_ping(&by_hand, 0));
}

/* ---- circuits ---- */

static void introduce(struct heard *h)
{
	static const uint8_t message[VX6_HS_INTRODUCE]; /* to nobody that is known there */

	assert_true(
		vx6_is_ok(vx6_circuit_say(h->c, VX6_PAYLOAD_INTRODUCE1, message, sizeof message)));
}

static void shape__introduction__looks_as_if_a_stream_had_been_carried(void **state)
{
	for (int i = 0; i < 20; i++) {
		struct vx6_circuit_info info;
		static struct heard h;

		build(&h, true);
		introduce(&h);
		pass(1000);
		assert_int_equal(h.said, 1);
		assert_int_equal(h.type, VX6_PAYLOAD_INTRODUCE_ACK);
		info = info_of(&h);
		assert_in_range(info.tx_cells, SHAPE, SHAPE + 4);
		assert_in_range(info.rx_cells, SHAPE, SHAPE + 20);
		vx6_circuit_close(h.c, VX6_ERR(CLOSED));
		pass(100);
		assert_true(none_left(NULL)); /* nothing is left to wait for */
	}
	assert_int_equal(relay_stats(&relays[LAST]).violations, 0);
}

static void shape__rendezvous_waits__has_it_before_the_owner_comes(void **state)
{
	static const uint8_t cookie[VX6_REND_COOKIE] = "a cookie";
	static struct heard h;

	build(&h, true);
	assert_true(
		vx6_is_ok(vx6_circuit_say(h.c, VX6_PAYLOAD_ESTABLISH_REND, cookie, sizeof cookie)));
	pass(1000);
	assert_int_equal(h.type, VX6_PAYLOAD_REND_ESTABLISHED);
	assert_true(info_of(&h).tx_cells >= SHAPE && info_of(&h).rx_cells >= SHAPE);
}

static void shape__what_owners_say__is_not_padded(void **state)
{
	static const uint8_t message[VX6_RENDEZVOUS1_BYTES] = "a cookie";
	static struct heard h;
	uint64_t cells;

	build(&h, true);
	cells = info_of(&h).tx_cells;
	assert_true(
		vx6_is_ok(vx6_circuit_say(h.c, VX6_PAYLOAD_RENDEZVOUS1, message, sizeof message)));
	pass(500);
	assert_int_equal(info_of(&h).tx_cells, cells + 1);
}

static void shape__closed_right_after_the_answer__goes_on_unseen_until_it_is_there(void **state)
{
	static struct heard h;
	uint64_t cells;

	build(&h, true);
	cells = relay_stats(&relays[0]).cells_forward;
	introduce(&h);
	vx6_circuit_close(h.c, VX6_ERR(CLOSED));
	test_run(none_left, NULL);
	assert_int_equal(h.said + h.down, 0);
	/* CREATE is none of these */
	assert_in_range(relay_stats(&relays[0]).cells_forward - cells, SHAPE - RELAYS, SHAPE + 4);
	assert_int_equal(relay_stats(&relays[0]).violations, 0);
	assert_int_equal(relay_stats(&relays[LAST]).violations, 0);
}

static void shape__closed_for_a_fault__ends_at_once(void **state)
{
	static struct heard h;
	uint64_t cells;

	build(&h, true);
	introduce(&h);
	vx6_circuit_close(h.c, VX6_ERR(TIMEOUT));
	cells = relay_stats(&relays[0]).cells_forward;
	test_run(none_left, NULL);
	assert_in_range(relay_stats(&relays[0]).cells_forward - cells, 0, 2);
}

static void relay__pads_are_asked_for__sends_few_in_all(void **state)
{
	static const uint8_t asks[] = {3, 200, 5};
	char detail[VX6_DIAL_DETAIL_MAX];

	assert_true(vx6_is_ok(node_dial(&me, &relays[0].n, &relays[0].n.id.id, false, detail)));
	client_create(&by_hand, me.session, &relays[0]);
	client_send(&by_hand, 0, VX6_PAYLOAD_PAD, NULL, 0);
	assert_true(client_ping(&by_hand, 0));
	assert_int_equal(by_hand.got_n, 1); /* the PONG alone */
	for (size_t i = 0; i < sizeof asks; i++) {
		client_send(&by_hand, 0, VX6_PAYLOAD_PAD, &asks[i], 1);
		pass(100);
		assert_int_equal(by_hand.got_n, 1 + (i == 0 ? 3 : VX6_RELAY_PADS_MAX));
		assert_int_equal(by_hand.got[by_hand.got_n - 1].type, VX6_PAYLOAD_PAD);
	}
	assert_true(client_ping(&by_hand, 0));
	assert_int_equal(relay_stats(&relays[0]).violations, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(link__anonymous_circuit__no_silence_is_longer_than_it_may_be),
		T(link__circuits_of_a_named_client__carries_no_padding),
		T(link__in_use__carries_no_padding),
		T(link__several_circuits__are_padded_as_one),
		T(link__last_circuit_closed__is_padded_no_longer),
		T(relay__pad_of_whom_it_does_not_know__answers_in_kind),
		T(relay__pad_of_a_node_that_has_a_name__answers_nothing),
		T(shape__introduction__looks_as_if_a_stream_had_been_carried),
		T(shape__rendezvous_waits__has_it_before_the_owner_comes),
		T(shape__what_owners_say__is_not_padded),
		T(shape__closed_right_after_the_answer__goes_on_unseen_until_it_is_there),
		T(shape__closed_for_a_fault__ends_at_once),
		T(relay__pads_are_asked_for__sends_few_in_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
