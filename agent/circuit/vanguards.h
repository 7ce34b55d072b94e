/**
 * @file vanguards.h
 * Vanguards: the few relays that are the second hop of circuits for hidden services, kept for days.
 *
 * Spec:    docs/adr/0018-paths-without-a-consensus.md; Tor's vanguards-spec
 * Layer:   circuit
 * Shape:   a set out of the pool, each with a life of its own. Whoever makes a hidden service build circuit after circuit, to relays of his, sees
 *          only these before his own: the guard is behind them, and he has to get hold of one of them first
 * Rules:   number    4, or a quarter of the pool if that is fewer, but at least 2
 *          drawn     by weight, of relays that fit as a middle one (circuit/path.h: listed, old enough, not failing), in different networks and
 *                    families, none of them a guard that is primary
 *          life      the longer of two draws between 1 and 12 days: one that was taken over does not stay for long, and most that are seen stay
 *          leaves    at the end of its life; not listed for a day; when its circuits failed at it for six hours and never worked
 *          used      any of those that are listed and have not failed a moment ago, each as likely as the others
 *          dates on the disk are not finer than a day but the end of its life, an hour
 * Threads: the loop's thread; time and randomness come as arguments
 */
#ifndef VX6_CIRCUIT_VANGUARDS_H
#define VX6_CIRCUIT_VANGUARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit/draw.h"
#include "circuit/guards.h"
#include "circuit/relays.h"
#include "circuit/rows.h"

struct vx6_path_view;

enum {
	VX6_VANGUARDS_MAX = 4,
	VX6_VANGUARDS_MIN = 2,
};

struct vx6_vanguards;

/** One of them, to be read. */
struct vx6_vanguard {
	struct vx6_node_id node;
	uint64_t since_s;    /* drawn; a whole day */
	uint64_t until_s;    /* leaves; a whole hour */
	uint64_t unlisted_s; /* since when; 0: it is listed */
	uint64_t failing_s;  /* since when nothing worked; 0: it does */
	uint64_t retry_s;    /* not before, unless there is no other; 0: at once */
};

/** @return owned; vx6_vanguards_free() */
struct vx6_vanguards *vx6_vanguards_new(void);
/** Accepts NULL. */
void vx6_vanguards_free(struct vx6_vanguards *v);

/**
 * Lets those go whose time has come, draws what is missing. Before a path with them is drawn, and once in a while when there are any. While fewer
 * than three relays are listed nothing is concluded from who is not. vx6_guards_update() comes first.
 */
void vx6_vanguards_update(struct vx6_vanguards *v, const struct vx6_relays *relays,
			  const struct vx6_guards *guards, const struct vx6_path_view *view,
			  const struct vx6_rand *rand);

/** A circuit got to it, and beyond. Nodes that are none are ignored, here and below. */
void vx6_vanguards_up(struct vx6_vanguards *v, const struct vx6_node_id *node);
/** The hop to it could not be made, or it did what it must not. */
void vx6_vanguards_down(struct vx6_vanguards *v, const struct vx6_node_id *node, uint64_t now_s);
/** A record of it has come that is newer than what was known: if it failed it may be tried again. */
void vx6_vanguards_heard(struct vx6_vanguards *v, const struct vx6_node_id *node);

/* ---- to look at; pointers hold until the next call that changes them ---- */

size_t vx6_vanguards_count(const struct vx6_vanguards *v);
const struct vx6_vanguard *vx6_vanguards_at(const struct vx6_vanguards *v, size_t i);
bool vx6_vanguards_has(const struct vx6_vanguards *v, const struct vx6_node_id *node);
/** Listed, and not failed a moment ago. */
bool vx6_vanguard_is_usable(const struct vx6_vanguard *e, uint64_t now_s);

/* ---- rows ---- */

size_t vx6_vanguards_dirty(const struct vx6_vanguards *v);
void vx6_vanguards_dirty_all(struct vx6_vanguards *v);
/** Hands all changed rows to @p to. @return how many */
size_t vx6_vanguards_save(struct vx6_vanguards *v, const struct vx6_circuit_store *to);
/** Takes a stored row. @return VX6_OK | FORMAT, CHECKSUM, UNSUPPORTED, …: damaged, dropped | EXISTS | FULL */
VX6_RES vx6_vanguards_load(struct vx6_vanguards *v, const uint8_t *key, size_t key_n,
			   const uint8_t *value, size_t n);

#endif
