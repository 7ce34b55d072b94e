/**
 * @file tcp_ops.h
 * The operations of the TLS/TCP family that do not live in tcp.c.
 *
 * Layer:   transport (private to tcp/)
 * Threads: the loop's thread
 */
#ifndef VX6_TRANSPORT_TCP_TCP_OPS_H
#define VX6_TRANSPORT_TCP_TCP_OPS_H

#include "transport/transport.h"

VX6_RES tcp_listen(struct vx6_transport *t, const struct vx6_addr *at,
		   const struct vx6_accept_events *ev, void *user, struct vx6_listener **out);
void tcp_listener_addr(const struct vx6_listener *l, struct vx6_addr *out);
void tcp_listener_close(struct vx6_listener *l);

#endif
