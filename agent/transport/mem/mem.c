/* The in-memory family: instances find each other's listeners in one list of the process. */
#include "transport/mem/mem_internal.h"

#include "base/util.h"
#include "crypto/secret.h"

static struct vx6_list everywhere = {&everywhere,
				     &everywhere}; /* listeners of all instances; one thread */
static uint16_t port_next = 1;

/* ---- instances ---- */

static vx6_err mem_new(const struct vx6_transport_config *cfg, struct vx6_transport **out)
{
	struct vx6_transport *t = vx6_zalloc(sizeof *t);

	t->loop = cfg->loop;
	t->limits = cfg->limits;
	t->pk = cfg->key->pk;
	t->source = (struct vx6_addr){.family = VX6_ADDR_IP, .ip = {[15] = 1}, .port = 65535};
	vx6_list_init(&t->links);
	vx6_list_init(&t->listeners);
	*out = t;
	return VX6_OK;
}

void vx6_mem_set_delay(struct vx6_transport *t, uint64_t one_way_ns)
{
	t->delay_ns = one_way_ns;
}

void vx6_mem_set_dead(struct vx6_transport *t, bool dead)
{
	t->dead = dead;
}

void vx6_mem_set_keyless(struct vx6_transport *t, bool keyless)
{
	t->keyless = keyless;
}

void vx6_mem_set_source(struct vx6_transport *t, const struct vx6_addr *source)
{
	t->source = *source;
}

/* ---- listeners ---- */

static struct vx6_listener *listener_find(const struct vx6_transport *t, uint16_t port)
{
	VX6_LIST_EACH(node, &everywhere)
	{
		struct vx6_listener *l = VX6_CONTAINER_OF(node, struct vx6_listener, everywhere);

		if (l->t->loop == t->loop && l->at.port == port)
			return l;
	}
	return NULL;
}

static vx6_err mem_listen(struct vx6_transport *t, const struct vx6_addr *at,
			  const struct vx6_accept_events *ev, void *user, struct vx6_listener **out)
{
	struct vx6_listener *l;

	if (at->family != VX6_ADDR_IP)
		return VX6_ERR(INVALID);
	if (at->port && listener_find(t, at->port))
		return VX6_ERR(ADDRESS_IN_USE);
	l = vx6_zalloc(sizeof *l);
	*l = (struct vx6_listener){.t = t, .at = *at, .ev = ev, .user = user};
	while (!l->at.port || listener_find(t, l->at.port))
		l->at.port = port_next++;
	vx6_list_push(&everywhere, &l->everywhere);
	vx6_list_push(&t->listeners, &l->node);
	*out = l;
	return VX6_OK;
}

static void mem_listener_addr(const struct vx6_listener *l, struct vx6_addr *out)
{
	*out = l->at;
}

static void mem_listener_close(struct vx6_listener *l)
{
	vx6_list_remove(&l->node);
	vx6_list_remove(&l->everywhere);
	free(l);
}

static void mem_free(struct vx6_transport *t)
{
	if (!t)
		return;
	while (!vx6_list_is_empty(&t->listeners))
		mem_listener_close(VX6_CONTAINER_OF(t->listeners.next, struct vx6_listener, node));
	while (!vx6_list_is_empty(&t->links)) {
		struct vx6_link *link = VX6_CONTAINER_OF(t->links.next, struct vx6_link, node);

		mem_link_fail(link, VX6_ERR(CLOSED));
		mem_link_finish(link);
	}
	free(t);
}

static vx6_err mem_set_key(struct vx6_transport *t, const struct vx6_sign_keypair *key)
{
	t->pk = key->pk;
	return VX6_OK;
}

/* ---- links ---- */

static vx6_err mem_dial(struct vx6_transport *t, const struct vx6_dial *how,
			const struct vx6_link_events *ev, void *user, struct vx6_link **out)
{
	struct vx6_link *link;

	if (how->to.family != VX6_ADDR_IP)
		return VX6_ERR(INVALID);
	if (t->links_n >= t->limits.links_max)
		return VX6_ERR(FULL);
	link = mem_link_new(t);
	link->initiator = true;
	link->how = *how;
	link->keyless = t->keyless;
	if (how->anonymous || link->keyless)
		link->own_key = (struct vx6_sign_pk){0};
	link->remote = how->to;
	link->ev = ev;
	link->user = user;
	if (t->delay_ns)
		vx6_timer_at(&link->arrival, vx6_loop_now_ns(t->loop) + 2 * t->delay_ns);
	else
		vx6_loop_defer(t->loop, &link->task);
	*out = link;
	return VX6_OK;
}

static void pair(struct vx6_link *a, struct vx6_link *b)
{
	a->peer = b;
	b->peer = a;
	a->has_peer_key = true;
	a->peer_key = b->own_key;
	b->has_peer_key = !a->how.anonymous;
	if (b->has_peer_key)
		b->peer_key = a->own_key;
	a->local = b->remote = a->t->source;
	b->local = a->remote;
	b->keyless = a->keyless;
	if (a->keyless) {
		a->has_peer_key = b->has_peer_key = false;
		a->peer_key = b->peer_key = b->own_key = (struct vx6_sign_pk){0};
		a->local = a->remote = b->local = b->remote = (struct vx6_addr){0};
	}
	vx6_random_bytes(a->channel_binding, sizeof a->channel_binding);
	for (size_t i = 0; i < sizeof a->channel_binding; i++)
		b->channel_binding[i] = a->channel_binding[i];
}

void mem_link_connect(struct vx6_link *link)
{
	struct vx6_listener *l = listener_find(link->t, link->how.to.port);
	struct vx6_link *other;
	bool right_key;

	if (!l || l->t->links_n >= l->t->limits.links_max) {
		mem_link_fail(link, VX6_ERR(REFUSED));
		return;
	}
	other = mem_link_new(l->t);
	pair(link, other);
	l->ev->accept(l, other, l->user);
	right_key = !link->how.expect_key ||
		    vx6_ct_eq(link->how.key.b, link->peer_key.b, sizeof link->peer_key.b);
	if (other->ev && other->state == MEM_CONNECT && right_key) {
		mem_link_up(other);
		mem_link_up(link);
		return;
	}
	mem_link_fail(other, VX6_ERR(TLS));
	mem_link_fail(link, right_key ? VX6_ERR(CLOSED) : VX6_ERR(WRONG_PEER));
}

static void mem_link_set_events(struct vx6_link *link, const struct vx6_link_events *ev, void *user)
{
	link->ev = ev;
	link->user = user;
}

static void mem_link_info(const struct vx6_link *link, struct vx6_link_info *out)
{
	*out = (struct vx6_link_info){
		.transport = vx6_transport_mem.name,
		.local = link->local,
		.remote = link->remote,
		.initiator = link->initiator,
		.is_up = link->state == MEM_UP,
		.has_peer_key = link->was_up && link->has_peer_key,
		.peer_key = link->peer_key,
		.own_key = link->own_key,
		.srtt_us = link->mux.srtt_us,
		.rttvar_us = link->mux.rttvar_us,
		.rx_bytes = link->rx_bytes,
		.tx_bytes = link->tx_bytes,
		.streams = link->was_up ? link->mux.own_n + link->mux.peer_n : 0,
	};
	for (size_t i = 0; i < sizeof out->channel_binding; i++)
		out->channel_binding[i] = link->channel_binding[i];
}

static void mem_link_drain(struct vx6_link *link)
{
	if (link->state == MEM_UP)
		mux_goaway(&link->mux);
}

static void mem_link_close(struct vx6_link *link, vx6_err why)
{
	link->polite = true;
	mem_link_fail(link, why);
}

static vx6_err mem_stream_open(struct vx6_link *link, const struct vx6_stream_events *ev,
			       void *user, struct vx6_stream **out)
{
	if (link->state != MEM_UP)
		return VX6_ERR(CLOSED);
	return mux_stream_open(&link->mux, ev, user, out);
}

const struct vx6_transport_ops vx6_transport_mem = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "mem",
	.new = mem_new,
	.free = mem_free,
	.set_key = mem_set_key,
	.listen = mem_listen,
	.listener_addr = mem_listener_addr,
	.listener_close = mem_listener_close,
	.dial = mem_dial,
	.link_set_events = mem_link_set_events,
	.link_info = mem_link_info,
	.link_drain = mem_link_drain,
	.link_close = mem_link_close,
	.stream_open = mem_stream_open,
	.stream_set_events = mux_stream_set_events,
	.stream_reserve = mux_stream_reserve,
	.stream_commit = mux_stream_commit,
	.stream_consume = mux_stream_consume,
	.stream_reset = mux_stream_reset,
	.stream_limit = mux_stream_limit,
	.stream_pass = mux_stream_pass,
};
