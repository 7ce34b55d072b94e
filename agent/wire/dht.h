/**
 * @file dht.h
 * Requests and answers of the DHT: one pair a stream.
 *
 * Spec:    schemas/wire/dht.md
 * Layer:   wire
 * Shape:   request: op u8 | flags u8 | limit u8 | key(32) | PUT: token(8) | record(rest)
 *          answer:  op|0x80 u8 | status u16 | token(8) | n u8 × node | m u8 × { age_s u32 | len u16 | record }
 *          node:    node_id(32) | ip(16) | port u16 | via u8 | age_days u16
 * Trust:   input is hostile; what decodes has sound framing and nothing else
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_DHT_H
#define VX6_WIRE_DHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum vx6_dht_op {
	VX6_DHT_PING = 1,
	VX6_DHT_FIND = 2,     /* nodes near the key */
	VX6_DHT_GET = 3,      /* nodes, and records under the key */
	VX6_DHT_PUT = 4,      /* keep this record under the key */
	VX6_DHT_DIALBACK = 5, /* dial my primary address afresh and say whether I answered */
};
enum vx6_dht_flag {
	VX6_DHT_NO_VALUES = 1, /* GET: nodes only, for measuring */
	VX6_DHT_CACHE =
		2, /* PUT: a copy for a while from somebody who looked it up, not from its publisher */
};

enum {
	VX6_DHT_TOKEN_BYTES = 8,
	VX6_DHT_NODES_MAX = 20,
	VX6_DHT_VALUES_MAX = 16,
	VX6_DHT_VALUE_BYTES_MAX = 8192, /* of all records of an answer */
	VX6_DHT_REQ_MAX = 3 + 32 + VX6_DHT_TOKEN_BYTES + 8192,
};

struct vx6_dht_req {
	uint8_t op, flags;
	uint8_t limit; /* nodes wanted at most; 0 or more than VX6_DHT_NODES_MAX stand for that, and decode as that */
	uint8_t key[32];
	uint8_t token[VX6_DHT_TOKEN_BYTES]; /* PUT */
	const uint8_t *record;              /* PUT: borrowed */
	size_t record_n;
};
/** The record of a PUT has 1 to 8192 bytes; else @p w fails with LIMIT. */
void vx6_dht_req_encode(struct vx6_wr *w, const struct vx6_dht_req *r);
/** @param in a whole request @return VX6_OK | SHORT | TRAILING | LIMIT | UNSUPPORTED (op, flags) */
VX6_RES vx6_dht_req_decode(const uint8_t *in, size_t n, struct vx6_dht_req *out);

/** A node as answers name it. */
struct vx6_dht_node {
	uint8_t node_id[32], ip[16];
	uint16_t port;
	uint8_t via;
	uint16_t age_days;
};

struct vx6_dht_resp {
	uint8_t op;
	uint16_t status; /* enum vx6_code */
	uint8_t token[VX6_DHT_TOKEN_BYTES];
	uint8_t nodes_n, values_n;
	struct vx6_rd nodes, values; /* for the two calls below; borrow the input */
};
/** Checks all framing. @return VX6_OK | SHORT | TRAILING | LIMIT | UNSUPPORTED */
VX6_RES vx6_dht_resp_decode(const uint8_t *in, size_t n, struct vx6_dht_resp *out);
/** @return false at the end */
bool vx6_dht_resp_node(struct vx6_dht_resp *r, struct vx6_dht_node *out);
/** @param age_s for how long the holder has held a record of that subject @param record borrowed @return false at the end */
bool vx6_dht_resp_value(struct vx6_dht_resp *r, uint32_t *age_s, const uint8_t **record, size_t *n);

/* Writing an answer: begin, nodes (at most VX6_DHT_NODES_MAX), then values, end. */
struct vx6_dht_resp_wr {
	struct vx6_wr *w;
	size_t nodes_at, values_at, value_bytes;
	uint8_t nodes_n, values_n;
};
void vx6_dht_resp_begin(struct vx6_dht_resp_wr *b, struct vx6_wr *w, uint8_t op, uint16_t status,
			const uint8_t token[static VX6_DHT_TOKEN_BYTES]);
void vx6_dht_resp_add_node(struct vx6_dht_resp_wr *b, const struct vx6_dht_node *node);
/** After the last node. @return false: it does not fit any more, nothing added */
bool vx6_dht_resp_add_value(struct vx6_dht_resp_wr *b, uint32_t age_s, const uint8_t *record,
			    size_t n);
void vx6_dht_resp_end(struct vx6_dht_resp_wr *b);

#endif
