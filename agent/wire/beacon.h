/**
 * @file beacon.h
 * The datagram by which a node tells its local network where it is.
 *
 * Spec:    schemas/wire/beacon.md
 * Layer:   wire
 * Shape:   "VX6B" | version u8 | kind u8 | network(8) | endpoint record(rest)
 * Trust:   input is hostile; what decodes has sound framing and nothing else
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_BEACON_H
#define VX6_WIRE_BEACON_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_BEACON_PORT =
		22104, /* "VX": far from where agents listen, so that a second one of a host may take 4243 */
	VX6_BEACON_VERSION = 1,
	VX6_BEACON_NETWORK_BYTES = 8,
	VX6_BEACON_RECORD_MAX = 640,
	VX6_BEACON_MAX = 4 + 1 + 1 + VX6_BEACON_NETWORK_BYTES + VX6_BEACON_RECORD_MAX,
};

enum vx6_beacon_kind {
	VX6_BEACON_HERE = 1,
	VX6_BEACON_HERE_TOO = 2, /* to one of a node that was not known; never answered */
};

struct vx6_beacon {
	uint8_t kind;                              /* enum vx6_beacon_kind */
	uint8_t network[VX6_BEACON_NETWORK_BYTES]; /* of H_"VX6-beacon"(NET) */
	const uint8_t *record;                     /* borrowed */
	size_t record_n;
};

/** @return VX6_OK | LIMIT (no record, or too large) */
VX6_RES vx6_beacon_encode(const struct vx6_beacon *b, uint8_t out[static VX6_BEACON_MAX],
			  size_t *n);
/** @param in a whole datagram @return VX6_OK | SHORT | FORMAT (magic) | UNSUPPORTED (version, kind) | LIMIT (record) */
VX6_RES vx6_beacon_decode(const uint8_t *in, size_t n, struct vx6_beacon *out);

#endif
