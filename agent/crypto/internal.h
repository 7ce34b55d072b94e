/**
 * @file internal.h
 * What the files of this layer share.
 *
 * Layer:   crypto
 */
#ifndef VX6_CRYPTO_INTERNAL_H
#define VX6_CRYPTO_INTERNAL_H

#include "crypto/sign.h"

enum { VX6_SIGN_LABEL_MAX = 31 };

/** Draws the process's table key; once, from vx6_crypto_init(). */
void vx6_table_key_draw(void);

/** label | NUL | net | msg. Ed25519 hashes the message twice, so it must lie in one piece. */
struct vx6_sign_message {
	size_t n;
	uint8_t b[VX6_SIGN_LABEL_MAX + 1 + VX6_NET_BYTES + VX6_SIGN_MSG_MAX];
};
/** @return VX6_OK | LIMIT */
VX6_RES vx6_sign_message_join(struct vx6_sign_message *m, const char *label,
			      const struct vx6_net *net, const void *msg, size_t n);

#endif
