/**
 * @file record.h
 * Signed records: parse and verify any, build and sign.
 *
 * Spec:    schemas/wire/record.md
 * Layer:   record
 * Shape:   signature over the received bytes, never over a re-encoding; signer is S of the SubkeyCert inside, or the subject itself
 * Trust:   input is hostile; only a record that passed vx6_record_verify() may be believed
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_RECORD_H
#define VX6_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/hash.h"
#include "identity/identity.h"
#include "identity/node_id.h"
#include "identity/subkey_cert.h"
#include "wire/record.h"

#define VX6_RECORD_LABEL "VX6 record v1"

struct vx6_record {
	struct vx6_record_view view; /* borrows the bytes */
	struct vx6_node_id subject;
	bool has_cert;
	struct vx6_subkey_cert cert; /* when has_cert */
	struct vx6_hash hash;        /* of the whole record */
};

/** What a record is checked against. */
struct vx6_record_check {
	const struct vx6_net *net; /* borrowed */
	uint64_t now_s;
	uint32_t min_cert_seq;
	bool revoked;
};

/** Framing, certificate, hash; no signature yet. @param in borrowed; must outlive @p out */
VX6_RES vx6_record_parse(const uint8_t *in, size_t n, struct vx6_record *out);
/**
 * The same for bytes that were admitted once: no hash is made, and of the certificate only cert_seq is read. A hundredth of the cost.
 */
VX6_RES vx6_record_reparse(const uint8_t *in, size_t n, struct vx6_record *out);
/** @return VX6_OK | KEY | SIGNATURE | EXPIRED | FUTURE | RANGE (lifetime) | REVOKED | STALE (cert_seq) | MISMATCH | REFUSED */
VX6_RES vx6_record_verify(const struct vx6_record *rec, const struct vx6_record_check *check);

/** unix seconds at which it ends; UINT64_MAX: never */
uint64_t vx6_record_expires_s(const struct vx6_record_view *view);

/* ---- building: begin, TLVs below 0x81 through b.tlv, finish ---- */

struct vx6_record_builder {
	struct vx6_wr w;
	struct vx6_tlv_wr tlv;
};
/** @param h subject is taken from @p id @param out borrowed until the finish */
void vx6_record_build_begin(struct vx6_record_builder *b, const struct vx6_record_view *h,
			    const struct vx6_identity *id, uint8_t *out, size_t cap);
/** Adds certificate and signature. @param n bytes of the record @return VX6_OK | LIMIT (above the type's size or the buffer) */
VX6_RES vx6_record_build_finish(struct vx6_record_builder *b, const struct vx6_identity *id,
				size_t *n);

#endif
