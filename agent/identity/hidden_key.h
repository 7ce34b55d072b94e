/**
 * @file hidden_key.h
 * Hidden services as text: the key, and the invite that carries it to a client, with a secret where the service has authorised clients. And the
 * identity that a service has on a session.
 *
 * Spec:    schemas/wire/hidden.md#invites
 * Layer:   identity
 * Shape:   `vxh1…`, `vxh1… vxs1…` (a space or `+`), or vx6://hidden/ALIAS?key=vxh1…&secret=vxs1…&expires=UNIX
 * Trust:   text is hostile: whole keys only, each part at most once
 * Threads: pure, any thread
 */
#ifndef VX6_IDENTITY_HIDDEN_KEY_H
#define VX6_IDENTITY_HIDDEN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/identity.h"
#include "identity/node_id.h"
#include "wire/label.h"

enum {
	VX6_HIDDEN_SECRET = 32,
	VX6_HIDDEN_INVITE_TEXT = 214, /* the longest invite and its NUL */
};

/** What a client is given. The secret is secret: wipe with vx6_hidden_invite_wipe(). */
struct vx6_hidden_invite {
	char alias[VX6_LABEL_TEXT]; /* what the giver calls it; may be empty */
	struct vx6_node_id service;
	bool has_secret;
	uint8_t secret[VX6_HIDDEN_SECRET]; /* X25519 */
	uint64_t expires_s;                /* 0: never */
};

/** `vxh1…`. @return @p out */
char *vx6_hidden_key_format(const struct vx6_node_id *service, char out[static VX6_NODE_ID_TEXT]);
/** @return VX6_OK | errors of vx6_key_parse() | KEY (not a valid point) */
VX6_RES vx6_hidden_key_parse(const char *text, struct vx6_node_id *out);
/** Whether @p text begins like a hidden service's key or an invite, so that a bad one is reported as such and not taken for a name. */
bool vx6_hidden_looks_like(const char *text);

/** The shortest form that says it all: `vxh1…`, `vxh1…+vxs1…`, else the URI. @param out secret when the invite is @return @p out */
char *vx6_hidden_invite_format(const struct vx6_hidden_invite *invite,
			       char out[static VX6_HIDDEN_INVITE_TEXT]);
/** Always the URI. */
char *vx6_hidden_invite_format_uri(const struct vx6_hidden_invite *invite,
				   char out[static VX6_HIDDEN_INVITE_TEXT]);
/**
 * Reads any of the forms; whether it expired is the caller's business.
 * @param out zeroed on failure
 * @return VX6_OK | LIMIT | FORMAT | UNSUPPORTED (a part of the URI that is not known) | CHECKSUM | MISMATCH (another kind of key) | KEY
 */
VX6_RES vx6_hidden_invite_parse(const char *text, struct vx6_hidden_invite *out);
void vx6_hidden_invite_wipe(struct vx6_hidden_invite *invite);

/**
 * The identity of a service on sessions. Its subkey follows from the seed and the day, so there is nothing to store; its certificate begins
 * a day before that day, lasts 30 days, and has the number of the day: nothing finer than a day shows.
 * @param seed of the long-term key @param out secret: vx6_identity_wipe()
 * @return VX6_OK | RANGE (the clock stands before 1970-01-02)
 */
VX6_RES vx6_identity_hidden(const uint8_t seed[static VX6_SIGN_SEED_BYTES],
			    const struct vx6_net *net, uint64_t now_s, struct vx6_identity *out);

#endif
