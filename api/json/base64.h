/**
 * @file base64.h
 * Bytes as text inside JSON.
 *
 * Spec:    RFC 4648, section 4 (with padding)
 * Layer:   api
 * Trust:   decoding takes hostile text
 * Threads: pure, any thread
 */
#ifndef VX6_API_JSON_BASE64_H
#define VX6_API_JSON_BASE64_H

#include <stddef.h>
#include <stdint.h>

/** @return owned text, free() */
char *vx6_base64_encode(const uint8_t *p, size_t n);
/** @return owned bytes, free(), and how many in @p n; NULL: not base64 */
uint8_t *vx6_base64_decode(const char *text, size_t *n);

#endif
