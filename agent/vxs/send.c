/*
 * Out: frames composed in the memory that the carrier reserves. New bytes of the application go straight there and are copied beside it; what
 * a former carrier took along comes from that copy.
 */
#include <string.h>

#include "base/clock.h"
#include "vxs/vxs_internal.h"

enum {
	HEADERS = 2 * VX6_VXS_CONTROL + VX6_VXS_DATA_HEADER
}; /* ACK, DATA, FIN in one reservation */

static bool owes_ack(const struct vxs_stream *v)
{
	return !v->fixed && vxs_received(v) > v->told;
}

/* Writes the ACK that is due, if one is. @return bytes */
static size_t put_ack(struct vxs_stream *v, uint8_t *at)
{
	if (!owes_ack(v))
		return 0;
	v->told = vxs_received(v);
	v->ack_now = false;
	v->ack_tries = 0;
	vx6_list_remove(&v->acking);
	return vx6_vxs_encode(at, VX6_VXS_ACK, v->told);
}

/* Our direction of the carrier is over once we have said our end and acknowledged the peer's. */
static bool raw_fin_due(struct vxs_stream *v)
{
	bool over = v->fin_sent && v->fin_got && (v->fixed || v->told == vxs_received(v)) &&
		    !v->fin_raw && !v->fixed_due;

	v->fin_raw |= over;
	return over;
}

static size_t put_fin(struct vxs_stream *v, uint8_t *at)
{
	if (!v->fin_wanted || v->fin_sent || v->sent < v->nxt)
		return 0;
	v->fin_sent = true;
	if (!v->fixed && !vx6_list_is_linked(&v->keeping))
		vxs_keep_watch(v);
	return vx6_vxs_encode(at, VX6_VXS_FIN, v->nxt);
}

/* ---- what goes before the application's bytes ---- */

static bool put_prologue(struct vxs_stream *v)
{
	struct vxs_prologue *p = v->prologue;
	size_t cap = 0;
	uint8_t *at;

	if (!p || p->out_n == 0)
		return true;
	at = vx6_stream_reserve(v->carrier, &cap);
	if (!at)
		return false;
	memcpy(at, p->out, p->out_n);
	vx6_stream_commit(v->carrier, p->out_n, false);
	p->out_n = 0;
	v->opened = true;
	if (!v->attaching)
		VX6_FREE(v->prologue);
	return true;
}

/* Again, from `sent`, as much as fits one reservation. */
static size_t put_again(struct vxs_stream *v, uint8_t *at, size_t cap)
{
	size_t n = 0, room = cap - VX6_VXS_DATA_HEADER;
	struct vxs_chunk *c = v->resend;

	while (c && v->sent < v->nxt && n < room) {
		size_t skip = (size_t)(v->sent - c->off);
		size_t part = VX6_MIN(room - n, c->n - skip);

		memcpy(at + VX6_VXS_DATA_HEADER + n, c->b + skip, part);
		n += part;
		v->sent += part;
		if (v->sent == c->off + c->n && v->sent < v->nxt)
			c = c->next;
	}
	v->resend = v->sent < v->nxt ? c : NULL;
	if (v->peer_fixed && !v->resend) {
		v->fixed = true;
		vxs_drop_kept(v);
	}
	vx6_vxs_encode_data(at, (uint32_t)n);
	return VX6_VXS_DATA_HEADER + n;
}

static bool is_due(const struct vxs_stream *v)
{
	if (v->fixed_due || (v->ack_now && owes_ack(v)) || v->sent < v->nxt)
		return true;
	return v->fin_wanted && !v->fin_sent;
}

void vxs_flush(struct vxs_stream *v)
{
	bool over = v->ended && !vx6_is_ok(v->why) && !v->tomb;

	if (!v->carrier || over || v->fin_raw || !put_prologue(v) || v->attaching)
		return;
	while (is_due(v)) {
		size_t cap = 0, n = 0;
		uint8_t *at = vx6_stream_reserve(v->carrier, &cap);

		if (!at)
			return;
		cap = VX6_MIN(cap, (size_t)VX6_VXS_DATA_MAX);
		if (v->fixed_due)
			n += vx6_vxs_encode(at, VX6_VXS_NORESUME, 0);
		v->fixed_due = false;
		n += put_ack(v, at + n);
		if (v->sent < v->nxt)
			n += put_again(v, at + n, cap - n - VX6_VXS_CONTROL);
		n += put_fin(v, at + n);
		vx6_stream_commit(v->carrier, n, raw_fin_due(v));
	}
	if (raw_fin_due(v))
		vx6_stream_commit(v->carrier, 0, true);
}

void vxs_owe_ack(struct vxs_stream *v)
{
	uint64_t owed = vxs_received(v) - v->told;

	if (v->fixed || owed == 0)
		return;
	/* an end that completes both directions is what the peer waits for */
	if (owed >= VX6_VXS_ACK_BYTES || (v->fin_got && v->fin_sent)) {
		v->ack_now = true;
		vxs_flush(v);
	}
	if (!owes_ack(v) || vx6_list_is_linked(&v->acking))
		return;
	v->ack_ns = vxs_now_ns(v->m) + VX6_VXS_ACK_MS * VX6_NS_PER_MS;
	vx6_list_push(&v->m->acking, &v->acking);
	vxs_wake_at(v->m, v->ack_ns);
}

/* ---- the application's bytes ---- */

bool vxs_may_write(const struct vxs_stream *v)
{
	return v->carrier && !v->attaching && !v->prologue && v->sent == v->nxt;
}

/* Room in the window. When there is none, how long the last byte waits for its ACK says whether the window should grow: vxs_take_ack(). */
static uint64_t window_room(struct vxs_stream *v)
{
	uint64_t used = v->nxt - v->una;

	if (v->fixed)
		return VX6_VXS_DATA_MAX;
	if (v->window >= used + VX6_RESERVE_MIN)
		return v->window - used;
	if (!v->mark_ns) {
		v->mark_ns = vxs_now_ns(v->m);
		v->mark = v->nxt;
	}
	return 0;
}

uint8_t *vxs_reserve(struct vx6_stream *s, size_t *cap)
{
	struct vxs_stream *v = vxs_of(s);
	size_t raw = 0;
	uint64_t room;

	*cap = 0;
	if (v->ended || v->fin_wanted)
		return NULL;
	v->want_writable = true;
	if (!vxs_may_write(v) || (room = window_room(v)) == 0)
		return NULL;
	v->room = vx6_stream_reserve(v->carrier, &raw);
	if (!v->room)
		return NULL;
	v->want_writable = false;
	v->room_head = (uint8_t)(VX6_VXS_DATA_HEADER + (owes_ack(v) ? VX6_VXS_CONTROL : 0));
	*cap = (size_t)VX6_MIN(VX6_MIN(raw, (size_t)VX6_VXS_DATA_MAX) - HEADERS, room);
	return v->room + v->room_head;
}

void vxs_commit(struct vx6_stream *s, size_t n, bool fin)
{
	struct vxs_stream *v = vxs_of(s);
	uint8_t *room = v->room;
	size_t at = 0;

	v->room = NULL;
	if (v->ended || v->fin_wanted)
		return;
	v->fin_wanted = fin;
	if (!room) {
		VX6_ASSERT(n == 0);
		if (fin)
			vxs_flush(v);
		return;
	}
	if (n) {
		if (v->room_head > VX6_VXS_DATA_HEADER)
			at = put_ack(v, room);
		vx6_vxs_encode_data(room + at, (uint32_t)n);
		at = v->room_head + n;
		v->sent += n; /* before the copy: a stream that gives way there has lost nothing */
		if (!v->fixed)
			vxs_keep(v, room + v->room_head, n);
		v->nxt += n;
	} else if (fin) {
		at = put_ack(v, room);
	}
	at += put_fin(v, room + at);
	vx6_stream_commit(v->carrier, at, raw_fin_due(v));
}
