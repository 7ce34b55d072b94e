/**
 * @file asn.h
 * Which autonomous system an address belongs to, from a file in MaxMind's format (GeoLite2-ASN, DB-IP ASN, IPinfo ASN).
 *
 * Layer:   discovery
 * Trust:   the file is the operator's, but a damaged one must not harm: whatever cannot be read gives 0
 * Memory:  the file is mapped, not read; replace it by a new one (rename), never write into it
 * Threads: the loop's thread
 */
#ifndef VX6_DISCOVERY_ASN_H
#define VX6_DISCOVERY_ASN_H

#include <stddef.h>

#include "base/addr.h"

struct vx6_asn;

/**
 * @param detail @p detail_n bytes for people, written on failure: names the file and what is wrong with it
 * @param out    returns owned; vx6_asn_free()
 * @return VX6_OK | NOT_FOUND | IO | CORRUPT | MISMATCH (a map of something else) | UNSUPPORTED (built without the library)
 */
VX6_RES vx6_asn_open(const char *path, struct vx6_asn **out, char *detail, size_t detail_n);
/** Accepts NULL. */
void vx6_asn_free(struct vx6_asn *a);
/** @return 0: not known */
uint32_t vx6_asn_lookup(const struct vx6_asn *a, const struct vx6_addr *addr);

#endif
