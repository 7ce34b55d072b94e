/**
 * @file subkey_cert.h
 * Subkey certificate: the master key M says which online key S speaks for it, for what, and until when.
 *
 * Spec:    schemas/wire/subkey_cert.md
 * Layer:   identity
 * Shape:   136 bytes, see the page
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_IDENTITY_SUBKEY_CERT_H
#define VX6_IDENTITY_SUBKEY_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/sign.h"
#include "identity/node_id.h"
#include "wire/hello.h" /* VX6_SUBKEY_CERT_BYTES */

enum {
	VX6_SUBKEY_LIFETIME_S = 30 * 24 * 3600,
	VX6_CLOCK_SKEW_S = 120,
};

enum vx6_subkey_kind {
	VX6_SUBKEY_SIGN = 1, /* TLS and records */
	VX6_SUBKEY_HS_DESC = 2,
	VX6_SUBKEY_INTRO = 3,
};

enum vx6_subkey_purpose {
	VX6_PURPOSE_TLS = 1,
	VX6_PURPOSE_RECORD = 2,
};

struct vx6_subkey_cert {
	uint8_t kind;
	uint16_t purposes;
	uint64_t not_before_s, not_after_s; /* unix seconds */
	uint32_t cert_seq;
	struct vx6_sign_pk subject; /* S */
	uint8_t parent_fp[16];      /* of M */
	struct vx6_sig sig;
};

/** What a certificate is checked against. */
struct vx6_subkey_check {
	const struct vx6_net *net; /* borrowed */
	uint64_t now_s;
	uint16_t purpose; /* bits that must all be there */
	uint32_t
		min_cert_seq; /* highest seen of this M, or what a revocation demands; 0: anything */
	bool revoked;         /* M has been revoked for good */
};

/** Fills parent_fp and sig of @p cert and writes its bytes. */
VX6_RES vx6_subkey_cert_sign(struct vx6_subkey_cert *cert, const struct vx6_sign_keypair *master,
			     const struct vx6_net *net, uint8_t out[static VX6_SUBKEY_CERT_BYTES]);
/** @return VX6_OK | SHORT | TRAILING | UNSUPPORTED (version, kind) | RANGE (times) | KEY */
VX6_RES vx6_subkey_cert_decode(const uint8_t *in, size_t n, struct vx6_subkey_cert *out);
/** Signature and parent only, whatever the time. @return VX6_OK | MISMATCH (another master) | SIGNATURE */
VX6_RES vx6_subkey_cert_verify_sig(const struct vx6_subkey_cert *cert,
				   const struct vx6_node_id *master, const struct vx6_net *net);
/** All of it. @return additionally REVOKED | STALE (cert_seq) | EXPIRED | FUTURE | REFUSED (purpose) */
VX6_RES vx6_subkey_cert_verify(const struct vx6_subkey_cert *cert, const struct vx6_node_id *master,
			       const struct vx6_subkey_check *check);

#endif
