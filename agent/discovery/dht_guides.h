/**
 * @file dht_guides.h
 * The proxies of the hidden DHT: one for each path of a lookup, another one when it is no good.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_DHT_GUIDES_H
#define VX6_DISCOVERY_DHT_GUIDES_H

#include "base/list.h"
#include "discovery/dht_circuit.h"

enum { GUIDES_SHUNNED_MAX = 16 };

struct guides;
struct guide {
	struct guides *g;
	bool chosen;
	struct vx6_node_id node;
	uint64_t way;    /* 0: not needed yet */
	uint64_t number; /* vx6_dht_guides.guide(); 0: its way was not up yet */
	uint64_t since_ms, rest_until_ms;
	struct vx6_circuits_wait *wait;
	unsigned failures; /* of queries, in a row */
	unsigned tries;    /* of proxies, since one has brought an answer */
};

struct guides {
	struct vx6_loop *loop;
	struct vx6_dht_circuit_ways ways;
	bool (*pick)(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out);
	void *pick_user;
	void (*changed)(void *user); /* who leads a path; from inside calls of ours, too */
	void *changed_user;
	uint64_t last;
	uint8_t n; /* of guide[] that are used */
	struct guide guide[VX6_DHT_CIRCUIT_PROXIES];
	struct {
		struct vx6_node_id node;
		uint64_t until_ms; /* 0: unused */
	} shunned[GUIDES_SHUNNED_MAX];
	unsigned shunned_next;
	struct vx6_list asked; /* queries that are under way */
};

void guides_init(struct guides *g, struct vx6_loop *loop, const struct vx6_dht_circuit_ways *ways,
		 uint8_t n);
/** Lets go of all: the next ones are drawn anew. */
void guides_end(struct guides *g);

/** @return how many lead somewhere now */
unsigned guides_up(const struct guides *g);

/* as struct vx6_dht_guides wants them */
uint8_t guides_count(struct guides *g);
uint64_t guides_guide(struct guides *g, uint8_t path);
bool guides_may_ask(const struct guides *g, uint8_t path, const struct vx6_dht_contact *to);

/** A query of @p path goes out. @return the session it goes over; NULL: it is gone */
struct vx6_session *guides_asked(struct guides *g, uint8_t path, uint64_t query);
/** It came to an end. */
void guides_heard(struct guides *g, uint64_t query, bool answered);

#endif
