/**
 * @file tcp_internal.h
 * What the files of the TLS/TCP family share: the instance, a listener, a link.
 *
 * Spec:    schemas/wire/session.md, schemas/wire/mux.md
 * Layer:   transport
 * Threads: the loop's thread
 *
 *   link: CONNECT (dialling) -> TLS -> UP -> DYING -> gone
 *   An accepted link begins in TLS and gets its session with its first bytes, so that a connection that says nothing costs little.
 *   DYING is entered by link_fail() from anywhere and left by the link's task, where `down` is fired and the memory freed.
 */
#ifndef VX6_TRANSPORT_TCP_TCP_INTERNAL_H
#define VX6_TRANSPORT_TCP_TCP_INTERNAL_H

#include "base/log.h"
#include "loop/loop.h"
#include "transport/guard.h"
#include "transport/mux/mux.h"
#include "transport/tls.h"
#include "transport/transport.h"

enum {
	TCP_RECORD_HEAD = 5,
	TCP_RECORD_MAX = TCP_RECORD_HEAD + VX6_MUX_FRAME_MAX + 1 + 16, /* content type and tag */
	TCP_IN_BYTES = 256 * 1024,                                     /* one recv */
	TCP_IN_TLS_BYTES = 16 * 1024, /* one recv during the handshake */
	TCP_PLAIN_BYTES = TCP_IN_BYTES + 2 * TCP_RECORD_MAX,
	TCP_OUT_DATA = 16 * TCP_RECORD_MAX,       /* data fills the send buffer up to here */
	TCP_OUT_BYTES = TCP_OUT_DATA + 32 * 1024, /* the rest is for control frames */
	TCP_OUT_DATA_MIN =
		4 * TCP_RECORD_MAX, /* and only up to here while the network takes less */
	TCP_OUT_SPARE = 4,          /* empty send buffers kept at hand */
	TCP_NOTSENT = 256 * 1024,   /* bytes the kernel may hold that have not left */
	TCP_ACCEPT_BATCH = 16,
	TCP_BUFFERS_IDLE_MS = 1000, /* unused for so long, shared buffers go back to the system */
};

struct vx6_transport {
	struct vx6_loop *loop;
	struct vx6_transport_limits limits;
	struct vx6_tls *tls;
	struct vx6_guard guard;
	struct vx6_list links, listeners;
	struct vx6_list shaking; /* accepted links in handshake, oldest first */
	struct vx6_list leaving; /* sockets of links that we ended, oldest first */
	uint32_t links_n, shaking_n, leaving_n;
	bool closing;
	int spare_fd; /* given up for a moment when descriptors run out, so that a connection can be taken and closed */
	struct vx6_ratelimit log_refused, log_failed;
	/* shared by all links, used within one callback */
	struct mux_batch batch;
	uint8_t *in, *plain;
	const uint8_t *feed; /* what the TLS session may read now */
	size_t feed_n;
	uint8_t *out_spare[TCP_OUT_SPARE];
	int out_spare_n;
	struct vx6_timer buffers_timer;
	bool buffers_used;
};

struct vx6_listener {
	struct vx6_transport *t;
	struct vx6_list node;
	struct vx6_io io;
	struct vx6_addr at;
	const struct vx6_accept_events *ev;
	void *user;
	int fd;
};

enum link_state { LINK_CONNECT, LINK_TLS, LINK_UP, LINK_DYING };

/* Ciphertext on its way out: bytes [head, tail) of p. */
struct out {
	uint8_t *p; /* NULL: empty */
	size_t head, tail;
	size_t data_limit; /* adapts to what the network takes at a time */
	bool blocked;      /* the kernel took less than all */
	bool broken; /* the peer takes no more: nothing is sent, but what it sent is still read */
};

struct vx6_link {
	struct vx6_link_base base;
	struct vx6_transport *t;
	struct vx6_list node, shaking;
	const struct vx6_link_events *ev;
	void *user;
	enum link_state state;
	bool initiator, anonymous;
	bool for_others; /* vx6_dial.for_others */
	bool told_up;
	bool polite; /* we end it: tell the peer */
	vx6_err why;
	int fd;
	struct vx6_io io;
	struct vx6_timer timer;
	struct vx6_task task;
	struct WOLFSSL *ssl;
	struct vx6_tls_peer peer;
	uint8_t channel_binding[VX6_CB_BYTES];
	struct vx6_addr local, remote;
	struct out out;
	struct mux mux;
	uint64_t rx_ns; /* when the last bytes came */
	uint64_t rx_bytes, tx_bytes;
};

/* tcp.c */
/** @return borrowed until the callback ends; never NULL */
uint8_t *tcp_in_buffer(struct vx6_transport *t);
uint8_t *tcp_plain_buffer(struct vx6_transport *t);
uint8_t *tcp_out_take(struct vx6_transport *t);
void tcp_out_give(struct vx6_transport *t, uint8_t *p);

/* link.c */
/** Begins to watch @p fd, which the link owns from here on, also on failure. */
VX6_RES link_start(struct vx6_transport *t, int fd, enum link_state state, struct vx6_link **out);
void link_wake(struct vx6_link *link);
/** The end, told by the link's task. Idempotent: the first reason stays. */
void link_fail(struct vx6_link *link, vx6_err why);
/** The end because the connection is gone: for the reason the peer gave before, else @p why. */
void link_lost(struct vx6_link *link, vx6_err why);
/** Tells the end and frees. */
void link_finish(struct vx6_link *link);
void link_up(struct vx6_link *link);

/* handshake.c */
/** Takes the handshake further with the bytes of the feed. The link may be UP or DYING after it. */
void handshake_step(struct vx6_link *link);
/** A dialling socket became writable. */
void handshake_connected(struct vx6_link *link);

/* leave.c */
/** Takes @p fd and what waits in @p out: sends it, says the end, and closes once the peer has hung up or some time later. */
void tcp_leave(struct vx6_transport *t, int fd, struct out *out);
void tcp_leave_all(struct vx6_transport *t);

/* record.c */
void record_bind(struct vx6_link *link);
/** Decrypts the feed, frame by frame, into the mux. */
void record_read(struct vx6_link *link);
/** Tells the peer why the link ends. */
void record_goodbye(struct vx6_link *link);
extern const struct mux_io record_mux_io;

/* out.c */
/** Makes sure that @p n bytes fit. @return where they go, NULL when they do not */
uint8_t *out_room(struct vx6_link *link, size_t n, size_t limit);
/** Sends what is there. */
void out_flush(struct vx6_link *link);
void out_release(struct vx6_link *link);

#endif
