/**
 * @file clone.h
 * One key, two live nodes: notices that somebody else signs with this node's key, and raises an alarm.
 *
 * Layer:   discovery
 * Shape:   told of every record that this node makes, and shown every record about this node that others have. One that is newer than what was
 *          made, or says something else under the same number, was signed elsewhere
 * Trust:   what is shown is hostile: only a record that verifies, and a session that proved the key, count
 * Limits:  one alarm in five minutes; a few hundred bytes, and as many again for each service
 * Threads: one thread
 */
#ifndef VX6_DISCOVERY_CLONE_H
#define VX6_DISCOVERY_CLONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/sign.h"
#include "identity/node_id.h"

enum vx6_clone_kind {
	VX6_CLONE_NEWER,   /* a record that this node did not make */
	VX6_CLONE_OTHER,   /* another record under a number that this node used */
	VX6_CLONE_SESSION, /* a session with a node that holds this key */
};

struct vx6_clone_evidence {
	enum vx6_clone_kind kind;
	const uint8_t *record; /* signed by this node's key; NULL: SESSION */
	size_t n;
	uint8_t type;         /* enum vx6_rtype of it */
	uint64_t seq;         /* of it */
	struct vx6_addr addr; /* SESSION: of the other one */
	uint32_t suppressed;  /* findings since the last alarm that raised none */
};

struct vx6_clone_config {
	struct vx6_net net;
	struct vx6_node_id self;
	uint64_t
		started_ms; /* monotonic: what was signed before is taken for this node's own of an earlier run */
	void (*alarm)(void *user, const struct vx6_clone_evidence *e);
	void *user;
};

struct vx6_clone;
/** @return owned; vx6_clone_free() */
struct vx6_clone *vx6_clone_new(const struct vx6_clone_config *cfg);
void vx6_clone_free(struct vx6_clone *c);

/** This node has made that record; to be told before anybody else gets it. */
void vx6_clone_made(struct vx6_clone *c, const uint8_t *record, size_t n);
/**
 * A record that somebody gave. Those of other nodes are let pass.
 * @param now_s unix seconds @param now_ms monotonic @return whether it was signed elsewhere with this node's key
 */
bool vx6_clone_seen(struct vx6_clone *c, const uint8_t *record, size_t n, uint64_t now_s,
		    uint64_t now_ms);
/** Somebody at @p addr who is not this process proved to hold this node's key. */
void vx6_clone_met(struct vx6_clone *c, const struct vx6_addr *addr, uint64_t now_ms);

#endif
