#include "crypto/ntor3.h"

#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/parts.h"
#include "crypto/secret.h"

enum { KEY = 32, KEYS_MAX = 256, PARTS_MAX = 9 };

const char vx6_ntor3_protoid[] = "vx6-ntor3-curve25519-sha3_256-1";

/* The purpose goes first, with its length: the protocol's name and what it is for. */
struct tagged {
	size_t n;
	struct vx6_part part[3 + PARTS_MAX];
};

static void tag(const char *protoid, const char *purpose, const struct vx6_part *part, size_t n,
		struct tagged *out)
{
	size_t a = strlen(protoid), b = strlen(purpose);

	VX6_ASSERT(n <= PARTS_MAX);
	out->part[0] = (struct vx6_part)VX6_PART_LENGTH(a + b);
	out->part[1] = (struct vx6_part)VX6_PART(protoid, a);
	out->part[2] = (struct vx6_part)VX6_PART(purpose, b);
	memcpy(out->part + 3, part, n * sizeof *part);
	out->n = 3 + n;
}

static void hash(const char *protoid, const char *purpose, const struct vx6_part *part, size_t n,
		 uint8_t out[static 32])
{
	struct tagged t;

	tag(protoid, purpose, part, n, &t);
	vx6_parts_sha3(t.part, t.n, out);
}

static void expand(const char *protoid, const char *purpose, const struct vx6_part *part, size_t n,
		   uint8_t *out, size_t out_n)
{
	struct tagged t;

	tag(protoid, purpose, part, n, &t);
	vx6_parts_shake(t.part, t.n, out, out_n);
}

/* ---- the client's message ---- */

struct message_keys {
	uint8_t enc[KEY], mac[KEY];
};

static void message_keys(const struct vx6_ntor3_with *w, const struct vx6_kx_shared *bx,
			 const struct vx6_kx_pk *x, struct message_keys *out)
{
	const struct vx6_part in[] = {
		VX6_PART(bx->b, sizeof bx->b),
		VX6_PART(w->id, VX6_NTOR3_ID),
		VX6_PART(x->b, sizeof x->b),
		VX6_PART(w->onion->b, sizeof w->onion->b),
		VX6_PART(w->protoid, strlen(w->protoid)),
		VX6_PART_SIZED(w->ver, w->ver_n),
	};

	expand(w->protoid, ":kdf_phase1", in, VX6_ARRAY_N(in), out->enc, sizeof *out);
}
_Static_assert(sizeof(struct message_keys) == 2 * KEY, "two keys in a row");

static void message_mac(const struct vx6_ntor3_with *w, const struct message_keys *k,
			const struct vx6_kx_pk *x, const uint8_t *enc, size_t n,
			uint8_t out[static VX6_NTOR3_MAC])
{
	const struct vx6_part in[] = {
		VX6_PART_SIZED(k->mac, sizeof k->mac),
		VX6_PART(w->id, VX6_NTOR3_ID),
		VX6_PART(w->onion->b, sizeof w->onion->b),
		VX6_PART(x->b, sizeof x->b),
		VX6_PART(enc, n),
	};

	hash(w->protoid, ":msg_mac", in, VX6_ARRAY_N(in), out);
}

/* ---- what both end with ---- */

struct outcome {
	uint8_t verify[32];
	uint8_t raw[KEY + KEYS_MAX]; /* of the server's message, then the caller's */
};

static void conclude(const struct vx6_ntor3_with *w, const struct vx6_kx_shared *xy,
		     const struct vx6_kx_shared *xb, const struct vx6_kx_pk *x,
		     const struct vx6_kx_pk *y, size_t keys_n, struct outcome *out)
{
	const struct vx6_part in[] = {
		VX6_PART(xy->b, sizeof xy->b),
		VX6_PART(xb->b, sizeof xb->b),
		VX6_PART(w->id, VX6_NTOR3_ID),
		VX6_PART(w->onion->b, sizeof w->onion->b),
		VX6_PART(x->b, sizeof x->b),
		VX6_PART(y->b, sizeof y->b),
		VX6_PART(w->protoid, strlen(w->protoid)),
		VX6_PART_SIZED(w->ver, w->ver_n),
	};
	uint8_t seed[32];
	const struct vx6_part of_seed[] = {VX6_PART(seed, sizeof seed)};

	hash(w->protoid, ":key_seed", in, VX6_ARRAY_N(in), seed);
	hash(w->protoid, ":verify", in, VX6_ARRAY_N(in), out->verify);
	expand(w->protoid, ":kdf_final", of_seed, 1, out->raw, KEY + keys_n);
	vx6_wipe(seed, sizeof seed);
}

static void authenticate(const struct vx6_ntor3_with *w, const struct outcome *o,
			 const struct vx6_kx_pk *x, const struct vx6_kx_pk *y,
			 const uint8_t mac[static VX6_NTOR3_MAC], const uint8_t *enc, size_t n,
			 uint8_t out[static 32])
{
	static const char server[] = "Server";
	const struct vx6_part in[] = {
		VX6_PART(o->verify, sizeof o->verify),
		VX6_PART(w->id, VX6_NTOR3_ID),
		VX6_PART(w->onion->b, sizeof w->onion->b),
		VX6_PART(y->b, sizeof y->b),
		VX6_PART(x->b, sizeof x->b),
		VX6_PART(mac, VX6_NTOR3_MAC),
		VX6_PART_SIZED(enc, n),
		VX6_PART(w->protoid, strlen(w->protoid)),
		VX6_PART(server, sizeof server - 1),
	};

	hash(w->protoid, ":auth_final", in, VX6_ARRAY_N(in), out);
}

static vx6_err check_size(size_t n)
{
	if (n < VX6_NTOR3_OVERHEAD)
		return VX6_ERR(SHORT);
	return n - VX6_NTOR3_OVERHEAD > VX6_NTOR3_MSG_MAX ? VX6_ERR(LIMIT) : VX6_OK;
}

static void pair(const struct vx6_kx_sk *given, struct vx6_kx_sk *sk, struct vx6_kx_pk *pk)
{
	if (!given) {
		vx6_kx_keypair(pk, sk);
		return;
	}
	*sk = *given;
	vx6_kx_public(sk, pk);
}

/* ---- client ---- */

void vx6_ntor3_key_id(const struct vx6_kx_pk *onion, uint8_t out[static VX6_NTOR3_KEY_ID])
{
	struct vx6_hash h;

	vx6_hash_personal("VX6-onion-key", onion->b, sizeof onion->b, &h);
	memcpy(out, h.b, VX6_NTOR3_KEY_ID);
}

vx6_err vx6_ntor3_client_begin(struct vx6_ntor3_client *c, const struct vx6_ntor3_with *with,
			       const struct vx6_kx_sk *x, const uint8_t *msg, size_t msg_n,
			       uint8_t *out)
{
	struct message_keys keys;
	uint8_t *enc = out + VX6_KX_BYTES;
	vx6_err err;

	if (msg_n > VX6_NTOR3_MSG_MAX)
		return VX6_ERR(LIMIT);
	pair(x, &c->x_sk, &c->x_pk);
	err = vx6_kx_agree(&c->x_sk, with->onion, &c->bx);
	if (!vx6_is_ok(err)) {
		vx6_wipe(c, sizeof *c);
		return err;
	}
	message_keys(with, &c->bx, &c->x_pk, &keys);
	memcpy(out, c->x_pk.b, VX6_KX_BYTES);
	vx6_crypt_once(keys.enc, msg, msg_n, enc);
	message_mac(with, &keys, &c->x_pk, enc, msg_n, c->mac);
	memcpy(enc + msg_n, c->mac, sizeof c->mac);
	vx6_wipe(&keys, sizeof keys);
	return VX6_OK;
}

vx6_err vx6_ntor3_client_finish(const struct vx6_ntor3_client *c, const struct vx6_ntor3_with *with,
				const uint8_t *in, size_t n, uint8_t *msg, size_t *msg_n,
				uint8_t *keys, size_t keys_n)
{
	const uint8_t *theirs = in + VX6_KX_BYTES, *enc = theirs + 32;
	struct vx6_kx_shared yx;
	struct vx6_kx_pk y;
	struct outcome o;
	uint8_t auth[32];
	bool right;

	VX6_ASSERT(keys_n <= KEYS_MAX);
	VX6_TRY(check_size(n));
	n -= VX6_NTOR3_OVERHEAD;
	memcpy(y.b, in, sizeof y.b);
	VX6_TRY(vx6_kx_agree(&c->x_sk, &y, &yx));
	conclude(with, &yx, &c->bx, &c->x_pk, &y, keys_n, &o);
	authenticate(with, &o, &c->x_pk, &y, c->mac, enc, n, auth);
	right = vx6_ct_eq(auth, theirs, sizeof auth);
	if (right) {
		vx6_crypt_once(o.raw, enc, n, msg);
		*msg_n = n;
		memcpy(keys, o.raw + KEY, keys_n);
	}
	vx6_wipe(&o, sizeof o);
	vx6_wipe(&yx, sizeof yx);
	return right ? VX6_OK : VX6_ERR(SIGNATURE);
}

/* ---- server ---- */

vx6_err vx6_ntor3_server_open(struct vx6_ntor3_server *s, const struct vx6_ntor3_with *with,
			      const struct vx6_kx_sk *onion, const uint8_t *in, size_t n,
			      uint8_t *msg, size_t *msg_n)
{
	const uint8_t *enc = in + VX6_KX_BYTES;
	struct message_keys keys;
	bool right;

	VX6_TRY(check_size(n));
	n -= VX6_NTOR3_OVERHEAD;
	memcpy(s->x_pk.b, in, sizeof s->x_pk.b);
	VX6_TRY(vx6_kx_agree(onion, &s->x_pk, &s->xb));
	message_keys(with, &s->xb, &s->x_pk, &keys);
	message_mac(with, &keys, &s->x_pk, enc, n, s->mac);
	right = vx6_ct_eq(s->mac, enc + n, sizeof s->mac);
	if (right) {
		vx6_crypt_once(keys.enc, enc, n, msg);
		*msg_n = n;
	} else {
		vx6_wipe(s, sizeof *s);
	}
	vx6_wipe(&keys, sizeof keys);
	return right ? VX6_OK : VX6_ERR(SIGNATURE);
}

vx6_err vx6_ntor3_server_reply(const struct vx6_ntor3_server *s, const struct vx6_ntor3_with *with,
			       const struct vx6_kx_sk *y, const uint8_t *msg, size_t msg_n,
			       uint8_t *out, uint8_t *keys, size_t keys_n)
{
	uint8_t *auth = out + VX6_KX_BYTES, *enc = auth + 32;
	struct vx6_kx_shared xy;
	struct vx6_kx_sk y_sk;
	struct vx6_kx_pk y_pk;
	struct outcome o;
	vx6_err err;

	VX6_ASSERT(keys_n <= KEYS_MAX);
	if (msg_n > VX6_NTOR3_MSG_MAX)
		return VX6_ERR(LIMIT);
	pair(y, &y_sk, &y_pk);
	err = vx6_kx_agree(&y_sk, &s->x_pk, &xy);
	if (vx6_is_ok(err)) {
		conclude(with, &xy, &s->xb, &s->x_pk, &y_pk, keys_n, &o);
		memcpy(out, y_pk.b, VX6_KX_BYTES);
		vx6_crypt_once(o.raw, msg, msg_n, enc);
		authenticate(with, &o, &s->x_pk, &y_pk, s->mac, enc, msg_n, auth);
		memcpy(keys, o.raw + KEY, keys_n);
		vx6_wipe(&o, sizeof o);
	}
	vx6_wipe(&xy, sizeof xy);
	vx6_wipe(&y_sk, sizeof y_sk);
	return err;
}
