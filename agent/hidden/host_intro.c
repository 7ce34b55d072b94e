/*
 * The set of introduction points of a service.
 *
 *   building --one of its circuits is up--> standby <--as many as are wanted--> active
 *   active, standby --both circuits are down--> building (its circuits are tried again, then it goes)
 *   active, standby --old, used often, its relay leaves--> retiring: another one is made; it goes when no descriptor has named it for a while
 *
 * Those that stand by are named in the descriptor and take introductions all the time: that one becomes active is a matter of the next descriptor.
 */
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

enum {
	RELAYS_FEW = 30,
	RELAYS_PLENTY = 100,
	BEGIN_AGAIN_MS = 2000,
	BEGIN_FIRST_MS = 250,
	BEGIN_MAX_MS = 16000,
	COUNT_MS = 1000,       /* between two counts of relays, at the least */
	COUNT_FIRST_MS = 2000, /* while the set is small, of a node that has just begun */
	COUNT_LATER_MS = 30000,
	BEGINNING_MS = 60000,
};

bool host_intro_is_up(const struct host_intro *i)
{
	return i->path[0].up || i->path[1].up;
}

/* @return how many that are not on their way out; @param up only those that are up */
static size_t count(const struct host_service *s, bool up)
{
	size_t n = 0;

	VX6_LIST_EACH(node, &s->intros)
	{
		const struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		n += !i->retiring && (!up || host_intro_is_up(i));
	}
	return n;
}

bool host_intro_is_only(const struct host_intro *i)
{
	VX6_LIST_EACH(node, &i->s->intros)
	{
		const struct host_intro *o = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (o != i && o->has_node && !o->retiring)
			return false;
	}
	return true;
}

static bool any_is_up(const struct host_service *s)
{
	VX6_LIST_EACH(node, &s->intros)
	if (host_intro_is_up(VX6_CONTAINER_OF(node, struct host_intro, node)))
		return true;
	return false;
}

/* ---- which are active ---- */

static void activate(struct host_intro *i)
{
	i->active = true;
	if (i->published)
		host_event(i->s, VX6_HOST_INTRO_PROMOTED,
			   "one that stood by is active: another one was lost");
}

/* As many as are wanted, those first that have been up for longest: new ones are at the end. */
static void assign(struct host_service *s)
{
	size_t active = 0;

	VX6_LIST_EACH(node, &s->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (i->active && (i->retiring || !host_intro_is_up(i) || active == s->active_want))
			i->active = false;
		active += i->active;
	}
	VX6_LIST_EACH(node, &s->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (active == s->active_want)
			break;
		if (i->active || i->retiring || !host_intro_is_up(i))
			continue;
		activate(i);
		active++;
	}
}

void host_intro_up(struct host_intro *i)
{
	struct host_service *s = i->s;
	bool first = i->path[0].up != i->path[1].up;

	if (!first)
		return;
	if (!i->was_up)
		host_event(s, VX6_HOST_INTRO_UP, "an introduction point is there");
	i->was_up = true;
	s->begin_failed_n = 0;
	if (s->total_cap != 0 && count(s, true) > s->total_cap)
		s->total_cap = (uint8_t)count(s, true); /* there were relays for it, after all */
	if (s->live_ms == 0)
		s->live_ms = host_now_ms(s->h);
	assign(s);
	host_dirty(s);
	host_reconsider(s);
}

static void lost(struct host_service *s)
{
	if (!any_is_up(s))
		s->live_ms = 0;
	assign(s);
	host_dirty(s);
	host_reconsider(s);
}

void host_intro_down(struct host_intro *i, const char *why)
{
	host_event(i->s, VX6_HOST_INTRO_DOWN, "an introduction point is lost: %s", why);
	lost(i->s);
}

size_t host_intros_listed(struct host_service *s, struct host_intro *out[static VX6_HS_INTROS_MAX])
{
	size_t n = 0,
	       most = VX6_MIN((size_t)s->active_want + s->standby_want, (size_t)VX6_HS_INTROS_MAX);

	/* active ones, those that stand by, and, while there are too few, those that are to go */
	for (int pass = 0; pass < 3; pass++)
		VX6_LIST_EACH(node, &s->intros)
		{
			struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

			if (n < most && host_intro_is_up(i) && i->retiring == (pass == 2) &&
			    i->active == (pass == 0))
				out[n++] = i;
		}
	return n;
}

/* ---- coming and going ---- */

void host_intro_free(struct host_intro *i, const char *why)
{
	for (int k = 0; k < PATHS; k++)
		host_path_close(&i->path[k], why);
	vx6_list_remove(&i->node);
	i->s->intros_n--;
	for (int k = 0; k < 2; k++)
		host_key_free(&i->key[k]);
	vx6_wipe_free(i, sizeof *i);
}

static void begin(struct host_service *s)
{
	struct host_intro *i = vx6_zalloc(sizeof *i);

	i->s = s;
	vx6_sign_keypair_random(&i->auth);
	vx6_random_bytes(i->handle, sizeof i->handle);
	host_key_new(&i->key[0]);
	i->limit = USES_MIN + vx6_random_below(USES_MAX - USES_MIN + 1);
	i->rotate_s = host_wall_s(s->h) + ROTATE_MIN_S +
		      vx6_random_below(ROTATE_MAX_S - ROTATE_MIN_S + 1);
	i->since_wall_ms = host_wall_ms(s->h);
	for (int k = 0; k < PATHS; k++)
		i->path[k] = (struct host_path){.intro = i, .which = (uint8_t)k};
	vx6_list_push(&s->intros, &i->node);
	s->intros_n++;
}

void host_intro_retire(struct host_intro *i, const char *why)
{
	if (i->retiring)
		return;
	i->retiring = true;
	host_event(i->s, VX6_HOST_INTRO_ROTATED, "another introduction point takes over: %s", why);
	assign(i->s);
	host_dirty(i->s);
	host_wake(i->s);
}

void host_intros_rotate(struct host_service *s, const char *why)
{
	VX6_LIST_EACH(node, &s->intros)
	host_intro_retire(VX6_CONTAINER_OF(node, struct host_intro, node), why);
	s->cap_until_ms = 0;
	s->begin_ms = 0;
	host_wake(s);
}

void host_intro_used(struct host_intro *i)
{
	i->s->introductions++;
	i->opened++;
	i->last_wall_ms = host_wall_ms(i->s->h);
	if (i->opened >= i->limit)
		host_intro_retire(i, "it has served often enough");
	else if (vx6_nonces_count(i->key[0].seen) >= KEY_USES_LEAVE)
		host_key_rotate(i);
}

/* If one after the other cannot be reached, it is hardly for their sakes. */
static void wait_for_better_times(struct host_service *s)
{
	unsigned rounds = s->begin_failed_n++ / VX6_HS_INTROS_MAX;

	s->begin_ms = host_now_ms(s->h) + VX6_MIN((uint64_t)BEGIN_FIRST_MS << VX6_MIN(rounds, 8U),
						  (uint64_t)BEGIN_MAX_MS);
}

/* In the place of the one whose time is over soonest: those that lied stay for longest. */
static void avoid(struct host_service *s, const struct vx6_node_id *relay, uint64_t for_ms)
{
	uint64_t until = host_now_ms(s->h) + for_ms;
	int at = 0;

	for (int k = 0; k < AVOIDED; k++) {
		if (vx6_node_id_eq(&s->avoid[k].node, relay)) {
			at = k;
			break;
		}
		if (s->avoid[k].until_ms < s->avoid[at].until_ms)
			at = k;
	}
	if (vx6_node_id_eq(&s->avoid[at].node, relay) && s->avoid[at].until_ms > until)
		return;
	s->avoid[at].node = *relay;
	s->avoid[at].until_ms = until;
	s->avoid[at].lied = for_ms == LIAR_MS;
}

void host_intro_too_few(struct host_intro *i, const char *why)
{
	struct host_service *s = i->s;
	uint64_t now = host_now_ms(s->h);

	host_intro_free(i, "there is no relay for it");
	s->total_cap = (uint8_t)count(s, false);
	s->cap_until_ms = now + SHORT_MS;
	if (s->total_cap == 0) { /* there is nothing to do but to try again */
		s->begin_ms = now + BEGIN_AGAIN_MS;
		(void)vx6_strlcpy(s->detail, why, sizeof s->detail);
		if (s->active_want != 0)
			host_event(s, VX6_HOST_WARNING, "no introduction point: %s", why);
	}
	host_wake(s);
}

/* ---- its word ---- */

bool host_intro_keeps_word(struct host_intro *i)
{
	/* twice: what is not confirmed in time comes over the other circuit, too */
	uint64_t now_us = vx6_loop_now_ns(i->s->h->cfg.loop) / 1000, each_us = 500000 / i->rate;

	if (i->full_us > now_us + each_us * 2 * ((uint64_t)i->burst + HELD_UP))
		return false;
	i->full_us = VX6_MAX(i->full_us, now_us) + each_us;
	return true;
}

/* Whoever has many relays must not be able to chase us from one to the next; and there is nothing better than one that was come back to. */
static bool may_be_left(const struct host_intro *i)
{
	const struct host_service *s = i->s;
	uint64_t now = host_now_ms(s->h);
	int liars = 0;

	for (int k = 0; k < AVOIDED; k++) {
		if (!s->avoid[k].lied || s->avoid[k].until_ms <= now)
			continue;
		if (vx6_node_id_eq(&s->avoid[k].node, &i->relay))
			return false;
		liars++;
	}
	return liars < LIARS_MAX;
}

bool host_intro_leave(struct host_intro *i)
{
	struct host_service *s = i->s;

	if (!may_be_left(i))
		return false;
	avoid(s, &i->relay, LIAR_MS);
	host_event(s, VX6_HOST_INTRO_DOWN,
		   "an introduction point is left: more came through it than it was told to let "
		   "through (%u a second)",
		   i->rate);
	host_intro_free(i, "it lets too many through");
	lost(s);
	host_wake(s);
	return true;
}

/* ---- how many ---- */

/* A relay more or less does not change it, once it is known. */
static void count_relays(struct host_service *s, uint64_t now)
{
	size_t total;

	if (s->counted_ms != 0 && now < s->counted_ms + COUNT_MS)
		return;
	s->counted_ms = now;
	s->relays = s->h->cfg.relays ? s->h->cfg.relays(s->h->cfg.user) : RELAYS_PLENTY;
	total = VX6_MAX((size_t)1, VX6_MIN(s->relays / 2, (size_t)VX6_HS_INTROS_MAX));
	if (total > s->total || total + 1 < s->total)
		s->total = (uint8_t)total;
}

static void tell_size(const struct host_service *s)
{
	if (s->active_want + s->standby_want == VX6_HS_INTROS_MAX)
		return;
	host_event(s, VX6_HOST_WARNING,
		   "%zu relays are known: %u introduction points and %u that stand by, not %d and "
		   "%d%s",
		   s->relays, s->active_want, s->standby_want, VX6_HOST_INTROS, VX6_HOST_STANDBYS,
		   s->relays < RELAYS_FEW ? "; so few hide little" : "");
}

static void set_size(struct host_service *s, uint64_t now)
{
	uint8_t total, standby;

	count_relays(s, now);
	if (s->total_cap >= s->total)
		s->total_cap = 0;
	total = s->total_cap != 0 ? s->total_cap : s->total;
	standby = total == VX6_HS_INTROS_MAX ? VX6_HOST_STANDBYS : total > 1;
	if (s->active_want + s->standby_want == total)
		return;
	s->active_want = (uint8_t)(total - standby);
	s->standby_want = standby;
	tell_size(s);
	assign(s);
	host_dirty(s);
}

/* Of those that only wait to be forgotten. */
static bool drop_one(struct host_service *s)
{
	VX6_LIST_EACH(node, &s->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (!i->retiring || i->published)
			continue;
		host_intro_free(i, "it made room for others");
		return true;
	}
	return false;
}

static void fill(struct host_service *s, uint64_t now, uint64_t *due)
{
	bool may_be_more = s->total_cap == 0 || now >= s->cap_until_ms;
	size_t want = may_be_more ? s->total : s->total_cap, n = count(s, false);

	if (n >= want)
		return;
	if (now < s->begin_ms) {
		host_sooner(due, s->begin_ms);
		return;
	}
	for (; n < want; n++) {
		if (s->intros_n >= VX6_HOST_INTROS_MAX && !drop_one(s))
			return;
		begin(s);
	}
}

/* Its circuits failed again and again, or it has had its time. @return false: it is gone */
static bool keep(struct host_intro *i, uint64_t now)
{
	struct host_service *s = i->s;
	uint32_t failed = i->path[0].failed + i->path[1].failed;

	if (i->retiring) {
		if (!i->path[0].bare && !i->path[1].bare) {
			host_intro_free(i, "it has ended");
			host_dirty(s);
			return false;
		}
		if (i->retire_ms != 0 && now >= i->retire_ms) {
			host_intro_free(i, "nobody looks for it any more");
			return false;
		}
		return true;
	}
	if (!host_intro_is_up(i) && failed >= (i->was_up ? PATH_TRIES : PATH_TRIES_NEW)) {
		if (i->has_node)
			avoid(s, &i->relay, AVOID_MS);
		if (!i->was_up)
			wait_for_better_times(s);
		host_intro_free(i, "it cannot be reached");
		return false;
	}
	if (host_wall_s(s->h) >= i->rotate_s)
		host_intro_retire(i, "it has served long enough");
	return true;
}

void host_intros_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	uint64_t wall = host_wall_s(s->h);

	set_size(s, now);
	VX6_LIST_EACH(node, &s->intros)
	(void)keep(VX6_CONTAINER_OF(node, struct host_intro, node), now);
	fill(s, now, due);
	VX6_LIST_EACH(node, &s->intros)
	{
		struct host_intro *i = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (!host_path_run(&i->path[0], now, due) || !host_path_run(&i->path[1], now, due))
			continue;
		host_sooner(due, i->retire_ms);
		if (!i->retiring && i->rotate_s > wall)
			host_sooner(due, now + (i->rotate_s - wall) * 1000);
	}
	if (s->total_cap != 0 && now < s->cap_until_ms)
		host_sooner(due, s->cap_until_ms);
	if (s->total < VX6_HS_INTROS_MAX)
		host_sooner(due,
			    s->counted_ms + (now < s->began_ms + BEGINNING_MS ? COUNT_FIRST_MS
									      : COUNT_LATER_MS));
}
