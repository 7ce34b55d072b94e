/*
 * A guest, and whoever it speaks with in the test's hands: its circuits, the DHT, an owner who publishes and answers. Time is virtual.
 */
#ifndef VX6_TESTS_UNIT_HIDDEN_GUEST_RIG_H
#define VX6_TESTS_UNIT_HIDDEN_GUEST_RIG_H

#include "circuit/bare.h"
#include "crypto/hs_ntor.h"
#include "crypto/kx.h"
#include "hidden/client_auth.h"
#include "hidden/guests.h"
#include "loop/loop.h"
#include "record/hs_desc.h"
#include "wire/hs.h"

enum { RIG_LEGS = 600, RIG_LINES = 64, RIG_STEPS = 256, RIG_CLIENTS = 4 };

/* A leg's circuit, and what came of it. */
struct vx6_circuit {
	uint64_t leg;
	struct vx6_node_id x;
	int said_n;
	uint8_t said_type, said[64];
	size_t said_bytes;
	bool joined, not_joined;
	uint8_t keys[VX6_HS_E2E_KEYS], kh[VX6_HS_KH];
	struct vx6_node_id far;
	vx6_err err;
	bool x_is_fine;
	char detail[VX6_CIRCUIT_WHY];
	uint64_t at_ms;
};

/* A circuit to an introduction point. */
struct vx6_bare {
	struct vx6_node_id last;
	uint8_t relays;
	const struct vx6_bare_events *ev;
	void *user;
	bool open, closed;
	int said_n;
	uint8_t said[VX6_HS_INTRODUCE]; /* the last one */
};

/* An introduction point, as its owner knows it. */
struct intro_keys {
	uint8_t enc_sk[32];
};

struct rig {
	struct vx6_guests *g;
	struct vx6_circuit leg[RIG_LEGS];
	struct vx6_bare line[RIG_LINES];
	int lines_n;
	vx6_err begin_err; /* what a new line says */
	vx6_err say_err;
	/* the DHT */
	int fetches, cancels;
	bool strict, no_fetch;
	struct vx6_guest_seen asked_seen[8];
	size_t asked_seen_n;
	vx6_guest_fetched_cb *fetch_cb;
	void *fetch_user;
	/* the owner */
	struct vx6_sign_keypair service;
	struct vx6_node_id id;
	struct vx6_hs_desc desc;
	struct intro_keys keys[VX6_HS_INTROS_MAX];
	uint8_t clients[RIG_CLIENTS][32];
	size_t clients_n;
	uint8_t record[VX6_HS_DESC_BYTES];
	/* what was told */
	int access_told, seen_told;
	struct vx6_guest_access access;
	struct vx6_guest_seen seen;
	enum vx6_guest_step_kind step[RIG_STEPS];
	int steps_n;
};
extern struct rig rig;

int rig_setup(void **state);
int rig_teardown(void **state);
/** Runs the loop for so long. */
void rig_pass(uint64_t ms);

/* ---- the owner ---- */

/** Others than before: that many active points, and standbys. */
void owner_points(size_t active, size_t standby);
/** Writes the descriptor with the next number. */
void owner_publishes(void);
/** The introduction that was said last on that line, opened. @return which point; -1: it is for none of them */
int owner_opens(const struct vx6_bare *b, struct vx6_introduce *out, uint8_t client_pk[static 32],
		size_t *mac_at, uint8_t plain[static VX6_HS_PLAIN]);
/** Takes it, and answers by way of the leg's rendezvous. */
void owner_meets(const struct vx6_bare *b, struct vx6_circuit *leg);
/** Whether the client in @p i has shown the key @p pk. */
bool owner_knows(const struct vx6_introduce *i, int point, const uint8_t *plain, size_t mac_at,
		 const uint8_t pk[static 32]);

/* ---- what the network does ---- */

/** The fetch under way ends. @param record NULL: with @p err */
void fetch_ends(vx6_err err, const uint8_t *record, bool confirmed);
/** Two sources have brought it, and the fetch goes on. */
void fetch_agrees_early(const uint8_t *record);
void line_opens(struct vx6_bare *b);
void line_falls(struct vx6_bare *b);
void line_acks(struct vx6_bare *b, uint16_t code);
/** The last one that was begun. */
struct vx6_bare *last_line(void);
/** A leg is being built, to an X of its own. @return it */
struct vx6_circuit *leg_builds(uint64_t leg);
/** It has its circuit. */
void leg_at_x(struct vx6_circuit *c);
/** A leg that nobody heard of has its circuit. @return it */
struct vx6_circuit *leg_begins(uint64_t leg);
void leg_established(struct vx6_circuit *c, uint16_t code);
/** A meeting without trouble, of a descriptor that is known or is fetched now. */
void leg_meets(struct vx6_circuit *c);
void assert_failed(const struct vx6_circuit *c, int code, bool x_is_fine, const char *detail);
/** Row of the service. */
void rig_show(struct vx6_guest_show *out);

#endif
