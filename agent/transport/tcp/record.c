/* Between TLS and the mux: one frame is one record, both ways. The session reads ciphertext from the feed of the instance and writes
 * it into the send buffer of the link, so it never sees a socket and never blocks. */
#include "transport/tcp/tcp_internal.h"

#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "base/util.h"

enum {
	/* Frames are composed this far behind the end of the send buffer. The session copies a frame before it writes its record, so the
	 * records may grow over what has been sent, but not over what has not: each is 30 bytes longer than its payload, and a key
	 * update (27 bytes) may come in between. */
	COMPOSE_AT = 1024,
	CONTROL_BYTES = COMPOSE_AT + 64,
};

_Static_assert(TCP_OUT_DATA / TCP_RECORD_MAX * (TCP_RECORD_MAX - VX6_MUX_PAYLOAD_MAX) + 27 <=
		       COMPOSE_AT,
	       "records would grow over unsent payload");

static int on_tls_read(WOLFSSL *ssl, char *buf, int cap, void *user)
{
	struct vx6_link *link = user;
	struct vx6_transport *t = link->t;
	size_t n = VX6_MIN((size_t)VX6_MAX(cap, 0), t->feed_n);

	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(buf, t->feed, n);
	t->feed += n;
	t->feed_n -= n;
	return (int)n;
}

static int on_tls_write(WOLFSSL *ssl, char *buf, int n, void *user)
{
	struct vx6_link *link = user;
	uint8_t *to = n > 0 ? out_room(link, (size_t)n, TCP_OUT_BYTES) : NULL;

	if (!to)
		return WOLFSSL_CBIO_ERR_WANT_WRITE; /* the callers below made room before: only a peer that asks for ever more answers gets here */
	memcpy(to, buf, (size_t)n);
	link->out.tail += (size_t)n;
	return n;
}

void record_bind(struct vx6_link *link)
{
	wolfSSL_SSLSetIORecv(link->ssl, on_tls_read);
	wolfSSL_SSLSetIOSend(link->ssl, on_tls_write);
	wolfSSL_SetIOReadCtx(link->ssl, link);
	wolfSSL_SetIOWriteCtx(link->ssl, link);
}

/* ---- frames out ---- */

static struct vx6_link *link_of(struct mux *m)
{
	return VX6_CONTAINER_OF(m, struct vx6_link, mux);
}

static uint8_t *on_room(struct mux *m, bool urgent, size_t *frames)
{
	struct vx6_link *link = link_of(m);
	size_t used = link->out.tail - link->out.head;
	uint8_t *at;

	if (link->state != LINK_UP)
		return NULL;
	*frames = urgent ? 1
			 : (link->out.data_limit - VX6_MIN(used, link->out.data_limit)) /
				   TCP_RECORD_MAX;
	if (*frames == 0)
		return NULL;
	at = out_room(link, urgent ? CONTROL_BYTES : COMPOSE_AT + *frames * TCP_RECORD_MAX,
		      TCP_OUT_BYTES);
	return at ? at + COMPOSE_AT : NULL;
}

static void on_send(struct mux *m, uint8_t *frame, size_t n)
{
	struct vx6_link *link = link_of(m);

	if (link->state != LINK_UP)
		return;
	if (wolfSSL_write(link->ssl, frame, (int)n) != (int)n)
		link_fail(link, VX6_ERR(TLS));
	link_wake(link);
}

static void on_wake(struct mux *m)
{
	link_wake(link_of(m));
}

static void on_stream(struct mux *m, struct vx6_stream *s)
{
	struct vx6_link *link = link_of(m);

	if (link->ev && link->ev->stream)
		link->ev->stream(link, s, link->user);
}

static void on_draining(struct mux *m)
{
	struct vx6_link *link = link_of(m);

	if (link->ev && link->ev->draining)
		link->ev->draining(link, link->user);
}

const struct mux_io record_mux_io = {
	.room = on_room,
	.send = on_send,
	.wake = on_wake,
	.stream = on_stream,
	.draining = on_draining,
};

/* ---- frames in ---- */

static vx6_err read_error(struct vx6_link *link, int rc)
{
	switch (wolfSSL_get_error(link->ssl, rc)) {
	case WOLFSSL_ERROR_WANT_READ:
		return VX6_OK;
	case WOLFSSL_ERROR_ZERO_RETURN:
		return VX6_ERR(CLOSED);
	default:
		return VX6_ERR(TLS);
	}
}

void record_read(struct vx6_link *link)
{
	uint8_t *plain = tcp_plain_buffer(link->t);
	vx6_err err = VX6_OK;
	size_t used = 0;

	link->mux.now_ns = vx6_loop_now_ns(link->t->loop);
	while (link->state == LINK_UP) {
		int n;

		if (TCP_PLAIN_BYTES - used < VX6_MUX_FRAME_MAX || mux_batch_is_full(&link->mux)) {
			mux_deliver(&link->mux);
			used = 0;
			continue;
		}
		n = wolfSSL_read(link->ssl, plain + used, VX6_MUX_FRAME_MAX);
		if (n <= 0) {
			err = read_error(link, n);
			break;
		}
		err = mux_input(&link->mux, plain + used, (size_t)n);
		if (!vx6_is_ok(err))
			break;
		used += (size_t)n;
	}
	/* what came before the end still counts, but nothing that stands beside a violation */
	if (!vx6_is_ok(err) && err.code != VX6_E_CLOSED)
		link_fail(link, err);
	mux_deliver(&link->mux);
	if (!vx6_is_ok(err))
		link_fail(link, mux_end_reason(&link->mux));
}

void record_goodbye(struct vx6_link *link)
{
	uint8_t *frame = out_room(link, CONTROL_BYTES, TCP_OUT_BYTES);
	int n;

	if (!frame)
		return;
	n = (int)mux_goodbye(frame + COMPOSE_AT, link->why);
	if (wolfSSL_write(link->ssl, frame + COMPOSE_AT, n) == n)
		wolfSSL_shutdown(link->ssl);
}
