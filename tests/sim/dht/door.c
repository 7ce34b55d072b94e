#include "tests/sim/dht/door.h"

#include <string.h>

#include "base/util.h"

enum { CONTACTS = 40, NUMBER_SHIFT = 32 };
/* Queries of doors among those of their proxies. */
static const uint64_t DOOR_BIT = UINT64_C(1) << 63;

static uint64_t id_of(const struct door *d, uint64_t query)
{
	VX6_ASSERT(query >> NUMBER_SHIFT == 0);
	return DOOR_BIT | (uint64_t)d->number << NUMBER_SHIFT | query;
}

/* ---- what the DHT asks of the outside ---- */

static void io_query(void *user, uint64_t query, uint8_t path, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n)
{
	struct door *d = user;
	struct node *there = world_at(d->w, to);

	VX6_ASSERT(path < d->proxies);
	sim_net_request(d->w->net, d->proxy[path], there == NULL ? SIM_NOWHERE : there->number,
			id_of(d, query), req, n);
}

static void io_cancel(void *user, uint64_t query)
{
	struct door *d = user;

	for (uint8_t i = 0; i < d->proxies; i++)
		sim_net_cancel(d->w->net, d->proxy[i], id_of(d, query));
}

static bool io_is_warm(void *user, const struct vx6_dht_contact *to)
{
	return true;
}

static void io_random(void *user, void *out, size_t n)
{
	sim_rng_fill(&((struct door *)user)->rng, out, n);
}

static void io_wake_at(void *user, uint64_t ms)
{
	struct door *d = user;

	if (ms >= UINT64_MAX / 1000)
		sim_queue_cancel(d->w->q, &d->wake);
	else
		sim_queue_set(d->w->q, &d->wake, ms * SIM_MS);
}

static vx6_err io_verify(void *user, const uint8_t *record, size_t n, uint64_t wall_s,
			 struct vx6_record *out)
{
	return world_verify(((struct door *)user)->w, record, n, wall_s, out);
}

static uint8_t guides_count(void *user)
{
	return ((struct door *)user)->proxies;
}

static uint64_t guides_guide(void *user, uint8_t path)
{
	return path < ((struct door *)user)->proxies ? VX6_DHT_GUIDE_FIRST + path
						     : VX6_DHT_GUIDE_NONE;
}

/* Nor is any of them asked on its own path: hosts have no link to themselves here. */
static bool guides_may_ask(void *user, uint8_t path, const struct vx6_dht_contact *to)
{
	const struct door *d = user;

	for (uint8_t i = 0; i < d->proxies; i++)
		if (vx6_node_id_eq(&d->w->nodes[d->proxy[i]]->contact.node, &to->node))
			return false;
	return true;
}

static const struct vx6_dht_guides guides = {
	.count = guides_count,
	.guide = guides_guide,
	.may_ask = guides_may_ask,
};

static const struct vx6_dht_io io = {
	.abi = VX6_DHT_IO_ABI,
	.query = io_query,
	.cancel = io_cancel,
	.is_warm = io_is_warm,
	.random = io_random,
	.wake_at = io_wake_at,
	.verify = io_verify,
	.guides = &guides,
};

static void woken(struct sim_event *ev)
{
	struct door *d = VX6_CONTAINER_OF(ev, struct door, wake);
	struct vx6_dht_now now;

	world_now(d->w, &now);
	vx6_dht_step(d->dht, &now);
}

bool door_answered(struct world *w, uint64_t id, const uint8_t *answer, size_t n, vx6_err why)
{
	uint64_t query = id & ((UINT64_C(1) << NUMBER_SHIFT) - 1);
	struct vx6_dht_now now;
	struct door *d;

	if (!(id & DOOR_BIT))
		return false;
	d = w->doors[(id & ~DOOR_BIT) >> NUMBER_SHIFT];
	if (d == NULL)
		return true;
	world_now(w, &now);
	if (vx6_is_ok(why))
		vx6_dht_answered(d->dht, query, answer, n, &now);
	else
		vx6_dht_failed(d->dht, query, why, &now);
	return true;
}

/* ---- open and closed ---- */

struct sample {
	struct door *d;
	struct vx6_dht_contact contact[CONTACTS];
	size_t seen;
};

/* Each as likely as the others. */
static void sample(void *user, const struct vx6_dht_row *row)
{
	struct sample *s = user;
	size_t at = s->seen;

	if (!row->proved)
		return;
	if (s->seen++ >= CONTACTS)
		at = sim_rng_below(&s->d->rng, (uint32_t)s->seen);
	if (at < CONTACTS)
		s->contact[at] = row->contact;
}

static void take_over(struct door *d, const struct vx6_dht *from)
{
	struct sample s = {.d = d};
	struct vx6_dht_now now;

	world_now(d->w, &now);
	vx6_dht_each(from, sample, &s);
	for (size_t i = 0; i < VX6_MIN(s.seen, (size_t)CONTACTS); i++)
		vx6_dht_met(d->dht, &s.contact[i], VX6_DHT_PROVED, &now);
}

static bool is_among(uint32_t number, const uint32_t *of, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (of[i] == number)
			return true;
	return false;
}

struct door *door_open(struct node *owner, uint8_t proxies, const uint32_t *but, size_t but_n)
{
	struct world *w = owner->w;
	struct door *d = vx6_zalloc(sizeof *d);
	struct vx6_dht_config cfg = {.net = w->id,
				     .io = &io,
				     .user = d,
				     .diversity = VX6_DIVERSITY_AUTO};

	if (w->doors_n == w->doors_cap) {
		w->doors_cap = w->doors_cap == 0 ? 64 : w->doors_cap * 2;
		w->doors = vx6_realloc_array(w->doors, w->doors_cap, sizeof(struct door *));
	}
	d->w = w;
	d->number = w->doors_n++;
	w->doors[d->number] = d;
	d->wake.fn = woken;
	sim_rng_derive(&d->rng, w->seed, "door", d->number);
	while (d->proxies < proxies) {
		uint32_t number = world_pick(w, &d->rng)->number;

		if (number != owner->number && !is_among(number, but, but_n) &&
		    !is_among(number, d->proxy, d->proxies))
			d->proxy[d->proxies++] = number;
	}
	sim_rng_fill(&d->rng, cfg.self.b, sizeof cfg.self.b);
	d->dht = vx6_dht_new(&cfg);
	take_over(d, owner->dht);
	return d;
}

void door_close(struct door *d)
{
	if (d == NULL)
		return;
	d->w->doors[d->number] = NULL;
	vx6_dht_free(d->dht);
	sim_queue_cancel(d->w->q, &d->wake);
	free(d);
}

void doors_free(struct world *w)
{
	for (uint32_t i = 0; i < w->doors_n; i++)
		door_close(w->doors[i]);
	free(w->doors);
}
