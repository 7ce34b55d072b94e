/**
 * @file session_internal.h
 * The structures behind session.h, shared by its sources.
 *
 * Layer:   session
 * Threads: the loop's thread
 *
 * Who owns what: the manager owns listeners and every session; a session owns its link's event slot, its control stream and its openings and
 * arrivals (streams whose OPEN or answer is still to come). All of them end with the link: the transport closes every stream first, then the
 * link, and `link_down` frees the session.
 */
#ifndef VX6_SESSION_SESSION_INTERNAL_H
#define VX6_SESSION_SESSION_INTERNAL_H

#include "base/list.h"
#include "base/log.h"
#include "crypto/table.h"
#include "session/session.h"
#include "vxs/vxs.h"
#include "wire/ctl.h"

enum {
	HELLO_TIMEOUT_MS = 2000,
	CIRCUIT_HELLO_TIMEOUT_MS = 10000, /* there and back through up to eight others */
	CTL_OUT_MAX = 256 * 1024,         /* bytes queued for a peer's control stream */
	DUPLICATE_GRACE_MS = 2000,
	ARRIVALS_MAX = 1024,     /* streams of one peer whose OPEN is incomplete */
	EARLY_MAX = 1024 * 1024, /* bytes of streams that came before the peer's HELLO */
	DOUBT_EVERY_MS = 10000,
	ADRIFT_PER_MIN = 60,        /* each may have 800 streams attached */
	RECORDS_PER_MIN = 2048,     /* of one peer; each costs two signatures to verify */
	WANTS_PER_MIN = 16,         /* each is answered with all that we publish */
	HAVES_PER_MIN = 8192,       /* entries of HAVE; each costs a look into a table */
	GETS_PER_MIN = 2048,        /* entries of GET; each is answered with a record */
	NODE_SESSIONS_MAX = 16,     /* with one node, those that are on their way out included */
	PREFIX_SESSIONS_MAX = 1024, /* that came from one IPv6 /48 or IPv4 /24, loopback exempt */
};

enum session_state {
	SESSION_TLS,   /* handshake of the link */
	SESSION_HELLO, /* link up, peer's HELLO awaited */
	SESSION_UP,
	SESSION_DRAIN, /* still up for the streams it has; takes no new ones */
	SESSION_DEAD,  /* link is closing */
};

struct byte_queue {
	uint8_t *p;
	size_t n, cap;
};

/* What a peer may make us do within a minute. */
struct budget {
	uint64_t since_ms;
	uint32_t used;
};

struct vx6_session {
	struct vx6_sessions *m;
	struct vx6_link *link;
	enum session_state state;
	vx6_err why; /* what we closed the link for */
	uint64_t id;
	bool initiator, anonymous;
	bool for_others;   /* vx6_dial_request.for_others */
	bool circuit;      /* adopted: the link is a circuit */
	bool proven;       /* which has proved the peer's onion key */
	bool hidden;       /* vx6_adopt.hidden */
	bool early;        /* a stream was opened before the peer's HELLO */
	bool leaving;      /* by plan: its streams go on elsewhere */
	bool stalled;      /* owes an answer for so long that streams go elsewhere, if they can */
	uint64_t doubt_ms; /* when somebody was last told so; 0: never */
	uint64_t route, scope;
	const struct vx6_identity *as; /* who we are there */
	const struct vx6_adopt_events *adopt_ev;
	void *adopt_user;
	bool has_node, expect_node;
	struct vx6_node_id node, expected;
	struct vx6_addr dialed;
	uint64_t features;
	uint64_t up_since_ms;
	bool was_up; /* `up` fired */
	bool is_duplicate;
	struct vx6_dialing *dialing; /* the race it runs in, until it is up or dead */
	unsigned attempt;            /* its place in that race */

	struct vx6_stream *control;
	struct byte_queue ctl_in, ctl_out;
	struct vx6_task flush;     /* records of one wake-up travel in one message */
	struct byte_queue records; /* n × {len u16 | record}, waiting for the flush */

	struct vx6_timer timer; /* HELLO, duplicate grace */
	struct vx6_timer probe;
	uint64_t probe_token;
	uint32_t probe_ms;
	bool probe_strict;             /* only the answer counts as a sign of life */
	uint64_t probe_rx;             /* bytes of the link when it was last looked at */
	uint64_t asked_ms;             /* when the probe began */
	uint8_t binding[VX6_CB_BYTES]; /* of the link, once up */
	/* silence.c: bytes that came and went, when more last came, and whether much went either way of late */
	uint64_t heard_bytes, said_bytes, heard_ms;
	bool flowing;
	struct vx6_list openings, arrivals;
	size_t arrivals_n, early_n;
	struct budget records_in, wants_in, haves_in, gets_in, adrift_in;
	bool counted; /* came from elsewhere: `prefix` says from which network */
	uint8_t prefix[16];

	struct vx6_list all;    /* vx6_sessions.all */
	UT_hash_handle by_link; /* vx6_sessions.links, until it has failed */
	struct vx6_list peer;   /* node_entry.sessions or .circuits, once up */
};

/* All live sessions with one node, the oldest first. */
struct node_entry {
	struct vx6_node_id node;
	struct vx6_list sessions;
	struct vx6_list circuits; /* those over circuits, which are none of each other's business */
	UT_hash_handle hh;
};

struct family {
	struct vx6_transport *t;
	const struct vx6_transport_ops *ops;
};

struct vx6_sessions {
	struct vx6_sessions_config cfg;
	struct family family[2]; /* QUIC, TCP */
	struct {
		struct vx6_listener *l;
		const struct vx6_transport_ops *ops;
	} listener[2 * VX6_SESSION_LISTEN_MAX];
	size_t listeners_n;
	struct vx6_list all;
	struct vx6_list dialings;
	size_t count;
	struct node_entry *nodes;
	struct vx6_session *links;
	uint64_t next_id;
	/* the certificate of the key before this one, for links that began with it; all zero: none */
	struct vx6_sign_pk retired_key;
	uint8_t retired_cert[VX6_SUBKEY_CERT_BYTES];
	bool draining;
	uint64_t circuit_ignored;
	uint8_t dialed[16]
		      [VX6_CB_BYTES]; /* bindings of the latest links that we dialled, in a ring */
	uint64_t dialed_n;
	struct vx6_vxs *vxs;
	struct vx6_timer silence; /* while streams run that may go another way */
	struct vx6_ratelimit complaints;
};

/* ---- byte_queue ---- */

void byte_queue_put(struct byte_queue *q, const void *p, size_t n);
/** Drops the first @p n bytes; gives the memory back when nothing is left. */
void byte_queue_drop(struct byte_queue *q, size_t n);
void byte_queue_fini(struct byte_queue *q);

/* ---- sessions.c ---- */

/** Makes the session of @p link, which is given its events. */
struct vx6_session *session_new(struct vx6_sessions *m, struct vx6_link *link, bool initiator);
void session_free(struct vx6_session *s);
/** Enters an up session into the table of its node and deals with duplicates. */
void sessions_enter(struct vx6_session *s);
void sessions_leave(struct vx6_session *s);
/** The session with @p node on @p link, unless it is over. */
struct vx6_session *sessions_on_link(struct vx6_sessions *m, const struct vx6_link *link);
/** One that @p node made over a circuit, or NULL. */
struct vx6_session *sessions_accepted_circuit(struct vx6_sessions *m,
					      const struct vx6_node_id *node);

/** @param but not this one; NULL: any */
struct vx6_session *sessions_best_route(struct vx6_sessions *m, const struct vx6_node_id *node,
					uint64_t route, const struct vx6_session *but);

/* ---- session.c ---- */

extern const struct vx6_link_events session_link_events;
/** Ends the link; the session is freed in link_down. */
void session_fail(struct vx6_session *s, vx6_err why, const char *detail);
/** As vx6_session_probe(). @param strict only the answer itself counts as a sign of life, not whatever else arrives */
void session_probe(struct vx6_session *s, uint32_t ms, bool strict);
/** The peer's HELLO was checked. */
void session_hello_done(struct vx6_session *s);

/* ---- adopt.c ---- */

/** Ends every session over a circuit that is left, and lets go of its link. */
void adopted_free_all(struct vx6_sessions *m);
/** Tells whoever is to hear of the session. */
void session_tell_up(struct vx6_session *s);
void session_tell_down(struct vx6_session *s, vx6_err why);

/* ---- hello.c ---- */

/** The proof of a link without keys, by @p key. */
VX6_RES hello_proof_make(const struct vx6_sign_keypair *key, const struct vx6_net *net,
			 bool initiator, const uint8_t binding[static VX6_CB_BYTES],
			 struct vx6_sig *out);
VX6_RES hello_proof_check(const struct vx6_sign_pk *key, const struct vx6_net *net, bool initiator,
			  const uint8_t binding[static VX6_CB_BYTES],
			  const uint8_t proof[static VX6_HELLO_PROOF_BYTES]);

/** Writes our HELLO onto the control stream. */
void session_send_hello(struct vx6_session *s);
/** Checks the peer's. @param detail at least VX6_DIAL_DETAIL_MAX bytes, for people, on failure */
VX6_RES session_take_hello(struct vx6_session *s, const uint8_t *body, size_t n, char *detail);

/* ---- control.c ---- */

extern const struct vx6_stream_events session_control_events;
void control_send(struct vx6_session *s, const uint8_t *p, size_t n);
/** One more of what the peer may make us do. @return false: it has had its share of this minute */
bool budget_take(struct vx6_session *s, struct budget *b, uint32_t per_min);
void control_goaway(struct vx6_session *s, vx6_err why);

/* ---- open.c ---- */

/** A stream of the peer, from the first byte on. */
void arrival_begin(struct vx6_session *s, struct vx6_stream *stream);
/** Arrivals that waited for HELLO may go on. */
void arrivals_resume(struct vx6_session *s);
/** Openings and arrivals end, and none of the streams refers to @p s any more. */
void streams_let_go(struct vx6_session *s);

/* ---- resume.c ---- */

extern const struct vx6_vxs_events resume_events;
/** Whether streams of @p s are resumable. */
bool resume_in_force(const struct vx6_session *s);
struct vx6_vxs_via resume_via(const struct vx6_session *s);
/** @p s is up: streams without a carrier, and those of lesser ones, move to the best of its kind. */
void resume_session_up(struct vx6_session *s);
/** @p s, which is no circuit, does not answer: its streams that may go over circuits do so, at once or when there is one. */
void resume_doubt(struct vx6_session *s);
/** It does after all. */
void resume_answered(struct vx6_session *s);
/** Our addresses have changed under @p s: if it does not go on, its streams do so elsewhere. */
void resume_moved(struct vx6_session *s);
VX6_RES resume_take_ack(struct vx6_session *s, const struct vx6_ctl *m);
VX6_RES resume_take_adrift(struct vx6_session *s, const struct vx6_ctl *m);

/* ---- silence.c ---- */

void silence_init(struct vx6_sessions *m);
/** A stream on @p s may go on over circuits: when what it brings breaks off, that is looked into. */
void silence_watch(struct vx6_session *s);
/** Asks for a sign of life, where streams could go on over circuits. @return false: they could not */
bool silence_ask(struct vx6_session *s);

/* ---- dial.c ---- */

void dialing_session_up(struct vx6_session *s);
void dialing_session_down(struct vx6_session *s, vx6_err why);
void dialing_abort(struct vx6_dialing *d);

#endif
