/**
 * @file entry.h
 * The way into the network: keeps a few sessions alive whatever happens, from any address that was ever good. Configured peers are the
 * business of peers.h; this takes over when they are gone, and after a restart.
 *
 * Layer:   discovery
 * Shape:   while sessions with fewer than VX6_ENTRY_WANT nodes are up, candidates of the registry are dialled, as many at a time as are
 *          missing: freshest first, of prefixes that are not in use before others; a candidate that failed waits longer each time.
 *          Sessions that came in count like those that were dialled, so a crowd that starts at once calms down by itself.
 *          The registry hears of the dials that failed here; of sessions it hears from whoever wires the parts
 * Trust:   records are claims: whoever answers must prove its id; addresses of this host are dialled only when we listen on such a one
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_ENTRY_H
#define VX6_DISCOVERY_ENTRY_H

#include "discovery/registry.h"
#include "discovery/target.h"
#include "loop/loop.h"
#include "session/session.h"

enum { VX6_ENTRY_WANT = 4, VX6_ENTRY_PARALLEL = 4 };

struct vx6_entry_times {
	uint32_t
		first_ms; /* until the first look: configured peers go first; and half of it is chance */
	uint32_t learned_ms; /* from hearing of a candidate to the look */
	uint32_t wait_ms;    /* after a failure; doubles */
};

struct vx6_entry;
struct vx6_entry_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_registry *registry;
	struct vx6_node_id self;
	enum vx6_transport_choice transport;
	const struct vx6_entry_times *times; /* NULL: the usual ones */
};
/** @return owned; vx6_entry_free() */
struct vx6_entry *vx6_entry_new(const struct vx6_entry_config *cfg);
/** Before the sessions and the registry. Accepts NULL. */
void vx6_entry_free(struct vx6_entry *e);
/** To be told of every session; anonymous ones are passed over. */
void vx6_entry_session_up(struct vx6_entry *e, struct vx6_session *s);
void vx6_entry_session_down(struct vx6_entry *e, struct vx6_session *s);
/** A node was heard of that is near (LAN beacon): dialled at once if sessions are wanted. */
void vx6_entry_heard(struct vx6_entry *e, const struct vx6_endpoint *ep);
/** The registry has learned of a node it did not know: it may be a candidate. Cheap. */
void vx6_entry_learned(struct vx6_entry *e);
/** The network changed: all waiting ends. */
void vx6_entry_hurry(struct vx6_entry *e);
/** Whether @p s is one of those that keep this node in the network. */
bool vx6_entry_needs(const struct vx6_entry *e, const struct vx6_session *s);

#endif
