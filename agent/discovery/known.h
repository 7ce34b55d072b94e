/**
 * @file known.h
 * Where a node may be reached, as far as this one knows.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_KNOWN_H
#define VX6_DISCOVERY_KNOWN_H

#include "discovery/peers.h"
#include "discovery/registry.h"
#include "session/session.h"

/** The families that @p choice allows: bits of enum vx6_dial_family. */
unsigned vx6_via_of(enum vx6_transport_choice choice);

/**
 * Adds the addresses of @p node to @p req: those that the operator configured first, then those of its endpoint record; each once, and
 * none without a family of @p via.
 */
void vx6_known_addrs(const struct vx6_peers *peers, const struct vx6_registry *registry,
		     const struct vx6_node_id *node, unsigned via, struct vx6_dial_request *req);
/**
 * Whether an address that others say of themselves may be dialled unasked. One of this very host only where the network lives on it: what else
 * listens here is nobody's business.
 */
bool vx6_known_may_dial(const struct vx6_sessions *m, const struct vx6_addr *a);
/** Drops addresses that are listed twice or have no family left: `via` 0 would mean any. */
void vx6_known_tidy(struct vx6_dial_request *req);

#endif
