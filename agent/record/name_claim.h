/**
 * @file name_claim.h
 * Name claim (type 4): a node calls itself by a name, and has spent work on saying so. Alias claim (type 8): a hidden service does, by an alias.
 *
 * Spec:    schemas/wire/name_claim.md, alias_claim.md
 * Layer:   record
 * Shape:   neither is ever read as the other: a node's name and a service's alias have nothing to do with each other. A node's online key signs
 *          its claim; a service signs with its own key, and says nothing of when it began
 * Trust:   input is hostile; a claim is its subject's word, and anybody may claim any name
 * Threads: pure, any thread; vx6_name_work_solve() takes a quarter of a second: a worker
 */
#ifndef VX6_RECORD_NAME_CLAIM_H
#define VX6_RECORD_NAME_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "record/record.h"
#include "wire/label.h"

enum {
	VX6_NAME_CLAIM_MAX = 352,
	VX6_NAME_CLAIM_LIFETIME_S = 30 * 24 * 3600,
	VX6_NAME_WORK_BITS = 20, /* leading zero bits that the work must have */
	VX6_ALIAS_CLAIM_MAX = 256,
	VX6_ALIAS_CLAIM_LIFETIME_S =
		3 * 24 * 3600, /* its owner renews it; one who is gone is not found for long */
};

struct vx6_name_claim {
	struct vx6_node_id node; /* of an alias claim: the service's key, never a node's */
	uint64_t seq, issued_s;
	uint32_t lifetime_s;
	bool withdrawn; /* the subject goes by that name no longer */
	char name[VX6_LABEL_TEXT];
	uint64_t claimed_at_s; /* its author's word: since when; of an alias claim 0 */
	uint64_t nonce;
	unsigned work_bits; /* of the nonce: written by the reader */
};

/** Leading zero bits of the work of @p nonce, 0 to 256. */
unsigned vx6_name_work(const struct vx6_net *net, const char *name, const struct vx6_node_id *node,
		       uint64_t nonce);
/**
 * Looks for a nonce of at least @p bits, trying @p tries of them from @p first on: a job runs it in slices and can end between two.
 * @return false: none among them
 */
bool vx6_name_work_solve(const struct vx6_net *net, const char *name,
			 const struct vx6_node_id *node, unsigned bits, uint64_t first,
			 uint64_t tries, uint64_t *nonce);

/** @param c node and work_bits are ignored @return VX6_OK | INVALID (name, claimed_at after issued) | REFUSED (not enough work) */
VX6_RES vx6_name_claim_build(const struct vx6_name_claim *c, const struct vx6_identity *id,
			     uint8_t out[static VX6_NAME_CLAIM_MAX], size_t *n);
/** Reads a parsed record. @return VX6_OK | MISMATCH (another type) | FORMAT | RANGE (claimed_at) | REFUSED (not enough work) | UNSUPPORTED */
VX6_RES vx6_name_claim_read(const struct vx6_record *rec, const struct vx6_net *net,
			    struct vx6_name_claim *out);

/* ---- of hidden services: as above; work for one is none for the other ---- */

unsigned vx6_alias_work(const struct vx6_net *net, const char *alias,
			const struct vx6_node_id *service, uint64_t nonce);
bool vx6_alias_work_solve(const struct vx6_net *net, const char *alias,
			  const struct vx6_node_id *service, unsigned bits, uint64_t first,
			  uint64_t tries, uint64_t *nonce);
/** @param c node, claimed_at_s and work_bits are ignored @param service its own key @return VX6_OK | INVALID (name) | REFUSED (not enough work) */
VX6_RES vx6_alias_claim_build(const struct vx6_name_claim *c,
			      const struct vx6_sign_keypair *service, const struct vx6_net *net,
			      uint8_t out[static VX6_ALIAS_CLAIM_MAX], size_t *n);
VX6_RES vx6_alias_claim_read(const struct vx6_record *rec, const struct vx6_net *net,
			     struct vx6_name_claim *out);

#endif
