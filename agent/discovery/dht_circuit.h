/**
 * @file dht_circuit.h
 * Lookups in the DHT that nobody connects with this node, and records put there: a DHT of its own, whose queries go to proxies at the ends of
 * anonymous circuits, who send them on.
 *
 * Spec:    schemas/wire/dht.md#over-circuits
 * Layer:   discovery
 * Shape:   it is there while it is wanted, and goes VX6_DHT_CIRCUIT_IDLE_MS after its last lookup: nothing is asked that nobody wants to know.
 *          While a record is kept in it, it stays.
 *          Each life begins with an id that was never used before, other proxies, and a few contacts drawn by chance: of the ordinary table, or
 *          of those whose records say that they serve.
 *          Each path of a lookup has a proxy to itself
 * Trust:   a proxy can withhold answers and make up nodes, on its own path only; it sees what is asked for; records are verified here, and it
 *          does not learn who asks
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_DHT_CIRCUIT_H
#define VX6_DISCOVERY_DHT_CIRCUIT_H

#include "circuit/circuits.h"
#include "dht/dht.h"

enum {
	VX6_DHT_CIRCUIT_PROXIES = VX6_DHT_PATHS,
	VX6_DHT_CIRCUIT_RELAYS = 2, /* before the proxy */
	VX6_DHT_CIRCUIT_RELAYS_HIDDEN =
		3, /* with a vanguard: proxies are many, and none is to stand beside it */
	VX6_DHT_CIRCUIT_CONTACTS = 40, /* of the ordinary table that it begins with */
	VX6_DHT_CIRCUIT_IDLE_MS = 60 * 1000,
	VX6_DHT_CIRCUIT_KEEP_MS = 10 * 60 * 1000, /* then another proxy takes its place */
	VX6_DHT_CIRCUIT_FAILURES = 4, /* of a proxy in a row: another one takes its place at once */
	VX6_DHT_CIRCUIT_TRIES = 3,    /* proxies of one path that were no good; then it rests */
	VX6_DHT_CIRCUIT_REST_MS = 30 * 1000,
	VX6_DHT_CIRCUIT_SHUN_MS = 5 * 60 * 1000, /* how long one that was no good is not taken */
};

struct vx6_dht_circuit;

/** How proxies are reached. */
struct vx6_dht_circuit_ways {
	/** @return a number; 0: there can be no way to it */
	uint64_t (*way)(void *user, const struct vx6_node_id *proxy);
	/** @return NULL: none is up */
	struct vx6_session *(*session)(void *user, uint64_t way);
	/** As vx6_circuits_want(). */
	struct vx6_circuits_wait *(*want)(void *user, uint64_t way, vx6_circuits_cb *cb,
					  void *cb_user);
	void (*cancel)(void *user, struct vx6_circuits_wait *w);
	/** Optional: it is not used again. */
	void (*leave)(void *user, uint64_t way);
	void *user;
};

/** @param c borrowed */
typedef void vx6_dht_circuit_met(void *met_user, const struct vx6_dht_contact *c);

struct vx6_dht_circuit_config {
	struct vx6_loop *loop; /* borrowed, like all below */
	struct vx6_sessions *sessions;
	struct vx6_circuits *circuits;
	const struct vx6_dht_circuit_ways *ways; /* NULL: anonymous circuits */
	struct vx6_net net;
	uint32_t idle_ms; /* 0: VX6_DHT_CIRCUIT_IDLE_MS */
	uint8_t proxies;  /* 0: VX6_DHT_CIRCUIT_PROXIES, which is the most */
	uint8_t relays;   /* before each proxy; 0: VX6_DHT_CIRCUIT_RELAYS, or _HIDDEN */
	bool hidden;      /* what is asked is a hidden service's: vx6_routing.vanguard */
	/**
	 * Of vx6_routing: no circuit is shared with whoever has another one. 0: each life has one of its own, from 1. Else this one, for a single
	 * life: it is freed when that is over.
	 */
	uint32_t apart;
	/** Draws a node that sends on what others ask, none of @p but. @return false: none is known */
	bool (*pick)(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out);
	/** The ordinary DHT, of whose contacts some are taken over; NULL: there is none. */
	const struct vx6_dht *(*other)(void *user);
	/**
	 * Optional: where there is none, calls @p met for nodes of which their records say that they serve the DHT. Without it, or if that are
	 * none, there is nobody to ask.
	 */
	void (*heard)(void *user, vx6_dht_circuit_met *met, void *met_user);
	/** Optional: it is there from now on, or not: for vx6_resolver_set_anonymous_dht(). */
	void (*changed)(void *user, struct vx6_dht *dht);
	void *user;
};

/** @return owned; vx6_dht_circuit_free() */
struct vx6_dht_circuit *vx6_dht_circuit_new(const struct vx6_dht_circuit_config *cfg);
/** Before the circuits. Accepts NULL. */
void vx6_dht_circuit_free(struct vx6_dht_circuit *c);
/** Somebody wants to look something up: it is made if need be. */
void vx6_dht_circuit_want(struct vx6_dht_circuit *c);
/**
 * The proxies of the next life are chosen, and ways to them made, so that it can ask at once. Again and again: those that were lost, or have been
 * kept for VX6_DHT_CIRCUIT_KEEP_MS, are replaced.
 */
void vx6_dht_circuit_prepare(struct vx6_dht_circuit *c);
/** @return how many proxies could be asked now, without a lookup */
unsigned vx6_dht_circuit_prepared(const struct vx6_dht_circuit *c);
/** It becomes somebody else's, before its life begins. @param user of the configuration from here on */
void vx6_dht_circuit_pass(struct vx6_dht_circuit *c, void *user);
/** @return NULL: it is not there now. Gone when `changed` says so */
struct vx6_dht *vx6_dht_circuit_dht(const struct vx6_dht_circuit *c);
void vx6_dht_circuit_now(const struct vx6_dht_circuit *c, struct vx6_dht_now *out);
/** Who leads @p path now. @return false: nobody */
bool vx6_dht_circuit_proxy(const struct vx6_dht_circuit *c, uint8_t path, struct vx6_node_id *out);

#endif
