/*
 * A stream as its user sees it, and the events of its carrier. Nothing here calls up from inside a call down: `closed` is made by the task
 * of the layer, all else in events of the carrier.
 */
#include "base/clock.h"
#include "vxs/vxs_internal.h"
#include "wire/code.h"

/* ---- a carrier that nobody owns ---- */

static void discard_data(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
			 void *user)
{
	for (int i = 0; i < n; i++)
		vx6_stream_consume(stream, iov[i].iov_len);
}

static void discard_writable(struct vx6_stream *stream, void *user)
{
}

static void discard_closed(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user)
{
}

void vxs_discard(struct vx6_stream *stream)
{
	static const struct vx6_stream_events events = {
		.data = discard_data,
		.writable = discard_writable,
		.closed = discard_closed,
	};

	vx6_stream_set_events(stream, &events, NULL);
}

static void carrier_forget(struct vxs_stream *v)
{
	v->carrier = NULL;
	v->base.link = NULL;
	v->attaching = false;
	v->fin_sent = v->fin_raw = false;
	v->left = v->head_n = 0;
	v->foreign = v->held;
	v->room = NULL;
	v->mark_ns = 0;
	VX6_FREE(v->prologue);
	vx6_list_remove(&v->acking);
}

void vxs_carrier_drop(struct vxs_stream *v, uint32_t code)
{
	struct vx6_stream *carrier = v->carrier;

	if (!carrier)
		return;
	carrier_forget(v);
	vxs_discard(carrier);
	vx6_stream_reset(carrier, code);
}

/* ---- the end ---- */

void vxs_end(struct vxs_stream *v, vx6_err why, uint32_t code)
{
	if (v->ended)
		return;
	v->ended = true;
	v->why = why;
	v->code = code;
	vxs_drop_kept(v);
	if (!vx6_is_ok(why) && v->carrier)
		vxs_carrier_drop(v, code);
	if (!v->tomb)
		vx6_list_remove(&v->afloat);
	vxs_work(v);
}

void vxs_end_if_done(struct vxs_stream *v)
{
	bool said = v->fixed ? v->fin_sent : v->fin_wanted && v->una == v->nxt + 1;

	if (v->fin_got && said)
		vxs_end(v, VX6_OK, 0);
}

/* What a session ended for that will not come back. */
static bool is_final(vx6_err why)
{
	switch (why.code) {
	case VX6_E_DRAINING:
	case VX6_E_REVOKED:
	case VX6_E_REFUSED:
	case VX6_E_WRONG_PEER:
	case VX6_E_EXPIRED:
		return true;
	default:
		return false;
	}
}

void vxs_tell_lost(struct vxs_stream *v)
{
	if (v->key.scope)
		return; /* whoever opened it is nobody, and has to come back by himself */
	if (!vx6_list_is_linked(&v->peer->lost))
		vx6_list_push(&v->m->lost, &v->peer->lost);
	vx6_loop_defer(v->m->cfg.loop, &v->m->task);
}

void vxs_adrift(struct vxs_stream *v, vx6_err why)
{
	struct vx6_vxs *m = v->m;

	if (v->ended && !v->tomb) {
		vxs_work(v);
		return;
	}
	if (v->fixed || v->peer_fixed || !v->opened || m->stopping || is_final(why)) {
		v->tomb = false;
		vxs_end(v, vx6_is_ok(why) ? VX6_ERR(CLOSED) : why, 0);
		vxs_work(v);
		return;
	}
	/* nothing came yet: whoever opened it learns of the failure now, and may open another one; the peer may hold its end, and is told */
	if (v->key.role == VXS_OPENER && v->got == 0 && !v->ended) {
		v->tomb = true;
		vxs_end(v, vx6_is_ok(why) ? VX6_ERR(CLOSED) : why, VX6_CODE_RESET);
	}
	if (!vx6_list_is_linked(&v->afloat)) {
		v->adrift_ns = vxs_now_ns(m);
		vx6_list_push(&m->adrift, &v->afloat);
		vxs_wake_at(m, v->adrift_ns + m->cfg.grace_ms * VX6_NS_PER_MS);
	}
	vxs_tell_lost(v);
}

/* ---- events of the carrier ---- */

static void on_data(struct vx6_stream *carrier, const struct iovec *iov, int n, bool fin,
		    void *user)
{
	struct vxs_stream *v = user;

	(void)fin; /* the frames say when the peer is done */
	if (v->tomb) {
		/* an answer to the attach of a stream that was reset meanwhile */
		vxs_carrier_drop(v, v->code);
		v->tomb = false;
		vxs_work(v);
	} else if (v->ended)
		discard_data(carrier, iov, n, false, NULL);
	else
		vxs_input(v, iov, n);
}

void vxs_tell_writable(struct vxs_stream *v)
{
	if (v->ended || !v->want_writable || !vxs_may_write(v) ||
	    (!v->fixed && v->nxt - v->una + VX6_RESERVE_MIN > v->window))
		return;
	v->want_writable = false;
	if (v->ev && v->ev->writable)
		v->ev->writable(vxs_as_stream(v), v->user);
}

static void on_writable(struct vx6_stream *carrier, void *user)
{
	struct vxs_stream *v = user;

	(void)carrier;
	vxs_flush(v);
	vxs_end_if_done(v);
	vxs_tell_writable(v);
}

static void on_closed(struct vx6_stream *carrier, vx6_err why, uint32_t code, void *user)
{
	struct vxs_stream *v = user;
	bool attaching = v->attaching;

	(void)carrier;
	carrier_forget(v);
	if (why.code == VX6_E_RESET && code != VX6_CODE_DUPLICATE) {
		if (attaching)
			vxs_refused(v, code);
		else
			vxs_end(v, why, code);
	} else {
		vxs_adrift(v, why);
	}
	if (v->ended)
		vxs_work(v);
}

const struct vx6_stream_events vxs_carrier_events = {
	.data = on_data,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- operations ---- */

static void op_set_events(struct vx6_stream *s, const struct vx6_stream_events *ev, void *user)
{
	vxs_of(s)->ev = ev;
	vxs_of(s)->user = user;
}

static void op_consume(struct vx6_stream *s, size_t n)
{
	struct vxs_stream *v = vxs_of(s);
	uint64_t take = VX6_MIN((uint64_t)n, v->held), old = VX6_MIN(take, v->foreign);

	v->held -= take;
	v->foreign -= old;
	/* the oldest bytes leave first: those of former carriers are nobody's credit any more */
	if (v->carrier && take > old)
		vx6_stream_consume(v->carrier, (size_t)(take - old));
}

/* Without a carrier the peer can not be told now: the next attach brings it the code. */
static void op_reset(struct vx6_stream *s, uint32_t code)
{
	struct vxs_stream *v = vxs_of(s);

	if (v->ended)
		return;
	if (!v->carrier || v->attaching)
		v->tomb = !v->fixed && !v->m->stopping;
	if (v->tomb && v->attaching) {
		/* its answer ends it */
		v->ended = true;
		v->why = VX6_ERR(RESET);
		v->code = code;
		vxs_drop_kept(v);
		vxs_work(v);
		return;
	}
	vxs_end(v, VX6_ERR(RESET), code);
}

const struct vx6_transport_ops vxs_ops = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "vxs",
	.stream_set_events = op_set_events,
	.stream_reserve = vxs_reserve,
	.stream_commit = vxs_commit,
	.stream_consume = op_consume,
	.stream_reset = op_reset,
};

bool vx6_stream_is_resumable(const struct vx6_stream *s)
{
	return vx6_stream_ops(s) == &vxs_ops;
}
