/**
 * @file netwatch.h
 * This host's addresses, and the news that they changed.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_NETWATCH_H
#define VX6_DISCOVERY_NETWATCH_H

#include "base/addr.h"
#include "loop/loop.h"

enum { VX6_HOST_ADDRS_MAX = 32 };

/**
 * The host's unicast addresses that others may reach: no loopback, no link-local; global ones before private ones. A host that has none
 * gives its loopback addresses, so that nodes of one machine find each other.
 * @return how many were written; ports are 0
 */
size_t vx6_host_addrs(struct vx6_addr out[static VX6_HOST_ADDRS_MAX]);

struct vx6_netwatch;
/** @param changed called a moment after the last of a burst of changes @return owned; vx6_netwatch_free() */
VX6_RES vx6_netwatch_new(struct vx6_loop *loop, void (*changed)(void *user), void *user,
			 struct vx6_netwatch **out);
/** Accepts NULL. */
void vx6_netwatch_free(struct vx6_netwatch *w);

#endif
