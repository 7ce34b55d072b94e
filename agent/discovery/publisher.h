/**
 * @file publisher.h
 * This node's own records: builds and signs them, keeps them fresh, gives them to the sessions that are up and keeps the public ones in the
 * DHT.
 *
 * Spec:    schemas/wire/endpoint.md, service.md, name_claim.md, relay_info.md
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_PUBLISHER_H
#define VX6_DISCOVERY_PUBLISHER_H

#include "dht/dht.h"
#include "record/endpoint.h"
#include "record/relay_info.h"
#include "session/session.h"

enum { VX6_PUBLISHED_MAX = 1024 }; /* services */

struct vx6_publisher;

struct vx6_publisher_config {
	struct vx6_loop *loop;               /* borrowed, like all below */
	const struct vx6_identity *identity; /* may be renewed in place: vx6_publisher_refresh() */
	/** Whether @p node may know of the service: its access list decides. */
	bool (*may_see)(void *user, const char *service, const struct vx6_node_id *node);
	/** Whether everybody may know of it: else its record is unlisted and goes to those who may see it, and nowhere else. */
	bool (*is_public)(void *user, const char *service);
	/** A sequence number was used: to be stored, so that a clock that went back does not silence the node. */
	void (*seq_used)(void *user, uint64_t seq);
	/** Optional: a record is @p published, given back by all its holders; or it no longer is held by most of them. */
	void (*kept)(void *user, uint8_t rtype, const char *name,
		     const struct vx6_dht_kept_info *info, bool published);
	/** Optional: a holder gave another node's claim to our name. Borrowed; verified */
	void (*clash)(void *user, const uint8_t *record, size_t n);
	/** Optional: a record was made, and nobody has it yet. Borrowed */
	void (*made)(void *user, const uint8_t *record, size_t n);
	/** Optional: a holder gave a record of this node that is not the one it was given, and not older. Borrowed; verified */
	void (*foreign)(void *user, const uint8_t *record, size_t n);
	void *user;
	uint64_t last_seq; /* highest ever used, as stored */
};

/** @return owned; vx6_publisher_free() */
struct vx6_publisher *vx6_publisher_new(const struct vx6_publisher_config *cfg);
void vx6_publisher_free(struct vx6_publisher *p);
/** Records go to the sessions of @p m from now on; NULL: to none. Borrowed. */
void vx6_publisher_attach(struct vx6_publisher *p, struct vx6_sessions *m);
/**
 * Public records are kept in @p dht from now on; NULL: nowhere.
 * @param now tells the time as the DHT counts it
 */
void vx6_publisher_attach_dht(struct vx6_publisher *p, struct vx6_dht *dht,
			      void (*now)(void *user, struct vx6_dht_now *out), void *user);

/** What the endpoint record says; a new one is built and sent if it differs. @param name may be "" @param features VX6_FEAT_* */
void vx6_publisher_set_endpoint(struct vx6_publisher *p, const char *name,
				const struct vx6_endpoint_addr *addrs, size_t n, uint64_t features);
/** The claim to @p name, with the @p nonce of its proof of work; one for another name is withdrawn. */
void vx6_publisher_set_claim(struct vx6_publisher *p, const char *name, uint64_t nonce,
			     uint64_t claimed_at_s);
/**
 * That this node takes circuits, under which keys and for what; a new record is built and sent if it differs.
 * @param info node, seq, dates and withdrawn are ignored; the first key must not have ended. NULL: taken back
 */
void vx6_publisher_set_relay(struct vx6_publisher *p, const struct vx6_relay_info *info);
/** Our own revocation: from now on it is all that this node publishes. */
void vx6_publisher_set_revocation(struct vx6_publisher *p, const uint8_t *record, size_t n);
/** Offers a service, or again to those who may newly see it. */
void vx6_publisher_put_service(struct vx6_publisher *p, const char *name);
/** Takes it back: a withdrawn record replaces it at those who have it. */
void vx6_publisher_drop_service(struct vx6_publisher *p, const char *name);

/** The current endpoint record. @return bytes copied to @p out, 0: none or too small */
size_t vx6_publisher_endpoint(struct vx6_publisher *p, uint8_t *out, size_t cap);
/** The current claim to our name. @return bytes copied to @p out, 0: none or too small */
size_t vx6_publisher_claim(struct vx6_publisher *p, uint8_t *out, size_t cap);
/** The highest sequence number used: a record of ours above it is not of our making. */
uint64_t vx6_publisher_last_seq(const struct vx6_publisher *p);
/** Sends a new session all it may see. */
void vx6_publisher_greet(struct vx6_publisher *p, struct vx6_session *s);
/** Builds every record anew (key renewed) and sends them. */
void vx6_publisher_refresh(struct vx6_publisher *p);

/** Calls @p fn for each record that is published; @p kept is NULL for those that are not in the DHT. @p name: of the service or claim, else "" */
void vx6_publisher_each(const struct vx6_publisher *p,
			void (*fn)(void *user, uint8_t rtype, const char *name, uint64_t issued_s,
				   const struct vx6_dht_kept *kept),
			void *user);

#endif
