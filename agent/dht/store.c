/*
 * The records that a holder keeps for others. A shelf holds what lies under one key: one record of a subject
 * and type, up to sixteen claims to a name.
 * Each record is in four places: its shelf (oldest subject first), the list of the source it is charged to, the heap of expiry, and the sums.
 * Only link() and unlink() touch these, so they cannot disagree.
 */
#include <string.h>

#include "base/util.h"
#include "dht/holder_internal.h"
#include "record/record.h"

enum { EXPIRE_AT_ONCE = 64, REVOCATIONS_SHARE = 4, CACHE_SHARE = 8, HEAP_FIRST = 16 };

/* ---- the heap of expiry ---- */

static void heap_set(struct dht_store *s, uint32_t i, struct dht_stored *e)
{
	s->heap[i] = e;
	e->heap_i = i;
}

static void heap_up(struct dht_store *s, uint32_t i)
{
	struct dht_stored *e = s->heap[i];

	for (; i > 0 && s->heap[(i - 1) / 2]->expires_s > e->expires_s; i = (i - 1) / 2)
		heap_set(s, i, s->heap[(i - 1) / 2]);
	heap_set(s, i, e);
}

static void heap_down(struct dht_store *s, uint32_t i)
{
	struct dht_stored *e = s->heap[i];

	for (uint32_t child; (child = 2 * i + 1) < s->n; i = child) {
		if (child + 1 < s->n && s->heap[child + 1]->expires_s < s->heap[child]->expires_s)
			child++;
		if (s->heap[child]->expires_s >= e->expires_s)
			break;
		heap_set(s, i, s->heap[child]);
	}
	heap_set(s, i, e);
}

static void heap_add(struct dht_store *s, struct dht_stored *e)
{
	if (s->n == s->heap_room) {
		s->heap_room = s->heap_room ? 2 * s->heap_room : HEAP_FIRST;
		s->heap = vx6_realloc_array(s->heap, s->heap_room, sizeof *s->heap);
	}
	heap_set(s, s->n, e);
	heap_up(s, s->n++);
}

static void heap_remove(struct dht_store *s, struct dht_stored *e)
{
	uint32_t i = e->heap_i;
	struct dht_stored *last = s->heap[--s->n];

	if (last == e)
		return;
	heap_set(s, i, last);
	heap_up(s, i);
	heap_down(s, last->heap_i);
}

/* ---- in and out ---- */

static struct dht_shelf *shelf_of(struct dht_store *s, const struct vx6_dht_key *key)
{
	struct dht_shelf *shelf;

	HASH_FIND(hh, s->shelves, key, sizeof *key, shelf);
	if (shelf)
		return shelf;
	shelf = vx6_zalloc(sizeof *shelf);
	shelf->key = *key;
	vx6_list_init(&shelf->records);
	HASH_ADD(hh, s->shelves, key, sizeof shelf->key, shelf);
	s->bytes += sizeof *shelf;
	return shelf;
}

/* Before the first that came later: a shelf is short. */
static void shelf_add(struct dht_shelf *shelf, struct dht_stored *e)
{
	struct vx6_list *at = &shelf->records;

	while (at->prev != &shelf->records &&
	       VX6_CONTAINER_OF(at->prev, struct dht_stored, of_shelf)->first_ms > e->first_ms)
		at = at->prev;
	vx6_list_push(
		at, &e->of_shelf); /* pushed to the end of a ring that begins at `at`: before it */
	shelf->n++;
}

static size_t bytes_of(size_t n)
{
	return sizeof(struct dht_stored) + sizeof(void *) + n;
}

static void charge(struct dht_store *s, struct dht_stored *e, int sign)
{
	struct dht_source *src = e->source;

	if (src->live == 0)
		s->bytes += sizeof *src;
	src->live += (uint32_t)sign;
	src->bytes += (uint64_t)(sign * (int64_t)bytes_of(e->n));
	if (e->type == VX6_RTYPE_REVOCATION)
		src->revocations += (uint32_t)sign;
	if (src->live == 0)
		s->bytes -= sizeof *src;
	vx6_dht_source_sort(&s->sources, src);
}

static void link(struct dht_store *s, const struct vx6_dht_key *key, struct dht_stored *e)
{
	e->shelf = shelf_of(s, key);
	shelf_add(e->shelf, e);
	vx6_list_push(&e->source->records, &e->of_source);
	charge(s, e, 1);
	heap_add(s, e);
	s->bytes += bytes_of(e->n);
	s->cached += e->cached;
}

static void unlink(struct dht_store *s, struct dht_stored *e)
{
	struct dht_shelf *shelf = e->shelf;

	s->cached -= e->cached;
	s->bytes -= bytes_of(e->n);
	heap_remove(s, e);
	vx6_list_remove(&e->of_source);
	charge(s, e, -1);
	vx6_list_remove(&e->of_shelf);
	if (--shelf->n == 0) {
		HASH_DEL(s->shelves, shelf);
		s->bytes -= sizeof *shelf;
		free(shelf);
	}
	e->shelf = NULL;
}

static void drop(struct dht_store *s, struct dht_stored *e)
{
	unlink(s, e);
	free(e);
}

void vx6_dht_store_init(struct dht_store *s, uint32_t n_max, uint64_t bytes_max)
{
	s->n_max = n_max;
	s->bytes_max = bytes_max;
	vx6_dht_sources_init(&s->sources);
}

void vx6_dht_store_fini(struct dht_store *s)
{
	while (s->n > 0)
		drop(s, s->heap[s->n - 1]);
	VX6_FREE(s->heap);
	s->heap_room = 0;
	vx6_dht_sources_fini(&s->sources);
}

void vx6_dht_store_expire(struct dht_store *s, uint64_t wall_s)
{
	for (int i = 0; i < EXPIRE_AT_ONCE && s->n > 0 && s->heap[0]->expires_s <= wall_s; i++)
		drop(s, s->heap[0]);
}

uint64_t vx6_dht_store_expires_s(const struct dht_store *s)
{
	return s->n > 0 ? s->heap[0]->expires_s : UINT64_MAX;
}

const struct dht_shelf *vx6_dht_store_shelf(const struct dht_store *s,
					    const uint8_t key[static VX6_DHT_KEY_BYTES])
{
	struct dht_shelf *shelf;

	HASH_FIND(hh, s->shelves, key, VX6_DHT_KEY_BYTES, shelf);
	return shelf;
}

struct dht_stored *vx6_dht_shelf_find(const struct dht_shelf *shelf, uint8_t type,
				      const uint8_t subject[static VX6_NODE_ID_BYTES])
{
	VX6_LIST_EACH(node, &shelf->records)
	{
		struct dht_stored *e = VX6_CONTAINER_OF(node, struct dht_stored, of_shelf);

		if (e->type == type && memcmp(e->subject, subject, sizeof e->subject) == 0)
			return e;
	}
	return NULL;
}

/* ---- who makes room ---- */

/* How well a record defends its place: by kind, then by how near it is to us. */
struct worth {
	int rank; /* 0: a copy, 1: a hidden service's, 2: the rest, 3: a revocation */
	uint64_t distance;
};

static uint64_t distance(const struct vx6_dht_key *a, const struct vx6_dht_key *b)
{
	uint64_t d = 0;

	for (size_t i = 0; i < sizeof d; i++)
		d = d << 8 | (a->b[i] ^ b->b[i]);
	return d;
}

static struct worth worth_of(const struct dht_put *p, const struct dht_source *src, uint8_t type,
			     bool cached, const struct vx6_dht_key *key)
{
	struct worth w = {cached ? 0 : 2, distance(p->pos, key)};

	/* it came through a proxy, to which it is charged: what that has of its own here stays */
	if (type == VX6_RTYPE_DESCRIPTOR || type == VX6_RTYPE_ALIAS)
		w.rank = 1;

	/* nothing that ends by itself outlasts a revocation, but they are free to make: they are a part of what a source may hold */
	if (type == VX6_RTYPE_REVOCATION && src->revocations <= p->live_max / REVOCATIONS_SHARE)
		w.rank = 3;
	return w;
}

static bool is_less(struct worth a, struct worth b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.distance > b.distance;
}

static struct dht_stored *least_of(const struct dht_source *src, const struct dht_put *p,
				   struct worth *out)
{
	struct dht_stored *least = NULL;

	VX6_LIST_EACH(node, &src->records)
	{
		struct dht_stored *e = VX6_CONTAINER_OF(node, struct dht_stored, of_source);
		struct worth w = worth_of(p, src, e->type, e->cached, &e->shelf->key);

		if (!least || is_less(w, *out)) {
			least = e;
			*out = w;
		}
	}
	return least;
}

/* Takes the room of the least worthy record of @p from. @p regardless: even when that is worth more than the new one. */
static bool evict_of(struct dht_store *s, const struct dht_source *from, const struct dht_put *p,
		     bool regardless)
{
	struct worth least_worth = {0},
		     new_worth = worth_of(p, p->source, p->view->type, p->cache, p->key);
	struct dht_stored *least = least_of(from, p, &least_worth);

	if (!least || (!regardless && !is_less(least_worth, new_worth)))
		return false;
	drop(s, least);
	s->evicted++;
	return true;
}

static bool make_room(struct dht_store *s, const struct dht_put *p)
{
	uint64_t need = bytes_of(p->view->n) + sizeof(struct dht_shelf) + sizeof(struct dht_source);

	if (need > s->bytes_max || (p->cache && s->cached >= s->n_max / CACHE_SHARE))
		return false;
	if (p->source->live >= p->live_max && !evict_of(s, p->source, p, false))
		return false;
	while (s->n >= s->n_max || s->bytes > s->bytes_max - need) {
		const struct dht_source *heavy = vx6_dht_source_heaviest(&s->sources);
		bool heavier = heavy && vx6_dht_source_is_heavier(heavy, p->source, need);

		if (!heavier && p->source->live > 0)
			heavy = p->source;
		if (!heavy || !evict_of(s, heavy, p, heavier))
			return false;
	}
	return true;
}

/* Which of the claims on a full shelf gives way: one taken back, else of the later ones the newest of those with the least work. */
static struct dht_stored *claim_to_drop(const struct dht_shelf *shelf, unsigned work)
{
	struct dht_stored *least = NULL;
	unsigned i = 0;

	VX6_LIST_EACH(node, &shelf->records)
	{
		struct dht_stored *e = VX6_CONTAINER_OF(node, struct dht_stored, of_shelf);

		if (e->withdrawn)
			return e;
		if (i++ >= DHT_CLAIMS_FIRST && e->work < work && (!least || e->work <= least->work))
			least = e;
	}
	return least;
}

static bool make_room_for_claim(struct dht_store *s, const struct dht_put *p)
{
	const struct dht_shelf *shelf = vx6_dht_store_shelf(s, p->key->b);
	struct dht_stored *e;

	if (!vx6_dht_is_claim(p->view->type) || !shelf || shelf->n < DHT_CLAIMS_MAX)
		return true;
	e = claim_to_drop(shelf, p->work);
	if (!e)
		return false;
	drop(s, e);
	s->evicted++;
	return true;
}

/* ---- storing ---- */

static uint64_t expires_of(const struct dht_put *p)
{
	uint64_t expires_s = vx6_record_expires_s(p->view), left_s;

	if (!p->cache || expires_s <= p->now.wall_s)
		return expires_s;
	left_s = (expires_s - p->now.wall_s) / 4;
	return p->now.wall_s + VX6_MIN(left_s, DHT_CACHE_S);
}

static struct dht_stored *stored_new(const struct dht_put *p, const struct dht_stored *old)
{
	struct dht_stored *e = vx6_zalloc(sizeof *e + p->view->n);

	e->source = p->source;
	memcpy(e->subject, p->view->subject, sizeof e->subject);
	e->seq = p->view->seq;
	e->expires_s = expires_of(p);
	/* who takes a name back and claims it again begins anew */
	e->first_ms = old && !old->withdrawn ? old->first_ms : p->now.ms;
	e->n = (uint16_t)p->view->n;
	e->type = p->view->type;
	e->work = p->work;
	e->cached = p->cache;
	e->withdrawn = p->view->flags & VX6_RECORD_WITHDRAWN;
	memcpy(e->record, p->view->bytes, p->view->n);
	return e;
}

vx6_err vx6_dht_store_put(struct dht_store *s, const struct dht_put *p)
{
	const struct dht_shelf *shelf;
	struct dht_stored *old = NULL;

	vx6_dht_store_expire(s, p->now.wall_s);
	shelf = vx6_dht_store_shelf(s, p->key->b);
	if (shelf)
		old = vx6_dht_shelf_find(shelf, p->view->type, p->view->subject);
	if (old)
		unlink(s, old);
	if (!make_room_for_claim(s, p) || !make_room(s, p)) {
		if (old)
			link(s, p->key, old);
		return VX6_ERR(FULL);
	}
	link(s, p->key, stored_new(p, old));
	free(old);
	return VX6_OK;
}
