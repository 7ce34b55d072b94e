/**
 * @file names.h
 * What names stand for here: petnames the user gave, pins of first use, claims that nodes published, and the conflicts among them.
 *
 * Spec:    schemas/wire/names.md
 * Layer:   discovery
 * Trust:   claims are hostile; only a petname is the user's word, only a pin is his habit
 * Memory:  at most VX6_PINS_MAX pins and petnames, VX6_CONFLICTS_MAX conflicts of VX6_CLAIMS_MAX claims
 * Threads: the thread that drives it; no I/O
 */
#ifndef VX6_DISCOVERY_NAMES_H
#define VX6_DISCOVERY_NAMES_H

#include "base/err.h"
#include "identity/node_id.h"
#include "wire/label.h"

enum {
	VX6_PINS_MAX = 65536,
	VX6_CONFLICTS_MAX = 256,
	VX6_CLAIMS_MAX = 16, /* of one name */
};

enum vx6_binding_kind { VX6_BINDING_PETNAME, VX6_BINDING_PIN };

struct vx6_name_binding {
	enum vx6_binding_kind kind;
	char name[VX6_LABEL_TEXT];
	struct vx6_node_id node;
	uint64_t since_ms; /* wall clock */
};

/** One claim to a name, as evidence. */
struct vx6_name_claim_seen {
	struct vx6_node_id node;
	uint64_t claimed_at_s; /* its author's word */
	uint32_t median_age_s; /* the holders' */
	uint32_t holders, prefixes;
	uint8_t work_bits;    /* leading zero bits of its proof of work */
	bool direct;          /* it calls itself so in a session of ours */
	bool configured;      /* a peer that the operator configured */
	char record_hash[65]; /* hex, of the signed claim; empty: only an endpoint record says so */
};

struct vx6_name_conflict {
	char name[VX6_LABEL_TEXT];
	bool ours;   /* it is our own name */
	bool pinned; /* so it has no effect on us but the notice */
	struct vx6_node_id pin;
	struct vx6_name_claim_seen claim[VX6_CLAIMS_MAX];
	size_t claims_n;
	uint64_t first_ms, last_ms; /* wall clock */
};

#endif
