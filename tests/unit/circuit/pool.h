/**
 * @file pool.h
 * Pools of relays for tests: numbered nodes, each in a network of its own unless said otherwise; randomness by seed.
 */
#ifndef VX6_TESTS_UNIT_CIRCUIT_POOL_H
#define VX6_TESTS_UNIT_CIRCUIT_POOL_H

#include "circuit/path.h"

enum { POOL_T0 = 1790000000, POOL_ALL = 0x1f };

struct pool_rand {
	uint64_t s;
	struct vx6_rand rand;
};
/** @param r must stay where it is */
void pool_seed(struct pool_rand *r, uint64_t seed);

struct vx6_node_id pool_id(uint32_t n);
/** The address of node @p n: 2a00:n::1 */
struct vx6_addr pool_addr(uint32_t n);
/** What node @p n says of itself: every policy, listed for a year, no family, no ASN. */
struct vx6_relay_facts pool_facts(uint32_t n, uint64_t now_s);
/** Adds nodes @p from to @p to, first seen at @p now_s. */
void pool_add(struct vx6_relays *r, uint32_t from, uint32_t to, uint64_t now_s);
/** @p uses that went well, with that RTT; bytes at that rate if it is not 0. */
void pool_use(struct vx6_relays *r, uint32_t n, unsigned uses, uint32_t rtt_us, uint32_t bytes_s,
	      uint64_t now_s);

#endif
