/**
 * @file claims.h
 * Claims to names as records make them: read from the registry, and from answers of the DHT.
 *
 * Spec:    schemas/wire/names.md#claims
 * Layer:   discovery
 * Trust:   the records have been verified; what they say is their author's word
 * Threads: the thread that drives the registry
 */
#ifndef VX6_DISCOVERY_CLAIMS_H
#define VX6_DISCOVERY_CLAIMS_H

#include "dht/dht.h"
#include "discovery/names.h"
#include "discovery/registry.h"

struct vx6_peers;

/** What the names of records are weighed with. */
struct vx6_claims_view {
	const struct vx6_net *net; /* borrowed, like all below */
	const struct vx6_registry *registry;
	const struct vx6_peers *peers; /* NULL: none */
	uint64_t now_s;
};

/**
 * The name that a record of type endpoint or name claims.
 * @param seen holders and prefixes are 0 @return false: it claims none
 */
bool vx6_claim_of_record(const struct vx6_claims_view *v, const uint8_t *record, size_t n,
			 char name[static VX6_LABEL_TEXT], struct vx6_name_claim_seen *seen);
/** Adds all claims to @p name that the registry holds. */
void vx6_claims_of_registry(const struct vx6_claims_view *v, const char *name,
			    struct vx6_claims *out);
/** Adds one that holders of the DHT gave, unless its node has said something newer since. */
void vx6_claims_add_value(const struct vx6_claims_view *v, const char *name,
			  const struct vx6_dht_value *value, struct vx6_claims *out);

#endif
