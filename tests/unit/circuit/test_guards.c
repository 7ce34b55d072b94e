/* Guards: how many and who, who leaves when, how soon one is tried again, what is blamed on one, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/circuit/pool.h"

enum { OLD = POOL_T0 - 30 * 86400, SELF = 900000, HOUR = 3600, DAY = 86400 };

static struct vx6_relays *pool;
static struct vx6_guards *guards;
static struct pool_rand rnd;
static struct vx6_path_view view;

static int setup(void **state)
{
	pool = vx6_relays_new();
	guards = vx6_guards_new();
	pool_seed(&rnd, 1);
	view = (struct vx6_path_view){.now_s = POOL_T0, .self = pool_id(SELF)};
	return 0;
}

static int teardown(void **state)
{
	vx6_relays_free(pool);
	vx6_guards_free(guards);
	return 0;
}

static void update(uint64_t now_s)
{
	view.now_s = now_s;
	vx6_guards_update(guards, pool, &view, &rnd.rand);
}

static struct vx6_node_id node(size_t i)
{
	return vx6_guards_at(guards, i)->node;
}

static void up(size_t i, uint64_t now_s)
{
	struct vx6_node_id id = node(i);

	vx6_guards_up(guards, &id, now_s, &rnd.rand);
}

static void down(size_t i, uint64_t now_s)
{
	struct vx6_node_id id = node(i);

	vx6_guards_down(guards, &id, now_s, &rnd.rand);
}

static void guards_update__pool__a_fifth_and_at_least_three(void **state)
{
	static const struct {
		uint32_t relays, guards;
	} cases[] = {{1, 1}, {3, 3}, {10, 3}, {50, 10}, {99, 19}, {400, 20}};

	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++) {
		teardown(NULL);
		setup(NULL);
		pool_add(pool, 1, cases[i].relays, OLD);
		update(POOL_T0);
		assert_int_equal(vx6_guards_count(guards), cases[i].guards);
		for (size_t k = 0; k < cases[i].guards; k++)
			assert_int_equal(vx6_guards_at(guards, k)->primary, k < 3);
		update(POOL_T0 + 60);
		assert_int_equal(vx6_guards_count(guards), cases[i].guards);
	}
}

static void guards_update__sample__different_networks_no_young_ones(void **state)
{
	for (uint32_t n = 1; n <= 100; n++) {
		struct vx6_relay_facts f = pool_facts(n, OLD);

		f.asns[0] = 1 + n % 10;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, OLD)));
	}
	pool_add(pool, 201, 300, POOL_T0);
	update(POOL_T0);
	assert_int_equal(vx6_guards_count(guards), 10); /* one a system */
	for (size_t i = 0; i < 10; i++) {
		struct vx6_node_id id = node(i);

		assert_int_equal(vx6_relays_find(pool, &id)->first_seen_s, OLD);
	}
}

static void guards_up__first_success__confirmed_and_before_others(void **state)
{
	struct vx6_node_id fourth;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	fourth = node(3);
	up(3, POOL_T0);
	assert_int_equal(vx6_guards_place(guards, &fourth), 1);
	assert_true(vx6_guards_at(guards, 0)->primary);
	assert_false(vx6_guards_at(guards, 3)->primary);
	up(2, POOL_T0 + 1);
	assert_int_equal(vx6_guards_place(guards, &fourth), 1);
	assert_int_equal(vx6_guards_at(guards, 0)->confirmed_s % DAY, 0);
}

static void guards_down__primary__schedule_of_retries(void **state)
{
	static const struct {
		uint64_t at_s, wait_s;
	} steps[] = {{0, 30},
		     {299, 30},
		     {300, 600},
		     {5 * HOUR, 600},
		     {6 * HOUR, 90 * 60},
		     {95 * HOUR, 90 * 60},
		     {96 * HOUR, 4 * HOUR},
		     {168 * HOUR, 9 * HOUR}};

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	for (size_t i = 0; i < VX6_ARRAY_N(steps); i++) {
		const struct vx6_guard *g = vx6_guards_at(guards, 0);
		uint64_t now_s = POOL_T0 + steps[i].at_s, wait_s;

		down(0, now_s);
		wait_s = g->retry_s - now_s;
		assert_true(wait_s >= steps[i].wait_s * 3 / 4 && wait_s <= steps[i].wait_s * 5 / 4);
		assert_false(vx6_guard_is_usable(g, now_s));
		assert_true(vx6_guard_is_usable(g, g->retry_s));
	}
	up(0, POOL_T0 + 169 * HOUR);
	down(0, POOL_T0 + 170 * HOUR);
	assert_true(vx6_guards_at(guards, 0)->retry_s <= POOL_T0 + 170 * HOUR + 38);
}

static void guards_up__after_a_break__all_primaries_may_be_tried(void **state)
{
	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	up(0, POOL_T0);
	for (size_t i = 0; i < 3; i++)
		for (int k = 0; k < 40; k++)
			down(i, POOL_T0 + HOUR);
	down(0, POOL_T0 + 8 * HOUR);
	assert_false(vx6_guard_is_usable(vx6_guards_at(guards, 0), POOL_T0 + 8 * HOUR + 1));
	up(4, POOL_T0 + 8 * HOUR + 1);
	assert_true(vx6_guard_is_usable(vx6_guards_at(guards, 0), POOL_T0 + 8 * HOUR + 1));
}

static void guards_heard__of_one_that_is_down__may_be_tried_at_once(void **state)
{
	struct vx6_node_id id;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	for (size_t i = 0; i < 4; i += 3) { /* a primary one, another one */
		id = node(i);
		down(i, POOL_T0);
		assert_false(vx6_guard_is_usable(vx6_guards_at(guards, i), POOL_T0 + 1));
		vx6_guards_heard(guards, &id);
		assert_true(vx6_guard_is_usable(vx6_guards_at(guards, i), POOL_T0 + 1));
		down(i, POOL_T0 + 1); /* it was not there, after all */
		assert_false(vx6_guard_is_usable(vx6_guards_at(guards, i), POOL_T0 + 2));
	}
}

/* Not so if it is left alone for what happened behind it: that it is there was never the question. */
static void guards_heard__of_one_that_is_aside__stays_aside(void **state)
{
	struct vx6_node_id id;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	id = node(0);
	while (!vx6_guards_beyond(guards, &id, false, POOL_T0, &rnd.rand))
		;
	vx6_guards_heard(guards, &id);
	assert_false(vx6_guard_is_usable(vx6_guards_at(guards, 0), POOL_T0 + 1));
}

static void guards_update__unlisted__leaves_after_twenty_days(void **state)
{
	struct vx6_node_id first;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	up(0, POOL_T0);
	first = node(0);
	vx6_relays_drop(pool, &first);
	update(POOL_T0 + HOUR);
	assert_false(vx6_guards_at(guards, 0)->primary);
	assert_true(vx6_guards_at(guards, 3)->primary);
	update(POOL_T0 + 20 * DAY);
	assert_int_equal(vx6_guards_place(guards, &first), 1);
	pool_add(pool, 1, 100, POOL_T0 + 20 * DAY); /* it is back */
	update(POOL_T0 + 20 * DAY);
	assert_true(vx6_guards_at(guards, 0)->primary);
	vx6_relays_drop(pool, &first);
	update(POOL_T0 + 21 * DAY);
	update(POOL_T0 + 43 * DAY);
	assert_int_equal(vx6_guards_place(guards, &first), 0);
}

/* Three guards, all there may be, are gone for good: others take their place before twenty days are over. */
static void guards_update__small_network_lost_them_all__new_ones(void **state)
{
	pool_add(pool, 1, 6, OLD);
	update(POOL_T0);
	for (size_t i = 0; i < 3; i++) {
		struct vx6_node_id id = node(i);

		vx6_relays_drop(pool, &id);
	}
	update(POOL_T0 + HOUR);
	assert_int_equal(vx6_guards_count(guards), 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(vx6_guards_at(guards, i)->primary, i >= 3);
}

/* A node that has just started knows nobody: that says nothing of its guards. */
static void guards_update__empty_pool__nobody_leaves(void **state)
{
	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	vx6_relays_free(pool);
	pool = vx6_relays_new();
	update(POOL_T0 + HOUR);
	update(POOL_T0 + 30 * DAY);
	assert_int_equal(vx6_guards_count(guards), 20);
	assert_true(vx6_guards_at(guards, 0)->primary);
}

static void guards_update__old__leaves_confirmed_later(void **state)
{
	struct vx6_node_id first, second;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	up(0, POOL_T0 + 100 * DAY); /* that confirms it, for 60 days */
	up(1, POOL_T0);
	first = node(0); /* in order of confirmation */
	second = node(1);
	assert_true(vx6_guards_at(guards, 0)->confirmed_until_s > POOL_T0 + 154 * DAY);
	update(POOL_T0 + 107 * DAY);
	assert_int_equal(vx6_guards_count(guards), 20);
	assert_int_equal(vx6_guards_place(guards, &second), 2);
	update(POOL_T0 + 121 * DAY);
	assert_int_equal(vx6_guards_place(guards, &second), 0);
	assert_int_equal(vx6_guards_place(guards, &first), 1);
	assert_int_equal(vx6_guards_count(guards), 20);
	update(POOL_T0 + 161 * DAY);
	assert_int_equal(vx6_guards_place(guards, &first), 0);
}

static void guards_beyond__a_third_fails__one_is_set_aside(void **state)
{
	struct vx6_node_id first, second;
	bool aside = false;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	up(0, POOL_T0);
	up(1, POOL_T0);
	first = node(0);
	second = node(1);
	for (int i = 0; i < 200; i++) /* three in ten: not more */
		assert_false(vx6_guards_beyond(guards, &first, i % 10 >= 3, POOL_T0, &rnd.rand));
	for (int i = 0; i < 7 && !aside; i++)
		aside = vx6_guards_beyond(guards, &first, false, POOL_T0, &rnd.rand);
	assert_true(aside);
	assert_false(vx6_guard_is_usable(vx6_guards_at(guards, 0), POOL_T0));
	up(0, POOL_T0 + 1); /* that it can be reached is no excuse */
	assert_false(vx6_guard_is_usable(vx6_guards_at(guards, 0), POOL_T0 + 1));
	for (int i = 0; i < 100;
	     i++) /* whoever makes circuits fail does not get the next one out */
		assert_false(vx6_guards_beyond(guards, &second, false, POOL_T0, &rnd.rand));
	assert_true(vx6_guard_is_usable(vx6_guards_at(guards, 0), POOL_T0 + 30 * HOUR));
}

/* ---- paths begin at guards ---- */

static void path_draw__anonymous__begins_at_the_first_usable_guard(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	struct vx6_path_end target = {0};
	struct vx6_node_id first, second;
	struct vx6_path_lack lack;
	struct vx6_path path;
	char text[VX6_PATH_WHY];

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	up(0, POOL_T0);
	first = node(0);
	second = node(1);
	for (int i = 0; i < 50; i++) {
		assert_true(vx6_is_ok(
			vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
		assert_true(vx6_node_id_eq(&path.hop[0].node, &first));
	}
	vx6_path_reason_format(&path.hop[0].why, text);
	assert_non_null(strstr(text, "guard 1 of 3, kept since 2026-"));
	req.avoid = &first; /* a spare goes through the other one */
	req.avoid_n = 1;
	assert_true(vx6_is_ok(vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &second));
	req.avoid_n = 0;
	target.node = first; /* a target that is a guard */
	req.target = &target;
	assert_true(vx6_is_ok(vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &second));
	req.target = NULL;
	for (size_t i = 0; i < 20; i++)
		down(i, POOL_T0);
	assert_true(vx6_is_ok(vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &first)); /* all are: it may be us */
}

static void path_draw__spare_with_all_primaries_in_use__one_that_was_a_guard_before(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 3};
	struct vx6_node_id avoid[3], fifth;
	struct vx6_path_lack lack;
	struct vx6_path path;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	for (size_t i = 0; i < 3; i++) {
		up(i, POOL_T0);
		avoid[i] = node(i);
	}
	req.avoid = avoid;
	req.avoid_n = 3;
	/* nobody else has been one: rather the same one than one more who knows us */
	assert_true(vx6_is_ok(vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &avoid[0]));
	fifth = node(4);
	up(4, POOL_T0);
	assert_true(vx6_is_ok(vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &fifth));
	req.avoid_n = 0;
	assert_true(vx6_is_ok(vx6_path_draw(pool, guards, &view, &req, &rnd.rand, &path, &lack)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &avoid[0]));
}

/* ---- rows ---- */

struct disk {
	struct vx6_node_id key[64];
	uint8_t value[64][VX6_CIRCUIT_ROW_MAX];
	size_t n[64], rows, deleted;
};

static void disk_row(void *user, const struct vx6_node_id *key, const uint8_t *value, size_t n)
{
	struct disk *d = user;

	if (!value) {
		d->deleted++;
		return;
	}
	assert_true(d->rows < 64);
	d->key[d->rows] = *key;
	memcpy(d->value[d->rows], value, n);
	d->n[d->rows++] = n;
}

static void guards_rows__saved_and_loaded__same_guards_in_the_same_order(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_guards *other = vx6_guards_new();
	struct vx6_node_id id;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	up(7, POOL_T0);
	up(5, POOL_T0);
	down(0, POOL_T0);
	id = node(1);
	for (int i = 0; i < 9; i++)
		vx6_guards_beyond(guards, &id, i % 2, POOL_T0, &rnd.rand);
	assert_int_equal(vx6_guards_dirty(guards), 20);
	assert_int_equal(vx6_guards_save(guards, &store), 20);
	assert_int_equal(vx6_guards_dirty(guards), 0);
	for (size_t i = disk.rows; i-- > 0;)
		assert_true(vx6_is_ok(
			vx6_guards_load(other, disk.key[i].b, 32, disk.value[i], disk.n[i])));
	assert_int_equal(vx6_guards_load(other, disk.key[0].b, 32, disk.value[0], disk.n[0]).code,
			 VX6_E_EXISTS);
	for (size_t i = 0; i < 20; i++)
		assert_memory_equal(vx6_guards_at(guards, i), vx6_guards_at(other, i),
				    sizeof(struct vx6_guard));
	vx6_guards_free(other);
}

static void guards_rows__damaged__refused_at_every_byte(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_guards *other = vx6_guards_new();

	pool_add(pool, 1, 3, OLD);
	update(POOL_T0);
	vx6_guards_save(guards, &store);
	for (size_t i = 0; i < disk.n[0]; i++) {
		disk.value[0][i] ^= 0x40;
		assert_false(vx6_is_ok(
			vx6_guards_load(other, disk.key[0].b, 32, disk.value[0], disk.n[0])));
		disk.value[0][i] ^= 0x40;
		assert_false(
			vx6_is_ok(vx6_guards_load(other, disk.key[0].b, 32, disk.value[0], i)));
	}
	assert_int_equal(vx6_guards_count(other), 0);
	vx6_guards_free(other);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guards_update__pool__a_fifth_and_at_least_three),
		TEST(guards_update__sample__different_networks_no_young_ones),
		TEST(guards_up__first_success__confirmed_and_before_others),
		TEST(guards_down__primary__schedule_of_retries),
		TEST(guards_up__after_a_break__all_primaries_may_be_tried),
		TEST(guards_heard__of_one_that_is_down__may_be_tried_at_once),
		TEST(guards_heard__of_one_that_is_aside__stays_aside),
		TEST(guards_update__unlisted__leaves_after_twenty_days),
		TEST(guards_update__small_network_lost_them_all__new_ones),
		TEST(guards_update__empty_pool__nobody_leaves),
		TEST(guards_update__old__leaves_confirmed_later),
		TEST(guards_beyond__a_third_fails__one_is_set_aside),
		TEST(path_draw__anonymous__begins_at_the_first_usable_guard),
		TEST(path_draw__spare_with_all_primaries_in_use__one_that_was_a_guard_before),
		TEST(guards_rows__saved_and_loaded__same_guards_in_the_same_order),
		TEST(guards_rows__damaged__refused_at_every_byte),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
