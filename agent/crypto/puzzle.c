/*
 * Wagner's way: hashes of all indices are paired so that 15 bits of the sum are zero, pairs with pairs so that 30 are, and these once more so that
 * all 60 are. Each step has about as many results as the one before, so it takes three passes over lists of 65536, which stay in a cache. Who wants
 * to do it with less memory works much longer; who checks adds eight hashes up.
 */
#include "crypto/puzzle.h"

#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/siphash.h"

enum {
	VERSION = 1,
	INDICES = 8,
	VALUES = 65536,
	STEP_BITS = 15,
	BUCKETS = 1 << STEP_BITS,
	ROWS_MAX =
		VALUES + VALUES / 4, /* of a step; what is above is left out, one solution less */
	FOUND_MAX = 16,
	NONCE_AT = 1,
	EFFORT_AT = NONCE_AT + VX6_PUZZLE_NONCE,
	SEED_AT = EFFORT_AT + 4,
	SOLUTION_AT = SEED_AT + 4,
	SOLUTION = 2 * INDICES,
};
_Static_assert(SOLUTION_AT + SOLUTION == VX6_PUZZLE_BYTES, "the parts are the whole");
#define MASK(bits) ((UINT64_C(1) << (bits)) - 1)

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* ---- what is hashed ---- */

/* @param in a solution, of which nonce and effort are used */
static void bound_to(const char *personal, const struct vx6_puzzle *p, const uint8_t *in,
		     const uint8_t *solution, struct vx6_hash *out)
{
	struct vx6_hash_state st;

	vx6_hash_init(&st, personal);
	vx6_hash_update(&st, p->seed, sizeof p->seed);
	vx6_hash_update(&st, p->blinded, sizeof p->blinded);
	vx6_hash_update(&st, in + NONCE_AT, VX6_PUZZLE_NONCE + 4);
	if (solution)
		vx6_hash_update(&st, solution, SOLUTION);
	vx6_hash_final(&st, out);
}

static void key_of(const struct vx6_puzzle *p, const uint8_t *in, struct vx6_siphash_key *out)
{
	struct vx6_hash h;

	bound_to("VX6-hs-puzzle", p, in, NULL, &h);
	memcpy(out->b, h.b, sizeof out->b);
}

static uint64_t value_of(const struct vx6_siphash_key *key, uint16_t index)
{
	const uint8_t b[2] = {(uint8_t)(index >> 8), (uint8_t)index};

	return vx6_siphash(key, b, sizeof b);
}

/* Whether the solution is one of so few as its effort says. */
static bool is_worth(const struct vx6_puzzle *p, const uint8_t *in)
{
	uint32_t effort = get_u32(in + EFFORT_AT);
	struct vx6_hash h;

	bound_to("VX6-hs-pow", p, in, in + SOLUTION_AT, &h);
	return effort > 0 && (uint64_t)get_u32(h.b) * effort <= UINT32_MAX;
}

/* ---- checking ---- */

/* Sum and order of 2, 4 or 8 of them: each half is in order itself, and the left one begins with the lower index. */
static bool adds_up(const struct vx6_siphash_key *key, const uint16_t *index, unsigned n,
		    uint64_t *sum)
{
	unsigned half = n / 2, bits = n == 8 ? 60 : 15 * half;
	uint64_t left, right;

	if (n == 1) {
		*sum = value_of(key, *index);
		return true;
	}
	if (index[0] >= index[half] || !adds_up(key, index, half, &left) ||
	    !adds_up(key, index + half, half, &right))
		return false;
	*sum = left + right;
	return (*sum & MASK(bits)) == 0;
}

static bool all_differ(const uint16_t index[static INDICES])
{
	for (unsigned i = 0; i < INDICES; i++)
		for (unsigned j = 0; j < i; j++)
			if (index[i] == index[j])
				return false;
	return true;
}

vx6_err vx6_puzzle_read(const uint8_t in[static VX6_PUZZLE_BYTES], struct vx6_puzzle_claim *out)
{
	memset(out, 0, sizeof *out);
	if (in[0] != VERSION)
		return VX6_ERR(UNSUPPORTED);
	memcpy(out->nonce, in + NONCE_AT, sizeof out->nonce);
	out->effort = get_u32(in + EFFORT_AT);
	memcpy(out->seed_head, in + SEED_AT, sizeof out->seed_head);
	return VX6_OK;
}

vx6_err vx6_puzzle_verify(const struct vx6_puzzle *p, const uint8_t in[static VX6_PUZZLE_BYTES],
			  uint32_t *effort)
{
	struct vx6_puzzle_claim claim;
	struct vx6_siphash_key key;
	uint16_t index[INDICES];
	uint64_t sum;

	*effort = 0;
	VX6_TRY(vx6_puzzle_read(in, &claim));
	if (!vx6_ct_eq(claim.seed_head, p->seed, sizeof claim.seed_head))
		return VX6_ERR(STALE);
	for (unsigned i = 0; i < INDICES; i++)
		index[i] = (uint16_t)(in[SOLUTION_AT + 2 * i] << 8 | in[SOLUTION_AT + 2 * i + 1]);
	/* the hash that a liar cannot choose goes first: it refuses nearly all */
	if (!all_differ(index) || !is_worth(p, in))
		return VX6_ERR(REFUSED);
	key_of(p, in, &key);
	if (!adds_up(&key, index, INDICES, &sum))
		return VX6_ERR(REFUSED);
	*effort = claim.effort;
	return VX6_OK;
}

/* ---- solving ---- */

struct vx6_puzzle_solver {
	struct vx6_puzzle p;
	uint8_t candidate[VX6_PUZZLE_BYTES]; /* nonce, effort and seed of the present try */
	uint8_t found[FOUND_MAX][SOLUTION];
	size_t found_n;
	/* buckets of the step at hand: rows by the low bits of what is to become zero */
	uint32_t start[BUCKETS + 1], order[ROWS_MAX];
	uint16_t low[ROWS_MAX];
	/* step 1: of indices */
	uint64_t value[VALUES];
	/* step 2: of pairs, 45 bits left */
	uint64_t pair_sum[ROWS_MAX];
	uint16_t pair[ROWS_MAX][2];
	size_t pairs_n;
	/* step 3: of fours, 30 bits left */
	uint32_t four_sum[ROWS_MAX];
	uint32_t four[ROWS_MAX][2]; /* rows of pairs */
	size_t fours_n;
};

/* Sorts rows 0 to n - 1 into buckets by `low`. */
static void sort(struct vx6_puzzle_solver *s, size_t n)
{
	uint32_t at = 0;

	memset(s->start, 0, sizeof s->start);
	for (size_t i = 0; i < n; i++)
		s->start[s->low[i]]++;
	for (size_t k = 0; k < BUCKETS; k++) {
		uint32_t here = s->start[k];

		s->start[k] = at;
		at += here;
	}
	for (size_t i = 0; i < n; i++)
		s->order[s->start[s->low[i]]++] = (uint32_t)i;
	/* each start has moved to the next one's */
	memmove(s->start + 1, s->start, BUCKETS * sizeof *s->start);
	s->start[0] = 0;
}

typedef void meet_fn(struct vx6_puzzle_solver *s, uint32_t a, uint32_t b);

/* Calls @p meet once for each two rows whose low bits add up to zero. */
static inline void all_that_meet(struct vx6_puzzle_solver *s, meet_fn *meet)
{
	for (uint32_t k = 0; k <= BUCKETS / 2; k++) {
		uint32_t other = (BUCKETS - k) % BUCKETS;

		for (uint32_t i = s->start[k]; i < s->start[k + 1]; i++)
			for (uint32_t j = k == other ? i + 1 : s->start[other];
			     j < s->start[other + 1]; j++)
				meet(s, s->order[i], s->order[j]);
	}
}

static void meet_indices(struct vx6_puzzle_solver *s, uint32_t a, uint32_t b)
{
	size_t at = s->pairs_n;

	if (at == ROWS_MAX)
		return;
	s->pair_sum[at] = (s->value[a] + s->value[b]) >> STEP_BITS;
	s->low[at] = s->pair_sum[at] & MASK(STEP_BITS);
	s->pair[at][0] = (uint16_t)VX6_MIN(a, b);
	s->pair[at][1] = (uint16_t)VX6_MAX(a, b);
	s->pairs_n++;
}

static bool pairs_differ(const uint16_t a[static 2], const uint16_t b[static 2])
{
	return a[0] != b[0] && a[0] != b[1] && a[1] != b[0] && a[1] != b[1];
}

static void meet_pairs(struct vx6_puzzle_solver *s, uint32_t a, uint32_t b)
{
	bool in_order = s->pair[a][0] < s->pair[b][0];
	size_t at = s->fours_n;

	if (at == ROWS_MAX || !pairs_differ(s->pair[a], s->pair[b]))
		return;
	s->four_sum[at] = (s->pair_sum[a] + s->pair_sum[b]) >> STEP_BITS & MASK(2 * STEP_BITS);
	s->four[at][0] = in_order ? a : b;
	s->four[at][1] = in_order ? b : a;
	s->fours_n++;
}

static void put_four(const struct vx6_puzzle_solver *s, uint32_t row, uint16_t *out)
{
	memcpy(out, s->pair[s->four[row][0]], sizeof *s->pair);
	memcpy(out + 2, s->pair[s->four[row][1]], sizeof *s->pair);
}

static void meet_fours(struct vx6_puzzle_solver *s, uint32_t a, uint32_t b)
{
	uint16_t index[INDICES];
	uint8_t *out;

	if (((s->four_sum[a] + s->four_sum[b]) & MASK(2 * STEP_BITS)) != 0 ||
	    s->found_n == FOUND_MAX)
		return;
	put_four(s, a, index);
	put_four(s, b, index + 4);
	if (index[0] > index[4]) {
		put_four(s, b, index);
		put_four(s, a, index + 4);
	}
	if (!all_differ(index))
		return;
	out = s->found[s->found_n++];
	for (unsigned i = 0; i < INDICES; i++) {
		*out++ = (uint8_t)(index[i] >> 8);
		*out++ = (uint8_t)index[i];
	}
}

/* All solutions of the candidate's nonce. */
static void search(struct vx6_puzzle_solver *s)
{
	struct vx6_siphash_key key;

	s->pairs_n = s->fours_n = s->found_n = 0;
	key_of(&s->p, s->candidate, &key);
	for (size_t i = 0; i < VALUES; i++) {
		s->value[i] = value_of(&key, (uint16_t)i) & MASK(4 * STEP_BITS);
		s->low[i] = s->value[i] & MASK(STEP_BITS);
	}
	sort(s, VALUES);
	/* the rows of a step are written over the low bits of the one before, which are in the buckets by now */
	all_that_meet(s, meet_indices);
	sort(s, s->pairs_n);
	all_that_meet(s, meet_pairs);
	for (size_t i = 0; i < s->fours_n; i++)
		s->low[i] = s->four_sum[i] & MASK(STEP_BITS);
	sort(s, s->fours_n);
	all_that_meet(s, meet_fours);
}

struct vx6_puzzle_solver *vx6_puzzle_solver_new(const struct vx6_puzzle *p,
						const uint8_t nonce[static VX6_PUZZLE_NONCE])
{
	struct vx6_puzzle_solver *s = vx6_zalloc(sizeof *s);

	s->p = *p;
	s->candidate[0] = VERSION;
	memcpy(s->candidate + NONCE_AT, nonce, VX6_PUZZLE_NONCE);
	put_u32(s->candidate + EFFORT_AT, VX6_MAX(p->effort, 1));
	memcpy(s->candidate + SEED_AT, p->seed, SOLUTION_AT - SEED_AT);
	return s;
}

void vx6_puzzle_solver_free(struct vx6_puzzle_solver *s)
{
	free(s);
}

vx6_err vx6_puzzle_step(struct vx6_puzzle_solver *s, uint8_t out[static VX6_PUZZLE_BYTES])
{
	bool found = false;

	search(s);
	for (size_t i = 0; i < s->found_n && !found; i++) {
		memcpy(s->candidate + SOLUTION_AT, s->found[i], SOLUTION);
		found = is_worth(&s->p, s->candidate);
	}
	if (found)
		memcpy(out, s->candidate, VX6_PUZZLE_BYTES);
	for (int i = EFFORT_AT - 1; i >= NONCE_AT && ++s->candidate[i] == 0; i--)
		;
	return found ? VX6_OK : VX6_ERR(AGAIN);
}

vx6_err vx6_puzzle_solve(const struct vx6_puzzle *p, const uint8_t nonce[static VX6_PUZZLE_NONCE],
			 bool (*stopped)(void *user), void *user,
			 uint8_t out[static VX6_PUZZLE_BYTES])
{
	struct vx6_puzzle_solver *s = vx6_puzzle_solver_new(p, nonce);
	vx6_err err;

	do
		err = stopped && stopped(user) ? VX6_ERR(CLOSED) : vx6_puzzle_step(s, out);
	while (err.code == VX6_E_AGAIN);
	vx6_puzzle_solver_free(s);
	return err;
}
