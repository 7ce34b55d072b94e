/**
 * @file access.h
 * Who may use the API, as it is stored, and a line of the audit. Plain values.
 *
 * Spec:    docs/api-conventions.md (access), schemas/sql/0005_access.sql
 * Layer:   state
 * Threads: pure, any thread
 */
#ifndef VX6_STATE_ACCESS_H
#define VX6_STATE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/spec.h"

enum {
	VX6_TOKENS_MAX = 256,
	VX6_TOKEN_PUBLIC_MAX = 13, /* the part of a token's text that is no secret, NUL included */
	VX6_TOKEN_LIST_MAX = 512,  /* JSON text of a list, NUL included */
	VX6_AUDIT_KEEP = 100000,   /* rows */
	VX6_AUDIT_READ_LIMIT = 500,
};

struct vx6_token_spec {
	char name[VX6_LABEL_MAX + 1];
	char public_id[VX6_TOKEN_PUBLIC_MAX];
	uint8_t hash[32];                    /* of the whole text, which is kept nowhere */
	uint8_t role;                        /* 1 viewer, 2 operator, 3 admin */
	uint64_t expires_ms;                 /* wall clock; 0: never */
	char scopes[VX6_TOKEN_LIST_MAX];     /* JSON array; "[]": all that the role may */
	char allow_from[VX6_TOKEN_LIST_MAX]; /* JSON array; "[]": anywhere */
};

/** Something that was done, or tried, with the API. What is not set is empty. */
struct vx6_audit_entry {
	uint64_t wall_ms;
	char actor[64];     /* "uid:0", "token:tok_…", "token:file", "anonymous" */
	char origin[64];    /* "unix", or an address */
	char operation[40]; /* operationId */
	char target[128];   /* path of the request, without its query */
	char outcome[40];   /* "ok", or the code of a problem */
	char request_id[65];
};

struct vx6_audit_row {
	uint64_t seq;
	struct vx6_audit_entry entry;
	uint8_t prev[32], hash[32];
};

struct vx6_audit_ask {
	bool verify;                   /* the whole chain is looked at, and no rows are brought */
	uint64_t since;                /* rows with a larger seq, oldest first */
	uint32_t limit;                /* at most VX6_AUDIT_READ_LIMIT */
	char actor[64], operation[40]; /* only of that one; empty: of all */
};

/** What was read of the audit. */
struct vx6_audit_page {
	struct vx6_audit_row *rows; /* owned */
	size_t n;
	uint64_t oldest;     /* smallest seq still kept; 0: there is none */
	uint64_t head_seq;   /* of the last row; 0: there is none */
	uint8_t head[32];    /* its hash */
	uint64_t broken_seq; /* VERIFY: the first row that does not fit the one before; 0: all do */
	uint64_t checked;    /* VERIFY: rows */
};
/** Accepts NULL. */
void vx6_audit_page_free(struct vx6_audit_page *p);

#endif
