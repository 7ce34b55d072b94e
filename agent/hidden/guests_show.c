/*
 * What can be seen of visits: the steps of attempts, in a ring, and what is known of each service.
 */
#include "hidden/guests_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/util.h"

const char *vx6_guest_step_text(enum vx6_guest_step_kind kind)
{
	static const char *const text[] = {
		[VX6_GUEST_FETCH] = "fetch",
		[VX6_GUEST_DESCRIPTOR] = "descriptor",
		[VX6_GUEST_RENDEZVOUS] = "rendezvous",
		[VX6_GUEST_WAITS] = "rendezvous_waits",
		[VX6_GUEST_CIRCUIT] = "intro_circuit",
		[VX6_GUEST_OPEN] = "intro_open",
		[VX6_GUEST_PROOF] = "proof",
		[VX6_GUEST_INTRODUCE] = "introduce",
		[VX6_GUEST_ACK] = "introduce_ack",
		[VX6_GUEST_NEXT] = "next",
		[VX6_GUEST_MET] = "met",
		[VX6_GUEST_FAILED] = "failed",
	};

	return (size_t)kind < VX6_ARRAY_N(text) ? text[kind] : "unknown";
}

/* ---- attempts ---- */

static struct vx6_guest_attempt *attempt_of(const struct meeting *m)
{
	struct vx6_guest_attempt *a = attempt_slot(m->g, m->attempt);

	/* a later one has its place by now */
	return a->id == m->attempt ? a : NULL;
}

void step_begin(struct meeting *m, const struct vx6_node_id *service)
{
	struct vx6_guests *g = m->g;
	uint64_t ago_ms = guests_now_ms(g) - m->began_ms;
	struct vx6_guest_attempt *a;

	m->attempt = ++g->attempts_n;
	a = attempt_slot(g, m->attempt);
	*a = (struct vx6_guest_attempt){
		.id = m->attempt,
		.leg = m->leg,
		.service = *service,
		.began_ms = vx6_wall_ms() - ago_ms,
	};
}

void step(struct meeting *m, enum vx6_guest_step_kind kind, const char *fmt, ...)
{
	struct vx6_guests *g = m->g;
	struct vx6_guest_attempt *a = attempt_of(m);
	struct vx6_guest_step s = {.kind = kind, .ms = (uint32_t)(guests_now_ms(g) - m->began_ms)};
	va_list args;

	va_start(args, fmt);
	vsnprintf(s.detail, sizeof s.detail, fmt, args);
	va_end(args);
	if (a && a->steps_n < VX6_GUESTS_STEPS)
		a->step[a->steps_n++] = s;
	else if (a)
		a->steps_lost++;
	if (g->cfg.step)
		g->cfg.step(g->cfg.user, &m->service, m->attempt, &s);
}

void step_end(struct meeting *m, vx6_err err)
{
	struct vx6_guest_attempt *a = attempt_of(m);

	if (!a || a->is_over)
		return;
	a->is_over = true;
	a->err = err;
}

void vx6_guests_attempts(const struct vx6_guests *g, const struct vx6_node_id *service,
			 bool (*fn)(void *user, const struct vx6_guest_attempt *a), void *user)
{
	uint64_t n = VX6_MIN(g->attempts_n, (uint64_t)VX6_GUESTS_ATTEMPTS);

	for (uint64_t i = 0; i < n; i++) {
		const struct vx6_guest_attempt *a = attempt_slot(g, g->attempts_n - i);

		if (service && !vx6_node_id_eq(service, &a->service))
			continue;
		if (!fn(user, a))
			return;
	}
}

/* ---- services ---- */

static void show(const struct service *s, struct vx6_guest_show *out)
{
	*out = (struct vx6_guest_show){
		.service = s->id,
		.enrolled = s->access.enrolled,
		.fetching = s->fetch != NULL,
		.circuits_n = s->lines_n,
		.waiting_n = s->waiting_n,
		.joined_n = s->joined_n,
		.err = s->err,
	};
	vx6_strlcpy(out->detail, s->detail, sizeof out->detail);
	if (!desc_is_good(s))
		return;
	out->has_descriptor = true;
	out->confirmed = s->confirmed;
	out->closed = s->desc.closed;
	out->fast = s->desc.fast;
	out->sources = s->sources;
	out->asked = s->asked;
	out->period = s->desc.period;
	out->seq = s->desc.seq;
	out->expires_s = s->desc.expires_s;
	out->fetched_ms = s->fetched_wall_ms;
	out->intros_n = intro_count(s, false);
	out->standbys_n = intro_count(s, true);
	out->effort = proof_effort(s);
}

void vx6_guests_each(const struct vx6_guests *g,
		     bool (*fn)(void *user, const struct vx6_guest_show *row), void *user)
{
	struct service *s, *next;
	struct vx6_guest_show row;

	HASH_ITER(hh, g->services, s, next)
	{
		show(s, &row);
		if (!fn(user, &row))
			return;
	}
}
