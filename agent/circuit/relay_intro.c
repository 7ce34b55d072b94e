/*
 * Introduction points: owners have circuits here under a key, clients hand in what is for one of them, and hear whether the owner has it.
 *
 * An introduction is kept until the owner confirms it. It goes over the owner's circuit that the client names, after a while without
 * confirmation over the other one, too, and over it at once when the first ends. Whether it was the client's or the owner's fault that nothing came
 * of it cannot be known here; nothing of what is inside is.
 */
#include <string.h>

#include "base/util.h"
#include "circuit/establish.h"
#include "circuit/relay_internal.h"
#include "crypto/secret.h"

static uint16_t refused(struct vx6_relay *r, enum vx6_relay_hs_refused why, uint16_t code)
{
	r->st.hs_refused[why]++;
	return code;
}

/* ---- introductions ---- */

static struct introduction *introduction_new(struct intro *i, struct relay_circ *client,
					     const uint8_t *body)
{
	struct vx6_relay *r = client->r;
	struct introduction *d = vx6_zalloc(sizeof *d);

	d->of = i;
	d->serial = i->serial++;
	d->client = client;
	d->born_ms = vx6_loop_now_ms(r->cfg.loop);
	memcpy(d->body, body, sizeof d->body);
	HASH_ADD(hh, i->pending, serial, sizeof d->serial, d);
	vx6_list_push(&r->introductions, &d->all);
	vx6_list_push(&client->introductions, &d->of_client);
	r->introductions_n++;
	relay_tick_soon(r);
	return d;
}

static void introduction_free(struct vx6_relay *r, struct introduction *d)
{
	HASH_DEL(d->of->pending, d);
	vx6_list_remove(&d->all);
	vx6_list_remove(&d->of_client);
	r->introductions_n--;
	free(d);
}

/* The client hears what came of it, unless it has gone on to something else. */
static void finish(struct vx6_relay *r, struct introduction *d, uint16_t code)
{
	struct relay_circ *client = d->client;

	introduction_free(r, d);
	if (client && client->state == CIRC_HERE)
		circ_say_code(client, VX6_PAYLOAD_INTRODUCE_ACK, code);
}

/* Hands it to the owner by a way that it did not go yet, @p first if it can be. @return false: there is none */
static bool hand_over(struct introduction *d, unsigned first)
{
	struct vx6_introduce2 m = {.serial = d->serial,
				   .auth_key = d->of->auth_key,
				   .pow = d->body,
				   .sealed = d->body + VX6_HS_POW};
	uint8_t data[VX6_INTRODUCE2_BYTES];

	for (unsigned k = 0; k < INTRO_WAYS; k++) {
		unsigned way = (first + k) % INTRO_WAYS;
		struct relay_circ *c = d->of->way[way].c;

		if (!c || (d->sent & 1u << way) || c->sayings_n >= VX6_RELAY_INTRO_QUEUE)
			continue;
		d->sent |= (uint8_t)(1u << way);
		vx6_introduce2_encode(&m, data);
		circ_say(c, VX6_PAYLOAD_INTRODUCE2, data, sizeof data);
		return true;
	}
	return false;
}

static void hand_over_again(struct vx6_relay *r, struct introduction *d)
{
	if (hand_over(d, 0))
		r->st.introduced_again++;
}

bool intro_tick(struct vx6_relay *r)
{
	uint64_t now_ms = vx6_loop_now_ms(r->cfg.loop);

	for (struct vx6_list *node = r->introductions.next, *next; node != &r->introductions;
	     node = next) {
		struct introduction *d = VX6_CONTAINER_OF(node, struct introduction, all);
		uint64_t ms = now_ms - d->born_ms;

		next = node->next;
		if (ms < VX6_RELAY_INTRO_AGAIN_MS)
			break;
		if (ms >= VX6_RELAY_INTRO_GIVE_UP_MS)
			finish(r, d, refused(r, VX6_RELAY_HS_TIMEOUT, VX6_CODE_HS_TIMEOUT));
		else
			hand_over_again(r, d);
	}
	return !vx6_list_is_empty(&r->introductions);
}

/* ---- owners ---- */

static struct intro *find(struct vx6_relay *r, const uint8_t *auth_key)
{
	struct intro *i;

	HASH_FIND(hh, r->intros, auth_key, VX6_INTRO_KEY, i);
	return i;
}

static bool has_way(const struct intro *i)
{
	for (unsigned k = 0; k < INTRO_WAYS; k++)
		if (i->way[k].c)
			return true;
	return false;
}

/* What went by a way that is gone may have been lost with it. */
static void way_clear(struct intro *i, unsigned way)
{
	struct introduction *d, *next;

	i->way[way].c->intro = NULL;
	i->way[way].c = NULL;
	HASH_ITER(hh, i->pending, d, next)
	{
		d->sent &= (uint8_t)~(1u << way);
	}
}

static void hand_over_lost(struct vx6_relay *r, struct intro *i)
{
	struct introduction *d, *next;

	HASH_ITER(hh, i->pending, d, next)
	{
		if (!d->sent)
			hand_over_again(r, d);
	}
}

static void intro_free(struct vx6_relay *r, struct intro *i)
{
	struct introduction *d, *next;

	HASH_DEL(r->intros, i);
	HASH_ITER(hh, i->pending, d, next)
	{
		finish(r, d, refused(r, VX6_RELAY_HS_UNKNOWN, VX6_CODE_INTRO_UNKNOWN));
	}
	free(i);
}

/* The way of that handle, or a free one, or that of the older circuit. */
static unsigned way_for(const struct intro *i, const uint8_t *handle)
{
	for (unsigned k = 0; k < INTRO_WAYS; k++)
		if (i->way[k].c && memcmp(i->way[k].handle, handle, VX6_INTRO_HANDLE) == 0)
			return k;
	for (unsigned k = 0; k < INTRO_WAYS; k++)
		if (!i->way[k].c)
			return k;
	return i->way[0].c->id < i->way[1].c->id ? 0 : 1;
}

static struct intro *intro_get(struct vx6_relay *r, const uint8_t *auth_key)
{
	struct intro *i = find(r, auth_key);

	if (i)
		return i;
	i = vx6_zalloc(sizeof *i);
	memcpy(i->auth_key, auth_key, sizeof i->auth_key);
	i->serial = vx6_random_u32();
	HASH_ADD(hh, r->intros, auth_key, sizeof i->auth_key, i);
	return i;
}

static void add(struct relay_circ *c, const struct vx6_establish_intro *e)
{
	struct intro *i = intro_get(c->r, e->auth_key);
	unsigned way = way_for(i, e->handle);
	struct relay_circ *old = i->way[way].c;

	if (old) {
		way_clear(i, way);
		circ_orphan(old);
	}
	i->way[way].c = c;
	memcpy(i->way[way].handle, e->handle, sizeof i->way[way].handle);
	i->rate = VX6_MIN(e->rate ? e->rate : VX6_RELAY_INTRO_RATE,
			  (uint32_t)VX6_RELAY_INTRO_RATE_MAX);
	i->burst = VX6_MIN(e->burst ? e->burst : VX6_RELAY_INTRO_BURST,
			   (uint32_t)VX6_RELAY_INTRO_BURST_MAX);
	c->intro = i;
	c->source->intros++;
	c->r->st.intro_total++;
	circ_set_state(c, CIRC_INTRO);
	hand_over_lost(c->r, i);
}

/* @return code of INTRO_ESTABLISHED */
static uint16_t establish(struct relay_circ *c, const struct vx6_establish_intro *e)
{
	struct vx6_relay *r = c->r;

	if (r->draining)
		return refused(r, VX6_RELAY_HS_POLICY, VX6_CODE_DRAINING);
	if (!limits_is_served(c))
		return refused(r, VX6_RELAY_HS_POLICY, VX6_CODE_CIRC_POLICY);
	if (r->st.intro >= VX6_RELAY_INTROS_MAX ||
	    c->source->intros >= limits_share(c->source, VX6_RELAY_INTROS_MAX))
		return refused(r, VX6_RELAY_HS_LIMIT, VX6_CODE_LIMIT);
	if (!vx6_is_ok(vx6_establish_intro_check(&r->cfg.identity->net,
						 relay_crypt_binding(c->crypt), e)))
		return refused(r, VX6_RELAY_HS_PROOF, VX6_CODE_SIG);
	return VX6_CODE_OK;
}

void intro_establish(struct relay_circ *c, const struct vx6_payload *p)
{
	struct vx6_establish_intro e;
	uint16_t code;

	if (!vx6_is_ok(vx6_establish_intro_decode(p->data, p->n, &e))) {
		circ_violation(c);
		return;
	}
	code = establish(c, &e);
	circ_say_code(c, VX6_PAYLOAD_INTRO_ESTABLISHED, code);
	if (code == VX6_CODE_OK)
		add(c, &e);
}

void intro_confirmed(struct relay_circ *c, const struct vx6_payload *p)
{
	struct introduction *d;
	uint32_t serial;

	if (c->state != CIRC_INTRO || !vx6_is_ok(vx6_introduced_decode(p->data, p->n, &serial))) {
		circ_violation(c);
		return;
	}
	if (!c->intro)
		return; /* another circuit has taken its place */
	HASH_FIND(hh, c->intro->pending, &serial, sizeof serial, d);
	if (d) /* else it was, or it took too long */
		finish(c->r, d, VX6_CODE_OK);
}

/* ---- clients ---- */

/* Takes a token. @return false: there is none */
static bool admits(struct vx6_relay *r, struct intro *i)
{
	uint64_t now_us = vx6_loop_now_ns(r->cfg.loop) / 1000;
	uint64_t at_us = VX6_MAX(i->full_us, now_us) + UINT64_C(1000000) / i->rate;

	if (at_us > now_us + UINT64_C(1000000) * i->burst / i->rate)
		return false;
	i->full_us = at_us;
	return true;
}

static unsigned way_of(const struct intro *i, const uint8_t *handle)
{
	for (unsigned k = 0; k < INTRO_WAYS; k++)
		if (memcmp(i->way[k].handle, handle, VX6_INTRO_HANDLE) == 0)
			return k;
	return 0;
}

/* @return code of INTRODUCE_ACK; OK: it follows */
static uint16_t introduce(struct relay_circ *c, const struct vx6_introduce1 *m)
{
	struct vx6_relay *r = c->r;
	struct intro *i = find(r, m->auth_key);
	struct introduction *d;

	if (!i)
		return refused(r, VX6_RELAY_HS_UNKNOWN, VX6_CODE_INTRO_UNKNOWN);
	if (HASH_COUNT(i->pending) >= VX6_RELAY_INTRO_PENDING ||
	    r->introductions_n >= VX6_RELAY_INTRO_PENDING_ALL)
		return refused(r, VX6_RELAY_HS_LIMIT, VX6_CODE_INTRO_RATE);
	if (!admits(r, i))
		return refused(r, VX6_RELAY_HS_RATE, VX6_CODE_INTRO_RATE);
	d = introduction_new(i, c, m->pow);
	if (!hand_over(d, way_of(i, m->handle))) {
		introduction_free(r, d);
		return refused(r, VX6_RELAY_HS_LIMIT, VX6_CODE_INTRO_RATE);
	}
	r->st.introduced++;
	return VX6_CODE_OK;
}

void intro_introduce(struct relay_circ *c, const struct vx6_payload *p)
{
	struct vx6_introduce1 m;
	uint16_t code;

	if (!vx6_is_ok(vx6_introduce1_decode(p->data, p->n, &m))) {
		circ_violation(c);
		return;
	}
	code = introduce(c, &m);
	if (code != VX6_CODE_OK)
		circ_say_code(c, VX6_PAYLOAD_INTRODUCE_ACK, code);
}

/* ---- ends ---- */

void intro_leave(struct relay_circ *c)
{
	struct vx6_list *node;
	struct intro *i = c->intro;

	while ((node = vx6_list_pop(&c->introductions)) != NULL)
		VX6_CONTAINER_OF(node, struct introduction, of_client)->client = NULL;
	if (c->state == CIRC_INTRO)
		c->source->intros--;
	if (!i)
		return;
	for (unsigned k = 0; k < INTRO_WAYS; k++)
		if (i->way[k].c == c)
			way_clear(i, k);
	if (has_way(i))
		hand_over_lost(c->r, i);
	else
		intro_free(c->r, i);
}
