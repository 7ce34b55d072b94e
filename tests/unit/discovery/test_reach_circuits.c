/* From a node id to an open stream where circuits lead there as well: which way is taken, and its end in every state. Virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "discovery/names.h"
#include "discovery/peers.h"
#include "discovery/reach.h"
#include "discovery/registry.h"
#include "discovery/resolve.h"
#include "tests/unit/circuit/circuits_rig.h"
#include "transport/mem/mem.h"

enum { ATTEMPTS = 4, TOLD_MS = 15000, STEP_MS = 250, HEAD_START_MS = 400 };

static struct vx6_registry *registry;
static struct vx6_peers *peers;
static struct vx6_names *names;
static struct vx6_resolver *resolver;
static struct vx6_reach *reach;
static struct test_node silent; /* nothing gets from or to it */
static struct attempt {
	struct vx6_reaching *r;
	struct vx6_stream *s;
	struct talk talk;
	int outcomes;
	vx6_err err;
	void (*then)(struct attempt *a); /* optional: in the outcome */
} attempt[ATTEMPTS];

static int setup(void **state)
{
	static const struct vx6_registry_events nobody;

	rig_setup(state);
	node_start(&silent);
	vx6_mem_set_dead(silent.t, true);
	registry = vx6_registry_new(&vx6_net_default, &nobody, NULL);
	peers = vx6_peers_new(&(struct vx6_peers_config){.loop = test_loop, .sessions = rig.me.m});
	names = vx6_names_new(&rig.me.id.id, NULL, NULL);
	resolver = vx6_resolver_new(&(struct vx6_resolver_config){.loop = test_loop,
								  .registry = registry,
								  .names = names,
								  .peers = peers,
								  .net = vx6_net_default});
	reach = vx6_reach_new(&(struct vx6_reach_config){.loop = test_loop,
							 .sessions = rig.me.m,
							 .registry = registry,
							 .names = names,
							 .resolver = resolver,
							 .peers = peers,
							 .circuits = rig.circuits});
	memset(attempt, 0, sizeof attempt);
	return 0;
}

static int teardown(void **state)
{
	vx6_reach_free(reach);
	vx6_resolver_free(resolver);
	rig_teardown(state);
	node_stop(&silent);
	vx6_peers_free(peers);
	vx6_registry_free(registry);
	vx6_names_free(names);
	return 0;
}

/* ---- where the target is ---- */

/* Its record: nothing answers at the first @p silent_n addresses, which costs a dial 250 ms each; then it is there itself, or somebody else, or nobody. */
static void target_at(int silent_n, const struct vx6_addr *last)
{
	static const struct vx6_source from_subject = {.kind = VX6_SOURCE_SUBJECT};
	struct vx6_endpoint e = {.seq = 2,
				 .issued_s = vx6_wall_s(),
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S};
	uint8_t bytes[VX6_ENDPOINT_MAX];
	size_t n;

	for (int i = 0; i < silent_n; i++) {
		e.addrs[e.n_addrs] =
			(struct vx6_endpoint_addr){.addr = silent.at, .via = VX6_VIA_TCP};
		e.addrs[e.n_addrs++].addr.ip[7] = (uint8_t)i;
	}
	e.addrs[e.n_addrs++] = (struct vx6_endpoint_addr){.addr = *last, .via = VX6_VIA_TCP};
	assert_true(vx6_is_ok(vx6_endpoint_build(&e, &rig.node[RIG_END].n.id, bytes, &n)));
	assert_true(vx6_is_ok(
		vx6_registry_admit(registry, bytes, n, &from_subject, vx6_wall_s(), NULL)));
}

static struct vx6_addr nowhere(void)
{
	struct vx6_addr a = rig.node[RIG_END].n.at;

	a.port = (uint16_t)(a.port + 1000);
	return a;
}

static void relays_take_ms(unsigned one_way_ms)
{
	for (int i = 0; i < RIG_RELAYS; i++)
		vx6_mem_set_delay(rig.node[i].n.t, one_way_ms * VX6_NS_PER_MS);
}

static void relays_refuse(void)
{
	const struct vx6_relaying_budget budget = {.mode = VX6_RELAYING_PRIVATE};

	for (int i = 0; i < RIG_RELAYS; i++)
		vx6_relay_set_budget(rig.node[i].relay, &budget);
}

/* ---- attempts ---- */

static void on_outcome(void *user, vx6_err err, const char *how, struct vx6_stream *stream,
		       const struct iovec *rest, int rest_n, bool fin)
{
	struct attempt *a = user;

	assert_true(vx6_is_ok(err) == (stream != NULL));
	assert_true(vx6_is_ok(err) || how[0]);
	a->r = NULL;
	a->outcomes++;
	a->err = err;
	if (stream)
		talk_take(&a->talk, stream);
	if (a->then)
		a->then(a);
}

static const struct vx6_reach_events events = {.outcome = on_outcome};

static void begin(struct attempt *a, enum vx6_routing_via via)
{
	struct vx6_target to = {.service = "web",
				.has_node_id = true,
				.node_id = rig.node[RIG_END].n.id.id,
				.route = {.via = via, .hops = 2}};
	void (*then)(struct attempt *) = a->then;
	struct vx6_stream *early;

	*a = (struct attempt){.then = then};
	a->r = vx6_reach_open(reach, &to, &events, a, &early);
	assert_int_equal(a->outcomes, 0); /* never inside the call */
}

static bool is_told(void *arg)
{
	return ((struct attempt *)arg)->outcomes > 0;
}

/* @return how long it took */
static unsigned try(struct attempt *a, enum vx6_routing_via via)
{
	uint64_t since_ms = vx6_now_ms();

	begin(a, via);
	rig_until(is_told, a, TOLD_MS);
	assert_int_equal(a->outcomes, 1);
	return (unsigned)(vx6_now_ms() - since_ms);
}

static bool over_circuit(const struct attempt *a)
{
	struct vx6_link_info info = {0};
	struct vx6_session *s =
		vx6_sessions_find(rig.me.m, &rig.node[RIG_END].n.id.id, VX6_DIAL_ANY);

	assert_int_equal(a->err.code, VX6_E_OK);
	if (s)
		vx6_session_info(s, &info);
	return info.streams <= 1; /* the control stream */
}

/* ---- which way is taken ---- */

static void auto__direct_is_quick__no_circuit_is_built(void **state)
{
	target_at(0, &rig.node[RIG_END].n.at);
	assert_in_range(try(&attempt[0], VX6_ROUTE_AUTO), 0, 50);
	assert_false(over_circuit(&attempt[0]));
	rig_pass(1000);
	assert_int_equal(rig_decided("build", ""), 0);
}

static void auto__direct_takes_long__a_circuit_after_the_head_start(void **state)
{
	target_at(4, &rig.node[RIG_END].n.at);
	assert_in_range(try(&attempt[0], VX6_ROUTE_AUTO), HEAD_START_MS, HEAD_START_MS + 50);
	assert_true(over_circuit(&attempt[0]));
	/* the dial goes on, and the stream moves to its session */
	rig_pass(4 * STEP_MS);
	assert_false(over_circuit(&attempt[0]));
	assert_talks(&attempt[0].talk, 500);
}

static void auto__direct_fails_at_once__so_does_the_wait_for_it(void **state)
{
	struct vx6_addr nobody = nowhere();

	target_at(0, &nobody);
	assert_in_range(try(&attempt[0], VX6_ROUTE_AUTO), 0, 50);
	assert_true(over_circuit(&attempt[0]));
	assert_talks(&attempt[0].talk, 500);
}

static void auto__circuit_takes_longer_than_direct__its_wait_is_let_go(void **state)
{
	relays_take_ms(800);
	target_at(3, &rig.node[RIG_END].n.at);
	assert_in_range(try(&attempt[0], VX6_ROUTE_AUTO), 3 * STEP_MS, 3 * STEP_MS + 50);
	assert_false(over_circuit(&attempt[0]));
	rig_pass(8000); /* the circuit is there meanwhile */
	assert_talks(&attempt[0].talk, 500);
	assert_int_equal(attempt[0].outcomes, 1);
}

static void auto__no_circuit_can_be_built__direct_all_the_same(void **state)
{
	relays_refuse();
	target_at(4, &rig.node[RIG_END].n.at);
	assert_in_range(try(&attempt[0], VX6_ROUTE_AUTO), 4 * STEP_MS, 4 * STEP_MS + 50);
	assert_false(over_circuit(&attempt[0]));
}

static void auto__neither__says_so_once(void **state)
{
	struct vx6_addr nobody = nowhere();

	relays_refuse();
	target_at(2, &nobody);
	(void)try(&attempt[0], VX6_ROUTE_AUTO);
	assert_int_equal(attempt[0].err.code, VX6_E_PEER_UNREACHABLE);
	rig_pass(20000);
	assert_int_equal(attempt[0].outcomes, 1);
}

/* Somebody else is where the target was, and that is final; a circuit to it is being built. */
static void auto__wrong_peer_while_a_circuit_is_built__told_once(void **state)
{
	relays_take_ms(800);
	target_at(3, &rig.node[0].n.at);
	(void)try(&attempt[0], VX6_ROUTE_AUTO);
	rig_pass(20000);
	assert_int_equal(attempt[0].outcomes, 1);
}

static void relay__never_dials_the_target(void **state)
{
	target_at(0, &rig.node[RIG_END].n.at);
	assert_in_range(try(&attempt[0], VX6_ROUTE_RELAY), 0, 50);
	assert_true(over_circuit(&attempt[0]));
	assert_null(vx6_sessions_find(rig.me.m, &rig.node[RIG_END].n.id.id, VX6_DIAL_ANY));
	/* the next one finds the session: no second circuit */
	assert_in_range(try(&attempt[1], VX6_ROUTE_RELAY), 0, 20);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 1);
}

static void relay__too_few_or_none__no_relays(void **state)
{
	target_at(0, &rig.node[RIG_END].n.at);
	for (int i = 0; i < RIG_RELAYS - 1; i++)
		vx6_relays_drop(rig.relays, &rig.node[i].n.id.id);
	for (int left = 1; left >= 0; left--) { /* two are wanted */
		assert_in_range(try(&attempt[0], VX6_ROUTE_RELAY), 0, 50);
		assert_int_equal(attempt[0].err.code, VX6_E_NO_RELAYS);
		vx6_relays_drop(rig.relays, &rig.node[RIG_RELAYS - 1].n.id.id);
	}
	(void)try(&attempt[1], VX6_ROUTE_AUTO);
	assert_false(over_circuit(&attempt[1]));
}

/* Asked, and the circuit ends before the answer: once more, over another. */
static void relay__circuit_ends_before_the_answer__tried_once_more(void **state)
{
	relays_take_ms(100);
	begin(&attempt[0], VX6_ROUTE_RELAY);
	while (rig_live(VX6_PURPOSE_ROUTE, true) == 0)
		rig_pass(5);
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, rig_row[0].id)));
	rig_until(is_told, &attempt[0], TOLD_MS);
	assert_int_equal(attempt[0].err.code, VX6_E_OK);
	assert_talks(&attempt[0].talk, 2000);
}

/* ---- the end in every state ---- */

/* What an attempt may be in the middle of: a dial, a head start that is over, a circuit that is slow, one that is refused, an OPEN, a wrong peer. */
static void arrange(int kind)
{
	struct vx6_addr nobody = nowhere();

	switch (kind) {
	case 0:
		target_at(4, &rig.node[RIG_END].n.at);
		break;
	case 1:
		relays_take_ms(150);
		target_at(3, &rig.node[RIG_END].n.at);
		break;
	case 2:
		relays_refuse();
		target_at(2, &nobody);
		break;
	default:
		relays_take_ms(300);
		target_at(2, &rig.node[0].n.at);
		break;
	}
}

enum { KINDS = 4, LAST_MS = 2000 };

static unsigned next_ms(unsigned at_ms)
{
	return at_ms + (at_ms < 5 ? 1 : 85);
}

static void cancel__in_every_state__no_outcome_follows(void **state)
{
	for (int kind = 0; kind < KINDS; kind++)
		for (unsigned at_ms = 0; at_ms < LAST_MS; at_ms = next_ms(at_ms)) {
			int before;

			arrange(kind);
			begin(&attempt[0], VX6_ROUTE_AUTO);
			begin(&attempt[1], VX6_ROUTE_RELAY);
			rig_pass(at_ms);
			before = attempt[0].outcomes + attempt[1].outcomes;
			for (int i = 0; i < 2; i++)
				if (attempt[i].r)
					vx6_reach_cancel(attempt[i].r);
			rig_pass(3000);
			assert_int_equal(attempt[0].outcomes + attempt[1].outcomes, before);
			teardown(state);
			setup(state);
		}
}

/* One cancels another and begins a third: neither is a reason to lose one, or to wait for it. */
static void make_trouble(struct attempt *a)
{
	if (a->err.code != VX6_E_DRAINING)
		return;
	if (attempt[1].r)
		vx6_reach_cancel(attempt[1].r);
	attempt[1].r = NULL;
	vx6_reach_direct(reach, &rig.node[1].n.id.id);
	begin(&attempt[3], VX6_ROUTE_AUTO);
}

static void free__in_every_state__all_are_told(void **state)
{
	for (int kind = 0; kind < KINDS; kind++)
		for (unsigned at_ms = 0; at_ms < LAST_MS; at_ms = next_ms(at_ms)) {
			arrange(kind);
			attempt[0].then = make_trouble;
			for (int i = 0; i < 3; i++)
				begin(&attempt[i], i == 2 ? VX6_ROUTE_RELAY : VX6_ROUTE_AUTO);
			rig_pass(at_ms);
			vx6_reach_free(reach);
			reach = NULL;
			assert_int_equal(attempt[0].outcomes, 1);
			assert_int_equal(attempt[2].outcomes, 1);
			if (attempt[0].err.code == VX6_E_DRAINING)
				assert_int_equal(attempt[3].err.code, VX6_E_DRAINING);
			for (int i = 0; i < ATTEMPTS; i++)
				assert_null(attempt[i].r);
			rig_pass(2000);
			teardown(state);
			setup(state);
		}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(auto__direct_is_quick__no_circuit_is_built),
		T(auto__direct_takes_long__a_circuit_after_the_head_start),
		T(auto__direct_fails_at_once__so_does_the_wait_for_it),
		T(auto__circuit_takes_longer_than_direct__its_wait_is_let_go),
		T(auto__no_circuit_can_be_built__direct_all_the_same),
		T(auto__neither__says_so_once),
		T(auto__wrong_peer_while_a_circuit_is_built__told_once),
		T(relay__never_dials_the_target),
		T(relay__too_few_or_none__no_relays),
		T(relay__circuit_ends_before_the_answer__tried_once_more),
		T(cancel__in_every_state__no_outcome_follows),
		T(free__in_every_state__all_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
