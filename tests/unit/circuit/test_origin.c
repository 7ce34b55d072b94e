/* Circuits from the client's end, over sessions of the in-memory transport, with hops that do right and hops that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/circuit/tapp.h"
#include "tests/unit/circuit/tnode.h"
#include "transport/mem/mem.h"
#include "wire/code.h"

static struct test_node me;
static struct vx6_hop_sched *sched;
static struct vx6_origin *origin;

/* ---- a circuit and what was heard of it ---- */

struct heard {
	struct vx6_circuit *c; /* NULL once it is down */
	int built, down, refused, draining, pong;
	vx6_err why;
	int fault, drain_hop, pong_hop;
	uint16_t drain_code;
};

static void on_built(void *user, struct vx6_circuit *c)
{
	struct heard *h = user;

	assert_ptr_equal(h->c, c);
	h->built++;
}

static void on_refused(void *user, struct vx6_circuit *c, vx6_err why)
{
	struct heard *h = user;

	h->refused++;
	h->why = why;
}

static void on_draining(void *user, struct vx6_circuit *c, int hop, uint16_t code)
{
	struct heard *h = user;

	h->draining++;
	h->drain_hop = hop;
	h->drain_code = code;
}

static void on_pong(void *user, struct vx6_circuit *c, int hop, uint32_t rtt_us)
{
	struct heard *h = user;

	h->pong++;
	h->pong_hop = hop;
	assert_true(rtt_us > 0);
}

static void on_down(void *user, struct vx6_circuit *c, vx6_err why, int hop)
{
	struct heard *h = user;

	assert_ptr_equal(h->c, c);
	h->c = NULL;
	h->down++;
	h->why = why;
	h->fault = hop;
}

static const struct vx6_circuit_events events = {.built = on_built,
						 .refused = on_refused,
						 .draining = on_draining,
						 .pong = on_pong,
						 .down = on_down};

static void hop_of(const struct tnode *t, struct vx6_circuit_hop *out)
{
	*out = (struct vx6_circuit_hop){.node = t->n.id.id,
					.record = t->record,
					.record_n = t->record_n};
	memcpy(out->onion_key, t->key.pk, sizeof out->onion_key);
}

static void plan_of(int n, struct vx6_circuit_plan *p)
{
	*p = (struct vx6_circuit_plan){.hops_n = (uint8_t)n, .timeout_ms = 3000};
	for (int i = 0; i < n; i++)
		hop_of(&tnodes[i], &p->hop[i]);
}

static void build_plan(struct heard *h, const struct vx6_circuit_plan *p)
{
	memset(h, 0, sizeof *h);
	assert_true(vx6_is_ok(vx6_circuit_build(origin, p, &events, h, &h->c)));
	assert_int_equal(h->built + h->down, 0); /* never from inside */
}

static bool is_decided(void *arg)
{
	struct heard *h = arg;

	return h->built || h->down;
}

static bool is_down(void *arg)
{
	return ((struct heard *)arg)->down > 0;
}

static void build(struct heard *h, int n, bool nest)
{
	struct vx6_circuit_plan p;

	plan_of(n, &p);
	p.nest = nest;
	build_plan(h, &p);
	test_run(is_decided, h);
}

static void expect_down(struct heard *h, int code, int fault)
{
	if (!h->down)
		test_run(is_down, h);
	assert_string_equal(vx6_err_name(h->why), vx6_err_name((vx6_err){code}));
	assert_int_equal(h->fault, fault);
	assert_int_equal(h->down, 1);
}

static bool nodes_idle(void *arg)
{
	for (int i = 0; i < tnodes_n; i++)
		if (tnodes[i].circuits_n)
			return false;
	return true;
}

/* ---- every test begins with nine nodes and one that builds ---- */

static int setup(void **state)
{
	test_loop_start();
	tnodes_start(TNODES_MAX);
	node_start(&me);
	sched = vx6_hop_sched_new(test_loop, 64 << 20);
	origin = vx6_origin_new(&(struct vx6_origin_config){
		.loop = test_loop, .sessions = me.m, .sched = sched, .net = &vx6_net_default});
	return 0;
}

static int teardown(void **state)
{
	vx6_origin_free(origin);
	tnodes_stop();
	node_stop(&me);
	vx6_hop_sched_free(sched);
	test_loop_end();
	return 0;
}

/* ---- building ---- */

static void build__hop_by_hop__floor_of_round_trips(void **state)
{
	static const int lengths[] = {1, 2, 3, 9};

	for (size_t k = 0; k < VX6_ARRAY_N(lengths); k++) {
		int n = lengths[k], before = tnode_crossings();
		struct vx6_circuit_info info;
		uint8_t kh[VX6_CB_BYTES];
		static struct heard h;

		build(&h, n, false);
		assert_int_equal(h.built, 1);
		vx6_circuit_info(h.c, &info);
		assert_int_equal(info.state, VX6_CIRCUIT_OPEN);
		assert_int_equal(info.built_n, n);
		for (int i = 0; i < n; i++) {
			assert_memory_equal(info.hop[i].node.b, tnodes[i].n.id.id.b, 32);
			assert_true(info.hop[i].rtt_us > 0);
		}
		assert_true(vx6_circuit_binding(h.c, kh));
		assert_memory_equal(kh, tnodes[n - 1].kh, sizeof kh);
		/* one cell to hop i and one back crosses i links each way: no other cell was needed. What comes back to us is not counted there */
		assert_int_equal(tnode_crossings() - before + n, n * (n + 1));
		assert_int_equal(info.tx_cells, n);
		assert_int_equal(info.rx_cells, n);
		vx6_circuit_close(h.c, VX6_OK);
		test_run(nodes_idle, NULL);
		assert_int_equal(h.down, 0);
	}
}

static void build__nested__one_cell_each_way(void **state)
{
	static const int lengths[] = {1, 2, 3, 9};

	for (size_t k = 0; k < VX6_ARRAY_N(lengths); k++) {
		int n = lengths[k], before = tnode_crossings();
		struct vx6_circuit_info info;
		uint8_t kh[VX6_CB_BYTES];
		static struct heard h;
		static struct app a;

		build(&h, n, true);
		assert_int_equal(h.built, 1);
		vx6_circuit_info(h.c, &info);
		assert_int_equal(info.built_n, n);
		assert_int_equal(tnode_crossings() - before + 1, 2 * n);
		assert_int_equal(info.tx_cells, 1);
		assert_int_equal(info.rx_cells, 1);
		assert_true(vx6_circuit_binding(h.c, kh));
		assert_memory_equal(kh, tnodes[n - 1].kh, sizeof kh);
		app_start(&a, h.c, 50000);
		test_run(app_has_all, &a);
		assert_echoed(&a);
		vx6_circuit_close(h.c, VX6_OK);
		test_run(nodes_idle, NULL);
	}
}

static void build__one_knows_nothing_of_nesting__goes_on_one_by_one(void **state)
{
	static struct heard h;

	tnodes[1].wrong = T_NO_NEST;
	build(&h, 4, true);
	assert_int_equal(h.built, 1);
}

static void build__one_refuses_in_a_nested_build__is_asked_again_with_the_record(void **state)
{
	struct vx6_circuit_plan p;
	static struct heard h;

	tnodes[1].wrong = T_REFUSE;
	plan_of(3, &p);
	p.nest = true;
	build_plan(&h, &p);
	expect_down(&h, VX6_E_REFUSED, 2);
	assert_int_equal(tnodes[1].extends, 1);
}

static void build__plans_that_make_no_sense__invalid(void **state)
{
	struct vx6_circuit_plan p;
	struct vx6_circuit *c;

	plan_of(2, &p);
	p.hops_n = 0;
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
	p.hops_n = 10;
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
	plan_of(2, &p);
	p.hop[1] = p.hop[0];
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
	plan_of(2, &p);
	p.hop[0].record_n = 50;
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
	plan_of(2, &p);
	p.hop[1].record_n = VX6_ENDPOINT_MAX + 1;
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
}

/* A, B, C, A: no hop sees one and the same node on both sides. */
static void build__may_return__a_node_twice_but_not_next_but_one(void **state)
{
	struct vx6_circuit_plan p;
	static struct heard h;
	struct vx6_circuit *c;

	plan_of(3, &p);
	p.may_return = true;
	p.hop[2] = p.hop[0];
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
	p.hop[2] = p.hop[1];
	assert_int_equal(vx6_circuit_build(origin, &p, &events, NULL, &c).code, VX6_E_INVALID);
	plan_of(4, &p);
	p.may_return = true;
	p.hop[3] = p.hop[0];
	build_plan(&h, &p);
	test_run(is_decided, &h);
	assert_int_equal(h.built, 1);
	vx6_circuit_close(h.c, VX6_ERR(CLOSED));
}

static void build__onion_key_that_is_none__ends_at_that_hop(void **state)
{
	for (int bad = 0; bad < 2; bad++) {
		struct vx6_circuit_plan p;
		static struct heard h;

		plan_of(2, &p);
		memset(p.hop[bad].onion_key, 0, sizeof p.hop[bad].onion_key);
		build_plan(&h, &p);
		expect_down(&h, VX6_E_KEY, bad);
		test_run(nodes_idle, NULL);
	}
}

/* ---- hops that do wrong while it is built ---- */

static void build__a_hop_does_wrong__ends_and_says_which(void **state)
{
	static const struct {
		enum twrong wrong;
		int at, why, fault;
		bool nest;
	} cases[] = {
		{T_AUTH, 0, VX6_E_WRONG_PEER, 0, false},
		{T_AUTH, 1, VX6_E_WRONG_PEER, 1, false},
		{T_AUTH, 2, VX6_E_WRONG_PEER, 2, false},
		{T_AUTH, 0, VX6_E_WRONG_PEER, 0, true},
		{T_AUTH, 1, VX6_E_WRONG_PEER, 1, true},
		{T_AUTH, 2, VX6_E_WRONG_PEER, 2, true},
		{T_REPLAY, 0, VX6_E_WRONG_PEER, 0, false},
		{T_REPLAY, 1, VX6_E_WRONG_PEER, 1, false},
		{T_REPLAY, 2, VX6_E_WRONG_PEER, 2, true},
		{T_NO_OPEN, 0, VX6_E_FULL, 0, false},
		{T_NO_OPEN, 1, VX6_E_UNREACHABLE, 1, false},
		{T_NO_OPEN, 2, VX6_E_UNREACHABLE, 2, false},
		{T_REFUSE, 0, VX6_E_REFUSED, 1, false},
		{T_REFUSE, 1, VX6_E_REFUSED, 2, false},
		{T_RESET_CREATE, 0, VX6_E_PROTOCOL, 0, false},
		{T_RESET_CREATE, 1, VX6_E_PROTOCOL, 1, false},
		{T_RESET_CREATE, 2, VX6_E_PROTOCOL, 2, false},
		{T_RESET_EXTEND, 0, VX6_E_FULL, 1, false},
		{T_RESET_EXTEND, 1, VX6_E_FULL, 2, false},
		{T_LINK_CREATE, 0, VX6_E_CLOSED, 0, false},
		{T_LINK_CREATE, 1, VX6_E_CLOSED, 1, false},
		{T_LINK_CREATE, 2, VX6_E_CLOSED, 2, false},
		{T_LINK_EXTEND, 0, VX6_E_CLOSED, 0, false},
		{T_LINK_EXTEND, 1, VX6_E_CLOSED, 2, false},
		{T_LIE_INNER, 0, VX6_E_PROTOCOL, 0, false},
		{T_LIE_INNER, 2, VX6_E_PROTOCOL, 2, false},
		{T_LIE_INNER, 2, VX6_E_PROTOCOL, 2, true},
		{T_CREATED_TWICE, 0, VX6_E_PROTOCOL, 0, false},
		{T_EXTENDED_TWICE, 0, VX6_E_PROTOCOL, 0, false},
		{T_EXTENDED_TWICE, 1, VX6_E_PROTOCOL, 1, false},
		{T_SAY_STREAMS, 0, VX6_E_PROTOCOL, 0, false},
		{T_FLIP_FWD, 0, VX6_E_PROTOCOL, 1, false},
		{T_FLIP_BACK, 0, VX6_E_PROTOCOL, VX6_CIRCUIT_NO_HOP, false},
		{T_FLIP_BACK, 1, VX6_E_PROTOCOL, VX6_CIRCUIT_NO_HOP, false},
		{T_FLIP_CMD, 0, VX6_E_PROTOCOL, 0, false},
		{T_DUP_BACK, 0, VX6_E_PROTOCOL, VX6_CIRCUIT_NO_HOP, false},
	};

	static struct heard first;

	build(&first, 3, false); /* for those that repeat what they said before */
	vx6_circuit_close(first.c, VX6_OK);
	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++) {
		struct vx6_circuit_plan p;
		static struct heard h;

		tnodes[cases[i].at].wrong = cases[i].wrong;
		tnodes[cases[i].at].wrong_at = 0;
		for (int k = 0; k < 3; k++)
			tnodes[k].fwd_n = tnodes[k].back_n = 0;
		plan_of(3, &p);
		p.nest = cases[i].nest;
		build_plan(&h, &p);
		test_run(is_decided, &h);
		if (!h.down || h.why.code != cases[i].why || h.fault != cases[i].fault)
			printf("case %zu: %s at hop %d\n", i, vx6_err_name(h.why), h.fault);
		expect_down(&h, cases[i].why, cases[i].fault);
		test_run(nodes_idle, NULL);
		tnodes[cases[i].at].wrong = T_HONEST;
	}
}

static void build__a_hop_says_nothing__timeout_at_that_hop(void **state)
{
	static const struct {
		enum twrong wrong;
		int at, fault;
	} cases[] = {{T_DEAF, 0, 0},
		     {T_DEAF, 1, 1},
		     {T_DEAF, 2, 2},
		     {T_DEAF_EXTEND, 0, 1},
		     {T_DEAF_EXTEND, 1, 2}};

	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++) {
		struct vx6_circuit_plan p;
		static struct heard h;

		build(&h, 3, false); /* links are there: what follows is quick */
		vx6_circuit_close(h.c, VX6_OK);
		tnodes[cases[i].at].wrong = cases[i].wrong;
		plan_of(3, &p);
		p.timeout_ms = 300;
		build_plan(&h, &p);
		expect_down(&h, VX6_E_TIMEOUT, cases[i].fault);
		test_run(nodes_idle, NULL);
		tnodes[cases[i].at].wrong = T_HONEST;
	}
}

static void build__nobody_listens__unreachable_at_the_first_hop(void **state)
{
	struct vx6_circuit_plan p;
	static struct heard h;

	plan_of(1, &p);
	p.addrs_n = 1;
	p.addr[0] = tnodes[0].n.at;
	p.addr[0].port = 60000;
	build_plan(&h, &p);
	expect_down(&h, VX6_E_UNREACHABLE, 0);
	p.addr[0] = tnodes[1].n.at;
	build_plan(&h, &p);
	expect_down(&h, VX6_E_WRONG_PEER, 0);
}

/* ---- streams ---- */

static void streams__bulk_through_hops__comes_back_with_the_same_hash(void **state)
{
	static const int lengths[] = {1, 2, 3};

	for (size_t k = 0; k < VX6_ARRAY_N(lengths); k++) {
		uint64_t began, ns;
		struct vx6_circuit_info info;
		static struct heard h;
		static struct app a;

		build(&h, lengths[k], false);
		app_start(&a, h.c, 4000001);
		began = vx6_now_ns();
		test_run(app_has_all, &a);
		ns = vx6_now_ns() - began;
		assert_echoed(&a);
		vx6_circuit_info(h.c, &info);
		assert_true(info.tx_bytes > a.goal && info.rx_bytes > a.goal);
		assert_true(info.tx_cells < a.goal / 996 + 200);
		assert_true(info.srtt_us > 0);
		printf("%d hops: %.1f MB/s each way, all nodes on this core\n", lengths[k],
		       (double)a.goal * 1000 / (double)ns);
		vx6_circuit_close(h.c, VX6_OK);
		test_run(nodes_idle, NULL);
	}
}

static void streams__reader_at_the_end_stops__bounded_and_goes_on(void **state)
{
	static struct heard h;
	static struct app a;

	tnodes[2].freeze = true;
	build(&h, 3, false);
	app_start(&a, h.c, 50 << 20);
	test_run_ms(300);
	assert_true(a.tx >= 256 * 1024 && a.tx <= (1 << 20) + 64 * 1024);
	assert_true(tnodes[2].rx <= 1 << 20);
	assert_int_equal(h.down, 0);
	vx6_circuit_ping(h.c, 2); /* the circuit itself is not stopped */
	test_run_ms(50);
	assert_int_equal(h.pong, 1);
}

static bool rx_stands(void *arg)
{
	struct app *a = arg;

	return a->rx >= 256 * 1024;
}

static void streams__own_reader_stops__bounded_and_goes_on(void **state)
{
	static struct heard h;
	static struct app a;

	build(&h, 3, false);
	app_start(&a, h.c, 8 << 20);
	a.freeze = true;
	test_run(rx_stands, &a);
	test_run_ms(100);
	assert_true(a.rx <= 2 << 20);
	assert_true(a.rx < a.goal);
	a.freeze = false;
	vx6_stream_consume(a.s, a.owed);
	a.owed = 0;
	test_run(app_has_all, &a);
	assert_echoed(&a);
}

/* A cell is changed on its way, at each link, in each direction, early and late: nothing of it is handed up, and the circuit ends. */
static void streams__a_cell_is_changed__ends_and_no_wrong_byte_is_seen(void **state)
{
	static const int when[] = {4, 60};

	for (int k = 0; k < 12; k++) {
		int at = k % 3, cell = when[k / 6];
		bool fwd = k / 3 % 2;
		static struct heard h;
		static struct app a;

		build(&h, 3, false);
		for (int i = 0; i < 3; i++)
			tnodes[i].fwd_n = tnodes[i].back_n = tnodes[i].refused_n = 0;
		tnodes[at].wrong = fwd ? T_FLIP_FWD : T_FLIP_BACK;
		tnodes[at].wrong_at = cell;
		app_start(&a, h.c, 1 << 20);
		expect_down(&h, VX6_E_PROTOCOL, VX6_CIRCUIT_NO_HOP);
		assert_false(a.corrupt);
		assert_true(a.rx < a.goal);
		assert_int_equal(a.closed, 1);
		assert_int_equal(a.down, 1);
		/* the last hop is who cannot recognise it, in the other direction it is us */
		assert_int_equal(tnodes[2].refused_n, fwd ? 1 : 0);
		assert_int_equal(tnodes[0].refused_n + tnodes[1].refused_n, 0);
		test_run(nodes_idle, NULL);
		tnodes[at].wrong = T_HONEST;
	}
}

static void streams__cells_repeated_or_out_of_order__end(void **state)
{
	static const enum twrong wrongs[] = {T_DUP_BACK, T_SWAP_BACK, T_FLIP_CMD};

	for (int k = 0; k < 9; k++) {
		int at = k % 3;
		static struct heard h;
		static struct app a;

		build(&h, 3, false);
		for (int i = 0; i < 3; i++)
			tnodes[i].back_n = 0;
		tnodes[at].wrong = wrongs[k / 3];
		tnodes[at].wrong_at = 20;
		if (at && tnodes[at].wrong == T_FLIP_CMD)
			tnodes[at].wrong = T_SWAP_BACK; /* the hop before would not pass it on */
		app_start(&a, h.c, 1 << 20);
		test_run(is_down, &h);
		assert_int_equal(h.why.code, VX6_E_PROTOCOL);
		assert_false(a.corrupt);
		test_run(nodes_idle, NULL);
		tnodes[at].wrong = T_HONEST;
	}
}

static void messages__that_a_hop_may_not_send__end_with_that_hop_at_fault(void **state)
{
	static const enum twrong wrongs[] = {T_SAY_EXTEND, T_SAY_JUNK, T_SAY_PONG};

	for (int k = 0; k < 9; k++) {
		static struct heard h;

		build(&h, 3, false);
		tnodes[k % 3].wrong = wrongs[k / 3];
		vx6_circuit_ping(h.c, k % 3);
		expect_down(&h, VX6_E_PROTOCOL, k % 3);
		test_run(nodes_idle, NULL);
		tnodes[k % 3].wrong = T_HONEST;
	}
	for (int at = 0; at < 3; at++) {
		static struct heard h;

		build(&h, 3, false);
		/* the last hop, too: we have not spoken of streams yet */
		tnode_say(&tnodes[at], VX6_PAYLOAD_STREAMS, "\6\0\0\0\0\0\0\0", 8);
		expect_down(&h, VX6_E_PROTOCOL, at);
		test_run(nodes_idle, NULL);
	}
	for (int at = 0; at < 3; at++) {
		static struct heard h;
		static struct app a;

		build(&h, 3, false);
		app_start(&a, h.c, 1000);
		test_run(app_has_all, &a);
		/* frames that cannot be, from the last hop; any at all from the others */
		tnode_say(&tnodes[at], VX6_PAYLOAD_STREAMS, "\6\0\0\0\0\0\0", at == 2 ? 7 : 8);
		expect_down(&h, VX6_E_PROTOCOL, at);
		assert_int_equal(a.down, 1);
		test_run(nodes_idle, NULL);
	}
}

/* ---- a session on the link, as an agent has it ---- */

static void session__over_a_circuit__service_answers_and_echoes(void **state)
{
	struct vx6_adopt how = {.initiator = true,
				.anonymous = true,
				.proven = true,
				.expect_node = true,
				.node = tnodes[2].n.id.id,
				.route = 7};
	struct vx6_session *s;
	static struct heard h;
	static struct app a;

	tnodes[2].adopt = true;
	build(&h, 3, true);
	assert_true(vx6_is_ok(vx6_sessions_adopt(me.m, vx6_circuit_link(h.c), &how, &s)));
	app_open(&a, s, 1000001);
	test_run(app_has_all, &a);
	assert_echoed(&a);
	assert_int_equal(tnodes[2].streams_n, 1);
	vx6_session_close(s, VX6_ERR(IDLE));
	expect_down(&h, VX6_E_IDLE, VX6_CIRCUIT_NO_HOP);
	test_run(nodes_idle, NULL);
}

static void messages__pad__is_nothing(void **state)
{
	static struct heard h;
	static struct app a;

	build(&h, 3, false);
	for (int at = 0; at < 3; at++)
		tnode_say(&tnodes[at], VX6_PAYLOAD_PAD, "anything", 8);
	app_start(&a, h.c, 100000);
	test_run(app_has_all, &a);
	assert_int_equal(h.down, 0);
}

/* ---- what can be asked and heard ---- */

static void ping__every_hop__answers(void **state)
{
	struct vx6_circuit_info info;
	static struct heard h;

	build(&h, 3, true);
	for (int at = 0; at < 3; at++) {
		h.pong = 0;
		vx6_circuit_ping(h.c, at);
		vx6_circuit_ping(h.c, at); /* one is under way */
		test_run_ms(20);
		assert_int_equal(h.pong, 1);
		assert_int_equal(h.pong_hop, at);
	}
	vx6_circuit_info(h.c, &info);
	for (int at = 0; at < 3; at++)
		assert_true(info.hop[at].rtt_us > 0);
}

static void drain__from_a_hop__told_once(void **state)
{
	struct vx6_circuit_info info;
	static struct heard h;
	static struct app a;

	build(&h, 3, false);
	tnode_say(&tnodes[1], VX6_PAYLOAD_DRAIN, "\0\7", 2);
	tnode_say(&tnodes[1], VX6_PAYLOAD_DRAIN, "\0\7", 2);
	test_run_ms(20);
	assert_int_equal(h.draining, 1);
	assert_int_equal(h.drain_hop, 1);
	assert_int_equal(h.drain_code, VX6_CODE_DRAINING);
	vx6_circuit_info(h.c, &info);
	assert_int_equal(info.state, VX6_CIRCUIT_DRAINING);
	assert_true(info.hop[1].draining);
	app_start(&a, h.c, 10000); /* what is there goes on */
	test_run(app_has_all, &a);
}

static void extend__before_the_link__adds_a_hop(void **state)
{
	struct vx6_circuit_hop hop;
	struct vx6_circuit_info info;
	static struct heard h;
	static struct app a;

	build(&h, 2, false);
	hop_of(&tnodes[1], &hop);
	assert_int_equal(vx6_circuit_extend(h.c, &hop, 1000).code, VX6_E_INVALID);
	hop_of(&tnodes[5], &hop);
	assert_true(vx6_is_ok(vx6_circuit_extend(h.c, &hop, 1000)));
	assert_null(vx6_circuit_link(h.c));
	assert_int_equal(vx6_circuit_extend(h.c, &hop, 1000).code, VX6_E_CONFLICT);
	h.built = 0;
	test_run(is_decided, &h);
	assert_int_equal(h.built, 1);
	vx6_circuit_info(h.c, &info);
	assert_int_equal(info.built_n, 3);
	assert_int_equal(info.tx_cells, 3);
	app_start(&a, h.c, 100000);
	test_run(app_has_all, &a);
	assert_echoed(&a);
	assert_int_equal(tnodes[5].streams_n, 1);
	hop_of(&tnodes[6], &hop);
	assert_int_equal(vx6_circuit_extend(h.c, &hop, 1000).code, VX6_E_CONFLICT);
}

/* ---- messages with the last hop ---- */

static struct {
	int n;
	uint8_t type;
	size_t bytes;
} said;

static void on_said(void *user, struct vx6_circuit *c, uint8_t type, const uint8_t *data, size_t n)
{
	said.n++;
	said.type = type;
	said.bytes = n;
}

static const struct vx6_circuit_events said_events = {.built = on_built,
						      .said = on_said,
						      .down = on_down};

static void build_listening(struct heard *h)
{
	struct vx6_circuit_plan p;

	memset(&said, 0, sizeof said);
	memset(h, 0, sizeof *h);
	plan_of(3, &p);
	assert_true(vx6_is_ok(vx6_circuit_build(origin, &p, &said_events, h, &h->c)));
	test_run(is_decided, h);
}

static void said__by_the_last_hop__is_handed_up(void **state)
{
	static struct heard h;

	build_listening(&h);
	tnode_say(&tnodes[2], VX6_PAYLOAD_REND_ESTABLISHED, "\0\0", 2);
	tnode_say(&tnodes[2], VX6_PAYLOAD_INTRODUCE2, "whatever it is", 14);
	test_run_ms(20);
	assert_int_equal(said.n, 2);
	assert_int_equal(said.type, VX6_PAYLOAD_INTRODUCE2);
	assert_int_equal(said.bytes, 14);
	assert_int_equal(h.down, 0);
}

static void said__that_may_not_be__ends_with_that_hop_at_fault(void **state)
{
	static const struct {
		int at;
		uint8_t type;
	} wrong[] = {
		{0, VX6_PAYLOAD_REND_ESTABLISHED}, {1, VX6_PAYLOAD_RENDEZVOUS2},
		{2, VX6_PAYLOAD_ESTABLISH_INTRO},  {2, VX6_PAYLOAD_INTRODUCE1},
		{2, VX6_PAYLOAD_INTRODUCED},       {2, VX6_PAYLOAD_ESTABLISH_REND},
		{2, VX6_PAYLOAD_RENDEZVOUS1},      {2, VX6_PAYLOAD_RENDEZVOUS2 + 1},
	};
	static struct heard h;

	for (size_t i = 0; i < VX6_ARRAY_N(wrong); i++) {
		build_listening(&h);
		tnode_say(&tnodes[wrong[i].at], wrong[i].type, "x", 1);
		expect_down(&h, VX6_E_PROTOCOL, wrong[i].at);
		assert_int_equal(said.n, 0);
		test_run(nodes_idle, NULL);
	}
	build(&h, 3, false); /* one that wants to hear nothing of the kind */
	tnode_say(&tnodes[2], VX6_PAYLOAD_REND_ESTABLISHED, "\0\0", 2);
	expect_down(&h, VX6_E_PROTOCOL, 2);
}

static void said__with_a_link_or_behind_a_join__ends(void **state)
{
	static const uint8_t keys[VX6_CIRCUIT_JOIN_KEYS], kh[VX6_CB_BYTES];
	const struct vx6_circuit_join j = {.keys = keys, .kh = kh, .far = &me.id.id};
	static struct heard h;

	for (int joins = 0; joins < 2; joins++) {
		build_listening(&h);
		if (joins)
			assert_true(vx6_is_ok(vx6_circuit_join(h.c, &j)));
		assert_non_null(vx6_circuit_link(h.c));
		tnode_say(&tnodes[2], VX6_PAYLOAD_RENDEZVOUS2, "x", 1);
		expect_down(&h, VX6_E_PROTOCOL, 2);
		assert_int_equal(said.n, 0);
		test_run(nodes_idle, NULL);
	}
}

static void say__more_than_there_is_room_for__full(void **state)
{
	static const uint8_t data[VX6_PAYLOAD_MAX];
	static struct heard h;
	int n = 0;

	build_listening(&h);
	while (vx6_is_ok(vx6_circuit_say(h.c, VX6_PAYLOAD_INTRODUCED, data, sizeof data)))
		n++;
	assert_int_equal(n, VX6_HOP_QUEUE + VX6_CIRCUIT_SAYS_MAX);
	assert_int_equal(vx6_circuit_say(h.c, VX6_PAYLOAD_INTRODUCED, data, 0).code, VX6_E_FULL);
	test_run_ms(50);
	assert_true(vx6_is_ok(vx6_circuit_say(h.c, VX6_PAYLOAD_INTRODUCED, data, 0)));
	test_run_ms(20);
	assert_int_equal(h.down, 0);
	assert_true(tnodes[2].fwd_n >= n + 1); /* in order, or nobody would have recognised them */
}

/* The last hop sends no PAD back, and no answer: the shape of the circuit will not be complete. What it says late is not heard. */
static void say__closed_and_the_last_hop_is_deaf__ends_after_a_while(void **state)
{
	static const uint8_t data[VX6_PAYLOAD_MAX];
	static struct heard h;
	uint64_t began;

	build_listening(&h);
	assert_true(vx6_is_ok(vx6_circuit_say(h.c, VX6_PAYLOAD_INTRODUCE1, data, sizeof data)));
	vx6_circuit_close(h.c, VX6_ERR(CLOSED));
	began = vx6_now_ms();
	test_run_ms(4500);
	assert_int_equal(tnodes[2].circuits_n, 1);
	tnode_say(&tnodes[2], VX6_PAYLOAD_INTRODUCE_ACK, "\0\0", 2);
	tnode_say(&tnodes[2], VX6_PAYLOAD_DRAIN, "\0\7", 2);
	test_run_ms(100);
	assert_int_equal(tnodes[2].circuits_n, 1);
	test_run(nodes_idle, NULL);
	assert_true(vx6_now_ms() - began <= 5500);
	assert_int_equal(h.down + said.n + h.draining, 0);
}

static bool was_refused(void *arg)
{
	return ((struct heard *)arg)->refused > 0;
}

static void extend__refused__circuit_stays_and_another_hop_can_be_added(void **state)
{
	struct vx6_circuit_hop hop;
	struct vx6_circuit_info info;
	static struct heard h;

	build(&h, 2, false);
	tnodes[5].wrong = T_NO_OPEN;
	hop_of(&tnodes[5], &hop);
	assert_true(vx6_is_ok(vx6_circuit_extend(h.c, &hop, 1000)));
	test_run(was_refused, &h);
	assert_int_equal(h.why.code, VX6_E_UNREACHABLE);
	vx6_circuit_info(h.c, &info);
	assert_int_equal(info.state, VX6_CIRCUIT_OPEN);
	assert_int_equal(info.hops_n, 2);
	hop_of(&tnodes[6], &hop);
	assert_true(vx6_is_ok(vx6_circuit_extend(h.c, &hop, 1000)));
	h.built = 0;
	test_run(is_decided, &h);
	assert_int_equal(h.built, 1);
	assert_int_equal(h.down, 0);
}

static void extend__ninth_relay__limit(void **state)
{
	struct vx6_circuit_hop hop = {.node.b = {1}};
	static struct heard h;

	build(&h, 9, false);
	assert_int_equal(vx6_circuit_extend(h.c, &hop, 1000).code, VX6_E_LIMIT);
}

/* ---- who the first hop sees ---- */

static void anonymous__first_hop_sees_nobody_and_circuits_share_the_link(void **state)
{
	struct vx6_circuit_plan p;
	static struct heard h[4];

	plan_of(2, &p);
	p.anonymous = true;
	build_plan(&h[0], &p);
	build_plan(&h[1], &p);
	test_run(is_decided, &h[0]);
	test_run(is_decided, &h[1]);
	assert_int_equal(h[0].built + h[1].built, 2);
	assert_false(tnodes[0].peer_known);
	assert_true(tnodes[1].peer_known); /* relays know each other */
	build_plan(&h[2], &p);
	test_run(is_decided, &h[2]);
	assert_int_equal(tnodes[0].nobody_n, 1);
	p.anonymous = false;
	build_plan(&h[3], &p);
	test_run(is_decided, &h[3]);
	assert_int_equal(h[3].built, 1);
	assert_true(tnodes[0].peer_known);
	assert_int_equal(tnodes[0].nobody_n, 1);
}

static void identified__live_session__is_used(void **state)
{
	char detail[VX6_DIAL_DETAIL_MAX];
	struct vx6_circuit_info info;
	static struct heard h[2];

	assert_true(vx6_is_ok(node_dial(&me, &tnodes[0].n, NULL, false, detail)));
	build(&h[0], 1, false);
	build(&h[1], 2, false);
	assert_int_equal(me.ups, 1);
	vx6_circuit_info(h[1].c, &info);
	assert_int_equal(info.session_id, vx6_session_id(me.session));
}

/* ---- ends ---- */

static void close__with_a_link__other_end_hears_why(void **state)
{
	static struct heard h;
	static struct app a;

	build(&h, 3, false);
	app_start(&a, h.c, 1000);
	test_run(app_has_all, &a);
	vx6_circuit_close(h.c, VX6_ERR(DUPLICATE));
	assert_int_equal(a.down, 0);
	test_run(nodes_idle, NULL);
	assert_int_equal(a.down, 1);
	assert_int_equal(a.down_why.code, VX6_E_DUPLICATE);
	assert_int_equal(tnodes[2].ends_n, 1);
	assert_int_equal(tnodes[2].end_why.code, VX6_E_DUPLICATE);
	assert_int_equal(h.down, 0);
}

static void close__of_the_link__ends_the_circuit(void **state)
{
	static struct heard h;
	static struct app a;

	build(&h, 3, false);
	app_start(&a, h.c, 1 << 20);
	vx6_link_close(vx6_circuit_link(h.c), VX6_ERR(IDLE));
	expect_down(&h, VX6_E_IDLE, VX6_CIRCUIT_NO_HOP);
	assert_int_equal(a.down, 1);
	assert_int_equal(a.down_why.code, VX6_E_IDLE);
	test_run(nodes_idle, NULL);
}

static void link_lost__in_mid_stream__ends_with_the_place(void **state)
{
	static struct heard h;
	static struct app a;

	build(&h, 3, false);
	app_start(&a, h.c, 4 << 20);
	a.freeze = true;
	test_run(rx_stands, &a);
	vx6_session_close(me.session, VX6_ERR(IDLE));
	expect_down(&h, VX6_E_IDLE, 0);
	assert_int_equal(a.down, 1);
	assert_false(a.corrupt);
	test_run(nodes_idle, NULL);

	build(&h, 3, false);
	app_start(&a, h.c, 4 << 20);
	a.freeze = true;
	test_run(rx_stands, &a);
	vx6_session_close(tnodes[2].n.session, VX6_ERR(CLOSED));
	expect_down(&h, VX6_E_CLOSED, VX6_CIRCUIT_NO_HOP);
	test_run(nodes_idle, NULL);
}

static void link_dead__cells_wait__found_out_soon(void **state)
{
	static struct heard h;
	static struct app a;

	build(&h, 2, false);
	vx6_mem_set_dead(tnodes[0].n.t, true);
	app_start(&a, h.c, 1 << 20);
	expect_down(&h, VX6_E_TIMEOUT, 0);
}

static void free__in_every_state__everything_is_told_and_gone(void **state)
{
	for (int step = 0; step < 14; step++) {
		struct vx6_circuit_plan p;
		static struct heard h[3];
		static struct app a;

		plan_of(3, &p);
		p.anonymous = step % 2;
		build_plan(&h[0], &p);
		p.nest = true;
		build_plan(&h[1], &p);
		for (int i = 0; i < step; i++)
			test_run_ms(0); /* a turn of the loop: one link further */
		build(&h[2], 3, false);
		app_start(&a, h[2].c, 1 << 20);
		vx6_origin_free(origin);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(h[i].down, 1);
			assert_int_equal(h[i].why.code, VX6_E_CLOSED);
		}
		assert_int_equal(a.down, 1);
		origin = vx6_origin_new(&(struct vx6_origin_config){.loop = test_loop,
								    .sessions = me.m,
								    .sched = sched,
								    .net = &vx6_net_default});
		test_run(nodes_idle, NULL);
	}
}

static void close__in_every_state__nothing_more_is_heard(void **state)
{
	for (int step = 0; step < 14; step++) {
		struct vx6_circuit_plan p;
		static struct heard h;
		int built;

		plan_of(3, &p);
		p.anonymous = step % 2;
		p.nest = step % 4 > 1;
		build_plan(&h, &p);
		for (int i = 0; i < step; i++)
			test_run_ms(0);
		built = h.built;
		vx6_circuit_close(h.c, VX6_OK);
		test_run_ms(30);
		assert_int_equal(h.built, built);
		assert_int_equal(h.down, 0);
		test_run(nodes_idle, NULL);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(build__hop_by_hop__floor_of_round_trips),
		T(build__nested__one_cell_each_way),
		T(build__one_knows_nothing_of_nesting__goes_on_one_by_one),
		T(build__one_refuses_in_a_nested_build__is_asked_again_with_the_record),
		T(build__plans_that_make_no_sense__invalid),
		T(build__may_return__a_node_twice_but_not_next_but_one),
		T(build__onion_key_that_is_none__ends_at_that_hop),
		T(build__a_hop_does_wrong__ends_and_says_which),
		T(build__a_hop_says_nothing__timeout_at_that_hop),
		T(build__nobody_listens__unreachable_at_the_first_hop),
		T(streams__bulk_through_hops__comes_back_with_the_same_hash),
		T(streams__reader_at_the_end_stops__bounded_and_goes_on),
		T(streams__own_reader_stops__bounded_and_goes_on),
		T(streams__a_cell_is_changed__ends_and_no_wrong_byte_is_seen),
		T(streams__cells_repeated_or_out_of_order__end),
		T(messages__that_a_hop_may_not_send__end_with_that_hop_at_fault),
		T(session__over_a_circuit__service_answers_and_echoes),
		T(messages__pad__is_nothing),
		T(ping__every_hop__answers),
		T(drain__from_a_hop__told_once),
		T(said__by_the_last_hop__is_handed_up),
		T(said__that_may_not_be__ends_with_that_hop_at_fault),
		T(said__with_a_link_or_behind_a_join__ends),
		T(say__more_than_there_is_room_for__full),
		T(say__closed_and_the_last_hop_is_deaf__ends_after_a_while),
		T(extend__before_the_link__adds_a_hop),
		T(extend__refused__circuit_stays_and_another_hop_can_be_added),
		T(extend__ninth_relay__limit),
		T(anonymous__first_hop_sees_nobody_and_circuits_share_the_link),
		T(identified__live_session__is_used),
		T(close__with_a_link__other_end_hears_why),
		T(close__of_the_link__ends_the_circuit),
		T(link_lost__in_mid_stream__ends_with_the_place),
		T(link_dead__cells_wait__found_out_soon),
		T(free__in_every_state__everything_is_told_and_gone),
		T(close__in_every_state__nothing_more_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
