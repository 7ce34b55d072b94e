/**
 * @file establish.h
 * The proof in ESTABLISH_INTRO: whoever has the introduction key made it, for this one circuit.
 *
 * Spec:    schemas/wire/hidden_messages.md
 * Layer:   circuit
 * Trust:   a message is hostile until checked; one that was made for another circuit proves nothing
 * Threads: pure, any thread
 */
#ifndef VX6_CIRCUIT_ESTABLISH_H
#define VX6_CIRCUIT_ESTABLISH_H

#include <stdint.h>

#include "crypto/sign.h"
#include "transport/transport.h"
#include "wire/hs.h"

/**
 * Fills in auth_key, mac and sig; handle, rate and burst are the caller's.
 * @param binding of the circuit with the introduction point: vx6_circuit_binding()
 */
void vx6_establish_intro_prove(const struct vx6_sign_keypair *auth, const struct vx6_net *net,
			       const uint8_t binding[static VX6_CB_BYTES],
			       struct vx6_establish_intro *e);
/** @return VX6_OK | SIGNATURE (not by that key, or not for this circuit) | KEY (auth_key is none) */
VX6_RES vx6_establish_intro_check(const struct vx6_net *net,
				  const uint8_t binding[static VX6_CB_BYTES],
				  const struct vx6_establish_intro *e);

#endif
