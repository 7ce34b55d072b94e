/**
 * @file open.h
 * The first bytes of a data stream: what the opener wants, and the acceptor's answer. Raw application bytes follow each.
 *
 * Spec:    schemas/wire/open.md
 * Layer:   wire
 * Shape:   opener: ver u8 = 1 | kind u8 | flags u8 | name_len u8 | name | stream id(16) when resumable | attach(60) of kind ATTACH |
 *          node_id(32) via u8 ip(16) port u16 of kind DHT_VIA;
 *          acceptor: status u16 (wire/code.h)
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
#include "wire/vxs.h"

enum {
	VX6_OPEN_VERSION = 1,
	VX6_OPEN_HEADER = 4,
	VX6_OPEN_MAX = VX6_OPEN_HEADER + VX6_VXS_ATTACH_BYTES, /* a name and a stream id are less */
	VX6_OPEN_REPLY = 2,
};

enum vx6_open_kind {
	VX6_OPEN_SERVICE = 1,
	VX6_OPEN_DHT = 2, /* one DHT request follows; no name */
	VX6_OPEN_ATTACH =
		3, /* a stream that lost its carrier goes on (schemas/wire/vxs.md); no name */
	VX6_OPEN_CIRCUIT = 4, /* cells follow, both ways (wire/cell.h); no name */
	VX6_OPEN_DHT_VIA = 5, /* one DHT request follows, to be asked of another node; no name */
};

enum vx6_open_flag {
	VX6_OPEN_RESUMABLE = 1, /* kind SERVICE: frames of schemas/wire/vxs.md follow, both ways */
};

/** What every hidden service is called on the circuits that lead to it: its name where it lives is nobody's business. */
#define VX6_OPEN_HIDDEN "hidden"

/** Of whom to ask, and where that node listens. */
struct vx6_open_via {
	uint8_t node[32], ip[16];
	uint16_t port; /* not 0 */
	uint8_t via;   /* VX6_OPEN_VIA_QUIC, _TCP, or both */
};
enum {
	VX6_OPEN_VIA_BYTES = 32 + 1 + 16 + 2,
	VX6_OPEN_VIA_QUIC = 1,
	VX6_OPEN_VIA_TCP = 2,
};

struct vx6_open {
	uint8_t kind;  /* enum vx6_open_kind */
	uint8_t flags; /* enum vx6_open_flag */
	char name[VX6_LABEL_TEXT];
	union {
		uint8_t stream_id[VX6_VXS_ID_BYTES]; /* RESUMABLE */
		struct vx6_vxs_attach attach;        /* kind ATTACH */
		struct vx6_open_via ask;             /* kind DHT_VIA */
	};
};

/** @return VX6_OK | INVALID (not a label, flags that the kind has not, port or via of DHT_VIA) */
VX6_RES vx6_open_encode(const struct vx6_open *o, uint8_t out[static VX6_OPEN_MAX], size_t *n);
/**
 * @param in   what has arrived so far
 * @param used bytes of OPEN, on success; the rest are application bytes
 * @return VX6_OK | SHORT (wait; never with n >= VX6_OPEN_MAX) | UNSUPPORTED (version, kind, flags) | LIMIT | FORMAT (name, port, via)
 */
VX6_RES vx6_open_decode(const uint8_t *in, size_t n, struct vx6_open *out, size_t *used);

void vx6_open_reply_encode(uint16_t status, uint8_t out[static VX6_OPEN_REPLY]);
/** @param used VX6_OPEN_REPLY on success @return VX6_OK | SHORT */
VX6_RES vx6_open_reply_decode(const uint8_t *in, size_t n, uint16_t *status, size_t *used);

#endif
