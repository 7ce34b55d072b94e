/**
 * @file guard.h
 * How many new handshakes one part of the network may begin: a token bucket for each IPv6 /48 and IPv4 /24.
 *
 * Layer:   transport (private to it)
 * Shape:   a fixed table under a keyed hash; neighbours in it share a bucket when it is crowded, so memory never grows.
 * Trust:   source addresses are hostile
 * Threads: the loop's thread
 */
#ifndef VX6_TRANSPORT_GUARD_H
#define VX6_TRANSPORT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/siphash.h"

enum { VX6_GUARD_SLOTS = 512 };

struct vx6_guard {
	struct vx6_siphash_key key;
	uint32_t per_s; /* tokens a second, and the most that are saved up; 0: no limit */
	struct {
		uint64_t full_ms; /* when the bucket is full again */
	} slot[VX6_GUARD_SLOTS];
};

void vx6_guard_init(struct vx6_guard *g, uint32_t per_s);
/** Takes a token of @p from 's bucket. @return false: there is none. Loopback always passes. */
bool vx6_guard_admit(struct vx6_guard *g, const struct vx6_addr *from, uint64_t now_ms);

#endif
