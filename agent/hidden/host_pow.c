/*
 * How much work clients are asked for, and whether they did it; after Tor's proposal 327. Nothing is asked for while all who come are served. When
 * there are more, those go first who have worked most, and the descriptor says how much that is about.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

enum { EFFORT_MAX = 10000 }; /* more than what a client is ready for */

/* ---- seeds ---- */

static void new_seed(struct host_service *s)
{
	struct host_pow *pow = &s->pow;

	vx6_random_bytes(pow->seed[0].seed, sizeof pow->seed[0].seed);
	pow->seed[0].seen = vx6_nonces_new(PROOFS_MAX);
	pow->seed_until_s =
		host_wall_s(s->h) + SEED_MIN_S + vx6_random_below(SEED_MAX_S - SEED_MIN_S + 1);
}

void host_pow_start(struct host_service *s)
{
	new_seed(s);
	s->pow.looked_ms = s->pow.allowed_ms = host_now_ms(s->h);
	s->pow.allowance = (uint64_t)UNPROVED_S * 1000;
}

void host_pow_free(struct host_service *s)
{
	vx6_nonces_free(s->pow.seed[0].seen);
	vx6_nonces_free(s->pow.seed[1].seen);
}

static void rotate_seed(struct host_service *s)
{
	vx6_nonces_free(s->pow.seed[1].seen);
	s->pow.seed[1] = s->pow.seed[0];
	new_seed(s);
	s->pow.rotated = true;
	host_dirty(s);
}

/* Once for a descriptor: twice, and what clients were told of would be forgotten, for the price of many cheap proofs. */
static void make_room(struct host_service *s)
{
	if (!s->pow.rotated && vx6_nonces_count(s->pow.seed[0].seen) >= PROOFS_LEAVE)
		rotate_seed(s);
}

/* ---- proofs ---- */

static bool proves(const struct host_service *s, const uint8_t *seed, const uint8_t *pow,
		   uint32_t *effort)
{
	static const unsigned likely_first[PERIODS] = {1, 0, 2};

	for (unsigned k = 0; k < PERIODS; k++) {
		const struct host_period *p = &s->period[likely_first[k]];
		struct vx6_puzzle puzzle = {0};

		if (!host_period_is_good(s->h, p->period))
			continue;
		memcpy(puzzle.seed, seed, sizeof puzzle.seed);
		memcpy(puzzle.blinded, p->names.blinded.b, sizeof puzzle.blinded);
		if (vx6_is_ok(vx6_puzzle_verify(&puzzle, pow, effort)))
			return true;
	}
	return false;
}

bool host_pow_is_enough(const struct host_service *s, const uint8_t pow[static VX6_HS_POW])
{
	struct vx6_puzzle_claim claim;

	return !vx6_is_ok(vx6_puzzle_read(pow, &claim)) || /* refused as what it is */
	       claim.effort >= VX6_MIN(s->pow.suggested, s->pow.published);
}

enum vx6_host_refusal host_pow_check(struct host_service *s, const uint8_t pow[static VX6_HS_POW],
				     uint32_t *effort)
{
	struct vx6_puzzle_claim claim;
	int k = 0;

	_Static_assert((int)VX6_HS_POW == (int)VX6_PUZZLE_BYTES, "a proof is a solution");
	*effort = 0;
	if (!vx6_is_ok(vx6_puzzle_read(pow, &claim)))
		return VX6_HOST_REFUSED_PROOF;
	make_room(s);
	while (k < 2 && (!s->pow.seed[k].seen ||
			 !vx6_ct_eq(s->pow.seed[k].seed, claim.seed_head, sizeof claim.seed_head)))
		k++;
	if (k == 2)
		return VX6_HOST_REFUSED_PROOF_STALE;
	if (vx6_nonces_has(s->pow.seed[k].seen, claim.nonce))
		return VX6_HOST_REFUSED_PROOF_REPLAY;
	if (vx6_nonces_is_full(s->pow.seed[k].seen))
		return VX6_HOST_REFUSED_KEY_FULL;
	if (!proves(s, s->pow.seed[k].seed, pow, effort))
		return VX6_HOST_REFUSED_PROOF;
	(void)vx6_nonces_add(s->pow.seed[k].seen, claim.nonce);
	make_room(s);
	return VX6_HOST_REFUSED_NONE;
}

void host_pow_overrun(struct host_service *s)
{
	if (!s->pow.overrun)
		host_wake(s);
	s->pow.overrun = true;
}

bool host_pow_unproved(struct host_service *s)
{
	uint64_t now = host_now_ms(s->h);
	uint64_t rate = s->pow.suggested == 0 ? UNPROVED_S : UNPROVED_LOAD_S;

	s->pow.allowance =
		VX6_MIN(rate * 1000, s->pow.allowance + rate * (now - s->pow.allowed_ms));
	s->pow.allowed_ms = now;
	if (s->pow.allowance < 1000) {
		host_pow_overrun(s);
		return false;
	}
	s->pow.allowance -= 1000;
	return true;
}

/* ---- how much ---- */

static bool is_too_much(const struct host_service *s)
{
	const struct host_pow *pow = &s->pow;

	return pow->overrun || (pow->trimmed && pow->max_trimmed >= pow->suggested);
}

static uint32_t next_effort(const struct host_service *s)
{
	const struct host_pow *pow = &s->pow;
	bool worthwhile = s->queue_n > 0 && s->queue[0]->effort >= pow->suggested;

	if (is_too_much(s) || (pow->had_queue && worthwhile)) {
		uint64_t usual = pow->handled != 0 ? pow->total_effort / pow->handled : 0;

		return (uint32_t)VX6_MIN(VX6_MAX((uint64_t)pow->suggested + 1, usual),
					 (uint64_t)EFFORT_MAX);
	}
	if (!pow->had_queue && s->queue_n == 0)
		return (uint32_t)((uint64_t)pow->suggested * 2 / 3);
	return pow->suggested;
}

/* Whether clients are to be told: it has changed by more than a seventh. */
static bool is_news(const struct host_pow *pow)
{
	uint64_t a = pow->suggested, b = pow->published;

	return (a == 0) != (b == 0) || 7 * VX6_MAX(a, b) > 8 * VX6_MIN(a, b);
}

static void look(struct host_service *s, uint64_t now)
{
	struct host_pow *pow = &s->pow;
	uint32_t effort = s->spec.no_pow ? 0 : next_effort(s);

	if (effort != pow->suggested) {
		pow->suggested = effort;
		host_event(s, VX6_HOST_EFFORT, "clients are asked for an effort of %u", effort);
	}
	if (is_news(pow))
		host_dirty(s);
	pow->total_effort = pow->handled = 0;
	pow->max_trimmed = 0;
	pow->had_queue = pow->overrun = pow->trimmed = false;
	pow->looked_ms = now;
}

/* While nothing is asked for and nobody comes there is nothing to look at. */
static bool is_idle(const struct host_pow *pow)
{
	return pow->suggested == 0 && pow->handled == 0 && !pow->overrun && !pow->trimmed;
}

static uint64_t look_at_ms(const struct host_service *s)
{
	return s->pow.looked_ms + (is_too_much(s) ? EFFORT_SOON_MS : EFFORT_MS);
}

void host_pow_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	uint64_t wall = host_wall_s(s->h);

	if (wall >= s->pow.seed_until_s)
		rotate_seed(s);
	host_sooner(due, now + (s->pow.seed_until_s - wall) * 1000);
	if (now >= look_at_ms(s))
		look(s, now);
	if (!is_idle(&s->pow))
		host_sooner(due, look_at_ms(s));
}
