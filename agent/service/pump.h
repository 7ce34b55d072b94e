/**
 * @file pump.h
 * Joins one application socket with one stream of the overlay: bytes both ways, half-close, reset, back-pressure.
 *
 * Layer:   service
 * Shape:   application -> overlay: recv() straight into the memory that the stream reserves; no buffer of its own.
 *          overlay -> application: one sendmsg() of what arrived; what did not fit is kept in chunks until the socket takes it. Credit
 *          goes back to the peer only for bytes that the socket took, so that the receive window bounds what is kept.
 * Deaf:    an application that closes without reading what the peer still sends has what it sent itself passed on first, as TCP would:
 *          the peer's bytes are swallowed meanwhile, until both sides are done or nothing moves for VX6_PUMP_GRACE_MS; a peer that goes on
 *          and on, VX6_PUMP_SWALLOW bytes and more, is told after VX6_PUMP_BROKEN_MS.
 * Memory:  nothing but this struct while nothing is kept
 * Trust:   the peer and the application are both hostile: neither can make the other side wait for longer than it wants to itself
 * Threads: the loop's thread
 *
 *   CONNECTING (a target that has not answered yet) ─┐
 *   WAITING (no stream yet, perhaps an early one) ───┴─> JOINED -> (one side done) -> ended       `ended` fires once, last
 */
#ifndef VX6_SERVICE_PUMP_H
#define VX6_SERVICE_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "loop/loop.h"
#include "service/stats.h"
#include "transport/transport.h"

enum {
	VX6_PUMP_GRACE_MS = 3000,
	VX6_PUMP_SWALLOW = 1024 * 1024,
	VX6_PUMP_BROKEN_MS =
		500, /* for what is on its way already, before the peer is told of a break */
};

struct vx6_pump;

struct vx6_pump_events {
	/**
	 * Both ends are done or one of them broke: the descriptor is closed, the stream is given up. The receiver may free the pump.
	 * @param why OK: both directions were delivered; TARGET_UNREACHABLE: the connect failed; RESET: either side broke off; else
	 *            what ended the stream
	 */
	void (*ended)(struct vx6_pump *p, vx6_err why, void *user);
	/**
	 * Optional: says to the peer that the target is connected, before the first byte of it. @return AGAIN: asked again when the
	 * stream has room; another error ends the pump with it
	 */
	vx6_err (*greet)(struct vx6_pump *p, struct vx6_stream *stream, void *user);
};

struct vx6_pump_chunk;

/** What has become of connect(). */
enum vx6_pump_dial {
	VX6_PUMP_CONNECTED,
	VX6_PUMP_CONNECTING, /* the kernel will say */
	VX6_PUMP_HELD,       /* to be tried again: a unix socket whose backlog is full */
};

/** Embedded by its owner; the fields are the pump's own. */
struct vx6_pump {
	struct vx6_loop *loop;
	const struct vx6_pump_events *ev;
	void *user;
	struct vx6_flow_stats *stats;
	struct vx6_stream *stream; /* NULL: none yet, or it has closed */
	struct vx6_io io;
	struct vx6_pump_chunk *first, *last; /* kept for the application */
	size_t first_off;                    /* bytes of `first` that it has taken */
	int fd;
	int connect_errno;      /* of a connect() that failed later */
	struct vx6_timer grace; /* armed once the application is deaf */
	uint64_t swallowed;     /* bytes for it since then */
	bool connecting;        /* the target has not answered */
	bool held;              /* and is not even being asked: the socket is not watched */
	bool deaf;     /* the application takes no more; what it sent before is still passed on */
	bool broken;   /* and it did not finish: the peer must see no orderly end */
	bool greeting; /* `greet` has still to succeed */
	bool joined;   /* the stream's events are ours */
	bool blocked;  /* the stream has no room */
	bool asleep; /* the socket is readable and must not wake us until there is somewhere to put it */
	bool app_fin;    /* the application sends no more, and the peer was told */
	bool peer_fin;   /* the peer sends no more */
	bool app_shut;   /* and the application was told */
	bool early_used; /* bytes went into an early stream */
};

/**
 * Takes @p fd: a connected non-blocking stream socket. Watches it at once; a stream follows by vx6_pump_early() or vx6_pump_join().
 * @param ev,stats borrowed for the pump's life
 * @return an error: @p fd is closed with a reset, `ended` does not fire
 */
VX6_RES vx6_pump_start(struct vx6_pump *p, struct vx6_loop *loop, int fd,
		       struct vx6_flow_stats *stats, const struct vx6_pump_events *ev, void *user);
/**
 * Like vx6_pump_start(), for a socket whose connect() is done or not yet: joins with @p stream, keeps what the peer
 * sends until the target has answered, then greets.
 * @param how   what has become of connect(); after VX6_PUMP_HELD the caller repeats it and calls vx6_pump_connected()
 * @param first,first_n,fin what the peer has sent already; borrowed
 * @return an error: @p fd is closed, @p stream has the events of vx6_pump_discard() and is the caller's, `ended` does not fire
 */
VX6_RES vx6_pump_connect(struct vx6_pump *p, struct vx6_loop *loop, int fd, enum vx6_pump_dial how,
			 struct vx6_stream *stream, const struct iovec *first, int first_n,
			 bool fin, struct vx6_flow_stats *stats, const struct vx6_pump_events *ev,
			 void *user);

/** The connect() of a held socket has succeeded. `ended` may fire inside. */
void vx6_pump_connected(struct vx6_pump *p);

/** Lets the application write into @p stream, whose events stay someone else's, who calls vx6_pump_early_writable() in turn. */
void vx6_pump_early(struct vx6_pump *p, struct vx6_stream *stream);
void vx6_pump_early_writable(struct vx6_pump *p);
/**
 * The stream is open: sets its events and takes its first bytes. `ended` may fire inside, when the application is gone.
 * @param rest,rest_n,fin what has arrived already; borrowed
 * @return MISMATCH: bytes went into an early stream that is not this one; nothing was done, @p stream is the caller's
 */
VX6_RES vx6_pump_join(struct vx6_pump *p, struct vx6_stream *stream, const struct iovec *rest,
		      int rest_n, bool fin);

/**
 * Ends at once: the stream (when joined) is reset with @p code, the application's connection too. `ended` does not fire, and no
 * callback of the stream reaches the pump any more. Idempotent.
 */
void vx6_pump_abort(struct vx6_pump *p, uint32_t code);

/** Gives @p stream events that swallow everything: for one that has been reset or is about to be. */
void vx6_pump_discard(struct vx6_stream *stream);

/** Closes a socket so that the other end sees a failure and no orderly end. */
void vx6_pump_close_hard(int fd);

#endif
