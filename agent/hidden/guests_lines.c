/*
 * Circuits to introduction points. They belong to a service and are kept for a while after their last use: the next leg of the same service goes over
 * one that is open, so that it costs one way there. Legs share one, but ask one after the other: an answer does not say which of them it is for, and a
 * refusal overtakes what the owner still has to confirm.
 */
#include "hidden/guests_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "circuit/relay.h"

static const struct vx6_bare_events line_events;

/* To be left, has said all that it may, or owes an answer for too long, whoever waits for that. */
static bool line_is_spent(const struct line *l)
{
	return l->leaving || l->said_n >= VX6_RELAY_ASKS_MAX ||
	       (l->asked && guests_now_ms(l->s->g) >= l->idle_ms + VX6_GUESTS_INTRO_MS);
}

struct line *line_find(const struct service *s, const struct vx6_hs_intro *in)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&s->lines)
	{
		struct line *l = VX6_CONTAINER_OF(node, struct line, of_service);

		if (!line_is_spent(l) &&
		    memcmp(l->auth_key, in->auth_key, sizeof l->auth_key) == 0 &&
		    vx6_node_id_eq(&l->node, &in->node))
			return l;
	}
	return NULL;
}

/* Nobody finds it any more. */
static void line_unlink(struct line *l)
{
	vx6_list_remove(&l->of_service);
	vx6_list_remove(&l->all);
	l->s->lines_n--;
	l->s->g->lines_n--;
}

void line_close(struct line *l, const char *why)
{
	struct vx6_guests *g = l->s->g;
	struct vx6_bare *b = l->b;

	line_unlink(l);
	free(l);
	g->ways.bare_close(g->ways.user, b, why);
}

/* Whether a meeting has something on it, or is about to. */
static bool line_is_needed(const struct line *l)
{
	if (l->speaks)
		return true;
	VX6_LIST_EACH(node, &l->s->meetings)
	{
		const struct meeting *m = VX6_CONTAINER_OF(node, struct meeting, of_service);

		for (unsigned i = 0; i < m->tries_n; i++)
			if (m->tries[i].line == l &&
			    (m->tries[i].state == TRY_OPENS || m->tries[i].state == TRY_SENT))
				return true;
	}
	return false;
}

/* Of its service's, or of all, the one that was unused longest. */
static bool make_room(struct vx6_guests *g, const struct service *s)
{
	VX6_LIST_EACH(node, &g->lines)
	{
		struct line *l = VX6_CONTAINER_OF(node, struct line, all);

		if ((s && l->s != s) || line_is_needed(l))
			continue;
		line_close(l, "another one is needed more");
		return true;
	}
	return false;
}

vx6_err line_begin(struct service *s, const struct vx6_hs_intro *in, struct line **out)
{
	struct vx6_guests *g = s->g;
	const struct vx6_bare_want want = {
		.purpose = VX6_PURPOSE_INTRODUCE,
		.relays = s->desc.fast ? 2 : 3,
		.last = &in->node,
		.why = "to an introduction point",
	};
	char detail[VX6_CIRCUIT_WHY];
	struct line *l;
	vx6_err err;

	if ((s->lines_n >= LINES_MAX && !make_room(g, s)) ||
	    (g->lines_n >= LINES_ALL_MAX && !make_room(g, NULL)))
		return VX6_ERR(FULL);
	l = vx6_zalloc(sizeof *l);
	err = g->ways.bare_begin(g->ways.user, &want, &line_events, l, &l->b, detail);
	if (!vx6_is_ok(err)) {
		free(l);
		return err;
	}
	l->s = s;
	memcpy(l->auth_key, in->auth_key, sizeof l->auth_key);
	l->node = in->node;
	l->idle_ms = guests_now_ms(g);
	vx6_list_push(&s->lines, &l->of_service);
	vx6_list_push(&g->lines, &l->all);
	s->lines_n++;
	g->lines_n++;
	guests_wake(g);
	*out = l;
	return VX6_OK;
}

static void line_used(struct line *l)
{
	l->idle_ms = guests_now_ms(l->s->g);
	vx6_list_remove(&l->all);
	vx6_list_push(&l->s->g->lines, &l->all);
}

vx6_err line_introduce(struct line *l, struct attempt_try *t,
		       const uint8_t message[static VX6_HS_INTRODUCE])
{
	struct vx6_guests *g = l->s->g;

	if (l->said_n >= VX6_RELAY_ASKS_MAX) /* one more would be the end of the circuit */
		return VX6_ERR(LIMIT);
	VX6_TRY(g->ways.bare_say(g->ways.user, l->b, VX6_PAYLOAD_INTRODUCE1, message,
				 VX6_HS_INTRODUCE));
	l->said_n++;
	l->asked = true;
	l->asks = t;
	line_used(l);
	return VX6_OK;
}

void lines_keep(struct vx6_guests *g)
{
	uint64_t now_ms = guests_now_ms(g);

	VX6_LIST_EACH(node, &g->lines)
	{
		struct line *l = VX6_CONTAINER_OF(node, struct line, all);

		if (line_is_needed(l))
			continue;
		if (line_is_spent(l))
			line_close(l, "it is to be left");
		else if (now_ms - l->idle_ms >= LINE_IDLE_MS)
			line_close(l, "nobody was introduced over it for a while");
	}
}

/* ---- what a line says ---- */

/* Calls @p fn for every try that has something to expect of it. What it does may end tries, not meetings. */
static void line_each(const struct line *l, void (*fn)(struct attempt_try *t))
{
	struct service *s = l->s;

	VX6_LIST_EACH(node, &s->meetings)
	{
		struct meeting *m = VX6_CONTAINER_OF(node, struct meeting, of_service);

		for (unsigned i = 0; i < m->tries_n; i++)
			if (m->tries[i].line == l)
				fn(&m->tries[i]);
	}
}

static void on_open(void *user, struct vx6_bare *b)
{
	struct line *l = user;

	(void)b;
	l->open = true;
	l->idle_ms = guests_now_ms(l->s->g);
	l->speaks = true;
	line_each(l, intro_opened);
	l->speaks = false;
}

/* Whoever asked hears of it, and the next may ask. */
static void on_ack(struct line *l, uint16_t code)
{
	struct attempt_try *t = l->asks;

	l->asked = false;
	l->asks = NULL;
	line_used(l);
	l->speaks = true;
	if (t)
		intro_answered(t, code);
	line_each(l, intro_may_send);
	l->speaks = false;
}

static void on_said(void *user, struct vx6_bare *b, uint8_t type, const uint8_t *data, size_t n)
{
	struct line *l = user;
	struct vx6_guests *g = l->s->g;
	uint16_t code;

	if (type == VX6_PAYLOAD_INTRODUCE_ACK && l->asked &&
	    vx6_is_ok(vx6_hs_code_decode(data, n, &code))) {
		on_ack(l, code);
		return;
	}
	line_unlink(l);
	line_each(l, intro_lost);
	free(l);
	g->ways.bare_close(g->ways.user, b, "the introduction point broke the protocol");
}

static void on_leaving(void *user, struct vx6_bare *b)
{
	struct line *l = user;

	(void)b;
	l->leaving = true;
}

static void on_down(void *user, struct vx6_bare *b, vx6_err why, const char *detail)
{
	struct line *l = user;

	(void)b;
	(void)why;
	(void)detail;
	line_unlink(l);
	line_each(l, intro_lost);
	free(l);
}

static const struct vx6_bare_events line_events = {
	.open = on_open,
	.said = on_said,
	.leaving = on_leaving,
	.down = on_down,
};
