/* What ngtcp2 calls while it reads and writes packets. These only note what happened; upcalls and frees come later (deliver.c). */
#include <string.h>

#include "crypto/secret.h"
#include "transport/quic/quic_internal.h"

static int on_handshake_completed(ngtcp2_conn *q, void *user)
{
	struct quic_conn *c = user;

	(void)q;
	c->handshake_done = true;
	quic_conn_ready(c);
	return 0;
}

static int on_recv_stream_data(ngtcp2_conn *q, uint32_t flags, int64_t id, uint64_t offset,
			       const uint8_t *data, size_t n, void *user, void *stream_user)
{
	struct quic_conn *c = user;
	struct quic_stream *s = stream_user;

	(void)offset;
	if (!ngtcp2_is_bidi_stream(id)) {
		if (n > 0 && data[0] == QUIC_CONTROL_GOAWAY && !c->draining_told) {
			c->draining_due = true;
			quic_conn_ready(c);
		}
		ngtcp2_conn_extend_max_offset(q, n);
		return 0;
	}
	if (!s || s->ended) {
		ngtcp2_conn_extend_max_offset(q, n);
		return 0;
	}
	quic_stream_received(s, data, n, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
	return 0;
}

static int on_acked(ngtcp2_conn *q, int64_t id, uint64_t offset, uint64_t n, void *user,
		    void *stream_user)
{
	(void)q;
	(void)id;
	(void)user;
	if (stream_user)
		quic_stream_acked(stream_user, offset + n);
	return 0;
}

static int on_stream_open(ngtcp2_conn *q, int64_t id, void *user)
{
	struct quic_conn *c = user;
	struct quic_stream *s;

	if (!ngtcp2_is_bidi_stream(id))
		return 0;
	s = quic_stream_new(c, id);
	s->is_new = true;
	ngtcp2_conn_set_stream_user_data(q, id, s);
	quic_stream_ready(s);
	return 0;
}

static int on_stream_close(ngtcp2_conn *q, uint32_t flags, int64_t id, uint64_t code, void *user,
			   void *stream_user)
{
	struct quic_stream *s = stream_user;

	(void)user;
	if (!ngtcp2_conn_is_local_stream2(q, id)) {
		if (ngtcp2_is_bidi_stream(id))
			ngtcp2_conn_extend_max_streams_bidi(q, 1);
		else
			ngtcp2_conn_extend_max_streams_uni(q, 1);
	}
	if (!s)
		return 0;
	s->gone = true;
	if (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET)
		quic_stream_end(s, VX6_ERR(RESET), (uint32_t)VX6_MIN(code, UINT32_MAX));
	else
		quic_stream_end(s, VX6_OK, 0);
	quic_stream_ready(s); /* to be freed, if `closed` was made before */
	return 0;
}

/* The peer ended one direction by force: the stream is over in both. */
static int peer_reset(struct quic_conn *c, int64_t id, uint64_t code, struct quic_stream *s)
{
	uint32_t code32 = (uint32_t)VX6_MIN(code, UINT32_MAX);

	if (!ngtcp2_is_bidi_stream(id) || !s)
		return 0;
	quic_stream_end(s, VX6_ERR(RESET), code32);
	return ngtcp2_conn_shutdown_stream(c->q, 0, id, code32) == 0 ? 0
								     : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_reset(ngtcp2_conn *q, int64_t id, uint64_t final_size, uint64_t code,
			   void *user, void *stream_user)
{
	(void)q;
	(void)final_size;
	return peer_reset(user, id, code, stream_user);
}

static int on_stop_sending(ngtcp2_conn *q, int64_t id, uint64_t code, void *user, void *stream_user)
{
	(void)q;
	return peer_reset(user, id, code, stream_user);
}

static int on_max_stream_data(ngtcp2_conn *q, int64_t id, uint64_t max_data, void *user,
			      void *stream_user)
{
	struct quic_stream *s = stream_user;

	(void)q;
	(void)id;
	(void)max_data;
	(void)user;
	if (s && !s->ended) {
		quic_stream_want_send(s);
		if (s->want_writable)
			quic_stream_ready(s);
	}
	return 0;
}

static void on_rand(uint8_t *dest, size_t n, const ngtcp2_rand_ctx *ctx)
{
	(void)ctx;
	vx6_random_bytes(dest, n);
}

static int on_new_cid(ngtcp2_conn *q, ngtcp2_cid *cid, ngtcp2_stateless_reset_token *token,
		      size_t n, void *user)
{
	struct quic_conn *c = user;
	uint8_t bytes[QUIC_CID_BYTES];

	(void)q;
	if (n != sizeof bytes)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	vx6_random_bytes(bytes, sizeof bytes);
	ngtcp2_cid_init(cid, bytes, sizeof bytes);
	if (ngtcp2_crypto_generate_stateless_reset_token(token->data, c->t->static_secret,
							 sizeof c->t->static_secret, cid) != 0 ||
	    !quic_cid_add(c, quic_cid_key(bytes)))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return 0;
}

static int on_remove_cid(ngtcp2_conn *q, const ngtcp2_cid *cid, void *user)
{
	(void)q;
	if (cid->datalen == QUIC_CID_BYTES)
		quic_cid_drop(user, quic_cid_key(cid->data));
	return 0;
}

/* The peer's ids come with reset tokens: a packet that ends in one of them is its farewell after a crash. */
static int on_peer_cid(ngtcp2_conn *q, ngtcp2_connection_id_status_type type, uint64_t seq,
		       const ngtcp2_cid *cid, const ngtcp2_stateless_reset_token *token, void *user)
{
	struct quic_conn *c = user;
	uint64_t key;

	(void)q;
	(void)seq;
	(void)cid;
	if (!token)
		return 0;
	key = quic_cid_key_foreign(&c->t->cids, token->data, sizeof token->data);
	if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE)
		quic_cid_add(c, key);
	else if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_DEACTIVATE)
		quic_cid_drop(c, key);
	return 0;
}

static int on_path_validation(ngtcp2_conn *q, uint32_t flags, const ngtcp2_path *path,
			      const ngtcp2_path *fallback, ngtcp2_path_validation_result res,
			      void *user)
{
	struct quic_conn *c = user;

	(void)q;
	(void)flags;
	(void)path;
	(void)fallback;
	if (res == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) {
		c->path_due = true;
		quic_conn_ready(c);
	}
	return 0;
}

const ngtcp2_callbacks quic_callbacks = {
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
	.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
	.handshake_completed = on_handshake_completed,
	.encrypt = quic_encrypt,
	.decrypt = quic_decrypt,
	.hp_mask = quic_hp_mask,
	.recv_stream_data = on_recv_stream_data,
	.acked_stream_data_offset = on_acked,
	.stream_open = on_stream_open,
	.stream_close = on_stream_close,
	.recv_retry = ngtcp2_crypto_recv_retry_cb,
	.rand = on_rand,
	.remove_connection_id = on_remove_cid,
	.update_key = ngtcp2_crypto_update_key_cb,
	.path_validation = on_path_validation,
	.stream_reset = on_stream_reset,
	.extend_max_stream_data = on_max_stream_data,
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
	.get_new_connection_id2 = on_new_cid,
	.dcid_status2 = on_peer_cid,
	.get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb,
	.recv_stop_sending = on_stop_sending,
};
