/**
 * @file cell.h
 * Cells of a circuit, the messages inside them, and the handshake that makes a hop.
 *
 * Spec:    schemas/wire/cell.md
 * Layer:   wire
 * Shape:   cell:    cmd u8 | body(1023); CREATE and CREATED: the handshake, then fill; RELAY: tag(16) | payload(1007), encrypted
 *          payload: type u8 | len u16 | data(len) | fill
 *          CREATE:  ver u8 = 1 | hs_len u16 | key_id(8) | hs      CREATED: ver u8 = 1 | hs_len u16 | hs
 *          Encoders write what they say and leave the fill alone: random bytes there are for the caller. Decoders ignore it.
 * Trust:   input is hostile; a handshake that decodes has sound framing and nothing else
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_CELL_H
#define VX6_WIRE_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/wr.h"

enum {
	VX6_CELL_BYTES = 1024, /* of every cell; what HELLO calls max_cell */
	VX6_CELL_BODY = VX6_CELL_BYTES - 1,
	VX6_CELL_TAG = 16,
	VX6_CELL_PAYLOAD_AT = 1 + VX6_CELL_TAG, /* in a RELAY cell */
	VX6_CELL_PAYLOAD = VX6_CELL_BODY - VX6_CELL_TAG,
	VX6_PAYLOAD_HEADER = 3,
	VX6_PAYLOAD_MAX = VX6_CELL_PAYLOAD - VX6_PAYLOAD_HEADER, /* data of one message */

	VX6_CREATE_VERSION = 1,
	VX6_CREATE_KEY_ID = 8,
	VX6_CREATE_HEADER = 3 + VX6_CREATE_KEY_ID,
	VX6_CREATED_HEADER = 3,
	VX6_HS_MIN = 64, /* a handshake with an empty message in it: key(32) | MAC or AUTH(32) */
	VX6_CREATE_HS_MAX = VX6_CELL_BODY - VX6_CREATE_HEADER,
	VX6_CREATED_HS_MAX = VX6_CELL_BODY - VX6_CREATED_HEADER,
	VX6_CREATE_MAX = VX6_CELL_BODY, /* without a cell around it */
	VX6_CREATED_MAX = VX6_CELL_BODY,
	VX6_CM_MAX = VX6_CREATE_HS_MAX - VX6_HS_MIN, /* message inside a CREATE's handshake */
	VX6_SM_MAX = VX6_CREATED_HS_MAX - VX6_HS_MIN,
	VX6_EXTEND_MAX = 8, /* a circuit may be extended so often: relays on it */
};

enum vx6_cell_cmd {
	VX6_CELL_CREATE = 1,
	VX6_CELL_CREATED = 2,
	VX6_CELL_RELAY = 3,
	VX6_CELL_PAD = 4, /* means nothing, ends at the neighbour */
};

enum vx6_payload_type {
	VX6_PAYLOAD_EXTEND = 1,   /* to the last hop: make that node the next */
	VX6_PAYLOAD_EXTENDED = 2, /* back: it is; a CREATED */
	VX6_PAYLOAD_REFUSED = 3,  /* back: it is not; a code */
	VX6_PAYLOAD_STREAMS = 4,  /* whole frames of wire/mux.h */
	VX6_PAYLOAD_PAD = 5,      /* means nothing, ends at that hop; may ask for as many back */
	VX6_PAYLOAD_PING = 6,     /* a token, to be given back */
	VX6_PAYLOAD_PONG = 7,
	VX6_PAYLOAD_DRAIN = 8, /* a hop to the client: move elsewhere soon; a code */
	/* with the last hop, of hidden services: wire/hs.h */
	VX6_PAYLOAD_ESTABLISH_INTRO = 9,    /* owner to introduction point */
	VX6_PAYLOAD_INTRO_ESTABLISHED = 10, /* back */
	VX6_PAYLOAD_INTRODUCE1 = 11,        /* client to introduction point */
	VX6_PAYLOAD_INTRODUCE2 = 12,        /* introduction point to owner */
	VX6_PAYLOAD_INTRODUCED = 13,        /* owner to introduction point: it has it */
	VX6_PAYLOAD_INTRODUCE_ACK = 14,     /* introduction point to client */
	VX6_PAYLOAD_ESTABLISH_REND = 15,    /* client to rendezvous */
	VX6_PAYLOAD_REND_ESTABLISHED = 16,  /* back */
	VX6_PAYLOAD_RENDEZVOUS1 = 17,       /* owner to rendezvous */
	VX6_PAYLOAD_RENDEZVOUS2 = 18,       /* rendezvous to client */
};

/* ---- handshake ---- */

struct vx6_create {
	const uint8_t *key_id; /* VX6_CREATE_KEY_ID: which onion key; borrowed */
	const uint8_t *hs;     /* client's part; borrowed */
	size_t hs_n;           /* VX6_HS_MIN to VX6_CREATE_HS_MAX */
};
struct vx6_created {
	const uint8_t *hs; /* server's part; borrowed */
	size_t hs_n;       /* VX6_HS_MIN to VX6_CREATED_HS_MAX */
};

/** Without a cell around it, as it stands in EXTEND and NEXT. @p w fails with LIMIT when hs_n is not in its bounds or there is no room */
void vx6_create_encode(struct vx6_wr *w, const struct vx6_create *c);
void vx6_created_encode(struct vx6_wr *w, const struct vx6_created *c);
/** @param in exactly one; borrowed by @p out @return VX6_OK | SHORT | LIMIT | TRAILING | UNSUPPORTED (version) | FORMAT (hs below VX6_HS_MIN) */
VX6_RES vx6_create_decode(const uint8_t *in, size_t n, struct vx6_create *out);
VX6_RES vx6_created_decode(const uint8_t *in, size_t n, struct vx6_created *out);

/** Command and handshake. @param used bytes written: what is behind them is the caller's to fill; 0 on error @return VX6_OK | LIMIT */
VX6_RES vx6_cell_put_create(uint8_t cell[static VX6_CELL_BYTES], const struct vx6_create *c,
			    size_t *used);
VX6_RES vx6_cell_put_created(uint8_t cell[static VX6_CELL_BYTES], const struct vx6_created *c,
			     size_t *used);
/** @param cell borrowed by @p out @return VX6_OK | MISMATCH (another command) | LIMIT | UNSUPPORTED | FORMAT */
VX6_RES vx6_cell_get_create(const uint8_t cell[static VX6_CELL_BYTES], struct vx6_create *out);
VX6_RES vx6_cell_get_created(const uint8_t cell[static VX6_CELL_BYTES], struct vx6_created *out);

/** One message. */
struct vx6_payload {
	uint8_t type; /* enum vx6_payload_type */
	const uint8_t *data;
	size_t n; /* up to VX6_PAYLOAD_MAX */
};

/** The message inside a client's handshake (ntor3's CM): one of them at most. */
struct vx6_client_msg {
	bool has_next; /* build on from here in the same breath */
	uint8_t next_node[32];
	struct vx6_create next;
	struct vx6_payload word; /* as if it came behind the handshake; type 0: none. Borrowed */
};
/** The message inside a server's handshake (SM): one of them at most. */
struct vx6_server_msg {
	bool has_inner; /* the next hop's answer */
	struct vx6_created inner;
	uint16_t
		refused; /* enum vx6_code; 0: not. The next hop was not made, the circuit ends here for now */
};
/** @p w fails with LIMIT when it grows beyond VX6_CM_MAX, VX6_SM_MAX. Nothing to say: nothing written. */
void vx6_client_msg_encode(struct vx6_wr *w, const struct vx6_client_msg *m);
void vx6_server_msg_encode(struct vx6_wr *w, const struct vx6_server_msg *m);
/**
 * @param in borrowed by @p out; n may be 0
 * @return VX6_OK | SHORT | LIMIT | TRAILING | FORMAT (order of TLVs, both of NEXT and WORD, of INNER and REFUSED, a type or code of 0) | UNSUPPORTED
 */
VX6_RES vx6_client_msg_decode(const uint8_t *in, size_t n, struct vx6_client_msg *out);
VX6_RES vx6_server_msg_decode(const uint8_t *in, size_t n, struct vx6_server_msg *out);

/* ---- payloads ---- */

/** @param in VX6_CELL_PAYLOAD bytes, borrowed by @p out @return VX6_OK | LIMIT | UNSUPPORTED (type) */
VX6_RES vx6_payload_decode(const uint8_t in[static VX6_CELL_PAYLOAD], struct vx6_payload *out);
/** Sets the header before @p n bytes of data (at most VX6_PAYLOAD_MAX) that are in their place. @return bytes used, header included */
size_t vx6_payload_seal(uint8_t payload[static VX6_CELL_PAYLOAD], enum vx6_payload_type type,
			size_t n);

struct vx6_extend {
	uint8_t node[32];
	struct vx6_create create;
	const uint8_t *
		record; /* its signed endpoint record; NULL: the relay goes by what it knows of that node */
	size_t record_n;
};
/** All put_ calls write a whole message, header included. @param used as of vx6_cell_put_create() @return VX6_OK | LIMIT */
VX6_RES vx6_payload_put_extend(uint8_t payload[static VX6_CELL_PAYLOAD], const struct vx6_extend *e,
			       size_t *used);
VX6_RES vx6_payload_put_extended(uint8_t payload[static VX6_CELL_PAYLOAD],
				 const struct vx6_created *c, size_t *used);
/** REFUSED, DRAIN. @param code not 0 @return bytes used */
size_t vx6_payload_put_code(uint8_t payload[static VX6_CELL_PAYLOAD], enum vx6_payload_type type,
			    uint16_t code);
/** PING, PONG. */
size_t vx6_payload_put_token(uint8_t payload[static VX6_CELL_PAYLOAD], enum vx6_payload_type type,
			     uint64_t token);

/** All get_ calls: @return VX6_OK | MISMATCH (another type) | SHORT | LIMIT | TRAILING | FORMAT (code 0 too) | UNSUPPORTED */
VX6_RES vx6_payload_get_extend(const struct vx6_payload *p, struct vx6_extend *out);
VX6_RES vx6_payload_get_extended(const struct vx6_payload *p, struct vx6_created *out);
VX6_RES vx6_payload_get_code(const struct vx6_payload *p, uint16_t *code);
VX6_RES vx6_payload_get_token(const struct vx6_payload *p, uint64_t *token);

/** PAD. @param answers PADs that are asked for in return @return bytes used */
size_t vx6_payload_put_pad(uint8_t payload[static VX6_CELL_PAYLOAD], uint8_t answers);
/** How many a PAD asks for. */
uint8_t vx6_payload_pad_answers(const struct vx6_payload *p);

#endif
