#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/circuit/rows.h"
#include "circuit/relays.h"

static void store(void *user, const struct vx6_node_id *key, const uint8_t *value, size_t n)
{
	/* what was taken is written as a row that would be taken again */
	FUZZ_CHECK(value &&
		   vx6_is_ok(vx6_relays_load(user, key->b, sizeof key->b, value, n, FUZZ_NOW)));
}

static void take(void *user, const uint8_t *key, const uint8_t *value, size_t n)
{
	(void)vx6_relays_load(user, key, 32, value, n, FUZZ_NOW).code;
}

/* The input is a list of rows: key(32) | length u8 | value without its checksum. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_relays *r = vx6_relays_new(), *other = vx6_relays_new();
	const struct vx6_circuit_store to = {store, other};
	size_t count;
	double median;

	fuzz_rows("VX6-relay-row", data, n, take, r);
	count = vx6_relays_count(r);
	median = vx6_relays_median(r, FUZZ_NOW);
	for (size_t i = 0; i < count; i++) {
		const struct vx6_relay_entry *e = vx6_relays_at(r, i);

		FUZZ_CHECK(e->first_seen_s <= FUZZ_NOW && e->score_s <= FUZZ_NOW);
		FUZZ_CHECK(vx6_relay_weight(e, median, FUZZ_NOW) > 0);
		FUZZ_CHECK(!vx6_relay_is_listed(e, FUZZ_NOW));
	}
	vx6_relays_dirty_all(r);
	FUZZ_CHECK(vx6_relays_save(r, &to, SIZE_MAX) == count);
	FUZZ_CHECK(vx6_relays_count(other) == count);
	vx6_relays_free(r);
	vx6_relays_free(other);
	return 0;
}
