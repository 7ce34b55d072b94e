/* A hidden service that is not to be visited any more: whatever leads there ends, and nothing of it is looked for again. */
#include "circuit/circuits_internal.h"

static void leg_abandon(struct leg *l, const char *why)
{
	struct vx6_session *s = leg_session(l);

	/* its streams end with it for good, at the other end, too; the circuit follows */
	if (s && l->up)
		vx6_session_close(s, VX6_ERR(DRAINING));
	else
		leg_close(l, VX6_OK, why);
}

static void route_abandon(struct route *r, vx6_err err, const char *why)
{
	circuits_decide(r->c, &r->target, "", "route", "given up: %s", why);
	r->left = true;
	route_refuse(r, err, why);
	vx6_sessions_give_up(r->c->cfg.sessions, &r->target, r->id, VX6_ERR(DRAINING));
	r->adrift = r->in_doubt = false;
	VX6_LIST_EACH(node, &r->legs)
	leg_abandon(VX6_CONTAINER_OF(node, struct leg, of_route), why);
}

void vx6_circuits_abandon(struct vx6_circuits *c, const struct vx6_node_id *service, vx6_err err,
			  const char *why)
{
	VX6_LIST_EACH(node, &c->routes)
	{
		struct route *r = VX6_CONTAINER_OF(node, struct route, lru);

		if (r->how.hidden && vx6_node_id_eq(&r->target, service))
			route_abandon(r, err, why);
	}
	circuits_wake(c, 0);
}
