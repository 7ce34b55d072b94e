/*
 * Rendezvous: a client leaves a cookie, whoever brings the same one is joined with it, and from then on the cells of each that are not for this
 * node go to the other. A cookie is good for one join. Nothing is known here of either end, nor of what they say.
 */
#include <string.h>

#include "base/util.h"
#include "circuit/relay_internal.h"
#include "crypto/secret.h"

enum { EARLY_PART = 8 }; /* of the cookies: owners who are there before their clients */

/* ---- cookies ---- */

static struct rend *find(struct vx6_relay *r, const uint8_t *cookie)
{
	struct rend *e;

	HASH_FIND(hh, r->rends, cookie, VX6_REND_COOKIE, e);
	return e;
}

static void rend_delete(struct vx6_relay *r, struct rend *e)
{
	HASH_DEL(r->rends, e);
	vx6_list_remove(&e->node);
	vx6_wipe_free(e, sizeof *e);
}

static struct rend *rend_new(struct relay_circ *c, const uint8_t *cookie)
{
	struct vx6_relay *r = c->r;
	struct rend *e = vx6_zalloc(sizeof *e);

	memcpy(e->cookie, cookie, sizeof e->cookie);
	HASH_ADD(hh, r->rends, cookie, sizeof e->cookie, e);
	c->rend = e;
	c->source->rends++;
	return e;
}

static struct rend *first_of(const struct vx6_list *list)
{
	return vx6_list_is_empty(list) ? NULL : VX6_CONTAINER_OF(list->next, struct rend, node);
}

static uint64_t until(const struct vx6_relay *r, uint32_t ms)
{
	return vx6_loop_now_ms(r->cfg.loop) + ms;
}

/* Nobody waits under it any more. It is remembered, so that it is not taken twice, as long as there is room for that. */
static void spend(struct vx6_relay *r, struct rend *e)
{
	e->client = e->owner = NULL;
	vx6_list_remove(&e->node);
	vx6_list_push(&r->rend_spent, &e->node);
	e->until_ms = until(r, VX6_RELAY_REND_MS);
	if (++r->rend_spent_n <= r->cfg.rends)
		return;
	r->rend_spent_n--;
	rend_delete(r, first_of(&r->rend_spent));
}

/* The circuit waits no longer. */
static struct rend *leave_wait(struct relay_circ *c)
{
	struct rend *e = c->rend;

	c->rend = NULL;
	c->source->rends--;
	c->r->rend_early_n -= c->state == CIRC_REND_EARLY;
	return e;
}

static bool has_room(struct relay_circ *c)
{
	struct vx6_relay *r = c->r;

	return HASH_COUNT(r->rends) - r->rend_spent_n < r->cfg.rends &&
	       c->source->rends < limits_share(c->source, r->cfg.rends);
}

/* ---- joining ---- */

static void join(struct relay_circ *client, struct relay_circ *owner, const uint8_t *answer)
{
	circ_set_state(client, CIRC_JOINED);
	circ_set_state(owner, CIRC_JOINED);
	client->peer = owner;
	owner->peer = client;
	client->r->st.joined_total++;
	circ_say(client, VX6_PAYLOAD_RENDEZVOUS2, answer, VX6_REND_ANSWER);
	vx6_hop_resume(owner->prev); /* what came behind RENDEZVOUS1 */
}

/* ---- the client's ---- */

static uint16_t refuse(struct relay_circ *c, enum vx6_relay_hs_refused why, uint16_t code)
{
	c->r->st.hs_refused[why]++;
	return code;
}

/* @param e what is known of the cookie; NULL: nothing @return code of REND_ESTABLISHED */
static uint16_t establish(struct relay_circ *c, const struct rend *e)
{
	if (c->r->draining)
		return refuse(c, VX6_RELAY_HS_POLICY, VX6_CODE_DRAINING);
	if (!limits_is_served(c))
		return refuse(c, VX6_RELAY_HS_POLICY, VX6_CODE_CIRC_POLICY);
	if (e && !e->owner)
		return refuse(c, VX6_RELAY_HS_REUSE, VX6_CODE_REND_DUP);
	if (!e && !has_room(c))
		return refuse(c, VX6_RELAY_HS_LIMIT, VX6_CODE_LIMIT);
	return VX6_CODE_OK;
}

static void wait_for_owner(struct relay_circ *c, const uint8_t *cookie)
{
	struct rend *e = rend_new(c, cookie);

	e->client = c;
	e->until_ms = until(c->r, VX6_RELAY_REND_MS);
	vx6_list_push(&c->r->rend_waiting, &e->node);
	circ_set_state(c, CIRC_REND_WAIT);
}

static void meet_owner(struct relay_circ *c, struct rend *e)
{
	struct relay_circ *owner = e->owner;

	leave_wait(owner);
	join(c, owner, e->answer);
	spend(c->r, e);
}

void rend_establish(struct relay_circ *c, const struct vx6_payload *p)
{
	struct rend *e;
	uint16_t code;

	if (p->n != VX6_REND_COOKIE) {
		circ_violation(c);
		return;
	}
	e = find(c->r, p->data);
	code = establish(c, e);
	circ_say_code(c, VX6_PAYLOAD_REND_ESTABLISHED, code);
	if (code != VX6_CODE_OK)
		return;
	if (e)
		meet_owner(c, e);
	else
		wait_for_owner(c, p->data);
}

/* ---- the owner's: in or behind the handshake; who is refused has the answer to that first, or clients could make owners think ill of us ---- */

/* It may have overtaken ESTABLISH_REND, which was sent at the same time as what made the owner come. */
static void wait_for_client(struct relay_circ *c, const struct vx6_rendezvous1 *m)
{
	struct vx6_relay *r = c->r;
	struct rend *e;

	if (r->rend_early_n >= r->cfg.rends / EARLY_PART || !has_room(c) || r->draining) {
		circ_end_soon(c, refuse(c, VX6_RELAY_HS_LIMIT, VX6_CODE_LIMIT));
		return;
	}
	e = rend_new(c, m->cookie);
	e->owner = c;
	memcpy(e->answer, m->answer, sizeof e->answer);
	e->until_ms = until(r, VX6_RELAY_REND_EARLY_MS);
	vx6_list_push(&r->rend_early, &e->node);
	r->rend_early_n++;
	circ_set_state(c, CIRC_REND_EARLY);
	relay_tick_soon(r);
}

void rend_join(struct relay_circ *c, const struct vx6_payload *p)
{
	struct vx6_rendezvous1 m;
	struct relay_circ *client;
	struct rend *e;

	if (!vx6_is_ok(vx6_rendezvous1_decode(p->data, p->n, &m))) {
		circ_violation(c);
		return;
	}
	e = find(c->r, m.cookie);
	if (!e) {
		wait_for_client(c, &m);
	} else if (!e->client) {
		circ_end_soon(c, refuse(c, VX6_RELAY_HS_REUSE, VX6_CODE_REND_NOCOOKIE));
	} else {
		client = e->client;
		leave_wait(client);
		spend(c->r, e);
		join(client, c, m.answer);
	}
}

/* ---- ends ---- */

void rend_leave(struct relay_circ *c)
{
	struct relay_circ *peer = c->peer;

	if (peer) {
		c->peer = peer->peer = NULL;
		circ_orphan(peer);
	}
	if (!c->rend)
		return;
	if (c->state == CIRC_REND_EARLY)
		rend_delete(
			c->r,
			leave_wait(c)); /* the client may still come, and another owner's circuit */
	else
		spend(c->r, leave_wait(c));
}

bool rend_tick(struct vx6_relay *r)
{
	uint64_t now_ms = vx6_loop_now_ms(r->cfg.loop);
	struct rend *e;

	while ((e = first_of(&r->rend_early)) != NULL && now_ms >= e->until_ms)
		circ_close(e->owner, refuse(e->owner, VX6_RELAY_HS_UNKNOWN, VX6_CODE_REND_NOCOOKIE),
			   0);
	return e != NULL;
}

void rend_sweep(struct vx6_relay *r)
{
	uint64_t now_ms = vx6_loop_now_ms(r->cfg.loop);
	struct rend *e;

	while ((e = first_of(&r->rend_waiting)) != NULL && now_ms >= e->until_ms)
		circ_close(e->client, refuse(e->client, VX6_RELAY_HS_TIMEOUT, VX6_CODE_TIMEOUT), 0);
	while ((e = first_of(&r->rend_spent)) != NULL && now_ms >= e->until_ms) {
		r->rend_spent_n--;
		rend_delete(r, e);
	}
}

void rend_free(struct vx6_relay *r)
{
	struct rend *e, *next;

	HASH_ITER(hh, r->rends, e, next)
	{
		rend_delete(r, e);
	}
}
