#include "hidden/nonces.h"

#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "crypto/siphash.h"

enum { SLOTS_FIRST = 64 };

struct vx6_nonces {
	struct vx6_siphash_key key;
	uint8_t (*slot)[VX6_NONCE_BYTES]; /* all zero: empty */
	size_t slots, n, max;             /* slots: a power of two */
};

static const uint8_t empty[VX6_NONCE_BYTES];

struct vx6_nonces *vx6_nonces_new(size_t max)
{
	struct vx6_nonces *set = vx6_zalloc(sizeof *set);

	vx6_random_bytes(&set->key, sizeof set->key);
	set->max = max;
	set->slots = SLOTS_FIRST;
	set->slot = vx6_zalloc(set->slots * sizeof *set->slot);
	return set;
}

void vx6_nonces_free(struct vx6_nonces *set)
{
	if (!set)
		return;
	free(set->slot);
	free(set);
}

/* @return where it is, or the empty place where it would be */
static size_t find(const struct vx6_nonces *set, const uint8_t *nonce)
{
	size_t mask = set->slots - 1;
	size_t i = (size_t)vx6_siphash(&set->key, nonce, VX6_NONCE_BYTES) & mask;

	while (memcmp(set->slot[i], nonce, VX6_NONCE_BYTES) != 0 &&
	       memcmp(set->slot[i], empty, VX6_NONCE_BYTES) != 0)
		i = (i + 1) & mask;
	return i;
}

static void grow(struct vx6_nonces *set)
{
	uint8_t(*old)[VX6_NONCE_BYTES] = set->slot;
	size_t old_slots = set->slots;

	set->slots *= 2;
	set->slot = vx6_zalloc(set->slots * sizeof *set->slot);
	for (size_t i = 0; i < old_slots; i++)
		if (memcmp(old[i], empty, VX6_NONCE_BYTES) != 0)
			memcpy(set->slot[find(set, old[i])], old[i], VX6_NONCE_BYTES);
	free(old);
}

bool vx6_nonces_has(const struct vx6_nonces *set, const uint8_t nonce[static VX6_NONCE_BYTES])
{
	return memcmp(nonce, empty, VX6_NONCE_BYTES) == 0 ||
	       memcmp(set->slot[find(set, nonce)], nonce, VX6_NONCE_BYTES) == 0;
}

bool vx6_nonces_add(struct vx6_nonces *set, const uint8_t nonce[static VX6_NONCE_BYTES])
{
	if (set->n == set->max || vx6_nonces_has(set, nonce))
		return false;
	if (2 * (set->n + 1) > set->slots)
		grow(set);
	memcpy(set->slot[find(set, nonce)], nonce, VX6_NONCE_BYTES);
	set->n++;
	return true;
}

size_t vx6_nonces_count(const struct vx6_nonces *set)
{
	return set->n;
}

bool vx6_nonces_is_full(const struct vx6_nonces *set)
{
	return set->n == set->max;
}
