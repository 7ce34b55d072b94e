/* Paths: no rule is broken, what is relaxed is said, errors are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/circuit/pool.h"

enum { OLD = POOL_T0 - 30 * 86400, SELF = 900000 };

static struct vx6_relays *pool;
static struct pool_rand rnd;
static struct vx6_path_view view;
static struct vx6_path path;
static struct vx6_path_lack lack;

static int setup(void **state)
{
	struct vx6_addr own = pool_addr(SELF);

	pool = vx6_relays_new();
	pool_seed(&rnd, 1);
	view = (struct vx6_path_view){.now_s = POOL_T0, .self = pool_id(SELF)};
	vx6_networks_add(&view.nets, &own, 0);
	return 0;
}

static int teardown(void **state)
{
	vx6_relays_free(pool);
	return 0;
}

static vx6_err draw(const struct vx6_path_request *req)
{
	return vx6_path_draw(pool, NULL, &view, req, &rnd.rand, &path, &lack);
}

static const struct vx6_relay_entry *hop(size_t i)
{
	return vx6_relays_find(pool, &path.hop[i].node);
}

static enum vx6_path_standing standing(uint32_t n)
{
	struct vx6_node_id id = pool_id(n);

	return vx6_path_standing(vx6_relays_find(pool, &id), POOL_T0);
}

static bool shares(const struct vx6_networks *a, const struct vx6_networks *b)
{
	for (size_t i = 0; i < a->prefix_n; i++)
		for (size_t k = 0; k < b->prefix_n; k++)
			if (a->prefix[i] == b->prefix[k])
				return true;
	for (size_t i = 0; i < a->asn_n; i++)
		for (size_t k = 0; k < b->asn_n; k++)
			if (a->asn[i] == b->asn[k])
				return true;
	return false;
}

static void assert_differ(const struct vx6_path_end *target)
{
	static const uint8_t none[VX6_RELAY_FAMILY_BYTES];

	for (size_t i = 0; i < path.n; i++) {
		const struct vx6_relay_entry *a = hop(i);

		assert_false(vx6_node_id_eq(&a->node, &view.self));
		assert_false(shares(&a->nets, &view.nets));
		if (target) {
			assert_false(vx6_node_id_eq(&a->node, &target->node));
			assert_false(shares(&a->nets, &target->nets));
		}
		for (size_t k = 0; k < i; k++) {
			assert_false(vx6_node_id_eq(&a->node, &hop(k)->node));
			assert_false(shares(&a->nets, &hop(k)->nets));
			assert_true(memcmp(a->family, none, sizeof none) == 0 ||
				    memcmp(a->family, hop(k)->family, sizeof none) != 0);
		}
	}
}

/* Relays crowded into few networks, systems and families; one is drawn by seed for each. */
static void crowd(uint32_t n, uint32_t prefixes, uint32_t asns, uint32_t families)
{
	for (uint32_t i = 1; i <= n; i++) {
		struct vx6_relay_facts f = pool_facts(i, OLD);

		f.addrs[0] = pool_addr(1000 + (uint32_t)vx6_rand_below(&rnd.rand, prefixes));
		f.asns[0] = 1 + (uint32_t)vx6_rand_below(&rnd.rand, asns);
		f.family[0] = (uint8_t)vx6_rand_below(&rnd.rand, families);
		if (!vx6_is_ok(vx6_relays_put(pool, &f, OLD)))
			continue;
		f.until_s = POOL_T0 + 9000;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
		pool_use(pool, i, i % 5, 1000 * (1 + i % 90), i % 7 * 300000, POOL_T0);
	}
}

static void path_draw__any_pool__no_rule_is_broken(void **state)
{
	unsigned drawn = 0;

	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct vx6_path_end target = {.node = pool_id(5)};
		struct vx6_addr a = pool_addr(1003);
		struct vx6_path_request req = {
			.purpose = VX6_PATH_ANONYMOUS,
			.n = (uint8_t)(1 + seed % 8),
			.target = seed % 2 ? &target : NULL,
		};

		teardown(NULL);
		setup(NULL);
		pool_seed(&rnd, seed);
		vx6_networks_add(&target.nets, &a, 3);
		crowd(20 + (uint32_t)(seed % 60), 30, 12, 9);
		if (!vx6_is_ok(draw(&req))) {
			assert_true(req.n > 3);
			continue;
		}
		drawn++;
		assert_int_equal(path.n, req.n);
		assert_differ(req.target);
	}
	assert_true(drawn > 300);
}

/* Six relays, of which only one set of three fits: it is found whatever is drawn first. */
static void path_draw__corner__is_found(void **state)
{
	static const uint32_t asn[] = {1, 1, 1, 1, 2, 3};

	for (uint32_t i = 0; i < 6; i++) {
		struct vx6_relay_facts f = pool_facts(i + 1, OLD);

		f.until_s = POOL_T0 + 9000;
		f.asns[0] = asn[i];
		f.asns[1] = i == 0 || i == 1 || i == 2 ? 2 : 0;
		f.addrs[1] = pool_addr(500 + i);
		f.addrs_n = 2;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, OLD)));
	}
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};

		pool_seed(&rnd, seed);
		assert_true(vx6_is_ok(draw(&req)));
		assert_differ(NULL);
	}
}

static void path_draw__too_few__counts_say_why(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	char text[VX6_PATH_WHY];

	for (uint32_t i = 1; i <= 4; i++) {
		struct vx6_relay_facts f = pool_facts(i, POOL_T0);

		f.asns[0] = i > 2 ? 7 : i;
		f.policy = i == 1 ? VX6_RELAY_END : POOL_ALL;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	}
	assert_int_equal(draw(&req).code, VX6_E_NO_RELAYS);
	assert_int_equal(lack.wanted, 3);
	assert_int_equal(lack.listed, 4);
	assert_int_equal(lack.willing, 3);
	assert_int_equal(lack.allowed, 3);
	assert_int_equal(lack.differing, 2);
	assert_int_equal(lack.settled, 0);
	vx6_path_lack_format(VX6_ERR(NO_RELAYS), &lack, text);
	assert_string_equal(text,
			    "3 wanted; 4 relays listed, 4 ready, 3 willing, 3 allowed here, 2 in "
			    "networks of their own");
	req.n = 9;
	assert_int_equal(draw(&req).code, VX6_E_INVALID);
}

static void path_draw__fresh_network__works_and_says_so(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	char text[VX6_PATH_WHY];

	pool_add(pool, 1, 4, POOL_T0);
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(path.relaxed & VX6_PATH_RELAXED_NEW);
	assert_true(path.relaxed & VX6_PATH_RELAXED_ENDS);
	vx6_path_reason_format(&path.hop[1].why, text);
	assert_non_null(strstr(text, "drawn, not measured yet; weight "));
	assert_non_null(strstr(text, "new, few are older"));
}

/* Thirty that are old enough: the young ones are not needed. */
static void path_draw__settled_network__no_young_relay(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};

	for (uint32_t n = 1; n <= VX6_PATH_SETTLED; n++)
		pool_add(pool, n, n, OLD);
	pool_add(pool, 101, 400, POOL_T0 - VX6_PATH_AGE_S + 1);
	for (int i = 0; i < 300; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_false(path.relaxed & VX6_PATH_RELAXED_YOUNG);
		for (size_t k = 0; k < 3; k++)
			assert_true(vx6_relay_age_s(hop(k), POOL_T0) >= VX6_PATH_AGE_S);
	}
	view.now_s++; /* the others are old enough now */
	assert_true(vx6_is_ok(draw(&req)));
}

static void path_draw__ends__never_both_without_history(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	unsigned blind = 0;

	pool_add(pool, 1, 60, OLD);
	for (uint32_t n = 1; n <= 10; n++)
		pool_use(pool, n, 5, 10000, 0, POOL_T0);
	for (int i = 0; i < 1000; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_true(vx6_relay_has_history(hop(0)) || vx6_relay_has_history(hop(2)));
		blind += !vx6_relay_has_history(hop(0));
	}
	assert_true(blind > 100); /* and yet they are tried */
}

static void path_draw__middle__better_of_two(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	unsigned quick = 0;
	char text[VX6_PATH_WHY];
	bool said = false;

	pool_add(pool, 1, 40, OLD);
	for (uint32_t n = 1; n <= 40; n++)
		pool_use(pool, n, 20, n <= 20 ? 23000 : 41000, 0, POOL_T0);
	for (int i = 0; i < 2000; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		quick += hop(1)->rtt_us == 23000;
		if (path.hop[1].why.other_rtt_us != 41000 || hop(1)->rtt_us != 23000)
			continue;
		vx6_path_reason_format(&path.hop[1].why, text);
		assert_string_equal(text, "better of two draws: 23 ms against 41 ms; weight 2.6 % "
					  "of 38 relays");
		said = true;
	}
	assert_true(said && quick > 1400 && quick < 1600); /* three in four */
}

static void path_draw__performance_one_relay__best_of_four(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_PERFORMANCE, .n = 1};
	unsigned quick = 0;

	pool_add(pool, 1, 40, OLD);
	for (uint32_t n = 1; n <= 40; n++)
		pool_use(pool, n, 20, n <= 20 ? 5000 : 41000, 0, POOL_T0);
	for (int i = 0; i < 2000; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		quick += hop(0)->rtt_us == 5000;
	}
	assert_true(quick > 1820 && quick < 1930); /* fifteen in sixteen */
}

static void path_draw__private_network__diversity_off_family_stays(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};

	for (uint32_t i = 1; i <= 5; i++) {
		struct vx6_relay_facts f = pool_facts(i, POOL_T0);
		char text[32];

		snprintf(text, sizeof text, "127.0.0.1:%u", i);
		assert_true(vx6_is_ok(vx6_addr_parse(text, &f.addrs[0])));
		f.family[0] = i > 3 ? 1 : 0;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	}
	for (int i = 0; i < 100; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_true(path.diversity_off);
		assert_false(path.relaxed & VX6_PATH_RELAXED_DIVERSITY);
		for (size_t k = 0; k < 3; k++)
			for (size_t l = 0; l < k; l++)
				assert_false(hop(k)->family[0] && hop(l)->family[0]);
	}
	view.diversity = VX6_PATH_DIVERSITY_ON;
	assert_int_equal(draw(&req).code, VX6_E_NO_RELAYS);
	view.diversity = VX6_PATH_DIVERSITY_AUTO;
	pool_add(pool, 50, 50, POOL_T0); /* one with a public address: the rule holds again */
	assert_int_equal(draw(&req).code, VX6_E_NO_RELAYS);
	req.purpose = VX6_PATH_PERFORMANCE;
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(path.relaxed & VX6_PATH_RELAXED_DIVERSITY);
}

static void path_draw__hops_asked_for__taken_or_refused(void **state)
{
	struct vx6_node_id one = pool_id(1), two = pool_id(2), nobody = pool_id(77),
			   self = pool_id(SELF), three = pool_id(3);
	struct vx6_path_end target = {.node = two};
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS,
				       .n = 4,
				       .fixed = {[1] = &one}};
	char text[VX6_PATH_WHY];
	struct vx6_relay_facts f;

	pool_add(pool, 1, 10, OLD);
	f = pool_facts(3, OLD);
	f.addrs[0] = pool_addr(1);
	f.addrs[0].ip[15] = 9;
	assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	for (int i = 0; i < 100; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_true(vx6_node_id_eq(&path.hop[1].node, &one));
		assert_differ(NULL);
	}
	assert_int_equal(path.hop[1].why.pick, VX6_PATH_FIXED);
	req.fixed[3] = &nobody;
	assert_int_equal(draw(&req).code, VX6_E_NOT_FOUND);
	assert_int_equal(lack.place, 4);
	req.fixed[3] = &one;
	assert_int_equal(draw(&req).code, VX6_E_CONFLICT);
	assert_int_equal(lack.rule, VX6_PATH_RULE_TWICE);
	req.fixed[3] = &self;
	assert_int_equal(draw(&req).code, VX6_E_CONFLICT);
	assert_int_equal(lack.rule, VX6_PATH_RULE_SELF);
	req.fixed[3] = &three;
	assert_int_equal(draw(&req).code, VX6_E_CONFLICT);
	assert_int_equal(lack.rule, VX6_PATH_RULE_PREFIX);
	assert_non_null(strstr(vx6_path_lack_format(VX6_ERR(CONFLICT), &lack, text),
			       "two nodes of the path would be in one network"));
	req.purpose = VX6_PATH_PERFORMANCE;
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(path.hop[3].why.relaxed & VX6_PATH_RELAXED_DIVERSITY);
	req.fixed[3] = &two;
	req.target = &target;
	assert_int_equal(draw(&req).code, VX6_E_CONFLICT);
	assert_int_equal(lack.rule, VX6_PATH_RULE_TARGET);
	vx6_relays_drop(pool, &two);
	req.target = NULL;
	assert_int_equal(draw(&req).code, VX6_E_UNSUPPORTED);
}

static void path_draw__exclude_and_avoid__hard_and_soft(void **state)
{
	struct vx6_node_id out[3] = {pool_id(1), pool_id(2), pool_id(3)};
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS,
				       .n = 3,
				       .avoid = out,
				       .avoid_n = 3};

	pool_add(pool, 1, 6, OLD);
	for (int i = 0; i < 50; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_false(path.relaxed & VX6_PATH_RELAXED_AVOID);
	}
	req.n = 4;
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(path.relaxed & VX6_PATH_RELAXED_AVOID);
	req.exclude = out;
	req.exclude_n = 3;
	assert_int_equal(draw(&req).code, VX6_E_NO_RELAYS);
	assert_int_equal(lack.allowed, 3);
	req.n = 3;
	assert_true(vx6_is_ok(draw(&req)));
}

static void path_draw__wanted_policy__of_the_last_one(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS,
				       .n = 3,
				       .last_may = VX6_RELAY_DHT_PROXY};

	for (uint32_t i = 1; i <= 12; i++) {
		struct vx6_relay_facts f = pool_facts(i, POOL_T0);

		if (i != 7)
			f.policy &= ~(uint32_t)VX6_RELAY_DHT_PROXY;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	}
	for (int i = 0; i < 50; i++) {
		struct vx6_node_id seven = pool_id(7);

		assert_true(vx6_is_ok(draw(&req)));
		assert_true(vx6_node_id_eq(&path.hop[2].node, &seven));
	}
}

static void path_standing__each_kind__told_apart(void **state)
{
	struct vx6_node_id four = pool_id(4), five = pool_id(5), six = pool_id(6);

	pool_add(pool, 1, 1, POOL_T0);
	pool_add(pool, 2, 6, OLD);
	for (int i = 0; i < 3; i++)
		vx6_relays_seen_failure(pool, &four, VX6_RELAY_DIED, POOL_T0);
	vx6_relays_seen_draining(pool, &five);
	vx6_relays_drop(pool, &six);
	assert_int_equal(standing(1), VX6_PATH_YOUNG);
	assert_int_equal(standing(2), VX6_PATH_CANDIDATE);
	assert_int_equal(standing(4), VX6_PATH_FAILING);
	assert_int_equal(standing(5), VX6_PATH_DRAINING);
	assert_int_equal(standing(6), VX6_PATH_UNUSABLE);
}

static bool takes_word(uint32_t n, uint32_t may)
{
	struct vx6_node_id id = pool_id(n);

	return vx6_path_takes_word(pool, vx6_relays_find(pool, &id), may, POOL_T0);
}

static void path_takes_word__settled__those_that_anybody_may_draw(void **state)
{
	struct vx6_node_id four = pool_id(4), five = pool_id(5), six = pool_id(6);

	pool_add(pool, 1, 1, POOL_T0 - VX6_PATH_AGE_S + 60);
	pool_add(pool, 2, 40, OLD);
	for (int i = 0; i < 3; i++)
		vx6_relays_seen_failure(pool, &four, VX6_RELAY_DIED, POOL_T0);
	vx6_relays_seen_draining(pool, &five);
	vx6_relays_drop(pool, &six);
	assert_false(vx6_path_is_new(pool, POOL_T0));
	assert_false(takes_word(1, 0));
	assert_true(takes_word(2, 0));
	assert_false(takes_word(2, 1U << 30));
	for (uint32_t n = 4; n <= 6; n++)
		assert_false(takes_word(n, 0));
	assert_false(takes_word(77, 0));
}

static void path_takes_word__young_network__two_hours_will_do(void **state)
{
	pool_add(pool, 1, 40, POOL_T0 - VX6_PATH_YOUNG_AGE_S);
	pool_add(pool, 41, 41, POOL_T0 - VX6_PATH_YOUNG_AGE_S + 60);
	assert_false(vx6_path_is_new(pool, POOL_T0));
	assert_true(takes_word(1, 0));
	assert_false(takes_word(41, 0));
	assert_false(takes_word(77, 0));
}

static void path_takes_word__new_network__all_but_those_that_do_not(void **state)
{
	pool_add(pool, 1, 20, OLD);
	assert_true(vx6_path_is_new(pool, POOL_T0));
	assert_true(takes_word(1, 0));
	assert_false(takes_word(1, 1U << 30));
	assert_true(takes_word(77, 1U << 30));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(path_draw__any_pool__no_rule_is_broken),
		TEST(path_draw__corner__is_found),
		TEST(path_draw__too_few__counts_say_why),
		TEST(path_draw__fresh_network__works_and_says_so),
		TEST(path_draw__settled_network__no_young_relay),
		TEST(path_draw__ends__never_both_without_history),
		TEST(path_draw__middle__better_of_two),
		TEST(path_draw__performance_one_relay__best_of_four),
		TEST(path_draw__private_network__diversity_off_family_stays),
		TEST(path_draw__hops_asked_for__taken_or_refused),
		TEST(path_draw__exclude_and_avoid__hard_and_soft),
		TEST(path_draw__wanted_policy__of_the_last_one),
		TEST(path_standing__each_kind__told_apart),
		TEST(path_takes_word__settled__those_that_anybody_may_draw),
		TEST(path_takes_word__young_network__two_hours_will_do),
		TEST(path_takes_word__new_network__all_but_those_that_do_not),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
