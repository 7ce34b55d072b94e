/**
 * @file hs_ntor.h
 * The handshake of a client with a hidden service that it cannot reach yet: hs-ntor. The client's half goes through an introduction point and
 * carries a sealed message; the answer comes through the rendezvous.
 *
 * Spec:    schemas/wire/hidden.md#handshake; Tor rend-spec-v3 3.3.2 and 4.2.1
 * Layer:   crypto
 * Shape:   client: CLIENT_PK(32) | ENC(plain) | MAC(32); service: Y(32) | AUTH(32); both end with the seeds of one more layer and a binding
 * Trust:   what comes from the other side is hostile. Who finishes knows that the other has the secret of enc_key; the sealed message is not
 *          forward secret against a later theft of that key, what follows the answer is
 * Threads: pure, any thread after vx6_crypto_init()
 */
#ifndef VX6_CRYPTO_HS_NTOR_H
#define VX6_CRYPTO_HS_NTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	VX6_HS_COOKIE = 20,
	VX6_HS_INTRO_MAC = 32,
	VX6_HS_SEAL_OVERHEAD = 64, /* of a sealed message: CLIENT_PK and MAC */
	VX6_HS_PLAIN_MAX = 1024,
	VX6_HS_HEAD_MAX = 1024,
	VX6_HS_ANSWER = 64,
	VX6_HS_E2E_KEYS = 160,
	VX6_HS_KH = 32,
};
extern const char vx6_hs_ntor_protoid[]; /* "vx6-hs-ntor-curve25519-sha3-256-1" */

/** What both sides mix in; VX6_SIGN_PK_BYTES or VX6_KX_BYTES (32) bytes each. Borrowed for the call. */
struct vx6_hs_ntor_who {
	const uint8_t *auth_key; /* names the service at its introduction point */
	const uint8_t *enc_pk;   /* X25519: B */
	const uint8_t *subcred;
};

/** What both have in the end. Secret: vx6_wipe() after use. */
struct vx6_hs_e2e {
	uint8_t keys
		[VX6_HS_E2E_KEYS]; /* seed of the layer to the service(80) | to the client(80) */
	uint8_t kh[VX6_HS_KH];     /* channel binding */
};

/* ---- client ---- */

/** The client's half, until the answer. Secret. */
struct vx6_hs_ntor;

/**
 * Draws the client's key. @param out freed by vx6_hs_ntor_free(); NULL on failure
 * @return VX6_OK | KEY (enc_pk is none)
 */
VX6_RES vx6_hs_ntor_begin(const char *protoid, const struct vx6_hs_ntor_who *who,
			  struct vx6_hs_ntor **out);
/** Wipes it; NULL is fine. */
void vx6_hs_ntor_free(struct vx6_hs_ntor *h);
/**
 * The sealed part of an introduction. It is under one key and without a nonce, so a half seals once: to say something else take another half.
 * @param head what stands before it in the message, authenticated with it
 * @param out  n + VX6_HS_SEAL_OVERHEAD bytes
 * @return VX6_OK | LIMIT (plain, head) | INVALID (it has sealed already)
 */
VX6_RES vx6_hs_ntor_seal(struct vx6_hs_ntor *h, const uint8_t *head, size_t head_n,
			 const uint8_t *plain, size_t n, uint8_t *out);
/** Takes the answer. Frees nothing. @return VX6_OK | KEY | SIGNATURE (not of this service, or changed): @p out is zeroed then */
VX6_RES vx6_hs_ntor_finish(struct vx6_hs_ntor *h, const uint8_t answer[static VX6_HS_ANSWER],
			   struct vx6_hs_e2e *out);

/* ---- service ---- */

/**
 * Opens what a client sealed.
 * @param plain     n - VX6_HS_SEAL_OVERHEAD bytes; nothing is written unless the MAC is right
 * @param client_pk for vx6_hs_ntor_answer(), and what a replay is known by
 * @return VX6_OK | SHORT | LIMIT | KEY | SIGNATURE (not for these keys, or changed on the way)
 */
VX6_RES vx6_hs_ntor_open(const char *protoid, const struct vx6_hs_ntor_who *who,
			 const uint8_t enc_sk[static 32], const uint8_t *head, size_t head_n,
			 const uint8_t *in, size_t n, uint8_t *plain, uint8_t client_pk[static 32]);
/** A sealed message and what stands before it. Borrowed. */
struct vx6_hs_sealed {
	const uint8_t *head;
	size_t head_n;
	const uint8_t *p; /* CLIENT_PK first: what a replay is known by */
	size_t n;
};
/**
 * The same for a service that has several names at a time, as at the edge of two periods: @p who_n of them under one key, at the price of one.
 * @param which under which name it was sealed
 */
VX6_RES vx6_hs_ntor_open_as(const char *protoid, const struct vx6_hs_ntor_who *who, size_t who_n,
			    const uint8_t enc_sk[static 32], const struct vx6_hs_sealed *in,
			    uint8_t *plain, size_t *which);
/** Answers, now or later. @param answer Y | AUTH @return VX6_OK | KEY */
VX6_RES vx6_hs_ntor_answer(const char *protoid, const struct vx6_hs_ntor_who *who,
			   const uint8_t enc_sk[static 32], const uint8_t client_pk[static 32],
			   uint8_t answer[static VX6_HS_ANSWER], struct vx6_hs_e2e *out);

#endif
