/*
 * Circuits on which somebody else speaks with the last relay.
 *
 *   waits for what is not known -> building -> open -> over: `down`
 *        ^                            |
 *        +---- it failed elsewhere ---+
 *
 * One to a last relay that a stranger has named is held, if it cannot be made for what is known of that one: as if it were silent, until whoever
 * wants it gives up.
 *
 * `down` comes at once when the circuit itself says so, else from a task: what ends a circuit here is a call down.
 */
#include "circuit/bare.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/circuits_internal.h"
#include "crypto/secret.h"

enum {
	LAST_FAILED =
		2, /* counts as so many of BARE_TRIES_MAX: it may have been the one before it */
};

/* ---- the beginning ---- */

static void wait_for(struct vx6_bare *b, const struct vx6_node_id *node)
{
	b->asked = true;
	b->asked_for = *node;
	b->until_ms = circuits_now_ms(b->c) + VX6_BARE_ASK_MS;
	circuits_wake(b->c, VX6_BARE_ASK_MS);
}

bool bare_is_of_stranger(const struct vx6_bare *b)
{
	return b->purpose == VX6_PURPOSE_RENDEZVOUS && b->is_named;
}

static void hold(struct vx6_bare *b)
{
	b->asked = false;
	b->held = true;
	b->until_ms = circuits_now_ms(b->c) + VX6_BARE_ASK_MS;
	circuits_wake(b->c, VX6_BARE_ASK_MS);
}

const struct vx6_relay_entry *bare_last(const struct vx6_bare *b, struct vx6_relay_entry *own)
{
	const struct vx6_circuits *c = b->c;

	if (!vx6_node_id_eq(&b->last, &c->cfg.self))
		return vx6_relays_find(c->cfg.relays, &b->last);
	return c->cfg.own && c->cfg.own(c->cfg.user, own) ? own : NULL;
}

/* One that is not known is asked for in a new network only, where nobody knows all. */
static bool takes_word(const struct vx6_bare *b)
{
	const struct vx6_relays *relays = b->c->cfg.relays;
	struct vx6_relay_entry own;
	uint64_t now_s = vx6_wall_s();

	return vx6_path_takes_word(relays, bare_last(b, &own), b->last_may, now_s) &&
	       (circuits_knows(b->c, &b->last) ||
		(vx6_path_is_new(relays, now_s) && circuits_may_ask_foreign(b->c, &b->last)));
}

/* @return VX6_OK: it builds, or waits */
static vx6_err begin_any(struct vx6_bare *b, char detail[static VX6_CIRCUIT_WHY])
{
	const struct leg_want w = {.how = &b->how,
				   .bare = b,
				   .purpose = b->purpose,
				   .why = b->reason};
	bool pooled = b->purpose != VX6_PURPOSE_INTRO && b->is_named && b->guard == 0;
	vx6_err err;

	if (pooled && b->failed_n == 0 && leg_from_pool(b->c, &w))
		return VX6_OK;
	err = leg_begin(b->c, &w, NULL, detail);
	if (err.code == VX6_E_AGAIN) {
		wait_for(b, &b->asked_for);
		return VX6_OK;
	}
	if (vx6_is_ok(err)) {
		b->is_drawn = !b->is_named;
		b->last = b->leg->path.hop[b->leg->path.n - 1].node;
	}
	return err;
}

/* As begin_any(), but for what a stranger would learn by it. */
static vx6_err begin(struct vx6_bare *b, char detail[static VX6_CIRCUIT_WHY])
{
	vx6_err err;

	if (bare_is_of_stranger(b) && !takes_word(b)) {
		hold(b);
		return VX6_OK;
	}
	err = begin_any(b, detail);
	if (vx6_is_ok(err) || !bare_is_of_stranger(b) || err.code == VX6_E_FULL)
		return err;
	hold(b);
	return VX6_OK;
}

static uint32_t may_of(enum vx6_circuit_purpose purpose)
{
	return purpose == VX6_PURPOSE_RENDEZVOUS ? VX6_RELAY_REND : VX6_RELAY_INTRO;
}

static bool makes_sense(const struct vx6_bare_want *w)
{
	return w->purpose >= VX6_PURPOSE_INTRO && w->purpose <= VX6_PURPOSE_RENDEZVOUS &&
	       w->relays >= VX6_BARE_RELAYS_MIN && w->relays <= VX6_BARE_RELAYS_MAX &&
	       w->guard <= VX6_PATH_GUARDS_APART &&
	       (!w->word.type || w->word.n <= VX6_CIRCUIT_WORD_MAX);
}

static void keep_beside(struct vx6_bare *b, const struct vx6_bare *other)
{
	const struct leg *l = other ? other->leg : NULL;

	for (size_t i = 0; l && i + 1 < l->path.n; i++)
		b->beside[b->beside_n++] = l->path.hop[i].node;
}

static struct vx6_bare *bare_new(struct vx6_circuits *c, const struct vx6_bare_want *w,
				 const struct vx6_bare_events *ev, void *user)
{
	struct vx6_bare *b = vx6_zalloc(sizeof *b);

	b->c = c;
	b->purpose = w->purpose;
	b->how = (struct vx6_routing){.via = VX6_ROUTE_RELAY,
				      .hops = w->relays,
				      .anonymous = true,
				      .hidden = true,
				      .apart = w->apart};
	b->is_named = w->last != NULL;
	if (w->last)
		b->last = *w->last;
	b->last_may = w->last_may ? w->last_may : may_of(w->purpose);
	b->guard = w->guard;
	b->avoid_n = VX6_MIN(w->avoid_n, (size_t)VX6_BARE_AVOID_MAX);
	if (b->avoid_n > 0)
		memcpy(b->avoid, w->avoid, b->avoid_n * sizeof *b->avoid);
	b->word_type = w->word.type;
	b->word_n = b->word_type ? (uint8_t)w->word.n : 0;
	if (b->word_n)
		memcpy(b->word, w->word.data, b->word_n);
	keep_beside(b, w->beside);
	vx6_strlcpy(b->reason, w->why, sizeof b->reason);
	b->ev = ev;
	b->user = user;
	vx6_list_push(&c->bares, &b->all);
	return b;
}

static void bare_free(struct vx6_bare *b)
{
	vx6_list_remove(&b->all);
	vx6_wipe_free(b, sizeof *b);
}

vx6_err vx6_bare_begin(struct vx6_circuits *c, const struct vx6_bare_want *w,
		       const struct vx6_bare_events *ev, void *user, struct vx6_bare **out,
		       char detail[static VX6_CIRCUIT_WHY])
{
	struct vx6_bare *b;
	vx6_err err;

	*out = NULL;
	detail[0] = '\0';
	if (!makes_sense(w))
		return VX6_ERR(INVALID);
	if (c->draining)
		return VX6_ERR(DRAINING);
	b = bare_new(c, w, ev, user);
	if (w->purpose != VX6_PURPOSE_INTRO && w->guard == 0)
		circuits_wanted(c, &b->how);
	err = begin(b, detail);
	if (vx6_is_ok(err))
		*out = b;
	else
		bare_free(b);
	return err;
}

/* ---- the end ---- */

void bare_over(struct vx6_bare *b, vx6_err why, const char *detail)
{
	b->leg = NULL;
	b->asked = b->held = false;
	b->err = why;
	vx6_strlcpy(b->why, detail, sizeof b->why);
	vx6_list_remove(&b->all);
	vx6_list_push(&b->c->bares_over, &b->all);
	vx6_loop_defer(b->c->cfg.loop, &b->c->tell);
}

void bares_tell(struct vx6_circuits *c)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&c->bares_over)) != NULL) {
		struct vx6_bare *b = VX6_CONTAINER_OF(node, struct vx6_bare, all);

		b->ev->down(b->user, b, b->err, b->why);
		vx6_wipe_free(b, sizeof *b);
	}
}

/* Elsewhere on the way there may be luck; with the last relay once more, as it may have been the one before it. One that was drawn is given up. */
static bool try_again(struct vx6_bare *b, vx6_err why, bool last_failed)
{
	char detail[VX6_CIRCUIT_WHY];
	bool is_stale = why.code == VX6_E_STALE;

	b->failed_n += last_failed && !is_stale ? LAST_FAILED : 1;
	if (b->failed_n > BARE_TRIES_MAX || b->c->draining ||
	    (last_failed && !is_stale && b->is_drawn))
		return false;
	/* its key is a former one: the next try is with what it says now */
	if (last_failed && is_stale) {
		wait_for(b, &b->last);
		return true;
	}
	return vx6_is_ok(begin(b, detail));
}

void bare_down(struct vx6_bare *b, bool was_open, vx6_err why, int hop, bool last_failed,
	       const char *detail)
{
	if (!was_open && try_again(b, why, last_failed))
		return;
	vx6_list_remove(&b->all);
	vx6_list_init(&b->all);
	b->first_lost = hop == 0;
	b->ev->down(b->user, b, why, detail);
	vx6_wipe_free(b, sizeof *b);
}

void bare_refused(struct vx6_bare *b, vx6_err why, const char *detail)
{
	if (!try_again(b, why, true))
		bare_over(b, why, detail);
}

bool vx6_bare_first_lost(const struct vx6_bare *b)
{
	return b->first_lost;
}

void vx6_bare_close(struct vx6_bare *b, const char *why)
{
	struct leg *l = b->leg;

	b->leg = NULL;
	if (l) {
		l->bare = NULL;
		leg_close(l, VX6_OK, why);
	}
	bare_free(b);
}

/* ---- open ---- */

void bare_open(struct leg *l)
{
	struct vx6_bare *b = l->bare;

	b->ev->open(b->user, b);
	if (l->bare == b && l->is_drain)
		bare_leaving(l);
}

void bare_said(struct leg *l, uint8_t type, const uint8_t *data, size_t n)
{
	l->bare->ev->said(l->bare->user, l->bare, type, data, n);
}

void bare_leaving(struct leg *l)
{
	struct vx6_bare *b = l->bare;

	if (b->is_leaving || !l->open)
		return;
	b->is_leaving = true;
	if (b->ev->leaving)
		b->ev->leaving(b->user, b);
}

/* The beat is random by a third; what another circuit made suspect is asked soon. */
void bare_keep(struct leg *l, uint64_t now_ms)
{
	bool is_suspect = leg_is_suspect(l);
	uint32_t due_ms = is_suspect ? BARE_SUSPECT_MS : BARE_PING_MS;
	struct vx6_circuit_info info;

	if (!l->open)
		return;
	vx6_circuit_info(l->circuit, &info);
	for (size_t i = 0; i < info.built_n; i++) {
		if (info.hop[i].owes_ms < due_ms)
			continue;
		leg_suspect_silent(l, &info);
		leg_close(l, VX6_ERR(TIMEOUT), "does not answer");
		return;
	}
	if (is_suspect && l->ping_ms > now_ms + BARE_SUSPECT_MS &&
	    now_ms >= l->pinged_ms + BARE_SUSPECT_MS)
		l->ping_ms = now_ms + vx6_random_below(BARE_SUSPECT_MS);
	if (now_ms < l->ping_ms)
		return;
	leg_ping(l);
	l->ping_ms = now_ms + BARE_PING_MS - vx6_random_below(BARE_PING_MS / 3);
}

/* ---- what is not known ---- */

static void go_on(struct vx6_bare *b)
{
	char detail[VX6_CIRCUIT_WHY];
	vx6_err err;

	b->asked = false;
	err = begin(b, detail);
	if (!vx6_is_ok(err))
		bare_over(b, err, detail);
}

void bares_learned(struct vx6_circuits *c, const struct vx6_node_id *node)
{
	VX6_LIST_EACH(n, &c->bares)
	{
		struct vx6_bare *b = VX6_CONTAINER_OF(n, struct vx6_bare, all);

		if (b->asked && vx6_node_id_eq(&b->asked_for, node))
			go_on(b);
	}
}

void bares_unknown(struct vx6_circuits *c, const struct vx6_node_id *node, vx6_err err)
{
	VX6_LIST_EACH(n, &c->bares)
	{
		struct vx6_bare *b = VX6_CONTAINER_OF(n, struct vx6_bare, all);

		if (!b->asked || !vx6_node_id_eq(&b->asked_for, node))
			continue;
		if (bare_is_of_stranger(b) && vx6_node_id_eq(&b->last, node))
			hold(b);
		else if ((b->is_named || b->is_drawn) && vx6_node_id_eq(&b->last, node))
			bare_over(b, err, "nothing is known of its last relay");
		else
			go_on(b); /* through others */
	}
}

void bares_keep(struct vx6_circuits *c, uint64_t now_ms)
{
	VX6_LIST_EACH(n, &c->bares)
	{
		struct vx6_bare *b = VX6_CONTAINER_OF(n, struct vx6_bare, all);

		if ((b->asked || b->held) && c->draining)
			bare_over(b, VX6_ERR(DRAINING), "draining");
		else if ((b->asked || b->held) && now_ms >= b->until_ms)
			bare_over(b, VX6_ERR(TIMEOUT), "nothing came to be known of a relay of it");
	}
}

/* ---- to use ---- */

struct vx6_circuit *vx6_bare_circuit(struct vx6_bare *b)
{
	return b->leg && b->leg->open ? b->leg->circuit : NULL;
}

vx6_err vx6_bare_say(struct vx6_bare *b, uint8_t type, const void *data, size_t n)
{
	struct vx6_circuit *circuit = vx6_bare_circuit(b);

	return circuit ? vx6_circuit_say(circuit, type, data, n) : VX6_ERR(CLOSED);
}

const struct vx6_node_id *vx6_bare_last(const struct vx6_bare *b)
{
	return &b->last;
}

const char *vx6_bare_id(const struct vx6_bare *b)
{
	return b->leg ? b->leg->id : "";
}

const struct vx6_node_id *vx6_bare_guard(const struct vx6_bare *b)
{
	return b->leg ? &b->leg->path.hop[0].node : NULL;
}
