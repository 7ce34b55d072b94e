/**
 * @file services.h
 * The published services: who may reach which local target, and the connections that came in for them.
 *
 * Spec:    schemas/wire/open.md
 * Layer:   service
 * Trust:   names and bytes come from peers; targets never do. A target that is not loopback needs the configuration's leave.
 * Limits:  VX6_SERVICES_MAX services, `connections_max` connections of one, 5 s for a target to answer
 * Threads: the loop's thread
 */
#ifndef VX6_SERVICE_SERVICES_H
#define VX6_SERVICE_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "identity/node_id.h"
#include "loop/loop.h"
#include "service/spec.h"
#include "service/stats.h"
#include "transport/transport.h"
#include "wire/open.h"

enum {
	VX6_SERVICES_MAX = 16384,
	VX6_SERVICE_CONNECT_MS = 5000,
	VX6_SERVICE_CONNECTIONS_MAX = 65536,
};

struct vx6_services;

struct vx6_services_config {
	struct vx6_loop *loop; /* borrowed, like all below, for the table's life */
	bool allow_non_loopback;
	uint32_t connections_max; /* of one service; 0: VX6_SERVICE_CONNECTIONS_MAX */
	/**
	 * Optional: a connection failed before a byte was passed. Rate-limited, a few a second for each service and for all names
	 * that are not published. @param id of the service; NULL: no service of that @p name @param peer NULL: anonymous
	 * Must not change the table.
	 */
	void (*failed)(void *user, const char *id, const char *name, const struct vx6_node_id *peer,
		       const struct vx6_failure *f);
	/** Optional: the target of a service answers again after it did not. Must not change the table. */
	void (*recovered)(void *user, const char *id);
	void *user;
};

/** @param cfg borrowed for the call @return owned; vx6_services_free() */
struct vx6_services *vx6_services_new(const struct vx6_services_config *cfg);
/** Resets every connection and frees. Accepts NULL. */
void vx6_services_free(struct vx6_services *s);

/** Whether @p spec may be published: @return VX6_OK | INVALID (name, target, too many allowed, hidden with a list) | NOT_LOOPBACK */
VX6_RES vx6_services_check(const struct vx6_services *s, const struct vx6_service_spec *spec);

/**
 * Creates the service @p id or gives it another spec. Connections that exist go on with what they have; a service that is not enabled
 * takes no new ones, and they are answered SERVICE_UNKNOWN.
 * @param spec borrowed @return VX6_OK | EXISTS (another one has that name) | FULL | those of vx6_services_check()
 */
VX6_RES vx6_services_put(struct vx6_services *s, const char *id,
			 const struct vx6_service_spec *spec);
/** Resets its connections. @return VX6_OK | NOT_FOUND */
VX6_RES vx6_services_delete(struct vx6_services *s, const char *id);

/** @return borrowed until the table changes; NULL: no such service */
const struct vx6_flow_stats *vx6_services_stats(const struct vx6_services *s, const char *id);

/**
 * A peer asks for a service: to be called from `incoming` of the sessions. Takes @p stream and answers it with vx6_session_answer():
 * SERVICE_UNKNOWN, ACCESS_REFUSED, TARGET_UNREACHABLE, FULL, or OK when the target is connected.
 * @param peer NULL: anonymous @param rest,rest_n,fin what came along; borrowed
 */
void vx6_services_incoming(struct vx6_services *s, struct vx6_stream *stream,
			   const struct vx6_node_id *peer, const struct vx6_open *what,
			   const struct iovec *rest, int rest_n, bool fin);

/** The scope (vx6_adopt.scope) of the hidden service @p id: a number that no other service of this process gets. 0: there is no such hidden service */
uint64_t vx6_services_scope(const struct vx6_services *s, const char *id);
/**
 * As vx6_services_incoming(), on a session of @p scope, which is not 0: the service of that scope is there as VX6_OPEN_HIDDEN, and no
 * other is.
 */
void vx6_services_incoming_hidden(struct vx6_services *s, uint64_t scope, struct vx6_stream *stream,
				  const struct vx6_open *what, const struct iovec *rest, int rest_n,
				  bool fin);

#endif
