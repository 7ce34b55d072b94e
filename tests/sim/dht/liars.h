/**
 * @file liars.h
 * Nodes that do not follow the protocol, and what they say.
 *
 * Shape:   colluders of all kinds form one gang that knows all its members; flooders draw from one pool of nodes that do not exist, made with
 *          sound positions since nobody has to answer there
 * Threads: one thread
 */
#ifndef SIM_DHT_LIARS_H
#define SIM_DHT_LIARS_H

#include "tests/sim/dht/world.h"

struct liars;

/** After roles were given or changed, and before time goes on. */
void liars_ready(struct world *w);
void liars_free(struct liars *l);
/** Answers as the role of @p me has it. @return bytes of the answer */
size_t liar_serve(struct node *me, struct node *from, const struct vx6_dht_requester *who,
		  const uint8_t *req, size_t n, uint8_t *answer);

#endif
