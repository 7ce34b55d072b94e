/**
 * @file catalog.h
 * Catalog (type 3): a list of services that only those who were invited can find and read.
 *
 * Spec:    schemas/wire/catalog.md
 * Layer:   record
 * Shape:   subject: the catalog's key blinded for a period of 24 hours; aux: the period; one TLV: nonce(24) | XChaCha20-Poly1305 of the
 *          list, padded so that the record has one of three sizes; signed under the blinded key
 * Trust:   records are hostile; who holds the secret can read, only who holds the key can write
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_CATALOG_H
#define VX6_RECORD_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/blind.h"
#include "record/record.h"
#include "record/service.h"
#include "wire/label.h"

enum {
	VX6_CATALOG_MAX = 4096,
	VX6_CATALOG_PERIOD_S = 86400,
	VX6_CATALOG_LIFETIME_S = 86400,
	VX6_CATALOG_EDGE_S =
		3600, /* so near to another period, the record of that one is published too */
	VX6_CATALOG_ENTRIES_MAX = 64,
	VX6_CATALOG_SECRET_BYTES = 32,
};

/** What an invitation carries. The secret is secret: wipe. */
struct vx6_catalog_key {
	struct vx6_sign_pk pk;
	uint8_t secret[VX6_CATALOG_SECRET_BYTES];
};

struct vx6_catalog_entry {
	struct vx6_node_id node;
	char service[VX6_LABEL_TEXT]; /* as the node knows it */
	char alias[VX6_LABEL_TEXT];   /* as the catalog calls it: one of a kind in it */
	uint8_t kind;                 /* enum vx6_service_kind */
	char alpn[VX6_SERVICE_ALPN_MAX + 1];
};

struct vx6_catalog {
	uint64_t seq, issued_s;
	uint32_t lifetime_s;
	uint64_t period;
	char title[VX6_LABEL_TEXT]; /* what its owner calls it; may be empty */
	size_t entries_n;
	struct vx6_catalog_entry entries[VX6_CATALOG_ENTRIES_MAX];
};

uint64_t vx6_catalog_period(uint64_t now_s);
/** The subject that the catalog's record has in @p period. @return VX6_OK | KEY */
VX6_RES vx6_catalog_subject(const struct vx6_catalog_key *key, uint64_t period,
			    struct vx6_sign_pk *out);

/**
 * Seals and signs. The nonce is drawn at random.
 * @param owner  the catalog's long-term key pair @param secret VX6_CATALOG_SECRET_BYTES
 * @return VX6_OK | INVALID (label, kind, alpn, an alias twice, period too far from issued_s) | LIMIT (does not fit) | KEY
 */
VX6_RES vx6_catalog_build(const struct vx6_catalog *c, const struct vx6_sign_keypair *owner,
			  const uint8_t *secret, const struct vx6_net *net,
			  uint8_t out[static VX6_CATALOG_MAX], size_t *n);

/** What anybody can check: one ciphertext, one of the three sizes, a period that fits the date. @return VX6_OK | MISMATCH (type) | FORMAT | RANGE | UNSUPPORTED */
VX6_RES vx6_catalog_check(const struct vx6_record *rec, uint64_t *period);
/**
 * Opens a record that was verified.
 * @return VX6_OK | errors of vx6_catalog_check() | MISMATCH (another catalog) | SIGNATURE (the secret does not open it) | FORMAT, LIMIT,
 *         UNSUPPORTED (its list)
 */
VX6_RES vx6_catalog_open(const struct vx6_record *rec, const struct vx6_catalog_key *key,
			 const struct vx6_net *net, struct vx6_catalog *out);

#endif
