/**
 * @file vxs.h
 * Resumable streams: they outlive the session under them. To their users they are streams like any other (transport.h).
 *
 * Spec:    schemas/wire/vxs.md
 * Layer:   vxs
 * Shape:   a stream rides on a carrier, an ordinary stream of a link. What the application writes is copied beside the carrier's own buffer and
 *          kept until the peer has acknowledged it; what arrives is passed up where it lies.
 * Trust:   a carrier is attached only over a link to the same node, by a mac under a secret of the first session and bound to the new one, with an
 *          epoch higher than all before. Offsets of the peer are compared with what was sent before anything moves.
 * Memory:  nothing beside the struct while nothing is in flight; up to a window of 256 KiB to 8 MiB a stream, `keep_max` over all of the node, and
 *          as much over all that were accepted in scopes. Above it the stream whose data has waited longest can no longer be resumed; no byte is
 *          ever lost on a carrier that lives.
 * Threads: the loop's thread
 * Upcalls: as transport.h has it: never from inside a call down
 *
 *   OPENING/RIDING --carrier lost--> ADRIFT --attach--> ATTACHING --answer--> RIDING       `closed` after both ends are done, a reset,
 *                       ^---------------------------------'                                 or VX6_VXS_GRACE_MS without a carrier
 */
#ifndef VX6_VXS_VXS_H
#define VX6_VXS_VXS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "identity/node_id.h"
#include "loop/loop.h"
#include "transport/transport.h"
#include "wire/open.h"
#include "wire/vxs.h"

enum {
	VX6_VXS_WINDOW = 256 * 1024,
	VX6_VXS_WINDOW_MAX = 8 * 1024 * 1024,
	VX6_VXS_KEEP_MAX = 64 * 1024 * 1024, /* over all streams, and over all in scopes */
	VX6_VXS_ACK_BYTES = 64 * 1024,
	VX6_VXS_ACK_MS = 25,
	VX6_VXS_STALL_MS = 1000,
	VX6_VXS_STALL_CIRCUIT_MS = 250, /* or four round trips, if those are more */
	VX6_VXS_FLEE_PER_MIN = 4,
	VX6_VXS_GRACE_MS = 120 * 1000,
	VX6_VXS_PEER_MAX =
		65536, /* streams that a node may have opened here, in a scope, those adrift included */
};

struct vx6_vxs; /* all resumable streams of a node */

struct vx6_vxs_events {
	/**
	 * Streams with @p peer have lost their carrier, or were to be moved and have been answered only now. From a task, once for all that were lost
	 * together. Attach them to another session, or see to it that there will be one.
	 */
	void (*adrift)(void *user, const struct vx6_node_id *peer);
	/** Nothing that a stream sent on @p link has been acknowledged for a while, or its attach is not answered. A circuit is given less time. */
	void (*stalled)(void *user, const struct vx6_node_id *peer, struct vx6_link *link);
	/** An acknowledgement found no room on its carrier for a while: to go another way. @return false: not now */
	bool (*aside)(void *user, const struct vx6_node_id *peer, struct vx6_link *link,
		      const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch, uint64_t off);
};

struct vx6_vxs_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	const struct vx6_vxs_events *ev;
	void *user;
	size_t keep_max;   /* 0: VX6_VXS_KEEP_MAX */
	uint32_t grace_ms; /* 0: VX6_VXS_GRACE_MS */
	uint32_t peer_max; /* 0: VX6_VXS_PEER_MAX */
};

/** @return owned; vx6_vxs_free() */
struct vx6_vxs *vx6_vxs_new(const struct vx6_vxs_config *cfg);
/** No stream is adrift from now on: one that loses its carrier ends. For a shutdown, before links are closed. */
void vx6_vxs_stop(struct vx6_vxs *m);
/** Ends every stream: their `closed` fires before this returns. Links must be gone. Accepts NULL. */
void vx6_vxs_free(struct vx6_vxs *m);

/**
 * A session, as far as streams care. Borrowed for the call. Whoever is anonymous there is known to the acceptor by the node id that is all zero.
 */
struct vx6_vxs_via {
	struct vx6_link *link;
	const struct vx6_node_id *peer; /* proved */
	const uint8_t *binding;         /* VX6_CB_BYTES of the link */
	uint64_t route;                 /* the set of circuits that it belongs to; 0: no circuit */
	uint64_t
		scope; /* what the peer has come to: its streams are unknown in any other; 0: this node */
	bool anonymous; /* we are nobody there */
};

/** Where a stream that we open may go on. One that began where we are anonymous never does where we are not, nor the other way round. */
struct vx6_vxs_routes {
	uint64_t route; /* over this set of circuits; 0: over none */
	bool direct;    /* over sessions without a circuit, which it prefers then */
};

/**
 * Opens a resumable stream: OPEN goes out as soon as there is room. The answer is the first bytes that `data` brings.
 * @param what kind SERVICE; the id is drawn here
 * @param routes borrowed; NULL: over what @p via is one of
 * @return as vx6_stream_open() | INVALID
 */
VX6_RES vx6_vxs_open(struct vx6_vxs *m, const struct vx6_vxs_via *via, const struct vx6_open *what,
		     const struct vx6_vxs_routes *routes, const struct vx6_stream_events *ev,
		     void *user, struct vx6_stream **out);
/**
 * The peer opened one: @p carrier is its first carrier, and taken. The caller sets the events of @p out and hands on what came behind OPEN by
 * vx6_vxs_feed(). @return EXISTS: the id is in use | FULL: it has too many; @p carrier is the caller's. Of all the anonymous together, the stream
 * that has been adrift for the longest gives way first
 */
VX6_RES vx6_vxs_accept(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		       const struct vx6_open *what, struct vx6_stream *carrier,
		       struct vx6_stream **out);
/** Bytes of the first carrier that its former owner had received already. */
void vx6_vxs_feed(struct vx6_stream *s, const struct iovec *iov, int n, bool fin);

/** The peer attaches @p carrier, which is taken and answered. @param rest,rest_n,fin what came behind; borrowed */
void vx6_vxs_attached(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		      const struct vx6_vxs_attach *a, struct vx6_stream *carrier,
		      const struct iovec *rest, int rest_n, bool fin);

/**
 * Attaches to @p via every stream that we opened to its peer, that may go on there and that is adrift, still waits for an answer elsewhere, or rides on a link that is
 * to be left; of these one whose OPEN is not answered yet follows when it is. @param leave NULL: none is
 */
void vx6_vxs_attach(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		    bool (*leave)(struct vx6_link *link, void *user), void *user);
/** Attaches to @p via those that ride on @p from, which is stalled: each at most VX6_VXS_FLEE_PER_MIN times a minute. */
void vx6_vxs_flee(struct vx6_vxs *m, const struct vx6_vxs_via *via, const struct vx6_link *from);
/**
 * The peer says that it lost the carrier of a stream that we opened: it is attached to @p via, if it may.
 * @return the link that it was riding on, if that was another one: dead for the peer; else NULL
 */
struct vx6_link *vx6_vxs_lost(struct vx6_vxs *m, const struct vx6_vxs_via *via,
			      const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch);
/** Calls @p fn for each stream that @p peer opened to us, in no scope, and that is adrift. @param circuit its last carrier came over a circuit, or did not */
void vx6_vxs_each_adrift(struct vx6_vxs *m, const struct vx6_node_id *peer, bool circuit,
			 void (*fn)(void *user, const uint8_t id[static VX6_VXS_ID_BYTES],
				    uint32_t epoch),
			 void *user);
/** An acknowledgement that came aside. */
void vx6_vxs_acked(struct vx6_vxs *m, const struct vx6_vxs_via *via,
		   const uint8_t id[static VX6_VXS_ID_BYTES], uint32_t epoch, uint64_t off);

/** Whether a stream that can go on elsewhere rides on @p link, or waits there for the answer to its attach. */
bool vx6_vxs_rides_on(const struct vx6_vxs *m, const struct vx6_node_id *peer,
		      const struct vx6_link *link);

/**
 * Whether a stream that we opened rides on @p link, one without a circuit, and may go on over circuits of a route above @p route, 0 being before the
 * first. @param route the next such route, written only if there is one
 */
bool vx6_vxs_may_leave(const struct vx6_vxs *m, const struct vx6_node_id *peer,
		       const struct vx6_link *link, uint64_t *route);

/** Whether a stream that we opened to @p peer is open and may go on over the circuits of @p route. */
bool vx6_vxs_uses_route(const struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t route);

enum { VX6_VXS_ADRIFT_OPENED = 1, VX6_VXS_ADRIFT_ACCEPTED = 2 };
/**
 * Whether streams with @p peer wait for a carrier: bits, 0: none.
 * @param route 0: those for which only a session without a circuit will do, and those that the peer opened over one; else ours that may go over that
 *              set of circuits and have no carrier that has not been answered yet either
 */
unsigned vx6_vxs_adrift(const struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t route);
/** The next one above @p route for which vx6_vxs_adrift() is not 0, or of a stream that is to be moved. @return false: there is none */
bool vx6_vxs_next_route(const struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t *route);
/** Ends the streams with @p peer of which vx6_vxs_adrift() tells, and those that wait for an answer: it is known not to come back. */
void vx6_vxs_give_up(struct vx6_vxs *m, const struct vx6_node_id *peer, uint64_t route,
		     vx6_err why);

/** Streams that are not closed. */
size_t vx6_vxs_count(const struct vx6_vxs *m);
/** Bytes of memory that hold what is not acknowledged. */
size_t vx6_vxs_kept(const struct vx6_vxs *m);
/** Whether @p s is one of these streams. */
bool vx6_stream_is_resumable(const struct vx6_stream *s);

#endif
