/* Hosts, sessions and requests: what takes how long, and that a seed says it all. */
#include "tests/sim/unit/common.h"

#include "base/util.h"
#include "tests/sim/engine/net.h"
#include "tests/sim/engine/rng.h"

enum { RTT = 50 * SIM_MS };

struct fixture {
	struct sim_queue *q;
	struct sim_net *net;
	uint64_t last_id, at_us;
	unsigned served, answered, failed, up;
	vx6_err why;
	uint8_t got[8];
	size_t got_n;
	uint64_t delay_us;
	bool mute;
	uint64_t trace; /* hash of all that happened */
};

static void note(struct fixture *f, uint64_t what, uint64_t a, uint64_t b)
{
	f->at_us = sim_queue_now_us(f->q);
	f->trace = (f->trace ^ what ^ a << 8 ^ b << 32 ^ f->at_us << 20) * 0x9e3779b97f4a7c15u;
	f->trace ^= f->trace >> 29;
}

static size_t serve(void *user, uint32_t host, uint32_t from, const uint8_t *req, size_t n,
		    uint8_t *answer, uint64_t *delay_us)
{
	struct fixture *f = user;

	note(f, 1, host, from);
	f->served++;
	*delay_us = f->delay_us;
	for (size_t i = 0; i < n; i++)
		answer[i] = (uint8_t)(req[i] + 1);
	return f->mute ? 0 : n;
}

static void answered(void *user, uint32_t host, uint64_t id, const uint8_t *answer, size_t n)
{
	struct fixture *f = user;

	note(f, 2, host, id);
	f->answered++;
	f->last_id = id;
	f->got_n = VX6_MIN(n, sizeof f->got);
	memcpy(f->got, answer, f->got_n);
}

static void failed(void *user, uint32_t host, uint64_t id, vx6_err why)
{
	struct fixture *f = user;

	note(f, 3, host, id);
	f->failed++;
	f->last_id = id;
	f->why = why;
}

static void session_up(void *user, uint32_t host, uint32_t peer)
{
	struct fixture *f = user;

	note(f, 4, host, peer);
	f->up++;
}

static const struct sim_net_calls calls = {serve, answered, failed, session_up};

static struct fixture *begin(uint32_t hosts, double jitter, uint64_t seed)
{
	struct fixture *f = vx6_zalloc(sizeof *f);
	struct sim_net_config cfg = {.one_way_us = RTT / 2,
				     .jitter = jitter,
				     .warm_max = 4,
				     .dead_us = 60 * SIM_S,
				     .dial_us = 5 * SIM_S,
				     .seed = seed};

	f->q = sim_queue_new();
	f->net = sim_net_new(f->q, &cfg, &calls, f);
	for (uint32_t i = 0; i < hosts; i++)
		sim_net_up(f->net, sim_net_add(f->net));
	return f;
}

static void end(struct fixture *f)
{
	sim_net_free(f->net);
	sim_queue_free(f->q);
	free(f);
}

static void ask(struct fixture *f, uint32_t from, uint32_t to, uint64_t id)
{
	sim_net_request(f->net, from, to, id, (const uint8_t *)"abc", 3);
}

static void request__first_two_round_trips__then_one(void **state)
{
	struct fixture *f = begin(2, 0, 1);

	assert_false(sim_net_is_warm(f->net, 0, 1));
	ask(f, 0, 1, 77);
	ask(f, 0, 1, 78); /* shares the handshake */
	sim_queue_run(f->q, 10 * SIM_S);
	assert_int_equal(f->answered, 2);
	assert_int_equal(f->last_id, 78);
	assert_true(f->at_us == 2 * RTT);
	assert_memory_equal(f->got, "bcd", 3);
	assert_int_equal(f->up, 2);
	assert_true(sim_net_is_warm(f->net, 0, 1));
	assert_true(sim_net_is_warm(f->net, 1, 0));
	ask(f, 1, 0, 5); /* the session serves both ways */
	sim_queue_run(f->q, 20 * SIM_S);
	assert_int_equal(f->answered, 3);
	assert_true(f->at_us == 10 * SIM_S + RTT);
	assert_int_equal(f->up, 2);
	end(f);
}

static void request__a_slow_answer__comes_later(void **state)
{
	struct fixture *f = begin(2, 0, 1);

	f->delay_us = 7 * SIM_MS;
	sim_net_warm(f->net, 0, 1);
	ask(f, 0, 1, 1);
	sim_queue_run(f->q, SIM_S);
	assert_true(f->at_us == RTT + 7 * SIM_MS);
	end(f);
}

static void request__nobody_there__fails_after_the_dial(void **state)
{
	struct fixture *f = begin(2, 0, 1);

	sim_net_down(f->net, 1);
	ask(f, 0, 1, 1);
	ask(f, 0, SIM_NOWHERE, 2);
	sim_queue_run(f->q, 5 * SIM_S - 1);
	assert_int_equal(f->failed, 0);
	sim_queue_run(f->q, 5 * SIM_S);
	assert_int_equal(f->failed, 2);
	assert_int_equal(f->why.code, VX6_E_UNREACHABLE);
	assert_int_equal(f->served, 0);
	end(f);
}

static void request__session_with_one_that_went__silence_until_it_dies(void **state)
{
	struct fixture *f = begin(2, 0, 1);

	sim_net_warm(f->net, 0, 1);
	sim_net_down(f->net, 1);
	assert_true(sim_net_is_warm(f->net, 0, 1));
	ask(f, 0, 1, 1);
	sim_queue_run(f->q, 30 * SIM_S);
	sim_net_up(f->net, 1); /* a new life does not know of the session */
	assert_true(sim_net_is_warm(f->net, 0, 1));
	assert_false(sim_net_is_warm(f->net, 1, 0));
	ask(f, 0, 1, 2);
	sim_queue_run(f->q, 61 * SIM_S);
	assert_int_equal(f->served, 0);
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->why.code, VX6_E_CLOSED);
	assert_false(sim_net_is_warm(f->net, 0, 1));
	ask(f, 0, 1, 3);
	sim_queue_run(f->q, 62 * SIM_S);
	assert_int_equal(f->answered, 1);
	end(f);
}

static void request__cancelled_or_its_sender_down__no_callback(void **state)
{
	struct fixture *f = begin(3, 0, 1);

	ask(f, 0, 1, 1);
	sim_net_cancel(f->net, 0, 1);
	ask(f, 2, 1, 2);
	sim_queue_run(f->q, 80 * SIM_MS);
	sim_net_down(f->net, 2);
	sim_net_up(f->net, 2);
	sim_queue_run(f->q, 10 * SIM_S);
	assert_int_equal(f->answered + f->failed, 0);
	assert_int_equal(f->served, 2);
	end(f);
}

static void sessions__more_than_are_kept__the_least_used_goes_at_both_ends(void **state)
{
	struct fixture *f = begin(6, 0, 1);

	for (uint32_t i = 1; i <= 5; i++) {
		ask(f, 0, i, i);
		sim_queue_run(f->q, i * SIM_S);
	}
	assert_int_equal(sim_net_sessions(f->net, 0), 4);
	assert_false(sim_net_is_warm(f->net, 0, 1));
	assert_false(sim_net_is_warm(f->net, 1, 0));
	for (uint32_t i = 2; i <= 5; i++)
		assert_true(sim_net_is_warm(f->net, 0, i) && sim_net_is_warm(f->net, i, 0));
	assert_false(sim_net_warm(f->net, 0, 1));
	sim_net_cool(f->net, 0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(sim_net_sessions(f->net, i), 0);
	end(f);
}

static uint64_t busy_day(uint64_t seed, uint64_t net_seed)
{
	struct fixture *f = begin(40, 0.5, net_seed);
	struct sim_rng r;
	uint64_t trace;

	sim_rng_seed(&r, seed);
	for (uint64_t i = 1; i < 5000; i++) {
		uint32_t a = (uint32_t)sim_rng_below(&r, 40), b = (uint32_t)sim_rng_below(&r, 40);

		if (a != b && sim_net_is_up(f->net, a))
			ask(f, a, b, i);
		if (i % 50 == 0 && sim_net_is_up(f->net, b))
			sim_net_down(f->net, b);
		else if (!sim_net_is_up(f->net, b))
			sim_net_up(f->net, b);
		sim_queue_run(f->q, i * 10 * SIM_MS);
	}
	sim_queue_run(f->q, 1000 * SIM_S);
	assert_true(f->answered > 4000);
	assert_true(f->failed > 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_true(sim_net_sessions(f->net, i) <= 4);
	trace = f->trace;
	end(f);
	return trace;
}

static void run__same_seed__same_story_to_the_last_event(void **state)
{
	uint64_t first = busy_day(1, 1);

	assert_true(first == busy_day(1, 1));
	assert_true(first != busy_day(2, 1));
	assert_true(first != busy_day(1, 2));
}

static void delay__with_jitter__of_a_pair_both_ways_and_for_good(void **state)
{
	struct fixture *f = begin(0, 0.4, 1);
	uint64_t low = UINT64_MAX, high = 0;

	for (uint32_t i = 1; i < 1000; i++) {
		uint64_t us = sim_net_one_way_us(f->net, 0, i);

		assert_true(us == sim_net_one_way_us(f->net, i, 0));
		low = VX6_MIN(low, us);
		high = VX6_MAX(high, us);
	}
	assert_in_range(low, 15 * SIM_MS, 16 * SIM_MS);
	assert_in_range(high, 34 * SIM_MS, 35 * SIM_MS);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__first_two_round_trips__then_one),
		cmocka_unit_test(request__a_slow_answer__comes_later),
		cmocka_unit_test(request__nobody_there__fails_after_the_dial),
		cmocka_unit_test(request__session_with_one_that_went__silence_until_it_dies),
		cmocka_unit_test(request__cancelled_or_its_sender_down__no_callback),
		cmocka_unit_test(sessions__more_than_are_kept__the_least_used_goes_at_both_ends),
		cmocka_unit_test(run__same_seed__same_story_to_the_last_event),
		cmocka_unit_test(delay__with_jitter__of_a_pair_both_ways_and_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
