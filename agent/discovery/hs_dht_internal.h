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

/** Ends all fetches, without callbacks. */
void hs_fetches_end(struct vx6_hs_dht *h);

#endif
