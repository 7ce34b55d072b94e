/**
 * @file hello.h
 * HELLO: the first control message in each direction; says who the TLS key speaks for and what the sender can do.
 *
 * Spec:    schemas/wire/hello.md
 * Layer:   wire
 * Shape:   ver u16 | feat u64 | role u8 | max_cell u16 | clock u64 | observed_ip(16) | observed_port u16 | TLVs; body of VX6_CTL_HELLO
 * Trust:   input is hostile; nothing here is believed before certificate and TLS key match (session)
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_HELLO_H
#define VX6_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "wire/wr.h"

enum {
	VX6_HELLO_VERSION = 1,
	VX6_HELLO_MAX = 2048, /* body */
	VX6_SUBKEY_CERT_BYTES = 136,
	VX6_HELLO_PROOF_BYTES = 64,
};

enum vx6_role {
	VX6_ROLE_NODE = 1,
	VX6_ROLE_ANON = 2, /* no certificate, no node id, no records, clock 0 */
	VX6_ROLE_RELAY = 3,
};

#define VX6_FEAT_SERVICE (UINT64_C(1) << 0)  /* accepts service streams (wire/open.h) */
#define VX6_FEAT_RECORDS (UINT64_C(1) << 1)  /* takes and answers RECORDS, RECORDS_WANT */
#define VX6_FEAT_DHT (UINT64_C(1) << 2)      /* serves DHT requests (schemas/wire/dht.md) */
#define VX6_FEAT_EXCHANGE (UINT64_C(1) << 3) /* takes HAVE and GET, and records of others */
#define VX6_FEAT_RESUME (UINT64_C(1) << 4)   /* streams may be resumable (schemas/wire/vxs.md) */
#define VX6_FEAT_CIRCUIT (UINT64_C(1) << 5)  /* takes circuits (schemas/wire/cell.md) */

struct vx6_hello {
	uint16_t version;     /* highest the sender speaks; both use the smaller of the two */
	uint16_t min_version; /* lowest it speaks; 1 when absent */
	uint64_t features;    /* VX6_FEAT_*; what both set is in force */
	uint8_t role;         /* enum vx6_role */
	uint16_t max_cell;    /* largest circuit cell, 0: no circuits */
	uint64_t clock_ms;    /* sender's wall clock, 0: not told */
	struct vx6_addr
		observed; /* the receiver's address as the sender sees it; family NONE: not told */
	/* borrow the decoded bytes (or the caller's, to encode) */
	const uint8_t *node_id;     /* 32 bytes; NULL exactly when role is ANON */
	const uint8_t *subkey_cert; /* VX6_SUBKEY_CERT_BYTES; NULL exactly when role is ANON */
	const uint8_t *
		proof; /* VX6_HELLO_PROOF_BYTES, on a link that proved no keys; NULL: none, as when role is ANON */
	const uint8_t *endpoint; /* endpoint record, NULL: none */
	size_t endpoint_n;
	const uint8_t *revocation; /* revocation record, NULL: none */
	size_t revocation_n;
};

/** Writes the whole control message, header included (at most VX6_HELLO_MAX + VX6_CTL_HEADER bytes). */
void vx6_hello_encode(struct vx6_wr *w, const struct vx6_hello *h);

/**
 * Reads the body of a HELLO.
 * @param in  borrowed; must outlive @p out
 * @param out written on success, zeroed otherwise
 * @return VX6_OK | SHORT | LIMIT | TRAILING | FORMAT | RANGE (version 0, min above version) | UNSUPPORTED (role, critical TLV)
 */
VX6_RES vx6_hello_decode(const uint8_t *in, size_t n, struct vx6_hello *out);

/** The version both speak. @return 0: none in common */
uint16_t vx6_hello_common_version(const struct vx6_hello *peer);

#endif
