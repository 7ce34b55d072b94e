/**
 * @file path.h
 * Which relays a circuit goes through, and why.
 *
 * Spec:    docs/adr/0018-paths-without-a-consensus.md
 * Layer:   circuit
 * Shape:   drawn here out of the pool (circuit/relays.h), by weight: no lookup betrays a path. Order of drawing: hops that were asked for, the
 *          guard, the last relay, those between
 * Rules:   differ    no two of the hops, the target and ourselves are one node or of one operator family; with diversity on, none share a
 *                    network (IPv6 /48, IPv4 /16) or an autonomous system
 *          fit       listed, onion key valid, not draining; the first may be a guard, every one may pass on
 *          first     anonymous: the first usable guard; otherwise drawn
 *          second    for hidden services: one of the vanguards (circuit/vanguards.h)
 *          quick     between the ends, and for performance everywhere: the better round trip of two draws; performance with one relay: the best
 *                    of four. Where the first draw was not measured yet, it stays. So a relay gets at most twice its share of weight there
 *                    (four times), and its weight is at most that of four median relays
 *          ends      anonymous: the first and the last relay are never both without a history, once any relay has one
 *          age       first seen 48 h ago
 * Relaxed  while fewer than 30 relays that fit are that old, 2 h do, and while fewer than 30 are that, any: young and small networks work
 *          at once. When no path is found, one after the other: those to be avoided; ends without a history; age; relays that fail more often
 *          than they work; performance only, and with diversity AUTO: networks and autonomous systems. Each hop's reason says so.
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_PATH_H
#define VX6_CIRCUIT_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit/draw.h"
#include "circuit/guards.h"
#include "circuit/relays.h"
#include "circuit/vanguards.h"

enum {
	VX6_PATH_MAX = 8, /* relays */
	VX6_PATH_GUARDS_APART = 2,
	VX6_PATH_WHY = 192,
	VX6_PATH_OWN_PREFIXES = 16,
	VX6_PATH_SETTLED = 30, /* relays that make a network old enough for the rule on age */
	VX6_PATH_AGE_S = 48 * 3600,
	VX6_PATH_YOUNG_AGE_S = 2 * 3600,
};

enum vx6_path_diversity {
	VX6_PATH_DIVERSITY_AUTO, /* ON, but OFF while no listed relay has a public address */
	VX6_PATH_DIVERSITY_OFF,  /* networks and autonomous systems do not count */
	VX6_PATH_DIVERSITY_ON,
};

/** Where we stand. */
struct vx6_path_view {
	uint64_t now_s;
	struct vx6_node_id self;
	enum vx6_path_diversity diversity;
	uint8_t family[VX6_RELAY_FAMILY_BYTES]; /* zero: none */
	struct vx6_networks nets;               /* vx6_networks_add() for each of our addresses */
};

/** The node behind the last relay, as far as it is known: relays differ from it. */
struct vx6_path_end {
	struct vx6_node_id node;
	uint8_t family[VX6_RELAY_FAMILY_BYTES]; /* zero: none */
	struct vx6_networks nets;
};

enum vx6_path_purpose {
	VX6_PATH_PERFORMANCE, /* no guards */
	VX6_PATH_ANONYMOUS,
};

struct vx6_path_request {
	enum vx6_path_purpose purpose;
	uint8_t n; /* relays, 1 to VX6_PATH_MAX */
	/* hops that are to be these, first hop first; NULL: drawn. Borrowed, as all below. They need not be old, healthy, or of use as a guard,
	   and for performance not in different networks */
	const struct vx6_node_id *fixed[VX6_PATH_MAX];
	/* what is known of those that are no relays of the pool, and need not say that they pass on; NULL: the pool knows it. Never drawn */
	const struct vx6_relay_entry *named[VX6_PATH_MAX];
	const struct vx6_path_end *target; /* NULL: it leads nowhere yet */
	const struct vx6_node_id *exclude; /* never used */
	size_t exclude_n;
	const struct vx6_node_id *avoid; /* used only if there is no other way */
	size_t avoid_n;
	uint32_t every_may,
		last_may; /* enum vx6_relay_policy: needed besides, of every relay, of the last one */
	/* for hidden services */
	uint8_t guard; /* up to VX6_PATH_GUARDS_APART: 2 for the second one that can be used, as far as there is one; 0 as 1 */
	const struct vx6_vanguards *
		vanguards; /* of these is the second of two or more, as far as one fits; NULL: drawn */
	/* the last hop of `fixed` is somebody else's word: no rule is about it but that it takes that on, drawn hops keep apart from it, and the guard
	   and the vanguard may be it */
	bool foreign_last;
	const struct vx6_node_id *last_not; /* not drawn as the last one */
	size_t last_not_n;
	const struct vx6_node_id
		*undrawn; /* not drawn at all; guards, vanguards and those asked for may be these */
	size_t undrawn_n;
};

/** What was not kept to. */
enum vx6_path_relaxed {
	VX6_PATH_RELAXED_YOUNG = 0x01, /* below 48 h, for want of older ones */
	VX6_PATH_RELAXED_NEW = 0x02,   /* below 2 h */
	VX6_PATH_RELAXED_AVOID = 0x04, /* it was to be avoided */
	VX6_PATH_RELAXED_ENDS = 0x08,  /* first and last without a history */
	VX6_PATH_RELAXED_FAILING = 0x10,
	VX6_PATH_RELAXED_DIVERSITY = 0x20, /* networks and autonomous systems were not looked at */
};

enum vx6_path_pick {
	VX6_PATH_FIXED,
	VX6_PATH_GUARD,
	VX6_PATH_VANGUARD,
	VX6_PATH_DRAWN,
};

/** Why a hop is what it is. */
struct vx6_path_reason {
	enum vx6_path_pick pick;
	uint8_t relaxed; /* enum vx6_path_relaxed, as far as this relay needed it */
	/* GUARD; VANGUARD: place, since_s, and how many there are as candidates */
	uint8_t place; /* in the sample, from 1; behind VX6_GUARDS_PRIMARY: the primary ones are down or do not fit */
	bool primary;
	bool confirmed;
	uint64_t since_s;
	/* DRAWN */
	uint8_t draws; /* it is the best of so many */
	uint32_t rtt_us,
		other_rtt_us; /* of it, of the next best draw; 0: not measured, or the same relay twice */
	uint32_t candidates; /* relays it was drawn from */
	double share;        /* its part of their weight, 0 to 1 */
	bool has_history;
};
/** For people, e.g. "better of two draws: 23 ms against 41 ms; weight 0.8 % of 212 relays". @return @p out */
char *vx6_path_reason_format(const struct vx6_path_reason *why, char out[static VX6_PATH_WHY]);

struct vx6_path {
	uint8_t n;
	uint8_t relaxed;    /* of all hops together */
	bool diversity_off; /* by setting, or because all are private */
	struct {
		struct vx6_node_id node;
		struct vx6_path_reason why;
	} hop[VX6_PATH_MAX]; /* the first one is the nearest to us */
};

/** What a path failed for. */
enum vx6_path_rule {
	VX6_PATH_RULE_NONE,
	VX6_PATH_RULE_SELF,   /* it is ourselves */
	VX6_PATH_RULE_TARGET, /* it is the target */
	VX6_PATH_RULE_TWICE,  /* it is another hop as well */
	VX6_PATH_RULE_FAMILY,
	VX6_PATH_RULE_PREFIX,
	VX6_PATH_RULE_ASN,
	VX6_PATH_RULE_POLICY, /* it does not take that on */
	VX6_PATH_RULE_EXCLUDED,
};
struct vx6_path_lack {
	uint8_t wanted;
	/* NO_RELAYS: how many relays are left after each rule */
	uint32_t listed, with_key; /* and not draining */
	uint32_t willing;          /* take on what is needed */
	uint32_t allowed;          /* not excluded, not ourselves or the target, or beside them */
	uint32_t differing;        /* of these that may stand in one path together, about */
	uint32_t settled;          /* of those allowed, at least 48 h old */
	bool no_guard;             /* none of the guards fits */
	/* a hop that was asked for: its place from 1, and which rule it breaks */
	uint8_t place;
	enum vx6_path_rule rule;
	struct vx6_node_id node;
};
/** For people: what is missing, with numbers. @param err what vx6_path_draw() gave @return @p out */
char *vx6_path_lack_format(vx6_err err, const struct vx6_path_lack *lack,
			   char out[static VX6_PATH_WHY]);

/**
 * Draws a path. For VX6_PATH_ANONYMOUS vx6_guards_update() comes first.
 * @param guards NULL: none are kept, the first hop is drawn like the others
 * @param out    written on success
 * @param lack   written on failure
 * @return VX6_OK | INVALID (n) | NO_RELAYS (no path fits the rules)
 *         | NOT_FOUND (a hop that was asked for is not known as a relay) | UNSUPPORTED (it is known, and is no relay now: not listed, no valid
 *         key, or it does not pass on) | CONFLICT (it breaks a rule)
 */
VX6_RES vx6_path_draw(const struct vx6_relays *relays, const struct vx6_guards *guards,
		      const struct vx6_path_view *view, const struct vx6_path_request *req,
		      const struct vx6_rand *rand, struct vx6_path *out,
		      struct vx6_path_lack *lack);

/** What a relay is good for, to be shown. */
enum vx6_path_standing {
	VX6_PATH_CANDIDATE, /* may be drawn */
	VX6_PATH_YOUNG,     /* below 48 h: drawn while there are few others */
	VX6_PATH_FAILING,
	VX6_PATH_DRAINING,
	VX6_PATH_UNUSABLE, /* not listed, no valid key, or it does not pass on */
};
enum vx6_path_standing vx6_path_standing(const struct vx6_relay_entry *e, uint64_t now_s);

/** Whether most relays are too young for the rule on age to say anything of one: less than VX6_PATH_SETTLED are two hours old. */
bool vx6_path_is_new(const struct vx6_relays *relays, uint64_t now_s);
/**
 * Whether a last relay that somebody else has named is gone to: nobody learns by naming it what others would not have done. It has to be one that
 * anybody may draw, as old as those are: then it is known to others as well. In a new network all but those that are known not to do @p may.
 * @param e NULL: it is not in the pool
 */
bool vx6_path_takes_word(const struct vx6_relays *relays, const struct vx6_relay_entry *e,
			 uint32_t may, uint64_t now_s);

/** Whether networks and autonomous systems count here and now. */
bool vx6_path_is_diverse(const struct vx6_path_view *view, const struct vx6_relays *relays);

#endif
