/**
 * @file hop_internal.h
 * What hop.c (cells of one stream), sched.c (order among the circuits of a link) and hop_pad.c (its silence) share.
 *
 * Layer:   circuit
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_HOP_INTERNAL_H
#define VX6_CIRCUIT_HOP_INTERNAL_H

#include "base/list.h"
#include "circuit/hop.h"
#include "crypto/table.h"

/* One cell that waits, or the beginning of one. */
struct hop_cell {
	struct hop_cell *next;
	uint64_t at_ms; /* since when */
	uint32_t n;     /* bytes that are there */
	uint8_t b[VX6_CELL_BYTES];
};

struct hop_cells {
	struct hop_cell *first, *last;
	size_t n;
};

/* The quietest on top. */
struct hop_heap {
	struct vx6_hop **at;
	size_t n, cap;
};

/*
 * Where a hop stands that has something to send:
 *
 *   READY: it may ask its stream for room · ASKED: it did, there was none, and `writable` will come · PARKED: the same, and known to wait
 *   for credit of the peer rather than for its turn
 */
enum hop_place { HOP_IDLE, HOP_READY, HOP_ASKED, HOP_PARKED };

/* What the circuits of one link share. */
struct hop_link {
	struct vx6_link *link;
	struct vx6_list hops; /* vx6_hop.on_link */
	struct hop_heap ready, asked;
	struct vx6_list busy; /* sched.busy, while one is READY */
	struct vx6_list owes; /* sched.owes, while a sign of life is due */
	uint64_t rx_bytes;    /* of the link when it was last looked at */
	bool looked;
	uint32_t padded_n;    /* hops that ask for padding */
	uint64_t moved_ms;    /* when a cell came or went */
	uint32_t pad_ms;      /* the silence that is waited for */
	struct vx6_timer pad; /* while padded_n is not 0 */
	UT_hash_handle hh;
};

struct vx6_hop {
	struct vx6_hop_sched *s;
	struct hop_link *l;
	struct vx6_stream *stream;
	const struct vx6_hop_events *ev;
	void *user;
	struct vx6_list all, on_link, notify;
	struct vx6_task resume;
	int running; /* its events, one inside another */
	bool dead;   /* ended meanwhile: to be freed when they are over */
	/* in */
	struct hop_cells rx; /* kept ones, then the beginning of one */
	bool kept;           /* the first of them was refused */
	/* out */
	struct hop_cells tx;
	size_t tx_off; /* bytes of the first that have left */
	struct hop_cell *composing;
	uint8_t *direct; /* the open reservation, when this is sched.open */
	size_t direct_cap, direct_n;
	bool here; /* the cell that is being composed lies in it */
	bool answer_due;
	bool wants_room; /* vx6_hop_room() said NULL */
	bool asked;      /* the stream's `writable` is to come */
	bool padded;
	enum hop_place place;
	size_t index; /* in the heap of its place */
	double sent;  /* cells, decaying; in units of sched.weight */
	uint64_t rx_cells, tx_cells;
};

struct vx6_hop_sched {
	struct vx6_loop *loop;
	struct hop_link *links;
	struct vx6_list all, busy, owes, notify;
	struct vx6_task task;
	struct vx6_timer silence;
	struct vx6_hop *open; /* whose reservation is open */
	struct hop_cell *spare;
	size_t spare_n;
	size_t bytes, bytes_peak, bytes_max;
	double weight; /* what a cell sent now counts */
	uint64_t weight_ms;
	size_t hops_n;
	uint64_t rx_cells, tx_cells, tx_pads, oom;
};

/* ---- sched.c ---- */

struct hop_cell *sched_cell_get(struct vx6_hop_sched *s);
void sched_cell_put(struct vx6_hop_sched *s, struct hop_cell *c);
void sched_join(struct vx6_hop *hop);
void sched_leave(struct vx6_hop *hop);
/** It has something to send. */
void sched_ready(struct vx6_hop *hop);
/** The stream has room for @p hop: the quietest of the link goes first. */
void sched_writable(struct vx6_hop *hop);
/** So many cells of @p hop have gone to the transport, @p pads of them to fill silence: nothing is expected after these. */
void sched_sent(struct vx6_hop *hop, size_t cells, size_t pads);
/** There may be room in its queue for who asked. */
void sched_notify(struct vx6_hop *hop);
void sched_wake(struct vx6_hop_sched *s);

/* ---- hop_pad.c ---- */

void pad_init(struct hop_link *l, struct vx6_loop *loop);

/* ---- hop.c ---- */

/** Sends up to a turn of what is queued. Sets `asked` when the stream takes no more. @return bytes went out */
bool hop_write_turn(struct vx6_hop *hop);
/** Whether something waits to be sent. */
bool hop_has_output(const struct vx6_hop *hop);
/** Queues a PAD. */
void hop_send_pad(struct vx6_hop *hop);
/** Ends it from within: reset, `closed` fires. */
void hop_end(struct vx6_hop *hop, vx6_err why, uint16_t code);
/** When the oldest cell came to wait here; UINT64_MAX: none does. */
uint64_t hop_oldest_ms(const struct vx6_hop *hop);

#endif
