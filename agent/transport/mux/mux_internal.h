/**
 * @file mux_internal.h
 * A stream of the multiplexer, and what its files share.
 *
 * Layer:   transport
 * Threads: the loop's thread
 */
#ifndef VX6_TRANSPORT_MUX_MUX_INTERNAL_H
#define VX6_TRANSPORT_MUX_MUX_INTERNAL_H

#include "transport/mux/mux.h"

/* Control frames that are due, of the link (mux.ctl) and of a stream (vx6_stream.ctl). */
enum {
	CTL_WINDOW = 1,
	CTL_PING = 2,
	CTL_PONG = 4,
	CTL_GOAWAY = 8,
	CTL_RESET = 16,
	CTL_DATA = 32, /* an empty DATA frame: OPEN, FIN or both */
};

/*
 * A stream is in `all` from birth to death, in the id table from its first frame until it closes.
 *
 *   idle -> open -> closing -> (closed fired) -> gone, once its last control frame has left
 *
 * Its id is given with its first frame, so that the ids of a side appear on the wire in order.
 */
struct vx6_stream {
	struct vx6_stream_base base;
	struct mux *mux;
	const struct vx6_stream_events *ev;
	void *user;
	struct vx6_stream *hash_next;
	struct vx6_list all, wait, urgent;
	struct vx6_list turn; /* in mux.touched, later in mux.closing */
	struct mux_credit rx;
	uint32_t tx_credit;
	uint32_t id; /* 0: nothing sent yet */
	int seg_first, seg_last;
	uint32_t code;
	vx6_err why;
	uint8_t ctl;
	bool own;
	bool announced; /* the receiver knows it: opened by us, or `stream` was fired */
	bool starved;   /* asked for room, has no credit */
	bool fin_tx, fin_rx, fin_told, reset_rx;
	bool closing, told;
};

void stream_close(struct vx6_stream *s, vx6_err why, uint32_t code);
void stream_finish_if_done(struct vx6_stream *s);
void stream_free(struct vx6_stream *s);
struct vx6_stream *stream_new(struct mux *m, bool own);
void stream_want_ctl(struct vx6_stream *s, uint8_t what);
void stream_wait(struct vx6_stream *s);

void table_put(struct mux *m, struct vx6_stream *s);
void table_remove(struct mux *m, struct vx6_stream *s);
struct vx6_stream *table_find(const struct mux *m, uint32_t id);
/** Whether @p id has been used, by either side. */
bool id_was_opened(const struct mux *m, uint32_t id);

/** The link has enough for a reservation. */
static inline bool mux_has_credit(const struct mux *m)
{
	return m->tx_credit >= VX6_RESERVE_LINK;
}

void credit_init(struct mux_credit *c, uint32_t window, uint32_t window_max, uint64_t now_ns);
/** What it has grown by is free for others. */
void credit_end(struct mux_credit *c);
/** What to grant now: what is freed, and more when the window was drained quickly, less when others want to grow. */
uint32_t credit_grant(struct mux_credit *c, uint64_t now_ns, uint32_t srtt_us);
bool credit_is_due(const struct mux_credit *c);
void link_give(struct mux *m, uint32_t n);

/** Composes and sends the DATA frame of @p s at @p frame, whose payload of @p n bytes is in place. */
void data_send(struct vx6_stream *s, uint8_t *frame, size_t n, bool fin);

#endif
