/**
 * @file session.h
 * Authenticated sessions between nodes: a link of some transport, or a circuit, whose peer has proved, by HELLO, which node it is.
 *
 * Spec:    schemas/wire/session.md, hello.md, ctl.md, open.md
 * Layer:   session
 * Trust:   nothing but HELLO is processed before the peer's certificate verified, speaks for the TLS key of the link, and names the node
 *          that was expected. Records are handed up as bytes: admission is the receiver's.
 * Threads: the loop's thread
 *
 *   dial/accept -> TLS -> HELLO -> UP -> DRAIN -> gone         `up` and `down` fire once each, `down` only after `up`
 */
#ifndef VX6_SESSION_SESSION_H
#define VX6_SESSION_SESSION_H

#include "base/addr.h"
#include "base/err.h"
#include "identity/identity.h"
#include "loop/loop.h"
#include "record/admit.h"
#include "transport/transport.h"
#include "vxs/vxs.h"
#include "wire/ctl.h"
#include "wire/hello.h"
#include "wire/open.h"

enum {
	VX6_DIAL_ADDRS_MAX = 16,
	VX6_DIAL_DETAIL_MAX = 256,
	VX6_SESSION_LISTEN_MAX = 8,
};

struct vx6_sessions; /* all of a node's sessions, its listeners and dials */
struct vx6_session;

struct vx6_sessions_events {
	void (*up)(void *user, struct vx6_session *s);
	/** @p s is gone after the return. */
	void (*down)(void *user, struct vx6_session *s, vx6_err why);
	/** One record the peer sent (its endpoint record in HELLO too), not verified. Borrowed. */
	void (*record)(void *user, struct vx6_session *s, const uint8_t *record, size_t n);
	/** The peer asks for what we hold of @p node. */
	void (*wanted)(void *user, struct vx6_session *s, const struct vx6_node_id *node);
	/** The peer says what changed where it is, one entry a call; within its budget. Optional. */
	void (*have)(void *user, struct vx6_session *s, const struct vx6_have *entry);
	/** The peer asks for the record @p tag; within its budget. Optional. */
	void (*get)(void *user, struct vx6_session *s, uint64_t tag);
	/**
	 * The peer opens a stream; never on a session that we dialled without saying who we are. The receiver sets the stream's events at once and answers with vx6_session_answer() when it knows.
	 * @param rest  application bytes that came along, to be taken and consumed like those of `data`; borrowed
	 */
	void (*incoming)(void *user, struct vx6_session *s, struct vx6_stream *stream,
			 const struct vx6_open *what, const struct iovec *rest, int rest_n,
			 bool fin);
	/**
	 * Optional: streams with @p node have lost their session, and there is no other that serves them: one is to be made. They go on by themselves
	 * once it is up.
	 * @param bits  VX6_ADRIFT_OPENED | VX6_ADRIFT_ACCEPTED: by whom they were opened; over circuits only those that we opened are told of
	 * @param route over which set of circuits; 0: over none
	 */
	void (*adrift)(void *user, const struct vx6_node_id *node, unsigned bits, uint64_t route);
	/**
	 * Optional: streams are stalled on the only session with @p node over the circuits of @p route: if another comes up before this one has shown
	 * that it lives, they go on there. At most every 10 s a session.
	 */
	void (*doubt)(void *user, const struct vx6_node_id *node, uint64_t route);
	/**
	 * Optional: whoever came from @p remote proved to hold this node's own key, and is not this node, which may well have dialled itself. The
	 * session ends. Must not call back.
	 */
	void (*own_key)(void *user, const struct vx6_addr *remote);
	/** Fills in our current endpoint record for HELLO. @return bytes, 0: none */
	size_t (*own_endpoint)(void *user, uint8_t *out, size_t cap);
};

enum { VX6_ADRIFT_OPENED = 1, VX6_ADRIFT_ACCEPTED = 2 };

struct vx6_sessions_config {
	struct vx6_loop *loop; /* borrowed, like all below, for the manager's life */
	const struct vx6_identity *identity;
	const struct vx6_hwm_store *hwm;
	struct vx6_transport *quic,
		*tcp; /* taken; NULL: that family is not used. `mem` for tests goes in either place */
	const struct vx6_transport_ops *quic_ops, *tcp_ops;
	const struct vx6_sessions_events *events;
	void *user;
};

/** @return owned; vx6_sessions_free() */
VX6_RES vx6_sessions_new(const struct vx6_sessions_config *cfg, struct vx6_sessions **out);
/** Ends everything at once: `down` fires for each session before this returns. Accepts NULL. */
void vx6_sessions_free(struct vx6_sessions *m);

struct vx6_bound {
	struct vx6_addr addr;
	const char *transport; /* static */
};
/**
 * Listens on @p at with every family in use; port 0 takes one free port for all.
 * @param detail at least VX6_DIAL_DETAIL_MAX bytes, written on failure: for people
 */
VX6_RES vx6_sessions_listen(struct vx6_sessions *m, const struct vx6_addr *at, char *detail);
size_t vx6_sessions_bound(const struct vx6_sessions *m,
			  struct vx6_bound out[static 2 * VX6_SESSION_LISTEN_MAX]);

/**
 * The online key is about to be renewed: links made from now on present the key of @p next. The caller puts @p next in the place of the
 * identity's subkey before it returns to the loop, and only on success. Sessions that are up stay; a link that is in its handshake with
 * the old key still shows the old key's certificate.
 * @return VX6_OK | errors of the transports: then all keep the old key
 */
VX6_RES vx6_sessions_set_key(struct vx6_sessions *m, const struct vx6_subkey *next);

/** Says goodbye on every session: no new streams; those that run may end. */
void vx6_sessions_drain(struct vx6_sessions *m);
/** Streams of all sessions that are still open. */
size_t vx6_sessions_streams(const struct vx6_sessions *m);
/** Links in handshake and sessions, up or not. */
size_t vx6_sessions_count(const struct vx6_sessions *m);
/** Own addresses changed: every link moves to a new path or finds out early that it is dead. */
void vx6_sessions_rebind(struct vx6_sessions *m);

/** Calls @p fn for each session that is up and not over a circuit; it may close the one it is given. */
void vx6_sessions_each(struct vx6_sessions *m, void (*fn)(struct vx6_session *s, void *user),
		       void *user);

/* ---- dialling ---- */

enum vx6_dial_family { VX6_DIAL_QUIC = 1, VX6_DIAL_TCP = 2, VX6_DIAL_ANY = 3 };

/** The best live session with @p node over one of the families in @p via, or NULL. */
struct vx6_session *vx6_sessions_find(struct vx6_sessions *m, const struct vx6_node_id *node,
				      unsigned via);
/** A live session that we made by dialling @p addr, whoever answered there, or NULL. */
struct vx6_session *vx6_sessions_find_dialed(struct vx6_sessions *m, const struct vx6_addr *addr,
					     unsigned via);

struct vx6_dial_request {
	struct vx6_addr addrs[VX6_DIAL_ADDRS_MAX];
	uint8_t via[VX6_DIAL_ADDRS_MAX]; /* bits of enum vx6_dial_family */
	size_t addrs_n;
	bool expect_node; /* the peer must be `node` */
	struct vx6_node_id node;
	bool anonymous; /* present neither key nor node id */
	bool for_others; /* at the request of a circuit's client: who is dialled is named in no log */
	bool tell_refused; /* REFUSED rather than UNREACHABLE if nobody listens at any of the addresses */
};

struct vx6_dialing;
/**
 * @param s      the session, already up (its `up` event has fired); NULL on failure
 * @param detail how each try went ("quic won in 12 ms; tcp not needed"); borrowed
 */
typedef void vx6_dial_cb(void *user, vx6_err err, struct vx6_session *s, const char *detail);
/**
 * Tries the addresses in order, QUIC before TCP, the next one 250 ms after the last or as soon as it failed (RFC 8305); the first
 * session that is up wins, the others are closed.
 * @param cb fires once, never inside this call, unless cancelled @return owned until then; NULL when there is nothing to dial
 */
struct vx6_dialing *vx6_sessions_dial(struct vx6_sessions *m, const struct vx6_dial_request *req,
				      vx6_dial_cb *cb, void *user);
void vx6_dialing_cancel(struct vx6_dialing *d);

/* ---- sessions over circuits ---- */

#define VX6_ROUTE_ACCEPTED UINT64_MAX /* the route of sessions over circuits that end here */

struct vx6_adopt_events {
	/** In place of the manager's `up`. Optional. */
	void (*up)(void *user, struct vx6_session *s);
	/** In place of the manager's `down`, once, also when `up` never fired; @p s is gone after the return. Optional. */
	void (*down)(void *user, struct vx6_session *s, vx6_err why);
};

struct vx6_adopt {
	bool initiator;
	bool anonymous; /* initiator only: do not say who we are */
	bool proven; /* initiator: whoever is there has the onion key of `node`: streams may be opened before its HELLO has come */
	bool expect_node; /* the peer must be `node`; an initiator always expects one */
	bool hidden; /* initiator, anonymous: `node` is a hidden service and no node: that it was met is kept nowhere */
	struct vx6_node_id node;
	uint64_t
		route; /* initiator: which set of circuits it belongs to, not 0; else not looked at */
	/** Acceptor: who we are there; borrowed for the session's life. NULL: the node. Its HELLO says nothing that is the node's. */
	const struct vx6_identity *as;
	/** Acceptor: a number for whatever is served there and nowhere else: a hidden service. 0: the node itself. */
	uint64_t scope;
	const struct vx6_adopt_events *ev; /* borrowed for the session's life; NULL: nobody hears */
	void *user;
};
/**
 * Makes a session of a link that proves no keys and has a channel binding that only its two ends know: a circuit. It is up, or comes up later; its
 * events are the session's from now on. Such a session carries streams and nothing else: no records are given or taken, the manager's `up` and
 * `down` do not fire, and whoever looks for a session finds it by vx6_sessions_find_route() only.
 * @param how copied @param out set on success, until `down` @return VX6_OK | DRAINING: the link was not touched
 */
VX6_RES vx6_sessions_adopt(struct vx6_sessions *m, struct vx6_link *link,
			   const struct vx6_adopt *how, struct vx6_session **out);
bool vx6_session_is_circuit(const struct vx6_session *s);
/** 0: not over a circuit; VX6_ROUTE_ACCEPTED */
uint64_t vx6_session_route(const struct vx6_session *s);
/**
 * vx6_adopt.scope: what is served on this session; 0: what the node serves. Streams of one scope are unknown in every other, and whoever comes to
 * one that is not 0 is anonymous: a HELLO that names somebody is refused before it is looked at.
 */
uint64_t vx6_session_scope(const struct vx6_session *s);
/** Whoever had the link of @p s adopted hears nothing of it any more. */
void vx6_session_disown(struct vx6_session *s);
/** Whether a stream could be opened on it now: it is up and not draining, or it was adopted as `proven` and its HELLO is under way. */
bool vx6_session_takes_streams(const struct vx6_session *s);
/** The best session with @p node over the circuits of @p route that takes new streams, or NULL. Several may be up side by side. */
struct vx6_session *vx6_sessions_find_route(struct vx6_sessions *m, const struct vx6_node_id *node,
					    uint64_t route);
/** As vx6_sessions_each(), of those over circuits. */
void vx6_sessions_each_circuit(struct vx6_sessions *m,
			       void (*fn)(struct vx6_session *s, void *user), void *user);
/** Records, and messages about them, that came over circuits and were not looked at. */
uint64_t vx6_sessions_circuit_ignored(const struct vx6_sessions *m);

/* ---- streams that outlive their session (schemas/wire/vxs.md) ---- */

/** Whether streams with @p node wait for a session over the circuits of @p route, or (0) over none: VX6_ADRIFT_*; 0: none do. */
unsigned vx6_sessions_adrift(const struct vx6_sessions *m, const struct vx6_node_id *node,
			     uint64_t route);
/** Ends those that wait: the node is known not to come back. */
void vx6_sessions_give_up(struct vx6_sessions *m, const struct vx6_node_id *node, uint64_t route,
			  vx6_err why);
/**
 * By plan: @p s takes no new streams, and those that can go on elsewhere do: with the best other session of its route or, where they may, without a
 * circuit; now, or when there is one. It is not closed.
 */
void vx6_sessions_leave(struct vx6_sessions *m, struct vx6_session *s);
/** @p s, over a circuit, does not answer: until it does, its streams go on where they can as soon as there is another one of its route. */
void vx6_session_doubt(struct vx6_session *s);
/** Resumable streams that are not closed. */
size_t vx6_sessions_resumable(const struct vx6_sessions *m);
/** Whether a stream that we opened to @p node is open and may go on over the circuits of @p route. */
bool vx6_sessions_uses_route(const struct vx6_sessions *m, const struct vx6_node_id *node,
			     uint64_t route);

/* ---- one session ---- */

/** @return borrowed; NULL: the peer is anonymous */
const struct vx6_node_id *vx6_session_node(const struct vx6_session *s);
/** Whether we dialled without saying who we are: of no use for anything that speaks in our name, and found by no vx6_sessions_find(). */
bool vx6_session_is_anonymous(const struct vx6_session *s);
/** Whether it was dialled at the request of a circuit's client (vx6_dial_request.for_others). */
bool vx6_session_is_for_others(const struct vx6_session *s);
/** It is for ourselves from now on. */
void vx6_session_claim(struct vx6_session *s);
void vx6_session_info(const struct vx6_session *s, struct vx6_link_info *out);
uint64_t vx6_session_features(const struct vx6_session *s);
uint64_t vx6_session_up_since_ms(const struct vx6_session *s); /* wall clock */
/** Of others, as in vx6_sessions_streams(): 0 while it is not up. */
size_t vx6_session_streams(const struct vx6_session *s);
/** A number that no other session of this process has: how to refer to a session that may be gone. */
uint64_t vx6_session_id(const struct vx6_session *s);
struct vx6_session *vx6_sessions_by_id(struct vx6_sessions *m, uint64_t id);

/** Tells the peer why and ends; `down` follows. */
void vx6_session_close(struct vx6_session *s, vx6_err why);
/** Asks for a sign of life: if nothing at all comes for @p ms the session is closed with TIMEOUT. */
void vx6_session_probe(struct vx6_session *s, uint32_t ms);

/** Queues a record for the peer; records of one wake-up travel together. @return FULL when too much is queued | INVALID: we are anonymous there, or it is over a circuit, as for the next three */
VX6_RES vx6_session_send_record(struct vx6_session *s, const uint8_t *record, size_t n);
VX6_RES vx6_session_want_records(struct vx6_session *s, const struct vx6_node_id *node);
/** Peers with VX6_FEAT_EXCHANGE only. @param n at most VX6_CTL_HAVE_MAX, VX6_CTL_GET_MAX @return VX6_OK | CLOSED | LIMIT | FULL (too much is queued for it) */
VX6_RES vx6_session_send_have(struct vx6_session *s, const struct vx6_have *e, size_t n);
VX6_RES vx6_session_send_get(struct vx6_session *s, const uint64_t *tags, size_t n);

/* ---- streams ---- */

struct vx6_opening;
struct vx6_opening_events {
	/** The outcome, once. On VX6_OK set the stream's events now; @p rest as in `incoming`. Else @p stream is NULL. */
	void (*outcome)(void *user, vx6_err err, struct vx6_stream *stream,
			const struct iovec *rest, int rest_n, bool fin);
	/** Optional: room on the stream before the outcome. */
	void (*writable)(void *user, struct vx6_stream *stream);
};
/**
 * Opens a stream and asks for @p what. @p ev borrowed until the outcome.
 * @return VX6_OK | LIMIT | DRAINING | CLOSED | INVALID; owned in @p out until the outcome or a cancel
 */
VX6_RES vx6_session_open(struct vx6_session *s, const struct vx6_open *what,
			 const struct vx6_opening_events *ev, void *user, struct vx6_opening **out);
/**
 * The same, and says where the stream may go on when the session is lost or there is a better one. Only streams of services outlive a session.
 * @param routes borrowed; @p s must be of one of them; NULL: as @p s is
 */
VX6_RES vx6_session_open_routed(struct vx6_session *s, const struct vx6_open *what,
				const struct vx6_vxs_routes *routes,
				const struct vx6_opening_events *ev, void *user,
				struct vx6_opening **out);
/** The stream, for early bytes by reserve and commit; NULL while not even OPEN has been written. */
struct vx6_stream *vx6_opening_stream(struct vx6_opening *o);
/** No outcome follows; the stream is reset. */
void vx6_opening_cancel(struct vx6_opening *o);

/**
 * Answers an incoming stream. With VX6_OK application bytes may follow; else the stream is reset with the code of @p err.
 * @return AGAIN: no room for the answer now, call again at `writable`
 */
VX6_RES vx6_session_answer(struct vx6_stream *stream, vx6_err err);

#endif
