/* Events come in the order of their time, then of their setting. */
#include "tests/sim/unit/common.h"

#include "base/util.h"
#include "tests/sim/engine/queue.h"
#include "tests/sim/engine/rng.h"

enum { EVENTS = 2000 };

struct probe {
	struct sim_event ev; /* first */
	struct sim_queue *q;
	uint64_t at_us;
	unsigned number, fired;
};

static struct probe *last;
static unsigned count;

static void in_order(struct sim_event *ev)
{
	struct probe *p = VX6_CONTAINER_OF(ev, struct probe, ev);

	assert_true(sim_queue_now_us(p->q) == p->at_us);
	if (last != NULL) {
		assert_true(last->at_us <= p->at_us);
		if (last->at_us == p->at_us)
			assert_true(last->number < p->number);
	}
	p->fired++;
	last = p;
	count++;
}

static void set(struct sim_queue *q, struct probe *p, unsigned number, uint64_t at_us)
{
	p->ev.fn = in_order;
	p->q = q;
	p->number = number;
	p->at_us = at_us;
	sim_queue_set(q, &p->ev, at_us);
}

static void run__any_order_of_setting__fires_by_time_then_setting(void **state)
{
	struct sim_queue *q = sim_queue_new();
	struct probe *p = vx6_zalloc(EVENTS * sizeof *p);
	struct sim_rng r;
	unsigned cancelled = 0;

	last = NULL;
	count = 0;
	sim_rng_seed(&r, 4);
	for (unsigned i = 0; i < EVENTS; i++)
		set(q, &p[i], i, sim_rng_below(&r, 200));
	for (unsigned i = 0; i < EVENTS; i += 3) { /* set anew: now the last of its moment */
		set(q, &p[i], EVENTS + i, sim_rng_below(&r, 200));
		assert_int_equal(sim_queue_count(q), EVENTS);
	}
	for (unsigned i = 1; i < EVENTS; i += 5, cancelled++) {
		sim_queue_cancel(q, &p[i].ev);
		sim_queue_cancel(q, &p[i].ev); /* twice does no harm */
	}
	assert_true(sim_queue_run(q, 99) < EVENTS - cancelled);
	assert_true(sim_queue_now_us(q) == 99);
	sim_queue_run(q, 1000);
	assert_true(sim_queue_now_us(q) == 1000);
	assert_int_equal(count, EVENTS - cancelled);
	assert_int_equal(sim_queue_count(q), 0);
	for (unsigned i = 0; i < EVENTS; i++)
		assert_int_equal(p[i].fired, i % 5 != 1);
	free(p);
	sim_queue_free(q);
}

static void again(struct sim_event *ev)
{
	struct probe *p = VX6_CONTAINER_OF(ev, struct probe, ev);

	p->fired++;
	sim_queue_set(p->q, ev, sim_queue_now_us(p->q) + 10);
}

static void run__an_event_sets_itself__fires_on_until_the_end(void **state)
{
	struct sim_queue *q = sim_queue_new();
	struct probe p = {.ev.fn = again, .q = q};

	sim_queue_set(q, &p.ev, 0);
	assert_int_equal(sim_queue_run(q, 100), 11);
	assert_int_equal(p.fired, 11);
	assert_int_equal(sim_queue_count(q), 1);
	sim_queue_free(q);
}

static void set__in_the_past__fires_now(void **state)
{
	struct sim_queue *q = sim_queue_new();
	struct probe p;

	memset(&p, 0, sizeof p);
	sim_queue_run(q, 500);
	last = NULL;
	set(q, &p, 0, 3);
	p.at_us = 500;
	assert_int_equal(sim_queue_run(q, 500), 1);
	sim_queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__any_order_of_setting__fires_by_time_then_setting),
		cmocka_unit_test(run__an_event_sets_itself__fires_on_until_the_end),
		cmocka_unit_test(set__in_the_past__fires_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
