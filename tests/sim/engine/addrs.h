/**
 * @file addrs.h
 * Where hosts live: global IPv6 and IPv4 addresses over many prefixes, of which some hold several hosts.
 *
 * Shape:   three in four prefixes are an IPv6 /48, the others an IPv4 /24; the hosts of a prefix follow a power law (most hold one)
 * Threads: one thread
 */
#ifndef SIM_ENGINE_ADDRS_H
#define SIM_ENGINE_ADDRS_H

#include <stdint.h>

#include "tests/sim/engine/rng.h"

struct sim_addrs {
	struct sim_rng rng;
	uint8_t base[16]; /* of the prefix that is being filled */
	uint64_t at_v6, at_v4, step;
	unsigned left; /* hosts that it still takes */
	uint32_t serial;
	size_t prefixes; /* begun so far */
};

void sim_addrs_init(struct sim_addrs *a, uint64_t seed);
/** The next host's address; no two are equal. @param ip network order, IPv4 as ::ffff:a.b.c.d */
void sim_addrs_next(struct sim_addrs *a, uint8_t ip[static 16]);
/** A prefix of its own, of which no host was given an address. */
void sim_addrs_fresh(struct sim_addrs *a, uint8_t ip[static 16]);
/** Number @p n of the /48s in the IPv6 /32 that @p net lies in, with host number @p host: what the holder of a /32 can pick from. */
void sim_addrs_of_block(const uint8_t net[static 16], uint16_t n, uint32_t host,
			uint8_t ip[static 16]);

#endif
