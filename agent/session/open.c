/*
 * Streams on their way to being open, on both sides. Spec: schemas/wire/open.md
 *
 *   opening (we ask):    OPEN written -> [early bytes of the application] -> status -> handed over
 *   arrival (peer asks): OPEN complete and session up -> handed over; the receiver answers
 *
 * A stream is handed over with events that refuse everything, so that a receiver that sets none of its own leaves no dangling pointer.
 */
#include <string.h>

#include "base/util.h"
#include "session/session_internal.h"
#include "wire/code.h"

enum { ARRIVAL_TIMEOUT_MS = 10000, REST_IOV = 8 };

struct vx6_opening {
	struct vx6_list node; /* vx6_session.openings */
	struct vx6_stream *stream;
	const struct vx6_opening_events *ev;
	void *user;
	uint8_t open[VX6_OPEN_MAX];
	size_t open_n;
	bool sent;
	uint8_t reply[VX6_OPEN_REPLY];
	size_t reply_n;
};

struct arrival {
	struct vx6_list node; /* vx6_session.arrivals */
	struct vx6_session *s;
	struct vx6_stream *stream;
	struct byte_queue in; /* bounded by the receive window: credit is only given back later */
	bool fin;
	struct vx6_timer timer;
};

/* ---- a stream without an owner ---- */

static void orphan_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			void *user)
{
	(void)iov;
	(void)n;
	(void)fin;
	(void)user;
	vx6_stream_reset(stream, VX6_CODE_STREAM_REFUSED);
}

static void orphan_writable(struct vx6_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

static void orphan_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	(void)stream;
	(void)why;
	(void)code;
	(void)user;
}

static const struct vx6_stream_events orphan_events = {
	.data = orphan_data,
	.writable = orphan_writable,
	.closed = orphan_closed,
};

static void orphan_reset(struct vx6_stream *stream, uint16_t code)
{
	vx6_stream_set_events(stream, &orphan_events, NULL);
	vx6_stream_reset(stream, code);
}

/* The part of @p iov behind its first @p skip bytes. @param out room for n entries @return entries used */
static int iov_skip(struct iovec *out, const struct iovec *iov, int n, size_t skip)
{
	int m = 0;

	for (int i = 0; i < n; i++) {
		size_t cut = VX6_MIN(skip, iov[i].iov_len);

		skip -= cut;
		if (iov[i].iov_len > cut)
			out[m++] = (struct iovec){(uint8_t *)iov[i].iov_base + cut,
						  iov[i].iov_len - cut};
	}
	return m;
}

_Static_assert((int)VX6_OPEN_MAX <= (int)VX6_RESERVE_MIN,
	       "whatever begins a stream fits into any reservation");

/* ---- opening ---- */

static bool opening_send(struct vx6_opening *o)
{
	size_t cap = 0;
	uint8_t *room;

	if (o->sent)
		return true;
	room = vx6_stream_reserve(o->stream, &cap); /* a whole OPEN, or nothing */
	if (!room)
		return false;
	memcpy(room, o->open, o->open_n);
	vx6_stream_commit(o->stream, o->open_n, false);
	o->sent = true;
	return true;
}

static void opening_finish(struct vx6_opening *o, vx6_err err, struct vx6_stream *stream,
			   const struct iovec *rest, int rest_n, bool fin)
{
	const struct vx6_opening_events *ev = o->ev;
	void *user = o->user;

	vx6_list_remove(&o->node);
	free(o);
	ev->outcome(user, err, stream, rest, rest_n, fin);
}

static void opening_accepted(struct vx6_opening *o, const struct iovec *iov, int n, size_t skip,
			     bool fin)
{
	struct iovec few[REST_IOV], *rest = few;
	int rest_n;

	if (n > REST_IOV)
		rest = vx6_realloc_array(NULL, (size_t)n, sizeof *rest);
	rest_n = iov_skip(rest, iov, n, skip);
	vx6_stream_set_events(o->stream, &orphan_events, NULL);
	opening_finish(o, VX6_OK, o->stream, rest, rest_n, fin);
	if (rest != few)
		free(rest);
}

static void on_opening_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			    void *user)
{
	struct vx6_opening *o = user;
	size_t skip = 0, used;
	uint16_t status;
	vx6_err err;

	for (int i = 0; i < n && o->reply_n < VX6_OPEN_REPLY; i++) {
		size_t take = VX6_MIN(VX6_OPEN_REPLY - o->reply_n, iov[i].iov_len);

		memcpy(o->reply + o->reply_n, iov[i].iov_base, take);
		o->reply_n += take;
		skip += take;
	}
	vx6_stream_consume(stream, skip);
	err = vx6_open_reply_decode(o->reply, o->reply_n, &status, &used);
	if (err.code == VX6_E_SHORT && !fin)
		return;
	if (!vx6_is_ok(err))
		err = VX6_ERR(PROTOCOL);
	else
		err = vx6_code_to_err(status);
	if (vx6_is_ok(err)) {
		opening_accepted(o, iov, n, skip, fin);
		return;
	}
	vx6_stream_set_events(stream, &orphan_events, NULL);
	vx6_stream_reset(stream, VX6_CODE_STREAM_REFUSED);
	opening_finish(o, err, NULL, NULL, 0, false);
}

static void on_opening_writable(struct vx6_stream *stream, void *user)
{
	struct vx6_opening *o = user;

	if (opening_send(o) && o->ev->writable)
		o->ev->writable(o->user, stream);
}

static void on_opening_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	struct vx6_opening *o = user;
	vx6_err err = why;

	(void)stream;
	if (why.code == VX6_E_RESET && code != VX6_CODE_OK)
		err = vx6_code_to_err(code);
	else if (vx6_is_ok(why))
		err = VX6_ERR(CLOSED);
	opening_finish(o, err, NULL, NULL, 0, false);
}

static const struct vx6_stream_events opening_events = {
	.data = on_opening_data,
	.writable = on_opening_writable,
	.closed = on_opening_closed,
};

static vx6_err opening_begin(struct vx6_opening *o, struct vx6_session *s,
			     const struct vx6_open *what, const struct vx6_vxs_routes *routes)
{
	struct vx6_vxs_via via = resume_via(s);

	if (what->kind == VX6_OPEN_SERVICE && resume_in_force(s)) {
		/* such a stream says OPEN itself, and may outlive the session */
		VX6_TRY(vx6_vxs_open(s->m->vxs, &via, what, routes, &opening_events, o,
				     &o->stream));
		o->sent = true;
		return VX6_OK;
	}
	VX6_TRY(vx6_open_encode(what, o->open, &o->open_n));
	VX6_TRY(vx6_stream_open(s->link, &opening_events, o, &o->stream));
	vx6_list_push(&s->openings, &o->node);
	opening_send(o);
	return VX6_OK;
}

/* A stream may be where it begins. */
static bool are_for(const struct vx6_vxs_routes *routes, const struct vx6_session *s)
{
	if (s->anonymous && routes->direct)
		return false;
	return s->route ? routes->route == s->route : routes->direct;
}

static bool is_early(const struct vx6_session *s)
{
	return s->state == SESSION_HELLO && s->initiator && s->proven;
}

bool vx6_session_takes_streams(const struct vx6_session *s)
{
	return s->state == SESSION_UP || is_early(s);
}

vx6_err vx6_session_open(struct vx6_session *s, const struct vx6_open *what,
			 const struct vx6_opening_events *ev, void *user, struct vx6_opening **out)
{
	return vx6_session_open_routed(s, what, NULL, ev, user, out);
}

vx6_err vx6_session_open_routed(struct vx6_session *s, const struct vx6_open *what,
				const struct vx6_vxs_routes *routes,
				const struct vx6_opening_events *ev, void *user,
				struct vx6_opening **out)
{
	bool early = is_early(s);
	struct vx6_opening *o;
	vx6_err err;

	if (s->state != SESSION_UP && !early)
		return s->state == SESSION_DRAIN ? VX6_ERR(DRAINING) : VX6_ERR(CLOSED);
	if (routes && !are_for(routes, s))
		return VX6_ERR(INVALID);
	o = vx6_zalloc(sizeof *o);
	o->ev = ev;
	o->user = user;
	err = opening_begin(o, s, what, routes);
	if (!vx6_is_ok(err)) {
		free(o);
		return err;
	}
	s->early |= early;
	if (routes && routes->route)
		silence_watch(s);
	*out = o;
	return VX6_OK;
}

struct vx6_stream *vx6_opening_stream(struct vx6_opening *o)
{
	return o->sent ? o->stream : NULL;
}

void vx6_opening_cancel(struct vx6_opening *o)
{
	vx6_stream_set_events(o->stream, &orphan_events, NULL);
	vx6_stream_reset(o->stream, VX6_CODE_RESET);
	vx6_list_remove(&o->node);
	free(o);
}

/* ---- arrival ---- */

static void arrival_free(struct arrival *a)
{
	vx6_list_remove(&a->node);
	a->s->arrivals_n--;
	vx6_timer_stop(&a->timer);
	byte_queue_fini(&a->in);
	free(a);
}

static void arrival_refuse(struct arrival *a, uint16_t code)
{
	orphan_reset(a->stream, code);
	arrival_free(a);
}

static void on_arrival_timeout(struct vx6_timer *timer)
{
	arrival_refuse(timer->user, VX6_CODE_TIMEOUT);
}

/* A resumable stream is handed over first, so that its receiver has set its events when the bytes behind OPEN are unpacked. */
static void hand_over_resumable(struct arrival *a, const struct vx6_open *open,
				const struct iovec *rest)
{
	struct vx6_session *s = a->s;
	struct vx6_vxs_via via = resume_via(s);
	struct vx6_stream *stream;
	vx6_err err = resume_in_force(s) ? VX6_OK : VX6_ERR(UNSUPPORTED);

	if (vx6_is_ok(err))
		err = vx6_vxs_accept(s->m->vxs, &via, open, a->stream, &stream);
	if (!vx6_is_ok(err)) {
		orphan_reset(a->stream, VX6_CODE_STREAM_REFUSED);
		return;
	}
	vx6_stream_set_events(stream, &orphan_events, NULL);
	s->m->cfg.events->incoming(s->m->cfg.user, s, stream, open, NULL, 0, false);
	if (rest->iov_len > 0)
		vx6_vxs_feed(stream, rest, 1, a->fin);
}

static void arrival_hand_over(struct arrival *a, const struct vx6_open *open,
			      const struct iovec *rest)
{
	struct vx6_session *s = a->s;
	struct vx6_vxs_via via = resume_via(s);
	int n = rest->iov_len > 0;

	if (open->flags & VX6_OPEN_RESUMABLE)
		hand_over_resumable(a, open, rest);
	else if (open->kind != VX6_OPEN_ATTACH)
		s->m->cfg.events->incoming(s->m->cfg.user, s, a->stream, open, rest, n, a->fin);
	else if (resume_in_force(s))
		vx6_vxs_attached(s->m->vxs, &via, &open->attach, a->stream, rest, n, a->fin);
	else
		orphan_reset(a->stream, VX6_CODE_UNSUPPORTED);
}

/* Hands the stream over if its OPEN is complete in @p in. @return false: not yet */
static bool arrival_try(struct arrival *a, const uint8_t *in, size_t n)
{
	struct vx6_session *s = a->s;
	const struct vx6_sessions_events *ev = s->m->cfg.events;
	struct vx6_open open;
	struct iovec rest;
	size_t used;
	vx6_err err;

	if (!s->was_up)
		return false; /* HELLO and this stream overtook each other */
	err = vx6_open_decode(in, n, &open, &used);
	if (err.code == VX6_E_SHORT && !a->fin)
		return false;
	if (!vx6_is_ok(err)) {
		arrival_refuse(a, VX6_CODE_BAD_FORMAT);
		return true;
	}
	if (s->state == SESSION_DRAIN || !ev->incoming) {
		arrival_refuse(a, VX6_CODE_DRAINING);
		return true;
	}
	vx6_stream_consume(a->stream, used);
	vx6_stream_set_events(a->stream, &orphan_events, NULL);
	rest = (struct iovec){(uint8_t *)(uintptr_t)in + used, n - used};
	arrival_hand_over(a, &open, &rest);
	arrival_free(a);
	return true;
}

static void on_arrival_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			    void *user)
{
	struct arrival *a = user;

	(void)stream;
	a->fin = fin;
	/* the usual case: everything in one piece, nothing to keep */
	if (n == 1 && a->in.n == 0 && arrival_try(a, iov[0].iov_base, iov[0].iov_len))
		return;
	for (int i = 0; i < n; i++) {
		byte_queue_put(&a->in, iov[i].iov_base, iov[i].iov_len);
		a->s->early_n += a->s->was_up ? 0 : iov[i].iov_len;
	}
	if (a->s->early_n > EARLY_MAX) {
		session_fail(a->s, VX6_ERR(LIMIT), "too much before HELLO");
		return;
	}
	if (n != 1 || a->in.n != iov[0].iov_len || fin)
		arrival_try(a, a->in.p, a->in.n);
}

static void on_arrival_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
	(void)stream;
	(void)why;
	(void)code;
	arrival_free(user);
}

static const struct vx6_stream_events arrival_events = {
	.data = on_arrival_data,
	.writable = orphan_writable,
	.closed = on_arrival_closed,
};

void arrival_begin(struct vx6_session *s, struct vx6_stream *stream)
{
	struct arrival *a;

	/* where we are nobody there is nothing to be had from us: by our services, or by a stream that it has with us elsewhere, the peer would know us */
	if (s->anonymous) {
		orphan_reset(stream, VX6_CODE_STREAM_REFUSED);
		return;
	}
	if (s->arrivals_n >= ARRIVALS_MAX) {
		orphan_reset(stream, VX6_CODE_LIMIT);
		return;
	}
	a = vx6_zalloc(sizeof *a);
	a->s = s;
	a->stream = stream;
	vx6_list_push(&s->arrivals, &a->node);
	s->arrivals_n++;
	vx6_timer_init(s->m->cfg.loop, &a->timer, on_arrival_timeout, a);
	vx6_timer_in_ms(&a->timer, ARRIVAL_TIMEOUT_MS);
	vx6_stream_set_events(stream, &arrival_events, a);
}

void arrivals_resume(struct vx6_session *s)
{
	VX6_LIST_EACH(node, &s->arrivals)
	{
		struct arrival *a = VX6_CONTAINER_OF(node, struct arrival, node);

		if (s->state == SESSION_DEAD)
			return;
		if (a->in.n > 0 || a->fin)
			arrival_try(a, a->in.p, a->in.n);
	}
}

void streams_let_go(struct vx6_session *s)
{
	while (!vx6_list_is_empty(&s->openings)) {
		struct vx6_opening *o =
			VX6_CONTAINER_OF(s->openings.next, struct vx6_opening, node);

		vx6_stream_set_events(o->stream, &orphan_events, NULL);
		opening_finish(o, VX6_ERR(CLOSED), NULL, NULL, 0, false);
	}
	while (!vx6_list_is_empty(&s->arrivals))
		arrival_refuse(VX6_CONTAINER_OF(s->arrivals.next, struct arrival, node),
			       VX6_CODE_DRAINING);
	if (s->control)
		vx6_stream_set_events(s->control, &orphan_events, NULL);
	s->control = NULL;
}

vx6_err vx6_session_answer(struct vx6_stream *stream, vx6_err err)
{
	size_t cap = 0;
	uint8_t *room;

	if (!vx6_is_ok(err)) {
		vx6_stream_reset(stream, vx6_code_from_err(err));
		return VX6_OK;
	}
	room = vx6_stream_reserve(stream, &cap);
	if (!room)
		return VX6_ERR(AGAIN);
	vx6_open_reply_encode(VX6_CODE_OK, room);
	vx6_stream_commit(stream, VX6_OPEN_REPLY, false);
	return VX6_OK;
}
