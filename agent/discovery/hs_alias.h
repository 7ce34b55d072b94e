/**
 * @file hs_alias.h
 * Alias claims of hidden services in the DHT: published and found over circuits.
 *
 * Spec:    schemas/wire/alias_claim.md
 * Layer:   discovery
 * Shape:   a claim lies under the key of its alias, beside those of others. It is put there, and all of them are looked for, in a hidden DHT of its
 *          own that is gone afterwards, as with descriptors (hs_dht.h): whoever sees the one sees no other business of the same node.
 *          Published: put and read back from each holder; again after a random 60 to 120 minutes
 * Trust:   anybody may claim any alias: what is found says who does, and never who is right. Holders and proxies can keep a claim to themselves
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_HS_ALIAS_H
#define VX6_DISCOVERY_HS_ALIAS_H

#include "discovery/hs_dht.h"
#include "discovery/names.h"
#include "record/name_claim.h"

/* ---- publishing ---- */

/** Keeps one service's claim to one alias where it is found, or its withdrawal. */
struct vx6_hs_claim;

/** Never from inside a call; the claim may be freed from inside. */
struct vx6_hs_claim_events {
	/** vx6_hs_claim_info() is worth a look. */
	void (*changed)(void *user);
	/** A holder has one of the same service of @p seq that is not ours, and not older: an earlier life of this service made it. */
	void (*newer)(void *user, uint64_t seq);
	/** Another service claims the alias, or has taken that back. */
	void (*other)(void *user, const struct vx6_name_claim *claim);
};

/** @param ev borrowed @return owned; vx6_hs_claim_free() */
struct vx6_hs_claim *vx6_hs_claim_new(struct vx6_hs_dht *h, const char *alias,
				      const struct vx6_hs_claim_events *ev, void *user);
/** What lies at holders stays there until it expires. Before its vx6_hs_dht. Accepts NULL. */
void vx6_hs_claim_free(struct vx6_hs_claim *c);
/**
 * Puts it there, at once, in the place of an earlier one.
 * @param record copied @return VX6_OK | MISMATCH (another alias) | errors of vx6_record_parse() and vx6_alias_claim_read()
 */
VX6_RES vx6_hs_claim_publish(struct vx6_hs_claim *c, const uint8_t *record, size_t n);
void vx6_hs_claim_info(const struct vx6_hs_claim *c, struct vx6_hs_publish_index *out);

/* ---- finding ---- */

struct vx6_hs_alias_found {
	/* OK (somebody claims it) | NOT_FOUND | NO_RELAYS (nobody to ask through) | UNREACHABLE | TIMEOUT */
	vx6_err err;
	const struct vx6_claims *claims; /* `node` is a service's key; borrowed for the callback */
	struct vx6_claims_asked asked;
	uint32_t queries, ms;
};
typedef void vx6_hs_alias_cb(void *user, const struct vx6_hs_alias_found *f);

struct vx6_hs_alias_find;
/** @param done fires once, never inside this call, unless cancelled @return owned until then; to be cancelled before @p h is freed */
struct vx6_hs_alias_find *vx6_hs_alias_find(struct vx6_hs_dht *h, const char *alias,
					    vx6_hs_alias_cb *done, void *user);
/** Accepts NULL. */
void vx6_hs_alias_find_cancel(struct vx6_hs_alias_find *f);

#endif
