#include "tests/unit/vectors.h"

#include "base/clock.h"
#include "crypto/puzzle.h"
#include "crypto/secret.h"

static int setup(void **state)
{
	(void)state;
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

static struct vx6_puzzle some_puzzle(uint32_t effort)
{
	struct vx6_puzzle p = {.effort = effort};

	vx6_random_bytes(p.seed, sizeof p.seed);
	vx6_random_bytes(p.blinded, sizeof p.blinded);
	return p;
}

static void solve(const struct vx6_puzzle *p, uint8_t out[static VX6_PUZZLE_BYTES])
{
	uint8_t nonce[VX6_PUZZLE_NONCE];

	vx6_random_bytes(nonce, sizeof nonce);
	assert_ok(vx6_puzzle_solve(p, nonce, NULL, NULL, out));
}

static void read_vector(const cJSON *v, struct vx6_puzzle *p, uint8_t bytes[VX6_PUZZLE_BYTES])
{
	vec_hex(v, "seed", p->seed, sizeof p->seed);
	vec_hex(v, "blinded", p->blinded, sizeof p->blinded);
	p->effort = (uint32_t)vec_num(v, "effort");
	assert_int_equal(vec_hex(v, "bytes", bytes, VX6_PUZZLE_BYTES), VX6_PUZZLE_BYTES);
}

static void puzzle__golden_vectors__verify(void **state)
{
	cJSON *vectors = vec_load("hs_puzzles");

	(void)state;
	assert_int_equal(cJSON_GetArraySize(vectors), 10);
	VEC_EACH(v, vectors)
	{
		uint8_t bytes[VX6_PUZZLE_BYTES];
		struct vx6_puzzle_claim claim;
		struct vx6_puzzle p;
		uint32_t effort;

		read_vector(v, &p, bytes);
		assert_ok(vx6_puzzle_verify(&p, bytes, &effort));
		assert_int_equal(effort, p.effort);
		assert_ok(vx6_puzzle_read(bytes, &claim));
		assert_int_equal(claim.effort, p.effort);
		assert_memory_equal(claim.seed_head, p.seed, sizeof claim.seed_head);
		assert_memory_equal(claim.nonce, bytes + 1, sizeof claim.nonce);
	}
	vec_free(vectors);
}

/* The vectors have all solutions of one nonce: the solver's is among them. */
static void puzzle__solved__one_of_the_known(void **state)
{
	cJSON *vectors = vec_load("hs_puzzles");
	uint8_t bytes[VX6_PUZZLE_BYTES], out[VX6_PUZZLE_BYTES];
	struct vx6_puzzle_claim claim;
	bool found = false;
	struct vx6_puzzle p;

	(void)state;
	read_vector(vec_find(vectors, "0 of one nonce"), &p, bytes);
	assert_ok(vx6_puzzle_read(bytes, &claim));
	assert_ok(vx6_puzzle_solve(&p, claim.nonce, NULL, NULL, out));
	VEC_EACH(v, vectors)
	{
		read_vector(v, &p, bytes);
		found |= memcmp(bytes, out, sizeof out) == 0;
	}
	assert_true(found);
	vec_free(vectors);
}

static void puzzle__any_effort__is_proved(void **state)
{
	static const uint32_t efforts[] = {0, 1, 2, 7, 30};

	(void)state;
	for (size_t i = 0; i < sizeof efforts / sizeof *efforts; i++) {
		struct vx6_puzzle p = some_puzzle(efforts[i]);
		uint8_t out[VX6_PUZZLE_BYTES];
		uint32_t effort;

		solve(&p, out);
		p.effort = 1000; /* says nothing to who checks */
		assert_ok(vx6_puzzle_verify(&p, out, &effort));
		assert_int_equal(effort, efforts[i] ? efforts[i] : 1);
	}
}

static void puzzle__each_bit__proves_nothing_more(void **state)
{
	struct vx6_puzzle p = some_puzzle(8);
	uint8_t out[VX6_PUZZLE_BYTES];
	uint32_t effort;

	(void)state;
	solve(&p, out);
	for (size_t bit = 0; bit < 8 * VX6_PUZZLE_BYTES; bit++) {
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_fails(vx6_puzzle_verify(&p, out, &effort));
		assert_int_equal(effort, 0);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_ok(vx6_puzzle_verify(&p, out, &effort));
}

static void puzzle__for_another_service_or_seed__refused(void **state)
{
	struct vx6_puzzle p = some_puzzle(1);
	uint8_t out[VX6_PUZZLE_BYTES];
	uint32_t effort;

	(void)state;
	solve(&p, out);
	p.blinded[0] ^= 1;
	assert_err(vx6_puzzle_verify(&p, out, &effort), REFUSED);
	p.blinded[0] ^= 1;
	p.seed[31] ^= 1; /* its beginning is the same */
	assert_err(vx6_puzzle_verify(&p, out, &effort), REFUSED);
	p.seed[0] ^= 1;
	assert_err(vx6_puzzle_verify(&p, out, &effort), STALE);
	out[0] = 2;
	assert_err(vx6_puzzle_verify(&p, out, &effort), UNSUPPORTED);
}

static void swap(uint8_t *at, size_t i, size_t j, size_t n)
{
	uint8_t kept[8];

	memcpy(kept, at + 2 * i, 2 * n);
	memcpy(at + 2 * i, at + 2 * j, 2 * n);
	memcpy(at + 2 * j, kept, 2 * n);
}

/* The sums are the same in every order; one of them counts, or each solution would be 128. */
static void puzzle__in_another_order__refused(void **state)
{
	static const struct {
		size_t i, j, n;
	} swaps[] = {{0, 1, 1}, {2, 3, 1}, {4, 5, 1}, {6, 7, 1}, {0, 2, 2}, {4, 6, 2}, {0, 4, 4}};
	struct vx6_puzzle p = some_puzzle(1);
	uint8_t out[VX6_PUZZLE_BYTES], *at = out + VX6_PUZZLE_BYTES - 16;
	uint32_t effort;

	(void)state;
	solve(&p, out);
	for (size_t i = 0; i < sizeof swaps / sizeof *swaps; i++) {
		swap(at, swaps[i].i, swaps[i].j, swaps[i].n);
		assert_err(vx6_puzzle_verify(&p, out, &effort), REFUSED);
		swap(at, swaps[i].i, swaps[i].j, swaps[i].n);
	}
	memset(at, 0, 16);
	assert_err(vx6_puzzle_verify(&p, out, &effort), REFUSED);
}

static void puzzle__no_effort_or_too_much__refused(void **state)
{
	struct vx6_puzzle p = some_puzzle(1);
	uint8_t out[VX6_PUZZLE_BYTES];
	uint32_t effort;

	(void)state;
	solve(&p, out);
	memset(out + 17, 0, 4);
	assert_err(vx6_puzzle_verify(&p, out, &effort), REFUSED);
	memset(out + 17, 0xff, 4);
	assert_err(vx6_puzzle_verify(&p, out, &effort), REFUSED);
}

static bool at_the_third(void *user)
{
	return ++*(int *)user == 3;
}

static void puzzle_solve__stopped__ends(void **state)
{
	struct vx6_puzzle p = some_puzzle(UINT32_MAX);
	uint8_t nonce[VX6_PUZZLE_NONCE], out[VX6_PUZZLE_BYTES];
	int asked = 0;

	(void)state;
	memset(nonce, 0xff, sizeof nonce); /* the next one begins anew */
	assert_err(vx6_puzzle_solve(&p, nonce, at_the_third, &asked, out), CLOSED);
	assert_int_equal(asked, 3);
}

/* What it costs, for the reader of the log; that a check is a thousandth of a try is what must hold. */
static void puzzle__cost__of_a_try_and_a_check(void **state)
{
	enum { TRIES = 10, CHECKS = 1000 };
	struct vx6_puzzle p = some_puzzle(1);
	uint8_t nonce[VX6_PUZZLE_NONCE] = {0}, out[VX6_PUZZLE_BYTES];
	struct vx6_puzzle_solver *s = vx6_puzzle_solver_new(&p, nonce);
	uint64_t from = vx6_now_ns(), try_ns, check_ns;
	uint32_t effort;

	(void)state;
	for (int i = 0; i < TRIES; i++)
		(void)vx6_is_ok(vx6_puzzle_step(s, out));
	try_ns = (vx6_now_ns() - from) / TRIES;
	vx6_puzzle_solver_free(s);
	solve(&p, out);
	from = vx6_now_ns();
	for (int i = 0; i < CHECKS; i++)
		assert_ok(vx6_puzzle_verify(&p, out, &effort));
	check_ns = (vx6_now_ns() - from) / CHECKS;
	print_message("a try %.2f ms, a check %.2f us\n", (double)try_ns / 1e6,
		      (double)check_ns / 1e3);
	assert_true(check_ns < try_ns / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puzzle__golden_vectors__verify),
		cmocka_unit_test(puzzle__solved__one_of_the_known),
		cmocka_unit_test(puzzle__any_effort__is_proved),
		cmocka_unit_test(puzzle__each_bit__proves_nothing_more),
		cmocka_unit_test(puzzle__for_another_service_or_seed__refused),
		cmocka_unit_test(puzzle__in_another_order__refused),
		cmocka_unit_test(puzzle__no_effort_or_too_much__refused),
		cmocka_unit_test(puzzle_solve__stopped__ends),
		cmocka_unit_test(puzzle__cost__of_a_try_and_a_check),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
