#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/circuit/rows.h"
#include "circuit/guards.h"

static void store(void *user, const struct vx6_node_id *key, const uint8_t *value, size_t n)
{
	/* what was taken is written as a row that would be taken again */
	FUZZ_CHECK(value && vx6_is_ok(vx6_guards_load(user, key->b, sizeof key->b, value, n)));
}

static void take(void *user, const uint8_t *key, const uint8_t *value, size_t n)
{
	(void)vx6_guards_load(user, key, 32, value, n).code;
}

/* The input is a list of rows: key(32) | length u8 | value without its checksum. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_guards *g = vx6_guards_new(), *other = vx6_guards_new();
	const struct vx6_circuit_store to = {store, other};
	size_t primaries = 0;

	fuzz_rows("VX6-guard-row", data, n, take, g);
	FUZZ_CHECK(vx6_guards_count(g) <= VX6_GUARDS_MAX);
	vx6_guards_dirty_all(g);
	FUZZ_CHECK(vx6_guards_save(g, &to) == vx6_guards_count(g));
	FUZZ_CHECK(vx6_guards_count(other) == vx6_guards_count(g));
	for (size_t i = 0; i < vx6_guards_count(g); i++) {
		primaries += vx6_guards_at(g, i)->primary;
		vx6_guards_beyond(g, &vx6_guards_at(g, i)->node, false, FUZZ_NOW, &vx6_rand_system);
	}
	FUZZ_CHECK(primaries <= VX6_GUARDS_PRIMARY);
	vx6_guards_free(g);
	vx6_guards_free(other);
	return 0;
}
