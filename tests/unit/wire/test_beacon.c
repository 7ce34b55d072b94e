#include "tests/unit/vectors.h"
#include "wire/beacon.h"

static void beacon__golden_bytes__both_ways(void **state)
{
	cJSON *vectors = vec_load("beacons");

	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_BEACON_MAX], out[VX6_BEACON_MAX], record[VX6_BEACON_RECORD_MAX];
		uint8_t network[VX6_BEACON_NETWORK_BYTES];
		size_t n = vec_hex(v, "bytes", bytes, sizeof bytes), out_n;
		struct vx6_beacon b;

		assert_ok(vx6_beacon_decode(bytes, n, &b));
		assert_int_equal(b.kind, vec_num(v, "kind"));
		assert_int_equal(b.record_n, vec_hex(v, "record", record, sizeof record));
		assert_memory_equal(b.record, record, b.record_n);
		vec_hex(v, "network", network, sizeof network);
		assert_memory_equal(b.network, network, sizeof network);
		assert_ok(vx6_beacon_encode(&b, out, &out_n));
		assert_int_equal(out_n, n);
		assert_memory_equal(out, bytes, n);
	}
	vec_free(vectors);
}

static void beacon_decode__cut_anywhere__is_refused_or_a_shorter_record(void **state)
{
	static const uint8_t bytes[15] = {'V', 'X', '6', 'B', 1, 1};
	struct vx6_beacon b;

	for (size_t n = 0; n < sizeof bytes; n++) {
		uint8_t *cut = exact_copy(bytes, n);

		assert_err(vx6_beacon_decode(cut, n, &b), SHORT);
		assert_null(b.record);
		free(cut);
	}
	assert_ok(vx6_beacon_decode(bytes, sizeof bytes, &b));
	assert_int_equal(b.record_n, 1);
}

static void beacon_decode__what_is_not_one__is_refused(void **state)
{
	uint8_t *bytes = exact_copy((uint8_t[VX6_BEACON_MAX + 1]){'V', 'X', '6', 'B', 1, 2},
				    VX6_BEACON_MAX + 1);
	struct vx6_beacon b;

	assert_ok(vx6_beacon_decode(bytes, VX6_BEACON_MAX, &b));
	assert_int_equal(b.record_n, VX6_BEACON_RECORD_MAX);
	assert_err(vx6_beacon_decode(bytes, VX6_BEACON_MAX + 1, &b), LIMIT);
	bytes[5] = 3;
	assert_err(vx6_beacon_decode(bytes, VX6_BEACON_MAX, &b), UNSUPPORTED);
	bytes[5] = 0;
	assert_err(vx6_beacon_decode(bytes, VX6_BEACON_MAX, &b), UNSUPPORTED);
	bytes[4] = 2;
	assert_err(vx6_beacon_decode(bytes, VX6_BEACON_MAX, &b), UNSUPPORTED);
	bytes[3] = 'C';
	assert_err(vx6_beacon_decode(bytes, VX6_BEACON_MAX, &b), FORMAT);
	free(bytes);
}

static void beacon_encode__no_record_or_too_large__is_refused(void **state)
{
	uint8_t out[VX6_BEACON_MAX], record[VX6_BEACON_RECORD_MAX + 1] = {0};
	struct vx6_beacon b = {.kind = VX6_BEACON_HERE, .record = record};
	size_t n;

	assert_err(vx6_beacon_encode(&b, out, &n), LIMIT);
	b.record_n = sizeof record;
	assert_err(vx6_beacon_encode(&b, out, &n), LIMIT);
	b.record_n = VX6_BEACON_RECORD_MAX;
	assert_ok(vx6_beacon_encode(&b, out, &n));
	assert_int_equal(n, VX6_BEACON_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beacon__golden_bytes__both_ways),
		cmocka_unit_test(beacon_decode__cut_anywhere__is_refused_or_a_shorter_record),
		cmocka_unit_test(beacon_decode__what_is_not_one__is_refused),
		cmocka_unit_test(beacon_encode__no_record_or_too_large__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
