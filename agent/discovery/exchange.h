/**
 * @file exchange.h
 * Peer exchange: connected nodes tell each other what changed since last time, and give each other the records that are missing.
 *
 *   something changed -> HAVE (hash, seq of each; at most once every two seconds a session) -> GET what is unknown -> RECORDS
 *   revocations and own changes go out as RECORDS at once, without being asked for
 *
 * Spec:    schemas/wire/ctl.md#exchange
 * Layer:   discovery
 * Trust:   everything that comes in is admitted like any record. Of others' records a peer brings what it was asked for and revocations,
 *          and it is asked for no more than ASK_BURST at once and ASK_PER_MIN later, all who came to us together for no more than
 *          ASK_CAME_PER_MIN; the rest is dropped unseen
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
	struct vx6_registry *registry;
	struct vx6_node_id self;
	/** A record from a peer passed the budgets: to be admitted. @p about_itself: its subject is the peer */
	void (*take)(void *user, struct vx6_session *from, const uint8_t *record, size_t n,
		     bool about_itself);
	/** Optional: a peer sends what nobody asked for; told once a session. */
	void (*flood)(void *user, struct vx6_session *from);
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
void vx6_exchange_have(struct vx6_exchange *x, struct vx6_session *s, const struct vx6_have *e);
void vx6_exchange_get(struct vx6_exchange *x, struct vx6_session *s, uint64_t tag);
/** The peer asks for what is held of @p node (not of ourselves). */
void vx6_exchange_wanted(struct vx6_exchange *x, struct vx6_session *s,
			 const struct vx6_node_id *node);

/**
 * The registry changed: told to those who do not know. Revocations go out at once, to everybody but @p from.
 * @param from who brought it; NULL: nobody
 */
void vx6_exchange_changed(struct vx6_exchange *x, const struct vx6_known_record *rec,
			  const struct vx6_session *from);

struct vx6_exchange_info {
	uint64_t offered, asked, given; /* entries of HAVE and GET sent, records given away */
	uint64_t taken, dropped;        /* records of others that came in */
};
void vx6_exchange_info(const struct vx6_exchange *x, struct vx6_exchange_info *out);

#endif
