/**
 * @file peer_spec.h
 * A configured peer, as a plain value.
 *
 * Layer:   discovery
 * Threads: pure, any thread
 */
#ifndef VX6_DISCOVERY_PEER_SPEC_H
#define VX6_DISCOVERY_PEER_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "identity/node_id.h"
#include "wire/label.h"

enum { VX6_PEER_ADDRS_MAX = 8 };

struct vx6_peer_spec {
	char name[VX6_LABEL_MAX + 1]; /* petname; may be empty */
	struct vx6_addr addrs[VX6_PEER_ADDRS_MAX];
	size_t addrs_n;
	bool has_node_id; /* the peer must prove to be this node */
	struct vx6_node_id node_id;
	bool enabled; /* keep a session to it */
};

#endif
