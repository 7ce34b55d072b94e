/* What only the in-memory family has: a delay, which shows the windows at work, and a dead path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rig.h"
#include "transport/mem/mem.h"

static struct rig rig;
static struct rig *r = &rig;

static int setup(void **state)
{
	rig_start(r, &vx6_transport_mem, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_stop(r);
	return 0;
}

static void delay(uint64_t one_way_ms)
{
	vx6_mem_set_delay(r->a.t, one_way_ms * VX6_NS_PER_MS);
	vx6_mem_set_delay(r->b.t, one_way_ms * VX6_NS_PER_MS);
}

static void delay__one_byte_each_way__takes_a_round_trip(void **state)
{
	struct end *e;
	uint64_t begun;

	r->b.echo = true;
	delay(20);
	rig_connect(r);
	rig_run_ms(r, 60);
	vx6_link_info(r->a.link, &r->a.info);
	assert_in_range(r->a.info.srtt_us, 40000, 60000);
	e = end_open(&r->a);
	begun = vx6_now_ms();
	end_send(e, 1, true);
	assert_true(rig_until(r, end_got_fin, e, 1000));
	assert_in_range(vx6_now_ms() - begun, 40, 70);
}

/* 256 KiB a round trip of 40 ms would take 6 s for 40 MB. */
static void delay__bulk__window_grows_with_the_path(void **state)
{
	struct end *e;
	uint64_t begun;

	delay(20);
	rig_connect(r);
	e = end_open(&r->a);
	begun = vx6_now_ms();
	end_send(e, 40000000, true);
	while (!r->b.ends_n)
		rig_run_ms(r, 2);
	assert_true(rig_until(r, end_got_fin, r->b.end[0], 20000));
	assert_true(vx6_now_ms() - begun < 2500);
	assert_int_equal(r->b.end[0]->rx, 40000000);
	assert_false(r->b.end[0]->corrupt);
}

static bool end_has_5_mb(void *arg)
{
	struct side *side = arg;

	return side->ends_n && side->end[0]->rx > 5000000;
}

/* @return what lies about of a stream whose reader stops once its window has had time to grow */
static uint64_t unread_after_growth(uint32_t limit)
{
	struct end *e;

	r->b.limit = limit;
	delay(20);
	rig_connect(r);
	rig_run_ms(r, 100); /* the round trip is known */
	e = end_open(&r->a);
	end_send(e, 100 << 20, true);
	assert_true(rig_until(r, end_has_5_mb, &r->b, 20000));
	r->b.end[0]->frozen = true;
	rig_run_ms(r, 200);
	return r->b.end[0]->owed;
}

static void delay__bulk__a_limited_window_grows_to_its_limit(void **state)
{
	enum { LIMIT = 512 * 1024 };

	assert_in_range(unread_after_growth(LIMIT), LIMIT / 2, LIMIT);
	rig_stop(r);
	rig_start(r, &vx6_transport_mem, NULL, NULL);
	assert_true(unread_after_growth(0) > LIMIT);
}

static void keyless__nothing_but_the_binding_is_shared(void **state)
{
	static const uint8_t zero[VX6_CB_BYTES];
	struct end *e;

	vx6_mem_set_keyless(r->a.t, true);
	r->b.echo = true;
	assert_true(vx6_is_ok(rig_dial(r, false, NULL)));
	assert_true(rig_until(r, side_is_up, &r->a, 1000));
	assert_true(rig_until(r, side_is_up, &r->b, 1000));
	for (int i = 0; i < 2; i++) {
		const struct vx6_link_info *info = i ? &r->b.info : &r->a.info;

		assert_false(info->has_peer_key);
		assert_memory_equal(info->own_key.b, zero, sizeof info->own_key);
		assert_int_equal(info->remote.family, VX6_ADDR_NONE);
		assert_memory_not_equal(info->channel_binding, zero, sizeof zero);
	}
	assert_memory_equal(r->a.info.channel_binding, r->b.info.channel_binding, VX6_CB_BYTES);
	/* in small frames */
	e = end_open(&r->a);
	e->tx_seed = e->rx_seed = 3;
	end_send(e, 3000000, true);
	assert_true(rig_until(r, end_is_closed, e, 20000));
	assert_int_equal(e->rx, 3000000);
	assert_false(e->corrupt);
}

static void dead_path__both_sides__end_with_idle(void **state)
{
	struct vx6_transport_limits limits;

	rig_stop(r);
	vx6_transport_limits_default(&limits);
	limits.idle_ms = 200;
	limits.keepalive_ms = 50;
	rig_start(r, &vx6_transport_mem, &limits, &limits);
	rig_connect(r);
	rig_run_ms(r, 400);
	assert_int_equal(r->a.down_n, 0);
	vx6_mem_set_dead(r->a.t, true);
	vx6_mem_set_dead(r->b.t, true);
	assert_true(rig_until(r, side_is_down, &r->a, 1000));
	assert_true(rig_until(r, side_is_down, &r->b, 1000));
	assert_int_equal(r->a.why.code, VX6_E_IDLE);
	assert_int_equal(r->b.why.code, VX6_E_IDLE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(delay__one_byte_each_way__takes_a_round_trip),
		T(delay__bulk__window_grows_with_the_path),
		T(delay__bulk__a_limited_window_grows_to_its_limit),
		T(keyless__nothing_but_the_binding_is_shared),
		T(dead_path__both_sides__end_with_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
