/*
 * Sessions over circuits: made of a link that is there already, beside all that is about links of a node's own. Spec: schemas/wire/session.md
 */
#include "base/util.h"
#include "session/session_internal.h"

vx6_err vx6_sessions_adopt(struct vx6_sessions *m, struct vx6_link *link,
			   const struct vx6_adopt *how, struct vx6_session **out)
{
	struct vx6_link_info info;
	struct vx6_session *s;

	VX6_ASSERT(how->initiator
			   ? how->expect_node && how->route != 0 &&
				     how->route != VX6_ROUTE_ACCEPTED && !how->as && !how->scope
			   : !how->anonymous && !how->proven && !how->hidden &&
				     !how->as == !how->scope);
	if (m->draining)
		return VX6_ERR(DRAINING);
	s = session_new(m, link, how->initiator);
	s->circuit = true;
	s->anonymous = how->anonymous;
	s->proven = how->proven;
	s->hidden = how->hidden;
	s->expect_node = how->expect_node;
	s->expected = how->node;
	s->node = how->node; /* has_node says when it is proved */
	s->route = how->initiator ? how->route : VX6_ROUTE_ACCEPTED;
	s->scope = how->scope;
	if (how->as)
		s->as = how->as;
	s->adopt_ev = how->ev;
	s->adopt_user = how->user;
	vx6_link_info(link, &info);
	if (info.is_up)
		session_link_events.up(link, s);
	*out = s;
	return VX6_OK;
}

void session_tell_up(struct vx6_session *s)
{
	const struct vx6_sessions_config *cfg = &s->m->cfg;

	if (!s->circuit && cfg->events->up)
		cfg->events->up(cfg->user, s);
	if (s->adopt_ev && s->adopt_ev->up)
		s->adopt_ev->up(s->adopt_user, s);
}

/* Whoever had a link adopted holds the session from then on, and hears of its end in any case. */
void session_tell_down(struct vx6_session *s, vx6_err why)
{
	const struct vx6_sessions_config *cfg = &s->m->cfg;

	if (!s->circuit && s->was_up && cfg->events->down)
		cfg->events->down(cfg->user, s, why);
	if (s->adopt_ev && s->adopt_ev->down)
		s->adopt_ev->down(s->adopt_user, s, why);
}

void vx6_session_disown(struct vx6_session *s)
{
	s->adopt_ev = NULL;
	s->adopt_user = NULL;
}

/* ---- the end of the manager, which owns none of these links ---- */

static void nobody_stream(struct vx6_link *link, struct vx6_stream *stream, void *user)
{
	(void)link;
	(void)stream; /* without events it is reset */
	(void)user;
}

static void nobody_down(struct vx6_link *link, vx6_err why, void *user)
{
	(void)link;
	(void)why;
	(void)user;
}

static const struct vx6_link_events nobody = {.stream = nobody_stream, .down = nobody_down};

void adopted_free_all(struct vx6_sessions *m)
{
	VX6_LIST_EACH(node, &m->all)
	{
		struct vx6_session *s = VX6_CONTAINER_OF(node, struct vx6_session, all);
		struct vx6_link *link = s->link;

		if (!s->circuit)
			continue;
		session_fail(s, VX6_ERR(CLOSED), vx6_err_text(VX6_ERR(CLOSED)));
		streams_let_go(s);
		vx6_link_set_events(link, &nobody, NULL);
		session_link_events.down(link, VX6_ERR(CLOSED), s);
	}
}

/* ---- what others may ask ---- */

bool vx6_session_is_circuit(const struct vx6_session *s)
{
	return s->circuit;
}

uint64_t vx6_session_route(const struct vx6_session *s)
{
	return s->route;
}

uint64_t vx6_session_scope(const struct vx6_session *s)
{
	return s->scope;
}

uint64_t vx6_sessions_circuit_ignored(const struct vx6_sessions *m)
{
	return m->circuit_ignored;
}
