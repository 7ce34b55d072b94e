/**
 * @file path_internal.h
 * Rules about which relays may stand in one path, as path.c and guards.c share them.
 *
 * Layer:   circuit
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_PATH_INTERNAL_H
#define VX6_CIRCUIT_PATH_INTERNAL_H

#include "circuit/path.h"

/**
 * What two nodes share. @return VX6_PATH_RULE_TWICE (one node; _SELF, _TARGET when it is that), _FAMILY, with @p diverse _PREFIX, _ASN; or _NONE
 */
enum vx6_path_rule path_clash_relay(const struct vx6_relay_entry *a,
				    const struct vx6_relay_entry *b, bool diverse);
enum vx6_path_rule path_clash_end(const struct vx6_path_end *a, const struct vx6_relay_entry *b,
				  bool diverse);
enum vx6_path_rule path_clash_self(const struct vx6_path_view *view,
				   const struct vx6_relay_entry *e, bool diverse);

/** Listed, with an onion key, not draining, and it takes on all of @p may. */
bool path_relay_fits(const struct vx6_relay_entry *e, uint32_t may, uint64_t now_s);
/** VX6_PATH_RELAXED_YOUNG, _NEW or 0: how old a relay must not be, by how many old ones there are. */
uint8_t path_age_stage(const struct vx6_relays *relays, uint32_t may, uint64_t now_s);
/** What of the rule on age @p e does not keep to. */
uint8_t path_age_missing(const struct vx6_relay_entry *e, uint64_t now_s);

#endif
