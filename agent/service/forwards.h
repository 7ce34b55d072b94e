/**
 * @file forwards.h
 * Local forwards: listeners of this host whose connections lead to a service somewhere in the overlay.
 *
 * Layer:   service
 * Trust:   whoever can reach a listener may use it: loopback, or a unix socket of mode 0600
 * Limits:  VX6_FORWARDS_MAX forwards, `connections_max` connections of one, a bounded number of accepts a wake-up
 * Failure: a connection whose target cannot be reached is reset, so that its client sees a failure and not an empty answer. A client
 *          that resets its connection meanwhile ends the attempt; one that only closed may still want an answer (half-close), and
 *          its attempt runs to its end.
 * Threads: the loop's thread
 */
#ifndef VX6_SERVICE_FORWARDS_H
#define VX6_SERVICE_FORWARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "discovery/reach.h"
#include "loop/loop.h"
#include "service/spec.h"
#include "service/stats.h"

enum {
	VX6_FORWARDS_MAX = 1024,
	VX6_FORWARD_CONNECTIONS_MAX = 65536,
};

struct vx6_forwards;
struct vx6_forward_socket; /* a listener that belongs to no forward yet */

struct vx6_forwards_config {
	struct vx6_loop *loop; /* borrowed, like all below, for the table's life */
	struct vx6_reach *reach;
	bool allow_non_loopback;  /* listen on other addresses too */
	uint32_t connections_max; /* of one forward; 0: VX6_FORWARD_CONNECTIONS_MAX */
	/** Optional: a connection failed before a byte was passed. Rate-limited, a few a second for each forward. Must not change the table. */
	void (*failed)(void *user, const char *id, const struct vx6_failure *f);
	/** Optional: a listener that could not be bound came up later (phase LISTENING). Must not change the table. */
	void (*recovered)(void *user, const char *id);
	/** Optional: the circuit that @p link is one over. @param circuit empty: none @param hops its relays */
	void (*carrier)(void *user, const struct vx6_link *link,
			char circuit[static VX6_CARRIER_TEXT], uint32_t *hops);
	void *user;
};

/** @param cfg borrowed for the call @return owned; vx6_forwards_free() */
struct vx6_forwards *vx6_forwards_new(const struct vx6_forwards_config *cfg);
/** Resets every connection (attached ones end without `ended`), closes the listeners and frees. Accepts NULL. */
void vx6_forwards_free(struct vx6_forwards *f);

/**
 * First half of a change: checks @p spec and binds what it needs and @p id has not got, so that a change can be refused before it is
 * stored. @param id NULL: a new forward @param out owned, or NULL when nothing had to be bound (disabled, same address)
 * @return VX6_OK | EXISTS (name) | NOT_LOOPBACK | INVALID | ADDRESS_IN_USE | PERMISSION | FULL | errno's
 */
VX6_RES vx6_forwards_prepare(struct vx6_forwards *f, const char *id,
			     const struct vx6_forward_spec *spec, struct vx6_forward_socket **out);
/** Accepts NULL. */
void vx6_forward_socket_free(struct vx6_forward_socket *s);

/**
 * Second half: creates the forward @p id or gives it another spec. Connections that exist go on; a forward that is not enabled takes no
 * new ones. Cannot fail: where nothing was prepared it binds itself, and what goes wrong there is the forward's phase FAILED, tried
 * again every 5 s.
 * @param socket taken, may be NULL @param spec borrowed
 */
void vx6_forwards_put(struct vx6_forwards *f, const char *id, const struct vx6_forward_spec *spec,
		      struct vx6_forward_socket *socket);
/** Resets its connections and closes its listener. @return VX6_OK | NOT_FOUND */
VX6_RES vx6_forwards_delete(struct vx6_forwards *f, const char *id);

/** The hidden service that is called @p alias is no longer: forwards that lead there say so at once, and not with their next connection. */
void vx6_forwards_alias_gone(struct vx6_forwards *f, const char *alias, const char *detail);

/** @return VX6_OK | NOT_FOUND */
VX6_RES vx6_forwards_status(const struct vx6_forwards *f, const char *id,
			    struct vx6_forward_status *out);

/** Closes all listeners: no new connections; those that exist go on. For a shutdown. */
void vx6_forwards_drain(struct vx6_forwards *f);
/** Connections of all forwards and attached ones. */
size_t vx6_forwards_connections(const struct vx6_forwards *f);

struct vx6_attach_events {
	/** How it went, once, never inside vx6_forwards_attach(). Not OK: the descriptor is closed and `ended` does not follow. */
	void (*outcome)(void *user, vx6_err err, const char *detail);
	/** The join has ended and the descriptor is closed; once, only after an outcome OK. */
	void (*ended)(void *user);
};
/**
 * Joins a socket of the caller with a service.
 * @param fd taken: a connected, non-blocking stream socket @param ev borrowed until the end
 * @return an error: @p fd is closed and nothing follows
 */
VX6_RES vx6_forwards_attach(struct vx6_forwards *f, int fd, const struct vx6_target *to,
			    const struct vx6_attach_events *ev, void *user);

#endif
