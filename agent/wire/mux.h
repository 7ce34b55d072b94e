/**
 * @file mux.h
 * Frame header of the credit-based multiplexer that runs over TLS/TCP.
 *
 * Spec:    schemas/wire/mux.md
 * Layer:   wire
 * Shape:   type u8 | flags u8 | len u16 | stream u32 | payload[len]
 * Trust:   input is hostile; decode checks all that one header can say. Whether a stream exists, its windows and its state are the mux's business
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_MUX_H
#define VX6_WIRE_MUX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_MUX_HEADER = 8,
	VX6_MUX_PAYLOAD_MAX = 16376, /* header and payload fill one TLS record of 2^14 */
	VX6_MUX_FRAME_MAX = VX6_MUX_HEADER + VX6_MUX_PAYLOAD_MAX,
	VX6_MUX_STREAM_MAX = 0x7fffffff,
};

/* Stream 0 is the link itself: PING, PONG, GOAWAY, PAD, and the WINDOW of the whole link. The initiator opens odd streams, the acceptor even ones. */
enum vx6_mux_type {
	VX6_MUX_DATA = 0, /* 0..16376 bytes; stream not 0 */
	VX6_MUX_WINDOW =
		1, /* delta u32, not 0: so many bytes more may be sent; stream 0: on the link */
	VX6_MUX_RESET = 2,  /* code u32: both directions end at once */
	VX6_MUX_PING = 3,   /* token u64 */
	VX6_MUX_PONG = 4,   /* the same token */
	VX6_MUX_GOAWAY = 5, /* code u32: open no more streams */
	VX6_MUX_PAD = 6,    /* ignored */
};

enum vx6_mux_flag {
	VX6_MUX_FIN = 1,  /* DATA: the sender's last bytes of this stream */
	VX6_MUX_OPEN = 4, /* DATA: first frame of a stream the sender opens */
};

struct vx6_mux_frame {
	uint8_t type;  /* enum vx6_mux_type */
	uint8_t flags; /* enum vx6_mux_flag */
	uint16_t len;  /* bytes of payload that follow */
	uint32_t stream;
};

void vx6_mux_encode(uint8_t out[static VX6_MUX_HEADER], const struct vx6_mux_frame *f);
/** @return VX6_OK | UNSUPPORTED (type, flags) | LIMIT (len) | FORMAT (len or stream do not fit the type) */
VX6_RES vx6_mux_decode(const uint8_t in[static VX6_MUX_HEADER], struct vx6_mux_frame *out);

/* Payloads of WINDOW, RESET, GOAWAY (u32) and of PING, PONG (u64), written as whole frames. @return bytes: 12 or 16 */
size_t vx6_mux_encode_u32(uint8_t out[static VX6_MUX_HEADER + 4], enum vx6_mux_type type,
			  uint32_t stream, uint32_t v);
size_t vx6_mux_encode_u64(uint8_t out[static VX6_MUX_HEADER + 8], enum vx6_mux_type type,
			  uint64_t v);
uint32_t vx6_mux_payload_u32(const uint8_t in[static 4]);
uint64_t vx6_mux_payload_u64(const uint8_t in[static 8]);

#endif
