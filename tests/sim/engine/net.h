/**
 * @file net.h
 * A network of hosts on virtual time: links with delay, sessions that cost a handshake, requests and answers. Knows no protocol.
 *
 * Shape:   a request to a host with a session takes a round trip, without one two (a handshake first, which requests of the same moment
 *          share). A host keeps its `warm_max` most recently used sessions. A host that is down is silent: whoever has a session with it
 *          does not know until `dead_us` later, whoever dials it gives up after `dial_us`.
 * Left out: loss, bandwidth, queues in routers, time that computing takes
 * Threads: one thread
 */
#ifndef SIM_ENGINE_NET_H
#define SIM_ENGINE_NET_H

#include "base/err.h"
#include "tests/sim/engine/queue.h"

enum { SIM_ANSWER_MAX = 16384 };
#define SIM_NOWHERE UINT32_MAX /* an address at which there is nobody */

struct sim_net;

struct sim_net_config {
	uint64_t one_way_us; /* 25 ms */
	double jitter;       /* of a pair, for good: its delay is one_way_us * (1 ± jitter) */
	uint32_t warm_max;   /* sessions a host keeps: 128 */
	uint64_t idle_us;    /* an unused session ends after so long; 0: kept alive */
	uint64_t dead_us;    /* 60 s: a session whose other end is silent */
	uint64_t dial_us;    /* 5 s: a dial that nobody answers */
	uint64_t seed;
};

struct sim_net_calls {
	/**
	 * A request has arrived. @param answer SIM_ANSWER_MAX bytes @param delay_us set to what the answer waits before it leaves
	 * @return bytes of the answer; 0: none is given
	 */
	size_t (*serve)(void *user, uint32_t host, uint32_t from, const uint8_t *req, size_t n,
			uint8_t *answer, uint64_t *delay_us);
	void (*answered)(void *user, uint32_t host, uint64_t id, const uint8_t *answer, size_t n);
	/** UNREACHABLE: nobody answered the dial; CLOSED: the session died; or as sim_net_fail() was told. */
	void (*failed)(void *user, uint32_t host, uint64_t id, vx6_err why);
	/** A handshake is over at @p host: it knows @p peer now. */
	void (*session_up)(void *user, uint32_t host, uint32_t peer);
};

/** @param calls borrowed @return owned; sim_net_free() */
struct sim_net *sim_net_new(struct sim_queue *q, const struct sim_net_config *cfg,
			    const struct sim_net_calls *calls, void *user);
void sim_net_free(struct sim_net *net);

/** @return the number of a new host, from 0; it is down */
uint32_t sim_net_add(struct sim_net *net);
void sim_net_up(struct sim_net *net, uint32_t host);
/** At once and without a word to anybody; its requests end without a callback. */
void sim_net_down(struct sim_net *net, uint32_t host);
bool sim_net_is_up(const struct sim_net *net, uint32_t host);

/** Sends a request to @p to (SIM_NOWHERE: into the void). @param id of the caller, unique among those of @p from @param req copied */
void sim_net_request(struct sim_net *net, uint32_t from, uint32_t to, uint64_t id,
		     const uint8_t *req, size_t n);
/** A request that is known to fail in @p after_us, for such a reason. */
void sim_net_fail(struct sim_net *net, uint32_t from, uint64_t id, uint64_t after_us, vx6_err why);
/** No callback comes for it any more; what is on its way arrives all the same. */
void sim_net_cancel(struct sim_net *net, uint32_t from, uint64_t id);

/** Whether @p host believes to have a session with @p peer. */
bool sim_net_is_warm(struct sim_net *net, uint32_t host, uint32_t peer);
/** A session that has been there before; no callbacks. @return false: one of the two has as many as it keeps */
bool sim_net_warm(struct sim_net *net, uint32_t a, uint32_t b);
/** Ends all sessions of @p host; the others notice. */
void sim_net_cool(struct sim_net *net, uint32_t host);
uint32_t sim_net_sessions(const struct sim_net *net, uint32_t host);
uint64_t sim_net_one_way_us(const struct sim_net *net, uint32_t a, uint32_t b);

struct sim_net_totals {
	uint64_t requests, answers, handshakes, lost;
	uint64_t request_bytes, answer_bytes;
};
void sim_net_totals(const struct sim_net *net, struct sim_net_totals *out);

#endif
