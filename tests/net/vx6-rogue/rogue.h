/* What the files of the rogue relay share, see rogue.c. */
#ifndef VX6_TESTS_ROGUE_H
#define VX6_TESTS_ROGUE_H

#include "circuit/relay_internal.h"

/** The real events of a relay's hops. */
extern const struct vx6_hop_events __real_relay_prev_events, __real_relay_next_events;

/** Takes a cell that is to be passed on @p ms later, behind all that wait already. @return false: no more can be held */
bool hold_cell(struct vx6_hop *hop, const struct vx6_hop_events *real, struct relay_circ *c,
	       const uint8_t cell[static VX6_CELL_BYTES], uint32_t ms);
/** Whether cells of @p hop wait. */
bool hold_has(const struct vx6_hop *hop);
/** The hop is gone, and what waited with it. */
void hold_drop(const struct vx6_hop *hop);

/** An order, whoever it is for. */
void hidden_obey(struct vx6_relay *r, const char *text);

#endif
