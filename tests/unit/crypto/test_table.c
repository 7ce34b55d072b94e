#include "tests/unit/vectors.h"
#include "crypto/secret.h"
#include "crypto/siphash.h"
#include "crypto/table.h"

struct item {
	uint32_t key;
	UT_hash_handle hh;
};

static void siphash__reference_vectors__reproduced(void **state)
{
	cJSON *vectors = vec_load("siphash");

	VEC_EACH(v, vectors)
	{
		uint8_t msg[64], tag[8];
		struct vx6_siphash_key key;
		size_t n = vec_hex(v, "msg", msg, sizeof msg);
		uint64_t want = 0;

		vec_hex(v, "key", key.b, sizeof key.b);
		vec_hex(v, "tag_le", tag, sizeof tag);
		for (size_t i = 8; i > 0; i--)
			want = want << 8 | tag[i - 1];
		assert_true(vx6_siphash(&key, msg, n) == want);
	}
	vec_free(vectors);
}

static void table__thousand_items__found_and_removed(void **state)
{
	struct item *table = NULL, *item, *next;

	for (uint32_t i = 0; i < 1000; i++) {
		item = calloc(1, sizeof *item);
		item->key = i;
		HASH_ADD(hh, table, key, sizeof item->key, item);
	}
	for (uint32_t i = 0; i < 1001; i++) {
		HASH_FIND(hh, table, &i, sizeof i, item);
		assert_int_equal(item != NULL, i < 1000);
	}
	HASH_ITER(hh, table, item, next)
	{
		HASH_DEL(table, item);
		free(item);
	}
	assert_null(table);
}

/* 4096 keys thrown at 4096 buckets leave about a third of them empty. */
static void table_hash__sequential_keys__spread(void **state)
{
	static uint8_t used[4096];
	unsigned n = 0;

	for (uint32_t i = 0; i < 4096; i++)
		used[vx6_table_hash(&i, sizeof i) % 4096] = 1;
	for (unsigned i = 0; i < 4096; i++)
		n += used[i];
	assert_in_range(n, 2400, 2780);
}

static int setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash__reference_vectors__reproduced),
		cmocka_unit_test(table__thousand_items__found_and_removed),
		cmocka_unit_test(table_hash__sequential_keys__spread),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
