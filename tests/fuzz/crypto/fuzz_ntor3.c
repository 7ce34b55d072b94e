#include "tests/fuzz/fuzz.h"

#include "crypto/ntor3.h"
#include "crypto/secret.h"

/*
 * Input: what u8 | rest. 0: what a server gets. 1: what a client gets that said "hello". 2: at u16 | mask u8 | message: a whole handshake
 * with that message both ways, of which one byte of either part is changed by the mask. All keys are known.
 */
enum { KEYS = VX6_NTOR3_KEYSTREAM, PART_MAX = VX6_NTOR3_OVERHEAD + VX6_NTOR3_MSG_MAX };

struct rig {
	uint8_t id[VX6_NTOR3_ID], net[16];
	struct vx6_kx_sk b, x, y;
	struct vx6_kx_pk pk;
	struct vx6_ntor3_with with;
	struct vx6_ntor3_client client;
	struct vx6_ntor3_server server;
	uint8_t got[PART_MAX], keys[KEYS];
	size_t got_n;
};

static void begin(struct rig *r)
{
	FUZZ_CHECK(vx6_is_ok(vx6_crypto_init()));
	memset(r, 0, sizeof *r);
	memset(r->id, 1, sizeof r->id);
	memset(r->net, 2, sizeof r->net);
	memset(r->b.b, 7, sizeof r->b.b);
	memset(r->x.b, 8, sizeof r->x.b);
	memset(r->y.b, 9, sizeof r->y.b);
	vx6_kx_public(&r->b, &r->pk);
	r->with = (struct vx6_ntor3_with){vx6_ntor3_protoid, r->id, &r->pk, r->net, sizeof r->net};
}

static vx6_err open(struct rig *r, const uint8_t *in, size_t n)
{
	return vx6_ntor3_server_open(&r->server, &r->with, &r->b, in, n, r->got, &r->got_n);
}

static vx6_err finish(struct rig *r, const uint8_t *in, size_t n)
{
	return vx6_ntor3_client_finish(&r->client, &r->with, in, n, r->got, &r->got_n, r->keys,
				       KEYS);
}

static void check_untouched(const struct rig *r)
{
	FUZZ_CHECK(r->got_n == 0 && vx6_ct_is_zero(r->got, sizeof r->got) &&
		   vx6_ct_is_zero(r->keys, sizeof r->keys));
}

static void to_server(struct rig *r, const uint8_t *in, size_t n)
{
	uint8_t out[VX6_NTOR3_OVERHEAD];

	if (!vx6_is_ok(open(r, in, n))) {
		check_untouched(r);
		return;
	}
	FUZZ_CHECK(r->got_n == n - VX6_NTOR3_OVERHEAD);
	FUZZ_CHECK(vx6_is_ok(
		vx6_ntor3_server_reply(&r->server, &r->with, &r->y, NULL, 0, out, r->keys, KEYS)));
}

static void to_client(struct rig *r, const uint8_t *in, size_t n)
{
	uint8_t out[VX6_NTOR3_OVERHEAD + 5];

	FUZZ_CHECK(vx6_is_ok(vx6_ntor3_client_begin(&r->client, &r->with, &r->x,
						    (const uint8_t *)"hello", 5, out)));
	if (vx6_is_ok(finish(r, in, n)))
		FUZZ_CHECK(r->got_n == n - VX6_NTOR3_OVERHEAD);
	else
		check_untouched(r);
}

static void whole(struct rig *r, const uint8_t *in, size_t n)
{
	uint8_t out[PART_MAX], reply[PART_MAX], server_keys[KEYS];
	const uint8_t *msg = in + 3;
	size_t at, part_n;

	if (n < 3 || n - 3 > VX6_NTOR3_MSG_MAX)
		return;
	n -= 3;
	part_n = VX6_NTOR3_OVERHEAD + n;
	at = (size_t)(in[0] << 8 | in[1]) % (2 * part_n);
	FUZZ_CHECK(vx6_is_ok(vx6_ntor3_client_begin(&r->client, &r->with, &r->x, msg, n, out)));
	if (at < part_n)
		out[at] ^= in[2];
	if (!vx6_is_ok(open(r, out, part_n))) {
		FUZZ_CHECK(at < part_n && in[2] != 0);
		check_untouched(r);
		return;
	}
	FUZZ_CHECK(at >= part_n || in[2] == 0);
	fuzz_same(r->got, r->got_n, msg, n);
	FUZZ_CHECK(vx6_is_ok(vx6_ntor3_server_reply(&r->server, &r->with, &r->y, msg, n, reply,
						    server_keys, KEYS)));
	if (at >= part_n)
		reply[at - part_n] ^= in[2];
	memset(r->got, 0, sizeof r->got);
	r->got_n = 0;
	if (!vx6_is_ok(finish(r, reply, part_n))) {
		FUZZ_CHECK(at >= part_n && in[2] != 0);
		check_untouched(r);
		return;
	}
	FUZZ_CHECK(in[2] == 0);
	fuzz_same(r->got, r->got_n, msg, n);
	fuzz_same(r->keys, KEYS, server_keys, KEYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const what[])(struct rig *, const uint8_t *, size_t) = {to_server, to_client,
									      whole};
	struct rig r;

	if (n == 0)
		return 0;
	begin(&r);
	what[data[0] % (sizeof what / sizeof *what)](&r, data + 1, n - 1);
	return 0;
}
