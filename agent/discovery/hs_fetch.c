/*
 *   present period: a key, then the other --both ended, or one and some patience--> weighed --nothing, near an edge--> the neighbour
 *                       ^                                                 |
 *                       +---- strict, not confirmed: once more -----------+--> done
 *
 * Weighed (hs_weigh.c) is what both keys have brought. As soon as enough sources agree on something, whoever may go by that is told of it.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "dht/key.h"
#include "discovery/hs_dht_internal.h"

enum {
	PATIENCE_MS =
		2000, /* with the second key, once the first has brought something: not when strict */
	ROUNDS = 2,
	/*
	 * The sources of one key may agree before that: then the other key, whose look-up is to find out whether there is a newer one, does
	 * not compete with the connection that is being made.
	 */
	SECOND_MS = 20,
};

struct side {
	struct vx6_hs_fetch *f;
	struct hs_side door;
	struct vx6_dht_lookup *lookup; /* NULL: ended */
	struct hs_heard *heard;
};

struct vx6_hs_fetch {
	struct vx6_list node;
	struct vx6_hs_dht *h;
	struct vx6_sign_pk service;
	bool strict;
	struct vx6_hs_seen seen[VX6_HS_PUBLISH_PERIODS];
	size_t seen_n;
	vx6_hs_fetched_cb *early, *done; /* early: NULL once it was told, or is not to be */
	void *user;

	uint64_t period, neighbour; /* the same: there is none, or it is its turn */
	struct vx6_hs_names names;
	uint64_t least;
	unsigned round;
	struct side side[VX6_HS_INDEXES];
	struct hs_heard heard[VX6_HS_INDEXES];
	unsigned first;          /* of the keys, the one that is asked for at once */
	struct vx6_timer second; /* runs: the other one is not yet */
	struct vx6_timer patience;
	struct vx6_task weigh, peek;
	uint64_t began_ms;
	uint32_t queries;
};

/* ---- one key ---- */

static void side_end(struct side *s)
{
	if (s->lookup)
		vx6_dht_lookup_cancel(s->lookup);
	s->lookup = NULL;
	hs_side_close(&s->door);
}

static void side_over(struct side *s)
{
	struct vx6_hs_fetch *f = s->f;

	s->lookup = NULL;
	if (vx6_timer_is_armed(&f->second))
		vx6_timer_in_ms(&f->second, 0);
	if (f->heard[0].ended && f->heard[1].ended)
		vx6_loop_defer(f->h->cfg.loop, &f->weigh);
	else if (s->heard->found && !f->strict)
		vx6_timer_in_ms(&f->patience, PATIENCE_MS);
}

static void side_failed(struct side *s, vx6_err err)
{
	*s->heard = (struct hs_heard){.ended = true, .err = err};
	side_over(s);
}

static void on_looked(void *user, const struct vx6_dht_result *r)
{
	struct side *s = user;

	hs_heard_take(s->heard, &s->f->names.blinded, r);
	s->f->queries += r->queries;
	side_over(s);
}

static void on_step(void *user, const struct vx6_dht_trace *t)
{
	struct vx6_hs_fetch *f = ((struct side *)user)->f;

	if (t->kind == VX6_DHT_STEP_ANSWERED && t->values > 0 && f->early)
		vx6_loop_defer(f->h->cfg.loop, &f->peek);
}

static void on_peek(struct vx6_task *task)
{
	struct vx6_hs_fetch *f = task->user;
	struct vx6_hs_fetched out = {.period = f->period};
	struct hs_heard so_far[VX6_HS_INDEXES];
	vx6_hs_fetched_cb *early = f->early;
	struct vx6_dht_value v;

	if (!early)
		return;
	for (size_t i = 0; i < VX6_HS_INDEXES; i++) {
		so_far[i] = f->heard[i];
		if (f->side[i].lookup && vx6_dht_lookup_best(f->side[i].lookup, &v))
			hs_heard_so_far(&so_far[i], &f->names.blinded, &v);
	}
	hs_weigh(so_far, f->least, &out);
	if (!out.record || out.confirmed || out.sources < VX6_HS_AGREE)
		return;
	out.ms = (uint32_t)(vx6_loop_now_ms(f->h->cfg.loop) - f->began_ms);
	f->early = NULL;
	early(f->user, &out); /* it may be gone now */
}

static void side_begin(struct side *s, unsigned i)
{
	struct vx6_hs_fetch *f = s->f;
	struct vx6_dht_ask ask = {.want = VX6_DHT_WANT_NEWEST,
				  .type = VX6_RTYPE_DESCRIPTOR,
				  .trace = on_step};
	struct vx6_dht *dht;
	struct vx6_dht_now now;

	dht = hs_side_take(&s->door);
	if (!dht) {
		side_failed(s, VX6_ERR(UNREACHABLE));
		return;
	}
	vx6_dht_key_descriptor(&f->h->cfg.net, f->names.blinded.b, i, f->period, &ask.key);
	now = hs_side_now(&s->door);
	s->lookup = vx6_dht_look(dht, &ask, on_looked, s, &now);
	VX6_ASSERT(s->lookup);
}

/* ---- one period ---- */

static uint64_t least_of(const struct vx6_hs_fetch *f, uint64_t period)
{
	uint64_t least = 0;

	for (size_t i = 0; i < f->seen_n; i++)
		if (f->seen[i].period == period)
			least = VX6_MAX(least, f->seen[i].seq);
	return least;
}

static void look(struct vx6_hs_fetch *f)
{
	vx6_err err = vx6_hs_names(&f->service, f->period, &f->names);

	vx6_timer_stop(&f->patience);
	vx6_timer_stop(&f->second);
	for (unsigned i = 0; i < VX6_HS_INDEXES; i++)
		side_end(&f->side[i]);
	memset(f->heard, 0, sizeof f->heard);
	for (unsigned i = 0; i < VX6_HS_INDEXES && !vx6_is_ok(err); i++)
		side_failed(&f->side[i], err);
	if (!vx6_is_ok(err))
		return;
	f->first = (unsigned)vx6_random_below(VX6_HS_INDEXES);
	if (f->early)
		vx6_timer_in_ms(&f->second, SECOND_MS); /* first: the other one may end at once */
	side_begin(&f->side[f->first], f->first + 1);
	if (!f->early)
		side_begin(&f->side[1 - f->first], 2 - f->first);
}

static void on_second(struct vx6_timer *timer)
{
	struct vx6_hs_fetch *f = timer->user;
	unsigned second = 1 - f->first;

	side_begin(&f->side[second], second + 1);
}

static void choose_periods(struct vx6_hs_fetch *f)
{
	uint64_t now_s = vx6_wall_s(), into_s = now_s % VX6_HS_PERIOD_S;

	f->period = f->neighbour = vx6_hs_period(now_s);
	if (into_s < VX6_HS_EDGE_S && f->period > 0)
		f->neighbour--;
	else if (into_s >= VX6_HS_PERIOD_S - VX6_HS_EDGE_S)
		f->neighbour++;
	f->least = least_of(f, f->period);
}

/* ---- the end ---- */

static void say(struct vx6_hs_fetched *out)
{
	const char *what = "none of them has it";

	if (out->err.code == VX6_E_NO_RELAYS) {
		vx6_strlcpy(out->detail, "no node is known to look it up through",
			    sizeof out->detail);
		return;
	}
	if (out->record && out->confirmed)
		return;
	if (out->record)
		what = "too few of them brought the newest one";
	else if (out->err.code == VX6_E_STALE)
		what = "and what they have is older than one that was seen before";
	snprintf(out->detail, sizeof out->detail, "%u sources answered within %u ms, %s",
		 out->asked, out->ms, what);
}

static void end(struct vx6_hs_fetch *f)
{
	vx6_timer_stop(&f->patience);
	vx6_timer_stop(&f->second);
	vx6_task_cancel(&f->weigh);
	vx6_task_cancel(&f->peek);
	for (size_t i = 0; i < VX6_HS_INDEXES; i++)
		side_end(&f->side[i]);
	vx6_list_remove(&f->node);
	hs_side_make_ready(f->h);
}

static bool knows_proxies(const struct vx6_hs_fetch *f)
{
	const struct vx6_hs_dht_config *cfg = &f->h->cfg;
	struct vx6_node_id any;

	return cfg->pick(cfg->user, NULL, 0, &any);
}

static void finish(struct vx6_hs_fetch *f, struct vx6_hs_fetched *out)
{
	if (!out->record && out->asked == 0 && out->err.code == VX6_E_UNREACHABLE &&
	    !knows_proxies(f))
		out->err = VX6_ERR(NO_RELAYS);
	say(out);
	if (out->record && !out->confirmed && f->strict) {
		out->err = VX6_ERR(NO_QUORUM);
		out->record = NULL;
		out->n = 0;
	} else if (out->record && !out->confirmed) {
		out->refetch_s = VX6_HS_REFETCH_S;
	}
	end(f);
	f->done(f->user, out);
	free(f);
}

static void on_weigh(struct vx6_task *task)
{
	struct vx6_hs_fetch *f = task->user;
	struct vx6_hs_fetched out = {
		.period = f->period,
		.queries = f->queries,
		.ms = (uint32_t)(vx6_loop_now_ms(f->h->cfg.loop) - f->began_ms),
	};

	hs_weigh(f->heard, f->least, &out);
	if (!out.record && out.err.code != VX6_E_KEY && f->neighbour != f->period) {
		f->period = f->neighbour;
		f->least = least_of(f, f->period);
		look(f);
	} else if (out.record && !out.confirmed && f->strict && ++f->round < ROUNDS) {
		f->least = VX6_MAX(f->least, out.seq);
		look(f);
	} else {
		finish(f, &out);
	}
}

static void on_patience(struct vx6_timer *timer)
{
	struct vx6_hs_fetch *f = timer->user;

	vx6_loop_defer(f->h->cfg.loop, &f->weigh);
}

struct vx6_hs_fetch *vx6_hs_fetch(struct vx6_hs_dht *h, const struct vx6_hs_fetch_ask *ask,
				  vx6_hs_fetched_cb *done, void *user)
{
	struct vx6_hs_fetch *f = vx6_zalloc(sizeof *f);

	f->h = h;
	f->service = ask->service;
	f->strict = ask->strict;
	f->seen_n = VX6_MIN(ask->seen_n, VX6_ARRAY_N(f->seen));
	if (f->seen_n > 0)
		memcpy(f->seen, ask->seen, f->seen_n * sizeof f->seen[0]);
	f->early = ask->strict ? NULL : ask->early;
	f->done = done;
	f->user = user;
	f->began_ms = vx6_loop_now_ms(h->cfg.loop);
	vx6_timer_init(h->cfg.loop, &f->patience, on_patience, f);
	vx6_timer_init(h->cfg.loop, &f->second, on_second, f);
	vx6_task_init(&f->weigh, on_weigh, f);
	vx6_task_init(&f->peek, on_peek, f);
	for (size_t i = 0; i < VX6_HS_INDEXES; i++) {
		f->side[i].f = f;
		f->side[i].heard = &f->heard[i];
		f->side[i].door = (struct hs_side){.h = h, .sibling = &f->side[1 - i].door};
	}
	vx6_list_push(&h->fetches, &f->node);
	choose_periods(f);
	look(f);
	return f;
}

void vx6_hs_fetch_cancel(struct vx6_hs_fetch *f)
{
	if (!f)
		return;
	end(f);
	free(f);
}

void hs_fetches_end(struct vx6_hs_dht *h)
{
	while (!vx6_list_is_empty(&h->fetches))
		vx6_hs_fetch_cancel(VX6_CONTAINER_OF(h->fetches.next, struct vx6_hs_fetch, node));
}
