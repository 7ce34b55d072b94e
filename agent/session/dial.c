/*
 * The race of one dial: addresses in order, QUIC before TCP, staggered; the first session that is up wins (RFC 8305).
 *
 * Each attempt is a session of its own, marked with its race until it is up or dead. The answer is given from a deferred task, so never
 * inside vx6_sessions_dial().
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "session/session_internal.h"

enum { STAGGER_MS = 250, DIAL_TIMEOUT_MS = 10000, ATTEMPTS_MAX = 2 * VX6_DIAL_ADDRS_MAX };

enum attempt_state { ATTEMPT_WAITING, ATTEMPT_RUNNING, ATTEMPT_FAILED, ATTEMPT_WON };

struct attempt {
	struct vx6_addr addr;
	const struct family *family;
	enum attempt_state state;
	struct vx6_session *session;
	uint64_t began_ns, ended_ns;
	vx6_err err;
};

struct vx6_dialing {
	struct vx6_list node; /* first: vx6_sessions.dialings */
	struct vx6_sessions *m;
	struct vx6_dial_request req;
	vx6_dial_cb *cb;
	void *user;
	struct attempt attempt[ATTEMPTS_MAX];
	unsigned attempts_n, next;
	struct vx6_timer stagger, deadline;
	struct vx6_task finish;
	bool timed_out;
	uint64_t winner; /* session id, 0: none */
};

static void plan(struct vx6_dialing *d)
{
	for (size_t i = 0; i < d->req.addrs_n; i++) {
		uint8_t via = d->req.via[i] ? d->req.via[i] : VX6_DIAL_ANY;

		for (size_t f = 0; f < VX6_ARRAY_N(d->m->family); f++) {
			bool wanted = via & (f == 0 ? VX6_DIAL_QUIC : VX6_DIAL_TCP);

			if (wanted && d->m->family[f].t && d->attempts_n < ATTEMPTS_MAX)
				d->attempt[d->attempts_n++] =
					(struct attempt){.addr = d->req.addrs[i],
							 .family = &d->m->family[f]};
		}
	}
}

static bool is_over(const struct vx6_dialing *d)
{
	if (d->winner || d->timed_out)
		return true;
	for (unsigned i = 0; i < d->attempts_n; i++)
		if (d->attempt[i].state == ATTEMPT_WAITING ||
		    d->attempt[i].state == ATTEMPT_RUNNING)
			return false;
	return true;
}

static void begin_next(struct vx6_dialing *d);

static void attempt_end(struct vx6_dialing *d, struct attempt *a, enum attempt_state state,
			vx6_err err)
{
	a->state = state;
	a->err = err;
	a->ended_ns = vx6_loop_now_ns(d->m->cfg.loop);
	if (a->session)
		a->session->dialing = NULL;
	a->session = NULL;
}

static void attempt_begin(struct vx6_dialing *d, unsigned i)
{
	struct attempt *a = &d->attempt[i];
	struct vx6_dial how = {
		.to = a->addr,
		.anonymous = d->req.anonymous,
		.for_others = d->req.for_others,
	};
	struct vx6_link *link;
	vx6_err err;

	a->began_ns = vx6_loop_now_ns(d->m->cfg.loop);
	err = a->family->ops->dial(a->family->t, &how, &session_link_events, NULL, &link);
	if (!vx6_is_ok(err)) {
		attempt_end(d, a, ATTEMPT_FAILED, err);
		return;
	}
	a->state = ATTEMPT_RUNNING;
	a->session = session_new(d->m, link, true);
	a->session->dialing = d;
	a->session->attempt = i;
	a->session->anonymous = d->req.anonymous;
	a->session->for_others = d->req.for_others;
	a->session->expect_node = d->req.expect_node;
	a->session->expected = d->req.node;
	a->session->dialed = a->addr;
}

static void begin_next(struct vx6_dialing *d)
{
	while (d->next < d->attempts_n) {
		unsigned i = d->next++;

		attempt_begin(d, i);
		if (d->attempt[i].state == ATTEMPT_RUNNING) {
			vx6_timer_in_ms(&d->stagger, STAGGER_MS);
			return;
		}
	}
	if (is_over(d))
		vx6_loop_defer(d->m->cfg.loop, &d->finish);
}

static void on_stagger(struct vx6_timer *timer)
{
	begin_next(timer->user);
}

static void on_deadline(struct vx6_timer *timer)
{
	struct vx6_dialing *d = timer->user;

	d->timed_out = true;
	vx6_loop_defer(d->m->cfg.loop, &d->finish);
}

void dialing_session_up(struct vx6_session *s)
{
	struct vx6_dialing *d = s->dialing;

	attempt_end(d, &d->attempt[s->attempt], ATTEMPT_WON, VX6_OK);
	if (d->winner) {
		session_fail(s, VX6_ERR(DUPLICATE), "another attempt won");
		return;
	}
	d->winner = s->id;
	vx6_timer_stop(&d->stagger);
	vx6_loop_defer(d->m->cfg.loop, &d->finish);
}

void dialing_session_down(struct vx6_session *s, vx6_err why)
{
	struct vx6_dialing *d = s->dialing;

	attempt_end(d, &d->attempt[s->attempt], ATTEMPT_FAILED, why);
	if (d->winner)
		return;
	vx6_timer_stop(&d->stagger);
	begin_next(d);
}

/* ---- the end ---- */

static void add(char *out, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *out, size_t cap, const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + n, cap - n, fmt, ap);
	va_end(ap);
}

static void describe(const struct vx6_dialing *d, char out[VX6_DIAL_DETAIL_MAX])
{
	char addr[VX6_ADDR_TEXT];

	out[0] = 0;
	for (unsigned i = 0; i < d->attempts_n; i++) {
		const struct attempt *a = &d->attempt[i];
		unsigned long long ms = (a->ended_ns - a->began_ns) / VX6_NS_PER_MS;

		add(out, VX6_DIAL_DETAIL_MAX, "%s%s %s ", i ? "; " : "", a->family->ops->name,
		    vx6_addr_format(&a->addr, addr));
		if (a->state == ATTEMPT_WON)
			add(out, VX6_DIAL_DETAIL_MAX, "won in %llu ms", ms);
		else if (a->state == ATTEMPT_WAITING)
			add(out, VX6_DIAL_DETAIL_MAX, "not needed");
		else if (a->state == ATTEMPT_RUNNING)
			add(out, VX6_DIAL_DETAIL_MAX, d->timed_out ? "no answer" : "was slower");
		else
			add(out, VX6_DIAL_DETAIL_MAX, "%s", vx6_err_text(a->err));
	}
}

/* The reason that says most: a wrong peer before a refusal before a silence. */
static vx6_err summary(const struct vx6_dialing *d)
{
	vx6_err best = d->timed_out ? VX6_ERR(TIMEOUT) : VX6_ERR(UNREACHABLE);
	unsigned refused = 0;

	for (unsigned i = 0; i < d->attempts_n; i++) {
		vx6_err e = d->attempt[i].err;

		if (e.code == VX6_E_WRONG_PEER)
			return e;
		refused += e.code == VX6_E_REFUSED;
		if (d->attempt[i].state == ATTEMPT_FAILED && best.code == VX6_E_UNREACHABLE &&
		    e.code != VX6_E_REFUSED)
			best = e;
	}
	return d->req.tell_refused && refused == d->attempts_n ? VX6_ERR(REFUSED) : best;
}

static void dialing_free(struct vx6_dialing *d)
{
	for (unsigned i = 0; i < d->attempts_n; i++) {
		struct vx6_session *s = d->attempt[i].session;

		if (!s)
			continue;
		s->dialing = NULL;
		session_fail(s, VX6_ERR(DUPLICATE), "not needed any more");
	}
	vx6_timer_stop(&d->stagger);
	vx6_timer_stop(&d->deadline);
	vx6_task_cancel(&d->finish);
	vx6_list_remove(&d->node);
	free(d);
}

static void on_finish(struct vx6_task *task)
{
	struct vx6_dialing *d = task->user;
	struct vx6_session *s = d->winner ? vx6_sessions_by_id(d->m, d->winner) : NULL;
	vx6_err err = s && s->state != SESSION_DEAD ? VX6_OK : summary(d);
	char detail[VX6_DIAL_DETAIL_MAX];
	vx6_dial_cb *cb = d->cb;
	void *user = d->user;

	describe(d, detail);
	dialing_free(d);
	cb(user, err, vx6_is_ok(err) ? s : NULL, detail);
}

struct vx6_dialing *vx6_sessions_dial(struct vx6_sessions *m, const struct vx6_dial_request *req,
				      vx6_dial_cb *cb, void *user)
{
	struct vx6_dialing *d = vx6_zalloc(sizeof *d);

	d->m = m;
	d->req = *req;
	d->cb = cb;
	d->user = user;
	vx6_timer_init(m->cfg.loop, &d->stagger, on_stagger, d);
	vx6_timer_init(m->cfg.loop, &d->deadline, on_deadline, d);
	vx6_task_init(&d->finish, on_finish, d);
	plan(d);
	if (d->attempts_n == 0 || m->draining) {
		free(d);
		return NULL;
	}
	vx6_list_push(&m->dialings, &d->node);
	vx6_timer_in_ms(&d->deadline, DIAL_TIMEOUT_MS);
	begin_next(d);
	return d;
}

void vx6_dialing_cancel(struct vx6_dialing *d)
{
	dialing_free(d);
}

void dialing_abort(struct vx6_dialing *d)
{
	vx6_dial_cb *cb = d->cb;
	void *user = d->user;

	dialing_free(d);
	cb(user, VX6_ERR(DRAINING), NULL, "shutting down");
}
