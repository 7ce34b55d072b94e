/**
 * @file quic_internal.h
 * What the sources of the QUIC family share: instance, sockets, connections, streams, and who may call what.
 *
 * Spec:    schemas/wire/session.md#quic
 * Layer:   transport
 * Threads: the loop's thread
 *
 * One wake-up runs in three phases, so that nothing is freed or called up while ngtcp2 is on the stack:
 *   1. sockets and timers feed ngtcp2; its callbacks (callbacks.c) only note what happened on the connection
 *   2. deliver.c makes the upcalls of each noted connection: accept, up, stream, data, writable, closed, path, down
 *   3. send.c packs what was committed meanwhile and sends it
 * Phases 2 and 3 are one deferred task of the instance; calls down (stream.c, conn.c) only change state and ask for it.
 */
#ifndef VX6_TRANSPORT_QUIC_QUIC_INTERNAL_H
#define VX6_TRANSPORT_QUIC_QUIC_INTERNAL_H

#include <netinet/in.h>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/siphash.h"
#include "loop/loop.h"
#include "transport/guard.h"
#include "transport/tls.h"
#include "transport/transport.h"

enum {
	QUIC_CID_BYTES = 8,
	QUIC_CHUNK_BYTES = 32 * 1024, /* of stream data, both directions */
	QUIC_CHUNKS_FREE_MAX = 128,   /* kept for reuse: 4 MiB */
	QUIC_CHUNKS_MAX =
		8192, /* in use by one instance for sending: 256 MiB; then reserve() says no */
	QUIC_LINK_CHUNKS_MAX =
		2048,     /* of those by one link: 64 MiB, so that one peer cannot have them all */
	CREDIT_PARTS = 4, /* credit is granted by such parts of a window: as in mux */
	QUIC_SEND_MIN = 256 * 1024, /* unacknowledged bytes a stream may always have */
	QUIC_LINK_SEND_MIN = 1024 * 1024,
	QUIC_LINK_SEND_MAX = 64 * 1024 * 1024,
	QUIC_RX_SLOTS = 8,
	QUIC_SLOT_BYTES = 65536,
	QUIC_TX_BYTES = 65000, /* of one sendmsg(): the segments of one GSO batch */
	QUIC_TX_SEGMENTS = 44,
	QUIC_PROVEN_FACTOR =
		4, /* times handshakes_per_s for addresses that came back with a Retry token */
	QUIC_LINGER_MAX = 1024,   /* closed connections that still answer late packets */
	QUIC_CONTROL_STREAMS = 4, /* unidirectional streams a peer may have: for GOAWAY */
	QUIC_CONTROL_GOAWAY =
		5, /* the first byte on one; same number as the frame of the TCP mux */
};

struct quic_socket;
struct quic_conn;
struct quic_stream;

/* ---- cid.c: everything by which a packet names its connection, as keys of 64 bits that no peer can choose ---- */

struct quic_cid_slot {
	uint64_t key;
	struct quic_conn *conn; /* NULL: empty */
};
struct quic_cid_table {
	struct quic_cid_slot *slot; /* open addressing, power of two */
	size_t cap, n;
	struct vx6_siphash_key secret;
};
void quic_cid_init(struct quic_cid_table *t);
void quic_cid_fini(struct quic_cid_table *t);
/** Key of a connection id that we drew at random ourselves. */
uint64_t quic_cid_key(const uint8_t cid[static QUIC_CID_BYTES]);
/** Key of bytes that a peer chose: its first destination id, a reset token. */
uint64_t quic_cid_key_foreign(const struct quic_cid_table *t, const void *p, size_t n);
struct quic_conn *quic_cid_find(const struct quic_cid_table *t, uint64_t key);
/** @return false: taken by another connection */
bool quic_cid_put(struct quic_cid_table *t, uint64_t key, struct quic_conn *conn);
/** Removes @p key if it names @p conn. */
void quic_cid_remove(struct quic_cid_table *t, uint64_t key, const struct quic_conn *conn);

enum { QUIC_CONN_KEYS_MAX = 64 }; /* ngtcp2 keeps to 8 ids and 8 tokens and those being retired */
struct quic_cid_keys {
	uint64_t *key; /* what names one connection, to be forgotten with it */
	uint32_t n, cap;
};
/** Both tables at once. @return false: taken, or too many */
bool quic_cid_add(struct quic_conn *conn, uint64_t key);
void quic_cid_drop(struct quic_conn *conn, uint64_t key);
void quic_cid_forget(struct quic_conn *conn);

/* ---- chunk.c: stream bytes on their way in or out ---- */

struct quic_chunk {
	struct quic_chunk *next;
	uint64_t offset; /* in the stream, of data[0] */
	uint32_t len;    /* bytes used */
	uint32_t cap;    /* QUIC_CHUNK_BYTES, or less for a small one */
	uint8_t data[];
};
struct quic_pool {
	struct quic_chunk *free;
	size_t free_n;
	size_t tx_n; /* chunks out for sending */
};
struct quic_chunk *quic_chunk_get(struct quic_pool *p);
/** For @p n bytes that came: a small one for a few, or a peer could have us hold 32 KiB for each byte that it sends on another stream. */
struct quic_chunk *quic_chunk_get_for(struct quic_pool *p, size_t n);
/** Nothing will be added to @p c. @return it, or a small one in its place with what it holds */
struct quic_chunk *quic_chunk_shrink(struct quic_pool *p, struct quic_chunk *c);
void quic_chunk_put(struct quic_pool *p, struct quic_chunk *c);
void quic_chunk_put_all(struct quic_pool *p, struct quic_chunk *c);
void quic_pool_fini(struct quic_pool *p);

/* ---- the instance ---- */

struct vx6_transport {
	struct vx6_loop *loop;
	struct vx6_transport_limits limits;
	struct vx6_tls *tls;
	uint8_t static_secret
		[32]; /* reset tokens: from the signing key, so that they outlive a crash */
	uint8_t retry_secret[32]; /* random */
	struct quic_cid_table cids;
	struct quic_pool pool;
	struct vx6_guard plain, proven; /* new handshakes without and with a Retry token */
	struct vx6_list sockets, conns, lingering;
	struct quic_socket *dial_socket;
	struct vx6_list ready;   /* connections with upcalls to make */
	struct vx6_list dirty;   /* connections with packets to write */
	struct vx6_list starved; /* connections whose streams wait for the pool */
	struct vx6_task task;
	uint32_t links, handshakes, lingering_n;
	uint8_t *rx,
		*tx; /* QUIC_RX_SLOTS * QUIC_SLOT_BYTES and QUIC_TX_BYTES; made with the first socket */
	struct vx6_ratelimit log_drop, log_peer, stateless_rate;
};

/** The time for ngtcp2: the loop's, once a wake-up. */
static inline ngtcp2_tstamp quic_now(const struct vx6_transport *t)
{
	return vx6_loop_now_ns(t->loop);
}

/* ---- socket.c ---- */

/** A path as the kernel tells it; addresses are sockaddr_in6 (IPv4 mapped), or sockaddr_in where the kernel has no IPv6. */
struct quic_path {
	union quic_sockaddr {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} local, remote;
	socklen_t len; /* of both */
};

struct quic_socket {
	struct vx6_list node; /* vx6_transport.sockets */
	struct vx6_transport *t;
	struct vx6_listener
		*listener; /* NULL: only dialled connections, or the listener was closed */
	struct vx6_io io;
	int fd;
	int family;
	uint32_t refs; /* connections and the listener */
	union quic_sockaddr bound;
	bool no_gso;
	bool hears_errors; /* ICMP errors come to its error queue, and once each from any call */
	/* what the kernel would not take: the rest of one batch */
	uint8_t *held;
	size_t held_n, held_segment;
	struct quic_path held_path;
	uint8_t held_ecn;
	struct vx6_list waiting; /* connections that want to send once it can */
};

struct vx6_listener {
	struct quic_socket *sock;
	const struct vx6_accept_events *ev;
	void *user;
};

/** @param at  NULL: any address and port @return owned with one reference; quic_socket_unref() */
VX6_RES quic_socket_open(struct vx6_transport *t, const struct vx6_addr *at,
			 struct quic_socket **out);
void quic_socket_unref(struct quic_socket *s);
/** icmp.c: reads the error queue and ends the dials that it speaks of. */
void quic_socket_errors(struct quic_socket *s);
/** Where the kernel would send from to reach path->remote; sets path->local. @param mtu of the route, 0 when unknown */
VX6_RES quic_socket_route(const struct quic_socket *s, struct quic_path *path, uint32_t *mtu);
void quic_path_view(struct quic_path *p, ngtcp2_path *out);
bool quic_path_is_loopback(const struct quic_path *p);

enum quic_sent { QUIC_SENT, QUIC_SENT_BLOCKED, QUIC_SENT_NO_ROUTE, QUIC_SENT_TOO_BIG };
/**
 * Sends @p n bytes as datagrams of @p segment bytes (the last may be shorter). What the kernel cannot take now is kept and sent first
 * later (BLOCKED: stop until then); what it refuses for good is lost, as on the wire.
 * @return NO_ROUTE when the source address of the path is gone; TOO_BIG when the interface takes no datagrams of that size
 */
enum quic_sent quic_socket_send(struct quic_socket *s, const struct quic_path *path, uint8_t ecn,
				const uint8_t *p, size_t n, size_t segment);

/* ---- conn.c ---- */

enum quic_state {
	QUIC_HANDSHAKE,
	QUIC_UP,
	QUIC_CLOSING, /* `down` is due */
	QUIC_LINGER,  /* `down` was made; answers late packets with `goodbye`, then is freed */
};

struct quic_conn {
	struct vx6_link_base base; /* first: this is the vx6_link */
	struct vx6_transport *t;
	struct quic_socket *sock;
	ngtcp2_conn *q; /* NULL while lingering */
	struct WOLFSSL *ssl;
	struct vx6_tls_peer peer;
	ngtcp2_crypto_conn_ref ref;
	const struct vx6_link_events *ev;
	void *user;
	enum quic_state state;
	bool initiator, accept_due, path_due, draining_due, draining_told, drain_sent, drain_wanted;
	bool handshake_done; /* ngtcp2 says so; `up` follows */
	bool counted;        /* in t->handshakes */
	vx6_err why;
	uint8_t channel_binding[VX6_CB_BYTES];
	struct vx6_timer timer;
	uint64_t late_ns;           /* by how much the timer fired late: a busy machine */
	struct vx6_list node;       /* t->conns or t->lingering */
	struct vx6_list ready_node; /* t->ready */
	struct vx6_list dirty_node; /* t->dirty, or sock->waiting */
	struct vx6_list starved_node;
	struct vx6_list streams;      /* all */
	struct vx6_list sendq;        /* with bytes or FIN to pack */
	struct vx6_list stream_ready; /* with upcalls to make */
	struct vx6_list link_blocked; /* wait for room of the link */
	size_t tx_chunks;             /* of the pool, for sending on this link */
	struct quic_stream *reserved; /* has the open reservation */
	uint32_t streams_n;
	uint64_t unacked;    /* bytes in send chunks, all streams */
	uint64_t unsent;     /* of these, not yet in a packet */
	uint64_t unconsumed; /* bytes delivered and not given back, all streams */
	uint64_t owed;       /* link credit held back until they are */
	uint64_t cwnd;       /* as of the last flush */
	uint32_t read_n;     /* datagrams since the last flush */
	uint64_t acked_ns; /* when stream bytes were last acknowledged, or the first of them sent */
	uint64_t
		suspect_ns; /* when the peer was first heard since although nothing was; 0: not so */
	struct quic_cid_keys keys;
	uint64_t odcid_key;
	bool has_odcid_key;
	uint32_t mtu_hint;
	uint8_t *goodbye; /* owned: the CONNECTION_CLOSE packet */
	size_t goodbye_n;
	struct quic_path goodbye_path;
	uint32_t goodbye_asked;
	int64_t control_out; /* our control stream, -1: none */
};

static inline struct quic_conn *quic_conn_of(struct vx6_link *link)
{
	return (struct quic_conn *)(void *)link;
}
static inline struct vx6_link *quic_link_of(struct quic_conn *c)
{
	return (struct vx6_link *)(void *)c;
}

struct quic_initial {
	ngtcp2_pkt_hd hd;
	const ngtcp2_cid
		*odcid; /* of the first Initial, when it came back with a Retry token; else NULL */
};
/** @return owned by the instance */
VX6_RES quic_conn_accept(struct quic_socket *s, struct quic_path *path,
			 const struct quic_initial *first, struct quic_conn **out);
VX6_RES quic_conn_dial(struct quic_socket *s, struct quic_path *path, const struct vx6_dial *how,
		       struct quic_conn **out);
/** Feeds one datagram. The connection may be CLOSING afterwards. */
void quic_conn_read(struct quic_conn *c, struct quic_path *path, uint8_t ecn, const uint8_t *p,
		    size_t n);
/** Ends a link whose path has come to let only small packets through: the next one searches for their size anew. */
void quic_conn_path_shrank(struct quic_conn *c);
/** Has the upcalls of @p c made at the end of the wake-up. */
void quic_conn_ready(struct quic_conn *c);
/** Has the packets of @p c written at the end of the wake-up. */
void quic_conn_dirty(struct quic_conn *c);
/** Begins the end. @param tell  why the peer is told, or NULL: it is not */
void quic_conn_end(struct quic_conn *c, vx6_err why, const ngtcp2_ccerr *tell);
/** The end because ngtcp2 returned @p rv. Not from its callbacks. */
void quic_conn_fail(struct quic_conn *c, int rv);
/** After `down`: keeps what late packets need and lets go of the rest. */
void quic_conn_linger(struct quic_conn *c);
void quic_conn_free(struct quic_conn *c);
/** The path's source address is gone, or addresses or MTUs changed: moves, or ends what got too large packets on its path. */
void quic_conn_rebind(struct quic_conn *c);
/** Sets the timer to the time of ngtcp2's next wish, UINT64_MAX for none. */
void quic_conn_arm(struct quic_conn *c, ngtcp2_tstamp due);

/* ---- callbacks.c ---- */

extern const ngtcp2_callbacks quic_callbacks;

/* ---- aead.c ---- */

int quic_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		 const uint8_t *plaintext, size_t plaintextlen, const uint8_t *nonce,
		 size_t noncelen, const uint8_t *aad, size_t aadlen);
int quic_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		 const uint8_t *ciphertext, size_t ciphertextlen, const uint8_t *nonce,
		 size_t noncelen, const uint8_t *aad, size_t aadlen);
int quic_hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp, const ngtcp2_crypto_cipher_ctx *ctx,
		 const uint8_t *sample);

/* ---- stream.c ---- */

struct quic_stream {
	struct vx6_stream_base base; /* first: this is the vx6_stream */
	const struct vx6_stream_events *ev;
	void *user;
	int64_t id;
	struct vx6_list node;       /* conn->streams */
	struct vx6_list send_node;  /* conn->sendq */
	struct vx6_list ready_node; /* conn->stream_ready */
	struct vx6_list block_node; /* conn->link_blocked */
	/* sending: chunks from the oldest unacknowledged byte on */
	struct quic_chunk *tx_head, *tx_tail, *tx_next; /* tx_next holds the byte at `sent` */
	uint64_t acked, sent, queued;
	uint32_t quantum; /* bytes it may still pack before the next stream's turn */
	size_t reserved;
	/* receiving: bytes gathered in this wake-up, and those that the user has not given back */
	struct quic_chunk *rx_head, *rx_tail;
	uint64_t unconsumed;
	uint64_t freed;              /* given back, not granted again yet */
	uint64_t drained;            /* granted since then */
	uint64_t drained_ns;         /* 0: nothing was granted yet */
	uint32_t window, window_max; /* of receiving */
	uint32_t tx_max;             /* unacknowledged bytes; UINT32_MAX: as the path needs */
	uint32_t code;
	vx6_err why;
	bool fin_wanted, fin_sent, rx_fin, rx_fin_told;
	bool is_new;        /* `stream` is due */
	bool want_writable; /* reserve() said no */
	bool ended;         /* `closed` is due or was made */
	bool told;          /* `closed` was made: the user knows it no more */
	bool gone;          /* ngtcp2 has let go of it */
};

static inline struct quic_stream *quic_stream_of(struct vx6_stream *s)
{
	return (struct quic_stream *)(void *)s;
}
static inline struct vx6_stream *quic_vx6_stream(struct quic_stream *s)
{
	return (struct vx6_stream *)(void *)s;
}
static inline struct quic_conn *quic_stream_conn(const struct quic_stream *s)
{
	return (struct quic_conn *)(void *)s->base.link;
}

struct quic_stream *quic_stream_new(struct quic_conn *c, int64_t id);
/** Frees; also the chunks. */
void quic_stream_free(struct quic_stream *s);
/** Bytes that may be reserved now. @param of_link  set when only the link's limits are in the way */
uint64_t quic_stream_room(const struct quic_stream *s, bool *of_link);
void quic_stream_ready(struct quic_stream *s);
void quic_stream_end(struct quic_stream *s, vx6_err why, uint32_t code);
void quic_stream_received(struct quic_stream *s, const uint8_t *p, size_t n, bool fin);
void quic_stream_acked(struct quic_stream *s, uint64_t upto);
/** The bytes in chunks have become sendable or the stream has a FIN to send. */
void quic_stream_want_send(struct quic_stream *s);
/** Drops what was received and not delivered, and returns the link credit it holds. */
void quic_stream_drop_received(struct quic_stream *s);
/** Streams that wait for room, of the link or of the pool, get `writable` in their turn. */
void quic_conn_unblock(struct quic_conn *c);
/** Fires `writable` if it was asked for and there is room. */
void quic_stream_deliver_writable(struct quic_stream *s);
bool quic_conn_has_room(const struct quic_conn *c);

vx6_err quic_op_stream_open(struct vx6_link *link, const struct vx6_stream_events *ev, void *user,
			    struct vx6_stream **out);
void quic_op_stream_set_events(struct vx6_stream *vs, const struct vx6_stream_events *ev,
			       void *user);
uint8_t *quic_op_stream_reserve(struct vx6_stream *vs, size_t *cap);
void quic_op_stream_commit(struct vx6_stream *vs, size_t n, bool fin);
void quic_op_stream_consume(struct vx6_stream *vs, size_t n);
void quic_op_stream_reset(struct vx6_stream *vs, uint32_t code);
void quic_op_stream_limit(struct vx6_stream *vs, uint32_t window_max);

/* ---- deliver.c, send.c, accept.c ---- */

void quic_deliver(struct quic_conn *c);
void quic_flush(struct quic_conn *c);
/** One datagram from the network, whatever it holds. Never looks beyond [p, p + n). */
void quic_datagram(struct quic_socket *s, struct quic_path *path, uint8_t ecn, const uint8_t *p,
		   size_t n);

#endif
