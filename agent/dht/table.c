#include <string.h>

#include "base/util.h"
#include "dht/dht_internal.h"

/*
 * The farther half of the network gets more room than Kademlia's k: the first step of a lookup then lands nearer to its key, and a lookup
 * takes a step less (as was measured on BitTorrent's Mainline). One contact of a prefix is enough in a small bucket; the big ones take two,
 * so that hosting companies do not run them empty.
 */
enum { BIG_BUCKETS = 3, GROW_ENTRIES = 8, GROW_SPARES = 4, SMALL_CAP = 1, BIG_CAP = 2 };

unsigned vx6_dht_bucket_capacity(unsigned bucket)
{
	static const uint8_t big[BIG_BUCKETS] = {128, 64, 32};

	return bucket < BIG_BUCKETS ? big[bucket] : VX6_DHT_K;
}

unsigned vx6_dht_bucket_of(const struct vx6_dht *d, const struct vx6_dht_key *pos)
{
	unsigned bits = vx6_dht_common_bits(&d->pos, pos);

	return VX6_MIN(bits, VX6_DHT_KEY_BYTES * 8U - 1);
}

struct dht_table *vx6_dht_table_new(uint64_t now_ms)
{
	struct dht_table *t = vx6_zalloc(sizeof *t);

	t->born_ms = now_ms;
	return t;
}

void vx6_dht_table_free(struct dht_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->buckets_n; i++) {
		free(t->bucket[i].entry);
		free(t->bucket[i].spare);
	}
	free(t->bucket);
	free(t);
}

uint32_t vx6_dht_table_s(const struct vx6_dht *d)
{
	uint64_t born = d->table->born_ms;

	return d->now.ms > born ? (uint32_t)((d->now.ms - born) / 1000) : 0;
}

/* ---- one bucket ---- */

static struct dht_bucket *bucket_at(struct dht_table *t, unsigned i)
{
	if (i >= t->buckets_n) {
		t->bucket = vx6_realloc_array(t->bucket, i + 1, sizeof *t->bucket);
		memset(t->bucket + t->buckets_n, 0, (i + 1 - t->buckets_n) * sizeof *t->bucket);
		t->buckets_n = i + 1;
	}
	return &t->bucket[i];
}

static struct dht_entry *find_in(struct dht_entry *e, size_t n, const struct vx6_node_id *node)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(e[i].contact.node.b, node->b, sizeof node->b) == 0)
			return &e[i];
	return NULL;
}

static bool is_global(const struct dht_entry *e)
{
	return e->proved && !vx6_dht_contact_is_private(&e->contact);
}

static bool prefix_fits(const struct vx6_dht *d, const struct dht_bucket *b, unsigned index,
			const struct vx6_dht_contact *c, const struct dht_entry *instead_of)
{
	uint8_t mine[VX6_DHT_PREFIX_BYTES], other[VX6_DHT_PREFIX_BYTES];
	unsigned same = 0;

	if (vx6_dht_diversity(d) == VX6_DIVERSITY_OFF)
		return true;
	vx6_dht_contact_prefix(c, mine);
	for (size_t i = 0; i < b->n; i++) {
		if (&b->entry[i] == instead_of)
			continue;
		vx6_dht_contact_prefix(&b->entry[i].contact, other);
		same += memcmp(mine, other, sizeof mine) == 0;
	}
	return same < (index < BIG_BUCKETS ? BIG_CAP : SMALL_CAP);
}

static void drop_entry(struct dht_table *t, struct dht_bucket *b, struct dht_entry *e)
{
	t->globals -= is_global(e);
	t->contacts--;
	*e = b->entry[--b->n];
}

static void drop_spare(struct dht_table *t, struct dht_bucket *b, struct dht_entry *e)
{
	t->globals -= is_global(e);
	t->candidates--;
	*e = b->spare[--b->spare_n];
}

static void add_entry(struct dht_table *t, struct dht_bucket *b, const struct dht_entry *e)
{
	if (b->n == b->room) {
		b->room += GROW_ENTRIES;
		b->entry = vx6_realloc_array(b->entry, b->room, sizeof *b->entry);
	}
	b->entry[b->n++] = *e;
	t->globals += is_global(e);
	t->contacts++;
}

/* Proved ones stay before those only heard of; among equals the latest sign of life stays. */
static bool is_better_spare(const struct dht_entry *a, const struct dht_entry *b)
{
	if (a->proved != b->proved)
		return a->proved;
	return a->heard_s >= b->heard_s;
}

static void add_spare(struct dht_table *t, struct dht_bucket *b, const struct dht_entry *e)
{
	struct dht_entry *worst = NULL;

	if (b->spare_n == REPLACEMENTS_MAX) {
		for (size_t i = 0; i < b->spare_n; i++)
			if (!worst || !is_better_spare(&b->spare[i], worst))
				worst = &b->spare[i];
		if (!is_better_spare(e, worst))
			return;
		drop_spare(t, b, worst);
	}
	if (b->spare_n == b->spare_room) {
		b->spare_room += GROW_SPARES;
		b->spare = vx6_realloc_array(b->spare, b->spare_room, sizeof *b->spare);
	}
	b->spare[b->spare_n++] = *e;
	t->globals += is_global(e);
	t->candidates++;
}

/* ---- what was learned ---- */

/* A node has one address: what it is known under elsewhere is out of date. */
static void drop_elsewhere(struct dht_table *t, const struct vx6_node_id *node)
{
	for (unsigned i = 0; i < t->buckets_n; i++) {
		struct dht_bucket *b = &t->bucket[i];
		struct dht_entry *e = find_in(b->entry, b->n, node);

		if (e)
			drop_entry(t, b, e);
		e = find_in(b->spare, b->spare_n, node);
		if (e)
			drop_spare(t, b, e);
	}
}

static bool is_dead(const struct dht_entry *e)
{
	return e->failures >= FAILURES_MAX;
}

/* In a full bucket only a dead one makes place. */
static void admit(struct vx6_dht *d, unsigned index, const struct dht_entry *e)
{
	struct dht_bucket *b = bucket_at(d->table, index);

	for (size_t i = 0; i < b->n; i++) {
		if (!is_dead(&b->entry[i]) || !prefix_fits(d, b, index, &e->contact, &b->entry[i]))
			continue;
		drop_entry(d->table, b, &b->entry[i]);
		add_entry(d->table, b, e);
		return;
	}
	if (b->n < vx6_dht_bucket_capacity(index) && prefix_fits(d, b, index, &e->contact, NULL))
		add_entry(d->table, b, e);
	else
		add_spare(d->table, b, e);
}

static void refresh(struct vx6_dht *d, struct dht_entry *e, const struct vx6_dht_contact *c)
{
	uint32_t now_s = vx6_dht_table_s(d);

	d->table->globals -= is_global(e);
	if (!e->proved)
		e->known_s = now_s;
	e->contact = *c;
	e->proved = true;
	e->heard_s = now_s;
	if (e->demoted_s <= now_s)
		e->failures = 0;
	d->table->globals += is_global(e);
}

static bool is_at(const struct dht_entry *e, const struct vx6_dht_contact *c)
{
	return memcmp(e->contact.ip, c->ip, sizeof c->ip) == 0 && e->contact.port == c->port;
}

/* Its record names another address in the same place: not told to others before it has answered there. */
static void move_unproved(struct dht_table *t, struct dht_entry *e, const struct vx6_dht_contact *c)
{
	t->globals -= is_global(e);
	e->contact = *c;
	e->failures = VX6_MAX(e->failures, (uint8_t)1);
	t->globals += is_global(e);
}

static struct dht_entry *find_at(const struct dht_table *t, unsigned index,
				 const struct vx6_node_id *node, bool *spare)
{
	struct dht_bucket *b;
	struct dht_entry *e;

	*spare = false;
	if (index >= t->buckets_n)
		return NULL;
	b = &t->bucket[index];
	e = find_in(b->entry, b->n, node);
	if (!e) {
		e = find_in(b->spare, b->spare_n, node);
		*spare = e != NULL;
	}
	return e;
}

struct dht_entry *vx6_dht_table_find(const struct vx6_dht *d, const struct vx6_dht_contact *c)
{
	struct vx6_dht_key pos;
	bool spare;

	vx6_dht_contact_pos(&d->net, c, &pos);
	return find_at(d->table, vx6_dht_bucket_of(d, &pos), &c->node, &spare);
}

void vx6_dht_table_met(struct vx6_dht *d, const struct vx6_dht_contact *c,
		       enum vx6_dht_knowledge how)
{
	struct dht_table *t = d->table;
	struct dht_entry e = {.contact = *c, .heard_s = vx6_dht_table_s(d)};
	struct dht_entry *known;
	unsigned index;
	bool spare;

	if (!vx6_dht_is_usable(d, c))
		return;
	vx6_dht_contact_pos(&d->net, c, &e.pos);
	index = vx6_dht_bucket_of(d, &e.pos);
	known = find_at(t, index, &c->node, &spare);
	if (how == VX6_DHT_HEARD) {
		if (!known)
			add_spare(t, bucket_at(t, index), &e);
		else if (!is_at(known, c))
			move_unproved(t, known, c);
		return;
	}
	if (known && vx6_dht_closer(&e.pos, &known->pos, &e.pos) == 0) {
		refresh(d, known, c);
		if (!spare || is_dead(known))
			return;
		e = *known; /* there may be room for it by now */
		drop_spare(t, &t->bucket[index], known);
	} else {
		drop_elsewhere(t, &c->node);
		e.proved = true;
		e.known_s = e.heard_s;
	}
	admit(d, index, &e);
}

void vx6_dht_table_alive(struct vx6_dht *d, const struct vx6_dht_contact *c, uint32_t rtt_ms)
{
	struct dht_entry *e;

	vx6_dht_table_met(d, c, VX6_DHT_PROVED);
	if (rtt_ms == 0)
		return;
	e = vx6_dht_table_find(d, c);
	if (!e)
		return;
	rtt_ms = VX6_MIN(rtt_ms, UINT16_MAX);
	e->rtt_ms = (uint16_t)(e->rtt_ms == 0 ? rtt_ms : (e->rtt_ms * 7U + rtt_ms) / 8);
}

/* The candidate that answered last and would fit, were @p instead_of (may be NULL) not there. */
static struct dht_entry *best_spare(const struct vx6_dht *d, unsigned index,
				    const struct dht_entry *instead_of)
{
	const struct dht_bucket *b = &d->table->bucket[index];
	struct dht_entry *best = NULL;

	for (size_t i = 0; i < b->spare_n; i++) {
		struct dht_entry *s = &b->spare[i];

		if (s->proved && s->failures == 0 && (!best || s->heard_s > best->heard_s) &&
		    prefix_fits(d, b, index, &s->contact, instead_of))
			best = s;
	}
	return best;
}

/* The best candidate takes the place of a dead contact. Without a proved one it stays: our own network may be what is down. */
static void replace(struct vx6_dht *d, unsigned index, struct dht_entry *dead)
{
	struct dht_bucket *b = &d->table->bucket[index];
	struct dht_entry *best = best_spare(d, index, dead), e;

	if (!best)
		return;
	e = *best;
	drop_spare(d->table, b, best);
	drop_entry(d->table, b, dead);
	add_entry(d->table, b, &e);
}

void vx6_dht_table_touch(struct vx6_dht *d, const struct vx6_dht_key *key)
{
	unsigned index = vx6_dht_bucket_of(d, key);

	if (index < d->table->buckets_n)
		d->table->bucket[index].touched_s = vx6_dht_table_s(d);
}

/* In doubt a contact stays one failure short of being replaced. */
static void count_failure(const struct vx6_dht *d, struct dht_entry *e, enum dht_blame blame)
{
	unsigned failures = e->failures + 1U;

	if (blame == BLAME_DOUBT)
		failures = VX6_MAX(e->failures, FAILURES_MAX - 1U);
	if (blame == BLAME_LIED)
		failures = VX6_MAX(failures, FAILURES_MAX);
	e->failures = (uint8_t)VX6_MIN(failures, UINT8_MAX);
	if (blame == BLAME_LIED || (blame == BLAME_SILENT && e->failures > FAILURES_MAX))
		e->demoted_s = vx6_dht_table_s(d) + DEMOTED_MS / 1000;
}

void vx6_dht_table_failed(struct vx6_dht *d, const struct vx6_dht_contact *c, enum dht_blame blame)
{
	struct vx6_dht_key pos;
	struct dht_entry *e;
	unsigned index;
	bool spare;

	vx6_dht_contact_pos(&d->net, c, &pos);
	index = vx6_dht_bucket_of(d, &pos);
	e = find_at(d->table, index, &c->node, &spare);
	if (!e)
		return;
	count_failure(d, e, blame);
	if (spare) {
		if (blame != BLAME_DOUBT && (!e->proved || is_dead(e)))
			drop_spare(d->table, &d->table->bucket[index], e);
	} else if (is_dead(e)) {
		replace(d, index, e);
	}
}

/* A place is free again: the best candidate that has answered gets it. */
static void promote(struct vx6_dht *d, unsigned index)
{
	struct dht_bucket *b = &d->table->bucket[index];
	struct dht_entry *best = best_spare(d, index, NULL), e;

	if (!best || b->n >= vx6_dht_bucket_capacity(index))
		return;
	e = *best;
	drop_spare(d->table, b, best);
	add_entry(d->table, b, &e);
}

void vx6_dht_table_remove(struct vx6_dht *d, const struct vx6_node_id *node)
{
	drop_elsewhere(d->table, node);
	for (unsigned i = 0; i < d->table->buckets_n; i++)
		promote(d, i);
}

void vx6_dht_table_heard(struct vx6_dht *d, const struct vx6_node_id *node,
			 const uint8_t ip[static 16])
{
	struct vx6_dht_contact c = {.node = *node, .port = 1};
	struct dht_entry *e;

	memcpy(c.ip, ip, sizeof c.ip);
	e = vx6_dht_table_find(d, &c);
	if (e && e->proved)
		e->heard_s = vx6_dht_table_s(d);
}

void vx6_dht_table_rebase(struct vx6_dht *d)
{
	struct dht_table *old = d->table;

	d->table = vx6_dht_table_new(old->born_ms);
	for (unsigned i = 0; i < old->buckets_n; i++) {
		struct dht_bucket *b = &old->bucket[i];

		for (size_t j = 0; j < b->n; j++)
			admit(d, vx6_dht_bucket_of(d, &b->entry[j].pos), &b->entry[j]);
		for (size_t j = 0; j < b->spare_n; j++)
			add_spare(d->table,
				  bucket_at(d->table, vx6_dht_bucket_of(d, &b->spare[j].pos)),
				  &b->spare[j]);
	}
	vx6_dht_table_free(old);
}
