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
		T(dead_path__both_sides__end_with_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
