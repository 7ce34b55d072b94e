/* Circuits that fall silent while something flows over them: how long that is borne, where the streams go, and whom that costs what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/circuits_internal.h"
#include "circuits_rig.h"
#include "transport/mem/mem.h"

enum { FLOW_MS = 10, FLOW_BYTES = 2048, NEAR_LEFT_MS = 320 };

static struct talk talk;
static struct vx6_timer flow;

/* More of the same talk, so that something flows. */
static void on_flow(struct vx6_timer *timer)
{
	size_t cap = 0, n;
	uint8_t *room = talk.s ? vx6_stream_reserve(talk.s, &cap) : NULL;

	vx6_timer_in_ms(timer, FLOW_MS);
	n = VX6_MIN(cap, (size_t)FLOW_BYTES);
	for (size_t i = 0; i < n; i++)
		room[i] = (uint8_t)talk.tx++;
	if (room)
		vx6_stream_commit(talk.s, n, false);
}

static int setup(void **state)
{
	int rc = rig_setup(state);

	vx6_timer_init(test_loop, &flow, on_flow, NULL);
	return rc;
}

static int teardown(void **state)
{
	vx6_timer_stop(&flow);
	return rig_teardown(state);
}

/* Whatever it was built for: open, and nothing runs over it. */
static const struct vx6_circuit_show *the_spare(void)
{
	for (int i = rig_rows() - 1; i >= 0; i--)
		if (rig_row[i].is_open && !rig_row[i].is_closed && !rig_row[i].is_draining &&
		    rig_row[i].has_target && rig_row[i].streams == 0)
			return &rig_row[i];
	return NULL;
}

static bool has_spare(void *arg)
{
	return the_spare() != NULL;
}

static void flow_with_spare(uint8_t hops)
{
	talk_run(&talk, rig_route(hops, false));
	vx6_timer_in_ms(&flow, 1);
	rig_until(has_spare, NULL, 5000);
	rig_pass(3000);
}

/* @return the longest time within @p ms that nothing came */
static unsigned pause_within(unsigned ms)
{
	uint64_t last = vx6_now_ms(), end = last + ms, rx = talk.rx;
	unsigned longest = 0;

	while (vx6_now_ms() < end) {
		rig_pass(1);
		if (talk.rx == rx)
			continue;
		longest = VX6_MAX(longest, (unsigned)(vx6_now_ms() - last));
		last = vx6_now_ms();
		rx = talk.rx;
	}
	assert_false(talk.wrong);
	assert_int_equal(talk.closed, 0);
	return VX6_MAX(longest, (unsigned)(vx6_now_ms() - last));
}

/* The place in `rig.node` of a hop. */
static int relay_at(const struct vx6_circuit_show *row, int hop)
{
	return rig_index(&row->hop[hop].node);
}

static bool goes_through(const struct vx6_circuit_show *row, int relay)
{
	for (uint32_t i = 0; i < row->hops_n; i++)
		if (relay_at(row, (int)i) == relay)
			return true;
	return false;
}

static bool is_suspect(int relay)
{
	struct vx6_node_id of[SUSPECTS_MAX];
	size_t n = circuits_suspects(rig.circuits, of);

	for (size_t i = 0; i < n; i++)
		if (rig_index(&of[i]) == relay)
			return true;
	return false;
}

/* ---- in use ---- */

static void relay_goes_deaf__left_after_a_quarter_of_a_second(void **state)
{
	for (int hop = 0; hop < 2; hop++) {
		int deaf;

		flow_with_spare(2);
		deaf = relay_at(rig_busy(), hop);
		rig_silence(deaf);
		assert_true(pause_within(2000) < 400);
		assert_true(rig_decided("move", "it does not answer") > 0);
		assert_false(goes_through(rig_busy(), deaf));
		assert_true(is_suspect(deaf));
		talk_end(&talk);
		(void)teardown(state);
		(void)setup(state);
	}
}

static void make_long(uint64_t link_ms)
{
	for (int i = 0; i < RIG_NODES; i++)
		vx6_mem_set_delay(rig.node[i].n.t, link_ms * VX6_NS_PER_MS);
	vx6_mem_set_delay(rig.me.t, link_ms * VX6_NS_PER_MS);
}

/* A round trip of 480 ms: a quarter of it to be asked, one and a half without an answer, one to go on over the spare. */
static void long_way_goes_deaf__left_in_two_round_trips(void **state)
{
	make_long(80);
	flow_with_spare(2);
	assert_true(pause_within(2000) < 200);
	rig_silence(relay_at(rig_busy(), 1));
	assert_true(pause_within(4000) < 480 / 4 + 480 * 3 / 2 + 480 + 200);
	assert_true(rig_decided("move", "it does not answer") > 0);
}

/* What the first relay does not answer nobody behind it can. */
static void first_relay_of_a_long_way_goes_deaf__left_sooner(void **state)
{
	make_long(80);
	flow_with_spare(2);
	rig_silence(relay_at(rig_busy(), 0));
	assert_true(pause_within(4000) < 480 / 4 + NEAR_LEFT_MS + 480 + 200);
}

/* The spare was as good as dead, too: one more is built, and a third relay is not looked for among the two. */
static void relays_of_both_go_deaf__a_third_circuit_takes_over(void **state)
{
	int deaf[2];

	flow_with_spare(2);
	deaf[0] = relay_at(rig_busy(), 0);
	deaf[1] = relay_at(the_spare(), 0);
	rig_silence(deaf[0]);
	rig_silence(deaf[1]);
	assert_true(pause_within(4000) < 1500);
	assert_false(goes_through(rig_busy(), deaf[0]));
	assert_false(goes_through(rig_busy(), deaf[1]));
	assert_true(is_suspect(deaf[0]));
	assert_true(is_suspect(deaf[1]));
}

/* Again and again within a minute, and never a spare that is any good. */
static void both_swallow_again_and_again__never_waits_for_a_tick(void **state)
{
	flow_with_spare(1);
	for (int i = 0; i < 8; i++) {
		rig_swallow(relay_at(rig_busy(), 0));
		rig_swallow(relay_at(the_spare(), 0));
		assert_true(pause_within(2000) < 700);
		rig_until(has_spare, NULL, 5000);
		rig_pass(1500);
	}
}

static bool is_on_its_way(void *arg)
{
	const struct vx6_circuit_show *row = the_spare();

	return row && row->tx_cells > 0 && rig_live(VX6_PURPOSE_SPARE, true) == 1;
}

/* Built, but not a cell gets through: streams that were sent there would wait for as long as it takes to find out. */
static void spare_is_not_up_yet__streams_do_not_go_there(void **state)
{
	flow_with_spare(1);
	for (int i = 0; i < RIG_NODES; i++)
		vx6_mem_set_delay(rig.node[i].n.t, 10 * VX6_NS_PER_MS);
	vx6_mem_set_delay(rig.me.t, 10 * VX6_NS_PER_MS);
	rig_pass(1000);
	assert_true(vx6_is_ok(vx6_circuits_close(rig.circuits, the_spare()->id)));
	rig_until(is_on_its_way, NULL, 1000);
	rig_swallow(relay_at(the_spare(), 0));
	rig_swallow(relay_at(rig_busy(), 0));
	assert_true(pause_within(4000) < 1500);
}

static bool is_closed(void *id)
{
	const struct vx6_circuit_show *row = rig_find(id);

	return row && row->is_closed;
}

static void left_in_doubt__closed_once_nothing_runs_over_it(void **state)
{
	char id[VX6_CIRCUIT_ID_TEXT];

	flow_with_spare(1);
	memcpy(id, rig_busy()->id, sizeof id);
	rig_silence(relay_at(rig_busy(), 0));
	rig_until(is_closed, id, 5000);
}

/* ---- one that stands by ---- */

static void spare_swallows__found_out_before_it_is_needed(void **state)
{
	char id[VX6_CIRCUIT_ID_TEXT];
	int mute;

	flow_with_spare(2);
	memcpy(id, the_spare()->id, sizeof id);
	mute = relay_at(the_spare(), 1);
	rig_swallow(mute);
	rig_until(is_closed, id, 4500);
	assert_int_equal(rig_decided("close", "while it stands by"), 1);
	assert_true(is_suspect(mute));
	rig_until(has_spare, NULL, 1000);
	assert_false(goes_through(the_spare(), mute));
	assert_true(pause_within(100) < 50);
	assert_int_equal(rig_decided("move", ""), 0);
}

static void spare_of_a_quiet_stream__is_left_alone(void **state)
{
	uint64_t cells;

	flow_with_spare(2);
	vx6_timer_stop(&flow);
	vx6_timer_stop(&talk.timer);
	rig_pass(5000);
	cells = the_spare()->tx_cells;
	rig_pass(20000);
	assert_in_range(the_spare()->tx_cells - cells, 0, 9); /* asked, it would be 30 */
}

/* Whatever is built does not pass on a thing once it stands by: ever more seldom. */
static void spares_that_never_answer__become_fewer(void **state)
{
	flow_with_spare(1);
	for (int i = 0; i < 60; i++) {
		if (the_spare())
			rig_swallow(relay_at(the_spare(), 0));
		rig_pass(1000);
	}
	assert_in_range(rig_decided("close", "while it stands by"), 3, 9);
	assert_true(pause_within(1000) < 100);
}

/* ---- suspects ---- */

static void all_relays_are_suspect__the_longest_suspected_is_taken(void **state)
{
	char id[VX6_CIRCUIT_ID_TEXT], why[VX6_CIRCUIT_WHY];
	struct vx6_routing how = rig_how(1, false);

	for (int first = 0; first < 3; first++) {
		for (int i = 0; i < RIG_RELAYS; i++) {
			circuits_suspect(rig.circuits, &rig.node[(first + i) % RIG_RELAYS].n.id.id);
			rig_pass(10);
		}
		/* seen again: it is the latest now, and counts once */
		circuits_suspect(rig.circuits, &rig.node[first].n.id.id);
		assert_true(vx6_is_ok(vx6_circuits_build(rig.circuits, NULL, &how, id, why)));
		assert_int_equal(relay_at(rig_find(id), 0), (first + 1) % RIG_RELAYS);
	}
}

/* The first relay as well: drawn again with ever other ones behind it, one circuit after the other would end in the same place. */
static void ends_where_is_unknown__all_its_relays_are_suspect(void **state)
{
	int relay[2];

	flow_with_spare(2);
	relay[0] = relay_at(rig_busy(), 0);
	relay[1] = relay_at(rig_busy(), 1);
	rig_cut(relay[1]);
	rig_pass(1000);
	assert_true(is_suspect(relay[0]));
	assert_true(is_suspect(relay[1]));
}

static void suspicion__passes(void **state)
{
	circuits_suspect(rig.circuits, &rig.node[0].n.id.id);
	assert_true(is_suspect(0));
	rig_pass(SUSPECT_MS + 1);
	assert_false(is_suspect(0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(relay_goes_deaf__left_after_a_quarter_of_a_second),
		T(long_way_goes_deaf__left_in_two_round_trips),
		T(first_relay_of_a_long_way_goes_deaf__left_sooner),
		T(relays_of_both_go_deaf__a_third_circuit_takes_over),
		T(both_swallow_again_and_again__never_waits_for_a_tick),
		T(spare_is_not_up_yet__streams_do_not_go_there),
		T(left_in_doubt__closed_once_nothing_runs_over_it),
		T(spare_swallows__found_out_before_it_is_needed),
		T(spare_of_a_quiet_stream__is_left_alone),
		T(spares_that_never_answer__become_fewer),
		T(all_relays_are_suspect__the_longest_suspected_is_taken),
		T(ends_where_is_unknown__all_its_relays_are_suspect),
		T(suspicion__passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
