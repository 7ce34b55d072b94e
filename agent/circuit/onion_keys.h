/**
 * @file onion_keys.h
 * A node's own onion keys: what CREATE is encrypted to. The one in use, the one before, and what was used with either.
 *
 * Spec:    schemas/wire/relaying.md#onion-keys
 * Layer:   circuit
 * Shape:   a key is used for VX6_ONION_ROTATE_MS and accepted for as long again. Keys are in memory only, like the sets that keep a CREATE from
 *          being taken twice: a node that starts again has new keys, and none of the recorded CREATEs means anything to it
 * Bounds:  a set is exact and forgets nothing; when it is full the key goes out of use early. VX6_ONION_SPENT_MAX entries of 16 bytes a key
 * Trust:   X and key ids are hostile
 * Threads: the loop's thread
 */
#ifndef VX6_CIRCUIT_ONION_KEYS_H
#define VX6_CIRCUIT_ONION_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/kx.h"
#include "loop/loop.h"
#include "wire/cell.h"

enum {
	VX6_ONION_ROTATE_MS = 2 * 3600 * 1000,
	VX6_ONION_EARLY_MS = 10 * 60 * 1000, /* a full set does not end a key that is younger */
	VX6_ONION_SPENT_MAX = 512 * 1024,
};

struct vx6_onion_keys;
struct vx6_onion_keypair; /* one of them: valid until the loop is returned to */

struct vx6_onion_keys_config {
	struct vx6_loop *loop; /* borrowed */
	uint64_t rotate_ms;    /* 0: VX6_ONION_ROTATE_MS */
	uint64_t early_ms;     /* 0: VX6_ONION_EARLY_MS */
	size_t spent_max;      /* 0: VX6_ONION_SPENT_MAX; rounded up to a power of two */
	/** There is another key: the relay info must say so. From a task, not when the keys are made. Optional. */
	void (*rotated)(void *user);
	void *user;
};

/** @return owned, with a fresh key; vx6_onion_keys_free() */
struct vx6_onion_keys *vx6_onion_keys_new(const struct vx6_onion_keys_config *cfg);
/** Wipes. Accepts NULL. */
void vx6_onion_keys_free(struct vx6_onion_keys *k);
/** A new key now. The one before the last is not accepted any more. */
void vx6_onion_keys_rotate(struct vx6_onion_keys *k);

struct vx6_onion_keys_view {
	struct {
		struct vx6_kx_pk pk;
		uint64_t since_s, not_after_s; /* unix seconds: accepted until then */
		size_t spent;
	} key[2]; /* the current one first */
	size_t n;
	uint64_t rotations, early;
};
void vx6_onion_keys_view(const struct vx6_onion_keys *k, struct vx6_onion_keys_view *out);

/**
 * The key that a CREATE names, unless it has come before. Costs two hashes.
 * @param x the client's ephemeral key
 * @return VX6_OK | STALE (not a key of ours, or not any more) | EXISTS (it came before) | FULL (nothing new is taken under that key)
 */
VX6_RES vx6_onion_keys_find(struct vx6_onion_keys *k, const uint8_t id[static VX6_CREATE_KEY_ID],
			    const uint8_t x[static VX6_KX_BYTES], struct vx6_onion_keypair **out);
/** The handshake was sound: @p x is not taken again under that key. */
void vx6_onion_keys_spend(struct vx6_onion_keys *k, struct vx6_onion_keypair *key,
			  const uint8_t x[static VX6_KX_BYTES]);
const struct vx6_kx_sk *vx6_onion_keypair_sk(const struct vx6_onion_keypair *key);
const struct vx6_kx_pk *vx6_onion_keypair_pk(const struct vx6_onion_keypair *key);

#endif
