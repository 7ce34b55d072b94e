#include <string.h>

#include "base/util.h"
#include "dht/lookup_internal.h"

struct dht_lookups {
	struct vx6_list active;
	uint32_t n;
};

struct dht_lookups *vx6_dht_lookups_new(void)
{
	struct dht_lookups *ls = vx6_zalloc(sizeof *ls);

	vx6_list_init(&ls->active);
	return ls;
}

void vx6_dht_lookup_free(struct vx6_dht_lookup *l)
{
	for (size_t i = 0; i < l->found_n; i++)
		free(l->found[i].bytes);
	free(l->found);
	free(l->cand);
	free(l);
}

void vx6_dht_lookup_detach(struct vx6_dht_lookup *l)
{
	for (size_t i = 0; i < l->cands_n; i++)
		if (l->cand[i].query != 0)
			vx6_dht_ask_forget(l->d, l->cand[i].query);
	vx6_list_remove(&l->node);
	l->d->lookups->n--;
}

void vx6_dht_lookups_free(struct vx6_dht *d)
{
	struct vx6_list *at;

	if (!d->lookups)
		return;
	while (!vx6_list_is_empty(&d->lookups->active)) {
		at = d->lookups->active.next;
		vx6_dht_lookup_detach(VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node));
		vx6_dht_lookup_free(VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node));
	}
	VX6_FREE(d->lookups);
}

uint32_t vx6_dht_lookups_n(const struct vx6_dht *d)
{
	return d->lookups->n;
}

void vx6_dht_lookup_cancel(struct vx6_dht_lookup *l)
{
	vx6_dht_lookup_detach(l);
	vx6_dht_lookup_free(l);
}
/* ---- from outside ---- */

static void take_own(void *user, uint32_t age_s, const uint8_t *record, size_t n)
{
	vx6_dht_take_value(user, FROM_TABLE, age_s, record, n);
}

uint8_t vx6_dht_led_paths(const struct vx6_dht *d)
{
	return VX6_MIN(d->io->guides->count(d->user), (uint8_t)VX6_DHT_PATHS);
}

static uint8_t paths_of(const struct vx6_dht *d, const struct vx6_dht_ask *ask)
{
	if (vx6_dht_is_led(d))
		return VX6_MAX(vx6_dht_led_paths(d), (uint8_t)1);
	return ask->paths ? VX6_MIN(ask->paths, (uint8_t)VX6_DHT_PATHS_MAX) : vx6_dht_paths(d);
}

struct vx6_dht_lookup *vx6_dht_look(struct vx6_dht *d, const struct vx6_dht_ask *ask,
				    vx6_dht_done_cb *done, void *user,
				    const struct vx6_dht_now *now)
{
	struct vx6_dht_lookup *l;

	if (d->lookups->n >= LOOKUPS_MAX)
		return NULL;
	vx6_dht_enter(d, now);
	l = vx6_zalloc(sizeof *l);
	l->d = d;
	l->ask = *ask;
	l->done = done;
	l->user = user;
	l->began_ms = d->now.ms;
	l->until_ms = d->now.ms + LOOKUP_MS;
	l->paths = paths_of(d, ask);
	for (uint8_t p = 0; p < VX6_DHT_PATHS_MAX; p++)
		l->path[p].nearest = UINT64_MAX;
	vx6_list_push(&d->lookups->active, &l->node);
	d->lookups->n++;
	if (ask->want == VX6_DHT_WANT_NODES)
		vx6_dht_keeper_get(d, &l->ask.key, take_own, l);
	else
		vx6_dht_holder_get(d, &l->ask.key, take_own, l);
	vx6_dht_cand_seed(l, 0, l->paths);
	vx6_dht_lookup_run(l);
	vx6_dht_leave(d);
	return l;
}

uint64_t vx6_dht_lookups_due(const struct vx6_dht *d)
{
	uint64_t due = UINT64_MAX;

	VX6_LIST_EACH(at, &d->lookups->active)
	{
		const struct vx6_dht_lookup *l = VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node);

		due = VX6_MIN(due, l->due_ms);
	}
	return due;
}

/* Callbacks may end other lookups and begin new ones, so the list is looked through afresh after each. */
static struct vx6_dht_lookup *next_ended(const struct vx6_dht *d)
{
	VX6_LIST_EACH(at, &d->lookups->active)
	{
		struct vx6_dht_lookup *l = VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node);

		if (l->ended)
			return l;
	}
	return NULL;
}

void vx6_dht_lookups_led(struct vx6_dht *d)
{
	VX6_LIST_EACH(at, &d->lookups->active)
	{
		VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node)->due_ms = d->now.ms;
	}
	vx6_dht_lookups_step(d);
}

void vx6_dht_lookups_step(struct vx6_dht *d)
{
	struct vx6_dht_lookup *l;

	VX6_LIST_EACH(at, &d->lookups->active)
	{
		l = VX6_CONTAINER_OF(at, struct vx6_dht_lookup, node);
		if (l->due_ms <= d->now.ms)
			vx6_dht_lookup_run(l);
	}
	for (unsigned i = 0; i < LOOKUPS_MAX && (l = next_ended(d)) != NULL; i++)
		vx6_dht_lookup_end(l);
}
