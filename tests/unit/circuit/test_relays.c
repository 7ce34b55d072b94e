/* The pool: what is kept, who makes room, what is measured and what it weighs, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "tests/unit/circuit/pool.h"

enum { DAY = 86400, MIB = 1024 * 1024 };

static struct vx6_relays *pool;

static int setup(void **state)
{
	pool = vx6_relays_new();
	return 0;
}

static int teardown(void **state)
{
	vx6_relays_free(pool);
	return 0;
}

static const struct vx6_relay_entry *at(uint32_t n)
{
	struct vx6_node_id id = pool_id(n);

	return vx6_relays_find(pool, &id);
}

static double weight(uint32_t n, uint64_t now_s)
{
	return vx6_relay_weight(at(n), vx6_relays_median(pool, now_s), now_s);
}

static void relays_put__facts__listed_until_they_end(void **state)
{
	struct vx6_relay_facts f = pool_facts(1, POOL_T0);

	f.until_s = POOL_T0 + 100;
	assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	assert_int_equal(vx6_relays_listed(pool, POOL_T0 + 99), 1);
	assert_int_equal(vx6_relays_listed(pool, POOL_T0 + 100), 0);
	assert_int_equal(at(1)->first_seen_s, POOL_T0);
	f.until_s = POOL_T0 + 9000;
	assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0 + 5000)));
	assert_int_equal(at(1)->first_seen_s, POOL_T0);
	assert_int_equal(vx6_relays_put(pool, &f, POOL_T0 + 9000).code, VX6_E_EXPIRED);
	f.addrs_n = 0;
	assert_int_equal(vx6_relays_put(pool, &f, POOL_T0).code, VX6_E_INVALID);
}

static void relays_put__networks__each_once_private_ones_only_alone(void **state)
{
	const uint32_t asns[4] = {7, 7, 8, 0};
	struct vx6_relay_facts f = pool_facts(1, POOL_T0);

	assert_true(vx6_is_ok(vx6_addr_parse("192.168.1.2:1", &f.addrs[0])));
	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8:1:5::1]:1", &f.addrs[1])));
	assert_true(vx6_is_ok(vx6_addr_parse("[2001:db8:1:6::1]:1", &f.addrs[2])));
	assert_true(vx6_is_ok(vx6_addr_parse("198.51.100.1:1", &f.addrs[3])));
	f.addrs_n = 4;
	memcpy(f.asns, asns, sizeof asns);
	assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	assert_int_equal(at(1)->nets.prefix_n, 2);
	assert_true(at(1)->nets.prefix[0] == (UINT64_C(6) << 56 | UINT64_C(0x20010db80001)));
	assert_true(at(1)->nets.prefix[1] == (UINT64_C(4) << 56 | (198 << 8) | 51));
	assert_int_equal(at(1)->nets.asn_n, 2);
	f.addrs_n = 1;
	assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	assert_int_equal(at(1)->nets.prefix_n, 1);
	assert_true(at(1)->nets.prefix[0] == VX6_RELAY_PREFIX_PRIVATE);
}

/* A flood out of few networks gets no room beyond its share, and pushes nobody out. */
static void relays_put__flood_of_one_network__bounded(void **state)
{
	unsigned refused = 0;

	pool_add(pool, 1, 100, POOL_T0);
	for (uint32_t n = 1000; n < 1200; n++) {
		struct vx6_relay_facts f = pool_facts(n, POOL_T0);

		f.addrs[0] = pool_addr(999);
		refused += !vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0));
	}
	assert_int_equal(refused, 200 - VX6_RELAYS_OF_PREFIX);
	for (uint32_t n = 1; n <= 100; n++)
		assert_non_null(at(n));
}

static void relays_put__full__crowded_network_makes_room_history_stays(void **state)
{
	struct vx6_relay_facts f;
	unsigned crowd = 0;

	for (uint32_t n = 1; n <= VX6_RELAYS_MAX; n++) {
		f = pool_facts(n, POOL_T0);
		if (n > VX6_RELAYS_MAX / 2)
			f.addrs[0] = pool_addr(10000 + n % 40);
		assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	}
	pool_use(pool, 1, 3, 1000, 0, POOL_T0);
	for (uint32_t n = 20000; n < 20100; n++)
		pool_add(pool, n, n, POOL_T0);
	assert_int_equal(vx6_relays_count(pool), VX6_RELAYS_MAX);
	assert_non_null(at(1));
	for (uint32_t n = VX6_RELAYS_MAX / 2 + 1; n <= VX6_RELAYS_MAX; n++)
		crowd += at(n) != NULL;
	assert_int_equal(crowd, VX6_RELAYS_MAX / 2 - 100);
	f = pool_facts(30000, POOL_T0); /* of a network as crowded as any */
	f.addrs[0] = pool_addr(10001);
	assert_int_equal(vx6_relays_put(pool, &f, POOL_T0).code, VX6_E_FULL);
}

static void relays_put__full__unlisted_one_goes_first(void **state)
{
	struct vx6_node_id gone = pool_id(17);

	pool_add(pool, 1, VX6_RELAYS_MAX, POOL_T0);
	vx6_relays_drop(pool, &gone);
	pool_add(pool, 5000, 5000, POOL_T0);
	assert_null(at(17));
	assert_non_null(at(5000));
}

static void relays_score__time__halves(void **state)
{
	double s, f;

	pool_add(pool, 1, 1, POOL_T0);
	pool_use(pool, 1, 8, 30000, 0, POOL_T0);
	vx6_relay_score(at(1), POOL_T0 + 3 * DAY, &s, &f);
	assert_true(s > 3.99 && s < 4.01 && f == 0);
	vx6_relay_score(at(1), POOL_T0 + 6 * DAY, &s, &f);
	assert_true(s > 1.99 && s < 2.01);
	vx6_relay_score(at(1), UINT64_MAX, &s, &f);
	assert_true(s < 1e-9);
	assert_int_equal(at(1)->rtt_us, 30000);
}

static void relays_failing__more_bad_than_good__said(void **state)
{
	struct vx6_node_id id = pool_id(1);

	pool_add(pool, 1, 1, POOL_T0);
	for (int i = 0; i < 2; i++)
		vx6_relays_seen_failure(pool, &id, VX6_RELAY_UNREACHABLE, POOL_T0);
	assert_false(vx6_relay_is_failing(at(1), POOL_T0));
	vx6_relays_seen_failure(pool, &id, VX6_RELAY_PROTOCOL, POOL_T0);
	assert_true(vx6_relay_is_failing(at(1), POOL_T0));
	assert_false(vx6_relay_is_failing(at(1), POOL_T0 + 6 * DAY));
}

static void relays_weight__capacity__counts_up_to_four_medians(void **state)
{
	pool_add(pool, 1, 9, POOL_T0);
	for (uint32_t n = 1; n <= 9; n++)
		pool_use(pool, n, 3, 1000, n == 9 ? 100 * MIB : MIB, POOL_T0);
	assert_true(weight(9, POOL_T0) > 3.99 * weight(1, POOL_T0));
	assert_true(weight(9, POOL_T0) < 4.01 * weight(1, POOL_T0));
}

static void relays_weight__no_history__an_eighth_of_a_median_one(void **state)
{
	pool_add(pool, 1, 9, POOL_T0);
	for (uint32_t n = 1; n <= 8; n++)
		pool_use(pool, n, 30, 1000, MIB, POOL_T0);
	assert_true(weight(9, POOL_T0) / weight(1, POOL_T0) > 0.12);
	assert_true(weight(9, POOL_T0) / weight(1, POOL_T0) < 0.13);
}

static void relays_seen_bytes__little_or_a_burst__no_capacity(void **state)
{
	struct vx6_node_id id = pool_id(1);

	pool_add(pool, 1, 1, POOL_T0);
	vx6_relays_seen_bytes(pool, &id, 100000, 1, POOL_T0);
	assert_true(vx6_relay_capacity(at(1), POOL_T0) == 0);
	vx6_relays_seen_bytes(pool, &id, MIB, 1, POOL_T0);
	assert_true(vx6_relay_capacity(at(1), POOL_T0) == 2 * MIB);
	vx6_relays_seen_bytes(pool, &id, MIB, 1000, POOL_T0 + 7 * DAY);
	assert_true(vx6_relay_capacity(at(1), POOL_T0 + 7 * DAY) == MIB);
}

/* What a relay says of itself, all of it, changes nothing of what it weighs. */
static void relays_weight__facts__change_nothing(void **state)
{
	struct vx6_relay_facts f = pool_facts(1, POOL_T0);
	double before;

	pool_add(pool, 1, 9, POOL_T0);
	for (uint32_t n = 1; n <= 9; n++)
		pool_use(pool, n, 5, 1000, MIB, POOL_T0);
	before = weight(1, POOL_T0);
	f.policy = UINT32_MAX;
	memset(f.family, 0xff, sizeof f.family);
	f.until_s = f.onion_until_s = UINT64_MAX;
	assert_true(vx6_is_ok(vx6_relays_put(pool, &f, POOL_T0)));
	assert_true(weight(1, POOL_T0) == before);
}

static void relays_expire__long_gone__forgotten(void **state)
{
	struct vx6_node_id one = pool_id(1), two = pool_id(2);

	pool_add(pool, 1, 2, POOL_T0);
	pool_use(pool, 1, 3, 1000, 0, POOL_T0);
	vx6_relays_drop(pool, &one);
	vx6_relays_drop(pool, &two);
	vx6_relays_expire(pool, POOL_T0 + DAY);
	assert_int_equal(vx6_relays_count(pool), 2);
	vx6_relays_expire(pool, POOL_T0 + DAY + 1);
	assert_null(at(2));
	vx6_relays_expire(pool, POOL_T0 + 60 * DAY + 1);
	assert_int_equal(vx6_relays_count(pool), 0);
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

static vx6_err load(struct vx6_relays *r, const struct disk *d, size_t i, uint64_t now_s)
{
	return vx6_relays_load(r, d->key[i].b, sizeof d->key[i].b, d->value[i], d->n[i], now_s);
}

static void relays_rows__saved_and_loaded__what_was_measured_is_there(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_relays *other = vx6_relays_new();
	struct vx6_node_id id = pool_id(3);
	const struct vx6_relay_entry *e;

	pool_add(pool, 1, 20, POOL_T0);
	pool_use(pool, 3, 7, 23000, MIB, POOL_T0 + 50);
	vx6_relays_seen_failure(pool, &id, VX6_RELAY_TIMEOUT, POOL_T0 + 50);
	assert_int_equal(vx6_relays_dirty(pool), 20);
	assert_int_equal(vx6_relays_save(pool, &store, 15), 15);
	assert_int_equal(vx6_relays_save(pool, &store, 15), 5);
	assert_int_equal(vx6_relays_dirty(pool), 0);
	for (size_t i = 0; i < disk.rows; i++)
		assert_true(vx6_is_ok(load(other, &disk, i, POOL_T0 + 100)));
	assert_int_equal(load(other, &disk, 0, POOL_T0 + 61 * DAY).code, VX6_E_EXPIRED);
	pool_add(other, 1, 20, POOL_T0 + 100);
	e = vx6_relays_find(other, &id);
	assert_int_equal(e->first_seen_s, POOL_T0);
	assert_int_equal(e->uses, 7);
	assert_int_equal(e->rtt_us, 23000);
	assert_true(e->successes == 7 && e->failures == 0.5 && e->capacity == MIB);
	assert_int_equal(e->nets.prefix_n, 1);
	vx6_relays_forget(pool, &id);
	assert_int_equal(vx6_relays_save(pool, &store, 15), 1);
	assert_int_equal(disk.deleted, 1);
	vx6_relays_free(other);
}

/* Records may come in before the rows are read. */
static void relays_rows__loaded_late__measurements_are_taken(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_relays *other = vx6_relays_new();
	struct vx6_node_id id = pool_id(1);

	pool_add(pool, 1, 1, POOL_T0);
	pool_use(pool, 1, 7, 23000, MIB, POOL_T0);
	vx6_relays_save(pool, &store, 1);
	pool_add(other, 1, 1, POOL_T0 + DAY);
	assert_true(vx6_is_ok(load(other, &disk, 0, POOL_T0 + DAY)));
	assert_int_equal(vx6_relays_find(other, &id)->first_seen_s, POOL_T0);
	assert_int_equal(vx6_relays_find(other, &id)->uses, 7);
	assert_true(vx6_relays_median(other, POOL_T0 + DAY) > 0);
	pool_use(other, 1, 1, 1000, 0, POOL_T0 + DAY);
	assert_int_equal(load(other, &disk, 0, POOL_T0 + DAY).code, VX6_E_EXISTS);
	vx6_relays_free(other);
}

static void relays_rows__damaged__refused_at_every_byte(void **state)
{
	struct disk disk = {0};
	struct vx6_circuit_store store = {disk_row, &disk};
	struct vx6_relays *other = vx6_relays_new();

	pool_add(pool, 1, 1, POOL_T0);
	vx6_relays_save(pool, &store, 1);
	for (size_t i = 0; i < disk.n[0]; i++) {
		disk.value[0][i] ^= 0x40;
		assert_false(vx6_is_ok(load(other, &disk, 0, POOL_T0)));
		disk.value[0][i] ^= 0x40;
		assert_false(vx6_is_ok(
			vx6_relays_load(other, disk.key[0].b, 32, disk.value[0], i, POOL_T0)));
	}
	disk.key[0].b[5] ^= 1;
	assert_int_equal(load(other, &disk, 0, POOL_T0).code, VX6_E_CHECKSUM);
	assert_int_equal(vx6_relays_count(other), 0);
	vx6_relays_free(other);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(relays_put__facts__listed_until_they_end),
		TEST(relays_put__networks__each_once_private_ones_only_alone),
		TEST(relays_put__flood_of_one_network__bounded),
		TEST(relays_put__full__crowded_network_makes_room_history_stays),
		TEST(relays_put__full__unlisted_one_goes_first),
		TEST(relays_score__time__halves),
		TEST(relays_failing__more_bad_than_good__said),
		TEST(relays_weight__capacity__counts_up_to_four_medians),
		TEST(relays_weight__no_history__an_eighth_of_a_median_one),
		TEST(relays_seen_bytes__little_or_a_burst__no_capacity),
		TEST(relays_weight__facts__change_nothing),
		TEST(relays_expire__long_gone__forgotten),
		TEST(relays_rows__saved_and_loaded__what_was_measured_is_there),
		TEST(relays_rows__loaded_late__measurements_are_taken),
		TEST(relays_rows__damaged__refused_at_every_byte),
	};

	if (!vx6_is_ok(vx6_crypto_init()))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
