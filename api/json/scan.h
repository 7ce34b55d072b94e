/**
 * @file scan.h
 * Decides whether bytes are JSON that every reader understands alike, before any parser sees them.
 *
 * Spec:    RFC 8259, RFC 7493 (I-JSON)
 * Layer:   api
 * Trust:   input is hostile
 * Limits:  the enumeration below; time is linear but for duplicate keys, which cost at most VX6_SCAN_MEMBERS per member
 * Threads: pure, any thread
 */
#ifndef VX6_API_JSON_SCAN_H
#define VX6_API_JSON_SCAN_H

#include <stddef.h>

#include "base/err.h"

enum {
	VX6_SCAN_DEPTH = 32,      /* levels of objects and arrays */
	VX6_SCAN_MEMBERS = 1024,  /* members of one object */
	VX6_SCAN_NUMBER = 40,     /* bytes of a number */
	VX6_SCAN_BYTES = 8 << 20, /* of the whole text */
};

struct vx6_scan_fault {
	size_t offset;    /* byte at which it shows */
	const char *text; /* static, for people */
};

/**
 * Refuses what is not UTF-8, deeper than VX6_SCAN_DEPTH, has a key twice in one object (after unescaping), a NUL or lone surrogate
 * in a string, a number that a double does not hold (whole numbers beyond 2^53, overflow), or bytes after the value.
 * @param p      borrowed
 * @param fault  written on failure only
 * @return VX6_OK | FORMAT | LIMIT
 */
VX6_RES vx6_json_scan(const char *p, size_t n, struct vx6_scan_fault *fault);

#endif
