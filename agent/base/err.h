/**
 * @file err.h
 * The one error type, its codes and their texts.
 *
 * Layer:   base
 * Shape:   a struct of one int, so a count or a bool cannot pass for an error and the compiler flags a dropped result.
 * Codes:   numbered by category: 1xx input, 2xx peer, 3xx resources, 4xx usage, 5xx bug. Wire codes are separate (wire/code.h).
 * Threads: pure, any thread
 */
#ifndef VX6_BASE_ERR_H
#define VX6_BASE_ERR_H

#include <stdbool.h>

/* X(symbol, number, name, text) */
/* clang-format off */
#define VX6_ERR_MAP(X)                                                                             \
	X(OK, 0, "ok", "success") \
	/* input: bytes or text that do not say what they should */                                \
	X(SHORT, 100, "short", "input is too short") \
	X(LIMIT, 101, "limit", "a size limit was exceeded") \
	X(TRAILING, 102, "trailing", "unexpected bytes after the end") \
	X(FORMAT, 103, "format", "input is malformed") \
	X(RANGE, 104, "range", "a value is out of range") \
	X(CHECKSUM, 105, "checksum", "checksum does not match") \
	X(UNSUPPORTED, 106, "unsupported", "version or type is not supported") \
	X(SIGNATURE, 107, "signature", "signature does not verify") \
	X(KEY, 108, "key", "not a valid public key") \
	X(EXPIRED, 109, "expired", "no longer valid") \
	X(FUTURE, 110, "future", "not valid yet") \
	X(STALE, 111, "stale", "older than what is already known") \
	X(EQUIVOCATION, 112, "equivocation", "signer published two different records under one sequence number") \
	X(REVOKED, 113, "revoked", "key has been revoked") \
	X(MISMATCH, 114, "mismatch", "does not belong to the expected subject") \
	/* peer: what the other side did, or failed to do */                                       \
	X(WRONG_PEER, 200, "wrong_peer", "peer is not the expected node") \
	X(PROTOCOL, 201, "protocol", "peer broke the protocol") \
	X(TIMEOUT, 202, "timeout", "timed out") \
	X(REFUSED, 203, "refused", "refused") \
	X(CLOSED, 204, "closed", "connection closed") \
	X(UNREACHABLE, 205, "unreachable", "unreachable") \
	X(TLS, 206, "tls", "TLS handshake failed") \
	X(SERVICE_UNKNOWN, 207, "service_unknown", "no such service") \
	X(ACCESS_REFUSED, 208, "access_refused", "access refused") \
	X(TARGET_UNREACHABLE, 209, "target_unreachable", "service target does not answer") \
	X(PEER_UNKNOWN, 210, "peer_unknown", "no known node of that name") \
	X(RESET, 211, "reset", "stream was reset") \
	X(DUPLICATE, 212, "duplicate", "another link to the same node was kept") \
	X(DRAINING, 213, "draining", "shutting down") \
	X(PEER_UNREACHABLE, 215, "peer_unreachable", "peer cannot be reached") \
	X(IDLE, 214, "idle", "idle for too long") \
	X(NO_RELAYS, 216, "no_relays", "too few relays are known for the circuit") \
	X(NO_QUORUM, 217, "no_quorum", "too few independent sources agree") \
	X(HS_TIMEOUT, 218, "hs_timeout", "the hidden service did not answer") \
	X(HS_AUTH, 219, "hs_auth", "the hidden service does not admit this key") \
	X(INVITE_SPENT, 220, "invite_spent", "the invite is used up or was withdrawn") \
	/* resources */                                                                            \
	X(MEMORY, 300, "memory", "out of memory") \
	X(IO, 301, "io", "input/output error") \
	X(FULL, 302, "full", "queue or table is full") \
	X(AGAIN, 303, "again", "try again later") \
	X(DISK_FULL, 304, "disk_full", "no space left on device") \
	X(PERMISSION, 305, "permission", "permission denied") \
	X(LOCKED, 306, "locked", "in use by another process") \
	X(CORRUPT, 307, "corrupt", "stored data is damaged") \
	X(TOO_NEW, 308, "too_new", "stored data is from a newer version") \
	X(ADDRESS_IN_USE, 309, "address_in_use", "address already in use") \
	/* usage: the caller asked for something that cannot be */                                 \
	X(NOT_FOUND, 400, "not_found", "not found") \
	X(EXISTS, 401, "exists", "already exists") \
	X(INVALID, 402, "invalid", "invalid argument") \
	X(CONFLICT, 403, "conflict", "changed in the meantime") \
	X(LOOSE_MODE, 404, "loose_mode", "file permissions are too open") \
	X(PASSPHRASE, 405, "passphrase", "wrong or missing passphrase") \
	X(NOT_LOOPBACK, 406, "not_loopback", "target is not a loopback address") \
	X(AMBIGUOUS, 407, "ambiguous", "more than one node claims that name") \
	/* bug */                                                                                  \
	X(BUG, 500, "bug", "internal error")
/* clang-format on */

enum vx6_err_code {
#define X(symbol, number, name, text) VX6_E_##symbol = (number),
	VX6_ERR_MAP(X)
#undef X
};

typedef struct vx6_err {
	int code; /* enum vx6_err_code */
} vx6_err;

#define VX6_OK ((vx6_err){VX6_E_OK})
#define VX6_ERR(name) ((vx6_err){VX6_E_##name})

/** Declares a function or slot that can fail: its result must be looked at. */
#define VX6_RES __attribute__((warn_unused_result)) vx6_err

/** Returns the error of @p expr, if any. Only while the function owns nothing. */
#define VX6_TRY(expr)                                                                              \
	do {                                                                                       \
		vx6_err try_err_ = (expr);                                                         \
		if (try_err_.code != VX6_E_OK)                                                     \
			return try_err_;                                                           \
	} while (0)

static inline bool vx6_is_ok(vx6_err e)
{
	return e.code == VX6_E_OK;
}

/** Static text for people, lower case, no full stop; never NULL. */
const char *vx6_err_text(vx6_err e);

/** Static snake_case name for machines ("target_unreachable"); never NULL. */
const char *vx6_err_name(vx6_err e);

/** The vx6_err that fits an errno value of a failed system call. */
vx6_err vx6_err_from_errno(int errnum);

#endif
