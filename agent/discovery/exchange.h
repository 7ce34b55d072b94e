/**
 * @file exchange.h
 * Peer exchange: connected nodes tell each other what changed since last time, and give each other the records that are missing.
 *
 *   something changed -> HAVE (hash, seq of each; at most once every two seconds a session) -> GET what is unknown -> RECORDS
 *   revocations and own endpoint changes go out as RECORDS at once, without being asked for
 *
 * Spec:    schemas/wire/ctl.md#exchange
 * Layer:   discovery
 * Trust:   everything that comes in is admitted like any record; a peer may bring so many new subjects a minute and no more
 * Limits:  VX6_EXCHANGE_FIRST entries are offered to a new session
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_EXCHANGE_H
#define VX6_DISCOVERY_EXCHANGE_H

#include "discovery/registry.h"
#include "loop/loop.h"
#include "session/session.h"

enum { VX6_EXCHANGE_FIRST = 1024 };

struct vx6_exchange;

struct vx6_exchange_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_registry *registry;
	const struct vx6_node_id *self;
	/** A record from a peer passed the budgets: to be admitted. @p about_itself: its subject is the peer */
	vx6_err (*take)(void *user, struct vx6_session *from, const uint8_t *record, size_t n,
			bool about_itself);
	void *user;
};

/** @return owned; vx6_exchange_free() */
struct vx6_exchange *vx6_exchange_new(const struct vx6_exchange_config *cfg);
void vx6_exchange_free(struct vx6_exchange *x);

/* To be told of every session, and of every message of theirs. */
void vx6_exchange_session_up(struct vx6_exchange *x, struct vx6_session *s);
void vx6_exchange_session_down(struct vx6_exchange *x, struct vx6_session *s);
void vx6_exchange_record(struct vx6_exchange *x, struct vx6_session *s, const uint8_t *record,
			 size_t n);
/** The registry changed: told to those who do not know. @p urgent: at once (revocations). @p from: who brought it, not told again; NULL: nobody */
void vx6_exchange_changed(struct vx6_exchange *x, const uint8_t *record, size_t n, bool urgent,
			  const struct vx6_session *from);

#endif
