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

#include "base/err.h"
#include "loop/loop.h"

struct vx6_lan;
struct vx6_lan_config {
	struct vx6_loop *loop; /* borrowed */
	/** Our endpoint record. @return bytes; 0: none, nothing is sent */
	size_t (*own)(void *user, uint8_t *out, size_t cap);
	/** A record came by beacon; not verified. Borrowed. */
	void (*heard)(void *user, const uint8_t *record, size_t n);
	void *user;
};
/** Joins on every interface that is up, multicasts, and is not loopback. @return VX6_OK | errno's: a host without IPv6 has no beacon */
VX6_RES vx6_lan_new(const struct vx6_lan_config *cfg, struct vx6_lan **out);
void vx6_lan_free(struct vx6_lan *l);
/** Interfaces or addresses changed, or the endpoint record: joins anew and sends. */
void vx6_lan_changed(struct vx6_lan *l);

#endif
