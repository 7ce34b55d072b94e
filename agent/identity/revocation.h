/**
 * @file revocation.h
 * Revocation record (type 5): signed by the master key alone.
 *
 * Spec:    schemas/wire/revocation.md
 * Layer:   identity
 * Trust:   input is hostile
 * Threads: pure, any thread
 */
#ifndef VX6_IDENTITY_REVOCATION_H
#define VX6_IDENTITY_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/sign.h"
#include "identity/node_id.h"
#include "wire/record.h"

enum { VX6_REVOCATION_MAX = 320 };

enum vx6_revoke_reason {
	VX6_REVOKE_SUPERSEDED = 1,
	VX6_REVOKE_SUBKEY = 2, /* subkeys below min_cert_seq are void */
	VX6_REVOKE_MASTER = 3, /* terminal: wins over everything, never expires */
	VX6_REVOKE_RETIRED = 4,
};

struct vx6_revocation {
	struct vx6_node_id node;
	uint64_t seq;
	uint64_t issued_s;
	uint8_t reason;
	uint32_t min_cert_seq;
	bool has_successor;
	struct vx6_node_id successor;
	struct vx6_sig successor_sig; /* by the successor, over both ids */
};

/**
 * Builds and signs. A reason MASTER always carries the highest sequence number, so that nothing replaces it.
 * @param successor key of M', borrowed; NULL: none
 */
VX6_RES vx6_revocation_build(const struct vx6_revocation *r, const struct vx6_sign_keypair *master,
			     const struct vx6_sign_keypair *successor, const struct vx6_net *net,
			     uint8_t out[static VX6_REVOCATION_MAX], size_t *n);
/** Reads and verifies all but the time (`issued` in the future is refused by record/admit.h). @return VX6_OK | FORMAT… | KEY | SIGNATURE */
VX6_RES vx6_revocation_read(const struct vx6_record_view *view, const struct vx6_net *net,
			    struct vx6_revocation *out);

#endif
