/* Vanguards: how many and who, who leaves when, rows; and paths with them, whose last relay may be somebody else's word. */
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
static struct vx6_vanguards *vanguards;
static struct pool_rand rnd;
static struct vx6_path_view view;
static struct vx6_path path;
static struct vx6_path_lack lack;

static int setup(void **state)
{
	pool = vx6_relays_new();
	guards = vx6_guards_new();
	vanguards = vx6_vanguards_new();
	pool_seed(&rnd, 1);
	view = (struct vx6_path_view){.now_s = POOL_T0, .self = pool_id(SELF)};
	return 0;
}

static int teardown(void **state)
{
	vx6_relays_free(pool);
	vx6_guards_free(guards);
	vx6_vanguards_free(vanguards);
	return 0;
}

static void again(uint64_t seed)
{
	teardown(NULL);
	setup(NULL);
	pool_seed(&rnd, seed);
}

static void update(uint64_t now_s)
{
	view.now_s = now_s;
	vx6_guards_update(guards, pool, &view, &rnd.rand);
	vx6_vanguards_update(vanguards, pool, guards, &view, &rnd.rand);
}

static struct vx6_node_id node(size_t i)
{
	return vx6_vanguards_at(vanguards, i)->node;
}

static bool is_one(const struct vx6_node_id *id)
{
	return vx6_vanguards_has(vanguards, id);
}

/* ---- the set ---- */

static void vanguards_update__pool__a_quarter_two_to_four(void **state)
{
	static const struct {
		uint32_t relays, vanguards;
	} cases[] = {{3, 0}, {4, 1}, {7, 2}, {11, 2}, {12, 3}, {16, 4}, {400, 4}};

	for (size_t i = 0; i < VX6_ARRAY_N(cases); i++) {
		again(i + 1);
		pool_add(pool, 1, cases[i].relays, OLD);
		update(POOL_T0);
		assert_int_equal(vx6_vanguards_count(vanguards), cases[i].vanguards);
		update(POOL_T0 + 60);
		assert_int_equal(vx6_vanguards_count(vanguards), cases[i].vanguards);
	}
}

static void vanguards_update__set__different_networks_no_primary_guard_no_young_one(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		again(seed);
		for (uint32_t n = 1; n <= 60; n++) {
			struct vx6_relay_facts f = pool_facts(n, OLD);

			f.asns[0] = 1 + n % 12;
			assert_true(vx6_is_ok(vx6_relays_put(pool, &f, OLD)));
		}
		pool_add(pool, 201, 260, POOL_T0);
		update(POOL_T0);
		assert_int_equal(vx6_vanguards_count(vanguards), 4);
		for (size_t i = 0; i < 4; i++) {
			struct vx6_node_id id = node(i);
			unsigned place = vx6_guards_place(guards, &id);
			const struct vx6_relay_entry *e = vx6_relays_find(pool, &id);

			assert_true(!place || !vx6_guards_at(guards, place - 1)->primary);
			assert_int_equal(e->first_seen_s, OLD);
			for (size_t k = 0; k < i; k++) {
				struct vx6_node_id other = node(k);

				assert_true(e->nets.asn[0] !=
					    vx6_relays_find(pool, &other)->nets.asn[0]);
			}
		}
	}
}

static void vanguards_update__lives__one_to_twelve_days_the_longer_of_two(void **state)
{
	uint64_t sum = 0;
	unsigned n = 0;

	for (uint64_t seed = 1; seed <= 300; seed++) {
		again(seed);
		pool_add(pool, 1, 100, OLD);
		update(POOL_T0);
		for (size_t i = 0; i < 4; i++, n++) {
			const struct vx6_vanguard *v = vx6_vanguards_at(vanguards, i);

			assert_int_equal(v->since_s % DAY, 0);
			assert_int_equal(v->until_s % HOUR, 0);
			assert_in_range(v->until_s, POOL_T0 + DAY - HOUR, POOL_T0 + 12 * DAY);
			sum += v->until_s - POOL_T0;
		}
	}
	/* of one draw it would be 6.5 days; the longer of two: 1 + 11 * 2 / 3 */
	assert_in_range(sum / n, 8 * DAY, 9 * DAY);
}

static void vanguards_update__its_time_has_come__another_one(void **state)
{
	struct vx6_node_id first;
	uint64_t until_s;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	first = node(0);
	until_s = vx6_vanguards_at(vanguards, 0)->until_s;
	update(until_s - 1);
	assert_true(is_one(&first));
	update(until_s);
	assert_int_equal(vx6_vanguards_count(vanguards), 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(vx6_vanguards_at(vanguards, i)->until_s > until_s);
}

static void vanguards_update__not_listed__leaves_after_a_day(void **state)
{
	struct vx6_node_id gone;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	gone = node(2);
	vx6_relays_drop(pool, &gone);
	update(POOL_T0 + 60);
	assert_true(is_one(&gone));
	for (size_t i = 0; i < 4; i++)
		if (vx6_node_id_eq(&vx6_vanguards_at(vanguards, i)->node, &gone))
			assert_false(vx6_vanguard_is_usable(vx6_vanguards_at(vanguards, i),
							    POOL_T0 + 60));
	update(POOL_T0 + 60 + DAY + 1);
	assert_false(is_one(&gone));
}

static void vanguards_update__nobody_is_listed__nobody_leaves(void **state)
{
	struct vx6_node_id first;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	first = node(0);
	vx6_relays_free(pool);
	pool = vx6_relays_new();
	update(POOL_T0 + 60);
	update(POOL_T0 + DAY - HOUR);
	assert_true(is_one(&first));
	assert_int_equal(vx6_vanguards_at(vanguards, 0)->unlisted_s, 0);
}

static void vanguards_down__fails_for_hours__leaves_unless_it_worked_once(void **state)
{
	struct vx6_node_id bad, good;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	bad = node(0);
	good = node(1);
	vx6_vanguards_down(vanguards, &bad, POOL_T0);
	vx6_vanguards_down(vanguards, &good, POOL_T0);
	assert_false(vx6_vanguard_is_usable(vx6_vanguards_at(vanguards, 0), POOL_T0 + 599));
	assert_true(vx6_vanguard_is_usable(vx6_vanguards_at(vanguards, 0), POOL_T0 + 600));
	vx6_vanguards_up(vanguards, &good);
	assert_true(vx6_vanguard_is_usable(vx6_vanguards_at(vanguards, 1), POOL_T0));
	vx6_vanguards_down(vanguards, &bad, POOL_T0 + 5 * HOUR);
	update(POOL_T0 + 5 * HOUR);
	assert_true(is_one(&bad));
	update(POOL_T0 + 6 * HOUR + 1);
	assert_false(is_one(&bad));
	assert_true(is_one(&good));
}

/* ---- paths ---- */

static vx6_err draw(const struct vx6_path_request *req)
{
	return vx6_path_draw(pool, guards, &view, req, &rnd.rand, &path, &lack);
}

static void confirm_two(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct vx6_node_id id = vx6_guards_at(guards, i)->node;

		vx6_guards_up(guards, &id, POOL_T0, &rnd.rand);
	}
}

static void path_draw__vanguards__second_hop_each_as_likely(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 4};
	unsigned used[VX6_VANGUARDS_MAX] = {0};
	char why[VX6_PATH_WHY];

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	req.vanguards = vanguards;
	for (unsigned i = 0; i < 400; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_int_equal(path.hop[1].why.pick, VX6_PATH_VANGUARD);
		assert_true(path.hop[1].why.place >= 1 && path.hop[1].why.place <= 4);
		used[path.hop[1].why.place - 1]++;
	}
	for (size_t i = 0; i < VX6_VANGUARDS_MAX; i++)
		assert_in_range(used[i], 60, 140);
	vx6_path_reason_format(&path.hop[1].why, why);
	assert_non_null(strstr(why, "vanguard "));
	req.n = 2; /* of such a pool, or before a last one of somebody else's */
	assert_true(vx6_is_ok(draw(&req)));
	assert_int_equal(path.hop[1].why.pick, VX6_PATH_VANGUARD);
}

static void path_draw__vanguard_that_failed__others_until_there_are_none(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 4};
	struct vx6_node_id id;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	req.vanguards = vanguards;
	for (size_t i = 0; i < 3; i++) {
		id = node(i);
		vx6_vanguards_down(vanguards, &id, POOL_T0);
	}
	id = node(3);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_true(vx6_node_id_eq(&path.hop[1].node, &id));
	}
	vx6_vanguards_down(vanguards, &id, POOL_T0);
	assert_true(vx6_is_ok(draw(&req)));
	assert_int_equal(path.hop[1].why.pick, VX6_PATH_VANGUARD);
	id = node(1);
	vx6_vanguards_heard(vanguards, &id); /* something new of it: it is there again */
	for (unsigned i = 0; i < 20; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		assert_true(vx6_node_id_eq(&path.hop[1].node, &id));
	}
}

/* Whoever names the last relay learns nothing by it: the guard stays the guard, whatever that one is or shares with it. */
static void path_draw__foreign_last__guard_stays_whoever_it_is(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 4, .foreign_last = true};
	struct vx6_node_id guard, last;

	for (uint32_t n = 1; n <= 60; n++) {
		struct vx6_relay_facts f = pool_facts(n, OLD);

		f.asns[0] = 1 + n / 3;
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, OLD)));
	}
	update(POOL_T0);
	confirm_two();
	guard = vx6_guards_at(guards, 0)->node;
	req.vanguards = vanguards;
	req.fixed[3] = &last;
	for (uint32_t n = 1; n <= 60; n++) {
		last = pool_id(n);
		for (unsigned i = 0; i < 10; i++) {
			assert_true(vx6_is_ok(draw(&req)));
			assert_true(vx6_node_id_eq(&path.hop[0].node, &guard));
			assert_int_equal(path.hop[1].why.pick, VX6_PATH_VANGUARD);
			assert_true(vx6_node_id_eq(&path.hop[3].node, &last));
			/* never back to where it came from */
			assert_false(vx6_node_id_eq(&path.hop[1].node, &last));
			assert_false(vx6_node_id_eq(&path.hop[2].node, &last));
		}
	}
}

static void path_draw__foreign_last_near_or_ourselves__taken(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 4, .foreign_last = true};
	struct vx6_node_id last = pool_id(7);
	struct vx6_addr own = pool_addr(7);

	pool_add(pool, 1, 60, OLD);
	vx6_networks_add(&view.nets, &own, 0);
	update(POOL_T0);
	req.vanguards = vanguards;
	req.fixed[3] = &last;
	assert_true(vx6_is_ok(draw(&req)));
	req.foreign_last = false;
	assert_int_equal(draw(&req).code, VX6_E_CONFLICT);
	view.self = last;
	req.foreign_last = true;
	assert_true(vx6_is_ok(draw(&req)));
}

static void path_draw__second_guard__as_far_as_there_is_one(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 4, .guard = 2};
	struct vx6_node_id first, second;

	pool_add(pool, 1, 60, OLD);
	update(POOL_T0);
	confirm_two();
	first = vx6_guards_at(guards, 0)->node;
	second = vx6_guards_at(guards, 1)->node;
	req.vanguards = vanguards;
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &second));
	req.guard = 1;
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &first));
	/* the first one fails: both are the next ones */
	vx6_guards_down(guards, &first, POOL_T0, &rnd.rand);
	assert_true(vx6_is_ok(draw(&req)));
	assert_true(vx6_node_id_eq(&path.hop[0].node, &second));
	req.guard = 2;
	assert_true(vx6_is_ok(draw(&req)));
	assert_false(vx6_node_id_eq(&path.hop[0].node, &first));
	assert_false(vx6_node_id_eq(&path.hop[0].node, &second));
}

static void path_draw__barred__not_as_the_last_or_not_drawn_at_all(void **state)
{
	struct vx6_path_request req = {.purpose = VX6_PATH_ANONYMOUS, .n = 4};
	struct vx6_node_id barred[30];

	pool_add(pool, 1, 40, OLD);
	for (uint32_t i = 0; i < 30; i++)
		barred[i] = pool_id(i + 1);
	update(POOL_T0);
	req.vanguards = vanguards;
	req.last_not = barred;
	req.last_not_n = 30;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		for (size_t k = 0; k < 30; k++)
			assert_false(vx6_node_id_eq(&path.hop[3].node, &barred[k]));
	}
	req.undrawn = barred;
	req.undrawn_n = 30;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(vx6_is_ok(draw(&req)));
		for (size_t k = 0; k < 30; k++)
			assert_false(vx6_node_id_eq(&path.hop[2].node, &barred[k]));
	}
}

/* ---- rows ---- */

struct disk {
	struct vx6_node_id key[8];
	uint8_t value[8][VX6_CIRCUIT_ROW_MAX];
	size_t n[8], rows, deleted;
};

static void disk_row(void *user, const struct vx6_node_id *key, const uint8_t *value, size_t n)
{
	struct disk *d = user;

	if (!value) {
		d->deleted++;
		return;
	}
	assert_true(d->rows < 8);
	d->key[d->rows] = *key;
	memcpy(d->value[d->rows], value, n);
	d->n[d->rows++] = n;
}

static void vanguards_rows__saved_and_loaded__the_same(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_vanguards *other = vx6_vanguards_new();
	struct vx6_node_id id;

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	id = node(1);
	vx6_vanguards_down(vanguards, &id, POOL_T0);
	assert_int_equal(vx6_vanguards_dirty(vanguards), 4);
	assert_int_equal(vx6_vanguards_save(vanguards, &store), 4);
	assert_int_equal(vx6_vanguards_dirty(vanguards), 0);
	for (size_t i = 0; i < disk.rows; i++)
		assert_true(vx6_is_ok(
			vx6_vanguards_load(other, disk.key[i].b, 32, disk.value[i], disk.n[i])));
	for (size_t i = 0; i < 4; i++)
		assert_memory_equal(vx6_vanguards_at(vanguards, i), vx6_vanguards_at(other, i),
				    sizeof(struct vx6_vanguard));
	assert_int_equal(
		vx6_vanguards_load(other, disk.key[0].b, 32, disk.value[0], disk.n[0]).code,
		VX6_E_EXISTS);
	vx6_vanguards_free(other);
	/* those that leave are taken from the disk */
	update(POOL_T0 + 13 * DAY);
	vx6_vanguards_save(vanguards, &store);
	assert_true(disk.deleted >= 1);
	assert_int_equal(vx6_vanguards_dirty(vanguards), 0);
}

static void vanguards_rows__damaged__refused_at_every_byte(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_vanguards *other = vx6_vanguards_new();

	pool_add(pool, 1, 100, OLD);
	update(POOL_T0);
	vx6_vanguards_save(vanguards, &store);
	for (size_t i = 0; i < disk.n[0]; i++) {
		disk.value[0][i] ^= 0x40;
		assert_false(vx6_is_ok(
			vx6_vanguards_load(other, disk.key[0].b, 32, disk.value[0], disk.n[0])));
		disk.value[0][i] ^= 0x40;
		assert_false(
			vx6_is_ok(vx6_vanguards_load(other, disk.key[0].b, 32, disk.value[0], i)));
	}
	assert_int_equal(vx6_vanguards_count(other), 0);
	vx6_vanguards_free(other);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vanguards_update__pool__a_quarter_two_to_four),
		TEST(vanguards_update__set__different_networks_no_primary_guard_no_young_one),
		TEST(vanguards_update__lives__one_to_twelve_days_the_longer_of_two),
		TEST(vanguards_update__its_time_has_come__another_one),
		TEST(vanguards_update__not_listed__leaves_after_a_day),
		TEST(vanguards_update__nobody_is_listed__nobody_leaves),
		TEST(vanguards_down__fails_for_hours__leaves_unless_it_worked_once),
		TEST(path_draw__vanguards__second_hop_each_as_likely),
		TEST(path_draw__vanguard_that_failed__others_until_there_are_none),
		TEST(path_draw__foreign_last__guard_stays_whoever_it_is),
		TEST(path_draw__foreign_last_near_or_ourselves__taken),
		TEST(path_draw__second_guard__as_far_as_there_is_one),
		TEST(path_draw__barred__not_as_the_last_or_not_drawn_at_all),
		TEST(vanguards_rows__saved_and_loaded__the_same),
		TEST(vanguards_rows__damaged__refused_at_every_byte),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
