/**
 * @file puzzle.h
 * Proof of work of a client that asks a hidden service for attention: dear to make, cheap to check, for one service and one seed of it only.
 *
 * Spec:    schemas/wire/hidden.md#puzzle; Tor proposal 327 for its use
 * Layer:   crypto
 * Shape:   Equihash(60, 3) over SipHash-2-4: eight 16-bit indices; a solution counts when a hash of it is small enough for the effort
 * Trust:   a solution is hostile. It does not say for which introduction it was made: the service takes each nonce of a seed once
 * Threads: pure, any thread; solving takes some ms for each unit of effort and belongs on a worker
 */
#ifndef VX6_CRYPTO_PUZZLE_H
#define VX6_CRYPTO_PUZZLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_PUZZLE_SEED = 32,
	VX6_PUZZLE_BLINDED = 32,
	VX6_PUZZLE_NONCE = 16,
	VX6_PUZZLE_BYTES =
		41, /* version u8 = 1 | nonce(16) | effort u32 | seed(first 4) | solution(16) */
};

/** What a solution is for: the seed that the descriptor says, the service's blinded key of the period. */
struct vx6_puzzle {
	uint8_t seed[VX6_PUZZLE_SEED];
	uint8_t blinded[VX6_PUZZLE_BLINDED];
	uint32_t effort; /* solving: the effort to prove; 0 counts as 1 */
};

/** One search; about 3 MB of memory. */
struct vx6_puzzle_solver;
/** @param nonce where the search begins: random, so that no two clients prove the same */
struct vx6_puzzle_solver *vx6_puzzle_solver_new(const struct vx6_puzzle *p,
						const uint8_t nonce[static VX6_PUZZLE_NONCE]);
void vx6_puzzle_solver_free(struct vx6_puzzle_solver *s);
/** Tries one nonce: some ms. @return VX6_OK: @p out is a solution | AGAIN: not this one, call again */
VX6_RES vx6_puzzle_step(struct vx6_puzzle_solver *s, uint8_t out[static VX6_PUZZLE_BYTES]);

/**
 * The whole search.
 * @param stopped asked before each nonce with @p user, on this thread: true ends it; NULL: never
 * @return VX6_OK | CLOSED (stopped)
 */
VX6_RES vx6_puzzle_solve(const struct vx6_puzzle *p, const uint8_t nonce[static VX6_PUZZLE_NONCE],
			 bool (*stopped)(void *user), void *user,
			 uint8_t out[static VX6_PUZZLE_BYTES]);

/** What a solution says of itself; worth nothing before vx6_puzzle_verify(). */
struct vx6_puzzle_claim {
	uint8_t nonce[VX6_PUZZLE_NONCE];
	uint32_t effort;
	uint8_t seed_head[4]; /* which of the service's seeds it is for */
};
/** @return VX6_OK | UNSUPPORTED (version) */
VX6_RES vx6_puzzle_read(const uint8_t in[static VX6_PUZZLE_BYTES], struct vx6_puzzle_claim *out);
/**
 * Less than a microsecond of hashing and one hash.
 * @param p its effort is not looked at: the claim of the solution is what is proved
 * @return VX6_OK: it proves @p effort | UNSUPPORTED | STALE (another seed) | REFUSED (proves nothing)
 */
VX6_RES vx6_puzzle_verify(const struct vx6_puzzle *p, const uint8_t in[static VX6_PUZZLE_BYTES],
			  uint32_t *effort);

#endif
