/**
 * @file open.h
 * The first bytes of a data stream: what the opener wants, and the acceptor's answer. Raw application bytes follow each.
 *
 * Spec:    schemas/wire/open.md
 * Layer:   wire
 * Shape:   opener: ver u8 = 1 | kind u8 | flags u8 | name_len u8 | name; acceptor: status u16 (wire/code.h)
 *          The opener may send application bytes right behind OPEN without waiting.
 * Trust:   input is hostile and may arrive byte by byte: the decoders say SHORT until all is there, and refuse as early as they can
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_OPEN_H
#define VX6_WIRE_OPEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/label.h"

enum {
	VX6_OPEN_VERSION = 1,
	VX6_OPEN_HEADER = 4,
	VX6_OPEN_MAX = VX6_OPEN_HEADER + VX6_LABEL_MAX,
	VX6_OPEN_REPLY = 2,
};

enum vx6_open_kind {
	VX6_OPEN_SERVICE = 1,
	VX6_OPEN_DHT = 2, /* one DHT request follows; no name */
	VX6_OPEN_ATTACH =
		3, /* a stream that lost its carrier goes on (schemas/wire/vxs.md); no name */
};

struct vx6_open {
	uint8_t kind;  /* enum vx6_open_kind */
	uint8_t flags; /* none defined: 0 */
	char name[VX6_LABEL_TEXT];
};

/** @return VX6_OK | INVALID (not a label) */
VX6_RES vx6_open_encode(const struct vx6_open *o, uint8_t out[static VX6_OPEN_MAX], size_t *n);
/**
 * @param in   what has arrived so far
 * @param used bytes of OPEN, on success; the rest are application bytes
 * @return VX6_OK | SHORT (wait; never with n >= VX6_OPEN_MAX) | UNSUPPORTED (version, kind, flags) | LIMIT | FORMAT (name)
 */
VX6_RES vx6_open_decode(const uint8_t *in, size_t n, struct vx6_open *out, size_t *used);

void vx6_open_reply_encode(uint16_t status, uint8_t out[static VX6_OPEN_REPLY]);
/** @param used VX6_OPEN_REPLY on success @return VX6_OK | SHORT */
VX6_RES vx6_open_reply_decode(const uint8_t *in, size_t n, uint16_t *status, size_t *used);

#endif
