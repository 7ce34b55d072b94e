#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/circuit/rows.h"
#include "circuit/path.h"
#include "circuit/vanguards.h"

static void store(void *user, const struct vx6_node_id *key, const uint8_t *value, size_t n)
{
	/* what was taken is written as a row that would be taken again */
	if (value)
		FUZZ_CHECK(vx6_is_ok(vx6_vanguards_load(user, key->b, sizeof key->b, value, n)));
}

static void take(void *user, const uint8_t *key, const uint8_t *value, size_t n)
{
	(void)vx6_vanguards_load(user, key, 32, value, n).code;
}

/* The input is a list of rows: key(32) | length u8 | value without its checksum. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_vanguards *v = vx6_vanguards_new(), *other = vx6_vanguards_new();
	struct vx6_relays *none = vx6_relays_new();
	const struct vx6_path_view view = {.now_s = FUZZ_NOW};
	const struct vx6_circuit_store to = {store, other};

	fuzz_rows("VX6-vanguard-row", data, n, take, v);
	FUZZ_CHECK(vx6_vanguards_count(v) <= VX6_VANGUARDS_MAX);
	vx6_vanguards_dirty_all(v);
	FUZZ_CHECK(vx6_vanguards_save(v, &to) == vx6_vanguards_count(v));
	FUZZ_CHECK(vx6_vanguards_count(other) == vx6_vanguards_count(v));
	vx6_vanguards_update(v, none, NULL, &view, &vx6_rand_system);
	for (size_t i = 0; i < vx6_vanguards_count(v); i++)
		FUZZ_CHECK(vx6_vanguards_at(v, i)->until_s > FUZZ_NOW);
	vx6_relays_free(none);
	vx6_vanguards_free(v);
	vx6_vanguards_free(other);
	return 0;
}
