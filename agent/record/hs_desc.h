/**
 * @file hs_desc.h
 * Descriptor of a hidden service (type 6): where it can be asked for, for those who know its key, or for its clients alone.
 *
 * Spec:    schemas/wire/hidden.md
 * Layer:   record
 * Shape:   subject: the service's key blinded for a period of 6 hours; aux: the period; one TLV with two sealed layers: the first opens
 *          for who knows the service's key, the second for everybody who got so far, or for authorised clients only. Every descriptor has the
 *          same size, lifetime and number of client entries in steps of 16; signed under the blinded key
 * Trust:   records are hostile; who knows the key can read, only the owner can write
 * Threads: pure, any thread
 */
#ifndef VX6_RECORD_HS_DESC_H
#define VX6_RECORD_HS_DESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/sign.h"
#include "identity/node_id.h"
#include "record/record.h"

enum {
	VX6_HS_PERIOD_S = 21600,
	VX6_HS_EDGE_S =
		3600, /* so near to another period, the descriptor of that one is published too */
	VX6_HS_DESC_BYTES = 4096,
	VX6_HS_DESC_LIFETIME_S = 10800,
	VX6_HS_INTROS_MAX = 5,
	VX6_HS_CLIENTS_MAX = 32,
	VX6_HS_HANDLE = 8,
};

struct vx6_hs_intro {
	bool standby;
	struct vx6_node_id node;
	uint8_t auth_key[32];             /* Ed25519: names the service there */
	uint8_t enc_key[32];              /* X25519: of hs-ntor */
	uint8_t handle[2][VX6_HS_HANDLE]; /* of the service's two circuits */
	uint32_t not_after_s;             /* unix seconds: what the keys are good for */
};

struct vx6_hs_desc {
	uint64_t seq; /* of this blinded key, from 1; never the clock */
	uint64_t period;
	uint64_t expires_s; /* written by the reader; building follows from the clock */
	bool fast;          /* two relays before the rendezvous on either side, not three */
	bool closed;        /* client authorisation is on */
	bool pow;
	uint8_t pow_seed[32];
	uint32_t pow_effort; /* what is suggested */
	uint64_t pow_expires_s;
	size_t intros_n;
	struct vx6_hs_intro intro[VX6_HS_INTROS_MAX];
};

uint64_t vx6_hs_period(uint64_t now_s);

/** What a service is called in a period, by those who know its key. */
struct vx6_hs_names {
	struct vx6_sign_pk blinded;
	uint8_t subcred[32];
};
/** @return VX6_OK | KEY */
VX6_RES vx6_hs_names(const struct vx6_sign_pk *service, uint64_t period, struct vx6_hs_names *out);
/** Where in the hash table its descriptor is: two places. @param i 1 or 2 */
void vx6_hs_index(const struct vx6_net *net, const struct vx6_sign_pk *blinded, unsigned i,
		  uint64_t period, uint8_t out[static 32]);

/**
 * Seals and signs. Nonces and keys are drawn at random; entries of clients stand in random order among false ones.
 * @param service   the long-term key pair
 * @param clients   X25519 public keys of those who may read it when d->closed; none otherwise
 * @param now_s     only its hour shows
 * @return VX6_OK | INVALID (seq 0, period too far from now, clients of an open one) | LIMIT (clients, intros) | KEY (a client's, the service's)
 */
VX6_RES vx6_hs_desc_build(const struct vx6_hs_desc *d, const struct vx6_sign_keypair *service,
			  const uint8_t (*clients)[32], size_t clients_n, const struct vx6_net *net,
			  uint64_t now_s, uint8_t out[static VX6_HS_DESC_BYTES], size_t *n);

/** What a holder can check, beside the signature. @return VX6_OK | MISMATCH (type) | FORMAT | RANGE (period, lifetime) | UNSUPPORTED */
VX6_RES vx6_hs_desc_check(const struct vx6_record *rec, uint64_t *period);
/**
 * Opens a record that was verified.
 * @param client_sk X25519 secret of an authorised client, 32 bytes; NULL: none
 * @return VX6_OK | errors of vx6_hs_desc_check() | MISMATCH (another service's) | SIGNATURE (its first layer) | ACCESS_REFUSED (it is for
 *         clients, and our key is none of theirs) | FORMAT, LIMIT, UNSUPPORTED, KEY (its contents)
 */
VX6_RES vx6_hs_desc_open(const struct vx6_record *rec, const struct vx6_sign_pk *service,
			 const uint8_t *client_sk, struct vx6_hs_desc *out);

#endif
