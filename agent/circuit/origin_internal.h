/**
 * @file origin_internal.h
 * What the files of the client's end share: a circuit, its hops, the way to a first hop.
 *
 * Layer:   circuit
 * Threads: the loop's thread
 *
 * Who owns what: the instance owns its circuits and ways; a circuit its opening or hop (circuit/hop.h), its end link and its keys. Whatever
 * ends a circuit calls circuit_end(), which only marks it; the circuit's task tells and frees, so that no callback finds it gone.
 */
#ifndef VX6_CIRCUIT_ORIGIN_INTERNAL_H
#define VX6_CIRCUIT_ORIGIN_INTERNAL_H

#include "base/list.h"
#include "circuit/endlink.h"
#include "circuit/onion.h"
#include "circuit/origin.h"
#include "transport/mux/mux.h"
#include "wire/cell.h"
#include "wire/code.h"

struct vx6_origin {
	struct vx6_origin_config cfg;
	struct vx6_list circuits, ways;
	uint64_t next_id;
	struct mux_growth growth; /* of what streams over all circuits may hold */
};

/*
 * The way to a first hop: circuits that wait for a session with it or use one, and for anonymous ones the session itself, which is nobody
 * else's. It is dialled once for all who wait, and kept for a while after the last has gone.
 */
struct way {
	struct vx6_list node, users;
	struct vx6_origin *o;
	struct vx6_node_id peer;
	bool anonymous;
	uint64_t session_id; /* anonymous: 0 or the one that we dialled */
	struct vx6_dialing *dialing;
	struct vx6_timer idle;
};

/* One hop of a circuit, planned or there. */
struct chop {
	struct vx6_node_id node;
	uint8_t onion_key[VX6_ONION_KEY_BYTES];
	uint8_t *record; /* owned; NULL: none, or no longer needed */
	size_t record_n;
	struct onion_hs *hs; /* our half of its handshake, while under way */
	uint8_t kh[VX6_CB_BYTES];
	uint32_t rtt_us, built_us;
	bool draining;
	bool ping_due;                /* to be sent when there is room */
	uint64_t ping_token, ping_ns; /* 0: no answer is due */
};

struct vx6_circuit {
	struct vx6_list node, way_node;
	struct vx6_origin *o;
	const struct vx6_circuit_events *ev; /* NULL: nobody listens any more */
	void *user;
	uint64_t id;
	enum vx6_circuit_state state;
	struct chop hop[VX6_CIRCUIT_HOPS_MAX];
	uint8_t word[VX6_CIRCUIT_WORD_MAX]; /* for the last hop; secret */
	uint8_t word_type, word_n;          /* 0: none, or said */
	uint8_t hops_n, built_n, kept_n;    /* planned, there, there at the latest `built` */
	bool anonymous, may_return, nest;
	bool create_due, extend_due; /* to be sent when there is room */
	bool drains;                 /* a hop said so: DRAINING once it is OPEN */
	bool answered; /* RENDEZVOUS2 has come: what is behind it is read once the join is known */
	bool joined, acceptor; /* the last hop is the other end */
	bool pong_due;         /* to the other end */
	uint64_t pong;
	struct vx6_list says; /* struct saying, oldest first */
	uint8_t says_n;
	bool shaping; /* it is to look as if it carried a stream */
	uint8_t shape_with,
		shape_owes;     /* the hop that PADs go to, and how many of its own are to come */
	struct vx6_timer pause; /* before the next one */
	bool closing;           /* nobody wants it any more, once its shape is complete */
	bool ended, leaving;    /* marked; what was sent is given time to leave */
	vx6_err why;
	int fault;
	struct onion *onion;
	struct way *way;
	struct vx6_dial_request *dial; /* owned, until the first hop is there */
	struct vx6_opening *opening;
	struct vx6_hop *link; /* the first hop's cells */
	struct vx6_endlink *end;
	bool end_waits; /* it was told that there is no room */
	uint8_t *room;  /* the cell that the end link composes in */
	struct vx6_task task;
	struct vx6_timer timer; /* building; closing; leaving */
	uint64_t session_id;
	uint64_t began_ns, step_ns, built_ns;
	uint64_t tx_cells, rx_cells, tx_bytes, rx_bytes;
};

/* origin.c */
/** One that has no way to its first hop yet. */
VX6_RES circuit_new(struct vx6_origin *o, const struct vx6_circuit_plan *plan,
		    const struct vx6_circuit_events *ev, void *user, struct vx6_circuit **out);
/** Marks the end; the first reason stays. */
void circuit_end(struct vx6_circuit *c, vx6_err why, int fault);
void circuit_violation(struct vx6_circuit *c, int fault);

/* origin_first.c */
/** Opens the circuit's stream to its first hop, over a session that is there or is dialled. */
void first_begin(struct vx6_circuit *c);
/** The stream to the first hop is open. */
void first_linked(struct vx6_circuit *c, struct vx6_stream *stream);
/** Leaves the way: the opening is cancelled, a dial that nobody waits for too. */
void first_leave(struct vx6_circuit *c);
void way_free(struct way *w);

/* origin_build.c */
/** Composes the CREATE of the first hop. */
VX6_RES origin_create(struct vx6_circuit *c, uint8_t cell[static VX6_CELL_BYTES]);
/** Sends EXTEND for the next hop, now or when there is room. */
void origin_extend(struct vx6_circuit *c);
/** The next hop has answered. */
void origin_created(struct vx6_circuit *c, const struct vx6_created *created);
/** The last hop could not reach the next. */
void origin_refused(struct vx6_circuit *c, uint16_t code);
/** Drops what is kept of handshakes that lead nowhere any more, from hop @p from on. */
void origin_forget(struct vx6_circuit *c, int from);

/* origin_hs.c */
/** Whether cells are to stay where they are: they belong to a link that is not there yet. */
bool hs_holds(const struct vx6_circuit *c);
/** Sends what is to be said, as far as there is room. @return nothing is left */
bool hs_flush(struct vx6_circuit *c);
/** The last hop says something of hidden services. */
VX6_RES hs_said(struct vx6_circuit *c, int from, const struct vx6_payload *p);
void hs_free(struct vx6_circuit *c);

/* origin_shape.c */
/** The last hop was told what clients of hidden services say: from now on the circuit exchanges PADs with it. */
void shape_begin(struct vx6_circuit *c);
/** Sends the next PAD, if it is time and there is room. */
void shape_step(struct vx6_circuit *c);
/** A PAD came from @p from. */
void shape_answered(struct vx6_circuit *c, int from);
/** Keeps it until its shape is complete. @return false: there is nothing to wait for */
bool shape_close(struct vx6_circuit *c);

/* origin_cells.c */
extern const struct vx6_hop_events circuit_cells;
extern const struct vx6_endlink_io circuit_end_io;
/** A cell to compose a payload in, at VX6_CELL_PAYLOAD_AT. @return NULL: none now; cells_work() is called when there is */
uint8_t *cells_room(struct vx6_circuit *c);
/** Fills, encrypts for hop @p to and sends the last room, of whose payload @p used bytes are said. */
void cells_send(struct vx6_circuit *c, uint8_t *cell, int to, size_t used);
/** Sends what waited for room. */
void cells_work(struct vx6_circuit *c);

#endif
