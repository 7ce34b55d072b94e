/**
 * @file reach.h
 * Opens a stream to a service, whatever that takes: resolves the name, takes the live session or dials one (QUIC and TCP in the
 * happy-eyeballs way), or has a circuit built, as the target's route wants it; sends OPEN and waits for the answer.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_REACH_H
#define VX6_DISCOVERY_REACH_H

#include "base/err.h"
#include "discovery/target.h"
#include "transport/transport.h"

struct vx6_reach;
struct vx6_circuits;
struct vx6_names;
struct vx6_peers;
struct vx6_registry;
struct vx6_resolver;
struct vx6_session;
struct vx6_sessions;

struct vx6_reach_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_registry *registry;
	struct vx6_names *names;
	struct vx6_resolver *resolver;
	struct vx6_peers *peers;
	struct vx6_circuits *circuits;       /* NULL: there are none */
	enum vx6_transport_choice transport; /* for targets that leave it open */
	/** Optional: the hidden service that @p alias stands for. @return false: there is no such alias */
	bool (*hidden_alias)(void *user, const char *alias, struct vx6_hidden_alias *out);
	void *user;
};

/** @return owned; vx6_reach_free() */
struct vx6_reach *vx6_reach_new(const struct vx6_reach_config *cfg);
/** Every attempt under way ends with DRAINING; so does one that is begun in its outcome: whoever hears of that does not try again. */
void vx6_reach_free(struct vx6_reach *reach);

struct vx6_reach_events {
	/**
	 * The outcome, exactly once. On VX6_OK @p stream is open and accepted by the service, and the receiver sets its events now
	 * (vx6_stream_set_events). @p rest are its first bytes, borrowed, to be taken and consumed like those of `data`, and @p fin says
	 * that there will be no more. Else: SERVICE_UNKNOWN, ACCESS_REFUSED, TARGET_UNREACHABLE, PEER_UNKNOWN,
	 * AMBIGUOUS, WRONG_PEER, REVOKED, PEER_UNREACHABLE, TIMEOUT, LIMIT, ... and @p stream is NULL. Never fires inside vx6_reach_open().
	 * @param detail text for people, borrowed: what was tried and how each try ended
	 */
	void (*outcome)(void *user, vx6_err err, const char *detail, struct vx6_stream *stream,
			const struct iovec *rest, int rest_n, bool fin);
	/**
	 * Optional: the stream is open on a circuit that had to be waited for, and early bytes may be written as with @p early of vx6_reach_open(), which
	 * gave none then. At most once, before the outcome.
	 */
	void (*early)(void *user, struct vx6_stream *stream);
	/** Optional: room again on the early stream, before the outcome. */
	void (*early_writable)(void *user, struct vx6_stream *stream);
};

struct vx6_reaching; /* one attempt under way */

/**
 * Begins. Where a session is live, the stream is open before this returns and early bytes may be written at once: @p *early is then that
 * stream (its events belong to reach until the outcome; only reserve and commit may be used on it), else NULL.
 * @return owned until the outcome or vx6_reach_cancel()
 */
struct vx6_reaching *vx6_reach_open(struct vx6_reach *reach, const struct vx6_target *to,
				    const struct vx6_reach_events *ev, void *user,
				    struct vx6_stream **early);
/** Dials @p node, unless there is a session with it or a dial under way: for streams that would move to it. */
void vx6_reach_direct(struct vx6_reach *reach, const struct vx6_node_id *node);
/** No outcome follows; a stream under way is reset. */
void vx6_reach_cancel(struct vx6_reaching *r);

#endif
