/**
 * @file onion.h
 * The client's keys of a circuit: the handshake with each hop, the layers that their keys make, and that of another client behind the last hop.
 *
 * Spec:    schemas/wire/cell.md, schemas/wire/onion.md
 * Layer:   circuit
 * Trust:   answers are hostile; a hop's layer exists only after its handshake proved the onion key
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_ONION_H
#define VX6_CIRCUIT_ONION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/sign.h"
#include "identity/node_id.h"
#include "record/relay_info.h"
#include "transport/transport.h"
#include "wire/cell.h"

struct onion_hs; /* our half of one handshake */
struct onion;    /* layers, the nearest hop's first */

/**
 * Begins a handshake.
 * @param cm message to the hop, encrypted; borrowed
 * @param out the CREATE, whose pointers borrow @p hs
 * @return VX6_OK | KEY (not a public key) | LIMIT
 */
VX6_RES onion_hs_begin(const struct vx6_net *net, const struct vx6_node_id *node,
		       const uint8_t onion_key[static VX6_ONION_KEY_BYTES], const uint8_t *cm,
		       size_t cm_n, struct onion_hs **hs, struct vx6_create *out);
/** Wipes and frees. Accepts NULL. */
void onion_hs_free(struct onion_hs *hs);

/**
 * The hop's answer: adds its layer.
 * @param sm its message, VX6_SM_MAX bytes
 * @param kh binding of the circuit with that hop
 * @return VX6_OK | WRONG_PEER (it did not prove its key)
 */
VX6_RES onion_add(struct onion *o, struct onion_hs *hs, const struct vx6_created *created,
		  uint8_t sm[static VX6_SM_MAX], size_t *sm_n, uint8_t kh[static VX6_CB_BYTES]);

/**
 * Adds the layer with the other end of a circuit that the last hop joins with this one; it counts as one more hop. No hop can be added after it.
 * @param keys VX6_CIRCUIT_JOIN_KEYS bytes: what the acceptor reads with, what it writes with
 */
void onion_add_end(struct onion *o, const uint8_t *keys, bool acceptor);

struct onion *onion_new(void);
/** Wipes and frees. Accepts NULL. */
void onion_free(struct onion *o);

/** Encrypts a RELAY cell whose payload is in place, so that hop @p to recognises it. */
void onion_seal(struct onion *o, int to, uint8_t cell[static VX6_CELL_BYTES]);
/** Decrypts one in place. @return the hop that it is from; -1: of none, and what is left in the cell means nothing */
int onion_open(struct onion *o, uint8_t cell[static VX6_CELL_BYTES]);

#endif
