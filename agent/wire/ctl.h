/**
 * @file ctl.h
 * Messages of a session's control stream (the first stream the link's initiator opens): framing and the small bodies.
 *
 * Spec:    schemas/wire/ctl.md
 * Layer:   wire
 * Shape:   type u8 | flags u8 | len u16 | body[len]; the first message in each direction is HELLO (wire/hello.h)
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_CTL_H
#define VX6_WIRE_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/rd.h"
#include "wire/vxs.h"
#include "wire/wr.h"

enum {
	VX6_CTL_HEADER = 4,
	VX6_CTL_MAX = 16384, /* header included */
	VX6_CTL_BODY_MAX = VX6_CTL_MAX - VX6_CTL_HEADER,
	VX6_CTL_REASON_MAX = 128,
};

enum vx6_ctl_type {
	VX6_CTL_HELLO = 1,
	VX6_CTL_RECORDS = 2,      /* here are signed records: n × {len u16 | record} */
	VX6_CTL_RECORDS_WANT = 3, /* send me what you hold of this node: node_id(32) */
	VX6_CTL_PING = 4,         /* token u64 */
	VX6_CTL_PONG = 5,         /* the same token */
	VX6_CTL_GOAWAY = 6,       /* code u16 | reason */
	VX6_CTL_HAVE = 7,         /* these records changed here: n × {tag u64 | seq u64} */
	VX6_CTL_VXS_ACK =
		16, /* an acknowledgement that found no room on its carrier: id(16) | epoch u32 | off u64 */
	VX6_CTL_VXS_ADRIFT =
		17, /* these streams of yours lost their carrier here, attach them: n × {id(16) | epoch u32} */
	VX6_CTL_GET = 8, /* send me these: n × tag u64; answered by RECORDS */
};

enum vx6_ctl_flag {
	VX6_CTL_CRITICAL =
		1, /* a receiver that does not know the type closes the session instead of skipping */
};

struct vx6_ctl {
	uint8_t type, flags;
	uint16_t body_len;
	const uint8_t *body; /* borrowed */
};

/**
 * Takes one message off the front of what has been received.
 * @param in   borrowed; must outlive @p out
 * @param used bytes of the message, written on success
 * @return VX6_OK | SHORT: not all there yet (never when @p n >= VX6_CTL_MAX) | LIMIT | UNSUPPORTED (unknown flags)
 */
VX6_RES vx6_ctl_decode(const uint8_t *in, size_t n, struct vx6_ctl *out, size_t *used);

/** Begins a message. @return mark for vx6_ctl_end() */
size_t vx6_ctl_begin(struct vx6_wr *w, enum vx6_ctl_type type, uint8_t flags);
/** Ends it; LIMIT in the writer when the body is above VX6_CTL_BODY_MAX. */
void vx6_ctl_end(struct vx6_wr *w, size_t mark);

/* The bodies below are read from a decoded message; encoders write a whole message, header included. */

void vx6_ctl_encode_records_want(struct vx6_wr *w, const uint8_t node_id[static 32]);
VX6_RES vx6_ctl_decode_records_want(const struct vx6_ctl *m, uint8_t node_id[static 32]);

void vx6_ctl_encode_ping(struct vx6_wr *w, bool pong, uint64_t token);
VX6_RES vx6_ctl_decode_ping(const struct vx6_ctl *m, uint64_t *token);

struct vx6_goaway {
	uint16_t code;                       /* enum vx6_code */
	char reason[VX6_CTL_REASON_MAX + 1]; /* printable ASCII, for logs only */
};
/** @param reason borrowed, may be NULL; cut at VX6_CTL_REASON_MAX, bytes that are not printable ASCII become '?' */
void vx6_ctl_encode_goaway(struct vx6_wr *w, uint16_t code, const char *reason);
VX6_RES vx6_ctl_decode_goaway(const struct vx6_ctl *m, struct vx6_goaway *out);

/** A record somebody holds, in short. */
struct vx6_have {
	uint64_t tag; /* vx6_hwm_tag(): which record */
	uint64_t seq; /* which version of it */
};
enum {
	VX6_CTL_HAVE_MAX = VX6_CTL_BODY_MAX / 16, /* entries of one message */
	VX6_CTL_GET_MAX = VX6_CTL_BODY_MAX / 8,
};
/** @param n at most VX6_CTL_HAVE_MAX; more is LIMIT in the writer */
void vx6_ctl_encode_have(struct vx6_wr *w, const struct vx6_have *e, size_t n);
void vx6_ctl_encode_get(struct vx6_wr *w, const uint64_t *tags, size_t n);
/** Checks the framing and gives a reader for the calls below. @return VX6_OK | SHORT */
VX6_RES vx6_ctl_decode_have(const struct vx6_ctl *m, struct vx6_rd *out);
VX6_RES vx6_ctl_decode_get(const struct vx6_ctl *m, struct vx6_rd *out);
/** @return false at the end */
bool vx6_ctl_have_next(struct vx6_rd *r, struct vx6_have *out);
bool vx6_ctl_get_next(struct vx6_rd *r, uint64_t *tag);

/* Resumable streams (schemas/wire/vxs.md). */
struct vx6_vxs_note {
	uint8_t id[VX6_VXS_ID_BYTES];
	uint32_t epoch;
	uint64_t off; /* VXS_ACK only */
};
enum { VX6_CTL_VXS_ADRIFT_MAX = VX6_CTL_BODY_MAX / (VX6_VXS_ID_BYTES + 4) };
void vx6_ctl_encode_vxs_ack(struct vx6_wr *w, const struct vx6_vxs_note *note);
VX6_RES vx6_ctl_decode_vxs_ack(const struct vx6_ctl *m, struct vx6_vxs_note *out);
/** @param n at most VX6_CTL_VXS_ADRIFT_MAX; more is LIMIT in the writer */
void vx6_ctl_encode_vxs_adrift(struct vx6_wr *w, const struct vx6_vxs_note *notes, size_t n);
/** Checks the body and gives a reader for vx6_ctl_vxs_adrift_next(). */
VX6_RES vx6_ctl_decode_vxs_adrift(const struct vx6_ctl *m, struct vx6_rd *out);
bool vx6_ctl_vxs_adrift_next(struct vx6_rd *r, struct vx6_vxs_note *out);

/** Inside vx6_ctl_begin(…RECORDS)/vx6_ctl_end(): adds one record. @return false: it does not fit this message any more, nothing added */
bool vx6_ctl_records_add(struct vx6_wr *w, size_t mark, const uint8_t *record, size_t n);
/** Checks the framing of a RECORDS body (at most 126 fit) and gives a reader for vx6_ctl_records_next(). */
VX6_RES vx6_ctl_decode_records(const struct vx6_ctl *m, struct vx6_rd *out);
/** @param record borrows the message @return false at the end */
bool vx6_ctl_records_next(struct vx6_rd *r, const uint8_t **record, size_t *n);

#endif
