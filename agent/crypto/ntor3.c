#include "crypto/ntor3.h"

#include <string.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/sha3.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

enum { KEY = 32, KEYS_MAX = 256 };

const char vx6_ntor3_protoid[] = "vx6-ntor3-curve25519-sha3_256-1";

/* ---- what is hashed: rows of parts, each as it is or with its length before it ---- */

struct part {
	const void *p;
	size_t n;
	bool with_length;
};
#define PART(p, n) {(p), (n), false}
#define SIZED(p, n) {(p), (n), true}

static void put_length(uint8_t out[static 8], size_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		out[i] = (uint8_t)n;
}

/* Lengths of inputs are our own: what the library could refuse is a bug. */
static void absorb(wc_Sha3 *h, int (*update)(wc_Sha3 *, const byte *, word32),
		   const struct part *part, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t length[8];

		put_length(length, part[i].n);
		if (part[i].with_length)
			VX6_ASSERT(update(h, length, sizeof length) == 0);
		if (part[i].n > 0)
			VX6_ASSERT(update(h, part[i].p, (word32)part[i].n) == 0);
	}
}

/* The purpose goes first, with its length: the protocol's name and what it is for. */
static void absorb_purpose(wc_Sha3 *h, int (*update)(wc_Sha3 *, const byte *, word32),
			   const char *protoid, const char *purpose)
{
	size_t a = strlen(protoid), b = strlen(purpose);
	uint8_t length[8];

	put_length(length, a + b);
	VX6_ASSERT(update(h, length, sizeof length) == 0 &&
		   update(h, (const byte *)protoid, (word32)a) == 0 &&
		   update(h, (const byte *)purpose, (word32)b) == 0);
}

static void hash(const char *protoid, const char *purpose, const struct part *part, size_t n,
		 uint8_t out[static 32])
{
	wc_Sha3 h;

	VX6_ASSERT(wc_InitSha3_256(&h, NULL, INVALID_DEVID) == 0);
	absorb_purpose(&h, wc_Sha3_256_Update, protoid, purpose);
	absorb(&h, wc_Sha3_256_Update, part, n);
	VX6_ASSERT(wc_Sha3_256_Final(&h, out) == 0);
	vx6_wipe(&h, sizeof h);
}

static void expand(const char *protoid, const char *purpose, const struct part *part, size_t n,
		   uint8_t *out, size_t out_n)
{
	wc_Shake h;

	VX6_ASSERT(wc_InitShake256(&h, NULL, INVALID_DEVID) == 0);
	absorb_purpose(&h, wc_Shake256_Update, protoid, purpose);
	absorb(&h, wc_Shake256_Update, part, n);
	VX6_ASSERT(wc_Shake256_Final(&h, out, (word32)out_n) == 0);
	vx6_wipe(&h, sizeof h);
}

/* AES-256 in counter mode; each key is used once, so it begins at zero. */
static void crypt_once(const uint8_t key[static KEY], const uint8_t *in, size_t n, uint8_t *out)
{
	static const uint8_t zero[16];
	Aes aes;

	if (n == 0)
		return;
	VX6_ASSERT(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0 &&
		   wc_AesSetKeyDirect(&aes, key, KEY, zero, AES_ENCRYPTION) == 0 &&
		   wc_AesCtrEncrypt(&aes, out, in, (word32)n) == 0);
	wc_AesFree(&aes);
	vx6_wipe(&aes, sizeof aes);
}

/* ---- the client's message ---- */

struct message_keys {
	uint8_t enc[KEY], mac[KEY];
};

static void message_keys(const struct vx6_ntor3_with *w, const struct vx6_kx_shared *bx,
			 const struct vx6_kx_pk *x, struct message_keys *out)
{
	const struct part in[] = {
		PART(bx->b, sizeof bx->b),
		PART(w->id, VX6_NTOR3_ID),
		PART(x->b, sizeof x->b),
		PART(w->onion->b, sizeof w->onion->b),
		PART(w->protoid, strlen(w->protoid)),
		SIZED(w->ver, w->ver_n),
	};

	expand(w->protoid, ":kdf_phase1", in, VX6_ARRAY_N(in), out->enc, sizeof *out);
}
_Static_assert(sizeof(struct message_keys) == 2 * KEY, "two keys in a row");

static void message_mac(const struct vx6_ntor3_with *w, const struct message_keys *k,
			const struct vx6_kx_pk *x, const uint8_t *enc, size_t n,
			uint8_t out[static VX6_NTOR3_MAC])
{
	const struct part in[] = {
		SIZED(k->mac, sizeof k->mac),
		PART(w->id, VX6_NTOR3_ID),
		PART(w->onion->b, sizeof w->onion->b),
		PART(x->b, sizeof x->b),
		PART(enc, n),
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
	const struct part in[] = {
		PART(xy->b, sizeof xy->b),
		PART(xb->b, sizeof xb->b),
		PART(w->id, VX6_NTOR3_ID),
		PART(w->onion->b, sizeof w->onion->b),
		PART(x->b, sizeof x->b),
		PART(y->b, sizeof y->b),
		PART(w->protoid, strlen(w->protoid)),
		SIZED(w->ver, w->ver_n),
	};
	uint8_t seed[32];
	const struct part of_seed[] = {PART(seed, sizeof seed)};

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
	const struct part in[] = {
		PART(o->verify, sizeof o->verify),
		PART(w->id, VX6_NTOR3_ID),
		PART(w->onion->b, sizeof w->onion->b),
		PART(y->b, sizeof y->b),
		PART(x->b, sizeof x->b),
		PART(mac, VX6_NTOR3_MAC),
		SIZED(enc, n),
		PART(w->protoid, strlen(w->protoid)),
		PART(server, sizeof server - 1),
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
	crypt_once(keys.enc, msg, msg_n, enc);
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
		crypt_once(o.raw, enc, n, msg);
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
		crypt_once(keys.enc, enc, n, msg);
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
		crypt_once(o.raw, msg, msg_n, enc);
		authenticate(with, &o, &s->x_pk, &y_pk, s->mac, enc, msg_n, auth);
		memcpy(keys, o.raw + KEY, keys_n);
		vx6_wipe(&o, sizeof o);
	}
	vx6_wipe(&xy, sizeof xy);
	vx6_wipe(&y_sk, sizeof y_sk);
	return err;
}
