/*
 * A leg on its way to its meeting.
 *
 *   READS --a descriptor--> ASKS --an introduction point passed it on--> WAITS --the owner's answer, by way of X--> JOINED --> gone
 *     ^--no point took it----/
 *   READS, ASKS, WAITS --time is up, X is no good, refused--> FAILS: told from a task, and gone
 *
 * Beside all that the circuit to X is built, and X given the cookie: it holds what comes from the owner for a second, should that be first. The
 * proof of work is made while the circuit to the introduction point is built. Only the answer decides: it is taken from whichever introduction it belongs to.
 */
#include "hidden/guests_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "wire/code.h"

enum {
	AGAIN_MS = 2000, /* then the same introduction points are tried again, news or not */
	DOUBT_MS =
		2500, /* an owner who has not come by then may have published that we are not to */
	OLD_MS = 10000, /* of a descriptor: younger ones say what there is to say */
};

/* ---- the end ---- */

/* What it needed to get here. */
static void settle(struct meeting *m)
{
	vx6_timer_stop(&m->timer);
	proof_cancel(m);
	intro_forget(m);
	vx6_wipe(m->cookie, sizeof m->cookie);
	m->circuit = NULL;
}

static bool is_waiting(const struct meeting *m)
{
	return m->state != MEETING_JOINED;
}

void meeting_free(struct meeting *m)
{
	struct vx6_guests *g = m->g;

	settle(m);
	vx6_task_cancel(&m->begin);
	vx6_task_cancel(&m->fail);
	if (is_waiting(m)) {
		if (m->attempt)
			step_end(m, VX6_ERR(CLOSED));
		g->waiting_n--;
	}
	if (m->s && is_waiting(m))
		m->s->waiting_n--;
	else if (m->s)
		m->s->joined_n--;
	vx6_list_remove(&m->of_service);
	HASH_DEL(g->meetings, m);
	vx6_wipe_free(m, sizeof *m);
}

static void on_fail(struct vx6_task *task)
{
	struct meeting *m = task->user;
	struct vx6_guests *g = m->g;
	uint64_t leg = m->leg;
	vx6_err err = m->err;
	bool x_is_fine = m->x_is_fine;
	char detail[VX6_GUESTS_DETAIL];

	vx6_strlcpy(detail, m->detail, sizeof detail);
	meeting_free(m);
	g->ways.not_joined(g->ways.user, leg, err, detail, x_is_fine);
}

void meeting_fail(struct meeting *m, vx6_err err, bool x_is_fine, const char *fmt, ...)
{
	va_list args;

	if (m->state == MEETING_FAILS)
		return;
	va_start(args, fmt);
	vsnprintf(m->detail, sizeof m->detail, fmt, args);
	va_end(args);
	m->state = MEETING_FAILS;
	m->err = err;
	m->x_is_fine = x_is_fine;
	settle(m);
	step(m, VX6_GUEST_FAILED, "%s: %s", vx6_err_text(err), m->detail);
	step_end(m, err);
	if (m->s) {
		m->s->err = err;
		vx6_strlcpy(m->s->detail, m->detail, sizeof m->s->detail);
	}
	vx6_loop_defer(m->g->cfg.loop, &m->fail);
}

/* ---- time ---- */

void meeting_arm(struct meeting *m)
{
	const uint64_t due[] = {m->total_ms, m->established ? 0 : m->rend_ms, m->next_ms,
				m->answer_ms};
	uint64_t first = UINT64_MAX;

	if (m->state == MEETING_FAILS || m->state == MEETING_JOINED)
		return;
	for (size_t i = 0; i < VX6_ARRAY_N(due); i++)
		if (due[i] && due[i] < first)
			first = due[i];
	vx6_timer_at(&m->timer, first * VX6_NS_PER_MS);
}

/* The owner was asked and did not come: it may have too much to do, or X may keep it from us, or it is another owner by now; or it was not asked. */
static void no_answer(struct meeting *m)
{
	intro_doubt(m);
	proof_raise(m->s, m->effort);
	m->s->retry_ms = 0;
	(void)desc_fetch(m->s);
	/* our key opens it no more, and the invite that still does brought us nothing */
	if (m->s->forgotten && m->s->opened_by == OPENED_BY_INVITE)
		meeting_fail(m, VX6_ERR(REVOKED), true,
			     "our key opened what it published before and does no more, nor is it "
			     "let in by its invite: it was revoked");
	else
		meeting_fail(m, VX6_ERR(HS_TIMEOUT), !m->circuit,
			     "it was introduced, and did not come within %d s",
			     VX6_GUESTS_ANSWER_MS / 1000);
}

static const char *where(const struct meeting *m)
{
	switch (m->state) {
	case MEETING_READS:
		return "its descriptor is not there";
	case MEETING_ASKS:
		return m->proof ? "the proof of work takes too long"
				: "no introduction point passed it on";
	default:
		return "it did not come";
	}
}

static void on_timer(struct vx6_timer *timer)
{
	struct meeting *m = timer->user;
	uint64_t now_ms = guests_now_ms(m->g);

	if (now_ms >= m->total_ms)
		meeting_fail(m, VX6_ERR(HS_TIMEOUT), m->state != MEETING_WAITS,
			     "no meeting within %d s: %s", VX6_GUESTS_TOTAL_MS / 1000, where(m));
	else if (m->rend_ms && !m->established && now_ms >= m->rend_ms)
		meeting_fail(m, VX6_ERR(TIMEOUT), false, "the rendezvous did not answer");
	else if (m->answer_ms && now_ms >= m->answer_ms)
		no_answer(m);
	else if (m->next_ms && now_ms >= m->next_ms)
		meeting_next(m);
	meeting_arm(m);
}

/* ---- reading ---- */

static bool may_begin(const struct meeting *m)
{
	if (!desc_is_good(m->s))
		return false;
	return m->rounds_n == 0 || m->s->fetched_ms > m->read_ms ||
	       guests_now_ms(m->g) >= m->read_ms + AGAIN_MS;
}

static void begin_round(struct meeting *m)
{
	struct service *s = m->s;

	step(m, VX6_GUEST_DESCRIPTOR, "no. %llu, %s, %u introduction points and %u in reserve",
	     (unsigned long long)s->desc.seq,
	     s->confirmed ? "confirmed"
	     : s->early   ? "two sources agree, others are still being heard"
			  : "not confirmed by a second source",
	     intro_count(s, false), intro_count(s, true));
	m->state = MEETING_ASKS;
	m->rounds_n++;
	m->next_ms = 0;
	intro_drop(m);
	m->effort = proof_effort(s);
	/* the owner takes the seed before for a while; the next round has the new one */
	if (m->effort && s->desc.pow_expires_s <= vx6_wall_s())
		(void)desc_fetch(s);
	if (m->effort && !m->has_pow && !m->proof)
		proof_begin(m);
	meeting_next(m);
}

static void look_up(struct meeting *m)
{
	struct service *s = m->s;

	if (may_begin(m)) {
		begin_round(m);
		return;
	}
	m->next_ms = m->rounds_n > 0 ? m->read_ms + AGAIN_MS : 0;
	if (desc_fetch(s)) {
		if (m->rounds_n == 0 && !m->looks)
			step(m, VX6_GUEST_FETCH, "the descriptor is being looked up");
		m->looks = true;
		return;
	}
	if (m->rounds_n == 0 && !vx6_is_ok(s->fetch_err))
		meeting_fail(m, s->fetch_err, true, "%s", s->fetch_detail);
	else if (!m->next_ms || s->retry_ms < m->next_ms)
		m->next_ms = VX6_MAX(s->retry_ms, guests_now_ms(m->g) + 1);
}

/* The ones there are led nowhere: there may be others by now. */
static void look_again(struct meeting *m)
{
	if (m->rounds_n >= ROUNDS_MAX) {
		meeting_fail(m, VX6_ERR(UNREACHABLE), true,
			     "none of its introduction points takes us");
		return;
	}
	step(m, VX6_GUEST_FETCH, "no introduction point took it: looking for newer ones");
	m->state = MEETING_READS;
	m->read_ms = guests_now_ms(m->g);
	look_up(m);
}

void meeting_next(struct meeting *m)
{
	if (m->state == MEETING_READS) {
		look_up(m);
	} else if (m->state == MEETING_ASKS) {
		m->next_ms = 0;
		if (!intro_next(m))
			look_again(m);
	} else if (m->state == MEETING_WAITS) {
		m->next_ms = 0;
		if (guests_now_ms(m->g) - m->s->fetched_ms > OLD_MS)
			(void)desc_fetch(m->s);
	}
	meeting_arm(m);
}

void meetings_read(struct service *s)
{
	VX6_LIST_EACH(node, &s->meetings)
	{
		struct meeting *m = VX6_CONTAINER_OF(node, struct meeting, of_service);

		if (m->state == MEETING_READS)
			meeting_next(m);
	}
}

static bool leads_to_a_point(const struct meeting *m)
{
	for (unsigned i = 0; i < m->tries_n; i++)
		if (m->tries[i].state != TRY_OVER && intro_of(m->s, m->tries[i].auth_key))
			return true;
	return false;
}

void meetings_renew(struct service *s)
{
	VX6_LIST_EACH(node, &s->meetings)
	{
		struct meeting *m = VX6_CONTAINER_OF(node, struct meeting, of_service);

		if ((m->state != MEETING_ASKS && m->state != MEETING_WAITS) || leads_to_a_point(m))
			continue;
		m->state = MEETING_READS;
		m->answer_ms = 0;
		m->read_ms = 0;
		meeting_next(m);
	}
}

static bool is_final(vx6_err err)
{
	return err.code == VX6_E_HS_AUTH || err.code == VX6_E_REVOKED ||
	       err.code == VX6_E_INVITE_SPENT;
}

void meetings_refuse(struct service *s, vx6_err err, const char *detail)
{
	VX6_LIST_EACH(node, &s->meetings)
	{
		struct meeting *m = VX6_CONTAINER_OF(node, struct meeting, of_service);

		if (m->state == MEETING_JOINED)
			continue;
		/* one that has tried what there was waits for better times */
		if (is_final(err) ||
		    (m->state == MEETING_READS && !desc_is_good(s) && m->rounds_n == 0))
			meeting_fail(m, err, true, "%s", detail);
		else if (m->state == MEETING_READS)
			meeting_next(m);
	}
}

/* ---- what the introduction says ---- */

void meeting_passed_on(struct meeting *m)
{
	if (m->state != MEETING_ASKS)
		return;
	m->state = MEETING_WAITS;
	m->next_ms = guests_now_ms(m->g) + DOUBT_MS;
	m->answer_ms = guests_now_ms(m->g) + VX6_GUESTS_ANSWER_MS;
	meeting_arm(m);
}

/* ---- what X says ---- */

static void on_established(struct meeting *m, const uint8_t *data, size_t n)
{
	uint16_t code;
	vx6_err err = vx6_hs_code_decode(data, n, &code);

	if (!vx6_is_ok(err) || m->established) {
		meeting_fail(m, VX6_ERR(PROTOCOL), false, "the rendezvous broke the protocol");
		return;
	}
	if (code != VX6_CODE_OK) {
		meeting_fail(m, VX6_ERR(REFUSED), false, "the rendezvous refused: %s",
			     vx6_code_text(code));
		return;
	}
	m->established = true;
	step(m, VX6_GUEST_WAITS, "the rendezvous has it");
	meeting_arm(m);
}

/* The last thing done here: the circuit manager may end the leg from inside. */
static void join(struct meeting *m, bool enrols, struct vx6_hs_e2e *e2e)
{
	struct vx6_guests *g = m->g;
	struct service *s = m->s;
	const struct vx6_circuit_join j = {.keys = e2e->keys, .kh = e2e->kh, .far = &s->id};
	uint64_t leg = m->leg;

	step(m, VX6_GUEST_MET, "the service is there%s", enrols ? ", and knows our key" : "");
	step_end(m, VX6_OK);
	settle(m);
	m->state = MEETING_JOINED;
	g->waiting_n--;
	s->waiting_n--;
	s->joined_n++;
	s->err = VX6_OK;
	s->detail[0] = '\0';
	s->used_ms = guests_now_ms(g);
	if (enrols)
		access_enrolled(s);
	g->ways.joined(g->ways.user, leg, &j);
	vx6_wipe(e2e, sizeof *e2e);
}

static void on_answer(struct meeting *m, const uint8_t *data, size_t n)
{
	struct vx6_hs_e2e e2e;
	bool enrols;

	if (n != VX6_HS_ANSWER)
		meeting_fail(m, VX6_ERR(PROTOCOL), false, "the rendezvous broke the protocol");
	else if (intro_finish(m, data, &e2e, &enrols))
		join(m, enrols, &e2e);
	else
		meeting_fail(m, VX6_ERR(PROTOCOL), false,
			     "what came by way of the rendezvous is not the service");
}

void vx6_guests_said(struct vx6_guests *g, uint64_t leg, uint8_t type, const uint8_t *data,
		     size_t n)
{
	struct meeting *m;

	HASH_FIND(hh, g->meetings, &leg, sizeof leg, m);
	if (!m || m->state == MEETING_FAILS || m->state == MEETING_JOINED)
		return;
	if (type == VX6_PAYLOAD_REND_ESTABLISHED)
		on_established(m, data, n);
	else if (type == VX6_PAYLOAD_RENDEZVOUS2)
		on_answer(m, data, n);
	else
		meeting_fail(m, VX6_ERR(PROTOCOL), false, "the rendezvous broke the protocol");
}

void vx6_guests_gone(struct vx6_guests *g, uint64_t leg)
{
	struct meeting *m;

	HASH_FIND(hh, g->meetings, &leg, sizeof leg, m);
	if (m)
		meeting_free(m);
}

/* ---- the beginning ---- */

static void begin(struct meeting *m)
{
	struct vx6_guests *g = m->g;
	struct service *s = guests_service(g, &m->service);
	bool is_full = !s || g->waiting_n > VX6_GUESTS_MEETINGS_MAX;
	char detail[VX6_GUESTS_DETAIL];
	vx6_err err;

	vx6_task_cancel(&m->begin);
	m->s = s;
	if (s) {
		vx6_list_push(&s->meetings, &m->of_service);
		s->waiting_n++;
		s->used_ms = guests_now_ms(g);
	}
	step_begin(m, &m->service);
	guests_wake(g);
	err = is_full ? VX6_ERR(FULL) : desc_may(s, detail);
	if (is_full)
		meeting_fail(m, err, true, "too many hidden services are being visited");
	else if (!vx6_is_ok(err))
		meeting_fail(m, err, true, "%s", detail);
	else
		meeting_next(m);
}

static void on_begin(struct vx6_task *task)
{
	begin(task->user);
}

static struct meeting *make(struct vx6_guests *g, uint64_t leg, const struct vx6_node_id *service,
			    const struct vx6_node_id *x)
{
	struct meeting *m = vx6_zalloc(sizeof *m);

	m->g = g;
	m->leg = leg;
	m->service = *service;
	m->x = *x;
	m->began_ms = guests_now_ms(g);
	m->total_ms = m->began_ms + VX6_GUESTS_TOTAL_MS;
	vx6_random_bytes(m->cookie, sizeof m->cookie);
	vx6_timer_init(g->cfg.loop, &m->timer, on_timer, m);
	vx6_task_init(&m->begin, on_begin, m);
	vx6_task_init(&m->fail, on_fail, m);
	HASH_ADD(hh, g->meetings, leg, sizeof m->leg, m);
	g->waiting_n++;
	return m;
}

void vx6_guests_begin(struct vx6_guests *g, uint64_t leg, const struct vx6_node_id *service,
		      const struct vx6_node_id *x)
{
	struct meeting *m = make(g, leg, service, x);

	vx6_loop_defer(g->cfg.loop, &m->begin);
}

static void establish(struct meeting *m)
{
	struct vx6_guests *g = m->g;
	char id[VX6_NODE_ID_SHORT];
	vx6_err err;

	m->rend_ms = guests_now_ms(g) + REND_MS;
	err = g->ways.say(g->ways.user, m->circuit, VX6_PAYLOAD_ESTABLISH_REND, m->cookie,
			  sizeof m->cookie);
	if (!vx6_is_ok(err))
		meeting_fail(m, VX6_ERR(CLOSED), true,
			     "the circuit to the rendezvous takes no message");
	else
		step(m, VX6_GUEST_RENDEZVOUS, "%s is given a cookie",
		     vx6_node_id_format_short(&m->x, id));
	meeting_arm(m);
}

void vx6_guests_rendezvous(struct vx6_guests *g, uint64_t leg, const struct vx6_node_id *service,
			   struct vx6_circuit *circuit, const struct vx6_node_id *x)
{
	struct meeting *m;

	HASH_FIND(hh, g->meetings, &leg, sizeof leg, m);
	if (!m)
		m = make(g, leg, service, x);
	if (!m->attempt)
		begin(m);
	if (m->state == MEETING_FAILS)
		return;
	m->circuit = circuit;
	establish(m);
}
