/**
 * @file endpoint.h
 * Endpoint record (type 1): where a node can be reached, what it can do, what it calls itself.
 *
 * Spec:    schemas/wire/endpoint.md
 * Layer:   record
 * Trust:   input is hostile; addresses are claims: whoever answers there must still prove the key
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_ENDPOINT_H
#define VX6_RECORD_ENDPOINT_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "record/record.h"
#include "wire/label.h"

enum {
	VX6_ENDPOINT_ADDRS_MAX = 8,
	VX6_ENDPOINT_MAX = 640,
	VX6_ENDPOINT_LIFETIME_S = 7200,
};

enum vx6_endpoint_via {
	VX6_VIA_QUIC = 1, /* UDP port of that number */
	VX6_VIA_TCP = 2,
};

struct vx6_endpoint_addr {
	struct vx6_addr addr;
	uint8_t via;  /* bits of enum vx6_endpoint_via, at least one */
	uint8_t prio; /* smaller is tried first */
};

struct vx6_endpoint {
	struct vx6_node_id node;
	uint64_t seq, issued_s;
	uint32_t lifetime_s;
	uint64_t features;         /* VX6_FEAT_* */
	char name[VX6_LABEL_TEXT]; /* what the node calls itself ("alice"); empty: nothing */
	uint8_t n_addrs;
	struct vx6_endpoint_addr addrs[VX6_ENDPOINT_ADDRS_MAX];
};

/** @param e node is ignored @return VX6_OK | INVALID (name, address) | LIMIT */
VX6_RES vx6_endpoint_build(const struct vx6_endpoint *e, const struct vx6_identity *id,
			   uint8_t out[static VX6_ENDPOINT_MAX], size_t *n);
/** Reads a parsed record. @return VX6_OK | MISMATCH (another type) | FORMAT | LIMIT | UNSUPPORTED */
VX6_RES vx6_endpoint_read(const struct vx6_record *rec, struct vx6_endpoint *out);

#endif
