/**
 * @file relays.h
 * The pool of relays: what each says of itself in signed records, and what we measured through our own circuits.
 *
 * Spec:    docs/adr/0018-paths-without-a-consensus.md
 * Layer:   circuit
 * Shape:   an entry a node. It is *listed* while a relay info of it holds; it stays for a while after that, so that what was measured outlives an
 *          interruption. What was measured and when it was first seen are rows for a disk (circuit/rows.h)
 * Trust:   what a relay says of itself decides what it may be used for, never how often: its weight comes from measurements alone
 * Bounds:  VX6_RELAYS_MAX entries, VX6_RELAYS_OF_PREFIX without a history in any one network. When the pool is full a newcomer takes the
 *          place of, in this order: one that is not listed and has no history, the longest gone first; one that is not listed; of sixteen
 *          listed ones without a history that in the most crowded network, if that is more crowded than the newcomer's own. Otherwise it is
 *          refused: nobody gets out what we have used before
 * Threads: the loop's thread; time comes as an argument, unix seconds
 *
 * Weight: `w = capacity × success² × e`
 *   capacity  of those measured the rate seen, at most four times the median of all; not measured: half the median
 *   success   (s + 1) / (s + f + 1) of uses that went well and badly; both halve every three days
 *   e         1 once it was used three times (it has a *history*), 1/4 before
 */
#ifndef VX6_CIRCUIT_RELAYS_H
#define VX6_CIRCUIT_RELAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "circuit/rows.h"
#include "identity/node_id.h"
#include "record/endpoint.h"
#include "record/relay_info.h"

enum {
	VX6_RELAYS_MAX = 4096,
	VX6_RELAYS_OF_PREFIX = 64, /* without a history, of a /48 or an IPv4 /16 */
	VX6_NETWORKS_MAX = 16,     /* of one node; an endpoint record has 8 addresses */
	VX6_RELAY_PROVEN_USES = 3,
	VX6_RELAY_CAP_MEDIANS = 4, /* a capacity counts up to so many medians */
};

#define VX6_RELAY_PREFIX_PRIVATE UINT64_C(1)

/** Where a node is, for the rule that hops differ. No two are equal, none is 0. */
struct vx6_networks {
	uint8_t prefix_n, asn_n;
	/* vx6_relay_prefix(); PRIVATE only when there is no other */
	uint64_t prefix[VX6_NETWORKS_MAX];
	uint32_t asn[VX6_NETWORKS_MAX];
};
/** The network of an address: IPv6 /48, IPv4 /16, VX6_RELAY_PREFIX_PRIVATE for all private address space. @return 0: none (a unix path) */
uint64_t vx6_relay_prefix(const struct vx6_addr *a);
/** Adds an address of the node; what is more than VX6_NETWORKS_MAX is ignored. @param asn 0: not known */
void vx6_networks_add(struct vx6_networks *n, const struct vx6_addr *a, uint32_t asn);

struct vx6_relays;

/** What verified records say: relay info and endpoint of one node. */
struct vx6_relay_facts {
	struct vx6_node_id node;
	uint64_t until_s; /* the relay info ends */
	uint8_t onion_key[VX6_ONION_KEY_BYTES];
	uint64_t onion_until_s;
	uint32_t policy;                        /* enum vx6_relay_policy, DRAINING too */
	uint8_t family[VX6_RELAY_FAMILY_BYTES]; /* zero: none */
	size_t addrs_n;
	struct vx6_addr addrs[VX6_ENDPOINT_ADDRS_MAX]; /* of its record, the primary first */
	uint32_t asns[VX6_ENDPOINT_ADDRS_MAX];         /* of each; 0: not known */
};
/** Facts out of its records; the asns are left 0. Of a relay info that is withdrawn: vx6_relays_drop() instead. */
void vx6_relay_facts_of(const struct vx6_relay_info *info, const struct vx6_endpoint *endpoint,
			uint64_t now_s, struct vx6_relay_facts *out);

/** An entry, to be read. */
struct vx6_relay_entry {
	struct vx6_node_id node;
	/* what records say; zero when none holds since the start */
	uint64_t until_s;
	uint8_t onion_key[VX6_ONION_KEY_BYTES];
	uint64_t onion_until_s;
	uint32_t policy;
	uint8_t family[VX6_RELAY_FAMILY_BYTES];
	uint8_t ip[16]; /* the primary address */
	uint16_t port;
	bool draining;
	struct vx6_networks
		nets; /* of every address: one that is not its own only makes it share more */
	/* what we know */
	uint64_t first_seen_s, last_listed_s, last_used_s; /* 0: never */
	uint32_t uses;                                     /* that went well, of all time */
	double successes, failures;                        /* as of score_s */
	uint64_t score_s;
	uint32_t rtt_us; /* that it adds to a circuit, smoothed; 0: not measured */
	double capacity; /* bytes/s, as of capacity_s; 0: not measured */
	uint64_t capacity_s;
};

/** @return owned; vx6_relays_free() */
struct vx6_relays *vx6_relays_new(void);
/** Accepts NULL. */
void vx6_relays_free(struct vx6_relays *r);

/* ---- what others say ---- */

/**
 * Takes a relay, or what is new of it.
 * @return VX6_OK | FULL (see Bounds) | INVALID (no address, no key, nothing that it takes on) | EXPIRED
 */
VX6_RES vx6_relays_put(struct vx6_relays *r, const struct vx6_relay_facts *facts, uint64_t now_s);
/** It is a relay no more, by its own word; what was measured stays. */
void vx6_relays_drop(struct vx6_relays *r, const struct vx6_node_id *node);
/** Its key is revoked: nothing of it stays. */
void vx6_relays_forget(struct vx6_relays *r, const struct vx6_node_id *node);
/** It asked us, over a circuit, to go elsewhere; until its next relay info. */
void vx6_relays_seen_draining(struct vx6_relays *r, const struct vx6_node_id *node);
/** What has ended and is remembered for long enough goes: a day without a history, 60 days with one. */
void vx6_relays_expire(struct vx6_relays *r, uint64_t now_s);

/* ---- what we measure; unknown nodes are ignored ---- */

/** A circuit through it was built, or it answered over one. @param rtt_us that it adds: to it and back, less what the hop before it takes; 0: not known */
void vx6_relays_seen_success(struct vx6_relays *r, const struct vx6_node_id *node, uint32_t rtt_us,
			     uint64_t now_s);

enum vx6_relay_failure {
	VX6_RELAY_UNREACHABLE, /* the link or the hop to it could not be made */
	VX6_RELAY_REFUSED,     /* it said no */
	VX6_RELAY_TIMEOUT,     /* it may have been another's fault: counts half */
	VX6_RELAY_DIED,        /* an open circuit ended there */
	VX6_RELAY_PROTOCOL,    /* it did what it must not: counts four times */
};
void vx6_relays_seen_failure(struct vx6_relays *r, const struct vx6_node_id *node,
			     enum vx6_relay_failure why, uint64_t now_s);
/**
 * So much came or went through a circuit of ours that it is part of. The highest rate counts, and halves every seven days. Less than
 * 128 KiB says nothing; what took less than half a second counts as if it had taken that: bursts out of a buffer are no capacity.
 */
void vx6_relays_seen_bytes(struct vx6_relays *r, const struct vx6_node_id *node, uint64_t bytes,
			   uint32_t ms, uint64_t now_s);

/* ---- to look at; pointers hold until the next call that changes the pool ---- */

/** @return NULL: not known */
const struct vx6_relay_entry *vx6_relays_find(const struct vx6_relays *r,
					      const struct vx6_node_id *node);
/** All entries, those that are not listed too. */
size_t vx6_relays_count(const struct vx6_relays *r);
/** @param i below vx6_relays_count(); in no particular order */
const struct vx6_relay_entry *vx6_relays_at(const struct vx6_relays *r, size_t i);
/** How many are listed. */
size_t vx6_relays_listed(const struct vx6_relays *r, uint64_t now_s);
/** Changes whenever an entry, what is said of it, or a measurement does. */
uint64_t vx6_relays_version(const struct vx6_relays *r);

bool vx6_relay_is_listed(const struct vx6_relay_entry *e, uint64_t now_s);
bool vx6_relay_has_history(const struct vx6_relay_entry *e);
/** Seconds since it was first seen. */
uint64_t vx6_relay_age_s(const struct vx6_relay_entry *e, uint64_t now_s);
/** Decayed to @p now_s. */
void vx6_relay_score(const struct vx6_relay_entry *e, uint64_t now_s, double *successes,
		     double *failures);
/** (s + 1) / (s + f + 1) */
double vx6_relay_success(const struct vx6_relay_entry *e, uint64_t now_s);
/** It fails more often than it works, and has failed at least three times lately. */
bool vx6_relay_is_failing(const struct vx6_relay_entry *e, uint64_t now_s);
/** Bytes/s, decayed; 0: not measured. */
double vx6_relay_capacity(const struct vx6_relay_entry *e, uint64_t now_s);
/** Median capacity of the listed ones that were measured; 0: none was. Kept for a minute. */
double vx6_relays_median(const struct vx6_relays *r, uint64_t now_s);
/** See the head of this file. @param median vx6_relays_median() @return above 0 */
double vx6_relay_weight(const struct vx6_relay_entry *e, double median, uint64_t now_s);

/* ---- rows ---- */

/** Rows that the store does not have yet. */
size_t vx6_relays_dirty(const struct vx6_relays *r);
/** Everything is to be stored again. */
void vx6_relays_dirty_all(struct vx6_relays *r);
/** Hands at most @p max changed rows to @p to. @return how many */
size_t vx6_relays_save(struct vx6_relays *r, const struct vx6_circuit_store *to, size_t max);
/**
 * Takes a stored row. What was measured since the start stays.
 * @return VX6_OK | FORMAT, CHECKSUM, UNSUPPORTED, …: damaged, dropped | EXPIRED: not worth keeping | EXISTS | FULL
 */
VX6_RES vx6_relays_load(struct vx6_relays *r, const uint8_t *key, size_t key_n,
			const uint8_t *value, size_t n, uint64_t now_s);

#endif
