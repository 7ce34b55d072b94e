/*
 * Own onion keys. key[0] is the current one, key[1] the one before, if it is there.
 *
 * A set of what was spent is a table of 16-byte hashes under a key of its own, probed in a row, that doubles when it is half full. It is made
 * with the onion key and goes with it.
 */
#include "circuit/onion_keys.h"

#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/ntor3.h"
#include "crypto/secret.h"
#include "crypto/siphash.h"

enum { SPENT_FIRST = 256 };

struct spent_entry {
	uint64_t a, b; /* both 0: none */
};

struct vx6_onion_keypair {
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;
	uint8_t id[VX6_CREATE_KEY_ID];
	uint64_t born_ms;
	uint64_t since_s, not_after_s;
	struct vx6_siphash_key hash[2];
	struct spent_entry *spent;
	size_t spent_n, spent_cap;
};

struct vx6_onion_keys {
	struct vx6_onion_keys_config cfg;
	struct vx6_onion_keypair *key[2];
	struct vx6_timer timer;
	struct vx6_task full; /* the set of the current key is */
	struct vx6_task tell;
	uint64_t rotations, early;
};

static struct vx6_onion_keypair *keypair_new(struct vx6_onion_keys *k)
{
	struct vx6_onion_keypair *key = vx6_zalloc(sizeof *key);

	vx6_kx_keypair(&key->pk, &key->sk);
	vx6_ntor3_key_id(&key->pk, key->id);
	vx6_random_bytes(key->hash, sizeof key->hash);
	key->born_ms = vx6_loop_now_ms(k->cfg.loop);
	key->since_s = vx6_wall_s();
	key->not_after_s = key->since_s + 2 * k->cfg.rotate_ms / 1000;
	key->spent_cap = SPENT_FIRST;
	key->spent = vx6_zalloc(key->spent_cap * sizeof *key->spent);
	return key;
}

static void keypair_free(struct vx6_onion_keypair *key)
{
	if (!key)
		return;
	free(key->spent);
	vx6_wipe_free(key, sizeof *key);
}

static void on_timer(struct vx6_timer *timer)
{
	vx6_onion_keys_rotate(timer->user);
}

static void on_full(struct vx6_task *task)
{
	struct vx6_onion_keys *k = task->user;

	k->early++;
	vx6_onion_keys_rotate(k);
}

static void on_tell(struct vx6_task *task)
{
	struct vx6_onion_keys *k = task->user;

	if (k->cfg.rotated)
		k->cfg.rotated(k->cfg.user);
}

struct vx6_onion_keys *vx6_onion_keys_new(const struct vx6_onion_keys_config *cfg)
{
	struct vx6_onion_keys *k = vx6_zalloc(sizeof *k);
	size_t cap = SPENT_FIRST;

	k->cfg = *cfg;
	if (!k->cfg.rotate_ms)
		k->cfg.rotate_ms = VX6_ONION_ROTATE_MS;
	if (!k->cfg.early_ms)
		k->cfg.early_ms = VX6_ONION_EARLY_MS;
	if (!k->cfg.spent_max)
		k->cfg.spent_max = VX6_ONION_SPENT_MAX;
	while (cap < k->cfg.spent_max)
		cap *= 2;
	k->cfg.spent_max = cap;
	vx6_timer_init(cfg->loop, &k->timer, on_timer, k);
	vx6_task_init(&k->full, on_full, k);
	vx6_task_init(&k->tell, on_tell, k);
	k->key[0] = keypair_new(k);
	vx6_timer_in_ms(&k->timer, k->cfg.rotate_ms);
	return k;
}

void vx6_onion_keys_free(struct vx6_onion_keys *k)
{
	if (!k)
		return;
	vx6_timer_stop(&k->timer);
	vx6_task_cancel(&k->full);
	vx6_task_cancel(&k->tell);
	keypair_free(k->key[0]);
	keypair_free(k->key[1]);
	free(k);
}

void vx6_onion_keys_rotate(struct vx6_onion_keys *k)
{
	vx6_task_cancel(&k->full);
	keypair_free(k->key[1]);
	k->key[1] = k->key[0];
	k->key[0] = keypair_new(k);
	k->rotations++;
	vx6_timer_in_ms(&k->timer, k->cfg.rotate_ms);
	vx6_loop_defer(k->cfg.loop, &k->tell);
}

void vx6_onion_keys_view(const struct vx6_onion_keys *k, struct vx6_onion_keys_view *out)
{
	memset(out, 0, sizeof *out);
	out->rotations = k->rotations;
	out->early = k->early;
	for (size_t i = 0; i < VX6_ARRAY_N(k->key) && k->key[i]; i++) {
		out->key[i].pk = k->key[i]->pk;
		out->key[i].since_s = k->key[i]->since_s;
		out->key[i].not_after_s = k->key[i]->not_after_s;
		out->key[i].spent = k->key[i]->spent_n;
		out->n++;
	}
}

/* ---- what was spent ---- */

static struct spent_entry entry_of(const struct vx6_onion_keypair *key, const uint8_t *x)
{
	struct spent_entry e = {
		.a = vx6_siphash(&key->hash[0], x, VX6_KX_BYTES),
		.b = vx6_siphash(&key->hash[1], x, VX6_KX_BYTES),
	};

	e.b |= e.a == 0 && e.b == 0;
	return e;
}

/* Where it is, or the free place where it would be. */
static struct spent_entry *place_of(struct spent_entry *table, size_t cap, struct spent_entry e)
{
	size_t i = e.a & (cap - 1);

	while ((table[i].a || table[i].b) && (table[i].a != e.a || table[i].b != e.b))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static void spent_grow(struct vx6_onion_keypair *key)
{
	size_t cap = 2 * key->spent_cap;
	struct spent_entry *table = vx6_zalloc(cap * sizeof *table);

	for (size_t i = 0; i < key->spent_cap; i++)
		if (key->spent[i].a || key->spent[i].b)
			*place_of(table, cap, key->spent[i]) = key->spent[i];
	free(key->spent);
	key->spent = table;
	key->spent_cap = cap;
}

static bool is_full(const struct vx6_onion_keys *k, const struct vx6_onion_keypair *key)
{
	return key->spent_n >= k->cfg.spent_max;
}

vx6_err vx6_onion_keys_find(struct vx6_onion_keys *k, const uint8_t id[static VX6_CREATE_KEY_ID],
			    const uint8_t x[static VX6_KX_BYTES], struct vx6_onion_keypair **out)
{
	for (size_t i = 0; i < VX6_ARRAY_N(k->key) && k->key[i]; i++) {
		struct vx6_onion_keypair *key = k->key[i];
		struct spent_entry *e;

		if (memcmp(key->id, id, VX6_CREATE_KEY_ID) != 0) /* both are public */
			continue;
		e = place_of(key->spent, key->spent_cap, entry_of(key, x));
		if (e->a || e->b)
			return VX6_ERR(EXISTS);
		if (is_full(k, key)) {
			if (i == 0 &&
			    vx6_loop_now_ms(k->cfg.loop) - key->born_ms >= k->cfg.early_ms)
				vx6_loop_defer(k->cfg.loop, &k->full);
			return VX6_ERR(FULL);
		}
		*out = key;
		return VX6_OK;
	}
	return VX6_ERR(STALE);
}

void vx6_onion_keys_spend(struct vx6_onion_keys *k, struct vx6_onion_keypair *key,
			  const uint8_t x[static VX6_KX_BYTES])
{
	if (2 * key->spent_n >= key->spent_cap)
		spent_grow(key);
	*place_of(key->spent, key->spent_cap, entry_of(key, x)) = entry_of(key, x);
	key->spent_n++;
	if (key == k->key[0] && is_full(k, key) &&
	    vx6_loop_now_ms(k->cfg.loop) - key->born_ms >= k->cfg.early_ms)
		vx6_loop_defer(k->cfg.loop, &k->full);
}

const struct vx6_kx_sk *vx6_onion_keypair_sk(const struct vx6_onion_keypair *key)
{
	return &key->sk;
}

const struct vx6_kx_pk *vx6_onion_keypair_pk(const struct vx6_onion_keypair *key)
{
	return &key->pk;
}
