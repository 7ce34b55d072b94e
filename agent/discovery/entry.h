/**
 * @file entry.h
 * The way into the network: keeps a few sessions alive whatever happens, from any address that was ever good. Configured peers are the
 * business of peers.h; this takes over when they are gone, and after a restart.
 *
 * Layer:   discovery
 * Shape:   while fewer than VX6_ENTRY_WANT sessions are up, candidates are dialled VX6_ENTRY_PARALLEL at a time: freshest first, no two of
 *          one prefix in a round while others are left; a candidate that failed waits longer each time
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_ENTRY_H
#define VX6_DISCOVERY_ENTRY_H

#include "discovery/registry.h"
#include "discovery/target.h"
#include "loop/loop.h"
#include "session/session.h"

enum { VX6_ENTRY_WANT = 4, VX6_ENTRY_PARALLEL = 4 };

struct vx6_entry;
struct vx6_entry_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_registry *registry;
	struct vx6_node_id self;
	enum vx6_transport_choice transport;
};
/** @return owned; vx6_entry_free() */
struct vx6_entry *vx6_entry_new(const struct vx6_entry_config *cfg);
void vx6_entry_free(struct vx6_entry *e);
void vx6_entry_session_up(struct vx6_entry *e, struct vx6_session *s);
void vx6_entry_session_down(struct vx6_entry *e, struct vx6_session *s);
/** A node was heard of that is near (LAN beacon): dialled at once if sessions are wanted. */
void vx6_entry_heard(struct vx6_entry *e, const struct vx6_endpoint *ep);
/** The network changed: all waiting ends. */
void vx6_entry_hurry(struct vx6_entry *e);
/** Whether @p s is one of those that keep this node in the network. */
bool vx6_entry_needs(const struct vx6_entry *e, const struct vx6_session *s);

#endif
