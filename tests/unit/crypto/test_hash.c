#include "tests/unit/vectors.h"
#include "crypto/hash.h"

static void hash__golden_values__whole_and_in_pieces(void **state)
{
	cJSON *vectors = vec_load("hashes");

	VEC_EACH(v, vectors)
	{
		uint8_t msg[512], want[32];
		size_t n = vec_hex(v, "msg", msg, sizeof msg);
		struct vx6_hash_state st;
		struct vx6_hash h;

		vec_hex(v, "hash", want, 32);
		vx6_hash_personal(vec_text(v, "personal"), msg, n, &h);
		assert_memory_equal(h.b, want, 32);
		vx6_hash_init(&st, vec_text(v, "personal"));
		for (size_t i = 0; i < n; i++)
			vx6_hash_update(&st, msg + i, 1);
		vx6_hash_update(&st, NULL, 0);
		vx6_hash_final(&st, &h);
		assert_memory_equal(h.b, want, 32);
	}
	vec_free(vectors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash__golden_values__whole_and_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
