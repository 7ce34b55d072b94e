/* The client's end and relays together: circuits as agents have them, with a session and a resumable stream from end to end. */
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
#include "relay_rig.h"
#include "tests/unit/circuit/tapp.h"
#include "tests/unit/circuit/tnode.h"
#include "wire/code.h"

enum { RELAYS = 4 };

static struct relay_node relays[RELAYS];
static struct tnode echoes; /* counts what is echoed */
static struct test_node me;
static struct vx6_hop_sched *sched;
static struct vx6_origin *origin;

struct heard {
	struct vx6_circuit *c;
	int built, down, refused, draining;
	vx6_err why;
	int fault;
};

static void on_built(void *user, struct vx6_circuit *c)
{
	((struct heard *)user)->built++;
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
	h->fault = hop;
}

static void on_down(void *user, struct vx6_circuit *c, vx6_err why, int hop)
{
	struct heard *h = user;

	h->c = NULL;
	h->down++;
	h->why = why;
	h->fault = hop;
}

static const struct vx6_circuit_events events = {.built = on_built,
						 .refused = on_refused,
						 .draining = on_draining,
						 .down = on_down};

static bool is_decided(void *arg)
{
	struct heard *h = arg;

	return h->built || h->down || h->refused;
}

static bool is_down(void *arg)
{
	return ((struct heard *)arg)->down > 0;
}

static bool is_drained(void *arg)
{
	return ((struct heard *)arg)->draining > 0;
}

static void on_incoming(struct test_node *n, struct vx6_session *s, struct vx6_stream *stream,
			const struct vx6_open *what, const struct iovec *rest, int rest_n, bool fin)
{
	struct relay_node *r = (struct relay_node *)(void *)n;

	if (what->kind == VX6_OPEN_CIRCUIT)
		vx6_relay_incoming(r->relay, s, stream, rest, rest_n, fin);
	else
		tnode_echo(&echoes, stream, rest, rest_n, fin);
}

static const struct test_hooks hooks = {.incoming = on_incoming};

static int setup(void **state)
{
	test_loop_start();
	node_start_at(&me, "[2001:db8:1::1]:0");
	for (int i = 0; i < RELAYS; i++) {
		char at[32];

		snprintf(at, sizeof at, "[2001:db8:%d::1]:0", i + 2);
		relay_start(&relays[i], at, NULL);
		relays[i].n.hooks = &hooks;
	}
	for (int i = 0; i + 1 < RELAYS; i++)
		relay_knows(&relays[i], &relays[i + 1]);
	memset(&echoes, 0, sizeof echoes);
	sched = vx6_hop_sched_new(test_loop, 64 << 20);
	origin = vx6_origin_new(&(struct vx6_origin_config){
		.loop = test_loop, .sessions = me.m, .sched = sched, .net = &vx6_net_default});
	return 0;
}

static int teardown(void **state)
{
	vx6_origin_free(origin);
	for (int i = 0; i < RELAYS; i++)
		relay_stop(&relays[i]);
	node_stop(&me);
	vx6_hop_sched_free(sched);
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

static void plan_of(int n, struct vx6_circuit_plan *p)
{
	*p = (struct vx6_circuit_plan){.hops_n = (uint8_t)n, .timeout_ms = 3000};
	for (int i = 0; i < n; i++)
		hop_of(&relays[i], &p->hop[i]);
}

static void build_plan(struct heard *h, const struct vx6_circuit_plan *p)
{
	memset(h, 0, sizeof *h);
	assert_true(vx6_is_ok(vx6_circuit_build(origin, p, &events, h, &h->c)));
	test_run(is_decided, h);
}

static struct vx6_session *adopt(struct heard *h, const struct relay_node *end, bool anonymous)
{
	struct vx6_adopt how = {.initiator = true,
				.anonymous = anonymous,
				.proven = true,
				.expect_node = true,
				.node = end->n.id.id,
				.route = 1};
	struct vx6_session *s;

	assert_true(vx6_is_ok(vx6_sessions_adopt(me.m, vx6_circuit_link(h->c), &how, &s)));
	return s;
}

static bool none_left(void *arg)
{
	for (int i = 0; i < RELAYS; i++)
		if (relay_stats(&relays[i]).circuits)
			return false;
	return true;
}

static void through__relays__bytes_come_back_and_builds_cost_their_floor(void **state)
{
	for (int k = 0; k < 8; k++) {
		int n = 1 + k / 2;
		struct vx6_circuit_info info;
		struct vx6_circuit_plan p;
		uint64_t began, ns;
		static struct heard h;
		static struct app a;

		plan_of(n, &p);
		p.nest = k % 2;
		p.anonymous = k % 4 > 1;
		build_plan(&h, &p);
		assert_int_equal(h.built, 1);
		vx6_circuit_info(h.c, &info);
		assert_int_equal(info.tx_cells, p.nest ? 1 : n);
		assert_int_equal(info.rx_cells, p.nest ? 1 : n);
		began = vx6_now_ns();
		app_open(&a, adopt(&h, &relays[n - 1], p.anonymous), 3000001);
		test_run(app_has_all, &a);
		ns = vx6_now_ns() - began;
		assert_echoed(&a);
		printf("%d hops: %.1f MB/s each way through everything, on this core\n", n,
		       (double)a.goal * 1000 / (double)ns);
		assert_int_equal(relay_stats(&relays[n - 1]).end, 1);
		assert_int_equal(relay_stats(&relays[0]).violations, 0);
		vx6_circuit_close(h.c, VX6_OK);
		test_run(none_left, NULL);
		assert_int_equal(h.down, 0);
	}
}

static void through__target_added_later__works(void **state)
{
	struct vx6_circuit_hop hop;
	struct vx6_circuit_plan p;
	static struct heard h;
	static struct app a;

	plan_of(2, &p);
	build_plan(&h, &p);
	hop_of(&relays[3], &hop); /* unknown to the relay, but for the record */
	assert_true(vx6_is_ok(vx6_circuit_extend(h.c, &hop, 1000)));
	h.built = 0;
	test_run(is_decided, &h);
	assert_int_equal(h.built, 1);
	app_open(&a, adopt(&h, &relays[3], true), 100000);
	test_run(app_has_all, &a);
	assert_echoed(&a);
}

static void through__relay_knows_no_address__nested_build_goes_on_with_the_record(void **state)
{
	struct vx6_circuit_info info;
	struct vx6_circuit_plan p;
	static struct heard h;

	relays[0].known_n = 0;
	plan_of(3, &p);
	p.nest = true;
	build_plan(&h, &p);
	assert_int_equal(h.built, 1);
	vx6_circuit_info(h.c, &info);
	assert_int_equal(info.built_n, 3);
	assert_int_equal(info.tx_cells, 3);
}

static void through__key_is_not_the_relays__ends_at_that_hop(void **state)
{
	for (int bad = 0; bad < 3; bad++) {
		struct vx6_circuit_plan p;
		static struct heard h;

		plan_of(3, &p);
		p.hop[bad].onion_key[3] ^= 1;
		build_plan(&h, &p);
		assert_int_equal(h.down, 1);
		assert_int_equal(h.fault, bad);
		test_run(none_left, NULL);
	}
}

static void through__relay_drains__client_hears_it(void **state)
{
	struct vx6_circuit_plan p;
	static struct heard h;
	static struct app a;

	plan_of(3, &p);
	build_plan(&h, &p);
	vx6_relay_drain(relays[1].relay, 2000);
	test_run(is_drained, &h);
	assert_int_equal(h.fault, 1);
	app_open(&a, adopt(&h, &relays[2], false), 100000);
	test_run(app_has_all, &a);
	assert_echoed(&a);
}

static void through__relay_is_gone__circuit_and_session_end(void **state)
{
	for (int gone = 0; gone < 3; gone++) {
		struct vx6_circuit_plan p;
		static struct heard h;
		static struct app a;

		plan_of(3, &p);
		build_plan(&h, &p);
		app_open(&a, adopt(&h, &relays[2], true), 1000000);
		test_run(app_has_all, &a);
		vx6_session_close(relays[gone].n.session, VX6_ERR(CLOSED));
		test_run(is_down, &h);
		test_run(none_left, NULL);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(through__relays__bytes_come_back_and_builds_cost_their_floor),
		T(through__target_added_later__works),
		T(through__relay_knows_no_address__nested_build_goes_on_with_the_record),
		T(through__key_is_not_the_relays__ends_at_that_hop),
		T(through__relay_drains__client_hears_it),
		T(through__relay_is_gone__circuit_and_session_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
