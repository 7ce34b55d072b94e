/*
 * The services that are hosted here, what is due when, and whether they can be reached.
 * Created by vx6_host_new(), freed by vx6_host_free(); a service by vx6_host_add(), until vx6_host_remove() or the end.
 *
 *   STARTING --an introduction point is there--> PUBLISHING --a descriptor is out--> CHECKING --a dial reached it--> READY
 *   READY --the last introduction point is gone--> CUT_OFF --there is one again--> PUBLISHING      DRAINING from any of them
 *
 * One timer serves all: whoever knows of something that is due says when, and each run looks at everything.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

#define OWN_INFO "VX6 hs own client key"

uint64_t host_wall_s(const struct vx6_host *h)
{
	return h->cfg.wall_s ? h->cfg.wall_s(h->cfg.user) : vx6_wall_s();
}

uint64_t host_wall_ms(const struct vx6_host *h)
{
	return h->cfg.wall_s ? h->cfg.wall_s(h->cfg.user) * 1000 : vx6_wall_ms();
}

struct host_service *host_find(const struct vx6_host *h, uint64_t scope)
{
	VX6_LIST_EACH(node, &h->services)
	{
		struct host_service *s = VX6_CONTAINER_OF(node, struct host_service, node);

		if (s->spec.scope == scope)
			return s;
	}
	return NULL;
}

void host_event(const struct host_service *s, enum vx6_host_news what, const char *fmt, ...)
{
	char text[VX6_HOST_DETAIL];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	VX6_DEBUG("hidden", "%s: %s: %s", s->spec.alias, vx6_host_news_name(what), text);
	if (s->h->cfg.event)
		s->h->cfg.event(s->h->cfg.user, s->spec.scope, what, text);
}

uint32_t host_sessions_max(const struct host_service *s)
{
	return VX6_MIN(s->spec.sessions_max, (uint32_t)(SESSIONS_ALL / s->h->services_n));
}

/* ---- what is due ---- */

static void wake_at(struct vx6_host *h, uint64_t at_ms)
{
	if (vx6_timer_is_armed(&h->timer) && h->due_ms <= at_ms)
		return;
	h->due_ms = at_ms;
	vx6_timer_at(&h->timer, at_ms * VX6_NS_PER_MS);
}

void host_wake(struct host_service *s)
{
	wake_at(s->h, host_now_ms(s->h));
}

/* ---- readiness ---- */

static bool is_out(const struct host_service *s)
{
	return s->published_ms != 0 && s->published_ms >= s->live_ms;
}

static enum vx6_host_state state_of(const struct host_service *s)
{
	if (s->h->draining)
		return VX6_HOST_DRAINING;
	if (s->live_ms == 0)
		return s->state == VX6_HOST_STARTING || s->state == VX6_HOST_PUBLISHING
			       ? VX6_HOST_STARTING
			       : VX6_HOST_CUT_OFF;
	if (!is_out(s))
		return VX6_HOST_PUBLISHING;
	return s->ready_wall_ms != 0 ? VX6_HOST_IS_READY : VX6_HOST_CHECKING;
}

void host_reconsider(struct host_service *s)
{
	if (s->live_ms == 0 && s->ready_wall_ms != 0) {
		s->ready_wall_ms = 0;
		host_event(s, VX6_HOST_NOT_READY, "no introduction point is left");
	}
	s->state = state_of(s);
}

static void ready(struct host_service *s)
{
	bool was = s->ready_wall_ms != 0;

	s->dial_failed_n = 0;
	s->dial_ms = host_now_ms(s->h) + DIAL_AGAIN_MS / 2 + vx6_random_below(DIAL_AGAIN_MS);
	s->detail[0] = '\0';
	if (!was) {
		s->ready_wall_ms = host_wall_ms(s->h);
		host_event(s, VX6_HOST_READY, "it can be reached");
	}
	host_reconsider(s);
}

static void not_ready(struct host_service *s, const char *why)
{
	unsigned n = VX6_MIN(s->dial_failed_n, 5U);

	s->dial_failed_n++;
	s->dial_ms = host_now_ms(s->h) + VX6_MIN((uint64_t)1000 << n, (uint64_t)DIAL_MAX_MS);
	(void)snprintf(s->detail, sizeof s->detail, "it could not be reached from here: %s", why);
	if (s->ready_wall_ms != 0 && s->dial_failed_n >= DIAL_FAILS) {
		s->ready_wall_ms = 0;
		host_event(s, VX6_HOST_NOT_READY, "%s", s->detail);
	}
	host_reconsider(s);
}

void host_is_out(struct host_service *s)
{
	host_reconsider(s);
	if (s->ready_wall_ms == 0 && !s->dialling)
		s->dial_ms = host_now_ms(s->h) + DIAL_FIRST_MS;
}

static void dial_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	if (s->dial_ms == 0)
		return;
	if (now >= s->dial_ms && s->dialling) {
		s->dialling = false;
		not_ready(s, "nothing was heard");
	}
	if (now >= s->dial_ms && (s->live_ms == 0 || !is_out(s))) {
		s->dial_ms = 0; /* once there is something to dial */
		return;
	}
	if (now >= s->dial_ms && !s->h->cfg.dial) {
		ready(s);
	} else if (now >= s->dial_ms) {
		s->dialling = true;
		s->dial_ms = now + DIAL_LOST_MS;
		s->h->cfg.dial(s->h->cfg.user, s->spec.scope, &s->id, s->own_sk.b);
	}
	host_sooner(due, s->dial_ms);
}

void vx6_host_dialed(struct vx6_host *h, uint64_t scope, vx6_err err, const char *detail)
{
	struct host_service *s = host_find(h, scope);

	if (!s || !s->dialling)
		return;
	s->dialling = false;
	if (vx6_is_ok(err))
		ready(s);
	else
		not_ready(s, detail && detail[0] != '\0' ? detail : vx6_err_text(err));
	host_wake(s);
}

/* ---- services ---- */

static void run(struct host_service *s, uint64_t now, uint64_t *due)
{
	if (!s->h->draining) {
		host_pow_run(s, now, due);
		host_clients_run(s, now, due);
		host_intros_run(s, now, due);
		host_publish_run(s, now, due);
		host_queue_run(s, now, due);
		dial_run(s, now, due);
	}
	host_meets_run(s, now, due);
}

static void on_timer(struct vx6_timer *timer)
{
	struct vx6_host *h = timer->user;
	uint64_t now = host_now_ms(h), due = UINT64_MAX;

	VX6_LIST_EACH(node, &h->services)
	run(VX6_CONTAINER_OF(node, struct host_service, node), now, &due);
	if (due != UINT64_MAX)
		wake_at(h, VX6_MAX(due, now + 1));
}

struct vx6_host *vx6_host_new(const struct vx6_host_config *cfg)
{
	struct vx6_host *h = vx6_zalloc(sizeof *h);

	h->cfg = *cfg;
	h->ops = cfg->ops ? cfg->ops : &host_circuit_ops;
	vx6_list_init(&h->services);
	vx6_timer_init(cfg->loop, &h->timer, on_timer, h);
	return h;
}

static void close_intros(struct host_service *s, const char *why)
{
	VX6_LIST_EACH(node, &s->intros)
	host_intro_free(VX6_CONTAINER_OF(node, struct host_intro, node), why);
}

/* Sessions that are about to end may still speak by that name. */
static void leave_as(struct host_service *s)
{
	struct host_as **end = &s->h->as_left;

	while (*end)
		end = &(*end)->next;
	*end = s->as;
	s->as = NULL;
}

static void service_free(struct host_service *s, const char *why)
{
	vx6_list_remove(&s->node);
	s->h->services_n--;
	close_intros(s, why);
	host_queue_clear(s);
	host_meets_free(s);
	host_pow_free(s);
	leave_as(s);
	free(s->history);
	vx6_wipe_free(s, sizeof *s);
}

void vx6_host_free(struct vx6_host *h)
{
	if (!h)
		return;
	VX6_LIST_EACH(node, &h->services)
	service_free(VX6_CONTAINER_OF(node, struct host_service, node), "the end");
	vx6_timer_stop(&h->timer);
	while (h->as_left) {
		struct host_as *as = h->as_left;

		h->as_left = as->next;
		vx6_identity_wipe(&as->id);
		free(as);
	}
	free(h);
}

void vx6_host_drain(struct vx6_host *h)
{
	if (h->draining)
		return;
	h->draining = true;
	VX6_LIST_EACH(node, &h->services)
	{
		struct host_service *s = VX6_CONTAINER_OF(node, struct host_service, node);

		close_intros(s, "shutting down");
		host_queue_clear(s);
		host_reconsider(s);
		h->cfg.publish(h->cfg.user, s->spec.scope, NULL, 0);
	}
}

static bool is_sound(const struct vx6_host_spec *spec)
{
	return spec->scope != 0 &&
	       (spec->alias[0] == '\0' ||
		vx6_label_is_valid(spec->alias, strnlen(spec->alias, sizeof spec->alias)));
}

static bool is_hosted(const struct vx6_host *h, const struct vx6_sign_pk *pk)
{
	VX6_LIST_EACH(node, &h->services)
	{
		const struct host_service *s = VX6_CONTAINER_OF(node, struct host_service, node);

		if (memcmp(s->key.pk.b, pk->b, sizeof pk->b) == 0)
			return true;
	}
	return false;
}

/* With a key that follows from the service's own, so that there is nothing more to store. */
static void own_client_key(struct host_service *s)
{
	vx6_err err = vx6_kdf(s->key.pk.b, sizeof s->key.pk.b, s->key.seed.b, sizeof s->key.seed.b,
			      OWN_INFO, sizeof OWN_INFO - 1, s->own_sk.b, sizeof s->own_sk.b);

	VX6_ASSERT(vx6_is_ok(err));
	vx6_kx_public(&s->own_sk, &s->own_pk);
}

static void take_spec(struct host_service *s, const struct vx6_host_spec *spec)
{
	s->spec = *spec;
	if (s->spec.rate == 0)
		s->spec.rate = VX6_HOST_RATE;
	if (s->spec.burst == 0)
		s->spec.burst = VX6_HOST_BURST;
	if (s->spec.sessions_max == 0)
		s->spec.sessions_max = VX6_HOST_SESSIONS_MAX;
}

vx6_err vx6_host_add(struct vx6_host *h, const struct vx6_host_spec *spec)
{
	struct vx6_sign_keypair key;
	struct vx6_sign_seed seed;
	struct host_service *s;

	if (!is_sound(spec))
		return VX6_ERR(INVALID);
	if (h->draining)
		return VX6_ERR(DRAINING);
	if (h->services_n >= VX6_HOST_SERVICES_MAX)
		return VX6_ERR(FULL);
	memcpy(seed.b, spec->seed, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, &key);
	vx6_wipe(&seed, sizeof seed);
	if (host_find(h, spec->scope) || is_hosted(h, &key.pk)) {
		vx6_sign_keypair_wipe(&key);
		return VX6_ERR(EXISTS);
	}
	s = vx6_zalloc(sizeof *s);
	s->h = h;
	s->key = key;
	vx6_sign_keypair_wipe(&key);
	memcpy(s->id.b, s->key.pk.b, sizeof s->id.b);
	take_spec(s, spec);
	memcpy(s->seq, spec->seq, sizeof s->seq);
	own_client_key(s);
	vx6_list_init(&s->intros);
	vx6_list_init(&s->meets);
	s->history = vx6_zalloc(VX6_HOST_HISTORY * sizeof *s->history);
	host_pow_start(s);
	s->began_ms = host_now_ms(h);
	vx6_list_push(&h->services, &s->node);
	h->services_n++;
	host_wake(s);
	return VX6_OK;
}

vx6_err vx6_host_set(struct vx6_host *h, const struct vx6_host_spec *spec)
{
	struct host_service *s = host_find(h, spec->scope);
	struct vx6_host_spec old;

	if (!s)
		return VX6_ERR(NOT_FOUND);
	if (!is_sound(spec) || !vx6_ct_eq(spec->seed, s->spec.seed, sizeof spec->seed))
		return VX6_ERR(INVALID);
	old = s->spec;
	take_spec(s, spec);
	if (s->spec.rate != old.rate || s->spec.burst != old.burst || s->spec.fast != old.fast)
		host_intros_rotate(
			s, "its settings have changed"); /* they were told at the beginning */
	if (s->spec.fast != old.fast || s->spec.no_pow != old.no_pow)
		host_dirty(s);
	if (s->spec.closed != old.closed)
		host_admits(s);
	if (s->spec.closed && !old.closed)
		host_clients_close(s);
	vx6_wipe(&old, sizeof old);
	return VX6_OK;
}

vx6_err vx6_host_remove(struct vx6_host *h, uint64_t scope)
{
	struct host_service *s = host_find(h, scope);

	if (!s)
		return VX6_ERR(NOT_FOUND);
	h->cfg.publish(h->cfg.user, scope, NULL, 0);
	service_free(s, "no longer hosted");
	return VX6_OK;
}

vx6_err vx6_host_rotate(struct vx6_host *h, uint64_t scope)
{
	struct host_service *s = host_find(h, scope);

	if (!s)
		return VX6_ERR(NOT_FOUND);
	host_intros_rotate(s, "asked for");
	return VX6_OK;
}

void vx6_host_moved(struct vx6_host *h)
{
	VX6_LIST_EACH(node, &h->services)
	{
		struct host_service *s = VX6_CONTAINER_OF(node, struct host_service, node);

		s->cap_until_ms = 0;
		s->counted_ms = 0;
		s->begin_ms = 0;
		s->begin_failed_n = 0;
		VX6_LIST_EACH(at, &s->intros)
		{
			struct host_intro *i = VX6_CONTAINER_OF(at, struct host_intro, node);

			for (int k = 0; k < PATHS; k++)
				if (!i->path[k].bare)
					i->path[k].due_ms = 0;
		}
		host_wake(s);
	}
}

size_t vx6_host_count(const struct vx6_host *h)
{
	return h->services_n;
}
