/**
 * @file nonces.h
 * What was seen before: an exact set of 16-byte values that forgets nothing, and that is full at some point.
 *
 * Layer:   hidden
 * Shape:   open addressing under a keyed hash of its own, grown by doubling; at most half full
 * Trust:   values come from anybody
 * Threads: none of its own; the owner's thread
 */
#ifndef VX6_HIDDEN_NONCES_H
#define VX6_HIDDEN_NONCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VX6_NONCE_BYTES = 16 };

struct vx6_nonces;

/** @param max how many it takes; 32 bytes of memory for each in the end, far less before @return owned; vx6_nonces_free() */
struct vx6_nonces *vx6_nonces_new(size_t max);
/** Accepts NULL. */
void vx6_nonces_free(struct vx6_nonces *set);

/** Whether it is in there. Zero always is. */
bool vx6_nonces_has(const struct vx6_nonces *set, const uint8_t nonce[static VX6_NONCE_BYTES]);
/** @return false: it was there, or the set is full */
bool vx6_nonces_add(struct vx6_nonces *set, const uint8_t nonce[static VX6_NONCE_BYTES]);
size_t vx6_nonces_count(const struct vx6_nonces *set);
bool vx6_nonces_is_full(const struct vx6_nonces *set);

#endif
