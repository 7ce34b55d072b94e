/**
 * @file hs.h
 * Messages of hidden services: between an owner, its introduction points, a client and the rendezvous; and what a client seals for the owner.
 *
 * Spec:    schemas/wire/hidden_messages.md
 * Layer:   wire
 * Shape:   each message is the data of one payload (wire/cell.h), and has one length:
 *          ESTABLISH_INTRO: auth_key(32) | handle(8) | rate u32 | burst u32 | mac(32) | sig(64)
 *          INTRODUCE1: auth_key(32) | handle(8) | proof(41) | sealed(559)      INTRODUCE2: serial u32 | auth_key(32) | proof(41) | sealed(559)
 *          proof of work, or zeroes: outside of what is sealed, so that the owner looks at it before it does anything that costs more;
 *          auth_key | proof is the head that the seal's MAC is over
 *          INTRODUCED: serial u32      INTRO_ESTABLISHED, INTRODUCE_ACK, REND_ESTABLISHED: code u16, 0 is yes
 *          ESTABLISH_REND: cookie(20)      RENDEZVOUS1: cookie(20) | answer(64)      RENDEZVOUS2: answer(64)
 *          plain of sealed: key_epoch u32 | n u8 | n × { cookie(20) | node_id(32) } | ext_n u8 | ext_n × { type u8 | len u8 | value } | zeroes
 * Trust:   input is hostile; a message that decodes has sound framing and nothing else
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_HS_H
#define VX6_WIRE_HS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/cell.h"

enum {
	VX6_INTRO_KEY = 32,   /* auth_key: Ed25519, names a service at an introduction point */
	VX6_INTRO_HANDLE = 8, /* names one of the owner's circuits to it */
	VX6_INTRO_MAC = 32,   /* under KH of the circuit */
	VX6_INTRO_SIG = 64,   /* by auth_key */
	VX6_REND_COOKIE = 20, /* names a client's circuit at a rendezvous */
	VX6_REND_ANSWER = 64, /* the owner's half of hs-ntor: Y | AUTH */
	VX6_REND_NODE = 32,   /* node id of a rendezvous */
	VX6_HS_INTRODUCE = 640,
	VX6_HS_POW = 41,
	VX6_HS_HEAD = VX6_INTRO_KEY + VX6_HS_POW,
	VX6_HS_SEALED = VX6_HS_INTRODUCE - VX6_INTRO_KEY - VX6_INTRO_HANDLE - VX6_HS_POW,
	VX6_HS_PLAIN = VX6_HS_SEALED - 64, /* key and MAC of the seal are around it */
	VX6_HS_RENDS_MAX = 3,              /* rendezvous a client may offer */
	VX6_HS_CLIENT_ID = 8,
	VX6_HS_CLIENT_MAC = 32,
	VX6_HS_CLIENT_KEY = 32,

	/* lengths of the other messages */
	VX6_ESTABLISH_INTRO_BYTES =
		VX6_INTRO_KEY + VX6_INTRO_HANDLE + 8 + VX6_INTRO_MAC + VX6_INTRO_SIG,
	VX6_ESTABLISH_INTRO_MACED = VX6_INTRO_KEY + VX6_INTRO_HANDLE + 8, /* what mac is over */
	VX6_ESTABLISH_INTRO_SIGNED =
		VX6_ESTABLISH_INTRO_MACED + VX6_INTRO_MAC, /* what sig is over */
	VX6_INTRODUCE2_BYTES = 4 + VX6_INTRO_KEY + VX6_HS_POW + VX6_HS_SEALED,
	VX6_INTRODUCED_BYTES = 4,
	VX6_HS_CODE_BYTES = 2,
	VX6_RENDEZVOUS1_BYTES = VX6_REND_COOKIE + VX6_REND_ANSWER,
};

/** Whether a hop may say it to whoever built the circuit; others of these are said to a hop. False for all that is not of hidden services. */
bool vx6_hs_is_answer(uint8_t type);

/* ---- owner and introduction point ---- */

struct vx6_establish_intro {
	uint8_t auth_key[VX6_INTRO_KEY], handle[VX6_INTRO_HANDLE];
	uint32_t rate, burst; /* introductions a second, and at once; 0: as the relay has it */
	uint8_t mac[VX6_INTRO_MAC], sig[VX6_INTRO_SIG];
};
void vx6_establish_intro_encode(const struct vx6_establish_intro *e,
				uint8_t out[static VX6_ESTABLISH_INTRO_BYTES]);
/** @return VX6_OK | SHORT | TRAILING */
VX6_RES vx6_establish_intro_decode(const uint8_t *in, size_t n, struct vx6_establish_intro *out);

struct vx6_introduce2 {
	uint32_t serial; /* to be confirmed with INTRODUCED */
	const uint8_t *
		auth_key; /* borrowed, as all here; the head of the seal, VX6_HS_HEAD bytes, begins there */
	const uint8_t *pow;    /* crypto/puzzle.h; all zero: none */
	const uint8_t *sealed; /* VX6_HS_SEALED */
};
void vx6_introduce2_encode(const struct vx6_introduce2 *i,
			   uint8_t out[static VX6_INTRODUCE2_BYTES]);
/** @return VX6_OK | SHORT | TRAILING */
VX6_RES vx6_introduce2_decode(const uint8_t *in, size_t n, struct vx6_introduce2 *out);

void vx6_introduced_encode(uint32_t serial, uint8_t out[static VX6_INTRODUCED_BYTES]);
/** @return VX6_OK | SHORT | TRAILING */
VX6_RES vx6_introduced_decode(const uint8_t *in, size_t n, uint32_t *serial);

/* ---- client and introduction point ---- */

struct vx6_introduce1 {
	const uint8_t *auth_key, *handle; /* borrowed */
	const uint8_t *pow;               /* NULL: none */
	const uint8_t *sealed; /* VX6_HS_SEALED, under the head of vx6_introduce_head() */
};
void vx6_introduce1_encode(const struct vx6_introduce1 *i, uint8_t out[static VX6_HS_INTRODUCE]);
/** @return VX6_OK | SHORT | TRAILING */
VX6_RES vx6_introduce1_decode(const uint8_t *in, size_t n, struct vx6_introduce1 *out);

/** What the MAC of the seal is over, beside it: auth_key | proof. @param pow NULL: none */
void vx6_introduce_head(const uint8_t auth_key[static VX6_INTRO_KEY], const uint8_t *pow,
			uint8_t out[static VX6_HS_HEAD]);

/** INTRO_ESTABLISHED, INTRODUCE_ACK (0: the owner has it), REND_ESTABLISHED. @param code enum vx6_code; 0: yes */
void vx6_hs_code_encode(uint16_t code, uint8_t out[static VX6_HS_CODE_BYTES]);
/** @return VX6_OK | SHORT | TRAILING */
VX6_RES vx6_hs_code_decode(const uint8_t *in, size_t n, uint16_t *code);

/* ---- rendezvous; ESTABLISH_REND is the cookie and RENDEZVOUS2 the answer, nothing else ---- */

struct vx6_rendezvous1 {
	const uint8_t *cookie, *answer; /* borrowed */
};
void vx6_rendezvous1_encode(const struct vx6_rendezvous1 *r,
			    uint8_t out[static VX6_RENDEZVOUS1_BYTES]);
/** @return VX6_OK | SHORT | TRAILING */
VX6_RES vx6_rendezvous1_decode(const uint8_t *in, size_t n, struct vx6_rendezvous1 *out);

/* ---- client and owner: what is inside of sealed ---- */

enum vx6_hs_client {
	VX6_HS_CLIENT_NONE,
	VX6_HS_CLIENT_AUTH,  /* one that the owner has authorised */
	VX6_HS_CLIENT_ENROL, /* one that has an invite, and tells its key */
};

struct vx6_introduce {
	uint32_t key_epoch; /* which enc_key it is for */
	uint8_t rends_n;    /* 1 to VX6_HS_RENDS_MAX */
	struct {
		uint8_t cookie[VX6_REND_COOKIE], node[VX6_REND_NODE];
	} rend[VX6_HS_RENDS_MAX]; /* in the order in which they are to be tried */
	enum vx6_hs_client client;
	uint8_t client_id[VX6_HS_CLIENT_ID], client_mac[VX6_HS_CLIENT_MAC];
	uint8_t client_key[VX6_HS_CLIENT_KEY]; /* ENROL: X25519 */
};
/**
 * @param mac_at where in @p out client_mac stands, for whoever computes it over what is before it, and, of ENROL, over client_key behind it;
 *        0: there is none. May be NULL
 * @return VX6_OK | LIMIT (rends_n)
 */
VX6_RES vx6_introduce_encode(const struct vx6_introduce *i, uint8_t out[static VX6_HS_PLAIN],
			     size_t *mac_at);
/** @param mac_at as above @return VX6_OK | SHORT | LIMIT (rends_n, length) | FORMAT (order, both of AUTH and ENROL, fill) | UNSUPPORTED (ext) */
VX6_RES vx6_introduce_decode(const uint8_t in[static VX6_HS_PLAIN], struct vx6_introduce *out,
			     size_t *mac_at);

#endif
