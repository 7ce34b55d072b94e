/**
 * @file registry.h
 * What this node knows of others: their signed endpoint and service records, and the names it has pinned.
 *
 * Spec:    schemas/wire/names.md
 * Layer:   discovery
 * Trust:   records are hostile until admitted; a name is a claim, only node ids are facts
 * Limits:  VX6_KNOWN_NODES_MAX nodes, VX6_KNOWN_SERVICES_MAX services each; beyond, expired nodes go first, then
 *          strangers; a service too many is refused
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_REGISTRY_H
#define VX6_DISCOVERY_REGISTRY_H

#include "record/admit.h"
#include "record/endpoint.h"
#include "record/service.h"

enum { VX6_KNOWN_NODES_MAX = 4096, VX6_KNOWN_SERVICES_MAX = 256 };

struct vx6_registry;

struct vx6_registry_events {
	/** A name was used for the first time and stands for @p node from now on. To be stored. */
	void (*pinned)(void *user, const char *name, const struct vx6_node_id *node);
	/** A node is known under a name that is pinned to another. */
	void (*name_conflict)(void *user, const char *name, const struct vx6_node_id *pinned,
			      const struct vx6_node_id *claims);
	/** Whether the operator configured @p node as a peer: its claim to a name goes before those of strangers. */
	bool (*is_configured)(void *user, const struct vx6_node_id *node);
	/** Something about @p node changed: its record, its services. */
	void (*changed)(void *user, const struct vx6_node_id *node);
};

/** @return owned; vx6_registry_free(). @p net, @p store, @p ev are borrowed */
struct vx6_registry *vx6_registry_new(const struct vx6_net *net, const struct vx6_hwm_store *store,
				      const struct vx6_registry_events *ev, void *user);
void vx6_registry_free(struct vx6_registry *r);

/** Verifies and takes one record. @return VX6_OK (also for one known already) | errors of vx6_record_admit() | UNSUPPORTED (type) | FULL */
VX6_RES vx6_registry_admit(struct vx6_registry *r, const uint8_t *record, size_t n, uint64_t now_s);

/** The endpoint record of @p node. @return false: none, or expired */
bool vx6_registry_endpoint(const struct vx6_registry *r, const struct vx6_node_id *node,
			   uint64_t now_s, struct vx6_endpoint *out);
/** Name of @p node as it calls itself; "" when not known. Borrowed until the next admit. */
const char *vx6_registry_name(const struct vx6_registry *r, const struct vx6_node_id *node);

/** Names of the services that @p node publishes. @param out room for @p max labels @return how many were written */
size_t vx6_registry_services(const struct vx6_registry *r, const struct vx6_node_id *node,
			     uint64_t now_s, char (*out)[VX6_LABEL_TEXT], size_t max);

/**
 * Which node a user name stands for: the pinned one, or the only configured peer that goes by it, or the only node.
 * @param detail @p detail_n bytes for people, written on failure
 * @return VX6_OK | PEER_UNKNOWN | AMBIGUOUS (several, none pinned) | MISMATCH (pinned to one that is not known, and another now uses the name)
 */
VX6_RES vx6_registry_resolve(struct vx6_registry *r, const char *name, uint64_t now_s,
			     struct vx6_node_id *out, char *detail, size_t detail_n);

/** The node that @p name is pinned to. @return false: it is not pinned */
bool vx6_registry_pinned(const struct vx6_registry *r, const char *name, struct vx6_node_id *out);
/** Pins @p name to @p node unless it is pinned. */
void vx6_registry_pin(struct vx6_registry *r, const char *name, const struct vx6_node_id *node);
/** Loads a stored pin at start; no event. */
void vx6_registry_load_pin(struct vx6_registry *r, const char *name,
			   const struct vx6_node_id *node);

#endif
