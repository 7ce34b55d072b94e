/**
 * @file guards.h
 * Guards: the few relays that may be the first hop of anonymous circuits, kept for months.
 *
 * Spec:    docs/adr/0018-paths-without-a-consensus.md; Tor's guard-spec A.1
 * Layer:   circuit
 * Shape:   an ordered *sample* of the pool: confirmed guards in the order of their confirmation, then the others in the order they were drawn.
 *          The first three that are listed are *primary*; a circuit begins at the first that can be used
 * Rules:   sample    drawn by weight: 20, or a fifth of the pool if that is fewer (at least 3), of relays in different networks and families;
 *                    it grows by as many as are missing when guards of it cannot be had, never beyond 60, nor beyond a fifth of the pool
 *                    with those that are listed
 *          leaves    not listed for 20 days; or 120 days after it was drawn, but not before 60 days after it was confirmed.
 *                    These dates are random by a tenth, and no date on the disk is finer than a day but those of retries
 *          retry     of one that could not be reached: primary ones every 30 s for 5 min, 10 min for 6 h, 90 min for 90 h, 4 h for 3 days, then 9 h;
 *                    the others 1 h, 4 h, 18 h, 36 h; each time random by a quarter. At once when something new of it is heard: it is there
 *          blame     a failure behind the guard is not the guard's, unless more than 6 of its last 20 circuits fail so: then it is set aside
 *                    for a day, one primary at a time, so that whoever makes circuits fail cannot go through the sample
 *          network   the first success after ten minutes without one makes all primaries usable: it was we who were cut off
 * Threads: the loop's thread; time and randomness come as arguments
 */
#ifndef VX6_CIRCUIT_GUARDS_H
#define VX6_CIRCUIT_GUARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit/draw.h"
#include "circuit/relays.h"
#include "circuit/rows.h"

struct vx6_path_view;

enum {
	VX6_GUARDS_MAX = 60,
	VX6_GUARDS_WANTED = 20,
	VX6_GUARDS_MIN = 3,
	VX6_GUARDS_PRIMARY = 3,
	VX6_GUARD_BIAS_RING = 20,
	VX6_GUARD_BIAS_MAX = 6, /* of VX6_GUARD_BIAS_RING */
};

struct vx6_guards;

enum vx6_guard_state {
	VX6_GUARD_UNTRIED,
	VX6_GUARD_UP,
	VX6_GUARD_DOWN,  /* could not be reached; not before retry_s */
	VX6_GUARD_ASIDE, /* too many circuits fail behind it; not before retry_s */
};

/** One of the sample, to be read. */
struct vx6_guard {
	struct vx6_node_id node;
	uint64_t since_s;                      /* drawn; a whole day */
	uint64_t confirmed_s;                  /* first used with success; a whole day, 0: never */
	uint64_t expires_s, confirmed_until_s; /* leaves after both */
	uint64_t unlisted_s;                   /* since when; 0: it is listed */
	uint64_t failing_s;                    /* since when; 0: it is not */
	uint64_t retry_s;                      /* DOWN, ASIDE */
	enum vx6_guard_state state;
	uint32_t
		bias_ring; /* the last circuits that got beyond it, a bit each, the latest lowest; 1: failed */
	uint8_t bias_n; /* up to VX6_GUARD_BIAS_RING */
	bool primary;
};

/** @return owned; vx6_guards_free() */
struct vx6_guards *vx6_guards_new(void);
/** Accepts NULL. */
void vx6_guards_free(struct vx6_guards *g);

/**
 * Lets those go whose time has come, draws what is missing. Before a path is drawn, and once in a while. While fewer than three relays are
 * listed nothing is concluded from who is not.
 */
void vx6_guards_update(struct vx6_guards *g, const struct vx6_relays *relays,
		       const struct vx6_path_view *view, const struct vx6_rand *rand);

/** The circuit's first hop was reached, it confirms the guard. Nodes that are no guards are ignored, here and below. */
void vx6_guards_up(struct vx6_guards *g, const struct vx6_node_id *node, uint64_t now_s,
		   const struct vx6_rand *rand);
/** It could not be reached, or did not answer as the first hop. */
void vx6_guards_down(struct vx6_guards *g, const struct vx6_node_id *node, uint64_t now_s,
		     const struct vx6_rand *rand);
/** A record of it has come that is newer than what was known. One that could not be reached was started anew, as a rule: it may be tried. */
void vx6_guards_heard(struct vx6_guards *g, const struct vx6_node_id *node);
/** A circuit got beyond the guard, and was built or not. @return true: that was one too many, the guard is set aside */
bool vx6_guards_beyond(struct vx6_guards *g, const struct vx6_node_id *node, bool built,
		       uint64_t now_s, const struct vx6_rand *rand);
/** Own addresses changed: primaries that are down may be tried at once. */
void vx6_guards_moved(struct vx6_guards *g);

/* ---- to look at; pointers hold until the next call that changes guards ---- */

size_t vx6_guards_count(const struct vx6_guards *g);
/** @param i in their order */
const struct vx6_guard *vx6_guards_at(const struct vx6_guards *g, size_t i);
/** Its place, from 1. @return 0: not one of them */
unsigned vx6_guards_place(const struct vx6_guards *g, const struct vx6_node_id *node);
/** Listed and not to be left alone for now. */
bool vx6_guard_is_usable(const struct vx6_guard *e, uint64_t now_s);

/* ---- rows ---- */

size_t vx6_guards_dirty(const struct vx6_guards *g);
void vx6_guards_dirty_all(struct vx6_guards *g);
/** Hands all changed rows to @p to. @return how many */
size_t vx6_guards_save(struct vx6_guards *g, const struct vx6_circuit_store *to);
/** Takes a stored row, in any order. @return VX6_OK | FORMAT, CHECKSUM, UNSUPPORTED, …: damaged, dropped | EXISTS | FULL */
VX6_RES vx6_guards_load(struct vx6_guards *g, const uint8_t *key, size_t key_n,
			const uint8_t *value, size_t n);

#endif
