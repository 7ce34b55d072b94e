/**
 * @file lan.h
 * Discovery on the local network: the node's signed endpoint record as an IPv6 multicast beacon, link-local scope.
 *
 * Spec:    schemas/wire/beacon.md
 * Layer:   discovery
 * Trust:   a beacon is a record like any other: admitted or dropped. Where it came from proves nothing; the dial does
 * Limits:  sent at start, a second and three seconds later, when an address changes, then once a minute; at most 32 beacons a second are looked at
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_LAN_H
#define VX6_DISCOVERY_LAN_H

#include <stdbool.h>

#include "base/err.h"
#include "crypto/sign.h"
#include "loop/loop.h"

struct vx6_lan;
struct vx6_lan_config {
	struct vx6_loop *loop; /* borrowed */
	struct vx6_net net;    /* beacons of others are dropped */
	/** Our endpoint record. @return bytes; 0: none, nothing is sent */
	size_t (*own)(void *user, uint8_t *out, size_t cap);
	/** A record came by beacon; not verified. Borrowed. @return true: it was admitted, and of a node that was not known: it is told of us soon */
	bool (*heard)(void *user, const uint8_t *record, size_t n);
	void *user;
	uint16_t port; /* 0: VX6_BEACON_PORT */
};
/** Joins on every interface that is up, multicasts, and is not loopback. @return VX6_OK | errno's: a host without IPv6 has no beacon */
VX6_RES vx6_lan_new(const struct vx6_lan_config *cfg, struct vx6_lan **out);
/** Accepts NULL. */
void vx6_lan_free(struct vx6_lan *l);
/** Interfaces or addresses changed, or the endpoint record: joins anew and sends. */
void vx6_lan_changed(struct vx6_lan *l);

struct vx6_lan_stats {
	uint64_t sent, heard; /* datagrams; heard: of this network, not our own */
	uint64_t dropped;     /* malformed, of other networks, too many */
	unsigned interfaces;
};
void vx6_lan_stats(const struct vx6_lan *l, struct vx6_lan_stats *out);

#endif
