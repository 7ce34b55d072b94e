/* Hidden routes over relays in memory: what legs lead through, who is called there, what becomes of it when the owner comes, does not, or goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/circuits_internal.h"
#include "far_end.h"

static struct talk talk;
static char why[VX6_CIRCUIT_WHY];

static int setup(void **state)
{
	rig_setup(state);
	far_start();
	rig.rendezvous = far_meets;
	rig.said = far_hears;
	return 0;
}

static int teardown(void **state)
{
	rig_free_circuits();
	far_stop();
	return rig_teardown(state);
}

static struct vx6_routing how_hidden(uint8_t hops)
{
	struct vx6_routing how = rig_how(hops, true);

	how.hidden = true;
	return how;
}

static uint64_t route_hidden(uint8_t hops)
{
	struct vx6_routing how = how_hidden(hops);

	return vx6_circuits_route(rig.circuits, &far_end.n.id.id, &how);
}

static bool two_are_open(void *arg)
{
	return rig_live(VX6_PURPOSE_ROUTE, true) == 1 && rig_live(VX6_PURPOSE_SPARE, true) == 1;
}

/* What was decided is about a service, and about no node of that name. */
static bool says_service(void *user, const struct vx6_decision *d)
{
	bool is_about = d->has_target && vx6_node_id_eq(&d->target, &far_end.n.id.id);

	assert_int_equal(d->to_service, is_about);
	*(int *)user += is_about;
	return true;
}

/* ---- the owner comes ---- */

static void hidden__owner_comes__session_with_the_service(void **state)
{
	const struct vx6_circuit_show *row;
	uint64_t route = route_hidden(3);
	int decided = 0;

	assert_int_equal(rig.begun_n, 0);
	talk_run(&talk, route);
	assert_int_equal(rig.begun_n, 1); /* while it was being built */
	row = rig_busy();
	assert_non_null(row);
	assert_true(row->is_hidden && row->is_open && row->anonymous && row->has_target);
	assert_true(row->to_service);
	assert_true(vx6_node_id_eq(&row->target, &far_end.n.id.id));
	assert_int_equal(row->hops_n, 5);
	assert_true(row->hop[0].is_guard);
	assert_true(row->hop[1].is_vanguard);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(row->hop[i].is_rendezvous, i == 3);
		assert_int_equal(row->hop[i].is_target, i == 4);
	}
	assert_true(vx6_node_id_eq(&row->hop[4].node, &far_end.n.id.id));
	assert_int_equal(rig.met_n, 1);
	assert_int_equal(rig.gone_n, 0);
	assert_int_equal(rig.asks_n, 0); /* nobody was asked for the service */
	(void)rig_session(rig_route(2, true));
	vx6_circuits_decisions(rig.circuits, says_service, &decided);
	assert_true(decided >= 2);
	assert_true(vx6_circuits_is_service(rig.circuits, &far_end.n.id.id));
	assert_false(vx6_circuits_is_service(rig.circuits, &rig.node[RIG_END].n.id.id));
	assert_talks(&talk, 500);
	talk_end(&talk);
}

static void hidden__fast__guard_and_vanguard(void **state)
{
	const struct vx6_circuit_show *row;

	talk_run(&talk, route_hidden(2));
	row = rig_busy();
	assert_int_equal(row->hops_n, 4);
	assert_true(row->hop[0].is_guard);
	assert_true(row->hop[1].is_vanguard);
	assert_true(row->hop[2].is_rendezvous);
	talk_end(&talk);
}

static void hidden__streams__spare_with_a_meeting_place_of_its_own(void **state)
{
	struct vx6_node_id x[2];

	talk_run(&talk, route_hidden(3));
	rig_until(two_are_open, NULL, 10000);
	for (int i = 0, n = rig_rows(), k = 0; i < n; i++)
		if (!rig_row[i].is_closed && rig_row[i].has_target)
			x[k++] = rig_row[i].hop[3].node;
	assert_false(vx6_node_id_eq(&x[0], &x[1]));
	assert_int_equal(rig.met_n, 2);
	talk_end(&talk);
}

/* The two legs, the one in use first: their hops. */
static void both_legs(struct vx6_circuit_show out[static 2])
{
	char busy[VX6_CIRCUIT_ID_TEXT];

	rig_until(two_are_open, NULL, 10000);
	out[0] = *rig_busy();
	memcpy(busy, out[0].id, sizeof busy);
	for (int i = 0, n = rig_rows(); i < n; i++)
		if (!rig_row[i].is_closed && rig_row[i].has_target &&
		    strcmp(rig_row[i].id, busy) != 0)
			out[1] = rig_row[i];
}

/* In so small a network it may be that no other way is found; as a rule one is. */
static void hidden__spare__neither_the_guard_nor_the_vanguard_of_the_leg_in_use(void **state)
{
	int shared = 0;

	for (int i = 0; i < 8; i++) {
		struct vx6_circuit_show leg[2];

		rig_all_proved();
		talk_run(&talk, route_hidden(3));
		both_legs(leg);
		assert_true(leg[1].hop[0].is_guard);
		assert_true(leg[1].hop[1].is_vanguard);
		shared += vx6_node_id_eq(&leg[0].hop[0].node, &leg[1].hop[0].node) ||
			  vx6_node_id_eq(&leg[0].hop[1].node, &leg[1].hop[1].node);
		talk_end(&talk);
		(void)teardown(state);
		(void)setup(state);
	}
	assert_in_range(shared, 0, 3);
}

/* Circuits begin elsewhere until it is known what became of it. */
static void hidden__guard_dies__streams_go_on_behind_the_other(void **state)
{
	struct vx6_circuit_show leg[2];

	rig_all_proved();
	talk_run(&talk, route_hidden(3));
	both_legs(leg);
	rig_silence(rig_index(&leg[0].hop[0].node));
	vx6_circuits_doubt(rig.circuits, route_hidden(3));
	rig_pass(5000);
	assert_talks(&talk, 500);
	assert_false(vx6_node_id_eq(&rig_busy()->hop[0].node, &leg[0].hop[0].node));
	assert_true(rig_suspects(&leg[0].hop[0].node));
	talk_end(&talk);
}

static void hidden__meeting_place_dies__streams_go_on_over_the_spare(void **state)
{
	talk_run(&talk, route_hidden(3));
	rig_until(two_are_open, NULL, 10000);
	rig_silence(rig_index(&rig_busy()->hop[3].node));
	rig_pass(3000);
	assert_talks(&talk, 500);
	assert_true(rig.news[VX6_NEWS_MOVED] >= 1);
	assert_true(rig.gone_n >= 1);
	talk_end(&talk);
}

static void hidden__owner_goes__another_leg_at_once(void **state)
{
	uint64_t route = route_hidden(3);

	talk_run(&talk, route);
	rig_until(two_are_open, NULL, 10000);
	for (int i = 0; i < 2; i++)
		vx6_circuit_close(far_end.circuit[i].c, VX6_ERR(CLOSED));
	rig_pass(5000);
	assert_talks(&talk, 500);
	assert_true(rig.met_n >= 3);
	talk_end(&talk);
}

static void hidden__from_the_pool__relays_are_there_already(void **state)
{
	uint64_t route = route_hidden(3);
	struct vx6_routing how = how_hidden(3);

	(void)rig_session(route);
	rig_pass(5000);
	assert_true(rig_live(VX6_PURPOSE_POOL, true) >= 1);
	how.apart = 7;
	route = vx6_circuits_route(rig.circuits, &far_end.n.id.id, &how);
	talk_run(&talk, route);
	assert_int_equal(rig_decided("build", "from the pool"), 1);
	assert_int_equal(rig_busy()->hops_n, 5);
	assert_true(rig_busy()->hop[1].is_vanguard);
	assert_true(rig_busy()->hop[3].is_rendezvous);
	talk_end(&talk);
}

static void hidden__fast_from_the_pool__with_its_vanguard(void **state)
{
	struct vx6_routing how = how_hidden(2);

	(void)rig_session(route_hidden(2));
	rig_pass(5000);
	assert_true(rig_live(VX6_PURPOSE_POOL, true) >= 1);
	how.apart = 7;
	talk_run(&talk, vx6_circuits_route(rig.circuits, &far_end.n.id.id, &how));
	assert_int_equal(rig_decided("build", "from the pool"), 1);
	assert_int_equal(rig_busy()->hops_n, 4);
	assert_true(rig_busy()->hop[1].is_vanguard);
	assert_true(rig_busy()->hop[2].is_rendezvous);
	talk_end(&talk);
}

/* An ordinary anonymous route has no use for those, nor a hidden one for what has no vanguard. */
static void hidden__pools__are_two(void **state)
{
	(void)rig_session(rig_route(3, true));
	rig_pass(5000);
	assert_true(rig_live(VX6_PURPOSE_POOL, true) >= 1);
	(void)rig_session(route_hidden(3));
	assert_int_equal(rig_decided("build", "from the pool"), 0);
}

/* ---- who may be where ---- */

static void remember_x(uint64_t leg, const struct vx6_node_id *service, struct vx6_circuit *circuit,
		       const struct vx6_node_id *x)
{
}

static bool has_met(void *arg)
{
	return rig.met_n >= *(int *)arg;
}

static void hidden__meeting_places__neither_guard_nor_vanguard(void **state)
{
	struct vx6_node_id guard;
	struct rig_wait w[12] = {0};

	rig.rendezvous = remember_x;
	for (int i = 0; i < 12; i++) {
		struct vx6_routing how = how_hidden(3);
		int more = rig.met_n + 1;

		how.apart = 100 + (uint32_t)i;
		rig_want(&w[i], vx6_circuits_route(rig.circuits, &far_end.n.id.id, &how));
		rig_until(has_met, &more, 5000);
		assert_false(vx6_vanguards_has(rig.vanguards, &rig.x));
		guard = vx6_guards_at(rig.guards, 0)->node;
		assert_false(vx6_node_id_eq(&rig.x, &guard));
		vx6_circuits_wait_cancel(w[i].w);
	}
	for (int i = 0, n = rig_rows(); i < n; i++)
		if (rig_row[i].has_target) {
			assert_true(vx6_node_id_eq(&rig_row[i].hop[0].node, &guard));
			assert_true(vx6_vanguards_has(rig.vanguards, &rig_row[i].hop[1].node));
		}
}

/* ---- the owner does not come ---- */

static void hidden__nobody_comes__says_so_in_the_end(void **state)
{
	struct rig_wait w = {0};

	rig.rendezvous = remember_x;
	rig_want(&w, route_hidden(3));
	rig_until(rig_told, &w, 21500);
	assert_int_equal(w.err.code, VX6_E_HS_TIMEOUT);
	assert_int_equal(rig.met_n, 3); /* one after the other, beside each other */
	rig_pass(30000);
	assert_int_equal(rig.gone_n, 3);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, false), 0);
}

static struct {
	vx6_err err;
	bool x_is_fine;
	struct vx6_timer timer;
	struct vx6_node_id x[8];
} refusal;

static void on_refuse(struct vx6_timer *timer)
{
	vx6_circuits_not_joined(rig.circuits, rig.met, refusal.err, "as the test has it",
				refusal.x_is_fine);
}

static void refuse(uint64_t leg, const struct vx6_node_id *service, struct vx6_circuit *circuit,
		   const struct vx6_node_id *x)
{
	assert_true(rig.met_n <= 8);
	refusal.x[rig.met_n - 1] = *x;
	vx6_timer_init(test_loop, &refusal.timer, on_refuse, NULL);
	vx6_timer_in_ms(&refusal.timer, 20);
}

static void hidden__key_opens_nothing__told_at_once(void **state)
{
	struct rig_wait w = {0};

	rig.rendezvous = refuse;
	refusal.err = VX6_ERR(HS_AUTH);
	refusal.x_is_fine = true;
	rig_want(&w, route_hidden(3));
	rig_until(rig_told, &w, 2000);
	assert_int_equal(w.err.code, VX6_E_HS_AUTH);
	assert_string_equal(w.detail, "as the test has it");
	assert_int_equal(rig.met_n, 1);
	assert_int_equal(rig.gone_n, 0); /* it was said by whoever would be told */
	rig_pass(2000);
	assert_int_equal(rig.met_n, 1);
}

static void hidden__it_may_pass__tried_elsewhere_then_told(void **state)
{
	struct rig_wait w = {0};

	rig.rendezvous = refuse;
	refusal.err = VX6_ERR(UNREACHABLE);
	refusal.x_is_fine = false;
	rig_want(&w, route_hidden(3));
	rig_until(rig_told, &w, 20000);
	assert_int_equal(w.err.code, VX6_E_UNREACHABLE);
	assert_int_equal(rig.met_n, 6);
	for (int i = 0; i < 2; i++)
		assert_false(vx6_node_id_eq(&refusal.x[i], &refusal.x[i + 1]));
}

/* ---- it is not to be visited any more ---- */

/* Nothing of it goes on, and none is made again; other routes are not touched. */
static void hidden__abandoned__streams_and_circuits_end(void **state)
{
	static struct talk other;

	memset(&other, 0, sizeof other);
	talk_run(&other, rig_route(2, true));
	talk_run(&talk, route_hidden(3));
	rig_pass(5000);
	assert_int_equal(rig_live(VX6_PURPOSE_SPARE, true), 2);
	vx6_circuits_abandon(rig.circuits, &far_end.n.id.id, VX6_ERR(CONFLICT), "forgotten");
	rig_pass(1000);
	assert_int_equal(talk.closed, 1);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, true), 1);
	assert_int_equal(rig_live(VX6_PURPOSE_SPARE, true), 1);
	assert_int_equal(rig.gone_n, rig.met_n);
	rig_pass(60000);
	assert_int_equal(rig.met_n, 2);
	assert_talks(&other, 500);
	assert_int_equal(other.closed, 0);
	talk_end(&other);
	talk_end(&talk);
}

static bool spare_is_at_x(void *arg)
{
	return rig.met_n == 2;
}

/* The streams are still there when it goes, and no reason for another one. */
static void hidden__abandoned_while_a_spare_is_built__none_follows(void **state)
{
	talk_run(&talk, route_hidden(3));
	rig.rendezvous = remember_x; /* nobody comes to the spare */
	rig_until(spare_is_at_x, NULL, 10000);
	vx6_circuits_abandon(rig.circuits, &far_end.n.id.id, VX6_ERR(CONFLICT), "forgotten");
	rig_pass(30000);
	assert_int_equal(rig.met_n, 2);
	assert_int_equal(talk.closed, 1);
	talk_end(&talk);
}

static void hidden__abandoned_while_somebody_waits__told_why(void **state)
{
	struct rig_wait w = {0};

	rig.rendezvous = remember_x;
	rig_want(&w, route_hidden(3));
	rig_pass(1000);
	assert_int_equal(rig.met_n, 1);
	vx6_circuits_abandon(rig.circuits, &far_end.n.id.id, VX6_ERR(CONFLICT), "forgotten");
	rig_until(rig_told, &w, 100);
	assert_int_equal(w.err.code, VX6_E_CONFLICT);
	assert_string_equal(w.detail, "forgotten");
	rig_pass(30000);
	assert_int_equal(rig.met_n, 1);
	assert_int_equal(rig.gone_n, 1);
	assert_int_equal(rig_live(VX6_PURPOSE_ROUTE, false), 0);
	/* whoever asks again gets another one */
	rig.rendezvous = far_meets;
	(void)rig_session(route_hidden(3));
}

static void hidden__unknown_leg__ignored(void **state)
{
	const struct vx6_circuit_join j = {0};

	vx6_circuits_joined(rig.circuits, 0, &j);
	vx6_circuits_joined(rig.circuits, 77, &j);
	vx6_circuits_not_joined(rig.circuits, 77, VX6_ERR(TIMEOUT), "", false);
}

static void hidden__freed_in_the_middle__those_who_wait_are_told(void **state)
{
	struct rig_wait w = {0};
	int one = 1;

	rig.rendezvous = remember_x;
	rig_want(&w, route_hidden(3));
	rig_until(has_met, &one, 5000);
	rig_free_circuits();
	assert_int_equal(w.told, 1);
	assert_int_equal(w.err.code, VX6_E_DRAINING);
	assert_int_equal(rig.gone_n, 1);
}

/* ---- by hand ---- */

static void hidden__built_and_rebuilt_by_hand__as_any_other(void **state)
{
	struct vx6_routing how = how_hidden(3);
	char id[VX6_CIRCUIT_ID_TEXT], next[VX6_CIRCUIT_ID_TEXT];

	assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, &far_end.n.id.id, &how, id, why)));
	rig_pass(2000);
	assert_true(rig_find(id)->is_open);
	assert_true(vx6_is_ok(vx6_circuits_rebuild(rig.circuits, id, next, why)));
	rig_pass(2000);
	assert_true(rig_find(next)->is_open);
	assert_true(rig_find(id)->is_closed);
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, next)));
	assert_int_equal(rig.gone_n, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hidden__owner_comes__session_with_the_service),
		TEST(hidden__fast__guard_and_vanguard),
		TEST(hidden__streams__spare_with_a_meeting_place_of_its_own),
		TEST(hidden__spare__neither_the_guard_nor_the_vanguard_of_the_leg_in_use),
		TEST(hidden__guard_dies__streams_go_on_behind_the_other),
		TEST(hidden__meeting_place_dies__streams_go_on_over_the_spare),
		TEST(hidden__owner_goes__another_leg_at_once),
		TEST(hidden__from_the_pool__relays_are_there_already),
		TEST(hidden__fast_from_the_pool__with_its_vanguard),
		TEST(hidden__pools__are_two),
		TEST(hidden__meeting_places__neither_guard_nor_vanguard),
		TEST(hidden__nobody_comes__says_so_in_the_end),
		TEST(hidden__key_opens_nothing__told_at_once),
		TEST(hidden__it_may_pass__tried_elsewhere_then_told),
		TEST(hidden__abandoned__streams_and_circuits_end),
		TEST(hidden__abandoned_while_a_spare_is_built__none_follows),
		TEST(hidden__abandoned_while_somebody_waits__told_why),
		TEST(hidden__unknown_leg__ignored),
		TEST(hidden__freed_in_the_middle__those_who_wait_are_told),
		TEST(hidden__built_and_rebuilt_by_hand__as_any_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
