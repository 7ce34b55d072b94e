/*
 * Legs of hidden routes: built up to a relay X, to which the owner of the service is called meanwhile, and joined with what comes of that.
 *
 *   building -> at x --vx6_circuits_joined()--> open      building, at x --vx6_circuits_not_joined(), or nothing for too long--> over
 */
#include "base/util.h"
#include "circuit/circuits_internal.h"

static const struct vx6_node_id *x_of(const struct leg *l)
{
	return &l->path.hop[l->path.n - 1].node;
}

void hidden_begun(struct leg *l)
{
	const struct vx6_circuits_config *cfg = &l->c->cfg;

	l->number = ++l->c->next_number;
	if (cfg->rendezvous_begins)
		cfg->rendezvous_begins(cfg->user, l->number, &l->target, x_of(l));
}

void hidden_at_x(struct leg *l)
{
	struct vx6_circuits *c = l->c;
	uint64_t now_ms = circuits_now_ms(c);

	l->at_x = true;
	l->x_ms = now_ms;
	circuits_decide(c, &l->target, l->id, "build", "at the meeting place after %llu ms",
			(unsigned long long)(now_ms - l->began_ms));
	c->cfg.rendezvous(c->cfg.user, l->number, &l->target, l->circuit, x_of(l));
}

void hidden_said(struct leg *l, uint8_t type, const uint8_t *data, size_t n)
{
	const struct vx6_circuits_config *cfg = &l->c->cfg;

	if (cfg->rendezvous_said)
		cfg->rendezvous_said(cfg->user, l->number, type, data, n);
}

void hidden_gone(struct leg *l)
{
	const struct vx6_circuits_config *cfg = &l->c->cfg;
	uint64_t number = l->number;

	l->number = 0;
	if (cfg->rendezvous_gone)
		cfg->rendezvous_gone(cfg->user, number);
}

/* ---- what comes of it ---- */

static struct leg *leg_of_number(const struct vx6_circuits *c, uint64_t number)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&c->legs)
	{
		struct leg *l = VX6_CONTAINER_OF(node, struct leg, all);

		if (number && l->number == number)
			return l;
	}
	return NULL;
}

/* Whether the next try may do better. What the owner, or what it published, says to us it says to all of our circuits. */
static bool may_pass(vx6_err err)
{
	switch (err.code) {
	case VX6_E_TIMEOUT:
	case VX6_E_HS_TIMEOUT:
	case VX6_E_UNREACHABLE:
	case VX6_E_CLOSED:
	case VX6_E_RESET:
	case VX6_E_REFUSED:
	case VX6_E_LIMIT:
	case VX6_E_FULL:
	case VX6_E_AGAIN:
	case VX6_E_PROTOCOL:
	case VX6_E_SIGNATURE:
	case VX6_E_FORMAT:
	case VX6_E_STALE:
	case VX6_E_DRAINING:
		return true;
	default:
		return false;
	}
}

static bool another_comes(const struct route *r, const struct leg *but)
{
	VX6_LIST_EACH(node, (struct vx6_list *)&r->legs)
	{
		const struct leg *l = VX6_CONTAINER_OF(node, struct leg, of_route);

		if (l != but && l->circuit && (!l->open || leg_is_good(l)))
			return true;
	}
	return false;
}

static void give_up(struct leg *l, vx6_err err, const char *detail)
{
	struct route *r = l->route;

	circuits_decide(l->c, &l->target, l->id, "build", "failed: %s", detail);
	route_failed(r, err, detail);
	if (!may_pass(err) && !another_comes(r, l))
		route_refuse(r, err, detail);
	leg_close(l, err, detail);
}

void vx6_circuits_joined(struct vx6_circuits *c, uint64_t leg, const struct vx6_circuit_join *j)
{
	struct leg *l = leg_of_number(c, leg);
	vx6_err err;

	if (!l || !l->at_x)
		return;
	err = vx6_circuit_join(l->circuit, j);
	if (vx6_is_ok(err))
		leg_is_there(l);
	else
		give_up(l, err, "the circuit could not be joined");
}

void vx6_circuits_not_joined(struct vx6_circuits *c, uint64_t leg, vx6_err err, const char *detail,
			     bool x_is_fine)
{
	struct leg *l = leg_of_number(c, leg);

	if (!l)
		return;
	l->number = 0;
	if (!x_is_fine)
		circuits_suspect(c, x_of(l));
	give_up(l, err, detail);
}

void hidden_keep(struct leg *l, uint64_t now_ms)
{
	if (now_ms - l->x_ms >= AT_X_MS)
		give_up(l, VX6_ERR(HS_TIMEOUT), "its owner did not come in time");
}
