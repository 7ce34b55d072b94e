/**
 * @file dht_circuit.h
 * Lookups in the DHT that nobody connects with this node: a DHT of its own, whose queries go to proxies at the ends of anonymous circuits, who send
 * them on.
 *
 * Spec:    schemas/wire/dht.md#over-circuits
 * Layer:   discovery
 * Shape:   it is there while it is wanted, with what the ordinary one's table holds, and goes VX6_DHT_CIRCUIT_IDLE_MS after its last lookup:
 *          nothing is asked that nobody wants to know. Two proxies take turns, so that the disjoint paths of a lookup do not all lead through one
 * Trust:   a proxy can withhold answers and sees what is asked for; records are verified here, and it does not learn who asks
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_DHT_CIRCUIT_H
#define VX6_DISCOVERY_DHT_CIRCUIT_H

#include "circuit/circuits.h"
#include "dht/dht.h"

enum {
	VX6_DHT_CIRCUIT_PROXIES = 2,
	VX6_DHT_CIRCUIT_RELAYS = 2, /* before the proxy */
	VX6_DHT_CIRCUIT_IDLE_MS = 60 * 1000,
	VX6_DHT_CIRCUIT_KEEP_MS = 10 * 60 * 1000, /* then another proxy takes its place */
};

struct vx6_dht_circuit;

struct vx6_dht_circuit_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_circuits *circuits;
	struct vx6_net net;
	struct vx6_node_id self;
	enum vx6_diversity diversity;
	/** Draws a node that sends on what others ask, none of @p but. @return false: none is known */
	bool (*pick)(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out);
	/** The ordinary DHT, whose contacts are taken over; NULL: there is none. */
	const struct vx6_dht *(*other)(void *user);
	/** It is there from now on, or not: for vx6_resolver_set_anonymous_dht(). */
	void (*changed)(void *user, struct vx6_dht *dht);
	void *user;
};

/** @return owned; vx6_dht_circuit_free() */
struct vx6_dht_circuit *vx6_dht_circuit_new(const struct vx6_dht_circuit_config *cfg);
/** Before the circuits. Accepts NULL. */
void vx6_dht_circuit_free(struct vx6_dht_circuit *c);
/** Somebody wants to look something up: it is made if need be. */
void vx6_dht_circuit_want(struct vx6_dht_circuit *c);
void vx6_dht_circuit_now(const struct vx6_dht_circuit *c, struct vx6_dht_now *out);

#endif
