/**
 * @file services_internal.h
 * What the files of the services share: the table, connections.
 *
 * Layer:   service
 * Threads: the loop's thread
 */
#ifndef VX6_SERVICE_SERVICES_INTERNAL_H
#define VX6_SERVICE_SERVICES_INTERNAL_H

#include <sys/resource.h>

#include "base/list.h"
#include "base/log.h"
#include "crypto/table.h"
#include "service/services.h"

enum { SERVICE_ID_MAX = 40 };

/* ---- services.c ---- */

struct service {
	struct vx6_list node;
	struct vx6_services *table;
	char id[SERVICE_ID_MAX];
	uint64_t scope; /* 0: it is not hidden */
	struct vx6_service_spec spec;
	struct vx6_flow_stats stats;
	struct vx6_list conns;
	struct vx6_ratelimit loud;
	UT_hash_handle by_id, by_name;
};

struct vx6_services {
	struct vx6_services_config cfg;
	struct vx6_list list;
	struct service *ids, *names; /* the same, to be looked up */
	size_t n;
	uint64_t last_scope;
	rlim_t fd_end;             /* descriptors from here on are not for connections of peers */
	struct vx6_ratelimit loud; /* for names that are not published */
};

/** A connection failed before a byte was passed. @param svc NULL: no service of that name @param peer NULL: anonymous */
void service_failed(struct vx6_services *s, struct service *svc, const char *name,
		    const struct vx6_node_id *peer, vx6_err err, const char *detail);
/** Answers @p stream with @p err and lets go of it. */
void service_refuse(struct vx6_stream *stream, vx6_err err);

/* ---- service_conn.c ---- */

/**
 * Asks the target for one connection more and joins it with @p stream, which is taken and answered.
 * @param peer NULL: anonymous @param rest,rest_n,fin what came along; borrowed
 */
void service_conn_begin(struct service *svc, struct vx6_stream *stream,
			const struct vx6_node_id *peer, const struct iovec *rest, int rest_n,
			bool fin);
/** Resets every connection of a service, silently. */
void service_conns_abort(struct service *svc);

#endif
