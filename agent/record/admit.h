/**
 * @file admit.h
 * Admission of records: nothing older than what was seen is taken, nobody says two things under one sequence number.
 *
 * Spec:    schemas/wire/record.md#admission
 * Layer:   record
 * Shape:   a high-water mark (seq, hash) per (type, subject, slot) in a store that outlives the process; the store is injected
 * Trust:   input is hostile
 * Threads: the thread that owns the store
 */
#ifndef VX6_RECORD_ADMIT_H
#define VX6_RECORD_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/hash.h"
#include "record/record.h"

enum {
	VX6_HWM_CERT = 0x80, /* pseudo type: highest cert_seq of a subject */
};

/** No padding: usable as a table key byte by byte. */
struct vx6_hwm_key {
	uint64_t slot; /* service: vx6_service_slot(); else 0 */
	uint8_t subject[VX6_NODE_ID_BYTES];
	uint64_t type; /* enum vx6_rtype or VX6_HWM_CERT */
};

struct vx6_hwm {
	uint64_t seq;
	struct vx6_hash hash;
	uint64_t expires_s; /* of the record; the mark itself is kept longer */
	const uint8_t *
		record; /* get: borrowed until the store's next call; put: borrowed for the call; NULL: bytes not kept */
	size_t n;
};

/** A short name of the slot for messages: H_"VX6-have"(type u8 | slot u64 | subject), its first 8 bytes as a number. */
uint64_t vx6_hwm_tag(const struct vx6_hwm_key *key);

/** The store; `user` is handed to each. Calls must not block: the state layer answers from memory and writes behind. */
struct vx6_hwm_store {
	/** @return VX6_OK | NOT_FOUND */
	vx6_err (*get)(void *user, const struct vx6_hwm_key *key, struct vx6_hwm *out);
	/** Sets or replaces. @return VX6_OK | FULL */
	vx6_err (*put)(void *user, const struct vx6_hwm_key *key, const struct vx6_hwm *mark);
	/** Optional: the subject signed two different records under one seq; both hashes are the evidence. */
	void (*equivocation)(void *user, const struct vx6_hwm_key *key, uint64_t seq,
			     const struct vx6_hash *first, const struct vx6_hash *second);
	void *user;
};

/** The same marks, to be weighed against and not moved: for what is to leave no trace. @param store borrowed for the result's life */
struct vx6_hwm_store vx6_hwm_reading(const struct vx6_hwm_store *store);

enum vx6_admit_result {
	VX6_ADMIT_NEW,     /* first or newer: stored */
	VX6_ADMIT_REFRESH, /* the same bytes again */
	VX6_ADMIT_STALE,   /* older than what is known: `newer` may be given back to the sender */
	VX6_ADMIT_EQUIVOCATION, /* same seq, other bytes: the first is kept */
};

struct vx6_admit {
	const struct vx6_net *net;         /* borrowed */
	const struct vx6_hwm_store *store; /* borrowed */
	uint64_t now_s;
	const struct vx6_node_id *expect; /* the subject it must have; NULL: any */
};

struct vx6_admission {
	enum vx6_admit_result result;
	struct vx6_record record; /* borrows the input */
	struct vx6_hwm_key key;
	const uint8_t *
		newer; /* STALE: borrowed from the store until its next call; NULL: bytes not kept */
	size_t newer_n;
	struct vx6_hash known; /* EQUIVOCATION: hash of the first; of the second: record.hash */
};

/**
 * Parses, verifies and weighs one record, and moves the high-water mark.
 * @param in borrowed; must outlive @p out
 * @return VX6_OK with out->result set | the error of parsing or verification | MISMATCH (not the expected subject) | FULL
 */
VX6_RES vx6_record_admit(const struct vx6_admit *ctx, const uint8_t *in, size_t n,
			 struct vx6_admission *out);

/**
 * Checks a certificate that came without a record (HELLO): signature, time, purpose, revocation, cert_seq never going back; then
 * moves the cert_seq mark.
 * @return VX6_OK | errors of vx6_subkey_cert_decode() and vx6_subkey_cert_verify() | FULL
 */
VX6_RES vx6_cert_admit(const struct vx6_admit *ctx, const struct vx6_node_id *node,
		       const uint8_t *cert, size_t n, uint16_t purpose,
		       struct vx6_subkey_cert *out);

#endif
