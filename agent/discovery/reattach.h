/**
 * @file reattach.h
 * Dials nodes anew whose sessions were lost under streams that can go on (schemas/wire/vxs.md), until there is a session or nothing waits for one.
 *
 * Layer:   discovery
 * Shape:   who opened the streams dials at once; who accepted them a moment later, unless its own addresses have just changed: then
 *          nobody else can know where it is. Tries follow 50 ms, doubling to 1 s, after one that failed; a try that hears nothing gives way
 *          to the next after 1 s, later 5 s.
 * Failure: a node all of whose addresses answer that nobody listens, for 2 s, has ended: its streams end too
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_REATTACH_H
#define VX6_DISCOVERY_REATTACH_H

#include "discovery/target.h"
#include "identity/node_id.h"
#include "loop/loop.h"

struct vx6_reattach;
struct vx6_peers;
struct vx6_registry;
struct vx6_sessions;

struct vx6_reattach_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	const struct vx6_registry *registry;
	const struct vx6_peers *peers;
	enum vx6_transport_choice transport;
};

/** @return owned; vx6_reattach_free() */
struct vx6_reattach *vx6_reattach_new(const struct vx6_reattach_config *cfg);
/** Before the sessions are freed. Accepts NULL. */
void vx6_reattach_free(struct vx6_reattach *r);

/** Streams with @p node have no session. @param bits VX6_ADRIFT_* @param route theirs; 0: they use no circuits */
void vx6_reattach_wanted(struct vx6_reattach *r, const struct vx6_node_id *node, unsigned bits,
			 uint64_t route);
/** Own addresses changed: whoever is being dialled is dialled anew, from where we are now. */
void vx6_reattach_moved(struct vx6_reattach *r);

#endif
