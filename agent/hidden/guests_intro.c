/*
 * Introductions: what is said to a point, and what it answers.
 *
 *   a try: OPENS --its line is open, nothing else of the meeting is on its way--> SENT --yes--> TAKEN
 *          any --no, the line is gone, another descriptor--> OVER
 *
 * One that has not answered in time, or not with yes, is given up for the next one, but what it may still bring is not: a point may have passed it on
 * before it lost the owner, or lie. All of a meeting's introductions have the same cookie, and the answer says which of them it belongs to.
 */
#include "hidden/guests_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "wire/code.h"

static void try_over(struct attempt_try *t)
{
	if (t->line && t->line->asks == t)
		t->line->asks = NULL;
	t->line = NULL;
	t->state = TRY_OVER;
}

/* In place of the oldest. */
static void put_aside(struct meeting *m, const struct attempt_try *t)
{
	struct earlier_try *e = &m->earlier[m->earlier_next];

	vx6_hs_ntor_free(e->ntor);
	*e = (struct earlier_try){.ntor = t->ntor, .enrols = t->enrols};
	m->earlier_next = (m->earlier_next + 1) % EARLIER_MAX;
}

void intro_drop(struct meeting *m)
{
	for (unsigned i = 0; i < m->tries_n; i++) {
		try_over(&m->tries[i]);
		if (m->tries[i].ntor)
			put_aside(m, &m->tries[i]);
	}
	m->tries_n = 0;
}

void intro_forget(struct meeting *m)
{
	intro_drop(m);
	for (unsigned i = 0; i < EARLIER_MAX; i++) {
		vx6_hs_ntor_free(m->earlier[i].ntor);
		m->earlier[i].ntor = NULL;
	}
}

static bool is_fresh(const struct attempt_try *t)
{
	return t->state == TRY_SENT && guests_now_ms(t->m->g) < t->sent_ms + VX6_GUESTS_INTRO_MS;
}

static uint64_t due_ms(const struct meeting *m)
{
	uint64_t due = 0;

	for (unsigned i = 0; i < m->tries_n; i++) {
		const struct attempt_try *t = &m->tries[i];

		if (is_fresh(t))
			return t->sent_ms + VX6_GUESTS_INTRO_MS;
		/* its line says when it is open, or gone; the proof of work when it is there */
		if (t->state == TRY_OPENS)
			due = m->total_ms;
	}
	return due;
}

/* Which client, where, and what proves it; sealed for the owner. */
static vx6_err write_introduce(struct attempt_try *t, const struct vx6_hs_intro *in,
			       uint8_t out[static VX6_HS_INTRODUCE])
{
	struct meeting *m = t->m;
	struct service *s = m->s;
	const struct vx6_hs_ntor_who who = {in->auth_key, in->enc_key, s->names.subcred};
	const uint8_t *pow = m->has_pow ? m->pow : NULL;
	struct vx6_introduce i = {.key_epoch = (uint32_t)s->desc.period,
				  .rends_n = VX6_HS_RENDS_MAX};
	struct vx6_hs_auth_key key = {0};
	uint8_t plain[VX6_HS_PLAIN], head[VX6_HS_HEAD], sealed[VX6_HS_SEALED] = {0};
	size_t mac_at;
	vx6_err err;

	/* named as often as may be: where the owner's first circuit does not get there, another one may */
	for (unsigned k = 0; k < i.rends_n; k++) {
		memcpy(i.rend[k].cookie, m->cookie, sizeof i.rend[k].cookie);
		memcpy(i.rend[k].node, m->x.b, sizeof i.rend[k].node);
	}
	err = access_show(s, in->enc_key, &i, &key);
	if (vx6_is_ok(err))
		err = vx6_introduce_encode(&i, plain, &mac_at);
	if (vx6_is_ok(err) && mac_at)
		vx6_hs_auth_mac(&key, plain, mac_at,
				i.client == VX6_HS_CLIENT_ENROL ? i.client_key : NULL,
				plain + mac_at);
	if (vx6_is_ok(err))
		err = vx6_hs_ntor_begin(vx6_hs_ntor_protoid, &who, &t->ntor);
	vx6_introduce_head(in->auth_key, pow, head);
	if (vx6_is_ok(err))
		err = vx6_hs_ntor_seal(t->ntor, head, sizeof head, plain, sizeof plain, sealed);
	vx6_introduce1_encode(&(struct vx6_introduce1){.auth_key = in->auth_key,
						       .handle = in->handle[vx6_random_below(2)],
						       .pow = pow,
						       .sealed = sealed},
			      out);
	t->enrols = i.client == VX6_HS_CLIENT_ENROL;
	vx6_wipe(&key, sizeof key);
	vx6_wipe(&i, sizeof i);
	vx6_wipe(plain, sizeof plain);
	return err;
}

static vx6_err introduce(struct attempt_try *t, const struct vx6_hs_intro *in)
{
	uint8_t message[VX6_HS_INTRODUCE];

	VX6_TRY(write_introduce(t, in, message));
	VX6_TRY(line_introduce(t->line, t, message));
	t->state = TRY_SENT;
	t->sent_ms = guests_now_ms(t->m->g);
	return VX6_OK;
}

static const char *says_what(const struct meeting *m, const struct attempt_try *t)
{
	if (t->enrols)
		return m->has_pow ? ", with an invite, and a proof of work" : ", with an invite";
	if (m->s->opened_by != OPENED_BY_NONE)
		return m->has_pow ? ", as a client it knows, and a proof of work"
				  : ", as a client it knows";
	return m->has_pow ? ", with a proof of work" : "";
}

static void send_it(struct attempt_try *t)
{
	struct meeting *m = t->m;
	const struct vx6_hs_intro *in = intro_of(m->s, t->auth_key);
	char id[VX6_NODE_ID_SHORT];
	vx6_err err = VX6_ERR(NOT_FOUND); /* a newer descriptor does not know it */

	if (in)
		err = introduce(t, in);
	if (vx6_is_ok(err)) {
		m->next_ms = t->sent_ms + VX6_GUESTS_INTRO_MS;
		step(m, VX6_GUEST_INTRODUCE, "through %s%s",
		     vx6_node_id_format_short(&in->node, id), says_what(m, t));
		return;
	}
	intro_mark(m->s, t->auth_key, MARK_RATE_MS);
	try_over(t);
	meeting_next(m);
}

void intro_send(struct meeting *m)
{
	if (m->state != MEETING_ASKS || (m->effort && !m->has_pow))
		return;
	for (unsigned i = 0; i < m->tries_n; i++)
		if (is_fresh(&m->tries[i]))
			return;
	for (unsigned i = 0; i < m->tries_n; i++) {
		struct attempt_try *t = &m->tries[i];

		if (t->state != TRY_OPENS || !t->line->open || t->line->asked)
			continue;
		send_it(t);
		return;
	}
}

/* Something could be said if it were not for the proof of work. */
static bool waits_for_proof(const struct meeting *m)
{
	for (unsigned i = 0; m->effort && !m->has_pow && i < m->tries_n; i++)
		if (m->tries[i].state == TRY_OPENS && m->tries[i].line->open)
			return true;
	return false;
}

/* One that has not answered in time is no good for others, either. */
static void mark_silent(struct meeting *m)
{
	for (unsigned i = 0; i < m->tries_n; i++) {
		struct attempt_try *t = &m->tries[i];

		if (t->state != TRY_SENT || is_fresh(t) || !t->line || t->line->leaving)
			continue;
		t->line->leaving = true;
		intro_mark(m->s, t->auth_key, MARK_MS);
		step(m, VX6_GUEST_NEXT, "no answer from the introduction point");
	}
}

/* @return whether it has a line, or is over */
static bool begin_try(struct meeting *m, const struct vx6_hs_intro *in)
{
	struct attempt_try *t = &m->tries[m->tries_n];
	struct line *l = line_find(m->s, in);
	vx6_err err = l ? VX6_OK : line_begin(m->s, in, &l);
	char id[VX6_NODE_ID_SHORT];

	if (err.code == VX6_E_FULL)
		return false;
	*t = (struct attempt_try){.m = m, .state = vx6_is_ok(err) ? TRY_OPENS : TRY_OVER};
	memcpy(t->auth_key, in->auth_key, sizeof t->auth_key);
	m->tries_n++;
	vx6_node_id_format_short(&in->node, id);
	if (!vx6_is_ok(err)) {
		intro_mark(m->s, in->auth_key, MARK_RATE_MS);
		step(m, VX6_GUEST_NEXT, "no circuit to %s: %s", id, vx6_err_text(err));
		return true;
	}
	t->line = l;
	m->next_ms = guests_now_ms(m->g) + OPEN_MS;
	step(m, VX6_GUEST_CIRCUIT, "to the introduction point %s%s", id,
	     l->open ? ", which is open" : "");
	return true;
}

bool intro_next(struct meeting *m)
{
	const struct vx6_hs_intro *in;

	mark_silent(m);
	if (waits_for_proof(m))
		return true;
	while (m->tries_n < TRIES_MAX && (in = intro_pick(m->s, m)) != NULL) {
		if (!begin_try(m, in)) {
			/* as many lines as may be are under way already */
			m->next_ms = guests_now_ms(m->g) + OPEN_MS;
			return true;
		}
		if (m->tries[m->tries_n - 1].state != TRY_OPENS)
			continue;
		intro_send(m);
		return true;
	}
	m->next_ms = due_ms(m);
	return m->next_ms != 0;
}

void intro_doubt(struct meeting *m)
{
	for (unsigned i = 0; i < m->tries_n; i++)
		if (m->tries[i].state == TRY_TAKEN)
			intro_mark(m->s, m->tries[i].auth_key, MARK_MS);
}

bool intro_finish(struct meeting *m, const uint8_t answer[static VX6_HS_ANSWER],
		  struct vx6_hs_e2e *e2e, bool *enrols)
{
	for (unsigned i = 0; i < m->tries_n; i++) {
		const struct attempt_try *t = &m->tries[i];

		*enrols = t->enrols;
		if (t->ntor && vx6_is_ok(vx6_hs_ntor_finish(t->ntor, answer, e2e)))
			return true;
	}
	for (unsigned i = 0; i < EARLIER_MAX; i++) {
		const struct earlier_try *e = &m->earlier[i];

		*enrols = e->enrols;
		if (e->ntor && vx6_is_ok(vx6_hs_ntor_finish(e->ntor, answer, e2e)))
			return true;
	}
	return false;
}

/* ---- what comes of it ---- */

void intro_may_send(struct attempt_try *t)
{
	intro_send(t->m);
	meeting_arm(t->m);
}

void intro_opened(struct attempt_try *t)
{
	if (t->state != TRY_OPENS)
		return;
	step(t->m, VX6_GUEST_OPEN, "the circuit to the introduction point is open");
	intro_may_send(t);
}

void intro_lost(struct attempt_try *t)
{
	struct meeting *m = t->m;

	step(m, VX6_GUEST_NEXT, "the circuit to the introduction point is gone");
	intro_mark(m->s, t->auth_key, MARK_MS);
	try_over(t);
	meeting_next(m);
}

void intro_answered(struct attempt_try *t, uint16_t code)
{
	struct service *s = t->m->s;

	if (code == VX6_CODE_OK) {
		t->state = TRY_TAKEN;
		t->line = NULL;
		intro_unmark(s, t->auth_key);
		step(t->m, VX6_GUEST_ACK, "the introduction point has passed it on");
		meeting_passed_on(t->m);
		return;
	}
	step(t->m, VX6_GUEST_ACK, "refused: %s", vx6_code_text(code));
	intro_mark(s, t->auth_key, code == VX6_CODE_INTRO_RATE ? MARK_RATE_MS : MARK_MS);
	try_over(t);
	if (code == VX6_CODE_INTRO_UNKNOWN)
		(void)desc_fetch(s);
	meeting_next(t->m);
}
