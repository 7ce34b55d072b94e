#include <string.h>

#include "base/util.h"
#include "dht/lookup_internal.h"

enum {
	FIRST_ROOM = 32,
	SEEDS_MAX = 64, /* contacts of the table that a lookup begins with */
	MISLED_MAX =
		3, /* then nobody goes where this one pointed, unless more of those it named answered */
	WARM_LOOKAHEAD = 4,    /* candidates among which a warm one is preferred */
	WARM_FARTHER_BITS = 1, /* and how much farther it may be */
	LED_SEEDS =
		8 /* of a path that others lead; with fewer contacts all begin with all of them */
};

/* ---- the list ---- */

/* First place in the order whose distance is not below @p distance. */
static size_t place_of(const struct vx6_dht_lookup *l, uint64_t distance)
{
	size_t low = 0, high = l->cands_n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (l->cand[l->order[middle]].distance < distance)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether what is known of @p c counts on @p path. */
static bool is_of(const struct vx6_dht_lookup *l, const struct dht_cand *c, uint8_t path)
{
	return !vx6_dht_is_led(l->d) || c->heard_by == 1U << path;
}

static struct dht_cand *known(const struct vx6_dht_lookup *l, size_t place, uint64_t distance,
			      const struct vx6_node_id *node, uint8_t path)
{
	for (; place < l->cands_n; place++) {
		struct dht_cand *c = &l->cand[l->order[place]];

		if (c->distance != distance)
			return NULL;
		if (is_of(l, c, path) && vx6_node_id_eq(&c->contact.node, node))
			return c;
	}
	return NULL;
}

static size_t count_of(const struct vx6_dht_lookup *l, uint8_t path)
{
	size_t n = 0;

	for (size_t i = 0; i < l->cands_n; i++)
		n += is_of(l, &l->cand[i], path);
	return n;
}

/* Room for one more: the farthest that was not asked gives way, if it is farther than @p distance. @return index of cand, or -1 */
static int make_room(struct vx6_dht_lookup *l, uint64_t distance, uint8_t path)
{
	size_t max = vx6_dht_is_led(l->d) ? LED_CANDIDATES_MAX : CANDIDATES_MAX;

	if (l->cands_n < CANDIDATES_MAX && count_of(l, path) < max) {
		if (l->cands_n == l->cands_room) {
			l->cands_room = (uint16_t)VX6_MAX(l->cands_room * 2U, FIRST_ROOM);
			l->cand = vx6_realloc_array(l->cand, l->cands_room, sizeof *l->cand);
		}
		return l->cands_n++;
	}
	for (size_t i = l->cands_n; i > 0; i--) {
		uint16_t at = l->order[i - 1];

		if (l->cand[at].distance <= distance)
			return -1;
		if (l->cand[at].state != CAND_NEW || !is_of(l, &l->cand[at], path))
			continue;
		memmove(&l->order[i - 1], &l->order[i], (l->cands_n - i) * sizeof l->order[0]);
		return at;
	}
	return -1;
}

static bool is_trusted(const struct vx6_dht_lookup *l, const struct dht_cand *c)
{
	const struct dht_cand *from;

	if (c->from == FROM_TABLE)
		return true;
	from = &l->cand[c->from];
	return from->misled < MISLED_MAX || from->misled <= 2 * from->led;
}

/* Somebody else named it too. */
static bool heard_again(struct vx6_dht_lookup *l, struct dht_cand *c,
			const struct vx6_dht_contact *as, uint8_t path, uint16_t from)
{
	bool elsewhere =
		memcmp(c->contact.ip, as->ip, sizeof as->ip) != 0 || c->contact.port != as->port;
	bool is_new = !(c->heard_by & 1U << path);

	c->heard_by |= (uint8_t)(1U << path);
	if (c->state == CAND_NEW && !is_trusted(l, c))
		c->from = from;
	/* the first one who named it may have lied about its address */
	if (elsewhere && c->state == CAND_FAILED && c->from != from) {
		c->contact = *as;
		c->from = from;
		c->state = CAND_NEW;
		is_new = true;
	}
	return is_new;
}

bool vx6_dht_cand_add(struct vx6_dht_lookup *l, const struct vx6_dht_contact *c, uint8_t path,
		      uint16_t from, bool doubtful)
{
	struct dht_cand new = {.contact = *c,
			       .from = from,
			       .heard_by = (uint8_t)(1U << path),
			       .doubtful = doubtful};
	struct dht_cand *old;
	size_t place;
	int at;

	if (!vx6_dht_is_usable(l->d, c))
		return false;
	vx6_dht_contact_pos(&l->d->net, c, &new.pos);
	new.distance = vx6_dht_distance64(&l->ask.key, &new.pos);
	place = place_of(l, new.distance);
	old = known(l, place, new.distance, &c->node, path);
	if (old)
		return heard_again(l, old, c, path, from);
	at = make_room(l, new.distance, path);
	if (at < 0)
		return false;
	l->cand[at] = new;
	memmove(&l->order[place + 1], &l->order[place],
		(l->cands_n - 1 - place) * sizeof l->order[0]);
	l->order[place] = (uint16_t)at;
	return true;
}

void vx6_dht_cand_judge(struct vx6_dht_lookup *l, const struct dht_cand *c, bool answered)
{
	struct dht_cand *from;

	if (c->from == FROM_TABLE)
		return;
	from = &l->cand[c->from];
	if (answered)
		from->led++; /* of twenty that it named: neither overflows */
	else
		from->misled++;
}

void vx6_dht_cand_again(struct vx6_dht_lookup *l, uint8_t path)
{
	for (size_t i = 0; i < l->cands_n; i++) {
		struct dht_cand *c = &l->cand[i];

		if (!is_of(l, c, path))
			continue;
		c->misled = 0;
		if (c->state == CAND_NEW || c->state == CAND_ANSWERED)
			continue;
		if (c->query != 0)
			vx6_dht_ask_forget(l->d, c->query);
		c->query = 0;
		c->state = CAND_NEW;
	}
	l->path[path].in_flight = 0;
	l->path[path].queries = l->path[path].answers;
}

/* ---- who is next ---- */

/* Whoever leads another path is not asked on this one: two of them would be in one hand. */
static bool may_ask(const struct vx6_dht_lookup *l, uint8_t path, const struct dht_cand *c)
{
	const struct vx6_dht_guides *guides = l->d->io->guides;

	return !guides || guides->may_ask(l->d->user, path, &c->contact);
}

static bool prefix_was_asked(const struct vx6_dht_lookup *l, const struct dht_cand *c)
{
	uint8_t mine[VX6_DHT_PREFIX_BYTES], other[VX6_DHT_PREFIX_BYTES];

	vx6_dht_contact_prefix(&c->contact, mine);
	for (size_t i = 0; i < l->cands_n; i++) {
		if (l->cand[i].state == CAND_NEW ||
		    (vx6_dht_is_led(l->d) && l->cand[i].heard_by != c->heard_by))
			continue;
		vx6_dht_contact_prefix(&l->cand[i].contact, other);
		if (memcmp(mine, other, sizeof mine) == 0)
			return true;
	}
	return false;
}

static unsigned shared_bits(const struct dht_cand *c)
{
	return c->distance == 0 ? 64U : (unsigned)__builtin_clzll(c->distance);
}

/* Of those about as near as the one at @p place, a warm one: it answers a round trip sooner. */
static int prefer_warm(const struct vx6_dht_lookup *l, uint8_t path, size_t place, bool capped)
{
	const struct dht_cand *first = &l->cand[l->order[place]];
	size_t seen = 0;

	for (size_t i = place; i < l->cands_n && seen < WARM_LOOKAHEAD; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (!(c->heard_by & 1U << path) || c->state != CAND_NEW || c->doubtful ||
		    !is_trusted(l, c) || (capped && prefix_was_asked(l, c)))
			continue;
		if (shared_bits(c) + WARM_FARTHER_BITS < shared_bits(first))
			break;
		if (l->d->io->is_warm(l->d->user, &c->contact))
			return l->order[i];
		seen++;
	}
	return l->order[place];
}

int vx6_dht_cand_next(const struct vx6_dht_lookup *l, uint8_t path, bool *pending)
{
	bool capped = vx6_dht_diversity(l->d) != VX6_DIVERSITY_OFF;
	int doubtful = -1, same_prefix = -1;
	unsigned nearest = 0;

	*pending = false;
	for (size_t i = 0; i < l->cands_n && nearest < VX6_DHT_K; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (!(c->heard_by & 1U << path) || c->state == CAND_FAILED ||
		    c->state == CAND_LATE || !may_ask(l, path, c))
			continue;
		if (c->state != CAND_NEW) {
			*pending |= c->state == CAND_ASKED || c->state == CAND_SLOW;
			nearest++;
		} else if (capped && prefix_was_asked(l, c)) {
			same_prefix = same_prefix < 0 ? l->order[i] : same_prefix;
		} else if (c->doubtful || !is_trusted(l, c)) {
			doubtful = doubtful < 0 ? l->order[i] : doubtful;
		} else {
			return prefer_warm(l, path, i, capped);
		}
	}
	/* what is left is tried only for as long as there is hardly anybody else */
	if (*pending || l->answers >= VX6_DHT_HOLDERS)
		return -1;
	return doubtful >= 0 ? doubtful : same_prefix;
}

bool vx6_dht_cand_heard(const struct vx6_dht_lookup *l, uint8_t path, unsigned n)
{
	bool capped = vx6_dht_diversity(l->d) != VX6_DIVERSITY_OFF;

	for (size_t i = 0; i < l->cands_n && n > 0; i++) {
		const struct dht_cand *c = &l->cand[l->order[i]];

		if (!(c->heard_by & 1U << path) || c->state == CAND_FAILED ||
		    c->state == CAND_SLOW || c->state == CAND_LATE || !may_ask(l, path, c))
			continue;
		if (c->state == CAND_ANSWERED)
			n--;
		else if (c->state != CAND_NEW ||
			 !(c->doubtful || !is_trusted(l, c) || (capped && prefix_was_asked(l, c))))
			return false;
	}
	return n == 0;
}

/* ---- seeds ---- */

/* @return how many of @p near were of use */
static size_t deal(struct vx6_dht_lookup *l, const struct dht_entry *near, size_t n, bool proved,
		   uint8_t first, uint8_t paths)
{
	size_t dealt = 0;

	for (size_t i = 0; i < n; i++)
		if (near[i].proved == proved &&
		    vx6_dht_cand_add(l, &near[i].contact, (uint8_t)(first + dealt % paths),
				     FROM_TABLE, near[i].failures > 0))
			dealt++;
	return dealt;
}

/* Hearsay comes after those that have answered before, and those that failed of late only when there are few others. */
static size_t seed(struct vx6_dht_lookup *l, uint8_t first, uint8_t paths)
{
	struct dht_entry near[SEEDS_MAX];
	size_t n = vx6_dht_closest(l->d, &l->ask.key, CHOOSE_SOUND, NULL, near, SEEDS_MAX);
	size_t dealt = deal(l, near, n, true, first, paths);

	dealt += deal(l, near, n, false, first, paths);
	if (dealt >= VX6_DHT_K)
		return dealt;
	n = vx6_dht_closest(l->d, &l->ask.key, 0, NULL, near, SEEDS_MAX);
	dealt += deal(l, near, n, true, first, paths);
	return dealt + deal(l, near, n, false, first, paths);
}

size_t vx6_dht_cand_seed(struct vx6_dht_lookup *l, uint8_t first, uint8_t paths)
{
	if (paths > 1 && vx6_dht_is_led(l->d) &&
	    l->d->table->contacts < (uint32_t)paths * LED_SEEDS) {
		size_t dealt = 0;

		for (uint8_t p = 0; p < paths; p++)
			dealt += seed(l, (uint8_t)(first + p), 1);
		return dealt;
	}
	return seed(l, first, paths);
}
