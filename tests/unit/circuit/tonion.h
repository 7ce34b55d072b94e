/* A hop's part of the handshake and of the layers. */
#ifndef VX6_TESTS_CIRCUIT_TONION_H
#define VX6_TESTS_CIRCUIT_TONION_H

#include <stdbool.h>

#include "identity/node_id.h"
#include "transport/transport.h"
#include "wire/cell.h"

struct tonion_key {
	uint8_t pk[32], sk[32];
};
struct tonion_hs;
struct tonion_layer;

void tonion_key_make(struct tonion_key *out);
/** @return NULL: not for this key, or forged */
struct tonion_hs *tonion_accept(const struct tonion_key *key, const struct vx6_node_id *node,
				const struct vx6_create *c, uint8_t cm[static VX6_CM_MAX],
				size_t *cm_n);
/** Frees @p hs. */
struct tonion_layer *tonion_reply(struct tonion_hs *hs, const uint8_t *sm, size_t sm_n,
				  uint8_t out[static VX6_CREATED_HS_MAX], size_t *n,
				  uint8_t kh[static VX6_CB_BYTES]);
void tonion_hs_free(struct tonion_hs *hs);
void tonion_layer_free(struct tonion_layer *l);
/** Takes one layer off. @return whether it is for this hop */
bool tonion_forward(struct tonion_layer *l, uint8_t cell[static VX6_CELL_BYTES]);
/** Puts one layer on what came from further on. */
void tonion_backward(struct tonion_layer *l, uint8_t cell[static VX6_CELL_BYTES]);
/** Puts one layer on what this hop says. */
void tonion_originate(struct tonion_layer *l, uint8_t cell[static VX6_CELL_BYTES]);

#endif
