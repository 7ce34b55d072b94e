/* In: frames cut out of what the carrier brings; the application's bytes go up where they lie. */
#include <string.h>

#include "vxs/vxs_internal.h"
#include "wire/code.h"

enum { BATCH_IOV = 64 };

/* Bytes of the application, gathered to be handed up together. */
struct batch {
	struct iovec iov[BATCH_IOV];
	int n;
	size_t bytes;
};

/* @return false: the stream is over, or was reset by its receiver */
static bool hand_up(struct vxs_stream *v, struct batch *b, bool fin)
{
	if (b->n == 0 && !fin)
		return !v->ended;
	v->got += b->bytes;
	v->held += b->bytes;
	v->fin_got |= fin;
	if (v->move_due && v->got == b->bytes) /* the first: OPEN is answered */
		vxs_tell_lost(v);
	if (v->ev && v->ev->data)
		v->ev->data(vxs_as_stream(v), b->iov, b->n, fin, v->user);
	b->n = 0;
	b->bytes = 0;
	return !v->ended;
}

static bool gather(struct vxs_stream *v, struct batch *b, const uint8_t *p, size_t n)
{
	if (b->n == BATCH_IOV && !hand_up(v, b, false))
		return false;
	b->iov[b->n++] = (struct iovec){(uint8_t *)(uintptr_t)p, n};
	b->bytes += n;
	v->left -= (uint32_t)n;
	return true;
}

static void break_off(struct vxs_stream *v)
{
	vxs_carrier_drop(v, VX6_CODE_BAD_FORMAT);
	vxs_end(v, VX6_ERR(PROTOCOL), VX6_CODE_BAD_FORMAT);
}

/* @return false: nothing more is to be read */
static bool take_frame(struct vxs_stream *v, struct batch *b, const struct vx6_vxs_frame *f)
{
	bool right = true;

	switch (f->type) {
	case VX6_VXS_DATA:
		right = !v->fin_got;
		v->left = (uint32_t)f->n;
		break;
	case VX6_VXS_ACK:
		right = v->fixed || vx6_is_ok(vxs_take_ack(v, f->n));
		break;
	case VX6_VXS_FIN:
		right = !v->fin_got && f->n == v->got + b->bytes;
		if (right && !hand_up(v, b, true))
			return false;
		break;
	default:
		/* the peer cannot resume, so that we need not either; what is not acknowledged is on its way */
		v->peer_fixed = true;
		if (v->sent == v->nxt) {
			vxs_fix(v);
			v->fixed_due = false;
		}
		break;
	}
	if (!right)
		break_off(v);
	return !v->ended;
}

/* A header, perhaps begun in an earlier piece. @return bytes used of @p p; 0: all of them, or the stream is over */
static size_t take_header(struct vxs_stream *v, struct batch *b, const uint8_t *p, size_t n)
{
	struct vx6_vxs_frame f;
	const uint8_t *at = p;
	size_t have = n, used, before = v->head_n;
	vx6_err err;

	if (before) {
		size_t part = VX6_MIN(n, sizeof v->head - before);

		memcpy(v->head + before, p, part);
		at = v->head;
		have = before + part;
	}
	err = vx6_vxs_decode(at, have, &f, &used);
	if (err.code == VX6_E_SHORT) {
		if (!before)
			memcpy(v->head, p, n);
		v->head_n = (uint8_t)have;
		return 0;
	}
	v->head_n = 0;
	if (!vx6_is_ok(err)) {
		break_off(v);
		return 0;
	}
	return take_frame(v, b, &f) ? used - before : 0;
}

/* @return false: nothing more is to be read */
static bool take_piece(struct vxs_stream *v, struct batch *b, const uint8_t *p, size_t n)
{
	while (n) {
		size_t used;

		if (v->attaching) {
			used = vxs_take_reply(v, p, n);
		} else if (v->left) {
			used = VX6_MIN((size_t)v->left, n);
			if (!gather(v, b, p, used))
				return false;
		} else {
			used = take_header(v, b, p, n);
		}
		if (v->ended || !v->carrier)
			return false;
		if (used == 0)
			return true;
		p += used;
		n -= used;
	}
	return true;
}

void vxs_input(struct vxs_stream *v, const struct iovec *iov, int n)
{
	struct vx6_stream *carrier = v->carrier;
	uint64_t got = v->got;
	struct batch b = {.n = 0};
	size_t all = 0;
	bool more = true;

	for (int i = 0; i < n; i++) {
		all += iov[i].iov_len;
		if (more)
			more = take_piece(v, &b, iov[i].iov_base, iov[i].iov_len);
	}
	/* an end that came with the last bytes has taken them along */
	if (more)
		hand_up(v, &b, false);
	if (v->carrier != carrier)
		return;
	/* credit for what the application will not give back: headers, and what nobody reads any more */
	vx6_stream_consume(carrier, all - (size_t)(v->got - got));
	vxs_owe_ack(v);
	vxs_end_if_done(v);
	vxs_tell_writable(v);
}
