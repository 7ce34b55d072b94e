/**
 * @file service.h
 * Service record (type 2): a node offers a service of that name.
 *
 * Spec:    schemas/wire/service.md
 * Layer:   record
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_SERVICE_H
#define VX6_RECORD_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "record/record.h"
#include "wire/label.h"

enum {
	VX6_SERVICE_ALPN_MAX = 32,
	VX6_SERVICE_MAX = 768,
	VX6_SERVICE_LIFETIME_S = 21600,
};

enum vx6_service_kind {
	VX6_SERVICE_TCP = 1, /* a byte stream */
};

struct vx6_service_record {
	struct vx6_node_id node;
	uint64_t seq, issued_s;
	uint32_t lifetime_s;
	bool withdrawn; /* the node no longer offers it */
	bool unlisted;  /* VX6_RECORD_UNLISTED */
	char name[VX6_LABEL_TEXT];
	uint8_t kind;       /* enum vx6_service_kind */
	uint16_t port_hint; /* usual port of the application, for people; 0: none */
	char alpn
		[VX6_SERVICE_ALPN_MAX +
		 1]; /* application protocol such as "ssh", "http"; printable ASCII; empty: not told */
};

/** @param s node is ignored @return VX6_OK | INVALID (name, alpn) | LIMIT */
VX6_RES vx6_service_build(const struct vx6_service_record *s, const struct vx6_identity *id,
			  uint8_t out[static VX6_SERVICE_MAX], size_t *n);
/** Reads a parsed record. @return VX6_OK | MISMATCH (another type) | FORMAT | LIMIT | UNSUPPORTED */
VX6_RES vx6_service_read(const struct vx6_record *rec, struct vx6_service_record *out);

/** A node may have one record of each name: which of its slots a name is. */
uint64_t vx6_service_slot(const char *name);

#endif
