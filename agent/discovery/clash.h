/**
 * @file clash.h
 * Tells another node that it goes by our name: it gets our claim over the session that is up, or over one that is dialled for it, once.
 *
 * Layer:   discovery
 * Limits:  VX6_CLASH_DIALS at once; each node is dialled once in VX6_CLASH_AGAIN_MS, VX6_CLASH_TOLD_MAX of them are remembered
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_CLASH_H
#define VX6_DISCOVERY_CLASH_H

#include "discovery/resolve.h"
#include "discovery/target.h"
#include "session/session.h"

enum { VX6_CLASH_DIALS = 4, VX6_CLASH_TOLD_MAX = 16, VX6_CLASH_AGAIN_MS = 3600 * 1000 };

struct vx6_clash;
struct vx6_clash_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_resolver *resolver;
	enum vx6_transport_choice transport;
	/** Our claim, or where there is none yet our endpoint record. @return bytes, 0: neither */
	size_t (*own)(void *user, uint8_t *out, size_t cap);
	void *user;
};

/** @return owned; vx6_clash_free() */
struct vx6_clash *vx6_clash_new(const struct vx6_clash_config *cfg);
/** Before resolver and sessions are freed. */
void vx6_clash_free(struct vx6_clash *c);
/** @p node goes by our name. */
void vx6_clash_tell(struct vx6_clash *c, const struct vx6_node_id *node);

#endif
