#include "tests/fuzz/fuzz.h"
#include "crypto/puzzle.h"
#include "crypto/secret.h"

/* A solution as it comes, for the seed it names: what is accepted says an effort, and is accepted for nothing else. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vx6_puzzle p = {.seed = {0}};
	uint8_t changed[VX6_PUZZLE_BYTES];
	struct vx6_puzzle_claim claim;
	uint32_t effort, other;

	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	if (n < VX6_PUZZLE_BYTES)
		return 0;
	if (!vx6_is_ok(vx6_puzzle_read(data, &claim))) {
		FUZZ_CHECK(!vx6_is_ok(vx6_puzzle_verify(&p, data, &effort)));
		return 0;
	}
	memcpy(p.seed, claim.seed_head, sizeof claim.seed_head);
	if (!vx6_is_ok(vx6_puzzle_verify(&p, data, &effort))) {
		FUZZ_CHECK(effort == 0);
		return 0;
	}
	FUZZ_CHECK(effort > 0 && effort == claim.effort);
	memcpy(changed, data, sizeof changed);
	changed[VX6_PUZZLE_BYTES - 1] ^= 1;
	FUZZ_CHECK(!vx6_is_ok(vx6_puzzle_verify(&p, changed, &other)));
	p.seed[0] ^= 1;
	FUZZ_CHECK(!vx6_is_ok(vx6_puzzle_verify(&p, data, &other)));
	return 0;
}
