/**
 * @file hop.h
 * Cells of a circuit over one stream of a link, and the scheduler that says whose cells leave first.
 *
 * Spec:    schemas/wire/cell.md, schemas/wire/relaying.md#flow
 * Layer:   circuit
 * Shape:   a *hop* here is one side of a circuit at one node: the stream to or from a neighbour. Cells that come are offered in place, where
 *          the transport put them; one that cannot be taken is kept, its credit with it, so that the neighbour comes to a halt. Cells that go
 *          are composed in a short queue, or straight in the stream's own buffer.
 * Order:   when several circuits of a link wait for room, the one that sent least of late goes first (half-life 30 s), for a bounded turn.
 * Bounds:  VX6_HOP_WINDOW bytes kept of one stream (none at the ends of a circuit, which take every cell), VX6_HOP_QUEUE cells queued; of all hops of a scheduler so many bytes as it was given: above
 *          85 % the hop with the oldest cell ends with CIRC_OOM.
 * Trust:   cells are hostile bytes; nothing of them is looked at here
 * Threads: the loop's thread
 * Upcalls: never from inside a call down; from any of them the receiver may call anything, vx6_hop_close() of the same hop too
 */
#ifndef VX6_CIRCUIT_HOP_H
#define VX6_CIRCUIT_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "loop/loop.h"
#include "transport/transport.h"
#include "wire/cell.h"

enum {
	VX6_HOP_WINDOW = 1024 * 1024, /* receive window of a circuit's stream, at most */
	/* and at the ends of a circuit, which keep no cells: what streams hold there is the end link's to bound */
	VX6_HOP_WINDOW_OWN = 8 * 1024 * 1024, /* of the client */
	VX6_HOP_WINDOW_END = 2 * 1024 * 1024, /* of the last node */
	VX6_HOP_QUEUE = 64,                   /* cells that wait to be sent */
	VX6_HOP_TURN = 16,                    /* cells a circuit sends before the next one's turn */
	VX6_HOP_SILENCE_MS = 150, /* how often links that owe a sign of life are looked at */
	/* how long no cell moves on a link that is padded: at least, at most */
	VX6_HOP_PAD_MIN_MS = 1500,
	VX6_HOP_PAD_MAX_MS = 9500,
};

struct vx6_hop;       /* one stream of cells of a circuit on one link */
struct vx6_hop_sched; /* of an agent: order among the circuits of each link; memory */

struct vx6_hop_sched_stats {
	size_t hops;
	uint64_t rx_cells, tx_cells;
	uint64_t tx_pads;                    /* of these: to fill silence */
	size_t bytes, bytes_peak, bytes_max; /* of cells that are kept or queued */
	uint64_t oom;                        /* hops ended for want of memory */
};

/** @param mem_max bytes of all cells that wait @return owned; vx6_hop_sched_free() */
struct vx6_hop_sched *vx6_hop_sched_new(struct vx6_loop *loop, size_t mem_max);
/** After the last hop is gone. Accepts NULL. */
void vx6_hop_sched_free(struct vx6_hop_sched *s);
void vx6_hop_sched_set_memory(struct vx6_hop_sched *s, size_t mem_max);
void vx6_hop_sched_stats(const struct vx6_hop_sched *s, struct vx6_hop_sched_stats *out);

struct vx6_hop_events {
	/**
	 * One cell, in order.
	 * @param cell may be written to; valid for the call
	 * @return false: it cannot be taken now, and was left as it is. It is offered again after vx6_hop_resume()
	 */
	bool (*cell)(struct vx6_hop *hop, uint8_t cell[static VX6_CELL_BYTES], void *user);
	/** After the cells of one wake-up were offered. Optional. */
	void (*batch_end)(struct vx6_hop *hop, void *user);
	/** There is room again after vx6_hop_room() returned NULL. Optional. */
	void (*writable)(struct vx6_hop *hop, void *user);
	/**
	 * Cells were sent or wait, and for VX6_HOP_SILENCE_MS nothing came over the link: it should be probed. Told to one hop of the link.
	 * Optional.
	 */
	void (*silent)(struct vx6_hop *hop, uint32_t srtt_us, void *user);
	/** The end, once, last: the stream was reset, or the link is down. The hop is gone after the return. @param code of the reset, else 0 */
	void (*closed)(struct vx6_hop *hop, vx6_err why, uint32_t code, void *user);
};

/**
 * Takes over @p stream, whose OPEN was sent or has arrived.
 * @param ev borrowed for the hop's life @return owned until vx6_hop_close() or `closed`
 */
struct vx6_hop *vx6_hop_new(struct vx6_hop_sched *s, struct vx6_stream *stream,
			    const struct vx6_hop_events *ev, void *user);
/** Its cells are all taken as they come: the window may grow to @p window_max. */
void vx6_hop_widen(struct vx6_hop *hop, uint32_t window_max);
/** Answers the peer's OPEN with OK, before any cell. */
void vx6_hop_answer(struct vx6_hop *hop);
/** Bytes that came before the hop was made. Calls up. @return false: the hop is gone */
bool vx6_hop_feed(struct vx6_hop *hop, const struct iovec *iov, int n);
void vx6_hop_set_events(struct vx6_hop *hop, const struct vx6_hop_events *ev, void *user);

/** Where the next cell may be composed, VX6_CELL_BYTES. @return NULL: none now; `writable` follows */
uint8_t *vx6_hop_room(struct vx6_hop *hop);
/** Queues the cell that was composed; cells of one wake-up leave together. */
void vx6_hop_commit(struct vx6_hop *hop);
/**
 * As vx6_hop_room(), if possible straight in the stream's buffer. Between it and vx6_hop_settle() (or the return from a `cell` event, after
 * which all is settled before anybody else is called) nothing else may be written to any stream.
 */
uint8_t *vx6_hop_room_here(struct vx6_hop *hop);
void vx6_hop_settle(struct vx6_hop_sched *s);

/**
 * Whether the link is to be padded for this hop's sake: after every while of silence in both directions one PAD leaves, over one of the hops
 * that ask for it. Off at first. Costs a timer for each link that is padded, nothing for others.
 */
void vx6_hop_pad(struct vx6_hop *hop, bool on);
/** The other end has filled the silence: this one waits for a while of another length. */
void vx6_hop_pad_came(struct vx6_hop *hop);
/** Kept cells are offered again, from a task. */
void vx6_hop_resume(struct vx6_hop *hop);
/** Resets the stream; what is kept or queued is dropped at once. No event follows; the hop is gone after the call. */
void vx6_hop_close(struct vx6_hop *hop, uint16_t code);

struct vx6_link *vx6_hop_link(const struct vx6_hop *hop);
/** Bytes that wait here, in both directions. */
size_t vx6_hop_bytes(const struct vx6_hop *hop);
/** Cells that wait here, in both directions. */
size_t vx6_hop_waiting(const struct vx6_hop *hop);
/** Cells that are queued, and not sent yet. */
size_t vx6_hop_queued(const struct vx6_hop *hop);
uint64_t vx6_hop_rx_cells(const struct vx6_hop *hop);
uint64_t vx6_hop_tx_cells(const struct vx6_hop *hop);

#endif
