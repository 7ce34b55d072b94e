/**
 * @file publisher.h
 * This node's own records: builds and signs them, keeps them fresh, and gives them to the sessions that are up.
 *
 * Spec:    schemas/wire/endpoint.md, service.md
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_PUBLISHER_H
#define VX6_DISCOVERY_PUBLISHER_H

#include "record/endpoint.h"
#include "session/session.h"

enum { VX6_PUBLISHED_MAX = 1024 };

struct vx6_publisher;

struct vx6_publisher_config {
	struct vx6_loop *loop;               /* borrowed, like all below */
	const struct vx6_identity *identity; /* may be renewed in place: vx6_publisher_refresh() */
	/** Whether @p node may know of the service: its access list decides. */
	bool (*may_see)(void *user, const char *service, const struct vx6_node_id *node);
	/** A sequence number was used: to be stored, so that a clock that went back does not silence the node. */
	void (*seq_used)(void *user, uint64_t seq);
	void *user;
	uint64_t last_seq; /* highest ever used, as stored */
};

/** @return owned; vx6_publisher_free() */
struct vx6_publisher *vx6_publisher_new(const struct vx6_publisher_config *cfg);
void vx6_publisher_free(struct vx6_publisher *p);
/** Records go to the sessions of @p m from now on; NULL: to none. Borrowed. */
void vx6_publisher_attach(struct vx6_publisher *p, struct vx6_sessions *m);

/** What the endpoint record says; a new one is built and sent if it differs. @param name may be "" */
void vx6_publisher_set_endpoint(struct vx6_publisher *p, const char *name,
				const struct vx6_endpoint_addr *addrs, size_t n);
/** Offers a service, or again to those who may newly see it. */
void vx6_publisher_put_service(struct vx6_publisher *p, const char *name);
/** Takes it back: a withdrawn record replaces it at those who have it. */
void vx6_publisher_drop_service(struct vx6_publisher *p, const char *name);

/** The current endpoint record. @return bytes copied to @p out, 0: none or too small */
size_t vx6_publisher_endpoint(struct vx6_publisher *p, uint8_t *out, size_t cap);
/** Sends a new session all it may see. */
void vx6_publisher_greet(struct vx6_publisher *p, struct vx6_session *s);
/** Builds every record anew (key renewed) and sends them. */
void vx6_publisher_refresh(struct vx6_publisher *p);

#endif
