/* A new carrier for a stream that has lost its own, or is to leave it: the opener asks, the acceptor answers. */
#include <string.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "vxs/vxs_internal.h"
#include "wire/code.h"

/* Both sides go on from where the other has got to. @return false: it cannot have got there */
static bool go_on(struct vxs_stream *v, uint64_t peer_has)
{
	uint64_t all = v->nxt + (v->fin_wanted ? 1 : 0);

	if (peer_has < v->una || peer_has > all)
		return false;
	v->sent = VX6_MIN(peer_has, v->nxt);
	v->fin_sent = peer_has > v->nxt;
	if (!vx6_is_ok(vxs_take_ack(v, peer_has)))
		return false;
	v->resend = v->sent < v->nxt ? v->first : NULL;
	v->told = vxs_received(v);
	v->ack_now = false;
	vx6_list_remove(&v->afloat);
	return true;
}

/* ---- the opener ---- */

static void ask(struct vxs_stream *v, const struct vx6_vxs_via *via, struct vx6_stream *carrier)
{
	struct vx6_vxs *m = v->m;
	struct vx6_open what = {.kind = VX6_OPEN_ATTACH};
	struct vxs_prologue *p;
	vx6_err err;

	vxs_carrier_drop(v, VX6_CODE_DUPLICATE);
	p = v->prologue = vx6_zalloc(sizeof *p);
	memcpy(p->binding, via->binding, sizeof p->binding);
	p->began_ns = vxs_now_ns(m);
	v->epoch++;
	memcpy(what.attach.id, v->key.id, sizeof what.attach.id);
	what.attach.epoch = v->epoch;
	what.attach.recv_off = vxs_received(v);
	vxs_mac(v, VXS_OPENER, via->binding, v->epoch, what.attach.recv_off, what.attach.mac);
	err = vx6_open_encode(&what, p->out, &p->out_n);
	VX6_ASSERT(vx6_is_ok(err));
	v->carrier = carrier;
	v->move_due = false;
	vxs_set_via(v, via);
	v->attaching = true;
	if (!vx6_list_is_linked(&v->afloat)) {
		v->adrift_ns = p->began_ns;
		vx6_list_push(&m->adrift, &v->afloat);
	}
	vxs_wake_at(m, p->began_ns + (via->route ? VX6_VXS_STALL_CIRCUIT_MS : VX6_VXS_STALL_MS) *
					     VX6_NS_PER_MS);
	vxs_flush(v);
}

static bool may_attach(const struct vxs_stream *v)
{
	return (!v->ended || v->tomb) && !v->fixed && v->opened;
}

/* Whoever sees both would know that they are one: what was to be hidden by the first session must not come to light on the second. */
static bool may_ride(const struct vxs_stream *v, const struct vx6_vxs_via *via)
{
	if (v->key.role != VXS_OPENER || v->anonymous != via->anonymous)
		return false;
	return via->route ? via->route == v->routes.route : v->routes.direct;
}

static void attach_one(struct vxs_stream *v, const struct vx6_vxs_via *via)
{
	struct vx6_stream *carrier;

	if (!may_attach(v))
		return;
	if (v->epoch == UINT32_MAX)
		vxs_end(v, VX6_ERR(LIMIT), VX6_CODE_RESUME_LOST);
	else if (vx6_is_ok(vx6_stream_open(via->link, &vxs_carrier_events, v, &carrier)))
		ask(v, via, carrier);
}

/* Without a carrier, or not answered there yet; but what has found a session without a circuit does not wait for one. */
static bool is_waiting(const struct vxs_stream *v, const struct vx6_vxs_via *via)
{
	return !v->carrier || (v->attaching && (v->via_route || !via->route));
}

/* By plan, nothing may be lost: until OPEN is answered the peer may not know the stream, and an attach that is quicker would be its end. */
static void move(struct vxs_stream *v, const struct vx6_vxs_via *via)
{
	v->move_due = v->got == 0;
	if (!v->move_due)
		attach_one(v, via);
}

void vx6_vxs_attach(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		    bool (*leave)(struct vx6_link *link, void *user), void *user)
{
	struct vxs_peer *peer = vxs_peer_find(m, via->scope, via->peer);

	if (!peer)
		return;
	VX6_LIST_EACH(node, &peer->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (v->base.link == via->link || !may_ride(v, via))
			continue;
		if (is_waiting(v, via))
			attach_one(v, via);
		else if (leave && leave(v->base.link, user))
			move(v, via);
	}
}

static bool may_flee(struct vxs_stream *v)
{
	uint64_t now_ns = vxs_now_ns(v->m);

	if (now_ns - v->flee_ns >= 60 * VX6_NS_PER_S) {
		v->flee_ns = now_ns;
		v->flees = 0;
	}
	if (v->flees >= VX6_VXS_FLEE_PER_MIN)
		return false;
	v->flees++;
	return true;
}

void vx6_vxs_flee(struct vx6_vxs *m, const struct vx6_vxs_via *via, const struct vx6_link *from)
{
	struct vxs_peer *peer = vxs_peer_find(m, via->scope, via->peer);

	if (!peer || from == via->link)
		return;
	VX6_LIST_EACH(node, &peer->streams)
	{
		struct vxs_stream *v = VX6_CONTAINER_OF(node, struct vxs_stream, of_peer);

		if (v->base.link == from && may_ride(v, via) && may_attach(v) && may_flee(v))
			attach_one(v, via);
	}
}

struct vx6_link *vx6_vxs_lost(struct vx6_vxs *m, const struct vx6_vxs_via *via,
			      const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch)
{
	struct vxs_stream *v = vxs_find(m, via, id, VXS_OPENER);
	struct vx6_link *was;

	if (!v || v->epoch != epoch || v->attaching || !may_ride(v, via))
		return NULL;
	was = v->base.link;
	attach_one(v, via);
	return was == via->link ? NULL : was;
}

size_t vxs_take_reply(struct vxs_stream *v, const uint8_t *p, size_t n)
{
	struct vxs_prologue *pro = v->prologue;
	size_t part = VX6_MIN(n, sizeof pro->in - pro->in_n);
	struct vx6_vxs_attach_reply reply;
	uint8_t mac[VX6_VXS_MAC_BYTES];

	memcpy(pro->in + pro->in_n, p, part);
	pro->in_n += part;
	if (pro->in_n < sizeof pro->in)
		return part;
	vx6_vxs_reply_decode(pro->in, &reply);
	vxs_mac(v, VXS_ACCEPTOR, pro->binding, v->epoch, reply.recv_off, mac);
	if (reply.status != VX6_CODE_OK || !vx6_ct_eq(mac, reply.mac, sizeof mac) ||
	    !go_on(v, reply.recv_off)) {
		vxs_end(v, VX6_ERR(PROTOCOL), VX6_CODE_RESUME_LOST);
		return part;
	}
	v->attaching = false;
	VX6_FREE(v->prologue);
	vxs_flush(v);
	return part;
}

/* A refusal that says: not now, or a later attach has overtaken this one. */
static bool is_passing(uint32_t code)
{
	return code == VX6_CODE_LIMIT || code == VX6_CODE_TIMEOUT || code == VX6_CODE_DRAINING ||
	       code == VX6_CODE_STALE;
}

void vxs_refused(struct vxs_stream *v, uint32_t code)
{
	if (is_passing(code)) {
		vxs_adrift(v, VX6_ERR(CLOSED));
		return;
	}
	switch (code) {
	case VX6_CODE_RESUME_UNKNOWN:
		v->tomb = false;
		/* both ends were said: the peer is done, and only its last word was lost */
		if (v->fin_got && v->fin_wanted)
			vxs_end(v, VX6_OK, 0);
		else
			vxs_end(v, VX6_ERR(CLOSED), code);
		return;
	default:
		v->tomb = false;
		vxs_end(v,
			code == VX6_CODE_RESUME_LOST || code == VX6_CODE_NORESUME ? VX6_ERR(CLOSED)
										  : VX6_ERR(RESET),
			code);
	}
}

/* ---- the acceptor ---- */

static void refuse(struct vx6_stream *carrier, uint32_t code)
{
	vxs_discard(carrier);
	vx6_stream_reset(carrier, code);
}

/* @return VX6_CODE_OK, or why not */
static uint32_t check(struct vxs_stream *v, const struct vx6_vxs_via *via,
		      const struct vx6_vxs_attach *a)
{
	uint8_t mac[VX6_VXS_MAC_BYTES];

	if (!v || (v->ended && !v->tomb && !vx6_is_ok(v->why)))
		return VX6_CODE_RESUME_UNKNOWN;
	vxs_mac(v, VXS_OPENER, via->binding, a->epoch, a->recv_off, mac);
	if (!vx6_ct_eq(mac, a->mac, sizeof mac))
		return VX6_CODE_RESUME_UNKNOWN;
	if (a->epoch <= v->epoch)
		return VX6_CODE_STALE;
	return VX6_CODE_OK;
}

static void answer(struct vxs_stream *v, const struct vx6_vxs_via *via)
{
	struct vx6_vxs_attach_reply reply = {.status = VX6_CODE_OK, .recv_off = vxs_received(v)};
	struct vxs_prologue *p = v->prologue = vx6_zalloc(sizeof *p);

	vxs_mac(v, VXS_ACCEPTOR, via->binding, v->epoch, reply.recv_off, reply.mac);
	vx6_vxs_reply_encode(&reply, p->out);
	p->out_n = VX6_VXS_ATTACH_REPLY;
	vxs_flush(v);
}

/* It is the opener's attach; but is there something to go on with? @return VX6_CODE_OK, or why not: the stream ends */
static uint32_t resume(struct vxs_stream *v, const struct vx6_vxs_attach *a)
{
	if (v->tomb)
		return is_passing(v->code) ? VX6_CODE_RESET : v->code;
	if (v->fixed)
		return VX6_CODE_NORESUME;
	if (v->held > HELD_MAX)
		return VX6_CODE_TOO_BIG;
	return go_on(v, a->recv_off) ? VX6_CODE_OK : VX6_CODE_RESUME_LOST;
}

void vx6_vxs_attached(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		      const struct vx6_vxs_attach *a, struct vx6_stream *carrier,
		      const struct iovec *rest, int rest_n, bool fin)
{
	struct vxs_stream *v = vxs_find(m, via, a->id, VXS_ACCEPTOR);
	uint32_t code = check(v, via, a);

	if (code != VX6_CODE_OK) {
		refuse(carrier, code);
		return;
	}
	vxs_carrier_drop(v, VX6_CODE_DUPLICATE);
	v->epoch = a->epoch;
	code = resume(v, a);
	if (code != VX6_CODE_OK) {
		refuse(carrier, code);
		v->tomb = false;
		vxs_end(v, VX6_ERR(CLOSED), code);
		vxs_work(v);
		return;
	}
	v->carrier = carrier;
	vxs_set_via(v, via);
	vx6_stream_set_events(carrier, &vxs_carrier_events, v);
	answer(v, via);
	vx6_vxs_feed(vxs_as_stream(v), rest, rest_n, fin);
}

/* ---- for both ---- */

void vx6_vxs_feed(struct vx6_stream *s, const struct iovec *iov, int n, bool fin)
{
	struct vxs_stream *v = vxs_of(s);

	if (v->carrier)
		vxs_carrier_events.data(v->carrier, iov, n, fin, v);
}

void vx6_vxs_acked(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		   const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch, uint64_t off)
{
	enum vxs_role roles[] = {VXS_OPENER, VXS_ACCEPTOR};

	for (size_t i = 0; i < VX6_ARRAY_N(roles); i++) {
		struct vxs_stream *v = vxs_find(m, via, id, roles[i]);

		if (!v || v->ended || v->epoch != epoch || v->attaching ||
		    v->base.link != via->link || !vx6_is_ok(vxs_take_ack(v, off)))
			continue;
		vxs_end_if_done(v);
		vxs_tell_writable(v);
	}
}
