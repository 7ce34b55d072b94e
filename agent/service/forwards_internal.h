/**
 * @file forwards_internal.h
 * What the files of the forwards share: listeners, the table, connections.
 *
 * Layer:   service
 * Threads: the loop's thread
 */
#ifndef VX6_SERVICE_FORWARDS_INTERNAL_H
#define VX6_SERVICE_FORWARDS_INTERNAL_H

#include <sys/types.h>

#include "base/list.h"
#include "base/log.h"
#include "service/forwards.h"
#include "service/pump.h"

enum { FORWARD_ID_MAX = 40 };

/* ---- listener.c ---- */

struct vx6_forward_socket {
	int fd;
	struct vx6_addr asked, bound;
	dev_t dev; /* of the unix socket's file: unlinked only while it is still ours */
	ino_t ino;
};

/** Binds and listens. @return VX6_OK | ADDRESS_IN_USE | errno's */
VX6_RES vx6_forward_socket_open(const struct vx6_addr *at, struct vx6_forward_socket **out);

/* ---- forwards.c ---- */

struct forward {
	struct vx6_list node;
	struct vx6_forwards *table;
	char id[FORWARD_ID_MAX];
	struct vx6_forward_spec spec;
	struct vx6_forward_socket *socket; /* NULL: does not listen */
	struct vx6_io io;
	bool paused; /* out of descriptors */
	vx6_err error;
	struct vx6_forward_status seen; /* stats, and what was learned of the session */
	struct vx6_list conns;
	struct vx6_ratelimit loud;
};

struct vx6_forwards {
	struct vx6_forwards_config cfg;
	struct vx6_list list;
	size_t n;
	size_t connections;
	bool draining;
	struct vx6_timer resume; /* accept again after a shortage of descriptors */
	struct vx6_timer retry;  /* bind again what could not be bound */
	struct vx6_list attached;
	struct vx6_flow_stats attached_stats;
	struct vx6_ratelimit loud;
};

/** A connection failed before a byte was passed. @param fwd NULL: an attached one */
void forward_failed(struct vx6_forwards *f, struct forward *fwd, const struct vx6_target *to,
		    vx6_err err, const char *detail);

/* ---- forward_conn.c ---- */

/** Takes @p fd, just accepted. */
void forward_conn_begin(struct forward *fwd, int fd);
/** Resets every connection of a list, silently. */
void forward_conns_abort(struct vx6_list *conns);

#endif
