/**
 * @file cgo.h
 * CGO, the cipher of relay cells: one layer a hop. It cannot be tagged, keeps the length, and forgets its key with every cell that was for it.
 *
 * Spec:    schemas/wire/onion.md; Tor proposal 359
 * Layer:   crypto
 * Shape:   a body is a tag of 16 bytes and a payload; `ad` is the command of the cell. One state for each direction and hop
 * Time:    constant. AES-NI and PCLMULQDQ where an x86-64 processor has them, else arithmetic without tables, which takes some two hundred times
 *          as long; aarch64 has no code of its own and takes that way
 * Trust:   cells are hostile; one that is recognised nowhere must end the circuit. States that took it can read no later cell, and
 *          nothing tells who changed it
 * Threads: pure, any thread; a state is one thread's
 */
#ifndef VX6_CRYPTO_CGO_H
#define VX6_CRYPTO_CGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VX6_CGO_BLOCK = 16,
	VX6_CGO_KEY_BYTES = 4 * VX6_CGO_BLOCK,
	VX6_CGO_SEED_BYTES = VX6_CGO_KEY_BYTES + VX6_CGO_BLOCK, /* key and first nonce */
	VX6_CGO_TAG = 16,
	VX6_CGO_BODY = 1023, /* of a cell: tag and payload */
};

/** How long a payload is, and where in the keystream the next key begins. */
struct vx6_cgo_shape {
	uint16_t payload; /* bytes */
	uint8_t blocks; /* of keystream that the payload has; the next key comes from behind them */
	uint8_t clear_bits; /* of the counter's beginning: blocks + 5 fit below */
};
extern const struct vx6_cgo_shape vx6_cgo_cell; /* 1007, 63, 7 */
extern const struct vx6_cgo_shape vx6_cgo_tor;  /* 493, 31, 6: for known answers */

/** Secret: vx6_wipe() after use. */
struct vx6_cgo {
	const struct vx6_cgo_shape *shape;
	bool portable;
	_Alignas(16) uint8_t kb[11][16], kb_inv[11][16]; /* AES-128 round keys */
	uint8_t kp[11][16];
	uint8_t u[8][16]; /* the first eight powers of the POLYVAL key */
	uint8_t p[16];
	uint8_t nonce[16], chain[16]; /* N and T' */
};

void vx6_cgo_init(struct vx6_cgo *s, const uint8_t seed[static VX6_CGO_SEED_BYTES]);
/** As it says. @param portable not the processor's instructions */
void vx6_cgo_init_shape(struct vx6_cgo *s, const struct vx6_cgo_shape *shape, bool portable,
			const uint8_t seed[static VX6_CGO_SEED_BYTES]);

/* ---- at a relay; `body` has VX6_CGO_TAG + shape->payload bytes ---- */

/**
 * Takes our layer off, on the way from the client. @return whether the cell is for us: then the payload is plain; else it goes on to the next
 * hop, and where there is none the circuit must end. A middle relay cannot tell a changed cell from another's; the last hop can
 */
bool vx6_cgo_relay_forward(struct vx6_cgo *s, uint8_t ad, uint8_t *body);
/** Encrypts a cell of our own for the client; its payload is in place. */
void vx6_cgo_relay_originate(struct vx6_cgo *s, uint8_t ad, uint8_t *body);
/** Adds our layer to a cell on its way to the client. */
void vx6_cgo_relay_backward(struct vx6_cgo *s, uint8_t ad, uint8_t *body);

/* ---- at the client; `hop` has a state for each hop, the nearest first ---- */

/** Encrypts a cell so that hop @p to recognises it; its payload is in place. */
void vx6_cgo_client_forward(struct vx6_cgo *hop, size_t to, uint8_t ad, uint8_t *body);
/** Takes layers off; @p n is not 0. @return the hop it came from; -1: from none of them: the body is wiped, and the circuit must end */
int vx6_cgo_client_backward(struct vx6_cgo *hop, size_t n, uint8_t ad, uint8_t *body);

/* ---- at a client whose last hop joins the circuit with another one: bodies that are for, and of, whoever is behind that ---- */

/** Encrypts a body so that each of the @p n hops passes it on. */
void vx6_cgo_client_wrap(struct vx6_cgo *hop, size_t n, uint8_t ad, uint8_t *body);
/** As vx6_cgo_client_backward(), but a body that is from none of them is left with their layers off. */
int vx6_cgo_client_unwrap(struct vx6_cgo *hop, size_t n, uint8_t ad, uint8_t *body);

#endif
