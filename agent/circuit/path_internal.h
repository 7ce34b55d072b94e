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

/* A draw, as path.c and path_guard.c share it. */
struct path_candidate {
	const struct vx6_relay_entry *e;
	double weight;
	uint8_t relaxed; /* what has to be relaxed for it */
};

struct path_draw {
	const struct vx6_relays *relays;
	const struct vx6_guards *guards;
	const struct vx6_path_view *view;
	const struct vx6_path_request *req;
	const struct vx6_rand *rand;
	bool diverse; /* under the present rules */
	uint8_t relaxed;
	struct path_candidate *c;
	double *w; /* of the present hop; 0: does not fit */
	size_t n;
	const struct vx6_relay_entry *hop[VX6_PATH_MAX];
	struct vx6_path_reason why[VX6_PATH_MAX];
	uint8_t order[VX6_PATH_MAX];
	size_t order_n;
	unsigned steps;
	bool no_guard;
};

bool path_has_guard(const struct path_draw *d);
bool path_has_vanguard(const struct path_draw *d);
/** One for the first hop, with its reason. @return NULL: none fits that is not in @p tried */
const struct vx6_relay_entry *path_pick_guard(struct path_draw *d,
					      const struct vx6_relay_entry *const *tried,
					      size_t tried_n);
/** One for the second hop. */
const struct vx6_relay_entry *path_pick_vanguard(struct path_draw *d,
						 const struct vx6_relay_entry *const *tried,
						 size_t tried_n);
bool path_is_in(const struct vx6_node_id *v, size_t n, const struct vx6_node_id *node);
bool path_was_tried(const struct vx6_relay_entry *const *tried, size_t n,
		    const struct vx6_relay_entry *e);
/** What a hop at @p place has to take on. */
uint32_t path_needed(const struct path_draw *d, size_t place);
/** What has to be relaxed for @p e. */
uint8_t path_relaxed_for(const struct path_draw *d, const struct vx6_relay_entry *e);
/** With ourselves and the target. */
enum vx6_path_rule path_outer_clash(const struct path_draw *d, const struct vx6_relay_entry *e,
				    bool diverse);
/** With the hops that are there, but for the one at @p place. */
enum vx6_path_rule path_inner_clash(const struct path_draw *d, const struct vx6_relay_entry *e,
				    size_t place, bool diverse);

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
/** One of those that @p fits says yes to, by weight. @return NULL: there is none */
const struct vx6_relay_entry *path_by_weight(const struct vx6_relays *relays, uint64_t now_s,
					     bool (*fits)(const void *ctx,
							  const struct vx6_relay_entry *e),
					     const void *ctx, const struct vx6_rand *rand);

#endif
