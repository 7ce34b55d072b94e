/*
 * Connections: made by accept.c or a dial, owned by the instance, freed at the end of their lingering.
 *
 *   dial/accept -> HANDSHAKE -> UP -> CLOSING -> `down` -> LINGER -> freed
 *                      |_______________^
 *
 * Between calls: c->q is alive unless LINGER; a connection is in t->conns, or in t->lingering once LINGER; its ids and tokens are in
 * the table of the instance until it is freed, so late packets find it.
 */
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "transport/quic/quic_internal.h"
#include "wire/code.h"

enum { IPV4_UDP_HEADERS = 28, IPV6_UDP_HEADERS = 48, INITIAL_RTT_LOOPBACK_MS = 1, LINGER_PTOS = 3 };
#define STALL_NS (3 * UINT64_C(1000000000))

/* Sizes of the path MTU search: the usual Ethernet first, then what tunnels leave, then jumbo frames and loopback. Those above the
 * MTU of the interface are not tried. */
static const uint16_t mtu_probes[] = {1452, 1232, 1372, 8952, 16332};

static ngtcp2_conn *ref_conn(ngtcp2_crypto_conn_ref *ref)
{
	return ((struct quic_conn *)ref->user_data)->q;
}

/* ---- parameters ---- */

static void make_settings(const struct quic_conn *c, const struct quic_path *path, uint32_t mtu,
			  ngtcp2_settings *out)
{
	const struct vx6_transport_limits *lim = &c->t->limits;
	size_t most = mtu > IPV6_UDP_HEADERS ? mtu - IPV6_UDP_HEADERS : 1452;

	ngtcp2_settings_default(out);
	out->initial_ts = quic_now(c->t);
	out->cc_algo = NGTCP2_CC_ALGO_BBR;
	out->handshake_timeout = lim->handshake_ms * VX6_NS_PER_MS;
	out->max_stream_window =
		0; /* grown by stream.c, where each stream has a limit of its own */
	out->max_window = lim->link_window_max;
	out->pmtud_probes = mtu_probes;
	out->pmtud_probeslen = VX6_ARRAY_N(mtu_probes);
	out->max_tx_udp_payload_size =
		VX6_MAX(VX6_MIN(most, (size_t)mtu_probes[VX6_ARRAY_N(mtu_probes) - 1]),
			(size_t)NGTCP2_MAX_UDP_PAYLOAD_SIZE);
	if (quic_path_is_loopback(path))
		out->initial_rtt = INITIAL_RTT_LOOPBACK_MS * VX6_NS_PER_MS;
}

static void make_params(const struct quic_conn *c, ngtcp2_transport_params *out)
{
	const struct vx6_transport_limits *lim = &c->t->limits;

	ngtcp2_transport_params_default(out);
	out->initial_max_stream_data_bidi_local = lim->stream_window;
	out->initial_max_stream_data_bidi_remote = lim->stream_window;
	out->initial_max_stream_data_uni = 64;
	out->initial_max_data = lim->link_window;
	/* whoever shows a key gets the rest once its key is known */
	out->initial_max_streams_bidi = VX6_MIN(lim->streams_max_anon, lim->streams_max);
	out->initial_max_streams_uni = QUIC_CONTROL_STREAMS;
	out->max_idle_timeout = lim->idle_ms * VX6_NS_PER_MS;
	out->active_connection_id_limit = 8;
	out->max_datagram_frame_size = 0xffff;
	out->grease_quic_bit = 1;
}

/* ---- a path that lets only small packets through ---- */

void quic_conn_path_shrank(struct quic_conn *c)
{
	ngtcp2_ccerr ccerr;

	VX6_DEBUG("quic", "packets of the size that the path took do not get through any more");
	ngtcp2_ccerr_set_application_error(&ccerr, VX6_CODE_TIMEOUT, NULL, 0);
	quic_conn_end(c, VX6_ERR(TIMEOUT), &ccerr);
}

/* A datagram came. Nothing of ours acknowledged for a while, and yet the peer is there: noted, for is_black_hole(). */
static void suspect(struct quic_conn *c)
{
	uint64_t now = quic_now(c->t);

	if (c->suspect_ns == 0 && c->unacked > c->unsent && now - c->acked_ns > STALL_NS)
		c->suspect_ns = now;
}

/* Nothing acknowledged since for as long again: probes have been sent meanwhile and were swallowed too, so this is no outage that
 * has just ended. ngtcp2 raises the packet size to what a path takes but never lowers it. */
static bool is_black_hole(const struct quic_conn *c)
{
	return c->state == QUIC_UP && c->suspect_ns && c->unacked > c->unsent &&
	       quic_now(c->t) - c->suspect_ns > c->suspect_ns - c->acked_ns;
}

/* ---- birth ---- */

static void on_timer(struct vx6_timer *timer)
{
	struct quic_conn *c = timer->user;
	int rv;

	if (c->state == QUIC_LINGER) {
		quic_conn_free(c);
		return;
	}
	if (c->state == QUIC_CLOSING)
		return;
	if (is_black_hole(c)) {
		quic_conn_path_shrank(c);
		return;
	}
	c->late_ns = quic_now(c->t) - timer->due_ns;
	rv = ngtcp2_conn_handle_expiry(c->q, quic_now(c->t));
	if (rv != 0)
		quic_conn_fail(c, rv);
	else
		quic_conn_dirty(c);
}

static struct quic_conn *conn_new(struct quic_socket *s)
{
	struct quic_conn *c = vx6_zalloc(sizeof *c);

	c->base.ops = &vx6_transport_quic;
	c->t = s->t;
	c->sock = s;
	s->refs++;
	c->why = VX6_OK;
	c->control_out = -1;
	c->cwnd = QUIC_LINK_SEND_MIN;
	c->ref = (ngtcp2_crypto_conn_ref){.get_conn = ref_conn, .user_data = c};
	vx6_list_init(&c->streams);
	vx6_list_init(&c->sendq);
	vx6_list_init(&c->stream_ready);
	vx6_list_init(&c->link_blocked);
	vx6_timer_init(s->t->loop, &c->timer, on_timer, c);
	vx6_list_push(&c->t->conns, &c->node);
	c->t->links++;
	c->t->handshakes++;
	c->counted = true;
	return c;
}

static void uncount(struct quic_conn *c)
{
	if (c->counted)
		c->t->handshakes--;
	c->counted = false;
}

static vx6_err attach_tls(struct quic_conn *c, enum vx6_tls_role role)
{
	VX6_TRY(vx6_tls_session_new(c->t->tls, role, &c->peer, &c->ssl));
	wolfSSL_set_app_data(c->ssl, &c->ref);
	ngtcp2_conn_set_tls_native_handle(c->q, c->ssl);
	return VX6_OK;
}

static bool random_cid(struct quic_conn *c, ngtcp2_cid *cid)
{
	uint8_t bytes[QUIC_CID_BYTES];

	vx6_random_bytes(bytes, sizeof bytes);
	ngtcp2_cid_init(cid, bytes, sizeof bytes);
	return quic_cid_add(c, quic_cid_key(cid->data));
}

vx6_err quic_conn_accept(struct quic_socket *s, struct quic_path *path,
			 const struct quic_initial *first, struct quic_conn **out)
{
	struct quic_conn *c = conn_new(s);
	ngtcp2_transport_params params;
	ngtcp2_settings settings;
	struct quic_path route = *path;
	ngtcp2_path view;
	ngtcp2_cid scid;

	c->accept_due = true;
	c->odcid_key =
		quic_cid_key_foreign(&c->t->cids, first->hd.dcid.data, first->hd.dcid.datalen);
	c->has_odcid_key = true;
	if (!quic_cid_add(c, c->odcid_key) || !random_cid(c, &scid))
		goto out;
	if (!vx6_is_ok(quic_socket_route(s, &route, &c->mtu_hint)))
		c->mtu_hint = 0;
	make_settings(c, path, c->mtu_hint, &settings);
	make_params(c, &params);
	params.original_dcid_present = 1;
	params.original_dcid = first->odcid ? *first->odcid : first->hd.dcid;
	params.stateless_reset_token_present = 1;
	if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token,
							 c->t->static_secret,
							 sizeof c->t->static_secret, &scid) != 0)
		goto out;
	if (first->odcid) {
		params.retry_scid_present = 1;
		params.retry_scid = first->hd.dcid;
		settings.token = first->hd.token;
		settings.tokenlen = first->hd.tokenlen;
		settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
	}
	quic_path_view(path, &view);
	if (ngtcp2_conn_server_new(&c->q, &first->hd.scid, &scid, &view, first->hd.version,
				   &quic_callbacks, &settings, &params, NULL, c) != 0 ||
	    !vx6_is_ok(attach_tls(c, VX6_TLS_ACCEPT)))
		goto out;
	*out = c;
	return VX6_OK;
out:
	quic_conn_free(c);
	return VX6_ERR(MEMORY);
}

vx6_err quic_conn_dial(struct quic_socket *s, struct quic_path *path, const struct vx6_dial *how,
		       struct quic_conn **out)
{
	struct quic_conn *c = conn_new(s);
	uint8_t dcid_bytes[NGTCP2_MIN_INITIAL_DCIDLEN];
	ngtcp2_transport_params params;
	ngtcp2_settings settings;
	ngtcp2_cid dcid, scid;
	ngtcp2_path view;
	vx6_err err = VX6_ERR(MEMORY);

	c->initiator = true;
	c->peer.expect_key = how->expect_key;
	c->peer.expected = how->key;
	vx6_random_bytes(dcid_bytes, sizeof dcid_bytes);
	ngtcp2_cid_init(&dcid, dcid_bytes, sizeof dcid_bytes);
	if (!random_cid(c, &scid))
		goto out;
	err = quic_socket_route(s, path, &c->mtu_hint);
	if (!vx6_is_ok(err))
		goto out;
	make_settings(c, path, c->mtu_hint, &settings);
	make_params(c, &params);
	quic_path_view(path, &view);
	err = VX6_ERR(MEMORY);
	if (ngtcp2_conn_client_new(&c->q, &dcid, &scid, &view, NGTCP2_PROTO_VER_V1, &quic_callbacks,
				   &settings, &params, NULL, c) != 0)
		goto out;
	err = attach_tls(c, how->anonymous ? VX6_TLS_DIAL_ANON : VX6_TLS_DIAL);
	if (!vx6_is_ok(err))
		goto out;
	*out = c;
	return VX6_OK;
out:
	quic_conn_free(c);
	return err;
}

/* ---- work notes ---- */

void quic_conn_ready(struct quic_conn *c)
{
	if (!vx6_list_is_linked(&c->ready_node))
		vx6_list_push(&c->t->ready, &c->ready_node);
	vx6_loop_defer(c->t->loop, &c->t->task);
}

void quic_conn_dirty(struct quic_conn *c)
{
	if (!vx6_list_is_linked(&c->dirty_node))
		vx6_list_push(&c->t->dirty, &c->dirty_node);
	vx6_loop_defer(c->t->loop, &c->t->task);
}

void quic_conn_arm(struct quic_conn *c, ngtcp2_tstamp due)
{
	if (due == UINT64_MAX)
		vx6_timer_stop(&c->timer);
	else if (!vx6_timer_is_armed(&c->timer) || c->timer.due_ns != due)
		vx6_timer_at(&c->timer, due);
}

void quic_conn_read(struct quic_conn *c, struct quic_path *path, uint8_t ecn, const uint8_t *p,
		    size_t n)
{
	ngtcp2_pkt_info info = {.ecn = ecn};
	ngtcp2_path view;
	int rv;

	if (c->state == QUIC_LINGER) {
		/* answered at the 1st, 2nd, 4th, 8th … packet only */
		c->goodbye_asked++;
		if (c->goodbye_n && (c->goodbye_asked & (c->goodbye_asked - 1)) == 0)
			quic_socket_send(c->sock, &c->goodbye_path, 0, c->goodbye, c->goodbye_n,
					 c->goodbye_n);
		return;
	}
	if (c->state == QUIC_CLOSING)
		return;
	suspect(c);
	c->read_n++;
	quic_path_view(path, &view);
	rv = ngtcp2_conn_read_pkt(c->q, &view, &info, p, n, quic_now(c->t));
	if (rv != 0)
		quic_conn_fail(c, rv);
	else
		quic_conn_dirty(c);
}

/* ---- moving ---- */

/* Whether packets of the size in use are too large for what the host knows of the path now. */
static bool has_shrunk(struct quic_conn *c, const struct quic_path *path, uint32_t mtu)
{
	const union quic_sockaddr *to = &path->remote;
	bool v4 = to->sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&to->in6.sin6_addr);
	size_t in_use = ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->q);

	return mtu > 0 && in_use > NGTCP2_MAX_UDP_PAYLOAD_SIZE &&
	       in_use + (v4 ? IPV4_UDP_HEADERS : IPV6_UDP_HEADERS) > mtu;
}

void quic_conn_rebind(struct quic_conn *c)
{
	const ngtcp2_path *now;
	struct quic_path path = {0};
	ngtcp2_path view;
	uint32_t mtu;
	int rv;

	if (c->state > QUIC_UP)
		return;
	now = ngtcp2_conn_get_path2(c->q);
	if (now->remote.addrlen > sizeof path.remote)
		return;
	memcpy(&path.remote, now->remote.addr, now->remote.addrlen);
	path.len = now->remote.addrlen;
	if (!vx6_is_ok(quic_socket_route(c->sock, &path, &mtu)))
		return; /* no route at all just now; the idle timer has the last word */
	quic_path_view(&path, &view);
	/* better to end before somebody writes than with what was just begun; a new path needs no end: it starts with small packets */
	if (ngtcp2_path_eq(now, &view) && has_shrunk(c, &path, mtu)) {
		quic_conn_path_shrank(c);
		return;
	}
	if (!c->initiator)
		return;
	/* a fresh connection id on the new path, and a new start for congestion control; the peer validates the path meanwhile */
	rv = ngtcp2_conn_initiate_immediate_migration(c->q, &view, quic_now(c->t));
	if (rv == NGTCP2_ERR_INVALID_STATE || rv == NGTCP2_ERR_CONN_ID_BLOCKED)
		/* too early, or no id left: go on as if an address translator had moved us, which the peer validates as well */
		ngtcp2_conn_set_local_addr(c->q, &view.local);
	else if (rv != 0 && rv != NGTCP2_ERR_INVALID_ARGUMENT)
		quic_conn_fail(c, rv);
	if (c->state <= QUIC_UP)
		quic_conn_dirty(c);
}

/* ---- death ---- */

static void write_goodbye(struct quic_conn *c, const ngtcp2_ccerr *tell)
{
	uint8_t buf[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	ngtcp2_path_storage ps;
	ngtcp2_pkt_info info;
	ngtcp2_ssize n;

	ngtcp2_path_storage_zero(&ps);
	n = ngtcp2_conn_write_connection_close(c->q, &ps.path, &info, buf, sizeof buf, tell,
					       quic_now(c->t));
	if (n <= 0 || ps.path.local.addrlen > sizeof c->goodbye_path.local)
		return;
	memcpy(&c->goodbye_path.local, ps.path.local.addr, ps.path.local.addrlen);
	memcpy(&c->goodbye_path.remote, ps.path.remote.addr, ps.path.remote.addrlen);
	c->goodbye_path.len = ps.path.remote.addrlen;
	c->goodbye = vx6_zalloc((size_t)n);
	memcpy(c->goodbye, buf, (size_t)n);
	c->goodbye_n = (size_t)n;
	quic_socket_send(c->sock, &c->goodbye_path, 0, c->goodbye, c->goodbye_n, c->goodbye_n);
}

void quic_conn_end(struct quic_conn *c, vx6_err why, const ngtcp2_ccerr *tell)
{
	if (c->state >= QUIC_CLOSING)
		return;
	c->state = QUIC_CLOSING;
	c->why = vx6_is_ok(why) ? VX6_ERR(CLOSED) : why;
	uncount(c);
	c->t->links--;
	vx6_timer_stop(&c->timer);
	vx6_list_remove(&c->dirty_node);
	if (tell)
		write_goodbye(c, tell);
	quic_conn_ready(c);
}

/* What the peer's CONNECTION_CLOSE says. */
static vx6_err peer_reason(const struct quic_conn *c)
{
	const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr2(c->q);

	if (e->type == NGTCP2_CCERR_TYPE_APPLICATION)
		return e->error_code == VX6_CODE_OK
			       ? VX6_ERR(CLOSED)
			       : vx6_code_to_err((uint32_t)VX6_MIN(e->error_code, UINT32_MAX));
	if (e->type == NGTCP2_CCERR_TYPE_IDLE_CLOSE)
		return VX6_ERR(IDLE);
	if (e->error_code == NGTCP2_NO_ERROR)
		return VX6_ERR(CLOSED);
	if (e->error_code == NGTCP2_CONNECTION_REFUSED)
		return VX6_ERR(REFUSED);
	if ((e->error_code & ~UINT64_C(0xff)) == NGTCP2_CRYPTO_ERROR)
		return VX6_ERR(TLS);
	return VX6_ERR(PROTOCOL);
}

void quic_conn_fail(struct quic_conn *c, int rv)
{
	ngtcp2_ccerr ccerr;

	if (c->state >= QUIC_CLOSING)
		return;
	switch (rv) {
	case NGTCP2_ERR_DRAINING:
		quic_conn_end(c, peer_reason(c), NULL);
		return;
	case NGTCP2_ERR_CLOSING:
		quic_conn_end(c, VX6_ERR(CLOSED), NULL);
		return;
	case NGTCP2_ERR_IDLE_CLOSE:
		quic_conn_end(c, VX6_ERR(IDLE), NULL);
		return;
	case NGTCP2_ERR_DROP_CONN:
	case NGTCP2_ERR_RETRY:
		quic_conn_end(c, VX6_ERR(PROTOCOL), NULL);
		return;
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		ngtcp2_ccerr_set_application_error(&ccerr, VX6_CODE_TIMEOUT, NULL, 0);
		quic_conn_end(c, VX6_ERR(TIMEOUT), &ccerr);
		return;
	case NGTCP2_ERR_CRYPTO:
		ngtcp2_ccerr_set_tls_alert(&ccerr, ngtcp2_conn_get_tls_alert2(c->q), NULL, 0);
		quic_conn_end(c, vx6_tls_failure(&c->peer), &ccerr);
		return;
	case NGTCP2_ERR_NOMEM:
		ngtcp2_ccerr_set_liberr(&ccerr, rv, NULL, 0);
		quic_conn_end(c, VX6_ERR(MEMORY), &ccerr);
		return;
	default:
		ngtcp2_ccerr_set_liberr(&ccerr, rv, NULL, 0);
		if (vx6_log_allow(&c->t->log_peer, "quic", 10, 10000))
			VX6_INFO("quic", "connection closed: %s", ngtcp2_strerror(rv));
		quic_conn_end(c, VX6_ERR(PROTOCOL), &ccerr);
	}
}

static void free_streams(struct quic_conn *c)
{
	struct vx6_list *node;

	while ((node = vx6_list_pop(&c->streams)) != NULL)
		quic_stream_free(VX6_CONTAINER_OF(node, struct quic_stream, node));
}

void quic_conn_linger(struct quic_conn *c)
{
	struct vx6_transport *t = c->t;
	uint64_t pto = ngtcp2_conn_get_pto2(c->q);

	c->state = QUIC_LINGER;
	vx6_list_remove(&c->ready_node);
	vx6_list_remove(&c->dirty_node);
	vx6_list_remove(&c->starved_node);
	free_streams(c);
	ngtcp2_conn_del(c->q);
	c->q = NULL;
	vx6_tls_session_free(c->ssl);
	c->ssl = NULL;
	vx6_list_remove(&c->node);
	vx6_list_push(&t->lingering, &c->node);
	if (++t->lingering_n > QUIC_LINGER_MAX)
		quic_conn_free(VX6_CONTAINER_OF(t->lingering.next, struct quic_conn, node));
	vx6_timer_at(&c->timer, quic_now(t) + LINGER_PTOS * VX6_MIN(pto, VX6_NS_PER_S));
}

void quic_conn_free(struct quic_conn *c)
{
	if (c->state == QUIC_LINGER)
		c->t->lingering_n--;
	else if (c->state < QUIC_CLOSING)
		c->t->links--;
	uncount(c);
	vx6_timer_stop(&c->timer);
	vx6_list_remove(&c->ready_node);
	vx6_list_remove(&c->dirty_node);
	vx6_list_remove(&c->starved_node);
	vx6_list_remove(&c->node);
	free_streams(c);
	quic_cid_forget(c);
	if (c->q)
		ngtcp2_conn_del(c->q);
	vx6_tls_session_free(c->ssl);
	quic_socket_unref(c->sock);
	free(c->goodbye);
	vx6_wipe(c->channel_binding, sizeof c->channel_binding);
	free(c);
}
