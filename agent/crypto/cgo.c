#include "crypto/cgo.h"

#include <string.h>

#include "crypto/cgo_internal.h"
#include "crypto/secret.h"

enum { KEY_STREAM = VX6_CGO_SEED_BYTES };

const struct vx6_cgo_shape vx6_cgo_cell = {.payload = 1007, .blocks = 63, .clear_bits = 7};
const struct vx6_cgo_shape vx6_cgo_tor = {.payload = 493, .blocks = 31, .clear_bits = 6};

static const struct cgo_ops *ops_of(const struct vx6_cgo *s)
{
	const struct cgo_ops *fast = s->portable ? NULL : cgo_accelerated();

	return fast ? fast : &cgo_portable;
}

/* ---- keys ---- */

static void set_key(struct vx6_cgo *s, const uint8_t seed[static VX6_CGO_SEED_BYTES])
{
	const struct cgo_ops *o = ops_of(s);

	o->expand(seed, s->kb);
	o->invert(s->kb, s->kb_inv);
	o->powers(seed + 16, s->u);
	o->expand(seed + 32, s->kp);
	memcpy(s->p, seed + 48, sizeof s->p);
	memcpy(s->nonce, seed + VX6_CGO_KEY_BYTES, sizeof s->nonce);
}

void vx6_cgo_init_shape(struct vx6_cgo *s, const struct vx6_cgo_shape *shape, bool portable,
			const uint8_t seed[static VX6_CGO_SEED_BYTES])
{
	memset(s, 0, sizeof *s);
	s->shape = shape;
	s->portable = portable;
	set_key(s, seed);
}

void vx6_cgo_init(struct vx6_cgo *s, const uint8_t seed[static VX6_CGO_SEED_BYTES])
{
	vx6_cgo_init_shape(s, &vx6_cgo_cell, false, seed);
}

/* ---- the wide-block cipher ---- */

/* Where the keystream of @p x begins: its low bits are clear, so that the part for the next key never runs into another's. */
static void stream_at(const struct vx6_cgo *s, const uint8_t x[static 16], uint8_t iv[static 16])
{
	ops_of(s)->hash_one(s->p, x, iv);
	iv[15] = (uint8_t)(iv[15] & (0xffU << s->shape->clear_bits));
}

static void mask_left(const struct vx6_cgo *s, const uint8_t tweak[static 16], uint8_t ad,
		      const uint8_t *body, uint8_t out[static 16])
{
	ops_of(s)->hash(s->u, tweak, ad, body + VX6_CGO_TAG, s->shape->payload, out);
}

static void xor16(uint8_t a[static 16], const uint8_t b[static 16])
{
	for (size_t i = 0; i < 16; i++)
		a[i] ^= b[i];
}

static void encrypt(const struct vx6_cgo *s, const uint8_t tweak[static 16], uint8_t ad,
		    uint8_t *body)
{
	const struct cgo_ops *o = ops_of(s);
	uint8_t t[16], iv[16];

	mask_left(s, tweak, ad, body, t);
	xor16(body, t);
	o->encrypt(s->kb, body);
	xor16(body, t);
	stream_at(s, body, iv);
	o->ctr(s->kp, iv, body + VX6_CGO_TAG, s->shape->payload);
}

static void decrypt(const struct vx6_cgo *s, const uint8_t tweak[static 16], uint8_t ad,
		    uint8_t *body)
{
	const struct cgo_ops *o = ops_of(s);
	uint8_t t[16], iv[16];

	stream_at(s, body, iv);
	o->ctr(s->kp, iv, body + VX6_CGO_TAG, s->shape->payload);
	mask_left(s, tweak, ad, body, t);
	xor16(body, t);
	o->decrypt(s->kb_inv, body);
	xor16(body, t);
}

/* The key that encrypted a cell of ours is gone with it. */
static void update(struct vx6_cgo *s)
{
	uint8_t next[KEY_STREAM] = {0}, iv[16];

	stream_at(s, s->nonce, iv);
	iv[15] = (uint8_t)(iv[15] + s->shape->blocks);
	ops_of(s)->ctr(s->kp, iv, next, sizeof next);
	set_key(s, next);
	vx6_wipe(next, sizeof next);
}

/* ---- at a relay ---- */

bool vx6_cgo_relay_forward(struct vx6_cgo *s, uint8_t ad, uint8_t *body)
{
	encrypt(s, s->chain, ad, body);
	memcpy(s->chain, body, sizeof s->chain);
	if (!vx6_ct_eq(s->chain, s->nonce, sizeof s->nonce))
		return false;
	update(s);
	return true;
}

void vx6_cgo_relay_originate(struct vx6_cgo *s, uint8_t ad, uint8_t *body)
{
	memcpy(body, s->nonce, sizeof s->nonce);
	encrypt(s, s->chain, ad, body);
	memcpy(s->nonce, body, sizeof s->nonce);
	memcpy(s->chain, body, sizeof s->chain);
	update(s);
}

void vx6_cgo_relay_backward(struct vx6_cgo *s, uint8_t ad, uint8_t *body)
{
	encrypt(s, s->chain, ad, body);
	memcpy(s->chain, body, sizeof s->chain);
}

/* ---- at the client ---- */

void vx6_cgo_client_wrap(struct vx6_cgo *hop, size_t n, uint8_t ad, uint8_t *body)
{
	for (size_t i = n; i-- > 0;) {
		uint8_t was[16];

		memcpy(was, body, sizeof was);
		decrypt(&hop[i], hop[i].chain, ad, body);
		memcpy(hop[i].chain, was, sizeof was);
	}
}

void vx6_cgo_client_forward(struct vx6_cgo *hop, size_t to, uint8_t ad, uint8_t *body)
{
	memcpy(body, hop[to].nonce, sizeof hop[to].nonce);
	vx6_cgo_client_wrap(hop, to + 1, ad, body);
	update(&hop[to]);
}

int vx6_cgo_client_unwrap(struct vx6_cgo *hop, size_t n, uint8_t ad, uint8_t *body)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t was[16];

		memcpy(was, body, sizeof was);
		decrypt(&hop[i], hop[i].chain, ad, body);
		memcpy(hop[i].chain, was, sizeof was);
		if (!vx6_ct_eq(body, hop[i].nonce, sizeof hop[i].nonce))
			continue;
		memcpy(hop[i].nonce, was, sizeof was);
		update(&hop[i]);
		return (int)i;
	}
	return -1;
}

int vx6_cgo_client_backward(struct vx6_cgo *hop, size_t n, uint8_t ad, uint8_t *body)
{
	int from = vx6_cgo_client_unwrap(hop, n, ad, body);

	if (from < 0)
		vx6_wipe(body, VX6_CGO_TAG + hop[0].shape->payload);
	return from;
}
