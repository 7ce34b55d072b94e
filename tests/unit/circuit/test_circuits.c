/* The manager of circuits over relays in memory: what routes have, what becomes of it when relays fail, and its end in the middle of everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuits_rig.h"
#include "transport/mem/mem.h"

static struct talk talk;
static char id[VX6_CIRCUIT_ID_TEXT], why[VX6_CIRCUIT_WHY];

static void set_mode(enum vx6_relaying mode)
{
	const struct vx6_relaying_budget budget = {.mode = mode};

	for (int i = 0; i < RIG_RELAYS; i++)
		vx6_relay_set_budget(rig.node[i].relay, &budget);
}

static void copy_id(char out[static VX6_CIRCUIT_ID_TEXT], const struct vx6_circuit_show *row)
{
	assert_non_null(row);
	memcpy(out, row->id, VX6_CIRCUIT_ID_TEXT);
}

/* ---- a session for whoever wants one ---- */

static void want__target_known__session_with_it(void **state)
{
	uint64_t route = rig_route(3, false);
	struct vx6_session *s = rig_session(route);

	assert_int_equal(rig_route(3, false), route);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 1);
	assert_ptr_equal(vx6_circuits_session(rig.circuits, route), s);
	assert_int_equal(vx6_session_route(s), route);
	talk_run(&talk, route);
	assert_int_equal(rig_busy()->hops_n, 4);
	assert_true(rig_busy()->hop[3].is_target);
	assert_talks(&talk, 500);
	assert_int_equal(rig.news[VX6_NEWS_FAILED], 0);
}

static void want__cancelled__nobody_is_told(void **state)
{
	struct rig_wait w = {0};

	rig_want(&w, rig_route(2, false));
	vx6_circuits_wait_cancel(w.w);
	rig_pass(3000);
	assert_int_equal(w.told, 0);
}

static void leave__nothing_runs__its_circuit_goes(void **state)
{
	uint64_t route = rig_route(2, false);

	rig_session(route);
	rig_pass(1000);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 1);
	vx6_circuits_leave(rig.circuits, route);
	rig_pass(1000);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 0);
	/* wanted again: like any other */
	assert_int_equal(rig_route(2, false), route);
	rig_session(route);
	rig_pass(5000);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 1);
	/* what runs goes on */
	talk_run(&talk, route);
	vx6_circuits_leave(rig.circuits, route);
	rig_pass(5000);
	assert_talks(&talk, 500);
	vx6_circuits_leave(rig.circuits, 12345);
}

static void want__every_build_fails__backs_off_and_says_so(void **state)
{
	struct rig_wait w = {0};
	uint64_t began_ms = vx6_now_ms();

	set_mode(VX6_RELAYING_PRIVATE);
	rig_want(&w, rig_route(1, false));
	rig_until(rig_told, &w, 10000);
	assert_int_equal(w.err.code, VX6_E_REFUSED);
	assert_int_equal(rig_decided("build", "a connection waits"), 6);
	assert_true(vx6_now_ms() - began_ms >= 50 + 100 + 200 + 400 + 800);
	rig_pass(5000);
	assert_int_equal(rig_decided("build", "a connection waits"), 6); /* nobody waits any more */
}

static void want__no_relays__says_so_at_once(void **state)
{
	struct rig_wait w = {0};

	rig_want(&w, rig_route(8, false));
	rig_until(rig_told, &w, 100);
	assert_int_equal(w.err.code, VX6_E_NO_RELAYS);
	assert_non_null(strstr(w.detail, "relay"));
}

/* ---- its end in the middle of everything ---- */

static void call_back(struct rig_wait *w)
{
	struct vx6_routing how = rig_how(2, false);
	const struct vx6_node_id *end = &rig.node[RIG_END].n.id.id;
	struct vx6_circuits *c = rig.circuits;

	if (w->err.code != VX6_E_DRAINING)
		return;
	assert_int_equal(vx6_circuits_may(c, end, &how).code, VX6_E_DRAINING);
	assert_int_equal(vx6_circuits_route(c, end, &how), 0);
	assert_null(vx6_circuits_want(c, w->route, NULL, NULL));
	assert_int_equal(vx6_circuits_build(c, NULL, &how, id, why).code, VX6_E_DRAINING);
	vx6_circuits_adrift(c, w->route);
	vx6_circuits_doubt(c, w->route);
	vx6_circuits_learned(c, end);
	vx6_circuits_unknown(c, end, false, VX6_ERR(NOT_FOUND));
	vx6_circuits_moved(c);
}

/* Waits, builds, a stream with its spare, the pool, a relay that goes: freed after every few milliseconds of that. */
static void free__at_any_time__all_are_told_and_nothing_is_left(void **state)
{
	for (unsigned at_ms = 0; at_ms < 1200; at_ms += at_ms < 20 ? 1 : 90) {
		struct rig_wait w[3] = {{.then = call_back}, {.then = call_back}};
		uint64_t direct = rig_route(1, false), hidden = rig_route(2, true);

		talk_run(&talk, direct);
		rig_pass(at_ms);
		rig_want(&w[0], hidden);
		rig_want(&w[1], hidden);
		rig_want(&w[2], direct);
		if (rig_busy())
			rig_cut(rig_index(&rig_busy()->hop[0].node));
		rig_pass(at_ms / 8);
		rig_free_circuits();
		for (int i = 0; i < 3; i++)
			assert_int_equal(w[i].told, 1);
		if (at_ms % 2)
			rig_pass(500);
		rig_teardown(state);
		rig_setup(state);
	}
}

/* More end in one turn of the loop than are remembered; their sessions end after that. */
static void close__more_than_are_remembered__their_sessions_find_nobody(void **state)
{
	enum { N = VX6_CIRCUITS_CLOSED + 8 };
	struct vx6_routing how = rig_how(1, false);
	static char ids[N][VX6_CIRCUIT_ID_TEXT];
	int n;

	for (int i = 0; i < N; i++) {
		assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, &rig.node[RIG_END].n.id.id,
							 &how, ids[i], why)));
		rig_pass(50);
	}
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), N);
	for (int i = N - 1; i >= 0; i--)
		assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, ids[i])));
	n = rig_rows();
	assert_int_equal(n, VX6_CIRCUITS_CLOSED);
	rig_pass(3000);
	assert_int_equal(vx6_circuits_close(rig.circuits, ids[0]).code, VX6_E_NOT_FOUND);
}

static void drain__nothing_is_built_and_streams_end_as_they_like(void **state)
{
	struct rig_wait w = {0};
	int built;

	talk_run(&talk, rig_route(2, false));
	rig_pass(2000);
	rig_want(&w, rig_route(3, true));
	vx6_circuits_drain(rig.circuits);
	rig_until(rig_told, &w, 100);
	assert_int_equal(w.err.code, VX6_E_DRAINING);
	assert_int_equal(rig_route(1, false), 0);
	rig_pass(3000);
	built = rig.news[VX6_NEWS_BUILT];
	assert_int_equal(rig_live(VX6_PURPOSE_POOL, true) + rig_live(VX6_PURPOSE_SPARE, true), 0);
	assert_talks(&talk, 30000);
	assert_int_equal(rig.news[VX6_NEWS_BUILT], built);
	talk_end(&talk);
	rig_pass(3000);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 0);
}

/* ---- one at a time: rows, ids, decisions ---- */

static void rows__circuits_come_and_go__ids_ascend(void **state)
{
	struct vx6_routing how = rig_how(1, false);
	char first[VX6_CIRCUIT_ID_TEXT];
	int n;

	for (int i = 0; i < 12; i++) {
		assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
		if (i == 0)
			memcpy(first, id, sizeof first);
		else if (i % 2)
			assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, id)));
		rig_pass(i % 3);
	}
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, first)));
	n = rig_rows();
	assert_int_equal(n, 12);
	for (int i = 1; i < n; i++)
		assert_true(strcmp(rig_row[i - 1].id, rig_row[i].id) < 0);
	assert_string_equal(rig_row[0].id, first);
}

struct seen {
	int n;
	uint64_t seq;
};

static bool is_older(void *user, const struct vx6_decision *d)
{
	struct seen *s = user;

	assert_true(s->n++ == 0 || d->seq + 1 == s->seq);
	s->seq = d->seq;
	return true;
}

static void decisions__more_than_are_kept__latest_first(void **state)
{
	struct vx6_routing how = rig_how(1, false);
	struct seen s = {0};

	for (int i = 0; i < VX6_CIRCUITS_DECISIONS; i++) {
		assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
		assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, id)));
	}
	vx6_circuits_decisions(rig.circuits, is_older, &s);
	assert_int_equal(s.n, VX6_CIRCUITS_DECISIONS);
}

static void limits__too_many_circuits__refused(void **state)
{
	struct vx6_routing how = rig_how(1, false);

	for (int i = 0; i < VX6_CIRCUITS_MAX; i++)
		assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
	assert_int_equal(vx6_circuits_build(rig.circuits, NULL, &how, id, why).code, VX6_E_FULL);
}

static uint64_t route_to_nobody(uint32_t n)
{
	struct vx6_routing how = rig_how(1, false);
	struct vx6_node_id who = {{0}};

	memcpy(who.b, &n, sizeof n);
	return vx6_circuits_route(rig.circuits, &who, &how);
}

/* The longest unused one makes room; those that anything hangs on stay. A wait that is about to be told is one of these no more. */
static void limits__too_many_routes__the_idle_ones_make_room(void **state)
{
	uint64_t used = rig_route(1, false), idle = route_to_nobody(0),
		 waiting = rig_route(3, true);
	static struct rig_wait w, told;

	talk_run(&talk, used);
	rig.unknown[RIG_END] = true;
	rig_want(&w, waiting);
	rig_want(&told, rig_route(8, false)); /* too few relays: due at once */
	for (uint32_t n = 1; n < VX6_CIRCUITS_ROUTES_MAX + 8; n++)
		assert_true(route_to_nobody(n) != 0);
	assert_int_equal(rig_route(1, false), used);
	assert_int_equal(rig_route(3, true), waiting);
	assert_true(route_to_nobody(0) > idle);
	rig_until(rig_told, &told, 100);
	assert_talks(&talk, 1000);
	assert_int_equal(w.told, 0);
}

/* ---- the pool and spares ---- */

static bool is_hop(const struct vx6_circuit_show *row, int i)
{
	for (uint32_t k = 0; k < row->hops_n; k++)
		if (rig_index(&row->hop[k].node) == i)
			return true;
	return false;
}

/* A relay that is none of its hops. */
static int outside(const struct vx6_circuit_show *row)
{
	int i = 0;

	while (is_hop(row, i))
		i++;
	return i;
}

static void pool__as_many_as_were_wanted__a_new_target_takes_one(void **state)
{
	(void)rig_session(rig_route(2, false));
	rig_pass(4000);
	assert_int_equal(rig_live(VX6_PURPOSE_POOL, true), 1);
	(void)rig_session(rig_route_to(outside(&rig_row[rig_rows() - 1]), 2, false));
	assert_int_equal(rig_decided("build", "from the pool"), 1);
	for (uint8_t i = 0; i < 2 * VX6_CIRCUITS_POOL_MAX; i++)
		(void)rig_session(rig_route_to(i % RIG_RELAYS, 2, i & 1));
	rig_pass(60000);
	assert_in_range(rig_live(VX6_PURPOSE_POOL, true), 2, 2 * VX6_CIRCUITS_POOL_MAX);
	rig_pass(3000000); /* not wanted any more */
	assert_int_equal(rig_live(VX6_PURPOSE_POOL, true), 0);
}

static bool shares_a_relay(const struct vx6_circuit_show *a, const struct vx6_circuit_show *b)
{
	for (uint32_t i = 0; i + 1 < a->hops_n; i++)
		for (uint32_t k = 0; k + 1 < b->hops_n; k++)
			if (vx6_node_id_eq(&a->hop[i].node, &b->hop[k].node))
				return true;
	return false;
}

static const struct vx6_circuit_show *spare(void)
{
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (rig_row[i].purpose == VX6_PURPOSE_SPARE && rig_row[i].is_open &&
		    !rig_row[i].is_closed)
			return &rig_row[i];
	return NULL;
}

static void spare__while_a_stream_runs__through_other_relays(void **state)
{
	struct vx6_circuit_show busy;

	talk_run(&talk, rig_route(2, false));
	rig_pass(1500);
	busy = *rig_busy();
	assert_non_null(spare());
	assert_false(shares_a_relay(&busy, spare()));
	talk_end(&talk);
	rig_pass(40000);
	assert_null(spare());
}

/* ---- when relays fail ---- */

static void relay_goes__stream_goes_on_over_the_spare(void **state)
{
	for (unsigned hop = 0; hop < 2; hop++) {
		talk_run(&talk, rig_route(2, false));
		rig_pass(1500);
		assert_non_null(spare());
		copy_id(id, spare());
		rig_cut(rig_index(&rig_busy()->hop[hop].node));
		assert_talks(&talk, 100);
		assert_string_equal(rig_busy()->id, id);
		assert_talks(&talk, 2000);
		assert_non_null(spare()); /* another one */
		talk_end(&talk);
		rig_pass(40000); /* nobody is suspected any more */
	}
}

static void relay_drains__stream_moves_before_it_ends(void **state)
{
	int drained;

	talk_run(&talk, rig_route(2, false));
	rig_pass(1500);
	drained = rig_index(&rig_busy()->hop[1].node);
	copy_id(id, rig_busy());
	vx6_relay_drain(rig.node[drained].relay, 5000);
	assert_talks(&talk, 3000);
	assert_true(rig_find(id)->is_closed);
	assert_int_equal(rig.news[VX6_NEWS_MOVED], 1);
	assert_false(is_hop(rig_busy(), drained));
}

/* The target, or the last relay, lets every circuit be built and ends it at once. */
static void target_ends_every_circuit__builds_become_fewer(void **state)
{
	talk_run(&talk, rig_route(1, false));
	rig.node[RIG_END].refuse_ends = true;
	rig_cut(RIG_END);
	rig_pass(20000);
	assert_in_range(rig_decided("build", "open after"), 3, 30);
	rig.node[RIG_END].refuse_ends = false;
	assert_talks(&talk, 15000);
}

/* Sessions take no new circuits, and nobody has told the manager. */
static void sessions_drain__circuits_are_not_built_for_ever(void **state)
{
	struct vx6_routing how = rig_how(1, false);
	struct rig_wait w = {0};

	assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
	rig_pass(100);
	rig_want(&w, rig_route(1, false));
	vx6_sessions_drain(rig.me.m);
	rig_until(rig_told, &w, 25000);
	assert_false(vx6_is_ok(w.err));
	assert_true(rig_decided("build", "") < 20);
}

/* ---- by hand ---- */

static void close__in_use__stream_goes_on_over_another(void **state)
{
	talk_run(&talk, rig_route(2, false));
	copy_id(id, rig_busy());
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, id)));
	assert_string_equal(rig_find(id)->reason, "closed by hand");
	assert_talks(&talk, 3000);
	assert_string_not_equal(rig_busy()->id, id);
}

static void rebuild__idle__the_old_one_serves_until_the_new_one_is_open(void **state)
{
	uint64_t route = rig_route(2, false);
	struct vx6_session *s = rig_session(route);
	char next[VX6_CIRCUIT_ID_TEXT];

	copy_id(id, &rig_row[rig_rows() - 1]);
	assert_true(vx6_is_ok(vx6_circuits_rebuild(rig.circuits, id, next, why)));
	assert_ptr_equal(vx6_circuits_session(rig.circuits, route), s);
	rig_pass(1000);
	assert_true(rig_find(id)->is_closed);
	assert_true(rig_find(next)->is_open);
	assert_non_null(vx6_circuits_session(rig.circuits, route));
}

static void rebuild__in_use__stream_moves(void **state)
{
	char next[VX6_CIRCUIT_ID_TEXT];

	talk_run(&talk, rig_route(2, false));
	copy_id(id, rig_busy());
	assert_true(vx6_is_ok(vx6_circuits_rebuild(rig.circuits, id, next, why)));
	assert_talks(&talk, 3000);
	assert_string_equal(rig_busy()->id, next);
	assert_true(rig_find(id)->is_closed);
}

static void rebuild__of_the_pool__the_old_one_goes(void **state)
{
	struct vx6_routing how = rig_how(2, false);
	char next[VX6_CIRCUIT_ID_TEXT];

	assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
	rig_pass(500);
	assert_true(vx6_is_ok(vx6_circuits_rebuild(rig.circuits, id, next, why)));
	rig_pass(500);
	assert_true(rig_find(id)->is_closed);
	assert_true(rig_find(next)->is_open);
}

static void rebuild__cannot_be__all_stays_as_it_was(void **state)
{
	uint64_t route = rig_route(2, false);
	struct vx6_session *s = rig_session(route);
	char next[VX6_CIRCUIT_ID_TEXT];

	copy_id(id, &rig_row[rig_rows() - 1]);
	set_mode(VX6_RELAYING_PRIVATE);
	assert_true(vx6_is_ok(vx6_circuits_rebuild(rig.circuits, id, next, why)));
	rig_pass(3000);
	assert_true(rig_find(next)->is_closed);
	assert_true(rig_find(id)->is_open);
	assert_false(rig_find(id)->is_draining);
	assert_ptr_equal(vx6_circuits_session(rig.circuits, route), s);
}

/* ---- who is not known ---- */

static void unknown_target__asked_for_once_each_way_and_answered_each_way(void **state)
{
	const struct vx6_node_id *end = &rig.node[RIG_END].n.id.id;
	struct rig_wait open = {0}, open_too = {0}, hidden = {0};

	rig.unknown[RIG_END] = true;
	rig_want(&open, rig_route(1, false));
	rig_want(&open_too, rig_route(2, false));
	rig_want(&hidden, rig_route(2, true));
	assert_int_equal(rig.asks_n, 0); /* not from inside the call */
	rig_pass(10);
	assert_int_equal(rig.asks_n, 2);
	assert_int_not_equal(rig.ask[0].anonymous, rig.ask[1].anonymous);
	vx6_circuits_unknown(rig.circuits, end, false, VX6_ERR(NOT_FOUND));
	rig_pass(10);
	assert_int_equal(open.told + open_too.told, 2);
	assert_int_equal(open.err.code, VX6_E_NOT_FOUND);
	assert_int_equal(hidden.told, 0);
	rig.unknown[RIG_END] = false;
	vx6_circuits_learned(rig.circuits, &rig.node[0].n.id.id); /* somebody else */
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, false), 0);
	vx6_circuits_learned(rig.circuits, end);
	rig_until(rig_told, &hidden, 2000);
	assert_int_equal(hidden.err.code, VX6_E_OK);
}

static void unknown_target__nobody_to_ask__said_at_once(void **state)
{
	struct rig_wait w = {0};

	rig.unknown[RIG_END] = rig.nobody_to_ask = true;
	rig_want(&w, rig_route(1, false));
	rig_until(rig_told, &w, 100);
	assert_int_equal(w.err.code, VX6_E_NOT_FOUND);
}

/* A relay that was drawn has no key that is known: the route goes on through others. */
static void unknown_relays__route_goes_through_others(void **state)
{
	struct rig_wait w = {0};

	for (int i = 0; i < RIG_RELAYS - 1; i++)
		rig.unknown[i] = true;
	rig_want(&w, rig_route(1, false));
	for (int i = 0; i < 1000 && !w.told; i++) {
		if (rig.asks_n > 0)
			vx6_circuits_unknown(rig.circuits, &rig.ask[--rig.asks_n].who, false,
					     VX6_ERR(NOT_FOUND));
		rig_pass(5);
	}
	assert_int_equal(w.told, 1);
	assert_int_equal(w.err.code, VX6_E_OK);
}

/* ---- nodes that the route names ---- */

static void build_through(int first, int second, bool hidden, struct rig_wait *w)
{
	struct vx6_routing how = rig_how(2, hidden);

	how.nodes_n = 2;
	how.nodes[0] = rig.node[first].n.id.id;
	how.nodes[1] = rig.node[second].n.id.id;
	rig_want(w, vx6_circuits_route(rig.circuits, &rig.node[RIG_END].n.id.id, &how));
	rig_until(rig_told, w, 25000);
}

/* It says to nobody that it relays: whoever it lets can name it, and nobody draws it. */
static void private_relay__named_by_who_may__never_drawn(void **state)
{
	const struct vx6_relaying_budget private = {.mode = VX6_RELAYING_PRIVATE};
	struct rig_wait w = {0};

	vx6_relays_forget(rig.relays, &rig.node[0].n.id.id);
	vx6_relay_set_budget(rig.node[0].relay, &private);
	rig.node[0].is_peer = true; /* of whoever asks */
	build_through(0, 1, false, &w);
	assert_int_equal(w.err.code, VX6_E_OK);
	build_through(1, 0, false, &w);
	assert_int_equal(w.err.code, VX6_E_OK);
	/* who is nobody is nobody's peer */
	build_through(0, 1, true, &w);
	assert_int_equal(w.err.code, VX6_E_REFUSED);
	rig.node[0].is_peer = false;
	build_through(0, 2, false, &w);
	assert_int_equal(w.err.code, VX6_E_REFUSED);
	(void)rig_session(rig_route(RIG_RELAYS - 1, false)); /* all but that one */
	rig_want(&w, rig_route(RIG_RELAYS, false));
	rig_until(rig_told, &w, 100);
	assert_int_equal(w.err.code, VX6_E_NO_RELAYS);
}

static void named_node__not_known__asked_for(void **state)
{
	struct vx6_routing how = rig_how(1, false);
	struct rig_wait w = {0};

	vx6_relays_forget(rig.relays, &rig.node[0].n.id.id);
	rig.unknown[0] = true;
	how.nodes_n = 1;
	how.nodes[0] = rig.node[0].n.id.id;
	rig_want(&w, vx6_circuits_route(rig.circuits, &rig.node[RIG_END].n.id.id, &how));
	rig_pass(100);
	assert_int_equal(rig.asks_n, 1);
	assert_true(vx6_node_id_eq(&rig.ask[0].who, &how.nodes[0]));
	rig.unknown[0] = false;
	vx6_circuits_learned(rig.circuits, &how.nodes[0]);
	rig_until(rig_told, &w, 1000);
	assert_int_equal(w.err.code, VX6_E_OK);
	how.nodes[0].b[3] ^= 1;
	rig_want(&w, vx6_circuits_route(rig.circuits, &rig.node[RIG_END].n.id.id, &how));
	rig_pass(100);
	vx6_circuits_unknown(rig.circuits, &how.nodes[0], false, VX6_ERR(NOT_FOUND));
	rig_until(rig_told, &w, 100);
	assert_int_equal(w.err.code, VX6_E_NOT_FOUND);
}

/* ---- whose fault it is ---- */

static double failures_of(int i)
{
	double ok, failed;

	vx6_relay_score(rig_entry(i), vx6_wall_s(), &ok, &failed);
	return failed;
}

static void assert_nobody_blamed(void)
{
	for (int i = 0; i < RIG_RELAYS; i++)
		assert_true(failures_of(i) < 0.01);
	for (size_t i = 0; i < vx6_guards_count(rig.guards); i++) {
		const struct vx6_guard *g = vx6_guards_at(rig.guards, i);

		assert_true(g->state == VX6_GUARD_UP || g->state == VX6_GUARD_UNTRIED);
		assert_int_equal(g->bias_ring, 0);
	}
}

/* Its last relay says that it is not there, or nothing comes of it in time. */
static void target_is_not_there__no_relay_is_blamed(void **state)
{
	for (int hidden = 0; hidden < 2; hidden++) {
		struct rig_wait w = {0};

		rig_silence(RIG_END);
		rig_want(&w, rig_route(2, hidden));
		rig_until(rig_told, &w, 25000);
		assert_false(vx6_is_ok(w.err));
		assert_nobody_blamed();
	}
}

/* A relay between two others goes while the circuit is in use: which one it was, the client cannot know. */
static void relay_goes__nobody_is_blamed_for_what_cannot_be_known(void **state)
{
	talk_run(&talk, rig_route(3, true));
	rig_cut(rig_index(&rig_busy()->hop[2].node));
	assert_talks(&talk, 3000);
	assert_nobody_blamed();
}

static void guard_is_silent__it_is_blamed_and_the_next_one_is_taken(void **state)
{
	int guard;

	(void)rig_session(rig_route(2, true));
	guard = rig_index(&rig_row[rig_rows() - 1].hop[0].node);
	rig_pass(2000);
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (!rig_row[i].is_closed)
			assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, rig_row[i].id)));
	rig_silence(guard);
	(void)rig_session(rig_route(2, true));
	assert_int_not_equal(rig_index(&rig_row[rig_rows() - 1].hop[0].node), guard);
	assert_int_equal(vx6_guards_at(rig.guards,
				       vx6_guards_place(rig.guards, &rig.node[guard].n.id.id) - 1)
				 ->state,
			 VX6_GUARD_DOWN);
}

/* Some were started anew since their relay infos came: their onion keys are others. */
static void relays_were_restarted__asked_anew_and_not_blamed(void **state)
{
	for (int hidden = 0; hidden < 2; hidden++) {
		struct rig_wait w = {0};

		for (int i = RIG_RELAYS - 4; i < RIG_NODES; i++)
			rig_forget_keys(i);
		rig_want(&w, rig_route(2, hidden));
		for (int i = 0; i < 4000 && !w.told; i++) {
			rig_pass(5);
			if (rig.asks_n == 0)
				continue;
			rig_learn(rig_index(&rig.ask[--rig.asks_n].who));
			vx6_circuits_learned(rig.circuits, &rig.ask[rig.asks_n].who);
		}
		assert_int_equal(w.told, 1);
		assert_int_equal(w.err.code, VX6_E_OK);
		assert_nobody_blamed();
	}
}

static void target_was_restarted__its_new_key_is_waited_for(void **state)
{
	struct rig_wait w = {0};

	rig_forget_keys(RIG_END);
	rig_want(&w, rig_route(1, false));
	rig_pass(4000);
	assert_int_equal(rig.asks_n, 1);
	assert_int_equal(w.told, 0);
	rig_learn(RIG_END);
	vx6_circuits_learned(rig.circuits, &rig.node[RIG_END].n.id.id);
	rig_until(rig_told, &w, 1000);
	assert_int_equal(w.err.code, VX6_E_OK);
}

/* ---- a circuit of the pool whose extension is refused ---- */

static void build_for_pool(bool hidden)
{
	struct vx6_routing how = rig_how(1, hidden);

	assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
	rig_pass(100);
	assert_true(rig_find(id)->is_open);
}

static void extension_refused__circuit_stays_in_the_pool_for_other_targets(void **state)
{
	struct rig_wait w = {0};
	uint64_t other;

	build_for_pool(false);
	other = rig_route_to(outside(rig_find(id)), 1, false);
	set_mode(VX6_RELAYING_PRIVATE);
	rig_want(&w, rig_route(1, false));
	rig_until(rig_told, &w, 10000);
	assert_false(vx6_is_ok(w.err));
	assert_true(rig_find(id)->is_open);
	assert_false(rig_find(id)->has_target);
	set_mode(VX6_RELAYING_PUBLIC);
	(void)rig_session(other);
	assert_true(rig_decided("build", "from the pool") >= 2);
}

static void extension_refused__anonymous_circuit_goes(void **state)
{
	struct rig_wait w = {0};

	build_for_pool(true);
	set_mode(VX6_RELAYING_PRIVATE);
	rig_want(&w, rig_route(1, true));
	rig_pass(20);
	assert_true(rig_find(id)->is_closed);
	vx6_circuits_wait_cancel(w.w);
}

/* ---- round trips ---- */

/* A relay of the circuit in use, which its spare does not lead through, becomes slow. @return how often the stream left for that */
static int moves_when_slow(bool hidden)
{
	for (int i = 0; i < RIG_NODES; i++)
		vx6_mem_set_delay(rig.node[i].n.t, 2 * VX6_NS_PER_MS);
	talk_run(&talk, rig_route(3, hidden));
	talk.every_ms = 200;
	rig_pass(20000);
	assert_non_null(spare());
	assert_false(is_hop(spare(), rig_index(&rig_busy()->hop[1].node)));
	vx6_mem_set_delay(rig.node[rig_index(&rig_busy()->hop[1].node)].n.t, 40 * VX6_NS_PER_MS);
	assert_talks(&talk, 150000);
	return rig_decided("move", "round trip");
}

static void circuit_in_use_is_slow__left_for_its_spare(void **state)
{
	assert_int_equal(moves_when_slow(false), 1);
}

/* A relay that delays could choose the circuit that is used. */
static void anonymous_circuit_is_slow__not_left(void **state)
{
	assert_int_equal(moves_when_slow(true), 0);
}

/* Streams leave an anonymous circuit after about an hour, and not all at the same age. */
static void anonymous_circuit_is_old__left(void **state)
{
	talk_run(&talk, rig_route(2, true));
	talk.every_ms = 2000;
	copy_id(id, rig_busy());
	assert_talks(&talk, 44 * 60000);
	assert_string_equal(rig_busy()->id, id);
	assert_talks(&talk, 32 * 60000);
	assert_string_not_equal(rig_busy()->id, id);
	assert_true(rig_decided("move", "it is old") >= 1);
}

/* ---- a vanguard ---- */

static uint64_t guarded_to(int i, uint32_t apart)
{
	struct vx6_routing how = rig_how(3, true);

	how.vanguard = true;
	how.apart = apart;
	return vx6_circuits_route(rig.circuits, &rig.node[i].n.id.id, &how);
}

static const struct vx6_circuit_show *latest_to(int i)
{
	for (int n = rig_rows(); n-- > 0;)
		if (rig_row[n].has_target && rig_index(&rig_row[n].target) == i)
			return &rig_row[n];
	return NULL;
}

static void assert_guarded(const struct vx6_circuit_show *row, int target)
{
	assert_non_null(row);
	assert_true(row->is_hidden && row->anonymous && row->has_target && !row->to_service);
	assert_int_equal(row->hops_n, 4);
	assert_true(row->hop[0].is_guard);
	assert_true(row->hop[1].is_vanguard);
	assert_true(vx6_vanguards_has(rig.vanguards, &row->hop[1].node));
	assert_true(row->hop[3].is_target && !row->hop[2].is_rendezvous);
	assert_int_equal(rig_index(&row->hop[3].node), target);
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(rig_index(&row->hop[i].node), target);
}

/* However often, and to whomever: the guard shows itself to vanguards alone. */
static void vanguard__many_routes__always_the_second_and_never_the_last(void **state)
{
	struct vx6_node_id seen[VX6_VANGUARDS_MAX] = {0};
	size_t n = 0;

	for (uint32_t i = 0; i < 24; i++) {
		uint64_t route = guarded_to(RIG_END, i + 1);
		const struct vx6_circuit_show *row;
		size_t k = 0;

		(void)rig_session(route);
		row = latest_to(RIG_END);
		assert_guarded(row, RIG_END);
		while (k < n && !vx6_node_id_eq(&seen[k], &row->hop[1].node))
			k++;
		assert_true(k < VX6_VANGUARDS_MIN);
		n = VX6_MAX(n, k + 1);
		seen[k] = row->hop[1].node;
		vx6_circuits_leave(rig.circuits, route);
	}
	assert_int_equal(n, 2);
}

/* The way to a vanguard leads by another one. */
static void vanguard__it_is_the_target__by_another(void **state)
{
	struct vx6_node_id target;

	(void)rig_session(guarded_to(RIG_END, 1));
	for (size_t i = 0; i < VX6_VANGUARDS_MIN; i++) {
		target = vx6_vanguards_at(rig.vanguards, i)->node;
		(void)rig_session(guarded_to(rig_index(&target), 2));
		assert_guarded(latest_to(rig_index(&target)), rig_index(&target));
	}
}

static void vanguard__same_target__a_route_of_its_own(void **state)
{
	uint64_t route = guarded_to(RIG_END, 0);

	assert_int_equal(guarded_to(RIG_END, 0), route);
	assert_int_not_equal(rig_route(3, true), route);
	(void)rig_session(rig_route(3, true));
	assert_null(vx6_circuits_session(rig.circuits, route));
}

/* They are those of hidden services, and no others. */
static void vanguard__pool__only_circuits_that_have_one(void **state)
{
	(void)rig_session(rig_route(3, true));
	rig_pass(5000);
	assert_int_equal(rig_live(VX6_PURPOSE_POOL, true), 1);
	(void)rig_session(guarded_to(RIG_END, 1));
	assert_int_equal(rig_decided("build", "from the pool"), 0);
	rig_pass(5000);
	assert_int_equal(rig_live(VX6_PURPOSE_POOL, true), 2);
	(void)rig_session(guarded_to(RIG_END, 2));
	assert_int_equal(rig_decided("build", "from the pool"), 1);
	for (int i = 0, n = rig_rows(); i < n; i++)
		if (rig_row[i].has_target && rig_row[i].is_hidden)
			assert_guarded(&rig_row[i], RIG_END);
}

static void vanguard__stream__goes_on_over_a_spare_that_has_one(void **state)
{
	talk_run(&talk, guarded_to(RIG_END, 1));
	rig_pass(5000);
	assert_guarded(spare(), RIG_END);
	rig_silence(rig_index(&rig_busy()->hop[2].node));
	rig_pass(3000);
	assert_talks(&talk, 500);
	assert_guarded(rig_busy(), RIG_END);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(want__target_known__session_with_it),
		T(want__cancelled__nobody_is_told),
		T(leave__nothing_runs__its_circuit_goes),
		T(want__every_build_fails__backs_off_and_says_so),
		T(want__no_relays__says_so_at_once),
		T(free__at_any_time__all_are_told_and_nothing_is_left),
		T(close__more_than_are_remembered__their_sessions_find_nobody),
		T(drain__nothing_is_built_and_streams_end_as_they_like),
		T(rows__circuits_come_and_go__ids_ascend),
		T(decisions__more_than_are_kept__latest_first),
		T(limits__too_many_circuits__refused),
		T(limits__too_many_routes__the_idle_ones_make_room),
		T(pool__as_many_as_were_wanted__a_new_target_takes_one),
		T(spare__while_a_stream_runs__through_other_relays),
		T(relay_goes__stream_goes_on_over_the_spare),
		T(relay_drains__stream_moves_before_it_ends),
		T(target_ends_every_circuit__builds_become_fewer),
		T(sessions_drain__circuits_are_not_built_for_ever),
		T(close__in_use__stream_goes_on_over_another),
		T(rebuild__idle__the_old_one_serves_until_the_new_one_is_open),
		T(rebuild__in_use__stream_moves),
		T(rebuild__of_the_pool__the_old_one_goes),
		T(rebuild__cannot_be__all_stays_as_it_was),
		T(unknown_target__asked_for_once_each_way_and_answered_each_way),
		T(unknown_target__nobody_to_ask__said_at_once),
		T(unknown_relays__route_goes_through_others),
		T(private_relay__named_by_who_may__never_drawn),
		T(named_node__not_known__asked_for),
		T(target_is_not_there__no_relay_is_blamed),
		T(relay_goes__nobody_is_blamed_for_what_cannot_be_known),
		T(guard_is_silent__it_is_blamed_and_the_next_one_is_taken),
		T(relays_were_restarted__asked_anew_and_not_blamed),
		T(target_was_restarted__its_new_key_is_waited_for),
		T(extension_refused__circuit_stays_in_the_pool_for_other_targets),
		T(extension_refused__anonymous_circuit_goes),
		T(circuit_in_use_is_slow__left_for_its_spare),
		T(anonymous_circuit_is_slow__not_left),
		T(anonymous_circuit_is_old__left),
		T(vanguard__many_routes__always_the_second_and_never_the_last),
		T(vanguard__it_is_the_target__by_another),
		T(vanguard__same_target__a_route_of_its_own),
		T(vanguard__pool__only_circuits_that_have_one),
		T(vanguard__stream__goes_on_over_a_spare_that_has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
