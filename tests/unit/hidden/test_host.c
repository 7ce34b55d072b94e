/* Introduction points, descriptors and readiness of a hosted service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "host_rig.h"
#include "tests/unit/session/fixture.h"
#include "tests/unit/vtime.h"

enum { PERIOD_S = VX6_HS_PERIOD_S };

static size_t in_state(enum vx6_host_intro_state state)
{
	const struct vx6_host_info *info = rig_info();
	size_t n = 0;

	for (int i = 0; i < info->intros_n; i++)
		n += info->intro[i].state == state;
	return n;
}

static void read_it(void)
{
	assert_true(vx6_is_ok(rig_read(NULL)));
}

static size_t standbys(void)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.desc.intros_n; i++)
		n += rig.desc.intro[i].standby;
	return n;
}

static bool lists(const uint8_t *auth_key)
{
	for (size_t i = 0; i < rig.desc.intros_n; i++)
		if (memcmp(rig.desc.intro[i].auth_key, auth_key, 32) == 0)
			return true;
	return false;
}

/* ---- the beginning ---- */

static void host__start__three_active_and_two_standby_over_two_guards_each(void **state)
{
	const struct vx6_host_info *info;

	rig_settle();
	info = rig_info();
	assert_int_equal(info->intros_n, 5);
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 3);
	assert_int_equal(in_state(VX6_HOST_INTRO_STANDBY), 2);
	assert_int_equal(rig_count(VX6_PURPOSE_INTRO), 10);
	for (int i = 0; i < 5; i++) {
		assert_true(info->intro[i].path[0].up && info->intro[i].path[1].up);
		assert_false(vx6_node_id_eq(&info->intro[i].path[0].guard,
					    &info->intro[i].path[1].guard));
		for (int k = 0; k < i; k++)
			assert_false(vx6_node_id_eq(&info->intro[i].node, &info->intro[k].node));
	}
	for (size_t i = 0; i < rig.bares_n; i++)
		assert_int_equal(rig.bare[i].want.relays, 3);
}

static void host__set_is_there__published_and_dialled_and_ready(void **state)
{
	rig_settle();
	assert_int_equal(rig.published_n, 1);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	assert_int_equal(standbys(), 2);
	assert_int_equal(rig.desc.seq, 1);
	assert_true(rig.desc.pow && rig.desc.pow_effort == 0 && !rig.desc.closed && !rig.desc.fast);
	assert_int_equal(rig_info()->state, VX6_HOST_CHECKING);
	rig_live(2000);
	assert_int_equal(rig.dialled, 1);
	assert_int_equal(rig.dial_key, 1);
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
	assert_int_equal(rig_events(VX6_HOST_READY), 1);
	assert_int_equal(rig.published_n, 1);
}

static void host__dial_fails__not_ready_until_one_succeeds(void **state)
{
	rig.dial_err = VX6_ERR(HS_TIMEOUT);
	rig_live(20000);
	assert_int_equal(rig_info()->state, VX6_HOST_CHECKING);
	assert_true(rig.dialled >= 4);
	assert_non_null(strstr(rig_info()->detail, "the rig said so"));
	rig.dial_err = VX6_OK;
	rig_live(31000);
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
	assert_string_equal(rig_info()->detail, "");
}

static void host__dial_is_never_answered__another_one_follows(void **state)
{
	rig.manual_dial = true;
	rig_live(100000);
	assert_true(rig.dialled >= 2);
	assert_int_equal(rig_info()->state, VX6_HOST_CHECKING);
}

static void host__part_of_the_set_is_late__goes_without_it_then_with_it(void **state)
{
	rig_pass(1);
	for (size_t i = 0; i < 4; i++) /* two of the five */
		rig_open(&rig.bare[i]);
	for (size_t i = 0; i < 4; i++) {
		const uint8_t ok[2] = {0};

		rig.bare[i].type = 0;
		rig.bare[i].ev->said(rig.bare[i].user, &rig.bare[i], VX6_PAYLOAD_INTRO_ESTABLISHED,
				     ok, sizeof ok);
	}
	rig_pass(SETTLE_MS - 100);
	assert_int_equal(rig.published_n, 0);
	rig_pass(200);
	assert_int_equal(rig.published_n, 1);
	read_it();
	assert_int_equal(rig.desc.intros_n, 2);
	rig_settle();
	assert_int_equal(rig.published_n, 1);
	rig_live(PUBLISH_MS);
	assert_int_equal(rig.published_n, 2);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	assert_int_equal(rig.desc.seq, 2);
}

static void host__fast__two_relays_before_the_introduction_point(void **state)
{
	rig_settle();
	read_it();
	assert_true(rig.desc.fast);
	for (size_t i = 0; i < rig.bares_n; i++)
		assert_int_equal(rig.bare[i].want.relays, 2);
}

/* ---- few relays ---- */

static void host__six_relays__a_smaller_set_and_a_warning(void **state)
{
	rig_settle();
	assert_int_equal(rig_info()->intros_n, 3);
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 2);
	assert_int_equal(in_state(VX6_HOST_INTRO_STANDBY), 1);
	assert_int_equal(rig_events(VX6_HOST_WARNING), 1);
	assert_non_null(strstr(rig_last(VX6_HOST_WARNING), "6 relays"));
	assert_int_equal(rig.published_n, 1);
	/* more become known */
	rig.relays_n = 30;
	vx6_host_moved(rig.host);
	rig_live(PUBLISH_MS + 1000);
	assert_int_equal(rig_info()->intros_n, 5);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
}

/* Thirty are known, three will do. */
static void host__fewer_relays_than_thought__goes_with_what_there_is(void **state)
{
	int published;

	rig.drawn_n = 3;
	rig_settle();
	assert_int_equal(rig_info()->intros_n, 3);
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 2);
	rig_live(3000);
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
	/* that there are no more is found out now and then, and is no news */
	rig_live(PUBLISH_MS);
	published = rig.published_n;
	rig_live(10 * SHORT_MS);
	assert_int_equal(rig.published_n, published);
	assert_int_equal(rig_info()->intros_n, 3);
	rig.drawn_n = 0;
	rig_live(SHORT_MS + PUBLISH_MS + 1000);
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 3);
	assert_int_equal(in_state(VX6_HOST_INTRO_STANDBY), 2);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
}

static void host__relays_become_known__the_set_grows(void **state)
{
	rig_settle();
	assert_int_equal(rig_info()->intros_n, 3);
	rig.relays_n = 30;
	rig_live(40000);
	assert_int_equal(rig_info()->intros_n, 5);
	rig.relays_n = 9; /* one or two less are no reason */
	rig_live(60000);
	assert_int_equal(rig_info()->active_want, 3);
	assert_int_equal(rig_info()->standby_want, 2);
	rig.relays_n = 30;
}

/* It takes us, and lets us go at once, again and again. */
static void host__introduction_point_throws_us_out__slower_and_slower_then_left(void **state)
{
	struct vx6_node_id relay;
	size_t before;
	int n = 0;

	rig_live(60000);
	read_it();
	relay = rig.desc.intro[0].node;
	before = rig.bares_n;
	for (int k = 0; k < 1000; k++) {
		for (size_t i = 0; i < rig.bares_n; i++)
			if (rig.bare[i].alive && vx6_node_id_eq(&rig.bare[i].last, &relay))
				rig_kill(&rig.bare[i], VX6_ERR(CLOSED));
		rig_live(50);
	}
	for (size_t i = before; i < rig.bares_n; i++)
		n += vx6_node_id_eq(&rig.bare[i].last, &relay);
	assert_true(n > 1 && n < 20);
	read_it();
	for (size_t i = 0; i < rig.desc.intros_n; i++)
		assert_false(vx6_node_id_eq(&rig.desc.intro[i].node, &relay));
}

/* A guard that dies takes circuits to all of them with it, and the next one may, too: they stay what they are. */
static void host__guards_die_one_after_the_other__the_points_stay(void **state)
{
	uint8_t key[5][32];
	bool up = false;

	rig_live(60000);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	for (size_t i = 0; i < 5; i++)
		memcpy(key[i], rig.desc.intro[i].auth_key, 32);
	rig.guards_die = true;
	for (int k = 0; k < 6; k++) {
		for (size_t i = 0; i < rig.bares_n; i++)
			if (rig.bare[i].alive)
				rig_kill(&rig.bare[i], VX6_ERR(CLOSED));
		rig_live(2000);
	}
	rig.guards_die = false;
	rig_live(40000);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	for (size_t i = 0; i < 5; i++) {
		up = rig_way(key[i], 0) && rig_way(key[i], 1);
		assert_true(up);
	}
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
}

static void host__no_relays__tries_again_and_says_so(void **state)
{
	rig.begin_err = VX6_ERR(NO_RELAYS);
	rig_live(10000);
	assert_int_equal(rig_info()->state, VX6_HOST_STARTING);
	assert_int_equal(rig.published_n, 0);
	assert_non_null(strstr(rig_info()->detail, "so the rig wants it"));
	assert_true(rig_events(VX6_HOST_WARNING) >= 1);
	rig.begin_err = VX6_OK;
	rig_live(5000);
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
}

/* ---- loss ---- */

static void kill_intro(size_t n, vx6_err why)
{
	const uint8_t *key = rig.desc.intro[n].auth_key;

	for (int way = 0; way < PATHS; way++)
		if (rig_way(key, way))
			rig_kill(rig_way(key, way), why);
}

static void host__one_circuit_ends__made_again_and_nothing_else(void **state)
{
	struct vx6_bare *b;

	rig_settle();
	read_it();
	b = rig_way(rig.desc.intro[0].auth_key, 1);
	rig_kill(b, VX6_ERR(CLOSED));
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 3);
	rig_settle();
	b = rig_way(rig.desc.intro[0].auth_key, 1);
	assert_non_null(b);
	assert_int_equal(b->want.guard, 2);
	assert_ptr_equal(b->want.beside, rig_way(rig.desc.intro[0].auth_key, 0));
	assert_true(vx6_node_id_eq(&b->last, &rig.desc.intro[0].node));
	rig_live(PUBLISH_MS * 2);
	assert_int_equal(rig.published_n, 1);
	assert_int_equal(rig_events(VX6_HOST_INTRO_DOWN), 0);
}

static void host__active_one_is_lost__a_standby_takes_over_at_once(void **state)
{
	uint8_t lost[32];

	rig_live(60000);
	read_it();
	assert_false(rig.desc.intro[0].standby);
	memcpy(lost, rig.desc.intro[0].auth_key, sizeof lost);
	for (size_t i = 0; i < RIG_RELAYS; i++)
		rig.dead[i] = vx6_node_id_eq(&rig.relay[i], &rig.desc.intro[0].node);
	kill_intro(0, VX6_ERR(UNREACHABLE));
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 3);
	assert_int_equal(in_state(VX6_HOST_INTRO_STANDBY), 1);
	assert_int_equal(rig_events(VX6_HOST_INTRO_PROMOTED), 1);
	rig_live(100);
	assert_int_equal(rig.published_n, 2); /* the last one was long ago */
	read_it();
	assert_false(lists(lost));
	assert_int_equal(rig.desc.intros_n, 4);
	/* it is given up, and another one stands by, not there */
	rig_live(2 * PUBLISH_MS);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	assert_int_equal(standbys(), 2);
	for (size_t i = 0; i < rig.desc.intros_n; i++)
		for (size_t k = 0; k < RIG_RELAYS; k++)
			if (rig.dead[k])
				assert_false(
					vx6_node_id_eq(&rig.desc.intro[i].node, &rig.relay[k]));
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
}

static void host__changes_one_after_the_other__a_descriptor_in_30_s_at_most(void **state)
{
	rig_settle();
	for (int k = 0; k < 20; k++) {
		read_it();
		kill_intro(0, VX6_ERR(CLOSED));
		rig_live(7000);
	}
	assert_true(rig.published_n >= 4);
	for (int k = 1; k < rig.published_n; k++)
		assert_true(rig.published_ms[k] - rig.published_ms[k - 1] >= PUBLISH_MS);
}

static void host__all_are_lost__cut_off_until_there_are_others(void **state)
{
	rig_live(60000);
	read_it();
	memset(rig.dead, true, sizeof rig.dead);
	for (size_t i = 0; i < 5; i++)
		kill_intro(i, VX6_ERR(UNREACHABLE));
	assert_int_equal(rig_info()->state, VX6_HOST_CUT_OFF);
	assert_int_equal(rig_events(VX6_HOST_NOT_READY), 1);
	rig_live(5000);
	assert_int_equal(rig.published_n, 1);
	memset(rig.dead, false, sizeof rig.dead);
	rig_live(PUBLISH_MS + 15000);
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
	assert_true(rig.published_n >= 2);
}

static void host__none_that_is_named_is_left__told_at_once(void **state)
{
	struct host_service *s = host_find(rig.host, RIG_SCOPE);

	rig_live(60000);
	host_dirty(s);
	rig_live(100);
	assert_int_equal(rig.published_n, 2);
	while (!vx6_list_is_empty(&s->intros))
		host_intro_free(VX6_CONTAINER_OF(s->intros.next, struct host_intro, node), "lost");
	host_wake(s);
	rig_live(ADMITS_MS + 1000); /* not half a minute later */
	assert_int_equal(rig.published_n, 3);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
}

static void host__relay_asks_to_be_left__another_one_first(void **state)
{
	uint8_t key[32];

	rig_live(60000);
	read_it();
	memcpy(key, rig.desc.intro[1].auth_key, sizeof key);
	for (int way = 0; way < PATHS; way++) {
		struct vx6_bare *b = rig_way(key, way);

		b->ev->leaving(b->user, b);
	}
	assert_int_equal(in_state(VX6_HOST_INTRO_RETIRING), 1);
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 3); /* one that stood by */
	rig_live(PUBLISH_MS + 1000);
	read_it();
	assert_false(lists(key));
	assert_int_equal(rig.desc.intros_n, 5);
	assert_int_equal(in_state(VX6_HOST_INTRO_RETIRING), 1);
	assert_non_null(rig_way(key, 0)); /* those who have an older descriptor */
	rig_live(RETIRE_MS + 1000);
	assert_int_equal(in_state(VX6_HOST_INTRO_RETIRING), 0);
}

static void host__one_way_asks_to_be_left__that_one_is_made_again(void **state)
{
	struct vx6_bare *b;

	rig_settle();
	read_it();
	b = rig_way(rig.desc.intro[1].auth_key, 0);
	b->ev->leaving(b->user, b);
	rig_settle();
	assert_false(b->alive);
	assert_non_null(rig_way(rig.desc.intro[1].auth_key, 0));
	assert_int_equal(in_state(VX6_HOST_INTRO_RETIRING), 0);
}

static void host__introduction_point_refuses__another_one(void **state)
{
	const uint8_t no[2] = {0, 0x05};
	struct vx6_bare *b;

	rig_pass(1);
	b = &rig.bare[0];
	rig_open(b);
	b->ev->said(b->user, b, VX6_PAYLOAD_INTRO_ESTABLISHED, no, sizeof no);
	assert_false(b->alive);
	rig_live(5000);
	assert_int_equal(in_state(VX6_HOST_INTRO_ACTIVE), 3);
	assert_int_equal(in_state(VX6_HOST_INTRO_STANDBY), 2);
}

static void host__introduction_point_says_what_it_must_not__left(void **state)
{
	const uint8_t junk[3] = {1, 2, 3};
	struct vx6_bare *b;

	rig_settle();
	read_it();
	b = rig_way(rig.desc.intro[0].auth_key, 0);
	b->ev->said(b->user, b, VX6_PAYLOAD_RENDEZVOUS2, junk, sizeof junk);
	assert_false(b->alive);
}

static void host__introduction_point_is_silent__given_up(void **state)
{
	rig_pass(1);
	rig_open(&rig.bare[0]);
	rig_pass(ESTABLISH_MS + 100);
	assert_false(rig.bare[0].alive);
}

/* ---- rotation ---- */

static void host__a_day_passes__all_introduction_points_are_others(void **state)
{
	struct vx6_hs_desc first;

	rig_settle();
	read_it();
	first = rig.desc;
	rig_live((uint64_t)ROTATE_MAX_S * 1000 + 10 * PUBLISH_MS);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	for (size_t i = 0; i < first.intros_n; i++)
		assert_false(lists(first.intro[i].auth_key));
	assert_int_equal(rig_info()->state, VX6_HOST_IS_READY);
}

static void host__rotate_by_hand__published_without_a_gap(void **state)
{
	struct vx6_hs_desc first;

	rig_live(60000);
	read_it();
	first = rig.desc;
	assert_true(vx6_is_ok(vx6_host_rotate(rig.host, RIG_SCOPE)));
	rig_pass(1);
	assert_int_equal(in_state(VX6_HOST_INTRO_RETIRING), 5);
	rig_live(PUBLISH_MS + 1000);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
	for (size_t i = 0; i < first.intros_n; i++) {
		assert_false(lists(first.intro[i].auth_key));
		assert_non_null(rig_way(first.intro[i].auth_key, 0));
	}
	assert_int_equal(rig_events(VX6_HOST_NOT_READY), 0);
}

static void host__rotate_again_and_again__bounded(void **state)
{
	rig_settle();
	for (int k = 0; k < 20; k++) {
		assert_true(vx6_is_ok(vx6_host_rotate(rig.host, RIG_SCOPE)));
		rig_live(3000);
		assert_true(rig_info()->intros_n <= VX6_HOST_INTROS_MAX);
	}
	rig_live(2 * PUBLISH_MS);
	read_it();
	assert_int_equal(rig.desc.intros_n, 5);
}

static void host__settings_change__introduction_points_are_told(void **state)
{
	rig_live(60000);
	rig.spec.rate = 400;
	rig.spec.fast = true;
	assert_true(vx6_is_ok(vx6_host_set(rig.host, &rig.spec)));
	rig_live(PUBLISH_MS + 1000); /* the rig looks at the rate that they are told */
	read_it();
	assert_true(rig.desc.fast);
	assert_int_equal(rig.desc.intros_n, 5);
}

/* ---- periods and numbers ---- */

/* Its number could not be stored, so it went nowhere. */
static void host__not_published_after_all__another_one_later(void **state)
{
	rig_live(PUBLISH_MS + 1000);
	assert_int_equal(rig.published_n, 1);
	vx6_host_unpublished(rig.host, RIG_SCOPE + 1);
	rig_live(PUBLISH_MS + 1000);
	assert_int_equal(rig.published_n, 1);
	vx6_host_unpublished(rig.host, RIG_SCOPE);
	rig_live(1000);
	assert_int_equal(rig.published_n, 2);
	vx6_host_unpublished(rig.host, RIG_SCOPE);
	rig_live(PUBLISH_MS - 3000);
	assert_int_equal(rig.published_n, 2);
	rig_live(4000);
	assert_int_equal(rig.published_n, 3);
	read_it();
	assert_int_equal(rig.desc.seq, 3);
}

static void host__near_the_edge__neighbour_is_published_too(void **state)
{
	uint64_t period = rig_wall_s() / PERIOD_S;

	rig_live(60000);
	assert_int_equal(rig.recs_n, 1);
	rig_set_wall((period + 1) * PERIOD_S - VX6_HS_EDGE_S - 20);
	vx6_host_moved(rig.host);
	rig_live(PUBLISH_MS + 30000);
	assert_int_equal(rig.recs_n, 2);
	assert_int_equal(rig.rec[0].period, period);
	assert_int_equal(rig.rec[1].period, period + 1);
	assert_int_equal(rig.rec[1].seq, 1);
	/* over the edge: it is the other way round */
	rig_live((uint64_t)VX6_HS_EDGE_S * 1000);
	assert_int_equal(rig.recs_n, 2);
	assert_int_equal(rig.rec[0].period, period + 1);
	assert_int_equal(rig.rec[1].period, period);
	read_it();
	rig_live((uint64_t)VX6_HS_EDGE_S * 1000);
	assert_int_equal(rig.recs_n, 1);
	assert_int_equal(rig.rec[0].period, period + 1);
}

static void host__nothing_happens__renewed_before_it_expires(void **state)
{
	rig_settle();
	for (int hour = 0; hour < 20; hour++) {
		uint64_t seq = rig.rec[0].seq, period = rig.rec[0].period;

		rig_live(RENEW_MAX_MS + PUBLISH_MS);
		assert_true(rig.rec[0].seq > seq || rig.rec[0].period > period);
		read_it();
		assert_true(rig.desc.expires_s > rig_wall_s() + 1800);
	}
}

static void host__restart__numbers_go_on(void **state)
{
	uint64_t seq;

	rig_settle();
	seq = rig.rec[0].seq;
	rig_restart();
	rig_settle();
	assert_int_equal(rig.rec[0].seq, seq + 1);
}

static void host__restart__all_keys_are_new(void **state)
{
	struct vx6_hs_desc first;

	rig_settle();
	read_it();
	first = rig.desc;
	rig_restart();
	rig_settle();
	read_it();
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			assert_memory_not_equal(rig.desc.intro[i].enc_key, first.intro[k].enc_key,
						32);
			assert_memory_not_equal(rig.desc.intro[i].auth_key, first.intro[k].auth_key,
						32);
		}
}

static void host__network_has_newer_ones__goes_on_from_there(void **state)
{
	rig_settle();
	assert_int_equal(rig.seq_asked, 1);
	assert_int_equal(rig.published_n, 0); /* it waits for that */
	vx6_host_own_seq(rig.host, RIG_SCOPE, rig_wall_s() / PERIOD_S, 41);
	rig_settle();
	assert_int_equal(rig.published_n, 1);
	assert_int_equal(rig.rec[0].seq, 42);
}

static void host__network_does_not_answer__begins_and_corrects_itself(void **state)
{
	rig_live(SEQ_WAIT_MS + 1000);
	assert_int_equal(rig.rec[0].seq, 1);
	vx6_host_own_seq(rig.host, RIG_SCOPE, rig_wall_s() / PERIOD_S, 8);
	rig_live(PUBLISH_MS);
	assert_int_equal(rig.rec[0].seq, 9);
}

static void host__number_is_known_here__does_not_wait(void **state)
{
	rig.spec.seq[0] = (struct vx6_host_seq){.period = rig_wall_s() / PERIOD_S, .seq = 5};
	memcpy(rig.stored, rig.spec.seq, sizeof rig.stored);
	rig_restart();
	rig_settle();
	assert_int_equal(rig.rec[0].seq, 6);
}

/* ---- the end ---- */

static void host__drain__withdrawn_and_circuits_closed(void **state)
{
	rig_live(60000);
	vx6_host_drain(rig.host);
	assert_int_equal(rig.recs_n, 0);
	assert_int_equal(rig_count(VX6_PURPOSE_INTRO), 0);
	rig_live(60000);
	assert_int_equal(rig_count(VX6_PURPOSE_INTRO), 0);
	assert_int_equal(rig_info()->state, VX6_HOST_DRAINING);
	rig.spec.scope++;
	assert_int_equal(vx6_host_add(rig.host, &rig.spec).code, VX6_E_DRAINING);
}

static void host__remove__nothing_is_left(void **state)
{
	struct vx6_host_info info;

	rig_settle();
	assert_int_equal(vx6_host_count(rig.host), 1);
	assert_true(vx6_is_ok(vx6_host_remove(rig.host, RIG_SCOPE)));
	assert_int_equal(rig.recs_n, 0);
	assert_int_equal(rig_count(VX6_PURPOSE_INTRO), 0);
	assert_int_equal(vx6_host_count(rig.host), 0);
	assert_int_equal(vx6_host_info(rig.host, RIG_SCOPE, &info).code, VX6_E_NOT_FOUND);
	assert_int_equal(vx6_host_remove(rig.host, RIG_SCOPE).code, VX6_E_NOT_FOUND);
	test_run_ms(100000);
}

static void host_add__bad_or_twice__refused(void **state)
{
	struct vx6_host_spec spec = rig.spec;

	assert_int_equal(vx6_host_add(rig.host, &spec).code, VX6_E_EXISTS);
	spec.scope = 9;
	assert_int_equal(vx6_host_add(rig.host, &spec).code, VX6_E_EXISTS); /* the same key */
	spec.seed[0] ^= 1;
	spec.scope = 0;
	assert_int_equal(vx6_host_add(rig.host, &spec).code, VX6_E_INVALID);
	spec.scope = 9;
	vx6_strlcpy(spec.alias, "No Label", sizeof spec.alias);
	assert_int_equal(vx6_host_add(rig.host, &spec).code, VX6_E_INVALID);
	spec.alias[0] = '\0';
	assert_true(vx6_is_ok(vx6_host_add(rig.host, &spec)));
	spec.scope = 10;
	assert_int_equal(vx6_host_set(rig.host, &spec).code, VX6_E_NOT_FOUND);
	spec.scope = 9;
	spec.seed[0] ^= 2;
	assert_int_equal(vx6_host_set(rig.host, &spec).code, VX6_E_INVALID);
}

static int setup_fast(void **state)
{
	rig.spec.fast = true;
	return rig_setup(state);
}

static int setup_six(void **state)
{
	rig.relays_n = 6;
	return rig_setup(state);
}

static int setup_seq(void **state)
{
	rig.answers_seq = true;
	return rig_setup(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define TEST_WITH(f, setup) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(host__start__three_active_and_two_standby_over_two_guards_each),
		TEST(host__set_is_there__published_and_dialled_and_ready),
		TEST(host__dial_fails__not_ready_until_one_succeeds),
		TEST(host__dial_is_never_answered__another_one_follows),
		TEST(host__part_of_the_set_is_late__goes_without_it_then_with_it),
		TEST_WITH(host__fast__two_relays_before_the_introduction_point, setup_fast),
		TEST_WITH(host__six_relays__a_smaller_set_and_a_warning, setup_six),
		TEST(host__fewer_relays_than_thought__goes_with_what_there_is),
		TEST_WITH(host__relays_become_known__the_set_grows, setup_six),
		TEST(host__introduction_point_throws_us_out__slower_and_slower_then_left),
		TEST(host__guards_die_one_after_the_other__the_points_stay),
		TEST(host__no_relays__tries_again_and_says_so),
		TEST(host__one_circuit_ends__made_again_and_nothing_else),
		TEST(host__active_one_is_lost__a_standby_takes_over_at_once),
		TEST(host__changes_one_after_the_other__a_descriptor_in_30_s_at_most),
		TEST(host__all_are_lost__cut_off_until_there_are_others),
		TEST(host__none_that_is_named_is_left__told_at_once),
		TEST(host__relay_asks_to_be_left__another_one_first),
		TEST(host__one_way_asks_to_be_left__that_one_is_made_again),
		TEST(host__introduction_point_refuses__another_one),
		TEST(host__introduction_point_says_what_it_must_not__left),
		TEST(host__introduction_point_is_silent__given_up),
		TEST(host__a_day_passes__all_introduction_points_are_others),
		TEST(host__rotate_by_hand__published_without_a_gap),
		TEST(host__rotate_again_and_again__bounded),
		TEST(host__settings_change__introduction_points_are_told),
		TEST(host__not_published_after_all__another_one_later),
		TEST(host__near_the_edge__neighbour_is_published_too),
		TEST(host__nothing_happens__renewed_before_it_expires),
		TEST(host__restart__numbers_go_on),
		TEST(host__restart__all_keys_are_new),
		TEST_WITH(host__network_has_newer_ones__goes_on_from_there, setup_seq),
		TEST_WITH(host__network_does_not_answer__begins_and_corrects_itself, setup_seq),
		TEST_WITH(host__number_is_known_here__does_not_wait, setup_seq),
		TEST(host__drain__withdrawn_and_circuits_closed),
		TEST(host__remove__nothing_is_left),
		TEST(host_add__bad_or_twice__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
