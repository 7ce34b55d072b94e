/*
 * One of the two circuits to an introduction point.
 *
 *   (none) --due--> building --open, ESTABLISH_INTRO--> waiting --INTRO_ESTABLISHED--> up
 *   any of them --its end, or too late--> (none), due again later, each time twice as late
 *
 * The first one may have its last relay drawn: that is what makes the introduction point. The other one is to the same relay, through another guard.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "circuit/establish.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"
#include "wire/code.h"

static const struct vx6_host_ops *ops_of(const struct host_path *p)
{
	return p->intro->s->h->ops;
}

static void forget(struct host_path *p)
{
	p->bare = NULL;
	p->open = p->up = p->leaving = false;
	p->up_ms = p->up_wall_ms = 0;
	p->id[0] = '\0';
}

/* Once it was up for a while, what came before does not count any more. @return when the next one is begun */
static uint64_t next_ms(struct host_path *p, bool by_guard)
{
	uint64_t now = host_now_ms(p->intro->s->h);
	uint32_t n;

	if (p->up && now >= p->up_ms + PATH_SOUND_MS)
		p->failed = p->guard_failed = 0;
	n = p->failed + p->guard_failed;
	if (by_guard)
		p->guard_failed++;
	else
		p->failed++;
	if (p->up && n == 0)
		return now;
	return now + VX6_MIN((uint64_t)PATH_FIRST_MS << VX6_MIN(n, 6U), (uint64_t)PATH_MAX_MS);
}

/* It is gone, or was no good; @p why for people. @param by_guard a guard that dies takes many circuits with it, and nobody at their ends is to blame */
static void failed(struct host_path *p, const char *why, bool by_guard)
{
	struct host_intro *i = p->intro;
	bool was_up = p->up;

	p->due_ms = next_ms(p, by_guard);
	forget(p);
	if (was_up && !host_intro_is_up(i))
		host_intro_down(i, why);
	host_wake(i->s);
}

void host_path_close(struct host_path *p, const char *why)
{
	struct vx6_bare *bare = p->bare;

	forget(p);
	if (bare)
		ops_of(p)->close(bare, why);
}

/* The same for one that is there still. */
static void give_up(struct host_path *p, const char *why)
{
	struct vx6_bare *bare = p->bare;

	failed(p, why, false);
	ops_of(p)->close(bare, why);
}

/* ---- what comes ---- */

static void on_open(void *user, struct vx6_bare *b)
{
	struct host_path *p = user;
	struct host_intro *i = p->intro;
	struct host_service *s = i->s;
	uint8_t binding[VX6_CB_BYTES], data[VX6_ESTABLISH_INTRO_BYTES];
	struct vx6_establish_intro e = {.rate = s->spec.rate, .burst = s->spec.burst};

	p->open = true;
	i->rate = e.rate;
	i->burst = e.burst;
	vx6_strlcpy(p->id, ops_of(p)->id(b), sizeof p->id);
	memcpy(e.handle, i->handle[p->which], sizeof e.handle);
	if (!ops_of(p)->binding(b, binding)) {
		give_up(p, "its circuit ended");
		return;
	}
	vx6_establish_intro_prove(&i->auth, s->h->cfg.net, binding, &e);
	vx6_establish_intro_encode(&e, data);
	vx6_wipe(binding, sizeof binding);
	if (!vx6_is_ok(ops_of(p)->say(b, VX6_PAYLOAD_ESTABLISH_INTRO, data, sizeof data))) {
		give_up(p, "its circuit ended");
		return;
	}
	p->due_ms = host_now_ms(s->h) + ESTABLISH_MS;
	host_wake(s);
}

static void established(struct host_path *p, uint16_t code)
{
	struct host_intro *i = p->intro;
	char why[VX6_HOST_DETAIL];

	if (p->up)
		return;
	if (code != VX6_CODE_OK) {
		(void)snprintf(why, sizeof why, "refused: %s", vx6_code_text(code));
		give_up(p, why);
		return;
	}
	p->up = true;
	p->due_ms = 0;
	p->up_ms = host_now_ms(i->s->h);
	p->up_wall_ms = host_wall_ms(i->s->h);
	host_intro_up(i);
}

static void on_said(void *user, struct vx6_bare *b, uint8_t type, const uint8_t *data, size_t n)
{
	struct host_path *p = user;
	uint16_t code;

	(void)b;
	if (type == VX6_PAYLOAD_INTRODUCE2 && p->up) {
		host_introduce(p, data, n);
	} else if (type == VX6_PAYLOAD_INTRO_ESTABLISHED && p->open &&
		   vx6_is_ok(vx6_hs_code_decode(data, n, &code))) {
		established(p, code);
	} else {
		give_up(p, "it broke the protocol");
	}
}

/* Some relay of it will go. If it is the last one, both circuits say so. */
static void on_leaving(void *user, struct vx6_bare *b)
{
	struct host_path *p = user, *other = &p->intro->path[1 - p->which];

	(void)b;
	p->leaving = true;
	if (other->leaving || !other->bare)
		host_intro_retire(p->intro, "it asks to be left");
	host_wake(p->intro->s);
}

static void on_down(void *user, struct vx6_bare *b, vx6_err why, const char *detail)
{
	struct host_path *p = user;

	failed(p, detail && detail[0] != '\0' ? detail : vx6_err_text(why),
	       ops_of(p)->first_lost(b));
}

static const struct vx6_bare_events path_events = {.open = on_open,
						   .said = on_said,
						   .leaving = on_leaving,
						   .down = on_down};

/* ---- what is due ---- */

/* In which order less is asked of the relay of a new one, while there is none. */
enum wish {
	WISH_GOOD,   /* none where one was, or failed lately */
	WISH_HONEST, /* none that lied */
	WISH_ANY,    /* for the only one there is */
};

/* Where others of ours are, and what else the wish says. @return how many */
static size_t to_avoid(const struct host_intro *i, enum wish wish,
		       struct vx6_node_id out[static VX6_BARE_AVOID_MAX])
{
	struct host_service *s = i->s;
	uint64_t now = host_now_ms(s->h);
	size_t n = 0;

	_Static_assert(AVOIDED + VX6_HOST_INTROS_MAX <= VX6_BARE_AVOID_MAX, "room for all");
	for (int k = 0; wish < WISH_ANY && k < AVOIDED; k++)
		if (s->avoid[k].until_ms > now && (wish == WISH_GOOD || s->avoid[k].lied))
			out[n++] = s->avoid[k].node;
	VX6_LIST_EACH(node, &s->intros)
	{
		const struct host_intro *o = VX6_CONTAINER_OF(node, struct host_intro, node);

		if (o != i && o->has_node && (wish == WISH_GOOD || !o->retiring))
			out[n++] = o->relay;
	}
	return n;
}

static vx6_err begin(struct host_path *p, enum wish wish, char detail[static VX6_CIRCUIT_WHY])
{
	struct host_intro *i = p->intro;
	struct vx6_node_id avoid[VX6_BARE_AVOID_MAX];
	bool apart = p->failed + p->guard_failed < PATH_GUARD_TRIES;
	struct vx6_bare_want want = {
		.purpose = VX6_PURPOSE_INTRO,
		.relays = i->s->spec.fast ? 2 : 3,
		.last = i->has_node ? &i->relay : NULL,
		.last_may = VX6_RELAY_INTRO,
		.guard = apart ? p->which + 1U : 0,
		.beside = apart ? i->path[1 - p->which].bare : NULL,
		.why = "to be introduced to clients",
	};

	if (!i->has_node) {
		want.avoid = avoid;
		want.avoid_n = to_avoid(i, wish, avoid);
	}
	return ops_of(p)->begin(&i->s->h->cfg, &want, &path_events, p, &p->bare, detail);
}

/* @return false: there is no relay for it, the introduction point is gone */
static bool try(struct host_path *p, uint64_t now)
{
	struct host_intro *i = p->intro;
	char detail[VX6_CIRCUIT_WHY] = "";
	enum wish wish = WISH_GOOD, least = host_intro_is_only(i) ? WISH_ANY : WISH_HONEST;
	vx6_err err = begin(p, wish, detail);

	while (err.code == VX6_E_NO_RELAYS && !i->has_node && wish < least)
		err = begin(p, ++wish, detail);
	if (vx6_is_ok(err)) {
		p->due_ms = now + 3 * ESTABLISH_MS; /* its end comes before, as a rule */
		if (!i->has_node) {
			i->relay = *ops_of(p)->last(p->bare);
			i->has_node = true;
		}
		return true;
	}
	p->bare = NULL;
	if (err.code == VX6_E_NO_RELAYS && !i->has_node) {
		host_intro_too_few(i, detail);
		return false;
	}
	failed(p, detail[0] != '\0' ? detail : vx6_err_text(err), false);
	return true;
}

/* A relay of it will go, and the other one is up: time for another one. */
static void replace(struct host_path *p)
{
	host_path_close(p, "a relay of it asks to be left");
	p->due_ms = 0;
}

bool host_path_run(struct host_path *p, uint64_t now, uint64_t *due)
{
	const struct host_path *other = &p->intro->path[1 - p->which];

	if (p->bare && p->leaving && other->up && !other->leaving)
		replace(p);
	if (p->bare && !p->up && now >= p->due_ms) {
		give_up(p, "it took too long");
	}
	if (!p->bare && p->intro->retiring)
		return true; /* it is for those who still come, and goes when it goes */
	/* the second one knows where to only once the first one does */
	if (!p->bare && now >= p->due_ms && (p->which == 0 || p->intro->has_node) && !try(p, now))
		return false;
	if (!p->up)
		host_sooner(due, p->due_ms);
	return true;
}
