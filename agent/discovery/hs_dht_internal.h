/**
 * @file hs_dht_internal.h
 * What publishing and fetching descriptors share: a hidden DHT for one key.
 *
 * Layer:   discovery
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_HS_DHT_INTERNAL_H
#define VX6_DISCOVERY_HS_DHT_INTERNAL_H

#include "base/list.h"
#include "crypto/hash.h"
#include "discovery/hs_dht.h"

struct vx6_hs_dht {
	struct vx6_hs_dht_config cfg;
	uint32_t apart; /* the last number that was given to a hidden DHT */
	struct vx6_list fetches;
	unsigned publishers;
};

/** A hidden DHT for one of the two keys. Zero-initialise. */
struct hs_side {
	struct vx6_hs_dht *h;
	struct vx6_dht_circuit *circuit; /* NULL: closed */
	const struct hs_side *sibling;   /* of the other key: its proxies are not taken */
	bool may_share;                  /* they are, where there are no others */
};

/** Opens it with @p proxies of its own. @return NULL: there is no DHT here whose contacts it could begin with; it is closed then */
struct vx6_dht *hs_side_open(struct hs_side *s, uint8_t proxies);
/** With all that is under way in it, without callbacks. Never from inside one of the DHT's. */
void hs_side_close(struct hs_side *s);
/** Its time. */
struct vx6_dht_now hs_side_now(const struct hs_side *s);

/* ---- hs_weigh.c: what was found under both keys, no matter how ---- */

/** Under one of them. Zero-initialise. */
struct hs_heard {
	bool ended, found;
	vx6_err err; /* of the lookup */
	uint8_t record[VX6_HS_DESC_BYTES];
	size_t n;
	uint64_t seq;
	struct vx6_hash hash;
	/* of the lookup: paths and holders that brought just this one, paths that brought anything, and those that heard all who should have it */
	uint32_t paths, holders, heard, whole;
};
/** Ends it with what a lookup (WANT_NEWEST) has brought. @param blinded whose descriptor it is */
void hs_heard_take(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		   const struct vx6_dht_result *r);
/** Fills in what a lookup has brought so far. */
void hs_heard_so_far(struct hs_heard *h, const struct vx6_sign_pk *blinded,
		     const struct vx6_dht_value *v);
/**
 * The newest that is not below @p least, and whether it is confirmed.
 * @param out err, record (borrows @p heard), n, seq, sources, asked, holders, confirmed; the rest is left as it is
 */
void hs_weigh(const struct hs_heard heard[static VX6_HS_INDEXES], uint64_t least,
	      struct vx6_hs_fetched *out);

/** Ends all fetches, without callbacks. */
void hs_fetches_end(struct vx6_hs_dht *h);

#endif
