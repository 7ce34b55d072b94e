/**
 * @file contact.h
 * A node as the DHT knows it, and its place in the key space.
 *
 * Spec:    schemas/wire/dht.md#positions
 * Layer:   dht
 * Shape:   one address a node: the primary one of its endpoint record. The position follows from id and address, so nobody states it and
 *          nobody can choose it: the first 32 bits come from the address's prefix (IPv6 /48, IPv4 /24; eight places each), the rest from
 *          the id. An address that is private or loopback binds nothing: there the whole position comes from the id.
 * Trust:   what others say of a node is a claim until it has answered at that address and proved its id
 * Threads: pure, any thread
 */
#ifndef VX6_DHT_CONTACT_H
#define VX6_DHT_CONTACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/sign.h"
#include "identity/node_id.h"

enum { VX6_DHT_KEY_BYTES = 32, VX6_DHT_PREFIX_BYTES = 6 };

/** A point of the key space: of a record, or of a node. */
struct vx6_dht_key {
	uint8_t b[VX6_DHT_KEY_BYTES];
};

enum vx6_dht_via { VX6_DHT_VIA_QUIC = 1, VX6_DHT_VIA_TCP = 2 }; /* as in endpoint records */

struct vx6_dht_contact {
	struct vx6_node_id node;
	uint8_t ip[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
	uint8_t via;       /* bits of enum vx6_dht_via */
	uint16_t age_days; /* for how long whoever told of it has known it */
};

/** The address in the form that the rest of the program uses. */
void vx6_dht_contact_addr(const struct vx6_dht_contact *c, struct vx6_addr *out);
/** Loopback, link-local, ULA or RFC 1918: nobody outside can reach it, and it binds no position. */
bool vx6_dht_contact_is_private(const struct vx6_dht_contact *c);
/** What is not private and yet no host on the internet has: IPv6 outside of 2000::/3, IPv4 0/8 and 240/4. Private ones may be among these. */
bool vx6_dht_contact_is_bogon(const struct vx6_dht_contact *c);
/** Not unspecified, not multicast, port not 0, a transport given. What fails this is dropped unseen. */
bool vx6_dht_contact_is_sane(const struct vx6_dht_contact *c);
/** IPv6 /48, or the IPv4 /24 in its mapped form cut to 6 bytes that no IPv6 /48 has; what "diverse" means. */
void vx6_dht_contact_prefix(const struct vx6_dht_contact *c,
			    uint8_t out[static VX6_DHT_PREFIX_BYTES]);
void vx6_dht_contact_pos(const struct vx6_net *net, const struct vx6_dht_contact *c,
			 struct vx6_dht_key *out);

/** Which of @p a and @p b is closer to @p key by XOR. @return <0: a, >0: b, 0: the same point */
int vx6_dht_closer(const struct vx6_dht_key *key, const struct vx6_dht_key *a,
		   const struct vx6_dht_key *b);
/** Leading bits that @p a and @p b have in common, 0 to 256. */
unsigned vx6_dht_common_bits(const struct vx6_dht_key *a, const struct vx6_dht_key *b);

#endif
