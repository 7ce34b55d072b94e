/*
 * Datagrams from anywhere: to their connection by its id, or, when they name none: a first Initial is admitted, asked to come back with
 * a token (Retry), or dropped; other versions get our list; a stray short packet gets a stateless reset. Nothing is allocated for a
 * peer before the admission below, and every answer to a stranger is smaller than what it answers.
 */
#include <string.h>

#include "crypto/secret.h"
#include "transport/quic/quic_internal.h"

enum {
	RETRY_VALID_S = 10,
	ANSWER_BYTES = 512,
	RESET_BYTES_MIN = 43, /* shorter packets get no reset: RFC 9000 §10.3.3 */
	RESET_BYTES_MAX = 64,
};

struct admission {
	bool admit, retry;
};

/* ---- how many handshakes ---- */

static struct admission judge(struct vx6_transport *t, const struct quic_path *path, bool proven)
{
	const struct vx6_transport_limits *lim = &t->limits;
	uint64_t now_ms = vx6_loop_now_ms(t->loop);
	struct vx6_addr from;

	if (t->handshakes >= lim->handshakes_max ||
	    !vx6_is_ok(vx6_addr_from_sockaddr(&path->remote.sa, path->len, &from)))
		return (struct admission){0};
	if (proven)
		return (struct admission){.admit = vx6_guard_admit(&t->proven, &from, now_ms)};
	/* half full, or too many from one neighbourhood: first prove that the address is yours */
	if (t->handshakes < lim->handshakes_max / 2 && vx6_guard_admit(&t->plain, &from, now_ms))
		return (struct admission){.admit = true};
	return (struct admission){.retry = true};
}

/* ---- answers to strangers ---- */

static void reply(struct quic_socket *s, const struct quic_path *path, const uint8_t *p,
		  ngtcp2_ssize n, size_t received)
{
	if (n > 0 && (size_t)n <= received)
		quic_socket_send(s, path, 0, p, (size_t)n, (size_t)n);
}

static void reply_versions(struct quic_socket *s, const struct quic_path *path,
			   const ngtcp2_version_cid *vc, size_t received)
{
	const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
	uint8_t buf[ANSWER_BYTES + 2 * 255], noise;

	vx6_random_bytes(&noise, 1);
	reply(s, path, buf,
	      ngtcp2_pkt_write_version_negotiation(buf, sizeof buf, noise, vc->scid, vc->scidlen,
						   vc->dcid, vc->dcidlen, versions,
						   VX6_ARRAY_N(versions)),
	      received);
}

static void reply_retry(struct quic_socket *s, struct quic_path *path, const ngtcp2_pkt_hd *hd,
			size_t received)
{
	struct vx6_transport *t = s->t;
	uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2], buf[ANSWER_BYTES], bytes[QUIC_CID_BYTES];
	ngtcp2_ssize n;
	ngtcp2_cid scid;

	vx6_random_bytes(bytes, sizeof bytes);
	ngtcp2_cid_init(&scid, bytes, sizeof bytes);
	n = ngtcp2_crypto_generate_retry_token2(token, t->retry_secret, sizeof t->retry_secret,
						hd->version, &path->remote.sa, path->len, &scid,
						&hd->dcid, quic_now(t));
	if (n < 0)
		return;
	reply(s, path, buf,
	      ngtcp2_crypto_write_retry(buf, sizeof buf, hd->version, &hd->scid, &scid, &hd->dcid,
					token, (size_t)n),
	      received);
}

static void reply_refused(struct quic_socket *s, const struct quic_path *path,
			  const ngtcp2_pkt_hd *hd, uint64_t code, size_t received)
{
	uint8_t buf[ANSWER_BYTES];

	reply(s, path, buf,
	      ngtcp2_crypto_write_connection_close(buf, sizeof buf, hd->version, &hd->scid,
						   &hd->dcid, code, NULL, 0),
	      received);
}

static void reply_reset(struct quic_socket *s, const struct quic_path *path, const uint8_t *dcid,
			size_t received)
{
	struct vx6_transport *t = s->t;
	ngtcp2_stateless_reset_token token;
	uint8_t buf[RESET_BYTES_MAX], noise[RESET_BYTES_MAX - NGTCP2_STATELESS_RESET_TOKENLEN];
	ngtcp2_cid cid;

	if (received < RESET_BYTES_MIN || !vx6_log_allow(&t->stateless_rate, "quic", 100, 1000))
		return;
	ngtcp2_cid_init(&cid, dcid, QUIC_CID_BYTES);
	vx6_random_bytes(noise, sizeof noise);
	if (ngtcp2_crypto_generate_stateless_reset_token(token.data, t->static_secret,
							 sizeof t->static_secret, &cid) != 0)
		return;
	/* one byte shorter than what it answers, so that two strangers cannot reset each other for ever */
	reply(s, path, buf,
	      ngtcp2_pkt_write_stateless_reset2(buf, VX6_MIN(sizeof buf, received - 1), &token,
						noise, sizeof noise),
	      received - 1);
}

/* ---- a first Initial ---- */

static void on_initial(struct quic_socket *s, struct quic_path *path, uint8_t ecn, const uint8_t *p,
		       size_t n)
{
	struct vx6_transport *t = s->t;
	struct quic_initial first = {0};
	struct quic_conn *c;
	struct admission a;
	ngtcp2_cid odcid;

	if (!s->listener || ngtcp2_accept(&first.hd, p, n) != 0 ||
	    first.hd.version != NGTCP2_PROTO_VER_V1)
		return;
	if (first.hd.tokenlen > 0 && first.hd.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
		int rv = ngtcp2_crypto_verify_retry_token2(
			&odcid, first.hd.token, first.hd.tokenlen, t->retry_secret,
			sizeof t->retry_secret, first.hd.version, &path->remote.sa, path->len,
			&first.hd.dcid, RETRY_VALID_S * NGTCP2_SECONDS, quic_now(t));
		if (rv == NGTCP2_CRYPTO_ERR_VERIFY_TOKEN) {
			reply_refused(s, path, &first.hd, NGTCP2_INVALID_TOKEN, n);
			return;
		}
		if (rv == 0)
			first.odcid = &odcid;
	}
	a = judge(t, path, first.odcid != NULL);
	if (a.retry)
		reply_retry(s, path, &first.hd, n);
	if (!a.admit) {
		if (!a.retry && vx6_log_allow(&t->log_drop, "quic", 5, 10000))
			VX6_WARN("quic", "handshake dropped: too many at once");
		return;
	}
	if (t->links >= t->limits.links_max) {
		reply_refused(s, path, &first.hd, NGTCP2_CONNECTION_REFUSED, n);
		return;
	}
	if (!vx6_is_ok(quic_conn_accept(s, path, &first, &c)))
		return;
	quic_conn_read(c, path, ecn, p, n);
	if (c->state == QUIC_CLOSING)
		c->accept_due = false; /* not worth an upcall: the packet did not even decrypt */
	else
		quic_conn_ready(c);
}

/* ---- every datagram ---- */

static void on_unknown_short(struct quic_socket *s, struct quic_path *path, uint8_t ecn,
			     const uint8_t *p, size_t n)
{
	const struct vx6_transport *t = s->t;
	struct quic_conn *c = NULL;

	if (n >= NGTCP2_STATELESS_RESET_TOKENLEN + 5)
		c = quic_cid_find(&t->cids,
				  quic_cid_key_foreign(&t->cids,
						       p + n - NGTCP2_STATELESS_RESET_TOKENLEN,
						       NGTCP2_STATELESS_RESET_TOKENLEN));
	if (c)
		quic_conn_read(c, path, ecn, p, n); /* ngtcp2 compares the token itself */
	else
		reply_reset(s, path, p + 1, n);
}

void quic_datagram(struct quic_socket *s, struct quic_path *path, uint8_t ecn, const uint8_t *p,
		   size_t n)
{
	const struct quic_cid_table *cids = &s->t->cids;
	struct quic_conn *c = NULL;
	ngtcp2_version_cid vc;
	int rv = ngtcp2_pkt_decode_version_cid(&vc, p, n, QUIC_CID_BYTES);

	if (rv == NGTCP2_ERR_VERSION_NEGOTIATION) {
		if (s->listener && n >= NGTCP2_MAX_UDP_PAYLOAD_SIZE)
			reply_versions(s, path, &vc, n);
		return;
	}
	if (rv != 0)
		return;
	if (vc.dcidlen == QUIC_CID_BYTES)
		c = quic_cid_find(cids, quic_cid_key(vc.dcid));
	if (!c && vc.version != 0)
		c = quic_cid_find(cids, quic_cid_key_foreign(cids, vc.dcid, vc.dcidlen));
	if (c)
		quic_conn_read(c, path, ecn, p, n);
	else if (vc.version != 0)
		on_initial(s, path, ecn, p, n);
	else
		on_unknown_short(s, path, ecn, p, n);
}
