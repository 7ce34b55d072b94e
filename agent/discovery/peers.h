/**
 * @file peers.h
 * Configured peers: keeps a session to each that is enabled, dials again when it is lost, and knows what they call themselves.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 *
 *   IDLE (disabled, or no address) -> DIALING -> UP -> DIALING ...
 *                                        ^---- BACKOFF <---|          250 ms, doubling to 3 s, to 30 s after five minutes of failure
 */
#ifndef VX6_DISCOVERY_PEERS_H
#define VX6_DISCOVERY_PEERS_H

#include "discovery/peer_spec.h"
#include "discovery/target.h"
#include "session/session.h"

enum { VX6_PEERS_MAX = 1024, VX6_PEER_ID_MAX = 40 };

enum vx6_peer_state { VX6_PEER_IDLE, VX6_PEER_DIALING, VX6_PEER_UP, VX6_PEER_BACKOFF };

struct vx6_peer_status {
	enum vx6_peer_state state;
	uint64_t session; /* vx6_session_id(), 0: none */
	bool known;       /* `node` has been proved */
	struct vx6_node_id node;
	uint64_t since_ms; /* wall clock of the last change of state */
	char race[VX6_DIAL_DETAIL_MAX];
	vx6_err last_err;
	uint64_t last_err_ms;
	bool failing_told; /* a failure of this streak has been reported by `changed` already */
};

struct vx6_peers;

struct vx6_peers_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	enum vx6_transport_choice transport;
	/** The state of the peer @p id changed from @p before. Must not change the table. */
	void (*changed)(void *user, const char *id, enum vx6_peer_state before,
			const struct vx6_peer_status *st);
	void *user;
};

/** @return owned; vx6_peers_free() */
struct vx6_peers *vx6_peers_new(const struct vx6_peers_config *cfg);
void vx6_peers_free(struct vx6_peers *p);

/** Creates peer @p id or gives it another spec; a session that no longer fits is closed. @return VX6_OK | FULL | EXISTS (petname) */
VX6_RES vx6_peers_put(struct vx6_peers *p, const char *id, const struct vx6_peer_spec *spec);
/** Closes its session. */
void vx6_peers_delete(struct vx6_peers *p, const char *id);
bool vx6_peers_status(const struct vx6_peers *p, const char *id, struct vx6_peer_status *out);

/** To be told of every session. */
void vx6_peers_session_up(struct vx6_peers *p, struct vx6_session *s);
void vx6_peers_session_down(struct vx6_peers *p, struct vx6_session *s, vx6_err why);

/** Whether @p s is the session of a configured peer. */
bool vx6_peers_owns(const struct vx6_peers *p, const struct vx6_session *s);

/** Peers in backoff dial at once: the network changed, or somebody wants to connect. */
void vx6_peers_hurry(struct vx6_peers *p);
/**
 * Whoever answers at the address of petname @p name is not who is wanted under it. If he is there no more, that is found out now: an idle session
 * with him would last for a minute, and the backoff is for when nobody waits.
 */
void vx6_peers_doubt(struct vx6_peers *p, const char *name);

/** The node a petname stands for. @return false: no such petname, or its node has never been met */
bool vx6_peers_by_name(const struct vx6_peers *p, const char *name, struct vx6_node_id *out);
/** Whether a configured peer goes by @p name, met or not. */
bool vx6_peers_has_name(const struct vx6_peers *p, const char *name);
/** Whether the peer that goes by @p name was configured with its node id; else its node is whoever answered at its address. */
bool vx6_peers_gives_id(const struct vx6_peers *p, const char *name);
/** Adds the addresses configured for @p node to @p req. */
void vx6_peers_addrs(const struct vx6_peers *p, const struct vx6_node_id *node,
		     struct vx6_dial_request *req);
/** Whether a configured peer is or was this node. */
bool vx6_peers_has_node(const struct vx6_peers *p, const struct vx6_node_id *node);

#endif
