/**
 * @file mux.h
 * The stream multiplexer over an ordered, authenticated channel of frames: streams, credit, fair writing. Shared by tcp/ and mem/, and by circuits.
 *
 * Spec:    schemas/wire/mux.md
 * Layer:   transport (private to it, but for the layer circuit, which puts the frames into cells)
 * Shape:   a pure core: frames in by mux_input(), frames out through struct mux_io, time as an argument. No sockets, no TLS.
 * Trust:   frames are hostile. Every byte is counted against the windows we granted before it is looked at; a frame that cannot be
 *          right ends the link. Stream ids of each side must come in order, so the id table needs no keyed hash.
 * Threads: the loop's thread
 *
 * Receive credit, of each stream and of the link:  avail + held + freed == window
 *   avail: the peer may still send · held: delivered, not yet given back by the receiver · freed: given back, not yet granted again
 *
 * Credit is granted by quarters of a window, so that a sender whose window is as large as what is on its way has the other three to go on with. A
 * window of which half was drained in less than two round trips doubles.
 */
#ifndef VX6_TRANSPORT_MUX_MUX_H
#define VX6_TRANSPORT_MUX_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/list.h"
#include "transport/transport.h"
#include "wire/mux.h"

enum {
	MUX_STREAM_WINDOW =
		256 *
		1024, /* what every stream begins with: known to both sides, never on the wire */
	MUX_LINK_WINDOW = 1024 * 1024,
	MUX_QUANTUM = 4,               /* frames a waiting stream may write in its turn */
	MUX_QUANTUM_BYTES = 16 * 1024, /* and, where frames are short, as many as this takes */
	MUX_SEGS = 512,                /* payloads gathered before they are handed up */
};

struct mux;

/** What the core asks of the link that carries it. Calls come from inside mux calls and must not call back into the core. */
struct mux_io {
	/**
	 * A place to compose frames in: VX6_MUX_HEADER bytes, then the payloads of *frames full frames (of mux_config.frame_max) in a row. Valid until
	 * the next `room`.
	 * @param urgent  one control frame: may use the part of the send buffer that data leaves free
	 * @param frames  1 or more, written on success
	 * @return NULL: none now; mux_work() is to be called when there is
	 */
	uint8_t *(*room)(struct mux *m, bool urgent, size_t *frames);
	/**
	 * Takes one frame out of the last room. Frames are taken in order, and the header of each stands on the last bytes of the payload before:
	 * a frame must have been copied or encrypted elsewhere by the return, and what follows it be left alone.
	 */
	void (*send)(struct mux *m, uint8_t *frame, size_t n);
	/** Asks for mux_work() to be called before the loop sleeps. */
	void (*wake)(struct mux *m);
	/** Upcalls, made only from mux_deliver(). */
	void (*stream)(struct mux *m, struct vx6_stream *s);
	void (*draining)(struct mux *m);
};

/** Payloads of one receive batch, shared by the links of a transport: used only between mux_input() and mux_deliver(). */
struct mux_batch {
	int n;
	struct {
		struct iovec iov;
		int next;
	} seg[MUX_SEGS];
};

/**
 * What the windows of several links may grow by, in sum. None grows by more than what it leaves to the others, and one that has gives back as it is
 * drained: so n links that all want much end with an equal share, and a part of that is always left for the next one.
 */
struct mux_growth {
	size_t max, used;
};

/** One direction of receive credit. */
struct mux_credit {
	uint32_t avail, held, freed, window, window_max;
	uint32_t drained; /* granted since then */
	uint64_t drained_ns;
	struct mux_growth *growth; /* NULL: window_max alone bounds it */
	uint32_t grown;            /* taken from there */
};

struct mux {
	const struct mux_io *io;
	struct vx6_link *link; /* what its streams answer for vx6_stream_link() */
	const struct vx6_transport_ops *ops;
	struct mux_batch *batch;
	uint64_t now_ns; /* set by the link before each call */
	bool initiator, dead, goaway_tx, goaway_rx, goaway_told;
	uint32_t goaway_code; /* the peer's latest */
	uint32_t frame_max;
	uint32_t own_next, peer_last;
	uint32_t own_n, own_max, peer_n, peer_max; /* streams, until their last frame has left */
	struct vx6_stream **bucket;
	uint32_t buckets_n, table_n;
	struct vx6_list all;
	/* sending */
	uint32_t tx_credit;
	struct vx6_list waiting; /* streams with credit that wait for room, in turn */
	struct vx6_stream *serving;
	int quantum;
	struct vx6_stream *reserved;
	uint8_t *reserved_at;
	size_t reserved_cap;
	/* receiving */
	struct mux_credit rx;
	uint32_t stream_window, stream_window_max;
	struct vx6_list touched; /* streams with news in this batch */
	/* control frames that wait for room */
	uint8_t ctl;
	uint64_t ping_token, pong_token;
	uint64_t ping_sent_ns, ping_last_ns; /* 0: no answer is due; when the last one left */
	struct vx6_list urgent;
	struct vx6_list closing; /* streams whose `closed` is due */
	uint32_t srtt_us, rttvar_us;
};

struct mux_config {
	const struct mux_io *io;
	struct vx6_link *link;
	const struct vx6_transport_ops *ops;
	struct mux_batch *batch; /* borrowed for the life of the mux */
	bool initiator;
	const struct vx6_transport_limits *limits;
	struct mux_growth *
		growth; /* of the link's window; borrowed for the life of the mux. NULL: only the limits bound it */
	uint32_t own_streams_max, peer_streams_max; /* open at once */
	/* bytes of payload that a frame of ours has at most; 0: VX6_MUX_PAYLOAD_MAX. At least VX6_RESERVE_LINK */
	uint32_t frame_max;
};

void mux_init(struct mux *m, const struct mux_config *cfg, uint64_t now_ns);
/** Ends every stream with @p why (their `closed` fires now) and frees them. After it the mux is dead. */
void mux_end(struct mux *m, vx6_err why);

/**
 * Takes in one frame. Its payload is borrowed until the next mux_deliver().
 * @return VX6_OK | PROTOCOL: the link must end
 */
VX6_RES mux_input(struct mux *m, const uint8_t *frame, size_t n);
/** Whether mux_deliver() must come before more input. */
bool mux_batch_is_full(const struct mux *m);
/** Hands up what came in: new streams, data, ends. */
void mux_deliver(struct mux *m);

/** Writes pending control frames, then lets waiting streams write in turn, as long as there is room. */
void mux_work(struct mux *m);
/** Fires `closed` of the streams that have ended. */
void mux_reap(struct mux *m);
/** Whether someone waits for room (rather than for credit). */
bool mux_wants_room(const struct mux *m);

/**
 * Watches for silence: asks for a probe when one is due.
 * @param rx_ns    when something last came
 * @param next_ms  when to call again, in ms from now; 0: never
 * @return VX6_OK | IDLE: the link must end
 */
VX6_RES mux_watch(struct mux *m, const struct vx6_transport_limits *limits, uint64_t rx_ns,
		  uint64_t *next_ms);
void mux_ping(struct mux *m);
void mux_goaway(struct mux *m);
/** Composes the GOAWAY that goes before an end with @p why. @return bytes */
size_t mux_goodbye(uint8_t frame[static VX6_MUX_HEADER + 4], vx6_err why);
/** Why the peer ended the link: what its last GOAWAY said, else CLOSED. */
vx6_err mux_end_reason(const struct mux *m);

/* Stream operations of transport.h */
VX6_RES mux_stream_open(struct mux *m, const struct vx6_stream_events *ev, void *user,
			struct vx6_stream **out);
void mux_stream_set_events(struct vx6_stream *s, const struct vx6_stream_events *ev, void *user);
uint8_t *mux_stream_reserve(struct vx6_stream *s, size_t *cap);
void mux_stream_commit(struct vx6_stream *s, size_t n, bool fin);
void mux_stream_consume(struct vx6_stream *s, size_t n);
void mux_stream_reset(struct vx6_stream *s, uint32_t code);
void mux_stream_limit(struct vx6_stream *s, uint32_t window_max);
bool mux_stream_pass(struct vx6_stream *from, struct vx6_stream *to);

#endif
