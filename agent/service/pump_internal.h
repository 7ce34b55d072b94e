/**
 * @file pump_internal.h
 * What the files of the pump share: its life, and the two directions.
 *
 * Layer:   service
 * Threads: the loop's thread
 *
 * A step returns an error when the pump has to end with it; it never ends the pump itself, so the pump is still there afterwards.
 */
#ifndef VX6_SERVICE_PUMP_INTERNAL_H
#define VX6_SERVICE_PUMP_INTERNAL_H

#include "service/pump.h"

/* ---- pump_deliver.c: overlay to application ---- */

/** Takes all of what the peer sent: to the application as far as it goes, the rest is kept. @param iov,n borrowed */
VX6_RES pump_take(struct vx6_pump *p, const struct iovec *iov, int n, bool fin);
/** Writes of what is kept as much as the socket takes. */
VX6_RES pump_flush(struct vx6_pump *p);
/** The peer has finished: so do we towards the application, once it has everything. */
void pump_pass_fin(struct vx6_pump *p);
void pump_drop_kept(struct vx6_pump *p);

/* ---- pump_collect.c: application to overlay ---- */

/** Reads into the stream until it has no room, the socket is empty or the application has had its share of this wake-up. */
VX6_RES pump_read(struct vx6_pump *p);
/** The socket is readable; there may be no stream yet. */
VX6_RES pump_app_readable(struct vx6_pump *p);

#endif
