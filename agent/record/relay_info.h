/**
 * @file relay_info.h
 * Relay info (type 7): a node takes circuits, under which onion keys and for what.
 *
 * Spec:    schemas/wire/relay_info.md
 * Layer:   record
 * Trust:   input is hostile; all of it is the node's own word
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_RELAY_INFO_H
#define VX6_RECORD_RELAY_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "record/record.h"

enum {
	VX6_RELAY_INFO_MAX = 512,
	VX6_RELAY_INFO_LIFETIME_S = 3 * 3600,
	VX6_ONION_KEY_BYTES = 32,
	VX6_ONION_KEYS_MAX = 2,
	VX6_RELAY_FAMILY_BYTES = 16,
};

enum vx6_relay_policy {
	VX6_RELAY_GUARD = 1 << 0,     /* first hop */
	VX6_RELAY_MIDDLE = 1 << 1,    /* between two others */
	VX6_RELAY_END = 1 << 2,       /* circuits may end here: at services of this node */
	VX6_RELAY_DHT_PROXY = 1 << 3, /* asks the DHT for those who come by a circuit */
	VX6_RELAY_NEST = 1 << 4,      /* understands NEXT in CREATE */
	VX6_RELAY_DRAINING = 1 << 5,  /* will end soon: no new circuits */
	VX6_RELAY_INTRO = 1 << 6,     /* introduction point of hidden services */
	VX6_RELAY_REND = 1 << 7,      /* rendezvous: joins two circuits */
};

struct vx6_onion_key {
	uint8_t pk[VX6_ONION_KEY_BYTES];
	uint32_t not_after_s; /* unix seconds */
};

struct vx6_relay_info {
	struct vx6_node_id node;
	uint64_t seq, issued_s;
	uint32_t lifetime_s;
	bool withdrawn;  /* the node takes no circuits any more; all below is empty */
	uint32_t policy; /* enum vx6_relay_policy; bits of later versions are kept as they are */
	uint8_t keys_n;  /* 1 or 2 */
	struct vx6_onion_key keys[VX6_ONION_KEYS_MAX]; /* the current one first */
	bool has_family;
	uint8_t family[VX6_RELAY_FAMILY_BYTES]; /* those of one operator have the same */
};

/** Whether both say the same, apart from node, seq and dates. */
bool vx6_relay_info_same(const struct vx6_relay_info *a, const struct vx6_relay_info *b);

/** @param i node is ignored @return VX6_OK | INVALID (keys: none, too many, twice the same, the first one ended already) | LIMIT */
VX6_RES vx6_relay_info_build(const struct vx6_relay_info *i, const struct vx6_identity *id,
			     uint8_t out[static VX6_RELAY_INFO_MAX], size_t *n);
/** Reads a parsed record. @return VX6_OK | MISMATCH (another type) | FORMAT | SHORT | LIMIT | TRAILING | UNSUPPORTED */
VX6_RES vx6_relay_info_read(const struct vx6_record *rec, struct vx6_relay_info *out);

#endif
