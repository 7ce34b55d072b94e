/**
 * @file endlink.h
 * The transport family "circuit": the link between the two ends of a circuit. Its streams are those of the multiplexer that tcp uses, and
 * its frames travel in the payloads of relay cells (STREAMS), several in one where they fit.
 *
 * Spec:    schemas/wire/circuit.md#streams, schemas/wire/mux.md
 * Layer:   circuit
 * Shape:   only the slots of links and streams of struct vx6_transport_ops are there: a link is made by whoever has the circuit, is up from
 *          its birth (no `up` is fired), and its channel binding is the circuit's own with its last hop.
 * Trust:   frames are hostile: the other end may be anybody. Windows and stream ids are the multiplexer's to check.
 * Bounds:  a stream begins with a window of 256 KiB, and may grow to 8 MiB at the end that built the circuit, to 2 MiB at the other; all
 *          streams of a circuit together hold 1 MiB, and up to 32 or 8 MiB as long as there is room in what several such links may
 *          grow by (`growth`). Behind a circuit that takes nothing at most 80 payloads wait.
 * Threads: the loop's thread
 * Upcalls: to the link's user from vx6_endlink_input(), vx6_endlink_batch_end(), vx6_endlink_down() and from tasks; to the carrier
 *          (struct vx6_endlink_io) `room` and `send` from inside any call, `close` from a task
 */
#ifndef VX6_CIRCUIT_ENDLINK_H
#define VX6_CIRCUIT_ENDLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "transport/transport.h"

enum {
	VX6_ENDLINK_PAYLOAD = 1004, /* bytes of frames in one payload */
};

struct vx6_endlink;
struct mux_growth; /* transport/mux/mux.h */

/** What carries the frames. */
struct vx6_endlink_io {
	/** Room for the data of one STREAMS payload, VX6_ENDLINK_PAYLOAD bytes at least. @return NULL: none now; vx6_endlink_writable() follows */
	uint8_t *(*room)(void *user, size_t *cap);
	/** Sends the first @p n bytes of the last room. */
	void (*send)(void *user, size_t n);
	/**
	 * The link has ended, by its user, by the other end or for silence: end the circuit once what was sent has left. vx6_endlink_down() may be called from
	 * inside, or later.
	 */
	void (*close)(void *user, vx6_err why);
};

struct vx6_endlink_config {
	struct vx6_loop *loop; /* borrowed for the link's life, like `io` */
	bool initiator;        /* we built the circuit */
	uint8_t binding[VX6_CB_BYTES];
	const struct vx6_endlink_io *io;
	void *user;
	struct mux_growth *
		growth; /* what windows of several such links may grow by in sum, borrowed; NULL: only the limits bound it */
	const struct vx6_transport_limits *limits; /* copied; NULL: vx6_endlink_limits() */
};

/** What an end of a circuit allows itself. */
void vx6_endlink_limits(bool initiator, struct vx6_transport_limits *out);

/** @return owned; vx6_endlink_down() */
struct vx6_endlink *vx6_endlink_new(const struct vx6_endlink_config *cfg);
/** For vx6_sessions_adopt(), or whoever sets its events. */
struct vx6_link *vx6_endlink_link(struct vx6_endlink *e);

/**
 * The data of one STREAMS payload: whole frames.
 * @param frames borrowed for the call
 * @return VX6_OK | PROTOCOL: the circuit must end; nothing more of it is handed up
 */
VX6_RES vx6_endlink_input(struct vx6_endlink *e, const uint8_t *frames, size_t n);
/** After the payloads of one wake-up: hands up what came in. */
void vx6_endlink_batch_end(struct vx6_endlink *e);
/** There is room again after vx6_endlink_io.room said there was none. */
void vx6_endlink_writable(struct vx6_endlink *e);
/**
 * The carrier is gone, or was told to end: streams end, `down` fires (for the reason that the other end gave before, if it did), @p e is freed.
 * Not from inside an upcall of this link's streams.
 */
void vx6_endlink_down(struct vx6_endlink *e, vx6_err why);

#endif
