/*
 * What comes in an INTRODUCE2, from its bytes to a place in the queue. The order is what keeps a flood cheap: all before the seal is opened costs a
 * few microseconds, opening it a key agreement, and nothing is kept of one that falls. Whatever becomes of it, the introduction point is told the
 * same thing at the same time: that it came.
 */
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

const char *vx6_host_refusal_name(enum vx6_host_refusal why)
{
	static const char *const name[] = {
#define X(symbol, n, text) n,
		VX6_HOST_REFUSAL_MAP(X)
#undef X
	};

	return (size_t)why < VX6_ARRAY_N(name) ? name[why] : "unknown";
}

const char *vx6_host_refusal_text(enum vx6_host_refusal why)
{
	static const char *const text_of[] = {
#define X(symbol, name, text) text,
		VX6_HOST_REFUSAL_MAP(X)
#undef X
	};

	return (size_t)why < VX6_ARRAY_N(text_of) ? text_of[why] : "unknown";
}

void host_refuse(struct host_service *s, enum vx6_host_refusal why)
{
	uint64_t now = host_now_ms(s->h);

	s->refused[why]++;
	if (s->refused_told_ms[why] != 0 && now < s->refused_told_ms[why] + REFUSED_EVENT_MS)
		return;
	s->refused_told_ms[why] = now;
	host_event(s, VX6_HOST_REFUSED, "%s: %s", vx6_host_refusal_name(why),
		   vx6_host_refusal_text(why));
}

/* ---- the same one once more ---- */

/* Whether our confirmation was late, so that it came over the other circuit, too. Worth nothing unless its seal was seen as well. */
static bool came_over_the_other(const struct host_intro *i, uint32_t serial, unsigned which)
{
	for (int k = 0; k < SERIALS; k++)
		if (i->serial[k].serial == serial && i->serial[k].path == 2 - which)
			return true;
	return false;
}

static void note_serial(struct host_intro *i, uint32_t serial, unsigned which)
{
	i->serial[i->serial_next].serial = serial;
	i->serial[i->serial_next].path = (uint8_t)(which + 1);
	i->serial_next = (i->serial_next + 1) % SERIALS;
}

static bool was_seen(const struct host_intro *i, const uint8_t *client_pk)
{
	for (int k = 0; k < 2; k++)
		if (i->key[k].seen && vx6_nonces_has(i->key[k].seen, client_pk))
			return true;
	return false;
}

/* ---- the seal ---- */

static enum vx6_host_refusal open_with(struct host_intro *i, struct host_key *key,
				       const struct vx6_introduce2 *in, uint8_t *plain,
				       const struct host_period **period)
{
	struct host_service *s = i->s;
	struct vx6_hs_ntor_who who[PERIODS];
	const struct vx6_hs_sealed sealed = {.head = in->auth_key,
					     .head_n = VX6_HS_HEAD,
					     .p = in->sealed,
					     .n = VX6_HS_SEALED};
	size_t which;

	for (int k = 0; k < PERIODS; k++)
		who[k] = (struct vx6_hs_ntor_who){.auth_key = i->auth.pk.b,
						  .enc_pk = key->pk.b,
						  .subcred = s->period[k].names.subcred};
	if (!vx6_is_ok(vx6_hs_ntor_open_as(vx6_hs_ntor_protoid, who, PERIODS, key->sk.b, &sealed,
					   plain, &which)))
		return VX6_HOST_REFUSED_SEAL;
	/* all that was sealed for the key is remembered, whatever becomes of it */
	if (!vx6_nonces_add(key->seen, in->sealed))
		return VX6_HOST_REFUSED_KEY_FULL;
	*period = &s->period[which];
	return host_period_is_good(s->h, (*period)->period) ? VX6_HOST_REFUSED_NONE
							    : VX6_HOST_REFUSED_EPOCH;
}

/* With the key in use, or the one before. @param key which of them it was */
static enum vx6_host_refusal open_seal(struct host_intro *i, const struct vx6_introduce2 *in,
				       uint8_t *plain, struct host_key **key,
				       const struct host_period **period)
{
	enum vx6_host_refusal why = VX6_HOST_REFUSED_KEY_FULL;

	for (int k = 0; k < 2; k++) {
		*key = &i->key[k];
		if (!i->key[k].seen || vx6_nonces_is_full(i->key[k].seen))
			continue;
		why = open_with(i, &i->key[k], in, plain, period);
		if (why != VX6_HOST_REFUSED_SEAL)
			return why;
	}
	return why;
}

/* ---- in order ---- */

static void take(struct host_intro *i, const struct host_opened *o, const uint8_t *client_pk,
		 uint32_t effort, uint64_t client)
{
	struct host_guest *g = vx6_zalloc(sizeof *g);

	memcpy(g->auth_key, i->auth.pk.b, sizeof g->auth_key);
	g->enc_sk = o->key->sk;
	g->enc_pk = o->key->pk;
	memcpy(g->subcred, o->period->names.subcred, sizeof g->subcred);
	memcpy(g->client_pk, client_pk, sizeof g->client_pk);
	g->rends_n = o->what->rends_n;
	for (int k = 0; k < g->rends_n; k++) {
		memcpy(g->rend[k].cookie, o->what->rend[k].cookie, sizeof g->rend[k].cookie);
		memcpy(g->rend[k].node.b, o->what->rend[k].node, sizeof g->rend[k].node.b);
	}
	g->effort = effort;
	g->client = client;
	g->came_ms = host_now_ms(i->s->h);
	i->s->accepted++;
	host_queue_add(i->s, g);
}

/* Or which of several was reached, and after how long, would say which of them we know. */
static bool is_one_place(const struct vx6_introduce *what)
{
	for (int k = 1; k < what->rends_n; k++)
		if (memcmp(what->rend[k].node, what->rend[0].node, VX6_NODE_ID_BYTES) != 0)
			return false;
	return true;
}

/* What was sealed: who it is from, and where to. */
static enum vx6_host_refusal look_inside(struct host_intro *i, struct host_opened *o,
					 const uint8_t *client_pk, uint32_t effort)
{
	struct vx6_introduce what;
	enum vx6_host_refusal why;
	uint64_t client;

	if (!vx6_is_ok(vx6_introduce_decode(o->plain, &what, &o->mac_at)) || !is_one_place(&what))
		return VX6_HOST_REFUSED_FORMAT;
	if (what.key_epoch != (uint32_t)o->period->period)
		return VX6_HOST_REFUSED_EPOCH;
	o->what = &what;
	why = host_known(i->s, o, &client);
	if (why == VX6_HOST_REFUSED_NONE &&
	    i->s->up_n + i->s->building_n >= host_sessions_max(i->s))
		why = VX6_HOST_REFUSED_SESSIONS;
	if (why == VX6_HOST_REFUSED_NONE)
		take(i, o, client_pk, effort, client);
	vx6_wipe(&what, sizeof what);
	return why;
}

/* @param flooded by its introduction point: only who has worked for it is looked at */
static enum vx6_host_refusal look(struct host_intro *i, const struct vx6_introduce2 *in,
				  bool flooded)
{
	struct host_service *s = i->s;
	struct host_opened o = {0};
	uint8_t plain[VX6_HS_PLAIN];
	enum vx6_host_refusal why;
	uint32_t effort = 0;

	if (memcmp(in->auth_key, i->auth.pk.b, VX6_INTRO_KEY) != 0)
		return VX6_HOST_REFUSED_FORMAT;
	if (was_seen(i, in->sealed))
		return VX6_HOST_REFUSED_REPLAY;
	if (!vx6_ct_is_zero(in->pow, VX6_HS_POW) && host_pow_is_enough(s, in->pow)) {
		why = host_pow_check(s, in->pow, &effort);
		if (why != VX6_HOST_REFUSED_NONE)
			return why;
	} else if (flooded || !host_pow_unproved(s)) {
		return VX6_HOST_REFUSED_UNPROVED;
	}
	why = open_seal(i, in, plain, &o.key, &o.period);
	if (why == VX6_HOST_REFUSED_SEAL || why == VX6_HOST_REFUSED_KEY_FULL)
		return why;
	o.plain = plain;
	if (why == VX6_HOST_REFUSED_NONE)
		why = look_inside(i, &o, in->sealed, effort);
	vx6_wipe(plain, sizeof plain);
	host_intro_used(i); /* last: the keys may be other ones now */
	return why;
}

void host_introduce(struct host_path *p, const uint8_t *data, size_t n)
{
	struct host_intro *i = p->intro;
	struct host_service *s = i->s;
	uint8_t confirm[VX6_INTRODUCED_BYTES];
	struct vx6_introduce2 in;
	enum vx6_host_refusal why;
	bool flooded = !host_intro_keeps_word(i);

	if (flooded && host_intro_leave(i))
		return;
	if (flooded)
		host_pow_overrun(s);
	if (!vx6_is_ok(vx6_introduce2_decode(data, n, &in))) {
		host_refuse(s, VX6_HOST_REFUSED_FORMAT);
		return;
	}
	vx6_introduced_encode(in.serial, confirm);
	(void)s->h->ops->say(p->bare, VX6_PAYLOAD_INTRODUCED, confirm, sizeof confirm).code;
	host_periods_update(s);
	why = s->h->draining ? VX6_HOST_REFUSED_DRAINING : look(i, &in, flooded);
	if (why == VX6_HOST_REFUSED_REPLAY && came_over_the_other(i, in.serial, p->which))
		return;
	note_serial(i, in.serial, p->which);
	if (why != VX6_HOST_REFUSED_NONE)
		host_refuse(s, why);
}
