/**
 * @file client_auth.h
 * How a client shows, inside an introduction, that it holds a key that a hidden service knows.
 *
 * Spec:    schemas/wire/hidden.md#clients
 * Layer:   hidden (may use: crypto)
 * Shape:   both sides agree on 40 bytes from the client's X25519 key and the introduction point's encryption key: an id (8), by which the owner finds
 *          the client without trying every key, and a key for the MAC (32). Either side could have made the MAC: it proves nothing to others
 * Trust:   what came is hostile; an id is no secret, and is another one for each encryption key
 * Threads: pure, any thread
 */
#ifndef VX6_HIDDEN_CLIENT_AUTH_H
#define VX6_HIDDEN_CLIENT_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_HS_AUTH_ID = 8,
	VX6_HS_AUTH_MAC = 32,
	VX6_HS_AUTH_OVER_MAX = 256, /* bytes of an introduction that a MAC is over, at the most */
};

/** Secret. */
struct vx6_hs_auth_key {
	uint8_t id[VX6_HS_AUTH_ID];
	uint8_t key[VX6_HS_AUTH_MAC];
};

/**
 * The client has its secret and the encryption key's public half, the owner that one's secret and the client's public key.
 * @param out zeroed on failure @return VX6_OK | KEY (small order)
 */
VX6_RES vx6_hs_auth_derive(const uint8_t sk[static 32], const uint8_t pk[static 32],
			   const uint8_t subcred[static 32], struct vx6_hs_auth_key *out);
/**
 * @param over what stands in the introduction before its extensions, VX6_HS_AUTH_OVER_MAX bytes at the most
 * @param enrols the new public key that a holder of an invite asks to be known by (32 bytes); NULL: a client that is known
 */
void vx6_hs_auth_mac(const struct vx6_hs_auth_key *key, const void *over, size_t n,
		     const uint8_t *enrols, uint8_t mac[static VX6_HS_AUTH_MAC]);

#endif
