/* Ways to next hops: which addresses are dialled for others, and one dial for all who want the same node. */
#include <string.h>

#include "base/util.h"
#include "circuit/relay_internal.h"

static size_t listening_at(struct vx6_relay *r, struct vx6_addr *out)
{
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	size_t n = vx6_sessions_bound(r->cfg.sessions, bound);

	for (size_t i = 0; i < n; i++)
		out[i] = bound[i].addr;
	return n;
}

static unsigned kinds_allowed(struct vx6_relay *r)
{
	struct vx6_addr own[2 * VX6_SESSION_LISTEN_MAX];
	size_t n;

	if (r->cfg.events->own_addrs)
		n = r->cfg.events->own_addrs(r->cfg.user, own, VX6_ARRAY_N(own));
	else
		n = listening_at(r, own);
	return vx6_addr_kinds_for_others(own, n);
}

void dial_addrs(struct vx6_relay *r, const struct vx6_endpoint *e, struct vx6_dial_request *req)
{
	unsigned kinds = kinds_allowed(r);

	for (unsigned prio = 0; prio <= UINT8_MAX; prio++) {
		for (size_t i = 0; i < e->n_addrs && req->addrs_n < VX6_DIAL_ADDRS_MAX; i++) {
			const struct vx6_endpoint_addr *a = &e->addrs[i];

			if (a->prio != prio || a->addr.family != VX6_ADDR_IP || a->addr.port == 0 ||
			    vx6_addr_is_any(&a->addr) || vx6_addr_is_multicast(&a->addr) ||
			    !(vx6_addr_kind(&a->addr) & kinds))
				continue;
			req->addrs[req->addrs_n] = a->addr;
			req->via[req->addrs_n++] = a->via;
		}
	}
}

static void dial_free(struct relay_dial *d)
{
	d->r->st.dials--;
	HASH_DEL(d->r->dials, d);
	free(d);
}

static void unwait(struct building *b)
{
	b->dial = NULL;
	if (b->dials)
		b->c->source->dials--;
	b->dials = false;
}

static void on_dialed(void *user, vx6_err err, struct vx6_session *s, const char *detail)
{
	struct relay_dial *d = user;
	uint64_t session = s ? vx6_session_id(s) : 0;
	struct vx6_sessions *m = d->r->cfg.sessions;
	struct vx6_list waiters, *node;

	(void)detail;
	vx6_list_init(&waiters);
	vx6_list_splice(&waiters, &d->waiters);
	VX6_LIST_EACH(w, &waiters)
	{
		unwait(VX6_CONTAINER_OF(w, struct building, wait));
	}
	dial_free(d);
	while ((node = vx6_list_pop(&waiters)) != NULL) {
		struct building *b = VX6_CONTAINER_OF(node, struct building, wait);

		/* what one of them causes may end the session */
		if (s && !vx6_sessions_by_id(m, session))
			s = NULL;
		build_session(b, vx6_is_ok(err) && !s ? VX6_ERR(CLOSED) : err, s);
	}
}

static void wait_for(struct building *b, struct relay_dial *d)
{
	b->dial = d;
	b->dials = true;
	b->c->source->dials++;
	vx6_list_push(&d->waiters, &b->wait);
}

vx6_err dial_begin(struct building *b, const struct vx6_endpoint *e, uint16_t *code)
{
	struct vx6_relay *r = b->c->r;
	struct vx6_dial_request req = {.expect_node = true, .node = b->node, .for_others = true};
	struct relay_dial *d;

	*code = VX6_CODE_LIMIT;
	if (b->c->source->dials >= limits_dials(b->c->source))
		return VX6_ERR(FULL);
	HASH_FIND(hh, r->dials, &b->node, sizeof b->node, d);
	if (d) {
		wait_for(b, d);
		return VX6_OK;
	}
	if (r->st.dials >= VX6_RELAY_DIALS_MAX || !limits_admit_dial(r, b->c->source))
		return VX6_ERR(FULL);
	dial_addrs(r, e, &req);
	*code = VX6_CODE_CIRC_POLICY;
	if (req.addrs_n == 0)
		return VX6_ERR(REFUSED);
	d = vx6_zalloc(sizeof *d);
	d->r = r;
	d->node = b->node;
	vx6_list_init(&d->waiters);
	d->dialing = vx6_sessions_dial(r->cfg.sessions, &req, on_dialed, d);
	*code = VX6_CODE_CIRC_UNREACHABLE;
	if (!d->dialing) {
		free(d);
		return VX6_ERR(UNREACHABLE);
	}
	r->st.dials++;
	HASH_ADD(hh, r->dials, node, sizeof d->node, d);
	wait_for(b, d);
	return VX6_OK;
}

void dial_leave(struct building *b)
{
	struct relay_dial *d = b->dial;

	vx6_list_remove(&b->wait);
	if (!d)
		return;
	unwait(b);
	if (!vx6_list_is_empty(&d->waiters))
		return;
	vx6_dialing_cancel(d->dialing);
	dial_free(d);
}
