/**
 * @file vxs.h
 * Resumable streams: the frames on a carrier, and how a carrier is attached to a stream that lost its own.
 *
 * Spec:    schemas/wire/vxs.md
 * Layer:   wire
 * Shape:   frames: DATA 0 | len u24, then bytes · ACK 1 | off u64 · FIN 2 | final u64 · NORESUME 3
 *          attach: id(16) | epoch u32 | recv_off u64 | mac(32), behind an OPEN; its answer: status u16 | recv_off u64 | mac(32)
 * Trust:   input is hostile and may arrive byte by byte: the decoders say SHORT until all is there. Whether an offset or a proof is right is
 *          the stream's business
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_VXS_H
#define VX6_WIRE_VXS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_VXS_ID_BYTES = 16,
	VX6_VXS_MAC_BYTES = 32,
	VX6_VXS_DATA_HEADER = 4,
	VX6_VXS_DATA_MAX = 0xffffff,
	VX6_VXS_CONTROL = 9, /* bytes of ACK and FIN; no header is longer */
	VX6_VXS_ATTACH_BYTES = VX6_VXS_ID_BYTES + 4 + 8 + VX6_VXS_MAC_BYTES,
	VX6_VXS_ATTACH_REPLY = 2 + 8 + VX6_VXS_MAC_BYTES,
};

enum vx6_vxs_type {
	VX6_VXS_DATA = 0, /* `n` bytes of the application follow, never none */
	VX6_VXS_ACK =
		1, /* everything before offset `n` has arrived; the end of the peer counts as one byte */
	VX6_VXS_FIN = 2, /* the sender's last byte was the one before offset `n` */
	VX6_VXS_NORESUME =
		3, /* the sender keeps nothing any more: the stream ends with its carrier */
};

struct vx6_vxs_frame {
	uint8_t type; /* enum vx6_vxs_type */
	uint64_t n;   /* DATA: bytes that follow; ACK, FIN: offset */
};

/** @param n at most VX6_VXS_DATA_MAX */
void vx6_vxs_encode_data(uint8_t out[static VX6_VXS_DATA_HEADER], uint32_t n);
/** ACK, FIN or NORESUME. @return bytes written */
size_t vx6_vxs_encode(uint8_t out[static VX6_VXS_CONTROL], enum vx6_vxs_type type, uint64_t off);
/**
 * Reads the header of one frame off the front of what has arrived.
 * @param used its bytes, on success @return VX6_OK | SHORT (never with n >= VX6_VXS_CONTROL) | UNSUPPORTED (type) | FORMAT (empty DATA)
 */
VX6_RES vx6_vxs_decode(const uint8_t *in, size_t n, struct vx6_vxs_frame *out, size_t *used);

struct vx6_vxs_attach {
	uint8_t id[VX6_VXS_ID_BYTES];
	uint32_t epoch;
	uint64_t recv_off; /* what the sender has: the receiver begins to send there */
	uint8_t mac[VX6_VXS_MAC_BYTES];
};
void vx6_vxs_attach_encode(const struct vx6_vxs_attach *a,
			   uint8_t out[static VX6_VXS_ATTACH_BYTES]);
void vx6_vxs_attach_decode(const uint8_t in[static VX6_VXS_ATTACH_BYTES],
			   struct vx6_vxs_attach *out);

struct vx6_vxs_attach_reply {
	uint16_t status;
	uint64_t recv_off;
	uint8_t mac[VX6_VXS_MAC_BYTES];
};
void vx6_vxs_reply_encode(const struct vx6_vxs_attach_reply *r,
			  uint8_t out[static VX6_VXS_ATTACH_REPLY]);
void vx6_vxs_reply_decode(const uint8_t in[static VX6_VXS_ATTACH_REPLY],
			  struct vx6_vxs_attach_reply *out);

#endif
