/* What there is to look at. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hidden/host_internal.h"

const char *vx6_host_state_text(enum vx6_host_state state)
{
	static const char *const text[] = {"starting", "publishing", "checking",
					   "ready",    "cut_off",    "draining"};

	return (size_t)state < VX6_ARRAY_N(text) ? text[state] : "unknown";
}

const char *vx6_host_intro_state_text(enum vx6_host_intro_state state)
{
	static const char *const text[] = {"building", "active", "standby", "retiring"};

	return (size_t)state < VX6_ARRAY_N(text) ? text[state] : "unknown";
}

const char *vx6_host_news_name(enum vx6_host_news what)
{
	static const char *const name[] = {
		"ready",           "not_ready",      "intro_up",
		"intro_down",      "intro_promoted", "intro_rotated",
		"published",       "rendezvous_up",  "rendezvous_failed",
		"rendezvous_down", "effort",         "enrolled",
		"refused",         "warning",
	};

	return (size_t)what < VX6_ARRAY_N(name) ? name[what] : "unknown";
}

/* ---- introduction points ---- */

static void show_path(const struct host_path *p, struct vx6_host_path_info *out)
{
	const struct vx6_node_id *guard = p->bare ? p->intro->s->h->ops->guard(p->bare) : NULL;

	vx6_strlcpy(out->circuit, p->id, sizeof out->circuit);
	out->up = p->up;
	out->up_wall_ms = p->up_wall_ms;
	out->failed = p->failed;
	if (guard) {
		out->has_guard = true;
		out->guard = *guard;
	}
}

static enum vx6_host_intro_state state_of(const struct host_intro *i)
{
	if (i->retiring)
		return VX6_HOST_INTRO_RETIRING;
	if (!host_intro_is_up(i))
		return VX6_HOST_INTRO_BUILDING;
	return i->active ? VX6_HOST_INTRO_ACTIVE : VX6_HOST_INTRO_STANDBY;
}

static void show_intro(const struct host_intro *i, struct vx6_host_intro_info *out)
{
	*out = (struct vx6_host_intro_info){
		.node = i->relay,
		.state = state_of(i),
		.published = i->published,
		.since_wall_ms = i->since_wall_ms,
		.last_wall_ms = i->last_wall_ms,
		.rotate_wall_s = i->rotate_s,
		.introductions = i->opened,
		.limit = i->limit,
		.key_uses = (uint32_t)vx6_nonces_count(i->key[0].seen),
	};
	for (int k = 0; k < PATHS; k++)
		show_path(&i->path[k], &out->path[k]);
}

/* ---- a service ---- */

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t usual_ms(const struct host_service *s)
{
	uint32_t took[VX6_HOST_HISTORY];
	size_t n = 0, all = VX6_MIN(s->history_n, (uint64_t)VX6_HOST_HISTORY);

	for (size_t k = 0; k < all; k++)
		if (s->history[k].took_ms != 0)
			took[n++] = s->history[k].took_ms;
	VX6_LIST_EACH(node, &s->meets)
	{
		const struct host_meet *m = VX6_CONTAINER_OF(node, struct host_meet, node);

		if (m->state == MEET_UP && n < VX6_HOST_HISTORY)
			took[n++] = m->info.took_ms;
	}
	if (n == 0)
		return 0;
	qsort(took, n, sizeof took[0], by_time);
	return took[n / 2];
}

static void count_clients(const struct host_service *s, struct vx6_host_info *out)
{
	for (size_t k = 0; k < TABLE_CLIENTS; k++) {
		const struct host_client *c = &s->client[k];

		if (c->uid == 0)
			continue;
		out->revoked += c->c.revoked;
		out->clients += c->is_good && c->c.kind == VX6_HOST_CLIENT;
		out->invites += c->is_good && c->c.kind == VX6_HOST_INVITE;
	}
}

static void show_load(const struct host_service *s, struct vx6_host_info *out)
{
	out->effort = s->pow.suggested;
	out->queue = (uint32_t)s->queue_n;
	out->queue_top = s->queue_n > 0 ? s->queue[0]->effort : 0;
	out->building = (uint32_t)s->building_n;
	out->sessions = (uint32_t)s->up_n;
	out->sessions_max = host_sessions_max(s);
	out->introductions = s->introductions;
	out->accepted = s->accepted;
	out->rendezvous_up = s->met;
	out->rendezvous_failed = s->unmet;
	memcpy(out->refused, s->refused, sizeof out->refused);
	out->rend_p50_ms = usual_ms(s);
}

static void show_descriptor(const struct host_service *s, struct vx6_host_info *out)
{
	out->period = s->out_period;
	for (int k = 0; k < VX6_HOST_SEQS; k++)
		if (s->published_ms != 0 && s->seq[k].period == s->out_period)
			out->seq = s->seq[k].seq;
	out->published_wall_s = s->published_wall_s;
	out->current = s->published_ms != 0 && !s->dirty;
	out->revision_n = s->revision_n;
}

vx6_err vx6_host_info(const struct vx6_host *h, uint64_t scope, struct vx6_host_info *out)
{
	const struct host_service *s = host_find(h, scope);

	*out = (struct vx6_host_info){0};
	if (!s)
		return VX6_ERR(NOT_FOUND);
	out->scope = scope;
	vx6_strlcpy(out->alias, s->spec.alias, sizeof out->alias);
	out->service = s->id;
	out->state = s->state;
	vx6_strlcpy(out->detail, s->detail, sizeof out->detail);
	out->fast = s->spec.fast;
	out->closed = s->spec.closed;
	out->rate = s->spec.rate;
	out->burst = s->spec.burst;
	out->active_want = s->active_want;
	out->standby_want = s->standby_want;
	VX6_LIST_EACH(node, &s->intros)
	if (out->intros_n < VX6_HOST_INTROS_MAX)
		show_intro(VX6_CONTAINER_OF(node, struct host_intro, node),
			   &out->intro[out->intros_n++]);
	if (h->cfg.guards)
		out->guards_n = h->cfg.guards(h->cfg.user, out->guard);
	out->ready_wall_ms = s->ready_wall_ms;
	show_descriptor(s, out);
	show_load(s, out);
	count_clients(s, out);
	return VX6_OK;
}

void vx6_host_rends_each(const struct vx6_host *h, uint64_t scope,
			 bool (*fn)(void *user, const struct vx6_host_rend_info *r), void *user)
{
	const struct host_service *s = host_find(h, scope);
	uint64_t kept;

	if (!s)
		return;
	for (const struct vx6_list *node = s->meets.prev; node != &s->meets; node = node->prev)
		if (!fn(user, &VX6_CONTAINER_OF(node, struct host_meet, node)->info))
			return;
	kept = VX6_MIN(s->history_n, (uint64_t)VX6_HOST_HISTORY);
	for (uint64_t k = 1; k <= kept; k++)
		if (!fn(user, &s->history[(s->history_n - k) % VX6_HOST_HISTORY]))
			return;
}
