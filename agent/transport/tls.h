/**
 * @file tls.h
 * TLS 1.3 with Ed25519 raw public keys, for both wire families: contexts, sessions, and the check of the peer's key.
 *
 * Spec:    schemas/wire/session.md#tls
 * Layer:   transport (private to it: only tcp/ and quic/ include this)
 * Trust:   the peer's key counts only after vx6_tls_session_check(), which needs three things to agree: the verify callback ran and
 *          accepted the key, the library holds the same key after the handshake, and it is the one that was expected.
 * Threads: the loop's thread
 */
#ifndef VX6_TRANSPORT_TLS_H
#define VX6_TRANSPORT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/sign.h"
#include "transport/transport.h"

struct WOLFSSL;
struct WOLFSSL_CTX;

enum vx6_tls_role {
	VX6_TLS_ACCEPT,    /* presents our key, asks for the peer's, takes none for an answer */
	VX6_TLS_DIAL,      /* presents our key */
	VX6_TLS_DIAL_ANON, /* presents none */
	VX6_TLS_ROLES,
};

/** The three contexts of one signing key. */
struct vx6_tls;

/** What one handshake presents, what it expects of the peer and what it found. Embedded in the link; must outlive the session and not move. */
struct vx6_tls_peer {
	bool expect_key;
	struct vx6_sign_pk expected;
	bool callback_ran; /* the library asked us about the peer's Certificate message */
	bool has_key;      /* it carried a key: `key`, accepted */
	struct vx6_sign_pk key;
	struct vx6_sign_pk own; /* ours; zero: none */
	vx6_err refused;        /* why the callback said no, else OK */
};

/** @param key borrowed for the call; the contexts hold a copy of the secret half until freed @return owned; vx6_tls_free() */
VX6_RES vx6_tls_new(const struct vx6_sign_keypair *key, struct vx6_tls **out);
/** Sessions may outlive it: each holds its context, and with it the key, until it is freed. */
void vx6_tls_free(struct vx6_tls *tls);

/** The context of @p role, for settings of one family (QUIC's method table). Shared by all sessions made from it. */
struct WOLFSSL_CTX *vx6_tls_ctx(struct vx6_tls *tls, enum vx6_tls_role role);

/**
 * Makes a session, ready for its handshake: ALPN offered, exporter secrets kept.
 * @param peer  borrowed until the session is freed; expect_key and expected are set, the rest zero; `own` is filled in
 * @return      owned in @p out; vx6_tls_session_free()
 */
VX6_RES vx6_tls_session_new(struct vx6_tls *tls, enum vx6_tls_role role, struct vx6_tls_peer *peer,
			    struct WOLFSSL **out);
/** Accepts NULL. */
void vx6_tls_session_free(struct WOLFSSL *ssl);

/**
 * To be called once, when the handshake has completed and before any byte of the peer is used: checks version, ALPN and the peer's
 * key again, exports the channel binding, and lets go of the handshake's memory.
 * @return VX6_OK | WRONG_PEER (another key than expected, or none) | TLS (anything else is not as agreed)
 */
VX6_RES vx6_tls_session_check(struct WOLFSSL *ssl, const struct vx6_tls_peer *peer,
			      uint8_t channel_binding[VX6_CB_BYTES]);

/** The error to report for a handshake that the library ended: the callback's reason if it gave one. */
vx6_err vx6_tls_failure(const struct vx6_tls_peer *peer);

#endif
