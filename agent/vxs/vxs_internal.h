/**
 * @file vxs_internal.h
 * A resumable stream, and what the files of the layer share.
 *
 * Layer:   vxs
 * Threads: the loop's thread
 *
 * Offsets of our direction:   una <= sent <= nxt       acknowledged, written to this carrier, written by the application
 * and of the peer's:          told <= got              acknowledged to the peer, handed up
 * An end counts as one more: our end is acknowledged once una == nxt + 1, the peer's is there once fin_got.
 */
#ifndef VX6_VXS_VXS_INTERNAL_H
#define VX6_VXS_VXS_INTERNAL_H

#include "base/list.h"
#include "crypto/table.h"
#include "vxs/vxs.h"

enum {
	CHUNK_MIN = 1024,
	CHUNK_MAX = 64 * 1024,
	CHUNKS_SPARE = 16, /* large chunks at hand while something is kept */
	GROW_SLACK_NS = 500 * 1000,
	LONG_PATH_US = 5000, /* a round trip that no processor makes slow */
	HELD_MAX =
		32 * 1024 * 1024, /* bytes of former carriers that an application has not taken */
	ASIDE_TRIES =
		4, /* ACKs without room on the carrier, VX6_VXS_ACK_MS apart, before one goes aside */
};

/* Bytes that wait for their ACK: [off, off + n). */
struct vxs_chunk {
	struct vxs_chunk *next;
	uint64_t off;
	uint32_t n, cap;
	uint8_t b[];
};

struct vxs_key {
	uint64_t scope;
	uint8_t node[VX6_NODE_ID_BYTES];
	uint8_t id[VX6_VXS_ID_BYTES];
	uint64_t
		role; /* ours: enum vxs_role; wide, so that there is no padding in what is hashed */
};
enum vxs_role { VXS_OPENER = 1, VXS_ACCEPTOR = 2 };

/* What goes before the frames of a carrier, and what is awaited there: only while there is something of it. */
struct vxs_prologue {
	uint8_t out[VX6_OPEN_MAX];
	size_t out_n; /* 0: sent */
	uint8_t in[VX6_VXS_ATTACH_REPLY];
	size_t in_n;
	uint8_t binding[VX6_CB_BYTES];
	uint64_t began_ns;
};

/* Of whom a stream is, and in which scope: what one of them may take does not show in another. */
struct vxs_owner {
	uint64_t scope;
	struct vx6_node_id node;
};

struct vxs_peer {
	struct vxs_owner of;
	struct vx6_list streams; /* vxs_stream.of_peer */
	struct vx6_list lost;    /* vx6_vxs.lost: `adrift` is due */
	size_t n;
	UT_hash_handle hh;
};

struct vxs_stream {
	struct vx6_stream_base base; /* link: the carrier's; NULL without one */
	struct vx6_vxs *m;
	struct vxs_peer *peer;
	const struct vx6_stream_events *ev;
	void *user;
	struct vxs_key key;
	UT_hash_handle hh;
	struct vx6_list of_peer;
	struct vx6_list keeping; /* vxs_keeping(): something is not acknowledged */
	struct vx6_list acking;  /* vx6_vxs.acking: an ACK is due at ack_ns */
	struct vx6_list afloat;  /* vx6_vxs.adrift: without a carrier, or attaching */
	struct vx6_list work;    /* vx6_vxs.work: `closed` or the free is due */

	struct vx6_stream *carrier;
	struct vxs_prologue *prologue;
	uint8_t binding[VX6_CB_BYTES]; /* of the first session: what the secret is made of */
	uint32_t epoch;
	uint64_t adrift_ns;
	struct vx6_vxs_routes routes; /* ours to open: where it may go on */
	uint64_t via_route;           /* of the carrier, or of the last one */
	uint64_t flee_ns;             /* begin of the minute in which it has fled `flees` times */
	uint8_t flees;

	struct vxs_chunk *first, *last,
		*resend; /* resend: holds the byte at `sent`, while sent < nxt */
	uint64_t una, sent, nxt;
	uint64_t progress_ns; /* of the last ACK that freed something, or the first byte kept */
	uint32_t window;
	uint64_t mark, mark_ns; /* written until the window was full, and when; 0: it is not */
	uint8_t *room;          /* the open reservation of the carrier */
	uint8_t room_head;

	uint64_t got, told, ack_ns;
	uint64_t held;    /* handed up, not consumed */
	uint64_t foreign; /* of these, from former carriers: nobody's credit */
	uint32_t left;    /* bytes of the current DATA frame still to come */
	uint8_t head[VX6_VXS_CONTROL];
	uint8_t head_n;
	uint8_t ack_tries;

	uint32_t code;
	vx6_err why;
	bool anonymous; /* we are nobody where it began */
	bool opened;    /* OPEN has left, or came */
	bool attaching;
	bool move_due; /* to another session, once OPEN is answered */
	bool ack_now;
	bool fin_wanted, fin_sent; /* our end: asked for, written to this carrier */
	bool fin_got;
	bool fin_raw; /* our direction of the carrier is over */
	bool want_writable;
	bool fixed;           /* can not be resumed: nothing is kept */
	bool fixed_due;       /* and the peer has to hear of it */
	bool peer_fixed;      /* the peer can not: so do we, once all is on this carrier */
	bool ended, told_end; /* `closed` is due, was made */
	bool tomb; /* reset without a carrier: the next attach brings the peer the code */
};

struct vx6_vxs {
	struct vx6_vxs_config cfg;
	struct vxs_stream *table;
	struct vxs_peer *peers;
	struct vx6_list keeping[3]; /* on links, on circuits, in scopes; each by progress_ns */
	struct vx6_list acking, adrift, work, lost;
	struct vx6_task task;
	struct vx6_timer timer;
	size_t n, kept[2]; /* by vxs_class() */
	struct vxs_chunk *spare;
	size_t spare_n;
	uint64_t spare_ns; /* when one was last put there */
	bool stopping;
};

static inline struct vxs_stream *vxs_of(struct vx6_stream *s)
{
	return (struct vxs_stream *)(void *)s;
}
static inline struct vx6_stream *vxs_as_stream(struct vxs_stream *v)
{
	return (struct vx6_stream *)(void *)v;
}
/* What the peer may be told that we have. */
static inline uint64_t vxs_received(const struct vxs_stream *v)
{
	return v->got + (v->fin_got ? 1 : 0);
}
static inline uint64_t vxs_now_ns(const struct vx6_vxs *m)
{
	return vx6_loop_now_ns(m->cfg.loop);
}

/* Streams of hidden services have memory of their own: that it runs out must not be seen on a stream of the node, nor the other way round. */
static inline int vxs_class(const struct vxs_stream *v)
{
	return v->key.scope != 0;
}

static inline struct vx6_list *vxs_keeping(struct vxs_stream *v)
{
	return &v->m->keeping[vxs_class(v) ? 2 : v->via_route != 0];
}

/* ---- vxs.c ---- */

/** Something of @p v waits for its ACK from now on. */
void vxs_keep_watch(struct vxs_stream *v);
/** The session that its carrier belongs to. */
void vxs_set_via(struct vxs_stream *v, const struct vx6_vxs_via *via);
/** For how long a circuit may be silent. */
uint64_t vxs_circuit_stall_ns(const struct vx6_link *link);

/** Streams of the scope of @p via only. */
struct vxs_stream *vxs_find(struct vx6_vxs *m, const struct vx6_vxs_via *via,
			    const uint8_t id[static VX6_VXS_ID_BYTES], enum vxs_role role);
struct vxs_peer *vxs_peer_find(const struct vx6_vxs *m, uint64_t scope,
			       const struct vx6_node_id *node);
/** @return NULL: the id is in use */
struct vxs_stream *vxs_new(struct vx6_vxs *m, const struct vx6_vxs_via *via,
			   const uint8_t id[static VX6_VXS_ID_BYTES], enum vxs_role role);
/** Has `closed` made, and frees the stream once nothing refers to it. */
void vxs_work(struct vxs_stream *v);
/** Has the timer fire no later than @p due_ns. */
void vxs_wake_at(struct vx6_vxs *m, uint64_t due_ns);

/* ---- stream.c ---- */

extern const struct vx6_transport_ops vxs_ops;
extern const struct vx6_stream_events vxs_carrier_events;
/** The stream is over for its user. Its carrier stays if @p why is OK: the last ACK may still have to leave. */
void vxs_end(struct vxs_stream *v, vx6_err why, uint32_t code);
/** Both ends are done? Then so is the stream. */
void vxs_end_if_done(struct vxs_stream *v);
/** Lets go of the carrier, resetting it. */
void vxs_carrier_drop(struct vxs_stream *v, uint32_t code);
/** The carrier is gone. @param why what ended it */
void vxs_adrift(struct vxs_stream *v, vx6_err why);
/** Has `adrift` told, from the task. */
void vxs_tell_lost(struct vxs_stream *v);
/** Tells the application that it may write, if it waits for that and may. */
void vxs_tell_writable(struct vxs_stream *v);
/** Gives @p stream events that swallow everything. */
void vxs_discard(struct vx6_stream *stream);

/* ---- keep.c ---- */

void vxs_keep(struct vxs_stream *v, const uint8_t *p, size_t n);
/** @return VX6_OK | FORMAT: an offset that cannot be */
VX6_RES vxs_take_ack(struct vxs_stream *v, uint64_t off);
void vxs_drop_kept(struct vxs_stream *v);
/** The stream can no longer be resumed. */
void vxs_fix(struct vxs_stream *v);
void vxs_spare_free(struct vx6_vxs *m);

/* ---- send.c ---- */

/** Writes what is due, in order: prologue, bytes sent before on another carrier, FIN, ACK. */
void vxs_flush(struct vxs_stream *v);
/** Whether new bytes of the application may follow. */
bool vxs_may_write(const struct vxs_stream *v);
uint8_t *vxs_reserve(struct vx6_stream *s, size_t *cap);
void vxs_commit(struct vx6_stream *s, size_t n, bool fin);
/** Something arrived: sees to it that it is acknowledged in time. */
void vxs_owe_ack(struct vxs_stream *v);

/* ---- recv.c ---- */

/** Bytes of the carrier, from their beginning or in its middle. */
void vxs_input(struct vxs_stream *v, const struct iovec *iov, int n);

/* ---- attach.c ---- */

/** @p n bytes of the answer to our attach or more. @return those used */
size_t vxs_take_reply(struct vxs_stream *v, const uint8_t *p, size_t n);
/** The attach was refused. */
void vxs_refused(struct vxs_stream *v, uint32_t code);

/* ---- proof.c ---- */

void vxs_mac(const struct vxs_stream *v, enum vxs_role from,
	     const uint8_t binding[static VX6_CB_BYTES], uint32_t epoch, uint64_t recv_off,
	     uint8_t out[static VX6_VXS_MAC_BYTES]);

#endif
