/* Open addressing with linear probing and backward-shift deletion. Keys are random or keyed hashes, so the low bits are the hash. */
#include <string.h>

#include "crypto/secret.h"
#include "transport/quic/quic_internal.h"

enum { CID_TABLE_MIN = 64 };

void quic_cid_init(struct quic_cid_table *t)
{
	*t = (struct quic_cid_table){.cap = CID_TABLE_MIN};
	t->slot = vx6_zalloc(t->cap * sizeof *t->slot);
	vx6_random_bytes(&t->secret, sizeof t->secret);
}

void quic_cid_fini(struct quic_cid_table *t)
{
	VX6_FREE(t->slot);
}

uint64_t quic_cid_key(const uint8_t cid[static QUIC_CID_BYTES])
{
	uint64_t key;

	memcpy(&key, cid, sizeof key);
	return key;
}

uint64_t quic_cid_key_foreign(const struct quic_cid_table *t, const void *p, size_t n)
{
	return vx6_siphash(&t->secret, p, n);
}

static size_t slot_find(const struct quic_cid_table *t, uint64_t key)
{
	size_t i = key & (t->cap - 1);

	while (t->slot[i].conn && t->slot[i].key != key)
		i = (i + 1) & (t->cap - 1);
	return i;
}

struct quic_conn *quic_cid_find(const struct quic_cid_table *t, uint64_t key)
{
	return t->slot[slot_find(t, key)].conn;
}

static void table_resize(struct quic_cid_table *t, size_t cap)
{
	struct quic_cid_slot *old = t->slot;
	size_t old_cap = t->cap;

	t->slot = vx6_zalloc(cap * sizeof *t->slot);
	t->cap = cap;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].conn)
			t->slot[slot_find(t, old[i].key)] = old[i];
	free(old);
}

bool quic_cid_put(struct quic_cid_table *t, uint64_t key, struct quic_conn *conn)
{
	size_t i;

	if (t->n >= t->cap / 2)
		table_resize(t, t->cap * 2);
	i = slot_find(t, key);
	if (t->slot[i].conn)
		return t->slot[i].conn == conn;
	t->slot[i] = (struct quic_cid_slot){.key = key, .conn = conn};
	t->n++;
	return true;
}

static void slot_clear(struct quic_cid_table *t, size_t hole)
{
	size_t i = hole;

	for (;;) {
		size_t home;

		i = (i + 1) & (t->cap - 1);
		if (!t->slot[i].conn)
			break;
		home = t->slot[i].key & (t->cap - 1);
		/* an entry may fill the hole unless its home lies between the hole and itself */
		if (((i - home) & (t->cap - 1)) >= ((i - hole) & (t->cap - 1))) {
			t->slot[hole] = t->slot[i];
			hole = i;
		}
	}
	t->slot[hole].conn = NULL;
	t->n--;
}

static void table_shrink(struct quic_cid_table *t)
{
	if (t->cap > CID_TABLE_MIN && t->n < t->cap / 8)
		table_resize(t, t->cap / 2);
}

void quic_cid_remove(struct quic_cid_table *t, uint64_t key, const struct quic_conn *conn)
{
	size_t i = slot_find(t, key);

	if (t->slot[i].conn != conn || !conn)
		return;
	slot_clear(t, i);
	table_shrink(t);
}

/* ---- the keys of one connection ---- */

bool quic_cid_add(struct quic_conn *conn, uint64_t key)
{
	struct quic_cid_keys *k = &conn->keys;

	for (uint32_t i = 0; i < k->n; i++)
		if (k->key[i] == key)
			return true;
	if (k->n == QUIC_CONN_KEYS_MAX || !quic_cid_put(&conn->t->cids, key, conn))
		return false;
	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 8;
		k->key = vx6_realloc_array(k->key, k->cap, sizeof *k->key);
	}
	k->key[k->n++] = key;
	return true;
}

void quic_cid_drop(struct quic_conn *conn, uint64_t key)
{
	struct quic_cid_keys *k = &conn->keys;

	for (uint32_t i = 0; i < k->n; i++) {
		if (k->key[i] != key)
			continue;
		quic_cid_remove(&conn->t->cids, key, conn);
		k->key[i] = k->key[--k->n];
		return;
	}
}

void quic_cid_forget(struct quic_conn *conn)
{
	for (uint32_t i = 0; i < conn->keys.n; i++)
		quic_cid_remove(&conn->t->cids, conn->keys.key[i], conn);
	VX6_FREE(conn->keys.key);
	conn->keys.n = conn->keys.cap = 0;
}
