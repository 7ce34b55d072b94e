/**
 * @file code.h
 * Error codes as peers tell them to each other, and their mapping to and from vx6_err.
 *
 * Spec:    schemas/wire/codes.md
 * Layer:   wire
 * Trust:   a code from a peer is only a hint: it is logged and mapped, never believed further
 * Threads: pure, any thread
 */
#ifndef VX6_WIRE_CODE_H
#define VX6_WIRE_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* X(symbol, number, vx6_err symbol, retryable, text) */
#define VX6_CODE_MAP(X)                                                                            \
	X(OK, 0x00, OK, 0, "success")                                                              \
	X(BAD_FORMAT, 0x01, FORMAT, 0, "malformed message")                                        \
	X(UNSUPPORTED, 0x02, UNSUPPORTED, 0, "version or type not supported")                      \
	X(INTERNAL, 0x03, IO, 0, "internal error")                                                 \
	X(TIMEOUT, 0x04, TIMEOUT, 1, "timed out")                                                  \
	X(LIMIT, 0x05, FULL, 1, "limit reached")                                                   \
	X(PROTOCOL, 0x06, PROTOCOL, 0, "protocol violation")                                       \
	X(DRAINING, 0x07, DRAINING, 1, "shutting down")                                            \
	X(IDLE, 0x08, IDLE, 1, "idle for too long")                                                \
	X(DUPLICATE, 0x09, DUPLICATE, 0, "another link to the same node was kept")                 \
	X(AUTH, 0x10, REFUSED, 0, "authentication failed")                                         \
	X(PIN_MISMATCH, 0x11, MISMATCH, 0, "pinned key does not match")                            \
	X(REVOKED, 0x12, REVOKED, 0, "key has been revoked")                                       \
	X(CERT_EXPIRED, 0x13, EXPIRED, 0, "subkey certificate expired or not valid yet")           \
	X(WRONG_PEER, 0x14, WRONG_PEER, 0, "not the expected node")                                \
	X(SIG, 0x20, SIGNATURE, 0, "signature does not verify")                                    \
	X(STALE, 0x21, STALE, 0, "a newer record is known")                                        \
	X(EQUIVOCATION, 0x22, EQUIVOCATION, 0, "two different records under one sequence number")  \
	X(TOO_BIG, 0x23, LIMIT, 0, "too big")                                                      \
	X(BAD_TOKEN, 0x24, FORMAT, 1, "bad token")                                                 \
	X(NOT_CLOSE, 0x25, REFUSED, 0, "key is not close to this node")                            \
	X(QUOTA, 0x26, FULL, 1, "quota used up")                                                   \
	X(POW, 0x27, REFUSED, 1, "proof of work missing or too weak")                              \
	X(NOT_FOUND, 0x28, NOT_FOUND, 0, "not found")                                              \
	X(NO_QUORUM, 0x29, NO_QUORUM, 1, "too few holders answered")                               \
	X(CLOCK, 0x2A, FUTURE, 0, "clocks differ too much")                                        \
	X(PARTIAL, 0x2B, AGAIN, 1, "only partly done")                                             \
	X(NAME_CONFLICT, 0x30, AMBIGUOUS, 0, "several nodes claim the name")                       \
	X(CIRC_PROTO, 0x40, PROTOCOL, 0, "circuit protocol violation")                             \
	X(CIRC_UNREACHABLE, 0x41, UNREACHABLE, 1, "next hop unreachable")                          \
	X(CIRC_POLICY, 0x42, REFUSED, 0, "refused by relay policy")                                \
	X(CIRC_OOM, 0x43, FULL, 1, "relay short of memory")                                        \
	X(CIRC_DESTROYED, 0x44, CLOSED, 1, "circuit destroyed")                                    \
	X(CIRC_REPLAY, 0x45, PROTOCOL, 0, "replayed handshake")                                    \
	X(INTRO_UNKNOWN, 0x50, NOT_FOUND, 0, "unknown introduction key")                           \
	X(INTRO_RATE, 0x51, AGAIN, 1, "introduction rate exceeded")                                \
	X(REND_NOCOOKIE, 0x52, NOT_FOUND, 0, "unknown rendezvous cookie")                          \
	X(REND_DUP, 0x53, EXISTS, 0, "rendezvous cookie in use")                                   \
	X(HS_AUTH, 0x54, REFUSED, 0, "hidden service refused the client")                          \
	X(HS_TIMEOUT, 0x55, HS_TIMEOUT, 1, "hidden service did not answer")                        \
	X(STREAM_REFUSED, 0x60, REFUSED, 0, "stream refused")                                      \
	X(RESUME_UNKNOWN, 0x61, NOT_FOUND, 0, "no such stream to resume")                          \
	X(RESUME_LOST, 0x62, CLOSED, 0, "bytes needed to resume are gone")                         \
	X(NORESUME, 0x63, UNSUPPORTED, 0, "stream cannot be resumed")                              \
	X(SERVICE_UNKNOWN, 0x64, SERVICE_UNKNOWN, 0, "no such service")                            \
	X(ACCESS_REFUSED, 0x65, ACCESS_REFUSED, 0, "access refused")                               \
	X(TARGET_UNREACHABLE, 0x66, TARGET_UNREACHABLE, 0, "service target does not answer")       \
	X(RESET, 0x67, RESET, 0, "connection was reset by the application")                        \
	X(PUNCH_FAIL, 0x70, UNREACHABLE, 0, "hole punching failed")                                \
	X(FWD_DENIED, 0x71, REFUSED, 0, "forwarding denied")

enum vx6_code {
#define X(symbol, number, err, retryable, text) VX6_CODE_##symbol = (number),
	VX6_CODE_MAP(X)
#undef X
};

/** The code to send for @p e: the lowest that maps to it; FORMAT-like input errors become BAD_FORMAT, the rest INTERNAL. */
uint16_t vx6_code_from_err(vx6_err e);
/** The error that a received code stands for; an unknown code gives PROTOCOL. */
vx6_err vx6_code_to_err(uint32_t code);
bool vx6_code_is_retryable(uint32_t code);
/** Static text; never NULL. */
const char *vx6_code_text(uint32_t code);

#endif
