/**
 * @file node.h
 * A whole agent: made from a configuration, run, freed. What it can do while it runs is in node/facade.h.
 *
 * Layer:   node
 * Threads: new, run and free on one thread, which becomes the loop's
 */
#ifndef VX6_NODE_NODE_H
#define VX6_NODE_NODE_H

#include "node/facade.h"

enum { VX6_CONFIG_PEERS_MAX = 64, VX6_RELAY_FAMILY_TEXT = 128 };

struct vx6_node_config {
	const char *state_dir; /* created (0700) if missing; borrowed for the call, like all here */
	const char *name;      /* NULL: as stored, else from the host's name */
	struct vx6_addr listen[VX6_LISTEN_MAX];
	size_t listen_n; /* 0: accept no links */
	enum vx6_transport_choice transport;
	struct vx6_peer_spec peers[VX6_CONFIG_PEERS_MAX]; /* kept while configured, not stored */
	size_t peers_n;
	bool allow_non_loopback; /* targets and forward listeners beyond this host */
	const char *passphrase;  /* of the master key; NULL: none */
	enum vx6_dht_mode dht;
	enum vx6_diversity diversity;
	const char *asn_map; /* a MaxMind file; NULL: none */
	bool lan_off;        /* no beacon is sent or heard */
	struct vx6_relaying_change
		relay;          /* what is said wins over what is stored, as `name` does */
	bool hidden_keep_roles; /* stay a public relay and serve the DHT while hidden services are hosted */
	const char
		*relay_family; /* what all relays of one operator have in common; NULL: nothing */
	/** SIGHUP: called on a worker, one call at a time; NULL: nothing happens. */
	void (*reload)(void *user);
	void *reload_user;
	uint32_t drain_ms; /* how long an orderly stop waits for streams; 0: 2000 */
};

/**
 * Opens state and identity (both created in an empty directory) and starts everything.
 * @param detail for people, at least VX6_DETAIL_MAX bytes, written on failure
 * @return VX6_OK | LOCKED | CORRUPT | TOO_NEW | LOOSE_MODE | PASSPHRASE | ADDRESS_IN_USE | …; owned in @p out
 */
VX6_RES vx6_node_new(const struct vx6_node_config *cfg, struct vx6_node **out, char *detail);
/** Until vx6_node_request_stop(), SIGINT or SIGTERM. A second signal cuts the wait for streams short. */
void vx6_node_run(struct vx6_node *node);
/** Nobody may submit any more. */
void vx6_node_free(struct vx6_node *node);

#endif
