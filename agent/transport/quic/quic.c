/* The QUIC family: instance, listeners, dialling, link operations, and the deferred task that ends each wake-up. */
#include <string.h>
#include <sys/mman.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "transport/local.h"
#include "transport/quic/quic_internal.h"
#include "wire/code.h"

enum { ROUNDS_MAX = 8 };

/* ---- the end of a wake-up ---- */

static void run_ready(struct vx6_transport *t)
{
	struct vx6_list batch, *node;

	vx6_list_init(&batch);
	vx6_list_splice(&batch, &t->ready);
	while ((node = vx6_list_pop(&batch)) != NULL)
		quic_deliver(VX6_CONTAINER_OF(node, struct quic_conn, ready_node));
}

static void run_dirty(struct vx6_transport *t)
{
	struct vx6_list batch, *node;

	vx6_list_init(&batch);
	vx6_list_splice(&batch, &t->dirty);
	while ((node = vx6_list_pop(&batch)) != NULL)
		quic_flush(VX6_CONTAINER_OF(node, struct quic_conn, dirty_node));
}

static void on_task(struct vx6_task *task)
{
	struct vx6_transport *t = task->user;

	for (int i = 0; i < ROUNDS_MAX && !vx6_list_is_empty(&t->ready); i++)
		run_ready(t);
	run_dirty(t);
	if (!vx6_list_is_empty(&t->ready) || !vx6_list_is_empty(&t->dirty))
		vx6_loop_defer(t->loop, &t->task);
}

/* ---- instance ---- */

/* All that follows from the signing key; nothing changes on failure. */
static vx6_err op_set_key(struct vx6_transport *t, const struct vx6_sign_keypair *key)
{
	static const char label[] = "vx6 quic stateless reset v1";
	uint8_t secret[sizeof t->static_secret];
	struct vx6_tls *tls;

	VX6_TRY(vx6_kdf(NULL, 0, key->seed.b, sizeof key->seed.b, label, sizeof label - 1, secret,
			sizeof secret));
	VX6_TRY(vx6_tls_new(key, &tls));
	/* not ..._configure_client_context(): that would turn session tickets on */
	for (int role = 0; role < VX6_TLS_ROLES; role++)
		ngtcp2_crypto_wolfssl_configure_server_context(vx6_tls_ctx(tls, role));
	vx6_tls_free(t->tls);
	t->tls = tls;
	memcpy(t->static_secret, secret, sizeof secret);
	vx6_wipe(secret, sizeof secret);
	return VX6_OK;
}

static vx6_err op_new(const struct vx6_transport_config *cfg, struct vx6_transport **out)
{
	struct vx6_transport *t = vx6_zalloc(sizeof *t);
	vx6_err err;

	t->loop = cfg->loop;
	t->limits = cfg->limits;
	vx6_list_init(&t->sockets);
	vx6_list_init(&t->conns);
	vx6_list_init(&t->lingering);
	vx6_list_init(&t->ready);
	vx6_list_init(&t->dirty);
	vx6_list_init(&t->starved);
	vx6_task_init(&t->task, on_task, t);
	quic_cid_init(&t->cids);
	vx6_guard_init(&t->plain, t->limits.handshakes_per_s);
	vx6_guard_init(&t->proven, t->limits.handshakes_per_s * QUIC_PROVEN_FACTOR);
	vx6_random_bytes(t->retry_secret, sizeof t->retry_secret);
	err = op_set_key(t, cfg->key);
	if (!vx6_is_ok(err))
		goto out;
	*out = t;
	return VX6_OK;
out:
	quic_cid_fini(&t->cids);
	free(t);
	return err;
}

static void end_all(struct vx6_transport *t)
{
	ngtcp2_ccerr ccerr;

	ngtcp2_ccerr_set_application_error(&ccerr, VX6_CODE_DRAINING, NULL, 0);
	VX6_LIST_EACH(node, &t->conns)
	quic_conn_end(VX6_CONTAINER_OF(node, struct quic_conn, node), VX6_ERR(CLOSED), &ccerr);
	while (!vx6_list_is_empty(&t->ready))
		run_ready(t);
}

static void op_free(struct vx6_transport *t)
{
	if (!t)
		return;
	end_all(t);
	while (!vx6_list_is_empty(&t->lingering))
		quic_conn_free(VX6_CONTAINER_OF(t->lingering.next, struct quic_conn, node));
	VX6_LIST_EACH(node, &t->sockets)
	{
		struct quic_socket *s = VX6_CONTAINER_OF(node, struct quic_socket, node);

		free(s->listener);
		s->listener = NULL;
		s->refs = 1;
		quic_socket_unref(s);
	}
	vx6_task_cancel(&t->task);
	vx6_tls_free(t->tls);
	quic_pool_fini(&t->pool);
	quic_cid_fini(&t->cids);
	if (t->rx)
		munmap(t->rx, (QUIC_RX_SLOTS + 1) * QUIC_SLOT_BYTES);
	vx6_wipe(t->static_secret, sizeof t->static_secret);
	vx6_wipe(t->retry_secret, sizeof t->retry_secret);
	free(t);
}

/* ---- listeners ---- */

static vx6_err op_listen(struct vx6_transport *t, const struct vx6_addr *at,
			 const struct vx6_accept_events *ev, void *user, struct vx6_listener **out)
{
	struct vx6_listener *l;
	struct quic_socket *s;

	if (at->family != VX6_ADDR_IP)
		return VX6_ERR(INVALID);
	VX6_TRY(quic_socket_open(t, at, &s));
	l = vx6_zalloc(sizeof *l);
	l->sock = s;
	l->ev = ev;
	l->user = user;
	s->listener = l;
	*out = l;
	return VX6_OK;
}

static void op_listener_addr(const struct vx6_listener *l, struct vx6_addr *out)
{
	const struct quic_socket *s = l->sock;

	if (!vx6_is_ok(vx6_addr_from_sockaddr(&s->bound.sa,
					      s->family == AF_INET6 ? sizeof s->bound.in6
								    : sizeof s->bound.in,
					      out)))
		*out = (struct vx6_addr){0};
}

static void op_listener_close(struct vx6_listener *l)
{
	if (!l)
		return;
	l->sock->listener = NULL;
	quic_socket_unref(l->sock);
	free(l);
}

/* ---- links ---- */

static vx6_err remote_path(const struct quic_socket *s, const struct vx6_addr *to,
			   struct quic_path *path)
{
	struct sockaddr_storage ss;
	socklen_t n = vx6_addr_to_sockaddr(to, s->family == AF_INET6, &ss);

	*path = (struct quic_path){.len = n};
	if (n == 0 || ss.ss_family != s->family || n > sizeof path->remote || to->port == 0)
		return VX6_ERR(UNREACHABLE);
	memcpy(&path->remote, &ss, n);
	return VX6_OK;
}

static vx6_err op_dial(struct vx6_transport *t, const struct vx6_dial *how,
		       const struct vx6_link_events *ev, void *user, struct vx6_link **out)
{
	struct quic_conn *c;
	struct quic_path path;

	if (how->to.family != VX6_ADDR_IP)
		return VX6_ERR(INVALID);
	if (t->links >= t->limits.links_max)
		return VX6_ERR(FULL);
	if (!t->dial_socket)
		VX6_TRY(quic_socket_open(
			t, NULL,
			&t->dial_socket)); /* its first reference stays with the instance */
	VX6_TRY(remote_path(t->dial_socket, &how->to, &path));
	VX6_TRY(quic_conn_dial(t->dial_socket, &path, how, &c));
	c->ev = ev;
	c->user = user;
	quic_conn_dirty(c);
	*out = quic_link_of(c);
	return VX6_OK;
}

static void op_link_set_events(struct vx6_link *link, const struct vx6_link_events *ev, void *user)
{
	struct quic_conn *c = quic_conn_of(link);

	c->ev = ev;
	c->user = user;
}

static void fill_path(const struct quic_conn *c, struct vx6_link_info *out)
{
	const ngtcp2_path *path = ngtcp2_conn_get_path2(c->q);

	if (!vx6_is_ok(vx6_addr_from_sockaddr(path->local.addr, path->local.addrlen, &out->local)))
		out->local.family = VX6_ADDR_NONE;
	if (!vx6_is_ok(
		    vx6_addr_from_sockaddr(path->remote.addr, path->remote.addrlen, &out->remote)))
		out->remote.family = VX6_ADDR_NONE;
}

static void op_link_info(const struct vx6_link *link, struct vx6_link_info *out)
{
	const struct quic_conn *c = (const struct quic_conn *)(const void *)link;
	ngtcp2_conn_info info;

	*out = (struct vx6_link_info){.transport = "quic",
				      .initiator = c->initiator,
				      .is_up = c->state == QUIC_UP,
				      .has_peer_key = c->peer.has_key,
				      .peer_key = c->peer.key,
				      .own_key = c->peer.own,
				      .streams = c->streams_n};
	memcpy(out->channel_binding, c->channel_binding, VX6_CB_BYTES);
	if (!c->q)
		return;
	fill_path(c, out);
	ngtcp2_conn_get_conn_info2(c->q, &info);
	if (info.latest_rtt) {
		out->srtt_us = (uint32_t)VX6_MIN(info.smoothed_rtt / 1000, UINT32_MAX);
		out->rttvar_us = (uint32_t)VX6_MIN(info.rttvar / 1000, UINT32_MAX);
	}
	out->path_mtu = (uint32_t)ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->q);
	out->rx_bytes = info.bytes_recv;
	out->tx_bytes = info.bytes_sent;
	out->tx_packets = info.pkt_sent;
	out->lost_packets = info.pkt_lost;
}

static void op_link_drain(struct vx6_link *link)
{
	struct quic_conn *c = quic_conn_of(link);

	c->drain_wanted = true;
	if (c->state == QUIC_UP)
		quic_conn_dirty(c);
}

static void op_link_close(struct vx6_link *link, vx6_err why)
{
	struct quic_conn *c = quic_conn_of(link);
	ngtcp2_ccerr ccerr;
	uint16_t code =
		vx6_is_ok(why) || why.code == VX6_E_CLOSED ? VX6_CODE_OK : vx6_code_from_err(why);

	ngtcp2_ccerr_set_application_error(&ccerr, code, NULL, 0);
	quic_conn_end(c, why, &ccerr);
}

static void op_link_rebind(struct vx6_link *link)
{
	struct quic_conn *c = quic_conn_of(link);
	struct vx6_link_info info;

	quic_conn_rebind(c);
	if (c->initiator || c->state != QUIC_UP)
		return;
	/* an acceptor cannot move: without its address the link is dead, and nobody can be told */
	op_link_info(link, &info);
	if (!vx6_local_addr_is_there(&info.local))
		quic_conn_end(c, VX6_ERR(CLOSED), NULL);
}

const struct vx6_transport_ops vx6_transport_quic = {
	.abi = VX6_TRANSPORT_ABI,
	.name = "quic",
	.new = op_new,
	.free = op_free,
	.set_key = op_set_key,
	.listen = op_listen,
	.listener_addr = op_listener_addr,
	.listener_close = op_listener_close,
	.dial = op_dial,
	.link_set_events = op_link_set_events,
	.link_info = op_link_info,
	.link_drain = op_link_drain,
	.link_close = op_link_close,
	.link_rebind = op_link_rebind,
	.stream_open = quic_op_stream_open,
	.stream_set_events = quic_op_stream_set_events,
	.stream_reserve = quic_op_stream_reserve,
	.stream_commit = quic_op_stream_commit,
	.stream_consume = quic_op_stream_consume,
	.stream_reset = quic_op_stream_reset,
	.stream_limit = quic_op_stream_limit,
};
