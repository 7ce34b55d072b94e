/**
 * @file relay_crypt.h
 * A relay's keys of a circuit: its half of the handshake, and the layer that came of it.
 *
 * Spec:    schemas/wire/cell.md, schemas/wire/onion.md
 * Layer:   circuit
 * Trust:   the client's half is hostile
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_RELAY_CRYPT_H
#define VX6_CIRCUIT_RELAY_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "circuit/onion_keys.h"
#include "identity/identity.h"
#include "transport/transport.h"
#include "wire/cell.h"

struct relay_hs;    /* a client's half that was sound, before it is answered */
struct relay_crypt; /* the layer */

/**
 * @param cm    the client's message, @return its bytes in *cm_n
 * @param out   owned; relay_hs_answer() or relay_hs_free()
 * @return VX6_OK | errors of vx6_ntor3_server_open()
 */
VX6_RES relay_hs_take(const struct vx6_identity *id, const struct vx6_onion_keypair *key,
		      const uint8_t *hs, size_t n, uint8_t cm[static VX6_CM_MAX], size_t *cm_n,
		      struct relay_hs **out);
/** Wipes. Accepts NULL. */
void relay_hs_free(struct relay_hs *h);
/** Takes @p h. @param sm our message @param out VX6_CREATED_HS_MAX bytes @param kh binding of the circuit with us @return VX6_OK | LIMIT | KEY */
VX6_RES relay_hs_answer(struct relay_hs *h, const uint8_t *sm, size_t sm_n, uint8_t *out,
			size_t *out_n, struct relay_crypt **crypt);

/** Wipes. Accepts NULL. */
void relay_crypt_free(struct relay_crypt *k);
const uint8_t *relay_crypt_binding(const struct relay_crypt *k);

/** Takes the layer off a RELAY cell of the client's, in place. @return it is for us */
bool relay_crypt_forward(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);
/** Adds the layer to one of the next hop's. */
void relay_crypt_back(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);
/** Encrypts one of our own, whose payload is in place, for the client. */
void relay_crypt_own(struct relay_crypt *k, uint8_t cell[static VX6_CELL_BYTES]);

#endif
