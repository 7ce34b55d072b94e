/**
 * @file dht_link_internal.h
 * The parts of the DHT's binding to sessions. Each knows only those above it here; dht_link.c puts them together with the DHT itself.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 *
 *   pool      the sessions there are, as ways to nodes at proved addresses; those kept for the DHT's sake
 *   queries   requests of ours: a session or a dial, a stream, an answer
 *   dialbacks dials that peers ask us for
 *   server    requests of others
 *   proxy     requests that others have us send on, who come by circuits
 *   presence  whether others can reach us
 */
#ifndef VX6_DISCOVERY_DHT_LINK_INTERNAL_H
#define VX6_DISCOVERY_DHT_LINK_INTERNAL_H

#include "crypto/table.h"
#include "dht/dht.h"
#include "discovery/dht_link.h"
#include "wire/dht.h"

enum {
	DHT_QUEUE_MAX = 256,         /* queries that wait for one of VX6_DHT_DIALS_MAX */
	DHT_STUCK_MS = 10000,        /* a stream that makes no end: ours and those of others */
	DHT_SMALL_NETWORK = 128,     /* nodes; up to here every session stays warm */
	DHT_IDLE_MS = 5 * 60 * 1000, /* in larger ones an unused session goes after that */
	DHT_DIALBACK_PAUSE_MS = 10 * 60 * 1000, /* between two dial-backs for one peer */
};

/** Events of a stream whose owner is gone: whatever comes is dropped. */
extern const struct vx6_stream_events link_stream_ignored;

/* ---- pool ---- */

/* A node with which sessions are up. */
struct link_peer {
	struct vx6_node_id node;
	struct vx6_list sessions; /* link_session.of_peer */
	bool has_contact;         /* its endpoint record is known */
	struct vx6_dht_contact contact;
	bool proved; /* one of its sessions comes from, or was dialled to, an address of this prefix */
	uint8_t proved_prefix[16];
	UT_hash_handle hh;
};

struct link_session {
	uint64_t id; /* vx6_session_id() */
	struct vx6_session *s;
	struct link_peer *peer;  /* NULL: the peer is anonymous */
	struct vx6_list of_peer; /* link_peer.sessions */
	struct vx6_list warm;    /* link_pool.warm, if the DHT dialled it */
	uint64_t used_ms;
	struct vx6_list requests; /* of the peer, under way */
	unsigned requests_n;
	uint64_t minute_ms; /* budget of requests */
	uint32_t minute_n;
	UT_hash_handle hh;
};

struct link_pool_config {
	struct vx6_loop *loop;
	struct vx6_sessions *sessions;
	bool strict;     /* private addresses must be proved, too */
	size_t warm_max; /* 0: VX6_DHT_WARM_MAX */
	bool (*is_needed)(void *user, const struct vx6_session *s); /* optional */
	void *needed_user;
	size_t (*known)(
		void *user); /* how many nodes the network has, as far as we know; optional */
	void *known_user;
};

struct link_pool {
	struct link_pool_config cfg;
	struct link_session *sessions; /* by id */
	struct link_peer *peers;       /* by node */
	struct vx6_list warm;          /* least recently used first */
	size_t warm_n;
	struct vx6_timer sweep;
};

void link_pool_init(struct link_pool *p, const struct link_pool_config *cfg);
/** Sessions stay up. */
void link_pool_fini(struct link_pool *p);
/** @return borrowed until link_pool_down() */
struct link_session *link_pool_up(struct link_pool *p, struct vx6_session *s);
void link_pool_down(struct link_pool *p, struct link_session *ds);
struct link_session *link_pool_by_id(struct link_pool *p, uint64_t id);
/** A session that leads to @p to: the node, proved at an address of that prefix. @return NULL: none */
struct link_session *link_pool_find(struct link_pool *p, const struct vx6_dht_contact *to);
/** The session @p id was dialled for the DHT, at @p at. @return NULL: it is gone */
struct link_session *link_pool_dialed(struct link_pool *p, uint64_t id,
				      const struct vx6_dht_contact *at);
void link_pool_touch(struct link_pool *p, struct link_session *ds);
/** What the endpoint record of a node says. @return whether a session proves it */
bool link_pool_learn(struct link_pool *p, const struct vx6_dht_contact *c);
/** Where the other end of @p ds is, and of which prefix that is. */
void link_session_remote(const struct link_session *ds, struct vx6_addr *out, uint8_t prefix[16]);

/* ---- queries ---- */

struct link_queries_config {
	struct vx6_loop *loop;
	struct vx6_sessions *sessions;
	struct link_pool *pool;
	/** Optional: the endpoint record of a node. */
	bool (*endpoint)(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out);
	void *endpoint_user;
	/** One of these for each query, never inside a call, unless cancelled. */
	void (*answered)(void *user, uint64_t id, const uint8_t *resp, size_t n);
	void (*failed)(void *user, uint64_t id, vx6_err why);
	void *user;
};

struct link_way;
struct link_query {
	struct vx6_list node; /* link_queries.running or .queued, or way.waiting */
	struct link_queries *qs;
	uint64_t id;
	struct vx6_dht_contact to;
	bool may_dial, is_queued;
	struct link_way *way;
	struct vx6_opening *opening;
	struct vx6_stream *stream; /* once the peer has answered OPEN */
	uint8_t *req, *resp;
	size_t req_n, req_sent, resp_n, resp_cap;
	bool fin_sent;
	unsigned opened; /* streams so far */
	struct vx6_timer stuck;
	struct vx6_task fail;
	vx6_err err;
	UT_hash_handle hh;
};

struct link_queries {
	struct link_queries_config cfg;
	struct link_query *by_id;
	struct vx6_list running, queued, ways;
	size_t queued_n, ways_n;
	bool allow_loopback; /* addresses of this host are what this network is made of */
};

void link_queries_init(struct link_queries *qs, const struct link_queries_config *cfg);
/** Queries under way end without a callback. */
void link_queries_fini(struct link_queries *qs);
/** @param req copied */
void link_query_send(struct link_queries *qs, uint64_t id, const struct vx6_dht_contact *to,
		     const uint8_t *req, size_t n);
/** The same over this session and no other. */
void link_query_send_over(struct link_queries *qs, uint64_t id, struct link_session *ds,
			  const uint8_t *req, size_t n);
/** The same, by way of @p proxy, who passes it on (OPEN of kind DHT_VIA). @param proxy NULL: it is gone, and the query fails */
void link_query_send_via(struct link_queries *qs, uint64_t id, struct vx6_session *proxy,
			 const struct vx6_dht_contact *to, const uint8_t *req, size_t n);
/** Harmless when there is no such query. */
void link_query_cancel(struct link_queries *qs, uint64_t id);

/* between dht_query.c and dht_way.c */

/** @p q, which is in no list, waits for a dial. */
void link_way_join(struct link_query *q);
/** A query that waited for @p w is gone. */
void link_way_left(struct link_way *w);
/** Finds a session or a dial for @p q, which is in no list. */
void link_query_begin(struct link_query *q);
VX6_RES link_query_start(struct link_query *q, struct link_session *ds);
void link_query_fail(struct link_query *q, vx6_err err);
void link_query_fail_later(struct link_query *q, vx6_err err);
/** Takes @p q out of whatever it waits in. */
void link_query_leave_line(struct link_query *q);

/* ---- dialbacks ---- */

enum { DHT_DIALBACKS_RECENT = 256, DHT_DIALBACKS_MAX = 8, DHT_DIALBACKS_PREFIX = 16 };

struct link_dialback;
struct link_dialbacks {
	struct vx6_loop *loop;
	struct vx6_sessions *sessions;
	struct vx6_list running;
	size_t running_n;
	bool has_own; /* our own primary address is global, and of this prefix */
	uint8_t own_prefix[16];
	struct {
		uint64_t at_ms; /* 0: unused */
		struct vx6_node_id node;
		uint8_t prefix
			[16]; /* of the address dialled; DHT_DIALBACKS_PREFIX of one within that time */
	} recent[DHT_DIALBACKS_RECENT]; /* a full one within DHT_DIALBACK_PAUSE_MS: no more for anybody */
};

void link_dialbacks_init(struct link_dialbacks *d, struct vx6_loop *loop, struct vx6_sessions *m);
void link_dialbacks_fini(struct link_dialbacks *d);
/** Our primary address; NULL: none. */
void link_dialbacks_own(struct link_dialbacks *d, const struct vx6_addr *own);
/**
 * Dials the peer of @p ds at its primary address, as nobody, and hangs up.
 * @param done fires once, never inside this call, unless cancelled: VX6_OK or why it was not reached
 * @return VX6_OK | REFUSED (no address that we may dial for it) | FULL (too soon, or too many)
 */
VX6_RES link_dialback_begin(struct link_dialbacks *d, const struct link_session *ds,
			    void (*done)(void *user, vx6_err err), void *user,
			    struct link_dialback **out);
void link_dialback_cancel(struct link_dialback *b);

/* ---- server ---- */

struct link_server_config {
	struct vx6_loop *loop;
	struct link_dialbacks *dialbacks;
	/** As vx6_dht_serve(); 0: requests are not served here at present. */
	size_t (*serve)(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
			size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX]);
	void *user;
};

struct link_server {
	struct link_server_config cfg;
	size_t requests_n;
	uint64_t refused;
};

void link_server_init(struct link_server *srv, const struct link_server_config *cfg);
void link_server_incoming(struct link_server *srv, struct link_session *ds,
			  struct vx6_stream *stream, const struct iovec *rest, int rest_n,
			  bool fin);
/** Ends the requests of a session, which is about to be forgotten. */
void link_server_drop(struct link_session *ds);

/* ---- proxy ---- */

enum {
	DHT_PROXY_SLOTS = 256,
	DHT_PROXY_OWN_MAX = VX6_ENDPOINT_ADDRS_MAX,
	DHT_PROXY_DIALS = 64,      /* a minute, for one circuit */
	DHT_PROXY_DIALS_ALL = 512, /* and for all */
	DHT_PROXY_PUTS = 32,       /* a minute, for one circuit */
	DHT_PROXY_PUTS_ALL =
		64, /* and for all: half of what a holder takes from one source, so that we can still put something there ourselves */
};

struct link_proxy_config {
	struct vx6_loop *loop;
	struct vx6_sessions *sessions;
	struct vx6_node_id self;
	struct link_pool *pool;
	bool (*endpoint)(void *user, const struct vx6_node_id *node, struct vx6_endpoint *out);
	void *endpoint_user;
	/** A request for ourselves. As link_server_config.serve. */
	size_t (*serve)(void *user, const struct vx6_dht_requester *from, const uint8_t *req,
			size_t n, uint8_t out[static VX6_DHT_RESPONSE_MAX]);
	void *user;
};

struct link_proxy {
	struct link_proxy_config cfg;
	struct link_queries queries;
	struct vx6_list requests;
	size_t requests_n;
	uint64_t next;
	/* what circuits may have us do; two that share a place share that */
	struct {
		uint64_t session, minute_ms;
		uint32_t minute_n, dials_n, puts_n, flight;
	} slot[DHT_PROXY_SLOTS];
	uint64_t minute_ms; /* when that of the two below began */
	uint32_t dials_n, puts_n;
	unsigned kinds; /* of addresses that are dialled for others */
	struct vx6_addr own[DHT_PROXY_OWN_MAX];
	size_t own_n;
};

void link_proxy_init(struct link_proxy *p, const struct link_proxy_config *cfg);
void link_proxy_fini(struct link_proxy *p);
/** Our own addresses, which say what may be dialled for others. */
void link_proxy_own(struct link_proxy *p, const struct vx6_endpoint_addr *addrs, size_t n);
void link_proxy_incoming(struct link_proxy *p, struct vx6_session *s, struct vx6_stream *stream,
			 const struct vx6_open_via *whom, const struct iovec *rest, int rest_n,
			 bool fin);

/* ---- presence ---- */

enum { DHT_WITNESSES_MAX = 16 };
/* What a peer said of our address, for which it was asked to dial it. */
enum link_word { WORD_AWAITED, WORD_REACHED, WORD_NOT_REACHED, WORD_NONE };

struct link_presence_times {
	uint32_t tick_ms;  /* between two looks */
	uint32_t soon_ms;  /* after a new session: others may come up beside it */
	uint32_t keep_ms;  /* how long a proof counts */
	uint32_t renew_ms; /* and after which time a new one is looked for */
	uint32_t pause_ms; /* before one that said no is asked again */
};

struct link_presence_config {
	struct vx6_loop *loop;
	struct vx6_sessions *sessions;
	struct link_pool *pool;
	enum vx6_dht_mode mode;
	const struct link_presence_times *times; /* NULL: the usual ones */
	/** Whether a node with a global address has been met: then a private one of ours is of no use. */
	bool (*is_global)(void *user);
	/** @param own our contact while we serve, else NULL */
	void (*changed)(void *user, const struct vx6_dht_contact *own);
	void *user;
};

struct link_presence {
	struct link_presence_config cfg;
	struct link_queries asks;
	bool has_own, serving, held_back;
	struct vx6_dht_contact own;
	uint64_t reached_ms; /* when somebody from elsewhere last got through to us; 0: never */
	struct link_witness {
		uint8_t prefix[16];
		uint64_t at_ms; /* 0: unused */
		enum link_word says;
	} witness[DHT_WITNESSES_MAX];
	struct vx6_timer tick, soon;
};

void link_presence_init(struct link_presence *p, const struct link_presence_config *cfg);
void link_presence_fini(struct link_presence *p);
/** Our primary address; NULL: none. */
void link_presence_own(struct link_presence *p, const struct vx6_dht_contact *own);
void link_presence_session_up(struct link_presence *p, struct link_session *ds);
/** Looks at what is known now. */
void link_presence_judge(struct link_presence *p);
/** Does not serve any more, and asks nobody for proof. */
void link_presence_hold_back(struct link_presence *p);

#endif
