/*
 * The services that are visited. One is made when somebody wishes to go there, or when something is known of it that outlives the process; the one
 * that was unused longest makes room. While there is a leg, a circuit to an introduction point, or a descriptor in use, looks are taken.
 */
#include "hidden/guests_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"

/* ---- the table ---- */

struct service *guests_find(const struct vx6_guests *g, const struct vx6_node_id *id)
{
	struct service *s;

	HASH_FIND(hh, g->services, id->b, sizeof id->b, s);
	return s;
}

static bool is_used(const struct service *s)
{
	return s->waiting_n > 0 || s->joined_n > 0;
}

static void service_free(struct service *s)
{
	struct vx6_guests *g = s->g;

	VX6_ASSERT(!is_used(s));
	VX6_LIST_EACH(node, &s->lines)
	line_close(VX6_CONTAINER_OF(node, struct line, of_service), "no longer wanted");
	desc_forget(s);
	HASH_DEL(g->services, s);
	vx6_list_remove(&s->lru);
	g->services_n--;
	vx6_wipe_free(s, sizeof *s);
}

/* What was told of a service is dearer than what was found out. */
static bool make_room(struct vx6_guests *g)
{
	struct service *victim = NULL;

	VX6_LIST_EACH(node, &g->lru)
	{
		struct service *s = VX6_CONTAINER_OF(node, struct service, lru);
		bool is_told = s->access.has_key || s->access.has_invite || s->has_own;

		if (is_used(s))
			continue;
		if (!victim)
			victim = s;
		if (!is_told) {
			victim = s;
			break;
		}
	}
	if (!victim)
		return false;
	service_free(victim);
	return true;
}

struct service *guests_service(struct vx6_guests *g, const struct vx6_node_id *id)
{
	struct service *s = guests_find(g, id);

	if (s) {
		vx6_list_remove(&s->lru);
		vx6_list_push(&g->lru, &s->lru);
		return s;
	}
	if (g->services_n >= VX6_GUESTS_SERVICES_MAX && !make_room(g))
		return NULL;
	s = vx6_zalloc(sizeof *s);
	s->g = g;
	s->id = *id;
	vx6_list_init(&s->lines);
	vx6_list_init(&s->meetings);
	HASH_ADD(hh, g->services, id.b, sizeof s->id.b, s);
	vx6_list_push(&g->lru, &s->lru);
	g->services_n++;
	return s;
}

/* ---- what is told ---- */

/* Another key may open what the old one did not, or must not what it did. */
static void other_keys(struct service *s)
{
	s->retry_ms = 0;
	s->retry_wait_ms = 0;
	desc_forget(s);
	if (s->waiting_n > 0)
		(void)desc_fetch(s);
}

void vx6_guests_access(struct vx6_guests *g, const struct vx6_node_id *service,
		       const struct vx6_guest_access *access)
{
	struct service *s = access ? guests_service(g, service) : guests_find(g, service);

	if (!s)
		return;
	vx6_wipe(&s->access, sizeof s->access);
	if (access)
		s->access = *access;
	other_keys(s);
}

void vx6_guests_own(struct vx6_guests *g, const struct vx6_node_id *service, const uint8_t *key)
{
	struct service *s = key ? guests_service(g, service) : guests_find(g, service);

	if (!s)
		return;
	s->has_own = key != NULL;
	if (key)
		memcpy(s->own, key, sizeof s->own);
	else
		vx6_wipe(s->own, sizeof s->own);
	other_keys(s);
}

void vx6_guests_remember(struct vx6_guests *g, const struct vx6_node_id *service,
			 const struct vx6_guest_seen *seen)
{
	struct service *s = guests_service(g, service);

	if (s)
		(void)desc_seen(s, seen);
}

/* ---- looks ---- */

static void on_tick(struct vx6_timer *timer)
{
	struct vx6_guests *g = timer->user;
	struct service *s, *next;
	bool more = false;

	lines_keep(g);
	HASH_ITER(hh, g->services, s, next)
	{
		desc_keep(s);
		more |= is_used(s) || s->fetch || (s->has_desc && desc_is_used(s));
	}
	if (more || g->lines_n > 0)
		vx6_timer_in_ms(timer, TICK_MS);
}

void guests_wake(struct vx6_guests *g)
{
	if (!vx6_timer_is_armed(&g->tick))
		vx6_timer_in_ms(&g->tick, TICK_MS);
}

/* ---- life ---- */

struct vx6_guests *vx6_guests_new(const struct vx6_guests_config *cfg)
{
	struct vx6_guests *g = vx6_zalloc(sizeof *g);

	g->cfg = *cfg;
	g->ways = cfg->ways ? *cfg->ways : guests_ways;
	if (!cfg->ways)
		g->ways.user = cfg->circuits;
	vx6_list_init(&g->lru);
	vx6_list_init(&g->lines);
	vx6_list_init(&g->proofs);
	vx6_timer_init(cfg->loop, &g->tick, on_tick, g);
	g->attempts = vx6_zalloc(VX6_GUESTS_ATTEMPTS * sizeof *g->attempts);
	return g;
}

void vx6_guests_free(struct vx6_guests *g)
{
	struct service *s, *next;
	struct meeting *m, *after;

	if (!g)
		return;
	HASH_ITER(hh, g->meetings, m, after)
	meeting_free(m);
	HASH_ITER(hh, g->services, s, next)
	service_free(s);
	proofs_leave(g);
	vx6_timer_stop(&g->tick);
	free(g->attempts);
	free(g);
}
