/* Datagrams from strangers to a QUIC listener: the parse of connection ids, version negotiation, admission, Retry tokens, the first
 * Initial with its decryption and its handshake bytes, stateless resets. Whatever comes, no link comes up, and all is freed.
 *
 * The input is a list of datagrams: u16 length (big-endian), then the bytes; a length with the top bit set has the bytes sealed as a
 * valid Initial of a new client first, so that the frames inside are reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>

#include "base/util.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "transport/quic/quic_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	DATAGRAMS_MAX = 16,
	PACKET = 1200,
	HEAD = 24,
	TAG = 16,
	BODY = PACKET - HEAD - TAG,
	NUMBER_AT = 22,
	SAMPLE_AT = 26
};

static struct vx6_loop *loop;
static struct vx6_transport *t;
static struct vx6_listener *listener;

static void on_down(struct vx6_link *link, vx6_err why, void *user)
{
	(void)link;
	(void)why;
	(void)user;
}

static void on_up(struct vx6_link *link, void *user)
{
	(void)link;
	(void)user;
	VX6_ASSERT(!"a stranger's bytes made a handshake");
}

static const struct vx6_link_events link_events = {.up = on_up, .down = on_down};

static void on_accept(struct vx6_listener *l, struct vx6_link *link, void *user)
{
	(void)l;
	(void)user;
	vx6_link_set_events(link, &link_events, NULL);
}

static const struct vx6_accept_events accept_events = {.accept = on_accept};

static void set_up(void)
{
	struct vx6_transport_config cfg = {0};
	struct vx6_sign_keypair key;
	struct vx6_addr at;

	VX6_ASSERT(vx6_is_ok(vx6_crypto_init()) && vx6_is_ok(vx6_loop_new(&loop)));
	vx6_sign_keypair_random(&key);
	cfg.loop = loop;
	cfg.key = &key;
	vx6_transport_limits_default(&cfg.limits);
	VX6_ASSERT(vx6_is_ok(vx6_transport_quic.new(&cfg, &t)));
	VX6_ASSERT(vx6_is_ok(vx6_addr_parse("[::1]:0", &at)));
	VX6_ASSERT(vx6_is_ok(vx6_transport_quic.listen(t, &at, &accept_events, NULL, &listener)));
}

static bool expand(const uint8_t secret[32], const char *label, uint8_t *out, size_t n)
{
	uint8_t info[32] = {0,   (uint8_t)n, (uint8_t)(6 + strlen(label)), 't', 'l', 's', '1',
			    '3', ' '};

	memcpy(info + 9, label, strlen(label));
	return vx6_is_ok(vx6_kdf_expand(secret, info, 10 + strlen(label), out, n));
}

/* Seals @p frames as the first Initial of a client with ids of its own, as RFC 9001 §5.2 says. @return false on failure */
static bool seal_initial(const uint8_t *frames, size_t n, uint8_t id, uint8_t out[PACKET])
{
	static const uint8_t salt[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
				       0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
	/* flags (number of two bytes), version, two ids, no token, length, number 0 */
	uint8_t head[HEAD] = {0xc1,
			      0,
			      0,
			      0,
			      1,
			      8,
			      id,
			      2,
			      3,
			      4,
			      5,
			      6,
			      7,
			      8,
			      4,
			      9,
			      10,
			      11,
			      12,
			      0,
			      0x40 | ((2 + BODY + TAG) >> 8),
			      (2 + BODY + TAG) & 0xff,
			      0,
			      0};
	uint8_t initial[32], client[32], key[16], iv[12], hp[16], mask[16], plain[BODY] = {0};
	bool ok;
	Aes aes;

	memcpy(plain, frames, VX6_MIN(n, (size_t)BODY));
	memcpy(out, head, HEAD);
	vx6_kdf_extract(salt, sizeof salt, head + 6, 8, initial);
	if (!expand(initial, "client in", client, 32) || !expand(client, "quic key", key, 16) ||
	    !expand(client, "quic iv", iv, 12) || !expand(client, "quic hp", hp, 16) ||
	    wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
		return false;
	ok = wc_AesGcmSetKey(&aes, key, sizeof key) == 0 &&
	     wc_AesGcmEncrypt(&aes, out + HEAD, plain, BODY, iv, sizeof iv, out + HEAD + BODY, TAG,
			      head, HEAD) == 0 &&
	     wc_AesSetKeyDirect(&aes, hp, sizeof hp, NULL, AES_ENCRYPTION) == 0 &&
	     wc_AesEncryptDirect(&aes, mask, out + SAMPLE_AT) == 0;
	wc_AesFree(&aes);
	out[0] ^= mask[0] & 0x0f;
	out[NUMBER_AT] ^= mask[1];
	out[NUMBER_AT + 1] ^= mask[2];
	return ok;
}

static void stop(struct vx6_task *task)
{
	(void)task;
	vx6_loop_stop(loop);
}

static void run_once(void)
{
	struct vx6_task end;

	vx6_task_init(&end, stop, NULL);
	vx6_loop_defer(loop, &end);
	vx6_loop_run(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct quic_socket *s;
	uint8_t buf[PACKET];

	if (!t)
		set_up();
	s = listener->sock;
	for (int i = 0; i < DATAGRAMS_MAX && n >= 2; i++) {
		bool sealed = data[0] & 0x80;
		size_t take = (size_t)(data[0] & 0x07) << 8 | data[1];
		struct quic_path path = {.len = sizeof path.remote.in6};

		data += 2;
		n -= 2;
		take = VX6_MIN(take, n);
		path.local = s->bound;
		/* an address of a documentation network: answers go nowhere, and no exception for loopback applies */
		path.remote.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
							.sin6_port = 99,
							.sin6_addr.s6_addr = {0x20, 1, 0xd, 0xb8,
									      (uint8_t)i}};
		if (sealed && seal_initial(data, take, (uint8_t)i, buf))
			quic_datagram(s, &path, 0, buf, PACKET);
		else if (take)
			quic_datagram(s, &path, 0, data, take);
		data += take;
		n -= take;
	}
	run_once();
	VX6_LIST_EACH(node, &t->conns)
	vx6_link_close(quic_link_of(VX6_CONTAINER_OF(node, struct quic_conn, node)), VX6_OK);
	run_once();
	while (!vx6_list_is_empty(&t->lingering))
		quic_conn_free(VX6_CONTAINER_OF(t->lingering.next, struct quic_conn, node));
	VX6_ASSERT(t->links == 0 && t->handshakes == 0 && t->cids.n == 0);
	vx6_guard_init(&t->plain, t->limits.handshakes_per_s);
	return 0;
}
