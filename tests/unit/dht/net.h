/**
 * @file net.h
 * A few nodes of the DHT in one process, for unit tests: messages take a fixed time, some nodes are dead, some answer what the test says.
 */
#ifndef VX6_TESTS_UNIT_DHT_NET_H
#define VX6_TESTS_UNIT_DHT_NET_H

#include "base/util.h"
#include "dht/dht_internal.h"
#include "tests/unit/vectors.h"

enum { NET_MAX = 400, NET_PENDING_MAX = 16384, NET_REQ_MAX = 1024, NET_RTT_MS = 50 };

struct net;

/** Of a message that somebody led. @return bytes of what he answers himself; 0: nothing, ever; SIZE_MAX: he passes it on */
typedef size_t net_lead_fn(void *user, uint8_t path, const struct vx6_dht_req *req, uint8_t *out);

/** @return bytes of the answer; 0: none comes, ever */
typedef size_t net_answer_fn(void *user, const struct vx6_dht_req *req, uint8_t *out);

struct net_node {
	struct net *net;
	struct vx6_dht *dht;
	struct vx6_dht_contact contact;
	struct vx6_dht_key pos;
	uint64_t wake_ms;
	bool dead;
	net_answer_fn *answer; /* instead of the DHT's own */
	void *answer_user;
	unsigned asked; /* requests that reached it */
	struct vx6_dht_io io;
	net_lead_fn *lead; /* its paths are led, by this */
	void *lead_user;
	bool may_put;
};

struct net_message {
	size_t from, to;
	uint64_t query, at_ms;
	uint8_t path;
	bool used;
	size_t n;
	uint8_t req[NET_REQ_MAX];
};

struct net {
	struct net_node node[NET_MAX];
	size_t n;
	struct net_message *pending;
	struct vx6_dht_now now;
	uint64_t random;
	size_t sent;
};

struct net *net_new(void);
void net_free(struct net *net);
/** A node at @p ip with an id of its number, serving. @param answer NULL: a real DHT */
struct net_node *net_add(struct net *net, const char *ip, net_answer_fn *answer, void *user);
/** @p n nodes, each in a /48 of its own. */
void net_add_many(struct net *net, size_t n);
/** Everybody is told of everybody. */
void net_introduce_all(struct net *net);
/** From now on its paths are led: it begins anew, knows nobody, and does not serve. */
void net_lead(struct net_node *n, const struct vx6_dht_guides *guides, net_lead_fn *lead,
	      void *user);
/** Lets @p ms pass. */
void net_run(struct net *net, uint64_t ms);
/** Which node has that id; the test fails when none. */
struct net_node *net_find(struct net *net, const struct vx6_node_id *id);

/** An answer that names @p n nodes and gives one record (NULL: none). @return its bytes */
size_t net_compose(uint8_t op, const struct vx6_dht_contact *nodes, size_t n, const uint8_t *record,
		   size_t record_n, uint8_t *out);

#endif
