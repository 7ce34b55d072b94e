/*
 * Streams that outlive their session: which session they go on with, and what their two ends say to each other beside them.
 * Spec: schemas/wire/vxs.md
 */
#include "base/util.h"
#include "session/session_internal.h"
#include "transport/local.h"
#include "wire/code.h"

enum {
	STALL_PROBE_MS = 3000,
	MOVED_PROBE_MS = 100, /* and two round trips */
	ASIDE_QUEUE_MAX =
		64 * 1024, /* an ACK does not go aside while more waits on the control stream */
};

bool resume_in_force(const struct vx6_session *s)
{
	if (s->circuit)
		return true; /* HELLO insists on it */
	return s->has_node && !s->anonymous && (s->features & VX6_FEAT_RESUME);
}

struct vx6_vxs_via resume_via(const struct vx6_session *s)
{
	return (struct vx6_vxs_via){.link = s->link,
				    .peer = &s->node, /* all zero: anonymous */
				    .binding = s->binding,
				    .route = s->route,
				    .scope = s->scope,
				    .anonymous = s->anonymous};
}

/* The best session for streams with @p node. */
static struct vx6_session *best(struct vx6_sessions *m, const struct vx6_node_id *node,
				uint64_t route)
{
	struct vx6_session *s = route ? vx6_sessions_find_route(m, node, route)
				      : vx6_sessions_find(m, node, VX6_DIAL_ANY);

	return s && resume_in_force(s) ? s : NULL;
}

/* ---- what is said aside ---- */

struct adrift {
	struct vx6_session *s;
	struct vx6_vxs_note note[VX6_CTL_VXS_ADRIFT_MAX];
	size_t n;
};

static void adrift_send(struct adrift *a)
{
	uint8_t *buf;
	struct vx6_wr w;

	if (a->n == 0)
		return;
	buf = vx6_zalloc(VX6_CTL_MAX);
	vx6_wr_init(&w, buf, VX6_CTL_MAX);
	vx6_ctl_encode_vxs_adrift(&w, a->note, a->n);
	control_send(a->s, buf, w.len);
	free(buf);
	a->n = 0;
}

static void adrift_add(void *user, const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch)
{
	struct adrift *a = user;
	struct vx6_vxs_note *note = &a->note[a->n++];

	memcpy(note->id, id, sizeof note->id);
	note->epoch = epoch;
	if (a->n == VX6_ARRAY_N(a->note))
		adrift_send(a);
}

/*
 * Those that the peer opened it has to attach; it may not know yet that they need it. Never asked of an anonymous peer: what others have
 * open is none of its business.
 */
static void ask_for_attach(struct vx6_session *s)
{
	struct adrift *a;

	if (!s->has_node)
		return;
	a = vx6_zalloc(sizeof *a);
	a->s = s;
	vx6_vxs_each_adrift(s->m->vxs, &s->node, s->circuit, adrift_add, a);
	adrift_send(a);
	free(a);
}

vx6_err resume_take_ack(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_vxs_via via = resume_via(s);
	struct vx6_vxs_note note;

	VX6_TRY(vx6_ctl_decode_vxs_ack(m, &note));
	if (resume_in_force(s))
		vx6_vxs_acked(s->m->vxs, &via, note.id, note.epoch, note.off);
	return VX6_OK;
}

/* A peer that lost the carrier of a stream has lost the session it was on; ours may not have noticed. */
vx6_err resume_take_adrift(struct vx6_session *s, const struct vx6_ctl *m)
{
	struct vx6_vxs_via via = resume_via(s);
	struct vx6_vxs_note note;
	struct vx6_rd r;

	VX6_TRY(vx6_ctl_decode_vxs_adrift(m, &r));
	if (!resume_in_force(s) || !budget_take(s, &s->adrift_in, ADRIFT_PER_MIN))
		return VX6_OK;
	while (vx6_ctl_vxs_adrift_next(&r, &note)) {
		struct vx6_link *was = vx6_vxs_lost(s->m->vxs, &via, note.id, note.epoch);
		struct vx6_session *dead = was ? sessions_on_link(s->m, was) : NULL;

		if (dead)
			session_fail(dead, VX6_ERR(CLOSED), "the peer has lost it");
	}
	return VX6_OK;
}

static bool on_aside(void *user, const struct vx6_node_id *peer, struct vx6_link *link,
		     const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch, uint64_t off)
{
	struct vx6_session *s = sessions_on_link(user, link);
	struct vx6_vxs_note note = {.epoch = epoch, .off = off};
	uint8_t buf[VX6_CTL_HEADER + sizeof note];
	struct vx6_wr w;

	if (!s || s->ctl_out.n > ASIDE_QUEUE_MAX)
		return false;
	memcpy(note.id, id, sizeof note.id);
	vx6_wr_init(&w, buf, sizeof buf);
	vx6_ctl_encode_vxs_ack(&w, &note);
	control_send(s, buf, w.len);
	return true;
}

/* ---- from session to session ---- */

static bool is_lesser(struct vx6_link *link, void *user)
{
	struct vx6_session *kept = user, *s = sessions_on_link(kept->m, link);

	if (!s)
		return true;
	if (s->circuit != kept->circuit)
		return s->circuit;
	return s->is_duplicate || s->leaving;
}

/* A circuit that was built because others, or the direct way, are in doubt. */
static void flee_to(struct vx6_session *s, const struct vx6_vxs_via *via)
{
	VX6_LIST_EACH(node, &s->m->all)
	{
		struct vx6_session *other = VX6_CONTAINER_OF(node, struct vx6_session, all);

		if (other->stalled && (other->route == s->route || !other->circuit) &&
		    other->state != SESSION_DEAD)
			vx6_vxs_flee(s->m->vxs, via, other->link);
	}
}

static void resume_on(struct vx6_sessions *m, const struct vx6_node_id *node, uint64_t route)
{
	struct vx6_session *s = best(m, node, route);
	struct vx6_vxs_via via;

	if (!s)
		return;
	via = resume_via(s);
	vx6_vxs_attach(m->vxs, &via, is_lesser, s);
	if (!route)
		ask_for_attach(s);
	else if (!s->stalled)
		flee_to(s, &via);
}

void resume_session_up(struct vx6_session *s)
{
	if (!s->circuit)
		silence_watch(s);
	if (!s->circuit || s->initiator)
		resume_on(s->m, &s->node, s->route);
	else
		ask_for_attach(s);
}

static void on_adrift(void *user, const struct vx6_node_id *peer)
{
	struct vx6_sessions *m = user;
	struct vx6_session *s = sessions_accepted_circuit(m, peer);
	uint64_t route = 0;

	if (s)
		ask_for_attach(s);
	do {
		unsigned bits;

		resume_on(m, peer, route);
		bits = vx6_vxs_adrift(m->vxs, peer, route);
		if (bits && !best(m, peer, route) && !m->draining && m->cfg.events->adrift)
			m->cfg.events->adrift(m->cfg.user, peer, bits, route);
	} while (vx6_vxs_next_route(m->vxs, peer, &route));
}

static bool is_this(struct vx6_link *link, void *user)
{
	return link == user;
}

static bool may_tell_doubt(struct vx6_session *s)
{
	struct vx6_sessions *m = s->m;
	uint64_t now_ms = vx6_loop_now_ms(m->cfg.loop);

	if (!m->cfg.events->doubt || m->draining ||
	    (s->doubt_ms && now_ms - s->doubt_ms < DOUBT_EVERY_MS))
		return false;
	s->doubt_ms = now_ms;
	return true;
}

void resume_doubt(struct vx6_session *s)
{
	struct vx6_sessions *m = s->m;
	uint64_t route = 0;
	bool may_tell;

	if (s->stalled || s->state == SESSION_DEAD)
		return;
	s->stalled = true;
	may_tell = may_tell_doubt(s);
	while (vx6_vxs_may_leave(m->vxs, &s->node, s->link, &route)) {
		struct vx6_session *other = best(m, &s->node, route);

		if (other && !other->stalled && !vx6_timer_is_armed(&other->probe)) {
			struct vx6_vxs_via via = resume_via(other);

			vx6_vxs_flee(m->vxs, &via, s->link);
		} else if (may_tell) {
			m->cfg.events->doubt(m->cfg.user, &s->node, route);
		}
	}
}

void resume_answered(struct vx6_session *s)
{
	bool was = s->stalled;

	s->stalled = false;
	if (was && !s->circuit)
		resume_on(s->m, &s->node, 0);
}

/* Only the opener can go another way; the acceptor finds out whether this one lives. */
static void on_stalled_circuit(struct vx6_session *s)
{
	struct vx6_session *other = sessions_best_route(s->m, &s->node, s->route, s), *direct;
	struct vx6_vxs_via via;

	if (!s->initiator)
		return;
	s->stalled = s->was_up; /* until it answers; before its HELLO nothing was asked */
	if (other && !other->stalled && !vx6_timer_is_armed(&other->probe)) {
		via = resume_via(other);
		vx6_vxs_flee(s->m->vxs, &via, s->link);
		return;
	}
	direct = best(s->m, &s->node, 0);
	if (direct) {
		via = resume_via(direct);
		vx6_vxs_flee(s->m->vxs, &via, s->link);
	}
	if (vx6_vxs_rides_on(s->m->vxs, &s->node, s->link) && may_tell_doubt(s))
		s->m->cfg.events->doubt(s->m->cfg.user, &s->node, s->route);
}

/* Silence for a while: the session must show that it lives, and if there is another one nobody waits for that. */
static void on_stalled(void *user, const struct vx6_node_id *peer, struct vx6_link *link)
{
	struct vx6_sessions *m = user;
	struct vx6_session *s = sessions_on_link(m, link), *other;
	struct vx6_link_info info;
	struct vx6_vxs_via via;

	if (!s)
		return;
	if (!silence_ask(s)) {
		vx6_link_info(link, &info);
		vx6_session_probe(s, VX6_MAX((uint32_t)STALL_PROBE_MS, 8 * (info.srtt_us / 1000)));
	}
	if (s->circuit) {
		on_stalled_circuit(s);
		return;
	}
	other = best(m, peer, 0);
	if (!other || other == s || !vx6_timer_is_armed(&s->probe))
		return;
	via = resume_via(other);
	vx6_vxs_attach(m->vxs, &via, is_this, link);
}

/*
 * A transport may need long to find out that its path works again, or in which way: probes that were lost in between come ever more
 * seldom. A new session is quicker than that.
 */
void resume_moved(struct vx6_session *s)
{
	struct vx6_link_info info;

	if (!s->has_node || !vx6_vxs_rides_on(s->m->vxs, &s->node, s->link))
		return;
	vx6_link_info(s->link, &info);
	/* without an address there is nothing to be heard; another change will follow */
	if (vx6_local_addr_is_there(&info.local))
		session_probe(s, MOVED_PROBE_MS + 2 * (info.srtt_us / 1000), true);
}

const struct vx6_vxs_events resume_events = {
	.adrift = on_adrift,
	.stalled = on_stalled,
	.aside = on_aside,
};

/* ---- public ---- */

_Static_assert((int)VX6_ADRIFT_OPENED == (int)VX6_VXS_ADRIFT_OPENED &&
		       (int)VX6_ADRIFT_ACCEPTED == (int)VX6_VXS_ADRIFT_ACCEPTED,
	       "the same bits");

unsigned vx6_sessions_adrift(const struct vx6_sessions *m, const struct vx6_node_id *node,
			     uint64_t route)
{
	return vx6_vxs_adrift(m->vxs, node, route);
}

void vx6_sessions_give_up(struct vx6_sessions *m, const struct vx6_node_id *node, uint64_t route,
			  vx6_err why)
{
	vx6_vxs_give_up(m->vxs, node, route, why);
}

static void leave_for(struct vx6_session *s, struct vx6_session *to)
{
	struct vx6_vxs_via via;

	if (!to)
		return;
	via = resume_via(to);
	vx6_vxs_attach(s->m->vxs, &via, is_this, s->link);
}

void vx6_sessions_leave(struct vx6_sessions *m, struct vx6_session *s)
{
	if (s->state == SESSION_DEAD)
		return;
	s->leaving = true;
	if (s->state == SESSION_UP)
		s->state = SESSION_DRAIN;
	if (!resume_in_force(s) || s->route == VX6_ROUTE_ACCEPTED)
		return;
	leave_for(s, best(m, &s->node, 0));
	if (s->route)
		leave_for(s, best(m, &s->node, s->route));
}

bool vx6_sessions_uses_route(const struct vx6_sessions *m, const struct vx6_node_id *node,
			     uint64_t route)
{
	return vx6_vxs_uses_route(m->vxs, node, route);
}

void vx6_session_doubt(struct vx6_session *s)
{
	if (s->state == SESSION_DEAD || !s->initiator || !s->was_up)
		return;
	vx6_session_probe(s, STALL_PROBE_MS);
	s->stalled = s->state != SESSION_DEAD;
}

size_t vx6_sessions_resumable(const struct vx6_sessions *m)
{
	return vx6_vxs_count(m->vxs);
}
