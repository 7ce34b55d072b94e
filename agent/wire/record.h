/**
 * @file record.h
 * The byte layout of a signed record: fixed header, ascending TLVs, trailing signature. No crypto here.
 *
 * Spec:    schemas/wire/record.md
 * Layer:   wire
 * Shape:   "VXR1" | rtype u8 | flags u8 | body_len u16 | subject(32) | seq u64 | issued u64 | lifetime u32 | aux u32 | TLVs | sig(64)
 * Trust:   input is hostile; a view that decoded has sound framing and nothing else: see record/record.h for verification
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_RECORD_H
#define VX6_WIRE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/tlv.h"

enum {
	VX6_RECORD_HEADER = 64,
	VX6_RECORD_SIG = 64,
	VX6_RECORD_MAX = 8192, /* of any type, header and signature included */
	VX6_RECORD_SUBJECT = 32,
};
#define VX6_RECORD_FOREVER UINT32_MAX /* lifetime of a revocation */

/* X(symbol, number, max bytes, max lifetime s, name) */
#define VX6_RTYPE_MAP(X)                                                                           \
	X(ENDPOINT, 1, 640, 7200, "endpoint")                                                      \
	X(SERVICE, 2, 768, 21600, "service")                                                       \
	X(CATALOG, 3, 4096, 86400, "catalog")                                                      \
	X(NAME, 4, 352, 2592000, "name")                                                           \
	X(REVOCATION, 5, 320, UINT32_MAX, "revocation")                                            \
	X(DESCRIPTOR, 6, 4096, 10800, "descriptor")                                                \
	X(RELAY, 7, 512, 10800, "relay")                                                           \
	X(ALIAS, 8, 256, 259200, "alias")

enum vx6_rtype {
#define X(symbol, number, bytes, lifetime, name) VX6_RTYPE_##symbol = (number),
	VX6_RTYPE_MAP(X)
#undef X
};

enum vx6_record_flag {
	VX6_RECORD_WITHDRAWN =
		1, /* the subject takes the thing back: a service is no longer offered */
	VX6_RECORD_UNLISTED =
		2, /* for whom the subject itself gives it to: nobody else passes it on or stores it */
};

/* TLV types inside records; 0x80 and above are critical. */
enum vx6_rtlv {
	VX6_RTLV_ADDR = 0x01,
	VX6_RTLV_FEATURES = 0x03,
	VX6_RTLV_NAME = 0x04,
	VX6_RTLV_SERVICE = 0x05,
	VX6_RTLV_ONION_KEYS = 0x06,
	VX6_RTLV_POLICY = 0x07,
	VX6_RTLV_FAMILY = 0x09,
	VX6_RTLV_WORK = 0x0A,
	VX6_RTLV_MIN_VERSION = 0x0B,
	VX6_RTLV_SINCE = 0x0C,
	VX6_RTLV_CIPHERTEXT = 0x10,
	VX6_RTLV_PADDING = 0x7F,
	VX6_RTLV_SUBKEY_CERT = 0x81,
	VX6_RTLV_SUCCESSOR = 0x82,
	VX6_RTLV_REASON = 0x83,
};

/** A record's fields; the pointers borrow the bytes it was decoded from. */
struct vx6_record_view {
	uint8_t type; /* enum vx6_rtype */
	uint8_t flags;
	uint16_t body_len;
	uint8_t subject[VX6_RECORD_SUBJECT];
	uint64_t seq;      /* unix ms for public records */
	uint64_t issued_s; /* unix seconds */
	uint32_t lifetime_s;
	uint32_t aux;
	const uint8_t *body;  /* body_len bytes of TLVs */
	const uint8_t *sig;   /* 64 bytes */
	const uint8_t *bytes; /* the whole record */
	size_t n;
};

/** Largest record of that type in bytes; 0: no such type. */
size_t vx6_rtype_max_bytes(uint8_t type);
uint32_t vx6_rtype_max_lifetime_s(uint8_t type);
/** "endpoint", … or "unknown"; static. */
const char *vx6_rtype_name(uint8_t type);

/**
 * Decodes header and framing; walks the TLVs for order and bounds, whatever their types.
 * @param in  borrowed; must outlive @p out
 * @param out written on success, zeroed otherwise
 * @return VX6_OK | SHORT | LIMIT (above the type's size) | TRAILING | FORMAT (magic, TLV order) | UNSUPPORTED (type, flags)
 */
VX6_RES vx6_record_decode(const uint8_t *in, size_t n, struct vx6_record_view *out);

/**
 * Begins a record at the start of @p w: header with a body length still open. TLVs follow, then vx6_record_encode_end(), then 64 bytes of signature.
 * @param h type, flags, subject, seq, issued_s, lifetime_s, aux are used
 */
void vx6_record_encode_begin(struct vx6_wr *w, const struct vx6_record_view *h);
/** Fills the body length in. What is signed is all that @p w holds now. */
void vx6_record_encode_end(struct vx6_wr *w);

#endif
