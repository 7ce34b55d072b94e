/**
 * @file ntor3.h
 * The handshake that makes a hop: ntor-v3. The client knows the server's onion key, the server proves it; each says something to the other in it.
 *
 * Spec:    schemas/wire/onion.md; Tor proposal 332
 * Layer:   crypto
 * Shape:   client: X(32) | encrypted message | MAC(32); server: Y(32) | AUTH(32) | encrypted message
 * Trust:   what comes from the other side is hostile. The client's message is not forward secret against a later theft of the onion key; the keys
 *          and the server's message are
 * Threads: pure, any thread after vx6_crypto_init()
 */
#ifndef VX6_CRYPTO_NTOR3_H
#define VX6_CRYPTO_NTOR3_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/kx.h"

enum {
	VX6_NTOR3_ID = 32,
	VX6_NTOR3_MAC = 32,
	VX6_NTOR3_OVERHEAD = VX6_KX_BYTES + VX6_NTOR3_MAC, /* both sides: what is not the message */
	VX6_NTOR3_MSG_MAX = 1024,
	VX6_NTOR3_VER_MAX = 32,
	VX6_NTOR3_KEYSTREAM =
		192, /* [0:80] and [80:160] seeds of the layers forward and back, [160:192] binding */
	VX6_NTOR3_KEY_ID = 8,
};
extern const char vx6_ntor3_protoid[]; /* "vx6-ntor3-curve25519-sha3_256-1" */

/** Who and what the handshake is with; both sides say the same. Borrowed for the call. */
struct vx6_ntor3_with {
	const char *protoid;
	const uint8_t *id; /* VX6_NTOR3_ID bytes */
	const struct vx6_kx_pk *onion;
	const uint8_t *ver; /* the network */
	size_t ver_n;
};

/** What names an onion key in CREATE. */
void vx6_ntor3_key_id(const struct vx6_kx_pk *onion, uint8_t out[static VX6_NTOR3_KEY_ID]);

/** Secret: vx6_wipe() after use. */
struct vx6_ntor3_client {
	struct vx6_kx_pk x_pk;
	struct vx6_kx_sk x_sk;
	struct vx6_kx_shared bx;
	uint8_t mac[VX6_NTOR3_MAC];
};
/**
 * @param x    NULL: drawn; a known one for tests
 * @param out  VX6_NTOR3_OVERHEAD + msg_n bytes
 * @return VX6_OK | KEY (the onion key is none) | LIMIT
 */
VX6_RES vx6_ntor3_client_begin(struct vx6_ntor3_client *c, const struct vx6_ntor3_with *with,
			       const struct vx6_kx_sk *x, const uint8_t *msg, size_t msg_n,
			       uint8_t *out);
/**
 * @param msg   room for n - VX6_NTOR3_OVERHEAD bytes: what the server said
 * @param keys  @p keys_n bytes of key material
 * @return VX6_OK | SHORT | LIMIT | KEY | SIGNATURE (it does not have the onion key): nothing is written then
 */
VX6_RES vx6_ntor3_client_finish(const struct vx6_ntor3_client *c, const struct vx6_ntor3_with *with,
				const uint8_t *in, size_t n, uint8_t *msg, size_t *msg_n,
				uint8_t *keys, size_t keys_n);

/** Secret: vx6_wipe() after use. */
struct vx6_ntor3_server {
	struct vx6_kx_pk x_pk;
	struct vx6_kx_shared xb;
	uint8_t mac[VX6_NTOR3_MAC];
};
/**
 * Reads the client's part.
 * @param msg room for n - VX6_NTOR3_OVERHEAD bytes: what the client said
 * @return VX6_OK | SHORT | LIMIT | KEY | SIGNATURE (not for this key, or changed on the way): nothing is written then
 */
VX6_RES vx6_ntor3_server_open(struct vx6_ntor3_server *s, const struct vx6_ntor3_with *with,
			      const struct vx6_kx_sk *onion, const uint8_t *in, size_t n,
			      uint8_t *msg, size_t *msg_n);
/** Answers, now or later. @param y NULL: drawn @param out VX6_NTOR3_OVERHEAD + msg_n bytes @return VX6_OK | KEY | LIMIT */
VX6_RES vx6_ntor3_server_reply(const struct vx6_ntor3_server *s, const struct vx6_ntor3_with *with,
			       const struct vx6_kx_sk *y, const uint8_t *msg, size_t msg_n,
			       uint8_t *out, uint8_t *keys, size_t keys_n);

#endif
