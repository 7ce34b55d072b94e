/**
 * @file transport.h
 * One interface for all links between nodes: dial and listen, streams with back-pressure, mutual authentication by raw Ed25519 keys.
 *
 * Spec:    schemas/wire/session.md, schemas/wire/mux.md
 * Layer:   transport
 * Trust:   every byte of the peer is hostile. A link comes up only after the TLS 1.3 handshake proved the peer's key (or that it
 *          has none, where an anonymous peer is allowed); which node that key speaks for is the session's business (HELLO).
 * Threads: the loop's thread
 * Upcalls: never from inside a call down: what a call causes is reported in a later callback of the loop.
 *          From `up`, `stream`, `data`, `writable` the receiver may call anything, including close and reset.
 *
 * A *link* is one QUIC connection or one TLS/TCP connection (or a memory pair). A *stream* is a bidirectional, ordered, flow-controlled
 * byte channel of a link with a half-close on each side. Both families behave alike: tests/unit/transport/conformance.c holds them to it.
 *
 *   link:   dial/accept -> [handshake] -> up -> (drain) -> down          `down` fires exactly once, last, also when `up` never did
 *   stream: open/`stream` -> data*, writable* -> closed                  `closed` fires exactly once, last
 */
#ifndef VX6_TRANSPORT_TRANSPORT_H
#define VX6_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/addr.h"
#include "base/err.h"
#include "crypto/sign.h"
#include "loop/loop.h"

#define VX6_TRANSPORT_ABI 2

enum {
	VX6_RESERVE_MIN =
		128, /* bytes that a reservation has at least: any OPEN or answer fits into one */
	VX6_RESERVE_LINK =
		160, /* and on a stream of a link: so much for one that frames what it carries */
	VX6_CB_BYTES = 32, /* channel binding: TLS exporter "EXPERIMENTAL-vx6-cb" */
};
#define VX6_ALPN "vx6/1"

struct vx6_transport; /* one configured instance of a family: keys, limits, its links */
struct vx6_listener;
struct vx6_link;
struct vx6_stream;

/* ---- configuration ---- */

struct vx6_transport_limits {
	uint32_t handshake_ms; /* 5000: a link that is not up by then goes down with TIMEOUT */
	uint32_t
		idle_ms; /* 60000: nothing received for so long ends the link with IDLE; 0: never */
	uint32_t keepalive_ms;  /* 15000: silence after which a probe is sent; 0: none */
	uint32_t stream_window; /* 256 KiB: receive window a stream begins with */
	uint32_t
		stream_window_max; /* 16 MiB: it doubles up to here while drained in under two round trips */
	uint32_t link_window;      /* 1 MiB */
	uint32_t link_window_max;  /* 64 MiB */
	uint32_t streams_max;      /* 65536: open streams a peer with a key may have */
	uint32_t streams_max_anon; /* 1024: and one without */
	uint32_t links_max;        /* 4096: links of this instance, in handshake or up */
	uint32_t
		handshakes_max; /* 512: in handshake at once; above, QUIC answers with Retry first and TCP closes the oldest */
	uint32_t
		handshakes_per_s; /* 20: new handshakes a second from one /48 (v4 /24); above, QUIC Retry, then drop; loopback exempt from drops */
};
void vx6_transport_limits_default(struct vx6_transport_limits *out);

struct vx6_transport_config {
	struct vx6_loop *loop; /* borrowed for the instance's life */
	const struct vx6_sign_keypair
		*key; /* copied; the online signing key S. Its public half is our raw public key */
	struct vx6_transport_limits limits;
};

/* ---- events ---- */

struct vx6_link_events {
	/** Handshake done, peer's key checked: vx6_link_info() is complete. */
	void (*up)(struct vx6_link *link, void *user);
	/** The peer opened a stream. Set its events now (vx6_stream_set_events) or it is reset. */
	void (*stream)(struct vx6_link *link, struct vx6_stream *stream, void *user);
	/** The peer asked to drain (GOAWAY): open no new streams. Optional. */
	void (*draining)(struct vx6_link *link, void *user);
	/** The peer's (or our) address changed and the new path is validated. Optional. */
	void (*path)(struct vx6_link *link, void *user);
	/** The end. All its streams have been closed before. The link's memory is gone after the return. */
	void (*down)(struct vx6_link *link, vx6_err why, void *user);
};

struct vx6_accept_events {
	/** A new incoming link, before its handshake. Give its events by vx6_link_set_events(), or it is closed. */
	void (*accept)(struct vx6_listener *listener, struct vx6_link *link, void *user);
};

struct vx6_stream_events {
	/**
	 * Bytes in order, gathered over one wake-up. Borrowed for the call: the receiver takes (copies or writes) all of them,
	 * and gives the credit back by vx6_stream_consume() once they have left its own hands; until then at most the receive
	 * window can be outstanding.
	 * @param n    iovecs, may be 0 when only @p fin is news
	 * @param fin  the peer will send no more
	 */
	void (*data)(struct vx6_stream *stream, const struct iovec *iov, int n, bool fin,
		     void *user);
	/** There is room again after vx6_stream_reserve() said there was none. Fired in round-robin order among a link's streams. */
	void (*writable)(struct vx6_stream *stream, void *user);
	/**
	 * The end: both directions finished and acknowledged (@p why OK, @p code 0), or reset by the peer (RESET, its code), or
	 * reset by us (RESET, our code), or the link went down (its reason). The stream's memory is gone after the return.
	 */
	void (*closed)(struct vx6_stream *stream, vx6_err why, uint32_t code, void *user);
};

/* ---- what can be asked of a link ---- */

struct vx6_link_info {
	const char *transport; /* "quic" | "tcp" | "mem" */
	struct vx6_addr local, remote;
	bool initiator; /* we dialled */
	bool is_up;
	bool has_peer_key; /* false: anonymous peer */
	struct vx6_sign_pk peer_key;
	struct vx6_sign_pk
		own_key; /* what we presented, or will: set_key() changes it for new links only; zero: none */
	uint8_t channel_binding[VX6_CB_BYTES];
	uint32_t srtt_us; /* 0: not known yet */
	uint32_t rttvar_us;
	uint32_t path_mtu;                 /* bytes of UDP payload, or TCP MSS */
	uint64_t rx_bytes, tx_bytes;       /* on the wire, as far as the family can tell */
	uint64_t tx_packets, lost_packets; /* 0 where unknown */
	uint32_t streams;                  /* open now */
};

struct vx6_dial {
	struct vx6_addr to;
	bool anonymous;  /* present no key */
	bool for_others; /* whom it is to is named in no log */
	bool expect_key; /* accept exactly `key` */
	struct vx6_sign_pk key;
};

/* ---- the operations of a family; mandatory unless marked ---- */

struct vx6_transport_ops {
	uint32_t abi;     /* VX6_TRANSPORT_ABI */
	const char *name; /* static */

	/** @param cfg borrowed for the call @param out returns owned; free() */
	vx6_err (*new)(const struct vx6_transport_config *cfg, struct vx6_transport **out);
	/** Closes all links at once (their `down` fires before this returns: the one exception to the upcall rule) and frees. */
	void (*free)(struct vx6_transport *t);
	/**
	 * Links made from now on present @p key; those that exist keep what they were made with.
	 * @param key copied @return on failure the old key stays in use
	 */
	vx6_err (*set_key)(struct vx6_transport *t, const struct vx6_sign_keypair *key);

	/** Binds @p at (port 0: any). An IPv6 wildcard address serves IPv4 too. @param ev borrowed for the listener's life */
	vx6_err (*listen)(struct vx6_transport *t, const struct vx6_addr *at,
			  const struct vx6_accept_events *ev, void *user,
			  struct vx6_listener **out);
	/** The address really bound. */
	void (*listener_addr)(const struct vx6_listener *l, struct vx6_addr *out);
	/** Takes no new links; links that exist stay. Frees @p l. */
	void (*listener_close)(struct vx6_listener *l);

	/** Begins a handshake; the outcome is `up` or `down`. @param ev borrowed for the link's life */
	vx6_err (*dial)(struct vx6_transport *t, const struct vx6_dial *how,
			const struct vx6_link_events *ev, void *user, struct vx6_link **out);
	void (*link_set_events)(struct vx6_link *link, const struct vx6_link_events *ev,
				void *user);
	void (*link_info)(const struct vx6_link *link, struct vx6_link_info *out);
	/** Tells the peer to open no more streams (GOAWAY). */
	void (*link_drain)(struct vx6_link *link);
	/** Tells the peer and ends the link; `down` follows with @p why. Idempotent. */
	void (*link_close)(struct vx6_link *link, vx6_err why);
	/** Optional: own addresses or devices changed: move to a new path (QUIC) or learn early that the path is dead. */
	void (*link_rebind)(struct vx6_link *link);

	/** Opens a stream; nothing is sent before the first commit. @return VX6_OK | LIMIT (peer allows no more now) | DRAINING | CLOSED */
	vx6_err (*stream_open)(struct vx6_link *link, const struct vx6_stream_events *ev,
			       void *user, struct vx6_stream **out);
	void (*stream_set_events)(struct vx6_stream *s, const struct vx6_stream_events *ev,
				  void *user);
	/**
	 * Room to write into: credit of the peer, of the link and of our own send buffers allows @p *cap bytes right now, contiguous, and
	 * at least VX6_RESERVE_MIN (a family's own streams VX6_RESERVE_LINK): so what is no longer never has to wait for a second `writable`.
	 * Only one reservation of a link may be open, and it must be ended by stream_commit() before the loop is returned to.
	 * @return NULL with *cap 0: less; `writable` will fire
	 */
	uint8_t *(*stream_reserve)(struct vx6_stream *s, size_t *cap);
	/** Sends the first @p n bytes of the reservation (n may be 0, also without a reservation), then FIN if @p fin. Sent at the latest before the loop sleeps. */
	void (*stream_commit)(struct vx6_stream *s, size_t n, bool fin);
	/** Gives @p n bytes of receive credit back. */
	void (*stream_consume)(struct vx6_stream *s, size_t n);
	/** Ends both directions at once, unsent and unread bytes are dropped; `closed` follows. Idempotent. */
	void (*stream_reset)(struct vx6_stream *s, uint32_t code);
	/**
	 * Optional: the receive window of @p s grows no further than @p window_max, so that what a peer can have us hold of it has that bound. What was
	 * granted stays granted: to be called before the stream has carried much, and again when the limit is another. A family that keeps unacknowledged bytes
	 * of a stream keeps no more than four times as many.
	 */
	void (*stream_limit)(struct vx6_stream *s, uint32_t window_max);
	/**
	 * Optional: families whose streams write in turn. From inside `writable` of @p from: @p to, another stream of the link, gets what is
	 * left of the turn, as if its `writable` were firing, and @p from waits in its place.
	 * @return false: @p to does not wait for its turn (but for credit of the peer, or for nothing)
	 */
	bool (*stream_pass)(struct vx6_stream *from, struct vx6_stream *to);
};

/* Every link and stream begins with these, so that the calls below need no table. */
struct vx6_link_base {
	const struct vx6_transport_ops *ops;
};
struct vx6_stream_base {
	const struct vx6_transport_ops *ops;
	struct vx6_link *link;
};

extern const struct vx6_transport_ops vx6_transport_quic;
extern const struct vx6_transport_ops vx6_transport_tcp;
extern const struct vx6_transport_ops vx6_transport_mem;

/* ---- the same, as calls on a link or a stream ---- */

static inline const struct vx6_transport_ops *vx6_link_ops(const struct vx6_link *link)
{
	return ((const struct vx6_link_base *)(const void *)link)->ops;
}
static inline const struct vx6_transport_ops *vx6_stream_ops(const struct vx6_stream *s)
{
	return ((const struct vx6_stream_base *)(const void *)s)->ops;
}
static inline struct vx6_link *vx6_stream_link(const struct vx6_stream *s)
{
	return ((const struct vx6_stream_base *)(const void *)s)->link;
}
static inline void vx6_link_set_events(struct vx6_link *link, const struct vx6_link_events *ev,
				       void *user)
{
	vx6_link_ops(link)->link_set_events(link, ev, user);
}
static inline void vx6_link_info(const struct vx6_link *link, struct vx6_link_info *out)
{
	vx6_link_ops(link)->link_info(link, out);
}
static inline void vx6_link_drain(struct vx6_link *link)
{
	vx6_link_ops(link)->link_drain(link);
}
static inline void vx6_link_close(struct vx6_link *link, vx6_err why)
{
	vx6_link_ops(link)->link_close(link, why);
}
static inline VX6_RES vx6_stream_open(struct vx6_link *link, const struct vx6_stream_events *ev,
				      void *user, struct vx6_stream **out)
{
	return vx6_link_ops(link)->stream_open(link, ev, user, out);
}
static inline void vx6_stream_set_events(struct vx6_stream *s, const struct vx6_stream_events *ev,
					 void *user)
{
	vx6_stream_ops(s)->stream_set_events(s, ev, user);
}
static inline uint8_t *vx6_stream_reserve(struct vx6_stream *s, size_t *cap)
{
	return vx6_stream_ops(s)->stream_reserve(s, cap);
}
static inline void vx6_stream_commit(struct vx6_stream *s, size_t n, bool fin)
{
	vx6_stream_ops(s)->stream_commit(s, n, fin);
}
static inline void vx6_stream_consume(struct vx6_stream *s, size_t n)
{
	vx6_stream_ops(s)->stream_consume(s, n);
}
static inline void vx6_stream_reset(struct vx6_stream *s, uint32_t code)
{
	vx6_stream_ops(s)->stream_reset(s, code);
}
static inline void vx6_stream_limit(struct vx6_stream *s, uint32_t window_max)
{
	if (vx6_stream_ops(s)->stream_limit)
		vx6_stream_ops(s)->stream_limit(s, window_max);
}

#endif
