/**
 * @file mem.h
 * Extras of the in-memory family: what tests and the simulator can ask of it beyond transport.h.
 *
 * Layer:   transport
 * Shape:   instances on one loop reach each other by port number; the address part of a dial is not looked at. Same multiplexer,
 *          windows and ends as tcp; frames are handed over in memory, so a run depends on nothing but its inputs and the loop's clock.
 * Threads: the loop's thread
 */
#ifndef VX6_TRANSPORT_MEM_MEM_H
#define VX6_TRANSPORT_MEM_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/transport.h"

/** What links of @p t send from now on takes so long to arrive. 0 at start. */
void vx6_mem_set_delay(struct vx6_transport *t, uint64_t one_way_ns);
/** Frames sent by links of @p t from now on vanish, as on a dead path; their peers notice by silence. */
void vx6_mem_set_dead(struct vx6_transport *t, bool dead);

/**
 * Links that @p t dials from now on prove no key, on neither side, and tell no address: all that their two ends share is the channel binding, as those
 * of a circuit, and frames are as small.
 */
void vx6_mem_set_keyless(struct vx6_transport *t, bool keyless);

/** Links that @p t dials come from @p source from now on, as their acceptors see it. [::1]:65535 at start. */
void vx6_mem_set_source(struct vx6_transport *t, const struct vx6_addr *source);

#endif
